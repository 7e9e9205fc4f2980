//! The reads of a batch after it holds its locks, each as one set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use waymark_domain::partition::Partition;

use super::{
    batch::{OrderKey, Purpose, Remembered, RequestRef},
    on_postgres, on_sqlite,
};
use crate::{
    Error, Head,
    catalog::{self, Edition, EditionRow},
    heads::{heads, heads_on_postgres},
    postgres::{PgConn, begin_locked},
    rows::{StoredText, entry::EntryRow, order::OrderRow},
    tx::Tx,
};

pub(super) struct Loaded {
    pub(super) edition: Edition,
    /// The last entry of each partition that has any.
    pub(super) heads: BTreeMap<Partition, Head>,
    pub(super) orders: Vec<OrderRow>,
}

/// Reads the beginning of a batch; on PostgreSQL in one round trip, which also begins the transaction
/// with the locks of its partitions, unless it is a dry run.
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
                    Purpose::DryRun => Ok(()),
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
                heads_on_postgres(connection, partitions),
                read(on_postgres::orders(connection, keys))
            )?;
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

async fn read<T>(query: impl Future<Output = QueryResult<T>>) -> Result<T, Error> {
    Ok(query.await?)
}

/// Finds orders beside other reads of a connection to PostgreSQL.
pub(crate) async fn orders_on(
    connection: &AsyncPgConnection,
    keys: &[OrderKey<'_>],
) -> Result<Vec<OrderRow>, Error> {
    read(on_postgres::orders(connection, keys)).await
}

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
