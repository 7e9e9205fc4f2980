//! What refusals say, what an update takes as it stands, and what holds and time show.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    actor::{Actor, ActorKind},
    history::{Detail, Entry, evolve},
    order::{
        Action, AttributesPatch, Command, Context, CustomerPatch, Order, Patch, Rejection, Stated,
        StatedLine, Target,
    },
    value::{
        Comment, HOLDS_MAX, HoldId, Label, LineId, Metadata, Money, Period, Reason, Timestamp,
        TransitionCode,
    },
    workflow::{Assignment, Status, Trigger, Workflow, sample},
};

const NOW: Timestamp = Timestamp::from_micros(2_000_000);
const LATER: Timestamp = Timestamp::from_micros(9_000_000_000);

fn command(action: Action) -> Command {
    Command {
        context: sample::context(),
        expected_version: None,
        action,
    }
}

fn take(code: &str, land_on: Option<&str>) -> Command {
    command(Action::Transition(Target::Transition {
        code: TransitionCode::new(code).unwrap(),
        land_on: land_on.map(sample::status),
    }))
}

fn hold(reason: &str, status: Option<&str>) -> Command {
    command(Action::Hold {
        reason: Reason::new(reason).unwrap(),
        status: status.map(sample::status),
        expire_time: None,
    })
}

fn release(id: &str) -> Command {
    command(Action::Release {
        hold: Some(HoldId::new(id).unwrap()),
    })
}

fn update(patch: Patch) -> Command {
    command(Action::Update(patch))
}

fn noted() -> Metadata {
    Metadata::new([("by".to_owned(), "erp".to_owned())].into()).unwrap()
}

fn refusal(graph: &Graph, order: &Order, command: &Command) -> Rejection {
    decide(graph, order, command, NOW).unwrap_err()
}

fn after(graph: &Graph, order: Order, command: &Command) -> Order {
    let entries = decide(graph, &order, command, NOW).unwrap();
    entries.iter().fold(order, evolve)
}

/// The sample with two more statuses of its held state, and a graph of it.
fn with_held_statuses(change: impl FnOnce(&mut Workflow)) -> Graph {
    let mut workflow = sample::workflow();
    for code in ["fraud_hold", "addr_hold"] {
        let status = workflow.status(&sample::status("holded")).unwrap().clone();
        workflow.statuses.push(Status {
            code: sample::status(code),
            label: Label::new(code).unwrap(),
            ..status
        });
        workflow.assignments.push(Assignment {
            state: sample::state("holded"),
            status: sample::status(code),
            is_default: false,
            visible_on_storefront: true,
        });
    }
    change(&mut workflow);
    Graph::new(workflow, 1).unwrap()
}

#[test]
fn a_held_order_says_why_and_by_whom() {
    let (graph, order) = sample::graph_and_order();
    let mut by_anna = hold("Address is being checked", None);
    by_anna.context.actor = Actor {
        kind: ActorKind::User,
        id: "anna".parse().unwrap(),
        ..Actor::unstated()
    };
    let order = after(&graph, order, &by_anna);
    assert_eq!(
        refusal(&graph, &order, &take("close", None)).to_string(),
        "the order is on hold: \"Address is being checked\" (hold 2, by anna)"
    );
    let order = after(&graph, order, &hold("", None));
    let refused = refusal(&graph, &order, &take("close", None));
    assert_eq!(
        refused.to_string(),
        "the order is on hold: hold 3, by an integration, \
         \"Address is being checked\" (hold 2, by anna)"
    );
    let Rejection::OrderHeld { holds } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        holds
            .iter()
            .map(|hold| hold.id.as_str())
            .collect::<Vec<_>>(),
        ["3", "2"]
    );
}

#[test]
fn a_message_tells_of_the_newest_holds_and_how_many_others_there_are() {
    let (graph, mut order) = sample::graph_and_order();
    for _ in 0..HOLDS_MAX {
        order = after(&graph, order, &hold(&"r".repeat(512), None));
    }
    let said = refusal(&graph, &order, &take("close", None)).to_string();
    assert!(said.len() < 1_000, "{said}");
    assert!(
        said.ends_with("(hold 17, by an integration), and 15 more"),
        "{said}"
    );
}

#[test]
fn a_transition_that_does_not_start_here_is_named() {
    let mut workflow = sample::workflow();
    let mut both = sample::transition("both", &["complete"], "closed", Trigger::Manual);
    both.from_statuses = vec![sample::status("packing"), sample::status("complete")];
    let anywhere = sample::transition("to_new", &[], "new", Trigger::Manual);
    workflow.transitions.extend([both, anywhere]);
    let graph = Graph::new(workflow, 1).unwrap();
    let order = sample::order_of(&graph);
    let rest = "the order stands in new/pending; allowed now: none";
    let stays =
        "would leave the order where it is, for which its from_statuses have to name the status";
    for (code, land_on, said) in [
        ("close", None, "starts from complete"),
        ("close", Some("closed"), "starts from complete"),
        ("both", None, "starts from packing, complete in complete"),
        ("to_new", None, stays),
        ("to_new", Some("pending"), stays),
        (
            "start",
            None,
            "is taken when one of invoice, ship is recorded and not by calls",
        ),
        ("complete", None, "is taken automatically and not by calls"),
    ] {
        let refused = refusal(&graph, &order, &take(code, land_on));
        assert_eq!(
            refused.to_string(),
            format!("transition {code} {said}, {rest}")
        );
        assert_eq!(refused.reason(), "TRANSITION_NOT_ALLOWED");
    }
    // By its target, the one that leads there is named too; without one, where it stands.
    let to = command(Action::Transition(Target::Status(sample::status(
        "pending",
    ))));
    let refused = refusal(&graph, &order, &to).to_string();
    assert_eq!(refused, format!("transition to_new {stays}, {rest}"));
    let to = command(Action::Transition(Target::Status(sample::status("closed"))));
    assert_eq!(
        refusal(&graph, &order, &to).to_string(),
        "no transition leads there from new/pending; allowed now: none"
    );
    // Another status of the same state is another place.
    let landed = after(&graph, order, &take("to_new", Some("received")));
    assert_eq!(landed.standing.status, sample::status("received"));
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    let (graph, order) = sample::graph_and_order();
    let same = Patch {
        lines: Some(vec![sample::line("1", "2"), sample::line("2", "1.5")]),
        grand_total: Some(order.grand_total),
        store_view: Some(None),
        attributes: Some(AttributesPatch::Merge(BTreeMap::new())),
        ..Patch::default()
    };
    for patch in [Patch::default(), same.clone()] {
        assert_eq!(decide(&graph, &order, &update(patch), NOW), Ok(Vec::new()));
    }
    let says: [fn(&mut Context); 4] = [
        |context| context.comment = Comment::new("looked at it").unwrap(),
        |context| context.metadata = noted(),
        |context| context.notify_customer = true,
        |context| context.visible_to_customer = true,
    ];
    for say in says {
        let mut told = update(same.clone());
        say(&mut told.context);
        let entries = decide(&graph, &order, &told, NOW).unwrap();
        let details: Vec<_> = entries.iter().map(|entry| &entry.detail).collect();
        assert_eq!(details, [&Detail::Updated(Vec::new())]);
    }
    let mut stale = update(same);
    stale.expected_version = Some(7);
    assert_eq!(refusal(&graph, &order, &stale).reason(), "VERSION_MISMATCH");
}

#[test]
fn an_address_that_stands_may_be_sent_back_and_no_other_that_mails_cannot_go_to() {
    let (graph, mut order) = sample::graph_and_order();
    // As calls could bring it before it was looked at.
    order.customer.email = "a@b.example, c@d.example".parse().unwrap();
    let email = |text: &str| {
        update(Patch {
            customer: CustomerPatch {
                email: Some(text.parse().unwrap()),
                ..CustomerPatch::default()
            },
            ..Patch::default()
        })
    };
    let same = email("a@b.example, c@d.example");
    assert_eq!(decide(&graph, &order, &same, NOW), Ok(Vec::new()));
    assert_eq!(
        refusal(&graph, &order, &email("postmaster")).to_string(),
        "order.customer.email must be an address such as warehouse@example.com"
    );
    for good in ["", "a@b.example"] {
        let mended = after(&graph, order.clone(), &email(good));
        assert_eq!(mended.customer.email.as_str(), good);
    }
}

#[test]
fn lines_and_total_as_they_stand_need_no_edit() {
    let mut workflow = sample::workflow();
    for state in &mut workflow.states {
        state.operations.retain(|code| code.as_str() != "edit");
    }
    let graph = Graph::new(workflow, 1).unwrap();
    let order = sample::order_of(&graph);
    let lines = |second: &str| Patch {
        lines: Some(vec![sample::line("1", "2"), sample::line("2", second)]),
        ..Patch::default()
    };
    assert_eq!(
        decide(&graph, &order, &update(lines("1.5")), NOW),
        Ok(Vec::new())
    );
    let refused = refusal(&graph, &order, &update(lines("1")));
    assert_eq!(refused.reason(), "OPERATION_NOT_ALLOWED");
    let total = Patch {
        grand_total: Some(Money::new(1).unwrap()),
        ..Patch::default()
    };
    assert_eq!(
        refusal(&graph, &order, &update(total)).reason(),
        "OPERATION_NOT_ALLOWED"
    );
}

/// All that an order says of fields that no update changes.
fn stated(order: &Order) -> Stated {
    let lines = order
        .lines
        .iter()
        .enumerate()
        .map(|(index, line)| StatedLine {
            index,
            id: line.id.clone(),
            invoiced: Some(line.invoiced),
            shipped: Some(line.shipped),
            refunded: Some(line.refunded),
            canceled: Some(line.canceled),
            returned: Some(line.returned),
        });
    Stated {
        state: Some(order.standing.state.clone()),
        status: Some(order.standing.status.clone()),
        currency: order.currency.clone(),
        total_paid: Some(order.total_paid),
        total_refunded: Some(order.total_refunded),
        total_canceled: Some(order.total_canceled),
        total_invoiced: Some(order.total_invoiced),
        holds: order.holds.clone(),
        return_state: order.return_to.as_ref().map(|to| to.state.clone()),
        return_status: order.return_to.as_ref().map(|to| to.status.clone()),
        create_time: Some(order.create_time),
        lines: lines.collect(),
    }
}

#[test]
fn fields_that_no_update_changes_are_taken_as_they_stand_and_else_refused_by_name() {
    let (graph, order) = sample::graph_and_order();
    let with = |stated: Stated| {
        update(Patch {
            stated: Some(Box::new(stated)),
            ..Patch::default()
        })
    };
    let mut told = hold("fraud", None);
    told.context.visible_to_customer = true;
    let held = after(&graph, order.clone(), &told);
    for order in [&order, &held] {
        assert_eq!(
            decide(&graph, order, &with(stated(order)), NOW),
            Ok(Vec::new())
        );
    }
    // Whom a release by time tells is no part of what an order shows.
    let mut untold = stated(&held);
    untold.holds[0].visible_to_customer = false;
    assert_eq!(decide(&graph, &held, &with(untold), NOW), Ok(Vec::new()));

    let money = Some(Money::new(100).unwrap());
    let mut wrong = Stated {
        state: Some(sample::state("complete")),
        status: Some(sample::status("complete")),
        currency: Some("USD".parse().unwrap()),
        total_paid: money,
        total_refunded: money,
        total_canceled: money,
        total_invoiced: money,
        holds: held.holds.clone(),
        return_state: Some(sample::state("new")),
        return_status: Some(sample::status("pending")),
        create_time: Some(NOW),
        lines: stated(&order).lines,
    };
    wrong.lines[1].shipped = Some("1".parse().unwrap());
    wrong.lines[1].returned = Some("1".parse().unwrap());
    wrong.lines[0].id = LineId::new("9").unwrap();
    wrong.lines[0].canceled = Some("0.5".parse().unwrap());
    let Rejection::FieldsFixed { fields } = refusal(&graph, &order, &with(wrong)) else {
        panic!("refused for another reason")
    };
    let said: Vec<String> = fields.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "order.state is changed by steps of the workflow only",
            "order.status is changed by steps of the workflow only",
            "order.currency is immutable",
            "order.holds is changed by steps of the workflow only",
            "order.return_state is output only",
            "order.return_status is output only",
            "order.create_time is output only",
            "order.total_paid is changed by steps of the workflow only",
            "order.total_refunded is changed by steps of the workflow only",
            "order.total_canceled is changed by steps of the workflow only",
            "order.total_invoiced is changed by steps of the workflow only",
            "order.lines[0].quantity_canceled is output only",
            "order.lines[1].quantity_shipped is output only",
            "order.lines[1].quantity_returned is output only",
        ]
    );
}

#[test]
fn an_order_shows_the_status_of_its_newest_hold_that_still_stands() {
    let graph = with_held_statuses(|_| {});
    let order = sample::order_of(&graph);
    let mut entries = Vec::new();
    let mut run = |order: Order, command: &Command| {
        let step = decide(&graph, &order, command, NOW).unwrap();
        let order = step.iter().fold(order, evolve);
        entries.extend(step);
        order
    };
    let shown = |order: &Order| order.standing.status.to_string();
    let placed = |order: &Order| {
        let holds = order.holds.iter();
        let placed = holds.map(|hold| hold.status.as_ref().unwrap().to_string());
        placed.collect::<Vec<_>>()
    };
    let order = run(order, &hold("", Some("fraud_hold")));
    let order = run(order, &hold("", Some("addr_hold")));
    // One that names none keeps what is shown.
    let order = run(order, &hold("", None));
    assert_eq!(placed(&order), ["fraud_hold", "addr_hold", "addr_hold"]);
    let order = run(order, &release("4"));
    assert_eq!(shown(&order), "addr_hold");
    let order = run(order, &release("3"));
    assert_eq!(
        (shown(&order).as_str(), placed(&order).len()),
        ("fraud_hold", 1)
    );
    let order = run(order, &hold("", Some("addr_hold")));
    let order = run(order, &release("2"));
    assert_eq!(shown(&order), "addr_hold", "an older one goes");
    let order = run(order, &release("7"));
    assert_eq!(shown(&order), "pending");
    let replayed = entries.iter().fold(sample::order_of(&graph), evolve);
    assert_eq!(replayed, order);
}

#[test]
fn a_status_that_a_hold_placed_may_be_gone() {
    let graph = with_held_statuses(|_| {});
    let order = sample::order_of(&graph);
    let order = after(&graph, order, &hold("", Some("fraud_hold")));
    let order = after(&graph, order, &hold("", Some("addr_hold")));
    let without = with_held_statuses(|workflow| {
        workflow
            .assignments
            .retain(|pair| pair.status != sample::status("fraud_hold"));
    });
    let released = after(&without, order.clone(), &release("3"));
    assert_eq!(released.standing, order.standing);
    // So do holds that were placed before their status was kept.
    let mut old = order.clone();
    old.holds[0].status = None;
    let released = after(&graph, old, &release("3"));
    assert_eq!(released.standing, order.standing);
}

/// The flags of entries: whether the customer may read each, and whether it asks to tell them.
fn flags(entries: &[Entry]) -> Vec<(bool, bool)> {
    let flags = entries
        .iter()
        .map(|entry| (entry.visible_to_customer, entry.notify_customer));
    flags.collect()
}

#[test]
fn a_release_by_time_tells_what_its_hold_told() {
    let graph = with_held_statuses(|workflow| {
        let mut go_on = sample::transition("go_on", &["new"], "processing", Trigger::Automatic);
        go_on.guard = Some(sample::expression("order.version > 3"));
        go_on.notify_customer = true;
        workflow.transitions.push(go_on);
    });
    let order = sample::order_of(&graph);
    let until = |seconds: i64, visible: bool| {
        let mut command = command(Action::Hold {
            reason: Reason::default(),
            status: None,
            expire_time: Some(Timestamp::from_micros(seconds * 1_000_000)),
        });
        command.context.visible_to_customer = visible;
        command.context.notify_customer = visible;
        command
    };
    let order = after(&graph, order, &until(10, false));
    let order = after(&graph, order, &until(20, true));
    let time_up = command(Action::TimeUp);
    let first = Timestamp::from_micros(10_000_000);
    let entries = decide(&graph, &order, &time_up, first).unwrap();
    assert_eq!(flags(&entries), [(false, false)]);
    let order = entries.iter().fold(order, evolve);
    let second = Timestamp::from_micros(20_000_000);
    let entries = decide(&graph, &order, &time_up, second).unwrap();
    // What follows of itself is read where the first entry is, and asks where its transition does.
    assert_eq!(flags(&entries), [(true, true), (true, true)]);
    // A call says for all of its step what the customer is told.
    let entries = decide(
        &graph,
        &order,
        &command(Action::Release { hold: None }),
        first,
    );
    assert_eq!(flags(&entries.unwrap()), [(false, false), (false, false)]);
}

#[test]
fn what_time_does_tells_what_its_transition_says() {
    for (visible, notify) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut workflow = sample::workflow();
        let period = Period::new(Duration::from_mins(1)).unwrap();
        let mut expire = sample::transition("expire", &["new"], "closed", Trigger::After(period));
        expire.visible_to_customer = visible;
        expire.notify_customer = notify;
        workflow.transitions.push(expire);
        let graph = Graph::new(workflow, 1).unwrap();
        let order = sample::order_of(&graph);
        let entries = decide(&graph, &order, &command(Action::TimeUp), LATER).unwrap();
        assert_eq!(flags(&entries), [(visible, notify)]);
    }
}
