//! Placing, reading, changing and commenting on orders.

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    replay::{facts, replay},
    shop::{line, person, standing},
};

use crate::bench;

on_each_database!(
    an_order_is_kept_as_it_was_placed,
    an_order_starts_where_it_may,
    an_id_is_taken_once_per_workflow,
    wrong_orders_are_named_field_by_field,
    comments_set_a_status_of_the_state,
    versions_keep_two_callers_apart,
);

const FAILED: Code = Code::FailedPrecondition;

/// An order with everything that one can have.
pub(crate) fn full(shop: &Shop, id: &str) -> v1::Order {
    v1::Order {
        lines: vec![
            v1::OrderLine {
                sku: "S-1".into(),
                name: "Hemd, weiß".into(),
                ..line("1", "2")
            },
            v1::OrderLine {
                is_virtual: true,
                ..line("2", "0.0001")
            },
        ],
        grand_total: 1_000_000_000_000_000,
        store_view: "german".into(),
        customer: Some(v1::Customer {
            id: "c-1".into(),
            email: "ann@example.org".into(),
            name: "Ann Ä".into(),
            guest: false,
        }),
        attributes: [
            ("colour".to_owned(), "red".to_owned()),
            ("ключ".to_owned(), "значение".to_owned()),
        ]
        .into(),
        ..shop.draft(id, &[])
    }
}

async fn an_order_is_kept_as_it_was_placed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let wanted = full(&shop, "order/№?".replace('№', "#").as_str());
    let request = v1::CreateOrderRequest {
        order: Some(wanted.clone()),
        comment: "Bitte klingeln\nzweimal".into(),
        notify_customer: true,
        visible_to_customer: true,
        metadata: [("source".into(), "web".into())].into(),
        actor: Some(person("ann", &["clerk"])),
        ..Default::default()
    };
    let placed = shop
        .orders()
        .create_order(request.clone())
        .await
        .unwrap()
        .into_inner();
    let order = placed.order.unwrap();
    let zero = |line: &v1::OrderLine| v1::OrderLine {
        quantity_invoiced: "0".into(),
        quantity_shipped: "0".into(),
        quantity_refunded: "0".into(),
        quantity_canceled: "0".into(),
        quantity_returned: "0".into(),
        ..line.clone()
    };
    assert_eq!(
        order.lines,
        wanted.lines.iter().map(zero).collect::<Vec<_>>()
    );
    assert_eq!(
        (&order.customer, &order.attributes),
        (&wanted.customer, &wanted.attributes)
    );
    assert_eq!(
        (
            order.grand_total,
            order.currency.as_str(),
            order.store_view.as_str()
        ),
        (wanted.grand_total, "EUR", "german")
    );
    assert_eq!(
        (standing(&order), order.version, order.status_label.as_str()),
        (("start", "fresh"), 1, "Neu")
    );
    assert!(
        order.create_time.is_some()
            && order.create_time == order.update_time
            && order.create_time == order.status_time
    );
    assert_eq!(shop.get(&wanted.id).await, order);

    let [entry] = placed.entries.as_slice() else {
        panic!("{:?}", placed.entries)
    };
    assert_eq!(
        (
            entry.comment.as_str(),
            entry.notify_customer,
            entry.visible_to_customer
        ),
        ("Bitte klingeln\nzweimal", true, true)
    );
    assert_eq!(
        (entry.metadata["source"].as_str(), &entry.actor),
        ("web", &request.actor)
    );
    assert!(entry.status_changed && entry.from_state.is_empty() && entry.from_status.is_empty());
    assert_eq!(entry.create_time, order.create_time);
    assert_eq!(replay(&shop.entries(&wanted.id).await), facts(order));
}

async fn an_order_starts_where_it_may(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let start = async |id: &str, state: &str, status: &str| {
        let order = v1::Order {
            state: state.into(),
            status: status.into(),
            ..shop.draft(id, &[])
        };
        shop.create(order).await.map(|answer| answer.order.unwrap())
    };
    assert_eq!(
        standing(&start("1", "", "").await.unwrap()),
        ("new", "pending")
    );
    assert_eq!(
        standing(&start("2", "pending_payment", "").await.unwrap()),
        ("pending_payment", "pending_payment")
    );
    assert_eq!(
        standing(
            &start("3", "pending_payment", "pending_paypal")
                .await
                .unwrap()
        ),
        ("pending_payment", "pending_paypal")
    );
    assert_eq!(
        standing(&start("4", "", "received").await.unwrap()),
        ("new", "received")
    );
    refused(
        start("5", "nowhere", "").await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    refused(
        start("5", "new", "nothing").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    refused(
        start("5", "new", "processing").await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
    refused(
        start("5", "complete", "").await,
        FAILED,
        "STATE_CANNOT_START",
    );
    refused(start("5", "holded", "").await, FAILED, "STATE_CANNOT_START");
    let elsewhere = v1::Order {
        workflow: "no_such_workflow".into(),
        ..shop.draft("5", &[])
    };
    let refusal = refused(
        shop.create(elsewhere).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    assert_eq!(refusal.particular("workflow"), "no_such_workflow");
    refused(shop.find("5").await, Code::NotFound, "ORDER_NOT_FOUND");
}

async fn an_id_is_taken_once_per_workflow(backend: Backend) {
    let world = World::on(backend).await;
    let (shop, other) = (bench::shop(&world).await, bench::shop(&world).await);
    shop.place("1", &[]).await;
    let refusal = refused(
        shop.create(shop.draft("1", &[])).await,
        Code::AlreadyExists,
        "ORDER_EXISTS",
    );
    assert_eq!(refusal.particular("order"), "1");
    other.place("1", &[]).await;
    let versioned = v1::CreateOrderRequest {
        order: Some(shop.draft("2", &[])),
        expected_version: 3,
        ..Default::default()
    };
    refused(
        shop.orders().create_order(versioned).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
}

async fn wrong_orders_are_named_field_by_field(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let good = || full(&shop, "1");
    let customer = |customer: v1::Customer| v1::Order {
        customer: Some(customer),
        ..good()
    };
    let lines = |lines: Vec<v1::OrderLine>| v1::Order { lines, ..good() };
    let attributes = |pairs: Vec<(String, String)>| v1::Order {
        attributes: pairs.into_iter().collect(),
        ..good()
    };
    for (wrong, field) in [
        (
            v1::Order {
                id: String::new(),
                ..good()
            },
            "order.id",
        ),
        (
            v1::Order {
                id: "a b".into(),
                ..good()
            },
            "order.id",
        ),
        (
            v1::Order {
                id: "ä".into(),
                ..good()
            },
            "order.id",
        ),
        (
            v1::Order {
                id: "i".repeat(129),
                ..good()
            },
            "order.id",
        ),
        (
            v1::Order {
                workflow: "Not A Code".into(),
                ..good()
            },
            "order.workflow",
        ),
        (
            v1::Order {
                state: "S".into(),
                ..good()
            },
            "order.state",
        ),
        (
            v1::Order {
                status: "1".into(),
                ..good()
            },
            "order.status",
        ),
        (
            v1::Order {
                currency: "euro".into(),
                ..good()
            },
            "order.currency",
        ),
        (
            v1::Order {
                grand_total: -1,
                ..good()
            },
            "order.grand_total",
        ),
        (
            v1::Order {
                grand_total: 1_000_000_000_000_001,
                ..good()
            },
            "order.grand_total",
        ),
        (
            v1::Order {
                store_view: "not a view".into(),
                ..good()
            },
            "order.store_view",
        ),
        (
            customer(v1::Customer {
                email: "e".repeat(321),
                ..Default::default()
            }),
            "order.customer.email",
        ),
        (
            customer(v1::Customer {
                name: "n".repeat(257),
                ..Default::default()
            }),
            "order.customer.name",
        ),
        (
            customer(v1::Customer {
                id: "i\u{0}".into(),
                ..Default::default()
            }),
            "order.customer.id",
        ),
        (lines(vec![line("", "1")]), "order.lines[0].id"),
        (
            lines(vec![line("a", "1"), line("b", "-1")]),
            "order.lines[1].quantity_ordered",
        ),
        (
            lines(vec![line("a", "1.00001")]),
            "order.lines[0].quantity_ordered",
        ),
        (
            lines(vec![v1::OrderLine {
                sku: "s".repeat(129),
                ..line("a", "1")
            }]),
            "order.lines[0].sku",
        ),
        (
            lines(vec![v1::OrderLine {
                name: "n".repeat(257),
                ..line("a", "1")
            }]),
            "order.lines[0].name",
        ),
        (
            attributes((0..65).map(|n| (format!("k{n}"), "v".into())).collect()),
            "order.attributes",
        ),
        (
            attributes(vec![("k".into(), "v".repeat(4_096))]),
            "order.attributes",
        ),
    ] {
        invalid(shop.create(wrong).await, field);
    }
    for wrong in [
        lines(vec![line("a", "1"), line("a", "1")]),
        lines((0..501).map(|n| line(&format!("l{n}"), "1")).collect()),
        lines(vec![line("a", "0")]),
    ] {
        let refusal = refused(
            shop.create(wrong).await,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        assert!(
            refusal.violations[0].0.starts_with("order.lines"),
            "{refusal:?}"
        );
    }
    invalid(
        shop.orders()
            .create_order(v1::CreateOrderRequest::default())
            .await,
        "order",
    );
    refused(shop.find("1").await, Code::NotFound, "ORDER_NOT_FOUND");
    // The limits themselves are allowed.
    let most = v1::Order {
        id: "~".repeat(128),
        lines: (0..500).map(|n| line(&format!("l{n}"), "1")).collect(),
        attributes: (0..64).map(|n| (format!("k{n}"), "v".into())).collect(),
        ..good()
    };
    assert_eq!(
        shop.create(most).await.unwrap().order.unwrap().lines.len(),
        500
    );
}

async fn comments_set_a_status_of_the_state(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let plain = shop.comment("1", "hello", "").await.unwrap();
    assert_eq!(
        (plain.entries[0].kind(), plain.entries[0].status_changed),
        (v1::EntryKind::Commented, false)
    );
    let moved = shop.comment("1", "look here", "flagged").await.unwrap();
    assert_eq!(
        standing(moved.order.as_ref().unwrap()),
        ("start", "flagged")
    );
    assert!(moved.entries[0].status_changed && moved.entries[0].transition.is_empty());
    refused(
        shop.comment("1", "no", "busy").await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
    refused(
        shop.comment("1", "no", "nothing").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    invalid(shop.comment("1", "", "").await, "comment");
    invalid(shop.comment("1", &"c".repeat(4_097), "").await, "comment");
    shop.comment("1", &"c".repeat(4_096), "").await.unwrap();
    let metadata = |size| [("k".to_owned(), "v".repeat(size))].into();
    let much = v1::AddCommentRequest {
        metadata: metadata(4_096),
        ..shop.remark("1", "much")
    };
    invalid(shop.orders().add_comment(much).await, "metadata");
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

async fn versions_keep_two_callers_apart(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let remark = |expected_version| v1::AddCommentRequest {
        expected_version,
        ..shop.remark("1", "hello")
    };
    shop.orders().add_comment(remark(1)).await.unwrap();
    let refusal = refused(
        shop.orders().add_comment(remark(1)).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    assert_eq!(
        (
            refusal.particular("current"),
            refusal.particular("expected")
        ),
        ("2", "1")
    );
    shop.orders().add_comment(remark(0)).await.unwrap();
    assert_eq!(shop.get("1").await.version, 3);
}
