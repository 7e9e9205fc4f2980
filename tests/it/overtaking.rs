//! Results of a stream of steps: those of one order in turn, those of others as they come.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::timeout;
use tokio_postgres::NoTls;
use waymark_proto::v1::{self, step::Command};
use waymark_tests::{Backend, Server, Shop, World, world};

use crate::bench;

on_each_database!(results_of_one_order_come_in_the_order_of_its_steps);

/// So long may a result take that waits for nobody.
const SOON: Duration = Duration::from_secs(20);

fn remark(shop: &Shop, id: &str, correlation_id: &str) -> v1::StreamStepsRequest {
    v1::StreamStepsRequest {
        correlation_id: correlation_id.to_owned(),
        step: Some(v1::Step {
            command: Some(Command::AddComment(shop.remark(id, correlation_id))),
        }),
    }
}

async fn results_of_one_order_come_in_the_order_of_its_steps(backend: Backend) {
    const STEPS: usize = 2_000;
    const ORDERS: usize = 7;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    // The last of them is not there, and its steps are refused.
    for order in 0..ORDERS - 1 {
        shop.place(&format!("o{order}"), &[]).await;
    }
    let requests: Vec<_> = (0..STEPS)
        .map(|number| remark(&shop, &format!("o{}", number % ORDERS), &number.to_string()))
        .collect();
    let answers = shop.orders().stream_steps(stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let (mut last, mut count) = (BTreeMap::new(), 0);
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        let number: usize = answer.correlation_id.parse().unwrap();
        let order = number % ORDERS;
        assert_eq!(answer.result.unwrap().error.is_some(), order == ORDERS - 1);
        let before = last.insert(order, number);
        assert!(
            before.is_none_or(|before| before + ORDERS == number),
            "{number} comes after {before:?}"
        );
        count += 1;
    }
    assert_eq!(count, STEPS);
}

/// Another session holds the lock of one partition: an order there waits, and its results come in turn when the lock is
/// gone; those of other partitions, and of a step that is about no order, come meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_partition_holds_up_no_other_order() {
    const ORDERS: usize = 24;
    // A committer for each partition, as many connections as they need, and time until the lock is gone.
    let settings = [
        "committers=8",
        "write_connections_max=9",
        "commit_patience=1m",
    ];
    let arguments = settings.iter().flat_map(|it| ["--set", it]);
    let arguments: Vec<&str> = arguments.collect();
    let server = Server::start_with(Backend::Postgres, &arguments).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    let mut partitions = BTreeMap::new();
    for order in 0..ORDERS {
        let id = format!("o{order}");
        shop.place(&id, &[]).await;
        let first = shop.entries(&id).await.remove(0);
        partitions.insert(id, first.log_position.unwrap().partition);
    }
    let locked = partitions["o0"];
    let others: Vec<_> = partitions
        .iter()
        .filter(|(_, partition)| **partition != locked)
        .map(|(id, _)| id.clone())
        .collect();
    assert!(!others.is_empty(), "orders stand in many partitions");

    let (client, connection) = tokio_postgres::connect(server.database().url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let lock = format!("BEGIN; SELECT FROM partitions WHERE partition = {locked} FOR UPDATE");
    client.batch_execute(&lock).await.unwrap();

    let late = ["first", "second", "third"];
    let mut requests: Vec<_> = late.map(|name| remark(&shop, "o0", name)).into();
    requests.extend(others.iter().map(|id| remark(&shop, id, id)));
    requests.push(v1::StreamStepsRequest {
        correlation_id: "unread".to_owned(),
        step: None,
    });
    let answers = shop.orders().stream_steps(stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let mut came = Vec::new();
    for _ in 0..=others.len() {
        let next = timeout(SOON, answers.message()).await;
        let answer = next.expect("a result that waits for no lock");
        came.push(answer.unwrap().unwrap().correlation_id);
    }
    let mut expected = others.clone();
    expected.push("unread".to_owned());
    came.sort_unstable();
    expected.sort_unstable();
    assert_eq!(came, expected);

    client.batch_execute("COMMIT").await.unwrap();
    for name in late {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.correlation_id, name);
        assert_eq!(answer.result.unwrap().error, None);
    }
    assert!(answers.message().await.unwrap().is_none());
}
