//! Targets of transitions: those that are wrong, and those that two transitions share.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effort, Finding, Rule, Ways, ways::Way};
use crate::{
    value::StatusCode,
    workflow::{Category, Status, Transition, Trigger, Workflow},
};

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = targets(ways);
    findings.extend(held(ways));
    findings.extend(ambiguous(ways));
    findings
}

/// The transitions to a status that does not belong to their state.
pub(super) fn not_assigned(workflow: &Workflow) -> Vec<Finding> {
    let pairs = workflow.assignments.iter();
    let pairs: BTreeSet<_> = pairs.map(|it| (&it.state, &it.status)).collect();
    let places: BTreeSet<_> = workflow.states.iter().map(|it| &it.code).collect();
    let statuses: BTreeSet<_> = workflow.statuses.iter().map(|it| &it.code).collect();
    let transitions = workflow.transitions.iter().filter_map(|transition| {
        let (state, status) = (&transition.to_state, transition.to_status.as_ref()?);
        let is_there = places.contains(state) && statuses.contains(status);
        (is_there && !pairs.contains(&(state, status))).then(|| elsewhere(transition, status))
    });
    transitions.collect()
}

fn elsewhere(transition: &Transition, status: &StatusCode) -> Finding {
    let message = format!(
        "enters status {status}, which does not belong to state {}",
        transition.to_state
    );
    transition.finding(Rule::TargetNotAssigned, message)
}

fn targets(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for transition in &ways.workflow.transitions {
        let Some(status) = transition
            .to_status
            .as_ref()
            .and_then(|code| ways.workflow.status(code))
        else {
            continue;
        };
        let state_exists = ways.workflow.state(&transition.to_state).is_some();
        if state_exists && !ways.states_of(&status.code).contains(&&transition.to_state) {
            findings.push(elsewhere(transition, &status.code));
        } else if status.retired {
            let message = format!(
                "enters the retired status {}, so no order can take it",
                status.code
            );
            findings.push(transition.finding(Rule::RetiredTarget, message));
        }
    }
    findings
}

/// Holding and releasing are no transitions.
fn held(ways: &Ways<'_>) -> Vec<Finding> {
    let held: Vec<_> = ways
        .workflow
        .states
        .iter()
        .filter(|state| state.category == Category::Held)
        .collect();
    let held_codes: BTreeSet<_> = held.iter().map(|state| &state.code).collect();
    let is_held = |status: &&Status| {
        let states = ways.states_of(&status.code);
        !states.is_empty() && states.iter().all(|state| held_codes.contains(*state))
    };
    let statuses = ways.workflow.statuses.iter().filter(is_held);
    let held_statuses: BTreeSet<_> = statuses.map(|status| &status.code).collect();
    let mut findings = Vec::new();
    for transition in &ways.workflow.transitions {
        let from_states: BTreeSet<_> = transition.from_states.iter().collect();
        let mut say = |message: String| {
            findings.push(transition.finding(Rule::HeldStateTransition, message));
        };
        for state in &held {
            if transition.to_state == state.code {
                say(format!(
                    "enters the held state {}; orders get there by a hold",
                    state.code
                ));
            }
            if from_states.contains(&state.code) {
                say(format!(
                    "leaves the held state {}; orders leave it by a release",
                    state.code
                ));
            }
        }
        for status in &transition.from_statuses {
            if held_statuses.contains(status) {
                say(format!(
                    "leaves status {status} of the held state; orders leave it by a release"
                ));
            }
        }
    }
    findings
}

/// One finding for each transition that a call cannot choose by its target alone, naming
/// the first other one.
fn ambiguous(ways: &Ways<'_>) -> Vec<Finding> {
    let mut by_target: BTreeMap<_, Vec<&Way<'_>>> = BTreeMap::new();
    for way in ways
        .list
        .iter()
        .filter(|way| way.transition.trigger == Trigger::Manual)
    {
        by_target
            .entry(&way.transition.to_state)
            .or_default()
            .push(way);
    }
    let effort = Effort::new();
    let mut findings = Vec::new();
    for candidates in by_target.values() {
        for (index, way) in candidates.iter().enumerate() {
            let others = candidates
                .iter()
                .skip(index + 1)
                .take_while(|other| effort.take(steps(way, other)))
                .filter(|other| !told_apart(way.transition, other.transition));
            let mut meetings = others
                .filter_map(|other| Some((other.transition, way.sources.common(&other.sources)?)));
            let Some((other, place)) = meetings.next() else {
                continue;
            };
            let Some(place) = ways.places.get(place) else {
                continue;
            };
            let message = format!(
                "and transition {} both lead from {}/{} to state {}, so a call that names the target alone is refused",
                other.code, place.state.code, place.status.code, other.to_state,
            );
            findings.push(way.transition.finding(Rule::AmbiguousTarget, message));
        }
    }
    findings
}

/// The steps that it takes to compare two ways.
fn steps(way: &Way<'_>, other: &Way<'_>) -> usize {
    let [own, named] = [way, other].map(|way| way.transition.roles.len());
    way.sources.steps() + own * named
}

fn told_apart(a: &Transition, b: &Transition) -> bool {
    let by_status = matches!((&a.to_status, &b.to_status), (Some(a), Some(b)) if a != b);
    let by_guard = matches!((&a.guard, &b.guard), (Some(a), Some(b)) if a != b);
    let by_role = !a.roles.is_empty()
        && !b.roles.is_empty()
        && !a.roles.iter().any(|role| b.roles.contains(role));
    by_status || by_guard || by_role
}
