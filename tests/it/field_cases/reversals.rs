//! Taking back what was recorded by mistake: as if it had never been, but for the log.

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    shop::{moved, standing},
    world,
};

use super::{
    FAILED, MAGENTO, all_of, amounting, consistent, place, priced, quantities, recorded, totals,
};
use crate::bench;

on_each_database!(
    a_shipment_by_mistake_is_taken_back,
    every_effect_is_taken_back,
    all_that_nothing_builds_on_is_taken_back,
    what_others_build_on_stays,
    a_reversal_is_asked_like_its_operation,
    a_reversal_sets_off_no_operation,
    a_complete_order_goes_back_to_processing,
    a_whole_order_is_taken_back,
);

/// F11.
async fn a_shipment_by_mistake_is_taken_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place(&shop, "1", 2_000, &[("a", "2")]).await;
    shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    let back = shop.send(shop.reversal("1", "ship", &[("a", "1")])).await;
    let back = back.unwrap().order.unwrap();
    assert_eq!(quantities(&back.lines[0]), ["0"; 5]);
    let order = all_of(&shop, "1", &["ship", "invoice"]).await;
    assert_eq!(standing(&order), ("complete", "complete"));
    assert_eq!(order.lines[0].quantity_shipped, "2");
    let entries = shop.entries("1").await;
    let shipments: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.detail {
            Some(v1::history_entry::Detail::Recorded(recorded)) => Some(recorded),
            _ => None,
        })
        .filter(|recorded| recorded.operation == "ship")
        .map(|recorded| (recorded.reverse, recorded.lines[0].quantity.as_str()))
        .collect();
    assert_eq!(shipments, [(false, "1"), (true, "1"), (false, "2")]);
    consistent(&shop, "1").await;
}

/// Two units of one line and one of another, with their totals.
async fn place_two_lines(shop: &Shop, id: &str) {
    let order = v1::Order {
        lines: vec![priced("a", "2", 5_000), priced("b", "1", 4_000)],
        ..shop.draft(id, &[])
    };
    shop.create(order).await.unwrap();
}

/// All that a reversal has to bring back.
fn counts(order: &v1::Order) -> (Vec<v1::OrderLine>, [i64; 5], i64) {
    (order.lines.clone(), totals(order), order.total_invoiced)
}

/// What is recorded before, what is taken back: operation, lines and amount.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static [(&'static str, &'static str)],
    Option<i64>,
);

const CASES: [Case; 9] = [
    ("pay", &[], "pay", &[], Some(4_000)),
    ("overpay", &["pay"], "pay", &[], Some(1)),
    ("invoice", &[], "invoice", &[("a", "1.5")], Some(3_000)),
    ("bare", &[], "invoice", &[("a", "1.5")], None),
    ("ship", &["pay"], "ship", &[("a", "1"), ("b", "1")], None),
    (
        "refund",
        &["pay", "invoice"],
        "refund",
        &[("a", "1")],
        Some(700),
    ),
    (
        "credit",
        &["pay", "invoice"],
        "refund",
        &[("a", "1"), ("b", "1")],
        None,
    ),
    ("cancel", &["pay"], "cancel", &[("a", "1")], None),
    ("cut", &[], "cancel", &[("a", "0.3"), ("b", "1")], Some(100)),
];

async fn every_effect_is_taken_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for (id, before, operation, lines, amount) in CASES {
        place_two_lines(&shop, id).await;
        let before = all_of(&shop, id, before).await;
        let request = v1::RecordOperationRequest {
            amount,
            ..shop.operation(id, operation, lines)
        };
        let done = shop.send(request.clone()).await.unwrap();
        let (entry, done) = (recorded(&done.entries[0]).clone(), done.order.unwrap());
        assert_ne!(counts(&done), counts(&before), "{id}");
        let reversal = v1::RecordOperationRequest {
            reverse: true,
            ..request
        };
        let back = shop.send(reversal).await.unwrap();
        assert_eq!(
            recorded(&back.entries[0]),
            &v1::OperationRecorded {
                reverse: true,
                ..entry
            },
            "{id}"
        );
        assert_eq!(counts(&back.order.unwrap()), counts(&before), "{id}");
        consistent(&shop, id).await;
    }
}

/// Without lines and amount: all of it.
async fn all_that_nothing_builds_on_is_taken_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    place_two_lines(&shop, "1").await;
    all_of(&shop, "1", &["pay", "invoice"]).await;
    shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    let returned = v1::OperationLine {
        returned: "0.5".into(),
        ..moved("a", "1")
    };
    let refund = v1::RecordOperationRequest {
        lines: vec![returned.clone()],
        ..shop.operation("1", "refund", &[])
    };
    let refunded = shop.send(refund).await.unwrap().order.unwrap();
    assert_eq!(totals(&refunded), [10_000, 2_500, 0, 0, 0]);

    let back = async |operation: &str| {
        let answer = shop.send(shop.reversal("1", operation, &[])).await.unwrap();
        recorded(&answer.entries[0]).clone()
    };
    // A unit is refunded, half of it came back, and some of the money went: the rest is free.
    assert_eq!(back("ship").await.lines, [moved("a", "0.5")]);
    assert_eq!(
        back("invoice").await.lines,
        [moved("a", "1"), moved("b", "1")]
    );
    assert_eq!(back("pay").await.amount, 7_500);
    let entry = back("refund").await;
    assert_eq!((entry.lines, entry.amount), (vec![returned], 2_500));
    for operation in ["ship", "invoice", "pay"] {
        back(operation).await;
    }
    let order = shop.get("1").await;
    assert!(order.lines.iter().all(|line| quantities(line) == ["0"; 5]));
    assert_eq!(totals(&order), [0, 0, 0, 10_000, 0]);
    for operation in ["ship", "invoice", "pay", "refund", "cancel"] {
        refused(
            shop.send(shop.reversal("1", operation, &[])).await,
            FAILED,
            "NOTHING_TO_DO",
        );
    }
    consistent(&shop, "1").await;
}

async fn what_others_build_on_stays(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    place(&shop, "1", 2_000, &[("a", "4")]).await;
    shop.record("1", "pay", &[]).await.unwrap();
    let invoice = amounting(&shop, "1", "invoice", &[("a", "2")], 1_000);
    shop.send(invoice).await.unwrap();
    shop.record("1", "ship", &[("a", "2")]).await.unwrap();
    let returned = v1::OperationLine {
        returned: "1".into(),
        ..moved("a", "1")
    };
    let refund = v1::RecordOperationRequest {
        lines: vec![returned],
        ..amounting(&shop, "1", "refund", &[], 600)
    };
    shop.send(refund).await.unwrap();
    shop.record("1", "cancel", &[("a", "1")]).await.unwrap();
    let before = shop.get("1").await;
    for (operation, quantity, left) in [
        ("invoice", "2", "1"),
        ("ship", "2", "1"),
        ("refund", "2", "1"),
        ("cancel", "1.5", "1"),
    ] {
        let refusal = refused(
            shop.send(shop.reversal("1", operation, &[("a", quantity)]))
                .await,
            FAILED,
            "QUANTITY_EXCEEDED",
        );
        assert_eq!(
            (refusal.particular("left"), refusal.particular("asked")),
            (left, quantity),
            "{operation}"
        );
    }
    for (operation, asked, left) in [
        ("pay", 1_401, "1400"),
        ("invoice", 1_001, "1000"),
        ("refund", 601, "600"),
        ("cancel", 501, "500"),
    ] {
        let lines: &[(&str, &str)] = if operation == "pay" {
            &[]
        } else {
            &[("a", "1")]
        };
        let reversal = v1::RecordOperationRequest {
            amount: Some(asked),
            ..shop.reversal("1", operation, lines)
        };
        let refusal = refused(shop.send(reversal).await, FAILED, "AMOUNT_EXCEEDED");
        assert_eq!(refusal.particular("left"), left, "{operation}");
    }
    assert_eq!(shop.get("1").await, before);
    consistent(&shop, "1").await;
}

async fn a_reversal_is_asked_like_its_operation(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("a", "3")]).await;
    shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    refused(
        shop.send(shop.reversal("1", "note", &[])).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    let shipment = v1::RecordOperationRequest {
        amount: Some(1),
        ..shop.reversal("1", "ship", &[("a", "1")])
    };
    invalid(shop.send(shipment).await, "amount");
    shop.record("1", "cancel", &[("a", "1")]).await.unwrap();
    shop.take("1", "begin").await.unwrap();
    // The state has to list the operation.
    let refusal = refused(
        shop.send(shop.reversal("1", "cancel", &[])).await,
        FAILED,
        "OPERATION_NOT_ALLOWED",
    );
    assert_eq!(refusal.particular("operation"), "cancel");
    shop.record("1", "ship", &[]).await.unwrap();
    shop.hold("1", "").await.unwrap();
    refused(
        shop.send(shop.reversal("1", "ship", &[])).await,
        FAILED,
        "ORDER_HELD",
    );
    shop.release("1", "").await.unwrap();
    shop.send(shop.reversal("1", "ship", &[])).await.unwrap();
    consistent(&shop, "1").await;
}

/// Whatever is shipped from `sent` is lost; nothing shipped brings an order back.
const DISPATCH: &str = "
label: Dispatch
initial_state: open
operations:
  ship: {label: Ship, effect: ship}
statuses: {open: {label: Open}, sent: {label: Sent}, lost: {label: Lost}}
states:
  open: {label: Open, category: initial, can_start: true, operations: [ship], statuses: [open]}
  sent: {label: Sent, category: active, operations: [ship], statuses: [sent]}
  lost: {label: Lost, category: active, operations: [ship], statuses: [lost]}
transitions:
  dispatch: {label: Dispatch, from_states: [open], to_state: sent, trigger: {on_operations: [ship]}}
  lose: {label: Lose, from_states: [sent], to_state: lost, trigger: {on_operations: [ship]}}
  call_back: {label: Call back, from_states: [sent], to_state: open, trigger: automatic, guard: order.units_shipped == 0.0}
";

async fn a_reversal_sets_off_no_operation(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &world::fresh_code(), DISPATCH).await;
    shop.place("1", &[("a", "2")]).await;
    let sent = shop.record("1", "ship", &[]).await.unwrap();
    assert_eq!(sent.order.unwrap().state, "sent");
    let part = shop.send(shop.reversal("1", "ship", &[("a", "1.5")])).await;
    let part = part.unwrap();
    assert_eq!(
        (part.entries.len(), part.order.unwrap().state.as_str()),
        (1, "sent")
    );
    // Automatic steps see what is left.
    let rest = shop.send(shop.reversal("1", "ship", &[])).await.unwrap();
    assert_eq!(rest.entries[1].transition, "call_back");
    assert_eq!(rest.order.unwrap().state, "open");
    consistent(&shop, "1").await;
}

async fn a_complete_order_goes_back_to_processing(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 2_000, &[("a", "2")]).await;
        let complete = all_of(&shop, "1", &["pay", "invoice", "ship"]).await;
        assert_eq!(complete.state, "complete", "{preset}");
        for operation in ["ship", "invoice"] {
            let back = shop.send(shop.reversal("1", operation, &[("a", "1")]));
            let back = back.await.unwrap();
            let [reversal, step] = back.entries.as_slice() else {
                panic!("{preset}: {:?}", back.entries);
            };
            assert_eq!(step.caused_by, reversal.sequence);
            assert_eq!(back.order.unwrap().state, "processing", "{preset}");
            let again = shop.record("1", operation, &[]).await.unwrap();
            assert_eq!(again.order.unwrap().state, "complete", "{preset}");
        }
        consistent(&shop, "1").await;
    }
}

async fn a_whole_order_is_taken_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    place(&shop, "1", 1_700, &[]).await;
    all_of(&shop, "1", &["pay"]).await;
    for operation in ["invoice", "ship"] {
        shop.record("1", operation, &[]).await.unwrap();
        refused(
            shop.record("1", operation, &[]).await,
            FAILED,
            "NOTHING_TO_DO",
        );
        let back = shop.send(shop.reversal("1", operation, &[])).await.unwrap();
        let entry = recorded(&back.entries[0]);
        assert!(entry.reverse && entry.whole, "{entry:?}");
        refused(
            shop.send(shop.reversal("1", operation, &[])).await,
            FAILED,
            "NOTHING_TO_DO",
        );
        shop.record("1", operation, &[]).await.unwrap();
    }
    // It was refunded, so its invoice stands.
    let refunded = shop.record("1", "refund", &[]).await.unwrap();
    assert_eq!(totals(&refunded.order.unwrap()), [1_700, 1_700, 0, 0, 0]);
    refused(
        shop.send(shop.reversal("1", "invoice", &[])).await,
        FAILED,
        "NOTHING_TO_DO",
    );
    let back = shop.send(shop.reversal("1", "refund", &[])).await.unwrap();
    assert_eq!(totals(&back.order.unwrap()), [1_700, 0, 0, 0, 0]);
    consistent(&shop, "1").await;
}
