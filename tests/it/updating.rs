//! Changing fields of orders, by mask and without one.

use tonic::Code;
use waymark_proto::v1::{self, history_entry::Detail};
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    replay::{facts, replay},
    shop::{mask, person},
};

use crate::{bench, orders::full};

on_each_database!(
    fields_are_updated_by_mask,
    maps_are_merged_without_a_mask,
    lines_are_edited_where_the_state_allows,
    an_order_may_be_read_changed_and_sent_back,
    what_an_update_cannot_do_is_refused_by_name,
    an_update_that_changes_nothing_writes_nothing,
);

const FAILED: Code = Code::FailedPrecondition;

fn update(shop: &Shop, order: v1::Order, paths: &[&str]) -> v1::UpdateOrderRequest {
    let update_mask = (!paths.is_empty()).then(|| mask(paths));
    v1::UpdateOrderRequest {
        order: Some(v1::Order {
            workflow: shop.workflow(),
            ..order
        }),
        update_mask,
        ..Default::default()
    }
}

async fn fields_are_updated_by_mask(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let placed = shop.create(full(&shop, "1")).await.unwrap().order.unwrap();
    let change = async |order: v1::Order, paths: &[&str]| {
        shop.orders()
            .update_order(update(
                &shop,
                v1::Order {
                    id: "1".into(),
                    ..order
                },
                paths,
            ))
            .await
            .map(tonic::Response::into_inner)
    };
    let email = v1::Order {
        customer: Some(v1::Customer {
            email: "eve@example.org".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let changed = change(email, &["customer.email"]).await.unwrap();
    let customer = changed.order.unwrap().customer.unwrap();
    assert_eq!(
        (customer.email.as_str(), customer.name.as_str()),
        ("eve@example.org", "Ann Ä")
    );
    let [entry] = changed.entries.as_slice() else {
        panic!("{:?}", changed.entries)
    };
    let Some(Detail::Updated(updated)) = &entry.detail else {
        panic!("{entry:?}")
    };
    assert_eq!(
        updated.changes,
        [v1::FieldChange {
            path: "customer.email".into(),
            before: Some("ann@example.org".into()),
            after: Some("eve@example.org".into()),
        }]
    );
    assert_eq!(
        (entry.kind(), entry.status_changed),
        (v1::EntryKind::Updated, false)
    );

    let guest = v1::Order {
        customer: Some(v1::Customer {
            guest: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let guest = change(guest, &["customer", "store_view", "attributes"])
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(
        guest.customer,
        Some(v1::Customer {
            guest: true,
            ..Default::default()
        }),
        "replaced whole"
    );
    assert!(guest.store_view.is_empty() && guest.attributes.is_empty());
    assert_eq!((guest.lines, guest.version), (placed.lines, 3));
    let red = v1::Order {
        attributes: [
            ("colour".to_owned(), "red".to_owned()),
            ("size".to_owned(), "L".to_owned()),
        ]
        .into(),
        ..Default::default()
    };
    let red = change(red, &["attributes.colour"])
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(
        red.attributes.into_iter().collect::<Vec<_>>(),
        [("colour".to_owned(), "red".to_owned())],
        "a single key"
    );
    for path in [
        "state",
        "id",
        "workflow",
        "lines.sku",
        "lines[0]",
        "attributes.",
        "status",
        "version",
        "nonsense",
        "",
    ] {
        invalid(change(v1::Order::default(), &[path]).await, "update_mask");
    }
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
    let unknown = update(
        &shop,
        v1::Order {
            id: "2".into(),
            ..Default::default()
        },
        &["store_view"],
    );
    refused(
        shop.orders().update_order(unknown).await,
        Code::NotFound,
        "ORDER_NOT_FOUND",
    );
}

async fn maps_are_merged_without_a_mask(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.create(full(&shop, "1")).await.unwrap();
    let some = v1::Order {
        id: "1".into(),
        attributes: [
            ("colour".into(), "blue".into()),
            ("size".into(), "L".into()),
        ]
        .into(),
        store_view: "french".into(),
        ..Default::default()
    };
    let merged = shop
        .orders()
        .update_order(update(&shop, some, &[]))
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    let pairs: Vec<_> = merged
        .attributes
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [("colour", "blue"), ("size", "L"), ("ключ", "значение")]
    );
    assert_eq!(
        (
            merged.store_view.as_str(),
            merged.customer.unwrap().id.as_str()
        ),
        ("french", "c-1")
    );
    // The limits hold for what comes of it.
    let many = v1::Order {
        id: "1".into(),
        attributes: (0..62).map(|n| (format!("k{n}"), "v".into())).collect(),
        ..Default::default()
    };
    invalid(
        shop.orders().update_order(update(&shop, many, &[])).await,
        "order.attributes",
    );
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

async fn lines_are_edited_where_the_state_allows(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("a", "2"), ("b", "1")]).await;
    shop.record("1", "invoice", &[("a", "1.5")]).await.unwrap();
    let edit = async |lines: &[(&str, &str)], grand_total: i64| {
        let order = v1::Order {
            grand_total,
            ..shop.draft("1", lines)
        };
        shop.orders()
            .update_order(update(&shop, order, &["lines", "grand_total"]))
            .await
            .map(|answer| answer.into_inner().order.unwrap())
    };
    let edited = edit(&[("a", "3"), ("c", "1")], 12_345).await.unwrap();
    let rows: Vec<_> = edited
        .lines
        .iter()
        .map(|l| {
            (
                l.id.as_str(),
                l.quantity_ordered.as_str(),
                l.quantity_invoiced.as_str(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [("a", "3", "1.5"), ("c", "1", "0")],
        "what was done with a line stays"
    );
    assert_eq!(edited.grand_total, 12_345);
    let refusal = refused(edit(&[("a", "1")], 0).await, FAILED, "QUANTITY_EXCEEDED");
    assert_eq!(refusal.particular("line"), "a");
    refused(edit(&[("c", "1")], 0).await, FAILED, "QUANTITY_EXCEEDED");
    shop.take("1", "begin").await.unwrap();
    let refusal = refused(
        edit(&[("a", "3")], 1).await,
        FAILED,
        "OPERATION_NOT_ALLOWED",
    );
    assert_eq!(refusal.particular("operation"), "edit");
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

/// An order of which something was done, on hold.
async fn moved(shop: &Shop, id: &str) -> v1::Order {
    shop.create(full(shop, id)).await.unwrap();
    shop.record(id, "pay", &[]).await.unwrap();
    let line = shop.get(id).await.lines[0].id.clone();
    shop.record(id, "invoice", &[(&line, "1")]).await.unwrap();
    shop.take(id, "begin").await.unwrap();
    let hold = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: id.into(),
        reason: "Address is being checked".into(),
        actor: Some(person("anna", &["clerk"])),
        visible_to_customer: true,
        ..Default::default()
    };
    let placed = shop.orders().hold_order(hold).await.unwrap();
    placed.into_inner().order.unwrap()
}

async fn send(shop: &Shop, order: v1::Order) -> Result<v1::UpdateOrderResponse, tonic::Status> {
    let answer = shop.orders().update_order(update(shop, order, &[])).await;
    answer.map(tonic::Response::into_inner)
}

async fn an_order_may_be_read_changed_and_sent_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let read = moved(&shop, "1").await;
    let (state, status) = ("held".to_owned(), "parked".to_owned());
    assert_eq!((&read.state, &read.status), (&state, &status));
    // `begin` led to a state that allows no edit; lines and total are sent back with the rest.
    let mut changed = read.clone();
    changed.attributes.insert("shelf".into(), "7".into());
    let answer = send(&shop, changed).await.unwrap();
    assert_eq!(answer.entries.len(), 1);
    let after = answer.order.unwrap();
    let expected = v1::Order {
        version: read.version + 1,
        attributes: after.attributes.clone(),
        update_time: after.update_time,
        ..read.clone()
    };
    assert_eq!(after, expected);
    assert_eq!(after.attributes["shelf"], "7");
    // What was read is old by now.
    let refusal = refused(
        send(&shop, read.clone()).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    assert_eq!(refusal.particular("current"), after.version.to_string());
    let other = v1::UpdateOrderRequest {
        expected_version: after.version,
        ..update(&shop, read, &[])
    };
    invalid(shop.orders().update_order(other).await, "order.version");
    // Reckoned fields are never compared.
    let reckoned = v1::Order {
        status_label: "anything".into(),
        visible_on_storefront: !after.visible_on_storefront,
        allowed_operations: vec!["anything".into()],
        update_time: after.create_time,
        status_time: after.create_time,
        ..after.clone()
    };
    assert_eq!(send(&shop, reckoned).await.unwrap().order, Some(after));
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

type Change = fn(&mut v1::Order);

async fn what_an_update_cannot_do_is_refused_by_name(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let read = moved(&shop, "1").await;
    let wrong: [(&str, Change); 10] = [
        ("order.state", |order| order.state = "finish".into()),
        ("order.status", |order| order.status = "done".into()),
        ("order.currency", |order| order.currency = "USD".into()),
        ("order.total_paid", |order| order.total_paid -= 1),
        ("order.total_refunded", |order| order.total_refunded = 1),
        ("order.holds", |order| order.holds[0].reason = "none".into()),
        ("order.return_state", |order| {
            order.return_state = "start".into();
        }),
        ("order.return_status", |order| {
            order.return_status = "fresh".into();
        }),
        ("order.create_time", |order| {
            order.create_time = Some(prost_types::Timestamp::default());
        }),
        ("order.lines[0].quantity_shipped", |order| {
            order.lines[0].quantity_shipped = "1".into();
        }),
    ];
    for (field, change) in wrong {
        let mut order = read.clone();
        change(&mut order);
        let refusal = invalid(send(&shop, order).await, field);
        assert_eq!(refusal.violations.len(), 1, "{refusal:?}");
        assert!(refusal.message.starts_with(field), "{refusal:?}");
    }
    // As a stranger tries to move an order.
    let first_try = v1::Order {
        id: "1".into(),
        state: "finish".into(),
        status: "done".into(),
        currency: "USD".into(),
        total_paid: 100,
        ..Default::default()
    };
    let refusal = invalid(send(&shop, first_try).await, "order.state");
    let fields: Vec<_> = refusal
        .violations
        .iter()
        .map(|(field, _)| field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "order.state",
            "order.status",
            "order.currency",
            "order.total_paid"
        ]
    );
    let words = "is changed by steps of the workflow only";
    assert_eq!(refusal.violations[0].1, words);
    assert_eq!(shop.get("1").await, read, "nothing happened");
}

async fn an_update_that_changes_nothing_writes_nothing(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let before = moved(&shop, "1").await;
    let entries = shop.entries("1").await;
    let same = || v1::UpdateOrderRequest {
        request_id: "sync".into(),
        ..update(&shop, before.clone(), &[])
    };
    let everything = v1::UpdateOrderRequest {
        update_mask: Some(mask(&["*"])),
        ..same()
    };
    let dry = v1::UpdateOrderRequest {
        validate_only: true,
        ..same()
    };
    // Its id is free again each time, whatever it is used for.
    for request in [same(), same(), everything, dry] {
        let answer = shop
            .orders()
            .update_order(request)
            .await
            .unwrap()
            .into_inner();
        let expected = v1::UpdateOrderResponse {
            order: Some(before.clone()),
            ..Default::default()
        };
        assert_eq!(answer, expected);
    }
    assert_eq!(shop.entries("1").await, entries);
    let told = v1::UpdateOrderRequest {
        comment: "looked at it".into(),
        ..same()
    };
    let told = shop.orders().update_order(told).await.unwrap().into_inner();
    assert_eq!(
        (told.entries.len(), told.order.unwrap().version),
        (1, before.version + 1)
    );
    assert_eq!(told.entries[0].kind(), v1::EntryKind::Updated);
}
