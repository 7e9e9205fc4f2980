//! Who stands behind a step: roles that nobody can be asked for, and expressions that speak of a
//! call where there is none.

use std::collections::BTreeMap;

use super::{
    Finding, Rule, Ways,
    expressions::{Speaker, Spoken},
    listed,
};
use crate::{
    guard::Names,
    value::{StateCode, TransitionCode},
    workflow::{Occasion, Subject, Transition, Trigger, Work, Writing},
};

pub(super) fn find(ways: &Ways<'_>, spoken: &[Spoken<'_>]) -> Vec<Finding> {
    let transitions = &ways.workflow.transitions;
    let mut findings: Vec<_> = transitions.iter().filter_map(roles).collect();
    findings.extend(roles_by_time(transitions));
    findings.extend(actors_of_time(ways, spoken));
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
    let subject = Subject::Transition(transition.code.clone());
    Some(Finding::new(Rule::RolesWithoutCaller, subject, message))
}

/// Actions of timed transitions that take one with roles: time has none, so it is not taken.
fn roles_by_time(transitions: &[Transition]) -> Vec<Finding> {
    let with_roles = transitions.iter().filter(|t| !t.roles.is_empty());
    let with_roles: BTreeMap<&TransitionCode, &Transition> =
        with_roles.map(|t| (&t.code, t)).collect();
    let mut findings = Vec::new();
    for timed in transitions.iter().filter(|t| t.trigger.is_timed()) {
        for action in timed.actions.iter().filter(|action| action.active) {
            let taken = match &action.work {
                Work::Write(Writing::Transition(code)) => with_roles.get(code),
                Work::Write(_) | Work::Send(..) => None,
            };
            let Some(taken) = taken else { continue };
            let message = format!(
                "starts by time, which has no roles, so its action {} never takes transition {}: that asks for {}",
                action.code,
                taken.code,
                listed(&taken.roles)
            );
            let subject = Subject::Transition(timed.code.clone());
            findings.push(Finding::new(Rule::NeverByTime, subject, message));
        }
    }
    findings
}

/// What is asked on the way of a timed transition: its guard, the entry guard of its state, and the
/// conditions of its actions.
fn actors_of_time(ways: &Ways<'_>, spoken: &[Spoken<'_>]) -> Vec<Finding> {
    let transitions = ways.workflow.transitions.iter();
    let timed: BTreeMap<&TransitionCode, &Transition> = transitions
        .filter(|transition| transition.trigger.is_timed())
        .map(|transition| (&transition.code, transition))
        .collect();
    let mut by_state: BTreeMap<&StateCode, Vec<&Transition>> = BTreeMap::new();
    for transition in timed.values().copied() {
        let entering = by_state.entry(&transition.to_state).or_default();
        entering.push(transition);
    }
    let mut findings = Vec::new();
    for spoken in spoken {
        let named = named_of_call(spoken.names());
        if named.is_empty() {
            continue;
        }
        let mut say = |transition: &Transition, what: String| {
            let message = format!(
                "starts by time, but {what} names {}: nobody makes a call then, the actor is the system without id and roles, and the request is empty",
                named.join(", ")
            );
            let subject = Subject::Transition(transition.code.clone());
            findings.push(Finding::new(Rule::ActorOfTime, subject, message));
        };
        match &spoken.by {
            Speaker::Transition(transition) => {
                if transition.trigger.is_timed() {
                    say(transition, "its guard".to_owned());
                }
            }
            Speaker::State(state) => {
                let entering = by_state.get(&state.code).into_iter().flatten();
                for transition in entering.copied() {
                    say(
                        transition,
                        format!("the entry guard of state {}", state.code),
                    );
                }
            }
            Speaker::Action(Occasion::Transition(code), action) => {
                if let (Some(transition), true) = (timed.get(code).copied(), action.active) {
                    say(
                        transition,
                        format!("the condition of its action {}", action.code),
                    );
                }
            }
            Speaker::Operation(_) | Speaker::Action(..) => {}
        }
    }
    findings
}

/// What an expression names of a call that means nothing where none is made. That the actor is the
/// system may be asked.
fn named_of_call(names: &Names) -> Vec<&'static str> {
    let paths = ["actor.roles", "actor.id", "actor.on_behalf_of", "request"];
    let mut spoken: Vec<_> = paths.into_iter().filter(|path| names.has(path)).collect();
    if names
        .compared_with("actor.kind")
        .any(|kind| kind != "system")
    {
        spoken.push("actor.kind");
    }
    spoken
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
