//! Reading history a little at a time, bounded by what it takes in memory, for who keeps what
//! did not fit: no entry is read twice.

use std::pin::pin;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, SqliteConnection};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::{Stream, StreamExt, try_join};
use waymark_domain::{
    history::LogPosition,
    partition::Partition,
    value::{OrderId, WorkflowCode},
};

use crate::{
    BatchId, Batched, Direction, Error, Store, StoredEntry, history,
    order_entries::IndexedOrder,
    rows::{StoredText, entry::EntryRow},
    schema,
    stored::chained,
    tx::Tx,
};

/// Bytes of a row beyond its texts, roughly.
const ROW_BYTES: usize = 256;
/// Maximum of entries that are read at once; SQLite bounds the parameters of a statement.
const ENTRIES_MAX: usize = 500;

/// The limit of what is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLimit {
    /// At most so many entries, from 1 to 500.
    pub entries: usize,
    /// No further entry once they have so many bytes as they are stored.
    pub bytes: usize,
}

/// Entries that follow each other, as they were read; the last ones may be the beginning of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The entries.
    pub entries: Vec<StoredEntry>,
    /// Whether nothing followed them when they were read.
    pub is_last: bool,
    /// Whether the last of them is known to end its step.
    pub is_whole: bool,
}

impl ChunkLimit {
    fn rows(self) -> i64 {
        i64::try_from(self.entries.clamp(1, ENTRIES_MAX)).unwrap_or(1)
    }
}

impl Store {
    /// Reads what was committed to a partition after an offset, in commit order. What follows an
    /// entry that is there says in `before` of the first one which transaction wrote that. One that
    /// cannot be read takes its place among the others.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_chunk(
        &self,
        partition: Partition,
        offset: i64,
        limit: ChunkLimit,
    ) -> Result<Chunk, Error> {
        let position = LogPosition { partition, offset };
        let read = self.database().read(async |tx| {
            let rows = after(partition.number(), offset, limit.rows());
            match tx {
                Tx::Postgres(connection) => {
                    let connection: &AsyncPgConnection = connection;
                    // All in one round trip: offsets have no gaps.
                    let before = async {
                        let id = history::batch_of(position).first(&mut &*connection).await;
                        Ok(id.optional()?)
                    };
                    let next = async {
                        let next = step_at(partition.number(), offset + limit.rows() + 1);
                        Ok(next.first(&mut &*connection).await.optional()?)
                    };
                    let rows =
                        async { take(rows.load_stream(&mut &*connection).await?, limit).await };
                    try_join!(before, next, rows)
                }
                Tx::Sqlite(connection) => {
                    let before = history::batch_of(position).first(&mut ***connection).await;
                    let rows =
                        connection.spawn_blocking(move |inner| Ok(iterate(inner, rows, limit)));
                    let rows = rows.await??;
                    let next = step_at(partition.number(), offset + limit.rows() + 1);
                    let next = next.first(&mut ***connection).await;
                    Ok((before.optional()?, next.optional()?, rows))
                }
            }
        });
        let (before, next, rows) = read.await?;
        let before = before.map(|bytes: Vec<u8>| BatchId::read(position, bytes));
        let is_last = rows.is_last(limit);
        let last = rows.rows.last();
        let ends_before = |next: i64| {
            last.is_some_and(|last| {
                last.log_offset == offset + limit.rows() && last.step_offset != next
            })
        };
        let is_whole = is_last || next.is_some_and(ends_before);
        let entries = chained(rows.rows, before.transpose()?)?;
        self.log_unreadable(&entries);
        Ok(Chunk {
            entries,
            is_last,
            is_whole,
        })
    }

    /// Reads what was committed about an order after a sequence, in commit order; nothing where
    /// there is no such order.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read, or one of the entries: what is left of a
    /// history must not look like the whole of it.
    pub async fn order_history_chunk(
        &self,
        workflow: &WorkflowCode,
        order_id: &OrderId,
        sequence: i64,
        limit: ChunkLimit,
    ) -> Result<Chunk, Error> {
        let partition = self.partition_of(workflow, order_id);
        let read = self.database().snapshot(async |tx| {
            let Some(order) = IndexedOrder::find(tx, partition, workflow, order_id).await? else {
                return Ok((ChunkRows::default(), true));
            };
            let lines = order.lines(tx, Direction::Ascending, Some(sequence));
            let (lines, complete) = lines.await?;
            let count = limit.entries.clamp(1, ENTRIES_MAX).min(lines.len());
            let offsets: Vec<i64> = lines.iter().take(count).map(|line| line.offset).collect();
            let rows = at(partition.number(), offsets);
            let rows = match tx {
                Tx::Postgres(connection) => {
                    let connection: &mut AsyncPgConnection = connection;
                    take(rows.load_stream(connection).await?, limit).await?
                }
                Tx::Sqlite(connection) => {
                    let rows =
                        connection.spawn_blocking(move |inner| Ok(iterate(inner, rows, limit)));
                    rows.await??
                }
            };
            let is_last = complete && rows.rows.len() == lines.len();
            Ok((rows, is_last))
        });
        let (rows, is_last) = read.await?;
        let entries = rows.rows.into_iter().map(|row| Batched::read(row).map(Ok));
        let entries: Result<Vec<StoredEntry>, Error> = entries.collect();
        Ok(Chunk {
            entries: entries?,
            is_last,
            is_whole: is_last,
        })
    }
}

/// The query for what follows an offset.
#[diesel::dsl::auto_type(no_type_alias)]
fn after(number: i32, offset: i64, limit: i64) -> _ {
    schema::history::table
        .filter(schema::history::partition.eq(number))
        .filter(schema::history::log_offset.gt(offset))
        .order(schema::history::log_offset)
        .limit(limit)
}

/// The query for the step of the entry at an offset.
#[diesel::dsl::auto_type(no_type_alias)]
fn step_at(number: i32, offset: i64) -> _ {
    let key: (i32, i64) = (number, offset);
    schema::history::table
        .find(key)
        .select(schema::history::step_offset)
}

/// The query for the entries at some offsets.
#[diesel::dsl::auto_type(no_type_alias)]
fn at(number: i32, offsets: Vec<i64>) -> _ {
    schema::history::table
        .filter(schema::history::partition.eq(number))
        .filter(schema::history::log_offset.eq_any(offsets))
        .order(schema::history::log_offset)
}

#[derive(Debug, Default)]
struct ChunkRows {
    rows: Vec<EntryRow>,
    bytes: usize,
}

impl ChunkRows {
    fn push(&mut self, row: EntryRow) {
        let texts = [&row.comment, &row.actor, &row.metadata, &row.detail];
        let texts: usize = texts.into_iter().map(StoredText::len).sum();
        let set_off = row.set_off.as_ref().map_or(0, StoredText::len);
        self.bytes += ROW_BYTES + texts + set_off;
        self.rows.push(row);
    }

    fn is_full(&self, limit: ChunkLimit) -> bool {
        self.bytes >= limit.bytes && !self.rows.is_empty()
    }

    fn is_last(&self, limit: ChunkLimit) -> bool {
        let all = i64::try_from(self.rows.len()).is_ok_and(|count| count < limit.rows());
        all && !self.is_full(limit)
    }
}

/// Takes rows as they arrive. What is left is let go unread.
async fn take(
    arriving: impl Stream<Item = QueryResult<EntryRow>>,
    limit: ChunkLimit,
) -> Result<ChunkRows, Error> {
    let mut arriving = pin!(arriving);
    let mut rows = ChunkRows::default();
    while !rows.is_full(limit)
        && let Some(row) = arriving.next().await
    {
        rows.push(row?);
    }
    Ok(rows)
}

/// Takes rows one by one, so that none is read in vain.
fn iterate<'q, Q>(
    connection: &mut SqliteConnection,
    query: Q,
    limit: ChunkLimit,
) -> QueryResult<ChunkRows>
where
    Q: diesel::query_dsl::LoadQuery<'q, SqliteConnection, EntryRow>,
{
    let mut rows = ChunkRows::default();
    for row in diesel::RunQueryDsl::load_iter::<EntryRow, _>(query, connection)? {
        rows.push(row?);
        if rows.is_full(limit) {
            break;
        }
    }
    Ok(rows)
}
