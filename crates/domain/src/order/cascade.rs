//! Automatic steps: what one step sets off.

use super::{
    Rejection,
    draft::Draft,
    transition::{Closed, Way, judge, movable},
};
use crate::{
    actor::Actor,
    history::Detail,
    value::OperationCode,
    workflow::{Transition, Trigger},
};

/// Takes automatic transitions until none applies.
///
/// An operation sets off at most one transition. Automatic rules never touch the
/// status inside a state.
///
/// # Errors
/// Returns [`Rejection::CascadeLimit`] when there are more than the workflow allows.
pub(super) fn run(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let mut operation = draft.last_operation();
    let mut taken = Vec::new();
    while let Some((way, consumes_operation)) = next(draft, operation.as_ref()) {
        let limit = draft.workflow().max_cascade;
        taken.push(way.transition.clone());
        if taken.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(Rejection::CascadeLimit {
                limit,
                transitions: taken,
            });
        }
        draft.write_automatic(way.to, way.transition, Detail::Transitioned(way.recorded));
        let recorded = draft.last_operation();
        operation = if consumes_operation {
            recorded
        } else {
            recorded.or(operation)
        };
    }
    Ok(())
}

fn next(draft: &mut Draft<'_>, operation: Option<&OperationCode>) -> Option<(Way, bool)> {
    movable(draft).ok()?;
    let graph = draft.graph;
    for transition in &graph.workflow().transitions {
        let Some(consumes_operation) = set_off(transition, operation) else {
            continue;
        };
        if transition.to_state == draft.order.standing.state {
            continue;
        }
        match judge(draft, transition, None, &system_with(transition)) {
            Ok(way) => return Some((way, consumes_operation)),
            Err(Closed::Refused(
                Rejection::GuardFailed { source, .. } | Rejection::EntryGuardFailed { source, .. },
            )) => {
                draft.note_failed_guard(&transition.code, &source.message);
            }
            Err(Closed::Refused(_) | Closed::NotDeclared) => {}
        }
    }
    None
}

/// Whether the transition is set off, and if so, whether by the operation.
fn set_off(transition: &Transition, operation: Option<&OperationCode>) -> Option<bool> {
    match &transition.trigger {
        Trigger::Manual => None,
        Trigger::Automatic => Some(false),
        Trigger::OnOperations(codes) => operation
            .is_some_and(|operation| codes.contains(operation))
            .then_some(true),
    }
}

/// Roles are asked of callers; Waymark itself has every role.
fn system_with(transition: &Transition) -> Actor {
    Actor {
        roles: transition.roles.clone(),
        ..Actor::system()
    }
}
