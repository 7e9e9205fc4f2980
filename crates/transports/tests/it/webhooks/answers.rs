//! What the status of an answer comes to.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{
    StatusCode,
    header::{CONTENT_ENCODING, RETRY_AFTER},
};
use waymark_transports::{Attempt, Outcome};

use super::{LOOPBACK, post_to, receiver::Receiver, webhooks};

async fn answered(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Attempt {
    let receiver = Receiver::answering(answer).await;
    let attempt = webhooks(LOOPBACK).post(post_to(&receiver.url())).await;
    assert_eq!(receiver.received().len(), 1);
    attempt
}

async fn answered_with(code: u16) -> Attempt {
    let status = StatusCode::try_from(code).unwrap();
    let attempt = answered(move || status.into_response()).await;
    assert_eq!(attempt.code, Some(code));
    attempt
}

async fn rest_asked_with(code: u16, retry_after: &'static str) -> Option<Duration> {
    let status = StatusCode::try_from(code).unwrap();
    let answer = move || (status, [(RETRY_AFTER, retry_after)]).into_response();
    match answered(answer).await.outcome {
        Outcome::Failed { retry_after, .. } => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_status_of_success_is_accepted() {
    for code in [200, 201, 202, 204, 206, 226, 299] {
        assert_eq!(
            answered_with(code).await.outcome,
            Outcome::Accepted,
            "{code}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_may_be_gone() {
    assert_eq!(answered_with(410).await.outcome, Outcome::Gone);
}

#[tokio::test]
async fn every_other_status_failed() {
    for code in [304, 400, 401, 403, 404, 409, 422, 500, 502, 504, 599, 999] {
        let outcome = answered_with(code).await.outcome;
        let Outcome::Failed {
            problem,
            retry_after: None,
        } = outcome
        else {
            panic!("{code}: {outcome:?}");
        };
        assert!(problem.contains(&code.to_string()), "{problem}");
    }
}

#[tokio::test]
async fn an_endpoint_that_asks_for_rest_is_heard() {
    // The attempt is made at 08:49:37 of that day.
    let at_ten_past_nine = "Sun, 06 Nov 1994 09:10:00 GMT";
    for code in [429, 503] {
        let seconds = |text| async move { rest_asked_with(code, text).await.map(|d| d.as_secs()) };
        assert_eq!(seconds("120").await, Some(120));
        assert_eq!(seconds(at_ten_past_nine).await, Some(20 * 60 + 23));
        assert_eq!(seconds("31536000").await, Some(24 * 60 * 60));
        assert_eq!(seconds("tomorrow").await, None);
    }
}

#[tokio::test]
async fn other_failures_ask_for_no_rest() {
    for code in [302, 404, 500, 502] {
        assert_eq!(rest_asked_with(code, "120").await, None, "{code}");
    }
}

#[tokio::test]
async fn the_answer_of_a_failure_is_kept_for_the_merchant() {
    let answer = || (StatusCode::BAD_REQUEST, "no such shop").into_response();
    assert_eq!(answered(answer).await.answer, b"no such shop");
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let answer = || vec![b'x'; 1025].into_response();
    assert_eq!(answered(answer).await.answer, vec![b'x'; 1024]);
}

#[tokio::test]
async fn a_compressed_answer_stays_as_it_came() {
    // "hello" as gzip writes it.
    const ZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    let attempt = answered(|| ([(CONTENT_ENCODING, "gzip")], ZIPPED).into_response()).await;
    assert_eq!(attempt.outcome, Outcome::Accepted);
    assert_eq!(attempt.answer, ZIPPED);
}
