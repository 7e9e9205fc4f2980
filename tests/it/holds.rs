//! Holds: several at once, each with its id, and an exact return.

use tonic::Code;
use waymark_proto::v1::{self, EntryKind, history_entry::Detail};
use waymark_tests::{
    Backend, World,
    refusal::invalid,
    refused,
    replay::{facts, replay},
    shop::{person, standing},
};

use crate::bench;

on_each_database!(
    a_hold_returns_exactly,
    several_holds_stand_at_once,
    holds_have_a_limit,
    the_held_status_may_be_chosen,
    automatic_steps_run_after_release,
    only_holdable_states_are_held,
    a_held_order_takes_comments_and_updates,
    a_held_order_says_why_and_by_whom,
    the_newest_hold_that_stands_is_shown,
);

const FAILED: Code = Code::FailedPrecondition;

async fn a_hold_returns_exactly(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    shop.comment("1", "not the default", "waiting")
        .await
        .unwrap();
    let request = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        reason: "address unclear".into(),
        comment: "asked the customer".into(),
        actor: Some(person("ann", &["clerk"])),
        ..Default::default()
    };
    let held = shop
        .orders()
        .hold_order(request.clone())
        .await
        .unwrap()
        .into_inner();
    let (order, placed) = (held.order.unwrap(), held.hold.unwrap());
    assert_eq!(standing(&order), ("held", "parked"));
    assert_eq!(
        (order.return_state.as_str(), order.return_status.as_str()),
        ("work", "waiting")
    );
    assert_eq!(order.holds, std::slice::from_ref(&placed));
    assert!(!placed.id.is_empty() && placed.expire_time.is_none());
    assert_eq!(
        (placed.reason.as_str(), &placed.placed_by),
        ("address unclear", &request.actor)
    );
    assert_eq!(placed.place_time, held.entries[0].create_time);
    assert!(
        matches!(&held.entries[0].detail, Some(Detail::Held(v1::OrderHeld { hold: Some(it) })) if *it == placed)
    );

    // The pair may become retired meanwhile; the order still returns to it.
    let retired = v1::OrderStatus {
        code: "waiting".into(),
        retired: true,
        ..Default::default()
    };
    let retire = v1::UpdateStatusRequest {
        workflow: shop.workflow(),
        status: Some(retired),
        update_mask: Some(waymark_tests::shop::mask(&["retired"])),
        ..Default::default()
    };
    // It is the default of another state, so that one needs another first.
    refused(
        shop.statuses().update_status(retire.clone()).await,
        FAILED,
        "DEFAULT_REQUIRED",
    );
    shop.add_status("napping").await;
    shop.assign("paused", "napping", Some(true)).await.unwrap();
    shop.statuses().update_status(retire).await.unwrap();
    let released = shop.release("1", &placed.id).await.unwrap();
    assert_eq!(
        standing(released.order.as_ref().unwrap()),
        ("work", "waiting")
    );
    assert_eq!(released.entries[0].kind(), EntryKind::Released);
    assert!(
        matches!(&released.entries[0].detail, Some(Detail::Released(r)) if r.hold_ids == [placed.id])
    );
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

async fn several_holds_stand_at_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let mut ids = Vec::new();
    for reason in ["stock", "fraud", ""] {
        let held = shop.hold("1", reason).await.unwrap();
        assert_eq!(standing(held.order.as_ref().unwrap()), ("held", "parked"));
        ids.push(held.hold.unwrap().id);
    }
    let order = shop.get("1").await;
    assert_eq!(
        order.holds.iter().map(|hold| &hold.id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    let refusal = refused(shop.take("1", "begin").await, FAILED, "ORDER_HELD");
    assert_eq!(refusal.list("holds"), [&ids[2], &ids[1], &ids[0]]);
    assert_eq!(refusal.particular("reasons"), "fraud; stock");
    let refusal = refused(
        shop.release("1", "no-such-hold").await,
        Code::NotFound,
        "HOLD_NOT_FOUND",
    );
    assert_eq!(refusal.particular("hold"), "no-such-hold");
    let one = shop.release("1", &ids[1]).await.unwrap();
    assert_eq!(
        standing(one.order.as_ref().unwrap()),
        ("held", "parked"),
        "others still stand"
    );
    assert!(!one.entries[0].status_changed);
    refused(
        shop.release("1", &ids[1]).await,
        Code::NotFound,
        "HOLD_NOT_FOUND",
    );
    let rest = shop.release("1", "").await.unwrap();
    assert_eq!(standing(rest.order.as_ref().unwrap()), ("start", "fresh"));
    assert!(
        matches!(&rest.entries[0].detail, Some(Detail::Released(r)) if r.hold_ids == [ids[0].clone(), ids[2].clone()])
    );
    refused(shop.release("1", "").await, FAILED, "ORDER_NOT_HELD");
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

async fn holds_have_a_limit(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    for _ in 0..16 {
        shop.hold("1", &"r".repeat(512)).await.unwrap();
    }
    refused(shop.hold("1", "").await, FAILED, "HOLD_LIMIT");
    invalid(shop.hold("1", &"r".repeat(513)).await, "reason");
    assert_eq!(shop.get("1").await.holds.len(), 16);
    assert_eq!(
        standing(&shop.release("1", "").await.unwrap().order.unwrap()),
        ("start", "fresh")
    );
}

async fn the_held_status_may_be_chosen(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let hold = async |status: &str| {
        let request = v1::HoldOrderRequest {
            workflow: shop.workflow(),
            order_id: "1".into(),
            status: status.into(),
            ..Default::default()
        };
        shop.orders()
            .hold_order(request)
            .await
            .map(|answer| answer.into_inner().order.unwrap())
    };
    refused(hold("busy").await, FAILED, "STATUS_NOT_IN_STATE");
    refused(hold("nothing").await, Code::NotFound, "STATUS_NOT_FOUND");
    assert_eq!(
        standing(&hold("inspected").await.unwrap()),
        ("held", "inspected")
    );
    let second = hold("").await.unwrap();
    assert_eq!(
        (standing(&second), second.return_state.as_str()),
        (("held", "inspected"), "start")
    );
}

async fn automatic_steps_run_after_release(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("shirt", "1")]).await;
    shop.record("1", "invoice", &[]).await.unwrap();
    shop.hold("1", "").await.unwrap();
    // While it is held, the workflow learns a step that applies at once.
    let early = v1::Transition {
        guard: "order.fully_invoiced".into(),
        trigger: Some(v1::Trigger {
            kind: Some(v1::trigger::Kind::Automatic(v1::AutomaticTrigger {})),
        }),
        ..waymark_tests::shop::transition("review_again", &["processing"], "payment_review")
    };
    shop.create_transition(early).await.unwrap();
    let released = shop.release("1", "").await.unwrap();
    let [release, automatic] = released.entries.as_slice() else {
        panic!("{:?}", released.entries)
    };
    assert_eq!(
        (release.to_state.as_str(), automatic.to_state.as_str()),
        ("processing", "payment_review")
    );
    assert_eq!(
        (automatic.transition.as_str(), automatic.caused_by),
        ("review_again", release.sequence)
    );
}

async fn only_holdable_states_are_held(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    shop.take("1", "pause").await.unwrap();
    let refusal = refused(shop.hold("1", "").await, FAILED, "STATE_NOT_HOLDABLE");
    assert_eq!(refusal.particular("state"), "paused");
    // A workflow without a held state holds nothing.
    let shop = world.shop("modmore").await;
    shop.place("1", &[]).await;
    refused(shop.hold("1", "").await, FAILED, "STATE_NOT_HOLDABLE");
}

async fn a_held_order_takes_comments_and_updates(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.hold("1", "").await.unwrap();
    assert_eq!(
        shop.comment("1", "checked", "inspected")
            .await
            .unwrap()
            .order
            .unwrap()
            .status,
        "inspected"
    );
    let order = v1::Order {
        store_view: "german".into(),
        grand_total: 9_999,
        ..shop.draft("1", &[])
    };
    let update = |paths: &[&str]| v1::UpdateOrderRequest {
        order: Some(order.clone()),
        update_mask: Some(waymark_tests::shop::mask(paths)),
        ..Default::default()
    };
    shop.orders()
        .update_order(update(&["store_view"]))
        .await
        .unwrap();
    refused(
        shop.orders().update_order(update(&["grand_total"])).await,
        FAILED,
        "ORDER_HELD",
    );
    assert_eq!(
        standing(&shop.release("1", "").await.unwrap().order.unwrap()),
        ("start", "fresh")
    );
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

async fn a_held_order_says_why_and_by_whom(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let request = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        reason: "Address is being checked".into(),
        actor: Some(person("anna", &[])),
        ..Default::default()
    };
    shop.orders().hold_order(request).await.unwrap();
    let refusal = refused(shop.take("1", "begin").await, FAILED, "ORDER_HELD");
    assert_eq!(
        refusal.message,
        "the order is on hold: \"Address is being checked\" (hold 2, by anna)"
    );
    assert_eq!(
        (refusal.particular("holds"), refusal.particular("reasons")),
        ("2", "Address is being checked")
    );
}

async fn the_newest_hold_that_stands_is_shown(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let hold = async |status: &str| {
        let request = v1::HoldOrderRequest {
            workflow: shop.workflow(),
            order_id: "1".into(),
            status: status.into(),
            ..Default::default()
        };
        let held = shop.orders().hold_order(request).await.unwrap();
        held.into_inner().hold.unwrap()
    };
    let (older, newer) = (hold("parked").await, hold("inspected").await);
    assert_eq!(
        (older.status.as_str(), newer.status.as_str()),
        ("parked", "inspected")
    );
    assert_eq!(shop.get("1").await.status, "inspected");
    let released = shop.release("1", &newer.id).await.unwrap();
    assert_eq!(
        standing(released.order.as_ref().unwrap()),
        ("held", "parked")
    );
    assert!(released.entries[0].status_changed);
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}
