//! Liveness of the database, as the committers and the tailer experience it. One failed call says
//! little, so it changes only after failures have lasted a while, and back after a few successes
//! in a row.

use std::{sync::Mutex, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::lock::lock;

/// Time that calls must have failed without one success in between.
const LOST_AFTER: Duration = Duration::from_secs(2);
/// Calls that must succeed in a row.
const FOUND_AFTER: u32 = 2;

#[derive(Debug)]
pub(crate) struct Liveness {
    record: Mutex<Record>,
    well: watch::Sender<bool>,
}

#[derive(Debug)]
struct Record {
    failing_since: Option<Instant>,
    successes: u32,
}

impl Liveness {
    /// The database was opened, which is the first success; it counts as lost until the next one.
    pub(crate) fn opened() -> Self {
        let record = Record {
            failing_since: None,
            successes: 1,
        };
        Self {
            record: Mutex::new(record),
            well: watch::Sender::new(false),
        }
    }

    /// Notes how one call of the database went.
    pub(crate) fn report(&self, succeeded: bool) {
        let mut record = lock(&self.record);
        let well = if succeeded {
            record.success()
        } else {
            record.failure(Instant::now())
        };
        let Some(well) = well else { return };
        let changed = self
            .well
            .send_if_modified(|current| std::mem::replace(current, well) != well);
        match (changed, well) {
            (true, true) => tracing::info!("database reachable"),
            (true, false) => tracing::error!("database unreachable"),
            (false, _) => {}
        }
    }

    /// Whether the database answers, now and whenever that changes.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.well.subscribe()
    }
}

impl Record {
    fn success(&mut self) -> Option<bool> {
        self.failing_since = None;
        self.successes = self.successes.saturating_add(1);
        (self.successes >= FOUND_AFTER).then_some(true)
    }

    fn failure(&mut self, now: Instant) -> Option<bool> {
        self.successes = 0;
        let since = *self.failing_since.get_or_insert(now);
        (now.duration_since(since) >= LOST_AFTER).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_success_more_is_needed_after_the_start() {
        let liveness = Liveness::opened();
        let well = liveness.watch();
        assert!(!*well.borrow(), "nothing was asked yet");
        liveness.report(true);
        assert!(*well.borrow());
        liveness.report(false);
        assert!(*well.borrow(), "one failure says little");
    }

    #[test]
    fn failures_must_last_and_successes_come_in_a_row() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut record = Record {
            failing_since: None,
            successes: FOUND_AFTER,
        };
        assert_eq!(record.failure(start), None);
        assert_eq!(
            record.failure(after(1)),
            None,
            "failures of a second are borne"
        );
        assert_eq!(record.failure(after(2)), Some(false));
        assert_eq!(record.success(), None);
        assert_eq!(record.success(), Some(true));
        assert_eq!(
            record.failure(after(3)),
            None,
            "a success starts the count again"
        );
        assert_eq!(record.failure(after(4)), None);
    }
}
