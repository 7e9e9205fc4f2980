//! Orders that time alone will take on.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{order::Order, partition::Partition, value::Timestamp};

use crate::{
    Error, Store,
    deliveries::lost,
    rows::order::OrderRow,
    schema::orders,
    tx::{Ending, Tx, before, on_conn},
};

/// How many orders become due in one transaction.
const ORDERS_AT_ONCE: i64 = 200;

/// An order that is due, as it was found.
#[derive(Debug, Clone)]
pub struct DueOrder {
    /// The order.
    pub order: Order,
    /// Since when it is due.
    pub due_time: Timestamp,
    key: (i32, i64),
}

/// An order in the version in which time does something with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    pub(crate) partition: i32,
    pub(crate) order_key: i64,
    pub(crate) version: i64,
}

impl DueOrder {
    /// Its key, with the version in which it is due.
    pub fn key(&self) -> TimerKey {
        TimerKey {
            partition: self.key.0,
            order_key: self.key.1,
            version: self.order.version,
        }
    }

    fn read(row: &OrderRow) -> Option<Result<Self, Error>> {
        let due_time = Timestamp::from_micros(row.due_time?);
        Some(row.order().map(|order| Self {
            order,
            due_time,
            key: (row.partition, row.order_key),
        }))
    }
}

impl Store {
    /// Finds orders of a partition that are due, the longest due first, at most `limit`.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn due_orders(
        &self,
        partition: Partition,
        limit: i64,
    ) -> Result<Vec<DueOrder>, Error> {
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
        rows.iter().filter_map(DueOrder::read).collect()
    }

    /// Makes orders of a partition due now that wait for their time and were changed last at an
    /// instant that is yet to come, and says how many: the dispatcher looks at each, and puts right
    /// what waits since such an instant. This is done a few at a time, so that it holds up nobody.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn look_at_orders_of_the_future(&self, partition: Partition) -> Result<usize, Error> {
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
                    .limit(ORDERS_AT_ONCE);
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
                let updated = on_conn!(tx, |c| diesel::update(rows)
                    .set(orders::due_time.eq(Some(now)))
                    .execute(c)
                    .await)?;
                Ok(Ending::Commit(updated))
            });
            count += written.await.map_err(before)?;
            let is_full = i64::try_from(found.len()).is_ok_and(|found| found >= ORDERS_AT_ONCE);
            if !is_full {
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

    /// Puts an order aside: it is not due any more before it changes, or the timers of its
    /// workflow do, and then it may be tried as often as any other.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn put_timer_aside(&self, due: &DueOrder) -> Result<(), Error> {
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
    on_conn!(tx, |c| diesel::update(row)
        .set(orders::due_time.eq(next))
        .execute(c)
        .await)?;
    Ok(())
}
