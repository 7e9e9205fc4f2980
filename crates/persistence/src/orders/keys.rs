//! What lists read before bodies: where orders stand in indexes. On PostgreSQL each
//! question is one statement, on SQLite one closure on the connection.

use std::collections::{BTreeSet, HashSet};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use waymark_domain::value::{StatusCode, WorkflowCode};

use super::{
    cursor::{Place, Spot},
    on_postgres, on_sqlite,
    query::{Direction, OrderQuery, SortKey},
};
use crate::{
    Error,
    catalog::{self, Edition},
    rows::{StoredText, order::OrderRow},
    schema::{assignments, workflows},
    tx::{Tx, on_conn},
};

/// A place of a workflow. Whether its texts are codes is of no matter here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) workflow: String,
    pub(super) state: String,
    pub(super) status: String,
}

/// What of an order is searched and sorted by.
#[derive(Debug, Clone, diesel::Queryable)]
pub(super) struct Columns {
    pub(super) partition: i32,
    pub(super) order_key: i64,
    pub(super) workflow: StoredText,
    pub(super) id: StoredText,
    pub(super) state: StoredText,
    pub(super) status: StoredText,
    pub(super) return_status: Option<StoredText>,
    pub(super) create_time: i64,
    pub(super) update_time: i64,
}

/// The number of a pair from 1, a partition, a key and an update time.
pub(super) type TimeRow = (i64, i32, i64, i64);

/// Where orders by update time go on, and how many are wanted.
#[derive(Debug, Clone)]
pub(super) struct ByTime {
    pub(super) direction: Direction,
    /// Behind this time, and in each partition behind its key at that time.
    pub(super) time: i64,
    pub(super) starts: Vec<(i32, i64)>,
    /// Before this time, seen in the direction.
    pub(super) until: i64,
    /// Of each pair in each partition.
    pub(super) each: i64,
    /// Of all together.
    pub(super) all: i64,
}

/// What of a query columns can answer.
#[derive(Debug)]
pub(super) struct Sieve<'q> {
    by: SortKey,
    workflows: HashSet<&'q str>,
    places: Option<HashSet<(&'q str, &'q str, &'q str)>>,
    return_statuses: HashSet<&'q str>,
    /// Later than the first and earlier than the second.
    times: (i64, i64),
}

impl<'q> Sieve<'q> {
    pub(super) fn of(query: &'q OrderQuery) -> Self {
        let places = query.standings.as_ref().map(|standings| {
            let places = standings.iter().map(|(workflow, standing)| {
                let (state, status) = (&standing.state, &standing.status);
                (workflow.as_str(), state.as_str(), status.as_str())
            });
            places.collect()
        });
        Self {
            by: query.sort.by,
            workflows: query.workflows.iter().map(WorkflowCode::as_str).collect(),
            places,
            return_statuses: query
                .return_statuses
                .iter()
                .map(StatusCode::as_str)
                .collect(),
            times: query.times(),
        }
    }

    fn lets_through(&self, row: &Columns) -> bool {
        let workflow = row.workflow.lossy();
        let place = (workflow, row.state.lossy(), row.status.lossy());
        let returns = |status: &StoredText| self.return_statuses.contains(status.lossy());
        (self.workflows.is_empty() || self.workflows.contains(workflow))
            && self
                .places
                .as_ref()
                .is_none_or(|places| places.contains(&place))
            && (self.return_statuses.is_empty() || row.return_status.as_ref().is_some_and(returns))
            && row.update_time > self.times.0
            && row.update_time < self.times.1
    }

    /// Where an order comes in the list, and whether it is asked for.
    pub(super) fn spot(&self, row: Columns) -> Spot {
        let fits = self.lets_through(&row);
        let (partition, order_key) = (row.partition, row.order_key);
        let place = match self.by {
            SortKey::UpdateTime => Place::Time(row.update_time, partition, order_key),
            SortKey::CreateTime => Place::Time(row.create_time, partition, order_key),
            SortKey::Id => Place::Id(row.id.into_lossy(), row.workflow.lossy().to_owned()),
        };
        Spot {
            partition,
            order_key,
            workflow: row.workflow.into_lossy(),
            place,
            fits,
        }
    }
}

/// Lists the codes of all workflows; those that cannot be read are of no order that can be.
pub(super) async fn codes(tx: &mut Tx) -> Result<Vec<String>, Error> {
    let codes = workflows::table.select(workflows::code);
    let codes: Vec<StoredText> = on_conn!(tx, |c| codes.load(c).await)?;
    let codes = codes.into_iter().filter_map(StoredText::into_utf8);
    Ok(codes.collect())
}

/// Lists the places of some workflows, or of all: orders stand nowhere else.
pub(super) async fn pairs(tx: &mut Tx, asked: &[WorkflowCode]) -> Result<Vec<Pair>, Error> {
    let columns = (
        assignments::workflow,
        assignments::state,
        assignments::status,
    );
    let rows: Vec<(StoredText, StoredText, StoredText)> = if asked.is_empty() {
        let rows = assignments::table.select(columns);
        on_conn!(tx, |c| rows.load(c).await)?
    } else {
        let codes: Vec<&str> = asked.iter().map(WorkflowCode::as_str).collect();
        let rows = assignments::table
            .filter(assignments::workflow.eq_any(codes))
            .select(columns);
        on_conn!(tx, |c| rows.load(c).await)?
    };
    let pairs = rows.into_iter().filter_map(|(workflow, state, status)| {
        Some(Pair {
            workflow: workflow.into_utf8()?,
            state: state.into_utf8()?,
            status: status.into_utf8()?,
        })
    });
    Ok(pairs.collect::<BTreeSet<_>>().into_iter().collect())
}

/// Finds orders on some places whose last entry lies between two instants, at most `limit`.
pub(super) async fn of_places(
    tx: &mut Tx,
    pairs: &[Pair],
    partitions: &[i32],
    times: (i64, i64),
    limit: usize,
) -> Result<Vec<Columns>, Error> {
    let limit = count(limit);
    match tx {
        Tx::Postgres(connection) => {
            let found = on_postgres::of_places(connection, pairs, partitions, times, limit);
            Ok(found.await?)
        }
        Tx::Sqlite(connection) => {
            let (pairs, partitions) = (pairs.to_vec(), partitions.to_vec());
            let find = connection.spawn_blocking(move |inner| {
                on_sqlite::of_places(inner, &pairs, &partitions, times, limit)
            });
            Ok(find.await?)
        }
    }
}

/// Finds orders of a customer in some workflows, at most `limit`.
pub(super) async fn of_customer(
    tx: &mut Tx,
    codes: &[String],
    customer: &str,
    limit: usize,
) -> Result<Vec<Columns>, Error> {
    let limit = count(limit);
    match tx {
        Tx::Postgres(connection) => {
            Ok(on_postgres::of_customer(connection, codes, customer, limit).await?)
        }
        Tx::Sqlite(connection) => {
            let (codes, customer) = (codes.to_vec(), customer.to_owned());
            let find = connection.spawn_blocking(move |inner| {
                on_sqlite::of_customer(inner, &codes, &customer, limit)
            });
            Ok(find.await?)
        }
    }
}

/// Finds orders with some ids in some workflows.
pub(super) async fn with_ids(
    tx: &mut Tx,
    codes: &[String],
    ids: &[String],
) -> Result<Vec<Columns>, Error> {
    match tx {
        Tx::Postgres(connection) => Ok(on_postgres::with_ids(connection, codes, ids).await?),
        Tx::Sqlite(connection) => {
            let (codes, ids) = (codes.to_vec(), ids.to_vec());
            let find =
                connection.spawn_blocking(move |inner| on_sqlite::with_ids(inner, &codes, &ids));
            Ok(find.await?)
        }
    }
}

/// Finds the next orders of some places by update time.
pub(super) async fn by_time(
    tx: &mut Tx,
    pairs: &[Pair],
    asked: ByTime,
) -> Result<Vec<TimeRow>, Error> {
    match tx {
        Tx::Postgres(connection) => Ok(on_postgres::by_time(connection, pairs, &asked).await?),
        Tx::Sqlite(connection) => {
            let pairs = pairs.to_vec();
            let find =
                connection.spawn_blocking(move |inner| on_sqlite::by_time(inner, &pairs, &asked));
            Ok(find.await?)
        }
    }
}

/// Finds what follows a key in each of some partitions, at most `each`.
pub(super) async fn by_key(
    tx: &mut Tx,
    starts: Vec<(i32, i64)>,
    direction: Direction,
    each: usize,
) -> Result<Vec<Columns>, Error> {
    let each = count(each);
    match tx {
        Tx::Postgres(connection) => {
            Ok(on_postgres::by_key(connection, &starts, direction, each).await?)
        }
        Tx::Sqlite(connection) => {
            let find = connection
                .spawn_blocking(move |inner| on_sqlite::by_key(inner, &starts, direction, each));
            Ok(find.await?)
        }
    }
}

/// Finds what follows an id in each of some workflows, at most `each`.
pub(super) async fn by_id(
    tx: &mut Tx,
    starts: Vec<(String, String)>,
    direction: Direction,
    each: usize,
) -> Result<Vec<Columns>, Error> {
    let each = count(each);
    match tx {
        Tx::Postgres(connection) => {
            Ok(on_postgres::by_id(connection, &starts, direction, each).await?)
        }
        Tx::Sqlite(connection) => {
            let find = connection
                .spawn_blocking(move |inner| on_sqlite::by_id(inner, &starts, direction, each));
            Ok(find.await?)
        }
    }
}

/// Finds out which of some orders, each with its workflow, are those of a customer.
pub(super) async fn among_customer(
    tx: &mut Tx,
    asked: Vec<(i32, i64, String)>,
    customer: &str,
) -> Result<HashSet<(i32, i64)>, Error> {
    let found = match tx {
        Tx::Postgres(connection) => {
            on_postgres::among_customer(connection, &asked, customer).await?
        }
        Tx::Sqlite(connection) => {
            let customer = customer.to_owned();
            let find = connection
                .spawn_blocking(move |inner| on_sqlite::among_customer(inner, &asked, &customer));
            find.await?
        }
    };
    Ok(found.into_iter().collect())
}

/// Reads orders by their keys, and the edition of the catalog, which is later than they are: a
/// workflow that is newer knows where they stand.
pub(super) async fn bodies(
    tx: &mut Tx,
    keys: Vec<(i32, i64)>,
) -> Result<(Vec<OrderRow>, Edition), Error> {
    let rows = match tx {
        // In one round trip.
        Tx::Postgres(connection) => {
            let connection: &AsyncPgConnection = connection;
            let (rows, edition) = try_join!(
                on_postgres::bodies(connection, &keys),
                on_postgres::edition(connection)
            )?;
            return Ok((rows, Edition::read(edition)?));
        }
        Tx::Sqlite(connection) => {
            let read = connection.spawn_blocking(move |inner| on_sqlite::bodies(inner, &keys));
            read.await?
        }
    };
    Ok((rows, catalog::edition(tx).await?))
}

/// A limit as databases take it.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
