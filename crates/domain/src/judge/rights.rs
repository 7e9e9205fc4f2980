//! Who may do what: the roles and guards of transitions and operations. Whatever sets a
//! transition off, they are asked of the actor of the call.

use super::{draft::Draft, facts::Facts};
use crate::{
    guard::Guard,
    history::Recorded,
    order::{Guarded, Rejection},
    value::Role,
    workflow::{Operation, Transition},
};

/// Refuses an actor that has none of the roles of which the transition needs one. No caller
/// stands behind a timer, so its roles, which older versions stored, are not asked.
pub(super) fn transition_role(draft: &Draft<'_>, transition: &Transition) -> Result<(), Rejection> {
    if transition.trigger.is_timed() {
        return Ok(());
    }
    role(draft, &transition.roles, || {
        Guarded::Transition(transition.code.clone())
    })
}

/// Asks the guard of a transition about the order that leaves.
pub(super) fn transition_guard(
    draft: &Draft<'_>,
    transition: &Transition,
) -> Result<(), Rejection> {
    let Some(guard) = draft.graph.guard(&transition.code) else {
        return Ok(());
    };
    let of = || Guarded::Transition(transition.code.clone());
    let description = transition.description.as_str();
    ask(draft, guard, &draft.facts(&draft.order), of, description)
}

/// Refuses an actor that has none of the roles of which the operation needs one.
pub(super) fn operation_role(draft: &Draft<'_>, operation: &Operation) -> Result<(), Rejection> {
    role(draft, &operation.roles, || {
        Guarded::Operation(operation.code.clone())
    })
}

/// Asks the guard of an operation about what is to be recorded of it.
pub(super) fn operation_guard(
    draft: &Draft<'_>,
    operation: &Operation,
    recorded: &Recorded,
) -> Result<(), Rejection> {
    let Some(guard) = draft.graph.operation_guard(&operation.code) else {
        return Ok(());
    };
    let of = || Guarded::Operation(operation.code.clone());
    ask(draft, guard, &draft.facts_recording(recorded), of, "")
}

/// The sets of roles of which a caller needs one each to come along a transition: its own, those of
/// the operation that it records, and those of the operations that set it off, where none of them
/// is free.
pub(super) fn asked_on_the_way(draft: &Draft<'_>, transition: &Transition) -> Vec<Vec<Role>> {
    let roles_of = |code| {
        let operation = draft.workflow().operation(code);
        operation.map_or_else(Vec::new, |operation| operation.roles.clone())
    };
    let setting_off = transition.trigger.operations().iter();
    let setting_off: Vec<_> = setting_off.map(roles_of).collect();
    let is_free = setting_off.iter().any(Vec::is_empty);
    let setting_off = setting_off.into_iter().filter(|_| !is_free).flatten();
    let recorded = transition.operation.as_ref().map(roles_of);
    let all = [
        transition.roles.clone(),
        recorded.unwrap_or_default(),
        setting_off.collect(),
    ];
    all.into_iter().filter(|roles| !roles.is_empty()).collect()
}

pub(super) fn has_one(draft: &Draft<'_>, roles: &[Role]) -> bool {
    let actor = &draft.context.actor;
    roles.iter().any(|role| actor.roles.contains(role))
}

/// Refuses an actor that has none of these roles, where there are any.
pub(super) fn role(
    draft: &Draft<'_>,
    roles: &[Role],
    of: impl FnOnce() -> Guarded,
) -> Result<(), Rejection> {
    if roles.is_empty() || has_one(draft, roles) {
        return Ok(());
    }
    Err(Rejection::RoleRequired {
        of: of(),
        roles: roles.to_vec(),
    })
}

fn ask(
    draft: &Draft<'_>,
    guard: &Guard,
    facts: &Facts<'_>,
    of: impl FnOnce() -> Guarded,
    description: &str,
) -> Result<(), Rejection> {
    let expression = || guard.expression().to_string();
    match guard.holds(facts, draft.budget) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejection::GuardRefused {
            of: of(),
            expression: expression(),
            description: description.to_owned(),
        }),
        Err(source) => Err(Rejection::GuardFailed {
            of: of(),
            expression: expression(),
            source,
        }),
    }
}
