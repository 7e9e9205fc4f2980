//! Any command sequence keeps the invariants; replaying entries gives the order; a
//! refused command changes nothing; hold then release is the identity.

use proptest::{prelude::*, test_runner::TestRunner};
use waymark_domain::{
    actor::Actor,
    history::{Detail, Entry},
    order::{
        self, Action, AttributesPatch, Command, Context, Customer, LineQuantity, NewLine, NewOrder,
        OperationLines, Order, Patch, Progress, Target,
    },
    preset,
    value::{
        Attributes, Comment, HoldId, LineId, Metadata, Money, OperationCode, OrderId, ProductName,
        Quantity, Reason, Role, Sku, StateCode, StatusCode, Timestamp, TransitionCode,
    },
    workflow::{Effect, Graph, Workflow},
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
    let line = (quantity(), any::<bool>());
    prop::collection::vec(line, 0..=LINES).prop_map(|lines| {
        let lines = lines.into_iter().enumerate();
        let lines = lines.map(|(index, (ordered, is_virtual))| NewLine {
            id: line_id(index),
            sku: Sku::default(),
            name: ProductName::default(),
            ordered: if ordered.is_zero() {
                Quantity::whole(1).unwrap()
            } else {
                ordered
            },
            is_virtual,
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
    let given = prop::collection::btree_map(0..=LINES, quantity(), 1..=2);
    prop_oneof![
        3 => Just(OperationLines::AllLeft),
        1 => Just(OperationLines::AmountOnly),
        3 => given.prop_map(|given| {
            let given = given.into_iter().filter(|(_, quantity)| !quantity.is_zero());
            let given: Vec<_> = given.map(|(index, quantity)| LineQuantity { line_id: line_id(index), quantity }).collect();
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
        "[a-c]",
        prop::option::of("[x-z]"),
    )
        .prop_map(|(lines, key, value)| Patch {
            lines,
            attributes: Some(AttributesPatch::Merge([(key, value)].into())),
            ..Patch::default()
        });
    prop_oneof![
        4 => targets(workflow).prop_map(Action::Transition),
        6 => (prop::sample::select(operations), operation_lines(), amount)
            .prop_map(|(operation, lines, amount)| Action::RecordOperation { operation, lines, amount }),
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
        currency: None,
        grand_total: Money::new(10_000).unwrap(),
        store_view: None,
        customer: Customer::default(),
        attributes: Attributes::default(),
    };
    order::create(graph, &new, &context(""), Timestamp::from_micros(1)).ok()
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
    for line in &order.lines {
        assert!(
            line.invoiced.plus(line.canceled) <= line.ordered,
            "{line:?}"
        );
        assert!(line.shipped.plus(line.canceled) <= line.ordered, "{line:?}");
        assert!(line.refunded <= line.invoiced, "{line:?}");
        assert!(!line.is_virtual || line.shipped.is_zero(), "{line:?}");
    }
    assert!(order.total_refunded <= order.total_paid);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.sequence, i64::try_from(index).unwrap() + 1, "no gaps");
        assert!(entry.caused_by < entry.sequence);
        let before = index.checked_sub(1).map(|index| entries[index].to.clone());
        assert_eq!(entry.from, before, "both sides, always");
        assert_eq!(entry.workflow_version, 7);
    }
    assert_eq!(order::replay(entries).as_ref(), Some(order));
    let progress = Progress::new(workflow, order);
    for code in progress.allowed_operations() {
        let record = Action::RecordOperation {
            operation: code.clone(),
            lines: OperationLines::AllLeft,
            amount: refund_all(graph, order, &code),
        };
        let command = Command {
            context: context(""),
            expected_version: None,
            action: record,
        };
        let answer = order::decide(graph, order, &command, Timestamp::from_micros(5));
        assert!(answer.is_ok(), "{code} is listed as allowed: {answer:?}");
    }
}

/// A refund of money needs its amount named; quantities come by themselves.
fn refund_all(graph: &Graph, order: &Order, code: &OperationCode) -> Option<Money> {
    let operation = graph.workflow().operation(code)?;
    (operation.effect == Effect::Refund)
        .then(|| Progress::new(graph.workflow(), order).total_refundable())
}

fn walk(graph: &Graph, lines: Vec<NewLine>, actions: &[Action]) {
    let Some(mut entries) = created(graph, lines) else {
        return;
    };
    let mut order = order::replay(&entries).unwrap();
    invariants(graph, &order, &entries);
    for (index, action) in actions.iter().enumerate() {
        let now = Timestamp::from_micros(10 + i64::try_from(index).unwrap());
        let command = Command {
            context: context("x"),
            expected_version: Some(order.version),
            action: action.clone(),
        };
        let before = order.clone();
        let answer = order::decide(graph, &order, &command, now);
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
        order = step.iter().fold(order, order::evolve);
        assert!(
            order.total_paid <= order.grand_total.max(before.total_paid),
            "nobody pays more than is due"
        );
        entries.extend(step);
        invariants(graph, &order, &entries);
    }
}

fn hold_and_release(graph: &Graph, lines: Vec<NewLine>, actions: &[Action]) {
    let Some(entries) = created(graph, lines) else {
        return;
    };
    let mut order = order::replay(&entries).unwrap();
    for action in actions {
        let run = |order: &Order, action: &Action| {
            let command = Command {
                context: context("x"),
                expected_version: None,
                action: action.clone(),
            };
            order::decide(graph, order, &command, Timestamp::from_micros(20))
        };
        if let Ok(step) = run(&order, action) {
            order = step.iter().fold(order, order::evolve);
        }
        let Ok(step) = run(
            &order,
            &Action::Hold {
                reason: Reason::default(),
                status: None,
                expire_time: None,
            },
        ) else {
            continue;
        };
        let held = step.iter().fold(order.clone(), order::evolve);
        let Ok(step) = run(&held, &Action::Release { hold: None }) else {
            panic!("a held order can be released")
        };
        let first = order::evolve(held, &step[0]);
        if order.return_to.is_none() {
            assert_eq!(first.standing, order.standing, "exactly what was left");
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
