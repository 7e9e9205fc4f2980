//! Actions that hang on a status: set by `StatusService` or a document, set off however an order comes to the status.

use tonic::Response;
use waymark_proto::v1::{self, step_action::Work};
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    shop::{mask, transition},
};

on_each_database!(
    a_status_sets_off_its_actions_however_an_order_comes_there,
    actions_of_a_status_are_changed_by_mask_and_without,
    wrong_actions_of_a_status_are_named,
);

fn says(text: &str) -> v1::StepAction {
    v1::StepAction {
        code: "note".into(),
        work: Some(Work::Comment(v1::CommentWork {
            text: text.into(),
            visible_to_customer: false,
        })),
        active: Some(true),
        ..Default::default()
    }
}

async fn create(shop: &Shop, code: &str, state: &str) -> v1::OrderStatus {
    let status = v1::OrderStatus {
        code: code.into(),
        label: code.into(),
        on_enter: vec![says("{{ entry.kind }} to {{ order.status }}")],
        ..Default::default()
    };
    let created = shop.create_status(status).await.unwrap();
    shop.assign(state, code, None).await.unwrap();
    created
}

/// What entries of actions say.
fn said(entries: &[v1::HistoryEntry]) -> Vec<&str> {
    let by_actions = entries
        .iter()
        .filter(|entry| entry.metadata.contains_key("waymark.action"));
    by_actions.map(|entry| entry.comment.as_str()).collect()
}

async fn a_status_sets_off_its_actions_however_an_order_comes_there(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let packed = create(&shop, "packed", "processing").await;
    assert_eq!(packed.on_enter.len(), 1);
    create(&shop, "asked", "new").await;
    create(&shop, "fraud_hold", "holded").await;
    create(&shop, "addr_hold", "holded").await;
    let pack = v1::Transition {
        to_status: "packed".into(),
        ..transition("pack", &["new"], "processing")
    };
    shop.create_transition(pack).await.unwrap();

    // By being created there, by a transition, by a comment.
    let order = v1::Order {
        status: "asked".into(),
        ..shop.draft("1", &[])
    };
    let created = shop.create(order).await.unwrap().entries;
    assert_eq!(said(&created), ["created to asked"]);
    assert_eq!(created[1].metadata["waymark.action"], "status.asked.note");
    let moved = shop.take("1", "pack").await.unwrap().entries;
    assert_eq!(said(&moved), ["transitioned to packed"]);
    shop.comment("1", "", "processing").await.unwrap();
    let commented = shop.comment("1", "", "packed").await.unwrap().entries;
    assert_eq!(said(&commented), ["commented to packed"]);
    let stays = shop.comment("1", "still there", "packed").await.unwrap();
    assert_eq!(said(&stays.entries), [""; 0], "it has not come anew");

    // By a hold and by another one; a release is no coming.
    let hold = async |status: &str| {
        let request = v1::HoldOrderRequest {
            workflow: shop.workflow(),
            order_id: "1".into(),
            status: status.into(),
            ..Default::default()
        };
        let answer = shop.orders().hold_order(request).await;
        answer.map(Response::into_inner).unwrap()
    };
    let first = hold("fraud_hold").await;
    assert_eq!(said(&first.entries), ["held to fraud_hold"]);
    let second = hold("addr_hold").await;
    assert_eq!(said(&second.entries), ["held to addr_hold"]);
    let released = shop.release("1", &second.hold.unwrap().id).await.unwrap();
    assert_eq!(released.order.unwrap().status, "fraud_hold");
    assert_eq!(said(&released.entries), [""; 0]);
    let released = shop.release("1", "").await.unwrap();
    assert_eq!(said(&released.entries), [""; 0]);
}

async fn actions_of_a_status_are_changed_by_mask_and_without(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    create(&shop, "asked", "new").await;
    let change = async |status: v1::OrderStatus, paths: &[&str]| {
        let request = v1::UpdateStatusRequest {
            workflow: shop.workflow(),
            status: Some(status),
            update_mask: (!paths.is_empty()).then(|| mask(paths)),
            ..Default::default()
        };
        let answer = shop.statuses().update_status(request).await;
        answer.map(|answer| answer.into_inner().status.unwrap())
    };
    let asked = |actions: Vec<v1::StepAction>| v1::OrderStatus {
        code: "asked".into(),
        on_enter: actions,
        ..Default::default()
    };
    let place = async |id: &str| {
        let order = v1::Order {
            status: "asked".into(),
            ..shop.draft(id, &[])
        };
        shop.create(order).await.unwrap().entries
    };
    // Without a mask, what is set is changed; actions are a list, which is replaced whole.
    let changed = change(asked(vec![says("changed")]), &[]).await.unwrap();
    assert_eq!(
        (changed.label.as_str(), changed.on_enter.len()),
        ("asked", 1)
    );
    assert_eq!(said(&place("1").await), ["changed"]);
    let kept = change(asked(Vec::new()), &["description"]).await.unwrap();
    assert_eq!(kept.on_enter, changed.on_enter);
    assert_eq!(said(&place("2").await), ["changed"]);
    let cleared = change(asked(Vec::new()), &["on_enter"]).await.unwrap();
    assert_eq!(cleared.on_enter, []);
    assert_eq!(said(&place("3").await), [""; 0]);
    assert_eq!(shop.status("asked").await.unwrap(), cleared);
}

async fn wrong_actions_of_a_status_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let with = |action: v1::StepAction| v1::OrderStatus {
        code: "asked".into(),
        label: "Asked".into(),
        on_enter: vec![action],
        ..Default::default()
    };
    let nowhere = v1::StepAction {
        work: Some(Work::Transition(v1::TransitionWork {
            transition: "nowhere".into(),
        })),
        ..says("x")
    };
    let refusal = refused(
        shop.create_status(with(nowhere)).await,
        tonic::Code::InvalidArgument,
        "WORKFLOW_INVALID",
    );
    assert!(refusal.message.contains("nowhere"), "{refusal:?}");
    let untold = says("{{ order.nothing }}");
    invalid(
        shop.create_status(with(untold)).await,
        "status.on_enter[0].comment.text",
    );
    refused(
        shop.status("asked").await,
        tonic::Code::NotFound,
        "STATUS_NOT_FOUND",
    );
}
