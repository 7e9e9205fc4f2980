//! What a receiver gets.

use axum::response::{IntoResponse, Response};
use http::{Method, header::LOCATION};
use waymark_transports::{Outcome, WebhookSettings, Webhooks};

use super::{LOOPBACK, post_to, problem, receiver::Receiver, settings, webhooks};

#[tokio::test]
async fn a_webhook_is_one_post_with_all_its_headers() {
    let receiver = Receiver::answering(|| "taken".into_response()).await;

    let attempt = webhooks(LOOPBACK).post(post_to(&receiver.url())).await;

    assert_eq!(attempt.outcome, Outcome::Accepted);
    assert_eq!(attempt.answer, b"taken");
    let requests = receiver.received();
    let [(head, body)] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.uri, "/hooks?from=waymark");
    assert_eq!(body, r#"{"type":"order.held","data":{}}"#);
    let version = concat!("waymark/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-length", "31"),
        ("user-agent", version),
        ("webhook-id", "msg_17"),
        ("webhook-timestamp", "784111777"),
        ("ce-specversion", "1.0"),
        ("ce-id", "17"),
        ("ce-source", "/workflows/order"),
        ("ce-type", "order.held"),
        ("ce-subject", "000000123"),
        ("ce-time", "1994-11-06T08:49:37.000001Z"),
    ] {
        let values: Vec<_> = head.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
    for absent in ["accept-encoding", "authorization", "cookie", "referer"] {
        assert!(!head.headers.contains_key(absent), "{absent}");
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let elsewhere = Receiver::answering(Response::default).await;
    let target = elsewhere.url();
    for code in [301, 302, 303, 307, 308] {
        let location = target.clone();
        let answer = move || (http_status(code), [(LOCATION, location.clone())]).into_response();
        let receiver = Receiver::answering(answer).await;

        let attempt = webhooks(LOOPBACK).post(post_to(&receiver.url())).await;

        assert_eq!(attempt.code, Some(code));
        let problem = format!("the endpoint answered {code}; redirects are not followed");
        assert_eq!(
            attempt.outcome,
            Outcome::Failed {
                problem,
                retry_after: None
            }
        );
    }
    assert_eq!(elsewhere.received().len(), 0);
}

#[tokio::test]
async fn plain_http_is_refused_where_the_settings_demand_tls() {
    let receiver = Receiver::answering(Response::default).await;
    let settings = WebhookSettings {
        https_only: true,
        ..settings(LOOPBACK)
    };

    let attempt = Webhooks::new(settings)
        .unwrap()
        .post(post_to(&receiver.url()))
        .await;

    assert_eq!(problem(attempt), "the URL must begin with https://");
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn nothing_goes_out_unsigned() {
    let receiver = Receiver::answering(Response::default).await;
    let mut post = post_to(&receiver.url());
    post.secrets.clear();

    let attempt = webhooks(LOOPBACK).post(post).await;

    assert_eq!(problem(attempt), "the endpoint has no valid secret");
    assert_eq!(receiver.received().len(), 0);
}

fn http_status(code: u16) -> http::StatusCode {
    code.try_into().unwrap()
}
