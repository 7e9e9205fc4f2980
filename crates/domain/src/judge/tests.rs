//! Given an order, when a command, then entries or a refusal.

use super::*;
use crate::{
    actor::{Actor, ActorKind},
    guard::CostBudget,
    history::{Detail, Entry, evolve, replay},
    order::{
        Action, AttributesPatch, Command, LineQuantity, NewLine, OperationLines, Order, Patch,
        Target,
    },
    value::{
        Comment, HOLDS_MAX, HoldId, LineId, Money, OperationCode, Quantity, Reason, Role,
        Timestamp, TransitionCode,
    },
    workflow::{CommentStatus, StatusSharing, Trigger, Workflow, sample},
};

const NOW: Timestamp = Timestamp::from_micros(2_000_000);

fn command(action: Action) -> Command {
    Command {
        context: sample::context(),
        expected_version: None,
        action,
    }
}

fn operation(code: &str, lines: OperationLines) -> Command {
    command(Action::RecordOperation {
        operation: OperationCode::new(code).unwrap(),
        lines,
        amount: None,
        reverse: false,
    })
}

fn given(lines: &[(&str, &str)]) -> OperationLines {
    let lines = lines.iter().map(|(id, quantity)| LineQuantity {
        line_id: LineId::new(id).unwrap(),
        quantity: quantity.parse().unwrap(),
        returned: Quantity::ZERO,
    });
    OperationLines::Given(lines.collect())
}

fn by_code(code: &str) -> Command {
    let code = TransitionCode::new(code).unwrap();
    command(Action::Transition(Target::Transition {
        code,
        land_on: None,
    }))
}

fn hold() -> Command {
    command(Action::Hold {
        reason: Reason::default(),
        status: None,
        expire_time: None,
    })
}

fn release(id: Option<&str>) -> Command {
    command(Action::Release {
        hold: id.map(|id| HoldId::new(id).unwrap()),
    })
}

fn comment(text: &str, status: Option<&str>) -> Command {
    let mut command = command(Action::Comment {
        status: status.map(sample::status),
    });
    command.context.comment = Comment::new(text).unwrap();
    command
}

/// What a run of commands comes to: `state/status` after each step with the number of
/// entries, or the reason of the refusal.
fn run(graph: &Graph, order: &mut Order, commands: &[Command]) -> Vec<String> {
    commands
        .iter()
        .map(|command| match decide(graph, order, command, NOW) {
            Ok(entries) => {
                *order = entries.iter().fold(order.clone(), evolve);
                format!(
                    "{}/{} +{}",
                    order.standing.state,
                    order.standing.status,
                    entries.len()
                )
            }
            Err(rejection) => rejection.reason().to_owned(),
        })
        .collect()
}

fn check(change: impl FnOnce(&mut Workflow), commands: &[Command], expected: &[&str]) -> Order {
    let mut workflow = sample::workflow();
    change(&mut workflow);
    let graph = Graph::new(workflow, 1).unwrap();
    let mut order = sample::order_of(&graph);
    assert_eq!(run(&graph, &mut order, commands), expected);
    order
}

#[test]
fn an_order_of_two_lines_walks_to_closed() {
    let order = check(
        |_| {},
        &[
            operation("invoice", given(&[("1", "2")])),
            operation("ship", OperationLines::AllLeft),
            operation("invoice", OperationLines::AllLeft),
            operation("invoice", OperationLines::AllLeft),
            by_code("close"),
            by_code("close"),
        ],
        &[
            "processing/processing +2",
            "processing/processing +1",
            "complete/complete +2",
            "NOTHING_TO_DO",
            "closed/closed +1",
            "ORDER_TERMINAL",
        ],
    );
    assert_eq!(order.version, 7);
}

#[test]
fn automatic_entries_point_at_their_cause() {
    let (graph, order) = sample::graph_and_order();
    let everything = operation("invoice", OperationLines::AllLeft);
    let entries = decide(&graph, &order, &everything, NOW).unwrap();
    let causes: Vec<_> = entries
        .iter()
        .map(|e| (e.sequence, e.caused_by, e.actor.kind))
        .collect();
    assert_eq!(
        causes,
        [(2, 0, ActorKind::Integration), (3, 2, ActorKind::System)]
    );
    assert_eq!(
        entries[1].transition.as_ref().map(TransitionCode::as_str),
        Some("start")
    );
}

#[test]
fn quantities_are_exact_and_bounded() {
    check(
        |_| {},
        &[
            operation("ship", given(&[("2", "1.5001")])),
            operation("ship", given(&[("2", "1.4999")])),
            operation("ship", given(&[("2", "0.0002")])),
            operation("ship", given(&[("2", "0.0001")])),
            operation("ship", given(&[("3", "1")])),
            operation("refund", OperationLines::AllLeft),
            operation("frobnicate", OperationLines::AllLeft),
            operation("cancel", OperationLines::AllLeft),
            operation("invoice", given(&[("1", "0.0001")])),
        ],
        &[
            "QUANTITY_EXCEEDED",
            "processing/processing +2",
            "QUANTITY_EXCEEDED",
            "processing/processing +1",
            "LINE_NOT_FOUND",
            "NOTHING_TO_DO",
            "OPERATION_NOT_FOUND",
            "processing/processing +1",
            "QUANTITY_EXCEEDED",
        ],
    );
}

#[test]
fn payment_moves_money_and_refunds_are_bounded_by_it() {
    let pay = |amount: Option<i64>| {
        command(Action::RecordOperation {
            operation: OperationCode::new("pay").unwrap(),
            lines: OperationLines::AllLeft,
            amount: amount.map(|amount| Money::new(amount).unwrap()),
            reverse: false,
        })
    };
    let refund = |amount: i64| {
        command(Action::RecordOperation {
            operation: OperationCode::new("refund").unwrap(),
            lines: OperationLines::AmountOnly,
            amount: Some(Money::new(amount).unwrap()),
            reverse: false,
        })
    };
    let refused =
        |workflow: &mut Workflow| workflow.overpayment = crate::workflow::Overpayment::Refuse;
    let order = check(
        refused,
        &[
            refund(1),
            pay(Some(10_001)),
            pay(Some(4_000)),
            pay(None),
            pay(None),
            refund(10_001),
            refund(10_000),
        ],
        &[
            "AMOUNT_EXCEEDED",
            "AMOUNT_EXCEEDED",
            "new/pending +1",
            "new/pending +1",
            "NOTHING_TO_DO",
            "AMOUNT_EXCEEDED",
            "new/pending +1",
        ],
    );
    assert_eq!(
        (order.total_paid, order.total_refunded),
        (order.grand_total, order.grand_total)
    );
}

#[test]
fn several_holds_stand_and_the_last_release_returns() {
    let order = check(
        |_| {},
        &[
            comment("", Some("received")),
            hold(),
            hold(),
            operation("ship", OperationLines::AllLeft),
            by_code("close"),
            comment("still waiting", None),
            release(Some("3")),
            release(Some("3")),
            release(Some("4")),
            release(None),
        ],
        &[
            "new/received +1",
            "holded/holded +1",
            "holded/holded +1",
            "ORDER_HELD",
            "ORDER_HELD",
            "holded/holded +1",
            "holded/holded +1",
            "HOLD_NOT_FOUND",
            "new/received +1",
            "ORDER_NOT_HELD",
        ],
    );
    assert!(order.holds.is_empty() && order.return_to.is_none());
}

#[test]
fn holds_follow_the_state_being_left() {
    let seventeen: Vec<_> = std::iter::repeat_with(hold).take(HOLDS_MAX + 1).collect();
    let mut expected = vec!["holded/holded +1"; HOLDS_MAX];
    expected.push("HOLD_LIMIT");
    check(|_| {}, &seventeen, &expected);
    let not_holdable =
        |workflow: &mut Workflow| workflow.states.iter_mut().for_each(|s| s.holdable = false);
    check(not_holdable, &[hold()], &["STATE_NOT_HOLDABLE"]);
    let without_held =
        |workflow: &mut Workflow| workflow.states.retain(|s| s.code.as_str() != "holded");
    check(without_held, &[hold()], &["STATE_NOT_HOLDABLE"]);
}

#[test]
fn comments_move_the_status_inside_a_state_only() {
    check(
        |_| {},
        &[
            comment("", None),
            comment("hello", None),
            comment("", Some("pending")),
            comment("", Some("received")),
            comment("x", Some("processing")),
            comment("x", Some("nothing")),
        ],
        &[
            "FIELD_INVALID",
            "new/pending +1",
            "FIELD_INVALID",
            "new/received +1",
            "STATUS_NOT_IN_STATE",
            "STATUS_NOT_FOUND",
        ],
    );
    let never = |workflow: &mut Workflow| workflow.comment_status = CommentStatus::Never;
    check(
        never,
        &[comment("x", Some("received"))],
        &["TRANSITION_NOT_ALLOWED"],
    );
    let retired = |workflow: &mut Workflow| {
        workflow
            .statuses
            .iter_mut()
            .filter(|s| s.code.as_str() == "received")
            .for_each(|s| s.retired = true);
    };
    check(
        retired,
        &[comment("x", Some("received"))],
        &["STATUS_RETIRED"],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each kind of target")]
fn targets_find_the_one_way_that_is_declared() {
    let to = |target| command(Action::Transition(target));
    let add = |workflow: &mut Workflow| {
        workflow.transitions.push(sample::transition(
            "pack",
            &["new", "processing"],
            "processing",
            Trigger::Manual,
        ));
    };
    let (processing, packing) = (sample::state("processing"), sample::status("packing"));
    check(
        add,
        &[to(Target::Status(packing.clone()))],
        &["processing/packing +1"],
    );
    check(
        add,
        &[to(Target::State(processing.clone()))],
        &["processing/processing +1"],
    );
    check(
        add,
        &[to(Target::Standing(processing.clone(), packing.clone()))],
        &["processing/packing +1"],
    );
    check(
        add,
        &[to(Target::KeepStatus(processing.clone()))],
        &["STATUS_NOT_IN_STATE"],
    );
    check(
        add,
        &[to(Target::Standing(
            processing.clone(),
            sample::status("pending"),
        ))],
        &["STATUS_NOT_IN_STATE"],
    );
    check(
        add,
        &[to(Target::State(sample::state("closed")))],
        &["TRANSITION_NOT_ALLOWED"],
    );
    check(
        add,
        &[to(Target::State(sample::state("nowhere")))],
        &["STATE_NOT_FOUND"],
    );
    check(add, &[by_code("start")], &["TRANSITION_NOT_ALLOWED"]);
    check(add, &[by_code("nothing")], &["TRANSITION_NOT_FOUND"]);
    let twice = |workflow: &mut Workflow| {
        add(workflow);
        workflow.transitions.push(sample::transition(
            "pack_too",
            &["new"],
            "processing",
            Trigger::Manual,
        ));
    };
    check(
        twice,
        &[to(Target::Status(packing.clone())), by_code("pack_too")],
        &["TRANSITION_AMBIGUOUS", "processing/processing +1"],
    );
    let shared = |workflow: &mut Workflow| {
        add(workflow);
        workflow.status_sharing = StatusSharing::Shared;
        workflow.assignments.push(crate::workflow::Assignment {
            state: processing.clone(),
            status: sample::status("pending"),
            is_default: false,
            visible_on_storefront: true,
        });
    };
    check(
        shared,
        &[to(Target::KeepStatus(processing.clone()))],
        &["processing/pending +1"],
    );
}

#[test]
fn self_steps_need_their_status_named() {
    let loops = |from_statuses: &'static [&'static str]| {
        move |workflow: &mut Workflow| {
            let mut again = sample::transition("again", &[], "new", Trigger::Manual);
            again.from_statuses = from_statuses
                .iter()
                .map(|code| sample::status(code))
                .collect();
            workflow.transitions.push(again);
        }
    };
    check(
        loops(&["pending"]),
        &[by_code("again"), by_code("again")],
        &["new/pending +1", "new/pending +1"],
    );
    check(
        loops(&[]),
        &[
            by_code("again"),
            comment("", Some("received")),
            by_code("again"),
        ],
        &[
            "TRANSITION_NOT_ALLOWED",
            "new/received +1",
            "new/pending +1",
        ],
    );
}

#[test]
fn roles_guards_and_entry_guards_are_asked_in_turn() {
    let guarded = |workflow: &mut Workflow| {
        let mut ship = sample::transition("finish", &["new"], "complete", Trigger::Manual);
        ship.roles = vec![Role::new("manager").unwrap()];
        ship.guard = Some(sample::expression("request.comment != ''"));
        ship.operation = Some(OperationCode::new("invoice").unwrap());
        workflow.transitions.push(ship);
        let complete = workflow
            .states
            .iter_mut()
            .find(|s| s.code.as_str() == "complete")
            .unwrap();
        complete.entry_guard = Some(sample::expression(
            "order.fully_invoiced && order.attributes.ready == 'yes'",
        ));
    };
    let finish = |role: &str, text: &str| {
        let mut command = by_code("finish");
        command.context.comment = Comment::new(text).unwrap();
        command.context.actor = Actor {
            roles: vec![Role::new(role).unwrap()],
            ..Actor::unstated()
        };
        command
    };
    let ready = |value: &str| {
        let map = [("ready".to_owned(), Some(value.to_owned()))].into();
        command(Action::Update(Patch {
            attributes: Some(AttributesPatch::Merge(map)),
            ..Patch::default()
        }))
    };
    let order = check(
        guarded,
        &[
            finish("clerk", ""),
            finish("manager", ""),
            finish("manager", "go"),
            ready("no"),
            finish("manager", "go"),
            ready("yes"),
            finish("manager", "go"),
        ],
        &[
            "ROLE_REQUIRED",
            "GUARD_REFUSED",
            "ENTRY_GUARD_REFUSED",
            "new/pending +1",
            "ENTRY_GUARD_REFUSED",
            "new/pending +1",
            "complete/complete +1",
        ],
    );
    assert_eq!(order.lines[0].invoiced, order.lines[0].ordered);
}

#[test]
fn a_failing_automatic_guard_is_noted_and_the_call_succeeds() {
    let failing = |workflow: &mut Workflow| {
        let mut automatic = sample::transition("never", &["new"], "closed", Trigger::Automatic);
        automatic.guard = Some(sample::expression("order.attributes.missing == 'x'"));
        workflow.transitions.push(automatic);
    };
    let mut workflow = sample::workflow();
    failing(&mut workflow);
    let graph = Graph::new(workflow, 1).unwrap();
    let order = sample::order_of(&graph);
    let entries = decide(&graph, &order, &comment("hello", None), NOW).unwrap();
    let note = entries[0]
        .metadata
        .as_map()
        .get("waymark.guard_failed")
        .unwrap();
    assert!(
        note.starts_with("never: ") && note.contains("missing"),
        "{note}"
    );
}

#[test]
fn endless_cascades_are_refused_whole() {
    let endless = |workflow: &mut Workflow| {
        workflow.transitions = vec![
            sample::transition("go", &["new"], "processing", Trigger::Manual),
            sample::transition("there", &["processing"], "complete", Trigger::Automatic),
            sample::transition("back", &["complete"], "processing", Trigger::Automatic),
        ];
    };
    let order = check(endless, &[by_code("go")], &["CASCADE_LIMIT"]);
    assert_eq!(order.version, 1);
}

#[test]
fn stale_callers_are_refused() {
    let mut stale = comment("x", None);
    stale.expected_version = Some(2);
    let mut fresh = comment("x", None);
    fresh.expected_version = Some(1);
    check(
        |_| {},
        &[stale, fresh.clone(), fresh],
        &["VERSION_MISMATCH", "new/pending +1", "VERSION_MISMATCH"],
    );
}

#[test]
fn lines_change_where_the_state_allows_edit_and_never_below_what_was_done() {
    let lines = |lines: Vec<NewLine>| {
        command(Action::Update(Patch {
            lines: Some(lines),
            ..Patch::default()
        }))
    };
    let (one, two) = (sample::line("1", "2"), sample::line("2", "1.5"));
    check(
        |_| {},
        &[
            lines(vec![one.clone(), two.clone(), sample::line("3", "1")]),
            operation("invoice", given(&[("1", "1")])),
            lines(vec![two.clone()]),
            lines(vec![sample::line("1", "0.5"), two.clone()]),
            lines(vec![sample::line("1", "1"), two.clone()]),
            lines(vec![one.clone(), one.clone()]),
            lines(vec![sample::line("1", "0")]),
        ],
        &[
            "new/pending +1",
            "processing/processing +2",
            "QUANTITY_EXCEEDED",
            "QUANTITY_EXCEEDED",
            "processing/processing +1",
            "FIELD_INVALID",
            "FIELD_INVALID",
        ],
    );
    let no_edit = |workflow: &mut Workflow| {
        workflow
            .states
            .iter_mut()
            .for_each(|s| s.operations.retain(|o| o.as_str() != "edit"));
    };
    check(no_edit, &[lines(vec![one])], &["OPERATION_NOT_ALLOWED"]);
}

#[test]
fn orders_start_where_they_may() {
    let graph = sample::graph();
    let start = |state: Option<&str>, status: Option<&str>| {
        let mut new = sample::new_order(&graph, vec![sample::line("1", "1")]);
        new.state = state.map(sample::state);
        new.status = status.map(sample::status);
        match create(&graph, &new, &sample::context(), NOW) {
            Ok(entries) => entries[0].to.status.to_string(),
            Err(rejection) => rejection.reason().to_owned(),
        }
    };
    assert_eq!(start(None, None), "pending");
    assert_eq!(start(Some("new"), Some("received")), "received");
    assert_eq!(start(Some("new"), Some("packing")), "STATUS_NOT_IN_STATE");
    assert_eq!(start(Some("processing"), None), "STATE_CANNOT_START");
    assert_eq!(start(Some("holded"), None), "STATE_CANNOT_START");
    assert_eq!(start(Some("nowhere"), None), "STATE_NOT_FOUND");
    assert_eq!(start(None, Some("nothing")), "STATUS_NOT_FOUND");
}

#[test]
fn available_says_what_the_executing_code_says() {
    let (graph, order) = sample::graph_and_order();
    let judged = available_within(&CostBudget::new(), &graph, &order, &Actor::unstated(), NOW);
    for (code, answer) in judged {
        let executed = decide(&graph, &order, &by_code(code.as_str()), NOW);
        assert_eq!(answer.err(), executed.err());
    }
}

#[test]
fn what_would_cascade_without_end_is_not_available() {
    let mut workflow = sample::workflow();
    workflow.transitions = vec![
        sample::transition("go", &["new"], "processing", Trigger::Manual),
        sample::transition("there", &["processing"], "complete", Trigger::Automatic),
        sample::transition("back", &["complete"], "processing", Trigger::Automatic),
    ];
    let graph = Graph::new(workflow, 1).unwrap();
    let order = sample::order_of(&graph);
    let judged = available_within(&CostBudget::new(), &graph, &order, &Actor::unstated(), NOW);
    let reasons: Vec<_> = judged
        .iter()
        .map(|(_, answer)| answer.as_ref().unwrap_err().reason())
        .collect();
    assert_eq!(reasons, ["CASCADE_LIMIT"]);
}

#[test]
fn entries_of_a_creation_replay_to_the_order() {
    let graph = sample::graph();
    let new = sample::new_order(&graph, vec![sample::line("1", "1")]);
    let entries: Vec<Entry> = create(&graph, &new, &sample::context(), NOW).unwrap();
    let Detail::Created(created) = &entries[0].detail else {
        panic!("first entry")
    };
    assert_eq!(replay(&entries).as_ref(), Some(&**created));
}
