//! Reading history: of one order, and of a partition in commit order.

use std::collections::BTreeMap;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::try_join_all;
use waymark_domain::{
    history::{LogPosition, Logged},
    partition::Partition,
    value::{OrderId, WorkflowCode},
};

use crate::{
    BatchId, Batched, Direction, Error, Store,
    order_entries::IndexedOrder,
    rows::{
        entry::{EntryRow, STEP_ENTRIES_MAX},
        entry_index::IndexLine,
        order::OrderRow,
    },
    schema::history,
    tx::{Tx, on_conn},
};

/// How many entries are looked up in one statement; SQLite bounds its parameters.
const OFFSETS_AT_ONCE: usize = 500;

/// A page of an order's history ends behind so many bytes, as they are stored; they are read in
/// parts of so many entries.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
const PART_ENTRIES: usize = 64;

const ROWS_MAX: usize = 100_000;

/// A query of the entries of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// By sequence, up or down.
    pub direction: Direction,
    /// Goes on past this sequence; none to begin.
    pub after_sequence: Option<i64>,
    /// The readers that it is for.
    pub visibility: Visibility,
    /// At most this many entries, at least 1.
    pub limit: usize,
}

/// The readers that a history is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// All entries.
    All,
    /// Entries that the customer may read.
    Customer,
}

/// A page of the history of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// The entries; perhaps none, although there is a next page.
    pub entries: Vec<Logged>,
    /// The sequence after which the next page goes on; none at the end.
    pub next: Option<i64>,
}

impl Store {
    /// Lists entries of an order; none when there is no such order. A page ends soon behind 4 MiB
    /// of entries as they are stored.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn order_history(
        &self,
        workflow: &WorkflowCode,
        order_id: &OrderId,
        query: &HistoryQuery,
    ) -> Result<Option<HistoryPage>, Error> {
        let partition = self.partition_of(workflow, order_id);
        let page = self.database().snapshot(async |tx| {
            match IndexedOrder::find(tx, partition, workflow, order_id).await? {
                Some(order) => Ok(Some(of_order(tx, &order, query).await?)),
                None => Ok(None),
            }
        });
        page.await
    }

    /// Lists what was committed about an order after a sequence, in commit order, whole steps
    /// only: at most `limit` entries, or one step where that is longer. Empty means that there
    /// is nothing yet, perhaps no such order.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn order_history_after(
        &self,
        workflow: &WorkflowCode,
        order_id: &OrderId,
        sequence: i64,
        limit: usize,
    ) -> Result<Vec<Batched>, Error> {
        let partition = self.partition_of(workflow, order_id);
        let limit = chunk_limit(limit);
        let rows = self.database().snapshot(async |tx| {
            let Some(order) = IndexedOrder::find(tx, partition, workflow, order_id).await? else {
                return Ok(Vec::new());
            };
            let lines = order
                .lines(tx, Direction::Ascending, Some(sequence))
                .await?;
            let (lines, complete) = lines;
            let offsets = lines.iter().take(limit + 1).map(|line| line.offset);
            let rows = at(tx, partition, &offsets.collect::<Vec<_>>()).await?;
            let full = if complete { limit } else { 0 };
            Ok(whole_steps(rows, full))
        });
        rows.await?.into_iter().map(Batched::read).collect()
    }

    /// Lists what was committed to a partition after an offset, in commit order, whole steps
    /// only: at most `limit` entries, or one step where that is longer. Empty means that there
    /// is nothing yet.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read, or one of the entries.
    pub async fn history_after(
        &self,
        partition: Partition,
        offset: i64,
        limit: usize,
    ) -> Result<Vec<Batched>, Error> {
        let place = [(partition, offset)];
        let chunks = self.history_after_each(&place, limit).await?;
        let entries = chunks.into_iter().flat_map(|(_, entries)| entries);
        let read = entries.map(|entry| entry.map_err(|unreadable| unreadable.error()));
        read.collect()
    }

    /// Finds the entries at some positions, in no order; those that are not there are left out.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_at(&self, positions: &[LogPosition]) -> Result<Vec<Batched>, Error> {
        let mut offsets: BTreeMap<Partition, Vec<i64>> = BTreeMap::new();
        for position in positions {
            let of_partition = offsets.entry(position.partition).or_default();
            of_partition.push(position.offset);
        }
        let rows = self.database().read(async |tx| {
            if let Tx::Postgres(connection) = tx {
                return Ok(at_all(connection, &offsets).await?);
            }
            let mut rows = Vec::with_capacity(positions.len());
            for (partition, offsets) in &offsets {
                rows.extend(at(tx, *partition, offsets).await?);
            }
            Ok(rows)
        });
        rows.await?.into_iter().map(Batched::read).collect()
    }

    /// Finds which transaction wrote the entry at a position.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn batch_at(&self, position: LogPosition) -> Result<Option<BatchId>, Error> {
        self.database()
            .read(async |tx| batch(tx, position).await)
            .await
    }
}

/// The query for the transaction that wrote the entry at a position.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn batch_of(position: LogPosition) -> _ {
    let key: (i32, i64) = (position.partition.number(), position.offset);
    history::table.find(key).select(history::batch_id)
}

/// Finds which transaction wrote the entry at a position.
pub(crate) async fn batch(tx: &mut Tx, position: LogPosition) -> Result<Option<BatchId>, Error> {
    let id = batch_of(position);
    let id = on_conn!(tx, |c| id.first::<Vec<u8>>(c).await).optional()?;
    id.map(|bytes| BatchId::read(position, bytes)).transpose()
}

/// How many rows a chunk may have, so that any step fits into one.
pub(crate) fn chunk_limit(asked: usize) -> usize {
    asked.clamp(STEP_ENTRIES_MAX, ROWS_MAX)
}

/// Cuts a chunk after its last whole step: one row more than `limit` says which step the last ones belong to.
pub(crate) fn whole_steps(mut rows: Vec<EntryRow>, limit: usize) -> Vec<EntryRow> {
    if rows.len() > limit {
        let cut = rows.last().map(|row| row.step_offset);
        rows.retain(|row| Some(row.step_offset) != cut);
    }
    rows
}

/// Lists the newest entries of an order that the customer may read, newest first, at most `limit`.
pub(crate) async fn newest_for_customer(
    tx: &mut Tx,
    row: &OrderRow,
    limit: usize,
) -> Result<Vec<Logged>, Error> {
    let order = IndexedOrder::of(row)?;
    let mut query = HistoryQuery {
        direction: Direction::Descending,
        after_sequence: None,
        visibility: Visibility::Customer,
        limit,
    };
    let mut entries = Vec::new();
    loop {
        let page = of_order(tx, &order, &query).await?;
        entries.extend(page.entries);
        query.limit = limit.saturating_sub(entries.len());
        query.after_sequence = page.next;
        if page.next.is_none() || query.limit == 0 {
            return Ok(entries);
        }
    }
}

async fn of_order(
    tx: &mut Tx,
    order: &IndexedOrder,
    query: &HistoryQuery,
) -> Result<HistoryPage, Error> {
    let lines = order.lines(tx, query.direction, query.after_sequence);
    let (lines, complete) = lines.await?;
    let mut chosen = Vec::new();
    let mut next = None;
    let mut passed = query.after_sequence;
    for line in lines {
        let is_chosen = query.visibility == Visibility::All || line.visible_to_customer;
        if is_chosen && chosen.len() == query.limit.max(1) {
            next = passed;
            break;
        }
        passed = Some(line.sequence);
        if is_chosen {
            chosen.push(line);
        }
    }
    // More may follow in pages that were not looked at.
    let mut next = next.or(passed.filter(|_| !complete));
    let (mut entries, mut bytes) = (Vec::with_capacity(chosen.len()), 0);
    for part in chosen.chunks(PART_ENTRIES) {
        let mut rows = found(tx, order.partition(), part).await?;
        if query.direction == Direction::Descending {
            rows.reverse();
        }
        bytes += rows.iter().map(EntryRow::bytes).sum::<usize>();
        for row in rows {
            entries.push(row.logged()?);
        }
        if bytes > PAGE_BYTES_MAX && entries.len() < chosen.len() {
            next = part.last().map(|line| line.sequence);
            break;
        }
    }
    Ok(HistoryPage { entries, next })
}

/// The entries at some lines of an entry index, which must be there, in log order.
async fn found(
    tx: &mut Tx,
    partition: Partition,
    lines: &[IndexLine],
) -> Result<Vec<EntryRow>, Error> {
    let offsets = lines.iter().map(|line| line.offset).collect::<Vec<_>>();
    let rows = at(tx, partition, &offsets).await?;
    if rows.len() != offsets.len() {
        return Err(Error::Corrupt {
            table: "history",
            column: "log_offset",
            row: format!("{}/{offsets:?}", partition.number()),
            source: "an entry of the entry index is not there".into(),
        });
    }
    Ok(rows)
}

/// The entries at some offsets, in log order.
async fn at(tx: &mut Tx, partition: Partition, offsets: &[i64]) -> Result<Vec<EntryRow>, Error> {
    let mut rows = Vec::with_capacity(offsets.len());
    for offsets in offsets.chunks(OFFSETS_AT_ONCE) {
        let find = history::table
            .filter(history::partition.eq(partition.number()))
            .filter(history::log_offset.eq_any(offsets))
            .order(history::log_offset);
        rows.extend(on_conn!(tx, |c| find.load::<EntryRow>(c).await)?);
    }
    rows.sort_unstable_by_key(|row| row.log_offset);
    Ok(rows)
}

/// The entries at some offsets of several partitions, in one round trip.
async fn at_all(
    connection: &AsyncPgConnection,
    offsets: &BTreeMap<Partition, Vec<i64>>,
) -> QueryResult<Vec<EntryRow>> {
    let found = offsets.iter().map(|(partition, offsets)| async move {
        let find = history::table
            .filter(history::partition.eq(partition.number()))
            .filter(history::log_offset.eq_any(offsets))
            .order(history::log_offset);
        find.load::<EntryRow>(&mut &*connection).await
    });
    Ok(try_join_all(found).await?.into_iter().flatten().collect())
}
