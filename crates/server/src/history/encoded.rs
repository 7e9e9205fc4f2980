//! Encoded batches: the content of a message, whole steps, as many as fit; and their cache, for
//! readers that ask for the same and stand at the same place: a thousand of them share one batch and
//! one token.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use waymark_domain::partition::Partition;
use waymark_persistence::Error;
use waymark_proto::convert::history::HistoryFilter;

use super::{
    cursor::{Bookmark, Cursor},
    entry::LogEntry,
};
use crate::{limits::STREAM_BYTES_SOFT_MAX, lock::lock};

/// The tag and the length of an entry in a message, in bytes.
const FRAMING_BYTES: usize = 5;
const BATCHES_MAX: usize = 8;

/// Encoded entries of whole steps, up to the size of a message.
#[derive(Debug, Default)]
pub(super) struct EncodedBatch {
    pub(super) entries: Vec<Bytes>,
    bytes: usize,
    /// Whether a step did not fit any more.
    pub(super) full: bool,
    /// Why a step cannot be sent, nor anything behind it.
    broken: Option<Error>,
}

impl EncodedBatch {
    /// Takes what matches of whole steps up to the offset `end`, until a step does not fit; gives the place up to which
    /// everything was looked at, if anything was. What is left is read again later.
    pub(super) fn take<'a>(
        &mut self,
        filter: &HistoryFilter,
        entries: impl Iterator<Item = &'a LogEntry>,
        end: i64,
    ) -> Option<Cursor> {
        let entries: Vec<&LogEntry> = entries.take_while(|entry| entry.offset() <= end).collect();
        let mut reached = None;
        for step in entries.chunk_by(|a, b| a.step_offset == b.step_offset) {
            if let Some(missed) = step.iter().find_map(|entry| entry.missed(filter)) {
                self.broken = Some(missed.error());
                self.full = true;
                break;
            }
            let wanted = || step.iter().filter_map(|entry| entry.wanted(filter));
            let bytes: usize = wanted().map(|encoded| encoded.len() + FRAMING_BYTES).sum();
            // A step larger than a message goes alone, since it must not be split.
            if self.bytes + bytes > STREAM_BYTES_SOFT_MAX && !self.entries.is_empty() {
                self.full = true;
                break;
            }
            self.entries.extend(wanted().cloned());
            self.bytes += bytes;
            reached = step.last().map(|last| last.cursor);
        }
        reached
    }

    /// The batch; where its next step cannot be sent, everything before that first.
    pub(super) fn checked(mut self) -> Result<Self, Error> {
        match self.broken.take() {
            Some(error) if self.entries.is_empty() => Err(error),
            Some(_) | None => Ok(self),
        }
    }
}

/// The view of a reader: what it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) filter: HistoryFilter,
    pub(super) partitions: Vec<Partition>,
}

/// The batch for every reader of `view` who stands at `from`.
#[derive(Debug)]
pub(super) struct CachedBatch {
    /// The timeline of the store on which it was read.
    pub(super) timeline: u64,
    pub(super) view: Arc<View>,
    pub(super) from: Arc<Bookmark>,
    pub(super) to: Arc<Bookmark>,
    pub(super) resume_token: String,
    pub(super) entries: Vec<Bytes>,
}

#[derive(Debug, Default)]
pub(super) struct BatchCache(Mutex<VecDeque<Arc<CachedBatch>>>);

impl BatchCache {
    pub(super) fn find(
        &self,
        timeline: u64,
        view: &Arc<View>,
        from: &Arc<Bookmark>,
    ) -> Option<Arc<CachedBatch>> {
        let batches = lock(&self.0);
        let fits = |batch: &&Arc<CachedBatch>| {
            batch.timeline == timeline && same(&batch.from, from) && same(&batch.view, view)
        };
        batches.iter().rev().find(fits).map(Arc::clone)
    }

    pub(super) fn put(&self, batch: Arc<CachedBatch>) {
        let mut batches = lock(&self.0);
        if batches.len() >= BATCHES_MAX {
            batches.pop_front();
        }
        batches.push_back(batch);
    }
}

fn same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
