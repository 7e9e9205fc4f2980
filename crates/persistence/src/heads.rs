//! The last entries of the partitions, held against what this process knew of them: the log must
//! go on from there.

use std::collections::BTreeMap;

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    sql_types::{BigInt, Binary, Integer},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::try_join_all;
use tokio::sync::watch;
use waymark_domain::{history::LogPosition, partition::Partition, value::Timestamp};

use crate::{
    BatchId, Error, Head, Store,
    history::batch_of,
    rows::position,
    schema::history,
    statement::{FEW, array_statement},
    timeline::{KnownEnds, KnownEntry},
    tx::Tx,
};

/// The partition, offset, time and batch of an entry.
type HeadRow = (i32, i64, i64, Vec<u8>);

array_statement! {
    FindHeads { partitions: i32 => Integer } -> (Integer, BigInt, BigInt, Binary);
    "SELECT h.partition, h.log_offset, h.create_time, h.batch_id FROM",
    ") AS k (partition) CROSS JOIN LATERAL (SELECT * FROM history WHERE history.partition = k.partition \
     ORDER BY log_offset DESC LIMIT 1) h"
}

/// The query for the last entry of a partition.
#[diesel::dsl::auto_type(no_type_alias)]
fn last_of(number: i32) -> _ {
    history::table
        .filter(history::partition.eq(number))
        .order(history::log_offset.desc())
        .select((
            history::partition,
            history::log_offset,
            history::create_time,
            history::batch_id,
        ))
}

/// Finds the last entry of each partition that has any.
pub(crate) async fn heads(tx: &mut Tx, partitions: &[Partition]) -> Result<Vec<Head>, Error> {
    match tx {
        Tx::Postgres(connection) => heads_on_postgres(connection, partitions).await,
        Tx::Sqlite(connection) => {
            let mut rows: Vec<HeadRow> = Vec::new();
            for partition in partitions {
                let last = last_of(partition.number());
                rows.extend(last.first(&mut ***connection).await.optional()?);
            }
            rows.into_iter().map(head).collect()
        }
    }
}

/// Does the same beside other reads of a connection to PostgreSQL.
pub(crate) async fn heads_on_postgres(
    mut connection: &AsyncPgConnection,
    partitions: &[Partition],
) -> Result<Vec<Head>, Error> {
    let numbers = partitions.iter().map(|partition| partition.number());
    let rows: Vec<HeadRow> = if partitions.len() > FEW {
        let find = FindHeads {
            partitions: numbers.collect(),
            ..FindHeads::default()
        };
        find.load(&mut connection).await?
    } else {
        let found = numbers.map(|number| async move {
            let last = last_of(number).first(&mut &*connection).await;
            last.optional()
        });
        let found: Vec<Option<HeadRow>> = try_join_all(found).await?;
        found.into_iter().flatten().collect()
    };
    rows.into_iter().map(head).collect()
}

fn head((partition, offset, create_time, batch): HeadRow) -> Result<Head, Error> {
    let position = position(partition, offset);
    Ok(Head {
        position,
        create_time: Timestamp::from_micros(create_time),
        batch: BatchId::read(position, batch)?,
    })
}

/// Finds which transactions wrote the entries at some positions, those that are there.
async fn batches(
    tx: &mut Tx,
    positions: &[LogPosition],
) -> Result<Vec<(LogPosition, BatchId)>, Error> {
    let found: Vec<Option<Vec<u8>>> = match tx {
        // In one round trip.
        Tx::Postgres(connection) => {
            let connection: &AsyncPgConnection = connection;
            let found = positions.iter().map(|position| async move {
                let id = batch_of(*position).first(&mut &*connection).await;
                id.optional()
            });
            try_join_all(found).await?
        }
        Tx::Sqlite(connection) => {
            let mut found = Vec::with_capacity(positions.len());
            for position in positions {
                let id = batch_of(*position).first(&mut ***connection).await;
                found.push(id.optional()?);
            }
            found
        }
    };
    let found = positions.iter().zip(found).filter_map(|(position, id)| {
        let id = BatchId::read(*position, id?);
        Some(id.map(|id| (*position, id)))
    });
    found.collect()
}

impl Store {
    /// Lists the last entry of every partition that has any. Where an entry is not there any more
    /// that this process knew of, the [`timeline`](Self::timeline) is another one from then on.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn history_heads(&self) -> Result<Vec<Head>, Error> {
        let partitions = self.partition_count().all().collect::<Vec<_>>();
        let known = self.timelines().remember();
        let read = self.database().read(async |tx| {
            let heads = heads(tx, &partitions).await?;
            let there = batches(tx, &known.passed(&heads)).await?;
            Ok((heads, there))
        });
        let (heads, there) = read.await?;
        let ends: BTreeMap<_, _> = heads
            .iter()
            .map(|head| (head.position.partition, KnownEntry::from(head)))
            .collect();
        let end = |partition| ends.get(&partition).copied();
        match known.lost(partitions, end, &there) {
            Some(lost) => self.lose_timeline(known.number(), lost),
            None => self.timelines().reach(&known, &heads),
        }
        Ok(heads)
    }

    /// Counts how often this process has found that the database lost entries which it knew, as
    /// after a failover to a standby that lacked them. What was read under another count may be in
    /// no database.
    pub fn timeline(&self) -> watch::Receiver<u64> {
        self.timelines().subscribe()
    }

    /// Records that an entry which was in the log under this count is not in it any more: forgets
    /// what is cached and counts on. It does so once for each count.
    pub fn lose_timeline(&self, number: u64, lost: LogPosition) {
        // A file that is damaged may hide what it has, and that is logged elsewhere.
        if self.file().is_some_and(|file| file.check().is_err()) {
            return;
        }
        if !self.timelines().forget(number) {
            return;
        }
        self.catalog().forget();
        tracing::error!(
            partition = lost.partition.number(),
            offset = lost.offset,
            "history that this process has seen is not in the database any more, as after a failover to a standby \
             that lacked it, or a restore: acknowledged steps are lost, all streams of history end with \
             RESUME_TOKEN_FOREIGN, and everything cached is read anew"
        );
    }

    /// Holds the ends of partitions that were read with their locks held against what was known
    /// before they were read. An end that others have moved is left to the next reading of all.
    pub(crate) fn compare_locked(
        &self,
        known: &KnownEnds,
        partitions: &[Partition],
        heads: &BTreeMap<Partition, Head>,
    ) {
        let end = |partition| heads.get(&partition).map(KnownEntry::from);
        if let Some(lost) = known.lost(partitions.iter().copied(), end, &[]) {
            self.lose_timeline(known.number(), lost);
        }
    }
}
