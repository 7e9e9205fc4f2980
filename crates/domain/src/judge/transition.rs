//! Judges whether a declared transition may be taken now, and where it leads.

use super::{
    draft::{Draft, OpenTransition},
    operation::with_step,
    rights,
};
use crate::{
    history::{Recorded, record},
    order::{NotHere, Order, Rejection},
    value::{StateCode, StatusCode, TransitionCode},
    workflow::{Standing, Transition, Workflow},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taker {
    /// A call: it names the transition, or has done what sets it off.
    Call,
    /// Time, which has every role: the workflow itself says so.
    Time,
}

pub(super) enum Closed {
    /// It does not start where the order stands.
    Elsewhere,
    /// It leads to where the order stands and does not name that as a place that it leaves.
    Stays,
    /// A rule refuses it.
    Refused(Rejection),
}

impl From<Rejection> for Closed {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl Closed {
    /// The refusal, with what is allowed where that is told.
    pub(super) fn into_rejection(
        self,
        draft: &Draft<'_>,
        transition: &Transition,
        allowed: impl FnOnce() -> Vec<TransitionCode>,
    ) -> Rejection {
        match self.why(transition) {
            Ok(why) => not_here(draft, transition, why, allowed()),
            Err(rejection) => rejection,
        }
    }

    /// Why the transition cannot be taken from here, or what refuses it.
    pub(super) fn why(self, transition: &Transition) -> Result<NotHere, Rejection> {
        match self {
            Self::Elsewhere => Ok(NotHere::Elsewhere {
                states: transition.from_states.clone(),
                statuses: transition.from_statuses.clone(),
            }),
            Self::Stays => Ok(NotHere::Stays),
            Self::Refused(rejection) => Err(rejection),
        }
    }
}

/// Whether a transition may be taken now, and where it lands.
pub(super) fn judge(
    draft: &Draft<'_>,
    transition: &Transition,
    land_on: Option<&StatusCode>,
    taker: Taker,
) -> Result<OpenTransition, Closed> {
    let standing = &draft.order.standing;
    if !transition.leaves(standing) {
        return Err(Closed::Elsewhere);
    }
    let to = landing(draft, transition, land_on)?;
    if to == *standing && !transition.from_statuses.contains(&to.status) {
        return Err(Closed::Stays);
    }
    if taker == Taker::Call {
        rights::transition_role(draft, transition)?;
    }
    rights::transition_guard(draft, transition)?;
    let recorded = recorded(draft, transition, taker)?;
    entry_guard(draft, &to.state, recorded.as_ref())?;
    Ok(OpenTransition {
        transition: transition.code.clone(),
        to,
        recorded,
    })
}

fn landing(
    draft: &Draft<'_>,
    transition: &Transition,
    land_on: Option<&StatusCode>,
) -> Result<Standing, Rejection> {
    let state = &transition.to_state;
    let default = || draft.workflow().default_status(state);
    let Some(status) = transition.to_status.as_ref().or(land_on).or_else(default) else {
        let state = state.clone();
        return Err(Rejection::StateWithoutStatus { state });
    };
    assigned(draft, state, status)?;
    enterable(draft, status)?;
    let (state, status) = (state.clone(), status.clone());
    Ok(Standing { state, status })
}

pub(super) fn known_status(
    workflow: &Workflow,
    status: Option<&StatusCode>,
) -> Result<(), Rejection> {
    match status.filter(|status| workflow.status(status).is_none()) {
        Some(status) => Err(Rejection::StatusNotFound {
            status: status.clone(),
        }),
        None => Ok(()),
    }
}

pub(super) fn assigned(
    draft: &Draft<'_>,
    state: &StateCode,
    status: &StatusCode,
) -> Result<(), Rejection> {
    if draft.workflow().assignment(state, status).is_none() {
        let (state, status) = (state.clone(), status.clone());
        return Err(Rejection::StatusNotInState { state, status });
    }
    Ok(())
}

pub(super) fn enterable(draft: &Draft<'_>, status: &StatusCode) -> Result<(), Rejection> {
    let found = draft.workflow().status(status);
    if found.is_some_and(|status| status.retired) {
        let status = status.clone();
        return Err(Rejection::StatusRetired { status });
    }
    Ok(())
}

/// The operation that the step records with its transition: all that is left for it, which is
/// judged as if the call recorded it. Time is asked for no role.
fn recorded(
    draft: &Draft<'_>,
    transition: &Transition,
    taker: Taker,
) -> Result<Option<Recorded>, Rejection> {
    let code = transition.operation.as_ref();
    let Some(operation) = code.and_then(|code| draft.workflow().operation(code)) else {
        return Ok(None);
    };
    draft.spend_on_recording()?;
    let recorded = with_step(draft, operation, transition)?;
    if let Some(recorded) = &recorded {
        if taker == Taker::Call {
            rights::operation_role(draft, operation)?;
        }
        rights::operation_guard(draft, operation, recorded)?;
    }
    Ok(recorded)
}

/// Asks the entry guard of a state about the order after the step's own operation.
pub(super) fn entry_guard(
    draft: &Draft<'_>,
    state: &StateCode,
    recorded: Option<&Recorded>,
) -> Result<(), Rejection> {
    let Some(guard) = draft.graph.entry_guard(state) else {
        return Ok(());
    };
    let expression = || guard.expression().to_string();
    let answer = match recorded {
        Some(recorded) => {
            let mut order: Order = draft.order.clone();
            record(&mut order, recorded);
            guard.holds(&draft.facts(&order), draft.budget)
        }
        None => guard.holds(&draft.facts(&draft.order), draft.budget),
    };
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejection::EntryGuardRefused {
            state: state.clone(),
            expression: expression(),
        }),
        Err(source) => Err(Rejection::EntryGuardFailed {
            state: state.clone(),
            expression: expression(),
            source,
        }),
    }
}

/// The refusal for a transition that was named, or meant, and cannot be taken from here.
pub(super) fn not_here(
    draft: &Draft<'_>,
    transition: &Transition,
    why: NotHere,
    allowed: Vec<TransitionCode>,
) -> Rejection {
    Rejection::TransitionNotHere {
        transition: transition.code.clone(),
        why: Box::new(why),
        standing: draft.order.standing.clone(),
        allowed,
    }
}
