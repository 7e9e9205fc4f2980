//! What a change of a workflow means for what is there already: orders that stand where no way
//! leads on any more or that would move now, and deliveries that wait for what is changed. Here is
//! what has to be counted, and how it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    Action, ActionPath, Assignment, Category, Finding, Occasion, Rule, Subject, Transition,
    Trigger, Work, Workflow,
};
use crate::{
    order::Standing,
    value::{ActionCode, OrderId, StateCode, TransitionCode},
};

/// How many orders a finding names.
const NAMED_MAX: usize = 10;

/// What of a change may concern orders and deliveries that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// The places in each state that becomes terminal.
    pub terminal: BTreeMap<StateCode, Vec<Standing>>,
    /// The automatic transitions that are new or ask for something else than before.
    pub automatic: BTreeSet<TransitionCode>,
    /// The places that one of these leaves.
    pub sources: Vec<Standing>,
    /// What becomes of actions for which deliveries may wait.
    pub actions: BTreeMap<ActionPath, Fate>,
}

/// What becomes of an action for which deliveries may wait.
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
    /// What a change from one workflow to another may concern.
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
    transitions.filter(|transition| match transition.trigger {
        Trigger::Automatic => true,
        Trigger::Manual | Trigger::OnOperations(_) | Trigger::After(_) | Trigger::At(_) => false,
    })
}

/// The places from which one of these transitions starts and orders move at all: held and terminal
/// states are left by none.
fn places_left_by(workflow: &Workflow, transitions: &[&Transition]) -> Vec<Standing> {
    let is_open = |assignment: &&Assignment| {
        let state = workflow.state(&assignment.state);
        state.is_some_and(|state| !state.terminal && state.category != Category::Held)
    };
    let is_left = |assignment: &&Assignment| {
        let Assignment { state, status, .. } = assignment;
        transitions.iter().any(|transition| {
            let (states, statuses) = (&transition.from_states, &transition.from_statuses);
            (states.is_empty() || states.contains(state))
                && (statuses.is_empty() || statuses.contains(status))
        })
    };
    let places = workflow.assignments.iter().filter(is_open).filter(is_left);
    places.map(place).collect()
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
    let was_terminal = |state: &StateCode| {
        let state = before.state(state);
        state.is_some_and(|state| state.terminal)
    };
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
        || new.from_states.iter().any(was_terminal)
        || before.refunded_units != after.refunded_units
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
    let present: BTreeMap<(Occasion, &ActionCode), &Action> = after
        .actions()
        .map(|(occasion, action)| ((occasion, &action.code), action))
        .collect();
    let fates = before.actions().filter_map(|(occasion, old)| {
        let Work::Send(was, _) = &old.work else {
            return None;
        };
        let key = (occasion, &old.code);
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
        let (occasion, code) = key;
        let code = code.clone();
        Some((ActionPath { occasion, code }, fate))
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
        let stands = self.verb("stands", "stand");
        let message = format!(
            "becomes terminal, and {} {stands} in it or will return to it{}: no step leaves it any more",
            self.of("order", "orders"),
            self.named(),
        );
        Finding::new(
            Rule::OrdersBecomeTerminal,
            Subject::State(state.clone()),
            message,
        )
    }

    /// The finding that orders would take an automatic transition, were they asked.
    pub fn would_move(&self, transition: &TransitionCode) -> Finding {
        let message = format!(
            "would be taken by {} now{}; nothing moves them until something happens to them: \
             SettleOrders asks all of them (waymark workflow settle)",
            self.of("order", "orders"),
            self.named(),
        );
        Finding::new(
            Rule::OrdersWouldMove,
            Subject::Transition(transition.clone()),
            message,
        )
    }

    /// The finding that deliveries wait for an action that is changed.
    pub fn wait_for(&self, action: &ActionPath, fate: Fate) -> Finding {
        let waits = self.verb("waits", "wait");
        let given_up = self.verb("it will be given up", "they will be given up");
        let (what, then) = match fate {
            Fate::Gone => ("is removed or renamed", given_up),
            Fate::OtherKind => ("does something else", given_up),
            Fate::Off => (
                "is switched off",
                self.verb(
                    "it waits until it is switched on",
                    "they wait until it is switched on",
                ),
            ),
        };
        let message = format!(
            "{what}, and {} {waits} for it: {then}",
            self.of("delivery", "deliveries"),
        );
        Finding::new(
            Rule::DeliveriesWait,
            Subject::Action(action.clone()),
            message,
        )
    }

    fn of(&self, one: &str, many: &str) -> String {
        let least = if self.may_be_more { "at least " } else { "" };
        format!("{least}{} {}", self.count, self.verb(one, many))
    }

    fn verb<'w>(&self, one: &'w str, many: &'w str) -> &'w str {
        if self.count == 1 { one } else { many }
    }

    /// The orders, to be put behind their number.
    fn named(&self) -> Named<'_> {
        Named(&self.order_ids)
    }
}

struct Named<'c>(&'c [OrderId]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = " (";
        for id in self.0.iter().take(NAMED_MAX) {
            write!(f, "{before}{id}")?;
            before = ", ";
        }
        f.write_str(if self.0.is_empty() { "" } else { ")" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        guard::Expression,
        value::EndpointCode,
        workflow::{Channel, Email, Policy, RefundedUnits, Webhook, Writing, sample},
    };

    type Change = fn(&mut Workflow);

    fn transition_mut<'w>(workflow: &'w mut Workflow, code: &str) -> &'w mut Transition {
        let mut transitions = workflow.transitions.iter_mut();
        transitions.find(|t| t.code.as_str() == code).unwrap()
    }

    fn changed(change: Change) -> Affected {
        let before = sample::workflow();
        let mut after = before.clone();
        change(&mut after);
        Affected::between(&before, &after)
    }

    fn written(places: &[Standing]) -> Vec<String> {
        let places = places.iter();
        places
            .map(|place| format!("{}/{}", place.state, place.status))
            .collect()
    }

    #[test]
    fn automatic_transitions_that_ask_for_something_else_are_looked_at() {
        let rows: &[(Change, &[&str], &[&str])] = &[
            (|_| {}, &[], &[]),
            (|w| w.label = "Orders".parse().unwrap(), &[], &[]),
            (
                |w| transition_mut(w, "complete").label = "Done".parse().unwrap(),
                &[],
                &[],
            ),
            (
                |w| transition_mut(w, "complete").guard = None,
                &["complete"],
                &["processing/processing", "processing/packing"],
            ),
            (
                |w| transition_mut(w, "complete").from_statuses = vec![sample::status("packing")],
                &["complete"],
                &["processing/packing"],
            ),
            (
                |w| transition_mut(w, "close").trigger = Trigger::Automatic,
                &["close"],
                &["complete/complete"],
            ),
            (
                |w| {
                    w.states[1].entry_guard =
                        Some(Expression::new("order.total_due == 0").unwrap());
                },
                &["complete"],
                &["processing/processing", "processing/packing"],
            ),
            (
                |w| w.refunded_units = RefundedUnits::Fulfilled,
                &["complete"],
                &["processing/processing", "processing/packing"],
            ),
            // Manual ones move nobody by themselves.
            (
                |w| transition_mut(w, "close").guard = Some(sample::expression("true")),
                &[],
                &[],
            ),
            // Nothing leaves the held state and terminal ones.
            (
                |w| transition_mut(w, "complete").from_states.clear(),
                &["complete"],
                &[
                    "complete/complete",
                    "new/pending",
                    "new/received",
                    "processing/processing",
                    "processing/packing",
                ],
            ),
        ];
        for (change, automatic, sources) in rows {
            let affected = changed(*change);
            let codes = affected.automatic.iter().map(TransitionCode::as_str);
            assert_eq!(codes.collect::<Vec<_>>(), *automatic);
            assert_eq!(written(&affected.sources), *sources);
            assert_eq!(affected.is_empty(), automatic.is_empty());
        }
        assert_eq!(
            written(&automatic_places(&sample::workflow())),
            ["processing/processing", "processing/packing"]
        );
    }

    #[test]
    fn states_that_become_terminal_are_looked_at() {
        let affected = changed(|w| w.states[4].terminal = true);
        let [(state, places)] = affected.terminal.iter().collect::<Vec<_>>()[..] else {
            panic!("{affected:?}")
        };
        assert_eq!(state.as_str(), "processing");
        assert_eq!(
            written(places),
            ["processing/processing", "processing/packing"]
        );
        // One that ceases to be terminal keeps nobody.
        assert!(changed(|w| w.states[0].terminal = false).is_empty());
    }

    fn webhook(endpoint: &str) -> Work {
        let endpoint = EndpointCode::new(endpoint).unwrap();
        Work::Send(Channel::Webhook(Webhook { endpoint }), Policy::default())
    }

    #[test]
    fn deliveries_wait_for_what_becomes_of_their_action() {
        let mail = || {
            let email = Email {
                identity: crate::workflow::Identity::Sales,
                template: "new_order".parse().unwrap(),
                guest_template: None,
                customer: crate::workflow::Notify::Always,
                copy_to: Vec::new(),
                copy_method: crate::workflow::CopyMethod::Bcc,
            };
            Work::Send(Channel::Email(email), Policy::default())
        };
        let step = Work::Write(Writing::Transition("close".parse().unwrap()));
        let action = sample::action;
        let off = |mut action: Action| {
            action.active = false;
            action
        };
        let erp = || action("tell", webhook("erp"));
        let rows = [
            (erp(), vec![erp()], None),
            (erp(), vec![action("tell", webhook("books"))], None),
            (erp(), vec![], Some(Fate::Gone)),
            (off(erp()), vec![], Some(Fate::Gone)),
            (
                erp(),
                vec![action("tell_erp", webhook("erp"))],
                Some(Fate::Gone),
            ),
            (erp(), vec![action("tell", mail())], Some(Fate::OtherKind)),
            (
                erp(),
                vec![action("tell", step.clone())],
                Some(Fate::OtherKind),
            ),
            (erp(), vec![off(erp())], Some(Fate::Off)),
            (off(erp()), vec![off(erp())], None),
            (action("tell", step), vec![], None),
        ];
        for (old, new, fate) in rows {
            let with = |actions: Vec<Action>| Workflow {
                on_create: actions,
                ..sample::workflow()
            };
            let affected = Affected::between(&with(vec![old]), &with(new));
            let told = affected.actions.iter();
            let told: Vec<_> = told.map(|(path, fate)| (path.to_string(), *fate)).collect();
            let expected: Vec<_> = fate
                .map(|fate| ("create.tell".to_owned(), fate))
                .into_iter()
                .collect();
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn counts_are_told_with_the_orders() {
        let mut count = Count::default();
        count.add(&OrderId::new("7").unwrap());
        let state = sample::state("processing");
        assert_eq!(
            count.in_terminal(&state).to_string(),
            "state processing becomes terminal, and 1 order stands in it or will return to it (7): \
             no step leaves it any more"
        );
        for number in 10..30 {
            count.add(&OrderId::new(&number.to_string()).unwrap());
        }
        count.may_be_more = true;
        let transition = TransitionCode::new("complete").unwrap();
        assert_eq!(
            count.would_move(&transition).to_string(),
            "transition complete would be taken by at least 21 orders now (7, 10, 11, 12, 13, 14, 15, \
             16, 17, 18); nothing moves them until something happens to them: SettleOrders asks all of \
             them (waymark workflow settle)"
        );
        let action: ActionPath = "transition.go.tell".parse().unwrap();
        let deliveries = |count| Count {
            count,
            ..Count::default()
        };
        for (count, fate, expected) in [
            (
                1,
                Fate::Gone,
                "is removed or renamed, and 1 delivery waits for it: it will be given up",
            ),
            (
                3,
                Fate::OtherKind,
                "does something else, and 3 deliveries wait for it: they will be given up",
            ),
            (
                2,
                Fate::Off,
                "is switched off, and 2 deliveries wait for it: they wait until it is switched on",
            ),
        ] {
            assert_eq!(
                deliveries(count).wait_for(&action, fate).to_string(),
                format!("action transition.go.tell {expected}")
            );
        }
    }
}
