//! What first tries are told: where to go instead.

use super::*;
use crate::{
    order::{Action, Command, NewOrder, OperationLines, Target},
    value::{OperationCode, Timestamp, TransitionCode},
    workflow::{Trigger, Workflow, sample},
};

const NOW: Timestamp = Timestamp::from_micros(2_000_000);

/// The sample workflow with a way that a guard opens and one of time.
fn graph() -> Graph {
    let mut workflow = sample::workflow();
    let mut review = sample::transition("review", &["new"], "complete", Trigger::Automatic);
    review.guard = Some(sample::expression("order.grand_total >\n 50000"));
    let period = "30days".parse().unwrap();
    let forget = sample::transition("forget", &["new"], "closed", Trigger::After(period));
    workflow.transitions.extend([review, forget]);
    Graph::new(workflow, 1).unwrap()
}

fn said(graph: &Graph, action: Action) -> String {
    let order = sample::order_of(graph);
    let command = Command {
        context: sample::context(),
        expected_version: None,
        action,
    };
    decide(graph, &order, &command, NOW)
        .unwrap_err()
        .to_string()
}

fn transition(code: &str) -> Action {
    Action::Transition(Target::Transition {
        code: TransitionCode::new(code).unwrap(),
        land_on: None,
    })
}

fn operation(code: &str) -> Action {
    Action::RecordOperation {
        operation: OperationCode::new(code).unwrap(),
        lines: OperationLines::AllLeft,
        amount: None,
        reverse: false,
    }
}

fn to_status(code: &str) -> Action {
    Action::Transition(Target::Status(sample::status(code)))
}

fn to_state(code: &str) -> Action {
    Action::Transition(Target::State(sample::state(code)))
}

fn comment(status: &str) -> Action {
    Action::Comment {
        status: Some(sample::status(status)),
    }
}

#[test]
fn a_name_that_is_something_else_is_told_what_it_is() {
    let graph = graph();
    for (action, expected) in [
        (
            transition("ship"),
            "there is no transition ship; ship is an operation: use RecordOperation",
        ),
        (
            transition("hold"),
            "there is no transition hold; use HoldOrder to put an order on hold",
        ),
        (
            transition("release"),
            "there is no transition release; use ReleaseOrder to end a hold",
        ),
        (
            transition("processing"),
            "there is no transition processing; processing is a state: give it as `to.state`",
        ),
        (
            transition("packing"),
            "there is no transition packing; packing is a status, of processing: give it as `to_status`",
        ),
        (
            transition("clsoe"),
            "there is no transition clsoe; did you mean close?",
        ),
        (
            to_state("packing"),
            "there is no state packing; packing is a status, of processing: give it as `to_status`",
        ),
        (
            to_state("procesing"),
            "there is no state procesing; did you mean processing?",
        ),
        (
            to_status("new"),
            "there is no status new; new is a state: give it as `to.state`",
        ),
        (
            to_status("pendnig"),
            "there is no status pendnig; did you mean pending?",
        ),
        (
            transition("unheard_of_word"),
            "there is no transition unheard_of_word",
        ),
    ] {
        assert_eq!(said(&graph, action), expected);
    }
}

#[test]
fn an_operation_or_a_comment_is_told_where_to_go() {
    let graph = graph();
    for (action, expected) in [
        (
            operation("close"),
            "there is no operation close; close is a transition: use TransitionOrder",
        ),
        (
            operation("start"),
            "there is no operation start; start is a transition that is taken when one of invoice, ship is recorded",
        ),
        (
            operation("forget"),
            "there is no operation forget; forget is a transition that is taken by time",
        ),
        (
            operation("shipp"),
            "there is no operation shipp; the operations are ship, invoice, refund, cancel, pay, edit",
        ),
        (
            comment("packing"),
            "status packing is not assigned to state new; it belongs to processing, \
             and a comment sets statuses of the present state: use TransitionOrder",
        ),
        (
            comment("holded"),
            "status holded is not assigned to state new; use HoldOrder to put an order on hold",
        ),
        (comment("new"), "there is no status new; new is a state"),
    ] {
        assert_eq!(said(&graph, action), expected);
    }
}

#[test]
fn a_target_that_no_call_reaches_is_told_what_leads_there() {
    let graph = graph();
    for (action, expected) in [
        (to_state("holded"), "use HoldOrder to put an order on hold"),
        (to_status("holded"), "use HoldOrder to put an order on hold"),
        (
            to_status("processing"),
            "start leads there when one of invoice, ship is recorded",
        ),
        (
            to_state("processing"),
            "start leads there when one of invoice, ship is recorded",
        ),
        (
            to_state("complete"),
            "review leads there by itself, as soon as order.grand_total >  50000",
        ),
        (to_state("closed"), "forget leads there by time"),
    ] {
        let expected =
            format!("no transition leads there from new/pending; allowed now: none; {expected}");
        assert_eq!(said(&graph, action), expected);
    }
    // It lands on the default of its state, so nothing leads to another status.
    assert_eq!(
        said(&graph, to_status("packing")),
        "no transition leads there from new/pending; allowed now: none"
    );
}

#[test]
fn a_status_without_its_state_is_told_which_that_is() {
    let graph = graph();
    let refused = |new: NewOrder| {
        create(&graph, &new, &sample::context(), NOW)
            .unwrap_err()
            .to_string()
    };
    let new = NewOrder {
        status: Some(sample::status("packing")),
        ..sample::new_order(&graph, Vec::new())
    };
    assert_eq!(
        refused(new.clone()),
        "status packing is not assigned to state new; an order without a state begins in the initial one, \
         and the status belongs to processing"
    );
    let named = NewOrder {
        state: Some(sample::state("new")),
        ..new
    };
    assert_eq!(
        refused(named),
        "status packing is not assigned to state new; it belongs to processing"
    );
}

#[test]
fn a_hint_has_the_reason_of_its_refusal_and_is_short() {
    let mut workflow: Workflow = sample::workflow();
    let mut long = sample::transition("long", &["new"], "complete", Trigger::Automatic);
    long.guard = Some(sample::expression(
        &["order.grand_total < 0"; 12].join(" || "),
    ));
    workflow.transitions = vec![long];
    let graph = Graph::new(workflow, 1).unwrap();
    let order = sample::order_of(&graph);
    let command = Command {
        context: sample::context(),
        expected_version: None,
        action: to_state("complete"),
    };
    let refusal = decide(&graph, &order, &command, NOW).unwrap_err();
    assert_eq!(refusal.reason(), "TRANSITION_NOT_ALLOWED");
    let said = refusal.to_string();
    assert!(said.len() < 300 && said.ends_with("..."), "{said}");
}
