//! The ledger of deliveries: what steps set off, and what people decide about it.

use tonic::{Code, Response, Status};
use waymark_proto::v1::{
    self, ActorKind, DecisionAction, DeliveryState, transition_order_request::Target,
};
use waymark_tests::{Backend, Shop, World, refusal::invalid, refused, world};

on_each_database!(
    what_steps_set_off_is_listed,
    pages_of_deliveries_hold_everything_once,
    a_delivery_is_skipped_and_retried,
    many_deliveries_are_retried,
    decisions_are_replayed,
    decisions_are_rehearsed,
    who_decided_is_shown,
    wrong_requests_are_refused,
);

/// Every entry of an order tells the endpoint `{endpoint}`, and a beginning tells another one as well.
const DOCUMENT: &str = "
workflow: shop
label: Shop
initial_state: start
comment_status: never
statuses:
  fresh: {label: Fresh}
  busy: {label: Busy}
states:
  start: {label: Start, category: initial, can_start: true, statuses: [fresh]}
  work: {label: Work, category: active, statuses: [busy]}
on_create: {tell: {webhook: {endpoint: {endpoint}}}}
on_comment: {tell: {webhook: {endpoint: {endpoint}}}}
transitions:
  begin:
    label: Begin
    from_states: [start]
    to_state: work
    actions:
      tell: {webhook: {endpoint: {endpoint}}, position: 1}
      tell_other: {webhook: {endpoint: {endpoint}_other}, position: 2}
";

/// A workflow whose webhooks go to endpoints of its own, which are switched off: nothing is sent while a test looks.
async fn shop(world: &World) -> Shop {
    let code = world::fresh_code();
    let endpoint = format!("ledger_{code}");
    for code in [endpoint.clone(), format!("{endpoint}_other")] {
        let endpoint = v1::Endpoint {
            code,
            url: "https://erp.example/hooks".into(),
            active: Some(false),
            ..Default::default()
        };
        let request = v1::CreateEndpointRequest {
            endpoint: Some(endpoint),
            ..Default::default()
        };
        world.endpoints().create_endpoint(request).await.unwrap();
    }
    world::apply(world, &code, &DOCUMENT.replace("{endpoint}", &endpoint)).await
}

/// An order that was placed, commented on and begun: four deliveries.
async fn order(shop: &Shop, id: &str) {
    shop.place(id, &[("1", "1")]).await;
    comment(shop, id).await;
    let begin = shop.step(id, Target::Transition("begin".into()));
    shop.orders().transition_order(begin).await.unwrap();
}

async fn comment(shop: &Shop, id: &str) {
    let request = v1::AddCommentRequest {
        workflow: shop.workflow(),
        order_id: id.into(),
        comment: "hello".into(),
        ..Default::default()
    };
    shop.orders().add_comment(request).await.unwrap();
}

fn of_orders(shop: &Shop, ids: &[&str]) -> v1::ListDeliveriesRequest {
    v1::ListDeliveriesRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::DeliveryFilter {
            order_ids: ids.iter().map(ToString::to_string).collect(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn list(
    shop: &Shop,
    request: v1::ListDeliveriesRequest,
) -> Result<v1::ListDeliveriesResponse, Status> {
    let answer = shop.deliveries().list_deliveries(request).await;
    answer.map(Response::into_inner)
}

async fn listed(shop: &Shop, request: v1::ListDeliveriesRequest) -> Vec<v1::Delivery> {
    let page = list(shop, request).await.unwrap();
    assert_eq!(page.next_page_token, "");
    page.deliveries
}

async fn get(shop: &Shop, id: &str) -> Result<v1::Delivery, Status> {
    let request = v1::GetDeliveryRequest {
        delivery_id: id.into(),
    };
    let answer = shop.deliveries().get_delivery(request).await;
    answer.map(|answer| answer.into_inner().delivery.unwrap())
}

fn skip(id: &str) -> v1::SkipDeliveryRequest {
    v1::SkipDeliveryRequest {
        delivery_id: id.into(),
        reason: "told by telephone".into(),
        ..Default::default()
    }
}

fn retry(id: &str) -> v1::RetryDeliveryRequest {
    v1::RetryDeliveryRequest {
        delivery_id: id.into(),
        ..Default::default()
    }
}

fn told(deliveries: &[v1::Delivery]) -> Vec<String> {
    let told = deliveries.iter().map(|delivery| {
        let other = if delivery.destination.ends_with("_other") {
            " other"
        } else {
            ""
        };
        format!("{} {}{other}", delivery.sequence, delivery.action)
    });
    told.collect()
}

async fn what_steps_set_off_is_listed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    order(&shop, "1").await;
    order(&shop, "2").await;
    let whole = listed(&shop, of_orders(&shop, &["1"])).await;
    assert_eq!(
        told(&whole),
        [
            "3 transition.begin.tell_other other",
            "3 transition.begin.tell",
            "2 comment.tell",
            "1 create.tell",
        ]
    );
    let newest = &whole[0];
    assert_eq!(
        (newest.workflow.as_str(), newest.order_id.as_str()),
        (shop.workflow().as_str(), "1")
    );
    assert_eq!(
        (newest.kind.as_str(), newest.transition.as_str()),
        ("webhook", "begin")
    );
    assert_eq!(
        (newest.state(), newest.order_version),
        (DeliveryState::Pending, 3)
    );
    assert!(newest.create_time.is_some());

    // The history names them, and each is found by its name.
    let request = v1::ListHistoryRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        newest_first: true,
        ..Default::default()
    };
    let history = shop.history().list_history(request).await.unwrap();
    let set_off = history.into_inner().entries.into_iter();
    let set_off = set_off.flat_map(|entry| entry.set_off.into_iter().rev());
    let ids: Vec<_> = set_off.map(|set_off| set_off.delivery_id).collect();
    assert_eq!(
        ids,
        whole
            .iter()
            .map(|delivery| delivery.id.clone())
            .collect::<Vec<_>>()
    );
    for delivery in &whole {
        let found = get(&shop, &delivery.id).await.unwrap();
        assert_eq!(
            (&found.action, &found.destination),
            (&delivery.action, &delivery.destination)
        );
    }

    let filtered = async |filter: v1::DeliveryFilter| {
        let request = v1::ListDeliveriesRequest {
            workflows: vec![shop.workflow()],
            filter: Some(filter),
            ..Default::default()
        };
        listed(&shop, request).await.len()
    };
    assert_eq!(filtered(v1::DeliveryFilter::default()).await, 8);
    let states = |states: &[DeliveryState]| v1::DeliveryFilter {
        states: states.iter().map(|state| i32::from(*state)).collect(),
        ..Default::default()
    };
    assert_eq!(filtered(states(&[DeliveryState::Pending])).await, 8);
    assert_eq!(
        filtered(states(&[DeliveryState::Dead, DeliveryState::Succeeded])).await,
        0
    );
    let filter = v1::DeliveryFilter {
        transitions: vec!["begin".into()],
        kinds: vec!["webhook".into(), "email".into()],
        ..Default::default()
    };
    assert_eq!(filtered(filter).await, 4);
    let filter = v1::DeliveryFilter {
        kinds: vec!["publish".into()],
        ..Default::default()
    };
    assert_eq!(filtered(filter).await, 0);
    let filter = v1::DeliveryFilter {
        actions: vec!["create.tell".into(), "comment.tell".into()],
        order_ids: vec!["2".into(), "none".into()],
        ..Default::default()
    };
    assert_eq!(filtered(filter).await, 2);
    let filter = v1::DeliveryFilter {
        endpoints: vec![newest.destination.clone()],
        ..Default::default()
    };
    assert_eq!(filtered(filter).await, 2);
}

async fn pages_of_deliveries_hold_everything_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    for number in 0..6 {
        order(&shop, &number.to_string()).await;
    }
    let everything = v1::ListDeliveriesRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    };
    let pending = v1::ListDeliveriesRequest {
        filter: Some(v1::DeliveryFilter {
            states: vec![DeliveryState::Pending.into()],
            ..Default::default()
        }),
        ..everything.clone()
    };
    let of_orders = of_orders(&shop, &["0", "1", "2", "3", "4", "5"]);
    let mut token = String::new();
    for request in [everything, pending, of_orders] {
        let whole = listed(&shop, request.clone()).await;
        assert_eq!(whole.len(), 24);
        let mut paged = Vec::new();
        let mut next = v1::ListDeliveriesRequest {
            page_size: 5,
            ..request
        };
        loop {
            let page = list(&shop, next.clone()).await.unwrap();
            assert!(page.deliveries.len() <= 5);
            paged.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                break;
            }
            token.clone_from(&page.next_page_token);
            next.page_token = page.next_page_token;
        }
        let ids = |deliveries: Vec<v1::Delivery>| {
            let ids = deliveries.into_iter().map(|delivery| delivery.id);
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids(paged), ids(whole));
    }
    let other = v1::ListDeliveriesRequest {
        page_token: token,
        ..Default::default()
    };
    refused(
        list(&shop, other).await,
        Code::InvalidArgument,
        "PAGE_TOKEN_INVALID",
    );
}

async fn a_delivery_is_skipped_and_retried(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    shop.place("1", &[("1", "1")]).await;
    let id = listed(&shop, of_orders(&shop, &["1"])).await.remove(0).id;
    let skipped = shop.deliveries().skip_delivery(skip(&id)).await.unwrap();
    let skipped = skipped.into_inner().delivery.unwrap();
    assert_eq!(
        (skipped.state(), skipped.problem.as_str(), skipped.due_time),
        (DeliveryState::Skipped, "told by telephone", None)
    );
    let again = v1::SkipDeliveryRequest {
        reason: "another".into(),
        ..skip(&id)
    };
    let again = shop.deliveries().skip_delivery(again).await.unwrap();
    assert_eq!(again.into_inner().delivery, Some(skipped.clone()));
    let shown = v1::Delivery {
        decisions: Vec::new(),
        ..get(&shop, &id).await.unwrap()
    };
    assert_eq!(shown, skipped);

    let retried = shop.deliveries().retry_delivery(retry(&id)).await.unwrap();
    let retried = retried.into_inner().delivery.unwrap();
    assert_eq!(
        (retried.state(), retried.problem.as_str()),
        (DeliveryState::Pending, "")
    );
    assert!(retried.due_time.is_some());
    assert_eq!(
        (&retried.id, retried.create_time),
        (&id, skipped.create_time)
    );

    for id in ["0-999999999-0", "1023-1-0"] {
        let found = get(&shop, id).await;
        let refusal = refused(found, Code::NotFound, "DELIVERY_NOT_FOUND");
        assert_eq!(refusal.metadata["delivery"], id);
        let retried = shop.deliveries().retry_delivery(retry(id)).await;
        refused(retried, Code::NotFound, "DELIVERY_NOT_FOUND");
        let skipped = shop.deliveries().skip_delivery(skip(id)).await;
        refused(skipped, Code::NotFound, "DELIVERY_NOT_FOUND");
    }
}

async fn many_deliveries_are_retried(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    for number in 0..3 {
        order(&shop, &number.to_string()).await;
    }
    let everything = v1::ListDeliveriesRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    };
    for delivery in listed(&shop, everything).await {
        shop.deliveries()
            .skip_delivery(skip(&delivery.id))
            .await
            .unwrap();
    }
    let retry = async |filter: v1::DeliveryFilter| {
        let request = v1::RetryDeliveriesRequest {
            workflows: vec![shop.workflow()],
            filter: Some(filter),
            ..Default::default()
        };
        let answer = shop.deliveries().retry_deliveries(request).await.unwrap();
        answer.into_inner().retried
    };
    // Without states, dead ones only.
    assert_eq!(retry(v1::DeliveryFilter::default()).await, 0);
    let skipped = v1::DeliveryFilter {
        states: vec![DeliveryState::Skipped.into()],
        ..Default::default()
    };
    let of_one = v1::DeliveryFilter {
        order_ids: vec!["1".into()],
        ..skipped.clone()
    };
    assert_eq!(retry(of_one).await, 4);
    assert_eq!(retry(skipped.clone()).await, 8);
    assert_eq!(retry(skipped).await, 0);
}

async fn decisions_are_replayed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    shop.place("1", &[("1", "1")]).await;
    let id = listed(&shop, of_orders(&shop, &["1"])).await.remove(0).id;
    let name = |what: &str| format!("{}-{what}", shop.workflow());
    let request = v1::SkipDeliveryRequest {
        request_id: name("skip"),
        ..skip(&id)
    };
    let first = shop
        .deliveries()
        .skip_delivery(request.clone())
        .await
        .unwrap();
    let first = first.into_inner();
    assert!(!first.replayed);
    let retried = v1::RetryDeliveryRequest {
        request_id: name("retry"),
        ..retry(&id)
    };
    shop.deliveries()
        .retry_delivery(retried.clone())
        .await
        .unwrap();
    let again = shop
        .deliveries()
        .skip_delivery(request.clone())
        .await
        .unwrap();
    let expected = v1::SkipDeliveryResponse {
        replayed: true,
        ..first
    };
    assert_eq!(again.into_inner(), expected);
    assert_eq!(
        get(&shop, &id).await.unwrap().state(),
        DeliveryState::Pending
    );
    let again = shop.deliveries().retry_delivery(retried).await.unwrap();
    assert!(again.into_inner().replayed);
    let other = v1::SkipDeliveryRequest {
        reason: "another".into(),
        ..request
    };
    let other = shop.deliveries().skip_delivery(other).await;
    refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let all = v1::RetryDeliveriesRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::DeliveryFilter {
            states: vec![DeliveryState::Skipped.into()],
            ..Default::default()
        }),
        request_id: name("all"),
        ..Default::default()
    };
    shop.deliveries().skip_delivery(skip(&id)).await.unwrap();
    for (replayed, round) in [(false, 0), (true, 1)] {
        let answer = shop
            .deliveries()
            .retry_deliveries(all.clone())
            .await
            .unwrap();
        let expected = v1::RetryDeliveriesResponse {
            retried: 1,
            replayed,
        };
        assert_eq!(answer.into_inner(), expected, "{round}");
    }
}

async fn decisions_are_rehearsed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    shop.place("1", &[("1", "1")]).await;
    let id = listed(&shop, of_orders(&shop, &["1"])).await.remove(0).id;
    let rehearsed = v1::SkipDeliveryRequest {
        request_id: format!("{}-skip", shop.workflow()),
        validate_only: true,
        ..skip(&id)
    };
    for _ in 0..2 {
        let answer = shop
            .deliveries()
            .skip_delivery(rehearsed.clone())
            .await
            .unwrap();
        let answer = answer.into_inner();
        assert!(!answer.replayed);
        assert_eq!(answer.delivery.unwrap().state(), DeliveryState::Skipped);
    }
    assert_eq!(
        get(&shop, &id).await.unwrap().state(),
        DeliveryState::Pending
    );
    shop.deliveries().skip_delivery(skip(&id)).await.unwrap();
    let all = v1::RetryDeliveriesRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::DeliveryFilter {
            states: vec![DeliveryState::Skipped.into()],
            ..Default::default()
        }),
        validate_only: true,
        ..Default::default()
    };
    for _ in 0..2 {
        let answer = shop
            .deliveries()
            .retry_deliveries(all.clone())
            .await
            .unwrap();
        assert_eq!(answer.into_inner().retried, 1);
    }
    assert_eq!(
        get(&shop, &id).await.unwrap().state(),
        DeliveryState::Skipped
    );
}

async fn who_decided_is_shown(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    shop.place("1", &[("1", "1")]).await;
    let id = listed(&shop, of_orders(&shop, &["1"])).await.remove(0).id;
    let somebody = |id: &str| v1::Actor {
        kind: ActorKind::User.into(),
        id: id.into(),
        ..Default::default()
    };
    let skip = v1::SkipDeliveryRequest {
        actor: Some(somebody("ann")),
        ..skip(&id)
    };
    let retry = v1::RetryDeliveryRequest {
        actor: Some(somebody("bob")),
        ..retry(&id)
    };
    let retry_all = v1::RetryDeliveriesRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::DeliveryFilter {
            states: vec![DeliveryState::Pending.into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    shop.deliveries().skip_delivery(skip.clone()).await.unwrap();
    shop.deliveries().retry_delivery(retry).await.unwrap();
    shop.deliveries().retry_deliveries(retry_all).await.unwrap();
    let answer = shop.deliveries().skip_delivery(skip).await.unwrap();
    assert_eq!(answer.into_inner().delivery.unwrap().decisions, []);

    let delivery = get(&shop, &id).await.unwrap();
    let decisions = delivery.decisions.iter();
    let who = decisions.map(|decision| decision.actor.clone().unwrap());
    let unstated = v1::Actor {
        kind: ActorKind::Integration.into(),
        ..Default::default()
    };
    let (ann, bob) = (somebody("ann"), somebody("bob"));
    assert_eq!(who.collect::<Vec<_>>(), [ann.clone(), bob, unstated, ann]);
    let decisions = delivery.decisions.iter();
    let what = decisions.map(|decision| (decision.action(), decision.reason.as_str()));
    let (retried, skipped) = (DecisionAction::Retried, DecisionAction::Skipped);
    let told = "told by telephone";
    assert_eq!(
        what.collect::<Vec<_>>(),
        [
            (skipped, told),
            (retried, ""),
            (retried, ""),
            (skipped, told)
        ]
    );
    assert_eq!(delivery.decisions[3].time, delivery.update_time);
    let listed = listed(&shop, of_orders(&shop, &["1"])).await;
    assert_eq!(listed[0].decisions, []);
}

async fn wrong_requests_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world).await;
    let several = v1::ListDeliveriesRequest {
        workflows: vec!["order".into(), shop.workflow()],
        ..of_orders(&shop, &["1"])
    };
    invalid(list(&shop, several).await, "workflows");
    let nowhere = v1::ListDeliveriesRequest {
        workflows: vec!["nowhere".into()],
        ..Default::default()
    };
    refused(
        list(&shop, nowhere).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    invalid(get(&shop, "1-2").await, "delivery_id");
    let silent = v1::SkipDeliveryRequest {
        delivery_id: "0-1-0".into(),
        ..Default::default()
    };
    invalid(shop.deliveries().skip_delivery(silent).await, "reason");
    let succeeded = v1::RetryDeliveriesRequest {
        filter: Some(v1::DeliveryFilter {
            states: vec![DeliveryState::Succeeded.into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = shop.deliveries().retry_deliveries(succeeded).await;
    invalid(answer, "filter.states[0]");
}
