//! Timers that never get their turn, and those that never come to an end.

use std::time::Duration;

use super::{
    Effort, Finding, Rule, Ways,
    automatic::{circle, codes},
    listed,
    ways::Way,
};
use crate::{
    value::Period,
    workflow::{Transition, Trigger},
};

/// The most circles that are told.
const CIRCLES_MAX: usize = 8;
/// The most transitions of a race that are named.
const NAMED_MAX: usize = 8;

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = timers(ways);
    findings.extend(circles(ways));
    findings
}

/// Timers that keep the status, and timers beside an automatic transition from the same place that
/// nothing refuses: one with a guard says itself when it comes first.
fn timers(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let timed = |way: &&Way<'_>| way.transition.trigger.is_timed();
    for way in ways.list.iter().filter(timed) {
        let lands_on = way.targets.first();
        let lands_on = lands_on.and_then(|place| ways.places.get(*place));
        if let Some(place) = lands_on
            && way.transition.from_statuses.contains(&place.status.code)
        {
            let message = format!(
                "keeps status {} where it starts from it, so time never takes it there",
                place.status.code
            );
            findings.push(way.transition.finding(Rule::TimerKeepsStatus, message));
        }
        let automatic = ways.list.iter().filter(|other| {
            let from_there = other.sources.common(&way.sources).is_some();
            other.transition.trigger == Trigger::Automatic && from_there && ways.is_open(other)
        });
        let named = automatic.take(NAMED_MAX);
        let racing = listed(named.map(|other| &other.transition.code));
        // Where the timer has a guard, that says which of them it leaves alone.
        if !racing.is_empty() && way.transition.guard.is_none() {
            let message = format!(
                "starts by time where automatic transitions without guards start as well, and they come first: {racing}"
            );
            findings.push(way.transition.finding(Rule::TimerRace, message));
        }
    }
    findings
}

/// Circles of timers, with automatic steps between that nothing stops. Orders go round them for
/// ever, with an entry for each step.
fn circles(ways: &Ways<'_>) -> Vec<Finding> {
    let goes_by_itself = |way: &&Way<'_>| match &way.transition.trigger {
        Trigger::After(_) | Trigger::At(_) => true,
        Trigger::Automatic => ways.is_open(way),
        Trigger::Manual | Trigger::OnOperations(_) => false,
    };
    let mut left: Vec<&Way<'_>> = ways.list.iter().filter(goes_by_itself).collect();
    let effort = Effort::new();
    let mut findings = Vec::new();
    for _ in 0..CIRCLES_MAX {
        let found = circle(&left, &effort, |way, next| follows(ways, way, next));
        if found.is_empty() {
            break;
        }
        let is_in = |way: &&Way<'_>| found.iter().any(|t| t.code == way.transition.code);
        left.retain(|way| !is_in(way));
        findings.extend(told(ways, &found));
    }
    findings
}

/// Whether time or an automatic step goes on where a way ends. Time takes no step that keeps the
/// status.
fn follows(ways: &Ways<'_>, way: &Way<'_>, next: &Way<'_>) -> bool {
    if !way.landing.is_some_and(|place| next.sources.has(place)) {
        return false;
    }
    let (Some(place), Some(goes_to)) = (ways.landing(way), ways.landing(next)) else {
        return false;
    };
    let keeps_status = goes_to.status.code == place.status.code;
    let is_kept = keeps_status && next.transition.trigger.is_timed();
    !place.status.retired && !is_kept
}

/// A finding about the first timer of a circle; one without is another rule's business.
fn told(ways: &Ways<'_>, circle: &[&Transition]) -> Option<Finding> {
    let timer = circle.iter().find(|t| t.trigger.is_timed())?;
    let waits = circle.iter().map(|transition| match &transition.trigger {
        Trigger::After(period) => period.duration(),
        Trigger::Manual | Trigger::OnOperations(_) | Trigger::Automatic | Trigger::At(_) => {
            Duration::ZERO
        }
    });
    let wait: Duration = waits.sum();
    let mut triggers = circle.iter().map(|transition| &transition.trigger);
    let has_dates = triggers.any(|trigger| matches!(trigger, Trigger::At(_)));
    let round = if wait.is_zero() {
        "at once, when its dates have passed".to_owned()
    } else {
        let wait = Period::new(wait).map_or("more than ten years".to_owned(), |p| p.to_string());
        let dates = has_dates.then_some(", when its dates have passed");
        format!("every {wait}{}", dates.unwrap_or_default())
    };
    let is_guarded = circle.iter().any(|transition| ways.is_guarded(transition));
    let stop = if is_guarded {
        "only guards stop"
    } else {
        "nothing stops"
    };
    let message = format!(
        "belongs to a circle that time leads orders round {round}, which {stop}: {}",
        codes(circle)
    );
    Some(timer.finding(Rule::TimerCircle, message))
}
