//! What steps set off, carried to a real receiver.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::OnceCell;
use tonic::Code;
use waymark_proto::v1::{self, DeliveryState};
use waymark_testkit::execute_at;
use waymark_tests::{
    Backend, Server, Shop, ledger,
    receiver::{Hook, Receiver},
    refused, turning,
    world::{apply, fresh_code},
};

on_each_database!(
    a_webhook_is_repeated_until_it_is_taken,
    one_order_goes_in_turn_and_holds_up_no_other,
    what_is_given_up_waits_for_a_decision,
    an_endpoint_that_is_gone_is_switched_off,
    what_waits_survives_a_restart,
    a_target_that_fails_is_probed_by_one_delivery_at_a_time,
    what_is_old_and_done_with_is_removed,
    what_no_server_takes_waits_and_the_log_says_so,
);

static SQLITE: OnceCell<Server> = OnceCell::const_new();
static POSTGRES: OnceCell<Server> = OnceCell::const_new();

const SETTINGS: [&str; 6] = [
    "--set",
    "webhooks_allowed=127.0.0.0/8",
    "--set",
    "dispatch_lease=500ms",
    "--set",
    "dispatch_poll=50ms",
];

/// A server whose webhooks may reach this machine.
pub(crate) async fn server(backend: Backend) -> &'static Server {
    let cell = match backend {
        Backend::Sqlite => &SQLITE,
        Backend::Postgres => &POSTGRES,
    };
    cell.get_or_init(|| Server::start_with(backend, &SETTINGS))
        .await
}

/// A workflow whose orders tell an endpoint each time they turn.
async fn shop(server: &Server, endpoint: &str, policy: &str) -> Shop {
    let tell = format!("{{tell: {{webhook: {{endpoint: {endpoint}}}, {policy}}}}}");
    let document = turning::document([("turn", tell)]);
    apply(&server.clients(), &fresh_code(), &document).await
}

pub(crate) async fn endpoint(server: &Server, url: String) -> String {
    let code = fresh_code();
    let created = ledger::create_endpoint(&server.clients(), &code, &url).await;
    created.unwrap();
    code
}

/// Lets an order turn, and gives the id of the delivery.
async fn turn(shop: &Shop, id: &str) -> String {
    let turned = shop.take(id, "turn").await.unwrap();
    let entry = turned.entries.first().unwrap();
    entry.set_off.first().unwrap().delivery_id.clone()
}

async fn until(server: &Server, delivery_id: &str, state: DeliveryState) -> v1::Delivery {
    ledger::until(&server.clients(), delivery_id, state).await
}

async fn a_webhook_is_repeated_until_it_is_taken(backend: Backend) {
    let server = server(backend).await;
    let receiver = Receiver::start(|_, before| if before < 2 { 500 } else { 204 }).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let shop = shop(server, &code, "backoff: 20ms").await;
    shop.place("1", &[("a", "1")]).await;
    let id = turn(&shop, "1").await;
    let hooks = receiver.until(3).await;
    let ids: BTreeSet<&str> = hooks.iter().map(Hook::id).collect();
    assert_eq!(ids.len(), 1, "a repeat has the same id");
    let first = hooks.first().unwrap();
    assert!(first.id().ends_with(&id), "{}", first.id());
    assert!(first.header("webhook-signature").starts_with("v1,"));
    assert_eq!(first.header("ce-type"), "dev.waymark.order.transitioned");
    assert_eq!(first.body["type"], "order.transitioned");
    assert_eq!(first.body["data"]["entry"]["transition"], "turn");
    assert_eq!(first.body["data"]["order"]["lines"][0]["id"], "a");
    let bodies: BTreeSet<String> = hooks.iter().map(|hook| hook.body.to_string()).collect();
    assert_eq!(bodies.len(), 1, "a repeat says the same");
    let delivery = until(server, &id, DeliveryState::Succeeded).await;
    let codes: Vec<_> = delivery
        .attempts
        .iter()
        .map(|attempt| attempt.code)
        .collect();
    assert_eq!(codes, [500, 500, 204]);
    assert_eq!(delivery.attempts[0].answer, b"noted");
}

async fn one_order_goes_in_turn_and_holds_up_no_other(backend: Backend) {
    let server = server(backend).await;
    // The first delivery of the stuck order fails for a while.
    let receiver = Receiver::start(|hook, before| match hook.order() {
        "stuck" if before < 6 && hook.body["data"]["entry"]["sequence"] == "2" => 503,
        _ => 200,
    })
    .await;
    let code = endpoint(server, receiver.url("erp")).await;
    let shop = shop(server, &code, "backoff: 1ms").await;
    for id in ["stuck", "free"] {
        shop.place(id, &[]).await;
    }
    for _ in 0..3 {
        turn(&shop, "stuck").await;
    }
    for _ in 0..3 {
        turn(&shop, "free").await;
    }
    let hooks = receiver.until(7 + 2 + 3).await;
    let sequences = |id: &str| -> Vec<String> {
        let of_order = hooks.iter().filter(|hook| hook.order() == id);
        of_order
            .map(|hook| {
                hook.body["data"]["entry"]["sequence"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(
        sequences("stuck"),
        ["2", "2", "2", "2", "2", "2", "2", "3", "4"]
    );
    assert_eq!(sequences("free"), ["2", "3", "4"]);
    let place = |is: &dyn Fn(&Hook) -> bool| hooks.iter().position(is).unwrap();
    let freed =
        place(&|hook| hook.order() == "stuck" && hook.body["data"]["entry"]["sequence"] == "3");
    let last_free =
        place(&|hook| hook.order() == "free" && hook.body["data"]["entry"]["sequence"] == "4");
    assert!(last_free < freed, "the other order did not wait");
}

async fn what_is_given_up_waits_for_a_decision(backend: Backend) {
    let server = server(backend).await;
    let receiver = Receiver::start(|_, before| if before < 2 { 400 } else { 200 }).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let shop = shop(server, &code, "attempts: 2, backoff: 1ms").await;
    shop.place("1", &[]).await;
    let id = turn(&shop, "1").await;
    let dead = until(server, &id, DeliveryState::Dead).await;
    assert_eq!(dead.problem, "the endpoint answered 400");
    // What is given up lets the next go on.
    let next = turn(&shop, "1").await;
    until(server, &next, DeliveryState::Dead).await;
    ledger::retry(&server.clients(), &id).await.unwrap();
    let delivery = until(server, &id, DeliveryState::Succeeded).await;
    assert_eq!(delivery.attempts.len(), 3);
    let hooks = receiver.hooks();
    let of_first = hooks.iter().filter(|hook| hook.id().ends_with(&id));
    assert_eq!(of_first.count(), 3, "a retry by hand has the same id");
}

async fn an_endpoint_that_is_gone_is_switched_off(backend: Backend) {
    let server = server(backend).await;
    let receiver = Receiver::start(|_, before| if before == 0 { 410 } else { 200 }).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let shop = shop(server, &code, "backoff: 1ms").await;
    shop.place("1", &[]).await;
    let id = turn(&shop, "1").await;
    receiver.until(1).await;
    let clients = server.clients();
    let mut off = ledger::endpoint(&clients, &code).await;
    while off.active() {
        off = ledger::endpoint(&clients, &code).await;
    }
    assert!(off.problem.contains("410"), "{off:?}");
    let waiting = ledger::delivery(&clients, &id).await;
    assert_eq!(waiting.state(), DeliveryState::Pending);
    let endpoint = v1::Endpoint {
        code: code.clone(),
        active: Some(true),
        ..Default::default()
    };
    let request = v1::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: Some(waymark_tests::shop::mask(&["active"])),
        ..Default::default()
    };
    clients.endpoints().update_endpoint(request).await.unwrap();
    receiver.until(2).await;
    until(server, &id, DeliveryState::Succeeded).await;
}

async fn what_waits_survives_a_restart(backend: Backend) {
    let mut server = Server::start_with(backend, &SETTINGS).await;
    let receiver = Receiver::start(|_, before| if before == 0 { 500 } else { 200 }).await;
    let code = endpoint(&server, receiver.url("erp")).await;
    let shop = shop(&server, &code, "backoff: 1ms").await;
    let mut ids = BTreeSet::new();
    for number in 0..20 {
        let order = format!("o{number}");
        shop.place(&order, &[]).await;
        ids.insert(turn(&shop, &order).await);
    }
    server.kill();
    server.ended(std::time::Duration::from_secs(10)).await;
    server.restart().await;
    for id in &ids {
        until(&server, id, DeliveryState::Succeeded).await;
    }
    let hooks = receiver.hooks();
    let sent: BTreeSet<String> = hooks
        .iter()
        .map(|hook| hook.body["data"]["deliveryId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sent, ids);
    let names: BTreeSet<&str> = hooks.iter().map(Hook::id).collect();
    assert_eq!(names.len(), ids.len(), "repeats have the same ids");
}

/// When each attempt of some deliveries began and ended, in microseconds, by when it began.
async fn spans_of(server: &Server, ids: &[String]) -> Vec<(i64, i64)> {
    let mut spans = Vec::new();
    for id in ids {
        for attempt in ledger::delivery(&server.clients(), id).await.attempts {
            let (start, took) = (attempt.start_time.unwrap(), attempt.duration.unwrap());
            let start = start.seconds * 1_000_000 + i64::from(start.nanos / 1_000);
            let took = took.seconds * 1_000_000 + i64::from(took.nanos / 1_000);
            spans.push((start, start + took));
        }
    }
    spans.sort_unstable();
    spans
}

/// How many attempts began before the one that began before them had ended.
fn overlaps(spans: &[(i64, i64)]) -> usize {
    let pairs = spans.iter().zip(spans.iter().skip(1));
    pairs.filter(|(one, next)| next.0 < one.1).count()
}

async fn a_target_that_fails_is_probed_by_one_delivery_at_a_time(backend: Backend) {
    const ORDERS: usize = 20;
    let server = server(backend).await;
    let mended = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&mended);
    let down = move |_: &Hook, _: usize| {
        if is_up.load(Ordering::SeqCst) {
            200
        } else {
            500
        }
    };
    let receiver = Receiver::start(down).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let stuck = shop(server, &code, "backoff: 1ms, attempts: 50").await;
    let mut ids = Vec::new();
    for number in 0..ORDERS {
        let order = format!("o{number}");
        stuck.place(&order, &[]).await;
        ids.push(turn(&stuck, &order).await);
    }
    receiver.until(3 * ORDERS).await;
    // Another target does not wait.
    let other = Receiver::start(|_, _| 200).await;
    let code = endpoint(server, other.url("bank")).await;
    let free = shop(server, &code, "backoff: 1ms").await;
    free.place("free", &[]).await;
    let id = turn(&free, "free").await;
    until(server, &id, DeliveryState::Succeeded).await;
    mended.store(true, Ordering::SeqCst);
    for id in &ids {
        until(server, id, DeliveryState::Succeeded).await;
    }
    let spans = spans_of(server, &ids).await;
    let hooks = receiver.hooks();
    assert_eq!(spans.len(), hooks.len(), "each attempt is in the ledger");
    let (failed, taken) = spans.split_at(spans.len() - ORDERS);
    assert!(failed.len() >= 3 * ORDERS, "{}", failed.len());
    // As many as there are may have been under way when the first eight failed.
    let probes = failed.get(ORDERS + 8..).unwrap();
    assert_eq!(overlaps(probes), 0, "one at a time: {probes:?}");
    assert!(overlaps(taken) > 0, "many at once again: {taken:?}");
}

async fn what_no_server_takes_waits_and_the_log_says_so(backend: Backend) {
    let server = server(backend).await;
    let document = "label: Shop
initial_state: new
statuses: {new: {label: New}}
states: {new: {label: New, category: initial, can_start: true, statuses: [new]}}
on_create: {tell: {publish: {subject: orders}}}
";
    let shop = apply(&server.clients(), &fresh_code(), document).await;
    shop.place("1", &[]).await;
    let told = "deliveries wait: ";
    let patience = std::time::Duration::from_secs(20);
    let said = server.log().find(0, patience, |line| {
        (line.contains(told) && line.contains("\"publish\"")).then_some(())
    });
    said.await.unwrap();
    let entry = shop.entries("1").await.remove(0);
    let id = &entry.set_off[0].delivery_id;
    let delivery = ledger::delivery(&server.clients(), id).await;
    assert_eq!(delivery.state(), DeliveryState::Pending);
    assert!(delivery.attempts.is_empty());
}

/// Two days pass while no server runs.
async fn what_is_old_and_done_with_is_removed(backend: Backend) {
    let keep = ["--set", "deliveries_keep_days=1"];
    let settings = [&SETTINGS[..], &keep].concat();
    let mut server = Server::start_with(backend, &settings).await;
    let receiver = Receiver::start(|hook, _| match hook.order() {
        "refused" => 500,
        _ => 200,
    });
    let receiver = receiver.await;
    let code = endpoint(&server, receiver.url("erp")).await;
    let shop = shop(&server, &code, "attempts: 1").await;
    let mut ids = Vec::new();
    for (order, state) in [
        ("taken", DeliveryState::Succeeded),
        ("refused", DeliveryState::Dead),
        ("young", DeliveryState::Succeeded),
    ] {
        shop.place(order, &[]).await;
        let id = turn(&shop, order).await;
        until(&server, &id, state).await;
        ids.push(id);
    }
    let [taken, dead, young] = &ids[..] else {
        panic!("{ids:?}")
    };
    server.kill();
    server.ended(std::time::Duration::from_secs(10)).await;
    let age = "UPDATE deliveries SET create_time = create_time - 172800000000, \
               update_time = update_time - 172800000000 WHERE order_id <> 'young'";
    execute_at(server.database().url(), age).await;
    server.restart().await;

    let get = async |id: &String| {
        let delivery_id = id.clone();
        let request = v1::GetDeliveryRequest { delivery_id };
        server.clients().deliveries().get_delivery(request).await
    };
    let mut found = get(taken).await;
    for _ in 0..10_000 {
        if found.is_err() {
            break;
        }
        tokio::task::yield_now().await;
        found = get(taken).await;
    }
    refused(found, Code::NotFound, "DELIVERY_NOT_FOUND");
    assert_eq!(
        ledger::delivery(&server.clients(), dead)
            .await
            .attempts
            .len(),
        1
    );
    assert_eq!(
        ledger::delivery(&server.clients(), young).await.state(),
        DeliveryState::Succeeded
    );
    let shop = Shop::new(server.clients(), &shop.workflow());
    let entry = shop.entries("taken").await.pop().unwrap();
    assert_eq!(entry.set_off[0].delivery_id, *taken);
}
