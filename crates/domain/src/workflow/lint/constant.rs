//! Expressions that come to the same on every order: they say nothing, or not what was meant.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, Places, Rule, Ways,
    expressions::{Speaker, Spoken},
    probe::{Outcomes, Probe},
};
use crate::workflow::Standing;

/// Of how many places an expression is asked; beyond that, orders may stand anywhere.
const PLACES_MAX: usize = 32;

/// `told` are the numbers of expressions of which another rule has told why.
pub(super) fn find(ways: &Ways<'_>, spoken: &[Spoken<'_>], told: &BTreeSet<usize>) -> Vec<Finding> {
    if spoken.is_empty() {
        return Vec::new();
    }
    let Some(probe) = Probe::new(ways.workflow) else {
        return Vec::new();
    };
    let mut known: BTreeMap<(&str, Vec<usize>), Option<Outcomes>> = BTreeMap::new();
    let mut findings = Vec::new();
    for (number, spoken) in spoken.iter().enumerate() {
        // One that is never asked has other findings.
        let is_never_asked = spoken.places.as_ref().is_some_and(Places::is_empty);
        if is_never_asked || told.contains(&number) {
            continue;
        }
        let places = spoken.places.iter().flat_map(Places::iter);
        let mut places: Vec<usize> = places.take(PLACES_MAX + 1).collect();
        if places.len() > PLACES_MAX {
            places.clear();
        }
        let standings = places.iter().filter_map(|place| ways.places.get(*place));
        let standings: Vec<_> = standings
            .map(|place| Standing {
                state: place.state.code.clone(),
                status: place.status.code.clone(),
            })
            .collect();
        let text = spoken.guard().expression().as_str();
        let outcomes = known
            .entry((text, places))
            .or_insert_with(|| probe.outcomes(spoken.guard(), &standings));
        findings.extend(outcomes.and_then(|outcomes| judged(spoken, outcomes)));
    }
    findings
}

fn judged(spoken: &Spoken<'_>, outcomes: Outcomes) -> Option<Finding> {
    let comes_of_it = match &spoken.by {
        Speaker::Transition(_) => "it is never taken",
        Speaker::State(_) => "no order enters",
        Speaker::Operation(_) => "nobody can record it",
        Speaker::Action(..) => "it is never done",
    };
    if outcomes.always_fails() {
        let message = format!("fails on every order, so {comes_of_it}");
        return Some(spoken.finding(Rule::FailingGuard, &message));
    }
    if outcomes.never_holds() {
        let message = format!("holds for no order where it is asked, so {comes_of_it}");
        return Some(spoken.finding(Rule::ConstantGuard, &message));
    }
    let message = "holds for every order where it is asked, so it says nothing: leave it out, or say what must hold";
    outcomes
        .always_holds()
        .then(|| spoken.finding(Rule::ConstantGuard, message))
}
