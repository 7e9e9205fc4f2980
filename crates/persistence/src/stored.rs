//! Entries of the log for those who read it for many orders: one that cannot be read takes its
//! place in the log and is no matter of the others.

use std::mem;

use waymark_domain::{
    history::LogPosition,
    value::{OrderId, WorkflowCode},
};

use crate::{
    BatchId, Batched, Error, Store,
    rows::{entry::EntryRow, position},
};

/// An entry of the log as it is stored: one that can be read, or what is known of one that cannot.
pub type StoredEntry = Result<Batched, Box<UnreadableEntry>>;

/// An entry of the log of which a column cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableEntry {
    /// Where it stands.
    pub position: LogPosition,
    /// The offset of the first entry of its step.
    pub step_offset: i64,
    /// Its number in the history of its order.
    pub sequence: i64,
    /// Its order; none where that cannot be read either.
    pub order: Option<(WorkflowCode, OrderId)>,
    /// The transaction that wrote it.
    pub batch: BatchId,
    /// The transaction that wrote the entry before it in the partition; none before the first one,
    /// and where that entry was not read with it.
    pub before: Option<BatchId>,
    /// The column that cannot be read.
    pub column: &'static str,
    /// The problem with it.
    pub problem: String,
    /// The row, for people.
    row: String,
}

impl UnreadableEntry {
    /// The error with which reading the history of its order ends.
    pub fn error(&self) -> Error {
        Error::Corrupt {
            table: "history",
            column: self.column,
            row: self.row.clone(),
            source: self.problem.clone().into(),
        }
    }
}

fn stored(mut row: EntryRow, before: Option<BatchId>) -> Result<StoredEntry, Error> {
    let position = position(row.partition, row.log_offset);
    let batch = BatchId::read(position, mem::take(&mut row.batch_id))?;
    match row.logged() {
        Ok(logged) => Ok(Ok(Batched {
            logged,
            batch,
            before,
        })),
        Err(Error::Corrupt {
            column,
            row: named,
            source,
            ..
        }) => Ok(Err(Box::new(UnreadableEntry {
            position,
            step_offset: row.step_offset,
            sequence: row.sequence,
            order: row.order(),
            batch,
            before,
            column,
            problem: source.to_string(),
            row: named,
        }))),
        Err(error) => Err(error),
    }
}

/// Reads rows of a partition that follow each other, the first of them an entry of the transaction
/// `before`, where that is known.
pub(crate) fn chained(
    rows: Vec<EntryRow>,
    mut before: Option<BatchId>,
) -> Result<Vec<StoredEntry>, Error> {
    let read = rows.into_iter().map(|row| {
        let read = stored(row, before)?;
        before = Some(match &read {
            Ok(batched) => batched.batch,
            Err(unreadable) => unreadable.batch,
        });
        Ok(read)
    });
    read.collect()
}

impl Store {
    /// Logs the entries that cannot be read, each once.
    pub(crate) fn log_unreadable(&self, entries: &[StoredEntry]) {
        let unreadable = entries.iter().filter_map(|entry| entry.as_ref().err());
        for entry in unreadable {
            let LogPosition { partition, offset } = entry.position;
            let partition = partition.number();
            if !self
                .log_once()
                .is_first(format!("history/{partition}/{offset}"))
            {
                continue;
            }
            let order = entry.order.as_ref();
            tracing::error!(
                partition,
                offset,
                workflow = order.map(|(workflow, _)| workflow.as_str()),
                order.id = order.map(|(_, id)| id.as_str()),
                column = entry.column,
                error = entry.problem,
                "history entry unreadable: it is left out of all streams but that of its order alone, \
                 which ends with INTERNAL"
            );
        }
    }
}
