//! An entry as the log hands it to its readers: what filters ask, and the bytes
//! that are sent, encoded once however many read it. The rest is let go, so that
//! the rings reach far back.

use bytes::Bytes;
use prost::Message as _;
use waymark_persistence::Batched;
use waymark_proto::{convert::history::Facets, v1};

use super::cursor::{Cursor, check};

/// What an entry takes in memory beyond its encoded bytes, roughly.
const WEIGHT_BYTES: usize = 512;

/// An entry of the log.
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
    pub(super) facets: Facets,
    /// The encoded `HistoryEntry`.
    pub(super) encoded: Bytes,
}

impl LogEntry {
    pub(super) fn offset(&self) -> i64 {
        self.cursor.offset
    }

    /// What it takes in memory, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.encoded.len() + WEIGHT_BYTES
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
        Self {
            cursor: Cursor::after(offset, &batch),
            before: Cursor {
                offset: offset - 1,
                check: before.as_ref().map_or(0, check),
            },
            step_offset: logged.step_offset,
            sequence: logged.entry.sequence,
            facets: Facets::from(&logged),
            encoded: v1::HistoryEntry::from(&logged).encode_to_vec().into(),
        }
    }
}
