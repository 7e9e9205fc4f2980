//! Shopware 6: the order as state, its delivery as status, its payment as an attribute.

use waymark_proto::v1;
use waymark_tests::{Backend, World, refused, shop::standing};

use super::{FAILED, attribute, coming_back, consistent, record, send, shop, take};

on_each_database!(
    an_order_is_paid_sent_and_returned,
    a_cancelled_order_is_reopened,
    what_was_sent_is_not_cancelled,
    mistakes_are_taken_back,
    a_payment_goes_its_own_way,
    what_operations_set_off_no_call_takes,
);

/// Where its order, its delivery and its payment stand.
fn seen(order: &v1::Order) -> (&str, &str, &str) {
    let (state, status) = standing(order);
    (state, status, attribute(order, "payment_state"))
}

async fn an_order_is_paid_sent_and_returned(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "shopware_6").await;
    let order = shop.place("1", &[("a", "2"), ("b", "1")]).await;
    assert_eq!(seen(&order), ("open", "open", "open"));
    let order = record(&shop, "1", "payment_authorize", &[]).await;
    assert_eq!(seen(&order), ("open", "open", "authorized"));
    let order = record(&shop, "1", "ship", &[("a", "1")]).await;
    let expected = ("in_progress", "shipped_partially", "authorized");
    assert_eq!(seen(&order), expected);
    let order = record(&shop, "1", "pay", &[]).await;
    assert_eq!(seen(&order), ("in_progress", "shipped_partially", "paid"));
    let refusal = refused(shop.take("1", "complete").await, FAILED, "GUARD_REFUSED");
    assert_eq!(refusal.particular("transition"), "complete");
    let order = record(&shop, "1", "ship", &[]).await;
    assert_eq!(seen(&order), ("in_progress", "shipped", "paid"));
    let order = take(&shop, "1", "complete").await;
    assert_eq!(seen(&order), ("completed", "completed", "paid"));

    let order = send(&shop, coming_back(&shop, "1", &[("a", "1")], 3_000)).await;
    let partially = ("completed", "returned_partially", "refunded_partially");
    assert_eq!(seen(&order), partially);
    let rest = coming_back(&shop, "1", &[("a", "1"), ("b", "1")], 7_000);
    let order = send(&shop, rest).await;
    assert_eq!(seen(&order), ("completed", "returned", "refunded"));
    let order = take(&shop, "1", "reopen_completed").await;
    assert_eq!(standing(&order), ("open", "open"));
    consistent(&shop, "1").await;
}

async fn a_cancelled_order_is_reopened(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "shopware_6").await;
    shop.place("1", &[("a", "2")]).await;
    record(&shop, "1", "pay", &[]).await;
    let order = take(&shop, "1", "cancel").await;
    assert_eq!(seen(&order), ("cancelled", "cancelled", "paid"));
    assert_eq!(order.total_overpaid, 10_000);
    refused(
        shop.take("1", "process").await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
    shop.record_amount("1", "refund", 10_000).await.unwrap();
    assert_eq!(attribute(&shop.get("1").await, "payment_state"), "refunded");
    let order = take(&shop, "1", "reopen").await;
    assert_eq!(
        (standing(&order), order.total_due),
        (("open", "open"), 10_000)
    );
    let order = record(&shop, "1", "payment_reopen", &[]).await;
    assert_eq!(seen(&order), ("open", "open", "open"));
    // Line by line it comes to the same.
    record(&shop, "1", "cancel", &[("a", "1")]).await;
    let order = record(&shop, "1", "cancel", &[("a", "1")]).await;
    assert_eq!(standing(&order), ("cancelled", "cancelled"));
    consistent(&shop, "1").await;
}

async fn what_was_sent_is_not_cancelled(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "shopware_6").await;
    shop.place("1", &[("a", "2")]).await;
    record(&shop, "1", "ship", &[("a", "1")]).await;
    let refusal = refused(shop.take("1", "cancel").await, FAILED, "GUARD_REFUSED");
    assert!(
        refusal
            .particular("description")
            .contains("RecordOperation")
    );
    let order = record(&shop, "1", "cancel", &[]).await;
    assert_eq!(standing(&order), ("in_progress", "shipped"));
    // What is refunded before it was sent need not be sent either.
    shop.place("2", &[("a", "2")]).await;
    record(&shop, "2", "pay", &[]).await;
    record(&shop, "2", "ship", &[("a", "1")]).await;
    let order = record(&shop, "2", "refund", &[("a", "1")]).await;
    let expected = ("in_progress", "shipped", "refunded_partially");
    assert_eq!(seen(&order), expected);
    consistent(&shop, "2").await;
}

async fn mistakes_are_taken_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "shopware_6").await;
    shop.place("1", &[("a", "2")]).await;
    record(&shop, "1", "ship", &[]).await;
    for status in ["shipped_partially", "in_progress"] {
        let order = send(&shop, shop.reversal("1", "ship", &[("a", "1")])).await;
        assert_eq!(standing(&order), ("in_progress", status));
    }
    record(&shop, "1", "ship", &[]).await;
    record(&shop, "1", "pay", &[]).await;
    let all = coming_back(&shop, "1", &[("a", "2")], 10_000);
    let order = send(&shop, all).await;
    assert_eq!(standing(&order), ("completed", "returned"));
    for status in ["returned_partially", "completed"] {
        let order = send(&shop, shop.reversal("1", "refund", &[("a", "1")])).await;
        assert_eq!(standing(&order), ("completed", status));
    }
    consistent(&shop, "1").await;
}

/// Which step of a payment may follow which.
async fn a_payment_goes_its_own_way(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "shopware_6").await;
    shop.place("1", &[("a", "1")]).await;
    let refuse = async |operation: &str| {
        let refusal = refused(
            shop.record("1", operation, &[]).await,
            FAILED,
            "GUARD_REFUSED",
        );
        assert_eq!(refusal.particular("operation"), operation);
    };
    refuse("payment_chargeback").await;
    for (operation, state) in [
        ("payment_remind", "reminded"),
        ("payment_process", "in_progress"),
        ("payment_fail", "failed"),
        ("payment_process_unconfirmed", "unconfirmed"),
        ("payment_authorize", "authorized"),
        ("payment_cancel", "cancelled"),
        ("payment_reopen", "open"),
    ] {
        let order = record(&shop, "1", operation, &[]).await;
        assert_eq!(seen(&order), ("open", "open", state), "{operation}");
    }
    let part = v1::RecordOperationRequest {
        amount: Some(4_000),
        ..shop.operation("1", "pay", &[])
    };
    let order = send(&shop, part).await;
    assert_eq!(attribute(&order, "payment_state"), "paid_partially");
    let order = record(&shop, "1", "pay", &[]).await;
    assert_eq!(attribute(&order, "payment_state"), "paid");
    for operation in ["payment_authorize", "payment_remind", "payment_fail"] {
        refuse(operation).await;
    }
    let order = record(&shop, "1", "payment_chargeback", &[]).await;
    assert_eq!(attribute(&order, "payment_state"), "chargeback");
    let order = send(&shop, shop.reversal("1", "pay", &[])).await;
    assert_eq!(order.total_due, 10_000);
    let order = record(&shop, "1", "payment_reopen", &[]).await;
    assert_eq!(seen(&order), ("open", "open", "open"));
    consistent(&shop, "1").await;
}

async fn what_operations_set_off_no_call_takes(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "shopware_6").await;
    shop.place("1", &[("a", "1")]).await;
    assert_eq!(shop.available("1").await, ["process", "cancel"]);
    for transition in ["ship", "ship_partially", "all_cancelled"] {
        let refusal = refused(
            shop.take("1", transition).await,
            FAILED,
            "TRANSITION_NOT_ALLOWED",
        );
        assert_eq!(refusal.particular("transition"), transition);
    }
    let refusal = refused(
        shop.record("1", "ship", &[("a", "2")]).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    assert_eq!(refusal.particular("left"), "1");
    assert_eq!(standing(&shop.get("1").await), ("open", "open"));
}
