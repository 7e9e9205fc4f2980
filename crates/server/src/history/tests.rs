//! Whatever is written, handed over, pushed, lost by the rings and read in whatever order: each reader gets what matches,
//! once, in order.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::prelude::*;
use prost::Message as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use waymark_domain::{
    history::Kind,
    order::{Action, Command, Context},
    partition::{Partition, PartitionCount},
    value::{Comment, OrderId},
};
use waymark_persistence::{
    BatchOutcome, Batched, Clock, DatabaseUrl, Settings, Step, StepChange, Store, Unit, UnitMode,
    UnitOutcome, test_access::execute,
};
use waymark_proto::{
    convert::history::{Facets, HistoryFilter},
    encoded::HistoryMessage,
    v1,
};

use super::{entry::LogEntry, log::News, *};
use crate::{
    liveness::Liveness,
    tests::{self, workflow},
    wake::Wake,
};

const PARTITIONS: i32 = 3;
const ORDERS: u8 = 6;
/// A checkpoint is always due, so no reader ever waits.
const FOLLOWING: Reading = Reading::Following(Duration::ZERO);

/// What may happen.
#[derive(Debug, Clone)]
enum Event {
    /// One transaction with an entry of each of these orders.
    Write(Vec<u8>),
    /// A batch is handed over to the log, the oldest or a later one.
    HandOver(usize),
    /// A batch is never handed over.
    Withhold(usize),
    /// The tailer looks at what it was told.
    LookAtNews,
    /// The tailer looks everywhere.
    LookEverywhere,
    /// The tailer looks into one partition.
    LookInto(i32),
    /// The ring of a partition starts anew at the head.
    Anchor(i32),
    /// A ring is pushed the last entry only.
    Skip(i32),
    /// The rings forget everything.
    Forget,
    /// A reader takes so many messages.
    Read(usize, u8),
    /// A reader goes away, and comes again with its last token.
    Resume(usize),
    /// Somebody reads everything up to now, asking as a reader does.
    Export(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let orders = prop::collection::vec(0..ORDERS, 1..12);
    prop_oneof![
        4 => orders.prop_map(Event::Write),
        4 => prop_oneof![3 => Just(0), 1 => 0..4_usize].prop_map(Event::HandOver),
        1 => (0..4_usize).prop_map(Event::Withhold),
        4 => Just(Event::LookAtNews),
        3 => Just(Event::LookEverywhere),
        3 => (0..PARTITIONS).prop_map(Event::LookInto),
        1 => (0..PARTITIONS).prop_map(Event::Anchor),
        1 => (0..PARTITIONS).prop_map(Event::Skip),
        1 => Just(Event::Forget),
        8 => (0..views().len(), 1..4_u8).prop_map(|(reader, count)| Event::Read(reader, count)),
        2 => (0..views().len()).prop_map(Event::Resume),
        2 => (0..views().len()).prop_map(Event::Export),
    ]
}

/// What the readers ask for.
fn views() -> Vec<(Vec<Partition>, HistoryFilter)> {
    let orders = |numbers: &[u8]| HistoryFilter {
        order_ids: numbers.iter().map(|number| order(*number)).collect(),
        ..HistoryFilter::default()
    };
    let commented = |filter| HistoryFilter {
        kinds: Some(BTreeSet::from([Kind::Commented])),
        ..filter
    };
    let of_workflow = |filter| HistoryFilter {
        workflows: BTreeSet::from([workflow()]),
        ..filter
    };
    let all: Vec<Partition> = (0..PARTITIONS).map(Partition::new).collect();
    let filters = [
        HistoryFilter::default(),
        HistoryFilter::default(),
        commented(HistoryFilter::default()),
        orders(&[0]),
        of_workflow(orders(&[1])),
        orders(&[2, 4]),
        of_workflow(commented(orders(&[3]))),
    ];
    let mut views: Vec<_> = filters.map(|filter| (all.clone(), filter)).into();
    views.push((vec![Partition::new(1)], HistoryFilter::default()));
    views.push((vec![Partition::new(1)], of_workflow(orders(&[0, 1, 2]))));
    views.push((vec![Partition::new(1)], of_workflow(orders(&[5]))));
    views
}

fn order(number: u8) -> OrderId {
    OrderId::new(&format!("o{number}")).unwrap()
}

fn context() -> Context {
    Context {
        comment: Comment::new(&"x".repeat(1_000)).unwrap(),
        ..tests::context()
    }
}

fn creation(id: OrderId) -> Step {
    tests::creation(id, context())
}

fn remark(order_id: OrderId) -> Step {
    let command = Command {
        context: context(),
        expected_version: None,
        action: Action::Comment { status: None },
    };
    Step {
        workflow: workflow(),
        order_id,
        request: None,
        change: StepChange::Change(command),
    }
}

/// One reader, and what it got.
struct Reader {
    view: (Vec<Partition>, HistoryFilter),
    watcher: Watcher,
    token: String,
    got: Vec<(i32, i64)>,
}

struct World {
    store: Store,
    tailer: Tailer,
    readers: Vec<Reader>,
    created: BTreeSet<u8>,
    /// Batches that may yet be handed over.
    written: Vec<Vec<Batched>>,
    _directory: TempDir,
}

impl World {
    async fn new(ring_bytes_max: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        let settings = Settings {
            partitions: PartitionCount::new(PARTITIONS),
            ..Settings::new(DatabaseUrl::parse(&url).unwrap())
        };
        let store = Store::open(settings, Clock::system()).await.unwrap();
        crate::preset::load(&store, "magento", &workflow())
            .await
            .unwrap();
        // One more than there are readers: one that comes again is there before it is gone.
        let log = Log::new(&store, ring_bytes_max, views().len() + 1);
        let tailer = Tailer {
            store: store.clone(),
            log,
            wake: Wake::default(),
            liveness: Arc::new(Liveness::opened()),
            poll_interval: Duration::from_secs(1),
            push_interval: Duration::ZERO,
        };
        let mut world = Self {
            store,
            tailer,
            readers: Vec::new(),
            created: BTreeSet::new(),
            written: Vec::new(),
            _directory: directory,
        };
        for view in views() {
            let start = Bookmark::beginning(world.store.partition_count());
            let watcher = world.watcher(&view, start, FOLLOWING);
            world.readers.push(Reader {
                view,
                watcher,
                token: String::new(),
                got: Vec::new(),
            });
        }
        world
    }

    fn watcher(
        &self,
        view: &(Vec<Partition>, HistoryFilter),
        start: Bookmark,
        reading: Reading,
    ) -> Watcher {
        Watcher::new(
            self.tailer.log.enter().unwrap(),
            &self.store,
            &CancellationToken::new(),
            start,
            view.clone(),
            reading,
        )
    }

    async fn meet(&mut self, event: Event) {
        let log = Arc::clone(&self.tailer.log);
        match event {
            Event::Write(orders) => {
                let written = self.write(&orders).await;
                self.written.push(written);
            }
            Event::HandOver(batch) => {
                if batch < self.written.len() {
                    log.hand_over(self.written.remove(batch));
                }
            }
            Event::Withhold(batch) => {
                if batch < self.written.len() {
                    self.written.remove(batch);
                }
            }
            Event::LookAtNews => self.tailer.poll(log.news()).await.unwrap(),
            Event::LookEverywhere => self.look_everywhere().await,
            Event::LookInto(partition) => {
                let news = News {
                    partitions: BTreeSet::from([Partition::new(partition)]),
                    ..News::default()
                };
                self.tailer.poll(news).await.unwrap();
            }
            Event::Anchor(partition) => {
                let partition = Partition::new(partition);
                let heads = from_now(&self.store).await.unwrap();
                log.anchor(partition, heads.cursor(partition));
            }
            Event::Skip(partition) => {
                let partition = Partition::new(partition);
                let all = self.store.history_after(partition, 0, 100_000);
                let last = all.await.unwrap().pop();
                let last: Vec<_> = last
                    .map(|last| Arc::new(LogEntry::from(last)))
                    .into_iter()
                    .collect();
                log.push(partition, &last);
                log.tell();
            }
            Event::Forget => log.forget(),
            Event::Read(reader, count) => {
                for _ in 0..count {
                    self.read(reader).await;
                }
            }
            Event::Resume(reader) => self.resume(reader).await,
            Event::Export(reader) => self.export(reader).await,
        }
    }

    async fn export(&self, reader: usize) {
        let view = &self.readers[reader].view;
        let beginning = Bookmark::beginning(self.store.partition_count());
        let end = from_now(&self.store).await.unwrap();
        let mut stream = self.watcher(view, beginning, Reading::UpTo(end.clone()));
        let (mut got, mut token) = (Vec::new(), String::new());
        while let Some(message) = stream.next().await {
            let message = message.unwrap();
            got.extend(positions(&message));
            token = message.resume_token;
        }
        self.compare(view, &got).await;
        let reached = from_token(&self.store, &token).await.unwrap();
        for partition in &view.0 {
            assert_eq!(reached.cursor(*partition), end.cursor(*partition));
        }
    }

    async fn look_everywhere(&self) {
        self.tailer.poll(News::everywhere()).await.unwrap();
    }

    async fn write(&mut self, orders: &[u8]) -> Vec<Batched> {
        let steps = orders.iter().map(|number| {
            if self.created.insert(*number) {
                creation(order(*number))
            } else {
                remark(order(*number))
            }
        });
        let unit = Unit {
            steps: steps.collect(),
            mode: UnitMode::Separate,
            return_orders: false,
        };
        let BatchOutcome { units, written } = self.store.commit(vec![unit]).await;
        for outcome in units {
            assert!(
                matches!(outcome, Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok))
            );
        }
        written
    }

    async fn read(&mut self, reader: usize) {
        let reader = &mut self.readers[reader];
        let message = reader.watcher.next().await.unwrap().unwrap();
        assert!(message.checkpoint || !message.entries.is_empty());
        reader.got.extend(positions(&message));
        reader.token = message.resume_token;
    }

    async fn resume(&mut self, reader: usize) {
        let Reader { view, token, .. } = &self.readers[reader];
        if token.is_empty() {
            return;
        }
        let start = from_token(&self.store, token).await.unwrap();
        self.readers[reader].watcher = self.watcher(view, start, FOLLOWING);
    }

    /// Reads to the end; a reader's token says when it is there.
    async fn finish(&mut self, reader: usize) {
        let heads = from_now(&self.store).await.unwrap();
        for _ in 0..1_000 {
            self.read(reader).await;
            let Reader { view, token, .. } = &self.readers[reader];
            let reached = from_token(&self.store, token).await.unwrap();
            let mut partitions = view.0.iter();
            if partitions.all(|partition| reached.cursor(*partition) == heads.cursor(*partition)) {
                return;
            }
        }
        panic!("reader {reader} never reaches the end");
    }

    async fn check(&mut self) {
        self.look_everywhere().await;
        for reader in 0..self.readers.len() {
            self.finish(reader).await;
        }
        for Reader { view, got, .. } in &self.readers {
            self.compare(view, got).await;
        }
    }

    /// Compares what came with what was written.
    async fn compare(&self, view: &(Vec<Partition>, HistoryFilter), got: &[(i32, i64)]) {
        for partition in (0..PARTITIONS).map(Partition::new) {
            let all = self.store.history_after(partition, 0, 100_000);
            let watched = view.0.contains(&partition);
            let expected: Vec<i64> = all
                .await
                .unwrap()
                .iter()
                .filter(|batched| watched && view.1.matches(&Facets::from(&batched.logged)))
                .map(|batched| batched.logged.position.offset)
                .collect();
            let got = got
                .iter()
                .filter(|(number, _)| *number == partition.number());
            let got: Vec<i64> = got.map(|(_, offset)| *offset).collect();
            assert_eq!(got, expected, "{partition:?} of {view:?}");
        }
    }
}

fn positions(message: &HistoryMessage) -> Vec<(i32, i64)> {
    let positions = message.entries.iter().map(|entry| {
        let entry = v1::HistoryEntry::decode(entry.clone()).unwrap();
        let position = entry.log_position.unwrap();
        (position.partition, position.offset)
    });
    positions.collect()
}

fn run(ring_bytes_max: usize, events: Vec<Event>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(ring_bytes_max).await;
        for event in events {
            world.meet(event).await;
        }
        world.check().await;
    });
}

/// What was handed over reaches the readers while the database cannot be read.
#[tokio::test]
async fn what_follows_is_not_read() {
    let mut world = World::new(1 << 20).await;
    let first = world.tailer.log.news();
    world.tailer.poll(first).await.unwrap();
    let mut written = Vec::new();
    for orders in [&[0, 1, 2][..], &[0, 3]] {
        let batch = world.write(orders).await;
        world.tailer.log.hand_over(batch.clone());
        written.extend(batch);
    }
    world.store.close().await.unwrap();
    world.tailer.poll(world.tailer.log.news()).await.unwrap();
    // The first message is a checkpoint.
    world.read(0).await;
    world.read(0).await;
    let mut expected: Vec<_> = written
        .iter()
        .map(|batched| batched.logged.position)
        .map(|position| (position.partition.number(), position.offset))
        .collect();
    expected.sort_unstable();
    assert_eq!(world.readers[0].got, expected);
}

#[tokio::test]
async fn what_has_a_gap_before_it_is_read() {
    let mut world = World::new(1 << 20).await;
    let first = world.tailer.log.news();
    world.tailer.poll(first).await.unwrap();
    world.write(&[0]).await;
    let later = world.write(&[0]).await;
    world.tailer.log.hand_over(later);
    world.tailer.poll(world.tailer.log.news()).await.unwrap();
    let partition = world.store.partition_of(&workflow(), &order(0));
    let log = &world.tailer.log;
    assert_eq!(log.head(partition).map(|head| head.offset), Some(2));
    let found = log.after(partition, 0, Cursor::default(), 9);
    assert_eq!(found.unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_is_kept_for_nobody() {
    let mut world = World::new(1 << 20).await;
    world.readers.clear();
    let written = world.write(&[0]).await;
    world.tailer.log.hand_over(written);
    assert!(world.tailer.log.news().written.is_empty());
}

#[tokio::test]
async fn a_late_tailer_reads() {
    let mut world = World::new(1 << 20).await;
    let first = world.tailer.log.news();
    world.tailer.poll(first).await.unwrap();
    let written = world.write(&[0]).await;
    let partition = written[0].logged.position.partition;
    world.tailer.log.hand_over(written.clone());
    world.tailer.log.hand_over(vec![written[0].clone(); 5_000]);
    let news = world.tailer.log.news();
    assert!(news.written.is_empty());
    assert!(news.partitions.contains(&partition));
    world.tailer.poll(news).await.unwrap();
    let head = world.tailer.log.head(partition);
    assert_eq!(head.map(|head| head.offset), Some(1));
}

/// One that cannot be read takes its place in the rings as in the database; only the readers of its order alone stop
/// at it.
#[tokio::test]
async fn what_cannot_be_read_stops_only_the_readers_of_its_order() {
    for ring_bytes_max in [0, 1 << 20] {
        let mut world = World::new(ring_bytes_max).await;
        world.look_everywhere().await;
        world.write(&[0, 1, 2]).await;
        let spoilt = world.write(&[1]).await[0].logged.position;
        world.write(&[0, 1, 2, 3]).await;
        let (partition, offset) = (spoilt.partition.number(), spoilt.offset);
        let spoil = format!(
            "UPDATE history SET detail = '?' WHERE partition = {partition} AND log_offset = {offset}"
        );
        execute(&world.store, &spoil).await.unwrap();
        world.look_everywhere().await;

        // All orders, and one beside it.
        for (reader, count) in [(0, 7), (3, 2)] {
            world.finish(reader).await;
            let got = &world.readers[reader].got;
            assert_eq!(got.len(), count, "{got:?}");
            assert!(!got.contains(&(partition, offset)));
        }
        let end = from_now(&world.store).await.unwrap();
        let beginning = Bookmark::beginning(world.store.partition_count());
        let view = &world.readers[0].view;
        let mut export = world.watcher(view, beginning, Reading::UpTo(end));
        let mut exported = 0;
        while let Some(message) = export.next().await {
            exported += message.unwrap().entries.len();
        }
        assert_eq!(exported, 7);

        let alone = &mut world.readers[4];
        let mut ended = None;
        for _ in 0..100 {
            match alone.watcher.next().await.unwrap() {
                Ok(message) => alone.got.extend(positions(&message)),
                Err(error) => {
                    ended = Some(error);
                    break;
                }
            }
        }
        assert!(
            matches!(&ended, Some(StreamError::Store(error)) if error.is_of_data()),
            "{ended:?}"
        );
        assert!(alone.got.len() <= 1, "{:?}", alone.got);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_gets_what_matches_once_and_in_order(
        ring_bytes_max in prop_oneof![Just(0_usize), Just(20_000), Just(1 << 20)],
        events in prop::collection::vec(event(), 1..60),
    ) {
        run(ring_bytes_max, events);
    }
}
