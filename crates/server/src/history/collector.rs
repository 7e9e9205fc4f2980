//! The reading side of a stream: from the rings, or from the database where the
//! rings do not reach back far enough. It keeps how far the reader is, where it has
//! yet to look, and what it has read and not sent yet. Where the database has another
//! entry than the reader had, the timeline ends, and with it every reader.

use std::sync::Arc;

use waymark_domain::partition::Partition;
use waymark_persistence::{Chunk, ChunkLimit, Error, Store};

use super::{
    cursor::{Bookmark, Cursor},
    encoded::{CachedBatch, EncodedBatch, View},
    entry::LogEntry,
    log::{Log, Place},
    read_ahead::ReadAhead,
    subscriptions::{DueReads, Subscription},
    token,
};
use crate::limits::STREAM_BYTES_SOFT_MAX;

/// How many entries a chunk may have at most, and has at first; between one and that it follows their size.
const CHUNK_ENTRIES_MAX: usize = 256;
const CHUNK_ENTRIES_FIRST: usize = 16;

/// How far a reader is, and where it has yet to look.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) store: Store,
    pub(super) log: Arc<Log>,
    pub(super) view: Arc<View>,
    /// Where to end; none to go on and on.
    pub(super) until: Option<Bookmark>,
    pub(super) bookmark: Arc<Bookmark>,
    pub(super) due: DueReads,
    /// The partition whose turn it is to be read first.
    first: Partition,
    chunk_entries: usize,
    /// Entries of a partition that were read and did not fit.
    ahead: ReadAhead,
    /// Entries of the one order that were read and did not fit, where one is asked for.
    pub(super) of_order: ReadAhead,
    /// The timeline of the store on which the reader began.
    pub(super) timeline: u64,
    /// The sequence up to which the history of the one order was looked at, where one is asked for.
    pub(super) sequence: i64,
}

impl Collector {
    /// For a reader that goes on after `bookmark`.
    pub(super) fn new(
        store: &Store,
        place: &Place,
        view: Arc<View>,
        bookmark: Bookmark,
        until: Option<Bookmark>,
    ) -> Self {
        Self {
            store: store.clone(),
            log: Arc::clone(&place.log),
            timeline: place.began,
            due: DueReads::everything(&view.partitions),
            view,
            until,
            bookmark: Arc::new(bookmark),
            first: Partition::new(0),
            chunk_entries: CHUNK_ENTRIES_FIRST,
            ahead: ReadAhead::default(),
            of_order: ReadAhead::default(),
            sequence: 0,
        }
    }

    pub(super) fn token(&self) -> String {
        token::encode(&self.bookmark, &self.store.deployment())
    }

    /// Passes over what the rings have, where none of it is for the reader.
    pub(super) fn pass_over(&mut self, subscription: &Subscription) {
        let view = Arc::clone(&self.view);
        for partition in &view.partitions {
            if self.due.contains(*partition) {
                continue;
            }
            if let Some(head) = self.log.head_unless_due(*partition, subscription)
                && head.offset > self.bookmark.cursor(*partition).offset
            {
                self.reach(*partition, head);
            }
        }
    }

    /// The batch of another reader that asked for the same and stood here, or else what can be collected now.
    pub(super) async fn collect_shared(&mut self) -> Result<Option<Arc<CachedBatch>>, Error> {
        let found = self
            .log
            .cache
            .find(self.timeline, &self.view, &self.bookmark);
        if let Some(cached) = found {
            self.bookmark = Arc::clone(&cached.to);
            return Ok(Some(cached));
        }
        let from = Arc::clone(&self.bookmark);
        let batch = self.collect().await?;
        if batch.entries.is_empty() {
            return Ok(None);
        }
        let cached = Arc::new(CachedBatch {
            timeline: self.timeline,
            view: Arc::clone(&self.view),
            from,
            to: Arc::clone(&self.bookmark),
            resume_token: self.token(),
            entries: batch.entries,
        });
        self.log.cache.put(Arc::clone(&cached));
        Ok(Some(cached))
    }

    /// Reads one chunk of each partition in which there is something to look at, or less when the message is full before.
    pub(super) async fn collect(&mut self) -> Result<EncodedBatch, Error> {
        let mut batch = EncodedBatch::default();
        if let Some(order) = self.order_out_of_reach() {
            self.catch_up(order, &mut batch).await?;
            return Ok(batch);
        }
        for (partition, after) in self.due.beginning_with(self.first) {
            let at_end = self.read(partition, after, &mut batch).await?;
            if self.ahead.is_of(partition) {
                // The entries that were read are sent before more are.
                self.first = partition;
                break;
            }
            if batch.full {
                // The others come first next time.
                self.first = Partition::new(partition.number() + 1);
                break;
            }
            if at_end {
                self.due.done(partition);
            }
        }
        batch.checked()
    }

    /// Reads a chunk of a partition; says whether nothing is left.
    async fn read(
        &mut self,
        partition: Partition,
        after: i64,
        batch: &mut EncodedBatch,
    ) -> Result<bool, Error> {
        let reader = self.bookmark.cursor(partition);
        let after = after.max(reader.offset);
        if self.ahead.is_of(partition) && !self.ahead.follows(partition, after) {
            self.ahead = ReadAhead::default();
        }
        let until = self.until.as_ref();
        let end = until.map(|until| until.cursor(partition));
        if let Some(end) = end.filter(|end| reader.offset >= end.offset) {
            self.ahead = ReadAhead::default();
            if reader.contradicts(end) {
                self.lose(partition, reader);
            }
            return Ok(true);
        }
        let last = end.map_or(i64::MAX, |end| end.offset);
        if self.ahead.follows(partition, after) {
            return self.read_database(partition, after, last, batch).await;
        }
        match self.log.after(partition, after, reader, CHUNK_ENTRIES_MAX) {
            // A ring may lag behind the end of a stream, which was asked of the database.
            Some(entries) if end.is_none() || !entries.is_empty() => {
                let at_end = end.is_none() && entries.len() < CHUNK_ENTRIES_MAX;
                let entries = entries.iter().map(AsRef::as_ref);
                if let Some(reached) = batch.take(&self.view.filter, entries, last) {
                    self.reach(partition, reached);
                }
                Ok(at_end)
            }
            Some(_) | None => self.read_database(partition, after, last, batch).await,
        }
    }

    /// Takes what was read before, or reads more where that has no whole step.
    async fn read_database(
        &mut self,
        partition: Partition,
        after: i64,
        last: i64,
        batch: &mut EncodedBatch,
    ) -> Result<bool, Error> {
        if !self.ahead.follows(partition, after) {
            self.ahead = ReadAhead::after(partition, after);
        }
        // That nothing followed counts only where it was found just now: more may have been written since the last call.
        let mut is_fresh = false;
        loop {
            let taken = self.ahead.take(&self.view.filter, last, batch);
            if let Some(taken) = &taken {
                self.reach(partition, taken.cursor);
            }
            if taken.is_some() || batch.full || self.ahead.is_last {
                return Ok(is_fresh && self.ahead.is_exhausted());
            }
            let log = Arc::clone(&self.log);
            // The semaphore is never closed; without a permit the read only loses its bound.
            let _permit = log.chunks.acquire().await.ok();
            let reader = self.bookmark.cursor(partition);
            let from = self.ahead.last().map_or(reader, |last| last.cursor);
            let offset = from.offset.max(after);
            let chunk = self.store.history_chunk(partition, offset, self.limit());
            let chunk = chunk.await?;
            let (is_last, is_whole) = (chunk.is_last, chunk.is_whole);
            let entries = self.encode(chunk);
            let first = entries.first().map(|first| first.before);
            self.ahead.add(entries, is_last, is_whole);
            is_fresh = true;
            // The log does not reach the end any more that it had when the stream began.
            let is_short = self.ahead.is_empty() && last < i64::MAX;
            if is_short || first.is_some_and(|before| before.contradicts(from)) {
                self.ahead = ReadAhead::default();
                self.lose(partition, reader);
                return Ok(true);
            }
        }
    }

    /// Ends the timeline, since the database has not what this reader had.
    pub(super) fn lose(&self, partition: Partition, reader: Cursor) {
        self.store
            .lose_timeline(self.timeline, reader.position(partition));
    }

    pub(super) fn reach(&mut self, partition: Partition, cursor: Cursor) {
        Arc::make_mut(&mut self.bookmark).set(partition, cursor);
    }

    /// Encodes what was read, and aims at chunks of a message, so that large entries come in small numbers.
    pub(super) fn encode(&mut self, chunk: Chunk) -> Vec<LogEntry> {
        let entries: Vec<_> = chunk.entries.into_iter().map(LogEntry::from).collect();
        let bytes: usize = entries.iter().map(LogEntry::size).sum();
        if let Some(fitting) = (STREAM_BYTES_SOFT_MAX * entries.len()).checked_div(bytes) {
            let most = CHUNK_ENTRIES_MAX.min(self.chunk_entries * 4);
            self.chunk_entries = fitting.clamp(1, most);
        }
        entries
    }

    /// How much to read at once: about a message.
    pub(super) fn limit(&self) -> ChunkLimit {
        ChunkLimit {
            entries: self.chunk_entries,
            bytes: STREAM_BYTES_SOFT_MAX,
        }
    }
}
