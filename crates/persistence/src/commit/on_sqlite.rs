//! The statements of a batch on SQLite, one for each row: they cost no round trip.
//! They run on the connection itself, since its asynchronous wrapper copies every
//! value on its way.

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

/// Finds orders by workflow and id.
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
    for row in &rows.entries {
        InsertEntry(row).execute(connection)?;
    }
    for row in &rows.deliveries {
        InsertDelivery(row).execute(connection)?;
    }
    for row in &rows.created {
        InsertOrder(row).execute(connection)?;
    }
    let mut updated = 0;
    for row in &rows.changed {
        updated += UpdateOrder(row).execute(connection)?;
    }
    for row in &rows.pages {
        InsertPage(row).execute(connection)?;
    }
    for row in &rows.lost {
        DeleteCustomer(row).execute(connection)?;
    }
    for row in &rows.gained {
        InsertCustomer(row).execute(connection)?;
    }
    Ok(updated)
}
