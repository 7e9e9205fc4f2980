//! The statements of a batch on SQLite, one for each row: they cost no round trip. They run on the
//! connection itself, since its asynchronous wrapper copies every value on its way.

use std::collections::BTreeSet;

use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::{
    batch::BatchRows,
    statements::{
        DeleteCustomer, FindOrder, InsertCustomer, InsertDelivery, InsertEntry, InsertOrder,
        InsertPage, UpdateOrder, step_at,
    },
};
use crate::rows::{entry::EntryRow, order::OrderRow};

pub(super) fn orders(
    connection: &mut SqliteConnection,
    keys: &[(String, String)],
) -> QueryResult<Vec<OrderRow>> {
    let mut rows = Vec::with_capacity(keys.len());
    for (workflow, id) in keys {
        let find = FindOrder(&(workflow, id));
        rows.extend(find.load::<OrderRow>(connection)?);
    }
    Ok(rows)
}

/// Finds the entries of the steps that begin at some offsets of partitions, each in its order.
pub(super) fn steps(
    connection: &mut SqliteConnection,
    places: &BTreeSet<(i32, i64)>,
) -> QueryResult<Vec<EntryRow>> {
    let mut rows = Vec::with_capacity(places.len());
    for (partition, offset) in places {
        rows.extend(step_at(*partition, *offset).load::<EntryRow>(connection)?);
    }
    Ok(rows)
}

/// Writes the rows of a batch, and says how many orders were there to be changed.
pub(super) fn write(connection: &mut SqliteConnection, rows: &BatchRows<'_>) -> QueryResult<usize> {
    /// Sends rows one by one, and counts those that were there.
    macro_rules! send {
        ($rows:expr, $one:ident) => {{
            let mut sent = 0;
            for row in &$rows {
                sent += $one(row).execute(connection)?;
            }
            sent
        }};
    }
    send!(rows.entries, InsertEntry);
    send!(rows.deliveries, InsertDelivery);
    send!(rows.created, InsertOrder);
    let updated = send!(rows.changed, UpdateOrder);
    send!(rows.pages, InsertPage);
    send!(rows.lost, DeleteCustomer);
    send!(rows.gained, InsertCustomer);
    Ok(updated)
}
