//! Finds the declared transition that a target means: a transition by its code, a state, a status
//! or both, the status of a comment, or where an order is to be created.
//!
//! A transition leads *explicitly* to a state and status where the status is its own, or where it
//! names none and the status is the default of the state. Where it names none, a call may land on
//! other statuses of the state as well; but not on one to which another transition leads
//! explicitly from there, since that one says who may and when.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    allowed::{allowed, not_allowed},
    draft::{Draft, OpenTransition},
    graph::Graph,
    rights,
    transition::{Closed, Taker, assigned, enterable, judge, known_status, not_here},
};
use crate::{
    order::{Guarded, NotHere, Rejection, Target, when_recorded},
    value::{StateCode, StatusCode, TransitionCode},
    workflow::{CommentStatus, Standing, Transition, Trigger, Workflow},
};

/// The transitions that start where an order stands, by where they lead explicitly.
#[derive(Default)]
struct Explicit<'a>(BTreeMap<&'a StateCode, BTreeMap<&'a StatusCode, Vec<&'a Transition>>>);

impl<'a> Explicit<'a> {
    /// Those that are asked about.
    fn from_here(draft: &Draft<'a>, is_asked: impl Fn(&StateCode, &StatusCode) -> bool) -> Self {
        let graph = draft.graph;
        let mut found: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
        for transition in &graph.workflow().transitions {
            let state = &transition.to_state;
            let Some(status) = graph.leads_to(transition) else {
                continue;
            };
            if is_asked(state, status) && transition.leaves(&draft.order.standing) {
                let to_state = found.entry(state).or_default();
                to_state.entry(status).or_default().push(transition);
            }
        }
        Self(found)
    }

    fn to(&self, state: &StateCode, status: &StatusCode) -> &[&'a Transition] {
        let to_state = self.0.get(state);
        to_state
            .and_then(|to_state| to_state.get(status))
            .map_or(&[], Vec::as_slice)
    }

    /// Those that a call takes.
    fn manual(&self, state: &StateCode, status: &StatusCode) -> Vec<&'a Transition> {
        let all = self.to(state, status).iter().copied();
        all.filter(|transition| transition.trigger == Trigger::Manual)
            .collect()
    }

    /// Asks those that no call takes: where there are any, a call comes to their end another way
    /// only if the role and the guard of one of them pass.
    fn others_pass(
        &self,
        draft: &Draft<'_>,
        state: &StateCode,
        status: &StatusCode,
    ) -> Result<(), Rejection> {
        let mut refusal = None;
        for transition in self.to(state, status) {
            if transition.trigger == Trigger::Manual {
                continue;
            }
            let passes = rights::transition_role(draft, transition)
                .and_then(|()| rights::transition_guard(draft, transition));
            match passes {
                Ok(()) => return Ok(()),
                Err(rejection) => refusal = refusal.or(Some(rejection)),
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

pub(super) fn take(draft: &mut Draft<'_>, target: &Target) -> Result<(), Rejection> {
    draft.movable()?;
    let open = find(draft, target)?;
    draft.take(open);
    Ok(())
}

/// Refuses names that the workflow does not have.
pub(super) fn known(workflow: &Workflow, target: &Target) -> Result<(), Rejection> {
    let (transition, state, status) = match target {
        Target::Transition { code, land_on } => (Some(code), None, land_on.as_ref()),
        Target::Status(status) => (None, None, Some(status)),
        Target::State(state) | Target::KeepStatus(state) => (None, Some(state), None),
        Target::Standing(state, status) => (None, Some(state), Some(status)),
    };
    if let Some(code) = transition.filter(|code| workflow.transition(code).is_none()) {
        let transition = code.clone();
        return Err(Rejection::TransitionNotFound { transition });
    }
    if let Some(code) = state.filter(|code| workflow.state(code).is_none()) {
        let state = code.clone();
        return Err(Rejection::StateNotFound { state });
    }
    known_status(workflow, status)
}

/// Finds the one transition that leads to a target.
///
/// # Errors
/// Returns why none is open, or that several are.
fn find(draft: &Draft<'_>, target: &Target) -> Result<OpenTransition, Rejection> {
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
    let explicit = status.map_or_else(Explicit::default, |wanted| {
        Explicit::from_here(draft, |_, status| status == wanted)
    });
    let leads_there = |transition: &&Transition| {
        let state_fits = state.is_none_or(|state| transition.to_state == *state);
        state_fits && status.is_none_or(|status| may_land(draft, &explicit, transition, status))
    };
    let candidates = draft.graph.manual_transitions().filter(leads_there);
    let from_here = candidates.filter(|candidate| candidate.leaves(standing));
    choose(draft, from_here, |candidate| {
        land(draft, &explicit, candidate, status)
    })
}

fn by_code(
    draft: &Draft<'_>,
    code: &TransitionCode,
    land_on: Option<&StatusCode>,
) -> Result<OpenTransition, Rejection> {
    let Some(transition) = draft.workflow().transition(code) else {
        let transition = code.clone();
        return Err(Rejection::TransitionNotFound { transition });
    };
    if let Some(setter) = set_off_by(&transition.trigger) {
        let why = NotHere::SetOff { setter };
        return Err(not_here(draft, transition, why, allowed(draft)));
    }
    if let (Some(status), Some(fixed)) = (land_on, &transition.to_status)
        && status != fixed
    {
        let expected = "empty: the transition names its status";
        return Err(Rejection::malformed("land_on_status", expected));
    }
    let explicit = land_on.map_or_else(Explicit::default, |wanted| {
        let to_state = &transition.to_state;
        Explicit::from_here(draft, |state, status| state == to_state && status == wanted)
    });
    if let Some(status) = land_on
        && transition.leaves(&draft.order.standing)
        && !may_land(draft, &explicit, transition, status)
    {
        let manual = explicit.manual(&transition.to_state, status);
        if !manual.is_empty() {
            return choose(draft, manual, |it| judge(draft, it, land_on, Taker::Call));
        }
    }
    land(draft, &explicit, transition, land_on)
        .map_err(|closed| closed.into_rejection(draft, transition, || allowed(draft)))
}

/// The one of these transitions that may be taken.
fn choose<'a>(
    draft: &Draft<'a>,
    candidates: impl IntoIterator<Item = &'a Transition>,
    judged: impl Fn(&Transition) -> Result<OpenTransition, Closed>,
) -> Result<OpenTransition, Rejection> {
    let mut refusal = None;
    let mut found = Vec::new();
    for candidate in candidates {
        match judged(candidate) {
            Ok(open) => found.push(open),
            Err(closed) => refusal = refusal.or(Some((closed, candidate))),
        }
    }
    match (found.len(), found.pop()) {
        (0 | 1, Some(open)) => Ok(open),
        (_, Some(last)) => {
            let mut candidates: Vec<_> = found.into_iter().map(|open| open.transition).collect();
            candidates.push(last.transition);
            Err(Rejection::TransitionAmbiguous { candidates })
        }
        (_, None) => Err(match refusal {
            Some((closed, candidate)) => closed.into_rejection(draft, candidate, || allowed(draft)),
            None => not_allowed(draft),
        }),
    }
}

/// Whether a transition may be meant that is to land on a status: it leads there explicitly, or
/// leaves it open and no other one that a call takes leads there explicitly.
fn may_land(
    draft: &Draft<'_>,
    explicit: &Explicit<'_>,
    transition: &Transition,
    status: &StatusCode,
) -> bool {
    if draft.graph.leads_to(transition) == Some(status) {
        return true;
    }
    let state = &transition.to_state;
    let is_open = transition.to_status.is_none();
    is_open
        && draft.workflow().assignment(state, status).is_some()
        && explicit.manual(state, status).is_empty()
}

/// Judges a transition that is to land on a status, if any is named.
fn land(
    draft: &Draft<'_>,
    explicit: &Explicit<'_>,
    transition: &Transition,
    status: Option<&StatusCode>,
) -> Result<OpenTransition, Closed> {
    if let Some(status) = status
        && draft.graph.leads_to(transition) != Some(status)
        && transition.leaves(&draft.order.standing)
    {
        explicit.others_pass(draft, &transition.to_state, status)?;
    }
    judge(draft, transition, status, Taker::Call)
}

/// How a comment comes to another status of the present state.
pub(super) enum Setting {
    /// It sets the status by itself.
    Plain,
    /// It takes the declared transition that leads there.
    Along(OpenTransition),
}

/// The statuses that comments may set where an order stands.
pub(super) struct Settable<'a>(Explicit<'a>);

impl<'a> Settable<'a> {
    /// Looks for transitions inside the present state. None are taken on hold or at an end, where
    /// comments go on.
    pub(super) fn new(draft: &Draft<'a>) -> Self {
        let here = &draft.order.standing.state;
        Self(match draft.movable() {
            Ok(()) => Explicit::from_here(draft, |state, _| state == here),
            Err(_) => Explicit::default(),
        })
    }

    /// How a comment comes to this status; none where comments set no status.
    ///
    /// # Errors
    /// Returns why it may not be set.
    pub(super) fn setting(
        &self,
        draft: &Draft<'a>,
        status: &StatusCode,
    ) -> Result<Option<Setting>, Rejection> {
        let state = &draft.order.standing.state;
        let manual = self.0.manual(state, status);
        if !manual.is_empty() {
            let judged = |it: &Transition| judge(draft, it, Some(status), Taker::Call);
            let open = choose(draft, manual, judged)?;
            return Ok(Some(Setting::Along(open)));
        }
        if draft.workflow().comment_status == CommentStatus::Never {
            return Ok(None);
        }
        assigned(draft, state, status)?;
        enterable(draft, status)?;
        self.0.others_pass(draft, state, status)?;
        Ok(Some(Setting::Plain))
    }
}

/// Refuses the creation of an order where it would come to the end of transitions that ask for
/// roles, of which the actor has none, and no other one lets everybody there. Where orders usually
/// start, nobody is asked.
pub(super) fn may_start(draft: &Draft<'_>) -> Result<(), Rejection> {
    let standing = &draft.order.standing;
    let workflow = draft.workflow();
    let is_default = workflow.default_status(&standing.state) == Some(&standing.status);
    if is_default && workflow.initial_state == standing.state {
        return Ok(());
    }
    let mut roles = Vec::new();
    let mut first = None;
    for transition in leading(draft.graph, standing) {
        let asked = rights::asked_on_the_way(draft, transition);
        if asked.is_empty() {
            if rights::transition_guard(draft, transition).is_ok() {
                return Ok(());
            }
            continue;
        }
        if asked.iter().all(|roles| rights::has_one(draft, roles)) {
            return Ok(());
        }
        let missing = asked.into_iter().find(|it| !rights::has_one(draft, it));
        roles.extend(missing.unwrap_or_default());
        first = first.or(Some(transition));
    }
    draft.within_budget()?;
    // Where none asks for roles, guards alone keep nobody from placing orders.
    let Some(first) = first else { return Ok(()) };
    roles.sort();
    roles.dedup();
    let of = Guarded::Transition(first.code.clone());
    Err(Rejection::RoleRequired { of, roles })
}

/// The transitions that lead explicitly to a place, and where there are none, those that a call may
/// let land there. No caller stands behind what time does.
fn leading<'g>(graph: &'g Graph, place: &Standing) -> Vec<&'g Transition> {
    let workflow = graph.workflow();
    let terminal = workflow.states.iter().filter(|state| state.terminal);
    let terminal: BTreeSet<_> = terminal.map(|state| &state.code).collect();
    let mut here = workflow.assignments_of(&place.state);
    let has_others = here.any(|assignment| assignment.status != place.status);
    // One that starts at its own end, or where no step leaves, leads nobody there.
    let begins_elsewhere = |it: &&Transition| {
        let only_here = it.from_states.iter().all(|state| *state == place.state);
        let mut from = it.from_statuses.iter();
        let from_itself = from.all(|status| *status == place.status);
        let stays = !it.from_statuses.is_empty() && from_itself && only_here;
        let begins =
            |state: &StateCode| !terminal.contains(state) && (*state != place.state || has_others);
        !stays && (it.from_states.is_empty() || it.from_states.iter().any(begins))
    };
    let entering = workflow
        .transitions
        .iter()
        .filter(|it| it.to_state == place.state && !it.trigger.is_timed() && begins_elsewhere(it));
    let (explicit, others): (Vec<_>, Vec<_>) =
        entering.partition(|it| graph.leads_to(it) == Some(&place.status));
    if !explicit.is_empty() {
        return explicit;
    }
    let is_open = |it: &&Transition| it.to_status.is_none() && it.trigger == Trigger::Manual;
    others.into_iter().filter(is_open).collect()
}

/// The trigger that takes a transition instead of a call; none where a call does.
fn set_off_by(trigger: &Trigger) -> Option<String> {
    match trigger {
        Trigger::Manual => None,
        Trigger::Automatic => Some("automatically".to_owned()),
        Trigger::OnOperations(operations) => Some(when_recorded(operations)),
        Trigger::After(_) | Trigger::At(_) => Some("by time".to_owned()),
    }
}
