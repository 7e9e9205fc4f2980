//! The statements of dispatching on PostgreSQL, for whole sets as arrays: a round trip
//! for each kind of row, however many are due or were tried.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::{partition::Partition, value::Timestamp};

use super::{
    RowKey,
    statements::{AttemptRow, Update},
};
use crate::{
    rows::{StoredNumber, delivery::DeliveryRow},
    schema::deliveries,
    statement::array_statement,
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
        out.push_sql(
            "SELECT d.partition, d.log_offset, d.number, d.order_key, d.lane, d.workflow, d.order_id, d.sequence, \
             d.order_version, d.transition, d.action, d.kind, d.destination, d.state, d.attempts, d.problem, \
             d.due_time, d.create_time, d.update_time, EXISTS (SELECT 1 FROM deliveries e \
             WHERE e.order_key = d.order_key AND e.lane = d.lane AND e.partition = d.partition \
             AND e.state = 'pending' AND (e.log_offset, e.number) < (d.log_offset, d.number)) \
             FROM UNNEST(",
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

array_statement! {
    /// Adds one attempt to each of several deliveries that are there, unless it is among theirs, and says to which.
    InsertAttempts {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: StoredNumber => Integer, start_time: i64 => BigInt,
        duration_micros: i64 => BigInt, outcome: &'a str => Text, code: Option<i32> => Nullable<Integer>,
        problem: &'a str => Text, answer: &'a [u8] => Binary, made: i64 => BigInt,
    }
    "INSERT INTO delivery_attempts (partition, log_offset, number, attempt, start_time, duration_micros, outcome, code, \
     problem, answer) SELECT a.partition, a.log_offset, a.number, (SELECT coalesce(max(b.attempt), 0) + 1 \
     FROM delivery_attempts b WHERE b.partition = a.partition AND b.log_offset = a.log_offset \
     AND b.number = a.number), a.start_time, a.duration_micros, a.outcome, a.code, a.problem, a.answer FROM",
    ") AS a (partition, log_offset, number, start_time, duration_micros, outcome, code, problem, answer, made) \
     WHERE NOT EXISTS (SELECT 1 FROM delivery_attempts b WHERE b.partition = a.partition \
     AND b.log_offset = a.log_offset AND b.number = a.number AND b.start_time = a.start_time) \
     AND EXISTS (SELECT 1 FROM deliveries d WHERE d.partition = a.partition AND d.log_offset = a.log_offset \
     AND d.number = a.number AND d.create_time = a.made) \
     RETURNING partition, log_offset, number"
}

impl Query for InsertAttempts<'_> {
    type SqlType = (Integer, BigInt, Integer);
}

impl<'a> InsertAttempts<'a> {
    fn new(rows: &[&'a AttemptRow]) -> Self {
        Self {
            partition: rows.iter().map(|row| row.partition).collect(),
            log_offset: rows.iter().map(|row| row.log_offset).collect(),
            number: rows.iter().map(|row| row.number).collect(),
            start_time: rows.iter().map(|row| row.start_time).collect(),
            duration_micros: rows.iter().map(|row| row.duration_micros).collect(),
            outcome: rows.iter().map(|row| row.outcome.as_str()).collect(),
            code: rows.iter().map(|row| row.code).collect(),
            problem: rows.iter().map(|row| row.problem.as_str()).collect(),
            answer: rows.iter().map(|row| row.answer.as_slice()).collect(),
            made: rows.iter().map(|row| row.made).collect(),
            marker: std::marker::PhantomData,
        }
    }
}

array_statement! {
    /// Notes what became of deliveries, and says of which. What somebody decided meanwhile stands,
    /// unless the target has taken it.
    UpdateDeliveries {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: StoredNumber => Integer, state: &'a str => Text,
        attempts: i32 => Integer, problem: &'a str => Text, due_time: Option<i64> => Nullable<BigInt>,
        now: i64 => BigInt, attempts_seen: i32 => Integer, change_seen: i64 => BigInt,
    }
    "UPDATE deliveries SET state = u.state, attempts = u.attempts, problem = u.problem, due_time = u.due_time, \
     update_time = u.now FROM",
    ") AS u (partition, log_offset, number, state, attempts, problem, due_time, now, attempts_seen, change_seen) \
     WHERE deliveries.partition = u.partition AND deliveries.log_offset = u.log_offset \
     AND deliveries.number = u.number AND ((deliveries.state = 'pending' AND deliveries.attempts = u.attempts_seen \
     AND deliveries.update_time = u.change_seen) \
     OR u.state = 'succeeded') RETURNING deliveries.partition, deliveries.log_offset, deliveries.number"
}

impl Query for UpdateDeliveries<'_> {
    type SqlType = (Integer, BigInt, Integer);
}

impl<'a> UpdateDeliveries<'a> {
    fn new(rows: &[&'a Update]) -> Self {
        Self {
            partition: rows.iter().map(|row| row.partition).collect(),
            log_offset: rows.iter().map(|row| row.log_offset).collect(),
            number: rows.iter().map(|row| row.number).collect(),
            state: rows.iter().map(|row| row.state).collect(),
            attempts: rows.iter().map(|row| row.attempts).collect(),
            problem: rows.iter().map(|row| row.problem.as_str()).collect(),
            due_time: rows.iter().map(|row| row.due_time).collect(),
            now: rows.iter().map(|row| row.now).collect(),
            attempts_seen: rows.iter().map(|row| row.attempts_seen).collect(),
            change_seen: rows.iter().map(|row| row.change_seen).collect(),
            marker: std::marker::PhantomData,
        }
    }
}

array_statement! {
    /// Makes the first that waits in the lane of each order due, if it was put aside.
    PromoteAll {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: StoredNumber => Integer, now: i64 => BigInt,
    }
    "UPDATE deliveries SET due_time = p.now FROM (SELECT w.partition, w.log_offset, w.number, k.now FROM",
    ") AS k (partition, log_offset, number, now) JOIN deliveries f ON f.partition = k.partition \
     AND f.log_offset = k.log_offset AND f.number = k.number CROSS JOIN LATERAL (SELECT e.partition, e.log_offset, \
     e.number FROM deliveries e WHERE e.order_key = f.order_key AND e.lane = f.lane AND e.partition = f.partition \
     AND e.state = 'pending' ORDER BY e.log_offset, e.number LIMIT 1) w) AS p \
     WHERE deliveries.partition = p.partition AND deliveries.log_offset = p.log_offset \
     AND deliveries.number = p.number AND deliveries.due_time IS NULL"
}

impl PromoteAll<'_> {
    fn new(ended: &[RowKey], now: Timestamp) -> Self {
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
    rows: &[&AttemptRow],
) -> QueryResult<HashSet<RowKey>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let inserted = InsertAttempts::new(rows).load(&mut connection).await?;
    Ok(inserted.into_iter().collect())
}

/// Updates deliveries, and says which were as they had been found.
pub(super) async fn update(
    mut connection: &AsyncPgConnection,
    rows: &[&Update],
) -> QueryResult<HashSet<RowKey>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let updated = UpdateDeliveries::new(rows).load(&mut connection).await?;
    Ok(updated.into_iter().collect())
}

/// Lets the first that waits in the lane of each of these deliveries have its turn.
pub(super) async fn promote(
    mut connection: &AsyncPgConnection,
    ended: &[RowKey],
    now: Timestamp,
) -> QueryResult<()> {
    if ended.is_empty() {
        return Ok(());
    }
    PromoteAll::new(ended, now).execute(&mut connection).await?;
    Ok(())
}
