//! What a batch writes: entries, orders, the orders of customers, and the marks
//! of statuses that were never used before.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use waymark_domain::value::{ActorId, StatusCode, WorkflowCode};

use super::{
    slots::Slot,
    statements::{
        InsertEntries, InsertEntry, InsertOrder, InsertOrders, UpdateOrder, UpdateOrders,
    },
    working::Working,
};
use crate::{
    Error,
    rows::{
        entry::{Keys, NewEntryRow},
        journal::Journal,
        order::NewOrderRow,
    },
    schema::{customer_orders, journal_pages, statuses},
    sqlite::SqliteConn,
    tx::{Tx, on_conn},
};

/// A status that an order is in for the first time.
pub(super) type Mark = (WorkflowCode, StatusCode);

/// The rows of a batch.
#[derive(Default)]
struct Rows<'w> {
    entries: Vec<NewEntryRow<'w>>,
    created: Vec<NewOrderRow<'w>>,
    changed: Vec<NewOrderRow<'w>>,
    gained: Vec<CustomerRow>,
    lost: Vec<CustomerRow>,
}

type CustomerRow = (String, String, i32, i64);
type PageRow = (i32, i64, i64, Vec<u8>);

/// Writes everything that the batch decided, and says which statuses it marked.
pub(super) async fn all(
    tx: &mut Tx,
    working: &mut Working,
    batch_id: [u8; 16],
) -> Result<BTreeSet<Mark>, Error> {
    let pages = take_pages(working)?;
    let rows = rows(working, &batch_id)?;
    match tx {
        Tx::Postgres(connection) => on_postgres(connection, &rows).await?,
        Tx::Sqlite(connection) => on_sqlite(connection, &rows).await?,
    }
    insert_pages(tx, pages).await?;
    customers(tx, rows.gained, rows.lost).await?;
    marks(tx, working).await
}

/// Takes the parts of journals that no longer fit the rows of their orders.
fn take_pages(working: &mut Working) -> Result<Vec<PageRow>, Error> {
    let mut rows = Vec::new();
    for slot in working.slots.values_mut() {
        for page in slot.journal.overflow() {
            let (number, first) = (slot.partition.number(), page.first_sequence());
            rows.push((number, slot.order_key, first, Journal::bytes(&page)?));
        }
    }
    Ok(rows)
}

fn rows<'w>(working: &'w Working, batch_id: &'w [u8; 16]) -> Result<Rows<'w>, Error> {
    let entries = working.pending.iter().map(|pending| {
        let keys = Keys {
            order_key: pending.order_key,
            fingerprint: pending.fingerprint.as_ref(),
            batch_id,
        };
        NewEntryRow::new(&pending.logged, &keys)
    });
    let mut rows = Rows {
        entries: entries.collect::<Result<_, _>>()?,
        ..Rows::default()
    };
    for slot in working.slots.values() {
        let Some(order) = &slot.order else { continue };
        let row = || {
            NewOrderRow::new(
                slot.partition.number(),
                slot.order_key,
                order,
                &slot.journal,
            )
        };
        match &slot.stored {
            None => rows.created.push(row()?),
            Some((version, _)) if *version != order.version => rows.changed.push(row()?),
            Some(_) => continue,
        }
        let customer = &order.customer.id;
        note_customer(
            slot,
            &order.workflow,
            customer,
            &mut rows.gained,
            &mut rows.lost,
        );
    }
    // Key order, so that pages of an index are touched once each.
    rows.created
        .sort_unstable_by_key(|row| (row.partition, row.order_key));
    rows.changed
        .sort_unstable_by_key(|row| (row.partition, row.order_key));
    Ok(rows)
}

/// One round trip: the statements do not depend on each other.
async fn on_postgres(connection: &AsyncPgConnection, rows: &Rows<'_>) -> Result<(), Error> {
    let entries = async {
        let insert = InsertEntries::new(&rows.entries);
        insert.execute(&mut &*connection).await
    };
    let created = async {
        if rows.created.is_empty() {
            return Ok(0);
        }
        let insert = InsertOrders::new(&rows.created);
        insert.execute(&mut &*connection).await
    };
    let changed = async {
        if rows.changed.is_empty() {
            return Ok(0);
        }
        let update = UpdateOrders::new(&rows.changed);
        update.execute(&mut &*connection).await
    };
    let (_, _, updated): (usize, usize, usize) = try_join!(entries, created, changed)?;
    all_found(updated, rows)
}

async fn on_sqlite(connection: &mut SqliteConn, rows: &Rows<'_>) -> Result<(), Error> {
    for row in &rows.entries {
        InsertEntry(row).execute(connection).await?;
    }
    for row in &rows.created {
        InsertOrder(row).execute(connection).await?;
    }
    let mut updated = 0;
    for row in &rows.changed {
        updated += UpdateOrder(row).execute(connection).await?;
    }
    all_found(updated, rows)
}

/// An order that was read under the lock is there to be updated.
fn all_found(updated: usize, rows: &Rows<'_>) -> Result<(), Error> {
    if updated == rows.changed.len() {
        Ok(())
    } else {
        Err(Error::Database {
            source: diesel::result::Error::NotFound,
        })
    }
}

async fn insert_pages(tx: &mut Tx, pages: Vec<PageRow>) -> Result<(), Error> {
    use journal_pages::{first_sequence, order_key, page, partition, table};
    for (number, key, first, bytes) in pages {
        let row = (
            partition.eq(number),
            order_key.eq(key),
            first_sequence.eq(first),
            page.eq(bytes),
        );
        on_conn!(tx, |c| diesel::insert_into(table)
            .values(row)
            .execute(c)
            .await)?;
    }
    Ok(())
}

fn note_customer(
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
