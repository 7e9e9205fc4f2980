//! Entries of the log with the transactions that wrote them.

use waymark_domain::{
    history::{LogPosition, Logged},
    value::Timestamp,
};

use crate::{
    Error,
    rows::{Reading, entry::EntryRow},
};

/// The id that a transaction wrote into each of its entries: 16 random bytes. Two timelines of one
/// database, as a restore makes them, differ in it at the same offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchId(pub [u8; 16]);

impl BatchId {
    pub(crate) fn read(position: LogPosition, bytes: Vec<u8>) -> Result<Self, Error> {
        let row = format!("{}/{}", position.partition.number(), position.offset);
        let reading = Reading::of("history", &row);
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| reading.corrupt("batch_id", "not 16 bytes"))
    }
}

/// An entry and the transaction that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batched {
    /// The entry.
    pub logged: Logged,
    /// The transaction.
    pub batch: BatchId,
    /// The transaction that wrote the entry before it in the partition; none before the first one,
    /// and where that entry was not read with it.
    pub before: Option<BatchId>,
}

impl Batched {
    /// Reads a row apart from those before it.
    pub(crate) fn read(row: EntryRow) -> Result<Self, Error> {
        let logged = row.logged()?;
        let batch = BatchId::read(logged.position, row.batch_id)?;
        Ok(Self {
            logged,
            batch,
            before: None,
        })
    }
}

/// The last entry of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Where it stands.
    pub position: LogPosition,
    /// When it was written.
    pub create_time: Timestamp,
    /// The transaction that wrote it.
    pub batch: BatchId,
}
