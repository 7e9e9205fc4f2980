//! Reading where orders stand in indexes, which lists do before they read bodies. On PostgreSQL each
//! question is one statement, on SQLite one closure on the connection.

use std::collections::{BTreeSet, HashSet};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use waymark_domain::value::{StatusCode, WorkflowCode};

use super::{
    columns::{ByTime, OrderColumns, TimeRow, WorkflowPlace},
    cursor::{OrderPlace, Spot},
    on_postgres, on_sqlite,
    query::{Direction, OrderQuery, SortKey},
};
use crate::{
    Error,
    catalog::{self, Edition},
    rows::{StoredText, order::OrderRow},
    schema::{assignments, workflows},
    statement::limit as sql_limit,
    tx::{Tx, on_conn},
};

/// The conditions of a query that columns can answer.
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

    fn lets_through(&self, row: &OrderColumns) -> bool {
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
    pub(super) fn spot(&self, row: OrderColumns) -> Spot {
        let fits = self.lets_through(&row);
        let (partition, order_key) = (row.partition, row.order_key);
        let place = match self.by {
            SortKey::UpdateTime => OrderPlace::Time(row.update_time, partition, order_key),
            SortKey::CreateTime => OrderPlace::Time(row.create_time, partition, order_key),
            SortKey::Id => OrderPlace::Id(row.id.into_lossy(), row.workflow.lossy().to_owned()),
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
pub(super) async fn pairs(
    tx: &mut Tx,
    asked: &[WorkflowCode],
) -> Result<Vec<WorkflowPlace>, Error> {
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
        Some(WorkflowPlace {
            workflow: workflow.into_utf8()?,
            state: state.into_utf8()?,
            status: status.into_utf8()?,
        })
    });
    Ok(pairs.collect::<BTreeSet<_>>().into_iter().collect())
}

/// Asks PostgreSQL in one statement, or SQLite in one closure on the connection, which must own what
/// is borrowed.
macro_rules! ask {
    ($tx:ident, $question:ident($($borrowed:ident),+; $($value:ident),*)) => {
        match $tx {
            Tx::Postgres(connection) => {
                on_postgres::$question(connection, $($borrowed,)+ $($value),*).await?
            }
            Tx::Sqlite(connection) => {
                $(let $borrowed = $borrowed.to_owned();)+
                let asked = connection.spawn_blocking(move |inner| {
                    on_sqlite::$question(inner, $(&$borrowed,)+ $($value),*)
                });
                asked.await?
            }
        }
    };
}

/// Finds orders on some places whose last entry lies between two instants, at most `limit`.
pub(super) async fn of_places(
    tx: &mut Tx,
    pairs: &[WorkflowPlace],
    partitions: &[i32],
    times: (i64, i64),
    limit: usize,
) -> Result<Vec<OrderColumns>, Error> {
    let limit = sql_limit(limit);
    Ok(ask!(tx, of_places(pairs, partitions; times, limit)))
}

/// Finds orders of a customer in some workflows, at most `limit`.
pub(super) async fn of_customer(
    tx: &mut Tx,
    codes: &[String],
    customer: &str,
    limit: usize,
) -> Result<Vec<OrderColumns>, Error> {
    let limit = sql_limit(limit);
    Ok(ask!(tx, of_customer(codes, customer; limit)))
}

/// Finds orders with some ids in some workflows.
pub(super) async fn with_ids(
    tx: &mut Tx,
    codes: &[String],
    ids: &[String],
) -> Result<Vec<OrderColumns>, Error> {
    Ok(ask!(tx, with_ids(codes, ids;)))
}

/// Finds the next orders of some places by update time.
pub(super) async fn by_time(
    tx: &mut Tx,
    pairs: &[WorkflowPlace],
    asked: &ByTime,
) -> Result<Vec<TimeRow>, Error> {
    Ok(ask!(tx, by_time(pairs, asked;)))
}

/// Finds what follows a key in each of some partitions, at most `each`.
pub(super) async fn by_key(
    tx: &mut Tx,
    starts: &[(i32, i64)],
    direction: Direction,
    each: usize,
) -> Result<Vec<OrderColumns>, Error> {
    let each = sql_limit(each);
    Ok(ask!(tx, by_key(starts; direction, each)))
}

/// Finds what follows an id in each of some workflows, at most `each`.
pub(super) async fn by_id(
    tx: &mut Tx,
    starts: &[(String, String)],
    direction: Direction,
    each: usize,
) -> Result<Vec<OrderColumns>, Error> {
    let each = sql_limit(each);
    Ok(ask!(tx, by_id(starts; direction, each)))
}

/// Finds out which of some orders, each with its workflow, are those of a customer.
pub(super) async fn among_customer(
    tx: &mut Tx,
    asked: &[(i32, i64, String)],
    customer: &str,
) -> Result<HashSet<(i32, i64)>, Error> {
    let found = ask!(tx, among_customer(asked, customer;));
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
