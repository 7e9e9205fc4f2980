//! A marketplace: one order, two sellers with rights to their own lines, and payouts by the platform.

use std::time::Duration;

use waymark_proto::v1;
use waymark_tests::{
    Backend, Shop, Watcher, World, refused,
    shop::{line, mask, standing},
    world::{apply, fresh_code},
};

use super::{DENIED, FAILED, Person, attribute, consistent, document, instant, record, send, shop};

on_each_database!(
    each_seller_ships_its_own_lines,
    nobody_ships_the_lines_of_others,
    sellers_cancel_what_they_cannot_send,
    sellers_move_no_money_of_others,
    the_platform_alone_cancels_an_order,
    mistakes_are_taken_back,
    sellers_are_paid_when_the_time_for_returns_is_over,
);

/// Places two mugs of seller A for 60.00 and a tea of seller B for 40.00.
async fn place(shop: &Shop, id: &str) -> v1::Order {
    let priced = |id, sku: &str, quantity, total| v1::OrderLine {
        sku: sku.to_owned(),
        total: Some(total),
        ..line(id, quantity)
    };
    let order = v1::Order {
        lines: vec![
            priced("mug", "a-mug", "2", 6_000),
            priced("tea", "b-tea", "1", 4_000),
        ],
        ..shop.draft(id, &[])
    };
    let placed = shop.create(order).await.unwrap();
    placed.order.unwrap()
}

/// Places an order that is paid.
async fn place_paid(shop: &Shop, id: &str) -> v1::Order {
    place(shop, id).await;
    record(shop, id, "pay", &[]).await
}

/// The state and status of the order, and how far seller A and seller B are.
fn seen(order: &v1::Order) -> (&str, &str, &str, &str) {
    let (state, status) = standing(order);
    let of = |seller| attribute(order, seller);
    (state, status, of("seller_a"), of("seller_b"))
}

async fn each_seller_ships_its_own_lines(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "marketplace").await;
    let order = place(&shop, "1").await;
    assert_eq!(seen(&order), ("placed", "placed", "open", "open"));
    let part = v1::RecordOperationRequest {
        amount: Some(4_000),
        ..shop.operation("1", "pay", &[])
    };
    let order = send(&shop, part).await;
    assert_eq!(standing(&order), ("placed", "placed"));
    let order = record(&shop, "1", "pay", &[]).await;
    assert_eq!(seen(&order), ("processing", "paid", "open", "open"));
    let mugs = Person::new(&shop, "mia", &["seller_a"]);
    let teas = Person::new(&shop, "ted", &["seller_b"]);
    let order = mugs.record("1", "ship_a", &[("mug", "1")]).await.unwrap();
    let expected = ("processing", "partly_shipped", "partly_shipped", "open");
    assert_eq!(seen(&order), expected);
    let order = mugs.record("1", "ship_a", &[("mug", "1")]).await.unwrap();
    let expected = ("processing", "partly_shipped", "shipped", "open");
    assert_eq!(seen(&order), expected);
    let order = teas.record("1", "ship_b", &[("tea", "1")]).await.unwrap();
    assert_eq!(
        seen(&order),
        ("delivered", "delivered", "shipped", "shipped")
    );
    consistent(&shop, "1").await;
}

async fn nobody_ships_the_lines_of_others(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "marketplace").await;
    place_paid(&shop, "1").await;
    let mugs = Person::new(&shop, "mia", &["seller_a"]);
    let teas = Person::new(&shop, "ted", &["seller_b"]);
    // By its own operation, the line of the other; without lines, those of both.
    for lines in [&[("tea", "1")][..], &[("mug", "1"), ("tea", "1")], &[]] {
        let refusal = refused(
            mugs.record("1", "ship_a", lines).await,
            FAILED,
            "GUARD_REFUSED",
        );
        assert_eq!(refusal.particular("operation"), "ship_a");
    }
    // By the operation of the other, even its own line.
    let refusal = refused(
        teas.record("1", "ship_a", &[("mug", "1")]).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(refusal.particular("operation"), "ship_a");
    assert_eq!(refusal.list("roles"), ["seller_a"]);
    refused(
        shop.record("1", "cancel_b", &[("tea", "1")]).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    refused(
        mugs.record("1", "refund", &[("mug", "1")]).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(
        seen(&shop.get("1").await),
        ("processing", "paid", "open", "open")
    );
    // Once the tea is sent, what is left are the mugs.
    teas.record("1", "ship_b", &[("tea", "1")]).await.unwrap();
    let order = mugs.record("1", "ship_a", &[]).await.unwrap();
    assert_eq!(standing(&order), ("delivered", "delivered"));
}

async fn sellers_cancel_what_they_cannot_send(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "marketplace").await;
    let mugs = Person::new(&shop, "mia", &["seller_a"]);
    let teas = Person::new(&shop, "ted", &["seller_b"]);
    place_paid(&shop, "1").await;
    mugs.record("1", "ship_a", &[("mug", "1")]).await.unwrap();
    let order = mugs.record("1", "cancel_a", &[("mug", "1")]).await.unwrap();
    assert_eq!(attribute(&order, "seller_a"), "shipped");
    assert_eq!(order.total_overpaid, 3_000);
    let order = teas.record("1", "cancel_b", &[("tea", "1")]).await.unwrap();
    assert_eq!(
        seen(&order),
        ("delivered", "delivered", "shipped", "cancelled")
    );
    assert_eq!(order.total_overpaid, 7_000);
    let platform = Person::new(&shop, "pat", &["platform"]);
    let back = v1::RecordOperationRequest {
        amount_only: true,
        amount: Some(7_000),
        ..shop.operation("1", "refund", &[])
    };
    let order = platform.send(back).await.unwrap();
    assert_eq!(order.total_overpaid, 0);
    consistent(&shop, "1").await;

    // Where both cancel all, nothing is left of the order.
    place_paid(&shop, "2").await;
    mugs.record("2", "cancel_a", &[("mug", "2")]).await.unwrap();
    let order = teas.record("2", "cancel_b", &[("tea", "1")]).await.unwrap();
    assert_eq!(
        seen(&order),
        ("cancelled", "cancelled", "cancelled", "cancelled")
    );
    consistent(&shop, "2").await;
}

async fn sellers_move_no_money_of_others(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "marketplace").await;
    let mugs = Person::new(&shop, "mia", &["seller_a"]);
    let platform = Person::new(&shop, "pat", &["platform"]);
    place(&shop, "1").await;
    let bare = shop.create(shop.draft("bare", &[])).await.unwrap();
    assert_eq!(standing(&bare.order.unwrap()), ("placed", "placed"));
    let cancel = |id: &str, amount, lines: &[(&str, &str)]| v1::RecordOperationRequest {
        amount: Some(amount),
        amount_only: lines.is_empty(),
        ..shop.operation(id, "cancel_a", lines)
    };
    for request in [
        cancel("1", 10_000, &[]),
        cancel("1", 10_000, &[("mug", "2")]),
        cancel("1", 6_001, &[("mug", "2")]),
        cancel("1", 3_001, &[("mug", "1")]),
        cancel("1", 0, &[("mug", "1"), ("tea", "1")]),
        cancel("bare", 10_000, &[]),
        shop.operation("bare", "cancel_a", &[]),
    ] {
        let what = format!("{request:?}");
        let refusal = refused(mugs.send(request).await, FAILED, "GUARD_REFUSED");
        assert_eq!(refusal.particular("operation"), "cancel_a", "{what}");
    }
    // Nobody else says what an order costs.
    let edit = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            workflow: shop.workflow(),
            id: "1".to_owned(),
            ..Default::default()
        }),
        update_mask: Some(mask(&["grand_total"])),
        ..Default::default()
    };
    let refusal = refused(
        shop.orders().update_order(edit).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(refusal.particular("operation"), "edit");
    // Without lines, what moves is no seller's.
    record(&shop, "bare", "pay", &[]).await;
    refused(
        mugs.record("bare", "ship_a", &[]).await,
        FAILED,
        "GUARD_REFUSED",
    );

    let order = mugs.send(cancel("1", 3_000, &[("mug", "1")])).await;
    assert_eq!(order.unwrap().total_canceled, 3_000);
    // Money that is only cancelled starts nothing; a payment of what is left does.
    let all = v1::RecordOperationRequest {
        amount: Some(7_000),
        amount_only: true,
        ..shop.operation("1", "cancel", &[])
    };
    let order = platform.send(all.clone()).await.unwrap();
    assert_eq!(
        (standing(&order), order.total_due),
        (("placed", "placed"), 0)
    );
    let back = v1::RecordOperationRequest {
        reverse: true,
        ..all
    };
    platform.send(back).await.unwrap();
    let order = record(&shop, "1", "pay", &[]).await;
    assert_eq!(standing(&order), ("processing", "paid"));
    assert_eq!(order.total_paid, 7_000);
    consistent(&shop, "1").await;
}

async fn the_platform_alone_cancels_an_order(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "marketplace").await;
    let mugs = Person::new(&shop, "mia", &["seller_a"]);
    let platform = Person::new(&shop, "pat", &["platform"]);
    place_paid(&shop, "1").await;
    let refusal = refused(mugs.take("1", "cancel").await, DENIED, "ROLE_REQUIRED");
    assert_eq!(refusal.particular("transition"), "cancel");
    let order = platform.take("1", "cancel").await.unwrap();
    assert_eq!(standing(&order), ("cancelled", "cancelled"));
    assert_eq!(order.total_overpaid, 10_000);
    place_paid(&shop, "2").await;
    mugs.record("2", "ship_a", &[("mug", "1")]).await.unwrap();
    refused(platform.take("2", "cancel").await, FAILED, "GUARD_REFUSED");
    // The rest of both sellers; what was sent is all that is left.
    let order = platform.record("2", "cancel", &[]).await.unwrap();
    assert_eq!(standing(&order), ("delivered", "delivered"));
    consistent(&shop, "2").await;
}

async fn mistakes_are_taken_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "marketplace").await;
    let mugs = Person::new(&shop, "mia", &["seller_a"]);
    let teas = Person::new(&shop, "ted", &["seller_b"]);
    place_paid(&shop, "1").await;
    mugs.record("1", "ship_a", &[("mug", "2")]).await.unwrap();
    teas.record("1", "ship_b", &[("tea", "1")]).await.unwrap();
    // A reversal moves lines too, so it has the same guard and roles.
    let others = shop.reversal("1", "ship_b", &[("mug", "1")]);
    refused(teas.send(others).await, FAILED, "GUARD_REFUSED");
    let own = shop.reversal("1", "ship_b", &[("tea", "1")]);
    refused(mugs.send(own.clone()).await, DENIED, "ROLE_REQUIRED");
    let order = teas.send(own).await.unwrap();
    assert_eq!(standing(&order), ("processing", "partly_shipped"));
    let own = shop.reversal("1", "ship_a", &[("mug", "2")]);
    let order = mugs.send(own).await.unwrap();
    assert_eq!(standing(&order), ("processing", "paid"));
    consistent(&shop, "1").await;
}

async fn sellers_are_paid_when_the_time_for_returns_is_over(backend: Backend) {
    let world = World::on(backend).await;
    let (code, document) = (fresh_code(), document("marketplace"));
    let shop = apply(&world, &code, &document).await;
    let mut watcher = Watcher::of(&shop).await;
    let mugs = Person::new(&shop, "mia", &["seller_a"]);
    let teas = Person::new(&shop, "ted", &["seller_b"]);
    let platform = Person::new(&shop, "pat", &["platform"]);
    let payout = |operation: &str, amount| v1::RecordOperationRequest {
        amount: Some(amount),
        ..shop.operation("1", operation, &[])
    };
    place_paid(&shop, "1").await;
    mugs.record("1", "ship_a", &[("mug", "2")]).await.unwrap();
    let order = teas.record("1", "ship_b", &[("tea", "1")]).await.unwrap();
    let waits = instant(order.due_time).checked_sub(instant(order.status_time));
    assert_eq!(waits, Some(Duration::from_hours(14 * 24)));
    refused(
        platform.send(payout("payout_a", 5_000)).await,
        FAILED,
        "OPERATION_NOT_ALLOWED",
    );
    let impatient = document.replace("after: 14days", "after: 1ms");
    apply(&world, &code, &impatient).await;
    watcher.until_sequence("1", order.version + 1).await;
    let order = shop.get("1").await;
    assert_eq!(standing(&order), ("settling", "settling"));
    assert!(!order.visible_on_storefront);

    // A dispute stops payouts, and lets the platform give money back.
    shop.hold("1", "Broken mug").await.unwrap();
    refused(
        platform.send(payout("payout_a", 5_000)).await,
        FAILED,
        "ORDER_HELD",
    );
    let back = v1::RecordOperationRequest {
        amount_only: true,
        ..payout("refund", 1_000)
    };
    platform.send(back).await.unwrap();
    shop.release("1", "").await.unwrap();

    refused(
        mugs.send(payout("payout_a", 5_000)).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    let order = platform.send(payout("payout_a", 5_000)).await.unwrap();
    assert_eq!(attribute(&order, "payout_a"), "5000");
    // Nobody is paid twice, nothing, or more than is there.
    for (operation, amount) in [("payout_a", 1), ("payout_b", 0), ("payout_b", 4_001)] {
        let refusal = refused(
            platform.send(payout(operation, amount)).await,
            FAILED,
            "GUARD_REFUSED",
        );
        assert_eq!(refusal.particular("operation"), operation);
    }
    let order = platform.send(payout("payout_b", 4_000)).await.unwrap();
    assert_eq!(standing(&order), ("settled", "settled"));
    assert_eq!(shop.entries("1").await.pop().unwrap().transition, "settle");
    consistent(&shop, "1").await;
}
