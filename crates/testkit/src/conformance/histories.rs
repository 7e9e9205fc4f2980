//! Reading history.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::collections::{BTreeMap, BTreeSet};

use waymark_domain::{history::LogPosition, partition::Partition};
use waymark_persistence::{
    Batched, ChunkLimit, Direction, Ends, Error, HistoryQuery, Refusal, StepChange, StepError,
    Store, StoredEntry, Visibility,
};

use super::commits::history;
use crate::{
    Fixture,
    build::{all, comment, create, done, order_id, order_workflow, record, refused, requested},
};

const ALL: HistoryQuery = HistoryQuery {
    direction: Direction::Ascending,
    after_sequence: None,
    visibility: Visibility::All,
    limit: 3,
};

pub async fn a_partition_is_read_in_whole_steps(fixture: &Fixture) {
    // Each order takes one entry to create and two to invoice.
    let ids = (0..400)
        .map(|number| format!("A-{number}"))
        .collect::<Vec<_>>();
    all(&fixture.store, ids.iter().map(|id| create(id)).collect()).await;
    all(
        &fixture.store,
        ids.iter().map(|id| record(id, "invoice")).collect(),
    )
    .await;
    let mut total = 0;
    for partition in fixture.store.partition_count().all() {
        let (mut after, mut read) = (0, Vec::new());
        loop {
            // The least that is read at once is more than the longest step.
            let page = fixture
                .store
                .history_after(partition, after, 1)
                .await
                .unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 101);
            after = last.logged.position.offset;
            let last_step = last.logged.step_offset;
            let rest = fixture
                .store
                .history_after(partition, after, 1)
                .await
                .unwrap();
            assert!(
                rest.iter()
                    .all(|entry| entry.logged.step_offset != last_step),
                "a step was cut"
            );
            read.extend(page);
        }
        let offsets = read
            .iter()
            .map(|entry| entry.logged.position.offset)
            .collect::<Vec<_>>();
        assert_eq!(offsets, (1..).take(offsets.len()).collect::<Vec<_>>());
        total += read.len();
    }
    assert_eq!(total, 1200);
}

pub async fn several_partitions_are_read_like_each_alone(fixture: &Fixture) {
    let ids: Vec<String> = (0..300).map(|number| format!("A-{number}")).collect();
    all(&fixture.store, ids.iter().map(|id| create(id)).collect()).await;
    let invoices = ids.iter().map(|id| record(id, "invoice")).collect();
    all(&fixture.store, invoices).await;
    let store = &fixture.store;
    for (limit, after) in [(1, 0), (150, 3), (100_000, 10), (1, 1_000_000)] {
        let places: Vec<_> = store
            .partition_count()
            .all()
            .map(|partition| (partition, after))
            .collect();
        let mut expected = Vec::new();
        for (partition, after) in &places {
            let chunk = store
                .history_after(*partition, *after, limit)
                .await
                .unwrap();
            if !chunk.is_empty() {
                let chunk: Vec<StoredEntry> = chunk.into_iter().map(Ok).collect();
                expected.push((*partition, chunk));
            }
        }
        assert_eq!(expected.is_empty(), after == 1_000_000);
        let together = store.history_after_each(&places, limit).await.unwrap();
        assert_eq!(together, expected, "after {after}, {limit} at most");
    }
    assert!(store.history_after_each(&[], 1).await.unwrap().is_empty());
}

pub async fn an_order_is_read_in_whole_steps(fixture: &Fixture) {
    let (store, workflow) = (&fixture.store, order_workflow());
    let (id, nobody) = (order_id("A-1"), order_id("B-1"));
    for id in ["A-1", "A-2"] {
        done(store, create(id)).await;
        let comments = (0..250).map(|number| comment(id, &number.to_string()));
        all(store, comments.collect()).await;
        done(store, record(id, "invoice")).await;
    }
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let chunk = store.order_history_after(&workflow, &id, after, 1);
        let chunk = chunk.await.unwrap();
        let Some(last) = chunk.last() else { break };
        assert!(chunk.len() <= 101);
        after = last.logged.entry.sequence;
        read.extend(chunk);
    }
    let partition = store.partition_of(&workflow, &order_id("A-1"));
    let mut expected = store.history_after(partition, 0, 100_000).await.unwrap();
    expected.retain(|batched| batched.logged.order_id == order_id("A-1"));
    for batched in &mut expected {
        // What came before in the log is not read with the entries of an order.
        batched.before = None;
    }
    assert_eq!(read, expected);
    // The last step has two entries, which come both or not at all.
    for (sequence, count) in [(150, 101), (151, 100), (152, 101), (253, 0)] {
        let chunk = store.order_history_after(&workflow, &id, sequence, 1);
        assert_eq!(chunk.await.unwrap().len(), count, "after {sequence}");
    }
    let nothing = store.order_history_after(&workflow, &nobody, 0, 10);
    assert!(nothing.await.unwrap().is_empty());
}

pub async fn the_history_of_an_order_is_paged(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    all(
        &fixture.store,
        (2..=7)
            .map(|number| comment("A-1", &number.to_string()))
            .collect(),
    )
    .await;
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut query = HistoryQuery { direction, ..ALL };
        let mut pages = Vec::new();
        loop {
            let page = fixture
                .store
                .order_history(&order_workflow(), &order_id("A-1"), &query)
                .await
                .unwrap()
                .unwrap();
            pages.push(
                page.entries
                    .iter()
                    .map(|logged| logged.entry.sequence)
                    .collect::<Vec<_>>(),
            );
            query.after_sequence = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let expected = match direction {
            Direction::Ascending => [vec![1, 2, 3], vec![4, 5, 6], vec![7]],
            Direction::Descending => [vec![7, 6, 5], vec![4, 3, 2], vec![1]],
        };
        assert_eq!(pages, expected);
    }
}

/// Far more entries than the row of an order says where to find.
const LONG: i64 = 700;

/// An order with a long history; every hundredth entry is for the customer, and every entry
/// has the request id `r-<sequence>`.
async fn long_history(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let steps = (2..=LONG).map(|number| {
        let mut step = requested(
            comment("A-1", &number.to_string()),
            &format!("r-{number}"),
            1,
        );
        if let StepChange::Change(command) = &mut step.change {
            command.context.visible_to_customer = number % 100 == 0;
        }
        step
    });
    // In batches of different sizes, so that pages are cut at different places.
    let mut steps = steps.collect::<Vec<_>>();
    for size in [1, 150, 40, 300, 1, 1, 206] {
        let rest = steps.split_off(size);
        for outcome in all(&fixture.store, std::mem::replace(&mut steps, rest)).await {
            outcome.unwrap();
        }
    }
    assert!(steps.is_empty());
}

/// The sequences that a query gives, page by page.
async fn sequences(fixture: &Fixture, mut query: HistoryQuery) -> Vec<i64> {
    let mut sequences = Vec::new();
    loop {
        let page = fixture
            .store
            .order_history(&order_workflow(), &order_id("A-1"), &query)
            .await
            .unwrap()
            .unwrap();
        assert!(page.entries.len() <= query.limit);
        sequences.extend(page.entries.iter().map(|logged| logged.entry.sequence));
        query.after_sequence = page.next;
        if page.next.is_none() {
            return sequences;
        }
    }
}

pub async fn a_long_history_is_paged(fixture: &Fixture) {
    long_history(fixture).await;
    assert!(fixture.number("SELECT count(*) FROM journal_pages").await > 5);
    for limit in [1, 63, 64, 65, 128, 700, 1000] {
        let up = HistoryQuery { limit, ..ALL };
        let down = HistoryQuery {
            direction: Direction::Descending,
            ..up
        };
        assert_eq!(sequences(fixture, up).await, (1..=LONG).collect::<Vec<_>>());
        assert_eq!(
            sequences(fixture, down).await,
            (1..=LONG).rev().collect::<Vec<_>>()
        );
        let customer = |query| HistoryQuery {
            visibility: Visibility::Customer,
            ..query
        };
        let visible = [100, 200, 300, 400, 500, 600, 700];
        assert_eq!(sequences(fixture, customer(up)).await, visible);
        let back = visible.into_iter().rev().collect::<Vec<_>>();
        assert_eq!(sequences(fixture, customer(down)).await, back);
    }
}

pub async fn a_call_is_remembered_however_long_the_history(fixture: &Fixture) {
    long_history(fixture).await;
    let before = history(&fixture.store, "A-1").await;
    for number in [2, 64, 65, 66, 128, 400, LONG] {
        let id = format!("r-{number}");
        let same = requested(comment("A-1", &number.to_string()), &id, 1);
        let again = done(&fixture.store, same).await;
        assert!(again.replayed);
        assert_eq!(again.entries[0].entry.sequence, number);
        let other = requested(comment("A-1", "another"), &id, 2);
        let refusal = refused(&fixture.store, other).await;
        assert!(
            matches!(refusal, Refusal::RequestIdReused { .. }),
            "{refusal:?}"
        );
    }
    assert_eq!(history(&fixture.store, "A-1").await, before);
}

pub async fn many_calls_of_old_are_remembered_at_once(fixture: &Fixture) {
    let store = &fixture.store;
    long_history(fixture).await;
    // Another order with a long history, of which the same ids tell nothing.
    let mut steps = vec![create("A-2")];
    let comments =
        (2..=300).map(|number| requested(comment("A-2", "x"), &format!("q-{number}"), 1));
    steps.extend(comments);
    assert!(all(store, steps).await.iter().all(Result::is_ok));
    let same = |number: i64| {
        let step = comment("A-1", &number.to_string());
        requested(step, &format!("r-{number}"), 1)
    };
    // Few of each order, and more than are looked for one by one.
    for numbers in [vec![3, 400], (2..=40).collect::<Vec<i64>>()] {
        let count = numbers.len();
        let steps = numbers.iter().flat_map(|number| {
            let other = requested(comment("A-2", "x"), &format!("q-{number}"), 2);
            [same(*number), other]
        });
        let fresh = requested(comment("A-2", "new"), &format!("n-{count}"), 1);
        let steps: Vec<_> = steps.chain([fresh]).collect();
        let answers = all(store, steps).await;
        let (last, answers) = answers.split_last().unwrap();
        assert!(!last.as_ref().unwrap().replayed);
        for (answer, number) in answers.iter().step_by(2).zip(&numbers) {
            let again = answer.as_ref().unwrap();
            assert!(again.replayed);
            assert_eq!(again.entries[0].entry.sequence, *number);
        }
        for (answer, number) in answers.iter().skip(1).step_by(2).zip(&numbers) {
            let is_reused = matches!(
                answer,
                Err(StepError::Refused(Refusal::RequestIdReused { .. }))
            );
            // A-2 has no such long history.
            assert_eq!(is_reused, *number <= 300, "{answer:?}");
        }
    }
}

pub async fn what_customers_may_read(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    for number in 2..=60 {
        let mut step = comment("A-1", &number.to_string());
        if let StepChange::Change(command) = &mut step.change {
            command.context.visible_to_customer = number % 20 == 0;
        }
        done(&fixture.store, step).await;
    }
    let query = HistoryQuery {
        visibility: Visibility::Customer,
        limit: 2,
        ..ALL
    };
    let page = fixture
        .store
        .order_history(&order_workflow(), &order_id("A-1"), &query)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        page.entries
            .iter()
            .map(|logged| logged.entry.sequence)
            .collect::<Vec<_>>(),
        [20, 40]
    );
    let query = HistoryQuery {
        after_sequence: page.next,
        ..query
    };
    let page = fixture
        .store
        .order_history(&order_workflow(), &order_id("A-1"), &query)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        page.entries
            .iter()
            .map(|logged| logged.entry.sequence)
            .collect::<Vec<_>>(),
        [60]
    );
    assert_eq!(page.next, None);
}

pub async fn heads_and_batches(fixture: &Fixture) {
    assert!(fixture.store.history_heads().await.unwrap().is_empty());
    let partition = fixture
        .store
        .partition_of(&order_workflow(), &order_id("A-1"));
    let ends = async |offset| {
        let places = [LogPosition { partition, offset }];
        fixture.store.history_ends(&places).await.unwrap()
    };
    assert!(ends(1).await.is_empty());
    let empty = fixture.store.history_after(partition, 0, 10).await;
    assert!(empty.unwrap().is_empty());
    all(&fixture.store, vec![create("A-1"), comment("A-1", "x")]).await;
    done(&fixture.store, comment("A-1", "y")).await;
    let heads = fixture.store.history_heads().await.unwrap();
    assert_eq!(heads.len(), 1);
    assert_eq!(
        heads[0].position,
        LogPosition {
            partition,
            offset: 3
        }
    );
    let mut batches = Vec::new();
    for offset in 1..=4 {
        batches.push(
            fixture
                .store
                .batch_at(LogPosition { partition, offset })
                .await
                .unwrap(),
        );
    }
    assert_eq!(
        (batches[0], batches[2], batches[3]),
        (batches[1], Some(heads[0].batch), None)
    );
    assert_ne!(batches[0], batches[2]);
    for (offset, batch) in [(0, None), (1, batches[0]), (3, batches[2]), (4, None)] {
        let expected = Ends {
            partition,
            oldest: 1,
            newest: 3,
            batch,
        };
        assert_eq!(ends(offset).await, [expected]);
    }
    let all = fixture.store.partition_count().all();
    let offset = 0;
    let everywhere: Vec<_> = all
        .map(|partition| LogPosition { partition, offset })
        .collect();
    let found = fixture.store.history_ends(&everywhere).await.unwrap();
    assert_eq!(found, ends(0).await);
    let log = fixture.store.history_after(partition, 0, 10).await.unwrap();
    assert_eq!(
        log.iter()
            .map(|entry| Some(entry.batch))
            .collect::<Vec<_>>(),
        batches[..3]
    );
    let logged = log
        .into_iter()
        .map(|entry| entry.logged)
        .collect::<Vec<_>>();
    assert_eq!(logged, history(&fixture.store, "A-1").await);
}

pub async fn the_history_of_an_order_that_is_not_there(fixture: &Fixture) {
    assert_eq!(
        fixture
            .store
            .order_history(&order_workflow(), &order_id("A-1"), &ALL)
            .await
            .unwrap(),
        None
    );
}

pub async fn a_page_of_large_entries_ends_early(fixture: &Fixture) {
    const COMMENTS: usize = 1_300;
    let (store, workflow, id) = (&fixture.store, order_workflow(), order_id("A-1"));
    done(store, create("A-1")).await;
    let text = "x".repeat(4_000);
    let comments = (0..COMMENTS).map(|_| comment("A-1", &text));
    all(store, comments.collect()).await;
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut query = HistoryQuery {
            direction,
            limit: 5_000,
            ..ALL
        };
        let (mut sequences, mut pages) = (Vec::new(), 0);
        loop {
            let page = store.order_history(&workflow, &id, &query).await.unwrap();
            let page = page.unwrap();
            let bytes = page
                .entries
                .iter()
                .map(|logged| logged.entry.comment.as_str().len());
            assert!(bytes.sum::<usize>() < 5 * 1024 * 1024);
            sequences.extend(page.entries.iter().map(|logged| logged.entry.sequence));
            pages += 1;
            query.after_sequence = page.next;
            if page.next.is_none() {
                break;
            }
        }
        if direction == Direction::Descending {
            sequences.reverse();
        }
        let expected = 1..=i64::try_from(COMMENTS + 1).unwrap();
        assert_eq!(sequences, expected.collect::<Vec<_>>());
        assert!((2..=3).contains(&pages), "{pages} pages");
    }
}

pub async fn where_an_order_has_been(fixture: &Fixture) {
    let (store, workflow, id) = (&fixture.store, order_workflow(), order_id("A-1"));
    assert!(store.visited(&workflow, &id).await.unwrap().is_empty());
    done(store, create("A-1")).await;
    // More than its row keeps track of.
    let comments = (0..700).map(|number| comment("A-1", &number.to_string()));
    all(store, comments.collect()).await;
    done(store, record("A-1", "invoice")).await;
    done(store, create("A-2")).await;
    let visited = store.visited(&workflow, &id).await.unwrap();
    let expected: BTreeSet<_> = history(store, "A-1")
        .await
        .into_iter()
        .map(|logged| logged.entry.to)
        .collect();
    assert_eq!(visited, expected);
    assert!(visited.len() > 1);
}

/// Holds what was read of a partition against what was written; those that were spoilt must say
/// which column cannot be read.
fn compare(read: &[StoredEntry], written: &[Batched], spoilt: &BTreeMap<LogPosition, &str>) {
    assert_eq!(read.len(), written.len());
    for (read, written) in read.iter().zip(written) {
        let position = written.logged.position;
        let Some(column) = spoilt.get(&position) else {
            assert_eq!(read.as_ref(), Ok(written));
            continue;
        };
        let unreadable = read.as_ref().unwrap_err();
        assert_eq!(unreadable.column, *column);
        assert_eq!(
            (unreadable.position, unreadable.step_offset),
            (position, written.logged.step_offset)
        );
        assert_eq!(unreadable.sequence, written.logged.entry.sequence);
        assert_eq!(
            (unreadable.batch, unreadable.before),
            (written.batch, written.before)
        );
        let order =
            (*column != "order_id").then(|| (order_workflow(), written.logged.order_id.clone()));
        assert_eq!(unreadable.order, order);
        let says = format!("column {column} cannot be read");
        let error = unreadable.error().to_string();
        assert!(error.contains(&says), "{error}");
    }
}

/// Reads all of a partition in small chunks.
async fn in_chunks(store: &Store, partition: Partition) -> Vec<StoredEntry> {
    let limit = ChunkLimit {
        entries: 3,
        bytes: 1_000_000,
    };
    let (mut read, mut offset) = (Vec::new(), 0);
    loop {
        let chunk = store.history_chunk(partition, offset, limit).await.unwrap();
        read.extend(chunk.entries);
        if chunk.is_last {
            return read;
        }
        offset = match read.last().unwrap() {
            Ok(batched) => batched.logged.position.offset,
            Err(unreadable) => unreadable.position.offset,
        };
    }
}

/// For each case an order with a comment that is to be spoilt: where these stand, and what spoils
/// them.
async fn commented<'c>(
    store: &Store,
    cases: &[(&str, &'c str)],
) -> (BTreeMap<LogPosition, &'c str>, Vec<String>) {
    let mut spoilt = BTreeMap::new();
    let mut changes = Vec::new();
    for (number, (change, column)) in cases.iter().enumerate() {
        let id = format!("A-{number}");
        done(store, create(&id)).await;
        let position = done(store, comment(&id, "x")).await.entries[0].position;
        done(store, comment(&id, "y")).await;
        let (partition, offset) = (position.partition.number(), position.offset);
        changes.push(format!(
            "UPDATE history SET {change} WHERE partition = {partition} AND log_offset = {offset}"
        ));
        spoilt.insert(position, *column);
    }
    (spoilt, changes)
}

pub async fn an_entry_that_cannot_be_read_hides_no_other(fixture: &Fixture) {
    const CASES: [(&str, &str); 7] = [
        ("detail = '{'", "detail"),
        ("metadata = '['", "metadata"),
        ("actor = '?'", "actor"),
        ("set_off = '?'", "set_off"),
        ("kind = 'held'", "kind"),
        ("to_state = ''", "to_state"),
        ("order_id = ''", "order_id"),
    ];
    let (store, workflow) = (&fixture.store, order_workflow());
    let limit = ChunkLimit {
        entries: 10,
        bytes: 1_000_000,
    };
    let (spoilt, changes) = commented(store, &CASES).await;
    done(store, create("B-1")).await;
    let mut written = BTreeMap::new();
    for partition in store.partition_count().all() {
        let log = store.history_after(partition, 0, 100_000).await.unwrap();
        if !log.is_empty() {
            written.insert(partition, log);
        }
    }
    fixture.execute(&changes.join("; ")).await;

    let places: Vec<_> = written.keys().map(|partition| (*partition, 0)).collect();
    let together = store.history_after_each(&places, 100_000).await.unwrap();
    let together: BTreeMap<_, _> = together.into_iter().collect();
    assert_eq!(together.len(), written.len());
    for (partition, written) in &written {
        compare(&together[partition], written, &spoilt);
        compare(&in_chunks(store, *partition).await, written, &spoilt);
    }
    // The history of the order itself does not pretend to be whole.
    for number in 0..CASES.len() {
        let id = order_id(&format!("A-{number}"));
        let listed = store.order_history(&workflow, &id, &ALL).await;
        assert!(
            matches!(
                listed,
                Err(Error::Corrupt {
                    table: "history",
                    ..
                })
            ),
            "{listed:?}"
        );
        let chunk = store.order_history_chunk(&workflow, &id, 0, limit).await;
        assert!(
            matches!(
                chunk,
                Err(Error::Corrupt {
                    table: "history",
                    ..
                })
            ),
            "{chunk:?}"
        );
    }
    let id = order_id("B-1");
    let other = store.order_history_chunk(&workflow, &id, 0, limit).await;
    let other = other.unwrap();
    assert!(other.is_last && other.entries.len() == 1 && other.entries[0].is_ok());
    // Steps of these orders go on.
    done(store, comment("A-0", "z")).await;
}
