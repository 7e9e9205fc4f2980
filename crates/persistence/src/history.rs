//! Reading history: of one order, and of a partition in commit order.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    history::{LogPosition, Logged},
    partition::Partition,
    value::{OrderId, WorkflowCode},
};

use crate::{
    Direction, Error, Store,
    commit::lookup::{self, Head, STEP_ENTRIES_MAX},
    rows::{Reading, entry::EntryRow},
    schema::{history, orders},
    tx::{Tx, on_conn},
};

/// How many entries one page of a filtered history may look at.
const SCAN_MAX: usize = 5_000;

/// What a transaction wrote into each of its entries: 16 random bytes. Two timelines of one
/// database, as a restore makes them, differ in it at the same offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchId(pub [u8; 16]);

impl BatchId {
    pub(crate) fn read(position: LogPosition, bytes: Vec<u8>) -> Result<Self, Error> {
        let row = format!("{}/{}", position.partition.number(), position.offset);
        let reading = Reading {
            table: "history",
            row: &row,
        };
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
}

/// Which entries of an order to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// By sequence, up or down.
    pub direction: Direction,
    /// Goes on past this sequence; none to begin.
    pub after_sequence: Option<i64>,
    /// Whose eyes it is for.
    pub visibility: Visibility,
    /// At most this many entries, at least 1.
    pub limit: usize,
}

/// Whose eyes a history is for.
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
    /// Lists entries of an order; none when there is no such order.
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
        let page = self.database().read(async |tx| {
            match order_key(tx, partition, workflow, order_id).await? {
                Some(order_key) => Ok(Some(of_order(tx, partition, order_key, query).await?)),
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
        let more = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let rows = self.database().read(async |tx| {
            let Some(order_key) = order_key(tx, partition, workflow, order_id).await? else {
                return Ok(Vec::new());
            };
            let key = (partition, order_key);
            of_order_after(tx, key, Direction::Ascending, sequence, more).await
        });
        let rows = whole_steps(rows.await?, limit);
        rows.into_iter().map(batched).collect()
    }

    /// Lists what was committed to a partition after an offset, in commit order, whole steps
    /// only: at most `limit` entries, or one step where that is longer. Empty means that there
    /// is nothing yet.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_after(
        &self,
        partition: Partition,
        offset: i64,
        limit: usize,
    ) -> Result<Vec<Batched>, Error> {
        let limit = chunk_limit(limit);
        let rows = self.database().read(async |tx| {
            let after = history::table
                .filter(history::partition.eq(partition.number()))
                .filter(history::log_offset.gt(offset))
                .order(history::log_offset)
                .limit(limit + 1);
            Ok(on_conn!(tx, |c| after.load::<EntryRow>(c).await)?)
        });
        let rows = whole_steps(rows.await?, limit);
        rows.into_iter().map(batched).collect()
    }

    /// Lists the last entry of every partition that has any.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_heads(&self) -> Result<Vec<Head>, Error> {
        let partitions = self.partition_count().all().collect::<Vec<_>>();
        self.database()
            .read(async |tx| lookup::heads(tx, &partitions).await)
            .await
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

    /// Finds the oldest offset that a partition still has.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn oldest_offset(&self, partition: Partition) -> Result<Option<i64>, Error> {
        let oldest = self.database().read(async |tx| {
            let first = history::table
                .filter(history::partition.eq(partition.number()))
                .order(history::log_offset)
                .select(history::log_offset);
            Ok(on_conn!(tx, |c| first.first::<i64>(c).await).optional()?)
        });
        oldest.await
    }
}

/// Finds which transaction wrote the entry at a position.
pub(crate) async fn batch(tx: &mut Tx, position: LogPosition) -> Result<Option<BatchId>, Error> {
    let id = history::table
        .find((position.partition.number(), position.offset))
        .select(history::batch_id);
    let id = on_conn!(tx, |c| id.first::<Vec<u8>>(c).await).optional()?;
    id.map(|bytes| BatchId::read(position, bytes)).transpose()
}

/// How many rows a chunk may have, so that any step fits into one.
pub(crate) fn chunk_limit(asked: usize) -> i64 {
    i64::try_from(asked)
        .unwrap_or(i64::MAX)
        .clamp(STEP_ENTRIES_MAX, 100_000)
}

/// Cuts a chunk after its last whole step: one row more than `limit` says which step the last ones belong to.
pub(crate) fn whole_steps(mut rows: Vec<EntryRow>, limit: i64) -> Vec<EntryRow> {
    if i64::try_from(rows.len()).is_ok_and(|length| length > limit) {
        let cut = rows.last().map(|row| row.step_offset);
        rows.retain(|row| Some(row.step_offset) != cut);
    }
    rows
}

async fn order_key(
    tx: &mut Tx,
    partition: Partition,
    workflow: &WorkflowCode,
    order_id: &OrderId,
) -> Result<Option<i64>, Error> {
    let key = orders::table
        .filter(orders::partition.eq(partition.number()))
        .filter(orders::workflow.eq(workflow.as_str()))
        .filter(orders::id.eq(order_id.as_str()))
        .select(orders::order_key);
    Ok(on_conn!(tx, |c| key.first::<i64>(c).await).optional()?)
}

pub(crate) fn batched(row: EntryRow) -> Result<Batched, Error> {
    let logged = row.logged()?;
    let batch = BatchId::read(logged.position, row.batch_id)?;
    Ok(Batched { logged, batch })
}

async fn of_order(
    tx: &mut Tx,
    partition: Partition,
    order_key: i64,
    query: &HistoryQuery,
) -> Result<HistoryPage, Error> {
    let start = match query.direction {
        Direction::Ascending => 0,
        Direction::Descending => i64::MAX,
    };
    let mut after = query.after_sequence.unwrap_or(start);
    let mut entries = Vec::new();
    let mut looked_at = 0;
    let limit = query.limit.max(1);
    loop {
        let chunk = (limit - entries.len() + 1).max(20);
        let rows =
            of_order_after(tx, (partition, order_key), query.direction, after, chunk).await?;
        let at_end = rows.len() < chunk;
        for row in rows {
            if entries.len() == limit {
                return Ok(HistoryPage {
                    entries,
                    next: Some(after),
                });
            }
            after = row.sequence;
            looked_at += 1;
            if query.visibility == Visibility::All || row.visible_to_customer {
                entries.push(row.logged()?);
            }
        }
        if at_end {
            return Ok(HistoryPage {
                entries,
                next: None,
            });
        }
        if looked_at >= SCAN_MAX {
            return Ok(HistoryPage {
                entries,
                next: Some(after),
            });
        }
    }
}

async fn of_order_after(
    tx: &mut Tx,
    (partition, order_key): (Partition, i64),
    direction: Direction,
    after: i64,
    limit: usize,
) -> Result<Vec<EntryRow>, Error> {
    let of_order = history::table
        .filter(history::partition.eq(partition.number()))
        .filter(history::order_key.eq(order_key));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = match direction {
        Direction::Ascending => {
            let rows = of_order
                .filter(history::sequence.gt(after))
                .order(history::sequence.asc())
                .limit(limit);
            on_conn!(tx, |c| rows.load(c).await)
        }
        Direction::Descending => {
            let rows = of_order
                .filter(history::sequence.lt(after))
                .order(history::sequence.desc())
                .limit(limit);
            on_conn!(tx, |c| rows.load(c).await)
        }
    };
    Ok(rows?)
}
