//! Watching history: what comes, in which order, and what a filter lets through.

use std::{collections::BTreeMap, time::Duration};

use tonic::Code;
use waymark_proto::v1::{self, EntryKind, WatchStart};
use waymark_tests::{
    Backend, Shop, Watcher, World, refusal::invalid, refused, shop::person, watcher::everything_of,
};

use crate::bench;

on_each_database!(
    the_first_message_comes_at_once,
    entries_arrive_as_they_are_written,
    a_cascade_comes_in_one_message,
    filters_must_all_match,
    the_beginning_is_the_oldest_entry,
    a_stream_ends_where_a_watch_goes_on,
    checkpoints_come_while_nothing_happens,
    partitions_share_the_work,
    a_slow_watcher_misses_nothing,
    many_watchers_see_the_same,
    a_crowd_gets_what_each_asked_for,
    wrong_watches_are_named,
);

/// Short enough for a test to wait for one.
fn often(request: v1::WatchHistoryRequest) -> v1::WatchHistoryRequest {
    let interval = prost_types::Duration {
        seconds: 0,
        nanos: 200_000_000,
    };
    v1::WatchHistoryRequest {
        checkpoint_interval: Some(interval),
        ..request
    }
}

/// Flags an order at work, as those may who may take the transition that leads there.
async fn flag(shop: &Shop, id: &str) {
    let request = v1::AddCommentRequest {
        status: "flagged".into(),
        actor: Some(person("ann", &["auditor"])),
        ..shop.remark(id, "hello")
    };
    shop.orders().add_comment(request).await.unwrap();
}

/// A few orders with some steps each.
async fn trade(shop: &Shop, orders: usize) {
    for number in 0..orders {
        let id = format!("o{number}");
        shop.place(&id, &[("a", "1")]).await;
        shop.take(&id, "begin").await.unwrap();
        flag(shop, &id).await;
        shop.record(&id, "ship", &[]).await.unwrap();
    }
}

async fn the_first_message_comes_at_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("before", &[]).await;
    let mut watcher = Watcher::of(&shop).await;
    let partitions = if backend == Backend::Sqlite { 1 } else { 8 };
    assert_eq!(watcher.partition_count(), partitions);
    assert!(!watcher.token().is_empty() && watcher.recording().entries().is_empty());
    shop.place("after", &[]).await;
    let entries = watcher.until(1).await;
    assert_eq!(
        entries[0].order_id, "after",
        "NOW begins with what is written from now on"
    );
    assert_eq!(entries, shop.entries("after").await);
}

async fn entries_arrive_as_they_are_written(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let mut watcher = Watcher::of(&shop).await;
    trade(&shop, 5).await;
    watcher.until(20).await;
    for number in 0..5 {
        let id = format!("o{number}");
        assert_eq!(watcher.recording().sequences_of(&shop, &id), [1, 2, 3, 4]);
    }
}

async fn a_cascade_comes_in_one_message(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    shop.record("1", "ship", &[]).await.unwrap();
    let mut watcher = Watcher::of(&shop).await;
    let step = shop.record("1", "invoice", &[]).await.unwrap();
    assert_eq!(step.entries.len(), 2);
    let message = loop {
        let message = watcher.receive().await.unwrap();
        if !message.entries.is_empty() {
            break message;
        }
    };
    assert_eq!(message.entries, step.entries);
}

async fn filters_must_all_match(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let other = bench::shop(&world).await;
    trade(&shop, 2).await;
    trade(&other, 1).await;
    let all = || v1::StreamHistoryRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    };
    let kinds = |kinds: &[EntryKind]| {
        kinds
            .iter()
            .map(|kind| i32::from(*kind))
            .collect::<Vec<_>>()
    };
    for (request, expected) in [
        (all(), "o0.1 o0.2 o0.3 o0.4 o1.1 o1.2 o1.3 o1.4"),
        (
            v1::StreamHistoryRequest {
                order_ids: vec!["o1".into(), "o7".into()],
                ..all()
            },
            "o1.1 o1.2 o1.3 o1.4",
        ),
        (
            v1::StreamHistoryRequest {
                kinds: kinds(&[EntryKind::Created, EntryKind::OperationRecorded]),
                ..all()
            },
            "o0.1 o0.4 o1.1 o1.4",
        ),
        (
            v1::StreamHistoryRequest {
                statuses: vec!["flagged".into()],
                ..all()
            },
            "o0.3 o0.4 o1.3 o1.4",
        ),
        (
            v1::StreamHistoryRequest {
                status_changes_only: true,
                ..all()
            },
            "o0.1 o0.2 o0.3 o1.1 o1.2 o1.3",
        ),
        (
            v1::StreamHistoryRequest {
                statuses: vec!["flagged".into()],
                status_changes_only: true,
                order_ids: vec!["o0".into()],
                ..all()
            },
            "o0.3",
        ),
        (
            v1::StreamHistoryRequest {
                kinds: kinds(&[EntryKind::Held]),
                ..all()
            },
            "",
        ),
    ] {
        let mut stream = shop
            .history()
            .stream_history(request.clone())
            .await
            .unwrap()
            .into_inner();
        let mut rows = Vec::new();
        let mut last = None;
        while let Some(message) = stream.message().await.unwrap() {
            rows.extend(
                message
                    .entries
                    .iter()
                    .map(|entry| format!("{}.{}", entry.order_id, entry.sequence)),
            );
            last = Some(message);
        }
        rows.sort();
        assert_eq!(rows.join(" "), expected, "{request:?}");
        let last = last.expect("the last message carries the token");
        assert!(last.checkpoint && !last.resume_token.is_empty());

        // The same filter lets the same entries through to a watcher.
        let watch = v1::WatchHistoryRequest {
            workflows: request.workflows,
            order_ids: request.order_ids,
            kinds: request.kinds,
            statuses: request.statuses,
            status_changes_only: request.status_changes_only,
            start: WatchStart::Beginning.into(),
            ..Default::default()
        };
        let mut watcher = Watcher::open(&shop, often(watch)).await;
        watcher.until_checkpoint().await;
        watcher.until(rows.len()).await;
        let mut seen: Vec<_> = watcher
            .recording()
            .entries()
            .iter()
            .map(|entry| format!("{}.{}", entry.order_id, entry.sequence))
            .collect();
        seen.sort();
        assert_eq!(seen, rows);
    }
}

async fn the_beginning_is_the_oldest_entry(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    trade(&shop, 3).await;
    let request = v1::WatchHistoryRequest {
        start: WatchStart::Beginning.into(),
        ..everything_of(&shop)
    };
    let mut watcher = Watcher::open(&shop, request).await;
    watcher.until(12).await;
    shop.comment("o0", "and live", "").await.unwrap();
    watcher.until(13).await;
    assert_eq!(
        watcher.recording().sequences_of(&shop, "o0"),
        [1, 2, 3, 4, 5]
    );
    // Every workflow, from the first entry of the deployment on: offsets without gaps.
    let all = v1::StreamHistoryRequest::default();
    let mut stream = shop
        .history()
        .stream_history(all)
        .await
        .unwrap()
        .into_inner();
    let mut heads = BTreeMap::new();
    while let Some(message) = stream.message().await.unwrap() {
        for entry in message.entries {
            let position = entry.log_position.unwrap();
            let head = heads.entry(position.partition).or_insert(0);
            assert_eq!(
                position.offset,
                *head + 1,
                "partition {}",
                position.partition
            );
            *head = position.offset;
        }
    }
    assert!(!heads.is_empty());
}

async fn a_stream_ends_where_a_watch_goes_on(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    trade(&shop, 2).await;
    let request = v1::StreamHistoryRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    };
    let mut stream = shop
        .history()
        .stream_history(request.clone())
        .await
        .unwrap()
        .into_inner();
    let mut token = String::new();
    let mut count = 0;
    while let Some(message) = stream.message().await.unwrap() {
        count += message.entries.len();
        token = message.resume_token;
    }
    assert_eq!(count, 8);
    shop.place("next", &[]).await;
    let resumed = v1::WatchHistoryRequest {
        resume_token: token.clone(),
        ..everything_of(&shop)
    };
    let mut watcher = Watcher::open(&shop, resumed).await;
    assert_eq!(watcher.until(1).await[0].order_id, "next");
    // A watcher's token goes on as a stream, also with another filter.
    shop.comment("next", "hello", "").await.unwrap();
    let comments = v1::StreamHistoryRequest {
        kinds: vec![EntryKind::Commented.into()],
        resume_token: watcher.token().to_owned(),
        ..request
    };
    let mut stream = shop
        .history()
        .stream_history(comments)
        .await
        .unwrap()
        .into_inner();
    let mut entries = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        entries.extend(message.entries);
    }
    assert_eq!(
        entries
            .iter()
            .map(|entry| (entry.order_id.as_str(), entry.sequence))
            .collect::<Vec<_>>(),
        [("next", 2)]
    );
}

async fn checkpoints_come_while_nothing_happens(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let mut watcher = Watcher::open(&shop, often(everything_of(&shop))).await;
    for _ in 0..3 {
        let message = watcher.receive().await.unwrap();
        assert!(message.checkpoint && message.entries.is_empty());
    }
    // What others write moves the token on, so that a resumed watcher does not read it again.
    let other = bench::shop(&world).await;
    let before = watcher.token().to_owned();
    trade(&other, 1).await;
    while watcher.token() == before {
        watcher.receive().await.unwrap();
    }
    assert!(watcher.recording().entries().is_empty());
    shop.place("1", &[]).await;
    watcher.until(1).await;
}

async fn partitions_share_the_work(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let count = Watcher::of(&shop).await.partition_count();
    let mut watchers = Vec::new();
    for partition in 0..count {
        let request = v1::WatchHistoryRequest {
            partitions: vec![partition],
            ..often(everything_of(&shop))
        };
        watchers.push(Watcher::open(&shop, request).await);
    }
    let mut all = Watcher::of(&shop).await;
    trade(&shop, 16).await;
    all.until(64).await;
    let mut seen = 0;
    for (partition, watcher) in (0..).zip(&mut watchers) {
        let own = all
            .recording()
            .entries()
            .iter()
            .filter(|entry| entry.log_position.unwrap().partition == partition)
            .count();
        let entries = watcher.until(own).await;
        assert!(
            entries
                .iter()
                .all(|entry| entry.log_position.unwrap().partition == partition)
        );
        seen += entries.len();
    }
    assert_eq!(seen, 64);
    for partitions in [vec![count], vec![-1], vec![0, i32::MAX]] {
        let request = v1::WatchHistoryRequest {
            partitions,
            ..everything_of(&shop)
        };
        let refusal = refused(
            shop.history().watch_history(request).await,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        assert!(
            refusal.violations[0].0.starts_with("partitions"),
            "{refusal:?}"
        );
    }
}

/// A watcher that reads nothing while megabytes are written: flow control stops the server, which then reads on from the
/// database.
async fn a_slow_watcher_misses_nothing(backend: Backend) {
    const STEPS: usize = 1_200;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for order in 0..8 {
        shop.place(&format!("o{order}"), &[]).await;
    }
    let mut slow = Watcher::of(&shop).await;
    shop.comment_at_length(STEPS).await;
    slow.until(STEPS).await;
    let expected: Vec<i64> = (2..).take(STEPS / 8).collect();
    for order in 0..8 {
        assert_eq!(
            slow.recording().sequences_of(&shop, &format!("o{order}")),
            expected
        );
    }
}

async fn many_watchers_see_the_same(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push(Watcher::of(&shop).await);
    }
    trade(&shop, 3).await;
    let mut first: Option<Vec<v1::HistoryEntry>> = None;
    for watcher in &mut watchers {
        let mut entries = watcher.until(12).await.to_vec();
        entries.sort_by_key(|entry| (entry.order_id.clone(), entry.sequence));
        assert_eq!(first.get_or_insert_with(|| entries.clone()), &entries);
    }
}

/// Watchers of one order each, from its beginning and from now on, beside watchers of everything.
async fn a_crowd_gets_what_each_asked_for(backend: Backend) {
    const ORDERS: usize = 60;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let id = |number: usize| format!("o{number}");
    trade(&shop, ORDERS / 2).await;
    let (mut of_one, mut of_all) = (Vec::new(), Vec::new());
    for number in 0..ORDERS {
        let only = v1::WatchHistoryRequest {
            order_ids: vec![id(number)],
            ..everything_of(&shop)
        };
        let from_beginning = v1::WatchHistoryRequest {
            start: WatchStart::Beginning.into(),
            ..only.clone()
        };
        of_one.push((number, 5, Watcher::open(&shop, from_beginning).await));
        let before = if number < ORDERS / 2 { 4 } else { 0 };
        of_one.push((number, 5 - before, Watcher::open(&shop, only.clone()).await));
        of_one.push((number, 5 - before, Watcher::open(&shop, often(only)).await));
        of_all.push(Watcher::of(&shop).await);
    }
    for number in 0..ORDERS {
        if number >= ORDERS / 2 {
            shop.place(&id(number), &[("a", "1")]).await;
            shop.take(&id(number), "begin").await.unwrap();
            flag(&shop, &id(number)).await;
            shop.record(&id(number), "ship", &[]).await.unwrap();
        }
        shop.comment(&id(number), "the last", "").await.unwrap();
    }
    for (number, count, watcher) in &mut of_one {
        watcher.until(*count).await;
        let sequences: Vec<i64> = (1..=5).collect();
        let expected = &sequences[5 - *count..];
        let recording = watcher.recording();
        assert_eq!(recording.sequences_of(&shop, &id(*number)), expected);
        assert_eq!(recording.entries().len(), *count, "of no other order");
    }
    for watcher in &mut of_all {
        watcher.until(ORDERS / 2 * 6).await;
        for number in 0..ORDERS {
            let first = if number < ORDERS / 2 { 5 } else { 1 };
            let expected: Vec<i64> = (first..=5).collect();
            let recording = watcher.recording();
            assert_eq!(recording.sequences_of(&shop, &id(number)), expected);
        }
    }
    // A token of one order goes on with everything after it, too.
    let (_, _, one) = of_one.swap_remove(0);
    let resumed = v1::WatchHistoryRequest {
        resume_token: one.token().to_owned(),
        ..everything_of(&shop)
    };
    let mut resumed = Watcher::open(&shop, resumed).await;
    shop.place("after-all", &[]).await;
    resumed.until_sequence("after-all", 1).await;
    let again = resumed.recording().sequences_of(&shop, &id(0));
    assert!(again.is_empty(), "sent before: {again:?}");
}

async fn wrong_watches_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let good = || everything_of(&shop);
    let token = Watcher::of(&shop).await.token().to_owned();
    let interval = |duration: Duration| prost_types::Duration::try_from(duration).unwrap();
    for (wrong, field) in [
        (
            v1::WatchHistoryRequest {
                workflows: vec!["A".into()],
                ..good()
            },
            "workflows[0]",
        ),
        (
            v1::WatchHistoryRequest {
                order_ids: vec!["a b".into()],
                ..good()
            },
            "order_ids[0]",
        ),
        (
            v1::WatchHistoryRequest {
                order_ids: (0..1_001).map(|n| n.to_string()).collect(),
                ..good()
            },
            "order_ids",
        ),
        (
            v1::WatchHistoryRequest {
                kinds: vec![0],
                ..good()
            },
            "kinds[0]",
        ),
        (
            v1::WatchHistoryRequest {
                kinds: vec![1, 99],
                ..good()
            },
            "kinds[1]",
        ),
        (
            v1::WatchHistoryRequest {
                statuses: vec![String::new()],
                ..good()
            },
            "statuses[0]",
        ),
        (
            v1::WatchHistoryRequest {
                start: 99,
                ..good()
            },
            "start",
        ),
        (
            v1::WatchHistoryRequest {
                start: WatchStart::Now.into(),
                resume_token: token.clone(),
                ..good()
            },
            "start",
        ),
        (
            v1::WatchHistoryRequest {
                start: WatchStart::Beginning.into(),
                resume_token: token,
                ..good()
            },
            "start",
        ),
        (
            v1::WatchHistoryRequest {
                checkpoint_interval: Some(interval(Duration::from_millis(99))),
                ..good()
            },
            "checkpoint_interval",
        ),
        (
            v1::WatchHistoryRequest {
                checkpoint_interval: Some(interval(Duration::from_secs(3_601))),
                ..good()
            },
            "checkpoint_interval",
        ),
    ] {
        invalid(shop.history().watch_history(wrong).await, field);
    }
    let kinds = v1::StreamHistoryRequest {
        kinds: vec![0],
        ..Default::default()
    };
    invalid(shop.history().stream_history(kinds).await, "kinds[0]");
}
