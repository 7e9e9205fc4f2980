//! Ids of orders as shops have them, with every sign that means something to somebody on the way. Each is one order
//! wherever it is asked for, and arrives outside as it is.

use std::collections::BTreeSet;

use async_nats::jetstream::{self, stream::Stream};
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;
use waymark_proto::v1::{self, DeliveryState, DiagramFormat};
use waymark_testkit::{nats::Nats, smtp::Smtp};
use waymark_tests::{
    Backend, Server, Shop, Watcher, World, binary, feed_reader, ledger, receiver::Receiver,
    refused, world::apply,
};

use crate::{
    drawing::draw,
    tracking::{create, tell, token},
};

on_each_database!(
    an_id_is_one_order_wherever_it_is_asked_for,
    the_command_line_takes_an_id_as_it_is,
    an_id_arrives_outside_as_it_is,
);

const IDS: [&str; 8] = [
    "2026/0001",
    "#1001",
    "A&B?x=1",
    "..",
    "a.*",
    "50%\"off\"",
    "<id>",
    "%2e%2e",
];

/// What these would be if they were patterns, paths, queries or escapes.
const NEIGHBOURS: [&str; 7] = ["2026", "0001", "1001", "A&B", ".", "a.b", "50"];

async fn listed(shop: &Shop, ids: &[&str]) -> BTreeSet<String> {
    let request = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::OrderFilter {
            ids: ids.iter().map(ToString::to_string).collect(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = shop.orders().list_orders(request).await.unwrap();
    let orders = answer.into_inner().orders.into_iter();
    orders.map(|order| order.id).collect()
}

/// The history of an order as a stream gives it.
async fn streamed(shop: &Shop, id: &str) -> Vec<v1::HistoryEntry> {
    let request = v1::StreamHistoryRequest {
        workflows: vec![shop.workflow()],
        order_ids: vec![id.to_owned()],
        ..Default::default()
    };
    let answer = shop.history().stream_history(request).await.unwrap();
    let mut stream = answer.into_inner();
    let mut entries = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        entries.extend(message.entries);
    }
    entries
}

/// Places an order and takes it some steps on.
async fn live(shop: &Shop, id: &str) -> v1::Order {
    assert_eq!(shop.place(id, &[("tea", "2")]).await.id, id);
    shop.comment(id, "said", "").await.unwrap();
    shop.record(id, "pay", &[]).await.unwrap();
    shop.hold(id, "wait").await.unwrap();
    shop.release(id, "").await.unwrap();
    shop.get(id).await
}

async fn an_id_is_one_order_wherever_it_is_asked_for(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let mut watcher = Watcher::of(&shop).await;
    for id in NEIGHBOURS {
        shop.place(id, &[]).await;
    }
    let ordinary = live(&shop, "ordinary").await;
    for id in IDS {
        let order = live(&shop, id).await;
        assert_eq!(
            (order.id.as_str(), order.version),
            (id, ordinary.version),
            "{id}"
        );
        assert_eq!(listed(&shop, &[id]).await, [id.to_owned()].into());
        let entries = shop.entries(id).await;
        assert!(entries.iter().all(|entry| entry.order_id == id), "{id}");
        assert_eq!(streamed(&shop, id).await, entries, "{id}");
        watcher.until_sequence(id, order.version).await;
        refused(
            shop.create(shop.draft(id, &[])).await,
            Code::AlreadyExists,
            "ORDER_EXISTS",
        );

        let request = v1::GetTrackingRequest {
            token: token(&shop, id).await,
            ..Default::default()
        };
        let tracking = shop.tracking().get_tracking(request).await.unwrap();
        assert_eq!(tracking.into_inner().tracking.unwrap().order_id, id);
        for format in [
            DiagramFormat::Mermaid,
            DiagramFormat::Dot,
            DiagramFormat::Svg,
        ] {
            let drawn = draw(&shop, format, id, false).await.unwrap();
            let usual = draw(&shop, format, "ordinary", false).await.unwrap();
            assert_eq!(drawn, usual, "{id}");
        }
    }
    for id in NEIGHBOURS {
        assert_eq!(shop.get(id).await.version, 1, "{id}");
    }
    let all = IDS.iter().chain(&NEIGHBOURS).chain(&["ordinary"]);
    let all: BTreeSet<_> = all.map(ToString::to_string).collect();
    assert_eq!(listed(&shop, &[]).await, all);
}

async fn the_command_line_takes_an_id_as_it_is(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    for id in NEIGHBOURS.iter().chain(&IDS) {
        shop.place(id, &[]).await;
        shop.comment(id, "said", "").await.unwrap();
    }
    let server = format!("http://{}", world.server().address());
    let workflow = shop.workflow();
    let source = format!("workflow:{workflow}");
    for id in IDS {
        let order = format!("--order={id}");
        let watch = [
            "watch",
            "--from",
            "beginning",
            "--until-now",
            "--workflow",
            &workflow,
            &order,
            "--server",
            &server,
        ];
        let entries = said(&watch);
        let orders: Vec<_> = entries
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["orderId"].clone())
            .collect();
        assert_eq!(orders, [id, id], "{entries}");
        let diagram = [
            "workflow",
            "diagram",
            &source,
            &order,
            "--language",
            "svg",
            "--server",
            &server,
        ];
        let drawn = draw(&shop, DiagramFormat::Svg, id, false).await.unwrap();
        assert_eq!(said(&diagram).trim_end(), drawn.trim_end(), "{id}");
    }
}

/// What a command prints that must succeed.
fn said(arguments: &[&str]) -> String {
    let output = binary::run(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Orders that tell everybody when they are placed; one event goes to a subject of the order's own.
const TELLING: &str = "label: Shop
initial_state: new
statuses: {open: {label: Open}}
states: {new: {label: New, category: initial, can_start: true, statuses: [open]}}
on_create:
  a_hook: {webhook: {endpoint: erp}}
  b_mail: {email: {template: new_order, customer: always}}
  c_event: {publish: {subject: orders.all}}
  d_event: {publish: {subject: 'orders.of.{{ order.id }}'}}
";

/// Whether NATS has a subject that ends in an id.
fn makes_a_subject(id: &str) -> bool {
    !id.contains(['*', '>']) && !id.split('.').any(str::is_empty)
}

async fn an_id_arrives_outside_as_it_is(backend: Backend) {
    let (smtp, folder) = (Smtp::start(&[]), TempDir::new().unwrap());
    let nats = Nats::start(&folder, 0, &[]);
    let mut stream = stream(&nats).await;
    let receiver = Receiver::start(|_, _| 200).await;
    let settings = [
        "smtp_host=127.0.0.1",
        &format!("smtp_port={}", smtp.port),
        "smtp_security=none",
        "mail_general=Shop <shop@shop.example>",
        &format!("nats_servers={}", nats.address()),
        "webhooks_allowed=127.0.0.0/8",
        "feeds_listen=127.0.0.1:0",
        "dispatch_lease=500ms",
        "dispatch_poll=50ms",
    ];
    let arguments: Vec<&str> = settings.iter().flat_map(|it| ["--set", it]).collect();
    let server = Server::start_with(backend, &arguments).await;
    let clients = server.clients();
    let created = ledger::create_endpoint(&clients, "erp", &receiver.url("erp")).await;
    created.unwrap();
    let shop = apply(&clients, "w", TELLING).await;
    let mut published = Vec::new();
    for id in IDS {
        let order = v1::Order {
            customer: Some(v1::Customer {
                email: "anna@home.example".into(),
                ..Default::default()
            }),
            ..shop.draft(id, &[("tea", "1")])
        };
        let created = shop.create(order).await.unwrap();
        let [hook, mail, everybody, own] = created.entries[0].set_off.as_slice() else {
            panic!("four are told: {created:?}");
        };
        for sent in [hook, mail, everybody] {
            ledger::until(&shop, &sent.delivery_id, DeliveryState::Succeeded).await;
        }
        // As a header of CloudEvents has it.
        let subject = id.replace('%', "%25").replace('"', "%22");

        let hooks = receiver.hooks();
        let hook = hooks.iter().find(|hook| hook.order() == id).unwrap();
        assert_eq!(hook.body["data"]["entry"]["orderId"], id);
        assert_eq!(hook.header("ce-subject"), subject);

        let mail = smtp.mail();
        let mut headers = mail["headers"].as_array().unwrap().iter();
        let title = headers.find(|header| header[0] == "Subject").unwrap();
        assert_eq!(title[1], format!("Your order {id}"));

        published.push(("orders.all".to_owned(), subject.clone(), id));
        if makes_a_subject(id) {
            ledger::until(&shop, &own.delivery_id, DeliveryState::Succeeded).await;
            published.push((format!("orders.of.{id}"), subject, id));
        } else {
            let given_up = ledger::until(&shop, &own.delivery_id, DeliveryState::Dead).await;
            assert!(
                given_up.problem.contains("a subject of NATS"),
                "{given_up:?}"
            );
        }
        let of_order = deliveries(&shop, id).await;
        assert_eq!(of_order.len(), 4, "{of_order:?}");
        assert!(of_order.iter().all(|delivery| delivery.order_id == id));
        check_feeds(&shop, id).await;
    }
    assert_eq!(receiver.hooks().len(), IDS.len());
    assert!(smtp.has_no_more());

    let count = stream.info().await.unwrap().state.messages;
    let mut came = Vec::new();
    for sequence in 1..=count {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let subject = message.headers.get("ce-subject").unwrap().to_string();
        let body: Value = serde_json::from_slice(&message.payload).unwrap();
        let id = body["data"]["order"]["id"].as_str().unwrap().to_owned();
        came.push((message.subject.to_string(), subject, id));
    }
    let published = published.into_iter();
    let published: Vec<_> = published
        .map(|(subject, about, id)| (subject, about, id.to_owned()))
        .collect();
    assert_eq!(came, published);
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

async fn deliveries(shop: &Shop, id: &str) -> Vec<v1::Delivery> {
    let request = v1::ListDeliveriesRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::DeliveryFilter {
            order_ids: vec![id.to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = shop.deliveries().list_deliveries(request).await.unwrap();
    answer.into_inner().deliveries
}

/// Both feeds of an order name it in their titles.
async fn check_feeds(shop: &Shop, id: &str) {
    tell(shop, id, "We have it").await;
    let url = create(shop, id).await.feed_url;
    for url in [url.clone(), format!("{url}.atom")] {
        let feed = feed_reader::read(&url, "", "");
        assert!(feed.well_formed, "{feed:?}");
        assert_eq!(feed.title, format!("{id}: Open"));
        assert_eq!(feed.entries.len(), 1, "{feed:?}");
    }
}
