//! One reader of the log. It is pulled: nothing is read before the client has
//! taken what came before, so a slow client costs no more memory than a quick
//! one, at most one message and the chunk of the log that it is made from.

use std::{mem, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use waymark_domain::partition::Partition;
use waymark_persistence::{Error, Store};
use waymark_proto::{convert::history::HistoryFilter, v1};

use super::{
    Log,
    cursor::{Bookmark, Cursor},
    entry::LogEntry,
    log::Reader,
    token,
};
use crate::limits::ANSWER_BYTES_SOFT_MAX;

/// The smallest and the largest number of entries that a chunk may have; between them it follows their size.
const CHUNK_ENTRIES_MIN: usize = 8;
const CHUNK_ENTRIES_MAX: usize = 256;

/// What a message spends on the tag and the length of an entry, in bytes.
const FRAMING_BYTES: usize = 5;

/// What a stream sends: a part of the history, and the token from which to go on after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The entries that match, whole steps only.
    pub entries: Vec<v1::HistoryEntry>,
    /// Covers everything up to and with this message.
    pub resume_token: String,
    /// Sent to say how far the reader is, with or without entries.
    pub checkpoint: bool,
    /// How many partitions there are.
    pub partition_count: i32,
}

/// Why a stream ends that should not.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The server stops; the message before said how far the reader is.
    #[error("the server is stopping")]
    ShuttingDown,
    /// The database does not answer.
    #[error("the log cannot be read")]
    Store(#[from] Error),
}

/// How long to read.
#[derive(Debug, Clone)]
pub enum Reading {
    /// Up to a bookmark, then the stream ends.
    UpTo(Bookmark),
    /// On and on, with a checkpoint at least that often.
    Following(Duration),
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Flowing,
    Stopping,
    Ended,
}

/// One reader of the log.
#[derive(Debug)]
pub struct Watcher {
    store: Store,
    log: Arc<Log>,
    _reader: Reader,
    grown: watch::Receiver<u64>,
    stopping: CancellationToken,
    filter: HistoryFilter,
    reading: Reading,
    bookmark: Bookmark,
    /// The partitions to read, the one whose turn it is first.
    partitions: Vec<Partition>,
    chunk_entries: usize,
    checkpoint_due: Instant,
    phase: Phase,
}

/// The message in the making.
#[derive(Debug, Default)]
struct Parcel {
    entries: Vec<v1::HistoryEntry>,
    bytes: usize,
    moved: bool,
    full: bool,
}

impl Watcher {
    /// A reader of `partitions` that goes on after `bookmark`.
    pub fn new(
        store: &Store,
        log: &Arc<Log>,
        stopping: &CancellationToken,
        bookmark: Bookmark,
        partitions: Vec<Partition>,
        filter: HistoryFilter,
        reading: Reading,
    ) -> Self {
        Self {
            store: store.clone(),
            _reader: log.enter(),
            grown: log.grown(),
            log: Arc::clone(log),
            stopping: stopping.clone(),
            filter,
            phase: match reading {
                Reading::UpTo(_) => Phase::Flowing,
                Reading::Following(_) => Phase::Opening,
            },
            reading,
            bookmark,
            partitions,
            chunk_entries: CHUNK_ENTRIES_MAX,
            checkpoint_due: Instant::now(),
        }
    }

    /// The next message; none after the last one or an error.
    pub async fn next(&mut self) -> Option<Result<Message, StreamError>> {
        match mem::replace(&mut self.phase, Phase::Flowing) {
            Phase::Opening => Some(Ok(self.checkpoint())),
            Phase::Flowing => {
                let next = self.flow().await;
                if next.is_err() {
                    self.phase = Phase::Ended;
                }
                Some(next)
            }
            Phase::Stopping => {
                self.phase = Phase::Ended;
                Some(Err(StreamError::ShuttingDown))
            }
            Phase::Ended => {
                self.phase = Phase::Ended;
                None
            }
        }
    }

    async fn flow(&mut self) -> Result<Message, StreamError> {
        loop {
            if self.stopping.is_cancelled() {
                self.phase = Phase::Stopping;
                return Ok(self.checkpoint());
            }
            // Before reading, so that what grows meanwhile is not slept over.
            self.grown.mark_unchanged();
            let parcel = self.collect().await?;
            if !parcel.entries.is_empty() {
                return Ok(self.message(parcel.entries));
            }
            if parcel.moved {
                if self.is_checkpoint_due() {
                    return Ok(self.checkpoint());
                }
                continue;
            }
            if matches!(self.reading, Reading::UpTo(_)) {
                self.phase = Phase::Ended;
                return Ok(self.checkpoint());
            }
            if self.wait().await {
                return Ok(self.checkpoint());
            }
        }
    }

    /// Waits for growth or for the server to stop; says whether a checkpoint came first.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            () = self.stopping.cancelled() => false,
            // An error would mean that the log is gone, which this reader holds.
            _ = self.grown.changed() => false,
            () = sleep_until(self.checkpoint_due) => true,
        }
    }

    /// Reads one chunk of each partition, or less when the message is full before.
    async fn collect(&mut self) -> Result<Parcel, StreamError> {
        let mut parcel = Parcel::default();
        for place in 0..self.partitions.len() {
            let Some(partition) = self.partitions.get(place).copied() else {
                break;
            };
            self.read(partition, &mut parcel).await?;
            if parcel.full {
                // The others come first next time.
                self.partitions.rotate_left(place);
                self.partitions.rotate_left(1);
                break;
            }
        }
        Ok(parcel)
    }

    async fn read(&mut self, partition: Partition, parcel: &mut Parcel) -> Result<(), StreamError> {
        let cursor = self.bookmark.cursor(partition);
        let end = match &self.reading {
            Reading::UpTo(bookmark) => bookmark.cursor(partition).offset,
            Reading::Following(_) => i64::MAX,
        };
        if cursor.offset >= end {
            return Ok(());
        }
        match self.log.after(partition, cursor.offset, CHUNK_ENTRIES_MAX) {
            Some(entries) => {
                self.take(partition, entries.iter().map(AsRef::as_ref), end, parcel);
            }
            None => {
                self.read_database(partition, cursor.offset, end, parcel)
                    .await?;
            }
        }
        Ok(())
    }

    async fn read_database(
        &mut self,
        partition: Partition,
        offset: i64,
        end: i64,
        parcel: &mut Parcel,
    ) -> Result<(), StreamError> {
        let log = Arc::clone(&self.log);
        // The semaphore is never closed; without a permit the read only loses its bound.
        let _permit = log.chunks.acquire().await.ok();
        let chunk = self
            .store
            .history_after(partition, offset, self.chunk_entries)
            .await?;
        let entries: Vec<LogEntry> = chunk.into_iter().map(LogEntry::from).collect();
        self.adapt(&entries);
        self.take(partition, entries.iter(), end, parcel);
        Ok(())
    }

    /// Aims at chunks of half a message, so that large entries come in small numbers.
    fn adapt(&mut self, entries: &[LogEntry]) {
        let bytes: usize = entries.iter().map(|entry| entry.wire_bytes).sum();
        if bytes > ANSWER_BYTES_SOFT_MAX / 2 {
            self.chunk_entries = (self.chunk_entries / 2).max(CHUNK_ENTRIES_MIN);
        } else if bytes < ANSWER_BYTES_SOFT_MAX / 8 && !entries.is_empty() {
            self.chunk_entries = (self.chunk_entries * 2).min(CHUNK_ENTRIES_MAX);
        }
    }

    /// Moves whole steps into the parcel until one does not fit; what is left is read again later.
    fn take<'a>(
        &mut self,
        partition: Partition,
        entries: impl Iterator<Item = &'a LogEntry>,
        end: i64,
        parcel: &mut Parcel,
    ) {
        let entries: Vec<&LogEntry> = entries.take_while(|entry| entry.offset() <= end).collect();
        for step in entries.chunk_by(|a, b| a.logged.step_offset == b.logged.step_offset) {
            let Some(last) = step.last() else { continue };
            let matching = || {
                step.iter()
                    .filter(|entry| self.filter.matches(&entry.logged))
            };
            let bytes: usize = matching()
                .map(|entry| entry.wire_bytes + FRAMING_BYTES)
                .sum();
            // A step larger than a message goes alone, since it must not be split.
            if parcel.bytes + bytes > ANSWER_BYTES_SOFT_MAX && !parcel.entries.is_empty() {
                parcel.full = true;
                return;
            }
            parcel
                .entries
                .extend(matching().map(|entry| entry.wire.clone()));
            parcel.bytes += bytes;
            parcel.moved = true;
            self.bookmark
                .set(partition, Cursor::after(last.offset(), &last.batch));
        }
    }

    fn is_checkpoint_due(&self) -> bool {
        matches!(self.reading, Reading::Following(_)) && self.checkpoint_due <= Instant::now()
    }

    fn checkpoint(&mut self) -> Message {
        self.checkpoint_due = Instant::now();
        self.message(Vec::new())
    }

    /// A message; it is a checkpoint too when one is due.
    fn message(&mut self, entries: Vec<v1::HistoryEntry>) -> Message {
        let checkpoint = entries.is_empty() || self.is_checkpoint_due();
        if let (true, Reading::Following(interval)) = (checkpoint, &self.reading) {
            self.checkpoint_due = Instant::now() + *interval;
        }
        Message {
            entries,
            resume_token: token::encode(&self.bookmark, &self.store.deployment()),
            checkpoint,
            partition_count: self.log.partition_count().get(),
        }
    }
}
