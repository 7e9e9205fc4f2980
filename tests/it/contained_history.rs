//! An entry of the history that cannot be read, or an order whose workflow is gone: the log tells it by name, and
//! whoever asks for others gets them.

use std::time::Duration;

use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use waymark_proto::v1::{self, WatchStart};
use waymark_testkit::execute_at;
use waymark_tests::{
    Backend, Server, Shop, Watcher, binary,
    watcher::everything_of,
    world::{apply, fresh_code},
};

on_each_database!(
    an_entry_that_cannot_be_read_stops_no_stream,
    an_order_of_a_workflow_that_is_gone_stops_no_list,
);

const PATIENCE: Duration = Duration::from_secs(10);

async fn shop(server: &Server) -> Shop {
    apply(&server.clients(), &fresh_code(), &binary::preset("magento")).await
}

/// Does something to the database while the server is stopped.
async fn meanwhile(server: &mut Server, sql: &str) {
    server.terminate();
    server.ended(PATIENCE).await;
    execute_at(server.database().url(), sql).await;
    server.restart().await;
}

/// The lines of the log that have all of these words.
fn told(server: &Server, words: &[&str]) -> usize {
    let lines = server.log().after(0);
    let is_it = |line: &&String| words.iter().all(|word| line.contains(word));
    lines.iter().filter(is_it).count()
}

async fn is_serving(shop: &Shop) {
    let health = shop.health().check(HealthCheckRequest::default()).await;
    assert_eq!(
        health.unwrap().into_inner().status(),
        ServingStatus::Serving
    );
}

fn from_the_beginning(request: v1::WatchHistoryRequest) -> v1::WatchHistoryRequest {
    v1::WatchHistoryRequest {
        start: WatchStart::Beginning.into(),
        ..request
    }
}

async fn an_entry_that_cannot_be_read_stops_no_stream(backend: Backend) {
    let mut server = Server::start(backend).await;
    let (near, far) = (shop(&server).await, shop(&server).await);
    let mut resumed = Watcher::of(&near).await;
    near.place("good", &[("a", "1")]).await;
    near.place("bad", &[("a", "1")]).await;
    let spoilt = near.comment("bad", "spoilt", "").await.unwrap();
    let position = spoilt.entries[0].log_position.unwrap();
    near.comment("bad", "behind", "").await.unwrap();
    far.place("good", &[("a", "1")]).await;
    let spoil = format!(
        "UPDATE history SET detail = '?' WHERE partition = {} AND log_offset = {}",
        position.partition, position.offset
    );
    meanwhile(&mut server, &spoil).await;
    let (near, far) = (near.over(server.clients()), far.over(server.clients()));

    resumed.resume(&near).await;
    resumed.until(3).await;
    let mut near_all = Watcher::open(&near, from_the_beginning(everything_of(&near))).await;
    near_all.until(3).await;
    let mut far_all = Watcher::open(&far, from_the_beginning(everything_of(&far))).await;
    far_all.until(1).await;
    // The token that these have reached lies behind it, and they go on live.
    near.place("live", &[("a", "1")]).await;
    far.place("live", &[("a", "1")]).await;
    for watcher in [&mut resumed, &mut near_all] {
        watcher.until(4).await;
        assert_eq!(watcher.recording().sequences_of(&near, "bad"), [1, 3]);
        watcher.resume(&near).await;
    }
    far_all.until(2).await;
    near.comment("live", "again", "").await.unwrap();
    for watcher in [&mut resumed, &mut near_all] {
        watcher.until(5).await;
    }
    let all = v1::StreamHistoryRequest {
        workflows: vec![near.workflow()],
        ..Default::default()
    };
    let stream = near.history().stream_history(all).await;
    let (mut stream, mut count) = (stream.unwrap().into_inner(), 0);
    while let Some(message) = stream.message().await.unwrap() {
        count += message.entries.len();
    }
    assert_eq!(count, 5);

    // The history of the order itself does not pretend to be whole; all else about it goes on.
    let alone = v1::WatchHistoryRequest {
        order_ids: vec!["bad".to_owned()],
        ..from_the_beginning(everything_of(&near))
    };
    let mut alone = Watcher::open(&near, alone).await;
    assert_eq!(alone.ended().await.code(), Code::Internal);
    let request = v1::ListHistoryRequest {
        workflow: near.workflow(),
        order_id: "bad".to_owned(),
        ..Default::default()
    };
    let listed = near.history().list_history(request).await;
    assert_eq!(listed.unwrap_err().code(), Code::Internal);
    near.comment("bad", "goes on", "").await.unwrap();
    assert_eq!(near.entries("good").await.len(), 1);
    let lost = ["ERROR", "history entry unreadable", "bad", "detail"];
    assert_eq!(told(&server, &lost), 1);
    assert_eq!(told(&server, &["history poll failed; retrying"]), 0);
    is_serving(&near).await;
}

async fn an_order_of_a_workflow_that_is_gone_stops_no_list(backend: Backend) {
    let mut server = Server::start(backend).await;
    let (here, gone) = (shop(&server).await, shop(&server).await);
    here.place("first", &[("a", "1")]).await;
    gone.place("lost", &[("a", "1")]).await;
    here.place("second", &[("a", "1")]).await;
    let tables = [
        "workflow_versions",
        "assignments",
        "transitions",
        "statuses",
        "states",
    ];
    let code = gone.workflow();
    let parts = tables.map(|table| format!("DELETE FROM {table} WHERE workflow = '{code}'; "));
    let lose = format!(
        "{}DELETE FROM workflows WHERE code = '{code}'",
        parts.concat()
    );
    meanwhile(&mut server, &lose).await;
    let here = here.over(server.clients());

    for page_size in [1, 100] {
        for _ in 0..2 {
            let (mut ids, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = v1::ListOrdersRequest {
                    order_by: "create_time".to_owned(),
                    page_size,
                    page_token,
                    ..Default::default()
                };
                let page = here.orders().list_orders(request).await;
                let page = page.unwrap().into_inner();
                ids.extend(page.orders.into_iter().map(|order| order.id));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            ids.sort();
            assert_eq!(ids, ["first", "second"]);
        }
    }
    let left_out = ["ERROR", "workflow of orders missing", "lost", code.as_str()];
    assert_eq!(told(&server, &left_out), 1);
}
