//! Endpoints and deliveries as callers see them: secrets are told apart and not shown, and what
//! cannot be read of a delivery is shown as it is stored.

use waymark_domain::{delivery::DeliveryState, value::Timestamp, workflow::Stamp};
use waymark_persistence::{Endpoint, EndpointSecret, StoredDelivery, UnreadableDelivery};
use waymark_proto::{
    convert::{
        delivery::{delivery_to_wire, state_to_wire},
        timestamp_to_wire,
    },
    v1,
};

/// How many digits of a hash tell secrets apart.
const FINGERPRINT_DIGITS: usize = 8;

/// Writes an endpoint as it is at an instant.
pub(super) fn endpoint_to_wire(endpoint: &Endpoint, now: Timestamp) -> v1::Endpoint {
    let Endpoint {
        code,
        url,
        description,
        active,
        problem,
        secrets,
        version: _,
        create_time,
        update_time,
    } = endpoint;
    let valid = secrets.iter().filter(|secret| secret.is_valid(now));
    v1::Endpoint {
        code: code.to_string(),
        url: url.clone(),
        description: description.to_string(),
        active: Some(*active),
        problem: problem.clone(),
        secrets: valid.map(secret_to_wire).collect(),
        etag: etag(endpoint),
        create_time: Some(timestamp_to_wire(*create_time)),
        update_time: Some(timestamp_to_wire(*update_time)),
    }
}

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

/// The etag of an endpoint, as those of workflows.
pub(super) fn etag(endpoint: &Endpoint) -> String {
    let stamp = Stamp {
        version: endpoint.version,
        create_time: endpoint.create_time,
        update_time: endpoint.update_time,
    };
    stamp.etag()
}

fn secret_to_wire(secret: &EndpointSecret) -> v1::EndpointSecret {
    let EndpointSecret {
        secret,
        create_time,
        expire_time,
    } = secret;
    let hash = blake3::hash(secret.as_bytes()).to_hex();
    v1::EndpointSecret {
        create_time: Some(timestamp_to_wire(*create_time)),
        expire_time: expire_time.map(timestamp_to_wire),
        fingerprint: hash.chars().take(FINGERPRINT_DIGITS).collect(),
    }
}
