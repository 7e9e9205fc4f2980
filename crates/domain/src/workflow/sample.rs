//! A small workflow and order for the tests of this crate.

use std::collections::BTreeMap;

use super::{
    Action, Assignment, Category, CommentStatus, Effect, Operation, Overpayment, RefundedUnits,
    State, Status, StatusSharing, Transition, Trigger, Work, Workflow,
};
use crate::{
    actor::Actor,
    guard::Expression,
    history::replay,
    judge::{Graph, create},
    order::{Context, Customer, NewLine, NewOrder, Order},
    value::{
        ActionCode, Attributes, Comment, Description, Label, LineId, Metadata, Money,
        OperationCode, OrderId, ProductName, Quantity, Sku, StateCode, StatusCode, Timestamp,
        TransitionCode, WorkflowCode,
    },
};

/// The instant at which sample orders are created.
pub(crate) const CREATED: Timestamp = Timestamp::from_micros(1_000_000);

pub(crate) fn status(code: &str) -> StatusCode {
    StatusCode::new(code).unwrap()
}

pub(crate) fn state(code: &str) -> StateCode {
    StateCode::new(code).unwrap()
}

pub(crate) fn transition(code: &str, from: &[&str], to: &str, trigger: Trigger) -> Transition {
    Transition {
        code: TransitionCode::new(code).unwrap(),
        label: Label::new(code).unwrap(),
        description: Description::default(),
        from_statuses: Vec::new(),
        from_states: from.iter().map(|code| state(code)).collect(),
        to_state: state(to),
        to_status: None,
        guard: None,
        trigger,
        operation: None,
        reverse: false,
        visible_to_customer: false,
        notify_customer: false,
        roles: Vec::new(),
        actions: Vec::new(),
        position: 0,
    }
}

pub(crate) fn action(code: &str, work: Work) -> Action {
    Action {
        code: ActionCode::new(code).unwrap(),
        description: Description::default(),
        work,
        condition: None,
        position: 0,
        active: true,
    }
}

pub(crate) fn expression(text: &str) -> Expression {
    Expression::new(text).unwrap()
}

/// New, processing, complete, closed (terminal) and held; invoice and ship lead on.
#[expect(clippy::too_many_lines, reason = "a definition, line by line")]
pub(crate) fn workflow() -> Workflow {
    let operation = |code: &str, effect| Operation {
        code: OperationCode::new(code).unwrap(),
        label: Label::new(code).unwrap(),
        effect,
        roles: Vec::new(),
        guard: None,
        actions: Vec::new(),
    };
    let operations = vec![
        operation("invoice", Effect::Invoice),
        operation("ship", Effect::Ship),
        operation("refund", Effect::Refund),
        operation("cancel", Effect::Cancel),
        operation("pay", Effect::Pay),
        operation("edit", Effect::None),
    ];
    let codes: Vec<_> = operations
        .iter()
        .map(|operation| operation.code.clone())
        .collect();
    let part = |code: &str, category| State {
        code: state(code),
        label: Label::new(code).unwrap(),
        category,
        can_start: category == Category::Initial,
        operations: match category {
            // Neither a hold nor the end lets anything through.
            Category::Held | Category::Closed => Vec::new(),
            Category::Initial | Category::Active | Category::Completed | Category::Canceled => {
                codes.clone()
            }
        },
        holdable: category != Category::Held,
        terminal: category == Category::Closed,
        entry_guard: None,
        position: 0,
        on_enter: Vec::new(),
        on_leave: Vec::new(),
    };
    let assignments = [
        ("closed", "closed", true),
        ("complete", "complete", true),
        ("holded", "holded", true),
        ("new", "pending", true),
        ("new", "received", false),
        ("processing", "processing", true),
        ("processing", "packing", false),
    ];
    let named = |code: &str| Status {
        code: status(code),
        label: Label::new(code).unwrap(),
        store_view_labels: BTreeMap::new(),
        description: Description::default(),
        color: None,
        position: 0,
        retired: false,
        on_enter: Vec::new(),
    };
    let mut complete = transition("complete", &["processing"], "complete", Trigger::Automatic);
    complete.guard = Some(expression("order.fully_invoiced && order.fully_shipped"));
    let on = ["invoice", "ship"]
        .map(|code| OperationCode::new(code).unwrap())
        .to_vec();
    Workflow {
        code: WorkflowCode::new("order").unwrap(),
        label: Label::new("Order").unwrap(),
        description: Description::default(),
        initial_state: state("new"),
        default_store_view: None,
        comment_status: CommentStatus::AnyInState,
        status_sharing: StatusSharing::Exclusive,
        refunded_units: RefundedUnits::StillShip,
        overpayment: Overpayment::Record,
        operations,
        max_cascade: 16,
        states: vec![
            part("closed", Category::Closed),
            part("complete", Category::Completed),
            part("holded", Category::Held),
            part("new", Category::Initial),
            part("processing", Category::Active),
        ],
        statuses: assignments.iter().map(|(_, code, _)| named(code)).collect(),
        assignments: assignments
            .iter()
            .map(|(of, code, is_default)| Assignment {
                state: state(of),
                status: status(code),
                is_default: *is_default,
                visible_on_storefront: true,
            })
            .collect(),
        transitions: vec![
            transition("close", &["complete"], "closed", Trigger::Manual),
            complete,
            transition("start", &["new"], "processing", Trigger::OnOperations(on)),
        ],
        on_create: Vec::new(),
        on_comment: Vec::new(),
    }
}

pub(crate) fn graph() -> Graph {
    Graph::new(workflow(), 1).unwrap()
}

pub(crate) fn context() -> Context {
    Context {
        actor: Actor::unstated(),
        comment: Comment::default(),
        notify_customer: false,
        visible_to_customer: false,
        metadata: Metadata::default(),
        request_id: None,
    }
}

pub(crate) fn line(id: &str, quantity: &str) -> NewLine {
    NewLine {
        id: LineId::new(id).unwrap(),
        sku: Sku::new(&format!("sku-{id}")).unwrap(),
        name: ProductName::default(),
        ordered: quantity.parse::<Quantity>().unwrap(),
        is_virtual: false,
        total: None,
    }
}

pub(crate) fn new_order(graph: &Graph, lines: Vec<NewLine>) -> NewOrder {
    NewOrder {
        workflow: graph.workflow().code.clone(),
        id: OrderId::new("100000001").unwrap(),
        state: None,
        status: None,
        lines,
        currency: None,
        grand_total: Money::new(10_000).unwrap(),
        store_view: None,
        customer: Customer::default(),
        attributes: Attributes::default(),
        expected_version: None,
    }
}

/// An order of two lines: 1 with a quantity of 2, 2 with a quantity of 1.5.
pub(crate) fn order_of(graph: &Graph) -> Order {
    let new = new_order(graph, vec![line("1", "2"), line("2", "1.5")]);
    let entries = create(graph, &new, &context(), CREATED).unwrap();
    replay(&entries).unwrap()
}

pub(crate) fn graph_and_order() -> (Graph, Order) {
    let graph = graph();
    let order = order_of(&graph);
    (graph, order)
}
