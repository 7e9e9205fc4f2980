//! The places an order can stand in and the transitions between them, laid out so that
//! questions about them stay cheap in large workflows.

use std::collections::{BTreeMap, BTreeSet};

use super::known::known;
use crate::{
    value::{StateCode, StatusCode},
    workflow::{Assignment, State, Status, Transition, Trigger, Workflow},
};

/// A set of places, one bit each.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Vec<u64>);

impl Places {
    fn none(places: usize) -> Self {
        Self(vec![0; places.div_ceil(64)])
    }

    /// Adds a place and says whether it is new.
    pub(super) fn add(&mut self, place: usize) -> bool {
        let Some(word) = self.0.get_mut(place / 64) else {
            return false;
        };
        let bit = 1_u64 << (place % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    pub(super) fn has(&self, place: usize) -> bool {
        self.0
            .get(place / 64)
            .is_some_and(|word| word & (1_u64 << (place % 64)) != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Adds all places of another set.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Whether all places of another set are in this one.
    pub(super) fn has_all(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| b & !a == 0)
    }

    /// Keeps the places alone that are in another set as well.
    fn keep(&mut self, other: &Self) {
        for (word, kept) in self.0.iter_mut().zip(&other.0) {
            *word &= kept;
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word &= !(1_u64 << (place % 64));
        }
    }

    /// The places, one after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let places = 0..self.0.len() * 64;
        places.filter(|place| self.has(*place))
    }

    /// The steps that it takes to compare this set with another one.
    pub(super) fn steps(&self) -> usize {
        1 + self.0.len() / 4
    }

    pub(super) fn common(&self, other: &Self) -> Option<usize> {
        let mut words = self.0.iter().zip(&other.0).enumerate();
        words.find_map(|(index, (a, b))| first_of(index, a & b))
    }

    /// The first place that is in this set and not in another one, but for one.
    pub(super) fn outside(&self, other: &Self, except: usize) -> Option<usize> {
        let mut words = self.0.iter().zip(&other.0).enumerate();
        words.find_map(|(index, (word, barred))| {
            let is_its_word = except / 64 == index;
            let bit = u64::from(is_its_word) << (except % 64);
            first_of(index, word & !barred & !bit)
        })
    }
}

/// The first place of a word of a set.
fn first_of(index: usize, word: u64) -> Option<usize> {
    if word == 0 {
        return None;
    }
    let bit = usize::try_from(word.trailing_zeros()).ok()?;
    Some(index * 64 + bit)
}

/// A place an order can stand in: a state with one of its statuses.
#[derive(Debug, Clone, Copy)]
pub(super) struct AssignedStatus<'a> {
    pub(super) assignment: &'a Assignment,
    pub(super) state: &'a State,
    pub(super) status: &'a Status,
}

/// A transition, where it can be taken and where it can end.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) transition: &'a Transition,
    pub(super) sources: Places,
    pub(super) targets: Vec<usize>,
    /// The place to which it leads by itself: its status, or the default of its state.
    pub(super) landing: Option<usize>,
    /// The guards that an order is known to fulfil that has just taken it by itself.
    pub(super) known: Vec<&'a str>,
}

/// All places and ways of a workflow. Parts with unknown references are left out: they
/// have findings of their own.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    pub(super) workflow: &'a Workflow,
    pub(super) places: Vec<AssignedStatus<'a>>,
    pub(super) list: Vec<Way<'a>>,
    by_state: BTreeMap<&'a StateCode, Vec<usize>>,
    by_status: BTreeMap<&'a StatusCode, Vec<&'a StateCode>>,
    /// The places that have a status.
    with_status: BTreeMap<&'a StatusCode, Places>,
    /// The places that an order may leave.
    open: Places,
}

impl<'a> Ways<'a> {
    pub(super) fn new(workflow: &'a Workflow) -> Self {
        let states = workflow.states.iter().map(|it| (&it.code, it));
        let states: BTreeMap<&StateCode, &State> = states.collect();
        let statuses = workflow.statuses.iter().map(|it| (&it.code, it));
        let statuses: BTreeMap<&StatusCode, &Status> = statuses.collect();
        let mut seen = BTreeSet::new();
        let assignments = workflow.assignments.iter();
        let assignments = assignments.filter(|it| seen.insert((&it.state, &it.status)));
        let places = assignments.filter_map(|assignment| {
            Some(AssignedStatus {
                assignment,
                state: states.get(&assignment.state)?,
                status: statuses.get(&assignment.status)?,
            })
        });
        let places: Vec<AssignedStatus<'_>> = places.collect();
        let mut by_state: BTreeMap<&StateCode, Vec<usize>> = BTreeMap::new();
        let mut by_status: BTreeMap<&StatusCode, Vec<&StateCode>> = BTreeMap::new();
        let mut with_status: BTreeMap<&StatusCode, Places> = BTreeMap::new();
        let mut open = Places::none(places.len());
        for (index, place) in places.iter().enumerate() {
            by_state.entry(&place.state.code).or_default().push(index);
            let states = by_status.entry(&place.status.code).or_default();
            states.push(&place.state.code);
            let same = with_status.entry(&place.status.code);
            same.or_insert_with(|| Places::none(places.len()))
                .add(index);
            if !place.state.terminal {
                open.add(index);
            }
        }
        let mut ways = Self {
            workflow,
            places,
            list: Vec::new(),
            by_state,
            by_status,
            with_status,
            open,
        };
        let transitions = workflow.transitions.iter();
        ways.list = transitions.map(|it| ways.way(it)).collect();
        ways
    }

    /// The places in a state.
    pub(super) fn of_state(&self, state: &StateCode) -> &[usize] {
        self.by_state.get(state).map_or(&[], Vec::as_slice)
    }

    /// The places in a state as a set.
    pub(super) fn all_of(&self, state: &StateCode) -> Places {
        let mut places = self.no_places();
        for place in self.of_state(state) {
            places.add(*place);
        }
        places
    }

    /// The states that a status belongs to.
    pub(super) fn states_of(&self, status: &StatusCode) -> &[&'a StateCode] {
        self.by_status.get(status).map_or(&[], Vec::as_slice)
    }

    /// The places that have a status; none where it belongs to no state.
    pub(super) fn of_status(&self, status: &StatusCode) -> Option<&Places> {
        self.with_status.get(status)
    }

    pub(super) fn no_places(&self) -> Places {
        Places::none(self.places.len())
    }

    fn way(&self, transition: &'a Transition) -> Way<'a> {
        let targets = self.targets(transition);
        let is_default = |index: &usize| {
            let place = self.places.get(*index);
            place.is_some_and(|place| place.assignment.is_default)
        };
        let landing = match &transition.to_status {
            Some(_) => targets.first().copied(),
            None => targets.iter().copied().find(is_default),
        };
        Way {
            transition,
            sources: self.sources(transition, targets.len()),
            targets,
            landing,
            known: known(self.workflow, transition),
        }
    }

    /// The places where a transition can be taken that may lead to so many.
    fn sources(&self, transition: &Transition, targets: usize) -> Places {
        let mut sources = self.named(transition);
        let lands_on = transition.to_status.as_ref();
        let lands_on = lands_on.or_else(|| self.default_of(&transition.to_state));
        let is_automatic = transition.trigger.is_automatic();
        // One that nobody asks for moves the status inside a state only where it has a guard, names
        // the place and leaves it.
        let from_inside = transition.from_states.contains(&transition.to_state);
        let by_status = transition.from_states.is_empty() && !transition.from_statuses.is_empty();
        let may_move = transition.guard.is_some() && (from_inside || by_status);
        for index in self.of_state(&transition.to_state) {
            let Some(place) = self.places.get(*index) else {
                continue;
            };
            let status = &place.status.code;
            let is_target = lands_on == Some(status);
            let only_itself = is_target
                && (transition.to_status.is_some() || targets < 2)
                && !transition.from_statuses.contains(status);
            let is_barred = is_automatic && (is_target || !may_move);
            if only_itself || is_barred {
                sources.remove(*index);
            }
        }
        sources
    }

    /// The places that a transition names, or all, but for those that nothing leaves.
    fn named(&self, transition: &Transition) -> Places {
        let mut places = if transition.from_states.is_empty() {
            self.open.clone()
        } else {
            let mut places = self.no_places();
            let named: BTreeSet<_> = transition.from_states.iter().collect();
            for index in named.into_iter().flat_map(|state| self.of_state(state)) {
                places.add(*index);
            }
            places.keep(&self.open);
            places
        };
        if !transition.from_statuses.is_empty() {
            let mut with_status = self.no_places();
            let named: BTreeSet<_> = transition.from_statuses.iter().collect();
            let named = named.into_iter();
            for of_status in named.filter_map(|status| self.of_status(status)) {
                with_status.add_all(of_status);
            }
            places.keep(&with_status);
        }
        places
    }

    /// The place that a way leads to by itself.
    pub(super) fn landing(&self, way: &Way<'_>) -> Option<&AssignedStatus<'a>> {
        self.places.get(way.landing?)
    }

    /// Whether something may refuse a transition by a guard, its own or that of its state.
    pub(super) fn is_guarded(&self, transition: &Transition) -> bool {
        let entered = self.workflow.state(&transition.to_state);
        transition.guard.is_some() || entered.is_some_and(|state| state.entry_guard.is_some())
    }

    /// Whether neither a guard nor a retired status refuses a way.
    pub(super) fn is_open(&self, way: &Way<'_>) -> bool {
        let landing = self.landing(way);
        !self.is_guarded(way.transition) && landing.is_some_and(|place| !place.status.retired)
    }

    fn default_of(&self, state: &StateCode) -> Option<&'a StatusCode> {
        let places = self.of_state(state).iter();
        let mut places = places.filter_map(|index| self.places.get(*index));
        let default = places.find(|place| place.assignment.is_default)?;
        Some(&default.status.code)
    }

    /// A call may land on any status of the state where the transition leaves it open; an
    /// automatic step lands on the default.
    fn targets(&self, transition: &Transition) -> Vec<usize> {
        let is_open = transition.to_status.is_none() && transition.trigger == Trigger::Manual;
        let is_target = |place: &AssignedStatus<'_>| match &transition.to_status {
            Some(status) => place.status.code == *status,
            None => is_open || place.assignment.is_default,
        };
        let in_state = self.of_state(&transition.to_state).iter().copied();
        let targets = in_state.filter(|it| self.places.get(*it).is_some_and(is_target));
        targets.collect()
    }
}
