//! What the tailer and its readers share: the rings, the wake-up in both
//! directions, and how many read.

use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore, watch};
use waymark_domain::partition::{Partition, PartitionCount};

use super::{cursor::index, entry::LogEntry, ring::Ring};

/// How many readers of old history may hold a chunk of it in memory at once; the others wait their turn.
const CHUNKS_AT_ONCE: usize = 4;

/// The log of history as this process sees it.
#[derive(Debug)]
pub struct Log {
    count: PartitionCount,
    rings: Vec<Mutex<Ring>>,
    grown: watch::Sender<u64>,
    wanted: Mutex<Wanted>,
    wake: Notify,
    readers: AtomicUsize,
    pub(super) chunks: Semaphore,
}

/// Which partitions the tailer should look at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// All of them.
    pub(super) all: bool,
    /// These.
    pub(super) partitions: BTreeSet<Partition>,
}

/// That somebody reads the log; while nobody does, the tailer rests.
#[derive(Debug)]
pub(super) struct Reader(Arc<Log>);

impl Log {
    /// A log without readers, whose rings share `ring_bytes_max`.
    pub(crate) fn new(count: PartitionCount, ring_bytes_max: usize) -> Arc<Self> {
        let partitions = usize::try_from(count.get()).unwrap_or(1).max(1);
        let rings = count
            .all()
            .map(|_| Mutex::new(Ring::new(ring_bytes_max / partitions)));
        Arc::new(Self {
            count,
            rings: rings.collect(),
            grown: watch::Sender::new(0),
            wanted: Mutex::default(),
            wake: Notify::new(),
            readers: AtomicUsize::new(0),
            chunks: Semaphore::new(CHUNKS_AT_ONCE),
        })
    }

    /// How many partitions there are.
    pub fn partition_count(&self) -> PartitionCount {
        self.count
    }

    /// Says that these partitions grew.
    pub(crate) fn wake(&self, partitions: &BTreeSet<Partition>) {
        lock(&self.wanted).partitions.extend(partitions);
        self.wake.notify_one();
    }

    /// Says that any partition may have grown.
    pub(crate) fn wake_all(&self) {
        lock(&self.wanted).all = true;
        self.wake.notify_one();
    }

    /// Waits until somebody says that partitions grew. Nothing is lost when the wait is given up.
    pub(super) async fn woken(&self) -> Wanted {
        loop {
            let wanted = mem::take(&mut *lock(&self.wanted));
            if wanted != Wanted::default() {
                return wanted;
            }
            self.wake.notified().await;
        }
    }

    /// Enters a reader. The first one makes the tailer find out where the log stands.
    pub(super) fn enter(self: &Arc<Self>) -> Reader {
        if self.readers.fetch_add(1, Ordering::SeqCst) == 0 {
            self.wake_all();
        }
        Reader(Arc::clone(self))
    }

    /// How many readers there are.
    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::SeqCst)
    }

    /// Tells whenever a ring grew.
    pub(super) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// The offset up to which the ring of a partition has entries; none when it is not anchored.
    pub(super) fn head(&self, partition: Partition) -> Option<i64> {
        self.ring(partition).and_then(|ring| ring.head())
    }

    /// Empties the ring of a partition, which goes on after `head`, and tells the readers.
    pub(super) fn anchor(&self, partition: Partition, head: i64) {
        if let Some(mut ring) = self.ring(partition) {
            ring.anchor(head);
        }
        self.tell();
    }

    /// Adds entries to the ring of a partition, and tells the readers.
    pub(super) fn push(&self, partition: Partition, entries: Vec<Arc<LogEntry>>) {
        if let Some(mut ring) = self.ring(partition) {
            ring.push(entries);
        }
        self.tell();
    }

    /// Empties all rings.
    pub(super) fn forget(&self) {
        for ring in &self.rings {
            lock(ring).forget();
        }
    }

    /// Up to `limit` entries after an offset; none when the ring does not reach back so far.
    pub(super) fn after(
        &self,
        partition: Partition,
        offset: i64,
        limit: usize,
    ) -> Option<Vec<Arc<LogEntry>>> {
        self.ring(partition)?.after(offset, limit)
    }

    fn tell(&self) {
        self.grown
            .send_modify(|generation| *generation = generation.wrapping_add(1));
    }

    fn ring(&self, partition: Partition) -> Option<MutexGuard<'_, Ring>> {
        index(partition)
            .and_then(|index| self.rings.get(index))
            .map(lock)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a panicking holder left behind is still a ring: every change of one is complete before the next begins.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
