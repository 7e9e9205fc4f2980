//! The shop system of `woocommerce`: each status a state, moved by checkout, gateways, time and people.

use std::time::Duration;

use waymark_proto::v1;
use waymark_tests::{
    Backend, Shop, Watcher, World, refused,
    shop::{line, mask, person, standing},
    world::{apply, fresh_code},
};

use super::{DENIED, FAILED, Person, consistent, document, instant, record, send, shop};

on_each_database!(
    the_checkout_goes_by_the_payment_method,
    what_is_paid_is_processed_and_completed,
    what_has_nothing_to_send_is_completed_at_once,
    money_goes_back,
    shop_managers_set_any_status,
    orders_begin_where_their_payment_method_lets_them,
    customers_cancel_their_own,
    what_is_not_paid_in_time_is_cancelled,
);

/// Places an order that begins in a state, with the payment method by which it may.
async fn place_in(shop: &Shop, id: &str, state: &str) -> v1::Order {
    let method = match state {
        "on_hold" => "bacs",
        "processing" => "cod",
        _ => "stripe",
    };
    let order = v1::Order {
        state: state.to_owned(),
        attributes: [("payment_method".to_owned(), method.to_owned())].into(),
        customer: Some(v1::Customer {
            id: "7".to_owned(),
            ..Default::default()
        }),
        ..shop.draft(id, &[("a", "2")])
    };
    let placed = shop.create(order).await.unwrap();
    placed.order.unwrap()
}

/// Records a payment of so much.
async fn pay(shop: &Shop, id: &str, amount: i64) -> v1::Order {
    let request = v1::RecordOperationRequest {
        amount: Some(amount),
        ..shop.operation(id, "pay", &[])
    };
    send(shop, request).await
}

async fn the_checkout_goes_by_the_payment_method(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "woocommerce").await;
    for (method, state) in [
        ("bacs", "on_hold"),
        ("cheque", "on_hold"),
        ("cod", "processing"),
        ("stripe", "pending"),
        ("", "pending"),
    ] {
        let id = format!("by-{method}");
        let attribute = ("payment_method".to_owned(), method.to_owned());
        let attributes = Some(attribute).filter(|(_, method)| !method.is_empty());
        let order = v1::Order {
            state: "checkout_draft".into(),
            attributes: attributes.into_iter().collect(),
            ..shop.draft(&id, &[("a", "1")])
        };
        let draft = shop.create(order).await.unwrap().order.unwrap();
        assert_eq!(standing(&draft), ("checkout_draft", "checkout_draft"));
        assert!(!draft.visible_on_storefront);
        let order = record(&shop, &id, "checkout", &[]).await;
        assert_eq!(standing(&order), (state, state), "{method}");
        refused(
            shop.record(&id, "checkout", &[]).await,
            FAILED,
            "OPERATION_NOT_ALLOWED",
        );
    }
}

async fn what_is_paid_is_processed_and_completed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "woocommerce").await;
    let order = shop.place("card", &[("a", "2")]).await;
    assert_eq!(order.state, "pending");
    assert_eq!(
        record(&shop, "card", "payment_failed", &[]).await.state,
        "failed"
    );
    assert_eq!(pay(&shop, "card", 10_000).await.state, "processing");
    let half = record(&shop, "card", "ship", &[("a", "1")]).await;
    assert_eq!(half.state, "processing");
    assert_eq!(record(&shop, "card", "ship", &[]).await.state, "completed");
    consistent(&shop, "card").await;

    // A transfer may come in parts, and what waits for it is no hold of Waymark.
    let order = place_in(&shop, "transfer", "on_hold").await;
    assert!(order.holds.is_empty());
    assert_eq!(pay(&shop, "transfer", 4_000).await.state, "on_hold");
    assert_eq!(pay(&shop, "transfer", 6_000).await.state, "processing");
    let edit = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            grand_total: 9_000,
            ..shop.draft("transfer", &[])
        }),
        update_mask: Some(mask(&["grand_total"])),
        ..Default::default()
    };
    let refusal = refused(
        shop.orders().update_order(edit).await,
        FAILED,
        "OPERATION_NOT_ALLOWED",
    );
    assert_eq!(refusal.particular("operation"), "edit");
}

async fn what_has_nothing_to_send_is_completed_at_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "woocommerce").await;
    let order = v1::Order {
        lines: vec![v1::OrderLine {
            is_virtual: true,
            ..line("a", "1")
        }],
        ..shop.draft("1", &[])
    };
    shop.create(order).await.unwrap();
    assert_eq!(pay(&shop, "1", 10_000).await.state, "completed");
}

async fn money_goes_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "woocommerce").await;
    for id in ["parts", "whole", "by-hand"] {
        shop.place(id, &[("a", "2")]).await;
        pay(&shop, id, 10_000).await;
    }
    let refusal = refused(
        shop.record_amount("parts", "refund", 10_001).await,
        FAILED,
        "AMOUNT_EXCEEDED",
    );
    assert_eq!(refusal.particular("left"), "10000");
    let part = record(&shop, "parts", "refund", &[("a", "1")]).await;
    assert_eq!(
        (part.state.as_str(), part.total_refunded),
        ("processing", 5_000)
    );
    let rest = record(&shop, "parts", "refund", &[("a", "1")]).await;
    assert_eq!(rest.state, "refunded");
    assert_eq!(
        record(&shop, "whole", "refund", &[]).await.state,
        "refunded"
    );
    let manager = Person::new(&shop, "mia", &["shop_manager"]);
    let order = manager.take("by-hand", "to_refunded").await.unwrap();
    assert_eq!(
        (order.state.as_str(), order.total_refunded),
        ("refunded", 10_000)
    );
    consistent(&shop, "by-hand").await;
}

async fn shop_managers_set_any_status(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "woocommerce").await;
    shop.place("1", &[("a", "1")]).await;
    let refusal = refused(
        Person::new(&shop, "7", &["customer"])
            .take("1", "to_completed")
            .await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(refusal.particular("transition"), "to_completed");
    assert_eq!(refusal.list("roles"), ["administrator", "shop_manager"]);
    let manager = Person::new(&shop, "mia", &["shop_manager"]);
    let states = [
        "on_hold",
        "processing",
        "completed",
        "failed",
        "cancelled",
        "refunded",
        "pending",
        "completed",
        "on_hold",
    ];
    for state in states {
        let order = manager.take("1", &format!("to_{state}")).await.unwrap();
        assert_eq!(standing(&order), (state, state));
    }
    // What is paid and put on hold by hand stays there, whatever happens to it.
    pay(&shop, "1", 10_000).await;
    manager.take("1", "to_on_hold").await.unwrap();
    let order = shop.comment("1", "Address?", "").await.unwrap();
    assert_eq!(order.order.unwrap().state, "on_hold");
    refused(
        manager.take("1", "to_on_hold").await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
}

async fn orders_begin_where_their_payment_method_lets_them(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "woocommerce").await;
    for (method, state, roles, begins) in [
        ("bacs", "on_hold", "", true),
        ("cod", "on_hold", "", false),
        ("", "processing", "", false),
        ("cod", "processing", "", true),
        ("", "processing", "shop_manager", true),
        ("", "pending", "", true),
    ] {
        let attribute = ("payment_method".to_owned(), method.to_owned());
        let attributes = Some(attribute).filter(|(_, method)| !method.is_empty());
        let order = v1::Order {
            state: state.into(),
            attributes: attributes.into_iter().collect(),
            ..shop.draft(&format!("by-{method}-{state}-{roles}"), &[("a", "1")])
        };
        let roles: Vec<&str> = Some(roles)
            .filter(|it| !it.is_empty())
            .into_iter()
            .collect();
        let request = v1::CreateOrderRequest {
            order: Some(order),
            actor: Some(person("7", &roles)),
            ..Default::default()
        };
        let answer = shop.orders().create_order(request).await;
        if begins {
            let placed = answer.expect("an order").into_inner().order.unwrap();
            assert_eq!(placed.state, state, "{method}");
        } else {
            let refusal = refused(answer, DENIED, "ROLE_REQUIRED");
            assert_eq!(refusal.list("roles"), ["administrator", "shop_manager"]);
        }
    }
}

async fn customers_cancel_their_own(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, "woocommerce").await;
    for (id, state) in [("waits", "pending"), ("goes-on", "processing")] {
        place_in(&shop, id, state).await;
    }
    let stranger = Person::new(&shop, "8", &["customer"]);
    refused(
        stranger.take("waits", "cancel").await,
        FAILED,
        "GUARD_REFUSED",
    );
    refused(shop.take("waits", "cancel").await, DENIED, "ROLE_REQUIRED");
    let owner = Person::new(&shop, "7", &["customer"]);
    refused(
        owner.take("goes-on", "cancel").await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
    let order = owner.take("waits", "cancel").await.unwrap();
    assert_eq!(order.state, "cancelled");
    // Only the status moves, so an administrator gets it back as it was.
    let root = Person::new(&shop, "root", &["administrator"]);
    let order = root.take("waits", "to_pending").await.unwrap();
    assert_eq!((order.state.as_str(), order.total_due), ("pending", 10_000));
}

async fn what_is_not_paid_in_time_is_cancelled(backend: Backend) {
    let world = World::on(backend).await;
    let (code, document) = (fresh_code(), document("woocommerce"));
    let shop = apply(&world, &code, &document).await;
    let mut watcher = Watcher::of(&shop).await;
    let order = shop.place("left", &[("a", "1")]).await;
    let waits = instant(order.due_time).checked_sub(instant(order.status_time));
    assert_eq!(waits, Some(Duration::from_hours(1)));
    place_in(&shop, "draft", "checkout_draft").await;
    shop.place("begun", &[("a", "1")]).await;
    pay(&shop, "begun", 1).await;
    let impatient = document
        .replace("after: 1h", "after: 1ms")
        .replace("after: 1day", "after: 1ms");
    apply(&world, &code, &impatient).await;
    watcher.until_sequence("left", 2).await;
    watcher.until_sequence("draft", 2).await;
    for id in ["left", "draft"] {
        assert_eq!(shop.get(id).await.state, "cancelled");
    }
    let entry = shop.entries("left").await.pop().unwrap();
    assert_eq!(entry.transition, "unpaid");
    assert!(entry.visible_to_customer);
    assert_eq!(shop.get("begun").await.state, "pending");
}
