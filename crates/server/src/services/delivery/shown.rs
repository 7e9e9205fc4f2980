//! Deliveries as callers see them: what cannot be read of one is shown as it is stored.

use waymark_domain::delivery::DeliveryState;
use waymark_persistence::{StoredDelivery, UnreadableDelivery};
use waymark_proto::{
    convert::{
        delivery::{delivery_to_wire, state_to_wire},
        timestamp_to_wire,
    },
    v1,
};

/// Writes a delivery, without its attempts and decisions.
pub(super) fn stored_to_wire(stored: &StoredDelivery) -> v1::Delivery {
    match stored {
        StoredDelivery::Readable(delivery) => delivery_to_wire(delivery),
        StoredDelivery::Unreadable(unreadable) => unreadable_to_wire(unreadable),
    }
}

/// Writes a delivery that cannot be read as far as it can. One whose state cannot is a dead letter:
/// nobody will send it.
fn unreadable_to_wire(unreadable: &UnreadableDelivery) -> v1::Delivery {
    let state = unreadable.state.unwrap_or(DeliveryState::Dead);
    v1::Delivery {
        id: unreadable.id.clone(),
        workflow: unreadable.workflow.clone(),
        order_id: unreadable.order_id.clone(),
        sequence: unreadable.sequence,
        order_version: unreadable.order_version,
        transition: unreadable.transition.clone(),
        action: unreadable.action.clone(),
        kind: unreadable.kind.clone(),
        destination: unreadable.destination.clone(),
        state: state_to_wire(state).into(),
        attempt_count: unreadable.attempts.max(0),
        problem: unreadable.problem.clone(),
        due_time: unreadable.due_time.map(timestamp_to_wire),
        create_time: Some(timestamp_to_wire(unreadable.create_time)),
        update_time: Some(timestamp_to_wire(unreadable.update_time)),
        attempts: Vec::new(),
        decisions: Vec::new(),
    }
}
