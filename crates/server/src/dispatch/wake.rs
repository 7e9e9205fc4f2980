//! Says that there may be something to carry.

use std::sync::Arc;

use tokio::sync::Notify;
use waymark_persistence::Batched;

/// Says that there may be something to carry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes the dispatcher where something was set off.
    pub(crate) fn written(&self, written: &[Batched]) {
        let sets_off = |batched: &Batched| !batched.logged.entry.set_off.is_empty();
        if written.iter().any(sets_off) {
            self.now();
        }
    }

    /// Wakes the dispatcher: somebody decided something about deliveries or endpoints.
    pub(crate) fn now(&self) {
        self.0.notify_one();
    }

    /// Waits until the dispatcher is woken.
    pub(super) async fn woken(&self) {
        self.0.notified().await;
    }
}
