//! One page of a list: sorted streams are merged, or what few orders were named
//! is fetched and sorted, and each order is held against the query.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    order::Standing,
    partition::Partition,
    value::{ActorId, WorkflowCode},
};

use super::{
    cursor::{Place, advance, behind, from_id, from_key, from_time, is_next, place},
    query::{Direction, OrderCursor, OrderPage, OrderQuery, SortKey},
    source::{Source, Stretch},
};
use crate::{
    Error, Store,
    commit::lookup,
    rows::{Reading, order::OrderRow},
    schema::{assignments, customer_orders, orders},
    tx::{Tx, on_conn},
    workflows,
};

/// How many orders one page may look at.
const SCAN_MAX: usize = 5_000;

/// Up to this many orders of a customer are fetched and sorted; more are searched for in a
/// list of all, which is slower but bounded for each page, in memory too.
const FETCH_MAX: usize = 1_000;

pub(super) async fn page(
    store: &Store,
    tx: &mut Tx,
    query: &OrderQuery,
    after: Option<&OrderCursor>,
    limit: usize,
) -> Result<OrderPage, Error> {
    let codes = if query.workflows.is_empty() {
        workflows::codes(tx).await?
    } else {
        query.workflows.clone()
    };
    let codes = codes.into_iter().collect::<BTreeSet<_>>();
    if let Some(rows) = fetch(tx, query, &codes).await? {
        return sorted(rows, query, after, limit);
    }
    let sources = sources(store, tx, query, &codes, after).await?;
    merged(tx, sources, query, after, limit).await
}

/// Fetches the orders that the query names; none where it does not name any, or too many.
async fn fetch(
    tx: &mut Tx,
    query: &OrderQuery,
    codes: &BTreeSet<WorkflowCode>,
) -> Result<Option<Vec<OrderRow>>, Error> {
    if !query.ids.is_empty() {
        let ids = query.ids.iter().collect::<BTreeSet<_>>();
        let keys = codes
            .iter()
            .flat_map(|workflow| ids.iter().map(|id| (workflow.as_str(), id.as_str())));
        let mut keys = keys.collect::<Vec<_>>();
        keys.sort_unstable();
        return Ok(Some(lookup::orders_of(tx, &keys).await?));
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
    }
    if keys.len() > FETCH_MAX {
        return Ok(None);
    }
    Ok(Some(by_keys(tx, keys).await?))
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
        .limit(i64::try_from(FETCH_MAX + 1).unwrap_or(i64::MAX));
    Ok(on_conn!(tx, |c| keys.load(c).await)?)
}

async fn by_keys(tx: &mut Tx, keys: Vec<(i32, i64)>) -> Result<Vec<OrderRow>, Error> {
    let mut rows = Vec::with_capacity(keys.len());
    let partitions = keys
        .iter()
        .map(|(partition, _)| *partition)
        .collect::<BTreeSet<_>>();
    for partition in partitions {
        let keys = keys
            .iter()
            .filter(|(of, _)| *of == partition)
            .map(|(_, key)| *key)
            .collect::<Vec<_>>();
        for keys in keys.chunks(500) {
            let find = orders::table
                .filter(orders::partition.eq(partition))
                .filter(orders::order_key.eq_any(keys));
            rows.extend(on_conn!(tx, |c| find.load::<OrderRow>(c).await)?);
        }
    }
    Ok(rows)
}

fn sorted(
    mut rows: Vec<OrderRow>,
    query: &OrderQuery,
    after: Option<&OrderCursor>,
    limit: usize,
) -> Result<OrderPage, Error> {
    rows.retain(|row| is_next(row, query, after));
    rows.sort_by_cached_key(|row| place(row, query.sort.by));
    if query.sort.direction == Direction::Descending {
        rows.reverse();
    }
    let mut orders = Vec::new();
    let mut cursor = after.cloned();
    for row in rows {
        let order = row.order()?;
        let admitted = query.admits(&order);
        if admitted && orders.len() == limit {
            return Ok(OrderPage {
                orders,
                next: cursor,
            });
        }
        cursor = Some(advance(cursor, &row, query.sort.by)?);
        orders.extend(Some(order).filter(|_| admitted));
    }
    Ok(OrderPage { orders, next: None })
}

async fn merged(
    tx: &mut Tx,
    mut sources: Vec<Source>,
    query: &OrderQuery,
    after: Option<&OrderCursor>,
    limit: usize,
) -> Result<OrderPage, Error> {
    let share = 2 * limit / sources.len().max(1);
    let chunk = i64::try_from(share.clamp(8, 500)).unwrap_or(8);
    let mut orders = Vec::new();
    let mut cursor = after.cloned();
    for _ in 0..SCAN_MAX {
        let Some(row) = first(tx, &mut sources, query, chunk).await? else {
            return Ok(OrderPage { orders, next: None });
        };
        if past_the_end(&row, query) {
            return Ok(OrderPage { orders, next: None });
        }
        let order = row.order()?;
        let admitted = query.admits(&order);
        if admitted && orders.len() == limit {
            return Ok(OrderPage {
                orders,
                next: cursor,
            });
        }
        cursor = Some(advance(cursor, &row, query.sort.by)?);
        orders.extend(Some(order).filter(|_| admitted));
    }
    Ok(OrderPage {
        orders,
        next: cursor,
    })
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

/// Takes the order that comes first of all streams.
async fn first(
    tx: &mut Tx,
    sources: &mut [Source],
    query: &OrderQuery,
    chunk: i64,
) -> Result<Option<OrderRow>, Error> {
    let mut best: Option<(usize, Place)> = None;
    for (index, source) in sources.iter_mut().enumerate() {
        let Some(row) = source.peek(tx, chunk).await? else {
            continue;
        };
        let place = place(row, query.sort.by);
        if best
            .as_ref()
            .is_none_or(|(_, other)| behind(other, &place, query.sort.direction))
        {
            best = Some((index, place));
        }
    }
    Ok(best
        .and_then(|(index, _)| sources.get_mut(index))
        .and_then(Source::next))
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
