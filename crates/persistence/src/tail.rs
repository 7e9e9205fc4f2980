//! Reading what is new in several partitions at once, for whoever follows the log.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Binary, Integer, Nullable},
};
use diesel_async::RunQueryDsl;
use waymark_domain::{history::LogPosition, partition::Partition};

use crate::{
    BatchId, Error, Store, StoredEntry,
    history::{self, chunk_limit, whole_steps},
    rows::{entry::EntryRow, position},
    schema,
    statement::{limit as sql_limit, push_columns},
    stored::chained,
    tx::Tx,
};

impl Store {
    /// Lists what was committed to each of these partitions after an offset, in commit order, whole steps only: at most
    /// `limit` entries of a partition, or one step where that is longer. A partition without news may be missing. The
    /// first entry says in `before` which transaction wrote the one at the offset, where there is one. An entry that
    /// cannot be read takes its place among the others.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_after_each(
        &self,
        places: &[(Partition, i64)],
        limit: usize,
    ) -> Result<Vec<(Partition, Vec<StoredEntry>)>, Error> {
        let limit = chunk_limit(limit);
        let rows = self
            .database()
            .read(async |tx| after_each(tx, places, sql_limit(limit + 1)).await);
        let mut chunks: Vec<(Option<Vec<u8>>, Vec<EntryRow>)> = Vec::new();
        for (row, before) in rows.await? {
            let last = chunks.last_mut().map(|(_, rows)| rows);
            let is_same = |rows: &&mut Vec<EntryRow>| {
                let last = rows.last();
                last.is_some_and(|last| last.partition == row.partition)
            };
            match last.filter(is_same) {
                Some(rows) => rows.push(row),
                None => chunks.push((before, vec![row])),
            }
        }
        let chunks = chunks.into_iter().filter_map(|(before, rows)| {
            let rows = whole_steps(rows, limit);
            let first = rows.as_slice().first()?;
            let partition = Partition::new(first.partition);
            let offset = first.log_offset - 1;
            let position = LogPosition { partition, offset };
            let before = before.map(|bytes| BatchId::read(position, bytes));
            let chunk = before.transpose().and_then(|before| chained(rows, before));
            Some(chunk.map(|chunk| (partition, chunk)))
        });
        let chunks = chunks.collect::<Result<Vec<(Partition, Vec<StoredEntry>)>, Error>>()?;
        for (_, chunk) in &chunks {
            self.log_unreadable(chunk);
        }
        Ok(chunks)
    }
}

/// An entry, and which transaction wrote the one at the place after which it was looked for.
type NewsRow = (EntryRow, Option<Vec<u8>>);

/// The rows, those of a partition together and in order.
async fn after_each(
    tx: &mut Tx,
    places: &[(Partition, i64)],
    limit: i64,
) -> Result<Vec<NewsRow>, Error> {
    match tx {
        Tx::Postgres(connection) => {
            let find = FindNews {
                partitions: places.iter().map(|place| place.0.number()).collect(),
                offsets: places.iter().map(|place| place.1).collect(),
                limit,
            };
            Ok(find.load(&mut ***connection).await?)
        }
        // In the same process a statement for each partition costs no round trip.
        Tx::Sqlite(connection) => {
            let mut rows = Vec::new();
            for (partition, offset) in places {
                let after = schema::history::table
                    .filter(schema::history::partition.eq(partition.number()))
                    .filter(schema::history::log_offset.gt(offset))
                    .order(schema::history::log_offset)
                    .limit(limit);
                let found = after.load::<EntryRow>(&mut ***connection).await?;
                if found.is_empty() {
                    continue;
                }
                let place = position(partition.number(), *offset);
                let before = history::batch_of(place).first(&mut ***connection).await;
                let before: Option<Vec<u8>> = before.optional()?;
                rows.extend(found.into_iter().map(|row| (row, before.clone())));
            }
            Ok(rows)
        }
    }
}

/// Finds what follows an offset in each partition, each by the primary key, however many rows others have.
#[derive(Debug)]
struct FindNews {
    partitions: Vec<i32>,
    offsets: Vec<i64>,
    limit: i64,
}

impl QueryFragment<Pg> for FindNews {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        push_columns(&mut out, "h", EntryRow::COLUMNS);
        out.push_sql(", b.batch_id FROM UNNEST(");
        out.push_bind_param::<Array<Integer>, _>(&self.partitions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.offsets)?;
        out.push_sql(
            ") AS k (partition, log_offset) LEFT JOIN history b ON b.partition = k.partition \
             AND b.log_offset = k.log_offset CROSS JOIN LATERAL (SELECT * FROM history WHERE \
             history.partition = k.partition AND history.log_offset > k.log_offset ORDER BY history.log_offset LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") h ORDER BY h.partition, h.log_offset");
        Ok(())
    }
}

impl QueryId for FindNews {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for FindNews {
    type SqlType = (schema::history::SqlType, Nullable<Binary>);
}
