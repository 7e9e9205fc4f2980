//! How a server stops: streams end with a token, calls in flight finish.

use std::time::Duration;

use tokio::time::timeout;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use waymark_proto::v1::{self, WatchHistoryRequest};
use waymark_server::Stopped;

use crate::running::{comment, create, offsets, reason, start, take};

const SOON: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_watch_ends_with_a_token_and_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    let mut stream = server.watch(WatchHistoryRequest::default()).await;
    create(&mut orders, "1").await;
    take(&mut stream, 1).await;
    server.stop.gently.cancel();
    let last = stream.message().await.unwrap().unwrap();
    assert!(last.checkpoint && last.entries.is_empty());
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "SHUTTING_DOWN")
    );
    assert_eq!(
        timeout(SOON, server.ended()).await.unwrap(),
        Stopped::Drained
    );

    let server = start(directory.path(), &[]).await;
    comment(&mut server.orders().await, "1", "a").await;
    let request = WatchHistoryRequest {
        resume_token: last.resume_token,
        ..WatchHistoryRequest::default()
    };
    assert_eq!(
        offsets(&take(&mut server.watch(request).await, 1).await.0),
        [2]
    );
}

#[tokio::test]
async fn those_who_watch_the_health_hear_of_it_and_do_not_hold_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest {
        service: "waymark.v1.OrderService".to_owned(),
    };
    let mut stream = health.watch(request).await.unwrap().into_inner();
    let mut heard = Vec::new();
    while heard.last() != Some(&ServingStatus::Serving) {
        heard.push(stream.message().await.unwrap().unwrap().status());
    }
    server.stop.gently.cancel();
    assert_eq!(
        stream.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert_eq!(
        timeout(SOON, server.ended()).await.unwrap(),
        Stopped::Drained
    );
}

#[tokio::test]
async fn steps_that_were_sent_are_answered_and_an_idle_stream_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    create(&mut orders, "1").await;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut stream = orders
        .stream_steps(ReceiverStream::new(receiver))
        .await
        .unwrap()
        .into_inner();
    let step = v1::Step {
        command: Some(v1::step::Command::AddComment(v1::AddCommentRequest {
            order_id: "1".to_owned(),
            comment: "a".to_owned(),
            ..v1::AddCommentRequest::default()
        })),
    };
    let message = v1::StreamStepsRequest {
        correlation_id: "7".to_owned(),
        step: Some(step),
    };
    sender.send(message).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().correlation_id, "7");
    server.stop.gently.cancel();
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        timeout(SOON, server.ended()).await.unwrap(),
        Stopped::Drained
    );
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_at_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[("shutdown_deadline", "300ms")]).await;
    // A request whose body never ends.
    let (sender, receiver) =
        tokio::sync::mpsc::channel::<tonic_reflection::pb::v1::ServerReflectionRequest>(1);
    let mut reflection =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(
            server.channel().await,
        );
    let stream = reflection
        .server_reflection_info(ReceiverStream::new(receiver))
        .await
        .unwrap();
    assert_eq!(
        timeout(SOON, server.stop()).await.unwrap(),
        Stopped::DeadlinePassed
    );
    drop((sender, stream));
}

#[tokio::test]
async fn told_twice_it_stops_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[("shutdown_deadline", "1h")]).await;
    let (sender, receiver) =
        tokio::sync::mpsc::channel::<tonic_reflection::pb::v1::ServerReflectionRequest>(1);
    let mut reflection =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(
            server.channel().await,
        );
    let stream = reflection
        .server_reflection_info(ReceiverStream::new(receiver))
        .await
        .unwrap();
    server.stop.gently.cancel();
    server.stop.now.cancel();
    assert_eq!(
        timeout(SOON, server.ended()).await.unwrap(),
        Stopped::AtOnce
    );
    drop((sender, stream));
}
