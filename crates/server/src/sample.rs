//! Steps for tests.

use waymark_domain::{
    actor::Actor,
    order::{Context, Customer, NewOrder},
    value::{Attributes, Comment, Metadata, Money, OrderId, WorkflowCode},
};
use waymark_persistence::{Step, StepChange};

/// The workflow of the orders.
pub(crate) fn workflow() -> WorkflowCode {
    WorkflowCode::new("order").unwrap()
}

/// What a call says besides its action: nothing.
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

/// Creates an order without lines.
pub(crate) fn creation(id: OrderId, context: Context) -> Step {
    let order = NewOrder {
        workflow: workflow(),
        id: id.clone(),
        state: None,
        status: None,
        lines: Vec::new(),
        currency: None,
        grand_total: Money::default(),
        store_view: None,
        customer: Customer::default(),
        attributes: Attributes::default(),
        expected_version: None,
    };
    Step {
        workflow: workflow(),
        order_id: id,
        request: None,
        change: StepChange::Create(Box::new(order), context),
    }
}
