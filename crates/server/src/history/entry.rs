//! An entry as the log hands it to its readers: what filters ask, and the bytes
//! that are sent, encoded once however many read it.

use bytes::Bytes;
use prost::Message as _;
use waymark_domain::history::Logged;
use waymark_persistence::{BatchId, Batched};
use waymark_proto::v1;

use super::cursor::Cursor;

/// What an entry takes in memory for each of its encoded bytes, and beyond them, roughly.
const WEIGHT_FACTOR: usize = 3;
const WEIGHT_BYTES: usize = 1024;

/// An entry of the log.
#[derive(Debug)]
pub(super) struct LogEntry {
    pub(super) logged: Logged,
    batch: BatchId,
    /// The encoded `HistoryEntry`.
    pub(super) encoded: Bytes,
}

impl LogEntry {
    pub(super) fn offset(&self) -> i64 {
        self.logged.position.offset
    }

    /// Where a reader stands that has read it.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor::after(self.offset(), &self.batch)
    }

    /// What it takes in memory, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.encoded.len() * WEIGHT_FACTOR + WEIGHT_BYTES
    }
}

impl From<Batched> for LogEntry {
    fn from(batched: Batched) -> Self {
        let Batched { logged, batch } = batched;
        let encoded = v1::HistoryEntry::from(&logged).encode_to_vec().into();
        Self {
            logged,
            batch,
            encoded,
        }
    }
}
