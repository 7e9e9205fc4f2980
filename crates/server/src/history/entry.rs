//! An entry as the log hands it to its readers: what filters ask, and the wire
//! message, built once however many read it.

use prost::Message as _;
use waymark_domain::history::Logged;
use waymark_persistence::{BatchId, Batched};
use waymark_proto::v1;

/// What an entry takes in memory for each of its encoded bytes, and beyond them, roughly.
const WEIGHT_FACTOR: usize = 3;
const WEIGHT_BYTES: usize = 1024;

/// An entry of the log.
#[derive(Debug)]
pub(super) struct LogEntry {
    pub(super) logged: Logged,
    pub(super) batch: BatchId,
    pub(super) wire: v1::HistoryEntry,
    /// The encoded size of `wire`.
    pub(super) wire_bytes: usize,
}

impl LogEntry {
    pub(super) fn offset(&self) -> i64 {
        self.logged.position.offset
    }

    /// What it takes in memory, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.wire_bytes * WEIGHT_FACTOR + WEIGHT_BYTES
    }
}

impl From<Batched> for LogEntry {
    fn from(batched: Batched) -> Self {
        let Batched { logged, batch } = batched;
        let wire = v1::HistoryEntry::from(&logged);
        Self {
            wire_bytes: wire.encoded_len(),
            logged,
            batch,
            wire,
        }
    }
}
