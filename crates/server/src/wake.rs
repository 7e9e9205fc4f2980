//! The signal for the dispatcher that there may be something to send.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;
use waymark_persistence::Batched;

#[derive(Debug, Clone, Default)]
pub(crate) struct Wake {
    news: Arc<Notify>,
    retried: Arc<AtomicBool>,
}

impl Wake {
    /// Wakes the dispatcher where something was set off, and says whether it was.
    pub(crate) fn written(&self, written: &[Batched]) -> bool {
        let sets_off = |batched: &Batched| !batched.logged.entry.set_off.is_empty();
        let sets_off = written.iter().any(sets_off);
        if sets_off {
            self.now();
        }
        sets_off
    }

    /// Wakes the dispatcher: somebody decided something about deliveries or endpoints.
    pub(crate) fn now(&self) {
        self.news.notify_one();
    }

    /// Wakes the dispatcher: somebody had deliveries tried again, whatever became of their actions.
    pub(crate) fn retried(&self) {
        self.retried.store(true, Ordering::Release);
        self.now();
    }

    /// Whether deliveries are tried again since this was asked last.
    pub(crate) fn take_retried(&self) -> bool {
        self.retried.swap(false, Ordering::AcqRel)
    }

    pub(crate) async fn woken(&self) {
        self.news.notified().await;
    }
}
