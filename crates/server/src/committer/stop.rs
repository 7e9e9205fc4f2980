//! The time that a stopping server leaves to what waits for the database.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The deadline of a stopping server, as its committers know it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct StopDeadline {
    /// Until when what waits may be begun.
    until: Arc<OnceLock<Instant>>,
    /// Cancelled when everybody has to be answered.
    over: CancellationToken,
}

impl StopDeadline {
    /// Spends the time until a deadline: in its first half what waits may be begun, and the last
    /// tenth is for answers to find their way.
    pub(super) async fn pass(&self, deadline: Duration) {
        let (half, tenth) = (deadline / 2, deadline / 10);
        if let Some(until) = Instant::now().checked_add(half) {
            // It is set once.
            let _ = self.until.set(until);
        }
        sleep(deadline.saturating_sub(tenth)).await;
        self.over.cancel();
        sleep(tenth).await;
    }

    pub(super) fn is_set(&self) -> bool {
        self.until.get().is_some()
    }

    /// The time in which units that wait may be begun yet; none where there is no end to it.
    pub(super) fn left(&self) -> Option<Duration> {
        let until = self.until.get()?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}
