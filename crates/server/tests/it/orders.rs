//! Orders: steps alone, in batches and in streams; replays, rehearsals and lists.

use std::collections::{BTreeMap, BTreeSet};

use tokio_stream::StreamExt;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt;
use waymark_proto::v1::{self, order_service_client::OrderServiceClient, step::Command};

use crate::running::{Running, comment, create, reason, start};

type Orders = OrderServiceClient<Channel>;

async fn server() -> (tempfile::TempDir, Running, Orders) {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let orders = server.orders().await;
    (directory, server, orders)
}

fn order(id: &str) -> v1::Order {
    let line = v1::OrderLine {
        id: "a".to_owned(),
        quantity_ordered: "2".to_owned(),
        ..v1::OrderLine::default()
    };
    v1::Order {
        id: id.to_owned(),
        lines: vec![line],
        grand_total: 500,
        ..v1::Order::default()
    }
}

async fn place(orders: &mut Orders, id: &str) -> v1::Order {
    let request = v1::CreateOrderRequest {
        order: Some(order(id)),
        ..v1::CreateOrderRequest::default()
    };
    orders
        .create_order(request)
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap()
}

fn hold(id: &str, request_id: &str) -> v1::HoldOrderRequest {
    v1::HoldOrderRequest {
        order_id: id.to_owned(),
        reason: "fraud check".to_owned(),
        request_id: request_id.to_owned(),
        ..v1::HoldOrderRequest::default()
    }
}

fn operation(id: &str, operation: &str) -> v1::RecordOperationRequest {
    v1::RecordOperationRequest {
        order_id: id.to_owned(),
        operation: operation.to_owned(),
        ..v1::RecordOperationRequest::default()
    }
}

fn said(id: &str, comment: &str) -> v1::AddCommentRequest {
    v1::AddCommentRequest {
        order_id: id.to_owned(),
        comment: comment.to_owned(),
        ..v1::AddCommentRequest::default()
    }
}

fn step(command: Command) -> v1::Step {
    v1::Step {
        command: Some(command),
    }
}

fn metadata(status: &Status, key: &str) -> String {
    status
        .get_details_error_info()
        .unwrap()
        .metadata
        .get(key)
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn an_order_goes_its_way() {
    let (_directory, server, mut orders) = server().await;
    let order = place(&mut orders, "1").await;
    assert_eq!(
        (order.state.as_str(), order.status.as_str(), order.version),
        ("new", "pending", 1)
    );
    assert_eq!(order.status_label, "Pending");
    let invoiced = orders
        .record_operation(operation("1", "invoice"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(invoiced.entries.len(), 2);
    assert_eq!(invoiced.entries[1].caused_by, invoiced.entries[0].sequence);
    assert_eq!(invoiced.order.unwrap().state, "processing");
    let shipped = orders
        .record_operation(operation("1", "ship"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(shipped.order.unwrap().state, "complete");
    let refused = orders
        .record_operation(operation("1", "ship"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    server.stop().await;
}

#[tokio::test]
async fn the_same_request_is_answered_again_and_another_is_refused() {
    let (_directory, server, mut orders) = server().await;
    place(&mut orders, "1").await;
    let first = orders
        .hold_order(hold("1", "r"))
        .await
        .unwrap()
        .into_inner();
    let again = orders
        .hold_order(hold("1", "r"))
        .await
        .unwrap()
        .into_inner();
    assert!(!first.replayed && again.replayed);
    assert_eq!((&again.entries, &again.hold), (&first.entries, &first.hold));
    assert_eq!(first.hold.as_ref().unwrap().reason, "fraud check");
    let other = v1::HoldOrderRequest {
        reason: "another".to_owned(),
        ..hold("1", "r")
    };
    let refused = orders.hold_order(other).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::AlreadyExists, "REQUEST_ID_REUSED")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_rehearsal_answers_and_writes_nothing() {
    let (_directory, server, mut orders) = server().await;
    place(&mut orders, "1").await;
    let rehearsal = v1::HoldOrderRequest {
        validate_only: true,
        ..hold("1", "r")
    };
    let rehearsed = orders.hold_order(rehearsal).await.unwrap().into_inner();
    assert_eq!(rehearsed.order.unwrap().state, "holded");
    assert_eq!(rehearsed.entries[0].log_position, None);
    let request = v1::GetOrderRequest {
        order_id: "1".to_owned(),
        ..v1::GetOrderRequest::default()
    };
    let found = orders
        .get_order(request)
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    assert_eq!((found.state.as_str(), found.version), ("new", 1));
    let held = orders
        .hold_order(hold("1", "r"))
        .await
        .unwrap()
        .into_inner();
    assert!(!held.replayed);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (_directory, server, mut orders) = server().await;
    place(&mut orders, "1").await;
    let get = |workflow: &str, id: &str| v1::GetOrderRequest {
        workflow: workflow.to_owned(),
        order_id: id.to_owned(),
        ..v1::GetOrderRequest::default()
    };
    let unknown = orders.get_order(get("nowhere", "1")).await.unwrap_err();
    assert_eq!(
        (unknown.code(), reason(&unknown).as_str()),
        (Code::NotFound, "WORKFLOW_NOT_FOUND")
    );
    let unknown = orders.get_order(get("", "2")).await.unwrap_err();
    assert_eq!(
        (
            reason(&unknown).as_str(),
            metadata(&unknown, "order").as_str()
        ),
        ("ORDER_NOT_FOUND", "2")
    );
    let taken = v1::CreateOrderRequest {
        order: Some(order("1")),
        ..v1::CreateOrderRequest::default()
    };
    assert_eq!(
        reason(&orders.create_order(taken.clone()).await.unwrap_err()),
        "ORDER_EXISTS"
    );
    let expecting = v1::CreateOrderRequest {
        expected_version: 3,
        ..taken
    };
    let refused = orders.create_order(expecting).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::Aborted, "VERSION_MISMATCH")
    );
    let stale = v1::AddCommentRequest {
        expected_version: 9,
        ..said("1", "late")
    };
    let refused = orders.add_comment(stale).await.unwrap_err();
    assert_eq!(
        (
            metadata(&refused, "expected"),
            metadata(&refused, "current")
        ),
        ("9".to_owned(), "1".to_owned())
    );
    server.stop().await;
}

#[tokio::test]
async fn a_refused_transition_says_what_is_allowed() {
    let (_directory, server, mut orders) = server().await;
    place(&mut orders, "1").await;
    let target = v1::transition_order_request::Target::ToStatus("complete".to_owned());
    let request = v1::TransitionOrderRequest {
        order_id: "1".to_owned(),
        target: Some(target),
        ..v1::TransitionOrderRequest::default()
    };
    let refused = orders.transition_order(request).await.unwrap_err();
    assert_eq!(reason(&refused), "TRANSITION_NOT_ALLOWED");
    let allowed = metadata(&refused, "allowed");
    let request = v1::ListAvailableTransitionsRequest {
        order_id: "1".to_owned(),
        ..Default::default()
    };
    let listed = orders
        .list_available_transitions(request.clone())
        .await
        .unwrap()
        .into_inner()
        .transitions;
    let codes: Vec<_> = listed
        .iter()
        .filter_map(|listed| Some(listed.transition.as_ref()?.code.clone()))
        .collect();
    assert_eq!(codes.join(","), allowed);
    assert!(!codes.is_empty());

    orders.hold_order(hold("1", "")).await.unwrap();
    let blocked = v1::ListAvailableTransitionsRequest {
        include_blocked: true,
        ..request.clone()
    };
    let blocked = orders
        .list_available_transitions(blocked)
        .await
        .unwrap()
        .into_inner()
        .transitions;
    assert!(
        blocked
            .iter()
            .all(|listed| !listed.allowed && listed.reasons[0].reason == "ORDER_HELD")
    );
    assert!(!blocked.is_empty());
    assert!(
        orders
            .list_available_transitions(request)
            .await
            .unwrap()
            .into_inner()
            .transitions
            .is_empty()
    );
    server.stop().await;
}

#[tokio::test]
async fn steps_of_a_batch_go_their_own_way() {
    let (_directory, server, mut orders) = server().await;
    create(&mut orders, "1").await;
    let batch = v1::ExecuteStepsRequest {
        steps: vec![
            step(Command::HoldOrder(hold("1", ""))),
            step(Command::AddComment(said("2", "nobody"))),
            v1::Step::default(),
            step(Command::AddComment(said("1", "held"))),
        ],
        return_orders: true,
        ..v1::ExecuteStepsRequest::default()
    };
    let results = orders
        .execute_steps(batch.clone())
        .await
        .unwrap()
        .into_inner()
        .results;
    let reasons: Vec<_> = results
        .iter()
        .map(|result| result.error.as_ref().map(|error| error.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [None, Some("ORDER_NOT_FOUND"), Some("FIELD_INVALID"), None]
    );
    assert_eq!(
        results[1].error.as_ref().unwrap().code,
        i32::from(Code::NotFound)
    );
    assert!(results[0].hold.is_some());
    assert_eq!(results[3].order.as_ref().unwrap().version, 3);

    let silent = v1::ExecuteStepsRequest {
        return_orders: false,
        ..batch
    };
    let results = orders
        .execute_steps(silent)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert!(results.iter().all(|result| result.order.is_none()));
    assert_eq!(results[3].entries[0].sequence, 5);
    server.stop().await;
}

#[tokio::test]
async fn an_atomic_batch_happens_whole_or_not_at_all() {
    let (_directory, server, mut orders) = server().await;
    create(&mut orders, "1").await;
    create(&mut orders, "2").await;
    let mut batch = v1::ExecuteStepsRequest {
        steps: vec![
            step(Command::AddComment(said("1", "first"))),
            step(Command::AddComment(said("2", "second"))),
            step(Command::AddComment(said("3", "nobody"))),
        ],
        atomic: true,
        ..v1::ExecuteStepsRequest::default()
    };
    let refused = orders.execute_steps(batch.clone()).await.unwrap_err();
    assert_eq!(
        (
            reason(&refused).as_str(),
            metadata(&refused, "step_index").as_str()
        ),
        ("ORDER_NOT_FOUND", "2")
    );
    assert_eq!(server.everything().await.len(), 2);
    batch.steps[2] = v1::Step::default();
    let refused = orders.execute_steps(batch.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), metadata(&refused, "step_index").as_str()),
        (Code::InvalidArgument, "2")
    );
    batch.steps.pop();
    let rehearsal = v1::ExecuteStepsRequest {
        validate_only: true,
        ..batch.clone()
    };
    assert_eq!(
        orders
            .execute_steps(rehearsal)
            .await
            .unwrap()
            .into_inner()
            .results
            .len(),
        2
    );
    assert_eq!(server.everything().await.len(), 2);
    orders.execute_steps(batch).await.unwrap();
    assert_eq!(server.everything().await.len(), 4);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_answers_every_step_in_turn() {
    let (_directory, server, mut orders) = server().await;
    create(&mut orders, "1").await;
    create(&mut orders, "2").await;
    let message = |number: usize| {
        let step = match number % 10 {
            3 => v1::Step::default(),
            7 => step(Command::AddComment(said("nobody", "lost"))),
            _ => step(Command::AddComment(said(
                if number.is_multiple_of(2) { "1" } else { "2" },
                &number.to_string(),
            ))),
        };
        v1::StreamStepsRequest {
            correlation_id: number.to_string(),
            step: Some(step),
        }
    };
    let sent = tokio_stream::iter((0..600).map(message).collect::<Vec<_>>());
    let mut answers = orders.stream_steps(sent).await.unwrap().into_inner();
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    while let Some(answer) = answers.next().await {
        let v1::StreamStepsResponse {
            correlation_id,
            result,
        } = answer.unwrap();
        let result = result.unwrap();
        let number: usize = correlation_id.parse().unwrap();
        assert!(seen.insert(number), "answered once");
        let refused = result.error.map(|error| error.reason).unwrap_or_default();
        let expected = match number % 10 {
            3 => "FIELD_INVALID",
            7 => "ORDER_NOT_FOUND",
            _ => "",
        };
        assert_eq!(refused, expected);
        let order = match number % 10 {
            3 => continue,
            7 => 2,
            _ => number % 2,
        };
        // Those of one order come in turn.
        let before = last.insert(order, number);
        assert!(before.is_none_or(|before| before < number));
    }
    assert_eq!(seen.len(), 600);
    let comments = server
        .everything()
        .await
        .into_iter()
        .filter(|entry| entry.order_id == "1")
        .skip(1);
    let numbers: Vec<i32> = comments
        .map(|entry| entry.comment.parse().unwrap())
        .collect();
    assert_eq!(numbers.len(), 300);
    assert!(numbers.is_sorted());
    server.stop().await;
}

async fn ids(orders: &mut Orders, request: v1::ListOrdersRequest) -> Vec<String> {
    let (mut ids, mut request) = (Vec::new(), request);
    loop {
        let page = orders
            .list_orders(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(page.orders.len() <= 2);
        ids.extend(page.orders.into_iter().map(|order| order.id));
        if page.next_page_token.is_empty() {
            return ids;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (_directory, server, mut orders) = server().await;
    for id in ["1", "2", "3", "4", "5"] {
        place(&mut orders, id).await;
    }
    orders.hold_order(hold("2", "")).await.unwrap();
    orders
        .record_operation(operation("4", "invoice"))
        .await
        .unwrap();
    let list = |filter: v1::OrderFilter| v1::ListOrdersRequest {
        filter: Some(filter),
        page_size: 2,
        ..v1::ListOrdersRequest::default()
    };
    let held = |held| {
        list(v1::OrderFilter {
            held: Some(held),
            ..Default::default()
        })
    };
    assert_eq!(
        ids(&mut orders, list(v1::OrderFilter::default())).await,
        ["1", "2", "3", "4", "5"]
    );
    assert_eq!(ids(&mut orders, held(true)).await, ["2"]);
    assert_eq!(ids(&mut orders, held(false)).await, ["1", "3", "4", "5"]);
    let states = v1::OrderFilter {
        states: vec!["new".to_owned()],
        ..Default::default()
    };
    assert_eq!(ids(&mut orders, list(states)).await, ["1", "3", "5"]);
    let statuses = v1::OrderFilter {
        statuses: vec!["processing".to_owned(), "holded".to_owned()],
        ..Default::default()
    };
    assert_eq!(ids(&mut orders, list(statuses)).await, ["2", "4"]);
    let returning = v1::OrderFilter {
        return_statuses: vec!["pending".to_owned()],
        ..Default::default()
    };
    assert_eq!(ids(&mut orders, list(returning)).await, ["2"]);
    let nowhere = v1::OrderFilter {
        states: vec!["no_such_state".to_owned()],
        ..Default::default()
    };
    assert_eq!(
        reason(&orders.list_orders(list(nowhere)).await.unwrap_err()),
        "STATE_NOT_FOUND"
    );
    let newest = v1::ListOrdersRequest {
        order_by: "update_time desc".to_owned(),
        ..list(v1::OrderFilter::default())
    };
    assert_eq!(ids(&mut orders, newest).await, ["4", "2", "5", "3", "1"]);

    let page = orders
        .list_orders(list(v1::OrderFilter::default()))
        .await
        .unwrap()
        .into_inner();
    let other = v1::ListOrdersRequest {
        page_token: page.next_page_token,
        ..held(true)
    };
    let refused = orders.list_orders(other).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "PAGE_TOKEN_INVALID")
    );
    assert_eq!(
        refused.get_details_bad_request().unwrap().field_violations[0].field,
        "page_token"
    );
    let unknown = v1::ListOrdersRequest {
        workflows: vec!["nowhere".to_owned()],
        ..Default::default()
    };
    assert_eq!(
        reason(&orders.list_orders(unknown).await.unwrap_err()),
        "WORKFLOW_NOT_FOUND"
    );
    server.stop().await;
}

#[tokio::test]
async fn refusals_below_the_services_have_reasons_too() {
    let (_directory, server, mut orders) = server().await;
    create(&mut orders, "1").await;
    comment(&mut orders, "1", "small").await;
    let large = Request::new(said("1", &"x".repeat(5 * 1024 * 1024)));
    let refused = orders.add_comment(large).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::OutOfRange, "MESSAGE_TOO_LARGE")
    );

    let mut client = tonic::client::Grpc::new(server.channel().await);
    let mut call = async |path: &'static str| {
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<v1::StepError, v1::StepError>::default();
        let garbage = Request::new(v1::StepError {
            code: 5,
            ..v1::StepError::default()
        });
        client
            .unary(garbage, http::uri::PathAndQuery::from_static(path), codec)
            .await
            .unwrap_err()
    };
    let refused = call("/waymark.v1.OrderService/GetOrder").await;
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "MESSAGE_MALFORMED")
    );
    let refused = call("/waymark.v1.OrderService/NoSuchMethod").await;
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::Unimplemented, "NOT_IMPLEMENTED")
    );
    server.stop().await;
}
