//! The ends of each partition's log, and what stands at a place of it:
//! what has to be known before somebody reads on from there.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    sql_types::{BigInt, Binary, Integer, Nullable},
};
use diesel_async::RunQueryDsl;
use waymark_domain::{history::LogPosition, partition::Partition};

use crate::{
    BatchId, Error, Store, history::batch_of, schema::history, statement::array_statement, tx::Tx,
};

/// The ends of a partition's log, and what stands at a place of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The partition.
    pub partition: Partition,
    /// The offset of its oldest entry that is kept.
    pub oldest: i64,
    /// The offset of its newest entry.
    pub newest: i64,
    /// The transaction that wrote the entry at the place; none where no entry is.
    pub batch: Option<BatchId>,
}

/// The partition and the offset of the place, the oldest and the newest offset, and the batch at
/// the place.
type EndsRow = (i32, i64, i64, i64, Option<Vec<u8>>);

array_statement! {
    /// Finds the ends of partitions, and which transaction wrote the entry at an offset of each.
    FindEnds { partitions: i32 => Integer, offsets: i64 => BigInt }
    -> (Integer, BigInt, BigInt, BigInt, Nullable<Binary>);
    "SELECT k.partition, k.log_offset, f.log_offset, l.log_offset, b.batch_id FROM",
    ") AS k (partition, log_offset) CROSS JOIN LATERAL (SELECT log_offset FROM history \
     WHERE history.partition = k.partition ORDER BY history.log_offset LIMIT 1) f CROSS JOIN LATERAL \
     (SELECT log_offset FROM history WHERE history.partition = k.partition ORDER BY history.log_offset DESC LIMIT 1) l \
     LEFT JOIN history b ON b.partition = k.partition AND b.log_offset = k.log_offset"
}

impl Store {
    /// Finds the ends of partitions, each with what stands at a place of it. A partition that has no
    /// entries is left out.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_ends(&self, places: &[LogPosition]) -> Result<Vec<Ends>, Error> {
        let rows = self.database().read(async |tx| find(tx, places).await);
        let ends = rows.await?.into_iter();
        let ends = ends.map(|(number, offset, oldest, newest, batch)| {
            let partition = Partition::new(number);
            let place = LogPosition { partition, offset };
            let batch = batch.map(|id| BatchId::read(place, id));
            Ok(Ends {
                partition,
                oldest,
                newest,
                batch: batch.transpose()?,
            })
        });
        ends.collect()
    }
}

async fn find(tx: &mut Tx, places: &[LogPosition]) -> Result<Vec<EndsRow>, Error> {
    match tx {
        Tx::Postgres(connection) => {
            let find = FindEnds {
                partitions: places
                    .iter()
                    .map(|place| place.partition.number())
                    .collect(),
                offsets: places.iter().map(|place| place.offset).collect(),
                ..FindEnds::default()
            };
            Ok(find.load(&mut ***connection).await?)
        }
        // In the same process a statement for each costs no round trip.
        Tx::Sqlite(connection) => {
            let mut rows = Vec::with_capacity(places.len());
            for place in places {
                let number = place.partition.number();
                let offsets = || {
                    history::table
                        .filter(history::partition.eq(number))
                        .select(history::log_offset)
                };
                let oldest = offsets().order(history::log_offset.asc());
                let oldest = oldest.first::<i64>(&mut ***connection).await.optional()?;
                let newest = offsets().order(history::log_offset.desc());
                let newest = newest.first::<i64>(&mut ***connection).await.optional()?;
                let batch = batch_of(*place).first::<Vec<u8>>(&mut ***connection).await;
                let batch = batch.optional()?;
                let ends = oldest.zip(newest);
                rows.extend(
                    ends.map(|(oldest, newest)| (number, place.offset, oldest, newest, batch)),
                );
            }
            Ok(rows)
        }
    }
}
