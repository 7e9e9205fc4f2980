//! Work during which the process ends, again and again: it is parked or given up by name, and the rest goes on.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use waymark_proto::v1::DeliveryState;
use waymark_tests::{
    Backend, Clients, Shop, ledger,
    receiver::{Hook, Receiver},
    turning,
    world::apply,
};

use crate::{replica::Replica, stage::Place};

const SETTINGS: [&str; 3] = [
    "webhooks_allowed=127.0.0.0/8",
    "dispatch_lease=300ms",
    "dispatch_poll=50ms",
];
const PROBLEM: &str = "the service ended three times while this was being delivered";
const PATIENCE: Duration = Duration::from_secs(30);

/// What an order tells when it turns.
const ACTIONS: &str = "{tell: {webhook: {endpoint: erp}, attempts: 50, backoff: 10ms}, \
                       crm: {webhook: {endpoint: crm}, attempts: 50, backoff: 10ms}}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_ends_the_service_is_given_up_by_name_on_sqlite() {
    a_delivery_that_ends_the_service_is_given_up_by_name(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_ends_the_service_is_given_up_by_name_on_postgres() {
    a_delivery_that_ends_the_service_is_given_up_by_name(Backend::Postgres).await;
}

/// Creates an order and lets it turn; gives the id of its delivery to `erp`.
async fn turn(shop: &Shop, id: &str) -> String {
    shop.place(id, &[]).await;
    let turned = shop.take(id, "turn").await.unwrap();
    let erp = turned.entries[0]
        .set_off
        .iter()
        .find(|set_off| set_off.destination == "erp");
    erp.unwrap().delivery_id.clone()
}

async fn endpoints(clients: &Clients, receiver: &Receiver) {
    for endpoint in ["erp", "crm"] {
        let created = ledger::create_endpoint(clients, endpoint, &receiver.url(endpoint)).await;
        created.unwrap();
    }
}

/// The process that serves a database.
fn serving(url: &str) -> Option<Pid> {
    let mut all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let process = all.find(|entry| {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains("\0serve\0") && command.contains(&format!("\0{url}\0"))
    })?;
    Pid::from_raw(process.file_name().to_str()?.parse().ok()?)
}

async fn a_delivery_that_ends_the_service_is_given_up_by_name(backend: Backend) {
    let place = Place::fresh(backend).await;
    // What ends the service as soon as it says something about this order to this endpoint.
    let is_deadly = Arc::new(AtomicBool::new(true));
    let (deadly, url) = (Arc::clone(&is_deadly), place.url().to_owned());
    let receiver = Receiver::start(move |hook, _| {
        let is_poison = hook.order() == "poison" && hook.path == "erp";
        if is_poison && deadly.load(Ordering::SeqCst) {
            let process = serving(&url).unwrap();
            kill_process(process, Signal::KILL).unwrap();
        }
        200
    })
    .await;
    let mut replica = Replica::start(place.url(), &SETTINGS).await;
    endpoints(&replica.clients(), &receiver).await;
    let document = turning::document([("turn", ACTIONS)]);
    let shop = apply(&replica.clients(), "w", &document).await;
    let mut others = BTreeSet::new();
    for number in 0..5 {
        others.insert(turn(&shop, &format!("a{number}")).await);
    }
    shop.place("poison", &[]).await;
    // The answer may be lost with the process.
    let _ = shop.take("poison", "turn").await;
    replica.ended(PATIENCE).await;
    for _ in 1..3 {
        replica.start_again();
        replica.ended(PATIENCE).await;
    }
    replica.restart().await;
    let clients = replica.clients();
    let shop = Shop::new(clients.clone(), "w");
    let entries = shop.entries("poison").await;
    let mut set_off = entries[1].set_off.iter();
    let poison = set_off.find(|set_off| set_off.destination == "erp");
    let poison = poison.unwrap().delivery_id.clone();
    let dead = ledger::until(&clients, &poison, DeliveryState::Dead).await;
    assert_eq!((dead.problem.as_str(), dead.attempt_count), (PROBLEM, 0));
    // The others go on, also those of the same order and to the same endpoint.
    others.insert(turn(&shop, "b").await);
    for id in &others {
        ledger::until(&clients, id, DeliveryState::Succeeded).await;
    }
    let hooks = receiver.hooks();
    let came = |order: &str, path: &str| {
        let of = |hook: &&Hook| hook.order() == order && hook.path == path;
        hooks.iter().filter(of).count()
    };
    assert_eq!(came("poison", "erp"), 3);
    assert!(came("poison", "crm") >= 1);
    // Whoever has it tried again, has it tried.
    is_deadly.store(false, Ordering::SeqCst);
    ledger::retry(&clients, &poison).await.unwrap();
    ledger::until(&clients, &poison, DeliveryState::Succeeded).await;
    assert!(replica.is_running());
}
