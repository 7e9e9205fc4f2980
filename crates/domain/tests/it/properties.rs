//! Any command sequence keeps the invariants; replaying entries gives the order; a
//! refused command changes nothing; hold then release is the identity, and so is taking back
//! what was just recorded; no order comes to an end that cannot be mended.

use proptest::{prelude::*, test_runner::TestRunner};
use waymark_domain::{
    actor::Actor,
    guard::CostBudget,
    history::{self, Change, Detail, Entry, Recorded},
    judge::{self, Graph},
    order::{
        self, Action, AttributesPatch, Command, Context, Counting, Customer, Line, LineQuantity,
        NewLine, NewOrder, OperationLines, Order, Patch, Progress, Refundable, Target, Units,
    },
    preset,
    value::{
        Attributes, Comment, Currency, HoldId, LineId, Metadata, Money, OperationCode, OrderId,
        ProductName, Quantity, Reason, Role, Sku, StateCode, StatusCode, Timestamp, TransitionCode,
    },
    workflow::{Effect, Workflow},
};

const LINES: usize = 3;

fn context(text: &str) -> Context {
    let role = |name: &str| Role::new(name).unwrap();
    Context {
        actor: Actor {
            roles: vec![role("manager"), role("support")],
            ..Actor::unstated()
        },
        comment: Comment::new(text).unwrap(),
        notify_customer: false,
        visible_to_customer: true,
        metadata: Metadata::default(),
        request_id: None,
    }
}

fn line_id(index: usize) -> LineId {
    LineId::new(&format!("{}", index + 1)).unwrap()
}

fn quantity() -> impl Strategy<Value = Quantity> {
    (0_u32..60_000).prop_map(|n| format!("{}.{:04}", n / 10_000, n % 10_000).parse().unwrap())
}

fn new_lines() -> impl Strategy<Value = Vec<NewLine>> {
    // Three lines never cost more than their order.
    let total = prop::option::of((0_i64..3_000).prop_map(|n| Money::new(n).unwrap()));
    let line = (quantity(), any::<bool>(), total);
    prop::collection::vec(line, 0..=LINES).prop_map(|lines| {
        let lines = lines.into_iter().enumerate();
        let lines = lines.map(|(index, (ordered, is_virtual, total))| NewLine {
            id: line_id(index),
            sku: Sku::default(),
            name: ProductName::default(),
            ordered: if ordered.is_zero() {
                Quantity::whole(1).unwrap()
            } else {
                ordered
            },
            is_virtual,
            total,
        });
        lines.collect()
    })
}

/// Any target: codes that exist, and some that do not.
fn targets(workflow: &Workflow) -> BoxedStrategy<Target> {
    let mut transitions: Vec<TransitionCode> = workflow
        .transitions
        .iter()
        .map(|t| t.code.clone())
        .collect();
    transitions.push(TransitionCode::new("no_such_way").unwrap());
    let mut states: Vec<StateCode> = workflow.states.iter().map(|s| s.code.clone()).collect();
    states.push(StateCode::new("nowhere").unwrap());
    let statuses = statuses(workflow);
    let (some_state, some_status) = (prop::sample::select(states), prop::sample::select(statuses));
    prop_oneof![
        4 => (prop::sample::select(transitions), prop::option::of(some_status.clone()))
            .prop_map(|(code, land_on)| Target::Transition { code, land_on }),
        1 => some_status.clone().prop_map(Target::Status),
        1 => some_state.clone().prop_map(Target::State),
        1 => (some_state.clone(), some_status).prop_map(|(state, status)| Target::Standing(state, status)),
        1 => some_state.prop_map(Target::KeepStatus),
    ]
    .boxed()
}

fn statuses(workflow: &Workflow) -> Vec<StatusCode> {
    let mut statuses: Vec<StatusCode> = workflow.statuses.iter().map(|s| s.code.clone()).collect();
    statuses.push(StatusCode::new("no_such_status").unwrap());
    statuses
}

fn operation_lines() -> impl Strategy<Value = OperationLines> {
    // Now and then something comes back.
    let returned = prop_oneof![4 => Just(Quantity::ZERO), 1 => quantity()];
    let given = prop::collection::btree_map(0..=LINES, (quantity(), returned), 1..=2);
    prop_oneof![
        3 => Just(OperationLines::AllLeft),
        1 => Just(OperationLines::AmountOnly),
        3 => given.prop_map(|given| {
            let given = given.into_iter().filter(|(_, (quantity, _))| !quantity.is_zero());
            let given: Vec<_> = given.map(|(index, (quantity, returned))| LineQuantity {
                line_id: line_id(index),
                quantity,
                returned: returned.min(quantity),
            }).collect();
            if given.is_empty() { OperationLines::AllLeft } else { OperationLines::Given(given) }
        }),
    ]
}

fn actions(workflow: &Workflow) -> BoxedStrategy<Action> {
    let mut operations: Vec<OperationCode> =
        workflow.operations.iter().map(|o| o.code.clone()).collect();
    operations.push(OperationCode::new("no_such_operation").unwrap());
    let some_status = prop::option::of(prop::sample::select(statuses(workflow)));
    let amount = prop::option::of((0_i64..20_000).prop_map(|n| Money::new(n).unwrap()));
    let patch = (
        prop::option::of(new_lines()),
        prop::option::of((9_000_i64..12_000).prop_map(|n| Money::new(n).unwrap())),
        "[a-c]",
        prop::option::of("[x-z]"),
    )
        .prop_map(|(lines, grand_total, key, value)| Patch {
            lines,
            grand_total,
            attributes: Some(AttributesPatch::Merge([(key, value)].into())),
            ..Patch::default()
        });
    prop_oneof![
        4 => targets(workflow).prop_map(Action::Transition),
        6 => (prop::sample::select(operations), operation_lines(), amount, prop::bool::weighted(0.2))
            .prop_map(|(operation, lines, amount, reverse)| Action::RecordOperation { operation, lines, amount, reverse }),
        2 => some_status.clone().prop_map(|status| Action::Hold { reason: Reason::default(), status, expire_time: None }),
        2 => prop::option::of(1_i64..20).prop_map(|id| Action::Release { hold: id.map(HoldId::of_entry) }),
        1 => some_status.prop_map(|status| Action::Comment { status }),
        1 => patch.prop_map(Action::Update),
    ]
    .boxed()
}

fn graphs() -> Vec<Graph> {
    preset::all()
        .map(|preset| Graph::new(preset.workflow().unwrap(), 7).unwrap())
        .collect()
}

fn created(graph: &Graph, lines: Vec<NewLine>) -> Option<Vec<Entry>> {
    let new = NewOrder {
        workflow: graph.workflow().code.clone(),
        id: OrderId::new("1").unwrap(),
        state: None,
        status: None,
        lines,
        currency: Some(Currency::new("EUR").unwrap()),
        grand_total: Money::new(10_000).unwrap(),
        store_view: None,
        customer: Customer::default(),
        attributes: Attributes::default(),
        expected_version: None,
    };
    judge::create(graph, &new, &context(""), Timestamp::from_micros(1)).ok()
}

fn invariants(graph: &Graph, order: &Order, entries: &[Entry]) {
    let workflow = graph.workflow();
    assert!(
        workflow
            .assignment(&order.standing.state, &order.standing.status)
            .is_some(),
        "unassigned pair"
    );
    let held = workflow
        .held_state()
        .is_some_and(|held| held.code == order.standing.state);
    assert_eq!(
        held,
        order.return_to.is_some(),
        "held means that there is a way back"
    );
    assert_eq!(
        held,
        !order.holds.is_empty(),
        "held means that a hold stands"
    );
    for units in units(order) {
        let fits = |quantity: Quantity| quantity.plus(units.canceled) <= units.ordered;
        assert!(fits(units.invoiced) && fits(units.shipped), "{units:?}");
        if counting(workflow, order).refundable == Refundable::Invoiced {
            assert!(units.refunded <= units.invoiced, "{units:?}");
        }
        assert!(fits(units.refunded), "{units:?}");
        assert!(units.returned <= units.shipped, "{units:?}");
        assert!(!units.is_virtual || units.shipped.is_zero(), "{units:?}");
    }
    assert!(order.total_refunded <= order.total_paid);
    assert_eq!(
        owed_by(entries),
        (order.total_due(), order.total_overpaid())
    );
    ends_well(graph, order);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.sequence, i64::try_from(index).unwrap() + 1, "no gaps");
        assert!(entry.caused_by < entry.sequence);
        let before = index.checked_sub(1).map(|index| entries[index].to.clone());
        assert_eq!(entry.from, before, "both sides, always");
        assert_eq!(entry.workflow_version, 7);
    }
    assert_eq!(history::replay(entries).as_ref(), Some(order));
    // Each of them is tried, which takes its time.
    if order.version % 4 == 0 {
        what_is_allowed_can_be_recorded(graph, order);
    }
}

/// The quantities of the lines, or of an order without lines as one whole.
fn units(order: &Order) -> Vec<Units> {
    if order.lines.is_empty() {
        return vec![order.whole.unwrap_or(Units::WHOLE)];
    }
    order.lines.iter().map(Line::units).collect()
}

fn counting(workflow: &Workflow, order: &Order) -> Counting {
    let mut operations = workflow.operations.iter();
    Counting {
        refunded_units: workflow.refunded_units,
        refundable: if operations.any(|operation| operation.effect == Effect::Invoice) {
            Refundable::Invoiced
        } else if order.total_paid == Money::ZERO {
            Refundable::Shipped
        } else {
            Refundable::Ordered
        },
    }
}

/// What is due and what is overpaid, added up from the entries alone.
fn owed_by(entries: &[Entry]) -> (Money, Money) {
    let (mut costs, mut paid) = (0, 0);
    for entry in entries {
        match &entry.detail {
            Detail::Created(created) => costs = created.grand_total.minor_units(),
            Detail::Updated(changes) => {
                for change in changes {
                    if let Change::GrandTotal { before, after } = change {
                        costs += after.minor_units() - before.minor_units();
                    }
                }
            }
            _ => {}
        }
        let Some(recorded) = entry.detail.recorded() else {
            continue;
        };
        let sign = if recorded.reverse { -1 } else { 1 };
        match recorded.effect {
            Effect::Pay => paid += sign * recorded.amount.minor_units(),
            Effect::Refund => {
                paid -= sign * recorded.amount.minor_units();
                costs -= sign * recorded.counted.minor_units();
            }
            Effect::Cancel => costs -= sign * recorded.counted.minor_units(),
            Effect::None | Effect::Invoice | Effect::Ship => {}
        }
    }
    let (owed, kept) = (costs.max(0), paid.max(0));
    let positive = |amount: i64| Money::new(amount.max(0)).unwrap();
    (positive(owed - kept), positive(kept - owed))
}

/// No order ends with units that were invoiced or shipped and can no longer be refunded, and
/// none is left with something open and nothing that may be done.
fn ends_well(graph: &Graph, order: &Order) {
    let workflow = graph.workflow();
    let progress = Progress::new(workflow, order);
    let state = workflow.state(&order.standing.state).unwrap();
    let is_held = order.return_to.is_some();
    let counting = counting(workflow, order);
    let allowed = progress.allowed_operations();
    let allows = |effect| {
        let of_effect = workflow.operations.iter().filter(|o| o.effect == effect);
        of_effect
            .map(|o| &o.code)
            .any(|code| allowed.contains(code))
    };
    if state.terminal {
        for units in units(order) {
            let refundable = units.left(Effect::Refund, counting);
            let out = units.invoiced.max(units.shipped);
            assert!(out <= units.refunded.plus(refundable), "{units:?}");
            assert!(refundable.is_zero() || allows(Effect::Refund), "{units:?}");
        }
    } else {
        assert!(!progress.fully_canceled() || is_held, "nothing is open");
    }
    assert!(allows(Effect::Pay), "money is always let through");
    let open = |effect| {
        let mut all = units(order).into_iter();
        all.any(|units| !units.left(effect, counting).is_zero())
    };
    let invoices = counting.refundable == Refundable::Invoiced;
    let is_open = open(Effect::Ship) || invoices && open(Effect::Invoice);
    if state.terminal || is_held || !is_open {
        return;
    }
    let mut moves = [Effect::Ship, Effect::Invoice, Effect::Cancel].into_iter();
    if !moves.any(allows) {
        let (actor, now) = (context("").actor, Timestamp::from_micros(5));
        let budget = CostBudget::new();
        let ways = judge::available_within(&budget, graph, order, &actor, now);
        let may_leave = ways.into_iter().any(|(_, answer)| answer.is_ok());
        assert!(may_leave, "it is stuck in {}", state.code);
    }
}

/// An operation is listed as allowed if and only if some call records it.
fn what_is_allowed_can_be_recorded(graph: &Graph, order: &Order) {
    let progress = Progress::new(graph.workflow(), order);
    let allowed = progress.allowed_operations();
    let one = Money::new(1).unwrap();
    let calls = [
        (OperationLines::AllLeft, None),
        (OperationLines::AllLeft, Some(progress.total_refundable())),
        (OperationLines::AmountOnly, Some(one)),
    ];
    for operation in &graph.workflow().operations {
        let mut answers = calls.iter().map(|(lines, amount)| {
            let action = Action::RecordOperation {
                operation: operation.code.clone(),
                lines: lines.clone(),
                amount: *amount,
                reverse: false,
            };
            decide(graph, order, action)
        });
        let is_allowed = allowed.contains(&operation.code);
        let is_recorded = answers.any(|answer| answer.is_ok());
        assert_eq!(is_allowed, is_recorded, "{}", operation.code);
    }
}

fn decide(graph: &Graph, order: &Order, action: Action) -> Result<Vec<Entry>, order::Rejection> {
    let command = Command {
        context: context("x"),
        expected_version: None,
        action,
    };
    judge::decide(graph, order, &command, Timestamp::from_micros(5))
}

/// Takes back what a step has just recorded, if its state lists the operation still: all
/// quantities and totals are as they were.
fn taken_back_is_as_before(graph: &Graph, before: &Order, after: &Order, recorded: &Recorded) {
    if recorded.reverse || recorded.effect == Effect::None {
        return;
    }
    let lines = if recorded.whole {
        OperationLines::AllLeft
    } else if recorded.lines.is_empty() {
        OperationLines::AmountOnly
    } else {
        OperationLines::Given(recorded.lines.clone())
    };
    let mut amounts = vec![Some(recorded.amount)];
    if lines != OperationLines::AmountOnly {
        // What the newest units moved is known.
        amounts.push(None);
    }
    for amount in amounts {
        let back = Action::RecordOperation {
            operation: recorded.operation.clone(),
            lines: lines.clone(),
            amount,
            reverse: true,
        };
        let step = match decide(graph, after, back) {
            Ok(step) => step,
            Err(refusal) => {
                // Of an order that nobody paid, units may have been refunded before they were shipped.
                let counting = counting(graph.workflow(), after);
                let was_refunded = counting.refundable == Refundable::Shipped
                    && recorded.effect == Effect::Ship
                    && refusal.reason() == "QUANTITY_EXCEEDED";
                let reasons = ["OPERATION_NOT_ALLOWED", "ORDER_HELD", "ORDER_TERMINAL"];
                let is_elsewhere = reasons.contains(&refusal.reason());
                assert!(was_refunded || is_elsewhere, "{recorded:?}: {refusal}");
                return;
            }
        };
        let again = step.iter().fold(after.clone(), history::evolve);
        let moved = |order: &Order| {
            let totals = [
                order.total_paid,
                order.total_refunded,
                order.total_canceled,
                order.total_invoiced,
                order.credited,
                order.total_due(),
                order.total_overpaid(),
            ];
            (
                order.lines.clone(),
                order.whole,
                totals,
                order.credits.clone(),
            )
        };
        assert_eq!(moved(&again), moved(before), "{recorded:?}, {amount:?}");
    }
}

fn walk(graph: &Graph, lines: Vec<NewLine>, actions: &[Action]) {
    let Some(mut entries) = created(graph, lines) else {
        return;
    };
    let mut order = history::replay(&entries).unwrap();
    invariants(graph, &order, &entries);
    for (index, action) in actions.iter().enumerate() {
        let now = Timestamp::from_micros(10 + i64::try_from(index).unwrap());
        let command = Command {
            context: context("x"),
            expected_version: Some(order.version),
            action: action.clone(),
        };
        let before = order.clone();
        let answer = judge::decide(graph, &order, &command, now);
        assert_eq!(order, before, "deciding changes nothing");
        let Ok(step) = answer else { continue };
        assert!(!step.is_empty());
        assert_eq!(step[0].caused_by, 0);
        assert!(step[1..].iter().all(|entry| entry.caused_by > 0));
        let was_terminal = graph
            .workflow()
            .state(&before.standing.state)
            .unwrap()
            .terminal;
        let comes_or_goes = matches!(step[0].detail, Detail::Held(_) | Detail::Released(_));
        if was_terminal && !comes_or_goes {
            assert!(
                step.iter()
                    .all(|entry| entry.to.state == before.standing.state),
                "no step leaves a terminal state"
            );
        }
        order = step.iter().fold(order, history::evolve);
        if let Detail::Recorded(recorded) = &step[0].detail {
            taken_back_is_as_before(graph, &before, &order, recorded);
        }
        entries.extend(step);
        invariants(graph, &order, &entries);
    }
}

fn hold_and_release(graph: &Graph, lines: Vec<NewLine>, actions: &[Action]) {
    let Some(entries) = created(graph, lines) else {
        return;
    };
    let mut order = history::replay(&entries).unwrap();
    for action in actions {
        let run = |order: &Order, action: &Action| {
            let command = Command {
                context: context("x"),
                expected_version: None,
                action: action.clone(),
            };
            judge::decide(graph, order, &command, Timestamp::from_micros(20))
        };
        if let Ok(step) = run(&order, action) {
            order = step.iter().fold(order, history::evolve);
        }
        let hold = Action::Hold {
            reason: Reason::default(),
            status: None,
            expire_time: None,
        };
        let Ok(placed) = run(&order, &hold) else {
            continue;
        };
        let waiting = placed.iter().fold(order.clone(), history::evolve);
        let Ok(released) = run(&waiting, &Action::Release { hold: None }) else {
            panic!("a held order can be released")
        };
        if order.return_to.is_none() {
            assert_eq!(placed.len() + released.len(), 2, "and nothing else happens");
            let back = history::evolve(waiting, &released[0]);
            assert_eq!(back.standing, order.standing, "exactly what was left");
        }
    }
}

fn walks(graph: &Graph) -> impl Strategy<Value = (Vec<NewLine>, Vec<Action>)> {
    (
        new_lines(),
        prop::collection::vec(actions(graph.workflow()), 1..40),
    )
}

#[test]
fn any_walk_keeps_the_invariants() {
    for graph in graphs() {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 200,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let outcome = runner.run(&walks(&graph), |(lines, actions)| {
            walk(&graph, lines, &actions);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{}: {error}", graph.workflow().label));
    }
}

#[test]
fn hold_then_release_is_the_identity() {
    for graph in graphs() {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 60,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let outcome = runner.run(&walks(&graph), |(lines, actions)| {
            hold_and_release(&graph, lines, &actions);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{}: {error}", graph.workflow().label));
    }
}
