//! Reading what is new in several partitions at once, for whoever follows the log.

use diesel::{
    ExpressionMethods, QueryDsl, QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Integer},
};
use diesel_async::RunQueryDsl;
use waymark_domain::partition::Partition;

use crate::{
    Batched, Error, Store,
    history::{batched, chunk_limit, whole_steps},
    rows::entry::EntryRow,
    schema::history,
    tx::Tx,
};

impl Store {
    /// Lists what was committed to each of these partitions after an offset, in commit order, whole steps only: at most
    /// `limit` entries of a partition, or one step where that is longer. A partition without news may be missing.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_after_each(
        &self,
        places: &[(Partition, i64)],
        limit: usize,
    ) -> Result<Vec<(Partition, Vec<Batched>)>, Error> {
        let limit = chunk_limit(limit);
        let rows = self
            .database()
            .read(async |tx| after_each(tx, places, limit + 1).await);
        let mut chunks: Vec<Vec<EntryRow>> = Vec::new();
        for row in rows.await? {
            let same = |chunk: &&mut Vec<EntryRow>| {
                let last = chunk.last();
                last.is_some_and(|last| last.partition == row.partition)
            };
            match chunks.last_mut().filter(same) {
                Some(chunk) => chunk.push(row),
                None => chunks.push(vec![row]),
            }
        }
        chunks
            .into_iter()
            .map(|rows| whole_steps(rows, limit))
            .filter_map(|rows| {
                let partition = Partition::new(rows.as_slice().first()?.partition);
                let chunk: Result<_, Error> = rows.into_iter().map(batched).collect();
                Some(chunk.map(|chunk| (partition, chunk)))
            })
            .collect()
    }
}

/// The rows, those of a partition together and in order.
async fn after_each(
    tx: &mut Tx,
    places: &[(Partition, i64)],
    limit: i64,
) -> Result<Vec<EntryRow>, Error> {
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
                let after = history::table
                    .filter(history::partition.eq(partition.number()))
                    .filter(history::log_offset.gt(offset))
                    .order(history::log_offset)
                    .limit(limit);
                rows.extend(after.load::<EntryRow>(&mut ***connection).await?);
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
        out.push_sql(
            "SELECT h.partition, h.log_offset, h.step_offset, h.order_key, h.workflow, h.order_id, h.sequence, h.kind, \
             h.from_state, h.from_status, h.to_state, h.to_status, h.transition, h.comment, h.notify_customer, \
             h.visible_to_customer, h.actor, h.request_id, h.fingerprint, h.caused_by, h.workflow_version, h.metadata, \
             h.create_time, h.detail, h.batch_id, h.set_off FROM UNNEST(",
        );
        out.push_bind_param::<Array<Integer>, _>(&self.partitions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.offsets)?;
        out.push_sql(
            ") AS k (partition, log_offset) CROSS JOIN LATERAL (SELECT * FROM history WHERE \
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
    type SqlType = history::SqlType;
}
