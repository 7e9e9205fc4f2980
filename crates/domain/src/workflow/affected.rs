//! The effects of a change of a workflow on what is there already: orders that stand where no way
//! leads on any more or that would move now, and deliveries that wait for what is changed. Here is
//! what has to be counted, and how it is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, ActionPath, Assignment, Category, Finding, Rule, Standing, Subject, Transition,
    Trigger, TriggerPoint, Work, Workflow,
};
use crate::value::{ActionCode, OrderId, StateCode, StatusCode, TransitionCode};

const NAMED_MAX: usize = 10;

/// The parts of a change that may concern orders and deliveries that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// The places in each state that becomes terminal.
    pub terminal: BTreeMap<StateCode, Vec<Standing>>,
    /// The automatic transitions that are new or ask for something else than before.
    pub automatic: BTreeSet<TransitionCode>,
    /// The places that one of these leaves.
    pub sources: Vec<Standing>,
    /// The fates of actions for which deliveries may wait.
    pub actions: BTreeMap<ActionPath, Fate>,
}

/// The fate of an action for which deliveries may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// There is none of the name any more.
    Gone,
    /// The one of the name does something else.
    OtherKind,
    /// It is switched off.
    Off,
}

/// How many orders or deliveries were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub count: u64,
    /// Whether there may be more that were not looked at.
    pub may_be_more: bool,
    /// The orders, as many of them as are to be named.
    pub order_ids: Vec<OrderId>,
}

impl Affected {
    /// The parts of a change from one workflow to another that may concern what is there.
    pub fn between(before: &Workflow, after: &Workflow) -> Self {
        let automatic = automatic(after).filter(|new| is_other(before, after, new));
        let automatic: Vec<&Transition> = automatic.collect();
        Self {
            terminal: terminal(before, after),
            sources: places_left_by(after, &automatic),
            automatic: automatic.iter().map(|new| new.code.clone()).collect(),
            actions: fates(before, after),
        }
    }

    /// Whether nothing has to be counted.
    pub fn is_empty(&self) -> bool {
        self.terminal.is_empty() && self.sources.is_empty() && self.actions.is_empty()
    }
}

/// The places that automatic transitions of a workflow leave.
pub fn automatic_places(workflow: &Workflow) -> Vec<Standing> {
    let automatic: Vec<_> = automatic(workflow).collect();
    places_left_by(workflow, &automatic)
}

fn automatic(workflow: &Workflow) -> impl Iterator<Item = &Transition> {
    let transitions = workflow.transitions.iter();
    transitions.filter(|transition| transition.trigger == Trigger::Automatic)
}

/// The places from which one of these transitions starts and orders move at all: held and terminal
/// states are left by none.
fn places_left_by(workflow: &Workflow, transitions: &[&Transition]) -> Vec<Standing> {
    let is_left = |assignment: &&Assignment| {
        let mut transitions = transitions.iter();
        transitions.any(|transition| is_left_by(workflow, assignment, transition))
    };
    let places = workflow.assignments.iter().filter(is_left);
    places.map(place).collect()
}

/// Whether a transition starts from a place that orders leave at all.
fn is_left_by(workflow: &Workflow, place: &Assignment, transition: &Transition) -> bool {
    let state = workflow.state(&place.state);
    let (states, statuses) = (&transition.from_states, &transition.from_statuses);
    state.is_some_and(|state| !state.terminal && state.category != Category::Held)
        && (states.is_empty() || states.contains(&place.state))
        && (statuses.is_empty() || statuses.contains(&place.status))
}

fn place(assignment: &Assignment) -> Standing {
    Standing {
        state: assignment.state.clone(),
        status: assignment.status.clone(),
    }
}

/// Whether an automatic transition could be taken where it could not before.
fn is_other(before: &Workflow, after: &Workflow, new: &Transition) -> bool {
    let Some(old) = before.transition(&new.code) else {
        return true;
    };
    let entry_guard = |workflow: &Workflow, state: &StateCode| {
        let state = workflow.state(state)?;
        state.entry_guard.clone()
    };
    let recorded = |workflow: &Workflow| {
        let operation = workflow.operation(new.operation.as_ref()?)?;
        Some((operation.roles.clone(), operation.guard.clone()))
    };
    let was_terminal = |place: &Assignment| {
        let state = before.state(&place.state);
        state.is_some_and(|state| state.terminal)
    };
    let opens = |place: &Assignment| was_terminal(place) && is_left_by(after, place, new);
    let target = entered(after, new);
    old.trigger != new.trigger
        || old.guard != new.guard
        || old.roles != new.roles
        || old.from_states != new.from_states
        || old.from_statuses != new.from_statuses
        || old.to_state != new.to_state
        || old.to_status != new.to_status
        || (&old.operation, old.reverse) != (&new.operation, new.reverse)
        || entry_guard(before, &new.to_state) != entry_guard(after, &new.to_state)
        || recorded(before) != recorded(after)
        || after.assignments.iter().any(opens)
        || (target.is_some() && target != entered(before, old))
        || before.refunded_units != after.refunded_units
}

/// The status that a transition leads to; none where it is entered by nobody.
fn entered<'w>(workflow: &'w Workflow, transition: &'w Transition) -> Option<&'w StatusCode> {
    let state = &transition.to_state;
    let named = transition.to_status.as_ref();
    let status = named.or_else(|| workflow.default_status(state))?;
    let is_retired = workflow.status(status)?.retired;
    let is_assigned = workflow.assignment(state, status).is_some();
    (is_assigned && !is_retired).then_some(status)
}

fn terminal(before: &Workflow, after: &Workflow) -> BTreeMap<StateCode, Vec<Standing>> {
    let becomes = after.states.iter().filter(|state| {
        let old = before.state(&state.code);
        state.terminal && old.is_some_and(|old| !old.terminal)
    });
    let places = becomes.map(|state| {
        let places = after.assignments_of(&state.code).map(place);
        (state.code.clone(), places.collect())
    });
    places.collect()
}

fn fates(before: &Workflow, after: &Workflow) -> BTreeMap<ActionPath, Fate> {
    let present: BTreeMap<(TriggerPoint, &ActionCode), &Action> = after
        .actions()
        .map(|(point, action)| ((point, &action.code), action))
        .collect();
    let fates = before.actions().filter_map(|(point, old)| {
        let Work::Send(was, _) = &old.work else {
            return None;
        };
        let key = (point, &old.code);
        let new = present.get(&key).copied();
        let fate = match new.map(|new| (&new.work, new.active)) {
            None => Fate::Gone,
            Some((Work::Send(is, _), active)) if is.kind() == was.kind() => {
                if active || !old.active {
                    return None;
                }
                Fate::Off
            }
            Some((Work::Send(..) | Work::Write(_), _)) => Fate::OtherKind,
        };
        let (point, code) = key;
        let code = code.clone();
        Some((ActionPath { point, code }, fate))
    });
    fates.collect()
}

impl Count {
    /// Counts an order.
    pub fn add(&mut self, order_id: &OrderId) {
        self.count += 1;
        if self.order_ids.len() < NAMED_MAX {
            self.order_ids.push(order_id.clone());
        }
    }

    /// The finding that orders stand in a state that becomes terminal.
    pub fn in_terminal(&self, state: &StateCode) -> Finding {
        let orders = if self.is_unknown() {
            "the orders in it were not counted in time".to_owned()
        } else {
            let (orders, stands) = (self.of("order", "orders"), self.verb("stands", "stand"));
            let named = self.named();
            format!("{orders} {stands} in it or will return to it{named}")
        };
        let message = format!("becomes terminal, and {orders}: no step leaves it any more");
        let subject = Subject::State(state.clone());
        Finding::new(Rule::OrdersBecomeTerminal, subject, message)
    }

    /// The finding that orders would take an automatic transition, were they asked.
    pub fn would_move(&self, transition: &TransitionCode) -> Finding {
        let message = format!(
            "would be taken by {} now{}; nothing moves them until something happens to them: \
             SettleOrders asks all of them (waymark workflow settle)",
            self.of("order", "orders"),
            self.named(),
        );
        let subject = Subject::Transition(transition.clone());
        Finding::new(Rule::OrdersWouldMove, subject, message)
    }

    /// The finding that of the orders some were not asked whether they would take an automatic
    /// transition, and that none of the others would.
    pub fn left_unasked(transition: &TransitionCode, looked_at: usize) -> Finding {
        let others = match looked_at {
            0 => "may be taken by orders that were not looked at in time".to_owned(),
            1 => "would not be taken by the 1 order that was looked at; others were not".to_owned(),
            _ => format!(
                "would be taken by none of the {looked_at} orders that were looked at; others were not"
            ),
        };
        let message = format!(
            "{others}: SettleOrders with validate_only tells of all (waymark workflow settle --dry-run)"
        );
        let subject = Subject::Transition(transition.clone());
        Finding::new(Rule::OrdersWouldMove, subject, message)
    }

    /// The finding that deliveries wait for an action that is changed.
    pub fn wait_for(&self, action: &ActionPath, fate: Fate) -> Finding {
        let waits = self.verb("waits", "wait");
        let given_up = self.verb("it will be given up", "they will be given up");
        let stays = self.verb(
            "it waits until it is switched on",
            "they wait until it is switched on",
        );
        let (what, then) = match fate {
            Fate::Gone => ("is removed or renamed", given_up),
            Fate::OtherKind => ("does something else", given_up),
            Fate::Off => ("is switched off", stays),
        };
        let message = if self.is_unknown() {
            format!("{what}, and the deliveries that wait for it were not counted in time: {then}")
        } else {
            let deliveries = self.of("delivery", "deliveries");
            format!("{what}, and {deliveries} {waits} for it: {then}")
        };
        let subject = Subject::Action(action.clone());
        Finding::new(Rule::DeliveriesWait, subject, message)
    }

    /// Whether there may be some, and none was found in time.
    fn is_unknown(&self) -> bool {
        self.count == 0 && self.may_be_more
    }

    fn of(&self, one: &str, many: &str) -> String {
        let least = if self.may_be_more { "at least " } else { "" };
        format!("{least}{} {}", self.count, self.verb(one, many))
    }

    fn verb<'w>(&self, one: &'w str, many: &'w str) -> &'w str {
        if self.count == 1 { one } else { many }
    }

    /// The orders, to be put behind their number.
    fn named(&self) -> String {
        let ids = self.order_ids.iter().take(NAMED_MAX);
        let ids: Vec<&str> = ids.map(OrderId::as_str).collect();
        if ids.is_empty() {
            return String::new();
        }
        format!(" ({})", ids.join(", "))
    }
}
