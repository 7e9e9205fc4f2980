//! What a batch writes: entries, orders, the orders of customers, and the marks
//! of statuses that were never used before.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::try_join_all;
use waymark_domain::value::{ActorId, StatusCode, WorkflowCode};

use super::{
    on_postgres, on_sqlite,
    slots::{OrderRef, Slot},
    working::{Pending, Working},
};
use crate::{
    BatchId, Batched, Error,
    rows::{
        delivery::NewDeliveryRow,
        entry::{Keys, NewEntryRow},
        journal::Journal,
        order::NewOrderRow,
    },
    schema::{customer_orders, journal_pages, statuses},
    tx::{Tx, on_conn},
};

/// A status that an order is in for the first time.
pub(super) type Mark = (WorkflowCode, StatusCode);

/// What a batch has written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) entries: Vec<Batched>,
    /// The statuses that it marked.
    pub(super) marks: BTreeSet<Mark>,
}

/// What a batch has decided.
#[derive(Debug)]
struct Decided {
    entries: Vec<Pending>,
    orders: HashMap<OrderRef, Slot>,
    batch: BatchId,
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Rows<'d> {
    pub(super) entries: Vec<NewEntryRow<'d>>,
    pub(super) created: Vec<NewOrderRow<'d>>,
    pub(super) changed: Vec<NewOrderRow<'d>>,
    pub(super) deliveries: Vec<NewDeliveryRow<'d>>,
}

type PageRow = (i32, i64, i64, Vec<u8>);
type CustomerRow = (String, String, i32, i64);

/// Orders that customers gained or lost.
#[derive(Debug, Default)]
struct Customers {
    gained: Vec<CustomerRow>,
    lost: Vec<CustomerRow>,
}

/// Writes everything that the batch decided, and takes it out of `working`.
pub(super) async fn all(
    tx: &mut Tx,
    working: &mut Working,
    batch: BatchId,
) -> Result<Written, Error> {
    let pages = take_pages(working)?;
    let marks = marks(working);
    let customers = customers(working);
    let decided = Decided {
        entries: mem::take(&mut working.pending),
        orders: mem::take(&mut working.slots),
        batch,
    };
    let decided = match tx {
        Tx::Postgres(connection) => {
            let rows = rows(&decided)?;
            let updated = on_postgres::write(connection, &rows).await?;
            all_found(updated, &rows)?;
            drop(rows);
            decided
        }
        Tx::Sqlite(connection) => {
            // In one closure, which must own what it writes.
            let written = connection.spawn_blocking(move |inner| {
                let written = rows(&decided).and_then(|rows| {
                    let updated = on_sqlite::write(inner, &rows)?;
                    all_found(updated, &rows)
                });
                Ok(written.map(|()| decided))
            });
            written.await??
        }
    };
    insert_pages(tx, pages).await?;
    write_customers(tx, customers).await?;
    write_marks(tx, &marks).await?;
    let entries = decided.entries.into_iter().map(|pending| {
        let log = working.logs.get_mut(&pending.logged.position.partition);
        Batched {
            before: log.and_then(|log| log.before.replace(batch)),
            logged: pending.logged,
            batch,
        }
    });
    Ok(Written {
        entries: entries.collect(),
        marks,
    })
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

fn rows(decided: &Decided) -> Result<Rows<'_>, Error> {
    let entries = decided.entries.iter().map(|pending| {
        let keys = Keys {
            order_key: pending.order_key,
            fingerprint: pending.fingerprint.as_ref(),
            batch_id: &decided.batch.0,
        };
        NewEntryRow::new(&pending.logged, &keys)
    });
    let mut rows = Rows {
        entries: entries.collect::<Result<_, _>>()?,
        deliveries: decided.entries.iter().flat_map(deliveries).collect(),
        ..Rows::default()
    };
    for slot in decided.orders.values() {
        let Some(order) = slot.order.as_ref().filter(|_| slot.is_changed()) else {
            continue;
        };
        let row = NewOrderRow::new(
            slot.partition.number(),
            slot.order_key,
            order,
            &slot.journal,
            slot.due_time,
        )?;
        match &slot.stored {
            None => rows.created.push(row),
            Some(_) => rows.changed.push(row),
        }
    }
    // Key order, so that pages of an index are touched once each.
    rows.created
        .sort_unstable_by_key(|row| (row.partition, row.order_key));
    rows.changed
        .sort_unstable_by_key(|row| (row.partition, row.order_key));
    Ok(rows)
}

/// The rows of what an entry set off.
fn deliveries(pending: &Pending) -> impl Iterator<Item = NewDeliveryRow<'_>> {
    let set_off = pending.logged.entry.set_off.iter().zip(0..);
    set_off.map(|(set_off, number)| {
        NewDeliveryRow::new(
            &pending.logged,
            (pending.order_key, pending.order_version),
            number,
            set_off,
            pending.clock,
        )
    })
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

fn customers(working: &Working) -> Customers {
    let mut customers = Customers::default();
    for slot in working.slots.values() {
        let Some(order) = slot.order.as_ref().filter(|_| slot.is_changed()) else {
            continue;
        };
        let row = |id: &ActorId| {
            (
                order.workflow.to_string(),
                id.to_string(),
                slot.partition.number(),
                slot.order_key,
            )
        };
        let (before, now) = (slot.stored.as_ref().map(|(_, id)| id), &order.customer.id);
        if before != Some(now) {
            let before = before.filter(|id| !id.is_empty());
            customers.lost.extend(before.map(row));
            customers
                .gained
                .extend(Some(now).filter(|id| !id.is_empty()).map(row));
        }
    }
    customers
}

/// On PostgreSQL in two round trips, however many there are.
async fn write_customers(tx: &mut Tx, customers: Customers) -> Result<(), Error> {
    use customer_orders::{customer_id, order_key, partition, table, workflow};
    let delete = |row: CustomerRow| diesel::delete(table.find(row));
    let insert = |(code, id, number, key): CustomerRow| {
        let row = (
            workflow.eq(code),
            customer_id.eq(id),
            partition.eq(number),
            order_key.eq(key),
        );
        diesel::insert_into(table).values(row)
    };
    match tx {
        Tx::Postgres(connection) => {
            let connection: &AsyncPgConnection = connection;
            let lost = customers
                .lost
                .into_iter()
                .map(|row| async move { delete(row).execute(&mut &*connection).await });
            let _: Vec<usize> = try_join_all(lost).await?;
            let gained = customers
                .gained
                .into_iter()
                .map(|row| async move { insert(row).execute(&mut &*connection).await });
            let _: Vec<usize> = try_join_all(gained).await?;
        }
        Tx::Sqlite(connection) => {
            for row in customers.lost {
                delete(row).execute(&mut ***connection).await?;
            }
            for row in customers.gained {
                insert(row).execute(&mut ***connection).await?;
            }
        }
    }
    Ok(())
}

/// The statuses that the batch is the first to use. Sorted, so that two batches of different
/// partitions wait for each other instead of locking each other out.
fn marks(working: &Working) -> BTreeSet<Mark> {
    let mut marks = BTreeSet::new();
    for pending in &working.pending {
        let (workflow, status) = (&pending.logged.workflow, &pending.logged.entry.to.status);
        let cached = working.cached(workflow);
        if !cached.is_some_and(|cached| cached.is_used(status)) {
            marks.insert((workflow.clone(), status.clone()));
        }
    }
    marks
}

async fn write_marks(tx: &mut Tx, marks: &BTreeSet<Mark>) -> Result<(), Error> {
    for (workflow, status) in marks {
        let row = statuses::table
            .find((workflow.as_str(), status.as_str()))
            .filter(statuses::ever_used.eq(false));
        on_conn!(tx, |c| diesel::update(row)
            .set(statuses::ever_used.eq(true))
            .execute(c)
            .await)?;
    }
    Ok(())
}
