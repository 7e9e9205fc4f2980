//! Resume tokens: what goes on, and what is refused.

use std::{fs, path::Path};

use waymark_proto::v1::{StreamHistoryRequest, WatchHistoryRequest, WatchStart};

use waymark_persistence::{Store, test_access::execute};
use waymark_server::Clock;

use crate::running::{Running, comment, create, offsets, reason, settings, start, take};

async fn token_after(server: &Running, count: usize) -> String {
    let request = WatchHistoryRequest {
        start: WatchStart::Beginning.into(),
        ..WatchHistoryRequest::default()
    };
    take(&mut server.watch(request).await, count).await.1
}

fn after(token: &str) -> WatchHistoryRequest {
    WatchHistoryRequest {
        resume_token: token.to_owned(),
        ..WatchHistoryRequest::default()
    }
}

async fn refusal(server: &Running, token: &str) -> (tonic::Code, String) {
    let status = server
        .history()
        .await
        .watch_history(after(token))
        .await
        .unwrap_err();
    let request = StreamHistoryRequest {
        resume_token: token.to_owned(),
        ..StreamHistoryRequest::default()
    };
    let other = server
        .history()
        .await
        .stream_history(request)
        .await
        .unwrap_err();
    assert_eq!(
        (other.code(), reason(&other)),
        (status.code(), reason(&status))
    );
    (status.code(), reason(&status))
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from.join("test.db"), to.join("test.db")).unwrap();
}

#[tokio::test]
async fn a_token_goes_on_over_a_restart_and_with_other_filters() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    create(&mut orders, "1").await;
    comment(&mut orders, "1", "a").await;
    let token = token_after(&server, 2).await;
    drop(orders);
    server.stop().await;
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    comment(&mut orders, "1", "b").await;
    create(&mut orders, "2").await;
    assert_eq!(
        offsets(&take(&mut server.watch(after(&token)).await, 2).await.0),
        [3, 4]
    );
    let filtered = WatchHistoryRequest {
        order_ids: vec!["2".to_owned()],
        ..after(&token)
    };
    assert_eq!(
        offsets(&take(&mut server.watch(filtered).await, 1).await.0),
        [4]
    );
}

#[tokio::test]
async fn a_stream_ends_with_a_token_from_which_a_watch_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    create(&mut orders, "1").await;
    let request = StreamHistoryRequest::default();
    let mut stream = server
        .history()
        .await
        .stream_history(request)
        .await
        .unwrap()
        .into_inner();
    let (mut found, mut last) = (Vec::new(), None);
    while let Some(message) = stream.message().await.unwrap() {
        found.extend(message.entries.clone());
        last = Some(message);
    }
    let last = last.unwrap();
    assert!(last.checkpoint);
    assert_eq!(offsets(&found), [1]);
    comment(&mut orders, "1", "a").await;
    assert_eq!(
        offsets(
            &take(&mut server.watch(after(&last.resume_token)).await, 1)
                .await
                .0
        ),
        [2]
    );
}

#[tokio::test]
async fn a_token_of_another_deployment_is_foreign() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = start(here.path(), &[]).await;
    create(&mut server.orders().await, "1").await;
    let token = token_after(&server, 1).await;
    let other = start(there.path(), &[]).await;
    create(&mut other.orders().await, "1").await;
    let foreign = (
        tonic::Code::InvalidArgument,
        "RESUME_TOKEN_FOREIGN".to_owned(),
    );
    assert_eq!(refusal(&other, &token).await, foreign);
    let malformed = (
        tonic::Code::InvalidArgument,
        "RESUME_TOKEN_INVALID".to_owned(),
    );
    assert_eq!(refusal(&server, "gibberish").await, malformed);
}

#[tokio::test]
async fn history_that_a_restore_undid_is_recognised() {
    let (here, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = start(here.path(), &[]).await;
    create(&mut server.orders().await, "1").await;
    server.stop().await;
    copy(here.path(), saved.path());
    let server = start(here.path(), &[]).await;
    comment(&mut server.orders().await, "1", "lost").await;
    let token = token_after(&server, 2).await;
    server.stop().await;

    let restored = start(saved.path(), &[]).await;
    let ahead = (tonic::Code::OutOfRange, "RESUME_TOKEN_AHEAD".to_owned());
    assert_eq!(refusal(&restored, &token).await, ahead);
    let mut orders = restored.orders().await;
    let foreign = (
        tonic::Code::InvalidArgument,
        "RESUME_TOKEN_FOREIGN".to_owned(),
    );
    for text in ["at its place", "and after"] {
        comment(&mut orders, "1", text).await;
        assert_eq!(refusal(&restored, &token).await, foreign);
    }
}

#[tokio::test]
async fn history_that_is_no_longer_kept_is_not_passed_over_in_silence() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    create(&mut orders, "1").await;
    let mut tokens = vec![token_after(&server, 1).await];
    for text in ["2", "3", "4"] {
        comment(&mut orders, "1", text).await;
        tokens.push(token_after(&server, tokens.len() + 1).await);
    }
    drop(orders);
    server.stop().await;
    let store = Store::open(settings(directory.path(), &[]).database, Clock::system())
        .await
        .unwrap();
    execute(&store, "DELETE FROM history WHERE log_offset <= 2")
        .await
        .unwrap();

    let server = start(directory.path(), &[]).await;
    let status = server
        .history()
        .await
        .watch_history(after(&tokens[0]))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (tonic::Code::OutOfRange, "RESUME_TOKEN_EXPIRED")
    );
    let metadata = tonic_types::StatusExt::get_details_error_info(&status)
        .unwrap()
        .metadata;
    assert_eq!(
        metadata.get("oldest").map(String::as_str),
        Some("3"),
        "the oldest position: {metadata:?}"
    );
    // Nothing is missing after the second and the third one.
    assert_eq!(
        offsets(&take(&mut server.watch(after(&tokens[1])).await, 2).await.0),
        [3, 4]
    );
    assert_eq!(
        offsets(&take(&mut server.watch(after(&tokens[2])).await, 1).await.0),
        [4]
    );
    let request = WatchHistoryRequest {
        start: WatchStart::Beginning.into(),
        ..WatchHistoryRequest::default()
    };
    let mut stream = server.watch(request).await;
    let first = stream.message().await.unwrap().unwrap().resume_token;
    assert_eq!(
        offsets(&take(&mut server.watch(after(&first)).await, 2).await.0),
        [3, 4]
    );
}
