//! What a batch reads after it holds its locks, each as one set.

use std::collections::{BTreeMap, HashMap};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::{future::try_join_all, try_join};
use waymark_domain::{history::LogPosition, partition::Partition, value::Timestamp};

use super::{
    on_postgres, on_sqlite,
    working::{Purpose, Remembered, RequestRef},
};
use crate::{
    BatchId, Error,
    catalog::{self, Edition, EditionRow},
    postgres::{PgConn, begin_locked},
    rows::{Reading, entry::EntryRow, journal::Journal, order::OrderRow},
    schema::{history, journal_pages},
    tx::{Tx, on_conn},
};

/// The longest step: the entry of the call and a hundred automatic ones.
pub(crate) const STEP_ENTRIES_MAX: i64 = 101;

/// A workflow and the id of an order.
pub(super) type OrderKey<'k> = (&'k str, &'k str);

/// What every batch begins with.
pub(super) struct Loaded {
    /// The edition of the catalog.
    pub(super) edition: Edition,
    /// The last entry of each partition that has any.
    pub(super) heads: BTreeMap<Partition, Head>,
    /// The orders that there are.
    pub(super) orders: Vec<OrderRow>,
}

/// Reads what every batch begins with; on PostgreSQL in one round trip, which also begins the
/// transaction of a batch that is meant, with the locks of its partitions.
pub(super) async fn load(
    tx: &mut Tx,
    purpose: Purpose,
    partitions: &[Partition],
    keys: &[OrderKey<'_>],
) -> Result<Loaded, Error> {
    let (edition, heads, orders) = match tx {
        Tx::Postgres(connection) => {
            let transaction: &PgConn = connection;
            let begun = async {
                match purpose {
                    Purpose::Commit => begin_locked(transaction, partitions).await,
                    Purpose::Rehearse => Ok(()),
                }
            };
            let connection: &AsyncPgConnection = transaction;
            let edition = async {
                let row = catalog::newest()
                    .first::<EditionRow>(&mut &*connection)
                    .await;
                Edition::read(row.optional()?)
            };
            let ((), edition, heads, orders) = try_join!(
                begun,
                edition,
                read(on_postgres::heads(connection, partitions)),
                read(on_postgres::orders(connection, keys))
            )?;
            let heads = heads.into_iter().map(head).collect::<Result<_, _>>()?;
            (edition, heads, orders)
        }
        Tx::Sqlite(_) => (
            catalog::edition(tx).await?,
            heads(tx, partitions).await?,
            orders_of(tx, keys).await?,
        ),
    };
    let heads = heads
        .into_iter()
        .map(|head| (head.position.partition, head));
    Ok(Loaded {
        edition,
        heads: heads.collect(),
        orders,
    })
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

/// The partition, offset, time and batch of an entry.
pub(super) type HeadRow = (i32, i64, i64, Vec<u8>);

/// The query for the last entry of a partition.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn last_of(number: i32) -> _ {
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
    let rows = match tx {
        Tx::Postgres(connection) => on_postgres::heads(connection, partitions).await?,
        Tx::Sqlite(connection) => {
            let mut rows: Vec<HeadRow> = Vec::new();
            for partition in partitions {
                let last = last_of(partition.number());
                rows.extend(last.first(&mut ***connection).await.optional()?);
            }
            rows
        }
    };
    rows.into_iter().map(head).collect()
}

async fn read<T>(query: impl Future<Output = QueryResult<T>>) -> Result<T, Error> {
    Ok(query.await?)
}

fn head((partition, offset, create_time, batch): HeadRow) -> Result<Head, Error> {
    let position = LogPosition {
        partition: Partition::new(partition),
        offset,
    };
    Ok(Head {
        position,
        create_time: Timestamp::from_micros(create_time),
        batch: BatchId::read(position, batch)?,
    })
}

/// Finds orders.
pub(crate) async fn orders_of(tx: &mut Tx, keys: &[OrderKey<'_>]) -> Result<Vec<OrderRow>, Error> {
    match tx {
        Tx::Postgres(connection) => Ok(on_postgres::orders(connection, keys).await?),
        // Nothing is gained by a set where a statement costs no round trip; they run in one
        // closure, which must own what it looks for.
        Tx::Sqlite(connection) => {
            let keys = keys
                .iter()
                .map(|(workflow, id)| ((*workflow).to_owned(), (*id).to_owned()))
                .collect::<Vec<_>>();
            let found = connection.spawn_blocking(move |inner| on_sqlite::orders(inner, &keys));
            Ok(found.await?)
        }
    }
}

/// The query for the older pages of an order's journal.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn pages_of(partition: Partition, order_key: i64) -> _ {
    let number: i32 = partition.number();
    journal_pages::table
        .filter(journal_pages::partition.eq(number))
        .filter(journal_pages::order_key.eq(order_key))
        .select((journal_pages::first_sequence, journal_pages::page))
}

/// Finds the older pages of an order's journal, by sequence.
pub(crate) async fn pages(
    tx: &mut Tx,
    partition: Partition,
    order_key: i64,
) -> Result<Vec<Journal>, Error> {
    let pages = pages_of(partition, order_key).order(journal_pages::first_sequence);
    let rows = on_conn!(tx, |c| pages.load(c).await)?;
    read_pages(partition, order_key, &rows)
}

/// Finds the older pages of the journals of orders; on PostgreSQL in one round trip.
pub(super) async fn pages_of_each(
    tx: &mut Tx,
    orders: Vec<(Partition, i64)>,
) -> Result<HashMap<(Partition, i64), Vec<Journal>>, Error> {
    let mut found = HashMap::with_capacity(orders.len());
    match tx {
        Tx::Postgres(connection) => {
            let connection: &AsyncPgConnection = connection;
            let read = orders.iter().map(|(partition, order_key)| async move {
                let pages = pages_of(*partition, *order_key).order(journal_pages::first_sequence);
                pages.load(&mut &*connection).await
            });
            let read: Vec<Vec<(i64, Vec<u8>)>> = try_join_all(read).await?;
            for ((partition, order_key), rows) in orders.into_iter().zip(read) {
                let pages = read_pages(partition, order_key, &rows)?;
                found.insert((partition, order_key), pages);
            }
        }
        Tx::Sqlite(_) => {
            for (partition, order_key) in orders {
                let pages = pages(tx, partition, order_key).await?;
                found.insert((partition, order_key), pages);
            }
        }
    }
    Ok(found)
}

/// Reads pages of a journal, each with its first sequence.
pub(crate) fn read_pages(
    partition: Partition,
    order_key: i64,
    rows: &[(i64, Vec<u8>)],
) -> Result<Vec<Journal>, Error> {
    let read = rows.iter().map(|(first_sequence, page)| {
        let reading = Reading {
            table: "journal_pages",
            row: &format_args!("{}/{order_key}/{first_sequence}", partition.number()),
        };
        Journal::read(page, &reading, "page")
    });
    read.collect()
}

/// Finds the steps that were remembered under request ids. Each id comes with the offset of an
/// entry of its order that may have been written by it; on PostgreSQL all are read in one round
/// trip.
pub(super) async fn remembered(
    tx: &mut Tx,
    maybe: Vec<(RequestRef, i64)>,
) -> Result<Vec<(RequestRef, Remembered)>, Error> {
    let steps: Vec<Vec<EntryRow>> = match tx {
        Tx::Postgres(connection) => {
            let connection: &AsyncPgConnection = connection;
            let read = maybe.iter().map(|((partition, ..), offset)| async move {
                let step = step_at(partition.number(), *offset).order(history::log_offset);
                step.load(&mut &*connection).await
            });
            try_join_all(read).await?
        }
        Tx::Sqlite(connection) => {
            let mut steps = Vec::with_capacity(maybe.len());
            for ((partition, ..), offset) in &maybe {
                let step = step_at(partition.number(), *offset).order(history::log_offset);
                steps.push(step.load(&mut ***connection).await?);
            }
            steps
        }
    };
    let mut remembered = Vec::new();
    for ((key, _), mut rows) in maybe.into_iter().zip(steps) {
        let (_, order_key, request_id) = &key;
        let is_it = |row: &EntryRow| {
            row.order_key == *order_key && row.request_id.as_deref() == Some(request_id.as_str())
        };
        let Some(first) = rows.first_mut().filter(|row| is_it(row)) else {
            continue;
        };
        let fingerprint = first.fingerprint.take().unwrap_or_default();
        let entries = rows.iter().map(EntryRow::logged);
        let stored = Remembered::Stored {
            fingerprint,
            entries: entries.collect::<Result<_, _>>()?,
        };
        remembered.push((key, stored));
    }
    Ok(remembered)
}

/// The query for all entries of the step that begins at an offset.
#[diesel::dsl::auto_type(no_type_alias)]
fn step_at(number: i32, offset: i64) -> _ {
    let end: i64 = offset + STEP_ENTRIES_MAX;
    history::table
        .filter(history::partition.eq(number))
        .filter(history::log_offset.ge(offset))
        .filter(history::log_offset.lt(end))
        .filter(history::step_offset.eq(offset))
}
