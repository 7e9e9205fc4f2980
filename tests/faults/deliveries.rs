//! What steps set off, while processes that deliver it are killed, and shared by two replicas.

use std::collections::BTreeSet;

use waymark_proto::v1::{self, DeliveryState};
use waymark_tests::{
    Backend, Clients, Shop, Watcher, ledger,
    receiver::{Hook, Receiver},
    shop::standing,
    world::apply,
};

use crate::{
    replica::Replica,
    stage::{Place, fresh_database, shared_postgres},
};

const KILLS: usize = 20;
/// How many orders turn between two kills.
const ORDERS: usize = 5;

const SETTINGS: [&str; 3] = [
    "webhooks_allowed=127.0.0.0/8",
    "dispatch_lease=300ms",
    "dispatch_poll=50ms",
];

/// Orders that tell an endpoint when they turn, and expire a moment after they were placed.
const DOCUMENT: &str = "
label: Shop
initial_state: new
statuses: {new: {label: New}, gone: {label: Gone}, kept: {label: Kept}}
states:
  new: {label: New, category: initial, can_start: true, statuses: [new]}
  kept: {label: Kept, category: active, can_start: true, statuses: [kept]}
  gone: {label: Gone, category: canceled, terminal: true, statuses: [gone]}
transitions:
  turn:
    label: Turn
    from_statuses: [kept]
    to_state: kept
    to_status: kept
    actions: {tell: {webhook: {endpoint: erp}, attempts: 50, backoff: 10ms}}
  expire:
    label: Expire
    from_statuses: [new]
    to_state: gone
    trigger: {after: 500ms}
    actions: {tell: {webhook: {endpoint: erp}, attempts: 50, backoff: 10ms}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_delivery_on_sqlite() {
    kills_lose_no_delivery(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_delivery_on_postgres() {
    kills_lose_no_delivery(Backend::Postgres).await;
}

async fn shop(clients: &Clients, receiver: &Receiver) -> Shop {
    let created = ledger::create_endpoint(clients, "erp", &receiver.url("erp")).await;
    created.unwrap();
    apply(clients, "w", DOCUMENT).await
}

/// Creates an order where it stays, and lets it turn; gives the id of the delivery.
async fn turn(shop: &Shop, id: &str) -> String {
    let order = v1::Order {
        state: "kept".into(),
        ..shop.draft(id, &[])
    };
    shop.create(order).await.unwrap();
    let turned = shop.take(id, "turn").await.unwrap();
    turned.entries[0].set_off[0].delivery_id.clone()
}

fn delivered(hooks: &[Hook]) -> BTreeSet<String> {
    let ids = hooks.iter().map(|hook| &hook.body["data"]["deliveryId"]);
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Waits until none of the deliveries that are wanted is pending any more, and says in which states
/// those are.
async fn settled(clients: &Clients, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<DeliveryState> {
    loop {
        let request = v1::ListDeliveriesRequest {
            page_size: 1_000,
            ..Default::default()
        };
        let page = clients.deliveries().list_deliveries(request).await.unwrap();
        let deliveries = page.into_inner().deliveries;
        let wanted = deliveries.iter().filter(|delivery| is_wanted(&delivery.id));
        let states: BTreeSet<_> = wanted.map(v1::Delivery::state).collect();
        if !states.contains(&DeliveryState::Pending) {
            return states;
        }
        tokio::task::yield_now().await;
    }
}

async fn kills_lose_no_delivery(backend: Backend) {
    // Some come twice by themselves, so that kills meet deliveries that wait for another attempt.
    let receiver = Receiver::start(|hook, before| {
        let is_odd = hook.id().len() % 2 == 1;
        if is_odd && before == 0 { 500 } else { 200 }
    })
    .await;
    let place = Place::fresh(backend).await;
    let mut replica = Replica::start(place.url(), &SETTINGS).await;
    let mut orders = shop(&replica.clients(), &receiver).await;
    let mut expected = BTreeSet::new();
    let mut met_by_two_kills = BTreeSet::new();
    for kill in 0..KILLS {
        let before = expected.clone();
        for number in 0..ORDERS {
            expected.insert(turn(&orders, &format!("o{kill}_{number}")).await);
        }
        // What three kills have met becomes a dead letter, which is another test's business.
        settled(&replica.clients(), |id| met_by_two_kills.contains(id)).await;
        replica.kill();
        met_by_two_kills = before;
        replica.restart().await;
        orders = Shop::new(replica.clients(), "w");
    }
    let states = settled(&replica.clients(), |_| true).await;
    assert_eq!(states, BTreeSet::from([DeliveryState::Succeeded]));
    let hooks = receiver.hooks();
    assert_eq!(delivered(&hooks), expected, "nothing is lost");
    let names: BTreeSet<&str> = hooks.iter().map(Hook::id).collect();
    assert_eq!(names.len(), expected.len(), "repeats have the same ids");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_what_is_due_and_one_takes_over() {
    let receiver = Receiver::start(|_, _| 200).await;
    let url = fresh_database(shared_postgres().await).await;
    let mut first = Replica::start(&url, &SETTINGS).await;
    let second = Replica::start(&url, &SETTINGS).await;
    let orders = shop(&first.clients(), &receiver).await;
    let over_second = Shop::new(second.clients(), "w");
    let mut watcher = Watcher::of(&over_second).await;
    let mut expected = BTreeSet::new();
    for number in 0..20 {
        orders.place(&format!("e{number}"), &[]).await;
        expected.insert(turn(&orders, &format!("t{number}")).await);
    }
    for number in 0..20 {
        let id = format!("e{number}");
        watcher.until_sequence(&id, 2).await;
        let order = over_second.get(&id).await;
        assert_eq!((standing(&order), order.version), (("gone", "gone"), 2));
        let entries = over_second.entries(&id).await;
        expected.insert(entries[1].set_off[0].delivery_id.clone());
    }
    settled(&second.clients(), |_| true).await;
    let hooks = receiver.hooks();
    assert_eq!(delivered(&hooks), expected);
    assert_eq!(hooks.len(), expected.len(), "each is sent once");
    // What is set off after the first has died is delivered by the second, wherever it belongs.
    first.kill();
    for number in 20..40 {
        expected.insert(turn(&over_second, &format!("t{number}")).await);
    }
    settled(&second.clients(), |_| true).await;
    assert_eq!(delivered(&receiver.hooks()), expected);
}
