//! Webhooks to receivers that behave well, and to peers that do not.

mod addresses;
mod answers;
mod environment;
mod peers;
mod receiver;
mod requests;
mod resolving;
mod signatures;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use waymark_transports::{
    Attempt, CloudEvent, MessageId, Outcome, Post, Secret, WebhookSettings, WebhookUrl, Webhooks,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LOOPBACK: &str = "127.0.0.0/8";
/// Longer than any test takes, so that what ends does not end by it.
const LONG: Duration = Duration::from_mins(1);

fn settings(allowed: &str) -> WebhookSettings {
    WebhookSettings {
        allowed: allowed.parse().unwrap(),
        https_only: false,
    }
}

fn webhooks(allowed: &str) -> Webhooks {
    Webhooks::new(settings(allowed)).unwrap()
}

/// A webhook that tells of a held order.
fn post_to(url: &str) -> Post {
    Post {
        url: WebhookUrl::parse(url).unwrap(),
        id: MessageId::new("msg_17").unwrap(),
        timestamp: 784_111_777,
        secrets: vec![Secret::parse(SECRET).unwrap()],
        event: CloudEvent {
            id: "17".to_owned(),
            source: "/workflows/order".to_owned(),
            kind: "order.held".to_owned(),
            subject: "000000123".to_owned(),
            time: "1994-11-06T08:49:37.000001Z".to_owned(),
            content_type: "application/json".to_owned(),
        },
        body: Bytes::from_static(br#"{"type":"order.held","data":{}}"#),
        timeout: LONG,
    }
}

/// What a failed attempt says; it must have had no answer.
fn problem(attempt: Attempt) -> String {
    assert_eq!((attempt.code, attempt.answer), (None, Vec::new()));
    match attempt.outcome {
        Outcome::Failed {
            problem,
            retry_after: None,
        } => problem,
        other => panic!("{other:?}"),
    }
}
