//! The statements of dispatching on PostgreSQL, for whole sets as arrays: a round trip
//! for each kind of row, however many are due or were tried.

use std::collections::{BTreeSet, HashSet};

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::partition::Partition;

use super::{
    finish::Note,
    statements::{AttemptRow, Update},
};
use crate::{rows::delivery::DeliveryRow, schema::deliveries, statement::array_statement};

/// Finds due deliveries of a lane in several partitions, the longest due first, and whether each
/// waits for an earlier one of its order.
#[derive(Debug)]
struct FindDueOfAll<'a> {
    partitions: Vec<i32>,
    lane: &'a str,
    now: i64,
    limit: i64,
}

impl QueryFragment<Pg> for FindDueOfAll<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT d.partition, d.log_offset, d.number, d.order_key, d.lane, d.workflow, d.order_id, d.sequence, \
             d.order_version, d.transition, d.action, d.kind, d.destination, d.state, d.attempts, d.problem, \
             d.due_time, d.create_time, d.update_time, EXISTS (SELECT 1 FROM deliveries e \
             WHERE e.order_key = d.order_key AND e.lane = d.lane AND e.partition = d.partition \
             AND e.state = 'pending' AND (e.log_offset, e.number) < (d.log_offset, d.number)) \
             FROM (SELECT c.* FROM UNNEST(",
        );
        out.push_bind_param::<Array<Integer>, _>(&self.partitions)?;
        out.push_sql(
            ") AS k (partition) CROSS JOIN LATERAL (SELECT * FROM deliveries f WHERE f.lane = ",
        );
        out.push_bind_param::<Text, _>(self.lane)?;
        out.push_sql(" AND f.partition = k.partition AND f.due_time <= ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" ORDER BY f.due_time LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") c ORDER BY c.due_time LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") d ORDER BY d.due_time");
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

/// Finds at most `limit` due deliveries of a lane.
pub(super) async fn due(
    mut connection: &AsyncPgConnection,
    partitions: &BTreeSet<Partition>,
    lane: &str,
    (now, limit): (i64, i64),
) -> QueryResult<Vec<(DeliveryRow, bool)>> {
    let find = FindDueOfAll {
        partitions: partitions.iter().map(|p| p.number()).collect(),
        lane,
        now,
        limit,
    };
    find.load(&mut connection).await
}

array_statement! {
    /// Adds one attempt to each of several deliveries, unless it is among theirs, and says to which.
    InsertAttempts {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: i32 => Integer, start_time: i64 => BigInt,
        duration_micros: i64 => BigInt, outcome: &'a str => Text, code: Option<i32> => Nullable<Integer>,
        problem: &'a str => Text, answer: &'a [u8] => Binary,
    }
    "INSERT INTO delivery_attempts (partition, log_offset, number, attempt, start_time, duration_micros, outcome, code, \
     problem, answer) SELECT a.partition, a.log_offset, a.number, (SELECT coalesce(max(b.attempt), 0) + 1 \
     FROM delivery_attempts b WHERE b.partition = a.partition AND b.log_offset = a.log_offset \
     AND b.number = a.number), a.start_time, a.duration_micros, a.outcome, a.code, a.problem, a.answer FROM",
    ") AS a (partition, log_offset, number, start_time, duration_micros, outcome, code, problem, answer) \
     WHERE NOT EXISTS (SELECT 1 FROM delivery_attempts b WHERE b.partition = a.partition \
     AND b.log_offset = a.log_offset AND b.number = a.number AND b.start_time = a.start_time) \
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
            marker: std::marker::PhantomData,
        }
    }
}

array_statement! {
    /// Notes what became of deliveries. What somebody decided meanwhile stands, unless the target
    /// has taken it.
    UpdateDeliveries {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: i32 => Integer, state: &'a str => Text,
        attempts: i32 => Integer, problem: &'a str => Text, due_time: Option<i64> => Nullable<BigInt>,
        now: i64 => BigInt, seen: i32 => Integer,
    }
    "UPDATE deliveries SET state = u.state, attempts = u.attempts, problem = u.problem, due_time = u.due_time, \
     update_time = u.now FROM",
    ") AS u (partition, log_offset, number, state, attempts, problem, due_time, now, seen) \
     WHERE deliveries.partition = u.partition AND deliveries.log_offset = u.log_offset \
     AND deliveries.number = u.number AND ((deliveries.state = 'pending' AND deliveries.attempts = u.seen) \
     OR u.state = 'succeeded')"
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
            seen: rows.iter().map(|row| row.seen).collect(),
            marker: std::marker::PhantomData,
        }
    }
}

array_statement! {
    /// Makes the first that waits in the lane of each order due, if it was put aside.
    PromoteAll {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: i32 => Integer, now: i64 => BigInt,
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
    fn new(rows: &[&Update]) -> Self {
        Self {
            partition: rows.iter().map(|row| row.partition).collect(),
            log_offset: rows.iter().map(|row| row.log_offset).collect(),
            number: rows.iter().map(|row| row.number).collect(),
            now: rows.iter().map(|row| row.now).collect(),
            marker: std::marker::PhantomData,
        }
    }
}

/// Notes what came of deliveries, in turn where there are several notes of one.
pub(super) async fn note(connection: &AsyncPgConnection, notes: &[Note]) -> QueryResult<()> {
    let mut left: Vec<_> = notes.iter().collect();
    while !left.is_empty() {
        let mut keys = HashSet::new();
        let (first, later) = left.into_iter().partition(|note| keys.insert(note.key()));
        note_one_each(connection, first).await?;
        left = later;
    }
    Ok(())
}

async fn note_one_each(mut connection: &AsyncPgConnection, notes: Vec<&Note>) -> QueryResult<()> {
    let attempts: Vec<_> = notes
        .iter()
        .filter_map(|note| note.attempt.as_ref())
        .collect();
    let inserted: Vec<(i32, i64, i32)> = if attempts.is_empty() {
        Vec::new()
    } else {
        InsertAttempts::new(&attempts).load(&mut connection).await?
    };
    let inserted: HashSet<_> = inserted.into_iter().collect();
    // What was noted before has perhaps been decided about since.
    let is_new = |note: &&&Note| note.attempt.is_none() || inserted.contains(&note.key());
    let updates: Vec<_> = notes
        .iter()
        .filter(is_new)
        .map(|note| &note.update)
        .collect();
    if updates.is_empty() {
        return Ok(());
    }
    UpdateDeliveries::new(&updates)
        .execute(&mut connection)
        .await?;
    let ended = updates.into_iter().filter(|update| update.is_final());
    let ended: Vec<_> = ended.collect();
    if !ended.is_empty() {
        PromoteAll::new(&ended).execute(&mut connection).await?;
    }
    Ok(())
}
