//! A clock that was ahead and is put right under a running server: entries stay where they are, and
//! nothing else waits for the clock to get there again.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};
use tonic::transport::Channel;
use waymark_domain::value::Timestamp;
use waymark_persistence::{Clock, ManualClock};
use waymark_proto::v1::{
    self, endpoint_service_client::EndpointServiceClient, order_service_client::OrderServiceClient,
    workflow_service_client::WorkflowServiceClient,
};

use crate::running::{Running, start_by};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// How long something may take that is due, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_secs(30);

const DOCUMENT: &str = "
workflow: clock
label: Clock
initial_state: open
statuses: {fresh: {label: Fresh}, gone: {label: Gone}, held: {label: Held}}
states:
  open: {label: Open, category: initial, can_start: true, holdable: true, statuses: [fresh]}
  gone: {label: Gone, category: canceled, terminal: true, statuses: [gone]}
  held: {label: Held, category: held, statuses: [held]}
on_comment: {tell: {webhook: {endpoint: erp}}}
transitions:
  expire: {label: Expire, from_statuses: [fresh], to_state: gone, trigger: {after: 2s}}
";

/// Answers every webhook, and tells that it came.
async fn receiver() -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 65_536];
                // A webhook of these tests comes at once.
                if stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let _ = stream.write_all(answer).await;
                    let _ = tell.send(());
                }
            });
        }
    });
    (url, told)
}

struct Scene {
    // It goes with the test.
    _directory: tempfile::TempDir,
    server: Running,
    time: ManualClock,
    hooks: mpsc::UnboundedReceiver<()>,
}

/// A server whose clock is an hour ahead.
async fn scene() -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(Timestamp::from_micros(START + HOUR));
    let more = [
        ("webhooks_allowed", "127.0.0.0/8"),
        ("dispatch_poll", "20ms"),
    ];
    let server = start_by(directory.path(), &more, clock).await;
    let channel = server.channel().await;
    let (url, hooks) = receiver().await;
    let endpoint = v1::Endpoint {
        code: "erp".to_owned(),
        url,
        ..v1::Endpoint::default()
    };
    let request = v1::CreateEndpointRequest {
        endpoint: Some(endpoint),
        ..v1::CreateEndpointRequest::default()
    };
    let mut endpoints = EndpointServiceClient::new(channel.clone());
    endpoints.create_endpoint(request).await.unwrap();
    let request = v1::ApplyWorkflowRequest {
        document: DOCUMENT.to_owned(),
        ..v1::ApplyWorkflowRequest::default()
    };
    let mut workflows = WorkflowServiceClient::new(channel);
    workflows.apply_workflow(request).await.unwrap();
    Scene {
        _directory: directory,
        server,
        time,
        hooks,
    }
}

type Orders = OrderServiceClient<Channel>;

async fn place(orders: &mut Orders, id: &str) -> v1::Order {
    let order = v1::Order {
        workflow: "clock".to_owned(),
        id: id.to_owned(),
        ..v1::Order::default()
    };
    let request = v1::CreateOrderRequest {
        order: Some(order),
        ..v1::CreateOrderRequest::default()
    };
    let placed = orders.create_order(request).await.unwrap();
    placed.into_inner().order.unwrap()
}

async fn say(orders: &mut Orders, id: &str) {
    let request = v1::AddCommentRequest {
        workflow: "clock".to_owned(),
        order_id: id.to_owned(),
        comment: "x".to_owned(),
        ..v1::AddCommentRequest::default()
    };
    orders.add_comment(request).await.unwrap();
}

async fn get(orders: &mut Orders, id: &str) -> v1::Order {
    let request = v1::GetOrderRequest {
        workflow: "clock".to_owned(),
        order_id: id.to_owned(),
        ..v1::GetOrderRequest::default()
    };
    orders
        .get_order(request)
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap()
}

/// Waits until an order is as a test wants it.
async fn until(orders: &mut Orders, id: &str, is_so: impl Fn(&v1::Order) -> bool) -> v1::Order {
    let reached = async {
        loop {
            let order = get(orders, id).await;
            if is_so(&order) {
                return order;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages may be absent")]
fn instant(micros: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: micros / SECOND,
        nanos: i32::try_from(micros % SECOND * 1_000).unwrap(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_ahead_delays_nothing_once_it_is_right() {
    let mut scene = scene().await;
    let mut orders = scene.server.orders().await;
    let mut hook = async || {
        timeout(PATIENCE, scene.hooks.recv())
            .await
            .unwrap()
            .unwrap();
    };
    let old = place(&mut orders, "old").await;
    assert_eq!(old.due_time, instant(START + HOUR + 2 * SECOND));
    say(&mut orders, "old").await;
    hook().await;

    scene.time.set(Timestamp::from_micros(START));
    // A webhook of a step by the right clock goes out at once, though its entry is ahead of it.
    say(&mut orders, "old").await;
    hook().await;
    let said = get(&mut orders, "old").await;
    assert_eq!(said.update_time, instant(START + HOUR));
    assert_eq!(said.due_time, instant(START + 2 * SECOND));
    // Holds and new orders go by the right clock.
    place(&mut orders, "held").await;
    let request = v1::HoldOrderRequest {
        workflow: "clock".to_owned(),
        order_id: "held".to_owned(),
        expire_time: instant(START + 3 * SECOND),
        ..v1::HoldOrderRequest::default()
    };
    orders.hold_order(request).await.unwrap();
    let new = place(&mut orders, "new").await;
    assert_eq!(new.due_time, instant(START + 2 * SECOND));
    scene
        .time
        .set(Timestamp::from_micros(START + 2 * SECOND - 1));
    say(&mut orders, "new").await;
    hook().await;
    assert_eq!(get(&mut orders, "new").await.status, "fresh");
    scene.time.advance(Duration::from_micros(1));
    for id in ["old", "new"] {
        let gone = until(&mut orders, id, |order| order.status == "gone").await;
        assert_eq!(gone.update_time, instant(START + HOUR));
    }
    scene.time.advance(Duration::from_secs(1));
    until(&mut orders, "held", |order| order.holds.is_empty()).await;
    scene.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_began_under_a_clock_ahead_is_put_right_by_itself() {
    let scene = scene().await;
    let mut orders = scene.server.orders().await;
    place(&mut orders, "1").await;
    scene.time.set(Timestamp::from_micros(START));
    // Nobody does anything: an entry without changes says since when it waits.
    let right = until(&mut orders, "1", |order| order.version == 2).await;
    assert_eq!(
        (right.status.as_str(), right.due_time),
        ("fresh", instant(START + 2 * SECOND))
    );
    scene.time.advance(Duration::from_secs(2));
    until(&mut orders, "1", |order| order.status == "gone").await;
    let entries = scene.server.everything().await;
    let kinds: Vec<_> = entries.iter().map(v1::HistoryEntry::kind).collect();
    assert_eq!(
        kinds,
        [
            v1::EntryKind::Created,
            v1::EntryKind::Updated,
            v1::EntryKind::Transitioned
        ]
    );
    let ahead = |entry: &v1::HistoryEntry| entry.metadata.get("waymark.ahead_micros").cloned();
    assert_eq!(ahead(&entries[0]), None);
    assert_eq!(ahead(&entries[1]), Some(HOUR.to_string()));
    scene.server.stop().await;
}
