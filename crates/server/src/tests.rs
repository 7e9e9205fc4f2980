//! A store, steps and a delivery for tests.

use tempfile::TempDir;
use waymark_domain::{
    actor::Actor,
    delivery::{Delivery, DeliveryId, DeliveryState},
    history::{Destination, LogPosition},
    order::{Context, Customer, NewOrder},
    partition::Partition,
    value::{Attributes, Comment, EndpointCode, Metadata, Money, OrderId, Timestamp, WorkflowCode},
};
use waymark_persistence::{Clock, DatabaseUrl, Settings, Step, StepChange, Store};

/// A store on SQLite, in a directory that goes with the first of the two.
pub(crate) async fn store() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let settings = Settings::new(DatabaseUrl::parse(&url).unwrap());
    let store = Store::open(settings, Clock::system()).await.unwrap();
    (directory, store)
}

/// The workflow of the orders.
pub(crate) fn workflow() -> WorkflowCode {
    WorkflowCode::new("order").unwrap()
}

/// The context of a call that says nothing besides its action.
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

/// A delivery to an endpoint that was set off at this offset and has not been tried.
pub(crate) fn delivery(endpoint: &str, offset: i64) -> Delivery {
    let partition = Partition::new(0);
    let time = Timestamp::from_micros(offset);
    Delivery {
        id: DeliveryId {
            position: LogPosition { partition, offset },
            number: 0,
        },
        workflow: WorkflowCode::new("w").unwrap(),
        order_id: OrderId::new("1").unwrap(),
        sequence: 1,
        order_version: 1,
        transition: None,
        action: "create.tell".parse().unwrap(),
        to: Destination::Endpoint(EndpointCode::new(endpoint).unwrap()),
        lane: format!("webhook.{endpoint}"),
        state: DeliveryState::Pending,
        attempts: 0,
        problem: String::new(),
        due_time: Some(time),
        create_time: time,
        update_time: time,
    }
}
