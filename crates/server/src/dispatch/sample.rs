//! A delivery for tests.

use waymark_domain::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    history::{Destination, LogPosition},
    partition::Partition,
    value::{EndpointCode, OrderId, Timestamp, WorkflowCode},
};

/// A delivery to an endpoint that was set off at this offset and has not been tried.
pub(super) fn delivery(endpoint: &str, offset: i64) -> Delivery {
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
