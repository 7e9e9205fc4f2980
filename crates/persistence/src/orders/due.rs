//! Orders that time alone will take on.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{order::Order, partition::Partition, value::Timestamp};

use crate::{
    Error, Store,
    rows::order::OrderRow,
    schema::orders,
    tx::{Ending, before, on_conn},
};

/// An order that is due, as it was found.
#[derive(Debug, Clone)]
pub struct DueOrder {
    /// The order.
    pub order: Order,
    /// Since when it is due.
    pub due_time: Timestamp,
    key: (i32, i64),
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
        let found = rows.iter().filter_map(|row| {
            let due_time = Timestamp::from_micros(row.due_time?);
            Some(row.order().map(|order| DueOrder {
                order,
                due_time,
                key: (row.partition, row.order_key),
            }))
        });
        found.collect()
    }

    /// Sets when an order is due next, as long as nothing happened to it, nor to the timers of its
    /// workflow, since it was found.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn reschedule(&self, due: &DueOrder, next: Option<Timestamp>) -> Result<(), Error> {
        let row = || {
            orders::table
                .find(due.key)
                .filter(orders::version.eq(due.order.version))
                // A change of its workflow makes an order due anew.
                .filter(orders::due_time.eq(due.due_time.micros()))
        };
        let next = next.map(Timestamp::micros);
        let written = self.database().write(&[], async |tx| {
            on_conn!(tx, |c| diesel::update(row())
                .set(orders::due_time.eq(next))
                .execute(c)
                .await)?;
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }
}
