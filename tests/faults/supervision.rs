//! Tasks that panic in a running server: the process says which one it was, drains and ends, and what it did goes on in
//! another replica, or in the next start.

use std::{fs, path::PathBuf, time::Duration};

use futures::stream;
use tempfile::TempDir;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use waymark_proto::v1::{self, step::Command};
use waymark_tests::{
    Backend, Clients, Shop, ledger,
    load::Run,
    receiver::{Hook, Receiver},
    world::apply,
};

use crate::{
    replica::Replica,
    stage::{CLIENTELE, PATIENCE, Place, WORKFLOW, plans, session},
};

const SETTINGS: [&str; 5] = [
    "webhooks_allowed=127.0.0.0/8",
    "dispatch_lease=3s",
    "dispatch_poll=50ms",
    "feeds_listen=127.0.0.1:0",
    // Nobody is there, and it is tried again and again.
    "nats_servers=nats://127.0.0.1:1",
];

/// How long a process may take to end; its own deadline is 10 seconds.
const END_MAX: Duration = Duration::from_secs(15);

/// The exit code of a server that lost a task.
const FAILED: i32 = 4;

/// Orders that time takes on soon, which is told to an endpoint.
const DOCUMENT: &str = "label: Shop
initial_state: new
statuses: {waiting: {label: Waiting}, gone: {label: Gone}}
states:
  new: {label: New, category: initial, can_start: true, statuses: [waiting]}
  gone: {label: Gone, category: canceled, terminal: true, statuses: [gone]}
transitions:
  expire: {label: Expire, from_statuses: [waiting], to_state: gone, trigger: {after: 100ms}, actions: {tell: {webhook: {endpoint: erp}}}}
";

/// Where a test asks for faults.
struct Faults(TempDir);

impl Faults {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Has a task panic as long as there is the file.
    fn ask(&self, task: &str) -> PathBuf {
        let fault = self.0.path().join(format!("task.{task}"));
        fs::write(&fault, "").unwrap();
        fault
    }

    /// Has a task of a replica panic, and holds the end of its process against what it has to be.
    async fn end(&self, task: &str, replica: &mut Replica) {
        let mut health = replica.clients().health();
        let statuses = health.watch(HealthCheckRequest::default()).await;
        let mut statuses = statuses.unwrap().into_inner();
        let fault = self.ask(task);
        let mut heard = Vec::new();
        while let Ok(Some(answer)) = statuses.message().await {
            heard.push(answer.status());
        }
        let status = replica.ended(END_MAX).await;
        assert_eq!(status.code(), Some(FAILED), "{task}");
        let named = format!("\"task\":\"{task}\"");
        let told = replica.lines("task ended unexpectedly");
        let told = told.iter().filter(|line| line.contains(&named));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 1, "{task}: {told:?}");
        assert!(told[0].contains("\"ERROR\""), "{told:?}");
        assert!(
            heard.contains(&ServingStatus::NotServing),
            "{task}: {heard:?}"
        );
        fs::remove_file(fault).unwrap();
    }
}

/// Who is told, and the orders of which that is.
struct Told {
    receiver: Receiver,
    shop: Shop,
}

impl Told {
    async fn by(clients: &Clients) -> Self {
        let receiver = Receiver::start(|_, _| 200).await;
        let url = receiver.url("erp");
        ledger::create_endpoint(clients, "erp", &url).await.unwrap();
        let shop = apply(clients, "w", DOCUMENT).await;
        Self { receiver, shop }
    }

    /// An order gets into the hands of time, and of the dispatcher.
    async fn of_an_order(&self, id: &str) {
        self.shop.place(id, &[]).await;
        let came = |hook: &Hook| hook.order() == id;
        self.receiver
            .until_all(|hooks| hooks.iter().any(came))
            .await;
    }
}

async fn another_replica_takes_over(name: &str, tasks: &[&str]) {
    let place = Place::fresh(Backend::Postgres).await;
    let faults = Faults::new();
    let mut broken = Replica::start_with_faults(place.url(), &SETTINGS, faults.0.path()).await;
    let other = place.serve(&SETTINGS).await;
    let told = Told::by(&other.clients()).await;
    let servers = [vec![broken.clients(), other.clients()]];
    let run = Run::start(name, WORKFLOW, CLIENTELE, plans(), &servers);
    for task in tasks {
        run.recorder().until_more(50, PATIENCE).await;
        faults.end(task, &mut broken).await;
        told.of_an_order(task).await;
        run.recorder().until_more(20, PATIENCE).await;
        broken.restart().await;
    }
    run.judge(&other.clients()).await;
}

async fn the_next_start_continues(name: &str, tasks: &[&str]) {
    let place = Place::fresh(Backend::Sqlite).await;
    let faults = Faults::new();
    let mut replica = Replica::start_with_faults(place.url(), &SETTINGS, faults.0.path()).await;
    let told = Told::by(&replica.clients()).await;
    let servers = [vec![replica.clients()]];
    let run = Run::start(name, WORKFLOW, CLIENTELE, plans(), &servers);
    for task in tasks {
        run.recorder().until_more(50, PATIENCE).await;
        faults.end(task, &mut replica).await;
        replica.restart().await;
        told.of_an_order(task).await;
    }
    run.judge(&replica.clients()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_lost_a_task_of_steps_is_followed_by_another() {
    let tasks = ["committer", "tailer", "reader", "reader.compile"];
    another_replica_takes_over("supervision-steps", &tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_lost_a_task_of_deliveries_is_followed_by_another() {
    let tasks = ["dispatcher", "timers", "retention", "clocks", "changes"];
    another_replica_takes_over("supervision-deliveries", &tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_lost_a_task_of_connections_is_followed_by_another() {
    let tasks = ["hints.send", "connections", "feeds", "publisher"];
    another_replica_takes_over("supervision-connections", &tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_lost_a_task_is_started_again_on_sqlite() {
    let tasks = [
        "storage.watch",
        "storage.checkpoint",
        "committer",
        "dispatcher",
        "timers",
    ];
    the_next_start_continues("supervision-sqlite", &tasks).await;
}

/// Connections outlive the task that accepts them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_though_nobody_accepts_connections() {
    const STEPS: usize = 8;
    let place = Place::fresh(Backend::Postgres).await;
    let faults = Faults::new();
    let mut replica = Replica::start_with_faults(place.url(), &SETTINGS, faults.0.path()).await;
    let told = Told::by(&replica.clients()).await;
    told.of_an_order("1").await;
    let lock = session(place.url()).await;
    let all = "BEGIN; SELECT FROM partitions FOR UPDATE";
    lock.batch_execute(all).await.unwrap();
    let remark = |number: usize| v1::StreamStepsRequest {
        correlation_id: number.to_string(),
        step: Some(v1::Step {
            command: Some(Command::AddComment(told.shop.remark("1", "It waits."))),
        }),
    };
    let mut requests: Vec<_> = (0..STEPS).map(remark).collect();
    // Answered at once, when those before it are under way.
    requests.push(v1::StreamStepsRequest {
        correlation_id: "unread".to_owned(),
        step: None,
    });
    let answers = told
        .shop
        .orders()
        .stream_steps(stream::iter(requests))
        .await;
    let mut answers = answers.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap();
    assert_eq!(first.correlation_id, "unread");

    faults.ask("connections");
    let ended = replica.line_after(0, "task ended unexpectedly").await;
    let ended = ended.expect("the task ends");
    assert!(ended.contains("\"task\":\"connections\""), "{ended}");
    lock.batch_execute("COMMIT").await.unwrap();
    for number in 0..STEPS {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.correlation_id, number.to_string());
        assert_eq!(answer.result.unwrap().error, None);
    }
    assert_eq!(replica.ended(END_MAX).await.code(), Some(FAILED));
}

/// A panic at a timer costs the order and not the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_that_panics_holds_up_no_other() {
    let place = Place::fresh(Backend::Sqlite).await;
    let faults = Faults::new();
    fs::write(faults.0.path().join("timer.deadly"), "").unwrap();
    let mut replica = Replica::start_with_faults(place.url(), &SETTINGS, faults.0.path()).await;
    let told = Told::by(&replica.clients()).await;
    told.shop.place("deadly", &[]).await;
    for number in 0..3 {
        told.of_an_order(&format!("o{number}")).await;
    }
    let lines = replica.lines("timer paused");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("\"order.id\":\"deadly\""), "{lines:?}");
    assert_eq!(told.shop.get("deadly").await.version, 1);
    assert!(replica.is_running());
}
