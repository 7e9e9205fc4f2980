//! When the loops beside that of the dispatcher look again, and at which partitions.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};
use waymark_domain::partition::Partition;
use waymark_persistence::Error;

use crate::error::chain;

/// The rounds of a loop over the partitions that are carried.
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

    /// Waits for the next round, and gives the partitions that are carried then.
    pub(super) async fn next(&mut self) -> BTreeSet<Partition> {
        self.tick.tick().await;
        self.owned.borrow().clone()
    }
}

/// What fails in single partitions is said once of each, until it works again there.
#[derive(Debug)]
pub(super) struct FailingParts {
    /// What fails, as the log says it.
    what: &'static str,
    said: BTreeSet<Partition>,
}

impl FailingParts {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            said: BTreeSet::new(),
        }
    }

    /// Says how one partition fared, and whether it is worth going on with the others.
    ///
    /// # Errors
    /// Returns the error where the database as a whole does not answer.
    pub(super) fn note(
        &mut self,
        partition: Partition,
        outcome: Result<(), Error>,
    ) -> Result<(), Error> {
        let Err(error) = outcome else {
            self.said.remove(&partition);
            return Ok(());
        };
        if is_of_all(&error) {
            return Err(error);
        }
        let (number, what) = (partition.number(), self.what);
        if self.said.insert(partition) {
            tracing::warn!(
                partition = number,
                error = chain(&error),
                "{what}; trying on"
            );
        } else {
            tracing::debug!(partition = number, error = chain(&error), "{what}");
        }
        Ok(())
    }
}

/// Whether an error is one of the whole database, so that whatever is next would fail as well.
pub(super) fn is_of_all(error: &Error) -> bool {
    let was_in_the_way = matches!(error, Error::Conflict { .. });
    error.is_of_storage() || (error.is_passing() && !was_in_the_way)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut failing = FailingParts::new("nothing works");
        let (one, other) = (Partition::new(0), Partition::new(1));
        assert!(failing.note(one, Err(corrupt())).is_ok());
        assert!(failing.note(one, Err(corrupt())).is_ok());
        assert!(failing.note(other, Ok(())).is_ok());
        assert_eq!(failing.said, BTreeSet::from([one]));
        assert!(failing.note(other, Err(gone)).is_err());
        assert!(failing.note(one, Ok(())).is_ok());
        assert!(failing.said.is_empty());
    }
}
