//! One page of a list: sorted streams are merged, or the few orders that were named are
//! looked up, and each order is held against the query. A page is put together in
//! pieces, each of which has a connection for a short while.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    order::{Order, Standing},
    partition::Partition,
    value::{ActorId, WorkflowCode},
};

use super::{
    cursor::{Spot, advance, from_id, from_key, from_time, is_next},
    merge::{Merge, Next, Piece},
    query::{Direction, OrderCursor, OrderPage, OrderQuery, SortKey},
    source::{Fetched, Source, Stretch},
};
use crate::{
    Error, Store,
    rows::{Reading, order::OrderRow},
    schema::{assignments, customer_orders, orders},
    tx::{Tx, on_conn},
    workflows,
};

/// How many orders one page may look at, and how many bytes of them.
const SCAN_MAX: usize = 5_000;
const SCAN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many bytes of orders a page may have, as they are stored.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Up to this many orders of a customer are looked up and sorted; more are searched for in a
/// list of all, which is slower but bounded for each page, in memory too.
const NAMED_MAX: usize = 1_000;

/// How many named orders are read at once.
const NAMED_AT_ONCE: usize = 16;

/// How many keys are looked up in one statement; SQLite bounds its parameters.
const KEYS_AT_ONCE: usize = 500;

/// How far a page is.
pub(super) enum Progress {
    /// It is the turn of others, then it goes on.
    Paused,
    /// It is there.
    Ended,
}

/// A page that is put together.
pub(super) struct Walk<'q> {
    query: &'q OrderQuery,
    limit: usize,
    /// The streams, where orders are not named.
    merge: Option<Merge>,
    orders: Vec<Order>,
    bytes: usize,
    /// Behind the last order that was looked at.
    cursor: Option<OrderCursor>,
    looked_at: usize,
    bytes_looked_at: usize,
    /// Whether no order follows.
    at_end: bool,
}

impl<'q> Walk<'q> {
    pub(super) fn new(query: &'q OrderQuery, after: Option<&OrderCursor>, limit: usize) -> Self {
        Self {
            query,
            limit,
            merge: None,
            orders: Vec::new(),
            bytes: 0,
            cursor: after.cloned(),
            looked_at: 0,
            bytes_looked_at: 0,
            at_end: false,
        }
    }

    pub(super) fn into_page(self) -> OrderPage {
        OrderPage {
            orders: self.orders,
            next: self.cursor.filter(|_| !self.at_end),
        }
    }

    /// Reads the next piece.
    pub(super) async fn go_on(&mut self, store: &Store, tx: &mut Tx) -> Result<Progress, Error> {
        if self.merge.is_none() {
            let codes = codes(tx, self.query).await?;
            if let Some(spots) = named(tx, self.query, &codes).await? {
                return self.look_up(tx, spots).await;
            }
            let sources = sources(store, tx, self.query, &codes, self.cursor.as_ref()).await?;
            self.merge = Some(Merge::new(sources, self.query.sort, self.limit));
        }
        let mut piece = Piece::default();
        loop {
            let Some(merge) = &mut self.merge else {
                return Ok(Progress::Paused);
            };
            let row = match merge.next(tx, &mut piece).await? {
                Next::Row(row) if past_the_end(&row, self.query) => return Ok(self.end()),
                Next::Row(row) => *row,
                Next::Pause => return Ok(Progress::Paused),
                Next::End => return Ok(self.end()),
            };
            piece.see(&row);
            if self.is_full_with(&row)? {
                return Ok(Progress::Ended);
            }
        }
    }

    /// Reads the orders that were named, in the order of the list. They are looked up anew by each
    /// piece, since one that changed meanwhile stands elsewhere.
    async fn look_up(&mut self, tx: &mut Tx, mut spots: Vec<Spot>) -> Result<Progress, Error> {
        let sort = self.query.sort;
        spots.retain(|spot| is_next(spot, self.query, self.cursor.as_ref()));
        spots.sort_by_cached_key(|spot| spot.place(sort.by));
        if sort.direction == Direction::Descending {
            spots.reverse();
        }
        let mut piece = Piece::default();
        for spots in spots.chunks(NAMED_AT_ONCE) {
            if piece.is_used_up() {
                return Ok(Progress::Paused);
            }
            let rows = read(tx, spots).await?;
            piece.count(Fetched {
                rows: rows.len(),
                bytes: rows.iter().map(|row| row.body.len()).sum(),
            });
            for row in rows {
                if self.is_full_with(&row)? {
                    return Ok(Progress::Ended);
                }
            }
        }
        Ok(self.end())
    }

    fn end(&mut self) -> Progress {
        self.at_end = true;
        Progress::Ended
    }

    /// Looks at the next order of the list; says whether the page ends before or behind it.
    fn is_full_with(&mut self, row: &OrderRow) -> Result<bool, Error> {
        let size = row.body.len();
        if self.query.may_admit(row) {
            let order = row.order()?;
            if self.query.admits(&order) {
                let is_large = !self.orders.is_empty() && self.bytes + size > PAGE_BYTES_MAX;
                if self.orders.len() == self.limit || is_large {
                    return Ok(true);
                }
                self.orders.push(order);
                self.bytes += size;
            }
        }
        self.cursor = Some(advance(self.cursor.take(), row, self.query.sort.by)?);
        self.looked_at += 1;
        self.bytes_looked_at += size;
        Ok(self.looked_at >= SCAN_MAX || self.bytes_looked_at >= SCAN_BYTES_MAX)
    }
}

/// The workflows whose orders are asked for.
async fn codes(tx: &mut Tx, query: &OrderQuery) -> Result<BTreeSet<WorkflowCode>, Error> {
    let codes = if query.workflows.is_empty() {
        workflows::codes(tx).await?
    } else {
        query.workflows.clone()
    };
    Ok(codes.into_iter().collect())
}

/// Where the orders stand that the query names; none where it does not name any, or too many.
async fn named(
    tx: &mut Tx,
    query: &OrderQuery,
    codes: &BTreeSet<WorkflowCode>,
) -> Result<Option<Vec<Spot>>, Error> {
    if !query.ids.is_empty() {
        let ids = query.ids.iter().map(waymark_domain::value::OrderId::as_str);
        let ids = ids.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        return Ok(Some(with_ids(tx, codes, &ids).await?));
    }
    let Some(customer) = query
        .customer
        .as_ref()
        .filter(|customer| !customer.is_empty())
    else {
        return Ok(None);
    };
    let mut keys = Vec::new();
    for workflow in codes {
        keys.extend(of_customer(tx, workflow, customer).await?);
        if keys.len() > NAMED_MAX {
            return Ok(None);
        }
    }
    Ok(Some(with_keys(tx, &keys).await?))
}

/// What of an order is a [`Spot`].
type SpotColumns = (
    orders::partition,
    orders::order_key,
    orders::workflow,
    orders::id,
    orders::create_time,
    orders::update_time,
);
const SPOT: SpotColumns = (
    orders::partition,
    orders::order_key,
    orders::workflow,
    orders::id,
    orders::create_time,
    orders::update_time,
);

async fn with_ids(
    tx: &mut Tx,
    codes: &BTreeSet<WorkflowCode>,
    ids: &[&str],
) -> Result<Vec<Spot>, Error> {
    let mut spots = Vec::new();
    for workflow in codes {
        for ids in ids.chunks(KEYS_AT_ONCE) {
            let find = orders::table
                .filter(orders::workflow.eq(workflow.as_str()))
                .filter(orders::id.eq_any(ids))
                .select(SPOT);
            spots.extend(on_conn!(tx, |c| find.load::<Spot>(c).await)?);
        }
    }
    Ok(spots)
}

async fn of_customer(
    tx: &mut Tx,
    workflow: &WorkflowCode,
    customer: &ActorId,
) -> Result<Vec<(i32, i64)>, Error> {
    let keys = customer_orders::table
        .filter(customer_orders::workflow.eq(workflow.as_str()))
        .filter(customer_orders::customer_id.eq(customer.as_str()))
        .select((customer_orders::partition, customer_orders::order_key))
        .limit(i64::try_from(NAMED_MAX + 1).unwrap_or(i64::MAX));
    Ok(on_conn!(tx, |c| keys.load(c).await)?)
}

async fn with_keys(tx: &mut Tx, keys: &[(i32, i64)]) -> Result<Vec<Spot>, Error> {
    let mut spots = Vec::with_capacity(keys.len());
    for (partition, keys) in by_partition(keys.iter().copied()) {
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let find = orders::table
                .filter(orders::partition.eq(partition))
                .filter(orders::order_key.eq_any(keys))
                .select(SPOT);
            spots.extend(on_conn!(tx, |c| find.load::<Spot>(c).await)?);
        }
    }
    Ok(spots)
}

/// Reads orders in the order of their spots.
async fn read(tx: &mut Tx, spots: &[Spot]) -> Result<Vec<OrderRow>, Error> {
    let keys = spots.iter().map(|spot| (spot.partition, spot.order_key));
    let mut rows = BTreeMap::new();
    for (partition, keys) in by_partition(keys.clone()) {
        let find = orders::table
            .filter(orders::partition.eq(partition))
            .filter(orders::order_key.eq_any(keys));
        let found = on_conn!(tx, |c| find.load::<OrderRow>(c).await)?;
        rows.extend(
            found
                .into_iter()
                .map(|row| ((row.partition, row.order_key), row)),
        );
    }
    Ok(keys.filter_map(|key| rows.remove(&key)).collect())
}

fn by_partition(keys: impl Iterator<Item = (i32, i64)>) -> BTreeMap<i32, Vec<i64>> {
    let mut partitions: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for (partition, key) in keys {
        partitions.entry(partition).or_default().push(key);
    }
    partitions
}

/// In a list by update time, nothing after this order can lie within the asked times.
fn past_the_end(row: &OrderRow, query: &OrderQuery) -> bool {
    match (query.sort.by, query.sort.direction) {
        (SortKey::UpdateTime, Direction::Ascending) => query
            .updated_before
            .is_some_and(|before| row.update_time >= before.micros()),
        (SortKey::UpdateTime, Direction::Descending) => query
            .updated_after
            .is_some_and(|after| row.update_time <= after.micros()),
        (SortKey::CreateTime | SortKey::Id, _) => false,
    }
}

async fn sources(
    store: &Store,
    tx: &mut Tx,
    query: &OrderQuery,
    codes: &BTreeSet<WorkflowCode>,
    after: Option<&OrderCursor>,
) -> Result<Vec<Source>, Error> {
    let direction = query.sort.direction;
    let partitions = store
        .partition_count()
        .all()
        .map(Partition::number)
        .collect::<Vec<_>>();
    let mut sources = Vec::new();
    match query.sort.by {
        SortKey::UpdateTime => {
            for (workflow, standing) in standings(tx, query, codes).await? {
                for partition in &partitions {
                    let stretch = Stretch::Standing {
                        partition: *partition,
                        workflow: workflow.clone(),
                        standing: standing.clone(),
                    };
                    sources.push(Source::new(
                        stretch,
                        direction,
                        from_time(query, after, *partition),
                    ));
                }
            }
        }
        SortKey::CreateTime => {
            for partition in partitions {
                let stretch = Stretch::Log { partition };
                sources.push(Source::new(
                    stretch,
                    direction,
                    from_key(direction, after, partition),
                ));
            }
        }
        SortKey::Id => {
            for workflow in codes {
                let stretch = Stretch::Ids {
                    workflow: workflow.clone(),
                };
                sources.push(Source::new(
                    stretch,
                    direction,
                    from_id(direction, after, workflow),
                ));
            }
        }
    }
    Ok(sources)
}

/// The places to look at: those asked for, or all that the workflows have.
async fn standings(
    tx: &mut Tx,
    query: &OrderQuery,
    codes: &BTreeSet<WorkflowCode>,
) -> Result<BTreeSet<(WorkflowCode, Standing)>, Error> {
    if let Some(asked) = &query.standings {
        return Ok(asked
            .iter()
            .filter(|(workflow, _)| codes.contains(workflow))
            .cloned()
            .collect());
    }
    let mut all = BTreeSet::new();
    for workflow in codes {
        let rows = assignments::table
            .filter(assignments::workflow.eq(workflow.as_str()))
            .select((assignments::state, assignments::status));
        for (state, status) in on_conn!(tx, |c| rows.load::<(String, String)>(c).await)? {
            let reading = Reading {
                table: "assignments",
                row: workflow,
            };
            let standing = Standing {
                state: reading.text("state", &state)?,
                status: reading.text("status", &status)?,
            };
            all.insert((workflow.clone(), standing));
        }
    }
    Ok(all)
}
