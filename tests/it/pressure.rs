//! More than the server takes, and clients that do not read: it says so or waits, and stays small.

use std::time::Duration;

use futures::{StreamExt, future::join_all, stream};
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, NoTls};
use tonic::Code;
use waymark_proto::v1::{self, step::Command};
use waymark_tests::{Backend, Refusal, Server, Shop, Watcher, world};

use crate::bench;

on_each_database!(
    what_is_too_much_is_refused_and_may_come_again,
    a_watcher_that_does_not_read_costs_little,
    a_client_that_does_not_read_its_results_is_waited_for,
    a_deadline_does_not_tear_a_step,
);

/// Far below what is written meanwhile.
const GROWTH_MAX_KIB: u64 = 48 * 1024;

async fn start(backend: Backend, settings: &[&str]) -> (Server, Shop) {
    let arguments: Vec<&str> = settings
        .iter()
        .flat_map(|setting| ["--set", *setting])
        .collect();
    let server = Server::start_with(backend, &arguments).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    for order in 0..8 {
        shop.place(&format!("o{order}"), &[]).await;
    }
    (server, shop)
}

async fn what_is_too_much_is_refused_and_may_come_again(backend: Backend) {
    let (server, shop) = start(backend, &["queue_units_max=2", "batch_steps_max=1"]).await;
    let (mut done, mut refused) = (0, 0);
    for _ in 0..20 {
        let storm = (0..100).map(|_| {
            let shop = shop.over(server.clients());
            async move { shop.comment("o0", "x", "").await }
        });
        for answer in join_all(storm).await {
            match answer {
                Ok(_) => done += 1,
                Err(status) => {
                    // That it says when to come again was checked with all that errors promise.
                    let refusal = Refusal::of(&status);
                    assert_eq!(
                        (refusal.code, refusal.reason.as_str()),
                        (Code::ResourceExhausted, "OVERLOADED")
                    );
                    refused += 1;
                }
            }
        }
        if refused > 0 {
            break;
        }
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    assert_eq!(
        shop.get("o0").await.version,
        1 + done,
        "what was refused was not written"
    );
}

async fn a_watcher_that_does_not_read_costs_little(backend: Backend) {
    const COMMENTS: usize = 12_000;
    let (server, shop) = start(backend, &["history_ring_bytes_max=1048576"]).await;
    let mut stuck = Vec::new();
    for _ in 0..4 {
        stuck.push(Watcher::of(&shop.over(server.clients())).await);
    }
    // What a server needs anyway is there by now.
    shop.comment_at_length(1_000).await;
    let before = server.process().memory_kib("VmRSS:");
    shop.comment_at_length(COMMENTS - 1_000).await;
    let grown = server.process().memory_kib("VmRSS:").saturating_sub(before);
    assert!(
        grown < GROWTH_MAX_KIB,
        "the server grew by {grown} KiB while 44 MB were written"
    );
    let slow = &mut stuck[0];
    slow.until(COMMENTS).await;
    let expected: Vec<i64> = (2..).take(COMMENTS / 8).collect();
    assert_eq!(slow.recording().sequences_of(&shop, "o3"), expected);
}

async fn a_client_that_does_not_read_its_results_is_waited_for(backend: Backend) {
    const STEPS: usize = 6_000;
    let (server, shop) = start(backend, &[]).await;
    let before = server.process().memory_kib("VmRSS:");
    let sender = shop.clone();
    let requests = (0..STEPS).map(move |number| v1::StreamStepsRequest {
        correlation_id: number.to_string(),
        step: Some(v1::Step {
            command: Some(Command::AddComment(
                sender.remark(&format!("o{}", number % 8), &"x".repeat(4_000)),
            )),
        }),
    });
    let lazy = shop.over(server.clients());
    let mut results = lazy
        .orders()
        .stream_steps(stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    // Nobody reads. Others are served all the same.
    for _ in 0..50 {
        timeout(Duration::from_secs(10), shop.comment("o0", "meanwhile", ""))
            .await
            .expect("in time")
            .unwrap();
    }
    let grown = server.process().memory_kib("VmRSS:").saturating_sub(before);
    assert!(grown < 2 * GROWTH_MAX_KIB, "the server grew by {grown} KiB");
    let mut answered = 0;
    while let Some(result) = results.next().await {
        assert!(result.unwrap().result.unwrap().error.is_none());
        answered += 1;
    }
    assert_eq!(answered, STEPS);
}

async fn a_deadline_does_not_tear_a_step(backend: Backend) {
    let (_server, shop) = start(backend, &[]).await;
    let (mut late, mut done) = (0, 0);
    for microseconds in (50..8_000).step_by(100) {
        let mut request = tonic::Request::new(shop.remark("o0", "in a hurry"));
        request.set_timeout(Duration::from_micros(microseconds));
        match shop.orders().add_comment(request).await {
            Ok(_) => done += 1,
            Err(status) => {
                assert!(
                    [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()),
                    "{status:?}"
                );
                late += 1;
            }
        }
    }
    assert!(late > 0, "no deadline passed");
    // Each is there whole or not at all, and what was acknowledged is there. A late one may still be on its way, so the
    // order is read first and held against as many entries.
    let order = shop.get("o0").await;
    let mut entries = shop.entries("o0").await;
    assert!(
        entries
            .iter()
            .zip(1..)
            .all(|(entry, sequence)| entry.sequence == sequence)
    );
    assert!(
        (1 + done..=1 + done + late).contains(&entries.len()),
        "{done} done, {late} late, {} entries",
        entries.len()
    );
    entries.truncate(usize::try_from(order.version).unwrap());
    assert_eq!(
        waymark_tests::replay::replay(&entries),
        waymark_tests::replay::facts(order)
    );
}

/// A session that holds the locks of all partitions.
async fn lock_all(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(server.database().url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let locked = "BEGIN; SELECT FROM partitions FOR UPDATE";
    client.batch_execute(locked).await.unwrap();
    client
}

/// Waits until a batch waits for its locks.
async fn until_waiting(client: &Client) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let is_waiting = async {
        while client
            .query_one(waiting, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 0
        {}
    };
    timeout(Duration::from_secs(20), is_waiting)
        .await
        .expect("a batch waits for its locks");
}

/// Who comes behind a batch that waits for its locks has no more patience than who came first.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_behind_a_locked_batch_waits_no_longer_than_the_batch() {
    let (server, shop) = start(Backend::Postgres, &["committers=1", "commit_patience=6s"]).await;
    let stranger = lock_all(&server).await;
    let first = shop.clone();
    let first = tokio::spawn(async move { first.comment("o0", "x", "").await });
    until_waiting(&stranger).await;
    let began = Instant::now();
    let second = shop.comment("o1", "x", "").await;
    assert!(began.elapsed() < Duration::from_millis(9_500));
    for answer in [first.await.unwrap(), second] {
        let refusal = Refusal::of(&answer.unwrap_err());
        assert_eq!(refusal.reason, "DATABASE_UNAVAILABLE");
    }
}

/// A server that stops says of each step what became of it, though nobody gets a lock.
#[tokio::test(flavor = "multi_thread")]
async fn steps_that_wait_for_a_lock_are_answered_before_the_end() {
    let settings = ["committers=1", "batch_steps_max=1", "shutdown_deadline=5s"];
    let (mut server, shop) = start(Backend::Postgres, &settings).await;
    let stranger = lock_all(&server).await;
    let remark = |order: usize| v1::StreamStepsRequest {
        correlation_id: order.to_string(),
        step: Some(v1::Step {
            command: Some(Command::AddComment(shop.remark(&format!("o{order}"), "x"))),
        }),
    };
    let mut requests: Vec<_> = (0..8).map(remark).collect();
    // Answered at once, when those before it are under way.
    requests.push(v1::StreamStepsRequest {
        correlation_id: "unread".to_owned(),
        step: None,
    });
    let answers = shop.orders().stream_steps(stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap();
    assert_eq!(first.correlation_id, "unread");
    until_waiting(&stranger).await;
    server.terminate();
    let mut reasons = Vec::new();
    let end = loop {
        match answers.message().await {
            Ok(Some(answer)) => reasons.push(answer.result.unwrap().error.unwrap().reason),
            Ok(None) => panic!("the stream says why it ends"),
            Err(status) => break Refusal::of(&status),
        }
    };
    assert_eq!(end.reason, "SHUTTING_DOWN");
    reasons.sort_unstable();
    let mut expected = vec!["OUTCOME_UNKNOWN"];
    expected.resize(8, "SHUTTING_DOWN");
    assert_eq!(reasons, expected);
    assert!(server.ended(Duration::from_secs(20)).await.success());
}

/// The same is true of changes, which have their turn one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn changes_that_wait_for_a_lock_are_answered_before_the_end() {
    let (mut server, shop) = start(Backend::Postgres, &["shutdown_deadline=5s"]).await;
    let stranger = lock_all(&server).await;
    let changes = ["one", "other"].map(|code| {
        let shop = shop.clone();
        tokio::spawn(async move { shop.create_status(status(code)).await })
    });
    until_waiting(&stranger).await;
    server.terminate();
    for change in changes {
        let refusal = Refusal::of(&change.await.unwrap().unwrap_err());
        assert_eq!(refusal.reason, "OUTCOME_UNKNOWN");
    }
    server.ended(Duration::from_secs(20)).await;
}

/// Who comes behind a change that waits for its locks has no more patience than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_behind_a_locked_one_waits_no_longer() {
    let (server, shop) = start(Backend::Postgres, &["commit_patience=6s"]).await;
    let stranger = lock_all(&server).await;
    let first = shop.clone();
    let first = tokio::spawn(async move { first.create_status(status("one")).await });
    until_waiting(&stranger).await;
    let began = Instant::now();
    let second = shop.create_status(status("other")).await;
    assert!(began.elapsed() < Duration::from_millis(9_500));
    let refusal = Refusal::of(&second.unwrap_err());
    assert_eq!(refusal.reason, "OVERLOADED");
    let refusal = Refusal::of(&first.await.unwrap().unwrap_err());
    assert_eq!(refusal.reason, "DATABASE_UNAVAILABLE");
}

fn status(code: &str) -> v1::OrderStatus {
    v1::OrderStatus {
        code: code.to_owned(),
        label: code.to_owned(),
        ..v1::OrderStatus::default()
    }
}

/// Another session holds the locks of all partitions: calls wait in front of the database, and
/// behind each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_deadline_passes_in_the_queue_is_not_executed() {
    let (server, shop) = start(Backend::Postgres, &["committers=1"]).await;
    let client = lock_all(&server).await;
    let first = shop.clone();
    let first = tokio::spawn(async move { first.comment("o0", "patient", "").await });
    until_waiting(&client).await;
    for order in 0..8 {
        let mut request = tonic::Request::new(shop.remark(&format!("o{order}"), "in a hurry"));
        request.set_timeout(Duration::from_millis(50));
        let refused = shop.orders().add_comment(request).await.unwrap_err();
        assert!(
            [Code::DeadlineExceeded, Code::Cancelled].contains(&refused.code()),
            "{refused:?}"
        );
    }
    client.batch_execute("COMMIT").await.unwrap();
    first.await.unwrap().unwrap();
    // What is queued now comes behind whatever was queued before.
    for order in 0..8 {
        let id = format!("o{order}");
        shop.comment(&id, "afterwards", "").await.unwrap();
        let comments = shop
            .entries(&id)
            .await
            .into_iter()
            .skip(1)
            .map(|entry| entry.comment);
        let expected: &[&str] = if order == 0 {
            &["patient", "afterwards"]
        } else {
            &["afterwards"]
        };
        assert_eq!(comments.collect::<Vec<_>>(), expected);
    }
}
