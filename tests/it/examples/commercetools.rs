//! commercetools: the order as state, payment and shipment as attributes beside it.

use std::collections::BTreeSet;

use waymark_proto::v1::{self, EntryKind};
use waymark_tests::{
    Backend, Shop, World, refused,
    shop::{line, standing},
};

use super::{FAILED, attribute, coming_back, consistent, ids, record, send, shop, take};

on_each_database!(
    three_states_stand_side_by_side,
    what_is_delivered_and_paid_completes,
    a_cancelled_order_is_reopened,
    what_comes_back_has_a_state_of_its_own,
    mistakes_are_put_right,
);

/// Two of one article for 80.00 and one of another for 15.00, with 5.00 of shipping.
async fn place(shop: &Shop, id: &str) -> v1::Order {
    let priced = |id, quantity, total| v1::OrderLine {
        total: Some(total),
        ..line(id, quantity)
    };
    let order = v1::Order {
        lines: vec![priced("a", "2", 8_000), priced("b", "1", 1_500)],
        ..shop.draft(id, &[])
    };
    let placed = shop.create(order).await.unwrap();
    placed.order.unwrap()
}

/// Its `orderState`, `paymentState` and `shipmentState`.
fn seen(order: &v1::Order) -> (&str, &str, &str) {
    (
        &order.state,
        attribute(order, "payment_state"),
        attribute(order, "shipment_state"),
    )
}

async fn pay(shop: &Shop, id: &str, amount: i64) -> v1::Order {
    let request = v1::RecordOperationRequest {
        amount: Some(amount),
        ..shop.operation(id, "pay", &[])
    };
    send(shop, request).await
}

async fn three_states_stand_side_by_side(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "commercetools").await;
    assert_eq!(
        seen(&place(&shop, "1").await),
        ("open", "BalanceDue", "Pending")
    );
    refused(
        shop.record("1", "ship", &[]).await,
        FAILED,
        "OPERATION_NOT_ALLOWED",
    );
    take(&shop, "1", "confirm").await;
    for (operation, expected) in [
        ("payment_pending", ("confirmed", "Pending", "Pending")),
        ("payment_failed", ("confirmed", "Failed", "Pending")),
        ("shipment_backorder", ("confirmed", "Failed", "Backorder")),
        ("shipment_delayed", ("confirmed", "Failed", "Delayed")),
        ("shipment_ready", ("confirmed", "Failed", "Ready")),
    ] {
        let order = record(&shop, "1", operation, &[]).await;
        assert_eq!(seen(&order), expected, "{operation}");
    }
    let order = pay(&shop, "1", 4_000).await;
    assert_eq!(seen(&order), ("confirmed", "BalanceDue", "Ready"));
    let order = record(&shop, "1", "pay", &[]).await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Ready"));
    let order = record(&shop, "1", "ship", &[("a", "1")]).await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Partial"));
    // The other article is sold out: its money is owed, and goes back.
    let order = record(&shop, "1", "cancel", &[("b", "1")]).await;
    assert_eq!(seen(&order), ("confirmed", "CreditOwed", "Partial"));
    shop.record_amount("1", "refund", 1_500).await.unwrap();
    let order = shop.get("1").await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Partial"));

    // Lists ask for any of the three.
    take_to_confirmed(&shop, "2").await;
    let by = |key: &str, value: &str| v1::OrderFilter {
        states: vec!["confirmed".to_owned()],
        attributes: [(key.to_owned(), value.to_owned())].into(),
        ..Default::default()
    };
    for (key, value, expected) in [
        ("shipment_state", "Partial", "1"),
        ("shipment_state", "Pending", "2"),
        ("payment_state", "Paid", "1"),
        ("payment_state", "BalanceDue", "2"),
    ] {
        let found = ids(&shop, by(key, value)).await;
        let expected = BTreeSet::from([expected.to_owned()]);
        assert_eq!(found, expected, "{key} {value}");
    }
    consistent(&shop, "1").await;
}

async fn take_to_confirmed(shop: &Shop, id: &str) {
    place(shop, id).await;
    take(shop, id, "confirm").await;
}

/// An automatic step sees what the actions of the same call have written.
async fn what_is_delivered_and_paid_completes(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "commercetools").await;
    take_to_confirmed(&shop, "1").await;
    record(&shop, "1", "pay", &[]).await;
    record(&shop, "1", "ship", &[("a", "1")]).await;
    let refusal = refused(
        shop.record("1", "deliver", &[]).await,
        FAILED,
        "GUARD_REFUSED",
    );
    assert_eq!(refusal.particular("operation"), "deliver");
    let order = record(&shop, "1", "ship", &[]).await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Shipped"));
    let answer = shop.record("1", "deliver", &[]).await.unwrap();
    let kinds: Vec<_> = answer.entries.iter().map(v1::HistoryEntry::kind).collect();
    let expected = [
        EntryKind::OperationRecorded,
        EntryKind::Updated,
        EntryKind::Transitioned,
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        seen(&answer.order.unwrap()),
        ("complete", "Paid", "Delivered")
    );
    // In the other order as well.
    take_to_confirmed(&shop, "2").await;
    record(&shop, "2", "ship", &[]).await;
    let order = record(&shop, "2", "deliver", &[]).await;
    assert_eq!(seen(&order), ("confirmed", "BalanceDue", "Delivered"));
    let order = record(&shop, "2", "pay", &[]).await;
    assert_eq!(seen(&order), ("complete", "Paid", "Delivered"));
    consistent(&shop, "2").await;
}

async fn a_cancelled_order_is_reopened(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "commercetools").await;
    take_to_confirmed(&shop, "1").await;
    record(&shop, "1", "pay", &[]).await;
    let order = take(&shop, "1", "cancel").await;
    assert_eq!(seen(&order), ("cancelled", "CreditOwed", "Canceled"));
    let order = take(&shop, "1", "reopen").await;
    assert_eq!((standing(&order), order.total_due), (("open", "open"), 0));
    take(&shop, "1", "confirm").await;
    let order = record(&shop, "1", "recalculate", &[]).await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Pending"));
    record(&shop, "1", "ship", &[("a", "1")]).await;
    let refusal = refused(shop.take("1", "cancel").await, FAILED, "GUARD_REFUSED");
    assert_eq!(refusal.particular("transition"), "cancel");
    // The rest can be cancelled all the same, and the order completes.
    record(&shop, "1", "cancel", &[]).await;
    let order = record(&shop, "1", "deliver", &[]).await;
    assert_eq!(seen(&order), ("complete", "CreditOwed", "Delivered"));
    consistent(&shop, "1").await;
}

async fn what_comes_back_has_a_state_of_its_own(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "commercetools").await;
    take_to_confirmed(&shop, "1").await;
    let refuse = async |operation: &str| {
        let refusal = refused(
            shop.record("1", operation, &[]).await,
            FAILED,
            "GUARD_REFUSED",
        );
        assert_eq!(refusal.particular("operation"), operation);
    };
    refuse("return_advised").await;
    for operation in ["pay", "ship", "deliver"] {
        record(&shop, "1", operation, &[]).await;
    }
    let order = record(&shop, "1", "return_advised", &[]).await;
    assert_eq!(attribute(&order, "return_state"), "Advised");
    refuse("return_back_in_stock").await;
    let order = send(&shop, coming_back(&shop, "1", &[("a", "1")], 4_000)).await;
    assert_eq!(attribute(&order, "return_state"), "Returned");
    assert_eq!(seen(&order), ("complete", "Paid", "Delivered"));
    let order = record(&shop, "1", "return_back_in_stock", &[]).await;
    assert_eq!(attribute(&order, "return_state"), "BackInStock");
    refuse("return_unusable").await;
    consistent(&shop, "1").await;
}

async fn mistakes_are_put_right(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "commercetools").await;
    take_to_confirmed(&shop, "1").await;
    for operation in ["pay", "ship", "deliver"] {
        record(&shop, "1", operation, &[]).await;
    }
    let order = send(&shop, shop.reversal("1", "ship", &[("a", "1")])).await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Partial"));
    // It is not delivered again by being shipped again.
    let order = record(&shop, "1", "ship", &[]).await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Shipped"));
    // What is taken back inside a state sets off nothing, so somebody has to say that it counts.
    send(&shop, shop.reversal("1", "pay", &[])).await;
    let order = send(&shop, shop.reversal("1", "ship", &[])).await;
    assert_eq!(seen(&order), ("confirmed", "Paid", "Shipped"));
    let order = record(&shop, "1", "recalculate", &[]).await;
    assert_eq!(seen(&order), ("confirmed", "BalanceDue", "Pending"));
    consistent(&shop, "1").await;
}
