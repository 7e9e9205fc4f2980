//! Changing fields of orders, by mask and without one.

use tonic::Code;
use waymark_proto::v1::{self, history_entry::Detail};
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    replay::{facts, replay},
    shop::mask,
};

use crate::{bench, orders::full};

on_each_database!(
    fields_are_updated_by_mask,
    maps_are_merged_without_a_mask,
    lines_are_edited_where_the_state_allows,
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
