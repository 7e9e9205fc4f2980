//! The callers behind steps: roles that nobody can be asked for, and expressions that speak of a
//! call where there is none.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, Rule, Ways,
    actions::taken_transition,
    expressions::{Speaker, Spoken},
    listed,
    ways::Way,
};
use crate::{
    value::{OperationCode, StateCode, TransitionCode},
    workflow::{Action, Operation, Transition, Trigger, TriggerPoint, Workflow},
};

pub(super) fn find(ways: &Ways<'_>, spoken: &[Spoken<'_>]) -> Vec<Finding> {
    let transitions = &ways.workflow.transitions;
    let mut findings: Vec<_> = transitions.iter().filter_map(roles).collect();
    findings.extend(roles_by_chance(ways.workflow, spoken));
    findings.extend(roles_by_time(ways));
    findings.extend(actors_of_time(ways.workflow, spoken));
    findings.extend(instants(ways, spoken));
    findings
}

/// Roles are asked of who makes a call.
fn roles(transition: &Transition) -> Option<Finding> {
    let why = match &transition.trigger {
        Trigger::Manual | Trigger::OnOperations(_) => return None,
        Trigger::Automatic => {
            "but starts by itself, and whose call happens to set it off is chance: give them to the operation or the transition that people call, or ask for them in the guard ('clerk' in actor.roles)"
        }
        Trigger::After(_) | Trigger::At(_) => {
            "but starts by time, which has none: take them out, or let people take it"
        }
    };
    if transition.roles.is_empty() {
        return None;
    }
    let message = format!("has roles ({}), {why}", listed(&transition.roles));
    Some(transition.finding(Rule::RolesWithoutCaller, message))
}

/// The operations that ask for roles.
fn with_roles(workflow: &Workflow) -> BTreeMap<&OperationCode, &Operation> {
    let operations = workflow.operations.iter();
    let with_roles = operations.filter(|operation| !operation.roles.is_empty());
    with_roles.map(|it| (&it.code, it)).collect()
}

/// Automatic transitions that record an operation with roles. Those whose guard asks for roles say
/// themselves by whose calls they are taken.
fn roles_by_chance(workflow: &Workflow, spoken: &[Spoken<'_>]) -> Vec<Finding> {
    let operations = with_roles(workflow);
    let asks_itself = |spoken: &Spoken<'_>| match &spoken.by {
        Speaker::Transition(transition) => spoken
            .names()
            .has("actor.roles")
            .then(|| transition.code.clone()),
        Speaker::State(_) | Speaker::Operation(_) | Speaker::Action(..) => None,
    };
    let asking: BTreeSet<TransitionCode> = spoken.iter().filter_map(asks_itself).collect();
    let transitions = workflow.transitions.iter();
    let automatic =
        transitions.filter(|it| it.trigger == Trigger::Automatic && !asking.contains(&it.code));
    let findings = automatic.filter_map(|transition| {
        let operation = operations.get(transition.operation.as_ref()?)?;
        let message = format!(
            "records {}, which needs a role ({}): whoever makes the step by which it is taken must have one, else it is not taken",
            operation.code,
            listed(&operation.roles)
        );
        Some(transition.finding(Rule::RolesByChance, message))
    });
    findings.collect()
}

/// The transitions that ask for roles, by themselves or by the operation that they record.
fn asking(workflow: &Workflow) -> BTreeMap<&TransitionCode, String> {
    let operations = with_roles(workflow);
    let asks = |transition: &Transition| {
        if !transition.roles.is_empty() {
            return Some(format!("that asks for {}", listed(&transition.roles)));
        }
        let operation = operations.get(transition.operation.as_ref()?)?;
        Some(format!(
            "that records {}, which asks for {}",
            operation.code,
            listed(&operation.roles)
        ))
    };
    let transitions = workflow.transitions.iter();
    let asking = transitions.filter_map(|it| Some((&it.code, asks(it)?)));
    asking.collect()
}

/// Steps that time sets off and that ask for roles: transitions that actions on the way of a timed
/// one take, and the first that would follow from it. Time has no roles, so they are not taken.
fn roles_by_time(ways: &Ways<'_>) -> Vec<Finding> {
    let asking = asking(ways.workflow);
    let following = ways.list.iter().filter(|way| {
        way.transition.trigger.is_automatic() && asking.contains_key(&way.transition.code)
    });
    let following: Vec<&Way<'_>> = following.collect();
    let mut findings = Vec::new();
    let timed = |way: &&Way<'_>| way.transition.trigger.is_timed();
    for way in ways.list.iter().filter(timed) {
        let mut tell = |what: String| {
            let message = format!("starts by time, which has no roles, so {what}");
            findings.push(way.transition.finding(Rule::NeverByTime, message));
        };
        for (whose, taken) in taken_on(ways, way) {
            if let Some(asks) = asking.get(taken) {
                tell(format!("{whose} never takes transition {taken}: {asks}"));
            }
        }
        let next = following.iter().find(|next| may_follow(way, next));
        let code = next.map(|next| &next.transition.code);
        if let Some((code, asks)) = code.and_then(|code| asking.get_key_value(code)) {
            tell(format!("transition {code} never follows from it: {asks}"));
        }
    }
    findings
}

/// Whether a transition that nobody asks for may be set off where a way leads to.
fn may_follow(way: &Way<'_>, next: &Way<'_>) -> bool {
    let transition = way.transition;
    // What is taken back sets off automatic steps only.
    let recorded = transition
        .operation
        .as_ref()
        .filter(|_| !transition.reverse);
    let is_set_off = match &next.transition.trigger {
        Trigger::Automatic => true,
        Trigger::OnOperations(codes) => recorded.is_some_and(|code| codes.contains(code)),
        Trigger::Manual | Trigger::After(_) | Trigger::At(_) => false,
    };
    is_set_off && way.landing.is_some_and(|place| next.sources.has(place))
}

/// The transitions that active actions take which a way sets off, each with whose action it is.
fn taken_on<'a>(ways: &Ways<'a>, way: &Way<'a>) -> Vec<(String, &'a TransitionCode)> {
    let transition = way.transition;
    let mut taken = taken_by(&transition.actions, "its action", "");
    let operation = transition.operation.as_ref();
    if let Some(operation) = operation.and_then(|code| ways.workflow.operation(code)) {
        let of = format!(" of operation {}", operation.code);
        taken.extend(taken_by(&operation.actions, "the action", &of));
    }
    let Some(place) = ways.landing(way).copied() else {
        return taken;
    };
    let is_elsewhere = |source: usize| {
        let source = ways.places.get(source);
        source.is_some_and(|source| source.state.code != place.state.code)
    };
    if !place.state.on_enter.is_empty() && way.sources.iter().any(is_elsewhere) {
        let of = format!(" of state {}", place.state.code);
        taken.extend(taken_by(&place.state.on_enter, "the action", &of));
    }
    let of = format!(" of status {}", place.status.code);
    taken.extend(taken_by(&place.status.on_enter, "the action", &of));
    taken
}

fn taken_by<'a>(actions: &'a [Action], its: &str, of: &str) -> Vec<(String, &'a TransitionCode)> {
    let active = actions.iter().filter(|action| action.active);
    let taken = active.filter_map(|action| {
        let code = taken_transition(action)?;
        Some((format!("{its} {}{of}", action.code), code))
    });
    taken.collect()
}

/// Timed transitions by what is asked on their way.
#[derive(Default)]
struct Timed<'a> {
    codes: BTreeMap<&'a TransitionCode, &'a Transition>,
    entering: BTreeMap<&'a StateCode, Vec<&'a Transition>>,
    recording: BTreeMap<&'a OperationCode, Vec<&'a Transition>>,
}

impl<'a> Timed<'a> {
    fn new(transitions: &'a [Transition]) -> Self {
        let mut timed = Self::default();
        for transition in transitions.iter().filter(|it| it.trigger.is_timed()) {
            timed.codes.insert(&transition.code, transition);
            let entering = timed.entering.entry(&transition.to_state).or_default();
            entering.push(transition);
            if let Some(operation) = &transition.operation {
                let recording = timed.recording.entry(operation).or_default();
                recording.push(transition);
            }
        }
        timed
    }
}

/// Expressions that are asked on the way of a timed transition: its guard, those of its operation
/// and of its state, and the conditions of its actions.
fn actors_of_time(workflow: &Workflow, spoken: &[Spoken<'_>]) -> Vec<Finding> {
    let timed = Timed::new(&workflow.transitions);
    let mut findings = Vec::new();
    for spoken in spoken {
        let named = named_of_call(spoken);
        if named.is_empty() {
            continue;
        }
        let mut say = |transition: &Transition, what: &str| {
            let message = format!(
                "starts by time, but {what} names {}: nobody makes a call then, the actor is the system without id and roles, and the request is empty",
                named.join(", ")
            );
            findings.push(transition.finding(Rule::ActorOfTime, message));
        };
        match &spoken.by {
            Speaker::Transition(transition) => {
                if transition.trigger.is_timed() {
                    say(transition, "its guard");
                }
            }
            Speaker::State(state) => {
                let what = format!("the entry guard of state {}", state.code);
                for transition in timed.entering.get(&state.code).into_iter().flatten() {
                    say(transition, &what);
                }
            }
            Speaker::Operation(operation) => {
                let what = format!("the guard of its operation {}", operation.code);
                let recording = timed.recording.get(&operation.code);
                for transition in recording.into_iter().flatten() {
                    say(transition, &what);
                }
            }
            Speaker::Action(TriggerPoint::Transition(code), action) => {
                if let (Some(transition), true) = (timed.codes.get(code), action.active) {
                    let what = format!("the condition of its action {}", action.code);
                    say(transition, &what);
                }
            }
            Speaker::Action(..) => {}
        }
    }
    findings
}

/// The parts of a call that an expression names and that mean nothing where none is made. That the
/// actor is the system may be asked, and what an operation is about to record.
fn named_of_call(spoken: &Spoken<'_>) -> Vec<&'static str> {
    let names = spoken.names();
    let paths: &[&'static str] = match &spoken.by {
        Speaker::Operation(_) => &[
            "actor.roles",
            "actor.id",
            "actor.on_behalf_of",
            "request.comment",
            "request.metadata",
        ],
        Speaker::Transition(_) | Speaker::State(_) | Speaker::Action(..) => {
            &["actor.roles", "actor.id", "actor.on_behalf_of", "request"]
        }
    };
    let found = paths.iter().copied().filter(|path| names.has(path));
    let mut found: Vec<_> = found.collect();
    let mut kinds = names.compared_with("actor.kind");
    found.extend(kinds.any(|kind| kind != "system").then_some("actor.kind"));
    found
}

/// Guards that are asked when something happens, and not when an instant comes.
fn instants(ways: &Ways<'_>, spoken: &[Spoken<'_>]) -> Vec<Finding> {
    let entered = entered_by_steps(ways);
    let asked_by_steps = spoken.iter().filter(|spoken| match &spoken.by {
        Speaker::Transition(transition) => transition.trigger.is_automatic(),
        Speaker::State(state) => entered.get(&state.code) == Some(&true) && !state.can_start,
        Speaker::Operation(_) | Speaker::Action(..) => false,
    });
    let with_now = asked_by_steps.filter(|spoken| spoken.names().has("now"));
    let message = "names now, but it is asked only when something happens to the order, not when the instant comes: let time take the transition, with trigger: {at: …} or {after: …}";
    let findings = with_now.map(|spoken| spoken.finding(Rule::NowInGuard, message));
    findings.collect()
}

/// The states that ways lead into, with whether all of them are taken by steps alone.
fn entered_by_steps<'a>(ways: &Ways<'a>) -> BTreeMap<&'a StateCode, bool> {
    let mut entered = BTreeMap::new();
    for way in ways.list.iter().filter(|way| !way.sources.is_empty()) {
        let by_steps = entered.entry(&way.transition.to_state).or_insert(true);
        *by_steps &= way.transition.trigger.is_automatic();
    }
    entered
}
