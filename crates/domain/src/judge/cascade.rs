//! The cascade of one step: automatic steps, and the actions of its entries.

use std::collections::BTreeSet;

use super::{
    action::{self, CascadeBudget},
    draft::{Draft, OpenTransition},
    transition::{Closed, Taker, judge},
};
use crate::{
    history::Detail,
    order::{Guarded, Rejection},
    value::{OperationCode, Role, TransitionCode},
    workflow::{Standing, Transition, Trigger},
};

/// Takes the transitions that follow by themselves until none applies, then carries out the
/// actions of the entries so far in turn, and again both of what these wrote. So actions see what
/// the step has left.
///
/// An operation sets off at most one transition.
///
/// # Errors
/// Returns [`Rejection::CascadeLimit`] when a step adds more than the workflow allows.
pub(super) fn run(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let mut budget = CascadeBudget::new(draft.workflow().max_cascade);
    let mut chain = Chain::default();
    let mut settled = 0;
    loop {
        while let Some(open) = chain.next(draft) {
            budget.spend(Some(&open.transition))?;
            let step = draft.further_step(cause(draft), open);
            draft.write_automatic(step);
        }
        let written = draft.entries.len();
        while settled < written {
            action::carry_out(draft, settled, &mut budget)?;
            settled += 1;
        }
        // Where they wrote nothing, no transition applies now that did not before.
        if draft.entries.len() == written {
            return Ok(());
        }
    }
}

/// Takes the first automatic transition that applies, as the call itself.
pub(super) fn settle(draft: &mut Draft<'_>) {
    if let Some(open) = settling(draft) {
        draft.take(open);
    }
}

/// The first automatic transition that applies as the order stands.
pub(super) fn settling(draft: &Draft<'_>) -> Option<OpenTransition> {
    following(draft, None).open.map(|(open, _)| open)
}

#[derive(Default)]
struct Chain {
    /// The operation that may still set one off. What is taken back sets nothing off.
    operation: Option<OperationCode>,
    /// How many entries were looked at for operations.
    seen: usize,
    /// Those of which it is noted already that a role refuses them.
    refused: BTreeSet<TransitionCode>,
}

impl Chain {
    /// The transition that follows now. Why others are not taken that might be is noted on the
    /// last entry.
    fn next(&mut self, draft: &mut Draft<'_>) -> Option<OpenTransition> {
        while let Some(entry) = draft.entries.get(self.seen) {
            let recorded = entry.detail.recorded();
            if let Some(recorded) = recorded.filter(|recorded| !recorded.reverse) {
                self.operation = Some(recorded.operation.clone());
            }
            self.seen += 1;
        }
        let following = following(draft, self.operation.as_ref());
        for untaken in following.untaken {
            self.note(draft, untaken);
        }
        let (open, consumes_operation) = following.open?;
        if consumes_operation {
            self.operation = None;
        }
        Some(open)
    }

    fn note(&mut self, draft: &mut Draft<'_>, untaken: Untaken) {
        match untaken {
            Untaken::Failed { transition, why } => {
                draft.note_last("waymark.guard_failed", &format!("{transition}: {why}"));
            }
            Untaken::Refused { transition, why } => {
                if self.refused.insert(transition) {
                    draft.note_last("waymark.role_refused", &why);
                }
            }
        }
    }
}

#[derive(Default)]
struct Following {
    /// The transition, and whether the operation sets it off.
    open: Option<(OpenTransition, bool)>,
    /// Those before it that might have been taken.
    untaken: Vec<Untaken>,
}

/// A transition that is not taken for a reason that people should know.
enum Untaken {
    /// A guard could not be evaluated.
    Failed {
        transition: TransitionCode,
        why: String,
    },
    /// The actor has none of the roles, and nothing else blocks it.
    Refused {
        transition: TransitionCode,
        why: String,
    },
}

/// The entry that set off what follows now: the last one that says more than a comment,
/// or the call's own.
fn cause(draft: &Draft<'_>) -> i64 {
    let telling = |detail: &Detail| !matches!(detail, Detail::Commented);
    let last = draft.entries.iter().rfind(|entry| telling(&entry.detail));
    last.or(draft.entries.first())
        .map_or(draft.order.version, |entry| entry.sequence)
}

fn following(draft: &Draft<'_>, operation: Option<&OperationCode>) -> Following {
    let mut following = Following::default();
    if draft.movable().is_err() {
        return following;
    }
    for transition in &draft.workflow().transitions {
        let Some(consumes_operation) = set_off(transition, operation) else {
            continue;
        };
        if is_kept_away(draft, transition) {
            continue;
        }
        match judge(draft, transition, None, Taker::Call) {
            Ok(open) => {
                following.open = Some((open, consumes_operation));
                break;
            }
            Err(Closed::Refused(refusal)) => {
                let untaken = untaken(draft, transition, &refusal);
                following.untaken.extend(untaken);
            }
            Err(Closed::Elsewhere | Closed::Stays) => {}
        }
    }
    following
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

/// Whether a transition would touch the status inside the present state without being made for it,
/// or would change nothing at all.
fn is_kept_away(draft: &Draft<'_>, transition: &Transition) -> bool {
    let Standing { state, status } = &draft.order.standing;
    let is_inside = transition.to_state == *state;
    let stays = draft.graph.leads_to(transition) == Some(status);
    is_inside && (stays || !transition.may_follow_inside(state, status))
}

/// The note on a transition that is refused. A role is only where the transition would
/// be taken but for that: everything else is asked again as if there were none.
fn untaken(draft: &Draft<'_>, transition: &Transition, refusal: &Rejection) -> Option<Untaken> {
    let code = || transition.code.clone();
    if let Rejection::GuardFailed { source, .. } | Rejection::EntryGuardFailed { source, .. } =
        refusal
    {
        return Some(Untaken::Failed {
            transition: code(),
            why: source.message.clone(),
        });
    }
    let Rejection::RoleRequired { of, roles } = refusal else {
        return None;
    };
    let roles: Vec<&str> = roles.iter().map(Role::as_str).collect();
    let roles = roles.join(", ");
    let why = match of {
        Guarded::Transition(code) => format!("{code} needs one of the roles: {roles}"),
        Guarded::Operation(operation) => format!(
            "{}: operation {operation} needs one of the roles: {roles}",
            transition.code
        ),
    };
    let would_be_taken = judge(draft, transition, None, Taker::Time).is_ok();
    would_be_taken.then(|| Untaken::Refused {
        transition: code(),
        why,
    })
}
