//! Units: parts of one, those that come back, and orders without lines, which are one whole.

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    shop::{moved, standing},
    world,
};

use super::{FAILED, MAGENTO, all_of, amounting, consistent, place, quantities, recorded, totals};

on_each_database!(
    an_order_without_lines_is_one_whole,
    a_whole_order_is_canceled,
    a_whole_order_acts_once,
    nothing_to_pay_is_no_obstacle,
    parts_of_one_count_exactly,
    half_a_kilo_keeps_an_order_open,
    a_parcel_that_comes_back_uses_up_no_other,
    no_more_comes_back_than_was_sent,
    units_are_refunded_without_invoices,
);

/// F9.
async fn an_order_without_lines_is_one_whole(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 1_700, &[]).await;
        assert_eq!(all_of(&shop, "1", &["pay"]).await.state, "processing");
        let invoiced = shop.record("1", "invoice", &[]).await.unwrap();
        let entry = recorded(&invoiced.entries[0]);
        assert!(entry.whole && entry.lines.is_empty(), "{entry:?}");
        let shipped = shop.record("1", "ship", &[]).await.unwrap();
        assert_eq!(
            standing(&shipped.order.unwrap()),
            ("complete", "complete"),
            "{preset}"
        );
        let back = shop.record("1", "refund", &[]).await.unwrap();
        let entry = recorded(&back.entries[0]);
        assert_eq!((entry.whole, entry.amount), (true, 1_700));
        let closed = back.order.unwrap();
        assert_eq!(standing(&closed), ("closed", "closed"), "{preset}");
        assert_eq!(totals(&closed), [1_700, 1_700, 0, 0, 0], "{preset}");
        consistent(&shop, "1").await;
    }
}

async fn a_whole_order_is_canceled(backend: Backend) {
    let world = World::on(backend).await;
    for (preset, state) in [
        ("magento", "canceled"),
        ("magento_2_4", "canceled"),
        ("modmore", "cancelled"),
    ] {
        let shop = world.shop(preset).await;
        place(&shop, "step", 1_700, &[]).await;
        let canceled = shop.take("step", "cancel").await.unwrap().order.unwrap();
        assert_eq!(canceled.state, state, "{preset}");
        assert_eq!(totals(&canceled), [0, 0, 1_700, 0, 0], "{preset}");
        place(&shop, "record", 1_700, &[]).await;
        let canceled = shop.record("record", "cancel", &[]).await.unwrap();
        let entry = recorded(&canceled.entries[0]);
        assert_eq!((entry.whole, entry.amount), (true, 1_700), "{preset}");
        assert_eq!(
            canceled.entries[1].caused_by, canceled.entries[0].sequence,
            "{preset}"
        );
        let canceled = canceled.order.unwrap();
        assert_eq!(canceled.state, state, "{preset}");
        assert_eq!(totals(&canceled), [0, 0, 1_700, 0, 0], "{preset}");
        consistent(&shop, "record").await;
    }
}

async fn a_whole_order_acts_once(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 1_700, &[]).await;
        for operation in ["invoice", "ship"] {
            assert!(
                shop.get("1")
                    .await
                    .allowed_operations
                    .contains(&operation.to_owned())
            );
            shop.record("1", operation, &[]).await.unwrap();
            refused(
                shop.record("1", operation, &[]).await,
                FAILED,
                "NOTHING_TO_DO",
            );
        }
        refused(
            shop.record("1", "refund", &[("a", "1")]).await,
            Code::NotFound,
            "LINE_NOT_FOUND",
        );
        consistent(&shop, "1").await;
    }
}

/// F10.
async fn nothing_to_pay_is_no_obstacle(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("modmore").await;
    place(&shop, "1", 0, &[("a", "1")]).await;
    let received = shop.take("1", "payment_received").await.unwrap();
    assert!(
        received.entries[0].detail.is_none(),
        "there was nothing to record: {:?}",
        received.entries[0]
    );
    assert_eq!(
        standing(&received.order.unwrap()),
        ("processing", "received")
    );
    // Nor is what was shipped before.
    shop.record("1", "ship", &[]).await.unwrap();
    shop.take("1", "ready_for_pickup").await.unwrap();
    let delivered = shop.take("1", "delivery_confirmed").await.unwrap();
    assert!(delivered.entries[0].detail.is_none());
    assert_eq!(delivered.order.unwrap().state, "completed");
    consistent(&shop, "1").await;
}

/// F12.
async fn parts_of_one_count_exactly(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento_2_4").await;
    place(&shop, "1", 4_400, &[("a", "4.4")]).await;
    shop.record("1", "pay", &[]).await.unwrap();
    shop.record("1", "invoice", &[("a", "0.4")]).await.unwrap();
    let refund = amounting(&shop, "1", "refund", &[("a", "0.4")], 400);
    let refunded = shop.send(refund).await.unwrap().order.unwrap();
    assert_eq!(refunded.state, "processing");
    shop.record("1", "invoice", &[("a", "4")]).await.unwrap();
    let shipped = shop.record("1", "ship", &[("a", "4")]).await.unwrap();
    let order = shipped.order.unwrap();
    assert_eq!(standing(&order), ("complete", "complete"));
    assert_eq!(quantities(&order.lines[0]), ["4.4", "4", "0.4", "0", "0"]);
    assert_eq!(totals(&order), [4_400, 400, 0, 0, 0]);
    consistent(&shop, "1").await;
}

async fn half_a_kilo_keeps_an_order_open(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 1_500, &[("a", "1.5")]).await;
        all_of(&shop, "1", &["pay", "invoice"]).await;
        let part = shop.record("1", "ship", &[("a", "1")]).await.unwrap();
        assert_eq!(part.order.unwrap().state, "processing", "{preset}");
        let rest = shop.record("1", "ship", &[("a", "0.5")]).await.unwrap();
        assert_eq!(rest.order.unwrap().state, "complete", "{preset}");
    }
    // Delivered is delivered whole.
    let shop = world.shop("modmore").await;
    place(&shop, "1", 1_500, &[("a", "1.5")]).await;
    shop.take("1", "payment_received").await.unwrap();
    shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    shop.take("1", "ready_for_pickup").await.unwrap();
    let delivered = shop.take("1", "delivery_confirmed").await.unwrap();
    assert_eq!(recorded(&delivered.entries[0]).lines, [moved("a", "0.5")]);
    assert_eq!(delivered.order.unwrap().state, "completed");
}

/// A refund of so many units, of which some came back.
fn coming_back(
    shop: &Shop,
    id: &str,
    quantity: &str,
    returned: &str,
    amount: i64,
) -> v1::RecordOperationRequest {
    let line = v1::OperationLine {
        returned: returned.to_owned(),
        ..moved("a", quantity)
    };
    v1::RecordOperationRequest {
        lines: vec![line],
        ..amounting(shop, id, "refund", &[], amount)
    }
}

/// A28.
async fn a_parcel_that_comes_back_uses_up_no_other(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 2_000, &[("a", "2")]).await;
        all_of(&shop, "1", &["pay", "invoice"]).await;
        shop.record("1", "ship", &[("a", "1")]).await.unwrap();
        let back = shop.send(coming_back(&shop, "1", "1", "1", 1_000)).await;
        let back = back.unwrap();
        assert_eq!(recorded(&back.entries[0]).lines[0].returned, "1");
        let order = back.order.unwrap();
        assert_eq!(order.state, "processing", "{preset}");
        assert_eq!(quantities(&order.lines[0]), ["2", "1", "1", "0", "1"]);
        // The second unit was paid for, and is still to be sent.
        let sent = shop.record("1", "ship", &[]).await.unwrap();
        assert_eq!(recorded(&sent.entries[0]).lines, [moved("a", "1")]);
        assert_eq!(sent.order.unwrap().state, "complete", "{preset}");
        consistent(&shop, "1").await;

        // Of three, one came back and one was sold out; the third can be sent.
        place(&shop, "2", 3_000, &[("a", "3")]).await;
        shop.record("2", "pay", &[]).await.unwrap();
        shop.record("2", "invoice", &[("a", "2")]).await.unwrap();
        shop.record("2", "ship", &[("a", "1")]).await.unwrap();
        shop.send(coming_back(&shop, "2", "2", "1", 2_000))
            .await
            .unwrap();
        shop.record("2", "invoice", &[]).await.unwrap();
        let sent = shop.record("2", "ship", &[("a", "1")]).await.unwrap();
        let order = sent.order.unwrap();
        assert_eq!(quantities(&order.lines[0]), ["3", "2", "2", "0", "1"]);
        consistent(&shop, "2").await;
    }
    // Or cancelled, where it is not invoiced.
    let shop = world.shop("magento_2_4").await;
    place(&shop, "3", 3_000, &[("a", "3")]).await;
    shop.record("3", "pay", &[]).await.unwrap();
    shop.record("3", "invoice", &[("a", "2")]).await.unwrap();
    shop.record("3", "ship", &[("a", "1")]).await.unwrap();
    shop.send(coming_back(&shop, "3", "2", "1", 2_000))
        .await
        .unwrap();
    let canceled = shop.record("3", "cancel", &[]).await.unwrap();
    assert_eq!(recorded(&canceled.entries[0]).lines, [moved("a", "1")]);
    assert_eq!(
        totals(&canceled.order.unwrap()),
        [3_000, 2_000, 1_000, 0, 1_000]
    );
    // Where nothing is said, the presets keep to what Magento does.
    place(&shop, "4", 2_000, &[("a", "2")]).await;
    all_of(&shop, "4", &["pay", "invoice"]).await;
    shop.record("4", "ship", &[("a", "1")]).await.unwrap();
    let said_nothing = coming_back(&shop, "4", "1", "", 1_000);
    let order = shop.send(said_nothing).await.unwrap().order.unwrap();
    assert_eq!(order.state, "complete");
}

async fn no_more_comes_back_than_was_sent(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place(&shop, "1", 3_000, &[("a", "3")]).await;
    all_of(&shop, "1", &["pay", "invoice"]).await;
    shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    let refusal = refused(
        shop.send(coming_back(&shop, "1", "2", "2", 1)).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    assert_eq!(
        (
            refusal.particular("line"),
            refusal.particular("left"),
            refusal.particular("asked")
        ),
        ("a", "1", "2")
    );
    shop.send(coming_back(&shop, "1", "1", "1", 1_000))
        .await
        .unwrap();
    let refusal = refused(
        shop.send(coming_back(&shop, "1", "1", "1", 1)).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    assert_eq!(refusal.particular("left"), "0");
    // Only a refund knows of units that come back.
    let shipment = v1::RecordOperationRequest {
        operation: "ship".to_owned(),
        amount: None,
        ..coming_back(&shop, "1", "1", "1", 0)
    };
    refused(
        shop.send(shipment).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    let malformed = coming_back(&shop, "1", "1", "a few", 1);
    invalid(shop.send(malformed).await, "lines[0].returned");
    consistent(&shop, "1").await;
}

/// As many shops have it: nothing is invoiced.
const CARRIER: &str = "
label: Carrier
initial_state: open
operations:
  pay: {label: Pay, effect: pay}
  ship: {label: Ship, effect: ship}
  refund: {label: Refund, effect: refund}
statuses: {open: {label: Open}, done: {label: Done}}
states:
  open: {label: Open, category: initial, can_start: true, operations: [pay, ship, refund], statuses: [open]}
  done: {label: Done, category: closed, statuses: [done]}
transitions:
  close: {label: Close, from_states: [open], to_state: done, trigger: automatic, guard: order.fully_refunded}
";

/// A2.
async fn units_are_refunded_without_invoices(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &world::fresh_code(), CARRIER).await;
    place(&shop, "paid", 100, &[("a", "1")]).await;
    let refusal = refused(
        shop.record("paid", "refund", &[("a", "1")]).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    assert_eq!(refusal.particular("left"), "0", "neither paid nor shipped");
    all_of(&shop, "paid", &["pay", "ship"]).await;
    let refund = amounting(&shop, "paid", "refund", &[("a", "1")], 100);
    let refunded = shop.send(refund).await.unwrap().order.unwrap();
    assert_eq!(
        (refunded.state.as_str(), totals(&refunded)),
        ("done", [100, 100, 0, 0, 0])
    );
    // Once it is paid, a unit that is sold out is refunded without being shipped.
    place(&shop, "sold_out", 100, &[("a", "1")]).await;
    let order = all_of(&shop, "sold_out", &["pay", "refund"]).await;
    assert_eq!(
        (order.state.as_str(), totals(&order)),
        ("done", [100, 100, 0, 0, 0])
    );
    // Where the money is kept elsewhere, what was shipped is refunded.
    place(&shop, "shipped", 100, &[("a", "2")]).await;
    shop.record("shipped", "ship", &[("a", "1")]).await.unwrap();
    let back = shop.record("shipped", "refund", &[]).await.unwrap();
    assert_eq!(recorded(&back.entries[0]).lines, [moved("a", "1")]);
    for id in ["paid", "sold_out", "shipped"] {
        consistent(&shop, id).await;
    }
}
