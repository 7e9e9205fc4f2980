//! Why a command was refused. Every variant is one reason of the contract.

use std::sync::Arc;

use super::{FixedField, Hint, Hold};
use crate::{
    guard::EvaluationError,
    value::{
        HoldId, Invalid, LineId, Money, OperationCode, Quantity, Role, StateCode, StatusCode,
        TransitionCode, sentence,
    },
    workflow::Standing,
};

/// How many bytes of a message tell of holds, but for the newest, which is always told.
const HOLDS_BYTES_MAX: usize = 240;

/// How many of the transitions are named that a step has taken.
const TAKEN_MAX: usize = 8;

/// Why a command was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The caller has seen another version.
    #[error("the order is at version {current}, the call expects {expected}")]
    VersionMismatch {
        /// The version that the caller expects.
        expected: i64,
        /// Where the order is.
        current: i64,
    },
    /// No declared way leads there from here.
    #[error("no transition leads there from {from_state}/{from_status}; allowed now: {}", list(.allowed))]
    TransitionNotAllowed {
        /// The present state.
        from_state: StateCode,
        /// The present status.
        from_status: StatusCode,
        /// The codes of the transitions that a call may take now.
        allowed: Vec<TransitionCode>,
    },
    /// A transition that was named, or is the one that leads there, cannot be taken from here.
    #[error(
        "transition {transition} {why}, the order stands in {}/{}; allowed now: {}",
        .standing.state, .standing.status, list(.allowed)
    )]
    TransitionNotHere {
        /// The transition.
        transition: TransitionCode,
        /// The reason.
        why: Box<NotHere>,
        /// Where the order stands.
        standing: Standing,
        /// The codes of the transitions that a call may take now.
        allowed: Vec<TransitionCode>,
    },
    /// Several declared ways lead there.
    #[error("several transitions lead there, name one: {}", list(.candidates))]
    TransitionAmbiguous {
        /// Their codes.
        candidates: Vec<TransitionCode>,
    },
    /// The guard of a transition or of an operation says no.
    #[error("the guard of {of} says no: {expression}{}", told(.description))]
    GuardRefused {
        /// Whose guard it is.
        of: Guarded,
        /// Its guard.
        expression: String,
        /// The description of the transition, which may say what to do instead; may be empty.
        description: String,
    },
    /// The guard of a transition or of an operation could not be evaluated.
    #[error("the guard of {of} could not be evaluated: {source}")]
    GuardFailed {
        /// Whose guard it is.
        of: Guarded,
        /// Its guard.
        expression: String,
        /// The error.
        source: EvaluationError,
    },
    /// The entry guard of the target state says no.
    #[error("the entry guard of state {state} says no: {expression}")]
    EntryGuardRefused {
        /// The state.
        state: StateCode,
        /// Its entry guard.
        expression: String,
    },
    /// The entry guard of the target state could not be evaluated.
    #[error("the entry guard of state {state} could not be evaluated: {source}")]
    EntryGuardFailed {
        /// The state.
        state: StateCode,
        /// Its entry guard.
        expression: String,
        /// The error.
        source: EvaluationError,
    },
    /// The actor has none of the roles that a transition or an operation asks for.
    #[error("{of} needs one of the roles: {}", list(.roles))]
    RoleRequired {
        /// The part that asks for them.
        of: Guarded,
        /// The roles of which one is needed.
        roles: Vec<Role>,
    },
    /// Nothing is due by time alone, or what is due is not allowed.
    #[error("nothing is due")]
    NothingDue,
    /// The order is on hold.
    #[error("the order is on hold: {}", newest(.holds))]
    OrderHeld {
        /// The holds that stand on it, the newest first.
        holds: Arc<[Hold]>,
    },
    /// The order is not on hold.
    #[error("the order is not on hold")]
    OrderNotHeld,
    /// No step leaves the state.
    #[error("no step leaves the terminal state {state}")]
    OrderTerminal {
        /// The state.
        state: StateCode,
    },
    /// The state may not be put on hold, or the workflow has no held state.
    #[error("an order in state {state} cannot be put on hold")]
    StateNotHoldable {
        /// The state.
        state: StateCode,
    },
    /// As many holds stand on the order as may.
    #[error("at most {max} holds may stand on an order")]
    HoldLimit {
        /// The limit.
        max: usize,
    },
    /// The status is not assigned to the state.
    #[error("status {status} is not assigned to state {state}")]
    StatusNotInState {
        /// The state.
        state: StateCode,
        /// The status.
        status: StatusCode,
    },
    /// The state has no status at all.
    #[error("no status is assigned to state {state}")]
    StateWithoutStatus {
        /// The state.
        state: StateCode,
    },
    /// The status is retired.
    #[error("status {status} is retired and no longer entered")]
    StatusRetired {
        /// The status.
        status: StatusCode,
    },
    /// The workflow moves statuses by transitions alone.
    #[error("a comment may not move the status of this workflow's orders")]
    CommentStatusNever {
        /// Where the order stands.
        standing: Standing,
        /// The codes of the transitions that a call may take now.
        allowed: Vec<TransitionCode>,
    },
    /// An order may not start in the state.
    #[error("an order may not start in state {state}")]
    StateCannotStart {
        /// The state.
        state: StateCode,
        /// The states in which one may.
        allowed: Vec<StateCode>,
    },
    /// The state does not allow the operation.
    #[error(
        "operation {operation} is not allowed in state {state}; allowed here: {}", list(.allowed)
    )]
    OperationNotAllowed {
        /// The operation.
        operation: OperationCode,
        /// The state.
        state: StateCode,
        /// The operations that may be recorded now.
        allowed: Vec<OperationCode>,
    },
    /// More was asked of a line than is left.
    #[error("line {line} has {left} left, {asked} were asked")]
    QuantityExceeded {
        /// The line.
        line: LineId,
        /// The quantity that is left.
        left: Quantity,
        /// The quantity that was asked.
        asked: Quantity,
    },
    /// A line would be changed below what was already done with it.
    #[error("line {line} cannot be changed: {done} are already invoiced, shipped or cancelled")]
    LineInUse {
        /// The line.
        line: LineId,
        /// The quantity with which something was done already.
        done: Quantity,
    },
    /// More money was asked than is left.
    #[error("{left} are left, {asked} were asked")]
    AmountExceeded {
        /// The amount that is left, in minor units.
        left: Money,
        /// The amount that was asked, in minor units.
        asked: Money,
    },
    /// A refund of which it cannot be told what it is for.
    #[error(
        "it cannot be told what is refunded; {left} can be: name lines, or give an amount with amount_only"
    )]
    RefundUnclear {
        /// The amount that can be refunded, in minor units.
        left: Money,
    },
    /// A refund that is not for money alone, of an order of which no unit can be refunded.
    #[error(
        "{}; money alone is refunded with amount_only and an amount of at most {left}",
        no_units(.invoice.as_ref())
    )]
    NoUnitsToRefund {
        /// The amount that can be refunded, in minor units.
        left: Money,
        /// The operation that invoices units, where it has to come first.
        invoice: Option<OperationCode>,
    },
    /// The step would change nothing.
    #[error("{}there is nothing left to do for operation {operation}", taking(.transition.as_ref()))]
    NothingToDo {
        /// The operation.
        operation: OperationCode,
        /// The transition that records it, which was not taken; none where a call does.
        transition: Option<TransitionCode>,
    },
    /// Automatic steps set each other off without end.
    #[error("the step sets off more than {limit} automatic steps{}", taken(.transitions))]
    CascadeLimit {
        /// The limit of the workflow.
        limit: u32,
        /// The transitions that were taken, in turn.
        transitions: Vec<TransitionCode>,
    },
    /// The guards of the step take too long together.
    #[error("the guards that decide the step take more than {limit} steps of evaluation together")]
    GuardLimit {
        /// The limit.
        limit: u64,
    },
    /// The workflow has no such transition.
    #[error("there is no transition {transition}")]
    TransitionNotFound {
        /// Its code.
        transition: TransitionCode,
    },
    /// The workflow has no such state.
    #[error("there is no state {state}")]
    StateNotFound {
        /// Its code.
        state: StateCode,
    },
    /// The workflow has no such status.
    #[error("there is no status {status}")]
    StatusNotFound {
        /// Its code.
        status: StatusCode,
    },
    /// The workflow has no such operation.
    #[error("there is no operation {operation}")]
    OperationNotFound {
        /// Its code.
        operation: OperationCode,
    },
    /// No such hold stands on the order.
    #[error("there is no hold {hold} on the order")]
    HoldNotFound {
        /// Its id.
        hold: HoldId,
    },
    /// The order has no such line.
    #[error("the order has no line {line}")]
    LineNotFound {
        /// Its id.
        line: LineId,
    },
    /// A value that only makes no sense for this order or workflow.
    #[error("{}", sentence(field, &problem.to_string()))]
    Field {
        /// The field, in `snake_case`.
        field: &'static str,
        /// Its fault.
        problem: Invalid,
    },
    /// A refusal with where the caller should have gone instead.
    #[error("{rejection}; {hint}")]
    Hinting {
        /// The refusal.
        rejection: Box<Self>,
        /// Where to go.
        hint: Hint,
    },
    /// An update states fields that it cannot change, and not as they are.
    #[error("{}", list_of(.fields, "; "))]
    FieldsFixed {
        /// The fields, at least one.
        fields: Vec<FixedField>,
    },
}

/// A part of a workflow with roles and a guard of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Guarded {
    /// A transition.
    #[error("transition {0}")]
    Transition(TransitionCode),
    /// An operation, recorded by itself or with a transition.
    #[error("operation {0}")]
    Operation(OperationCode),
}

/// Why a transition cannot be taken from where an order stands, whoever asks; completes
/// "the transition … ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHere {
    /// It starts elsewhere.
    #[error("starts from {}", places(.states, .statuses))]
    Elsewhere {
        /// The states that it leaves; empty for any.
        states: Vec<StateCode>,
        /// The statuses that it leaves; empty for any.
        statuses: Vec<StatusCode>,
    },
    /// It leads to where the order stands, and names this status not as one that it leaves.
    #[error(
        "would leave the order where it is, for which its from_statuses have to name the status"
    )]
    Stays,
    /// No call takes it.
    #[error("is taken {setter} and not by calls")]
    SetOff {
        /// The trigger in words, such as `by time`.
        setter: String,
    },
}

fn taking(transition: Option<&TransitionCode>) -> String {
    let taking = |code| format!("transition {code} is not taken: ");
    transition.map(taking).unwrap_or_default()
}

fn no_units(invoice: Option<&OperationCode>) -> String {
    match invoice {
        Some(code) => {
            format!("no unit can be refunded before it is invoiced: record operation {code} first")
        }
        None => "no unit is left that can be refunded".to_owned(),
    }
}

/// The transitions that a step has taken, each once and the first of them only.
fn taken(transitions: &[TransitionCode]) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for code in transitions.iter().map(TransitionCode::as_str) {
        if codes.len() < TAKEN_MAX && !codes.contains(&code) {
            codes.push(code);
        }
    }
    if codes.is_empty() {
        return String::new();
    }
    format!(", among them {}", codes.join(", "))
}

fn told(description: &str) -> String {
    if description.is_empty() {
        return String::new();
    }
    format!(" ({description})")
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    list_of(items, ", ")
}

fn list_of<T: std::fmt::Display>(items: &[T], separator: &str) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(separator)
}

fn places(states: &[StateCode], statuses: &[StatusCode]) -> String {
    match (states, statuses) {
        (states, []) => list(states),
        ([], statuses) => list(statuses),
        (states, statuses) => format!("{} in {}", list(statuses), list(states)),
    }
}

/// The holds for people, as many as a message has room for.
fn newest(holds: &[Hold]) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut bytes = 0;
    for hold in holds {
        let text = hold.to_string();
        bytes += text.len();
        if bytes > HOLDS_BYTES_MAX && !texts.is_empty() {
            texts.push(format!("and {} more", holds.len() - texts.len()));
            break;
        }
        texts.push(text);
    }
    texts.join(", ")
}

impl Rejection {
    /// A field that is not of the form that `expected` names.
    pub(crate) fn malformed(field: &'static str, expected: &'static str) -> Self {
        let problem = Invalid::Malformed { expected };
        Self::Field { field, problem }
    }

    /// The same refusal with where the caller should have gone, if that is known.
    pub(crate) fn hinting(self, hint: Option<Hint>) -> Self {
        match hint {
            Some(hint) => Self::Hinting {
                rejection: Box::new(self),
                hint,
            },
            None => self,
        }
    }

    /// The reason as the contract writes it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::VersionMismatch { .. } => "VERSION_MISMATCH",
            Self::TransitionNotAllowed { .. }
            | Self::TransitionNotHere { .. }
            | Self::CommentStatusNever { .. } => "TRANSITION_NOT_ALLOWED",
            Self::TransitionAmbiguous { .. } => "TRANSITION_AMBIGUOUS",
            Self::GuardRefused { .. } | Self::GuardFailed { .. } => "GUARD_REFUSED",
            Self::EntryGuardRefused { .. } | Self::EntryGuardFailed { .. } => "ENTRY_GUARD_REFUSED",
            Self::RoleRequired { .. } => "ROLE_REQUIRED",
            Self::OrderHeld { .. } => "ORDER_HELD",
            Self::OrderNotHeld => "ORDER_NOT_HELD",
            Self::OrderTerminal { .. } => "ORDER_TERMINAL",
            Self::StateNotHoldable { .. } => "STATE_NOT_HOLDABLE",
            Self::HoldLimit { .. } => "HOLD_LIMIT",
            Self::StatusNotInState { .. } | Self::StateWithoutStatus { .. } => {
                "STATUS_NOT_IN_STATE"
            }
            Self::StatusRetired { .. } => "STATUS_RETIRED",
            Self::StateCannotStart { .. } => "STATE_CANNOT_START",
            Self::OperationNotAllowed { .. } => "OPERATION_NOT_ALLOWED",
            Self::QuantityExceeded { .. } | Self::LineInUse { .. } => "QUANTITY_EXCEEDED",
            Self::AmountExceeded { .. } => "AMOUNT_EXCEEDED",
            Self::NothingToDo { .. } | Self::NothingDue => "NOTHING_TO_DO",
            Self::CascadeLimit { .. } => "CASCADE_LIMIT",
            Self::GuardLimit { .. } => "GUARD_LIMIT",
            Self::TransitionNotFound { .. } => "TRANSITION_NOT_FOUND",
            Self::StateNotFound { .. } => "STATE_NOT_FOUND",
            Self::StatusNotFound { .. } => "STATUS_NOT_FOUND",
            Self::OperationNotFound { .. } => "OPERATION_NOT_FOUND",
            Self::HoldNotFound { .. } => "HOLD_NOT_FOUND",
            Self::LineNotFound { .. } => "LINE_NOT_FOUND",
            Self::RefundUnclear { .. }
            | Self::NoUnitsToRefund { .. }
            | Self::Field { .. }
            | Self::FieldsFixed { .. } => "FIELD_INVALID",
            Self::Hinting { rejection, .. } => rejection.reason(),
        }
    }
}
