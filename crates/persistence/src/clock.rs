//! The one clock of Waymark. Everything that needs the time is given a
//! [`Clock`]; tests give one that they wind themselves.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use waymark_domain::{partition::Partition, value::Timestamp};

/// Interval at which it is logged that entries are stamped ahead of the clock.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Tells the time.
#[derive(Debug, Clone)]
pub struct Clock(ClockSource);

#[derive(Debug, Clone)]
enum ClockSource {
    System,
    Manual(Arc<AtomicI64>),
}

/// Winds a clock that [`Clock::manual`] made.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(ClockSource::System)
    }

    /// A clock that stands still until it is wound.
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let micros = Arc::new(AtomicI64::new(start.micros()));
        (
            Self(ClockSource::Manual(Arc::clone(&micros))),
            ManualClock(micros),
        )
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            ClockSource::System => system_now(),
            ClockSource::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }
}

impl ManualClock {
    /// Sets the time, also backwards.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.micros(), Ordering::SeqCst);
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

/// The last time at which it was logged that entries are stamped ahead of the clock.
#[derive(Debug, Default)]
pub(crate) struct AheadWarning(Mutex<Option<Instant>>);

impl AheadWarning {
    pub(crate) fn say(&self, partition: Partition, ahead_micros: i64) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < WARNING_INTERVAL) {
            return;
        }
        *last = Some(Instant::now());
        tracing::warn!(
            partition = partition.number(),
            ahead_seconds = ahead_micros / 1_000_000,
            "entries stamped ahead of the clock: it was ahead before, or that of another process \
             is; what is due goes by the clock"
        );
    }
}

/// A machine whose clock stands before 1970 or past the year 290,000 gets the nearer end.
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
fn system_now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
