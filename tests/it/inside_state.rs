//! Statuses inside a state that follow the units of an order, and in which order a step does what it sets off.

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{
    Backend, World, refused,
    shop::standing,
    world::{apply, fresh_code},
};

on_each_database!(
    a_status_follows_the_units_of_the_order,
    a_status_of_the_shop_is_left_alone,
    a_circle_inside_a_state_ends_at_the_limit,
    actions_see_what_the_step_left,
);

/// As Shopware, Shopify and commercetools have it: an order in `processing` is partly shipped, then shipped.
const DOCUMENT: &str = r#"
label: Shop
initial_state: new
statuses:
  pending: {label: Pending}
  processing: {label: Processing}
  part_shipped: {label: Partly shipped}
  part_refunded: {label: Partly refunded}
  own: {label: Own}
  done: {label: Done}
operations:
  pay: {label: Pay, effect: pay}
  ship:
    label: Ship
    effect: ship
    actions: {tell: {comment: {text: "{{ order.status }}, {{ order.units_open }} open, {{ request.operation }}"}}}
  refund: {label: Refund, effect: refund}
states:
  new: {label: New, category: initial, can_start: true, operations: [pay, ship], statuses: [pending]}
  processing: {label: Processing, category: active, operations: [pay, ship, refund], statuses: [processing, part_shipped, part_refunded, own]}
  done: {label: Done, category: completed, operations: [refund], statuses: [done]}
transitions:
  finish: {label: Finish, from_states: [processing], to_state: done, trigger: automatic, guard: order.fully_shipped}
  begin: {label: Begin, from_states: [new], to_state: processing, trigger: {on_operations: [pay, ship]}}
  shipped:
    label: Partly shipped
    from_statuses: [processing]
    to_state: processing
    to_status: part_shipped
    trigger: automatic
    guard: order.units_shipped > 0.0 && order.units_open > 0.0
  refunded:
    label: Partly refunded
    from_statuses: [processing, part_shipped]
    to_state: processing
    to_status: part_refunded
    trigger: {on_operations: [refund]}
    guard: order.units_refunded > 0.0
"#;

async fn a_status_follows_the_units_of_the_order(backend: Backend) {
    let world = World::on(backend).await;
    let shop = apply(&world.server().clients(), &fresh_code(), DOCUMENT).await;
    shop.place("1", &[("a", "2"), ("b", "1")]).await;
    // The first parcel moves the order on, and shows.
    let shipped = shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    assert_eq!(
        standing(shipped.order.as_ref().unwrap()),
        ("processing", "part_shipped")
    );
    let taken = shipped
        .entries
        .iter()
        .map(|entry| entry.transition.as_str());
    assert_eq!(taken.collect::<Vec<_>>(), ["", "begin", "shipped", ""]);
    let entry = &shipped.entries[2];
    assert_eq!(
        (entry.from_status.as_str(), entry.to_status.as_str()),
        ("processing", "part_shipped")
    );
    shop.record("1", "pay", &[]).await.unwrap();
    let refund = v1::RecordOperationRequest {
        amount: Some(100),
        ..shop.operation("1", "refund", &[("a", "1")])
    };
    let refunded = shop.send(refund).await.unwrap().order.unwrap();
    assert_eq!(standing(&refunded), ("processing", "part_refunded"));
    // The last parcel ends it, and nothing is partly shipped any more.
    let done = shop.record("1", "ship", &[]).await.unwrap();
    assert_eq!(standing(done.order.as_ref().unwrap()), ("done", "done"));

    // All at once is not partly.
    shop.place("2", &[("a", "2")]).await;
    let done = shop.record("2", "ship", &[]).await.unwrap();
    let taken = done.entries.iter().map(|entry| entry.transition.as_str());
    assert_eq!(taken.collect::<Vec<_>>(), ["", "begin", "finish", ""]);
}

async fn a_status_of_the_shop_is_left_alone(backend: Backend) {
    let world = World::on(backend).await;
    let shop = apply(&world.server().clients(), &fresh_code(), DOCUMENT).await;
    shop.place("1", &[("a", "2")]).await;
    shop.record("1", "pay", &[]).await.unwrap();
    shop.comment("1", "", "own").await.unwrap();
    let shipped = shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    assert_eq!(shipped.order.unwrap().status, "own");
    // The presets have rules from states, and none for a status inside one.
    for preset in ["magento", "magento_2_4"] {
        let shop = world.shop(preset).await;
        shop.add_status("packing").await;
        shop.assign("processing", "packing", None).await.unwrap();
        shop.place("1", &[("a", "2")]).await;
        shop.record_amount("1", "pay", 500).await.unwrap();
        shop.comment("1", "", "packing").await.unwrap();
        for operation in ["invoice", "ship"] {
            let recorded = shop.record("1", operation, &[("a", "1")]).await.unwrap();
            let order = recorded.order.unwrap();
            assert_eq!(standing(&order), ("processing", "packing"), "{preset}");
        }
    }
}

async fn a_circle_inside_a_state_ends_at_the_limit(backend: Backend) {
    let world = World::on(backend).await;
    let circle = "
  there: {label: There, from_statuses: [processing], to_state: processing, to_status: own, trigger: automatic, guard: order.total_paid > 0}
  back: {label: Back, from_statuses: [own], to_state: processing, to_status: processing, trigger: automatic, guard: order.total_paid > 0}
";
    let document = format!("{DOCUMENT}{circle}");
    let shop = apply(&world.server().clients(), &fresh_code(), &document).await;
    shop.place("1", &[("a", "2")]).await;
    let refusal = refused(
        shop.record("1", "pay", &[]).await,
        Code::FailedPrecondition,
        "CASCADE_LIMIT",
    );
    assert_eq!(refusal.particular("limit"), "16");
    assert_eq!(shop.get("1").await.version, 1);
}

async fn actions_see_what_the_step_left(backend: Backend) {
    let world = World::on(backend).await;
    let shop = apply(&world.server().clients(), &fresh_code(), DOCUMENT).await;
    shop.place("1", &[("a", "2")]).await;
    for (quantity, said) in [
        ("1", "part_shipped, 1.0 open, ship"),
        ("1", "done, 0.0 open, ship"),
    ] {
        let shipped = shop.record("1", "ship", &[("a", quantity)]).await.unwrap();
        let told = shipped.entries.last().unwrap();
        assert_eq!(told.comment, said);
        assert_eq!(told.caused_by, shipped.entries[0].sequence);
    }
}
