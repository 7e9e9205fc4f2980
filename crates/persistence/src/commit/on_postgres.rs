//! The statements of a batch on PostgreSQL: whole sets as arrays, one statement each, or row by row
//! where they are few, since unpacking arrays costs the server as much as several rows. Those that
//! do not depend on each other share a round trip.

use std::collections::BTreeSet;

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::{future::try_join_all, try_join};

use super::{
    batch::{BatchRows, OrderKey},
    statements::{
        DeleteCustomer, DeleteCustomers, FindOrder, FindOrders, FindSteps, InsertCustomer,
        InsertCustomers, InsertDeliveries, InsertDelivery, InsertEntries, InsertEntry, InsertOrder,
        InsertOrders, InsertPage, InsertPages, UpdateOrder, UpdateOrders,
    },
};
use crate::{
    rows::{entry::EntryRow, order::OrderRow},
    statement::FEW,
};

pub(super) async fn orders(
    mut connection: &AsyncPgConnection,
    keys: &[OrderKey<'_>],
) -> QueryResult<Vec<OrderRow>> {
    if keys.len() > FEW {
        let find = FindOrders {
            workflows: keys.iter().map(|(workflow, _)| *workflow).collect(),
            ids: keys.iter().map(|(_, id)| *id).collect(),
            ..FindOrders::default()
        };
        return find.load(&mut connection).await;
    }
    let found = keys
        .iter()
        .map(|key| async move { FindOrder(key).load::<OrderRow>(&mut &*connection).await });
    Ok(try_join_all(found).await?.into_iter().flatten().collect())
}

/// Finds the entries of the steps that begin at some offsets of partitions, each in its order.
pub(super) async fn steps(
    mut connection: &AsyncPgConnection,
    places: &BTreeSet<(i32, i64)>,
) -> QueryResult<Vec<EntryRow>> {
    let find = FindSteps {
        partitions: places.iter().map(|(partition, _)| *partition).collect(),
        offsets: places.iter().map(|(_, offset)| *offset).collect(),
        ..FindSteps::default()
    };
    find.load(&mut connection).await
}

/// Writes the rows of a batch, and says how many orders were there to be changed.
pub(super) async fn write(
    connection: &AsyncPgConnection,
    rows: &BatchRows<'_>,
) -> QueryResult<usize> {
    /// Sends rows one by one, or all at once.
    macro_rules! send {
        ($rows:expr, $one:ident, $all:ident) => {
            async {
                if $rows.len() > FEW {
                    return $all::of($rows.iter()).execute(&mut &*connection).await;
                }
                let sent = $rows
                    .iter()
                    .map(|row| async move { $one(row).execute(&mut &*connection).await });
                Ok(try_join_all(sent).await?.into_iter().sum())
            }
        };
    }
    let written: (usize, usize, usize, usize, usize, usize, usize) = try_join!(
        send!(rows.changed, UpdateOrder, UpdateOrders),
        send!(rows.entries, InsertEntry, InsertEntries),
        send!(rows.deliveries, InsertDelivery, InsertDeliveries),
        send!(rows.created, InsertOrder, InsertOrders),
        send!(rows.pages, InsertPage, InsertPages),
        send!(rows.lost, DeleteCustomer, DeleteCustomers),
        send!(rows.gained, InsertCustomer, InsertCustomers)
    )?;
    let (updated, ..) = written;
    Ok(updated)
}
