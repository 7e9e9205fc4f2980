//! Transitions whose roles, guard or actions can be gone round: by a comment, by another transition
//! to the same place, by one that leaves the status open, or by creating an order there.

use std::collections::BTreeMap;

use super::{
    Effort, Finding, Places, Rule, Ways,
    effort::steps,
    ways::{AssignedStatus, Way},
};
use crate::{
    value::StateCode,
    workflow::{Category, CommentStatus, Transition, Trigger},
};

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let leads = Leads::new(ways);
    let manual = ways.list.iter().filter(|way| is_manual(way));
    let watched = manual.filter_map(|way| Watched::new(ways, way));
    let rounds = watched.flat_map(|watched| leads.rounds(&watched));
    let mut findings: Vec<_> = rounds.collect();
    findings.extend(by_creation(ways));
    findings
}

/// Orders that may be created where transitions with roles lead, since another one there has
/// neither roles nor a guard. Where that one starts where orders usually do, everybody comes there
/// anyway.
fn by_creation(ways: &Ways<'_>) -> Vec<Finding> {
    let is_usual = |place: &AssignedStatus<'_>| {
        place.assignment.is_default && place.state.code == ways.workflow.initial_state
    };
    let usual = ways.places.iter().position(is_usual);
    let mut leading: BTreeMap<usize, Vec<&Way<'_>>> = BTreeMap::new();
    let all = ways.list.iter();
    for way in all.filter(|it| !it.transition.trigger.is_timed()) {
        if let Some(to) = way.landing {
            leading.entry(to).or_default().push(way);
        }
    }
    let mut findings = Vec::new();
    for (to, leading) in leading {
        let Some(place) = ways.places.get(to) else {
            continue;
        };
        let may_start = place.state.can_start && place.state.category != Category::Held;
        if !may_start || place.status.retired || usual == Some(to) {
            continue;
        }
        let has_roles = |way: &&&Way<'_>| !way.transition.roles.is_empty();
        let is_free = |way: &&&Way<'_>| !has_roles(way) && way.transition.guard.is_none();
        let begins_there = |way: &Way<'_>| usual.is_some_and(|usual| way.sources.has(usual));
        if leading.iter().filter(is_free).any(|way| begins_there(way)) {
            continue;
        }
        let watched = leading.iter().find(has_roles);
        if let (Some(watched), Some(other)) = (watched, leading.iter().find(is_free)) {
            let message = format!(
                "can be gone round by creating an order at {}: nobody is asked for a role there, since transition {} leads there too and has neither roles nor a guard",
                named(place),
                other.transition.code
            );
            findings.push(watched.transition.finding(Rule::GoneRound, message));
        }
    }
    findings
}

/// A transition of which somebody relies on its being taken.
struct Watched<'w, 'a> {
    way: &'w Way<'a>,
    /// The place to which it leads.
    to: usize,
    place: &'w AssignedStatus<'a>,
}

/// Ways by where they lead.
struct Leads<'w, 'a> {
    ways: &'w Ways<'a>,
    /// The manual ways that lead to a place by themselves.
    manual: BTreeMap<usize, Vec<&'w Way<'a>>>,
    /// The places from which a way leads to a place that is taken, or asked, instead of what would
    /// go round it.
    judged: BTreeMap<usize, Places>,
    /// The manual ways that leave the status open, by the state that they enter.
    open: BTreeMap<&'a StateCode, Open<'w, 'a>>,
    /// The places of each state whose status is not retired.
    standing: BTreeMap<&'a StateCode, Places>,
    nowhere: Places,
    effort: Effort,
}

/// The manual ways that enter a state and leave the status open.
struct Open<'w, 'a> {
    list: Vec<&'w Way<'a>>,
    /// The places where any of them begins.
    sources: Places,
}

impl<'w, 'a> Watched<'w, 'a> {
    fn new(ways: &'w Ways<'a>, way: &'w Way<'a>) -> Option<Self> {
        let transition = way.transition;
        let acts = transition.actions.iter().any(|action| action.active);
        let is_guarded = !transition.roles.is_empty() || transition.guard.is_some() || acts;
        let to = way.landing.filter(|_| is_guarded)?;
        let place = ways.places.get(to)?;
        let mut in_state = ways.of_state(&place.state.code).iter();
        // Whoever enters a state without naming a status lands on its default.
        let is_inside = in_state.any(|source| way.sources.has(*source));
        let is_watched = is_inside || !place.assignment.is_default;
        (is_watched && !place.status.retired).then_some(Self { way, to, place })
    }

    fn finding(&self, message: &str) -> Finding {
        let message = format!("can be gone round {message}");
        self.way.transition.finding(Rule::GoneRound, message)
    }
}

impl<'w, 'a> Leads<'w, 'a> {
    fn new(ways: &'w Ways<'a>) -> Self {
        let mut leads = Self {
            ways,
            manual: BTreeMap::new(),
            judged: BTreeMap::new(),
            open: BTreeMap::new(),
            standing: BTreeMap::new(),
            nowhere: ways.no_places(),
            effort: Effort::new(),
        };
        for (index, place) in ways.places.iter().enumerate() {
            let standing = leads.standing.entry(&place.state.code);
            let standing = standing.or_insert_with(|| ways.no_places());
            if !place.status.retired {
                standing.add(index);
            }
        }
        for way in &ways.list {
            let transition = way.transition;
            let is_asked = !transition.roles.is_empty() || transition.guard.is_some();
            if let Some(to) = way.landing {
                if is_manual(way) {
                    leads.manual.entry(to).or_default().push(way);
                }
                if is_manual(way) || is_asked {
                    let judged = leads.judged.entry(to);
                    judged
                        .or_insert_with(|| ways.no_places())
                        .add_all(&way.sources);
                }
            }
            if is_manual(way) && transition.to_status.is_none() {
                let open = leads.open.entry(&transition.to_state);
                let open = open.or_insert_with(|| Open {
                    list: Vec::new(),
                    sources: ways.no_places(),
                });
                open.list.push(way);
                open.sources.add_all(&way.sources);
            }
        }
        leads
    }

    fn rounds(&self, watched: &Watched<'w, 'a>) -> Vec<Finding> {
        let rounds = self.by_comment(watched).into_iter();
        let rounds = rounds.chain(self.by_transition(watched));
        rounds.chain(self.by_landing(watched)).collect()
    }

    /// From where a way to a place is judged where a call tries to get there.
    fn judged(&self, to: usize) -> &Places {
        self.judged.get(&to).unwrap_or(&self.nowhere)
    }

    /// A comment sets any status of the state, but where a transition leads to it.
    fn by_comment(&self, watched: &Watched<'w, 'a>) -> Option<Finding> {
        if self.ways.workflow.comment_status == CommentStatus::Never {
            return None;
        }
        let standing = self.standing.get(&watched.place.state.code)?;
        let from = standing.outside(self.judged(watched.to), watched.to)?;
        let from = self.ways.places.get(from)?;
        Some(watched.finding(&format!(
            "by a comment that sets status {} where no transition leads from {} to {}: declare one, or set comment_status: never",
            watched.place.status.code,
            named(from),
            named(watched.place),
        )))
    }

    /// Another transition leads there and asks for less.
    fn by_transition(&self, watched: &Watched<'w, 'a>) -> Option<Finding> {
        let others = self.manual.get(&watched.to)?.iter();
        let others = others.take_while(|other| self.effort.take(steps(other, watched.way)));
        let weaker = others.filter(|other| asks_less(other.transition, watched.way.transition));
        let mut meeting =
            weaker.filter_map(|other| Some((other, watched.way.sources.common(&other.sources)?)));
        let (other, from) = meeting.next()?;
        Some(watched.finding(&format!(
            "by transition {}, which leads from {} to {} as well and asks for {}",
            other.transition.code,
            named(self.ways.places.get(from)?),
            named(watched.place),
            lacking(other.transition, watched.way.transition),
        )))
    }

    /// A call of a transition that leaves the status open may choose it, from where no transition
    /// leads to it.
    fn by_landing(&self, watched: &Watched<'w, 'a>) -> Option<Finding> {
        if watched.place.assignment.is_default {
            return None;
        }
        let transition = watched.way.transition;
        let has_actions_only = transition.roles.is_empty() && transition.guard.is_none();
        let judged = self.judged(watched.to);
        let open = self.open.get(&transition.to_state)?;
        // Where none of them begins outside, none has to be looked at.
        open.sources.outside(judged, watched.to)?;
        let open = open.list.iter();
        let open = open.take_while(|other| self.effort.take(steps(other, watched.way)));
        let weaker =
            open.filter(|other| has_actions_only || asks_less(other.transition, transition));
        let mut landing =
            weaker.filter_map(|other| Some((other, other.sources.outside(judged, watched.to)?)));
        let (other, from) = landing.next()?;
        Some(watched.finding(&format!(
            "by transition {}, which may land on {} from {}, where no transition leads there (land_on_status): give it a to_status, or declare one",
            other.transition.code,
            named(watched.place),
            named(self.ways.places.get(from)?),
        )))
    }
}

fn is_manual(way: &Way<'_>) -> bool {
    way.transition.trigger == Trigger::Manual
}

/// Whether a transition lets everybody through whom another one lets through, and more.
fn asks_less(other: &Transition, than: &Transition) -> bool {
    let has_no_roles = other.roles.is_empty();
    let roles_fit = has_no_roles
        || !than.roles.is_empty() && than.roles.iter().all(|role| other.roles.contains(role));
    let guard_fits = other.guard.is_none() || other.guard == than.guard;
    let lacks_roles = has_no_roles && !than.roles.is_empty();
    let lacks_guard = other.guard.is_none() && than.guard.is_some();
    roles_fit && guard_fits && (lacks_roles || lacks_guard)
}

/// The words for what a transition does not ask for and another one does.
fn lacking(other: &Transition, than: &Transition) -> &'static str {
    let lacks_roles = other.roles.is_empty() && !than.roles.is_empty();
    let lacks_guard = other.guard.is_none() && than.guard.is_some();
    match (lacks_roles, lacks_guard) {
        (true, true) => "neither roles nor a guard",
        (true, false) => "no roles",
        (false, _) => "no guard",
    }
}

fn named(place: &AssignedStatus<'_>) -> String {
    format!("{}/{}", place.state.code, place.status.code)
}
