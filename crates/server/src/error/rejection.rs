//! What clients are told about a step that the rules refuse.

use waymark_domain::order::{Rejection, Standing};

use super::{Problem, Reason};

impl From<&Rejection> for Problem {
    fn from(rejection: &Rejection) -> Self {
        if let Rejection::Field { field, problem } = rejection {
            return Self::of_field(Reason::FieldInvalid, *field, problem.to_string());
        }
        let problem = Self::new(Reason::named(rejection.reason()), rejection.to_string());
        particulars(problem, rejection).about("order")
    }
}

/// The one table of what a refused step carries along.
#[expect(clippy::too_many_lines, reason = "one table, a row for each rejection")]
fn particulars(problem: Problem, rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::VersionMismatch { expected, current } => {
            problem.with("expected", expected).with("current", current)
        }
        Rejection::TransitionNotAllowed {
            from_state,
            from_status,
            allowed,
        } => problem
            .with_list("allowed", allowed)
            .with("state", from_state)
            .with("status", from_status),
        Rejection::CommentStatusNever {
            standing: Standing { state, status },
            allowed,
        } => problem
            .with_list("allowed", allowed)
            .with("state", state)
            .with("status", status),
        Rejection::TransitionAmbiguous { candidates } => {
            problem.with_list("candidates", candidates)
        }
        Rejection::GuardRefused {
            transition,
            expression,
        } => problem
            .with("transition", transition)
            .with("guard", expression),
        Rejection::GuardFailed {
            transition,
            expression,
            source,
        } => problem
            .with("transition", transition)
            .with("guard", expression)
            .with("failure", source),
        Rejection::EntryGuardRefused { state, expression } => {
            problem.with("state", state).with("guard", expression)
        }
        Rejection::EntryGuardFailed {
            state,
            expression,
            source,
        } => problem
            .with("state", state)
            .with("guard", expression)
            .with("failure", source),
        Rejection::RoleRequired { transition, roles } => problem
            .with("transition", transition)
            .with_list("roles", roles),
        Rejection::OrderHeld { holds } => problem.with_list("holds", holds),
        Rejection::HoldLimit { max } => problem.with("max", max),
        Rejection::StatusNotInState { state, status } => {
            problem.with("state", state).with("status", status)
        }
        Rejection::StateCannotStart { state, allowed } => {
            problem.with("state", state).with_list("allowed", allowed)
        }
        Rejection::OperationNotAllowed {
            operation,
            state,
            allowed,
        } => problem
            .with("operation", operation)
            .with("state", state)
            .with_list("allowed", allowed),
        Rejection::QuantityExceeded { line, left, asked } => problem
            .with("line", line)
            .with("left", left)
            .with("asked", asked),
        Rejection::LineInUse { line, done } => problem.with("line", line).with("done", done),
        Rejection::AmountExceeded { left, asked } => {
            problem.with("left", left).with("asked", asked)
        }
        Rejection::CascadeLimit { limit, transitions } => problem
            .with("limit", limit)
            .with_list("transitions", transitions),
        Rejection::GuardLimit { limit } => problem.with("limit", limit),
        Rejection::StateWithoutStatus { state }
        | Rejection::OrderTerminal { state }
        | Rejection::StateNotHoldable { state }
        | Rejection::StateNotFound { state } => problem.with("state", state),
        Rejection::StatusRetired { status } | Rejection::StatusNotFound { status } => {
            problem.with("status", status)
        }
        Rejection::NothingToDo { operation } | Rejection::OperationNotFound { operation } => {
            problem.with("operation", operation)
        }
        Rejection::TransitionNotFound { transition } => problem.with("transition", transition),
        Rejection::HoldNotFound { hold } => problem.with("hold", hold),
        Rejection::LineNotFound { line } => problem.with("line", line),
        Rejection::OrderNotHeld | Rejection::NothingDue | Rejection::Field { .. } => problem,
    }
}
