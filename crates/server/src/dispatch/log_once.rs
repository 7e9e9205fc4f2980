//! Failures of loops that try on, logged once until the same works again.

use std::collections::BTreeSet;

use waymark_domain::partition::Partition;
use waymark_persistence::Error;

use crate::telemetry::chain;

/// The failures that were logged and go on.
#[derive(Default)]
pub(super) struct LogOnce(BTreeSet<&'static str>);

impl LogOnce {
    /// Logs a failure, unless it was logged already.
    pub(super) fn note(&mut self, what: &'static str, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => {
                self.0.remove(what);
            }
            Err(error) if self.0.insert(what) => {
                tracing::warn!(error = chain(&error), "{what}; retrying");
            }
            Err(error) => tracing::debug!(error = chain(&error), "{what}"),
        }
    }
}

/// The partitions in which a loop fails.
#[derive(Debug)]
pub(super) struct LogOncePerPartition {
    /// The message of the log.
    what: &'static str,
    logged: BTreeSet<Partition>,
}

impl LogOncePerPartition {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            logged: BTreeSet::new(),
        }
    }

    /// Logs the failure of one partition once, so that the others go on.
    ///
    /// # Errors
    /// Returns the error where the database as a whole does not answer.
    pub(super) fn note(
        &mut self,
        partition: Partition,
        outcome: Result<(), Error>,
    ) -> Result<(), Error> {
        let Err(error) = outcome else {
            self.logged.remove(&partition);
            return Ok(());
        };
        if is_of_all(&error) {
            return Err(error);
        }
        let (number, what) = (partition.number(), self.what);
        if self.logged.insert(partition) {
            tracing::warn!(
                partition = number,
                error = chain(&error),
                "{what}; retrying"
            );
        } else {
            tracing::debug!(partition = number, error = chain(&error), "{what}");
        }
        Ok(())
    }
}

/// Whether an error is one of the whole database, so that whatever is next would fail as well.
pub(super) fn is_of_all(error: &Error) -> bool {
    let is_conflict = matches!(error, Error::Conflict { .. });
    error.is_of_storage() || (error.is_passing() && !is_conflict)
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
        let mut failures = LogOncePerPartition::new("nothing works");
        let (one, other) = (Partition::new(0), Partition::new(1));
        assert!(failures.note(one, Err(corrupt())).is_ok());
        assert!(failures.note(one, Err(corrupt())).is_ok());
        assert!(failures.note(other, Ok(())).is_ok());
        assert_eq!(failures.logged, BTreeSet::from([one]));
        assert!(failures.note(other, Err(gone)).is_err());
        assert!(failures.note(one, Ok(())).is_ok());
        assert!(failures.logged.is_empty());
    }
}
