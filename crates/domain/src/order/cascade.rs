//! What one step sets off at once: the actions of its entries, and automatic steps.

use super::{
    Rejection, action,
    draft::Draft,
    transition::{Closed, Way, judge, movable},
};
use crate::{
    actor::Actor,
    history::Detail,
    template,
    value::{OperationCode, TransitionCode},
    workflow::{Transition, Trigger},
};

/// How many entries a step may still add by itself, and the transitions it has taken so far.
pub(super) struct Budget {
    limit: u32,
    spent: u32,
    taken: Vec<TransitionCode>,
    /// What the texts of its actions may still take.
    pub(super) texts: template::Budget,
}

impl Budget {
    /// Takes one entry off.
    ///
    /// # Errors
    /// Returns [`Rejection::CascadeLimit`] when there are more than the workflow allows.
    pub(super) fn spend(&mut self, transition: Option<&TransitionCode>) -> Result<(), Rejection> {
        self.taken.extend(transition.cloned());
        self.spent += 1;
        if self.spent > self.limit {
            return Err(Rejection::CascadeLimit {
                limit: self.limit,
                transitions: std::mem::take(&mut self.taken),
            });
        }
        Ok(())
    }
}

/// Carries out the actions of every entry and takes automatic transitions until none applies.
///
/// The actions of an entry come before the automatic transitions after it. An operation sets
/// off at most one transition. Automatic rules never touch the status inside a state.
///
/// # Errors
/// Returns [`Rejection::CascadeLimit`] when a step adds more than the workflow allows.
pub(super) fn run(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let mut budget = Budget {
        limit: draft.workflow().max_cascade,
        spent: 0,
        taken: Vec::new(),
        texts: template::Budget::default(),
    };
    let mut settled = 0;
    let mut operation = None;
    loop {
        while settled < draft.entries.len() {
            operation = recorded(draft, settled).or(operation);
            action::carry_out(draft, settled, &mut budget)?;
            settled += 1;
        }
        let Some((way, consumes_operation)) = next(draft, operation.as_ref()) else {
            return Ok(());
        };
        budget.spend(Some(&way.transition))?;
        if consumes_operation {
            operation = None;
        }
        let step = draft.further_step(cause(draft), way);
        draft.write_automatic(step);
    }
}

/// The operation that the entry with this index recorded. What it took back sets nothing off.
fn recorded(draft: &Draft<'_>, index: usize) -> Option<OperationCode> {
    let recorded = draft.entries.get(index)?.detail.recorded()?;
    (!recorded.reverse).then(|| recorded.operation.clone())
}

/// The entry that set off what follows now: the last one that says more than a comment,
/// or the call's own.
fn cause(draft: &Draft<'_>) -> i64 {
    let telling = |detail: &Detail| !matches!(detail, Detail::Commented);
    let last = draft.entries.iter().rfind(|entry| telling(&entry.detail));
    last.or(draft.entries.first())
        .map_or(draft.order.version, |entry| entry.sequence)
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
            Err(Closed::Refused(_) | Closed::Elsewhere | Closed::Stays) => {}
        }
    }
    None
}

/// Whether the transition is set off, and if so, whether by the operation.
fn set_off(transition: &Transition, operation: Option<&OperationCode>) -> Option<bool> {
    match &transition.trigger {
        Trigger::Manual | Trigger::After(_) | Trigger::At(_) => None,
        Trigger::Automatic => Some(false),
        Trigger::OnOperations(codes) => operation
            .is_some_and(|operation| codes.contains(operation))
            .then_some(true),
    }
}

/// Roles are asked of callers; Waymark itself has every role.
pub(super) fn system_with(transition: &Transition) -> Actor {
    Actor {
        roles: transition.roles.clone(),
        ..Actor::system()
    }
}
