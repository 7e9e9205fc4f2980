//! Endpoints as callers see them: secrets are told apart and not shown.

use waymark_domain::{value::Timestamp, workflow::Stamp};
use waymark_persistence::{Endpoint, EndpointSecret};
use waymark_proto::{convert::timestamp_to_wire, v1};

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
