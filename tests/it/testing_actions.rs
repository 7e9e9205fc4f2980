//! One action, run against an order without a step.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::{io::AsyncReadExt, net::TcpListener, sync::watch, time::timeout};
use tonic::{Code, Response, Status};
use waymark_proto::v1::{self, AttemptOutcome};
use waymark_tests::{
    Backend, Refusal, Server, Shop, ledger,
    receiver::{Hook, Receiver},
    refusal::invalid,
    refused,
    world::{apply, fresh_code},
};

use crate::deliveries::{endpoint, server};

on_each_database!(
    what_is_sent_is_sent_once_and_noted_nowhere,
    a_condition_counts_unless_it_is_ignored,
    what_would_be_written_is_shown,
    a_test_that_does_nothing_says_why,
    wrong_tests_are_refused,
    tests_have_a_bound_and_end_with_their_calls,
);

/// A workflow with an action of most kinds; nothing of it is set off by creation.
const DOCUMENT: &str = r#"
label: Shop
initial_state: new
statuses: {new: {label: New}, done: {label: Done}}
states:
  new: {label: New, category: initial, can_start: true, statuses: [new]}
  done: {label: Done, category: completed, terminal: true, statuses: [done]}
transitions:
  finish:
    label: Finish
    from_states: [new]
    to_state: done
    actions:
      tell: {webhook: {endpoint: {endpoint}}, timeout: 5s}
      off: {webhook: {endpoint: {endpoint}}, active: false}
      dear: {webhook: {endpoint: {endpoint}}, condition: order.grand_total > 100000000}
      shipped: {webhook: {endpoint: {endpoint}}, condition: entry.transition == 'finish'}
      wrong: {webhook: {endpoint: {endpoint}}, condition: "order.attributes.carrier == 'x'"}
      nowhere: {webhook: {endpoint: {endpoint}_other}}
      mail: {email: {template: new_order, customer: always, copy_to: [a@example.com], copy_method: separate}}
      news: {email: {template: news, customer: never, copy_to: [a@example.com]}}
      event: {publish: {subject: orders}}
      asked: {email: {template: new_order}}
      bare: {comment: {text: "by {{ order.attributes.carrier }}"}}
      note: {comment: {text: "{{ order.id }} by {{ actor.kind }}"}}
      box: {set_attributes: {box: "B{{ order.id }}"}}
      again: {transition: finish}
"#;

struct Tried {
    server: &'static Server,
    shop: Shop,
    receiver: Receiver,
    /// The endpoint that leads there.
    code: String,
}

impl Tried {
    async fn start(
        backend: Backend,
        answer: impl Fn(&Hook, usize) -> u16 + Send + Sync + 'static,
    ) -> Self {
        let server = server(backend).await;
        let receiver = Receiver::start(answer).await;
        let code = endpoint(server, receiver.url("erp")).await;
        let document = DOCUMENT.replace("{endpoint}", &code);
        let shop = apply(&server.clients(), &fresh_code(), &document).await;
        shop.place("1", &[("a", "1")]).await;
        Self {
            server,
            shop,
            receiver,
            code,
        }
    }

    fn request(&self, action: &str) -> v1::TestActionRequest {
        v1::TestActionRequest {
            workflow: self.shop.workflow(),
            order_id: "1".into(),
            action: action.into(),
            ..Default::default()
        }
    }

    async fn ask(&self, request: v1::TestActionRequest) -> Result<v1::TestActionResponse, Status> {
        let answer = self.server.clients().workflows().test_action(request).await;
        answer.map(Response::into_inner)
    }

    async fn run(&self, action: &str) -> v1::TestActionResponse {
        self.ask(self.request(action)).await.unwrap()
    }
}

fn only(answer: v1::TestActionResponse) -> v1::DeliveryAttempt {
    let [delivery] = answer.deliveries.try_into().unwrap();
    delivery.attempt.unwrap()
}

async fn what_is_sent_is_sent_once_and_noted_nowhere(backend: Backend) {
    let tried = Tried::start(backend, |_, before| if before == 0 { 500 } else { 200 }).await;
    let before = tried.shop.entries("1").await;
    let order = tried.shop.get("1").await;

    let attempt = only(tried.run("transition.finish.tell").await);
    assert_eq!(attempt.outcome(), AttemptOutcome::Failed);
    assert_eq!((attempt.number, attempt.code), (1, 500));
    assert_eq!(attempt.problem, "the endpoint answered 500");
    assert!(attempt.start_time.is_some() && attempt.duration.is_some());
    let attempt = only(tried.run("transition.finish.off").await);
    assert_eq!(
        attempt.outcome(),
        AttemptOutcome::Failed,
        "a first attempt under an id of its own"
    );

    let hooks = tried.receiver.hooks();
    assert_eq!(hooks.len(), 2, "nothing is tried again");
    for hook in &hooks {
        assert!(hook.id().starts_with("test_"), "{}", hook.id());
        assert_eq!(hook.body["data"]["deliveryId"], "");
        assert_eq!(hook.body["data"]["order"]["id"], "1");
        assert_eq!(hook.body["data"]["entry"]["kind"], "ENTRY_KIND_CREATED");
        assert!(hook.header("webhook-signature").starts_with("v1,"));
    }
    assert_ne!(hooks[0].id(), hooks[1].id());
    let gone = only(tried.run("transition.finish.nowhere").await);
    assert!(
        gone.problem.starts_with("there is no endpoint "),
        "{}",
        gone.problem
    );
    let mails = tried.run("transition.finish.mail").await;
    let to = mails
        .deliveries
        .iter()
        .map(|mail| mail.destination.as_str());
    assert_eq!(to.collect::<Vec<_>>(), ["a@example.com"]);
    assert_eq!(
        mails.problem,
        "the order has no e-mail address of its customer"
    );
    let mail = only(mails);
    assert_eq!(mail.problem, "there is no mail server in the settings");

    let rehearsal = v1::TestActionRequest {
        validate_only: true,
        ..tried.request("transition.finish.tell")
    };
    let rehearsed = tried.ask(rehearsal).await.unwrap();
    assert!(rehearsed.applies && rehearsed.deliveries[0].attempt.is_none());
    hindrances_are_told(&tried).await;
    assert_eq!(tried.receiver.hooks().len(), 2);
    assert_eq!(tried.shop.entries("1").await, before);
    assert_eq!(tried.shop.get("1").await, order);
    let list = v1::ListDeliveriesRequest {
        workflows: vec![tried.shop.workflow()],
        ..Default::default()
    };
    let listed = tried
        .server
        .clients()
        .deliveries()
        .list_deliveries(list)
        .await;
    assert_eq!(listed.unwrap().into_inner().deliveries, []);
}

/// What is only asked about says what would keep it.
async fn hindrances_are_told(tried: &Tried) {
    let ask = async |action: &str| {
        let rehearsal = v1::TestActionRequest {
            validate_only: true,
            ..tried.request(&format!("transition.finish.{action}"))
        };
        tried.ask(rehearsal).await.unwrap().problem
    };
    for (action, problem) in [
        ("tell", ""),
        ("off", "its action transition.finish.off is switched off"),
        ("event", "there is no NATS server in the settings"),
        (
            "news",
            "there is no mail server in the settings; there is no template news; there are \
             new_order, new_order_guest, order_update, order_update_guest",
        ),
    ] {
        assert_eq!(ask(action).await, problem);
    }
    let missing = format!("there is no endpoint {}_other", tried.code);
    assert_eq!(ask("nowhere").await, missing);
    let clients = tried.server.clients();
    ledger::switch(&clients, &tried.code, false).await;
    let closed = format!("the endpoint {} is switched off", tried.code);
    assert_eq!(ask("tell").await, closed);
}

async fn a_condition_counts_unless_it_is_ignored(backend: Backend) {
    let tried = Tried::start(backend, |_, _| 200).await;
    for action in ["dear", "shipped", "wrong"] {
        let path = format!("transition.finish.{action}");
        let answer = tried.run(&path).await;
        assert!(!answer.applies);
        assert_eq!(answer.deliveries, []);
        let is_wrong = answer.problem.starts_with("its condition: ");
        assert_eq!(is_wrong, action == "wrong", "{}", answer.problem);
        let anyway = v1::TestActionRequest {
            ignore_condition: true,
            ..tried.request(&path)
        };
        let answer = tried.ask(anyway).await.unwrap();
        assert!(!answer.applies);
        assert_eq!(only(answer).outcome(), AttemptOutcome::Accepted);
    }
    assert_eq!(tried.receiver.hooks().len(), 3);
}

async fn what_would_be_written_is_shown(backend: Backend) {
    let tried = Tried::start(backend, |_, _| 200).await;
    let before = tried.shop.entries("1").await;
    let note = tried.run("transition.finish.note").await.entry.unwrap();
    assert_eq!(note.comment, "1 by integration");
    assert_eq!(note.kind(), v1::EntryKind::Commented);
    assert_eq!((note.sequence, note.caused_by), (2, 1));
    assert_eq!(note.metadata["waymark.action"], "transition.finish.note");
    assert_eq!(note.log_position, None, "it is not written");
    let boxed = tried.run("transition.finish.box").await.entry.unwrap();
    assert_eq!(boxed.kind(), v1::EntryKind::Updated);
    let step = tried.run("transition.finish.again").await.entry.unwrap();
    assert_eq!(
        (step.to_state.as_str(), step.transition.as_str()),
        ("done", "finish")
    );
    assert_eq!(tried.shop.entries("1").await, before);

    tried.shop.take("1", "finish").await.unwrap();
    let closed = tried.run("transition.finish.again").await;
    assert_eq!(closed.entry, None);
    assert_eq!(closed.problem, "no step leaves the terminal state done");
}

async fn a_test_that_does_nothing_says_why(backend: Backend) {
    const UNASKED: &str = "the customer is written to only where the call says `notify_customer`";
    let tried = Tried::start(backend, |_, _| 200).await;
    let reachable = v1::Order {
        customer: Some(v1::Customer {
            email: "ada@example.com".into(),
            ..Default::default()
        }),
        ..tried.shop.draft("2", &[])
    };
    tried.shop.create(reachable).await.unwrap();
    let ask = async |order_id: &str, action: &str, notify_customer: bool| {
        let request = v1::TestActionRequest {
            order_id: order_id.into(),
            notify_customer,
            ..tried.request(&format!("transition.finish.{action}"))
        };
        let answer = tried.ask(request).await.unwrap();
        (answer.deliveries.len(), answer.entry, answer.problem)
    };
    let unreachable = "the order has no e-mail address of its customer";
    let unmet = "its condition does not hold for the last entry of the order";
    let bare = "its text cannot be filled in: order.attributes has no carrier; \
                `default('')` gives a text for what is missing";
    for (order_id, action, notify_customer, count, problem) in [
        ("2", "asked", false, 0, UNASKED),
        ("2", "asked", true, 1, ""),
        ("1", "asked", true, 0, unreachable),
        ("2", "mail", false, 2, ""),
        ("2", "dear", false, 0, unmet),
        ("2", "bare", false, 0, bare),
    ] {
        let expected = (count, None, problem.to_owned());
        let answer = ask(order_id, action, notify_customer).await;
        assert_eq!(answer, expected, "{order_id} {action} {notify_customer}");
    }
    // What is so already is not written again.
    let boxed = v1::Order {
        attributes: [("box".into(), "B3".into())].into(),
        ..tried.shop.draft("3", &[])
    };
    tried.shop.create(boxed).await.unwrap();
    let unchanged = "the attributes of the order are so already".to_owned();
    assert_eq!(ask("3", "box", false).await, (0, None, unchanged));
}

async fn wrong_tests_are_refused(backend: Backend) {
    let tried = Tried::start(backend, |_, _| 200).await;
    for bad in [
        "",
        "tell",
        "transition.finish",
        "transition..tell",
        "flight.a.b",
    ] {
        invalid(tried.ask(tried.request(bad)).await, "action");
    }
    let nothing = tried.ask(tried.request("transition.finish.nothing")).await;
    let refusal = refused(nothing, Code::NotFound, "ACTION_NOT_FOUND");
    assert_eq!(refusal.particular("action"), "transition.finish.nothing");
    let misspelled = tried.ask(tried.request("transition.finish.tel")).await;
    let refusal = refused(misspelled, Code::NotFound, "ACTION_NOT_FOUND");
    let meant = "; did you mean transition.finish.tell?";
    assert!(refusal.message.ends_with(meant), "{refusal:?}");
    let nobody = v1::TestActionRequest {
        order_id: "2".into(),
        ..tried.request("transition.finish.tell")
    };
    refused(tried.ask(nobody).await, Code::NotFound, "ORDER_NOT_FOUND");
    let elsewhere = v1::TestActionRequest {
        workflow: "elsewhere".into(),
        ..tried.request("transition.finish.tell")
    };
    refused(
        tried.ask(elsewhere).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    let without = v1::TestActionRequest {
        order_id: String::new(),
        actor: Some(v1::Actor {
            id: "x".repeat(1_000),
            ..Default::default()
        }),
        ..tried.request("")
    };
    let refusal = invalid(tried.ask(without).await, "order_id");
    refusal.names("action");
    refusal.names("actor.id");
    assert!(tried.receiver.hooks().is_empty());
}

/// A target that takes connections and never answers. It counts those that are open.
struct Hanging {
    address: SocketAddr,
    open: watch::Receiver<usize>,
    /// All that there were.
    taken: Arc<AtomicUsize>,
}

impl Hanging {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, open) = watch::channel(0);
        let (count, taken) = (Arc::new(count), Arc::new(AtomicUsize::new(0)));
        let all = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                all.fetch_add(1, Ordering::SeqCst);
                count.send_modify(|open| *open += 1);
                tokio::spawn(async move {
                    let mut read = [0; 1024];
                    while stream.read(&mut read).await.is_ok_and(|bytes| bytes > 0) {}
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            address,
            open,
            taken,
        }
    }

    async fn until(&self, is_so: impl FnMut(&usize) -> bool) {
        let mut open = self.open.clone();
        let came = timeout(Duration::from_secs(30), open.wait_for(is_so)).await;
        assert!(came.is_ok(), "{} connections are open", *self.open.borrow());
    }
}

async fn tests_have_a_bound_and_end_with_their_calls(backend: Backend) {
    const PLACES: usize = 2;
    let settings = [
        "--set",
        "webhooks_allowed=127.0.0.0/8",
        "--set",
        "deliveries_in_flight_max=8",
    ];
    let server = Server::start_with(backend, &settings).await;
    let (hanging, receiver) = (Hanging::start().await, Receiver::start(|_, _| 200).await);
    let slow = endpoint(&server, format!("http://{}/", hanging.address)).await;
    let good = endpoint(&server, receiver.url("erp")).await;
    let document = DOCUMENT.replace("{endpoint}_other", &slow);
    let document = document.replace("timeout: 5s", "timeout: 5m");
    let document = document.replace(
        "tell: {webhook: {endpoint: {endpoint}}",
        &format!("tell: {{webhook: {{endpoint: {slow}}}"),
    );
    let document = document.replace("{endpoint}", &good);
    let shop = apply(&server.clients(), &fresh_code(), &document).await;
    shop.place("1", &[("a", "1")]).await;
    let request = |limit: Duration| {
        let mut request = tonic::Request::new(v1::TestActionRequest {
            workflow: shop.workflow(),
            order_id: "1".into(),
            action: "transition.finish.tell".into(),
            ..Default::default()
        });
        request.set_timeout(limit);
        request
    };
    let clients = server.clients();
    let storm = (0..300).map(|_| {
        let (clients, request) = (clients.clone(), request(Duration::from_secs(2)));
        async move { clients.workflows().test_action(request).await }
    });
    let storm = tokio::spawn(join_all(storm));
    hanging.until(|open| *open == PLACES).await;
    // Others connect and are served meanwhile.
    for _ in 0..20 {
        let other = shop.over(server.clients());
        timeout(Duration::from_secs(10), other.find("1"))
            .await
            .unwrap()
            .unwrap();
    }
    let mut refusals = 0;
    for answer in storm.await.unwrap() {
        let status = answer.unwrap_err();
        if status.code() == Code::ResourceExhausted {
            let refusal = Refusal::of(&status);
            assert_eq!(refusal.reason, "TEST_LIMIT");
            assert_eq!(refusal.particular("max"), PLACES.to_string());
            refusals += 1;
        } else {
            let is_late = [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code());
            assert!(is_late, "{status:?}");
        }
    }
    assert!(refusals >= 200, "{refusals} were refused");
    hanging.until(|open| *open == 0).await;
    let taken = hanging.taken.load(Ordering::SeqCst);
    assert!(taken <= 300 - refusals, "{taken} connections");
    // A caller that goes away takes its test along.
    let call = tokio::spawn({
        let (clients, request) = (server.clients(), request(Duration::from_mins(1)));
        async move { clients.workflows().test_action(request).await }
    });
    hanging.until(|open| *open == 1).await;
    call.abort();
    hanging.until(|open| *open == 0).await;
    // There is room again, and what is due was never without.
    let mut request = request(Duration::from_mins(1));
    request.get_mut().action = "transition.finish.off".into();
    let answer = server.clients().workflows().test_action(request).await;
    let attempt = only(answer.unwrap().into_inner());
    assert_eq!(attempt.outcome(), AttemptOutcome::Accepted);
}
