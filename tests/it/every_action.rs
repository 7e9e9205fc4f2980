//! Each kind of action at each place, from one document: what is written with the step, and what a receiver of webhooks,
//! a mail server and a NATS server got.

use std::{collections::BTreeMap, time::Duration};

use async_nats::jetstream::{self, message::StreamMessage, stream::Stream};
use serde_json::{Value, json};
use tempfile::TempDir;
use waymark_proto::v1::{self, DeliveryState, EntryKind, transition_order_request::Target};
use waymark_testkit::{nats::Nats, smtp::Smtp, standard_webhooks};
use waymark_tests::{
    Backend, Server, Shop, ledger,
    receiver::{Hook, Receiver},
    turning,
    world::apply,
};

on_each_database!(
    every_action_at_every_place,
    events_are_stored_once_although_the_server_is_killed,
);

/// The places of actions: the name, what is the code of the further step there, and a condition that holds.
const PLACES: [(&str, &str, &str); 6] = [
    (
        "create",
        "after_create",
        "entry.kind == 'created' && entry.sequence == 1",
    ),
    ("comment", "after_comment", "entry.comment == 'tell'"),
    (
        "leave.new",
        "after_leave",
        "entry.from_state == 'new' && entry.status_changed",
    ),
    (
        "transition.begin",
        "after_transition",
        "entry.transition == 'begin' && entry.notify_customer",
    ),
    (
        "operation.pay",
        "after_operation",
        "entry.operation == 'pay' && entry.amount == 500",
    ),
    ("enter.work", "after_enter", "entry.to_status == 'busy'"),
];

/// An action of each kind, whose names are in the order in which they are done, and one that never is.
fn actions(place: &str) -> String {
    let (path, step, condition) = PLACES.iter().find(|known| known.0 == place).unwrap();
    format!(
        "{{a_hook: {{webhook: {{endpoint: erp}}, condition: \"{condition}\"}}, \
         b_mail: {{email: {{template: order_update}}, condition: \"{condition}\"}}, \
         c_event: {{publish: {{subject: 'orders.{path}.{{{{ entry.to_status }}}}'}}, condition: \"{condition}\"}}, \
         d_note: {{comment: {{text: 'at {path}: {{{{ entry.sequence }}}}'}}, condition: \"{condition}\"}}, \
         e_mark: {{set_attributes: {{{path}: '{{{{ entry.sequence }}}}'}}, condition: \"{condition}\"}}, \
         f_step: {{transition: {step}, condition: \"{condition}\"}}, \
         g_never: {{webhook: {{endpoint: erp}}, condition: entry.sequence == 0}}}}"
    )
}

fn document() -> String {
    let step = |code: &str, state: &str, status: &str| {
        format!(
            "  {code}: {{label: Then, from_statuses: [{status}], to_state: {state}, to_status: {status}}}\n"
        )
    };
    let early = ["after_create", "after_comment"].map(|code| step(code, "new", "fresh"));
    let late = [
        "after_leave",
        "after_transition",
        "after_operation",
        "after_enter",
    ];
    let late = late.map(|code| step(code, "work", "busy"));
    format!(
        "label: Shop
initial_state: new
statuses: {{fresh: {{label: Fresh}}, busy: {{label: Busy}}}}
on_create: {create}
on_comment: {comment}
operations:
  pay: {{label: Pay, effect: pay, actions: {pay}}}
states:
  new: {{label: New, category: initial, can_start: true, statuses: [fresh], on_leave: {leave}}}
  work: {{label: Work, category: active, operations: [pay], statuses: [busy], on_enter: {enter}}}
transitions:
  begin: {{label: Begin, from_states: [new], to_state: work, actions: {begin}}}
{early}{late}",
        create = actions("create"),
        comment = actions("comment"),
        pay = actions("operation.pay"),
        leave = actions("leave.new"),
        enter = actions("enter.work"),
        begin = actions("transition.begin"),
        early = early.concat(),
        late = late.concat(),
    )
}

/// A Waymark that may tell this machine.
async fn server(backend: Backend, settings: &[String]) -> Server {
    let usual = [
        "webhooks_allowed=127.0.0.0/8",
        "dispatch_lease=500ms",
        "dispatch_poll=50ms",
    ];
    let settings = settings.iter().map(String::as_str);
    let arguments: Vec<&str> = usual
        .into_iter()
        .chain(settings)
        .flat_map(|setting| ["--set", setting])
        .collect();
    Server::start_with(backend, &arguments).await
}

/// A stream of a NATS server that takes what is published under `orders`.
async fn stream(nats: &Nats) -> Stream {
    let client = async_nats::connect(nats.address()).await.unwrap();
    let wanted = jetstream::stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        ..Default::default()
    };
    let context = jetstream::new(client);
    context.get_or_create_stream(wanted).await.unwrap()
}

/// All that the stream holds.
async fn stored(stream: &mut Stream) -> Vec<StreamMessage> {
    let count = stream.info().await.unwrap().state.messages;
    let mut messages = Vec::new();
    for sequence in 1..=count {
        messages.push(stream.get_raw_message(sequence).await.unwrap());
    }
    messages
}

fn event(message: &StreamMessage) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

fn delivery_of(body: &Value) -> String {
    body["data"]["deliveryId"].as_str().unwrap().to_owned()
}

/// Walks an order past all places; gives the entries that each call wrote.
async fn walk(shop: &Shop) -> Vec<Vec<v1::HistoryEntry>> {
    let order = v1::Order {
        customer: Some(v1::Customer {
            email: "anna@home.example".into(),
            ..Default::default()
        }),
        ..shop.draft("1", &[("tea", "1")])
    };
    let create = v1::CreateOrderRequest {
        order: Some(order),
        notify_customer: true,
        ..Default::default()
    };
    let created = shop.orders().create_order(create).await.unwrap();
    let comment = v1::AddCommentRequest {
        notify_customer: true,
        ..shop.remark("1", "tell")
    };
    let said = shop.orders().add_comment(comment).await.unwrap();
    let hushed = shop.comment("1", "hush", "").await.unwrap();
    let step = v1::TransitionOrderRequest {
        notify_customer: true,
        ..shop.step("1", Target::Transition("begin".into()))
    };
    let begun = shop.orders().transition_order(step).await.unwrap();
    let pay = v1::RecordOperationRequest {
        notify_customer: true,
        amount_only: true,
        amount: Some(500),
        ..shop.operation("1", "pay", &[])
    };
    let paid = shop.orders().record_operation(pay).await.unwrap();
    vec![
        created.into_inner().entries,
        said.into_inner().entries,
        hushed.entries,
        begun.into_inner().entries,
        paid.into_inner().entries,
    ]
}

/// Checks what a call wrote: its own entry, and with it what the actions of these places write and send.
fn check_batch(entries: &[v1::HistoryEntry], places: &[&str]) {
    let (first, added) = entries.split_first().unwrap();
    let sent: Vec<_> = first
        .set_off
        .iter()
        .map(|sent| {
            (
                sent.action.clone(),
                sent.kind.as_str(),
                sent.destination.as_str(),
            )
        })
        .collect();
    let wanted: Vec<_> = places
        .iter()
        .flat_map(|place| {
            [
                (format!("{place}.a_hook"), "webhook", "erp"),
                (format!("{place}.b_mail"), "email", "customer"),
                (format!("{place}.c_event"), "publish", ""),
            ]
        })
        .collect();
    assert_eq!(sent, wanted);
    let written: Vec<_> = added
        .iter()
        .map(|entry| {
            let said = if entry.comment.is_empty() {
                entry.transition.clone()
            } else {
                entry.comment.clone()
            };
            (entry.metadata["waymark.action"].clone(), entry.kind(), said)
        })
        .collect();
    let wanted: Vec<_> = places
        .iter()
        .flat_map(|place| {
            let step = PLACES.iter().find(|known| known.0 == *place).unwrap().1;
            let note = format!("at {place}: {}", first.sequence);
            [
                (format!("{place}.d_note"), EntryKind::Commented, note),
                (format!("{place}.e_mark"), EntryKind::Updated, String::new()),
                (
                    format!("{place}.f_step"),
                    EntryKind::Transitioned,
                    step.to_owned(),
                ),
            ]
        })
        .collect();
    assert_eq!(written, wanted);
    // One batch: side by side in the log, written at once, and each names its cause.
    let place = |entry: &v1::HistoryEntry| entry.log_position.unwrap();
    for (before, entry) in entries.iter().zip(added) {
        assert_eq!(place(entry).partition, place(before).partition);
        assert_eq!(place(entry).offset, place(before).offset + 1);
        assert_eq!(entry.create_time, first.create_time);
        assert_eq!((first.caused_by, entry.caused_by), (0, first.sequence));
        assert_eq!(entry.set_off, []);
    }
}

/// The deliveries of a kind in their order, each with its id and the action that wants it.
fn of_kind(entries: &[v1::HistoryEntry], kind: &str) -> Vec<(String, String)> {
    let set_off = entries.iter().flat_map(|entry| &entry.set_off);
    set_off
        .filter(|sent| sent.kind == kind)
        .map(|sent| (sent.delivery_id.clone(), sent.action.clone()))
        .collect()
}

/// The signature of a hook as the libraries of receivers want it.
fn signed(hook: &Hook, secret: &str) -> Value {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: Value = names
        .iter()
        .map(|name| (*name, hook.header(name)))
        .collect();
    json!({"secret": secret, "body": hook.text, "headers": headers})
}

async fn every_action_at_every_place(backend: Backend) {
    let (smtp, folder) = (Smtp::start(&[]), TempDir::new().unwrap());
    let nats = Nats::start(&folder, 0, &[]);
    let mut stream = stream(&nats).await;
    let receiver = Receiver::start(|_, _| 200).await;
    let settings = [
        "smtp_host=127.0.0.1".to_owned(),
        format!("smtp_port={}", smtp.port),
        "smtp_security=none".to_owned(),
        "mail_general=Shop <shop@shop.example>".to_owned(),
        format!("nats_servers={}", nats.address()),
    ];
    let server = server(backend, &settings).await;
    let clients = server.clients();
    let created = ledger::create_endpoint(&clients, "erp", &receiver.url("erp")).await;
    let secret = created.unwrap();
    let shop = apply(&clients, "w", &document()).await;

    let batches = walk(&shop).await;
    check_batch(&batches[0], &["create"]);
    check_batch(&batches[1], &["comment"]);
    check_batch(&batches[2], &[]);
    check_batch(
        &batches[3],
        &["leave.new", "transition.begin", "enter.work"],
    );
    check_batch(&batches[4], &["operation.pay"]);
    let entries = shop.entries("1").await;
    assert_eq!(entries, batches.concat());
    let cause = |place: &str| {
        let actions = |entry: &&v1::HistoryEntry| {
            let set_off = entry.set_off.iter();
            set_off
                .map(|sent| &sent.action)
                .any(|action| action.starts_with(place))
        };
        entries.iter().find(actions).unwrap().sequence.to_string()
    };
    let marks = PLACES.map(|(place, ..)| (place.to_owned(), cause(place)));
    assert_eq!(shop.get("1").await.attributes, marks.into());

    let all = entries.iter().flat_map(|entry| &entry.set_off);
    for sent in all {
        ledger::until(&shop, &sent.delivery_id, DeliveryState::Succeeded).await;
    }
    let hooks = receiver.hooks();
    let told = hooks.iter().map(|hook| {
        let action = hook.body["data"]["action"].as_str().unwrap();
        (delivery_of(&hook.body), action.to_owned())
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, of_kind(&entries, "webhook"), "each once, and in turn");
    let cases: Vec<_> = hooks.iter().map(|hook| signed(hook, &secret)).collect();
    assert_eq!(standard_webhooks::python_verifies(&cases), [true; 6]);
    let wrong = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let cases: Vec<_> = hooks.iter().map(|hook| signed(hook, wrong)).collect();
    assert_eq!(standard_webhooks::python_verifies(&cases), [false; 6]);

    let mut mailed = Vec::new();
    for _ in 0..6 {
        let mail = smtp.mail();
        assert_eq!(mail["recipients"], json!(["anna@home.example"]));
        let mut headers = mail["headers"].as_array().unwrap().iter();
        let id = headers.find(|header| header[0] == "X-Waymark-Delivery");
        let id = id.unwrap()[1].as_str().unwrap();
        mailed.push(id.rsplit('_').next().unwrap().to_owned());
    }
    assert!(smtp.has_no_more());
    let wanted = of_kind(&entries, "email").into_iter().map(|(id, _)| id);
    assert_eq!(mailed, wanted.collect::<Vec<_>>());

    let events = stored(&mut stream).await;
    let published: Vec<_> = events
        .iter()
        .map(|message| (delivery_of(&event(message)), message.subject.to_string()))
        .collect();
    let wanted: Vec<_> = of_kind(&entries, "publish")
        .into_iter()
        .map(|(id, action)| {
            let place = action.trim_end_matches(".c_event");
            let is_early = ["create", "comment"].contains(&place);
            let status = if is_early { "fresh" } else { "busy" };
            (id, format!("orders.{place}.{status}"))
        })
        .collect();
    assert_eq!(published, wanted, "each event once, and in turn");
    for message in &events {
        let id = message.headers.get("Nats-Msg-Id").unwrap().as_str();
        assert!(id.ends_with(&delivery_of(&event(message))), "{id}");
    }
}

async fn events_are_stored_once_although_the_server_is_killed(backend: Backend) {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    let mut stream = stream(&nats).await;
    let settings = [format!("nats_servers={}", nats.address())];
    let mut server = server(backend, &settings).await;
    let tell = "{tell: {publish: {subject: 'orders.{{ order.id }}'}, attempts: 50, backoff: 10ms}}";
    let document = turning::document([("turn", tell)]);
    let mut shop = apply(&server.clients(), "w", &document).await;
    let mut ids = Vec::new();
    for kill in 0..4 {
        for number in 0..5 {
            let order = format!("o{kill}_{number}");
            shop.place(&order, &[]).await;
            for _ in 0..4 {
                let turned = shop.take(&order, "turn").await.unwrap();
                ids.push(turned.entries[0].set_off[0].delivery_id.clone());
            }
        }
        // Some have come, and not all.
        let before = u64::try_from(ids.len()).unwrap() - 20;
        while stream.info().await.unwrap().state.messages <= before {
            tokio::task::yield_now().await;
        }
        server.kill();
        server.ended(Duration::from_secs(10)).await;
        server.restart().await;
        shop = shop.over(server.clients());
    }
    for id in &ids {
        ledger::until(&shop, id, DeliveryState::Succeeded).await;
    }
    let events = stored(&mut stream).await;
    let mut published: Vec<_> = events
        .iter()
        .map(|message| delivery_of(&event(message)))
        .collect();
    published.sort();
    ids.sort();
    assert_eq!(published, ids, "each event once");
    let mut turns: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for message in &events {
        let sequence = event(message)["data"]["entry"]["sequence"].clone();
        let sequence = sequence.as_str().unwrap().parse().unwrap();
        turns
            .entry(message.subject.to_string())
            .or_default()
            .push(sequence);
    }
    assert!(
        turns.values().all(|turns| *turns == [2, 3, 4, 5]),
        "{turns:?}"
    );
}
