//! Deliveries: the account that is kept of everything that is sent after a step.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    history::{Destination, LogPosition},
    partition::Partition,
    value::{Invalid, OrderId, Reason, Timestamp, TransitionCode, WorkflowCode},
    workflow::ActionPath,
};

/// By how much the number of copies that go by themselves differs from that of their mail. An entry
/// sets off fewer deliveries than that: it triggers the actions of five trigger points at most,
/// each with 16 actions, of which each sends a mail and ten copies.
const COPIES_APART: u32 = 1_000;

/// The name of a delivery: the place of its entry in the log, and its number among what
/// the entry set off, from 0; see [`Self::of_copies`] for others. Its text is such as `3-1532-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// Where the entry stands.
    pub position: LogPosition,
    /// Which of what the entry set off.
    pub number: u32,
}

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// The workflow of its order.
    pub workflow: WorkflowCode,
    /// Its order.
    pub order_id: OrderId,
    /// The sequence of the entry that set it off.
    pub sequence: i64,
    /// The version in which the step of that entry left the order.
    pub order_version: i64,
    /// The transition that the entry took, if any.
    pub transition: Option<TransitionCode>,
    /// The action that wants it.
    pub action: ActionPath,
    /// Where it goes.
    pub to: Destination,
    /// The lane: the ordering key of deliveries of one order, [`Destination::lane`] as it
    /// was when it was written.
    pub lane: String,
    /// How far it has come.
    pub state: DeliveryState,
    /// How many attempts were made, since it was last retried by hand.
    pub attempts: u32,
    /// The outcome of the last attempt, or why it is not sent; empty for nothing to say.
    pub problem: String,
    /// When it is tried next; none when it is finished or waits for an earlier one.
    pub due_time: Option<Timestamp>,
    /// When its step was written.
    pub create_time: Timestamp,
    /// When it last changed.
    pub update_time: Timestamp,
}

/// One attempt to deliver, as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub start_time: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Its outcome.
    pub outcome: Outcome,
    /// The code of the answer, as its protocol has them; none where no answer came.
    pub code: Option<u16>,
    /// The error, in words for the merchant; empty for none.
    pub problem: String,
    /// The beginning of the answer, at most 1 KiB.
    pub answer: Vec<u8>,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The target took it.
    Accepted,
    /// The target did not take it now.
    Failed,
    /// The target will never take it.
    Refused,
}

/// A decision of somebody about a delivery, as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Who decided.
    pub actor: Actor,
    /// When.
    pub time: Timestamp,
}

/// The decisions about deliveries that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again.
    Retried,
    /// It is not sent, for this reason.
    Skipped(Reason),
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for its turn or for its next attempt.
    Pending,
    /// Its target took it.
    Succeeded,
    /// It was given up: a dead letter, which stays until somebody decides.
    Dead,
    /// Somebody decided, or its action did, that it is not sent.
    Skipped,
}

impl DeliveryId {
    /// The name of the delivery of a mail's blind copies, once they go by themselves since the
    /// address of the customer was refused: 1,000 is added to the number of the mail, such as
    /// `3-1532-1000`.
    #[must_use]
    pub fn of_copies(self) -> Self {
        Self {
            number: self.number.saturating_add(COPIES_APART),
            ..self
        }
    }
}

impl DeliveryState {
    /// The word of the state, in `snake_case`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogPosition { partition, offset } = self.position;
        write!(f, "{}-{offset}-{}", partition.number(), self.number)
    }
}

impl FromStr for DeliveryId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let malformed = || Invalid::Malformed {
            expected: "the id of a delivery, such as 3-1532-0",
        };
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().ok_or_else(malformed);
        let (partition, offset, number) = (part()?, part()?, part()?);
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if ![partition, offset, number].into_iter().all(is_plain) {
            return Err(malformed());
        }
        let partition = partition.parse().map_err(|_| malformed())?;
        let id = Self {
            position: LogPosition {
                partition: Partition::new(partition),
                offset: offset.parse().map_err(|_| malformed())?,
            },
            number: number.parse().map_err(|_| malformed())?,
        };
        // One delivery has one name.
        (id.to_string() == text).then_some(id).ok_or_else(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::Readers, value::EmailAddress};

    #[test]
    fn destinations_are_read_back_as_they_are_stored() {
        let copy = Readers::Copy(EmailAddress::new("a@example.com").unwrap());
        for (readers, shown, stored, lane) in [
            (Readers::Customer, "customer", "customer", "email"),
            (
                Readers::CustomerAlone,
                "customer",
                "customer_alone",
                "email",
            ),
            (
                Readers::CustomerRefused,
                "customer",
                "customer_refused",
                "email",
            ),
            (Readers::Copies, "copies", "copies", "email.copies"),
            (copy, "a@example.com", "a@example.com", "email.copies"),
        ] {
            let to = Destination::Readers(readers);
            assert_eq!(to.to_string(), shown);
            assert_eq!(to.stored(), stored);
            assert_eq!(to.lane(), lane);
            assert_eq!(Destination::parse(to.kind(), stored), Ok(to));
        }
    }

    #[test]
    fn copies_that_go_by_themselves_are_named_after_their_mail() {
        let mail: DeliveryId = "3-1532-2".parse().unwrap();
        assert_eq!(mail.of_copies().to_string(), "3-1532-1002");
    }

    #[test]
    fn ids_are_read_back_and_nothing_else_is() {
        let id: DeliveryId = "3-1532-0".parse().unwrap();
        assert_eq!(id.to_string(), "3-1532-0");
        for bad in [
            "",
            "3",
            "3-1",
            "3-1-",
            "03-1-0",
            "3-1-0-0",
            "+3-1-0",
            "3--1-0",
            "a-b-c",
            "3-99999999999999999999-0",
        ] {
            assert!(bad.parse::<DeliveryId>().is_err(), "{bad}");
        }
    }
}
