//! The statements of lists on SQLite, one for each place, partition or order: they cost no
//! round trip. They run on the connection itself, since its asynchronous wrapper copies every
//! value on its way. [`keys`](super::keys) says what each of them finds.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, QueryResult,
    RunQueryDsl, SelectableHelper, SqliteConnection,
};

use super::{
    columns::{ByTime, OrderColumns, TimeRow, WorkflowPlace},
    query::Direction,
};
use crate::{
    rows::order::OrderRow,
    schema::{customer_orders, orders},
    statement::limit as sql_limit,
};

/// How many rows may still come; none where there are enough.
fn room<T>(rows: &[T], limit: i64) -> Option<i64> {
    Some(limit.saturating_sub(sql_limit(rows.len()))).filter(|room| *room > 0)
}

pub(super) fn of_places(
    connection: &mut SqliteConnection,
    pairs: &[WorkflowPlace],
    partitions: &[i32],
    (after, before): (i64, i64),
    limit: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let mut rows = Vec::new();
    for pair in pairs {
        for partition in partitions {
            let Some(room) = room(&rows, limit) else {
                return Ok(rows);
            };
            let here = orders::table
                .filter(orders::state.eq(pair.state.as_str()))
                .filter(orders::status.eq(pair.status.as_str()))
                .filter(orders::workflow.eq(pair.workflow.as_str()))
                .filter(orders::partition.eq(*partition))
                .filter(orders::update_time.gt(after))
                .filter(orders::update_time.lt(before))
                .select(OrderColumns::as_select())
                .limit(room);
            rows.extend(here.load::<OrderColumns>(connection)?);
        }
    }
    Ok(rows)
}

pub(super) fn of_customer(
    connection: &mut SqliteConnection,
    codes: &[String],
    customer: &str,
    limit: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let mut keys: Vec<(i32, i64)> = Vec::new();
    for code in codes {
        let Some(room) = room(&keys, limit) else {
            break;
        };
        let of_workflow = customer_orders::table
            .filter(customer_orders::workflow.eq(code.as_str()))
            .filter(customer_orders::customer_id.eq(customer))
            .select((customer_orders::partition, customer_orders::order_key))
            .limit(room);
        keys.extend(of_workflow.load::<(i32, i64)>(connection)?);
    }
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let find = orders::table.find(key).select(OrderColumns::as_select());
        rows.extend(find.first::<OrderColumns>(connection).optional()?);
    }
    Ok(rows)
}

pub(super) fn with_ids(
    connection: &mut SqliteConnection,
    codes: &[String],
    ids: &[String],
) -> QueryResult<Vec<OrderColumns>> {
    let mut rows = Vec::new();
    for code in codes {
        for id in ids {
            let find = orders::table
                .filter(orders::workflow.eq(code.as_str()))
                .filter(orders::id.eq(id.as_str()))
                .select(OrderColumns::as_select());
            rows.extend(find.load::<OrderColumns>(connection)?);
        }
    }
    Ok(rows)
}

pub(super) fn by_time(
    connection: &mut SqliteConnection,
    pairs: &[WorkflowPlace],
    asked: &ByTime,
) -> QueryResult<Vec<TimeRow>> {
    let mut rows: Vec<TimeRow> = Vec::new();
    for (number, pair) in (1_i64..).zip(pairs) {
        for start in &asked.starts {
            let found = of_place(connection, pair, *start, asked)?;
            let found = found.into_iter();
            rows.extend(found.map(|(partition, key, time)| (number, partition, key, time)));
        }
    }
    rows.sort_unstable_by_key(|(_, partition, key, time)| (*time, *partition, *key));
    if asked.direction == Direction::Descending {
        rows.reverse();
    }
    rows.truncate(usize::try_from(asked.all).unwrap_or(usize::MAX));
    Ok(rows)
}

/// The first condition on time alone is a range of the index; the second makes it exact.
fn of_place(
    connection: &mut SqliteConnection,
    pair: &WorkflowPlace,
    (partition, key): (i32, i64),
    asked: &ByTime,
) -> QueryResult<Vec<(i32, i64, i64)>> {
    let here = orders::table
        .filter(orders::state.eq(pair.state.as_str()))
        .filter(orders::status.eq(pair.status.as_str()))
        .filter(orders::workflow.eq(pair.workflow.as_str()))
        .filter(orders::partition.eq(partition))
        .select((orders::partition, orders::order_key, orders::update_time));
    let time = asked.time;
    match asked.direction {
        Direction::Ascending => here
            .filter(orders::update_time.ge(time))
            .filter(orders::update_time.gt(time).or(orders::order_key.gt(key)))
            .filter(orders::update_time.lt(asked.until))
            .order((orders::update_time.asc(), orders::order_key.asc()))
            .limit(asked.each)
            .load(connection),
        Direction::Descending => here
            .filter(orders::update_time.le(time))
            .filter(orders::update_time.lt(time).or(orders::order_key.lt(key)))
            .filter(orders::update_time.gt(asked.until))
            .order((orders::update_time.desc(), orders::order_key.desc()))
            .limit(asked.each)
            .load(connection),
    }
}

pub(super) fn by_key(
    connection: &mut SqliteConnection,
    starts: &[(i32, i64)],
    direction: Direction,
    each: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let mut rows = Vec::new();
    for (partition, key) in starts {
        let here = orders::table
            .filter(orders::partition.eq(*partition))
            .select(OrderColumns::as_select());
        let found: Vec<OrderColumns> = match direction {
            Direction::Ascending => here
                .filter(orders::order_key.gt(*key))
                .order(orders::order_key.asc())
                .limit(each)
                .load(connection)?,
            Direction::Descending => here
                .filter(orders::order_key.lt(*key))
                .order(orders::order_key.desc())
                .limit(each)
                .load(connection)?,
        };
        rows.extend(found);
    }
    Ok(rows)
}

pub(super) fn by_id(
    connection: &mut SqliteConnection,
    starts: &[(String, String)],
    direction: Direction,
    each: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let mut rows = Vec::new();
    for (workflow, id) in starts {
        let here = orders::table
            .filter(orders::workflow.eq(workflow.as_str()))
            .select(OrderColumns::as_select());
        let found: Vec<OrderColumns> = match direction {
            Direction::Ascending => here
                .filter(orders::id.ge(id.as_str()))
                .order(orders::id.asc())
                .limit(each)
                .load(connection)?,
            Direction::Descending => here
                .filter(orders::id.lt(id.as_str()))
                .order(orders::id.desc())
                .limit(each)
                .load(connection)?,
        };
        rows.extend(found);
    }
    Ok(rows)
}

pub(super) fn among_customer(
    connection: &mut SqliteConnection,
    asked: &[(i32, i64, String)],
    customer: &str,
) -> QueryResult<Vec<(i32, i64)>> {
    let mut found = Vec::new();
    for (partition, key, workflow) in asked {
        let find = customer_orders::table
            .find((workflow.as_str(), customer, *partition, *key))
            .select((customer_orders::partition, customer_orders::order_key));
        found.extend(find.first::<(i32, i64)>(connection).optional()?);
    }
    Ok(found)
}

pub(super) fn bodies(
    connection: &mut SqliteConnection,
    keys: &[(i32, i64)],
) -> QueryResult<Vec<OrderRow>> {
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let find = orders::table.find(*key);
        rows.extend(find.first::<OrderRow>(connection).optional()?);
    }
    Ok(rows)
}
