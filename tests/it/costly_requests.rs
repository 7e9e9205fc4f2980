//! Requests that cost as much as they can: however many come at once, the server stays small and quick.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use futures::future::join_all;
use tonic::Code;
use waymark_proto::v1::{self, transition_order_request::Target};
use waymark_tests::{
    Backend, Refusal, Server, World,
    attack::request::dense,
    raw,
    refusal::invalid,
    shop::{line, transition},
    world,
};

use crate::bench;

on_each_database!(
    memory_stays_bounded,
    dense_messages_cost_what_they_weigh,
    the_costliest_guard_is_quick,
);

const MIB: usize = 1024 * 1024;

/// Large and malicious requests from many clients at once. What the server may have needed at its worst moment is the
/// size of what was in flight and a little more, not a multiple of what was sent.
async fn memory_stays_bounded(backend: Backend) {
    const GROWTH_MAX_KIB: u64 = 160 * 1024;
    let mut server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    let before = server.process().memory_kib("VmHWM:");
    let lines: Vec<_> = (0..500)
        .map(|number| v1::OrderLine {
            name: "n".repeat(20_000),
            ..line(&format!("l{number}"), "1")
        })
        .collect();
    let bomb = yaml_bomb();
    for _ in 0..5 {
        let storm = (0..8).map(|number| {
            let shop = shop.over(server.clients());
            let order = v1::Order {
                lines: lines.clone(),
                ..shop.draft(&number.to_string(), &[])
            };
            let bomb = shop.document(&bomb, v1::WorkflowFormat::Yaml);
            async move {
                assert!(shop.create(order).await.is_err());
                assert!(
                    shop.comment("1", &"c".repeat(4 * MIB - 1_000), "")
                        .await
                        .is_err()
                );
                invalid(shop.workflows().apply_workflow(bomb).await, "document");
                assert!(
                    raw::call(&shop, "OrderService/CreateOrder", vec![0x0a; 3 * MIB])
                        .await
                        .is_err()
                );
            }
        });
        join_all(storm).await;
    }
    assert!(server.is_running());
    let grown = server.process().memory_kib("VmHWM:") - before;
    assert!(grown < GROWTH_MAX_KIB, "the server grew by {grown} KiB");
    shop.place("1", &[]).await;
}

/// Two bytes for each entry, which are hundreds as a struct: what decoding made a gigabyte of.
async fn dense_messages_cost_what_they_weigh(backend: Backend) {
    const BYTES: usize = 4 * MIB;
    const GROWTH_MAX_KIB: u64 = 96 * 1024;
    let mut server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    shop.place("1", &[]).await;
    let before = server.process().memory_kib("VmHWM:");
    let messages = [
        ("OrderService/ExecuteSteps", "steps"),
        ("OrderService/CreateOrder", "order.lines"),
        ("OrderService/RecordOperation", "lines"),
        ("TransitionService/CreateTransition", "transition.actions"),
        ("OrderService/ListOrders", "filter.ids"),
        ("HistoryService/WatchHistory", "order_ids"),
    ]
    .map(|(method, field)| (method, field, dense(method, field, BYTES - 16)));
    for _ in 0..3 {
        let storm = messages.iter().map(|(method, field, message)| {
            let shop = shop.over(server.clients());
            async move {
                let refused = raw::call(&shop, method, message.clone()).await;
                let refusal = Refusal::of(&refused.unwrap_err());
                assert_eq!(refusal.code, Code::InvalidArgument, "{method}: {refusal:?}");
                refusal.names(field);
            }
        });
        join_all(storm).await;
    }
    let grown = server.process().memory_kib("VmHWM:") - before;
    assert!(grown < GROWTH_MAX_KIB, "the server grew by {grown} KiB");
    assert!(server.is_running());
    assert_eq!(shop.get("1").await.version, 1);
}

/// A billion laughs: ten levels, each ten times the one below.
fn yaml_bomb() -> String {
    let mut bomb = String::from("a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n");
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        let list = vec![below; 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{list}]").unwrap();
    }
    bomb
}

async fn the_costliest_guard_is_quick(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    // As much as is accepted: clause by clause until it is refused.
    let clause = "order.lines.all(l, l.quantity_ordered > 0.0)";
    let mut accepted = 0;
    for count in 1..=20 {
        let guard = vec![clause; count].join(" && ");
        let wanted = v1::Transition {
            guard,
            ..transition(&format!("t{count}"), &["start"], "work")
        };
        match shop.create_transition(wanted).await {
            Ok(_) => accepted = count,
            Err(status) => {
                Refusal::of(&status).names("transition.guard");
                break;
            }
        }
    }
    assert!(accepted > 0, "one loop over the lines is allowed");
    let lines = (0..500)
        .map(|number| line(&format!("l{number}"), "1"))
        .collect();
    shop.create(v1::Order {
        lines,
        ..shop.draft("1", &[])
    })
    .await
    .unwrap();
    let begun = Instant::now();
    shop.go("1", Target::Transition(format!("t{accepted}")))
        .await
        .unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?} for {accepted} loops over 500 lines",
        begun.elapsed()
    );
}
