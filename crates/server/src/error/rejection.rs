//! Refusals of steps by the rules.

use waymark_domain::{
    order::{Guarded, Hold, NotHere, Rejection},
    workflow::Standing,
};

use super::{Problem, Reason};

impl From<&Rejection> for Problem {
    fn from(rejection: &Rejection) -> Self {
        if let Rejection::RefundUnclear { left } | Rejection::NoUnitsToRefund { left, .. } =
            rejection
        {
            let lines = ("lines".to_owned(), rejection.to_string());
            return Self::new(Reason::FieldInvalid, rejection.to_string())
                .with("left", left)
                .violating([lines]);
        }
        if let Rejection::Field { field, problem } = rejection {
            return Self::of_field(Reason::FieldInvalid, *field, problem.to_string());
        }
        let problem = Self::new(Reason::named(rejection.reason()), rejection.to_string());
        if let Rejection::FieldsFixed { fields } = rejection {
            let fields = fields.iter();
            return problem
                .violating(fields.map(|field| (field.path.clone(), field.why.to_string())));
        }
        particulars(problem, rejection).about("order")
    }
}

/// Adds the description of the transition, which may be what to do instead.
fn described(problem: Problem, description: &str) -> Problem {
    if description.is_empty() {
        return problem;
    }
    problem.with("description", &description)
}

/// The one table of what a refused step carries along.
#[expect(clippy::too_many_lines, reason = "one table, a row for each rejection")]
fn particulars(problem: Problem, rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::VersionMismatch { expected, current } => {
            problem.with("expected", expected).with("current", current)
        }
        Rejection::TransitionNotAllowed {
            from_state: state,
            from_status: status,
            allowed,
        }
        | Rejection::CommentStatusNever {
            standing: Standing { state, status },
            allowed,
        } => problem
            .with_list("allowed", allowed)
            .with("state", state)
            .with("status", status),
        Rejection::TransitionNotHere {
            transition,
            why,
            standing: Standing { state, status },
            allowed,
        } => where_it_starts(problem, why)
            .with("transition", transition)
            .with_list("allowed", allowed)
            .with("state", state)
            .with("status", status),
        Rejection::TransitionAmbiguous { candidates } => {
            problem.with_list("candidates", candidates)
        }
        Rejection::GuardRefused {
            of,
            expression,
            description,
        } => whose(described(problem, description), of).with("guard", expression),
        Rejection::GuardFailed {
            of,
            expression,
            source,
        } => whose(problem, of)
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
        Rejection::RoleRequired { of, roles } => whose(problem, of).with_list("roles", roles),
        Rejection::OrderHeld { holds } => held(problem, holds),
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
        Rejection::RefundUnclear { left } | Rejection::NoUnitsToRefund { left, .. } => {
            problem.with("left", left)
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
        Rejection::NothingToDo {
            operation,
            transition,
        } => {
            let problem = problem.with("operation", operation);
            match transition {
                Some(transition) => problem.with("transition", transition),
                None => problem,
            }
        }
        Rejection::OperationNotFound { operation } => problem.with("operation", operation),
        Rejection::TransitionNotFound { transition } => problem.with("transition", transition),
        Rejection::HoldNotFound { hold } => problem.with("hold", hold),
        Rejection::LineNotFound { line } => problem.with("line", line),
        Rejection::Hinting { rejection, .. } => particulars(problem, rejection),
        Rejection::OrderNotHeld
        | Rejection::NothingDue
        | Rejection::Field { .. }
        | Rejection::FieldsFixed { .. } => problem,
    }
}

fn whose(problem: Problem, of: &Guarded) -> Problem {
    match of {
        Guarded::Transition(code) => problem.with("transition", code),
        Guarded::Operation(code) => problem.with("operation", code),
    }
}

/// Adds the places where a transition starts that was named.
fn where_it_starts(problem: Problem, why: &NotHere) -> Problem {
    match why {
        NotHere::Elsewhere { states, statuses } => problem
            .with_list("from_states", states)
            .with_list("from_statuses", statuses),
        NotHere::Stays | NotHere::SetOff { .. } => problem,
    }
}

/// The holds that stand in the way and why they were placed, the newest first, so that what is cut
/// are the oldest.
fn held(problem: Problem, holds: &[Hold]) -> Problem {
    let ids: Vec<_> = holds.iter().map(|hold| &hold.id).collect();
    let reasons = holds.iter().filter(|hold| !hold.reason.is_empty());
    let reasons: Vec<&str> = reasons.map(|hold| hold.reason.as_str()).collect();
    problem
        .with_list("holds", &ids)
        .with("reasons", &reasons.join("; "))
}
