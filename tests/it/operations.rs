//! Recording operations: quantities, amounts, and what is left of them.

use tonic::Code;
use waymark_proto::v1::{self, history_entry::Detail};
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    replay::{facts, replay},
    shop::{line, moved},
};

use crate::bench;

on_each_database!(
    quantities_are_exact_decimals,
    no_more_is_moved_than_is_left,
    virtual_lines_do_not_ship,
    money_moves_with_payments_and_refunds,
    an_operation_without_effect_is_a_note,
    operations_belong_to_states,
    wrong_quantities_are_named,
    a_transition_records_its_operation,
);

const FAILED: Code = Code::FailedPrecondition;

fn recorded(entry: &v1::HistoryEntry) -> &v1::OperationRecorded {
    match &entry.detail {
        Some(Detail::Recorded(recorded)) => recorded,
        other => panic!("{other:?}"),
    }
}

async fn consistent(shop: &Shop, id: &str) {
    assert_eq!(replay(&shop.entries(id).await), facts(shop.get(id).await));
}

async fn quantities_are_exact_decimals(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("cloth", "1")]).await;
    // A tenth ten times is one, which binary fractions would miss.
    for step in 1..=10 {
        let order = shop
            .record("1", "ship", &[("cloth", "0.1")])
            .await
            .unwrap()
            .order
            .unwrap();
        let expected = if step == 10 {
            "1".to_owned()
        } else {
            format!("0.{step}")
        };
        assert_eq!(order.lines[0].quantity_shipped, expected);
    }
    refused(
        shop.record("1", "ship", &[("cloth", "0.0001")]).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    refused(shop.record("1", "ship", &[]).await, FAILED, "NOTHING_TO_DO");
    let big = shop.place("2", &[("rope", "999999999999.9999")]).await;
    assert_eq!(big.lines[0].quantity_ordered, "999999999999.9999");
    let rest = shop
        .record("2", "invoice", &[("rope", "999999999999.0001")])
        .await
        .unwrap();
    assert_eq!(
        recorded(&rest.entries[0]).lines[0].quantity,
        "999999999999.0001"
    );
    let rest = shop.record("2", "invoice", &[]).await.unwrap();
    assert_eq!(recorded(&rest.entries[0]).lines, [moved("rope", "0.9998")]);
    // However it is written, it is the same quantity.
    let padded = shop.place("3", &[("rope", "002.5000")]).await;
    assert_eq!(padded.lines[0].quantity_ordered, "2.5");
    consistent(&shop, "1").await;
    consistent(&shop, "2").await;
}

async fn no_more_is_moved_than_is_left(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let placed = shop.place("1", &[("a", "2"), ("b", "3")]).await;
    let refusal = refused(
        shop.record("1", "invoice", &[("a", "1"), ("b", "3.5")])
            .await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    assert_eq!(
        (
            refusal.particular("line"),
            refusal.particular("left"),
            refusal.particular("asked")
        ),
        ("b", "3", "3.5")
    );
    assert_eq!(shop.get("1").await, placed, "not in part either");
    let refusal = refused(
        shop.record("1", "invoice", &[("c", "1")]).await,
        Code::NotFound,
        "LINE_NOT_FOUND",
    );
    assert_eq!(refusal.particular("line"), "c");
    refused(
        shop.record("1", "refund", &[("a", "1")]).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    shop.record("1", "invoice", &[("a", "1")]).await.unwrap();
    shop.record("1", "refund", &[("a", "1")]).await.unwrap();
    refused(
        shop.record("1", "refund", &[("a", "1")]).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    // What is invoiced is not cancelled any more.
    let canceled = shop.record("1", "cancel", &[]).await.unwrap();
    assert_eq!(
        recorded(&canceled.entries[0]).lines,
        [moved("a", "1"), moved("b", "3")]
    );
    refused(
        shop.record("1", "invoice", &[]).await,
        FAILED,
        "NOTHING_TO_DO",
    );
    consistent(&shop, "1").await;
}

async fn virtual_lines_do_not_ship(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let download = v1::OrderLine {
        is_virtual: true,
        ..line("download", "1")
    };
    let order = v1::Order {
        lines: vec![line("shirt", "1"), download.clone()],
        ..shop.draft("1", &[])
    };
    shop.create(order).await.unwrap();
    let shipped = shop.record("1", "ship", &[]).await.unwrap();
    assert_eq!(recorded(&shipped.entries[0]).lines, [moved("shirt", "1")]);
    refused(
        shop.record("1", "ship", &[("download", "1")]).await,
        FAILED,
        "QUANTITY_EXCEEDED",
    );
    assert_eq!(
        shop.record("1", "invoice", &[])
            .await
            .unwrap()
            .order
            .unwrap()
            .state,
        "complete"
    );
    // Nothing but downloads: invoicing alone completes it.
    shop.create(v1::Order {
        lines: vec![download],
        ..shop.draft("2", &[])
    })
    .await
    .unwrap();
    refused(shop.record("2", "ship", &[]).await, FAILED, "NOTHING_TO_DO");
    assert_eq!(
        shop.record("2", "invoice", &[])
            .await
            .unwrap()
            .order
            .unwrap()
            .state,
        "complete"
    );
}

async fn money_moves_with_payments_and_refunds(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("a", "1")]).await;
    let part = shop
        .record_amount("1", "pay", 4_000)
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(
        (part.total_paid, part.lines[0].quantity_invoiced.as_str()),
        (4_000, "0")
    );
    let rest = shop.record("1", "pay", &[]).await.unwrap();
    assert_eq!(
        recorded(&rest.entries[0]).amount,
        6_000,
        "absent: the total due"
    );
    refused(shop.record("1", "pay", &[]).await, FAILED, "NOTHING_TO_DO");
    let refusal = refused(
        shop.record_amount("1", "refund", 10_001).await,
        FAILED,
        "AMOUNT_EXCEEDED",
    );
    assert_eq!(
        (refusal.particular("left"), refusal.particular("asked")),
        ("10000", "10001")
    );
    let back = shop
        .record_amount("1", "refund", 2_500)
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!((back.total_paid, back.total_refunded), (10_000, 2_500));
    refused(
        shop.record_amount("1", "refund", 0).await,
        FAILED,
        "NOTHING_TO_DO",
    );
    invalid(shop.record("1", "pay", &[("a", "1")]).await, "lines");
    consistent(&shop, "1").await;
}

async fn an_operation_without_effect_is_a_note(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("a", "2")]).await;
    let noted = shop.record("1", "note", &[("a", "1.5")]).await.unwrap();
    assert_eq!(recorded(&noted.entries[0]).lines, [moved("a", "1.5")]);
    assert_eq!(
        recorded(&noted.entries[0]).effect(),
        v1::OperationEffect::None
    );
    let empty = shop.record("1", "note", &[]).await.unwrap();
    assert_eq!(empty.entries.len(), 1);
    assert_eq!(
        shop.get("1").await.lines,
        shop.place("2", &[("a", "2")]).await.lines,
        "nothing moved"
    );
}

async fn operations_belong_to_states(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let placed = shop.place("1", &[("a", "2")]).await;
    assert_eq!(
        placed.allowed_operations,
        ["cancel", "edit", "invoice", "note", "pay", "ship"],
        "nothing to refund yet"
    );
    shop.take("1", "begin").await.unwrap();
    let refusal = refused(
        shop.record("1", "cancel", &[]).await,
        FAILED,
        "OPERATION_NOT_ALLOWED",
    );
    assert_eq!(
        (refusal.particular("operation"), refusal.particular("state")),
        ("cancel", "work")
    );
    assert!(refusal.list("allowed").contains(&"ship"));
    let said = "operation cancel is not allowed in state work; allowed here: ";
    assert!(refusal.message.starts_with(said), "{refusal:?}");
    assert!(refusal.message.contains("ship"), "{refusal:?}");
    refused(
        shop.record("1", "paint", &[]).await,
        Code::NotFound,
        "OPERATION_NOT_FOUND",
    );
    shop.hold("1", "").await.unwrap();
    refused(shop.record("1", "ship", &[]).await, FAILED, "ORDER_HELD");
    assert!(shop.get("1").await.allowed_operations.is_empty());
}

async fn wrong_quantities_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let placed = shop.place("1", &[("a", "2")]).await;
    for quantity in [
        "-1",
        "1.00001",
        "0",
        "0.0000",
        "",
        "one",
        "1,5",
        "1e3",
        "+1",
        " 1",
        "1.",
        "٣",
        "NaN",
        "1234567890123",
    ] {
        invalid(
            shop.record("1", "ship", &[("a", quantity)]).await,
            "lines[0].quantity",
        );
    }
    invalid(
        shop.record("1", "ship", &[("", "1")]).await,
        "lines[0].line_id",
    );
    invalid(
        shop.record("1", "ship", &[("a", "1"), ("a", "1")]).await,
        "lines[1].line_id",
    );
    invalid(shop.record("1", "", &[]).await, "operation");
    invalid(shop.record("1", "Ship", &[]).await, "operation");
    invalid(shop.record_amount("1", "pay", -1).await, "amount");
    invalid(
        shop.record_amount("1", "pay", 1_000_000_000_000_001).await,
        "amount",
    );
    let both = v1::RecordOperationRequest {
        amount_only: true,
        ..shop.operation("1", "ship", &[("a", "1")])
    };
    invalid(shop.orders().record_operation(both).await, "lines");
    let many: Vec<_> = (0..501).map(|n| moved(&format!("l{n}"), "1")).collect();
    let many = v1::RecordOperationRequest {
        lines: many,
        ..shop.operation("1", "ship", &[])
    };
    invalid(shop.orders().record_operation(many).await, "lines");
    assert_eq!(shop.get("1").await, placed);
}

async fn a_transition_records_its_operation(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let shipping = v1::Transition {
        operation: "ship".into(),
        ..waymark_tests::shop::transition("send", &["start"], "work")
    };
    shop.create_transition(shipping).await.unwrap();
    shop.place("1", &[("a", "2"), ("b", "1")]).await;
    shop.record("1", "ship", &[("a", "0.5")]).await.unwrap();
    let sent = shop.take("1", "send").await.unwrap();
    assert_eq!(sent.entries.len(), 1);
    assert_eq!(sent.entries[0].kind(), v1::EntryKind::Transitioned);
    assert_eq!(
        recorded(&sent.entries[0]).lines,
        [moved("a", "1.5"), moved("b", "1")]
    );
    consistent(&shop, "1").await;
}
