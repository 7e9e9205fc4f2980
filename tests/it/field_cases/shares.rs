//! What a part of a line costs: exact to the minor unit over any number of steps.

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{Backend, Shop, World, refused, shop::line};

use super::{FAILED, all_of, amounting, consistent, place, priced, recorded, totals};

on_each_database!(
    partial_cancels_are_exact,
    the_last_cancel_takes_the_rest,
    partial_refunds_are_exact,
    what_has_no_total_is_not_reckoned,
    a_given_amount_has_a_bound,
    lines_cost_no_more_than_the_order,
);

/// Lines that cost something, in an order that costs 2,000 with its shipping.
async fn place_priced(shop: &Shop, id: &str, lines: Vec<v1::OrderLine>) {
    let order = v1::Order {
        lines,
        grand_total: 2_000,
        ..shop.draft(id, &[])
    };
    shop.create(order).await.unwrap();
}

/// Records an operation for this much of a line and gives the amount that its entry says.
async fn step(shop: &Shop, id: &str, operation: &str, line: &str, quantity: &str) -> i64 {
    let answer = shop.record(id, operation, &[(line, quantity)]).await;
    recorded(&answer.unwrap().entries[0]).amount
}

/// Half a minor unit goes to the even neighbour, and what one step is short of the next one gives.
async fn partial_cancels_are_exact(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    for (id, total, ordered, quantity, expected) in [
        ("thirds", 1_000, "3", "1", vec![333, 334, 333]),
        ("quarters", 10, "4", "1", vec![2, 3, 3, 2]),
        ("halves", 5, "2", "1", vec![2, 3]),
        ("one", 1, "3", "1", vec![0, 1, 0]),
        ("parts", 999, "1.5", "0.5", vec![333, 333, 333]),
        ("crumbs", 7, "0.0003", "0.0001", vec![2, 3, 2]),
    ] {
        place(&shop, id, total, &[("a", ordered)]).await;
        let mut amounts = Vec::new();
        for _ in &expected {
            amounts.push(step(&shop, id, "cancel", "a", quantity).await);
        }
        assert_eq!(amounts, expected, "{id}");
        let order = shop.get(id).await;
        assert_eq!(
            (order.state.as_str(), totals(&order)),
            ("canceled", [0, 0, total, 0, 0]),
            "{id}"
        );
        consistent(&shop, id).await;
    }
    // A reversal gives back what its place in the row cost.
    place(&shop, "back", 1_000, &[("a", "3")]).await;
    for expected in [333, 334] {
        assert_eq!(step(&shop, "back", "cancel", "a", "1").await, expected);
    }
    let back = shop.send(shop.reversal("back", "cancel", &[("a", "1")]));
    let back = back.await.unwrap();
    assert_eq!(recorded(&back.entries[0]).amount, 334);
    assert_eq!(totals(&back.order.unwrap()), [0, 0, 333, 667, 0]);
    assert_eq!(step(&shop, "back", "cancel", "a", "2").await, 667);
    consistent(&shop, "back").await;
}

/// Shipping and whatever else is no line's goes with the last unit.
async fn the_last_cancel_takes_the_rest(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let lines = || vec![priced("a", "2", 1_000), priced("b", "1", 501)];
    place_priced(&shop, "1", lines()).await;
    assert_eq!(step(&shop, "1", "cancel", "a", "1").await, 500);
    assert_eq!(step(&shop, "1", "cancel", "b", "1").await, 501);
    assert_eq!(shop.get("1").await.state, "new");
    assert_eq!(step(&shop, "1", "cancel", "a", "1").await, 999);
    let order = shop.get("1").await;
    assert_eq!(
        (order.state.as_str(), totals(&order)),
        ("canceled", [0, 0, 2_000, 0, 0])
    );
    // So does the transition, in one step.
    place_priced(&shop, "2", lines()).await;
    let canceled = shop.take("2", "cancel").await.unwrap();
    let entry = recorded(&canceled.entries[0]);
    assert_eq!((entry.amount, entry.counted_amount), (2_000, 2_000));
    assert_eq!(totals(&canceled.order.unwrap()), [0, 0, 2_000, 0, 0]);
    consistent(&shop, "1").await;
    consistent(&shop, "2").await;
}

async fn partial_refunds_are_exact(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place_priced(
        &shop,
        "1",
        vec![priced("a", "3", 1_000), priced("b", "2", 333)],
    )
    .await;
    all_of(&shop, "1", &["pay", "invoice"]).await;
    assert_eq!(step(&shop, "1", "refund", "a", "1").await, 333);
    assert_eq!(step(&shop, "1", "refund", "a", "1").await, 334);
    // Half of 333 to the even neighbour, and the last third of 1,000.
    let both = shop.record("1", "refund", &[("a", "1"), ("b", "1")]).await;
    let both = both.unwrap();
    assert_eq!(recorded(&both.entries[0]).amount, 333 + 166);
    let order = both.order.unwrap();
    assert_eq!(totals(&order), [2_000, 1_166, 0, 0, 0]);
    assert_eq!(step(&shop, "1", "refund", "b", "1").await, 167);
    let order = shop.get("1").await;
    assert_eq!(
        (order.state.as_str(), totals(&order)),
        ("closed", [2_000, 1_333, 0, 0, 0]),
        "the shipping was kept"
    );
    // It can go back all the same.
    shop.record_amount("1", "refund", 667).await.unwrap();
    consistent(&shop, "1").await;
}

/// Where one of several touched lines has no total, the entry says so and moves no money.
async fn what_has_no_total_is_not_reckoned(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place_priced(&shop, "1", vec![line("a", "2"), priced("b", "2", 500)]).await;
    let unknown = shop.record("1", "cancel", &[("a", "1"), ("b", "1")]).await;
    let unknown = unknown.unwrap();
    assert_eq!(recorded(&unknown.entries[0]).amount, 0);
    assert!(
        !unknown.entries[0].metadata.is_empty(),
        "{:?}",
        unknown.entries[0]
    );
    assert_eq!(totals(&unknown.order.unwrap()), [0, 0, 0, 2_000, 0]);
    // A call may know better.
    let known = amounting(&shop, "1", "cancel", &[("a", "1")], 750);
    let known = shop.send(known).await.unwrap();
    assert_eq!(recorded(&known.entries[0]).counted_amount, 750);
    assert_eq!(totals(&known.order.unwrap()), [0, 0, 750, 1_250, 0]);
    consistent(&shop, "1").await;
}

async fn a_given_amount_has_a_bound(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    place_priced(&shop, "1", vec![priced("a", "2", 2_000)]).await;
    let refusal = refused(
        shop.send(amounting(&shop, "1", "cancel", &[("a", "1")], 2_001))
            .await,
        FAILED,
        "AMOUNT_EXCEEDED",
    );
    assert_eq!(
        (refusal.particular("left"), refusal.particular("asked")),
        ("2000", "2001")
    );
    // What is given counts instead of what would be reckoned.
    let less = shop
        .send(amounting(&shop, "1", "cancel", &[("a", "1")], 300))
        .await
        .unwrap();
    assert_eq!(totals(&less.order.unwrap()), [0, 0, 300, 1_700, 0]);
    let refusal = refused(
        shop.send(amounting(&shop, "1", "cancel", &[("a", "1")], 1_701))
            .await,
        FAILED,
        "AMOUNT_EXCEEDED",
    );
    assert_eq!(refusal.particular("left"), "1700");
    consistent(&shop, "1").await;
}

async fn lines_cost_no_more_than_the_order(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let order = |lines| v1::Order {
        lines,
        grand_total: 2_000,
        ..shop.draft("1", &[])
    };
    for lines in [
        vec![priced("a", "1", 1_500), priced("b", "1", 501)],
        vec![priced("a", "1", 2_001)],
        vec![priced("a", "1", -1)],
    ] {
        let refusal = refused(
            shop.create(order(lines)).await,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        let names_lines = |(field, _): &(String, String)| field.starts_with("order.lines");
        assert!(refusal.violations.iter().any(names_lines), "{refusal:?}");
    }
    let lines = vec![priced("a", "1", 1_500), priced("b", "1", 500)];
    let placed = shop.create(order(lines)).await.unwrap().order.unwrap();
    assert_eq!(placed.lines[0].total, Some(1_500));
    assert_eq!(shop.get("1").await.lines, placed.lines);
}
