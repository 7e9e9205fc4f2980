//! Which label of a status is shown, and whether customers see it.

use waymark_proto::v1;
use waymark_tests::{Backend, World};

use crate::bench;

on_each_database!(
    labels_fall_back_from_view_to_view,
    visibility_belongs_to_the_pair
);

async fn labels_fall_back_from_view_to_view(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let order = |id: &str, store_view: &str| v1::Order {
        store_view: store_view.into(),
        ..shop.draft(id, &[])
    };
    let label = async |id: &str, store_view: &str| {
        let request = v1::GetOrderRequest {
            workflow: shop.workflow(),
            order_id: id.into(),
            store_view: store_view.into(),
        };
        shop.orders()
            .get_order(request)
            .await
            .unwrap()
            .into_inner()
            .order
            .unwrap()
            .status_label
    };
    shop.create(order("german", "german")).await.unwrap();
    shop.create(order("french", "french")).await.unwrap();
    // Asked for, the order's own, the workflow's default, the plain label.
    assert_eq!(label("french", "german").await, "Neu");
    assert_eq!(label("german", "").await, "Neu");
    assert_eq!(label("german", "french").await, "Neu");
    assert_eq!(label("french", "").await, "Fresh at home");
    assert_eq!(label("french", "dutch").await, "Fresh at home");
    shop.take("german", "begin").await.unwrap();
    shop.take("french", "begin").await.unwrap();
    assert_eq!(label("german", "french").await, "In Arbeit");
    assert_eq!(
        label("french", "dutch").await,
        "Busy",
        "the default view has no label for this one"
    );

    // Answers of mutations and lists show the view that is asked for.
    let remark = v1::AddCommentRequest {
        store_view: "german".into(),
        ..shop.remark("french", "hello")
    };
    let answer = shop
        .orders()
        .add_comment(remark)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.order.unwrap().status_label, "In Arbeit");
    let list = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        store_view: "german".into(),
        ..Default::default()
    };
    let orders = shop
        .orders()
        .list_orders(list)
        .await
        .unwrap()
        .into_inner()
        .orders;
    assert!(orders.len() == 2 && orders.iter().all(|order| order.status_label == "In Arbeit"));
}

async fn visibility_belongs_to_the_pair(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    assert!(
        shop.take("1", "begin")
            .await
            .unwrap()
            .order
            .unwrap()
            .visible_on_storefront
    );
    assert!(
        !shop
            .comment("1", "later", "waiting")
            .await
            .unwrap()
            .order
            .unwrap()
            .visible_on_storefront
    );
    assert!(
        shop.take("1", "pause")
            .await
            .unwrap()
            .order
            .unwrap()
            .visible_on_storefront,
        "the same status elsewhere"
    );
}
