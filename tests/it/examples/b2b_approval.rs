//! A purchase between companies: quote, approvals by limits, credit check, bill and terms of payment.

use std::time::Duration;

use waymark_proto::v1::{self, transition_order_request::Target};
use waymark_tests::{
    Backend, Shop, Watcher, World, refused,
    shop::{mask, person, standing},
};

use super::{
    DENIED, FAILED, Person, attribute, consistent, instant, record, send, set_attribute, shop, take,
};

on_each_database!(
    what_is_within_the_limit_needs_no_approval,
    a_purchase_is_approved_by_somebody_else,
    a_large_purchase_needs_two_approvals,
    nobody_goes_round_the_approvals,
    a_rejection_says_why_and_is_revised,
    a_credit_check_holds_everything_up,
    what_is_sent_and_billed_is_paid,
    terms_of_payment_run_by_customer,
    finance_gives_money_back,
);

/// Places a request for three units that cost so much.
async fn place(shop: &Shop, id: &str, grand_total: i64) -> v1::Order {
    let order = v1::Order {
        grand_total,
        ..shop.draft(id, &[("a", "2"), ("b", "1")])
    };
    let placed = shop.create(order).await.unwrap();
    placed.order.unwrap()
}

/// Places a request and has Eve submit it.
async fn submit(shop: &Shop, id: &str, grand_total: i64) -> v1::Order {
    place(shop, id, grand_total).await;
    let buyer = Person::new(shop, "eve", &["buyer"]);
    buyer.take(id, "submit").await.unwrap()
}

async fn what_is_within_the_limit_needs_no_approval(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    let order = place(&shop, "1", 100_000).await;
    assert_eq!(standing(&order), ("requested", "requested"));
    assert_eq!(attribute(&order, "payment_terms"), "720h");
    // Nobody stands behind a call without an actor.
    refused(shop.take("1", "submit").await, FAILED, "GUARD_REFUSED");
    let buyer = Person::new(&shop, "eve", &["buyer"]);
    let order = buyer.take("1", "submit").await.unwrap();
    assert_eq!(standing(&order), ("processing", "approved"));
    assert_eq!(attribute(&order, "requested_by"), "eve");
    let order = submit(&shop, "2", 100_001).await;
    assert_eq!(standing(&order), ("approval", "awaiting_approval"));
    consistent(&shop, "1").await;
}

async fn a_purchase_is_approved_by_somebody_else(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    submit(&shop, "1", 500_000).await;
    let clerk = Person::new(&shop, "ann", &["clerk"]);
    let refusal = refused(clerk.take("1", "approve").await, DENIED, "ROLE_REQUIRED");
    assert_eq!(refusal.list("roles"), ["approver"]);
    let herself = Person::new(&shop, "eve", &["buyer", "approver"]);
    refused(herself.take("1", "approve").await, FAILED, "GUARD_REFUSED");
    // What is being approved is not edited.
    let edit = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            grand_total: 1,
            ..shop.draft("1", &[])
        }),
        update_mask: Some(mask(&["grand_total"])),
        ..Default::default()
    };
    refused(
        shop.orders().update_order(edit).await,
        FAILED,
        "OPERATION_NOT_ALLOWED",
    );
    let approver = Person::new(&shop, "ann", &["approver"]);
    let order = approver.take("1", "approve").await.unwrap();
    assert_eq!(standing(&order), ("processing", "approved"));
    consistent(&shop, "1").await;
}

async fn a_large_purchase_needs_two_approvals(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    submit(&shop, "1", 2_000_000).await;
    let first = Person::new(&shop, "ann", &["approver", "budget_owner"]);
    let refusal = refused(first.take("1", "approve").await, FAILED, "GUARD_REFUSED");
    assert!(refusal.particular("description").contains("approve_first"));
    let order = first.take("1", "approve_first").await.unwrap();
    assert_eq!(standing(&order), ("approval", "awaiting_second"));
    assert_eq!(attribute(&order, "approved_by"), "ann");
    refused(
        first.take("1", "approve_second").await,
        FAILED,
        "GUARD_REFUSED",
    );
    let approver = Person::new(&shop, "bob", &["approver"]);
    let refusal = refused(
        approver.take("1", "approve_second").await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(refusal.particular("transition"), "approve_second");
    let owner = Person::new(&shop, "bob", &["budget_owner"]);
    let order = owner.take("1", "approve_second").await.unwrap();
    assert_eq!(standing(&order), ("processing", "approved"));
    consistent(&shop, "1").await;
}

/// Whatever a call names, the declared step is what it takes.
async fn nobody_goes_round_the_approvals(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    submit(&shop, "1", 500_000).await;
    let step = v1::TransitionOrderRequest {
        actor: Some(person("eve", &["buyer"])),
        ..shop.step("1", Target::ToStatus("approved".to_owned()))
    };
    let refusal = refused(
        shop.orders().transition_order(step).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(refusal.particular("transition"), "approve");
    // A price is quoted by sales: by the step, by a comment, by an order that begins so.
    place(&shop, "2", 500_000).await;
    for refusal in [
        refused(shop.take("2", "quote").await, DENIED, "ROLE_REQUIRED"),
        refused(
            shop.comment("2", "Cheap", "quoted").await,
            DENIED,
            "ROLE_REQUIRED",
        ),
        refused(
            shop.create(v1::Order {
                status: "quoted".to_owned(),
                ..shop.draft("3", &[("a", "1")])
            })
            .await,
            DENIED,
            "ROLE_REQUIRED",
        ),
    ] {
        assert_eq!(refusal.list("roles"), ["sales"]);
    }
    let sales = Person::new(&shop, "sam", &["sales"]);
    let order = sales.take("2", "quote").await.unwrap();
    assert_eq!(standing(&order), ("requested", "quoted"));
    let buyer = Person::new(&shop, "eve", &["buyer"]);
    let order = buyer.take("2", "submit").await.unwrap();
    assert_eq!(standing(&order), ("approval", "awaiting_approval"));
}

async fn a_rejection_says_why_and_is_revised(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    submit(&shop, "1", 500_000).await;
    let approver = Person::new(&shop, "ann", &["approver"]);
    let refusal = refused(approver.take("1", "reject").await, FAILED, "GUARD_REFUSED");
    assert_eq!(refusal.particular("description"), "Say why in the comment.");
    let order = approver
        .take_saying("1", "reject", "Too dear")
        .await
        .unwrap();
    assert_eq!(standing(&order), ("rejected", "rejected"));
    assert_eq!(attribute(&order, "reject_reason"), "Too dear");
    assert_eq!((order.total_canceled, order.total_due), (500_000, 0));
    let order = take(&shop, "1", "revise").await;
    assert_eq!(standing(&order), ("requested", "requested"));
    assert_eq!((order.total_canceled, order.total_due), (0, 500_000));
    // Who asked may change their mind; others may not.
    let buyer = Person::new(&shop, "eve", &["buyer"]);
    buyer.take("1", "submit").await.unwrap();
    refused(
        approver.take("1", "withdraw").await,
        FAILED,
        "GUARD_REFUSED",
    );
    let order = buyer.take("1", "withdraw").await.unwrap();
    assert_eq!(standing(&order), ("requested", "requested"));
    let order = take(&shop, "1", "cancel").await;
    assert_eq!(standing(&order), ("cancelled", "cancelled"));
    refused(shop.take("1", "submit").await, FAILED, "ORDER_TERMINAL");
    consistent(&shop, "1").await;
}

async fn a_credit_check_holds_everything_up(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    submit(&shop, "1", 500_000).await;
    let check = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        reason: "Limit of the customer".to_owned(),
        status: "credit_check".to_owned(),
        ..Default::default()
    };
    let held = shop.orders().hold_order(check).await.unwrap();
    let held = held.into_inner().order.unwrap();
    assert_eq!(standing(&held), ("on_hold", "credit_check"));
    let approver = Person::new(&shop, "ann", &["approver"]);
    let refusal = refused(approver.take("1", "approve").await, FAILED, "ORDER_HELD");
    assert_eq!(refusal.list("reasons"), ["Limit of the customer"]);
    // Money that arrives is a fact.
    assert_eq!(record(&shop, "1", "pay", &[]).await.total_due, 0);
    let released = shop.release("1", "").await.unwrap().order.unwrap();
    assert_eq!(standing(&released), ("approval", "awaiting_approval"));
    approver.take("1", "approve").await.unwrap();
    consistent(&shop, "1").await;
}

async fn what_is_sent_and_billed_is_paid(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    submit(&shop, "1", 90_000).await;
    let order = record(&shop, "1", "ship", &[("a", "1")]).await;
    assert_eq!(standing(&order), ("processing", "partly_shipped"));
    refused(shop.take("1", "cancel").await, FAILED, "GUARD_REFUSED");
    let refusal = refused(
        shop.record("1", "invoice", &[]).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(refusal.particular("operation"), "invoice");
    let order = record(&shop, "1", "ship", &[]).await;
    assert_eq!(standing(&order), ("processing", "shipped"));
    let finance = Person::new(&shop, "fay", &["finance"]);
    let order = finance.record("1", "invoice", &[]).await.unwrap();
    assert_eq!(standing(&order), ("payable", "payment_due"));
    let order = record(&shop, "1", "pay", &[]).await;
    assert_eq!(standing(&order), ("completed", "completed"));
    // What was recorded by mistake is taken back, and the order follows.
    let order = send(&shop, shop.reversal("1", "pay", &[])).await;
    assert_eq!(standing(&order), ("payable", "payment_due"));
    let order = send(&shop, shop.reversal("1", "ship", &[("a", "1")])).await;
    assert_eq!(standing(&order), ("processing", "partly_shipped"));
    let order = send(&shop, shop.reversal("1", "ship", &[])).await;
    assert_eq!(standing(&order), ("processing", "approved"));
    record(&shop, "1", "pay", &[]).await;
    let order = record(&shop, "1", "ship", &[]).await;
    assert_eq!(standing(&order), ("completed", "completed"));
    consistent(&shop, "1").await;
}

async fn terms_of_payment_run_by_customer(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    let mut watcher = Watcher::of(&shop).await;
    submit(&shop, "1", 90_000).await;
    let order = record(&shop, "1", "ship", &[]).await;
    assert_eq!(order.due_time, None);
    let finance = Person::new(&shop, "fay", &["finance"]);
    let order = finance.record("1", "invoice", &[]).await.unwrap();
    let entries = shop.entries("1").await;
    let invoiced = entries
        .iter()
        .rfind(|entry| entry.kind() == v1::EntryKind::OperationRecorded);
    let invoiced = instant(invoiced.unwrap().create_time);
    let month = Duration::from_hours(720);
    assert_eq!(instant(order.due_time), invoiced + month);
    // Another agreement with the customer, and none at all.
    let order = set_attribute(&shop, "1", "payment_terms", "336h").await;
    assert_eq!(instant(order.due_time), invoiced + month / 720 * 336);
    let order = set_attribute(&shop, "1", "payment_terms", "on delivery").await;
    assert_eq!(order.due_time, None);
    let order = set_attribute(&shop, "1", "payment_terms", "1ms").await;
    watcher.until_sequence("1", order.version + 1).await;
    let order = shop.get("1").await;
    assert_eq!(standing(&order), ("payable", "overdue"));
    let entry = shop.entries("1").await.pop().unwrap();
    assert_eq!(entry.transition, "overdue");
    assert!(entry.visible_to_customer);
    let order = record(&shop, "1", "pay", &[]).await;
    assert_eq!(standing(&order), ("completed", "completed"));
}

async fn finance_gives_money_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "b2b_approval").await;
    submit(&shop, "1", 90_000).await;
    let finance = Person::new(&shop, "fay", &["finance"]);
    record(&shop, "1", "pay", &[]).await;
    finance.record("1", "invoice", &[]).await.unwrap();
    record(&shop, "1", "ship", &[]).await;
    let refund = |amount| v1::RecordOperationRequest {
        amount_only: true,
        amount: Some(amount),
        ..shop.operation("1", "refund", &[])
    };
    let refusal = refused(shop.send(refund(100)).await, DENIED, "ROLE_REQUIRED");
    assert_eq!(refusal.particular("operation"), "refund");
    let refusal = refused(finance.send(refund(50_001)).await, FAILED, "GUARD_REFUSED");
    assert_eq!(refusal.particular("operation"), "refund");
    let order = finance.send(refund(20_000)).await.unwrap();
    assert_eq!(order.total_refunded, 20_000);
    let manager = Person::new(&shop, "max", &["finance_manager"]);
    let order = manager.send(refund(60_000)).await.unwrap();
    assert_eq!(order.total_refunded, 80_000);
    consistent(&shop, "1").await;
}
