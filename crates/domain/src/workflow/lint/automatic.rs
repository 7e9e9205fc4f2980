//! Steps that nobody asks for: inside a state they need a guard, they may not run in circles, and
//! an order should rest where it starts.

use super::{Effort, Finding, Rule, Ways, known::denies, ways::Way};
use crate::{
    guard::Expression,
    value::StatusCode,
    workflow::{Transition, Trigger},
};

/// The most transitions of a circle that are named.
const CODES_MAX: usize = 8;

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = inside_state(ways);
    findings.extend(leaves_start(ways));
    let automatic = ways.list.iter();
    let automatic = automatic.filter(|way| way.transition.trigger == Trigger::Automatic);
    let automatic: Vec<&Way<'_>> = automatic.collect();
    let unguarded = automatic.iter().copied();
    let unguarded = unguarded.filter(|way| !ways.is_guarded(way.transition));
    let unguarded: Vec<&Way<'_>> = unguarded.collect();
    let effort = Effort::new();
    let goes_on = |way: &Way<'_>, next: &Way<'_>| follows(way, next, &effort);
    let endless = circle(&unguarded, &effort, goes_on);
    if endless.is_empty() {
        let message = "belongs to a circle of automatic transitions, which only guards stop";
        let circle = circle(&automatic, &effort, goes_on);
        findings.extend(cycle(Rule::GuardedAutomaticCycle, &circle, message));
    } else {
        let message = "belongs to a circle of automatic transitions, which nothing stops";
        findings.extend(cycle(Rule::AutomaticCycle, &endless, message));
    }
    findings
}

fn inside_state(ways: &Ways<'_>) -> Vec<Finding> {
    let transitions = ways.workflow.transitions.iter();
    let bare = transitions.filter(|transition| lacks_guard(ways, transition));
    let findings = bare.map(|transition| {
        let message = format!(
            "would move the status inside state {} at any step: give it a guard that says when, or take the state out of the places that it leaves",
            transition.to_state
        );
        transition.finding(Rule::AutomaticInsideState, message)
    });
    findings.collect()
}

/// Whether nobody asks for a transition that names places inside the state that it enters, and it
/// has no guard that says when.
pub(super) fn lacks_guard(ways: &Ways<'_>, transition: &Transition) -> bool {
    if !transition.trigger.is_automatic() || transition.guard.is_some() {
        return false;
    }
    let by_state = transition.from_states.contains(&transition.to_state);
    let mut statuses = transition.from_statuses.iter();
    let by_status = transition.from_states.is_empty()
        && statuses.any(|status| ways.states_of(status) == [&transition.to_state]);
    by_state || by_status
}

/// A status from which a transition that nobody asks for is not taken inside the state that it
/// enters, since it has no guard, while other states have the status as well.
pub(super) fn dead_inside<'a>(
    ways: &Ways<'a>,
    transition: &'a Transition,
) -> Option<&'a StatusCode> {
    let is_bare = transition.trigger.is_automatic() && transition.guard.is_none();
    if !is_bare || !transition.from_states.is_empty() {
        return None;
    }
    let is_shared = |status: &&StatusCode| {
        let states = ways.states_of(status);
        states.len() > 1 && states.contains(&&transition.to_state)
    };
    transition.from_statuses.iter().find(is_shared)
}

/// Automatic transitions that take every new order on before anybody has seen it.
fn leaves_start(ways: &Ways<'_>) -> Vec<Finding> {
    let state = &ways.workflow.initial_state;
    let is_start = |index: &&usize| {
        let place = ways.places.get(**index);
        place.is_some_and(|place| place.assignment.is_default)
    };
    let Some(start) = ways.of_state(state).iter().find(is_start) else {
        return Vec::new();
    };
    let at_once = ways.list.iter().filter(|way| {
        way.transition.trigger == Trigger::Automatic
            && way.sources.has(*start)
            && way.transition.to_state != *state
            && ways.is_open(way)
    });
    let findings = at_once.map(|way| {
        let message = format!(
            "leaves the initial state {state} as soon as an order is created, so none ever rests there: give it a guard, or let orders start in state {}",
            way.transition.to_state
        );
        way.transition.finding(Rule::LeavesStartAtOnce, message)
    });
    findings.collect()
}

fn cycle(rule: Rule, circle: &[&Transition], message: &str) -> Option<Finding> {
    let first = circle.first()?;
    Some(first.finding(rule, format!("{message}: {}", codes(circle))))
}

/// The codes of the first transitions of a circle.
pub(super) fn codes(circle: &[&Transition]) -> String {
    let codes = circle.iter().take(CODES_MAX);
    let codes: Vec<_> = codes.map(|transition| transition.code.as_str()).collect();
    codes.join(", ")
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    Unseen,
    OnPath,
    Done,
}

/// The first circle that is found by walking from each transition to those that may follow it; none
/// where that takes too many steps.
pub(super) fn circle<'a>(
    ways: &[&Way<'a>],
    effort: &Effort,
    follows: impl Fn(&Way<'a>, &Way<'a>) -> bool,
) -> Vec<&'a Transition> {
    let mut marks = vec![Visit::Unseen; ways.len()];
    for root in 0..ways.len() {
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.last_mut() {
            let (from, candidate) = (*node, *next);
            *next += 1;
            if !effort.take(1) {
                return Vec::new();
            }
            let found = (ways.get(from).copied(), ways.get(candidate).copied());
            let (Some(way), Some(other)) = found else {
                mark(&mut marks, from, Visit::Done);
                path.pop();
                continue;
            };
            mark(&mut marks, from, Visit::OnPath);
            match marks.get(candidate) {
                Some(Visit::OnPath) if follows(way, other) => {
                    let circle = path.iter().skip_while(|(node, _)| *node != candidate);
                    return circle
                        .filter_map(|(node, _)| Some(ways.get(*node)?.transition))
                        .collect();
                }
                Some(Visit::Unseen) if follows(way, other) => path.push((candidate, 0)),
                Some(Visit::Unseen | Visit::OnPath | Visit::Done) | None => {}
            }
        }
    }
    Vec::new()
}

fn mark(marks: &mut [Visit], node: usize, mark: Visit) {
    if let Some(slot) = marks.get_mut(node) {
        *slot = mark;
    }
}

fn follows(way: &Way<'_>, next: &Way<'_>, effort: &Effort) -> bool {
    let meets = way.targets.iter().any(|place| next.sources.has(*place));
    meets && !is_stopped(way, next.transition, effort)
}

/// Whether a transition cannot be taken in the step that has just taken another one: it asks that
/// what let the order through does not hold, as in `!(order.fully_shipped)`, alone or after `&&`.
fn is_stopped(way: &Way<'_>, next: &Transition, effort: &Effort) -> bool {
    let Some(asked) = next.guard.as_ref().map(Expression::as_str) else {
        return false;
    };
    let steps = asked.len() / 64;
    let mut known = way.known.iter();
    // What can no longer be compared is taken for stopped, so that no circle is made up.
    known.any(|known| !effort.take(steps) || denies(asked, known))
}
