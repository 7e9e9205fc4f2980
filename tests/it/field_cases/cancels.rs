//! Cancelling: what stands in its way, what becomes of the rest, and the way back.

use waymark_proto::v1;
use waymark_tests::{
    Backend, Refusal, Shop, World, refused,
    shop::{moved, standing, transition},
    world,
};

use super::{FAILED, MAGENTO, all_of, consistent, place, priced, quantities, recorded, totals};
use crate::bench;

on_each_database!(
    what_was_shipped_is_not_canceled,
    the_rest_is_canceled_by_the_operation,
    a_denied_payment_cancels_no_parcel,
    refunded_units_do_not_stand_in_the_way,
    a_cancel_that_finds_nothing_is_told,
    a_canceled_order_is_opened_again,
);

/// Tries a transition that its guard refuses, and checks that the refusal says in the words of the transition what to do.
async fn told_by(shop: &Shop, id: &str, transition: &str) -> Refusal {
    let before = shop.get(id).await;
    let refusal = refused(shop.take(id, transition).await, FAILED, "GUARD_REFUSED");
    assert_eq!(refusal.particular("transition"), transition);
    let request = v1::GetTransitionRequest {
        workflow: shop.workflow(),
        code: transition.to_owned(),
    };
    let declared = shop.transitions().get_transition(request).await.unwrap();
    let description = declared.into_inner().transition.unwrap().description;
    assert_eq!(refusal.particular("description"), description);
    assert!(refusal.message.contains(&description), "{refusal:?}");
    assert_eq!(shop.get(id).await, before, "the order stays");
    refusal
}

/// F3.
async fn what_was_shipped_is_not_canceled(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 2_000, &[("a", "2")]).await;
        shop.record("1", "ship", &[]).await.unwrap();
        let refusal = told_by(&shop, "1", "cancel").await;
        assert!(
            refusal
                .particular("description")
                .contains("RecordOperation"),
            "{preset}: {refusal:?}"
        );
        refused(
            shop.record("1", "cancel", &[]).await,
            FAILED,
            "NOTHING_TO_DO",
        );
        assert!(!shop.available("1").await.contains(&"cancel".to_owned()));
    }
}

async fn the_rest_is_canceled_by_the_operation(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 3_000, &[("a", "3")]).await;
        shop.record_amount("1", "pay", 1_000).await.unwrap();
        shop.record("1", "invoice", &[("a", "1")]).await.unwrap();
        told_by(&shop, "1", "cancel").await;
        shop.record("1", "ship", &[("a", "1")]).await.unwrap();
        told_by(&shop, "1", "cancel").await;
        let rest = shop.record("1", "cancel", &[]).await.unwrap();
        assert_eq!(recorded(&rest.entries[0]).lines, [moved("a", "2")]);
        let order = rest.order.unwrap();
        assert_eq!(standing(&order), ("complete", "complete"), "{preset}");
        assert_eq!(totals(&order), [1_000, 0, 2_000, 0, 0], "{preset}");
        consistent(&shop, "1").await;
    }
}

async fn a_denied_payment_cancels_no_parcel(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento_2_4").await;
    place(&shop, "1", 2_000, &[("a", "2")]).await;
    shop.record("1", "ship", &[("a", "1")]).await.unwrap();
    shop.take("1", "flag_fraud").await.unwrap();
    told_by(&shop, "1", "deny_payment").await;
    place(&shop, "2", 2_000, &[("a", "2")]).await;
    shop.take("2", "flag_fraud").await.unwrap();
    let denied = shop.take("2", "deny_payment").await.unwrap();
    assert_eq!(denied.order.unwrap().state, "canceled");
}

async fn refunded_units_do_not_stand_in_the_way(backend: Backend) {
    let world = World::on(backend).await;
    for preset in MAGENTO {
        let shop = world.shop(preset).await;
        place(&shop, "1", 2_000, &[("a", "2")]).await;
        shop.record("1", "pay", &[]).await.unwrap();
        shop.record("1", "invoice", &[("a", "1")]).await.unwrap();
        told_by(&shop, "1", "cancel").await;
        shop.record("1", "refund", &[("a", "1")]).await.unwrap();
        let canceled = shop.take("1", "cancel").await.unwrap().order.unwrap();
        assert_eq!(canceled.state, "canceled", "{preset}");
        assert_eq!(quantities(&canceled.lines[0]), ["1", "0", "1", "1", "0"]);
        // The money of the cancelled unit can go back.
        assert_eq!(totals(&canceled), [2_000, 1_000, 1_000, 0, 1_000]);
        let back = shop.record_amount("1", "refund", 1_000).await.unwrap();
        assert_eq!(
            totals(&back.order.unwrap()),
            [2_000, 2_000, 1_000, 0, 0],
            "{preset}"
        );
        consistent(&shop, "1").await;
    }
}

async fn a_cancel_that_finds_nothing_is_told(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let give_up = v1::Transition {
        operation: "cancel".into(),
        ..transition("give_up", &["start"], "paused")
    };
    shop.create_transition(give_up).await.unwrap();
    // All is invoiced, so none of it can be cancelled.
    shop.place("invoiced", &[("a", "1")]).await;
    shop.record("invoiced", "invoice", &[]).await.unwrap();
    let refusal = refused(
        shop.take("invoiced", "give_up").await,
        FAILED,
        "NOTHING_TO_DO",
    );
    assert_eq!(refusal.particular("operation"), "cancel");
    assert!(
        !shop
            .available("invoiced")
            .await
            .contains(&"give_up".to_owned())
    );
    // All is cancelled already, which is what the transition wants.
    shop.place("canceled", &[("a", "1")]).await;
    shop.record("canceled", "cancel", &[]).await.unwrap();
    let dropped = shop.take("canceled", "give_up").await.unwrap();
    assert_eq!(dropped.order.unwrap().state, "paused");
    // Something is left.
    shop.place("open", &[("a", "2")]).await;
    shop.record("open", "invoice", &[("a", "1")]).await.unwrap();
    let dropped = shop.take("open", "give_up").await.unwrap();
    assert_eq!(recorded(&dropped.entries[0]).lines, [moved("a", "1")]);
    // Any other effect that finds nothing is taken.
    let send = v1::Transition {
        operation: "ship".into(),
        ..transition("send", &["start"], "paused")
    };
    shop.create_transition(send).await.unwrap();
    shop.place("shipped", &[("a", "1")]).await;
    shop.record("shipped", "ship", &[]).await.unwrap();
    let taken = shop.take("shipped", "send").await.unwrap();
    assert!(taken.entries[0].detail.is_none(), "{:?}", taken.entries[0]);
    for id in ["invoiced", "canceled", "open", "shipped"] {
        consistent(&shop, id).await;
    }
}

/// A shop whose customers change their minds: `canceled` is not terminal.
const REOPENING: &str = "
label: Reopening
initial_state: open
operations:
  pay: {label: Pay, effect: pay}
  invoice: {label: Invoice, effect: invoice}
  ship: {label: Ship, effect: ship}
  cancel: {label: Cancel, effect: cancel}
statuses: {open: {label: Open}, canceled: {label: Canceled}, sent: {label: Sent}}
states:
  open: {label: Open, category: initial, can_start: true, operations: [pay, invoice, ship, cancel], statuses: [open]}
  canceled: {label: Canceled, category: canceled, operations: [pay], statuses: [canceled]}
  sent: {label: Sent, category: completed, statuses: [sent]}
transitions:
  all_canceled: {label: All canceled, from_states: [open], to_state: canceled, trigger: automatic, guard: order.fully_canceled}
  all_sent: {label: All sent, from_states: [open], to_state: sent, trigger: automatic, guard: order.fully_shipped && !order.fully_canceled}
  cancel: {label: Cancel, from_states: [open], to_state: canceled, operation: cancel}
  reopen: {label: Reopen, from_states: [canceled], to_state: open, operation: cancel, reverse: true}
";

/// A9.
async fn a_canceled_order_is_opened_again(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &world::fresh_code(), REOPENING).await;
    let order = v1::Order {
        grand_total: 2_000,
        lines: vec![priced("a", "2", 1_000), priced("b", "1", 501)],
        ..shop.draft("1", &[])
    };
    shop.create(order).await.unwrap();
    let canceled = shop.take("1", "cancel").await.unwrap().order.unwrap();
    assert_eq!(totals(&canceled), [0, 0, 2_000, 0, 0]);
    let open = shop.take("1", "reopen").await.unwrap();
    let [entry] = open.entries.as_slice() else {
        panic!("nothing is set off: {:?}", open.entries);
    };
    let entry = recorded(entry);
    assert!(entry.reverse, "{entry:?}");
    assert_eq!((entry.operation.as_str(), entry.amount), ("cancel", 2_000));
    assert_eq!(entry.lines, [moved("a", "2"), moved("b", "1")]);
    let open = open.order.unwrap();
    assert_eq!(open.state, "open");
    assert_eq!(totals(&open), [0, 0, 0, 2_000, 0]);
    assert!(open.lines.iter().all(|line| quantities(line) == ["0"; 5]));
    let sent = all_of(&shop, "1", &["pay", "invoice", "ship"]).await;
    assert_eq!(sent.state, "sent");
    consistent(&shop, "1").await;

    // A whole order comes back as well.
    place(&shop, "2", 700, &[]).await;
    shop.take("2", "cancel").await.unwrap();
    let open = shop.take("2", "reopen").await.unwrap();
    let entry = recorded(&open.entries[0]);
    assert!(entry.reverse && entry.whole, "{entry:?}");
    assert_eq!(totals(&open.order.unwrap()), [0, 0, 0, 700, 0]);
    consistent(&shop, "2").await;
}
