//! Ends and holds: what is recorded all the same, and what brings an order to its end.

use tonic::Code;
use waymark_proto::v1::{self, EntryKind};
use waymark_tests::{
    Backend, Shop, World, refused,
    shop::{line, mask, moved, standing},
};

use super::{FAILED, MAGENTO, all_of, amounting, consistent, place, recorded, totals};

on_each_database!(
    late_money_of_a_canceled_order_is_recorded,
    every_end_takes_late_money_and_late_refunds,
    modmore_gives_money_back_at_its_ends,
    an_edit_may_end_an_order,
    the_last_unit_canceled_ends_an_order,
    money_arrives_while_an_order_is_on_hold,
    a_hold_and_its_release_are_two_entries,
);

/// F7.
async fn late_money_of_a_canceled_order_is_recorded(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place(&shop, "1", 1_700, &[("a", "1")]).await;
    shop.take("1", "cancel").await.unwrap();
    let late = v1::RecordOperationRequest {
        request_id: "transfer-77".into(),
        ..amounting(&shop, "1", "pay", &[], 1_700)
    };
    let paid = shop.send(late.clone()).await.unwrap();
    assert_eq!(
        (paid.replayed, paid.entries[0].to_state.as_str()),
        (false, "canceled")
    );
    let again = shop.send(late).await.unwrap();
    assert_eq!((again.replayed, again.entries), (true, paid.entries));
    shop.comment("1", "The customer is told", "").await.unwrap();
    let noted = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            attributes: [("ticket".to_owned(), "12".to_owned())].into(),
            ..shop.draft("1", &[])
        }),
        update_mask: Some(mask(&["attributes"])),
        ..Default::default()
    };
    shop.orders().update_order(noted).await.unwrap();
    let order = shop.get("1").await;
    assert_eq!(
        (standing(&order), order.version),
        (("canceled", "canceled"), 5)
    );
    assert_eq!(totals(&order), [1_700, 0, 1_700, 0, 1_700]);
    assert_eq!(order.attributes["ticket"], "12");
    consistent(&shop, "1").await;
}

/// Takes transitions (`>code`) and records operations, each for all that is left.
async fn walk(shop: &Shop, id: &str, way: &[&str]) -> v1::Order {
    for step in way {
        match step.strip_prefix('>') {
            Some(transition) => {
                shop.take(id, transition).await.unwrap();
            }
            None => {
                shop.record(id, step, &[]).await.unwrap();
            }
        }
    }
    shop.get(id).await
}

async fn every_end_takes_late_money_and_late_refunds(backend: Backend) {
    let world = World::on(backend).await;
    let to_closed = ["pay", "invoice", "ship", "refund"];
    let to_completed = [
        ">payment_received",
        ">ready_for_pickup",
        ">delivery_confirmed",
    ];
    for (preset, state, way) in [
        ("magento", "canceled", &[">cancel"][..]),
        ("magento", "closed", &to_closed[..]),
        ("magento_2_4", "canceled", &[">cancel"][..]),
        ("magento_2_4", "closed", &to_closed[..]),
        ("modmore", "cancelled", &[">cancel"][..]),
        ("modmore", "completed", &to_completed[..]),
    ] {
        let shop = world.shop(preset).await;
        shop.place("1", &[("a", "1")]).await;
        let end = walk(&shop, "1", way).await;
        assert_eq!(end.state, state, "{preset}");
        let late = shop.record_amount("1", "pay", 7).await.unwrap();
        let back = shop.record_amount("1", "refund", 7).await.unwrap();
        for answer in [&late, &back] {
            let [entry] = answer.entries.as_slice() else {
                panic!("{preset} {state}: {:?}", answer.entries);
            };
            assert_eq!(
                (&entry.to_state, &entry.to_status, entry.status_changed),
                (&end.state, &end.status, false),
                "{preset}"
            );
        }
        assert_eq!(late.order.unwrap().total_overpaid, 7, "{preset} {state}");
        let order = back.order.unwrap();
        assert_eq!(
            (order.total_due, order.total_overpaid),
            (end.total_due, 0),
            "{preset} {state}"
        );
        let listed = |operation: &String| ["pay", "refund"].contains(&operation.as_str());
        assert!(
            order.allowed_operations.contains(&"pay".to_owned())
                && order.allowed_operations.iter().all(listed),
            "{preset} {state}: {:?}",
            order.allowed_operations
        );
        for operation in ["ship", "cancel", "edit"] {
            let refusal = refused(
                shop.record("1", operation, &[]).await,
                FAILED,
                "ORDER_TERMINAL",
            );
            assert_eq!(refusal.particular("state"), state, "{preset} {operation}");
        }
        refused(
            shop.record("1", "paint", &[]).await,
            Code::NotFound,
            "OPERATION_NOT_FOUND",
        );
        consistent(&shop, "1").await;
    }
}

/// A29.
async fn modmore_gives_money_back_at_its_ends(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("modmore").await;
    place(&shop, "cancelled", 1_000, &[("a", "1")]).await;
    let order = walk(&shop, "cancelled", &[">payment_received", ">cancel"]).await;
    assert_eq!(
        (order.state.as_str(), totals(&order)),
        ("cancelled", [1_000, 0, 1_000, 0, 1_000])
    );
    let back = shop.record_amount("cancelled", "refund", 1_000).await;
    assert_eq!(
        totals(&back.unwrap().order.unwrap()),
        [1_000, 1_000, 1_000, 0, 0]
    );
    // A return after the delivery, with a fee kept.
    place(&shop, "delivered", 1_000, &[("a", "1")]).await;
    let way = [
        ">payment_received",
        ">ready_for_pickup",
        ">delivery_confirmed",
    ];
    walk(&shop, "delivered", &way).await;
    let returned = v1::OperationLine {
        returned: "1".into(),
        ..moved("a", "1")
    };
    let refund = v1::RecordOperationRequest {
        lines: vec![returned],
        ..amounting(&shop, "delivered", "refund", &[], 900)
    };
    let order = shop.send(refund).await.unwrap().order.unwrap();
    assert_eq!(standing(&order), ("completed", "shipped"));
    assert_eq!(totals(&order), [1_000, 900, 0, 0, 0]);
    assert_eq!(order.lines[0].quantity_returned, "1");
    consistent(&shop, "cancelled").await;
    consistent(&shop, "delivered").await;
}

/// A1.
async fn an_edit_may_end_an_order(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        let edit = async |id: &str, lines: Vec<v1::OrderLine>| {
            let order = v1::Order {
                lines,
                ..shop.draft(id, &[])
            };
            let request = v1::UpdateOrderRequest {
                order: Some(order),
                update_mask: Some(mask(&["lines"])),
                ..Default::default()
            };
            let answer = shop.orders().update_order(request).await;
            answer.unwrap().into_inner()
        };
        // What is not cancelled is ordered no more.
        place(&shop, "fewer", 3_000, &[("a", "3")]).await;
        shop.record("fewer", "cancel", &[("a", "2")]).await.unwrap();
        assert_eq!(shop.get("fewer").await.state, "new");
        let edited = edit("fewer", vec![line("a", "2")]).await;
        assert_eq!(edited.order.unwrap().state, "canceled", "{preset}");
        let [update, end] = edited.entries.as_slice() else {
            panic!("{preset}: {:?}", edited.entries);
        };
        assert_eq!(
            (update.kind(), end.kind(), end.caused_by),
            (EntryKind::Updated, EntryKind::Transitioned, update.sequence)
        );
        // The only line that is not cancelled goes.
        place(&shop, "one", 3_000, &[("a", "1"), ("b", "1")]).await;
        shop.record("one", "cancel", &[("b", "1")]).await.unwrap();
        let edited = edit("one", vec![line("b", "1")]).await;
        assert_eq!(edited.order.unwrap().state, "canceled", "{preset}");
        for id in ["fewer", "one"] {
            consistent(&shop, id).await;
        }
    }
}

async fn the_last_unit_canceled_ends_an_order(backend: Backend) {
    let world = World::on(backend).await;
    for (preset, state) in [
        ("magento", "canceled"),
        ("magento_2_4", "canceled"),
        ("modmore", "cancelled"),
    ] {
        let shop = world.shop(preset).await;
        place(&shop, "1", 3_000, &[("a", "2"), ("b", "1")]).await;
        shop.record("1", "cancel", &[("a", "2")]).await.unwrap();
        let last = shop.record("1", "cancel", &[("b", "1")]).await.unwrap();
        assert_eq!(last.entries.len(), 2, "{preset}");
        let order = last.order.unwrap();
        assert_eq!(order.state, state, "{preset}");
        assert_eq!(totals(&order), [0, 0, 3_000, 0, 0], "{preset}");
    }
}

/// A4.
async fn money_arrives_while_an_order_is_on_hold(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 1_700, &[("a", "1")]).await;
        let held = shop.hold("1", "Address is being checked").await.unwrap();
        let held = held.order.unwrap();
        assert_eq!(held.allowed_operations, ["pay"], "{preset}");
        refused(shop.record("1", "ship", &[]).await, FAILED, "ORDER_HELD");
        let paid = shop.record("1", "pay", &[]).await.unwrap();
        assert_eq!(paid.entries.len(), 1);
        let paid = paid.order.unwrap();
        assert_eq!(
            (standing(&paid), paid.total_paid),
            (("holded", "holded"), 1_700),
            "{preset}"
        );
        // The release takes the step that the payment would have set off.
        let released = shop.release("1", "").await.unwrap();
        assert_eq!(released.order.unwrap().state, "processing", "{preset}");
        let [release, start] = released.entries.as_slice() else {
            panic!("{preset}: {:?}", released.entries);
        };
        assert_eq!(
            (release.to_state.as_str(), start.caused_by),
            ("new", release.sequence)
        );
        consistent(&shop, "1").await;

        // During a review it is taken as well; in Magento 2.4 it ends the review.
        let reviewed = v1::Order {
            state: "payment_review".into(),
            ..shop.draft("2", &[("a", "1")])
        };
        shop.create(reviewed).await.unwrap();
        let paid = shop.record("2", "pay", &[]).await.unwrap();
        assert_eq!(recorded(&paid.entries[0]).amount, 10_000);
        let after = if preset == "magento" {
            "payment_review"
        } else {
            "processing"
        };
        assert_eq!(paid.order.unwrap().state, after, "{preset}");
        consistent(&shop, "2").await;
    }
}

async fn a_hold_and_its_release_are_two_entries(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        for (id, operations) in [("new", &[][..]), ("processing", &["pay", "invoice"][..])] {
            shop.place(id, &[("a", "1")]).await;
            let before = all_of(&shop, id, operations).await;
            shop.hold(id, "").await.unwrap();
            let after = shop.release(id, "").await.unwrap().order.unwrap();
            assert_eq!(standing(&after), standing(&before), "{preset}");
            assert_eq!(after.version, before.version + 2, "{preset} {id}");
        }
    }
}
