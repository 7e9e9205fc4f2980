//! Money: what is owed, what arrived, what went back.

use waymark_proto::v1;
use waymark_tests::{
    Backend, World,
    refusal::invalid,
    refused,
    shop::{standing, transition},
    world,
};

use super::{FAILED, MAGENTO, all_of, amounting, consistent, place, recorded, totals};
use crate::bench;

on_each_database!(
    a_canceled_unit_is_not_owed,
    less_than_one_whole_unit_may_be_due,
    every_currency_comes_to_its_end,
    money_of_a_canceled_order_goes_back,
    an_unclear_refund_is_refused_by_name,
    what_was_kept_of_a_refund_goes_back_later,
    money_that_arrived_is_a_fact,
    a_workflow_may_refuse_overpayment,
    a_guard_sees_overpayment,
    money_that_no_line_can_give_back_is_told,
    amounts_have_bounds,
);

/// F1.
async fn a_canceled_unit_is_not_owed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento_2_4").await;
    place(&shop, "1", 2_000, &[("a", "2")]).await;
    shop.record_amount("1", "pay", 1_000).await.unwrap();
    shop.record("1", "invoice", &[("a", "1")]).await.unwrap();
    let shipped = shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    let shipped = shipped.order.unwrap();
    assert_eq!(
        (shipped.state.as_str(), shipped.total_due),
        ("processing", 1_000)
    );
    let canceled = shop.record("1", "cancel", &[("a", "1")]).await.unwrap();
    let entry = recorded(&canceled.entries[0]);
    assert_eq!((entry.amount, entry.counted_amount), (1_000, 1_000));
    let order = canceled.order.unwrap();
    assert_eq!(standing(&order), ("complete", "complete"));
    assert_eq!(totals(&order), [1_000, 0, 1_000, 0, 0]);
    consistent(&shop, "1").await;
}

/// F2.
async fn less_than_one_whole_unit_may_be_due(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento_2_4").await;
    for (id, currency, grand_total, paid, state) in [
        ("unpaid", "JPY", 90, 0, "processing"),
        ("yen", "JPY", 5_000, 4_950, "processing"),
        ("cents", "EUR", 5_000, 4_950, "complete"),
    ] {
        let order = v1::Order {
            currency: currency.into(),
            grand_total,
            ..shop.draft(id, &[("a", "1")])
        };
        shop.create(order).await.unwrap();
        if paid > 0 {
            shop.record_amount(id, "pay", paid).await.unwrap();
        }
        let order = all_of(&shop, id, &["invoice", "ship"]).await;
        assert_eq!(order.state, state, "{id}");
    }
    // The rest arrives.
    for id in ["unpaid", "yen"] {
        assert_eq!(all_of(&shop, id, &["pay"]).await.state, "complete", "{id}");
    }
}

/// Three units for 3,000 minor units: two are delivered, one is cancelled, and everything goes back at the end.
async fn every_currency_comes_to_its_end(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        // How many minor units one whole unit has. Without a currency nothing is small enough to be left open.
        for (id, currency, whole) in [
            ("yen", "JPY", 1),
            ("dinar", "KWD", 1_000),
            ("euro", "EUR", 100),
            ("none", "", 1),
        ] {
            let order = v1::Order {
                currency: currency.into(),
                grand_total: 3_000,
                ..shop.draft(id, &[("a", "3")])
            };
            shop.create(order).await.unwrap();
            shop.record_amount(id, "pay", 2_000 - whole).await.unwrap();
            shop.record(id, "invoice", &[("a", "2")]).await.unwrap();
            shop.record(id, "ship", &[("a", "2")]).await.unwrap();
            let canceled = all_of(&shop, id, &["cancel"]).await;
            assert_eq!(
                totals(&canceled),
                [2_000 - whole, 0, 1_000, whole, 0],
                "{preset} {id}"
            );
            if preset == "magento_2_4" {
                assert_eq!(canceled.state, "processing", "{id}: a whole unit is due");
            }
            let paid = shop.record_amount(id, "pay", 1).await.unwrap();
            let paid = paid.order.unwrap();
            assert_eq!(
                (paid.state.as_str(), paid.total_due),
                ("complete", whole - 1),
                "{preset} {id}"
            );
            let refunded = all_of(&shop, id, &["refund"]).await;
            assert_eq!(refunded.state, "closed", "{preset} {id}");
            assert_eq!(
                totals(&refunded),
                [2_001 - whole, 2_001 - whole, 1_000, whole - 1, 0],
                "{preset} {id}"
            );
            consistent(&shop, id).await;
        }
    }
}

/// F4.
async fn money_of_a_canceled_order_goes_back(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 1_700, &[("a", "1")]).await;
        shop.record("1", "pay", &[]).await.unwrap();
        let canceled = shop.take("1", "cancel").await.unwrap().order.unwrap();
        assert_eq!(standing(&canceled), ("canceled", "canceled"), "{preset}");
        assert_eq!(totals(&canceled), [1_700, 0, 1_700, 0, 1_700], "{preset}");
        assert!(canceled.allowed_operations.contains(&"refund".to_owned()));
        let back = shop.record_amount("1", "refund", 1_700).await.unwrap();
        let back = back.order.unwrap();
        assert_eq!(standing(&back), ("canceled", "canceled"), "{preset}");
        assert_eq!(totals(&back), [1_700, 1_700, 1_700, 0, 0], "{preset}");
        consistent(&shop, "1").await;
    }
}

/// F5.
async fn an_unclear_refund_is_refused_by_name(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place(&shop, "1", 1_700, &[("a", "1"), ("b", "1")]).await;
    let before = all_of(&shop, "1", &["pay", "invoice"]).await;
    // It would refund both units, and so close the order, for a part of the money.
    let unclear = amounting(&shop, "1", "refund", &[], 1_200);
    let refusal = invalid(shop.send(unclear).await, "lines");
    assert_eq!(refusal.particular("left"), "1700");
    // What nothing can be reckoned for counts as nothing.
    let refusal = invalid(shop.record("1", "refund", &[]).await, "lines");
    assert_eq!(refusal.particular("left"), "1700");
    assert_eq!(shop.get("1").await, before);
    let back = shop.record_amount("1", "refund", 500).await.unwrap();
    let back = back.order.unwrap();
    assert_eq!(totals(&back), [1_700, 500, 0, 0, 0]);
    assert_eq!(back.state, "processing");
    // All that is left is clear.
    let all = shop
        .send(amounting(&shop, "1", "refund", &[], 1_200))
        .await
        .unwrap();
    let all = all.order.unwrap();
    assert_eq!((all.state.as_str(), all.total_refunded), ("closed", 1_700));
    consistent(&shop, "1").await;
}

/// F6.
async fn what_was_kept_of_a_refund_goes_back_later(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place(&shop, "1", 1_700, &[("a", "1"), ("b", "1")]).await;
    all_of(&shop, "1", &["pay", "invoice"]).await;
    for (line, amount) in [("a", 700), ("b", 900)] {
        let refund = amounting(&shop, "1", "refund", &[(line, "1")], amount);
        shop.send(refund).await.unwrap();
    }
    let closed = shop.get("1").await;
    assert_eq!(closed.state, "closed");
    assert_eq!(totals(&closed), [1_700, 1_600, 0, 0, 0]);
    let kept = shop.record_amount("1", "refund", 100).await.unwrap();
    let kept = kept.order.unwrap();
    assert_eq!(standing(&kept), ("closed", "closed"));
    assert_eq!(totals(&kept), [1_700, 1_700, 0, 0, 0]);
    let refusal = refused(
        shop.record_amount("1", "refund", 1).await,
        FAILED,
        "AMOUNT_EXCEEDED",
    );
    assert_eq!(refusal.particular("left"), "0");
    consistent(&shop, "1").await;
}

/// F8.
async fn money_that_arrived_is_a_fact(backend: Backend) {
    let world = World::on(backend).await;
    for preset in ["magento", "magento_2_4", "modmore"] {
        let shop = world.shop(preset).await;
        place(&shop, "1", 1_700, &[("a", "1")]).await;
        let paid = shop.record_amount("1", "pay", 1_701).await.unwrap();
        assert_eq!(
            totals(&paid.order.unwrap()),
            [1_701, 0, 0, 0, 1],
            "{preset}"
        );
        let more = shop.record_amount("1", "pay", 1).await.unwrap();
        let more = more.order.unwrap();
        assert_eq!(totals(&more), [1_702, 0, 0, 0, 2], "{preset}");
        assert!(more.allowed_operations.contains(&"pay".to_owned()));
        // An absent amount is what is due, and nothing is.
        refused(shop.record("1", "pay", &[]).await, FAILED, "NOTHING_TO_DO");
        // What was too much goes back without being owed again.
        let back = shop.record_amount("1", "refund", 2).await.unwrap();
        assert_eq!(
            totals(&back.order.unwrap()),
            [1_702, 2, 0, 0, 0],
            "{preset}"
        );
        consistent(&shop, "1").await;
    }
}

async fn a_workflow_may_refuse_overpayment(backend: Backend) {
    let world = World::on(backend).await;
    let document = bench::DOCUMENT.replace(
        "status_sharing: shared\n",
        "status_sharing: shared\noverpayment: refuse\n",
    );
    let shop = world::apply(&world, &world::fresh_code(), &document).await;
    let definition = shop.definition().await;
    assert_eq!(definition.overpayment(), v1::Overpayment::Refuse);
    shop.place("1", &[("a", "1")]).await;
    let refusal = refused(
        shop.record_amount("1", "pay", 10_001).await,
        FAILED,
        "AMOUNT_EXCEEDED",
    );
    assert_eq!(
        (refusal.particular("left"), refusal.particular("asked")),
        ("10000", "10001")
    );
    let paid = shop.record("1", "pay", &[]).await.unwrap().order.unwrap();
    assert!(!paid.allowed_operations.contains(&"pay".to_owned()));
    assert_eq!(totals(&paid), [10_000, 0, 0, 0, 0]);
}

async fn a_guard_sees_overpayment(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let look = v1::Transition {
        guard: "order.overpaid && order.total_overpaid == 1 && order.fully_paid".into(),
        ..transition("look", &["start"], "work")
    };
    shop.create_transition(look).await.unwrap();
    shop.place("1", &[("a", "1")]).await;
    shop.record("1", "pay", &[]).await.unwrap();
    refused(shop.take("1", "look").await, FAILED, "GUARD_REFUSED");
    shop.record_amount("1", "pay", 1).await.unwrap();
    let looked = shop.take("1", "look").await.unwrap();
    assert_eq!(looked.order.unwrap().state, "work");
}

/// A3.
async fn money_that_no_line_can_give_back_is_told(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place(&shop, "1", 1_500, &[("a", "1")]).await;
    let paid = all_of(&shop, "1", &["pay"]).await;
    assert!(paid.allowed_operations.contains(&"refund".to_owned()));
    let refusal = invalid(shop.record("1", "refund", &[]).await, "lines");
    assert_eq!(refusal.particular("left"), "1500");
    let back = shop.record_amount("1", "refund", 1_500).await.unwrap();
    let back = back.order.unwrap();
    assert_eq!(totals(&back), [1_500, 1_500, 0, 0, 0]);
    assert!(!back.allowed_operations.contains(&"refund".to_owned()));
    refused(
        shop.record("1", "refund", &[]).await,
        FAILED,
        "NOTHING_TO_DO",
    );
    consistent(&shop, "1").await;
}

/// A7.
async fn amounts_have_bounds(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 5_000, &[("a", "2"), ("b", "1")]).await;
        let record = async |operation: &str, line: &str, amount: i64| {
            shop.send(amounting(&shop, "1", operation, &[(line, "1")], amount))
                .await
        };
        for operation in ["invoice", "cancel"] {
            let refusal = refused(
                record(operation, "b", 9_999_999).await,
                FAILED,
                "AMOUNT_EXCEEDED",
            );
            assert_eq!(refusal.particular("left"), "5000", "{preset} {operation}");
        }
        invalid(record("ship", "b", 1).await, "amount");
        // Of operations without effect they are facts of the shop's own.
        let note = record("edit", "b", 9_999_999).await.unwrap();
        let note = recorded(&note.entries[0]);
        assert_eq!((note.amount, note.counted_amount), (9_999_999, 0));

        let invoiced = record("invoice", "a", 3_000).await.unwrap();
        assert_eq!(invoiced.order.unwrap().total_invoiced, 3_000);
        let refusal = refused(
            record("invoice", "b", 2_001).await,
            FAILED,
            "AMOUNT_EXCEEDED",
        );
        assert_eq!(refusal.particular("left"), "2000", "{preset}");
        record("cancel", "b", 1_500).await.unwrap();
        let refusal = refused(record("invoice", "a", 501).await, FAILED, "AMOUNT_EXCEEDED");
        assert_eq!(refusal.particular("left"), "500", "{preset}");
        let rest = record("invoice", "a", 500).await.unwrap().order.unwrap();
        assert_eq!(
            (rest.total_invoiced, rest.total_canceled),
            (3_500, 1_500),
            "{preset}"
        );
        consistent(&shop, "1").await;
    }
}
