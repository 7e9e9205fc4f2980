//! The places that orders can come to, and those that they cannot leave.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Places, Rule, Ways, automatic, ways::Way};
use crate::{
    value::{OperationCode, StatusCode},
    workflow::{Category, CommentStatus, State, Transition, Trigger},
};

/// The places where each operation is allowed.
type Allowing<'a> = BTreeMap<&'a OperationCode, Places>;

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let reached = reached(ways);
    let mut findings = unreachable(ways, &reached);
    findings.extend(dead_ends(ways));
    findings.extend(never_taken(ways));
    findings.extend(from_anywhere(&ways.workflow.transitions));
    findings
}

/// Transitions that may start wherever an order stands, as where the key of the document was
/// misspelled or forgotten.
fn from_anywhere(transitions: &[Transition]) -> impl Iterator<Item = Finding> {
    let is_open = |transition: &&Transition| {
        transition.from_states.is_empty() && transition.from_statuses.is_empty()
    };
    let open = transitions.iter().filter(is_open);
    open.map(|transition| {
        let message = "leads from anywhere that is not terminal: it names neither from_states nor from_statuses";
        transition.finding(Rule::FromAnywhere, message)
    })
}

fn reached(ways: &Ways<'_>) -> Places {
    let mut reached = ways.no_places();
    let mut waiting: Vec<usize> = Vec::new();
    for (index, place) in ways.places.iter().enumerate() {
        if place.state.can_start && !place.status.retired && reached.add(index) {
            waiting.push(index);
        }
    }
    let mut left: Vec<&Way<'_>> = ways.list.iter().collect();
    while let Some(index) = waiting.pop() {
        for next in next_places(ways, &mut left, index) {
            let place = ways.places.get(next);
            if place.is_some_and(|place| !place.status.retired) && reached.add(next) {
                waiting.push(next);
            }
        }
    }
    reached
}

/// The places that orders come to from a place, but for where the ways lead that were taken from
/// another one before: `left` are those that were not.
fn next_places(ways: &Ways<'_>, left: &mut Vec<&Way<'_>>, index: usize) -> Vec<usize> {
    let Some(place) = ways.places.get(index) else {
        return Vec::new();
    };
    let mut next: Vec<usize> = Vec::new();
    left.retain(|way| {
        let is_taken = way.sources.has(index);
        if is_taken {
            next.extend(&way.targets);
        }
        !is_taken
    });
    if ways.workflow.comment_status == CommentStatus::AnyInState {
        next.extend(ways.of_state(&place.state.code));
    }
    if let (true, Some(held)) = (place.state.holdable, ways.workflow.held_state()) {
        next.extend(ways.of_state(&held.code));
    }
    next
}

fn unreachable(ways: &Ways<'_>, reached: &Places) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unreachable_states = BTreeSet::new();
    for state in &ways.workflow.states {
        let places = ways.of_state(&state.code);
        if !places.is_empty() && !places.iter().any(|place| reached.has(*place)) {
            unreachable_states.insert(&state.code);
            let message = "cannot be reached: no order starts here, and no way leads here";
            findings.push(state.finding(Rule::UnreachableState, message));
        }
    }
    for (index, place) in ways.places.iter().enumerate() {
        let told = unreachable_states.contains(&place.state.code) || place.status.retired;
        if !told && !reached.has(index) {
            let subject = place.assignment.subject();
            let message = "cannot be reached by any way";
            findings.push(Finding::new(Rule::UnreachableStatus, subject, message));
        }
    }
    findings
}

fn dead_ends(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let states = ways.workflow.states.iter();
    let open = states.filter(|state| !state.terminal && state.category != Category::Held);
    for state in open.filter(|state| !ways.of_state(&state.code).is_empty()) {
        if !has_way_out(ways, state) {
            let message = "is not terminal, but no way leads out of it";
            findings.push(state.finding(Rule::DeadEnd, message));
        } else if ways.workflow.comment_status == CommentStatus::Never {
            findings.extend(stuck_statuses(ways, state));
        }
    }
    findings
}

fn has_way_out(ways: &Ways<'_>, state: &State) -> bool {
    let places = ways.of_state(&state.code);
    let mut ways = ways.list.iter();
    ways.any(|way| {
        let leads_out = way.transition.to_state != state.code;
        leads_out && places.iter().any(|place| way.sources.has(*place))
    })
}

/// Statuses that nothing leaves: where comments do not move the status, it needs a way of its own.
fn stuck_statuses(ways: &Ways<'_>, state: &State) -> Vec<Finding> {
    let places = ways.of_state(&state.code).iter();
    let stuck = places.filter(|place| !ways.list.iter().any(|way| way.sources.has(**place)));
    let stuck = stuck.filter_map(|index| ways.places.get(*index));
    let message = "is not final, but no way leads out of it";
    stuck
        .map(|place| Finding::new(Rule::DeadEnd, place.assignment.subject(), message))
        .collect()
}

fn never_taken(ways: &Ways<'_>) -> Vec<Finding> {
    let allowing = allowing(ways);
    let mut findings = Vec::new();
    for way in &ways.list {
        let transition = way.transition;
        let message = if way.sources.is_empty() {
            if automatic::lacks_guard(ways, transition) {
                // That is told, and has another cause.
                continue;
            }
            "can never be taken: it leaves no place but terminal ones and its own target".to_owned()
        } else if !set_off(transition, &way.sources, &allowing) {
            let why = "can never be taken: none of its operations is allowed where it begins";
            if is_set_off_inside(ways, transition, &allowing) {
                format!(
                    "{why}; they are in state {}, which it enters, but inside a state it needs a guard and has to name the place that it leaves",
                    transition.to_state
                )
            } else {
                why.to_owned()
            }
        } else if let Some(status) = automatic::dead_inside(ways, transition) {
            format!(
                "is never taken from status {status} in state {}, which it enters: inside a state it needs a guard that says when",
                transition.to_state
            )
        } else {
            continue;
        };
        findings.push(transition.finding(Rule::TransitionNeverTaken, message));
    }
    findings
}

/// Whether the state that a transition enters has places that it might leave, and an operation that
/// sets it off.
fn is_set_off_inside(ways: &Ways<'_>, transition: &Transition, allowing: &Allowing<'_>) -> bool {
    let state = &transition.to_state;
    let in_state = |status: &StatusCode| ways.states_of(status).contains(&state);
    let statuses = &transition.from_statuses;
    let begins_inside =
        transition.from_states.is_empty() && (statuses.is_empty() || statuses.iter().any(in_state));
    begins_inside && set_off(transition, &ways.all_of(state), allowing)
}

/// The places where each operation is allowed.
fn allowing<'a>(ways: &Ways<'a>) -> Allowing<'a> {
    let mut allowing = Allowing::new();
    for state in &ways.workflow.states {
        let here = ways.all_of(&state.code);
        for operation in &state.operations {
            let places = allowing.entry(operation);
            places.or_insert_with(|| ways.no_places()).add_all(&here);
        }
    }
    allowing
}

/// Whether an operation that sets the transition off is allowed in a place it leaves.
fn set_off(transition: &Transition, sources: &Places, allowing: &Allowing<'_>) -> bool {
    let Trigger::OnOperations(operations) = &transition.trigger else {
        return true;
    };
    let mut places = operations.iter().filter_map(|code| allowing.get(code));
    places.any(|places| places.common(sources).is_some())
}
