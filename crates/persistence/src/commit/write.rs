//! What a batch writes: entries, orders, the orders of customers, and the marks
//! of statuses that were never used before.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::value::{ActorId, StatusCode, WorkflowCode};

use super::{
    slots::Slot,
    statements::{InsertEntries, InsertOrders, UpdateOrder, UpdateOrders},
    working::Working,
};
use crate::{
    Error,
    rows::{
        entry::{EntryRow, Keys},
        order::OrderRow,
    },
    schema::{customer_orders, history, orders, statuses},
    tx::{Tx, on_conn},
};

/// A status that an order is in for the first time.
pub(super) type Mark = (WorkflowCode, StatusCode);

/// Writes everything that the batch decided, and says which statuses it marked.
pub(super) async fn all(
    tx: &mut Tx,
    working: &Working,
    batch_id: [u8; 16],
) -> Result<BTreeSet<Mark>, Error> {
    entries(tx, working, batch_id).await?;
    let (mut created, mut changed) = (Vec::new(), Vec::new());
    let (mut gained, mut lost) = (Vec::new(), Vec::new());
    for slot in working.slots.values() {
        let Some(order) = &slot.order else { continue };
        let row = || OrderRow::new(slot.partition.number(), slot.order_key, order);
        match &slot.stored {
            None => created.push(row()?),
            Some((version, _)) if *version != order.version => changed.push(row()?),
            Some(_) => continue,
        }
        customer(
            slot,
            &order.workflow,
            &order.customer.id,
            &mut gained,
            &mut lost,
        );
    }
    // Key order, so that pages of an index are touched once each.
    created.sort_unstable_by_key(|row| (row.partition, row.order_key));
    changed.sort_unstable_by_key(|row| (row.partition, row.order_key));
    insert_orders(tx, &created).await?;
    update_orders(tx, &changed).await?;
    customers(tx, gained, lost).await?;
    marks(tx, working).await
}

async fn entries(tx: &mut Tx, working: &Working, batch_id: [u8; 16]) -> Result<(), Error> {
    let rows = working.pending.iter().map(|pending| {
        let keys = Keys {
            order_key: pending.order_key,
            fingerprint: pending.fingerprint.as_ref(),
            batch_id,
        };
        EntryRow::new(&pending.logged, &keys)
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    match tx {
        Tx::Postgres(connection) => {
            InsertEntries::new(&rows)
                .execute(&mut ***connection)
                .await?;
        }
        Tx::Sqlite(connection) => {
            for row in &rows {
                diesel::insert_into(history::table)
                    .values(row)
                    .execute(&mut ***connection)
                    .await?;
            }
        }
    }
    Ok(())
}

async fn insert_orders(tx: &mut Tx, rows: &[OrderRow]) -> Result<(), Error> {
    match tx {
        Tx::Postgres(connection) if !rows.is_empty() => {
            InsertOrders::new(rows).execute(&mut ***connection).await?;
        }
        Tx::Postgres(_) => {}
        Tx::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(orders::table)
                    .values(row)
                    .execute(&mut ***connection)
                    .await?;
            }
        }
    }
    Ok(())
}

async fn update_orders(tx: &mut Tx, rows: &[OrderRow]) -> Result<(), Error> {
    let mut updated = 0;
    match tx {
        Tx::Postgres(connection) if !rows.is_empty() => {
            updated += UpdateOrders::new(rows).execute(&mut ***connection).await?;
        }
        Tx::Postgres(_) => {}
        Tx::Sqlite(connection) => {
            for row in rows {
                updated += UpdateOrder(row).execute(&mut ***connection).await?;
            }
        }
    }
    if updated == rows.len() {
        Ok(())
    } else {
        Err(Error::Database {
            source: diesel::result::Error::NotFound,
        })
    }
}

type CustomerRow = (String, String, i32, i64);

fn customer(
    slot: &Slot,
    workflow: &WorkflowCode,
    now: &ActorId,
    gained: &mut Vec<CustomerRow>,
    lost: &mut Vec<CustomerRow>,
) {
    let row = |id: &ActorId| {
        (
            workflow.to_string(),
            id.to_string(),
            slot.partition.number(),
            slot.order_key,
        )
    };
    let before = slot
        .stored
        .as_ref()
        .map(|(_, id)| id)
        .filter(|id| !id.is_empty());
    if before == Some(now) {
        return;
    }
    lost.extend(before.map(row));
    gained.extend(Some(now).filter(|id| !id.is_empty()).map(row));
}

async fn customers(
    tx: &mut Tx,
    gained: Vec<CustomerRow>,
    lost: Vec<CustomerRow>,
) -> Result<(), Error> {
    use customer_orders::{customer_id, order_key, partition, table, workflow};
    for (code, id, number, key) in lost {
        let row = table.find((code, id, number, key));
        on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    }
    for (code, id, number, key) in gained {
        let row = (
            workflow.eq(code),
            customer_id.eq(id),
            partition.eq(number),
            order_key.eq(key),
        );
        on_conn!(tx, |c| diesel::insert_into(table)
            .values(row)
            .execute(c)
            .await)?;
    }
    Ok(())
}

/// Sorted, so that two batches of different partitions wait for each other instead of locking
/// each other out.
async fn marks(tx: &mut Tx, working: &Working) -> Result<BTreeSet<Mark>, Error> {
    let mut marks = BTreeSet::new();
    for pending in &working.pending {
        let (workflow, status) = (&pending.logged.workflow, &pending.logged.entry.to.status);
        if !working
            .graphs
            .get(workflow)
            .is_some_and(|cached| cached.is_used(status))
        {
            marks.insert((workflow.clone(), status.clone()));
        }
    }
    for (workflow, status) in &marks {
        let row = statuses::table
            .find((workflow.as_str(), status.as_str()))
            .filter(statuses::ever_used.eq(false));
        on_conn!(tx, |c| diesel::update(row)
            .set(statuses::ever_used.eq(true))
            .execute(c)
            .await)?;
    }
    Ok(marks)
}
