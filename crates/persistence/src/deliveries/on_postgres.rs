//! The statements of dispatching on PostgreSQL, for whole sets as arrays: a round trip
//! for each kind of row, however many are due or were tried.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Integer, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::{partition::Partition, value::Timestamp};

use super::statements::{AttemptArrays, DeliveryUpdate, NewAttempt, UpdateArrays};
use crate::{
    rows::{
        Number, StoredNumber,
        delivery::{DeliveryKey, DeliveryRow},
    },
    schema::deliveries,
    statement::{array_statement, push_columns, rows_statement},
};

/// Finds due deliveries of several lanes in several partitions, the longest due first, and whether
/// each waits for an earlier one of its order.
#[derive(Debug)]
struct FindDueOfAll<'a> {
    partitions: Vec<i32>,
    lanes: Vec<&'a str>,
    limits: Vec<i64>,
    now: i64,
}

impl QueryFragment<Pg> for FindDueOfAll<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        push_columns(&mut out, "d", DeliveryRow::COLUMNS);
        out.push_sql(
            ", EXISTS (SELECT 1 FROM deliveries e WHERE e.order_key = d.order_key AND e.lane = d.lane \
             AND e.partition = d.partition AND e.state = 'pending' \
             AND (e.log_offset, e.number) < (d.log_offset, d.number)) FROM UNNEST(",
        );
        out.push_bind_param::<Array<Text>, _>(&self.lanes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.limits)?;
        out.push_sql(") AS l (lane, most) CROSS JOIN LATERAL (SELECT c.* FROM UNNEST(");
        out.push_bind_param::<Array<Integer>, _>(&self.partitions)?;
        out.push_sql(
            ") AS k (partition) CROSS JOIN LATERAL (SELECT * FROM deliveries f WHERE f.lane = l.lane \
             AND f.partition = k.partition AND f.due_time <= ",
        );
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(
            " ORDER BY f.due_time LIMIT l.most) c ORDER BY c.due_time LIMIT l.most) d ORDER BY d.due_time",
        );
        Ok(())
    }
}

impl QueryId for FindDueOfAll<'_> {
    type QueryId = FindDueOfAll<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for FindDueOfAll<'_> {
    type SqlType = (deliveries::SqlType, Bool);
}

/// Finds due deliveries of lanes, of each at most as many as its limit says.
pub(super) async fn due(
    mut connection: &AsyncPgConnection,
    partitions: &BTreeSet<Partition>,
    lanes: &BTreeMap<String, i64>,
    now: i64,
) -> QueryResult<Vec<(DeliveryRow, bool)>> {
    let find = FindDueOfAll {
        partitions: partitions.iter().map(|p| p.number()).collect(),
        lanes: lanes.keys().map(String::as_str).collect(),
        limits: lanes.values().copied().collect(),
        now,
    };
    find.load(&mut connection).await
}

rows_statement! {
    /// Adds one attempt to each of several deliveries that are there, unless it is among theirs, and
    /// says to which.
    InsertAttempts(AttemptArrays of NewAttempt) -> (Integer, BigInt, Number);
    "INSERT INTO delivery_attempts (partition, log_offset, number, attempt, start_time, duration_micros, outcome, code, \
     problem, answer) SELECT a.partition, a.log_offset, a.number, (SELECT coalesce(max(b.attempt), 0) + 1 \
     FROM delivery_attempts b WHERE b.partition = a.partition AND b.log_offset = a.log_offset \
     AND b.number = a.number), a.start_time, a.duration_micros, a.outcome, a.code, a.problem, a.answer FROM "
    values " AS a (" [NewAttempt] ") WHERE NOT EXISTS (SELECT 1 FROM delivery_attempts b WHERE b.partition = a.partition \
     AND b.log_offset = a.log_offset AND b.number = a.number AND b.start_time = a.start_time) \
     AND EXISTS (SELECT 1 FROM deliveries d WHERE d.partition = a.partition AND d.log_offset = a.log_offset \
     AND d.number = a.number AND d.create_time = a.made) \
     RETURNING partition, log_offset, number"
}

rows_statement! {
    /// Records the results of deliveries, and says of which. What somebody decided meanwhile stands,
    /// unless the target has taken it.
    UpdateDeliveries(UpdateArrays of DeliveryUpdate) -> (Integer, BigInt, Number);
    "UPDATE deliveries SET state = u.state, attempts = u.attempts, problem = u.problem, due_time = u.due_time, \
     update_time = u.now FROM " values " AS u (" [DeliveryUpdate] ") \
     WHERE deliveries.partition = u.partition AND deliveries.log_offset = u.log_offset \
     AND deliveries.number = u.number AND ((deliveries.state = 'pending' AND deliveries.attempts = u.attempts_seen \
     AND deliveries.update_time = u.change_seen) \
     OR u.state = 'succeeded') RETURNING deliveries.partition, deliveries.log_offset, deliveries.number"
}

array_statement! {
    /// Makes the first that waits in the lane of each order due, if it is parked.
    UnparkAll {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: StoredNumber => Number, now: i64 => BigInt,
    }
    "UPDATE deliveries SET due_time = p.now FROM (SELECT w.partition, w.log_offset, w.number, k.now FROM",
    ") AS k (partition, log_offset, number, now) JOIN deliveries f ON f.partition = k.partition \
     AND f.log_offset = k.log_offset AND f.number = k.number CROSS JOIN LATERAL (SELECT e.partition, e.log_offset, \
     e.number FROM deliveries e WHERE e.order_key = f.order_key AND e.lane = f.lane AND e.partition = f.partition \
     AND e.state = 'pending' ORDER BY e.log_offset, e.number LIMIT 1) w) AS p \
     WHERE deliveries.partition = p.partition AND deliveries.log_offset = p.log_offset \
     AND deliveries.number = p.number AND deliveries.due_time IS NULL"
}

impl UnparkAll<'_> {
    fn new(ended: &[DeliveryKey], now: Timestamp) -> Self {
        Self {
            partition: ended.iter().map(|key| key.0).collect(),
            log_offset: ended.iter().map(|key| key.1).collect(),
            number: ended.iter().map(|key| key.2).collect(),
            now: vec![now.micros(); ended.len()],
            marker: std::marker::PhantomData,
        }
    }
}

/// Adds attempts, at most one to each delivery, and says to which.
pub(super) async fn insert(
    mut connection: &AsyncPgConnection,
    rows: &[&NewAttempt<'_>],
) -> QueryResult<HashSet<DeliveryKey>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let insert = InsertAttempts::of(rows.iter().copied());
    let inserted = insert.load(&mut connection).await?;
    Ok(inserted.into_iter().collect())
}

/// Updates deliveries, and says which were as they had been found.
pub(super) async fn update(
    mut connection: &AsyncPgConnection,
    rows: &[&DeliveryUpdate<'_>],
) -> QueryResult<HashSet<DeliveryKey>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let update = UpdateDeliveries::of(rows.iter().copied());
    let updated = update.load(&mut connection).await?;
    Ok(updated.into_iter().collect())
}

/// Unparks the first that waits in the lane of each of these deliveries.
pub(super) async fn unpark(
    mut connection: &AsyncPgConnection,
    ended: &[DeliveryKey],
    now: Timestamp,
) -> QueryResult<()> {
    if ended.is_empty() {
        return Ok(());
    }
    UnparkAll::new(ended, now).execute(&mut connection).await?;
    Ok(())
}
