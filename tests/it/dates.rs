//! Dates of an order's own, on which time takes it on: a release day, terms of payment by customer.

use std::time::Duration;

use waymark_proto::v1;
use waymark_tests::{
    Backend, Shop, Watcher, World,
    refusal::invalid,
    shop::{mask, standing, transition},
    world::{apply, fresh_code},
};

on_each_database!(
    an_order_goes_on_when_its_day_has_come,
    a_day_may_change_go_and_come,
    terms_are_reckoned_from_the_order,
    a_hold_keeps_an_order_beyond_its_day,
    a_date_that_is_added_counts_for_orders_that_wait,
    dates_that_cannot_be_used_are_refused,
);

const DOCUMENT: &str = r#"
label: Shop
initial_state: ordered
operations: {pay: {label: Pay, effect: pay}}
statuses: {waiting: {label: Waiting}, out: {label: Out}, dunned: {label: Dunned}, paid: {label: Paid}, held: {label: Held}}
states:
  ordered: {label: Ordered, category: initial, can_start: true, holdable: true, operations: [pay], statuses: [waiting]}
  out: {label: Out, category: active, can_start: true, operations: [pay], statuses: [out, dunned]}
  paid: {label: Paid, category: completed, terminal: true, statuses: [paid]}
  held: {label: Held, category: held, statuses: [held]}
transitions:
  release: {label: Release, from_statuses: [waiting], to_state: out, trigger: {at: 'timestamp(order.attributes["release"])'}}
  dun:
    label: Dun
    from_statuses: [out]
    to_state: out
    to_status: dunned
    trigger: {at: 'order.create_time + duration(order.attributes["terms"])'}
    guard: order.total_due > 0
"#;

async fn shop(world: &World, document: &str) -> Shop {
    apply(&world.server().clients(), &fresh_code(), document).await
}

fn order(shop: &Shop, id: &str, key: &str, value: &str) -> v1::Order {
    v1::Order {
        attributes: [(key.to_owned(), value.to_owned())].into(),
        ..shop.draft(id, &[])
    }
}

/// Sets an attribute, or removes it where the value is empty.
async fn set(shop: &Shop, id: &str, key: &str, value: &str) -> v1::Order {
    let mut wanted = order(shop, id, key, value);
    if value.is_empty() {
        wanted.attributes.clear();
    }
    let request = v1::UpdateOrderRequest {
        order: Some(wanted),
        update_mask: Some(mask(&[format!("attributes.{key}").as_str()])),
        ..Default::default()
    };
    let answer = shop.orders().update_order(request).await.unwrap();
    answer.into_inner().order.unwrap()
}

fn span(time: prost_types::Timestamp) -> Duration {
    Duration::new(
        u64::try_from(time.seconds).unwrap(),
        u32::try_from(time.nanos).unwrap(),
    )
}

/// The text of an instant so long after another, as attributes have it.
fn text(time: prost_types::Timestamp, later: Duration) -> String {
    let instant =
        prost_types::Timestamp::from(std::time::SystemTime::UNIX_EPOCH + span(time) + later);
    instant.to_string()
}

const FAR: &str = "2200-01-01T00:00:00Z";
const PAST: &str = "2001-01-01T00:00:00Z";

async fn an_order_goes_on_when_its_day_has_come(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, DOCUMENT).await;
    let mut watcher = Watcher::of(&shop).await;
    let undated = shop.place("undated", &[]).await;
    assert_eq!(undated.due_time, None);
    let soon = text(undated.create_time.unwrap(), Duration::from_millis(700));
    let dated = shop.create(order(&shop, "dated", "release", &soon)).await;
    let dated = dated.unwrap().order.unwrap();
    let due = dated.due_time.unwrap();
    assert_eq!(due.to_string(), soon);
    // One that has passed is taken at once.
    shop.create(order(&shop, "late", "release", PAST))
        .await
        .unwrap();
    watcher.until_sequence("late", 2).await;
    watcher.until_sequence("dated", 2).await;
    let entry = shop.entries("dated").await.pop().unwrap();
    assert_eq!((entry.transition.as_str(), entry.caused_by), ("release", 0));
    assert_eq!(entry.actor.as_ref().unwrap().kind(), v1::ActorKind::System);
    assert!(span(entry.create_time.unwrap()) >= span(due));
    for id in ["late", "dated"] {
        let order = shop.get(id).await;
        assert_eq!((standing(&order), order.due_time), (("out", "out"), None));
    }
    assert_eq!(shop.get("undated").await.version, 1);
}

async fn a_day_may_change_go_and_come(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, DOCUMENT).await;
    let mut watcher = Watcher::of(&shop).await;
    let placed = shop.place("1", &[]).await;
    let soon = text(placed.create_time.unwrap(), Duration::from_secs(30));
    let due = async |value: &str| {
        let order = set(&shop, "1", "release", value).await;
        order.due_time.map(|time| time.to_string())
    };
    assert_eq!(due(&soon).await, Some(soon));
    assert_eq!(due(FAR).await.as_deref(), Some(FAR));
    assert_eq!(due("").await, None);
    assert_eq!(due("as soon as it can be").await, None);
    assert_eq!(standing(&shop.get("1").await), ("ordered", "waiting"));
    let listed = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    };
    set(&shop, "1", "release", FAR).await;
    let listed = shop.orders().list_orders(listed).await.unwrap();
    let listed = listed.into_inner().orders.remove(0);
    assert_eq!(listed.due_time.unwrap().to_string(), FAR);
    set(&shop, "1", "release", PAST).await;
    watcher.until_sequence("1", 8).await;
    assert_eq!(standing(&shop.get("1").await), ("out", "out"));
}

async fn terms_are_reckoned_from_the_order(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, DOCUMENT).await;
    let mut watcher = Watcher::of(&shop).await;
    let out = |id: &str, terms: &str| v1::Order {
        state: "out".into(),
        ..order(&shop, id, "terms", terms)
    };
    let create = async |id: &str, terms: &str| {
        let answer = shop.create(out(id, terms)).await;
        answer.unwrap().order.unwrap()
    };
    let patient = create("patient", "720h").await;
    let created = span(patient.create_time.unwrap());
    assert_eq!(
        span(patient.due_time.unwrap()),
        created + Duration::from_hours(720)
    );
    create("strict", "1ms").await;
    watcher.until_sequence("strict", 2).await;
    assert_eq!(standing(&shop.get("strict").await), ("out", "dunned"));
    // The guard is asked when it is due, and again after every change.
    let payer = v1::Order {
        grand_total: 0,
        ..out("payer", "1ms")
    };
    shop.create(payer).await.unwrap();
    shop.comment("payer", "on the way", "").await.unwrap();
    create("last", "1ms").await;
    watcher.until_sequence("last", 2).await;
    assert_eq!(standing(&shop.get("payer").await), ("out", "out"));
    assert_eq!(standing(&shop.get("patient").await), ("out", "out"));
}

async fn a_hold_keeps_an_order_beyond_its_day(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, DOCUMENT).await;
    let mut watcher = Watcher::of(&shop).await;
    shop.place("1", &[]).await;
    shop.hold("1", "wait").await.unwrap();
    let held = set(&shop, "1", "release", PAST).await;
    assert_eq!(held.due_time, None);
    // Another order goes meanwhile.
    shop.create(order(&shop, "other", "release", PAST))
        .await
        .unwrap();
    watcher.until_sequence("other", 2).await;
    assert_eq!(standing(&shop.get("1").await), ("held", "held"));
    let released = shop.release("1", "").await.unwrap().order.unwrap();
    assert_eq!(released.due_time.unwrap().to_string(), PAST);
    watcher.until_sequence("1", 5).await;
    assert_eq!(standing(&shop.get("1").await), ("out", "out"));
}

async fn a_date_that_is_added_counts_for_orders_that_wait(backend: Backend) {
    let world = World::on(backend).await;
    let clients = world.server().clients();
    let code = fresh_code();
    let without = DOCUMENT.replace(
        r#"trigger: {at: 'timestamp(order.attributes["release"])'}"#,
        "trigger: {after: 1000h}",
    );
    let shop = apply(&clients, &code, &without).await;
    let mut watcher = Watcher::of(&shop).await;
    shop.create(order(&shop, "1", "release", PAST))
        .await
        .unwrap();
    shop.create(order(&shop, "2", "other", PAST)).await.unwrap();
    apply(&clients, &code, DOCUMENT).await;
    watcher.until_sequence("1", 2).await;
    assert_eq!(standing(&shop.get("1").await), ("out", "out"));
    assert_eq!(shop.get("2").await.version, 1);
    // A date that is changed, too.
    apply(
        &clients,
        &code,
        &DOCUMENT.replace("[\"release\"]", "[\"other\"]"),
    )
    .await;
    watcher.until_sequence("2", 2).await;
}

async fn dates_that_cannot_be_used_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, DOCUMENT).await;
    let at = |expression: &str| v1::Transition {
        trigger: Some(v1::Trigger {
            kind: Some(v1::trigger::Kind::At(v1::AtTrigger {
                expression: expression.into(),
            })),
        }),
        ..transition("later", &["ordered"], "out")
    };
    let field = "transition.trigger.at.expression";
    for (expression, said) in [
        ("now", "may use order only"),
        ("timestamp(request.comment)", "may use order only"),
        (
            "actor.id == '' ? order.create_time : order.update_time",
            "may use order only",
        ),
        ("order.attributes['release']", "must answer a timestamp"),
        ("order.total_due > 0", "must answer a timestamp"),
        ("order.release", "knows no field order.release"),
        ("order.((", "is not a CEL expression"),
    ] {
        let refusal = invalid(shop.create_transition(at(expression)).await, field);
        assert!(
            refusal
                .violations
                .iter()
                .any(|(_, told)| told.contains(said)),
            "{expression}: {refusal:?}"
        );
    }
    invalid(shop.create_transition(at("")).await, field);
    let document = DOCUMENT.replace(r#"timestamp(order.attributes["release"])"#, "now");
    let document = shop.document(&document, v1::WorkflowFormat::Yaml);
    let answer = shop.workflows().apply_workflow(document).await;
    let refusal = waymark_tests::Refusal::of(&answer.unwrap_err());
    assert_eq!(refusal.reason, "WORKFLOW_INVALID");
    assert!(refusal.message.contains("has a date that cannot be used"));
    let good = shop
        .create_transition(at("order.create_time"))
        .await
        .unwrap();
    assert_eq!(good.trigger, at("order.create_time").trigger);
}
