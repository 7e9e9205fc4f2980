//! The writes of a batch: entries, orders, pages of entry indexes, the orders of customers,
//! and the marks of statuses that were never used before.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::try_join_all;
use waymark_domain::{
    order::Order,
    value::{ActorId, StatusCode, WorkflowCode},
};

use super::{
    batch::BatchRows,
    on_postgres, on_sqlite,
    slots::{OrderRef, Slot},
    working::{Pending, Working},
};
use crate::{
    BatchId, Batched, Error,
    rows::{
        delivery::NewDeliveryRow,
        entry::{EntryKeys, NewEntryRow},
        entry_index::{EntryIndex, IndexPageRow},
        order::{CustomerRow, NewOrderRow},
    },
    schema::statuses,
    tx::Tx,
};

/// A status that an order is in for the first time.
pub(super) type Mark = (WorkflowCode, StatusCode);

#[derive(Debug)]
pub(super) struct Written {
    pub(super) entries: Vec<Batched>,
    pub(super) marks: BTreeSet<Mark>,
}

#[derive(Debug)]
struct ToWrite {
    entries: Vec<Pending>,
    orders: HashMap<OrderRef, Slot>,
    pages: Vec<Page>,
    batch: BatchId,
}

/// A page of the entry index of an order, by the partition and the key of the order and the sequence
/// with which it begins.
type Page = (i32, i64, i64, Vec<u8>);

/// Writes everything that the batch decided, and takes it out of `working`.
pub(super) async fn all(
    tx: &mut Tx,
    working: &mut Working,
    batch: BatchId,
) -> Result<Written, Error> {
    let pages = take_pages(working)?;
    let marks = marks(working);
    let decided = ToWrite {
        entries: mem::take(&mut working.pending),
        orders: mem::take(&mut working.slots),
        pages,
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

/// Takes the pages of entry indexes that no longer fit the rows of their orders.
fn take_pages(working: &mut Working) -> Result<Vec<Page>, Error> {
    let mut rows = Vec::new();
    for slot in working.slots.values_mut() {
        for page in slot.entry_index.overflow() {
            let (number, first) = (slot.partition.number(), page.first_sequence());
            rows.push((number, slot.order_key, first, EntryIndex::bytes(&page)?));
        }
    }
    Ok(rows)
}

fn rows(decided: &ToWrite) -> Result<BatchRows<'_>, Error> {
    let entries = decided.entries.iter().map(|pending| {
        let keys = EntryKeys {
            order_key: pending.order_key,
            fingerprint: pending.fingerprint.as_ref(),
            batch_id: &decided.batch.0,
        };
        NewEntryRow::new(&pending.logged, &keys)
    });
    let pages =
        decided.pages.iter().map(
            |(partition, order_key, first_sequence, page)| IndexPageRow {
                partition: *partition,
                order_key: *order_key,
                first_sequence: *first_sequence,
                page,
            },
        );
    let mut rows = BatchRows {
        entries: entries.collect::<Result<_, _>>()?,
        deliveries: decided.entries.iter().flat_map(deliveries).collect(),
        pages: pages.collect(),
        ..BatchRows::default()
    };
    for slot in decided.orders.values() {
        let Some(order) = slot.order.as_ref().filter(|_| slot.is_changed()) else {
            continue;
        };
        let row = NewOrderRow::new(
            slot.partition.number(),
            slot.order_key,
            order,
            &slot.entry_index,
            slot.due_time,
        )?;
        match &slot.stored {
            None => rows.created.push(row),
            Some(_) => rows.changed.push(row),
        }
        add_customers(&mut rows, slot, order);
    }
    // Key order, so that pages of an index are touched once each.
    rows.created
        .sort_unstable_by_key(|row| (row.partition, row.order_key));
    rows.changed
        .sort_unstable_by_key(|row| (row.partition, row.order_key));
    rows.lost.sort_unstable_by_key(CustomerRow::key);
    rows.gained.sort_unstable_by_key(CustomerRow::key);
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
fn all_found(updated: usize, rows: &BatchRows<'_>) -> Result<(), Error> {
    if updated == rows.changed.len() {
        Ok(())
    } else {
        Err(Error::Database {
            source: diesel::result::Error::NotFound,
        })
    }
}

/// Adds which orders customers gain and lose by the change of an order.
fn add_customers<'d>(rows: &mut BatchRows<'d>, slot: &'d Slot, order: &'d Order) {
    let row = move |id: &'d ActorId| CustomerRow {
        workflow: order.workflow.as_str(),
        customer_id: id.as_str(),
        partition: slot.partition.number(),
        order_key: slot.order_key,
    };
    let (before, now) = (slot.stored.as_ref().map(|(_, id)| id), &order.customer.id);
    if before != Some(now) {
        let before = before.filter(|id| !id.is_empty());
        rows.lost.extend(before.map(row));
        let now = Some(now).filter(|id| !id.is_empty());
        rows.gained.extend(now.map(row));
    }
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

/// Marks statuses, on PostgreSQL in one round trip, in their order.
async fn write_marks(tx: &mut Tx, marks: &BTreeSet<Mark>) -> Result<(), Error> {
    let update = |(workflow, status): &Mark| {
        let row = statuses::table
            .find((workflow.to_string(), status.to_string()))
            .filter(statuses::ever_used.eq(false));
        diesel::update(row).set(statuses::ever_used.eq(true))
    };
    match tx {
        Tx::Postgres(connection) => {
            let connection: &AsyncPgConnection = connection;
            let marked = marks.iter().map(|mark| {
                let update = update(mark);
                async move { update.execute(&mut &*connection).await }
            });
            let _: Vec<usize> = try_join_all(marked).await?;
        }
        Tx::Sqlite(connection) => {
            for mark in marks {
                update(mark).execute(&mut ***connection).await?;
            }
        }
    }
    Ok(())
}
