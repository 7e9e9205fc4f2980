//! Reading orders: one, many, and how many stand where.

mod columns;
mod cursor;
mod due;
mod find;
mod keys;
mod list;
mod on_postgres;
mod on_sqlite;
mod piece;
mod query;
mod streams;

pub(crate) use find::Probes;

pub use crate::rows::order::TimerKey;
pub use cursor::OrderPage;
pub use due::{DueOrder, DueRow, UnreadableOrder};
pub use query::{Direction, OrderCursor, OrderQuery, OrderSort, SortKey};

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use diesel::{ExpressionMethods, QueryDsl, dsl::count_star};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use waymark_domain::{
    order::Order,
    value::{OrderId, WorkflowCode},
    workflow::Standing,
};

use self::list::OrderListing;
use crate::{
    Error, Published, Store, TrackingTokenId,
    catalog::{self, Edition, Known, Reliance},
    commit::lookup,
    error::ErrorChain,
    merge::Progress,
    rows::{Reading, StoredText, order::OrderRow},
    schema::orders,
    tracking::newest::{newest_in_file, newest_of_each},
    tx::{Tx, on_conn},
};

/// An order that was looked up, with its workflow.
#[derive(Debug, Clone)]
pub struct FoundOrder {
    /// The order, if it is there.
    pub order: Option<StoredOrder>,
    /// Its workflow, if it is there.
    pub published: Option<Arc<Published>>,
    /// The newest token with which its customer may see it, if it has one and it was asked for.
    pub token: Option<TrackingTokenId>,
}

/// The things that are found along with orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Along {
    /// Their workflows alone.
    #[default]
    Workflows,
    /// The newest token of each order that can be used, too.
    Tokens,
}

struct OrdersRead {
    orders: Vec<OrderRow>,
    /// By the places of the keys; empty where they were not asked for.
    tokens: Vec<Option<TrackingTokenId>>,
    edition: Edition,
}

impl OrdersRead {
    fn token(&self, place: usize) -> Option<TrackingTokenId> {
        self.tokens.get(place).copied().flatten()
    }
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

type ByKey<'r> = HashMap<(&'r str, &'r str), &'r OrderRow>;

fn by_key(rows: &[OrderRow]) -> ByKey<'_> {
    rows.iter()
        .map(|row| ((row.workflow.lossy(), row.id.lossy()), row))
        .collect()
}

fn stored(orders: &ByKey<'_>, (workflow, id): &(WorkflowCode, OrderId)) -> Option<StoredOrder> {
    let row = orders.get(&(workflow.as_str(), id.as_str()));
    row.map(|row| StoredOrder((*row).clone()))
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
    pub async fn find_orders(
        &self,
        keys: &[(WorkflowCode, OrderId)],
    ) -> Result<Vec<FoundOrder>, Error> {
        self.find_orders_and(keys, Along::Workflows).await
    }

    /// Does the same, and finds more with them.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn find_orders_and(
        &self,
        keys: &[(WorkflowCode, OrderId)],
        along: Along,
    ) -> Result<Vec<FoundOrder>, Error> {
        let read = self.read_orders(keys, along).await?;
        let orders = by_key(&read.orders);
        let mut workflows = HashMap::new();
        let mut found = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            let workflow = &key.0;
            if !workflows.contains_key(workflow) {
                workflows.insert(workflow, self.workflow_at(read.edition, workflow).await?);
            }
            found.push(FoundOrder {
                order: stored(&orders, key),
                published: workflows.get(workflow).cloned().flatten(),
                token: read.token(place),
            });
        }
        Ok(found)
    }

    /// Does the same for the orders whose workflows this process has compiled; none for the others.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn find_ready_orders(
        &self,
        keys: &[(WorkflowCode, OrderId)],
        along: Along,
    ) -> Result<Vec<Option<FoundOrder>>, Error> {
        let read = self.read_orders(keys, along).await?;
        let orders = by_key(&read.orders);
        let found = keys.iter().enumerate().map(|(place, key)| {
            let published = match self.catalog().known(read.edition, &key.0) {
                Known::Ready(cached) => Some(cached.published),
                Known::Absent => None,
                Known::Unloaded => return None,
            };
            let order = stored(&orders, key);
            Some(FoundOrder {
                order,
                published,
                token: read.token(place),
            })
        });
        Ok(found.collect())
    }

    /// Reads orders as they are stored, what is found with them, and the edition of the catalog.
    async fn read_orders(
        &self,
        keys: &[(WorkflowCode, OrderId)],
        along: Along,
    ) -> Result<OrdersRead, Error> {
        let token_keys = match along {
            Along::Workflows => Vec::new(),
            Along::Tokens => self.token_keys(keys),
        };
        let index: Vec<_> = keys
            .iter()
            .map(|(workflow, id)| (workflow.as_str(), id.as_str()))
            .collect();
        let read = self.database().read(async |tx| {
            let (orders, tokens) = match tx {
                // In one round trip.
                Tx::Postgres(connection) => {
                    let connection: &AsyncPgConnection = connection;
                    try_join!(
                        lookup::orders_on(connection, &index),
                        newest_of_each(connection, &token_keys)
                    )?
                }
                Tx::Sqlite(_) => (
                    lookup::orders_of(tx, &index).await?,
                    newest_in_file(tx, &token_keys).await?,
                ),
            };
            // Later than the orders: a workflow that is newer knows where they stand.
            let edition = catalog::edition(tx).await?;
            let reliance = Reliance::Unlocked;
            self.catalog().reach(tx, edition, reliance).await?;
            Ok(OrdersRead {
                orders,
                tokens,
                edition,
            })
        });
        read.await
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
        self.list_probing(query, after, (limit, Probes::default()))
            .await
    }

    /// Does the same, and says how many orders are looked up before a sorted index is tried.
    pub(crate) async fn list_probing(
        &self,
        query: &OrderQuery,
        after: Option<&OrderCursor>,
        (limit, probes): (usize, Probes),
    ) -> Result<OrderPage, Error> {
        let mut page = OrderListing::new(query, after, (limit.max(1), probes));
        loop {
            let database = self.database();
            let progress = if self.is_sqlite() {
                // Several statements, which must see the same.
                database
                    .snapshot(async |tx| page.read_piece(self, tx).await)
                    .await?
            } else {
                // One statement for each question; beginning would be a round trip more.
                database
                    .read(async |tx| page.read_piece(self, tx).await)
                    .await?
            };
            match progress {
                Progress::Ended => return Ok(page.into_page()),
                // On SQLite nothing else waits, so nobody else would get the thread.
                Progress::Paused => tokio::task::yield_now().await,
            }
        }
    }

    /// Finds the workflows of the orders of a page, as they were when it was read or later.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflows_of(
        &self,
        page: &OrderPage,
    ) -> Result<BTreeMap<WorkflowCode, Arc<Published>>, Error> {
        let mut workflows = BTreeMap::new();
        let Some(edition) = page.edition else {
            return Ok(workflows);
        };
        let orders = page.orders.iter();
        let orders: BTreeMap<_, _> = orders.map(|order| (&order.workflow, order)).collect();
        for (code, order) in orders {
            if let Some(published) = self.workflow_at(edition, code).await? {
                workflows.insert(code.clone(), published);
            } else if self
                .log_once()
                .is_first(format!("workflows/{code}/{}", edition.version))
            {
                tracing::error!(
                    workflow = code.as_str(),
                    order.id = order.id.as_str(),
                    "workflow of orders missing, the orders are left out of all lists"
                );
            }
        }
        Ok(workflows)
    }

    /// Counts the orders of a workflow by where they stand; places without orders are left out, and
    /// those that cannot be read.
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
            Ok(on_conn!(tx, |c| counts.load::<CountRow>(c).await)?)
        });
        let mut counts = Vec::new();
        for (state, status, count) in rows.await? {
            match read_standing(workflow, &state, &status) {
                Ok(standing) => counts.push((standing, count)),
                Err(error) => {
                    let name = format!("orders/{workflow}/{state}/{status}");
                    if self.log_once().is_first(name) {
                        tracing::error!(
                            workflow = workflow.as_str(),
                            orders = count,
                            error = %ErrorChain(&error),
                            "place of orders unreadable, the orders are left out of all counts"
                        );
                    }
                }
            }
        }
        Ok(counts)
    }
}

/// A state, a status, and how many orders stand there.
type CountRow = (StoredText, StoredText, i64);

fn read_standing(
    workflow: &WorkflowCode,
    state: &StoredText,
    status: &StoredText,
) -> Result<Standing, Error> {
    let reading = Reading {
        table: "orders",
        row: &format_args!("of workflow {workflow}"),
    };
    Ok(Standing {
        state: reading.text("state", state)?,
        status: reading.text("status", status)?,
    })
}
