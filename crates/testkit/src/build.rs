//! Builders with sensible defaults: a test states only what it is about.

use std::collections::BTreeMap;

use waymark_domain::{
    actor::Actor,
    order::{Action, Command, Context, Customer, NewLine, NewOrder, OperationLines, Target},
    preset,
    value::{
        ActorId, Attributes, Comment, LineId, Metadata, Money, OperationCode, OrderId, ProductName,
        Quantity, Reason, RequestId, Sku, StateCode, StatusCode, TransitionCode, WorkflowCode,
    },
    workflow::{
        Workflow,
        document::{Mode, apply},
    },
};
use waymark_persistence::{
    Committed, Refusal, Request, Step, StepChange, StepError, Store, Unit, UnitMode, UnitOutcome,
};

/// A preset under a code.
pub fn workflow(preset: &str, code: &str) -> Workflow {
    let document = preset::find(preset).unwrap().parse().unwrap();
    apply(None, &document, Mode::Replace, Some(&workflow_code(code))).unwrap()
}

/// A workflow code.
pub fn workflow_code(code: &str) -> WorkflowCode {
    WorkflowCode::new(code).unwrap()
}

/// The workflow `order`, which every fixture has.
pub fn order_workflow() -> WorkflowCode {
    workflow_code("order")
}

/// A state code.
pub fn state(code: &str) -> StateCode {
    StateCode::new(code).unwrap()
}

/// A status code.
pub fn status(code: &str) -> StatusCode {
    StatusCode::new(code).unwrap()
}

/// An order id.
pub fn order_id(id: &str) -> OrderId {
    OrderId::new(id).unwrap()
}

/// An actor.
pub fn actor() -> Actor {
    Actor {
        id: ActorId::new("tester").unwrap(),
        ..Actor::unstated()
    }
}

/// What a call says besides its action: nothing.
pub fn context() -> Context {
    Context {
        actor: actor(),
        comment: Comment::default(),
        notify_customer: false,
        visible_to_customer: false,
        metadata: Metadata::default(),
        request_id: None,
    }
}

/// An order of one line of two pieces.
pub fn new_order(id: &str) -> NewOrder {
    let line = NewLine {
        id: LineId::new("1").unwrap(),
        sku: Sku::new("MUG").unwrap(),
        name: ProductName::new("Mug").unwrap(),
        ordered: Quantity::whole(2).unwrap(),
        is_virtual: false,
        total: None,
    };
    NewOrder {
        workflow: order_workflow(),
        id: order_id(id),
        state: None,
        status: None,
        lines: vec![line],
        currency: None,
        grand_total: Money::default(),
        store_view: None,
        customer: Customer::default(),
        attributes: Attributes::default(),
        expected_version: None,
    }
}

/// Creates an order.
pub fn create(id: &str) -> Step {
    create_as(new_order(id))
}

/// Creates this order.
pub fn create_as(new: NewOrder) -> Step {
    Step {
        workflow: new.workflow.clone(),
        order_id: new.id.clone(),
        request: None,
        change: StepChange::Create(Box::new(new), context()),
    }
}

/// Creates an order of a customer, with an attribute `channel`.
pub fn create_for(id: &str, customer: &str, channel: &str) -> Step {
    let attributes = BTreeMap::from([("channel".to_owned(), channel.to_owned())]);
    create_as(NewOrder {
        customer: Customer {
            id: ActorId::new(customer).unwrap(),
            ..Customer::default()
        },
        attributes: Attributes::new(attributes).unwrap(),
        ..new_order(id)
    })
}

/// Comments on an order of a workflow that does not exist.
pub fn unknown_workflow(id: &str) -> Step {
    Step {
        workflow: workflow_code("unknown"),
        ..comment(id, "x")
    }
}

/// Does something with an order of the workflow `order`.
pub fn act(id: &str, action: Action) -> Step {
    let command = Command {
        context: context(),
        expected_version: None,
        action,
    };
    Step {
        workflow: order_workflow(),
        order_id: order_id(id),
        request: None,
        change: StepChange::Change(command),
    }
}

/// Comments on an order.
pub fn comment(id: &str, text: &str) -> Step {
    let mut step = act(id, Action::Comment { status: None });
    if let StepChange::Change(command) = &mut step.change {
        command.context.comment = Comment::new(text).unwrap();
    }
    step
}

/// Moves an order to another status of its state.
pub fn move_to(id: &str, to: &str) -> Step {
    act(
        id,
        Action::Comment {
            status: Some(status(to)),
        },
    )
}

/// Records an operation for all that is left.
pub fn record(id: &str, operation: &str) -> Step {
    let operation = OperationCode::new(operation).unwrap();
    act(
        id,
        Action::RecordOperation {
            operation,
            lines: OperationLines::AllLeft,
            amount: None,
            reverse: false,
        },
    )
}

/// Puts an order on hold.
pub fn hold(id: &str) -> Step {
    act(
        id,
        Action::Hold {
            reason: Reason::default(),
            status: None,
            expire_time: None,
        },
    )
}

/// Releases all holds of an order.
pub fn release(id: &str) -> Step {
    act(id, Action::Release { hold: None })
}

/// Takes a transition.
pub fn transition(id: &str, code: &str) -> Step {
    act(
        id,
        Action::Transition(Target::Transition {
            code: TransitionCode::new(code).unwrap(),
            land_on: None,
        }),
    )
}

/// The step, expected to find the order at a version.
#[must_use]
pub fn expecting(mut step: Step, version: i64) -> Step {
    if let StepChange::Change(command) = &mut step.change {
        command.expected_version = Some(version);
    }
    step
}

/// The step under a request id; the fingerprint is the same number sixteen times.
#[must_use]
pub fn requested(mut step: Step, id: &str, fingerprint: u8) -> Step {
    step.request = Some(request(id, fingerprint));
    step
}

/// A request id and a fingerprint.
pub fn request(id: &str, fingerprint: u8) -> Request {
    Request {
        id: RequestId::new(id).unwrap(),
        fingerprint: [fingerprint; 16],
    }
}

/// Steps that stand for themselves.
pub fn separate(steps: Vec<Step>) -> Unit {
    Unit {
        steps,
        mode: UnitMode::Separate,
        return_orders: true,
    }
}

/// Steps of which all happen or none.
pub fn atomic(steps: Vec<Step>) -> Unit {
    Unit {
        steps,
        mode: UnitMode::Atomic,
        return_orders: true,
    }
}

/// Commits one step.
///
/// # Errors
/// Returns why it was refused or failed.
pub async fn commit(store: &Store, step: Step) -> Result<Committed, StepError> {
    match store
        .commit(vec![separate(vec![step])])
        .await
        .units
        .pop()
        .unwrap()
    {
        Ok(UnitOutcome::Done(mut steps)) => steps.pop().unwrap(),
        Ok(UnitOutcome::Refused { .. }) => panic!("a separate unit was refused as a whole"),
        Err(error) => Err(StepError::Failed(error)),
    }
}

/// Commits one step that must succeed.
pub async fn done(store: &Store, step: Step) -> Committed {
    commit(store, step).await.unwrap()
}

/// Commits one step that a rule must refuse.
pub async fn refused(store: &Store, step: Step) -> Refusal {
    match commit(store, step).await {
        Err(StepError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Commits steps, each for itself, in one unit.
pub async fn all(store: &Store, steps: Vec<Step>) -> Vec<Result<Committed, StepError>> {
    let committed = store.commit(vec![separate(steps)]).await;
    match committed.units.into_iter().next().unwrap() {
        Ok(UnitOutcome::Done(steps)) => steps,
        other => panic!("not done: {other:?}"),
    }
}
