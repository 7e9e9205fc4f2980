//! What the presets `magento_2_4` and `modmore` are there for.

use tonic::Code;
use waymark_proto::v1::{self, transition_order_request::Target};
use waymark_tests::{
    Backend, Shop, World, binary, refused,
    replay::{facts, replay},
    shop::{standing, to},
};

on_each_database!(
    refunded_units_need_no_shipment_in_2_4,
    only_open_states_are_held_in_2_4,
    declared_changes_alone_move_modmore,
    a_backorder_loops_ten_times,
    a_fresh_server_has_the_default_workflow,
);

async fn refunded_units_need_no_shipment_in_2_4(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento_2_4").await;
    shop.place("1", &[("shirt", "3")]).await;
    shop.record("1", "pay", &[]).await.unwrap();
    shop.record("1", "invoice", &[]).await.unwrap();
    let refund = v1::RecordOperationRequest {
        amount: Some(3_333),
        ..shop.operation("1", "refund", &[("shirt", "1")])
    };
    let refunded = shop
        .orders()
        .record_operation(refund)
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    assert_eq!(
        (refunded.state.as_str(), refunded.total_refunded),
        ("processing", 3_333)
    );
    let shipped = shop.record("1", "ship", &[]).await.unwrap();
    assert_eq!(
        shipped.order.as_ref().unwrap().lines[0].quantity_shipped,
        "2",
        "the refunded unit does not ship"
    );
    assert_eq!(
        standing(shipped.order.as_ref().unwrap()),
        ("complete", "complete")
    );
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));

    // The documented Magento waits for the refunded unit.
    let shop = world.shop("magento").await;
    shop.place("1", &[("shirt", "3")]).await;
    shop.record("1", "invoice", &[]).await.unwrap();
    shop.record("1", "refund", &[("shirt", "1")]).await.unwrap();
    shop.record("1", "ship", &[("shirt", "2")]).await.unwrap();
    assert_eq!(shop.get("1").await.state, "processing");
    shop.record("1", "ship", &[]).await.unwrap();
    assert_eq!(shop.get("1").await.state, "complete");
}

async fn only_open_states_are_held_in_2_4(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento_2_4").await;
    let refuse = async |id: &str, state: &str| {
        assert_eq!(shop.get(id).await.state, state);
        let refusal = refused(
            shop.hold(id, "why").await,
            Code::FailedPrecondition,
            "STATE_NOT_HOLDABLE",
        );
        assert_eq!(refusal.particular("state"), state);
    };
    shop.place("complete", &[("shirt", "1")]).await;
    shop.record("complete", "pay", &[]).await.unwrap();
    shop.record("complete", "ship", &[]).await.unwrap();
    shop.record("complete", "invoice", &[]).await.unwrap();
    refuse("complete", "complete").await;

    let refund = v1::RecordOperationRequest {
        amount: Some(10_000),
        ..shop.operation("complete", "refund", &[])
    };
    shop.orders().record_operation(refund).await.unwrap();
    refuse("complete", "closed").await;

    shop.place("canceled", &[("shirt", "1")]).await;
    shop.take("canceled", "cancel").await.unwrap();
    refuse("canceled", "canceled").await;
    shop.place("review", &[("shirt", "1")]).await;
    shop.take("review", "review_payment").await.unwrap();
    refuse("review", "payment_review").await;

    for state in ["new", "pending_payment", "processing"] {
        let order = v1::Order {
            state: state.into(),
            ..shop.draft(state, &[("shirt", "1")])
        };
        shop.create(order).await.unwrap();
        shop.hold(state, "why").await.unwrap();
        assert_eq!(
            shop.release(state, "").await.unwrap().order.unwrap().state,
            state
        );
    }
}

async fn declared_changes_alone_move_modmore(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("modmore").await;
    shop.place("1", &[("book", "1")]).await;
    refuse_all(
        &shop,
        "1",
        &["received", "cancelled"],
        &["payment_received", "cancel"],
    )
    .await;
    shop.take("1", "payment_received").await.unwrap();
    assert_eq!(standing(&shop.get("1").await), ("processing", "received"));
    assert_eq!(
        shop.get("1").await.total_paid,
        10_000,
        "the change records the payment"
    );
    let allowed = ["put_in_backorder", "ready_for_pickup", "cancel"];
    refuse_all(
        &shop,
        "1",
        &["in_backorder", "awaiting_pickup", "cancelled"],
        &allowed,
    )
    .await;
    // A comment takes the change that is declared, and jumps nowhere else.
    let moved = shop.comment("1", "no paper", "in_backorder").await.unwrap();
    let entry = &moved.entries[0];
    assert_eq!(
        (entry.transition.as_str(), entry.comment.as_str()),
        ("put_in_backorder", "no paper")
    );
    let refusal = refused(
        shop.comment("1", "jump", "awaiting_pickup").await,
        Code::FailedPrecondition,
        "TRANSITION_NOT_ALLOWED",
    );
    assert_eq!(refusal.list("allowed"), ["back_in_stock", "cancel"]);
    shop.comment("1", "no jump", "").await.unwrap();
    shop.take("1", "back_in_stock").await.unwrap();
    shop.go("1", Target::ToStatus("awaiting_pickup".into()))
        .await
        .unwrap();
    let shipped = shop
        .take("1", "delivery_confirmed")
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(standing(&shipped), ("completed", "shipped"));
    refused(
        shop.take("1", "cancel").await,
        Code::FailedPrecondition,
        "ORDER_TERMINAL",
    );
}

/// Tries every status of the workflow but the reachable ones; each refusal lists what is allowed.
async fn refuse_all(shop: &Shop, id: &str, reachable: &[&str], allowed: &[&str]) {
    for (state, status) in [
        ("draft", "draft"),
        ("processing", "received"),
        ("processing", "in_backorder"),
        ("processing", "awaiting_pickup"),
        ("completed", "shipped"),
        ("cancelled", "cancelled"),
    ] {
        if reachable.contains(&status) {
            continue;
        }
        for target in [Target::ToStatus(status.into()), to(state, status)] {
            let refusal = refused(
                shop.go(id, target).await,
                Code::FailedPrecondition,
                "TRANSITION_NOT_ALLOWED",
            );
            assert_eq!(refusal.list("allowed"), allowed, "{status}");
        }
    }
    assert_eq!(shop.available(id).await, allowed);
}

async fn a_backorder_loops_ten_times(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("modmore").await;
    shop.place("1", &[("book", "1")]).await;
    shop.take("1", "payment_received").await.unwrap();
    for _ in 0..10 {
        assert_eq!(
            shop.take("1", "put_in_backorder")
                .await
                .unwrap()
                .order
                .unwrap()
                .status,
            "in_backorder"
        );
        refused(
            shop.take("1", "put_in_backorder").await,
            Code::FailedPrecondition,
            "TRANSITION_NOT_ALLOWED",
        );
        assert_eq!(
            shop.take("1", "back_in_stock")
                .await
                .unwrap()
                .order
                .unwrap()
                .status,
            "received"
        );
    }
    let entries = shop.entries("1").await;
    assert_eq!(entries.len(), 22);
    assert!(
        entries
            .iter()
            .zip(1..)
            .all(|(entry, sequence)| entry.sequence == sequence)
    );
    assert_eq!(replay(&entries), facts(shop.get("1").await));
}

async fn a_fresh_server_has_the_default_workflow(backend: Backend) {
    let world = World::on(backend).await;
    let own = Shop::new((*world).clone(), "");
    let workflow = own.definition().await;
    assert_eq!((workflow.code.as_str(), workflow.version), ("order", 1));
    let states = own
        .states()
        .list_states(v1::ListStatesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .states;
    let row = |state: &v1::OrderState| {
        let statuses: Vec<_> = state
            .assignments
            .iter()
            .map(|assignment| assignment.status.clone())
            .collect();
        format!(
            "{}: {} ({})",
            state.code,
            statuses.join(" "),
            state.default_status
        )
    };
    assert_eq!(
        states.iter().map(row).collect::<Vec<_>>(),
        [
            "new: pending received (pending)",
            "pending_payment: pending_payment pending_paypal pending_amazon_asp (pending_payment)",
            "processing: processing (processing)",
            "payment_review: payment_review fraud (payment_review)",
            "complete: complete (complete)",
            "closed: closed (closed)",
            "canceled: canceled rejected (canceled)",
            "holded: holded (holded)",
        ]
    );
    let names = binary::run(&["preset", "list"]);
    let names = String::from_utf8(names.stdout).unwrap();
    for name in ["magento", "magento_2_4", "modmore"] {
        assert!(names.contains(name), "{names}");
    }
}
