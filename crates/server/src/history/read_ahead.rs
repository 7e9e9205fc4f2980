//! Entries that a reader has read ahead and not sent yet: they are kept for the next message, so that
//! each entry is read and encoded once, however large it is.

use std::collections::VecDeque;

use waymark_domain::partition::Partition;
use waymark_proto::convert::history::HistoryFilter;

use super::{cursor::Cursor, encoded::EncodedBatch, entry::LogEntry};

/// Entries of one partition that follow each other, the next ones for a reader.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    place: Option<(Partition, i64)>,
    entries: VecDeque<LogEntry>,
    /// Whether nothing followed in the database when it was read last.
    pub(super) is_last: bool,
    is_whole: bool,
}

impl ReadAhead {
    /// Nothing yet, of what follows an offset.
    pub(super) fn after(partition: Partition, offset: i64) -> Self {
        Self {
            place: Some((partition, offset)),
            ..Self::default()
        }
    }

    pub(super) fn follows(&self, partition: Partition, offset: i64) -> bool {
        self.place == Some((partition, offset)) && !self.is_empty()
    }

    pub(super) fn is_of(&self, partition: Partition) -> bool {
        self.place.is_some_and(|(place, _)| place == partition) && !self.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn first(&self) -> Option<&LogEntry> {
        self.entries.front()
    }

    /// The entry after which to read on.
    pub(super) fn last(&self) -> Option<&LogEntry> {
        self.entries.back()
    }

    /// Whether nothing is left, here and in the database as it was read last.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_empty() && self.is_last
    }

    /// Adds what was read after the last entry: whether nothing followed it, and whether it ends with a whole step.
    pub(super) fn add(&mut self, entries: Vec<LogEntry>, is_last: bool, is_whole: bool) {
        self.entries.extend(entries);
        self.is_last = is_last;
        self.is_whole = is_whole;
    }

    /// Removes the entries that a reader has had already; gives the last of them.
    pub(super) fn pass(&mut self, offset: i64) -> Option<LogEntry> {
        let mut passed = None;
        while self.first().is_some_and(|first| first.offset() <= offset) {
            passed = self.entries.pop_front();
        }
        passed
    }

    /// Moves whole steps up to the offset `end` into a message, as many as fit; gives the last entry that was passed.
    pub(super) fn take(
        &mut self,
        filter: &HistoryFilter,
        end: i64,
        batch: &mut EncodedBatch,
    ) -> Option<LogEntry> {
        let open = self.last().map(|last| last.step_offset);
        let is_whole = |entry: &&LogEntry| self.is_whole || Some(entry.step_offset) != open;
        let whole = self.entries.iter().take_while(is_whole);
        let Cursor { offset, .. } = batch.take(filter, whole, end)?;
        if let Some((_, after)) = &mut self.place {
            *after = offset;
        }
        self.pass(offset)
    }
}
