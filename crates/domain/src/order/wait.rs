//! How long an order has waited in its status. While it is on hold, that clock stands still.

use super::{Order, Wait};
use crate::value::Timestamp;

impl Wait {
    /// The wait of an order that is put on hold now.
    pub(crate) fn paused(order: &Order, now: Timestamp) -> Self {
        let waited = now.micros().saturating_sub(wait_start(order).micros());
        // After a clock that was ahead, it has begun at an instant that is yet to come.
        Self::Paused(waited.max(0))
    }

    /// The wait of an order that is released now.
    pub(crate) fn resumed(order: &Order, now: Timestamp) -> Option<Self> {
        match order.wait {
            Some(Self::Paused(waited)) => {
                let start = now.micros().saturating_sub(waited);
                Some(Self::Since(Timestamp::from_micros(start)))
            }
            // Orders that were held before waits were kept begin anew.
            Some(Self::Since(_)) | None => None,
        }
    }
}

/// The instant from which the time in the present status counts. It is yet to come where the
/// order entered its status under a clock that was ahead.
pub fn wait_start(order: &Order) -> Timestamp {
    match order.wait {
        Some(Wait::Since(instant)) => instant,
        Some(Wait::Paused(_)) | None => order.status_time,
    }
}
