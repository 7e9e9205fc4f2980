//! Reading orders: one, many, and how many stand where.

mod cursor;
mod list;
mod query;
mod source;

pub use query::{Direction, OrderCursor, OrderPage, OrderQuery, OrderSort, SortKey};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, dsl::count_star};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    order::{Order, Standing},
    partition::Partition,
    value::{OrderId, WorkflowCode},
};

use crate::{
    Error, Store,
    rows::{Reading, order::OrderRow},
    schema::orders,
    tx::on_conn,
};

impl Store {
    /// Finds an order as it stands now.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn find_order(
        &self,
        workflow: &WorkflowCode,
        id: &OrderId,
    ) -> Result<Option<Order>, Error> {
        let partition = self.partition_of(workflow, id);
        let row = self.database().read(async |tx| {
            let find = orders::table
                .filter(orders::partition.eq(partition.number()))
                .filter(orders::workflow.eq(workflow.as_str()))
                .filter(orders::id.eq(id.as_str()));
            Ok(on_conn!(tx, |c| find.first::<OrderRow>(c).await).optional()?)
        });
        row.await?.map(|row| row.order()).transpose()
    }

    /// Lists orders as one page; see [`OrderQuery`].
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn list_orders(
        &self,
        query: &OrderQuery,
        after: Option<&OrderCursor>,
        limit: usize,
    ) -> Result<OrderPage, Error> {
        self.database()
            .snapshot(async |tx| list::page(self, tx, query, after, limit.max(1)).await)
            .await
    }

    /// Counts the orders of a workflow by where they stand; places without orders are left out.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn count_orders(
        &self,
        workflow: &WorkflowCode,
    ) -> Result<Vec<(Standing, i64)>, Error> {
        let partitions = self
            .partition_count()
            .all()
            .map(Partition::number)
            .collect::<Vec<_>>();
        let rows = self.database().read(async |tx| {
            let counts = orders::table
                .filter(orders::partition.eq_any(&partitions))
                .filter(orders::workflow.eq(workflow.as_str()))
                .group_by((orders::state, orders::status))
                .select((orders::state, orders::status, count_star()))
                .order((orders::state, orders::status));
            Ok(on_conn!(tx, |c| counts
                .load::<(String, String, i64)>(c)
                .await)?)
        });
        let counts = rows.await?.into_iter().map(|(state, status, count)| {
            let reading = Reading {
                table: "orders",
                row: workflow,
            };
            let standing = Standing {
                state: reading.text("state", &state)?,
                status: reading.text("status", &status)?,
            };
            Ok((standing, count))
        });
        counts.collect()
    }
}
