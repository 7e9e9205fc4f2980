//! SIGTERM, SIGINT and SIGHUP: calls in flight finish, streams end with a token, health says so, and then the process ends.

use std::time::Duration;

use futures::{StreamExt, stream};
use rustix::process::Signal;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use waymark_proto::v1::{self, step::Command};
use waymark_tests::{
    Backend, Refusal, Server, Shop, Watcher, backend::Database, binary, log::Log, process::Process,
    refused, server::migrate, world,
};

use crate::bench;

on_each_database!(
    watchers_get_a_last_token,
    health_says_that_it_stops,
    calls_in_flight_finish,
    an_interrupt_stops_too,
    a_hangup_stops_gently_however_often_it_comes,
    a_hangup_that_was_ignored_stays_so,
    a_client_that_does_not_read_is_not_waited_for,
    streamed_steps_are_answered_before_the_end,
);

/// Above the server's own deadline of ten seconds.
const END_MAX: Duration = Duration::from_secs(20);

async fn start(backend: Backend) -> (Server, Shop) {
    let server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    (server, shop)
}

async fn watchers_get_a_last_token(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    let mut watcher = Watcher::of(&shop).await;
    let mut idle = Watcher::of(&shop).await;
    shop.place("1", &[]).await;
    watcher.until(1).await;
    server.terminate();
    let refusal = Refusal::of(&watcher.ended().await);
    assert_eq!(
        (refusal.code, refusal.reason.as_str()),
        (Code::Unavailable, "SHUTTING_DOWN")
    );
    assert_eq!(Refusal::of(&idle.ended().await).code, Code::Unavailable);
    assert!(server.ended(END_MAX).await.success());
    server.restart().await;
    let shop = shop.over(server.clients());
    shop.place("2", &[]).await;
    for watcher in [&mut watcher, &mut idle] {
        watcher.resume(&shop).await;
        watcher.until(2).await;
        let mut ids: Vec<_> = watcher
            .recording()
            .entries()
            .iter()
            .map(|entry| entry.order_id.as_str())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, ["1", "2"], "no entry is lost or repeated");
    }
}

async fn health_says_that_it_stops(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    let mut health = shop
        .health()
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    let first = health.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    server.terminate();
    let next = health
        .message()
        .await
        .unwrap()
        .expect("it says so before it ends");
    assert_eq!(next.status(), ServingStatus::NotServing);
    assert!(server.ended(END_MAX).await.success());
}

async fn calls_in_flight_finish(backend: Backend) {
    const WRITERS: usize = 8;
    let (mut server, shop) = start(backend).await;
    for writer in 0..WRITERS {
        shop.place(&format!("o{writer}"), &[]).await;
    }
    let write = |writer: usize| {
        let shop = shop.over(server.clients());
        tokio::spawn(async move {
            let mut acknowledged = 0_i64;
            loop {
                match shop.comment(&format!("o{writer}"), "x", "").await {
                    Ok(_) => acknowledged += 1,
                    // Refused by the server, or by the transport once nobody listens any more.
                    Err(status) => return (writer, acknowledged, status),
                }
            }
        })
    };
    let writers: Vec<_> = (0..WRITERS).map(write).collect();
    while shop.get("o0").await.version < 10 {}
    server.terminate();
    let mut results = Vec::new();
    for writer in writers {
        results.push(writer.await.unwrap());
    }
    assert!(server.ended(END_MAX).await.success());
    server.restart().await;
    let shop = shop.over(server.clients());
    for (writer, acknowledged, status) in results {
        // The server says UNAVAILABLE where nothing was written; a transport that went away cannot say.
        let by_server = !status.details().is_empty();
        assert!(
            !by_server || status.code() == Code::Unavailable,
            "{status:?}"
        );
        let version = shop.get(&format!("o{writer}")).await.version - 1;
        let unsure = i64::from(!by_server);
        assert!(
            (acknowledged..=acknowledged + unsure).contains(&version),
            "{acknowledged} acknowledged, {version} written: {status:?}"
        );
    }
}

async fn an_interrupt_stops_too(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    shop.place("1", &[]).await;
    server.process().signal(Signal::INT);
    assert!(server.ended(END_MAX).await.success());
    server.restart().await;
    assert_eq!(shop.over(server.clients()).get("1").await.version, 1);
}

async fn a_hangup_stops_gently_however_often_it_comes(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    let mut watcher = Watcher::of(&shop).await;
    shop.place("1", &[]).await;
    watcher.until(1).await;
    for _ in 0..3 {
        server.process().signal(Signal::HUP);
    }
    let refusal = Refusal::of(&watcher.ended().await);
    assert_eq!(refusal.reason, "SHUTTING_DOWN");
    assert!(server.ended(END_MAX).await.success());
}

async fn a_hangup_that_was_ignored_stays_so(backend: Backend) {
    let database = Database::empty(backend).await;
    if backend == Backend::Postgres {
        migrate(&database);
    }
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        database.url(),
    ];
    let waymark = binary::command(&serve);
    // As `nohup` does, which writes to a file of its own.
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(waymark.get_program())
        .args(waymark.get_args());
    let log = Log::default();
    let mut process = Process::start(command, &log, database.directory());
    let listens = |line: &str| line.contains("listening on").then_some(());
    log.find(0, END_MAX, listens).await.expect("it listens");
    process.signal(Signal::HUP);
    process.signal(Signal::TERM);
    assert!(process.ended(END_MAX).await.unwrap().success());
    let stopped = log.after(0).into_iter();
    assert_eq!(stopped.filter(|line| line.contains("at once")).count(), 0);
}

async fn a_client_that_does_not_read_is_not_waited_for(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    for order in 0..4 {
        shop.place(&format!("o{order}"), &[]).await;
    }
    // A connection of its own, whose messages nobody takes.
    let _stuck = Watcher::of(&shop.over(server.clients())).await;
    let step = |number: usize| v1::Step {
        command: Some(Command::AddComment(
            shop.remark(&format!("o{}", number % 4), &"x".repeat(4_000)),
        )),
    };
    for _ in 0..4 {
        let request = v1::ExecuteStepsRequest {
            steps: (0..200).map(step).collect(),
            ..Default::default()
        };
        shop.orders().execute_steps(request).await.unwrap();
    }
    server.terminate();
    server.ended(END_MAX).await;
}

async fn streamed_steps_are_answered_before_the_end(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    shop.place("1", &[]).await;
    let sender = shop.clone();
    let step = move |number: usize| v1::StreamStepsRequest {
        correlation_id: number.to_string(),
        step: Some(v1::Step {
            command: Some(Command::AddComment(sender.remark("1", &number.to_string()))),
        }),
    };
    // A stream without end.
    let requests = stream::iter((0..).map(step));
    let mut answers = shop
        .orders()
        .stream_steps(requests)
        .await
        .unwrap()
        .into_inner();
    let mut answered = 0_i64;
    let end = loop {
        match answers.next().await {
            Some(Ok(answer)) => {
                assert!(
                    answer
                        .result
                        .unwrap()
                        .error
                        .is_none_or(|error| error.code == Code::Unavailable as i32)
                );
                answered += 1;
            }
            Some(Err(status)) => break Some(status),
            None => break None,
        }
        if answered == 50 {
            server.terminate();
        }
    };
    let end = Refusal::of(&end.expect("the stream does not end in order"));
    assert_eq!(
        (end.code, end.reason.as_str()),
        (Code::Unavailable, "SHUTTING_DOWN")
    );
    assert!(server.ended(END_MAX).await.success());
    server.restart().await;
    let shop = shop.over(server.clients());
    let written = shop.get("1").await.version - 1;
    assert!(
        written <= answered,
        "{written} written, {answered} answered"
    );
    refused(shop.find("2").await, Code::NotFound, "ORDER_NOT_FOUND");
}
