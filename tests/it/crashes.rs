//! kill -9, SIGSTOP and restarts while writers write and watchers watch.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tonic::Code;
use waymark_proto::v1::{self, WatchStart};
use waymark_tests::{
    Backend, Clients, Server, Shop, Watcher,
    replay::{facts, replay},
    watcher::everything_of,
    world,
};

use crate::bench;

on_each_database!(twenty_kills_lose_and_repeat_nothing, a_frozen_server_goes_on_where_it_stood);

const ORDERS: usize = 12;
const KILLS: usize = 20;

/// What a writer knows: the comments that were acknowledged, and those whose outcome it does not know.
#[derive(Debug, Default)]
struct Ledger {
    acknowledged: Vec<(usize, String)>,
    unsure: Vec<(usize, String)>,
}

/// Comments on its own orders as fast as it can, with texts that occur once, until told to stop.
fn writer(number: usize, shop: Shop, mut servers: watch::Receiver<Clients>, stop: Arc<AtomicBool>) -> JoinHandle<Ledger> {
    tokio::spawn(async move {
        let mut ledger = Ledger::default();
        let mut shop = shop.over(servers.borrow_and_update().clone());
        for count in 0_usize.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let order = number + (count % 3) * 4;
            let text = format!("w{number} c{count}");
            match shop.comment(&format!("o{order}"), &text, "").await {
                Ok(answer) => {
                    assert_eq!(answer.entries[0].comment, text);
                    ledger.acknowledged.push((order, text));
                }
                Err(status) => {
                    assert!([Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal].contains(&status.code()), "{status:?}");
                    ledger.unsure.push((order, text));
                    // Killed: go on with the next one.
                    if servers.changed().await.is_err() {
                        break;
                    }
                    shop = shop.over(servers.borrow_and_update().clone());
                }
            }
        }
        ledger
    })
}

/// Watches everything, resuming whenever the server is a new one, until every sequence up to the given ones came.
fn watcher(shop: Shop, mut servers: watch::Receiver<Clients>, mut done: watch::Receiver<HashMap<String, i64>>) -> JoinHandle<Watcher> {
    tokio::spawn(async move {
        servers.borrow_and_update();
        let request = v1::WatchHistoryRequest { start: WatchStart::Beginning.into(), ..everything_of(&shop) };
        let mut watcher = Watcher::open(&shop, request).await;
        loop {
            let versions = done.borrow().clone();
            let has = |(order, version): (&String, &i64)| watcher.recording().sequences_of(&shop, order).last() == Some(version);
            if !versions.is_empty() && versions.iter().all(has) {
                return watcher;
            }
            let ended = tokio::select! {
                message = watcher.receive() => message.is_err(),
                changed = done.changed() => changed.is_err(),
            };
            if ended && servers.changed().await.is_ok() {
                let clients = servers.borrow_and_update().clone();
                watcher.resume(&clients).await;
            }
        }
    })
}

async fn twenty_kills_lose_and_repeat_nothing(backend: Backend) {
    let mut server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    for order in 0..ORDERS {
        shop.place(&format!("o{order}"), &[]).await;
    }
    let (servers, of_server) = watch::channel(server.clients());
    let (done, versions) = watch::channel(HashMap::new());
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4).map(|n| writer(n, shop.clone(), of_server.clone(), Arc::clone(&stop))).collect();
    let watchers: Vec<_> = (0..3).map(|_| watcher(shop.clone(), of_server.clone(), versions.clone())).collect();

    for kill in 0..KILLS {
        // Until this server has written something, and then a moment that differs from kill to kill.
        let before = shop.over(server.clients()).get("o0").await.version;
        while shop.over(server.clients()).get("o0").await.version < before + 3 {}
        sleep(Duration::from_millis(7 * u64::try_from(kill).unwrap())).await;
        server.kill();
        server.restart().await;
        servers.send_replace(server.clients());
    }
    stop.store(true, Ordering::Relaxed);
    let mut ledgers = Vec::new();
    for writer in writers {
        ledgers.push(writer.await.unwrap());
    }
    let shop = shop.over(server.clients());
    check_ledgers(&shop, &ledgers).await;
    check_offsets(&shop).await;

    let mut last = HashMap::new();
    for order in 0..ORDERS {
        let id = format!("o{order}");
        last.insert(id.clone(), shop.get(&id).await.version);
    }
    done.send_replace(last.clone());
    for watcher in watchers {
        let watcher = watcher.await.unwrap();
        for (order, version) in &last {
            let expected: Vec<i64> = (1..=*version).collect();
            assert_eq!(watcher.recording().sequences_of(&shop, order), expected, "each entry exactly once");
        }
    }
}

/// Every acknowledged comment is there once, every other at most once, and nothing else.
async fn check_ledgers(shop: &Shop, ledgers: &[Ledger]) {
    let acknowledged: usize = ledgers.iter().map(|ledger| ledger.acknowledged.len()).sum();
    assert!(acknowledged > KILLS, "there was load: {acknowledged}");
    for order in 0..ORDERS {
        let id = format!("o{order}");
        let entries = shop.entries(&id).await;
        assert!(entries.iter().zip(1..).all(|(entry, sequence)| entry.sequence == sequence), "no gap in {id}");
        assert_eq!(replay(&entries), facts(shop.get(&id).await));
        let mut written: HashMap<&str, usize> = HashMap::new();
        for entry in &entries[1..] {
            *written.entry(entry.comment.as_str()).or_default() += 1;
        }
        let of_order = |list: &[(usize, String)]| -> Vec<String> {
            list.iter().filter(|(of, _)| *of == order).map(|(_, text)| text.clone()).collect()
        };
        for ledger in ledgers {
            for text in of_order(&ledger.acknowledged) {
                assert_eq!(written.remove(text.as_str()), Some(1), "{text} on {id}");
            }
            for text in of_order(&ledger.unsure) {
                assert!(written.remove(text.as_str()).is_none_or(|times| times == 1), "{text} on {id}");
            }
        }
        assert!(written.is_empty(), "nobody wrote {written:?}");
    }
}

/// Offsets go 1, 2, 3 in each partition of the whole deployment.
async fn check_offsets(shop: &Shop) {
    let request = v1::StreamHistoryRequest::default();
    let mut stream = shop.history().stream_history(request).await.unwrap().into_inner();
    let mut heads: HashMap<i32, i64> = HashMap::new();
    while let Some(message) = stream.message().await.unwrap() {
        for entry in message.entries {
            let position = entry.log_position.unwrap();
            let head = heads.entry(position.partition).or_default();
            *head += 1;
            assert_eq!(position.offset, *head, "partition {}", position.partition);
        }
    }
}

async fn a_frozen_server_goes_on_where_it_stood(backend: Backend) {
    let server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    for order in 0..ORDERS {
        shop.place(&format!("o{order}"), &[]).await;
    }
    let (servers, of_server) = watch::channel(server.clients());
    let (done, versions) = watch::channel(HashMap::new());
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4).map(|n| writer(n, shop.clone(), of_server.clone(), Arc::clone(&stop))).collect();
    let watching = watcher(shop.clone(), of_server, versions);
    for _ in 0..5 {
        let before = shop.get("o0").await.version;
        while shop.get("o0").await.version < before + 3 {}
        server.freeze();
        // Long enough for calls to pile up; below every timeout of the database.
        sleep(Duration::from_millis(300)).await;
        server.thaw();
    }
    stop.store(true, Ordering::Relaxed);
    let mut ledgers = Vec::new();
    for writer in writers {
        ledgers.push(writer.await.unwrap());
    }
    assert!(ledgers.iter().all(|ledger| ledger.unsure.is_empty()), "nothing failed: {ledgers:?}");
    check_ledgers(&shop, &ledgers).await;
    check_offsets(&shop).await;
    let version = shop.get("o0").await.version;
    done.send_replace(HashMap::from([("o0".to_owned(), version)]));
    let watcher = watching.await.unwrap();
    assert_eq!(watcher.recording().sequences_of(&shop, "o0"), (1..=version).collect::<Vec<_>>());
    drop(servers);
}
