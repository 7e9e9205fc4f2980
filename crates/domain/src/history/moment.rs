//! When a step happens: by what its entries are stamped, and by the clock.

use super::entry::Entry;
use crate::{
    order::{Order, Wait, wait_start},
    value::Timestamp,
};

/// The note of an entry whose time is ahead of the clock: by how many microseconds.
const AHEAD: &str = "waymark.ahead_micros";
/// By how much an entry may be stamped ahead of the clock before it is noted. Clocks of two
/// replicas always differ a little.
const AHEAD_MICROS_MAX: i64 = 1_000_000;

/// When a step happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time of its entries; within a partition it never goes back.
    pub time: Timestamp,
    /// The time of the clock, by which everything is judged that is due. It is earlier than `time`
    /// after a clock that was ahead was put right, and where the clock of another process is ahead.
    pub clock: Timestamp,
}

impl From<Timestamp> for Moment {
    /// A moment at which the clock is where the log is.
    fn from(time: Timestamp) -> Self {
        Self { time, clock: time }
    }
}

impl Moment {
    /// By how many microseconds entries are stamped ahead of the clock; none for at most a second.
    pub fn ahead_micros(&self) -> Option<i64> {
        let ahead = self.time.micros().saturating_sub(self.clock.micros());
        (ahead > AHEAD_MICROS_MAX).then_some(ahead)
    }

    /// Moves the wait of an order back that began under a clock that was ahead, at an instant that
    /// is yet to come. Says whether it did.
    pub(crate) fn put_wait_right(&self, order: &mut Order) -> bool {
        let start = wait_start(order);
        let Some(ahead) = self.ahead_micros() else {
            return false;
        };
        if order.return_to.is_some() || start <= self.clock {
            return false;
        }
        let start = start.micros().saturating_sub(ahead);
        order.wait = Some(Wait::Since(Timestamp::from_micros(start)));
        true
    }

    /// Notes on an entry how far it is ahead, so that replaying it gives the same order.
    pub(crate) fn note(&self, entry: &mut Entry) {
        if let Some(ahead) = self.ahead_micros() {
            entry.metadata.note(AHEAD, &ahead.to_string());
        }
    }
}

/// The time of the clock when an entry was written; none where its time says so.
pub(super) fn clock_of(entry: &Entry) -> Option<Timestamp> {
    let ahead: i64 = entry.metadata.as_map().get(AHEAD)?.parse().ok()?;
    let clock = entry.create_time.micros().saturating_sub(ahead);
    Some(Timestamp::from_micros(clock))
}
