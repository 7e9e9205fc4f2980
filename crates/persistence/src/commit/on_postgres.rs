//! The statements of a batch on PostgreSQL: whole sets as arrays, one statement
//! each, or row by row where they are few, since unpacking arrays costs the server
//! as much as several rows. Those that do not depend on each other share a round
//! trip.

use std::collections::BTreeSet;

use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::{future::try_join_all, try_join};
use waymark_domain::partition::Partition;

use super::{
    lookup::{self, HeadRow, OrderKey, PageKey, PageRow},
    statements::{
        DeleteCustomer, DeleteCustomers, FindHeads, FindOrder, FindOrders, FindPages, FindSteps,
        InsertCustomer, InsertCustomers, InsertDeliveries, InsertDelivery, InsertEntries,
        InsertEntry, InsertOrder, InsertOrders, InsertPage, InsertPages, UpdateOrder, UpdateOrders,
    },
    write::Rows,
};
use crate::rows::{entry::EntryRow, order::OrderRow};

/// How many rows go one by one.
const FEW: usize = 4;

/// Finds the last entry of each partition that has any.
pub(super) async fn heads(
    mut connection: &AsyncPgConnection,
    partitions: &[Partition],
) -> QueryResult<Vec<HeadRow>> {
    let numbers = partitions.iter().map(|partition| partition.number());
    if partitions.len() > FEW {
        let find = FindHeads {
            partitions: numbers.collect(),
            ..FindHeads::default()
        };
        return find.load(&mut connection).await;
    }
    let found = numbers.map(|number| async move {
        let last = lookup::last_of(number).first(&mut &*connection).await;
        last.optional()
    });
    let found: Vec<Option<HeadRow>> = try_join_all(found).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Finds orders by workflow and id.
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

/// Finds pages of journals.
pub(super) async fn pages(
    mut connection: &AsyncPgConnection,
    keys: &[PageKey],
) -> QueryResult<Vec<PageRow>> {
    let find = FindPages {
        partitions: keys.iter().map(|key| key.partition).collect(),
        order_keys: keys.iter().map(|key| key.order_key).collect(),
        tags: keys.iter().map(|key| key.tag.as_slice()).collect(),
        ..FindPages::default()
    };
    find.load(&mut connection).await
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
pub(super) async fn write(connection: &AsyncPgConnection, rows: &Rows<'_>) -> QueryResult<usize> {
    /// Sends rows one by one, or all at once.
    macro_rules! send {
        ($rows:expr, $one:ident, $all:ident) => {
            async {
                if $rows.len() > FEW {
                    return $all::new(&$rows).execute(&mut &*connection).await;
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
