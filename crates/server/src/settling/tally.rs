//! The results of a page of orders that were asked, and when a page ends early.

use prost::Message;
use waymark_domain::value::OrderId;
use waymark_persistence::{CommitError, Committed, StepError};
use waymark_proto::v1;

use crate::{Error, limits::RESULT_BYTES_MIN};

/// A page ends behind so many bytes of its answer. A unit adds less than 300 KiB.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// How many characters of a refusal the answer has.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// Why a page ends before its last order.
pub(super) enum Stop {
    /// Nothing was written for the next order, nor for those behind it.
    Here(Error),
    /// What was written is not known.
    Unknown,
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Here(error) => error,
            Stop::Unknown => CommitError::OutcomeUnknown.into(),
        }
    }
}

/// The results of a page so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many of its orders were asked, from its beginning on.
    pub(super) asked: usize,
    pub(super) moved: Vec<v1::SettledOrder>,
    pub(super) refused: Vec<v1::RefusedOrder>,
    /// The bytes that these take in the answer.
    bytes: usize,
}

impl Tally {
    pub(super) fn is_full(&self) -> bool {
        self.bytes > PAGE_BYTES_MAX
    }

    /// Counts what became of the next orders. Where the database failed one, the page ends before
    /// it.
    pub(super) fn take(
        &mut self,
        ids: &[OrderId],
        outcomes: Vec<Result<Committed, StepError>>,
    ) -> Result<(), Stop> {
        let mut failure = None;
        for (id, outcome) in ids.iter().zip(outcomes) {
            match (outcome, failure) {
                (Err(StepError::Failed(CommitError::OutcomeUnknown)), _) => {
                    return Err(Stop::Unknown);
                }
                // It would be told of no page.
                (Ok(committed), Some(_)) if !committed.entries.is_empty() => {
                    return Err(Stop::Unknown);
                }
                (Ok(_) | Err(_), Some(_)) => {}
                (Ok(committed), None) => self.settled(id, &committed),
                (Err(StepError::Refused(refusal)), None) => self.refused(id, refusal.into()),
                (Err(StepError::Failed(error @ CommitError::Database)), None) => {
                    self.refused(id, error.into());
                }
                (Err(StepError::Failed(error)), None) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(Stop::Here(error.into())),
            None => Ok(()),
        }
    }

    fn settled(&mut self, id: &OrderId, committed: &Committed) {
        self.asked += 1;
        if committed.entries.is_empty() {
            return;
        }
        let entries = committed.entries.iter();
        let transitions = entries.filter_map(|logged| logged.entry.transition.as_ref());
        let moved = v1::SettledOrder {
            order_id: id.to_string(),
            transitions: transitions.map(ToString::to_string).collect(),
        };
        self.bytes += moved.encoded_len();
        self.moved.push(moved);
    }

    fn refused(&mut self, id: &OrderId, error: Error) {
        self.asked += 1;
        let v1::StepError {
            reason, message, ..
        } = error.into_step_error(RESULT_BYTES_MIN);
        tracing::debug!(order.id = %id, reason, message, "order not settled");
        let refused = v1::RefusedOrder {
            order_id: id.to_string(),
            reason,
            message: message.chars().take(MESSAGE_CHARACTERS_MAX).collect(),
        };
        self.bytes += refused.encoded_len();
        self.refused.push(refused);
    }
}

#[cfg(test)]
mod tests {
    use waymark_persistence::Refusal;

    use super::*;
    use crate::committer::SubmitError;

    fn ids(count: usize) -> Vec<OrderId> {
        let ids = (0..count).map(|number| OrderId::new(&number.to_string()).unwrap());
        ids.collect()
    }

    fn refused(id: &OrderId) -> Result<Committed, StepError> {
        Err(StepError::Refused(Refusal::RequestIdReused {
            request_id: id.as_str().parse().unwrap(),
        }))
    }

    fn failed(error: CommitError) -> Result<Committed, StepError> {
        Err(StepError::Failed(error))
    }

    #[test]
    fn a_page_ends_before_the_first_order_that_the_database_failed() {
        let ids = ids(4);
        let mut tally = Tally::default();
        let outcomes = vec![
            refused(&ids[0]),
            failed(CommitError::Database),
            failed(CommitError::Unavailable),
            refused(&ids[3]),
        ];
        let stop = tally.take(&ids, outcomes);
        assert!(matches!(
            stop,
            Err(Stop::Here(Error::Submit(SubmitError::Commit(
                CommitError::Unavailable
            ))))
        ));
        let told: Vec<_> = tally
            .refused
            .iter()
            .map(|refused| (refused.order_id.as_str(), refused.reason.as_str()))
            .collect();
        assert_eq!(tally.asked, 2);
        assert_eq!(told, [("0", "REQUEST_ID_REUSED"), ("1", "INTERNAL")]);
    }

    #[test]
    fn a_page_of_which_something_is_not_known_has_no_answer() {
        let ids = ids(2);
        let outcomes = vec![refused(&ids[0]), failed(CommitError::OutcomeUnknown)];
        let stop = Tally::default().take(&ids, outcomes);
        assert!(matches!(stop, Err(Stop::Unknown)));
    }
}
