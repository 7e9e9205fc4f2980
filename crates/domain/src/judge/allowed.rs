//! The transitions that a call may take now, each tried with all that it sets off.

use super::{
    cascade,
    draft::Draft,
    transition::{Closed, Taker, judge},
};
use crate::{
    order::Rejection,
    value::TransitionCode,
    workflow::{Standing, Transition},
};

pub(super) fn allowed(draft: &Draft<'_>) -> Vec<TransitionCode> {
    if draft.movable().is_err() {
        return Vec::new();
    }
    let manual = draft.graph.manual_transitions();
    let open = manual.filter(|transition| try_out(draft, transition).is_ok());
    open.map(|transition| transition.code.clone()).collect()
}

/// Takes a transition on a copy of the order, with all that it sets off, and says where
/// the call itself lands. Where the guards take too long together, that is the refusal.
pub(super) fn try_out(draft: &Draft<'_>, transition: &Transition) -> Result<Standing, Closed> {
    let judged = judge(draft, transition, None, Taker::Call);
    draft.within_budget()?;
    let open = judged?;
    let to = open.to.clone();
    let mut trial = draft.fork()?;
    trial.take(open);
    let settled = cascade::run(&mut trial);
    trial.within_budget()?;
    settled?;
    Ok(to)
}

/// The refusal for a target that no declared transition leads to. It asks every guard for the
/// list of what is allowed, so it is made only where it is told.
pub(super) fn not_allowed(draft: &Draft<'_>) -> Rejection {
    let standing = &draft.order.standing;
    Rejection::TransitionNotAllowed {
        from_state: standing.state.clone(),
        from_status: standing.status.clone(),
        allowed: allowed(draft),
    }
}
