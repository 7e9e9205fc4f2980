//! Actions: what a step sets off besides moving the order. Some are written with the
//! step, others are carried out after it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    guard::Expression,
    template::Template,
    value::{
        ActionCode, Description, EmailAddress, EndpointCode, Invalid, OperationCode, Period,
        StateCode, StatusCode, TemplateName, TransitionCode, stored_as_text,
    },
};

/// The most actions of one place, such as one transition.
pub const ACTIONS_MAX: usize = 16;
/// The most addresses that get a copy of a mail.
pub const COPIES_MAX: usize = 10;

/// Something that a step sets off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its code, unique within its place.
    pub code: ActionCode,
    /// Its purpose.
    #[serde(default, skip_serializing_if = "Description::is_empty")]
    pub description: Description,
    /// The work that is done.
    pub work: Work,
    /// The condition under which it is done; it sees the entry as well.
    #[serde(
        default,
        deserialize_with = "crate::guard::stored",
        skip_serializing_if = "Option::is_none"
    )]
    pub condition: Option<Expression>,
    /// Its turn among the actions of its place: the lowest goes first, then the code.
    pub position: i32,
    /// Whether it is done at all.
    pub active: bool,
}

/// The work of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Something is sent after the step; a delivery keeps account of it.
    Send(Channel, Policy),
    /// Something more is written with the step, in the same transaction.
    Write(Writing),
}

/// By what means something is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A POST to an endpoint.
    Webhook(Webhook),
    /// A mail.
    Email(Email),
    /// An event on a subject of NATS.
    Publish(Publish),
}

/// A POST to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The endpoint.
    pub endpoint: EndpointCode,
}

/// A mail to the customer, to others, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// Who sends it.
    pub identity: Identity,
    /// The template of the mail.
    pub template: TemplateName,
    /// The template for guests; none for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_template: Option<TemplateName>,
    /// When the customer gets it.
    pub customer: Notify,
    /// Who else gets it; at most ten addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copy_to: Vec<EmailAddress>,
    /// How the others get it.
    pub copy_method: CopyMethod,
}

/// The senders that a shop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The general contact.
    General,
    /// The sales representative.
    Sales,
    /// Customer support.
    Support,
    /// The first of the shop's own.
    Custom1,
    /// The second of the shop's own.
    Custom2,
}

/// When the customer gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    /// When the call says `notify_customer`.
    OnRequest,
    /// Every time.
    Always,
    /// Never: the mail is for others.
    Never,
}

/// How others get a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyMethod {
    /// As blind copies of one mail.
    Bcc,
    /// Each in a mail of their own.
    Separate,
}

/// An event on a subject of NATS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The subject, such as `orders.{{ order.workflow }}.{{ entry.to_status }}`.
    pub subject: Template,
}

/// How often and how fast something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How many attempts are made before it is given up: 1 to 50.
    pub attempts: u32,
    /// How long to wait after the first attempt that failed. Each further wait is four times
    /// as long, at most a day.
    pub backoff: Period,
    /// How long one attempt may take; at most five minutes.
    pub timeout: Period,
}

/// An entry that is written with the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writing {
    /// A comment.
    Comment {
        /// Its text.
        text: Template,
        /// Whether the customer may read it.
        visible_to_customer: bool,
    },
    /// Attributes of the order; one whose text comes out empty is removed.
    SetAttributes(BTreeMap<String, Template>),
    /// A further step. Where it is not allowed, it is not taken, and the entry says why.
    Transition(TransitionCode),
}

/// Where actions are declared: what must happen for them to be set off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerPoint {
    /// An order leaves the state. A hold is no leaving, it is a pause.
    Leave(StateCode),
    /// An order takes the transition.
    Transition(TransitionCode),
    /// The operation is recorded, by itself or with a transition.
    Operation(OperationCode),
    /// An order is created.
    Create,
    /// Somebody comments on an order.
    Comment,
    /// An order enters the state, also by being created there. A release is no entering.
    Enter(StateCode),
    /// An order comes to the status, also by being created on it, by a comment or by a hold. A
    /// release is no coming.
    Status(StatusCode),
}

/// The name of an action in its workflow: its trigger point and its code, such as
/// `transition.ship.tell_erp`, `enter.processing.mail` or `create.mail`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionPath {
    /// Where it is declared.
    pub point: TriggerPoint,
    /// Its code there.
    pub code: ActionCode,
}

impl Policy {
    /// The longest wait between two attempts.
    const BACKOFF_MAX: Period = Period::of_seconds(24 * 60 * 60);
    /// The most attempts.
    pub const ATTEMPTS_MAX: u32 = 50;
    /// The longest that one attempt may take.
    pub const TIMEOUT_MAX: Period = Period::of_seconds(300);

    /// The first fault, in words that follow its name; none where there is none.
    pub fn problem(&self) -> Option<&'static str> {
        self.problems().next().map(|(_, problem)| problem)
    }

    /// The faults of its fields: the field, and words that follow the name of the policy.
    pub fn problems(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let attempts = !(1..=Self::ATTEMPTS_MAX).contains(&self.attempts);
        let timeout = self.timeout > Self::TIMEOUT_MAX;
        let backoff = self.backoff > Self::BACKOFF_MAX;
        let problems = [
            attempts.then_some(("attempts", "must have 1 to 50 attempts")),
            timeout.then_some(("timeout", "must have a timeout of at most 5m")),
            backoff.then_some(("backoff", "must have a backoff of at most 1day")),
        ];
        problems.into_iter().flatten()
    }

    /// How long to wait after this many attempts that failed, or none when it is given up.
    pub fn wait_after(&self, failed: u32) -> Option<Period> {
        if failed >= self.attempts {
            return None;
        }
        let growth = 4_u32.saturating_pow(failed.saturating_sub(1));
        let wait = self.backoff.duration().saturating_mul(growth);
        let wait = Period::new(wait).unwrap_or(Self::BACKOFF_MAX);
        Some(wait.min(Self::BACKOFF_MAX))
    }
}

/// Ten attempts within 54 hours, fifteen seconds each.
impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 10,
            backoff: Period::of_seconds(5),
            timeout: Period::of_seconds(15),
        }
    }
}

impl Work {
    /// The word for what is done, as documents have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Send(channel, _) => channel.kind(),
            Self::Write(Writing::Comment { .. }) => "comment",
            Self::Write(Writing::SetAttributes(_)) => "set_attributes",
            Self::Write(Writing::Transition(_)) => "transition",
        }
    }
}

impl Channel {
    /// The word for the means, as documents have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Email(_) => "email",
            Self::Publish(_) => "publish",
        }
    }
}

impl fmt::Display for TriggerPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leave(code) => write!(f, "leave.{code}"),
            Self::Transition(code) => write!(f, "transition.{code}"),
            Self::Operation(code) => write!(f, "operation.{code}"),
            Self::Create => f.write_str("create"),
            Self::Comment => f.write_str("comment"),
            Self::Enter(code) => write!(f, "enter.{code}"),
            Self::Status(code) => write!(f, "status.{code}"),
        }
    }
}

impl fmt::Display for ActionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.point, self.code)
    }
}

impl FromStr for ActionPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let malformed = || Invalid::Malformed {
            expected: "the name of an action, such as transition.ship.tell_erp or create.mail",
        };
        let (point, code) = text.rsplit_once('.').ok_or_else(malformed)?;
        let point = match point.split_once('.') {
            None if point == "create" => TriggerPoint::Create,
            None if point == "comment" => TriggerPoint::Comment,
            Some(("leave", state)) => TriggerPoint::Leave(StateCode::new(state)?),
            Some(("enter", state)) => TriggerPoint::Enter(StateCode::new(state)?),
            Some(("status", code)) => TriggerPoint::Status(StatusCode::new(code)?),
            Some(("transition", code)) => TriggerPoint::Transition(TransitionCode::new(code)?),
            Some(("operation", code)) => TriggerPoint::Operation(OperationCode::new(code)?),
            None | Some(_) => return Err(malformed()),
        };
        let code = ActionCode::new(code)?;
        Ok(Self { point, code })
    }
}

stored_as_text!(ActionPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_fourfold_up_to_a_day() {
        let policy = Policy::default();
        let waits: Vec<_> = (1..=10)
            .map(|failed| policy.wait_after(failed).map(|wait| wait.to_string()))
            .collect();
        let waits: Vec<_> = waits.iter().map(Option::as_deref).collect();
        assert_eq!(
            waits,
            [
                Some("5s"),
                Some("20s"),
                Some("1m 20s"),
                Some("5m 20s"),
                Some("21m 20s"),
                Some("1h 25m 20s"),
                Some("5h 41m 20s"),
                Some("22h 45m 20s"),
                Some("1day"),
                None
            ]
        );
    }

    #[test]
    fn paths_are_read_back() {
        for text in [
            "create.mail",
            "comment.mail",
            "enter.processing.tell_erp",
            "leave.new.note",
            "status.packing.mail",
            "transition.ship.mail",
            "operation.invoice.mail",
        ] {
            let path: ActionPath = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
        }
        for bad in [
            "",
            "mail",
            "enter.mail",
            "create.x.mail",
            "enter.a.b.c",
            "transition.A.b",
        ] {
            assert!(bad.parse::<ActionPath>().is_err(), "{bad}");
        }
    }
}
