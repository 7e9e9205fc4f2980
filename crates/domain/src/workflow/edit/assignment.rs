//! Which status belongs to which state, and which of them is the default.

use super::finish::finish;
use crate::{
    value::{StateCode, StatusCode},
    workflow::{Assignment, Refusal, StatusSharing, Transition, Workflow},
};

/// The flags of an assignment that a call states. Parts that are none stay as they are, or are
/// false for a new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AssignmentPatch {
    /// Whether it is the default of the state.
    pub is_default: Option<bool>,
    /// Whether customers see an order that stands here.
    pub visible_on_storefront: Option<bool>,
}

/// Assigns a status to a state, or changes the flags of an assignment.
///
/// # Errors
/// Returns [`Refusal`] for an unknown state or status, a retired status, one that sits
/// in another state of an exclusive workflow, and where a state would lose its default.
pub fn assign(
    workflow: &Workflow,
    state: &StateCode,
    status: &StatusCode,
    patch: AssignmentPatch,
) -> Result<Workflow, Refusal> {
    check_parts(workflow, state, status)?;
    if workflow.status(status).is_some_and(|status| status.retired) {
        let status = status.clone();
        return Err(Refusal::StatusRetired { status });
    }
    check_sharing(workflow, state, status)?;
    let present = workflow.assignment(state, status);
    let was_default = present.is_some_and(|assignment| assignment.is_default);
    if was_default && patch.is_default == Some(false) {
        let (state, status) = (state.clone(), status.clone());
        return Err(Refusal::DefaultRequired { state, status });
    }
    let is_first = workflow.assignments_of(state).next().is_none();
    let assignment = Assignment {
        state: state.clone(),
        status: status.clone(),
        is_default: is_first || was_default || patch.is_default == Some(true),
        visible_on_storefront: patch
            .visible_on_storefront
            .unwrap_or_else(|| present.is_some_and(|assignment| assignment.visible_on_storefront)),
    };
    let mut after = workflow.clone();
    put(&mut after, assignment);
    finish(Some(workflow), after)
}

/// Takes a status from a state; where it was the default, the next one by position, then
/// code, that is not retired becomes it and is named. Whether orders stand on the pair
/// is for the store to say.
///
/// # Errors
/// Returns [`Refusal`] for an unknown state or status, a pair that does not exist, and
/// the last status that the state can be entered with.
pub fn unassign(
    workflow: &Workflow,
    state: &StateCode,
    status: &StatusCode,
) -> Result<(Workflow, Option<StatusCode>), Refusal> {
    check_parts(workflow, state, status)?;
    let Some(present) = workflow.assignment(state, status) else {
        let (state, status) = (state.clone(), status.clone());
        return Err(Refusal::AssignmentNotFound { state, status });
    };
    let is_last = workflow.assignments_of(state).nth(1).is_none();
    let default = Some(present).filter(|present| present.is_default);
    let promoted = default.and_then(|default| next_default(workflow, default));
    if is_last || present.is_default && promoted.is_none() {
        let (state, status) = (state.clone(), status.clone());
        return Err(Refusal::LastStatusOfState { state, status });
    }
    named(workflow, status, |transition| {
        transition.to_state == *state && transition.to_status.as_ref() == Some(status)
    })?;
    let mut after = workflow.clone();
    let others = &mut after.assignments;
    others.retain(|other| other.state != *state || other.status != *status);
    for other in others.iter_mut().filter(|other| other.state == *state) {
        other.is_default |= Some(&other.status) == promoted.as_ref();
    }
    Ok((finish(Some(workflow), after)?, promoted))
}

/// Refuses where transitions name the status in a way that the edit would break.
pub(super) fn named(
    workflow: &Workflow,
    status: &StatusCode,
    breaks: impl Fn(&Transition) -> bool,
) -> Result<(), Refusal> {
    let broken = workflow.transitions.iter().filter(|other| breaks(other));
    let transitions: Vec<_> = broken.map(|transition| transition.code.clone()).collect();
    if transitions.is_empty() {
        return Ok(());
    }
    Err(Refusal::StatusNamedByTransition {
        status: status.clone(),
        transitions,
    })
}

/// Sets an assignment and takes the flag from the former default where this is one.
pub(in crate::workflow) fn put(workflow: &mut Workflow, assignment: Assignment) {
    if assignment.is_default {
        let others = workflow.assignments.iter_mut();
        for other in others.filter(|other| other.state == assignment.state) {
            other.is_default = false;
        }
    }
    let same = |other: &&mut Assignment| {
        other.state == assignment.state && other.status == assignment.status
    };
    match workflow.assignments.iter_mut().find(same) {
        Some(present) => *present = assignment,
        None => workflow.assignments.push(assignment),
    }
}

fn check_parts(workflow: &Workflow, state: &StateCode, status: &StatusCode) -> Result<(), Refusal> {
    if workflow.state(state).is_none() {
        let state = state.clone();
        return Err(Refusal::StateNotFound { state });
    }
    if workflow.status(status).is_none() {
        let status = status.clone();
        return Err(Refusal::StatusNotFound { status });
    }
    Ok(())
}

/// Refuses a second state for a status of an exclusive workflow.
pub(in crate::workflow) fn check_sharing(
    workflow: &Workflow,
    state: &StateCode,
    status: &StatusCode,
) -> Result<(), Refusal> {
    let elsewhere = workflow.states_of(status).find(|other| *other != state);
    match (workflow.status_sharing, elsewhere) {
        (StatusSharing::Exclusive, Some(other)) => Err(Refusal::StatusAssignedElsewhere {
            status: status.clone(),
            state: other.clone(),
        }),
        (StatusSharing::Exclusive, None) | (StatusSharing::Shared, _) => Ok(()),
    }
}

fn next_default(workflow: &Workflow, leaving: &Assignment) -> Option<StatusCode> {
    let others = workflow
        .assignments_of(&leaving.state)
        .filter(|other| other.status != leaving.status);
    let statuses = others.filter_map(|other| workflow.status(&other.status));
    let next = statuses
        .filter(|status| !status.retired)
        .min_by_key(|status| (status.position, &status.code));
    next.map(|status| status.code.clone())
}
