//! Reads of many bodies beside single ones.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use waymark_persistence::{Error, OrderQuery, Store, test_access};

use crate::{
    Fixture,
    build::{all, create, create_for, done, order_id, order_workflow},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Takes all connections of a store that read, until the senders are dropped.
async fn take_all(
    store: &Store,
    count: usize,
) -> Vec<(oneshot::Sender<()>, JoinHandle<Result<(), Error>>)> {
    let mut held = Vec::new();
    for _ in 0..count {
        let (go, wait) = oneshot::channel::<()>();
        let (reading, is_reading) = oneshot::channel();
        let store = store.clone();
        let until = async move { drop(wait.await) };
        let task =
            tokio::spawn(async move { test_access::read_and_wait(&store, reading, until).await });
        timeout(PATIENCE, is_reading).await.unwrap().unwrap();
        held.push((go, task));
    }
    held
}

pub async fn reads_of_many_bodies_leave_connections_to_single_ones(fixture: &Fixture) {
    let store = &fixture.store;
    let bulk = store.for_bulk();
    done(store, create("A-1")).await;
    let held = take_all(&bulk, fixture.settings.read_connections_max / 2).await;
    let (workflow, id) = (order_workflow(), order_id("A-1"));
    let found = timeout(PATIENCE, store.find_order(&workflow, &id)).await;
    assert!(found.unwrap().unwrap().is_some());
    timeout(PATIENCE, store.ping()).await.unwrap().unwrap();
    // What waits for its turn gets it when another has ended.
    let waiting = tokio::spawn(async move {
        let query = OrderQuery::default();
        bulk.list_orders(&query, None, 10).await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    for (go, task) in held {
        drop(go);
        timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
    }
    let page = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(page.orders.len(), 1);
}

pub async fn a_list_that_searches_lets_others_through(fixture: &Fixture) {
    const ORDERS: usize = 3_000;
    let store = &fixture.store;
    let steps = (0..ORDERS).map(|number| create_for(&format!("N-{number:05}"), "c-1", "web"));
    assert!(all(store, steps.collect()).await.iter().all(Result::is_ok));
    let searching = || {
        let bulk = store.for_bulk();
        tokio::spawn(async move {
            let channel = ("channel".to_owned(), "nowhere".to_owned());
            let query = OrderQuery {
                attributes: BTreeMap::from([channel]),
                ..OrderQuery::default()
            };
            bulk.list_orders(&query, None, 1_000).await.unwrap()
        })
    };
    // None begins before all are there.
    let held = take_all(&store.for_bulk(), fixture.settings.read_connections_max / 2).await;
    let searches: Vec<_> = (0..12).map(|_| searching()).collect();
    let short = store.for_bulk();
    let short = tokio::spawn(async move {
        let query = OrderQuery {
            ids: vec![order_id("N-00007")],
            ..OrderQuery::default()
        };
        short.list_orders(&query, None, 10).await.unwrap()
    });
    tokio::task::yield_now().await;
    drop(held);
    let page = timeout(PATIENCE, short).await.unwrap().unwrap();
    assert_eq!(page.orders.len(), 1);
    let finished = searches.iter().filter(|search| search.is_finished());
    let finished = finished.count();
    assert!(
        finished <= 6,
        "{finished} long lists went before a short one"
    );
    for search in searches {
        let page = timeout(PATIENCE, search).await.unwrap().unwrap();
        assert!(page.orders.is_empty() && page.next.is_none());
    }
}
