//! Payments that come twice at once or before their order, and clocks in zones with odd hours.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use tonic::{Code, Response};
use waymark_proto::v1::{self, DeliveryState, EntryKind};
use waymark_tests::{
    Backend, Clients, Server, Shop, Watcher, World, ledger,
    receiver::{Hook, Receiver},
    refused,
    shop::standing,
    world::apply,
};

on_each_database!(
    two_payments_with_one_id_at_once_are_one,
    a_payment_that_came_before_its_order_is_sent_again,
    timers_go_by_no_time_zone,
);

/// An order whose payments are told.
const PAYING: &str = "label: Shop
initial_state: new
operations:
  pay: {label: Pay, effect: pay, actions: {tell: {webhook: {endpoint: bank}}}}
statuses: {open: {label: Open}}
states: {new: {label: New, category: initial, can_start: true, operations: [pay], statuses: [open]}}
";

fn payment(shop: &Shop, id: &str, request_id: &str) -> v1::RecordOperationRequest {
    v1::RecordOperationRequest {
        request_id: request_id.to_owned(),
        amount_only: true,
        amount: Some(2_500),
        ..shop.operation(id, "pay", &[])
    }
}

async fn pay(
    clients: &Clients,
    payment: &v1::RecordOperationRequest,
) -> waymark_tests::shop::Answer<v1::RecordOperationResponse> {
    let answer = clients.orders().record_operation(payment.clone()).await;
    answer.map(Response::into_inner)
}

/// How many payments the history of an order has.
async fn payments(shop: &Shop, id: &str) -> usize {
    let entries = shop.entries(id).await.into_iter();
    entries
        .filter(|entry| entry.kind() == EntryKind::OperationRecorded)
        .count()
}

async fn two_payments_with_one_id_at_once_are_one(backend: Backend) {
    const ROUNDS: usize = 20;
    let receiver = Receiver::start(|_, _| 200).await;
    let arguments = [
        "--set",
        "webhooks_allowed=127.0.0.0/8",
        "--set",
        "dispatch_poll=50ms",
    ];
    let server = Server::start_with(backend, &arguments).await;
    let (one, other) = (server.clients(), server.clients());
    let created = ledger::create_endpoint(&one, "bank", &receiver.url("bank")).await;
    created.unwrap();
    let shop = apply(&other, "w", PAYING).await;
    let mut ids = Vec::new();
    for round in 0..ROUNDS {
        let id = format!("o{round:02}");
        shop.place(&id, &[]).await;
        let payment = payment(&shop, &id, "capture-1");
        let (first, second) = tokio::join!(pay(&one, &payment), pay(&other, &payment));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.replayed != second.replayed, "{first:?} {second:?}");
        assert_eq!((first.entries.len(), &first.entries), (1, &second.entries));
        assert_eq!(shop.get(&id).await.total_paid, 2_500);
        assert_eq!(payments(&shop, &id).await, 1);
        let told = &first.entries[0].set_off[0].delivery_id;
        ledger::until(&shop, told, DeliveryState::Succeeded).await;
        ids.push(id);
    }
    // What would have come twice would have come before the last one.
    let hooks = receiver.hooks();
    let told: Vec<_> = hooks.iter().map(Hook::order).collect();
    assert_eq!(told, ids);
}

async fn a_payment_that_came_before_its_order_is_sent_again(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let payment = payment(&shop, "1", "capture-1");
    for _ in 0..2 {
        let early = pay(&shop, &payment).await;
        refused(early, Code::NotFound, "ORDER_NOT_FOUND");
    }
    shop.place("1", &[("tea", "1")]).await;
    let first = pay(&shop, &payment).await.unwrap();
    assert!(!first.replayed);
    let again = pay(&shop, &payment).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.entries, first.entries);
    assert_eq!(shop.get("1").await.total_paid, 2_500);
    assert_eq!(payments(&shop, "1").await, 1);
}

/// The zones of Brisbane, Berlin and St John's: without and with summer time, in both directions, one of half an hour.
const ZONES: [&str; 3] = [
    "AEST-10",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "NST3:30NDT,M3.2.0,M11.1.0",
];

/// Orders that go after a moment, and others that wait for two hundred days, over every change of a clock.
const WAITING: &str = "label: Shop
initial_state: new
statuses: {brief: {label: Brief}, long: {label: Long}, gone: {label: Gone}, held: {label: Held}}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, statuses: [brief, long]}
  gone: {label: Gone, category: canceled, terminal: true, statuses: [gone]}
  held: {label: Held, category: held, statuses: [held]}
transitions:
  soon: {label: Soon, from_statuses: [brief], to_state: gone, trigger: {after: 300ms}}
  late: {label: Late, from_statuses: [long], to_state: gone, trigger: {after: 200days}}
";

fn span(time: Option<prost_types::Timestamp>) -> Duration {
    let time = SystemTime::try_from(time.expect("a time")).unwrap();
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

async fn timers_go_by_no_time_zone(backend: Backend) {
    join_all(ZONES.map(|zone| timers_in(backend, zone))).await;
}

async fn timers_in(backend: Backend, zone: &str) {
    let arguments = [
        "--set",
        "dispatch_lease=500ms",
        "--set",
        "dispatch_poll=50ms",
    ];
    let server = Server::start_in_zone(backend, &arguments, zone).await;
    let shop = apply(&server.clients(), "w", WAITING).await;
    let mut watcher = Watcher::of(&shop).await;

    let brief = shop.place("brief", &[]).await;
    let due = span(brief.due_time);
    assert_eq!(due, span(brief.create_time) + Duration::from_millis(300));
    watcher.until_sequence("brief", 2).await;
    let gone = shop.get("brief").await;
    assert_eq!(standing(&gone), ("gone", "gone"), "{zone}");
    let late_by = span(gone.update_time).checked_sub(due).expect("not before");
    assert!(late_by < Duration::from_mins(5), "{zone}: {late_by:?}");

    let long = v1::Order {
        status: "long".into(),
        ..shop.draft("long", &[])
    };
    let long = shop.create(long).await.unwrap().order.unwrap();
    let wait = span(long.due_time).checked_sub(span(long.create_time));
    assert_eq!(wait, Some(Duration::from_hours(200 * 24)), "{zone}");

    // A hold ends at its instant, whatever hour that is there.
    let expires = span(long.create_time) + Duration::from_secs(1);
    let hold = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: "long".into(),
        expire_time: Some((SystemTime::UNIX_EPOCH + expires).into()),
        ..Default::default()
    };
    shop.orders().hold_order(hold).await.unwrap();
    watcher.until_sequence("long", 3).await;
    let released = shop.get("long").await;
    assert_eq!(standing(&released), ("new", "long"), "{zone}");
    let late_by = span(released.update_time).checked_sub(expires);
    assert!(
        late_by.is_some_and(|late_by| late_by < Duration::from_mins(5)),
        "{zone}: {late_by:?}"
    );
}
