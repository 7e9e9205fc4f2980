//! Orders whose timers are due.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{order::Order, partition::Partition, value::Timestamp};

use crate::{
    Error, Store,
    deliveries::lost,
    rows::order::{OrderRow, TimerKey},
    schema::orders,
    statement::limit as sql_limit,
    tx::{Ending, Tx, before, on_conn},
};

/// How many orders become due in one transaction.
const ORDERS_AT_ONCE: usize = 200;

/// An order that is due, as it was found.
#[derive(Debug, Clone)]
pub struct DueOrder {
    /// The order.
    pub order: Order,
    /// Since when it is due.
    pub due_time: Timestamp,
    key: (i32, i64),
}

/// An order that is due, and cannot be read.
#[derive(Debug)]
pub struct UnreadableOrder {
    /// Its workflow, as the column has it, as far as that can be read.
    pub workflow: String,
    /// Its id, as the column has it, as far as that can be read.
    pub id: String,
    /// The error of reading it.
    pub error: Error,
    due: DueRow,
}

/// The row of an order that is due, whether or not it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRow {
    /// Its key, with the version in which it is due.
    pub key: TimerKey,
    due_time: i64,
}

impl UnreadableOrder {
    /// Its row.
    pub fn row(&self) -> DueRow {
        self.due
    }
}

impl DueOrder {
    /// Its key, with the version in which it is due.
    pub fn key(&self) -> TimerKey {
        (self.key.0, self.key.1, self.order.version).into()
    }

    /// Its row.
    pub fn row(&self) -> DueRow {
        DueRow {
            key: self.key(),
            due_time: self.due_time.micros(),
        }
    }

    fn read(row: OrderRow) -> Option<Result<Self, UnreadableOrder>> {
        let due_time = row.due_time?;
        let key = (row.partition, row.order_key);
        let read = match row.order() {
            Ok(order) => Ok(Self {
                order,
                due_time: Timestamp::from_micros(due_time),
                key,
            }),
            Err(error) => Err(UnreadableOrder {
                error,
                due: DueRow {
                    key: (row.partition, row.order_key, row.version).into(),
                    due_time,
                },
                workflow: row.workflow.into_lossy(),
                id: row.id.into_lossy(),
            }),
        };
        Some(read)
    }
}

impl Store {
    /// Finds orders of a partition that are due, the longest due first, at most `limit`. One that
    /// cannot be read is returned as such, beside the others.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn due_orders(
        &self,
        partition: Partition,
        limit: i64,
    ) -> Result<Vec<Result<DueOrder, UnreadableOrder>>, Error> {
        let now = self.clock().now().micros();
        let query = || {
            orders::table
                .filter(orders::partition.eq(partition.number()))
                .filter(orders::due_time.le(now))
                .order(orders::due_time)
                .limit(limit)
        };
        let rows: Vec<OrderRow> = self
            .database()
            .read(async |tx| Ok(on_conn!(tx, |c| query().load::<OrderRow>(c).await)?))
            .await?;
        Ok(rows.into_iter().filter_map(DueOrder::read).collect())
    }

    /// Puts off orders of a partition that are due and with which nothing can be done now, as long
    /// as they were not made due anew since they were found.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn pause_timers(
        &self,
        partition: Partition,
        paused: &[DueRow],
        until: Timestamp,
    ) -> Result<(), Error> {
        let Some(last) = paused.iter().map(|row| row.due_time).max() else {
            return Ok(());
        };
        let keys: Vec<i64> = paused.iter().map(|row| row.key.order_key).collect();
        // Several rows are locked at once, as steps do.
        let locks = [partition];
        let written = self.database().write(&locks, async |tx| {
            let rows = orders::table
                .filter(orders::partition.eq(partition.number()))
                .filter(orders::order_key.eq_any(keys.clone()))
                .filter(orders::due_time.le(last));
            let update = diesel::update(rows).set(orders::due_time.eq(Some(until.micros())));
            on_conn!(tx, |c| update.execute(c).await)?;
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }

    /// Makes orders of a partition due now that wait for their time and were changed last at an
    /// instant that is yet to come, and says how many: the dispatcher checks each, and corrects
    /// what waits since such an instant. This is done a few at a time, so that it holds up nobody.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn correct_order_times(&self, partition: Partition) -> Result<usize, Error> {
        let now = self.clock().now().micros();
        let locks = [partition];
        let mut count = 0;
        let mut from = now.saturating_add(1);
        loop {
            let waiting = || {
                orders::table
                    .filter(orders::partition.eq(partition.number()))
                    .filter(orders::due_time.ge(from))
                    .filter(orders::update_time.gt(now))
            };
            let found = self.database().read(async |tx| {
                let rows = waiting()
                    .select((orders::order_key, orders::due_time))
                    .order(orders::due_time)
                    .limit(sql_limit(ORDERS_AT_ONCE));
                let rows: Vec<(i64, Option<i64>)> = on_conn!(tx, |c| rows.load(c).await)?;
                Ok(rows)
            });
            let found = found.await?;
            let keys: Vec<i64> = found.iter().map(|(key, _)| *key).collect();
            let Some((_, Some(last))) = found.last().copied() else {
                return Ok(count);
            };
            let written = self.database().write(&locks, async |tx| {
                let rows = waiting().filter(orders::order_key.eq_any(keys.clone()));
                let update = diesel::update(rows).set(orders::due_time.eq(Some(now)));
                let updated = on_conn!(tx, |c| update.execute(c).await)?;
                Ok(Ending::Commit(updated))
            });
            count += written.await.map_err(before)?;
            if found.len() < ORDERS_AT_ONCE {
                return Ok(count);
            }
            from = last;
        }
    }

    /// Sets when an order is due next, as long as nothing happened to it, nor to the timers of its
    /// workflow, since it was found.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn reschedule(&self, due: &DueOrder, next: Option<Timestamp>) -> Result<(), Error> {
        let written = self.database().write(&[], async |tx| {
            set(tx, due, next).await?;
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }

    /// Parks the timer of an order: it is not due any more before the order changes, or the timers of
    /// its workflow do, and then it may be tried as often as any other.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn park_timer(&self, due: &DueOrder) -> Result<(), Error> {
        let written = self.database().write(&[], async |tx| {
            set(tx, due, None).await?;
            lost::forget_timer(tx, due.key()).await?;
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }
}

async fn set(tx: &mut Tx, due: &DueOrder, next: Option<Timestamp>) -> Result<(), Error> {
    let row = orders::table
        .find(due.key)
        .filter(orders::version.eq(due.order.version))
        // A change of its workflow makes an order due anew.
        .filter(orders::due_time.eq(due.due_time.micros()));
    let next = next.map(Timestamp::micros);
    let update = diesel::update(row).set(orders::due_time.eq(next));
    on_conn!(tx, |c| update.execute(c).await)?;
    Ok(())
}
