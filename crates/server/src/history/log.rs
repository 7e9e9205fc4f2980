//! The log of history as the tailer and its readers share it: the rings, the wake-up in both
//! directions, with news for the tailer, and how many read.

use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore, watch};
use waymark_domain::partition::{Partition, PartitionCount};
use waymark_persistence::{Batched, Store};

use super::{
    cursor::{Cursor, index},
    encoded::BatchCache,
    entry::LogEntry,
    ring::{Pushed, Ring},
    subscriptions::{Subscription, Subscriptions},
};
use crate::lock::lock;

/// How many readers of old history may hold a chunk of it in memory at once; the others wait their turn.
const CHUNKS_AT_ONCE: usize = 4;
/// How many new entries may wait, whatever their size: the tailer looks every few milliseconds. A tailer that is this
/// late reads them from the database instead.
const NEWS_ENTRIES_MAX: usize = 4_096;

/// The log of history as this process sees it.
#[derive(Debug)]
pub struct Log {
    count: PartitionCount,
    rings: Vec<Mutex<Ring>>,
    /// The timeline of the store as it is, and the one that the rings are of.
    timeline: watch::Receiver<u64>,
    current: AtomicU64,
    grown: watch::Sender<u64>,
    news: Mutex<News>,
    wake: Notify,
    readers: AtomicUsize,
    readers_max: usize,
    pub(super) chunks: Semaphore,
    pub(super) subscriptions: Subscriptions,
    pub(super) cache: BatchCache,
}

#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether any partition may have grown.
    pub(super) all: bool,
    /// The partitions that grew, with or without what follows.
    pub(super) partitions: BTreeSet<Partition>,
    /// Batches that are known to be in the log; not all of them, and not always in order.
    pub(super) written: Vec<Vec<Batched>>,
}

impl News {
    pub(super) fn of(written: Vec<Batched>) -> Self {
        Self {
            written: vec![written],
            ..Self::default()
        }
    }

    /// That any partition may have grown.
    pub(super) fn everywhere() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// Adds what is new besides. All batches that wait are let go where they are too many.
    pub(super) fn extend(&mut self, later: Self) {
        self.all |= later.all;
        self.partitions.extend(later.partitions);
        self.written.extend(later.written);
        if self.written.iter().map(Vec::len).sum::<usize>() > NEWS_ENTRIES_MAX {
            let late = mem::take(&mut self.written).into_iter().flatten();
            let partitions = late.map(|batched| batched.logged.position.partition);
            self.partitions.extend(partitions);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.partitions.is_empty() && self.written.is_empty()
    }
}

/// The place of one reader of the log; while there is none, the tailer rests.
#[derive(Debug)]
pub struct Place {
    pub(super) log: Arc<Log>,
    timeline: watch::Receiver<u64>,
    /// The timeline on which the reader began.
    pub(super) began: u64,
}

/// As many streams are open as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max} streams of history are open, which is as many as may be")]
pub struct StreamLimit {
    /// How many may be open.
    pub max: usize,
}

impl Place {
    /// Whether entries that the reader may have had are not in the database any more.
    pub(super) fn is_lost(&self) -> bool {
        *self.timeline.borrow() != self.began
    }

    /// Waits until that may be so.
    pub(super) async fn lost(&mut self) {
        // An error would mean that the store is gone, which the reader holds.
        let _ = self.timeline.changed().await;
    }
}

impl Log {
    /// The log of a store, without readers, of which there may be `readers_max`; its rings share `ring_bytes_max`.
    pub(crate) fn new(store: &Store, ring_bytes_max: usize, readers_max: usize) -> Arc<Self> {
        let count = store.partition_count();
        let timeline = store.timeline();
        let partitions = usize::try_from(count.get()).unwrap_or(1).max(1);
        let rings = count
            .all()
            .map(|_| Mutex::new(Ring::new(ring_bytes_max / partitions)));
        let current = AtomicU64::new(*timeline.borrow());
        Arc::new(Self {
            count,
            rings: rings.collect(),
            current,
            timeline,
            grown: watch::Sender::new(0),
            news: Mutex::default(),
            wake: Notify::new(),
            readers: AtomicUsize::new(0),
            readers_max,
            chunks: Semaphore::new(CHUNKS_AT_ONCE),
            subscriptions: Subscriptions::default(),
            cache: BatchCache::default(),
        })
    }

    /// How many partitions there are.
    pub fn partition_count(&self) -> PartitionCount {
        self.count
    }

    /// Gives the tailer the entries that this process has committed. They are not kept where nobody reads: the first reader makes the
    /// tailer look at a database that has it.
    pub(crate) fn hand_over(&self, written: Vec<Batched>) {
        if self.readers() > 0 {
            lock(&self.news).extend(News::of(written));
            self.wake.notify_one();
        }
    }

    /// Says that these partitions grew.
    pub(crate) fn wake(&self, partitions: impl IntoIterator<Item = Partition>) {
        lock(&self.news).partitions.extend(partitions);
        self.wake.notify_one();
    }

    /// Says that any partition may have grown.
    pub(crate) fn wake_all(&self) {
        lock(&self.news).all = true;
        self.wake.notify_one();
    }

    /// Waits for news. Nothing is lost when the wait is given up.
    pub(super) async fn woken(&self) -> News {
        loop {
            let news = self.news();
            if !news.is_empty() {
                return news;
            }
            self.wake.notified().await;
        }
    }

    pub(super) fn news(&self) -> News {
        mem::take(&mut *lock(&self.news))
    }

    /// Enters a reader. The first one makes the tailer find out where the log stands.
    ///
    /// # Errors
    /// Returns [`StreamLimit`] when there are as many as may be.
    pub fn enter(self: &Arc<Self>) -> Result<Place, StreamLimit> {
        let max = self.readers_max;
        let one_more = |readers| (readers < max).then_some(readers + 1);
        let before = self
            .readers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more)
            .map_err(|_| StreamLimit { max })?;
        if before == 0 {
            self.wake_all();
        }
        let mut timeline = self.timeline.clone();
        let began = *timeline.borrow_and_update();
        Ok(Place {
            log: Arc::clone(self),
            timeline,
            began,
        })
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::SeqCst)
    }

    /// Tells whenever rings grew.
    pub(super) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// After the last entry that the ring of a partition has; none when it is not anchored.
    pub(super) fn head(&self, partition: Partition) -> Option<Cursor> {
        self.ring(partition).and_then(|ring| ring.head())
    }

    /// The end of the ring of a partition, where a reader was told of all that it got. Readers are told under the lock of
    /// the ring, so nothing comes between the two.
    pub(super) fn head_unless_due(
        &self,
        partition: Partition,
        subscription: &Subscription,
    ) -> Option<Cursor> {
        let ring = self.ring(partition)?;
        if subscription.is_due(partition) {
            return None;
        }
        ring.head()
    }

    /// Empties the ring of a partition, which goes on after `head`, and sends all its readers looking.
    pub(super) fn anchor(&self, partition: Partition, head: Cursor) {
        if let Some(mut ring) = self.ring(partition) {
            ring.anchor(head);
            self.subscriptions.doubt(partition);
        }
        self.tell();
    }

    /// Adds entries to the ring of a partition, and tells the readers of their orders. The others are told by [`tell`](Self::tell).
    pub(super) fn push(&self, partition: Partition, entries: &[Arc<LogEntry>]) -> Pushed {
        let Some(mut ring) = self.ring(partition) else {
            return Pushed::Followed;
        };
        let pushed = ring.push(entries.iter().cloned());
        match pushed {
            Pushed::Followed => self.subscriptions.tell(partition, entries),
            Pushed::Gap => self.subscriptions.doubt(partition),
            // The tailer asks the database.
            Pushed::Foreign => {}
        }
        pushed
    }

    /// Tells the readers of all orders that rings grew.
    pub(super) fn tell(&self) {
        self.grown
            .send_modify(|generation| *generation = generation.wrapping_add(1));
    }

    /// Empties all rings where the timeline of the store has changed; until then nothing can be got out of them or put
    /// into them. Gives the timeline that they are of now.
    pub(super) fn renew(&self) -> u64 {
        let timeline = *self.timeline.borrow();
        if self.current.load(Ordering::SeqCst) != timeline {
            self.forget();
            lock(&self.news).written.clear();
            self.current.store(timeline, Ordering::SeqCst);
        }
        timeline
    }

    pub(super) fn forget(&self) {
        for ring in &self.rings {
            lock(ring).forget();
        }
    }

    /// Whether the ring of a partition has everything after an offset.
    pub(super) fn covers(&self, partition: Partition, offset: i64) -> bool {
        self.ring(partition).is_some_and(|ring| ring.covers(offset))
    }

    /// Up to `limit` entries after an offset, for a reader that has read to `reader`; none when the ring does not reach
    /// back so far, or has another entry there.
    pub(super) fn after(
        &self,
        partition: Partition,
        offset: i64,
        reader: Cursor,
        limit: usize,
    ) -> Option<Vec<Arc<LogEntry>>> {
        self.ring(partition)?.after(offset, reader, limit)
    }

    fn ring(&self, partition: Partition) -> Option<MutexGuard<'_, Ring>> {
        if *self.timeline.borrow() != self.current.load(Ordering::SeqCst) {
            return None;
        }
        index(partition)
            .and_then(|index| self.rings.get(index))
            .map(lock)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.log.readers.fetch_sub(1, Ordering::SeqCst);
    }
}
