//! What waits to be sent: what becomes of it when its action changes, and why it waits.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{net::TcpListener, time::timeout};
use tonic::Code;
use waymark_proto::v1::{self, DeliveryState, step::Command};
use waymark_tests::{
    Backend, Server, Shop, ledger,
    receiver::{Hook, Receiver},
    refused,
    world::{apply, fresh_code},
};

use crate::deliveries::{endpoint, server};

on_each_database!(
    what_an_action_that_is_switched_off_set_off_waits_for_it,
    what_waits_behind_what_rests_has_its_turn,
    what_has_no_action_any_more_is_given_up_without_its_target,
    what_an_action_does_no_more_is_given_up,
    what_waits_says_why,
    what_waits_for_its_turn_says_why,
);

/// A workflow of one status whose actions are given as further lines of YAML.
pub(crate) fn document(actions: &str) -> String {
    format!(
        "label: Shop
initial_state: new
statuses: {{new: {{label: New}}}}
states: {{new: {{label: New, category: initial, can_start: true, statuses: [new]}}}}
{actions}
"
    )
}

/// Comments on an order, and gives the deliveries that this sets off.
async fn say(shop: &Shop, id: &str) -> Vec<String> {
    let said = shop.comment(id, "hello", "").await.unwrap();
    let set_off = said.entries[0].set_off.iter();
    set_off.map(|set_off| set_off.delivery_id.clone()).collect()
}

/// Places so many orders, and comments on each so often.
pub(crate) async fn comment_often(shop: &Shop, orders: usize, times: usize) {
    for number in 0..orders {
        shop.place(&format!("o{number}"), &[]).await;
    }
    let comment = |number: usize| v1::Step {
        command: Some(Command::AddComment(
            shop.remark(&format!("o{}", number % orders), "hello"),
        )),
    };
    let all: Vec<_> = (0..orders * times).map(comment).collect();
    for steps in all.chunks(500) {
        let request = v1::ExecuteStepsRequest {
            steps: steps.to_vec(),
            ..Default::default()
        };
        let answer = shop.orders().execute_steps(request).await.unwrap();
        let results = answer.into_inner().results;
        assert!(results.iter().all(|result| result.error.is_none()));
    }
}

/// An endpoint at which nobody listens.
pub(crate) async fn dead_endpoint(server: &Server) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    endpoint(server, format!("http://{address}/")).await
}

/// A receiver that is down until it is mended.
async fn down() -> (Receiver, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&mended);
    let answer = move |_: &Hook, _: usize| {
        if is_up.load(Ordering::SeqCst) {
            200
        } else {
            503
        }
    };
    (Receiver::start(answer).await, mended)
}

fn due(delivery: &v1::Delivery) -> i64 {
    delivery.due_time.unwrap().seconds
}

async fn what_an_action_that_is_switched_off_set_off_waits_for_it(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let (receiver, mended) = down().await;
    let code = endpoint(server, receiver.url("erp")).await;
    let tell = |active: bool| {
        document(&format!(
            "on_comment: {{tell: {{webhook: {{endpoint: {code}}}, backoff: 10min, active: {active}}}}}"
        ))
    };
    let shop = apply(&clients, &fresh_code(), &tell(true)).await;
    let mut tried = Vec::new();
    for id in ["1", "2"] {
        shop.place(id, &[]).await;
        let told = say(&shop, id).await;
        tried.push(ledger::until_attempts(&clients, &told[0], 1).await);
    }

    apply(&clients, &shop.workflow(), &tell(false)).await;
    mended.store(true, Ordering::SeqCst);
    for before in &tried {
        // It rests for longer than it was to wait for its next attempt.
        let rests = |delivery: &v1::Delivery| due(delivery) > due(before) + 600;
        let resting = ledger::until_is(&clients, &before.id, rests).await;
        assert_eq!(resting.state(), DeliveryState::Pending);
        // What its attempt came to is not forgotten.
        assert_eq!(
            resting.problem,
            "its action comment.tell is switched off; before that: \
             the endpoint answered 503: it asks to be called later"
        );
        assert_eq!(resting.attempt_count, 1, "it is no attempt");
    }
    assert!(say(&shop, "1").await.is_empty());
    assert_eq!(receiver.hooks().len(), 2);

    apply(&clients, &shop.workflow(), &tell(true)).await;
    for before in &tried {
        let sent = ledger::until(&clients, &before.id, DeliveryState::Succeeded).await;
        assert_eq!((sent.attempt_count, sent.problem.as_str()), (2, ""));
    }
}

async fn what_waits_behind_what_rests_has_its_turn(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let (receiver, mended) = down().await;
    let code = endpoint(server, receiver.url("erp")).await;
    let tell = |active: bool| {
        document(&format!(
            "on_comment:
  first: {{webhook: {{endpoint: {code}}}, backoff: 10min, active: {active}, position: 1}}
  second: {{webhook: {{endpoint: {code}}}, backoff: 10min, position: 2}}"
        ))
    };
    let shop = apply(&clients, &fresh_code(), &tell(true)).await;
    shop.place("1", &[]).await;
    let told = say(&shop, "1").await;
    let before = ledger::until_attempts(&clients, &told[0], 1).await;
    apply(&clients, &shop.workflow(), &tell(false)).await;
    mended.store(true, Ordering::SeqCst);
    let rests = |delivery: &v1::Delivery| due(delivery) > due(&before) + 600;
    ledger::until_is(&clients, &told[0], rests).await;
    let behind = "it waits for an earlier delivery of its order to the same target";
    ledger::until_is(&clients, &told[1], |delivery| delivery.problem == behind).await;
    // Whoever does not want the first one skips it.
    let skipped = ledger::skip(&clients, &told[0], "not needed").await;
    skipped.unwrap();
    ledger::until(&clients, &told[1], DeliveryState::Succeeded).await;
}

async fn what_has_no_action_any_more_is_given_up_without_its_target(backend: Backend) {
    const ORDERS: usize = 40;
    const TIMES: usize = 25;
    let server = server(backend).await;
    let clients = server.clients();
    let code = dead_endpoint(server).await;
    let tell = format!("on_comment: {{tell: {{webhook: {{endpoint: {code}}}, backoff: 1h}}}}");
    let shop = apply(&clients, &fresh_code(), &document(&tell)).await;
    comment_often(&shop, ORDERS, TIMES).await;
    let lane = format!("\"webhook.{code}\"");
    let failing = server.log().find(0, Duration::from_secs(30), |line| {
        let says = line.contains("circuit breaker half-open") && line.contains(&lane);
        says.then_some(())
    });
    failing.await.unwrap();
    refused(
        ledger::delete_endpoint(&clients, &code).await,
        Code::FailedPrecondition,
        "ENDPOINT_IN_USE",
    );

    // By its circuit breaker, ten a second, they would keep it for a minute and a half.
    let renamed = tell
        .replace("tell:", "tell_erp:")
        .replace(&code, "elsewhere");
    apply(&clients, &shop.workflow(), &document(&renamed)).await;
    ledger::until_deleted(&clients, &code).await;
    let deliveries = ledger::to_endpoint(&clients, &code).await;
    assert_eq!(deliveries.len(), ORDERS * TIMES);
    for delivery in &deliveries {
        assert_eq!(delivery.state(), DeliveryState::Dead);
        assert_eq!(
            delivery.problem,
            "the workflow has no action comment.tell any more"
        );
    }
    let tried = deliveries
        .iter()
        .filter(|delivery| delivery.attempt_count > 0);
    assert!(tried.count() < ORDERS * TIMES / 2);
}

/// An endpoint that is off from the beginning, so that no dispatcher has ever seen it on.
async fn closed_endpoint(server: &Server, url: String) -> String {
    let code = fresh_code();
    let endpoint = v1::Endpoint {
        code: code.clone(),
        url,
        active: Some(false),
        ..Default::default()
    };
    let request = v1::CreateEndpointRequest {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    let created = server.clients().endpoints().create_endpoint(request).await;
    created.unwrap();
    code
}

async fn what_an_action_does_no_more_is_given_up(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let code = closed_endpoint(server, "http://127.0.0.1:9/".to_owned()).await;
    let tell = format!("on_comment: {{tell: {{webhook: {{endpoint: {code}}}}}}}");
    let shop = apply(&clients, &fresh_code(), &document(&tell)).await;
    shop.place("1", &[]).await;
    let told = say(&shop, "1").await;
    let off = ledger::delivery(&clients, &told[0]).await;
    assert_eq!(off.problem, format!("the endpoint {code} is switched off"));

    let publish = "on_comment: {tell: {publish: {subject: orders}}}";
    apply(&clients, &shop.workflow(), &document(publish)).await;
    let dead = ledger::until(&clients, &told[0], DeliveryState::Dead).await;
    assert_eq!(dead.problem, "the action does something else now");
    assert!(dead.attempts.is_empty());
    // Also when it is retried, though nothing is sent to its endpoint.
    ledger::retry(&clients, &told[0]).await.unwrap();
    ledger::until(&clients, &told[0], DeliveryState::Dead).await;
}

async fn what_waits_says_why(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let receiver = Receiver::start(|_, _| 500).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let off = closed_endpoint(server, receiver.url("off")).await;
    let actions = format!(
        "on_create:
  off: {{webhook: {{endpoint: {off}}}}}
  nowhere: {{webhook: {{endpoint: {off}_other}}, backoff: 10min}}
  mail: {{email: {{template: new_order, customer: always}}}}
  event: {{publish: {{subject: orders}}}}
on_comment:
  tell: {{webhook: {{endpoint: {code}}}, backoff: 10min}}"
    );
    let shop = apply(&clients, &fresh_code(), &document(&actions)).await;
    let order = v1::Order {
        customer: Some(v1::Customer {
            email: "ada@example.com".into(),
            ..Default::default()
        }),
        ..shop.draft("1", &[])
    };
    let created = shop.create(order).await.unwrap();
    let (first, second) = (say(&shop, "1").await, say(&shop, "1").await);
    let mut expected = vec![
        (first[0].clone(), "the endpoint answered 500".to_owned()),
        (
            second[0].clone(),
            "it waits for an earlier delivery of its order to the same target".to_owned(),
        ),
    ];
    for set_off in &created.entries[0].set_off {
        let problem = match set_off.action.as_str() {
            "create.off" => format!("the endpoint {off} is switched off"),
            "create.nowhere" => format!("there is no endpoint {off}_other"),
            "create.mail" => "there is no mail server in the settings".to_owned(),
            "create.event" => "there is no NATS server in the settings".to_owned(),
            other => panic!("{other}"),
        };
        expected.push((set_off.delivery_id.clone(), problem));
    }
    assert_eq!(expected.len(), 6);
    let mut due_times = Vec::new();
    for (id, problem) in &expected {
        let waiting = ledger::until_is(&clients, id, |delivery| delivery.problem == *problem);
        let waiting = waiting.await;
        assert_eq!(waiting.state(), DeliveryState::Pending, "{problem}");
        let is_tried = *id == first[0];
        assert_eq!(waiting.attempt_count, i32::from(is_tried), "{problem}");
        due_times.push(waiting.due_time);
    }
    // The list says the same, and what only waits is not written again and again.
    let request = v1::ListDeliveriesRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    };
    let listed = clients.deliveries().list_deliveries(request).await.unwrap();
    let listed = listed.into_inner().deliveries;
    assert_eq!(listed.len(), expected.len());
    for ((id, problem), due_time) in expected.iter().zip(due_times) {
        let waiting = listed.iter().find(|delivery| delivery.id == *id).unwrap();
        assert_eq!((&waiting.problem, waiting.due_time), (problem, due_time));
    }

    // What an attempt came to is told as well, and what is put right is not told any more.
    ledger::switch(&clients, &code, false).await;
    let both =
        format!("the endpoint {code} is switched off; before that: the endpoint answered 500");
    ledger::until_is(&clients, &first[0], |delivery| delivery.problem == both).await;
    ledger::switch(&clients, &code, true).await;
    let again = "the endpoint answered 500";
    let url = receiver.url("late");
    let created = ledger::create_endpoint(&clients, &format!("{off}_other"), &url).await;
    created.unwrap();
    let missing = format!("there is no endpoint {off}_other");
    let (nowhere, _) = expected.iter().find(|(_, why)| *why == missing).unwrap();
    let tried = ledger::until_attempts(&clients, nowhere, 1).await;
    assert_eq!(tried.problem, again);
    ledger::until_is(&clients, &first[0], |delivery| delivery.problem == again).await;
}

async fn what_waits_for_its_turn_says_why(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let receiver = Receiver::start(|_, _| 500).await;
    let code = endpoint(server, receiver.url("erp")).await;
    let tell = format!("on_comment: {{tell: {{webhook: {{endpoint: {code}}}, backoff: 10min}}}}");
    let shop = apply(&clients, &fresh_code(), &document(&tell)).await;
    // One at a time is tried, ten in a second, so the last one waits for some ten seconds.
    comment_often(&shop, 100, 1).await;
    let why = "it waits for its turn, since another delivery to the same target failed: \
               the endpoint answered 500";
    let one_says_so = async {
        loop {
            let told = ledger::to_endpoint(&clients, &code).await;
            if let Some(waiting) = told.into_iter().find(|told| told.problem == why) {
                return waiting;
            }
        }
    };
    let waiting = timeout(Duration::from_mins(1), one_says_so).await.unwrap();
    assert_eq!(waiting.attempt_count, 0);
    assert_eq!(waiting.state(), DeliveryState::Pending);
}
