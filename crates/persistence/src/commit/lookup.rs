//! What a batch reads after it holds its locks, each as one set.

use std::collections::BTreeMap;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use waymark_domain::{history::LogPosition, partition::Partition, value::Timestamp};

use super::{
    on_postgres, on_sqlite,
    working::{Purpose, Remembered, RequestRef},
};
use crate::{
    BatchId, Error, catalog,
    postgres::PgConn,
    rows::{Reading, entry::EntryRow, journal::Journal, order::OrderRow},
    schema::{history, journal_pages},
    tx::{Tx, begin_locked, on_conn},
};

/// The longest step: the entry of the call and a hundred automatic ones.
pub(crate) const STEP_ENTRIES_MAX: i64 = 101;

/// A workflow and the id of an order.
pub(super) type OrderKey<'k> = (&'k str, &'k str);

/// What every batch begins with.
pub(super) struct Loaded {
    /// The version of the catalog.
    pub(super) catalog_version: i64,
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
    let (version, heads, orders) = match tx {
        Tx::Postgres(connection) => {
            let transaction: &PgConn = connection;
            let begun = async {
                match purpose {
                    Purpose::Commit => begin_locked(transaction, partitions).await,
                    Purpose::Rehearse => Ok(()),
                }
            };
            let connection: &AsyncPgConnection = transaction;
            let version = async {
                let version = catalog::newest().first(&mut &*connection).await;
                Ok(version.optional()?.unwrap_or(0))
            };
            let ((), version, heads, orders) = try_join!(
                begun,
                version,
                read(on_postgres::heads(connection, partitions)),
                read(on_postgres::orders(connection, keys))
            )?;
            let heads = heads.into_iter().map(head).collect::<Result<_, _>>()?;
            (version, heads, orders)
        }
        Tx::Sqlite(_) => (
            catalog::version(tx).await?,
            heads(tx, partitions).await?,
            orders_of(tx, keys).await?,
        ),
    };
    let heads = heads
        .into_iter()
        .map(|head| (head.position.partition, head));
    Ok(Loaded {
        catalog_version: version,
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

/// Finds the step that was remembered under a request id among the entries at some offsets,
/// which are those of one order that may have been written by it.
pub(super) async fn remembered(
    tx: &mut Tx,
    (partition, order_key, request_id): &RequestRef,
    offsets: Vec<i64>,
) -> Result<Option<Remembered>, Error> {
    for offset in offsets {
        let mut rows = step(tx, partition.number(), offset).await?;
        let is_it = |row: &EntryRow| {
            row.order_key == *order_key && row.request_id.as_deref() == Some(request_id.as_str())
        };
        let Some(first) = rows.first_mut().filter(|row| is_it(row)) else {
            continue;
        };
        let fingerprint = first.fingerprint.take().unwrap_or_default();
        let entries = rows.iter().map(EntryRow::logged);
        return Ok(Some(Remembered::Stored {
            fingerprint,
            entries: entries.collect::<Result<_, _>>()?,
        }));
    }
    Ok(None)
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
