//! What a batch reads after it holds its locks, each as one set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use waymark_domain::{
    history::LogPosition,
    partition::Partition,
    value::{RequestId, Timestamp},
};

use super::{
    on_postgres, on_sqlite,
    working::{Purpose, Remembered, RequestRef},
};
use crate::{
    BatchId, Error,
    catalog::{self, Edition, EditionRow},
    postgres::{PgConn, begin_locked},
    rows::{Reading, StoredText, entry::EntryRow, journal::Journal, order::OrderRow},
    schema::{history, journal_pages},
    tx::Tx,
};

/// The longest step: the entry of the call and a hundred automatic ones. `FindSteps` has it too.
pub(crate) const STEP_ENTRIES_MAX: i64 = 101;

/// For how many request ids the database searches the pages of one order. For more of them all
/// pages are read, which costs less than to search each page for each id.
const TAGS_MAX: usize = 4;

/// A workflow and the id of an order.
pub(crate) type OrderKey<'k> = (&'k str, &'k str);

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
                    Purpose::Commit(wait) => begin_locked(transaction, partitions, wait).await,
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

/// Finds orders beside other reads of a connection to PostgreSQL.
pub(crate) async fn orders_on(
    connection: &AsyncPgConnection,
    keys: &[OrderKey<'_>],
) -> Result<Vec<OrderRow>, Error> {
    read(on_postgres::orders(connection, keys)).await
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

/// Which pages of the journal of an order are looked for.
#[derive(Debug)]
pub(crate) struct PageKey {
    pub(super) partition: i32,
    pub(super) order_key: i64,
    /// What a page has that may have remembered a request id; empty for any page.
    pub(super) tag: Vec<u8>,
}

/// The partition, order, first sequence and content of a page.
pub(super) type PageRow = (i32, i64, i64, Vec<u8>);

/// Finds the older pages of the journals of orders that may have remembered some request ids, for
/// all orders in one statement.
pub(super) async fn pages_with(
    tx: &mut Tx,
    asked: &BTreeMap<(Partition, i64), Vec<&RequestId>>,
) -> Result<HashMap<(Partition, i64), Vec<Journal>>, Error> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let mut keys = Vec::with_capacity(asked.len());
    for ((partition, order_key), ids) in asked {
        let key = |tag| PageKey {
            partition: partition.number(),
            order_key: *order_key,
            tag,
        };
        if ids.len() > TAGS_MAX {
            keys.push(key(Vec::new()));
            continue;
        }
        for id in ids {
            keys.push(key(Journal::tag(id)?));
        }
    }
    let mut rows = match tx {
        Tx::Postgres(connection) => on_postgres::pages(connection, &keys).await?,
        Tx::Sqlite(connection) => {
            let read = connection.spawn_blocking(move |inner| on_sqlite::pages(inner, &keys));
            read.await?
        }
    };
    // A page that may have remembered two of them comes twice.
    rows.sort_unstable();
    rows.dedup();
    let mut found: HashMap<_, Vec<_>> = HashMap::with_capacity(asked.len());
    for (partition, order_key, first_sequence, page) in rows {
        let of_order = found.entry((Partition::new(partition), order_key));
        of_order.or_default().push((first_sequence, page));
    }
    let read = found.into_iter().map(|((partition, order_key), rows)| {
        let pages = read_pages(partition, order_key, &rows)?;
        Ok(((partition, order_key), pages))
    });
    read.collect()
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
/// entry of its order that may have been written by it; all are read in one statement.
pub(super) async fn remembered(
    tx: &mut Tx,
    maybe: Vec<(RequestRef, i64)>,
) -> Result<Vec<(RequestRef, Remembered)>, Error> {
    if maybe.is_empty() {
        return Ok(Vec::new());
    }
    let places = maybe
        .iter()
        .map(|((partition, ..), offset)| (partition.number(), *offset));
    let places = places.collect::<BTreeSet<_>>();
    let rows = match tx {
        Tx::Postgres(connection) => on_postgres::steps(connection, &places).await?,
        Tx::Sqlite(connection) => {
            let read = connection.spawn_blocking(move |inner| on_sqlite::steps(inner, &places));
            read.await?
        }
    };
    let mut steps: HashMap<_, Vec<EntryRow>> = HashMap::with_capacity(maybe.len());
    for row in rows {
        let step = steps.entry((row.partition, row.step_offset));
        step.or_default().push(row);
    }
    let mut remembered = Vec::new();
    for (key, offset) in maybe {
        let (partition, order_key, request_id) = &key;
        let is_it = |row: &&EntryRow| {
            let id = row.request_id.as_ref().and_then(StoredText::utf8);
            row.order_key == *order_key && id == Some(request_id.as_str())
        };
        let Some(rows) = steps.get(&(partition.number(), offset)) else {
            continue;
        };
        let Some(first) = <[_]>::first(rows).filter(is_it) else {
            continue;
        };
        let entries = rows.iter().map(EntryRow::logged);
        let stored = Remembered::Stored {
            fingerprint: first.fingerprint.clone().unwrap_or_default(),
            entries: entries.collect::<Result<_, _>>()?,
        };
        remembered.push((key, stored));
    }
    Ok(remembered)
}

/// The query for all entries of the step that begins at an offset, in their order.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn step_at(number: i32, offset: i64) -> _ {
    let end: i64 = offset + STEP_ENTRIES_MAX;
    history::table
        .filter(history::partition.eq(number))
        .filter(history::log_offset.ge(offset))
        .filter(history::log_offset.lt(end))
        .filter(history::step_offset.eq(offset))
        .order(history::log_offset)
}
