//! Signatures, verified by the libraries that receivers in other languages use.

use std::time::SystemTime;

use axum::response::Response;
use serde_json::{Value, json};
use waymark_testkit::standard_webhooks::{node_verifies, python_verifies};
use waymark_transports::Secret;

use super::{LOOPBACK, post_to, receiver::Receiver, webhooks};

#[tokio::test]
async fn the_library_for_python_verifies() {
    let (cases, expected) = cases().await;
    assert_eq!(python_verifies(&cases), expected);
}

#[tokio::test]
async fn the_library_for_node_verifies() {
    let (cases, expected) = cases().await;
    assert_eq!(node_verifies(&cases), expected);
}

/// What a receiver got with each list of secrets, beside the secret that it verifies with; and
/// whether it must succeed.
async fn cases() -> (Vec<Value>, Vec<bool>) {
    let [old, new, other] = [7, 8, 9].map(|byte| Secret::from_random([byte; 32]));
    let both = [new.clone(), old.clone()];
    let mut cases = Vec::new();
    let mut expected = Vec::new();
    for (signed_with, verified_with, verdict) in [
        (&both[1..], &old, true),
        (&both[1..], &new, false),
        (&both[..], &old, true),
        (&both[..], &new, true),
        (&both[..], &other, false),
        (&both[..1], &old, false),
    ] {
        let mut case = received(signed_with).await;
        case["secret"] = verified_with.reveal().into();
        cases.push(case);
        expected.push(verdict);
    }
    let mut altered = received(&both).await;
    altered["secret"] = new.reveal().into();
    altered["body"] = r#"{"type":"order.held","data":{"x":1}}"#.into();
    cases.push(altered);
    expected.push(false);
    (cases, expected)
}

async fn received(secrets: &[Secret]) -> Value {
    let receiver = Receiver::answering(Response::default).await;
    let mut post = post_to(&receiver.url());
    post.secrets = secrets.to_vec();
    post.timestamp = now();
    post.body = r#"{"type":"order.held","data":{"comment":"größer"}}"#.into();
    webhooks(LOOPBACK).post(post).await;
    let (head, body) = receiver.received().pop().unwrap();
    let header = |name| head.headers[name].to_str().unwrap();
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: Value = names.map(|name| (name, header(name))).into_iter().collect();
    json!({ "headers": headers, "body": str::from_utf8(&body).unwrap() })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the libraries compare with the clock of the machine"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}
