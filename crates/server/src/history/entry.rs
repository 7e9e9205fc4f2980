//! An entry as the log hands it to its readers: the facets for filters, and the bytes
//! that are sent, encoded once however many read it. The rest is let go, so that
//! the rings reach far back.

use bytes::Bytes;
use prost::Message as _;
use waymark_domain::value::OrderId;
use waymark_persistence::{BatchId, Batched, StoredEntry, UnreadableEntry};
use waymark_proto::{
    convert::history::{Facets, HistoryFilter},
    v1,
};

use super::cursor::{Cursor, check};

/// The memory of an entry beyond its encoded bytes, roughly.
const WEIGHT_BYTES: usize = 512;

#[derive(Debug)]
pub(super) struct LogEntry {
    /// Where a reader stands that has read it.
    pub(super) cursor: Cursor,
    /// Where a reader stands that has all before it; the check is 0 where it is not known.
    pub(super) before: Cursor,
    /// The offset of the first entry of its step.
    pub(super) step_offset: i64,
    /// Its number in the history of its order.
    pub(super) sequence: i64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The facets for filters, and the encoded `HistoryEntry`.
    Readable(Facets, Bytes),
    /// An entry that cannot be read. It takes its place, so that what follows it follows without a gap.
    Unreadable(Box<UnreadableEntry>),
}

impl LogEntry {
    pub(super) fn offset(&self) -> i64 {
        self.cursor.offset
    }

    /// Its order, where that can be read.
    pub(super) fn order_id(&self) -> Option<&OrderId> {
        match &self.content {
            Content::Readable(facets, _) => Some(&facets.order_id),
            Content::Unreadable(entry) => entry.order.as_ref().map(|(_, order_id)| order_id),
        }
    }

    /// The bytes that a reader is sent, if any.
    pub(super) fn wanted(&self, filter: &HistoryFilter) -> Option<&Bytes> {
        match &self.content {
            Content::Readable(facets, encoded) => filter.matches(facets).then_some(encoded),
            Content::Unreadable(_) => None,
        }
    }

    /// The entry, where it cannot be read and belongs to the one order that is asked for.
    pub(super) fn missed(&self, filter: &HistoryFilter) -> Option<&UnreadableEntry> {
        match &self.content {
            Content::Readable(..) => None,
            Content::Unreadable(entry) => {
                let order = entry.order.as_ref().map(|(workflow, id)| (workflow, id));
                (order.is_some() && order == filter.one_order()).then_some(entry.as_ref())
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        match &self.content {
            Content::Readable(_, encoded) => encoded.len(),
            Content::Unreadable(_) => 0,
        }
    }

    /// Its size in memory, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.size() + WEIGHT_BYTES
    }
}

/// Where a reader stands that has all before an offset.
fn all_before(offset: i64, batch: Option<&BatchId>) -> Cursor {
    Cursor {
        offset: offset - 1,
        check: batch.map_or(0, check),
    }
}

impl From<Batched> for LogEntry {
    fn from(
        Batched {
            logged,
            batch,
            before,
        }: Batched,
    ) -> Self {
        let offset = logged.position.offset;
        let encoded = v1::HistoryEntry::from(&logged).encode_to_vec();
        Self {
            cursor: Cursor::after(offset, &batch),
            before: all_before(offset, before.as_ref()),
            step_offset: logged.step_offset,
            sequence: logged.entry.sequence,
            content: Content::Readable(Facets::from(&logged), encoded.into()),
        }
    }
}

impl From<StoredEntry> for LogEntry {
    fn from(stored: StoredEntry) -> Self {
        let entry = match stored {
            Ok(batched) => return Self::from(batched),
            Err(entry) => entry,
        };
        let offset = entry.position.offset;
        Self {
            cursor: Cursor::after(offset, &entry.batch),
            before: all_before(offset, entry.before.as_ref()),
            step_offset: entry.step_offset,
            sequence: entry.sequence,
            content: Content::Unreadable(entry),
        }
    }
}
