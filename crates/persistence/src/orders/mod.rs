//! Reading orders: one, many, and how many stand where.

mod cursor;
mod due;
mod list;
mod merge;
mod query;
mod source;

pub use due::{DueOrder, TimerKey};
pub use query::{Direction, OrderCursor, OrderPage, OrderQuery, OrderSort, SortKey};

use std::{collections::HashMap, sync::Arc};

use diesel::{ExpressionMethods, QueryDsl, dsl::count_star};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    order::{Order, Standing},
    value::{OrderId, WorkflowCode},
};

use self::list::{Progress, Walk};
use crate::{
    Error, Published, Store, catalog,
    commit::lookup,
    rows::{Reading, order::OrderRow},
    schema::orders,
    tx::on_conn,
};

/// What was found of an order.
#[derive(Debug, Clone)]
pub struct Found {
    /// The order, if it is there.
    pub order: Option<StoredOrder>,
    /// Its workflow, if it is there.
    pub published: Option<Arc<Published>>,
}

/// An order as the database has it.
#[derive(Debug, Clone)]
pub struct StoredOrder(OrderRow);

impl StoredOrder {
    /// Reads it; kept apart from the query, so that many can be read at once.
    ///
    /// # Errors
    /// Returns [`Error::Corrupt`] when it is not an order.
    pub fn read(&self) -> Result<Order, Error> {
        self.0.order()
    }
}

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
        let found = self.find_orders(&[(workflow.clone(), id.clone())]).await?;
        let stored = found.into_iter().find_map(|found| found.order);
        stored.map(|stored| stored.read()).transpose()
    }

    /// Finds orders as they stand now, each with its workflow, in one query; as many answers
    /// as keys.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn find_orders(&self, keys: &[(WorkflowCode, OrderId)]) -> Result<Vec<Found>, Error> {
        let index: Vec<_> = keys
            .iter()
            .map(|(workflow, id)| (workflow.as_str(), id.as_str()))
            .collect();
        let (rows, edition) = self
            .database()
            .read(async |tx| {
                let rows = lookup::orders_of(tx, &index).await?;
                // Later than the orders: a workflow that is newer knows where they stand.
                Ok((rows, catalog::edition(tx).await?))
            })
            .await?;
        let rows: HashMap<_, _> = rows
            .iter()
            .map(|row| ((row.workflow.as_str(), row.id.as_str()), row))
            .collect();
        let mut workflows = HashMap::new();
        let mut found = Vec::with_capacity(keys.len());
        for (workflow, id) in keys {
            if !workflows.contains_key(workflow) {
                workflows.insert(workflow, self.workflow_at(edition, workflow).await?);
            }
            let row = rows.get(&(workflow.as_str(), id.as_str()));
            found.push(Found {
                order: row.map(|row| StoredOrder((*row).clone())),
                published: workflows.get(workflow).cloned().flatten(),
            });
        }
        Ok(found)
    }

    /// Lists orders as one page; see [`OrderQuery`]. A page ends at 4 MiB of orders as they are
    /// stored, or with one that is larger.
    ///
    /// It is read in pieces, between which the connection is given back and others get their
    /// turn. As between pages, an order that changes meanwhile may be met again or missed where
    /// the list is sorted by update time.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn list_orders(
        &self,
        query: &OrderQuery,
        after: Option<&OrderCursor>,
        limit: usize,
    ) -> Result<OrderPage, Error> {
        let mut walk = Walk::new(query, after, limit.max(1));
        loop {
            let piece = self
                .database()
                .snapshot(async |tx| walk.go_on(self, tx).await);
            match piece.await? {
                Progress::Ended => return Ok(walk.into_page()),
                // On SQLite nothing else waits, so nobody else would get the thread.
                Progress::Paused => tokio::task::yield_now().await,
            }
        }
    }

    /// Counts the orders of a workflow by where they stand; places without orders are left out.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn count_orders(
        &self,
        workflow: &WorkflowCode,
    ) -> Result<Vec<(Standing, i64)>, Error> {
        let rows = self.database().read(async |tx| {
            let counts = orders::table
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
