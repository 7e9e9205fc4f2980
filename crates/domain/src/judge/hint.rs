//! Finds where a caller should have gone whose command is refused.

use super::draft::Draft;
use crate::{
    order::{Action, Hint, NewOrder, Rejection, Target, When},
    value::{OperationCode, StateCode, StatusCode, nearest},
    workflow::{Category, Standing, Transition, Trigger, Workflow},
};

/// How much of a guard a clause shows, in characters.
const GUARD_CHARACTERS_MAX: usize = 100;

/// Adds to the refusal of a new order where its caller should have gone.
pub(super) fn at_start(workflow: &Workflow, new: &NewOrder, rejection: Rejection) -> Rejection {
    let hint = match &rejection {
        Rejection::StatusNotInState { status, .. } if new.state.is_none() => {
            belongs_to(workflow, status).map(Hint::NoState)
        }
        rejection => of_name(workflow, rejection, TargetFields::default()),
    };
    rejection.hinting(hint)
}

/// Adds to the refusal of a step where its caller should have gone.
pub(super) fn on_step(draft: &Draft<'_>, action: &Action, rejection: Rejection) -> Rejection {
    let hint = match (&rejection, action) {
        (Rejection::TransitionNotAllowed { .. }, Action::Transition(target)) => {
            of_target(draft.workflow(), &draft.order.standing, target)
        }
        (
            rejection,
            Action::Comment {
                status: Some(status),
            },
        ) => of_comment(draft.workflow(), status, rejection),
        (rejection, Action::Transition(_)) => of_name(draft.workflow(), rejection, TARGET),
        (rejection, _) => of_name(draft.workflow(), rejection, TargetFields::default()),
    };
    rejection.hinting(hint)
}

/// The fields that take states and statuses; none where the caller is not told.
#[derive(Debug, Clone, Copy, Default)]
struct TargetFields {
    state: Option<&'static str>,
    status: Option<&'static str>,
}

const TARGET: TargetFields = TargetFields {
    state: Some("to.state"),
    status: Some("to_status"),
};

/// The hint for a name that is not there, or not where it was looked for.
fn of_name(workflow: &Workflow, rejection: &Rejection, fields: TargetFields) -> Option<Hint> {
    match rejection {
        Rejection::TransitionNotFound { transition } => {
            no_transition(workflow, transition.as_str(), fields)
        }
        Rejection::OperationNotFound { operation } => no_operation(workflow, operation.as_str()),
        Rejection::StateNotFound { state } => {
            let states = workflow.states.iter().map(|state| state.code.as_str());
            status(workflow, state.as_str(), fields.status).or_else(|| near(state.as_str(), states))
        }
        Rejection::StatusNotFound { status } => {
            let statuses = workflow.statuses.iter().map(|status| status.code.as_str());
            state(workflow, status.as_str(), fields.state)
                .or_else(|| near(status.as_str(), statuses))
        }
        Rejection::StatusNotInState { status, .. } => {
            belongs_to(workflow, status).map(Hint::BelongsTo)
        }
        // Others name their blockers themselves.
        _ => None,
    }
}

fn no_transition(workflow: &Workflow, code: &str, fields: TargetFields) -> Option<Hint> {
    let mut operations = workflow.operations.iter();
    let operation = operations.find(|operation| operation.code.as_str() == code);
    let transitions = workflow.transitions.iter();
    let transitions = transitions.map(|transition| transition.code.as_str());
    hold(workflow, code)
        .or_else(|| operation.map(|operation| Hint::Operation(operation.code.clone())))
        .or_else(|| state(workflow, code, fields.state))
        .or_else(|| status(workflow, code, fields.status))
        .or_else(|| near(code, transitions))
}

fn no_operation(workflow: &Workflow, code: &str) -> Option<Hint> {
    let mut transitions = workflow.transitions.iter();
    let transition = transitions.find(|transition| transition.code.as_str() == code);
    let operations = workflow.operations.iter();
    let mut codes: Vec<_> = operations.map(|operation| operation.code.clone()).collect();
    let near = nearest(code, codes.iter().map(OperationCode::as_str)).map(str::to_owned);
    // The order of the others stays.
    codes.sort_by_key(|code| Some(code.as_str()) != near.as_deref());
    hold(workflow, code)
        .or_else(|| transition.map(is_transition))
        .or_else(|| (!codes.is_empty()).then_some(Hint::Operations(codes)))
}

fn is_transition(transition: &Transition) -> Hint {
    let code = transition.code.clone();
    match when(transition) {
        None => Hint::Transition(code),
        Some(when) => Hint::TakenWhen {
            transition: code,
            when,
        },
    }
}

/// The hint for a status that a comment may not set.
fn of_comment(workflow: &Workflow, status: &StatusCode, rejection: &Rejection) -> Option<Hint> {
    match rejection {
        Rejection::StatusNotInState { .. } | Rejection::CommentStatusNever { .. }
            if is_for_holds(workflow, None, Some(status)) =>
        {
            Some(Hint::Hold)
        }
        Rejection::StatusNotInState { .. } => {
            belongs_to(workflow, status).map(Hint::CommentElsewhere)
        }
        rejection => of_name(workflow, rejection, TargetFields::default()),
    }
}

/// The hint for words that other systems have for holds.
fn hold(workflow: &Workflow, code: &str) -> Option<Hint> {
    workflow.held_state()?;
    match code {
        "hold" | "on_hold" => Some(Hint::Hold),
        "release" | "unhold" => Some(Hint::Release),
        _ => None,
    }
}

fn state(workflow: &Workflow, code: &str, field: Option<&'static str>) -> Option<Hint> {
    let mut states = workflow.states.iter();
    let state = states.find(|state| state.code.as_str() == code)?;
    let state = state.code.clone();
    Some(Hint::State { state, field })
}

fn status(workflow: &Workflow, code: &str, field: Option<&'static str>) -> Option<Hint> {
    let mut statuses = workflow.statuses.iter();
    let status = statuses.find(|status| status.code.as_str() == code)?;
    Some(Hint::Status {
        status: status.code.clone(),
        states: workflow.states_of(&status.code).cloned().collect(),
        field,
    })
}

fn near<'a>(code: &str, codes: impl Iterator<Item = &'a str>) -> Option<Hint> {
    nearest(code, codes).map(|code| Hint::Nearest(code.to_owned()))
}

fn belongs_to(workflow: &Workflow, status: &StatusCode) -> Option<Vec<StateCode>> {
    let owners: Vec<_> = workflow.states_of(status).cloned().collect();
    (!owners.is_empty()).then_some(owners)
}

/// The hint for a target that no call reaches from here.
fn of_target(workflow: &Workflow, from: &Standing, target: &Target) -> Option<Hint> {
    let (state, status) = match target {
        Target::Transition { .. } => return None,
        Target::Status(status) => (None, Some(status)),
        Target::State(state) => (Some(state), None),
        Target::Standing(state, status) => (Some(state), Some(status)),
        Target::KeepStatus(state) => (Some(state), Some(&from.status)),
    };
    if is_for_holds(workflow, state, status) {
        return Some(Hint::Hold);
    }
    let leads = |transition: &&Transition| {
        let default = || workflow.default_status(&transition.to_state);
        let lands = transition.to_status.as_ref().or_else(default);
        let stays = transition.to_state == from.state && lands == Some(&from.status);
        let fits = state.is_none_or(|state| transition.to_state == *state)
            && status.is_none_or(|status| lands == Some(status));
        fits && !stays && transition.leaves(from)
    };
    workflow.transitions.iter().filter(leads).find_map(no_call)
}

/// Whether only a hold leads to the target.
fn is_for_holds(
    workflow: &Workflow,
    state: Option<&StateCode>,
    status: Option<&StatusCode>,
) -> bool {
    let is_held = |code: &StateCode| {
        let state = workflow.state(code);
        state.is_some_and(|state| state.category == Category::Held)
    };
    match (state, status) {
        (Some(state), _) => is_held(state),
        (None, Some(status)) => {
            let mut owners = workflow.states_of(status).peekable();
            owners.peek().is_some() && owners.all(is_held)
        }
        (None, None) => false,
    }
}

fn no_call(transition: &Transition) -> Option<Hint> {
    Some(Hint::NoCall {
        when: when(transition)?,
        transition: transition.code.clone(),
    })
}

/// When a transition is taken that no call takes; none for those that calls take.
fn when(transition: &Transition) -> Option<When> {
    Some(match &transition.trigger {
        Trigger::Manual => return None,
        Trigger::OnOperations(operations) => When::Recorded(operations.clone()),
        Trigger::Automatic => {
            let guard = transition.guard.as_ref();
            When::Holds(guard.map(|it| cut(it.as_str())).unwrap_or_default())
        }
        Trigger::After(_) | Trigger::At(_) => When::Due,
    })
}

/// The beginning of a guard, on one line.
fn cut(guard: &str) -> String {
    let mut characters = guard.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = characters.by_ref().take(GUARD_CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        text.push_str("...");
    }
    text
}
