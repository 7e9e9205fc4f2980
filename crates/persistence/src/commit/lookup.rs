//! What a batch reads after it holds its locks, each as one set.

use std::collections::BTreeMap;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    history::{LogPosition, Logged},
    partition::Partition,
    value::{RequestId, Timestamp},
};

use super::statements::{FindHeads, FindOrders, FindRequests};
use crate::{
    BatchId, Error,
    rows::{entry::EntryRow, order::OrderRow},
    schema::{history, orders, partitions},
    tx::{Tx, on_conn},
};

/// The longest step: the entry of the call and a hundred automatic ones.
pub(crate) const STEP_ENTRIES_MAX: i64 = 101;

/// Locks partitions in ascending order, in a statement of its own: one that locked and read
/// at once could read what was true before the lock. On SQLite the transaction holds the
/// lock of the whole file already.
pub(crate) async fn lock(tx: &mut Tx, partitions: &[Partition]) -> Result<(), Error> {
    if let Tx::Postgres(connection) = tx {
        let numbers = partitions
            .iter()
            .map(|partition| partition.number())
            .collect::<Vec<_>>();
        let rows = partitions::table
            .filter(partitions::partition.eq_any(&numbers))
            .order(partitions::partition);
        let locked = rows
            .for_update()
            .select(partitions::partition)
            .load::<i32>(&mut ***connection)
            .await?;
        if locked.len() != numbers.len() {
            return Err(Error::Corrupt {
                table: "partitions",
                column: "partition",
                row: format!("{numbers:?}"),
                source: "a partition has no row".into(),
            });
        }
    }
    Ok(())
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

/// Finds the last entry of each partition that has any.
pub(crate) async fn heads(tx: &mut Tx, partitions: &[Partition]) -> Result<Vec<Head>, Error> {
    let rows: Vec<(i32, i64, i64, Vec<u8>)> = match tx {
        Tx::Postgres(connection) => {
            let numbers = partitions
                .iter()
                .map(|partition| partition.number())
                .collect();
            FindHeads {
                partitions: numbers,
                ..FindHeads::default()
            }
            .load(&mut ***connection)
            .await?
        }
        Tx::Sqlite(connection) => {
            let mut rows = Vec::new();
            for partition in partitions {
                let last = history::table
                    .filter(history::partition.eq(partition.number()))
                    .order(history::log_offset.desc())
                    .select((
                        history::partition,
                        history::log_offset,
                        history::create_time,
                        history::batch_id,
                    ));
                rows.extend(last.first(&mut ***connection).await.optional()?);
            }
            rows
        }
    };
    rows.into_iter()
        .map(|(partition, offset, create_time, batch)| {
            let position = LogPosition {
                partition: Partition::new(partition),
                offset,
            };
            Ok(Head {
                position,
                create_time: Timestamp::from_micros(create_time),
                batch: BatchId::read(position, batch)?,
            })
        })
        .collect()
}

/// Finds orders by partition, workflow and id.
pub(crate) async fn orders(
    tx: &mut Tx,
    keys: &[(Partition, &str, &str)],
) -> Result<Vec<OrderRow>, Error> {
    match tx {
        Tx::Postgres(connection) => {
            let find = FindOrders {
                partitions: keys
                    .iter()
                    .map(|(partition, ..)| partition.number())
                    .collect(),
                workflows: keys.iter().map(|(_, workflow, _)| *workflow).collect(),
                ids: keys.iter().map(|(.., id)| *id).collect(),
                ..FindOrders::default()
            };
            Ok(find.load(&mut ***connection).await?)
        }
        // Nothing is gained by a set where a statement costs no round trip.
        Tx::Sqlite(connection) => {
            let mut rows = Vec::new();
            for (partition, workflow, id) in keys {
                let find = orders::table
                    .filter(orders::partition.eq(partition.number()))
                    .filter(orders::workflow.eq(*workflow))
                    .filter(orders::id.eq(*id));
                rows.extend(
                    find.first::<OrderRow>(&mut ***connection)
                        .await
                        .optional()?,
                );
            }
            Ok(rows)
        }
    }
}

/// A step that was remembered under a request id.
pub(super) struct Remembered {
    pub(super) order_key: i64,
    pub(super) request_id: RequestId,
    pub(super) fingerprint: Vec<u8>,
    pub(super) entries: Vec<Logged>,
}

/// Finds the steps that were remembered under these request ids of these orders.
pub(super) async fn requests(
    tx: &mut Tx,
    keys: &[(Partition, i64, &RequestId)],
) -> Result<Vec<Remembered>, Error> {
    let mut found = Vec::new();
    for (partition, offset) in request_offsets(tx, keys).await? {
        let mut rows = step(tx, partition, offset).await?;
        let Some(first) = rows.first_mut() else {
            continue;
        };
        let (order_key, fingerprint) = (
            first.order_key,
            first.fingerprint.take().unwrap_or_default(),
        );
        let entries = rows
            .iter()
            .map(EntryRow::logged)
            .collect::<Result<Vec<_>, _>>()?;
        let [first, ..] = entries.as_slice() else {
            continue;
        };
        if let Some(request_id) = first.entry.request_id.clone() {
            found.push(Remembered {
                order_key,
                request_id,
                fingerprint,
                entries,
            });
        }
    }
    Ok(found)
}

async fn request_offsets(
    tx: &mut Tx,
    keys: &[(Partition, i64, &RequestId)],
) -> Result<Vec<(i32, i64)>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    match tx {
        Tx::Postgres(connection) => {
            let find = FindRequests {
                partitions: keys
                    .iter()
                    .map(|(partition, ..)| partition.number())
                    .collect(),
                order_keys: keys.iter().map(|(_, order_key, _)| *order_key).collect(),
                request_ids: keys.iter().map(|(.., id)| id.as_str()).collect(),
                ..FindRequests::default()
            };
            Ok(find.load(&mut ***connection).await?)
        }
        Tx::Sqlite(connection) => {
            let mut rows = Vec::new();
            for (partition, order_key, id) in keys {
                let find = history::table
                    .filter(history::partition.eq(partition.number()))
                    .filter(history::order_key.eq(*order_key))
                    .filter(history::request_id.eq(id.as_str()))
                    .select((history::partition, history::log_offset));
                rows.extend(
                    find.first::<(i32, i64)>(&mut ***connection)
                        .await
                        .optional()?,
                );
            }
            Ok(rows)
        }
    }
}

/// All entries of the step that begins at an offset.
async fn step(tx: &mut Tx, partition: i32, offset: i64) -> Result<Vec<EntryRow>, Error> {
    let rows = history::table
        .filter(history::partition.eq(partition))
        .filter(history::log_offset.ge(offset))
        .filter(history::log_offset.lt(offset + STEP_ENTRIES_MAX))
        .filter(history::step_offset.eq(offset))
        .order(history::log_offset);
    Ok(on_conn!(tx, |c| rows.load::<EntryRow>(c).await)?)
}

/// The last offset and its time, by partition.
pub(super) fn by_partition(heads: Vec<Head>) -> BTreeMap<Partition, Head> {
    heads
        .into_iter()
        .map(|head| (head.position.partition, head))
        .collect()
}
