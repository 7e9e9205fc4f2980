//! Transitions that do not come to what they say: their targets are wrong or shared by two, or
//! another one always goes first.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effort, Finding, Rule, Ways, effort::steps, ways::Way};
use crate::{
    value::StatusCode,
    workflow::{Category, Status, Transition, Trigger, Workflow},
};

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = targets(ways);
    findings.extend(held(ways));
    findings.extend(ambiguous(ways));
    findings.extend(shadowed(ways));
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
        let status = transition.to_status.as_ref();
        let Some(status) = status.and_then(|code| ways.workflow.status(code)) else {
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
    let states = ways.workflow.states.iter();
    let held: Vec<_> = states.filter(|it| it.category == Category::Held).collect();
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
    let ways_of_calls = ways.list.iter();
    for way in ways_of_calls.filter(|it| it.transition.trigger == Trigger::Manual) {
        let candidates = by_target.entry(&way.transition.to_state).or_default();
        candidates.push(way);
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

fn told_apart(a: &Transition, b: &Transition) -> bool {
    let by_status = matches!((&a.to_status, &b.to_status), (Some(a), Some(b)) if a != b);
    let by_guard = matches!((&a.guard, &b.guard), (Some(a), Some(b)) if a != b);
    let by_role = !a.roles.is_empty()
        && !b.roles.is_empty()
        && !a.roles.iter().any(|role| b.roles.contains(role));
    by_status || by_guard || by_role
}

/// Transitions that are never taken since another one that nothing refuses always goes first.
fn shadowed(ways: &Ways<'_>) -> Vec<Finding> {
    let mut by_turn: Vec<&Way<'_>> = ways.list.iter().collect();
    by_turn.sort_by_key(|way| (way.transition.position, &way.transition.code));
    let effort = Effort::new();
    let mut findings = Vec::new();
    let mut certain: Vec<&Way<'_>> = Vec::new();
    for way in by_turn {
        if way.transition.trigger == Trigger::Manual || way.sources.is_empty() {
            continue;
        }
        let mut earlier = certain
            .iter()
            .take_while(|first| effort.take(trigger_steps(first, way)));
        if let Some(first) = earlier.find(|first| goes_first(ways, first, way)) {
            let message = format!(
                "is never taken: transition {} leaves all of its places {} and goes first; give that a guard, or another position",
                first.transition.code,
                when(&first.transition.trigger),
            );
            findings.push(way.transition.finding(Rule::Shadowed, message));
        } else if is_certain(ways, way) {
            certain.push(way);
        }
    }
    findings
}

/// Whether nothing refuses a way where it begins. One that records something may find nothing to
/// record.
fn is_certain(ways: &Ways<'_>, way: &Way<'_>) -> bool {
    let transition = way.transition;
    transition.roles.is_empty() && transition.operation.is_none() && ways.is_open(way)
}

/// The steps that it takes to compare two ways, with the operations that set them off.
fn trigger_steps(first: &Way<'_>, other: &Way<'_>) -> usize {
    let [first_named, named] = [first, other].map(|way| way.transition.trigger.operations().len());
    other.sources.steps() + first_named * named
}

/// Whether an order takes the first one wherever the other one could be taken.
fn goes_first(ways: &Ways<'_>, first: &Way<'_>, other: &Way<'_>) -> bool {
    let trigger = &other.transition.trigger;
    let is_sooner = match &first.transition.trigger {
        Trigger::Manual => false,
        Trigger::Automatic => *trigger == Trigger::Automatic,
        Trigger::OnOperations(codes) => {
            let of_other = trigger.operations();
            !of_other.is_empty() && of_other.iter().all(|code| codes.contains(code))
        }
        Trigger::After(period) => matches!(trigger, Trigger::After(other) if period <= other),
        Trigger::At(date) => matches!(trigger, Trigger::At(other) if date == other),
    };
    is_sooner && first.sources.has_all(&other.sources) && moves_all(ways, first, other)
}

/// Whether time takes the first one from all places of the other: it takes none that keeps the
/// status.
fn moves_all(ways: &Ways<'_>, first: &Way<'_>, other: &Way<'_>) -> bool {
    let Some(landing) = ways.landing(first) else {
        return false;
    };
    let same = ways.of_status(&landing.status.code);
    let keeps_status = same.is_some_and(|same| same.common(&other.sources).is_some());
    !first.transition.trigger.is_timed() || !keeps_status
}

fn when(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Manual => "by a call",
        Trigger::Automatic => "by itself, without a guard,",
        Trigger::OnOperations(_) => "by the same operations, without a guard,",
        Trigger::After(_) => "by time, no later and without a guard,",
        Trigger::At(_) => "at the same date, without a guard,",
    }
}
