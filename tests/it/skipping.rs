//! Many deliveries that are not sent, by one call.

use tonic::{Code, Response, Status};
use waymark_proto::v1::{self, DecisionAction, DeliveryState};
use waymark_tests::{
    Backend, Clients, ledger,
    receiver::{Hook, Receiver},
    refusal::invalid,
    refused,
    shop::person,
    world::{apply, fresh_code},
};

use crate::{
    deliveries::{endpoint, server},
    waiting_deliveries::{comment_often, dead_endpoint, document},
};

on_each_database!(
    what_waits_for_a_dead_receiver_is_skipped_and_its_endpoint_deleted,
    skips_are_bounded_by_their_filter,
    skips_are_replayed,
    those_behind_have_their_turn,
    wrong_skips_are_refused,
);

const REASON: &str = "the receiver was given up";

fn to_endpoint(code: &str) -> v1::SkipDeliveriesRequest {
    v1::SkipDeliveriesRequest {
        filter: Some(v1::DeliveryFilter {
            endpoints: vec![code.to_owned()],
            ..Default::default()
        }),
        reason: REASON.into(),
        actor: Some(person("ann", &[])),
        ..Default::default()
    }
}

async fn ask(
    clients: &Clients,
    request: v1::SkipDeliveriesRequest,
) -> Result<v1::SkipDeliveriesResponse, Status> {
    let answer = clients.deliveries().skip_deliveries(request).await;
    answer.map(Response::into_inner)
}

async fn skip(clients: &Clients, request: v1::SkipDeliveriesRequest) -> i64 {
    ask(clients, request).await.unwrap().skipped
}

async fn what_waits_for_a_dead_receiver_is_skipped_and_its_endpoint_deleted(backend: Backend) {
    const ORDERS: usize = 50;
    const TIMES: usize = 40;
    let server = server(backend).await;
    let clients = server.clients();
    let code = dead_endpoint(server).await;
    let tell = format!("on_comment: {{tell: {{webhook: {{endpoint: {code}}}, backoff: 1h}}}}");
    let shop = apply(&clients, &fresh_code(), &document(&tell)).await;
    comment_often(&shop, ORDERS, TIMES).await;
    let in_use = ledger::delete_endpoint(&clients, &code).await;
    refused(in_use, Code::FailedPrecondition, "ENDPOINT_IN_USE");

    let rehearsal = v1::SkipDeliveriesRequest {
        validate_only: true,
        ..to_endpoint(&code)
    };
    assert_eq!(skip(&clients, rehearsal).await, 2_000);
    assert_eq!(skip(&clients, to_endpoint(&code)).await, 2_000);
    assert_eq!(skip(&clients, to_endpoint(&code)).await, 0);
    let deliveries = ledger::to_endpoint(&clients, &code).await;
    assert_eq!(deliveries.len(), ORDERS * TIMES);
    for delivery in &deliveries {
        assert_eq!(delivery.state(), DeliveryState::Skipped);
        assert_eq!(
            (delivery.problem.as_str(), delivery.due_time),
            (REASON, None)
        );
    }
    for delivery in [&deliveries[0], &deliveries[999], &deliveries[1_999]] {
        let [decision] = ledger::delivery(&clients, &delivery.id)
            .await
            .decisions
            .try_into()
            .unwrap();
        assert_eq!(decision.action(), DecisionAction::Skipped);
        assert_eq!(decision.reason, REASON);
        assert_eq!(decision.actor, Some(person("ann", &[])));
        assert_eq!(decision.time, delivery.update_time);
    }
    apply(&clients, &shop.workflow(), &document("")).await;
    ledger::delete_endpoint(&clients, &code).await.unwrap();
}

async fn skips_are_bounded_by_their_filter(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let receiver = Receiver::start(|_, _| 400).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let off = dead_endpoint(server).await;
    ledger::switch(&clients, &off, false).await;
    let actions = format!(
        "on_create: {{tell: {{webhook: {{endpoint: {off}}}}}}}
on_comment:
  tell: {{webhook: {{endpoint: {off}}}}}
  die: {{webhook: {{endpoint: {code}}}, attempts: 1}}"
    );
    let shop = apply(&clients, &fresh_code(), &document(&actions)).await;
    comment_often(&shop, 4, 2).await;
    for dead in ledger::to_endpoint(&clients, &code).await {
        ledger::until(&clients, &dead.id, DeliveryState::Dead).await;
    }
    let skipped = async |filter: v1::DeliveryFilter| {
        let request = v1::SkipDeliveriesRequest {
            workflows: vec![shop.workflow()],
            filter: Some(filter),
            reason: REASON.into(),
            ..Default::default()
        };
        skip(&clients, request).await
    };
    let of_states = |states: &[DeliveryState]| v1::DeliveryFilter {
        states: states.iter().map(|state| i32::from(*state)).collect(),
        ..Default::default()
    };
    let of_order = v1::DeliveryFilter {
        order_ids: vec!["o1".into(), "none".into()],
        ..Default::default()
    };
    // Pending ones alone, unless states are named.
    assert_eq!(skipped(of_order).await, 3);
    let of_kind = v1::DeliveryFilter {
        kinds: vec!["email".into(), "publish".into()],
        ..Default::default()
    };
    assert_eq!(skipped(of_kind).await, 0);
    let of_action = v1::DeliveryFilter {
        actions: vec!["create.tell".into()],
        ..Default::default()
    };
    assert_eq!(skipped(of_action).await, 3);
    assert_eq!(skipped(of_states(&[DeliveryState::Dead])).await, 8);
    assert_eq!(skipped(v1::DeliveryFilter::default()).await, 6);
    let all = of_states(&[DeliveryState::Dead, DeliveryState::Pending]);
    assert_eq!(skipped(all).await, 0);
}

async fn skips_are_replayed(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let code = dead_endpoint(server).await;
    ledger::switch(&clients, &code, false).await;
    let tell = format!("on_comment: {{tell: {{webhook: {{endpoint: {code}}}}}}}");
    let shop = apply(&clients, &fresh_code(), &document(&tell)).await;
    comment_often(&shop, 2, 3).await;
    let request = v1::SkipDeliveriesRequest {
        request_id: format!("{code}-skip"),
        ..to_endpoint(&code)
    };
    for replayed in [false, true] {
        let answer = ask(&clients, request.clone()).await.unwrap();
        let expected = v1::SkipDeliveriesResponse {
            skipped: 6,
            replayed,
        };
        assert_eq!(answer, expected);
        // What is set off later is not skipped by the same call.
        shop.comment("o0", "later", "").await.unwrap();
    }
    let waiting = ledger::to_endpoint(&clients, &code).await;
    let waiting = waiting
        .iter()
        .filter(|d| d.state() == DeliveryState::Pending);
    assert_eq!(waiting.count(), 2);
    let other = v1::SkipDeliveriesRequest {
        reason: "another".into(),
        ..request
    };
    let other = ask(&clients, other).await;
    refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");
}

async fn those_behind_have_their_turn(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let answer = |hook: &Hook, _: usize| match hook.body["data"]["action"].as_str() {
        Some("comment.a") => 503,
        _ => 200,
    };
    let receiver = Receiver::start(answer).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let actions = format!(
        "on_comment:
  a: {{webhook: {{endpoint: {code}}}, backoff: 1h, position: 1}}
  b: {{webhook: {{endpoint: {code}}}, position: 2}}"
    );
    let shop = apply(&clients, &fresh_code(), &document(&actions)).await;
    comment_often(&shop, 3, 1).await;
    receiver.until(3).await;
    let stuck = v1::SkipDeliveriesRequest {
        filter: Some(v1::DeliveryFilter {
            actions: vec!["comment.a".into()],
            endpoints: vec![code.clone()],
            ..Default::default()
        }),
        ..to_endpoint(&code)
    };
    assert_eq!(skip(&clients, stuck).await, 3);
    for delivery in ledger::to_endpoint(&clients, &code).await {
        let state = match delivery.action.as_str() {
            "comment.a" => DeliveryState::Skipped,
            _ => DeliveryState::Succeeded,
        };
        ledger::until(&clients, &delivery.id, state).await;
    }
}

async fn wrong_skips_are_refused(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let silent = v1::SkipDeliveriesRequest {
        reason: String::new(),
        ..to_endpoint("erp")
    };
    invalid(ask(&clients, silent).await, "reason");
    // Nobody skips everything by mistake.
    let everything = v1::SkipDeliveriesRequest {
        filter: None,
        ..to_endpoint("erp")
    };
    invalid(ask(&clients, everything).await, "filter");
    for state in [DeliveryState::Succeeded, DeliveryState::Skipped] {
        let done = v1::SkipDeliveriesRequest {
            filter: Some(v1::DeliveryFilter {
                endpoints: vec!["erp".into()],
                states: vec![state.into()],
                ..Default::default()
            }),
            ..to_endpoint("erp")
        };
        invalid(ask(&clients, done).await, "filter.states[0]");
    }
    let nowhere = v1::SkipDeliveriesRequest {
        workflows: vec!["nowhere".into()],
        ..to_endpoint("erp")
    };
    let refusal = refused(
        ask(&clients, nowhere).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    assert_eq!(refusal.particular("workflow"), "nowhere");
}
