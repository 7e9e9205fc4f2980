//! Watching history as it is written.

use std::time::Duration;

use tokio::time::timeout;
use tonic_types::StatusExt;
use waymark_proto::v1::{self, EntryKind, WatchHistoryRequest, WatchStart};

use crate::running::{comment, create, offsets, reason, start, take};

fn from_beginning() -> WatchHistoryRequest {
    WatchHistoryRequest {
        start: WatchStart::Beginning.into(),
        ..WatchHistoryRequest::default()
    }
}

#[tokio::test]
async fn the_first_message_comes_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut stream = server.watch(WatchHistoryRequest::default()).await;
    let first = timeout(Duration::from_secs(5), stream.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(first.checkpoint && first.entries.is_empty() && !first.resume_token.is_empty());
    assert_eq!(first.partition_count, 1);
}

#[tokio::test]
async fn a_watch_from_now_has_what_comes_and_nothing_before() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    create(&mut orders, "1").await;
    let mut stream = server.watch(WatchHistoryRequest::default()).await;
    comment(&mut orders, "1", "a").await;
    comment(&mut orders, "1", "b").await;
    let (entries, _) = take(&mut stream, 2).await;
    assert_eq!(offsets(&entries), [2, 3]);
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.comment.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[tokio::test]
async fn ring_and_database_tell_the_same() {
    for ring_bytes in ["0", "20000", "67108864"] {
        let directory = tempfile::tempdir().unwrap();
        let server = start(directory.path(), &[("history_ring_bytes_max", ring_bytes)]).await;
        let mut orders = server.orders().await;
        create(&mut orders, "1").await;
        let mut early = server.watch(from_beginning()).await;
        for number in 0..300 {
            comment(&mut orders, "1", &number.to_string()).await;
        }
        let mut late = server.watch(from_beginning()).await;
        let expected: Vec<i64> = (1..=301).collect();
        let (entries, _) = take(&mut early, 301).await;
        assert_eq!(offsets(&entries), expected, "ring of {ring_bytes} bytes");
        assert_eq!(
            take(&mut late, 301).await.0,
            entries,
            "ring of {ring_bytes} bytes"
        );
        assert_eq!(server.everything().await, entries);
    }
}

#[tokio::test]
async fn all_that_is_given_must_match() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    for id in ["1", "2"] {
        create(&mut orders, id).await;
        comment(&mut orders, id, "x").await;
    }
    let filtered = WatchHistoryRequest {
        order_ids: vec!["2".to_owned()],
        kinds: vec![EntryKind::Commented.into()],
        ..from_beginning()
    };
    let mut stream = server.watch(filtered).await;
    assert_eq!(offsets(&take(&mut stream, 1).await.0), [4]);
    let filtered = WatchHistoryRequest {
        status_changes_only: true,
        ..from_beginning()
    };
    let mut stream = server.watch(filtered).await;
    assert_eq!(offsets(&take(&mut stream, 2).await.0), [1, 3]);
}

#[tokio::test]
async fn checkpoints_come_while_nothing_matches_and_move_on() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    create(&mut orders, "1").await;
    let request = WatchHistoryRequest {
        order_ids: vec!["none".to_owned()],
        checkpoint_interval: Some(prost_types::Duration {
            seconds: 0,
            nanos: 100_000_000,
        }),
        ..from_beginning()
    };
    let mut stream = server.watch(request).await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let message = stream.message().await.unwrap().unwrap();
        assert!(message.checkpoint && message.entries.is_empty());
        tokens.push(message.resume_token);
    }
    assert_ne!(
        tokens[0], tokens[1],
        "the second one covers the entry that did not match"
    );
    assert_eq!(tokens[1], tokens[2]);
}

#[tokio::test]
async fn wrong_arguments_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut history = server.history().await;
    let cases = [
        (
            "partitions[0]",
            WatchHistoryRequest {
                partitions: vec![1],
                ..WatchHistoryRequest::default()
            },
        ),
        (
            "workflows[0]",
            WatchHistoryRequest {
                workflows: vec!["A".to_owned()],
                ..WatchHistoryRequest::default()
            },
        ),
        (
            "start",
            WatchHistoryRequest {
                resume_token: "x".to_owned(),
                ..from_beginning()
            },
        ),
        (
            "checkpoint_interval",
            WatchHistoryRequest {
                checkpoint_interval: Some(prost_types::Duration {
                    seconds: 0,
                    nanos: 1,
                }),
                ..WatchHistoryRequest::default()
            },
        ),
    ];
    for (field, request) in cases {
        let status = history.watch_history(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{field}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(
            violations
                .iter()
                .map(|v| v.field.as_str())
                .collect::<Vec<_>>(),
            [field]
        );
    }
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_not_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[("history_ring_bytes_max", "50000")]).await;
    let mut orders = server.orders().await;
    create(&mut orders, "1").await;
    let mut slow = server.watch(from_beginning()).await;
    let long = "x".repeat(4000);
    let steps = (0..1000).map(|_| v1::Step {
        command: Some(v1::step::Command::AddComment(v1::AddCommentRequest {
            order_id: "1".to_owned(),
            comment: long.clone(),
            ..v1::AddCommentRequest::default()
        })),
    });
    // More than the windows of a connection hold, so that the server must wait for its reader.
    for chunk in [500, 500] {
        let request = v1::ExecuteStepsRequest {
            steps: steps.clone().take(chunk).collect(),
            ..v1::ExecuteStepsRequest::default()
        };
        orders.execute_steps(request).await.unwrap();
    }
    let (entries, _) = take(&mut slow, 1001).await;
    assert_eq!(offsets(&entries), (1..=1001).collect::<Vec<_>>());
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_until_one_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[("history_streams_max", "2")]).await;
    let first = server.watch(from_beginning()).await;
    let mut second = server.watch(from_beginning()).await;
    let mut history = server.history().await;
    let status = history.watch_history(from_beginning()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert_eq!(reason(&status), "STREAM_LIMIT");
    assert!(status.get_details_retry_info().is_some());
    let all = v1::StreamHistoryRequest::default();
    let status = history.stream_history(all).await.unwrap_err();
    assert_eq!(reason(&status), "STREAM_LIMIT");
    // The server learns of it soon, but not at once.
    drop(first);
    while history.watch_history(from_beginning()).await.is_err() {}
    let message = second.message().await.unwrap().unwrap();
    assert!(message.checkpoint, "the others go on");
}
