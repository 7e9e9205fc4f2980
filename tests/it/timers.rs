//! What time alone does: transitions some time after a status was entered, and holds that expire.

use std::time::Duration;

use waymark_proto::v1::{self, ActorKind, EntryKind};
use waymark_tests::{
    Backend, Server, Shop, Watcher, World,
    refusal::invalid,
    shop::standing,
    world::{apply, fresh_code},
};

on_each_database!(
    time_takes_an_order_on,
    a_hold_expires,
    a_hold_stops_the_clock,
    a_new_timer_counts_for_orders_that_wait_already,
    what_is_due_while_the_server_is_down_happens_once,
    the_customer_reads_what_time_does,
);

/// An order that is not paid goes after a moment.
fn workflow(after: &str) -> String {
    format!(
        "label: Shop
initial_state: new
operations: {{pay: {{label: Pay, effect: pay}}}}
statuses: {{waiting: {{label: Waiting}}, gone: {{label: Gone}}, kept: {{label: Kept}}, held: {{label: Held}}}}
states:
  new: {{label: New, category: initial, can_start: true, holdable: true, operations: [pay], statuses: [waiting]}}
  kept: {{label: Kept, category: active, operations: [pay], statuses: [kept]}}
  gone: {{label: Gone, category: canceled, terminal: true, statuses: [gone]}}
  held: {{label: Held, category: held, statuses: [held]}}
transitions:
  keep: {{label: Keep, from_states: [new], to_state: kept}}
  expire: {{label: Expire, from_statuses: [waiting], to_state: gone, trigger: {{after: {after}}}, guard: order.total_paid == 0}}
"
    )
}

async fn shop(world: &World, after: &str) -> Shop {
    apply(&world.server().clients(), &fresh_code(), &workflow(after)).await
}

fn soon(span: Duration) -> prost_types::Timestamp {
    prost_types::Timestamp::from(std::time::SystemTime::UNIX_EPOCH + span)
}

/// The time of the server, as the last entry of an order has it.
fn time_of(order: &v1::Order) -> Duration {
    span(order.update_time.expect("an order has a time"))
}

fn span(time: prost_types::Timestamp) -> Duration {
    Duration::new(
        u64::try_from(time.seconds).unwrap(),
        u32::try_from(time.nanos).unwrap(),
    )
}

async fn time_takes_an_order_on(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "300ms").await;
    let mut watcher = Watcher::of(&shop).await;
    let left = shop.place("left", &[]).await;
    let due = left.due_time.expect("an order that waits says until when");
    let since = time_of(&left);
    assert_eq!(
        soon(since + Duration::from_millis(300)),
        due,
        "as long after it entered its status"
    );
    shop.place("kept", &[]).await;
    let kept = shop.take("kept", "keep").await.unwrap();
    assert_eq!(kept.order.unwrap().due_time, None);
    watcher.until_sequence("left", 2).await;
    let order = shop.get("left").await;
    assert_eq!((standing(&order), order.due_time), (("gone", "gone"), None));
    let entry = shop.entries("left").await.pop().unwrap();
    assert_eq!(
        (entry.kind(), entry.transition.as_str(), entry.caused_by),
        (EntryKind::Transitioned, "expire", 0)
    );
    let actor = entry.actor.as_ref().unwrap();
    assert_eq!(actor.kind(), ActorKind::System);
    assert!(time_of(&order) >= since + Duration::from_millis(300));
    assert_eq!(standing(&shop.get("kept").await), ("kept", "kept"));
}

async fn a_hold_expires(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "1h").await;
    let mut watcher = Watcher::of(&shop).await;
    let order = shop.place("1", &[]).await;
    let hold = |expire_time| v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        expire_time: Some(expire_time),
        ..Default::default()
    };
    let past = hold(soon(time_of(&order)));
    invalid(shop.orders().hold_order(past).await, "expire_time");
    let expires = soon(time_of(&order) + Duration::from_secs(1));
    let answer = shop.orders().hold_order(hold(expires)).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.hold.unwrap().expire_time, Some(expires));
    assert_eq!(answer.order.unwrap().due_time, Some(expires));
    watcher.until_sequence("1", 3).await;
    let order = shop.get("1").await;
    assert_eq!(standing(&order), ("new", "waiting"));
    assert_eq!(order.holds, []);
    assert!(time_of(&order) >= span(expires));
}

async fn a_hold_stops_the_clock(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "1h").await;
    let placed = shop.place("1", &[]).await;
    let held = shop.hold("1", "wait").await.unwrap();
    let held = held.order.unwrap();
    assert_eq!(held.due_time, None);
    let released = shop.release("1", "").await.unwrap();
    let released = released.order.unwrap();
    let waited = time_of(&held).saturating_sub(time_of(&placed));
    let due = (time_of(&released) + Duration::from_hours(1)).saturating_sub(waited);
    assert_eq!(released.due_time, Some(soon(due)));
}

async fn a_new_timer_counts_for_orders_that_wait_already(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh_code();
    let clients = world.server().clients();
    let shop = apply(&clients, &code, &workflow("1h")).await;
    let mut watcher = Watcher::of(&shop).await;
    shop.place("1", &[]).await;
    shop.place("paid", &[]).await;
    shop.record_amount("paid", "pay", 5).await.unwrap();
    apply(&clients, &code, &workflow("1ms")).await;
    watcher.until_sequence("1", 2).await;
    assert_eq!(standing(&shop.get("1").await), ("gone", "gone"));
    // Its guard refuses, so it stays.
    assert_eq!(standing(&shop.get("paid").await), ("new", "waiting"));
}

async fn what_is_due_while_the_server_is_down_happens_once(backend: Backend) {
    let settings = [
        "--set",
        "dispatch_lease=300ms",
        "--set",
        "dispatch_poll=50ms",
    ];
    let mut server = Server::start_with(backend, &settings).await;
    let shop = apply(&server.clients(), "w", &workflow("1s")).await;
    let count = 20;
    for number in 0..count {
        shop.place(&format!("o{number}"), &[]).await;
    }
    server.kill();
    server.ended(Duration::from_secs(10)).await;
    server.restart().await;
    let shop = Shop::new(server.clients(), "w");
    let mut watcher = Watcher::of(&shop).await;
    for number in 0..count {
        let id = format!("o{number}");
        if shop.get(&id).await.version == 1 {
            watcher.until_sequence(&id, 2).await;
        }
        let order = shop.get(&id).await;
        assert_eq!((standing(&order), order.version), (("gone", "gone"), 2));
    }
}

async fn the_customer_reads_what_time_does(backend: Backend) {
    let world = World::on(backend).await;
    let clients = world.server().clients();
    let told = workflow("300ms").replace(
        "expire: {label: Expire,",
        "expire: {label: Expire, visible_to_customer: true, notify_customer: true,",
    );
    let shop = apply(&clients, &fresh_code(), &told).await;
    let mut watcher = Watcher::of(&shop).await;
    shop.place("left", &[]).await;
    watcher.until_sequence("left", 2).await;
    let entry = shop.entries("left").await.pop().unwrap();
    assert_eq!(
        (
            entry.kind(),
            entry.visible_to_customer,
            entry.notify_customer
        ),
        (EntryKind::Transitioned, true, true)
    );
    // A hold that ends by itself tells what its call told.
    let shop = apply(&clients, &fresh_code(), &workflow("1h")).await;
    let mut watcher = Watcher::of(&shop).await;
    for (id, visible) in [("seen", true), ("unseen", false)] {
        let order = shop.place(id, &[]).await;
        let hold = v1::HoldOrderRequest {
            workflow: shop.workflow(),
            order_id: id.into(),
            expire_time: Some(soon(time_of(&order) + Duration::from_secs(1))),
            visible_to_customer: visible,
            notify_customer: visible,
            ..Default::default()
        };
        shop.orders().hold_order(hold).await.unwrap();
        watcher.until_sequence(id, 3).await;
        let entries = shop.entries(id).await;
        let released = &entries[2];
        assert_eq!(
            (
                released.kind(),
                released.visible_to_customer,
                released.notify_customer
            ),
            (EntryKind::Released, visible, visible)
        );
    }
}
