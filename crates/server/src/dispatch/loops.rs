//! The rounds of loops over the partitions that are owned, and their failures, logged once until the
//! same works again.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};
use waymark_domain::partition::Partition;
use waymark_persistence::Error;

use crate::telemetry::chain;

pub(super) struct Rounds {
    tick: Interval,
    owned: watch::Receiver<BTreeSet<Partition>>,
}

impl Rounds {
    pub(super) fn new(period: Duration, owned: watch::Receiver<BTreeSet<Partition>>) -> Self {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, owned }
    }

    /// Waits for the next round, and gives the partitions that are owned then.
    pub(super) async fn next(&mut self) -> BTreeSet<Partition> {
        self.tick.tick().await;
        self.owned.borrow().clone()
    }
}

/// A message of the log, and the partition that it is about, if it is about one alone.
type Failure = (&'static str, Option<Partition>);

/// The failures that were logged and go on.
#[derive(Debug, Default)]
pub(super) struct LogOnce(BTreeSet<Failure>);

impl LogOnce {
    /// Logs a failure, unless it was logged already.
    pub(super) fn note(&mut self, what: &'static str, outcome: Result<(), Error>) {
        self.log((what, None), outcome);
    }

    /// Logs the failure of one partition, unless it was logged already, so that the others go on.
    ///
    /// # Errors
    /// Returns the error where the database as a whole does not answer.
    pub(super) fn note_in(
        &mut self,
        partition: Partition,
        what: &'static str,
        outcome: Result<(), Error>,
    ) -> Result<(), Error> {
        match outcome {
            Err(error) if is_of_all(&error) => Err(error),
            outcome => {
                self.log((what, Some(partition)), outcome);
                Ok(())
            }
        }
    }

    fn log(&mut self, failure: Failure, outcome: Result<(), Error>) {
        let (what, partition) = failure;
        let partition = partition.map(Partition::number);
        match outcome {
            Ok(()) => {
                self.0.remove(&failure);
            }
            Err(error) if self.0.insert(failure) => {
                tracing::warn!(partition, error = chain(&error), "{what}; retrying");
            }
            Err(error) => tracing::debug!(partition, error = chain(&error), "{what}"),
        }
    }
}

/// Whether an error is one of the whole database, so that whatever is next would fail as well.
pub(super) fn is_of_all(error: &Error) -> bool {
    let is_conflict = matches!(error, Error::Conflict { .. });
    error.is_of_storage() || (error.is_transient() && !is_conflict)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: &str = "nothing works";

    fn corrupt() -> Error {
        Error::Corrupt {
            table: "orders",
            column: "body",
            row: "0/1".to_owned(),
            source: "as if it were wrong".into(),
        }
    }

    #[test]
    fn a_partition_that_fails_holds_up_no_other_and_a_database_that_is_gone_does() {
        let gone = Error::Unavailable {
            source: "gone".into(),
        };
        let mut failures = LogOnce::default();
        let (one, other) = (Partition::new(0), Partition::new(1));
        assert!(failures.note_in(one, WHAT, Err(corrupt())).is_ok());
        assert!(failures.note_in(one, WHAT, Err(corrupt())).is_ok());
        assert!(failures.note_in(other, WHAT, Ok(())).is_ok());
        assert_eq!(failures.0, BTreeSet::from([(WHAT, Some(one))]));
        assert!(failures.note_in(other, WHAT, Err(gone)).is_err());
        assert!(failures.note_in(one, WHAT, Ok(())).is_ok());
        assert!(failures.0.is_empty());
    }
}
