//! How a reader gets at entries: from the rings, or from the database where the
//! rings do not reach back far enough. It keeps how far the reader is, and where
//! it has yet to look.

use std::sync::Arc;

use waymark_domain::partition::Partition;
use waymark_persistence::{Error, Store};

use super::{
    Log,
    cursor::Bookmark,
    entry::LogEntry,
    interest::{Due, Interest},
    parcel::Parcel,
    shelf::{Made, View},
    token,
};
use crate::limits::STREAM_BYTES_SOFT_MAX;

/// The smallest and the largest number of entries that a chunk may have; between them it follows their size.
const CHUNK_ENTRIES_MIN: usize = 8;
const CHUNK_ENTRIES_MAX: usize = 256;

/// How far a reader is, and where it has yet to look.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) store: Store,
    pub(super) log: Arc<Log>,
    pub(super) view: Arc<View>,
    /// Where to end; none to go on and on.
    pub(super) until: Option<Bookmark>,
    pub(super) bookmark: Arc<Bookmark>,
    pub(super) due: Due,
    /// The partition whose turn it is to be read first.
    first: Partition,
    pub(super) chunk_entries: usize,
    /// The sequence up to which the history of the one order was looked at, where one is asked for.
    pub(super) sequence: i64,
}

impl Collector {
    /// For a reader that goes on after `bookmark`.
    pub(super) fn new(
        store: &Store,
        log: &Arc<Log>,
        view: Arc<View>,
        bookmark: Bookmark,
        until: Option<Bookmark>,
    ) -> Self {
        Self {
            store: store.clone(),
            log: Arc::clone(log),
            due: Due::everything(&view.partitions),
            view,
            until,
            bookmark: Arc::new(bookmark),
            first: Partition::new(0),
            chunk_entries: CHUNK_ENTRIES_MAX,
            sequence: 0,
        }
    }

    /// Whether everything was looked at that there was to look at.
    pub(super) fn is_done(&self) -> bool {
        self.due.is_empty()
    }

    /// The token for all that was looked at.
    pub(super) fn token(&self) -> String {
        token::encode(&self.bookmark, &self.store.deployment())
    }

    /// Looks everywhere again.
    pub(super) fn look_everywhere(&mut self) {
        self.due = Due::everything(&self.view.partitions);
    }

    /// Looks where there is something for the reader.
    pub(super) fn look_where_told(&mut self, interest: &Interest) {
        interest.tell(&mut self.due);
    }

    /// Passes over what the rings have, where none of it is for the reader.
    pub(super) fn pass_over(&mut self, interest: &Interest) {
        let view = Arc::clone(&self.view);
        for partition in &view.partitions {
            if self.due.contains(*partition) {
                continue;
            }
            if let Some(head) = self.log.head_unless_due(*partition, interest)
                && head.offset > self.bookmark.cursor(*partition).offset
            {
                Arc::make_mut(&mut self.bookmark).set(*partition, head);
            }
        }
    }

    /// What another reader was sent that asked for the same and stood here, or else what can be collected now.
    pub(super) async fn collect_shared(&mut self) -> Result<Option<Arc<Made>>, Error> {
        if let Some(made) = self.log.shelf.find(&self.view, &self.bookmark) {
            self.bookmark = Arc::clone(&made.to);
            return Ok(Some(made));
        }
        let from = Arc::clone(&self.bookmark);
        let parcel = self.collect().await?;
        if parcel.entries.is_empty() {
            return Ok(None);
        }
        let made = Arc::new(Made {
            view: Arc::clone(&self.view),
            from,
            to: Arc::clone(&self.bookmark),
            resume_token: self.token(),
            entries: parcel.entries,
        });
        self.log.shelf.put(Arc::clone(&made));
        Ok(Some(made))
    }

    /// Reads one chunk of each partition in which there is something to look at, or less when the message is full before.
    pub(super) async fn collect(&mut self) -> Result<Parcel, Error> {
        let mut parcel = Parcel::default();
        if let Some(order) = self.order_out_of_reach() {
            self.catch_up(order, &mut parcel).await?;
            return Ok(parcel);
        }
        for (partition, after) in self.due.beginning_with(self.first) {
            let at_end = self.read(partition, after, &mut parcel).await?;
            if parcel.full {
                // The others come first next time.
                self.first = Partition::new(partition.number() + 1);
                break;
            }
            if at_end {
                self.due.done(partition);
            }
        }
        Ok(parcel)
    }

    /// Reads a chunk of a partition; says whether nothing is left.
    async fn read(
        &mut self,
        partition: Partition,
        after: i64,
        parcel: &mut Parcel,
    ) -> Result<bool, Error> {
        let offset = self.bookmark.cursor(partition).offset;
        let until = self.until.as_ref();
        let end = until.map_or(i64::MAX, |until| until.cursor(partition).offset);
        if offset >= end {
            return Ok(true);
        }
        let after = after.max(offset);
        match self.log.after(partition, after, CHUNK_ENTRIES_MAX) {
            // A ring may lag behind the end of a stream, which was asked of the database.
            Some(entries) if until.is_none() || !entries.is_empty() => {
                let at_end = until.is_none() && entries.len() < CHUNK_ENTRIES_MAX;
                self.take(partition, entries.iter().map(AsRef::as_ref), end, parcel);
                Ok(at_end)
            }
            Some(_) | None => self.read_database(partition, after, end, parcel).await,
        }
    }

    async fn read_database(
        &mut self,
        partition: Partition,
        after: i64,
        end: i64,
        parcel: &mut Parcel,
    ) -> Result<bool, Error> {
        let log = Arc::clone(&self.log);
        // The semaphore is never closed; without a permit the read only loses its bound.
        let _permit = log.chunks.acquire().await.ok();
        let chunk = self
            .store
            .history_after(partition, after, self.chunk_entries)
            .await?;
        let entries: Vec<LogEntry> = chunk.into_iter().map(LogEntry::from).collect();
        self.adapt(&entries);
        Ok(!self.take(partition, entries.iter(), end, parcel))
    }

    /// Aims at chunks of half a message, so that large entries come in small numbers.
    pub(super) fn adapt(&mut self, entries: &[LogEntry]) {
        let bytes: usize = entries.iter().map(|entry| entry.encoded.len()).sum();
        if bytes > STREAM_BYTES_SOFT_MAX / 2 {
            self.chunk_entries = (self.chunk_entries / 2).max(CHUNK_ENTRIES_MIN);
        } else if bytes < STREAM_BYTES_SOFT_MAX / 8 && !entries.is_empty() {
            self.chunk_entries = (self.chunk_entries * 2).min(CHUNK_ENTRIES_MAX);
        }
    }

    /// Moves whole steps into the parcel; says whether the reader got any further.
    pub(super) fn take<'a>(
        &mut self,
        partition: Partition,
        entries: impl Iterator<Item = &'a LogEntry>,
        end: i64,
        parcel: &mut Parcel,
    ) -> bool {
        let reached = parcel.take(&self.view.filter, entries, end);
        if let Some(cursor) = reached {
            Arc::make_mut(&mut self.bookmark).set(partition, cursor);
        }
        reached.is_some()
    }
}
