//! An entry as the log hands it to its readers: what filters ask, and the bytes
//! that are sent, encoded once however many read it. The rest is let go, so that
//! the rings reach far back.

use bytes::Bytes;
use prost::Message as _;
use waymark_persistence::Batched;
use waymark_proto::{convert::history::Facets, v1};

use super::cursor::Cursor;

/// What an entry takes in memory beyond its encoded bytes, roughly.
const WEIGHT_BYTES: usize = 512;

/// An entry of the log.
#[derive(Debug)]
pub(super) struct LogEntry {
    /// Where a reader stands that has read it.
    pub(super) cursor: Cursor,
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
    fn from(Batched { logged, batch }: Batched) -> Self {
        Self {
            cursor: Cursor::after(logged.position.offset, &batch),
            step_offset: logged.step_offset,
            sequence: logged.entry.sequence,
            facets: Facets::from(&logged),
            encoded: v1::HistoryEntry::from(&logged).encode_to_vec().into(),
        }
    }
}
