//! Transitions that are never taken since another one that nothing refuses always goes first.

use super::{Effort, Finding, Rule, Ways, ways::Way};
use crate::workflow::Trigger;

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
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
            .take_while(|first| effort.take(steps(first, way)));
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

/// The steps that it takes to compare two ways.
fn steps(first: &Way<'_>, other: &Way<'_>) -> usize {
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
