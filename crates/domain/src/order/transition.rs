//! Which declared ways lead where, and whether one may be taken now.

use super::{
    NotHere, Order, Rejection, Standing, Target, cascade, draft::Draft, evolve::record, holding,
    operation::with_step,
};
use crate::{
    actor::Actor,
    history::{Detail, Recorded},
    value::{Invalid, StateCode, StatusCode, TransitionCode},
    workflow::{Graph, Transition, Trigger},
};

/// A transition that may be taken, with where it lands and what it records.
pub(super) struct Way {
    pub(super) transition: TransitionCode,
    pub(super) to: Standing,
    pub(super) recorded: Option<Recorded>,
}

/// Takes the one transition that leads to the target.
pub(super) fn take(draft: &mut Draft<'_>, target: &Target) -> Result<(), Rejection> {
    known(draft.graph, target)?;
    movable(draft)?;
    let way = find(draft, target)?;
    draft.write(
        way.to,
        Some(way.transition),
        Detail::Transitioned(way.recorded),
    );
    Ok(())
}

/// Refuses names that the workflow does not have.
pub(super) fn known(graph: &Graph, target: &Target) -> Result<(), Rejection> {
    let workflow = graph.workflow();
    let (transition, state, status) = match target {
        Target::Transition { code, land_on } => (Some(code), None, land_on.as_ref()),
        Target::Status(status) => (None, None, Some(status)),
        Target::State(state) | Target::KeepStatus(state) => (None, Some(state), None),
        Target::Standing(state, status) => (None, Some(state), Some(status)),
    };
    if let Some(code) = transition.filter(|code| workflow.transition(code).is_none()) {
        return Err(Rejection::TransitionNotFound {
            transition: code.clone(),
        });
    }
    if let Some(code) = state.filter(|code| workflow.state(code).is_none()) {
        return Err(Rejection::StateNotFound {
            state: code.clone(),
        });
    }
    if let Some(code) = status.filter(|code| workflow.status(code).is_none()) {
        return Err(Rejection::StatusNotFound {
            status: code.clone(),
        });
    }
    Ok(())
}

/// Refuses steps of an order that is on hold or in a terminal state.
pub(super) fn movable(draft: &Draft<'_>) -> Result<(), Rejection> {
    let order = &draft.order;
    if order.return_to.is_some() {
        return Err(holding::held(order));
    }
    if draft.state().is_some_and(|state| state.terminal) {
        return Err(Rejection::OrderTerminal {
            state: order.standing.state.clone(),
        });
    }
    Ok(())
}

/// Why a way is not open.
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

/// The codes of the transitions that a call may take now.
pub(super) fn allowed(draft: &Draft<'_>) -> Vec<TransitionCode> {
    if movable(draft).is_err() {
        return Vec::new();
    }
    let manual = draft.graph.manual_transitions();
    let open = manual.filter(|transition| try_out(draft, transition).is_ok());
    open.map(|transition| transition.code.clone()).collect()
}

/// Takes a transition on a copy of the order, with all that it sets off, and says where
/// the call itself lands. Where the guards take too long together, that is the refusal.
pub(super) fn try_out(draft: &Draft<'_>, transition: &Transition) -> Result<Standing, Closed> {
    let judged = judge(draft, transition, None, &draft.context.actor);
    draft.within_budget()?;
    let way = judged?;
    let to = way.to.clone();
    let mut trial = draft.fork()?;
    trial.write(
        way.to,
        Some(way.transition),
        Detail::Transitioned(way.recorded),
    );
    let settled = cascade::run(&mut trial);
    trial.within_budget()?;
    settled?;
    Ok(to)
}

fn find(draft: &Draft<'_>, target: &Target) -> Result<Way, Rejection> {
    let standing = &draft.order.standing;
    let (state, status) = match target {
        Target::Transition { code, land_on } => return by_code(draft, code, land_on.as_ref()),
        Target::Status(status) => (None, Some(status)),
        Target::State(state) => (Some(state), None),
        Target::Standing(state, status) => (Some(state), Some(status)),
        Target::KeepStatus(state) => (Some(state), Some(&standing.status)),
    };
    if let (Some(state), Some(status)) = (state, status) {
        assigned(draft, state, status)?;
    }
    let candidates = draft.graph.manual_transitions().filter(|transition| {
        let state_fits = state.is_none_or(|state| transition.to_state == *state);
        state_fits && status.is_none_or(|status| can_land_on(draft, transition, status))
    });
    let mut refusal = None;
    let mut ways = Vec::new();
    for candidate in candidates.filter(|candidate| leaves(candidate, standing)) {
        match judge(draft, candidate, status, &draft.context.actor) {
            Ok(way) => ways.push(way),
            Err(closed) => refusal = refusal.or(Some((closed, candidate))),
        }
    }
    match (ways.len(), ways.pop()) {
        (0 | 1, Some(way)) => Ok(way),
        (_, Some(last)) => {
            let mut candidates: Vec<_> = ways.into_iter().map(|way| way.transition).collect();
            candidates.push(last.transition);
            Err(Rejection::TransitionAmbiguous { candidates })
        }
        (_, None) => Err(match refusal {
            Some((closed, candidate)) => closed.into_rejection(draft, candidate, || allowed(draft)),
            None => not_allowed(draft),
        }),
    }
}

fn by_code(
    draft: &Draft<'_>,
    code: &TransitionCode,
    land_on: Option<&StatusCode>,
) -> Result<Way, Rejection> {
    let Some(transition) = draft.workflow().transition(code) else {
        return Err(Rejection::TransitionNotFound {
            transition: code.clone(),
        });
    };
    if let Some(setter) = set_off_by(&transition.trigger) {
        let why = NotHere::SetOff { setter };
        return Err(not_here(draft, transition, why, allowed(draft)));
    }
    if let Some(status) = land_on {
        let is_open = transition
            .to_status
            .as_ref()
            .is_none_or(|fixed| fixed == status);
        if !is_open {
            return Err(Rejection::Field {
                field: "land_on_status",
                problem: Invalid::Malformed {
                    expected: "empty: the transition names its status",
                },
            });
        }
    }
    judge(draft, transition, land_on, &draft.context.actor)
        .map_err(|closed| closed.into_rejection(draft, transition, || allowed(draft)))
}

/// Whether a transition may be taken now by this actor, and where it lands.
pub(super) fn judge(
    draft: &Draft<'_>,
    transition: &Transition,
    land_on: Option<&StatusCode>,
    actor: &Actor,
) -> Result<Way, Closed> {
    let standing = &draft.order.standing;
    if !leaves(transition, standing) {
        return Err(Closed::Elsewhere);
    }
    let to = landing(draft, transition, land_on)?;
    if to == *standing && !transition.from_statuses.contains(&to.status) {
        return Err(Closed::Stays);
    }
    role(transition, actor)?;
    guard(draft, transition, actor)?;
    let recorded = recorded(draft, transition)?;
    entry_guard(draft, &to.state, recorded.as_ref(), actor)?;
    Ok(Way {
        transition: transition.code.clone(),
        to,
        recorded,
    })
}

pub(super) fn leaves(transition: &Transition, from: &Standing) -> bool {
    let status_fits =
        transition.from_statuses.is_empty() || transition.from_statuses.contains(&from.status);
    let state_fits =
        transition.from_states.is_empty() || transition.from_states.contains(&from.state);
    status_fits && state_fits
}

fn can_land_on(draft: &Draft<'_>, transition: &Transition, status: &StatusCode) -> bool {
    match &transition.to_status {
        Some(fixed) => fixed == status,
        None => draft
            .workflow()
            .assignment(&transition.to_state, status)
            .is_some(),
    }
}

fn landing(
    draft: &Draft<'_>,
    transition: &Transition,
    land_on: Option<&StatusCode>,
) -> Result<Standing, Rejection> {
    let state = &transition.to_state;
    let default = || draft.workflow().default_status(state);
    let Some(status) = transition.to_status.as_ref().or(land_on).or_else(default) else {
        return Err(Rejection::StateWithoutStatus {
            state: state.clone(),
        });
    };
    assigned(draft, state, status)?;
    enterable(draft, status)?;
    Ok(Standing {
        state: state.clone(),
        status: status.clone(),
    })
}

/// Refuses a status that is not assigned to the state.
pub(super) fn assigned(
    draft: &Draft<'_>,
    state: &StateCode,
    status: &StatusCode,
) -> Result<(), Rejection> {
    if draft.workflow().assignment(state, status).is_none() {
        return Err(Rejection::StatusNotInState {
            state: state.clone(),
            status: status.clone(),
        });
    }
    Ok(())
}

/// Refuses a status that is retired.
pub(super) fn enterable(draft: &Draft<'_>, status: &StatusCode) -> Result<(), Rejection> {
    if draft
        .workflow()
        .status(status)
        .is_some_and(|status| status.retired)
    {
        return Err(Rejection::StatusRetired {
            status: status.clone(),
        });
    }
    Ok(())
}

fn role(transition: &Transition, actor: &Actor) -> Result<(), Rejection> {
    let roles = &transition.roles;
    if roles.is_empty() || roles.iter().any(|role| actor.roles.contains(role)) {
        return Ok(());
    }
    Err(Rejection::RoleRequired {
        transition: transition.code.clone(),
        roles: roles.clone(),
    })
}

fn guard(draft: &Draft<'_>, transition: &Transition, actor: &Actor) -> Result<(), Rejection> {
    let Some(guard) = draft.graph.guard(&transition.code) else {
        return Ok(());
    };
    let code = || transition.code.clone();
    let expression = || guard.expression().to_string();
    match guard.holds(&draft.facts(&draft.order, actor), draft.budget) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejection::GuardRefused {
            transition: code(),
            expression: expression(),
            description: transition.description.to_string(),
        }),
        Err(source) => Err(Rejection::GuardFailed {
            transition: code(),
            expression: expression(),
            source,
        }),
    }
}

/// What the step records with its transition: all that is left for its operation.
fn recorded(draft: &Draft<'_>, transition: &Transition) -> Result<Option<Recorded>, Rejection> {
    let code = transition.operation.as_ref();
    match code.and_then(|code| draft.workflow().operation(code)) {
        Some(operation) => {
            draft.spend_on_recording()?;
            with_step(draft, operation, transition)
        }
        None => Ok(None),
    }
}

/// Asks the entry guard of a state about the order after the step's own operation.
pub(super) fn entry_guard(
    draft: &Draft<'_>,
    state: &StateCode,
    recorded: Option<&Recorded>,
    actor: &Actor,
) -> Result<(), Rejection> {
    let Some(guard) = draft.graph.entry_guard(state) else {
        return Ok(());
    };
    let expression = || guard.expression().to_string();
    let answer = match recorded {
        Some(recorded) => {
            let mut order: Order = draft.order.clone();
            record(&mut order, recorded);
            guard.holds(&draft.facts(&order, actor), draft.budget)
        }
        None => guard.holds(&draft.facts(&draft.order, actor), draft.budget),
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

/// What takes a transition instead of a call; none where a call does.
fn set_off_by(trigger: &Trigger) -> Option<&'static str> {
    match trigger {
        Trigger::Manual => None,
        Trigger::Automatic => Some("automatically"),
        Trigger::OnOperations(_) => Some("when one of its operations is recorded"),
        Trigger::After(_) | Trigger::At(_) => Some("by time"),
    }
}

/// The refusal for a transition that was named, or meant, and cannot be taken from here.
fn not_here(
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

/// The refusal for a target that no declared way leads to. It asks every guard for the
/// list of what is allowed, so it is made only where it is told.
fn not_allowed(draft: &Draft<'_>) -> Rejection {
    let standing = &draft.order.standing;
    Rejection::TransitionNotAllowed {
        from_state: standing.state.clone(),
        from_status: standing.status.clone(),
        allowed: allowed(draft),
    }
}
