//! Where a caller should have gone instead: a clause behind the refusal of a name that is something
//! else, or of a target that no call reaches.

use std::fmt::Display;

use crate::value::{OperationCode, StateCode, StatusCode, TransitionCode};

const LISTED_MAX: usize = 8;

/// Where a caller should have gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Hint {
    /// An operation was named as something else.
    #[error("{0} is an operation: use RecordOperation")]
    Operation(OperationCode),
    /// A transition was named as an operation.
    #[error("{0} is a transition: use TransitionOrder")]
    Transition(TransitionCode),
    /// A transition was named as an operation, and no call takes it.
    #[error("{transition} is a transition that is taken {when}")]
    TakenWhen {
        /// The transition.
        transition: TransitionCode,
        /// When it is taken.
        when: When,
    },
    /// A state was named as a transition, or as a status.
    #[error("{state} is a state{}", given_as(*.field))]
    State {
        /// The state.
        state: StateCode,
        /// The field of a target that takes states; none where none is asked for.
        field: Option<&'static str>,
    },
    /// A status was named as a transition, or as a state.
    #[error("{status} is a status{}{}", of(.states), given_as(*.field))]
    Status {
        /// The status.
        status: StatusCode,
        /// The states that it belongs to.
        states: Vec<StateCode>,
        /// The field of a target that takes statuses; none where none is asked for.
        field: Option<&'static str>,
    },
    /// Orders are put on hold by a call of its own.
    #[error("use HoldOrder to put an order on hold")]
    Hold,
    /// Holds end by a call of its own.
    #[error("use ReleaseOrder to end a hold")]
    Release,
    /// Another code is nearly the same.
    #[error("did you mean {0}?")]
    Nearest(String),
    /// The operations that can be recorded, the nearest code first.
    #[error("the operations are {}", some(.0))]
    Operations(Vec<OperationCode>),
    /// The status belongs to these states.
    #[error("it belongs to {}", some(.0))]
    BelongsTo(Vec<StateCode>),
    /// The status belongs to these states, and a comment was to set it.
    #[error("it belongs to {}, and a comment sets statuses of the present state: use TransitionOrder", some(.0))]
    CommentElsewhere(Vec<StateCode>),
    /// The status of a new order belongs to these states, and none was named.
    #[error("an order without a state begins in the initial one, and the status belongs to {}", some(.0))]
    NoState(Vec<StateCode>),
    /// A transition leads there that no call takes.
    #[error("{transition} leads there {when}")]
    NoCall {
        /// The transition.
        transition: TransitionCode,
        /// When it is taken.
        when: When,
    },
}

/// When a transition is taken that no call takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum When {
    /// As soon as one of these operations is recorded.
    #[error("{}", when_recorded(.0))]
    Recorded(Vec<OperationCode>),
    /// As soon as the guard holds; empty for at once.
    #[error("by itself{}", as_soon_as(.0))]
    Holds(String),
    /// When its time has come.
    #[error("by time")]
    Due,
}

/// When an operation is recorded that takes a transition.
pub(crate) fn when_recorded(operations: &[OperationCode]) -> String {
    match operations {
        [one] => format!("when {one} is recorded"),
        several => format!("when one of {} is recorded", some(several)),
    }
}

fn given_as(field: Option<&str>) -> String {
    field.map_or_else(String::new, |field| format!(": give it as `{field}`"))
}

fn as_soon_as(guard: &str) -> String {
    if guard.is_empty() {
        return String::new();
    }
    format!(", as soon as {guard}")
}

fn of(states: &[StateCode]) -> String {
    if states.is_empty() {
        return String::new();
    }
    format!(", of {}", some(states))
}

/// A list of codes, as many as a clause has room for.
fn some<T: Display>(codes: &[T]) -> String {
    let listed = codes.iter().take(LISTED_MAX).map(ToString::to_string);
    let mut text = listed.collect::<Vec<_>>().join(", ");
    if codes.len() > LISTED_MAX {
        text.push_str(", ...");
    }
    text
}
