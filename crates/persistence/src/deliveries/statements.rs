//! The statements of dispatching.

use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};

use crate::{
    rows::{Number, StoredNumber, delivery::DeliveryRow},
    schema::deliveries,
    statement::{row_statement, written_row},
};

/// The lanes that are asked for: this one, and those after it.
#[derive(Debug)]
pub(super) struct LanesFrom<'a> {
    pub(super) lane: &'a str,
}

row_statement! {
    /// Finds the lanes in which something waits to be tried. The index is asked for the next lane
    /// each time: there are few lanes, and perhaps many deliveries in one.
    FindLanes(LanesFrom<'a>) -> Text;
    "WITH RECURSIVE lanes (lane) AS (SELECT min(d.lane) FROM deliveries d WHERE d.due_time IS NOT NULL \
     AND d.lane >= " [lane: Text]
    " UNION ALL SELECT (SELECT min(d.lane) FROM deliveries d WHERE d.due_time IS NOT NULL AND d.lane > l.lane) \
     FROM lanes l WHERE l.lane IS NOT NULL) SELECT lane FROM lanes WHERE lane IS NOT NULL"
}

#[derive(Debug, Clone)]
pub(super) struct DueKey {
    pub(super) lane: String,
    pub(super) partition: i32,
    pub(super) now: i64,
    pub(super) limit: i64,
}

row_statement! {
    /// Finds due deliveries of a lane and partition, and whether each waits for an earlier one of
    /// its order.
    FindDue(DueKey) -> (deliveries::SqlType, Bool);
    "SELECT " [DeliveryRow as "d"] ", EXISTS (SELECT 1 FROM deliveries e WHERE e.order_key = d.order_key \
     AND e.lane = d.lane AND e.partition = d.partition AND e.state = 'pending' \
     AND (e.log_offset, e.number) < (d.log_offset, d.number)) FROM deliveries d WHERE d.lane = " [lane: Text]
    " AND d.partition = " [partition: Integer]
    " AND d.due_time <= " [now: BigInt]
    " ORDER BY d.due_time LIMIT " [limit: BigInt]
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaitingKey {
    pub(super) partition: i32,
    pub(super) order_key: i64,
    pub(super) lane: String,
    pub(super) now: i64,
}

row_statement! {
    /// Parks all that is due and waits for the first one of its order and lane.
    ParkWaiting(WaitingKey)
    "UPDATE deliveries SET due_time = NULL WHERE order_key = " [order_key: BigInt]
    " AND lane = " [lane: Text]
    " AND partition = " [partition: Integer]
    " AND due_time <= " [now: BigInt]
    " AND state = 'pending' AND (log_offset, number) > (SELECT f.log_offset, f.number FROM deliveries f \
     WHERE f.order_key = " [order_key: BigInt]
    " AND f.lane = " [lane: Text]
    " AND f.partition = " [partition: Integer]
    " AND f.state = 'pending' ORDER BY f.log_offset, f.number LIMIT 1)"
}

written_row! {
    /// The result of an attempt for its delivery.
    DeliveryUpdate, UpdateArrays {
        partition: i32 => Integer,
        log_offset: i64 => BigInt,
        number: StoredNumber => Number,
        state: &'a str => Text,
        attempts: i32 => Integer,
        problem: String => Text,
        due_time: Option<i64> => Nullable<BigInt>,
        now: i64 => BigInt,
        /// How many attempts it had when it was found: a retry by hand sets them back.
        attempts_seen: i32 => Integer,
        /// When it had last changed when it was found, which shows a retry before the first
        /// attempt was recorded.
        change_seen: i64 => BigInt,
    }
}

row_statement! {
    /// Records the result of a delivery. What somebody decided meanwhile stands, unless the target
    /// has taken it.
    UpdateDelivery(DeliveryUpdate<'a>)
    "UPDATE deliveries SET state = " [state: Text]
    ", attempts = " [attempts: Integer]
    ", problem = " [problem: Text]
    ", due_time = " [due_time: Nullable<BigInt>]
    ", update_time = " [now: BigInt]
    " WHERE partition = " [partition: Integer]
    " AND log_offset = " [log_offset: BigInt]
    " AND number = " [number: Number]
    " AND ((state = 'pending' AND attempts = " [attempts_seen: Integer]
    " AND update_time = " [change_seen: BigInt]
    ") OR 'succeeded' = " [state: Text]
    ")"
}

#[derive(Debug, Clone)]
pub(super) struct FinishedKey {
    pub(super) partition: i32,
    pub(super) log_offset: i64,
    pub(super) number: StoredNumber,
    pub(super) now: i64,
}

row_statement! {
    /// Makes the first that waits in the lane of the same order due, if it is parked.
    UnparkNext(FinishedKey)
    "UPDATE deliveries SET due_time = " [now: BigInt]
    " WHERE due_time IS NULL AND partition = " [partition: Integer]
    " AND (log_offset, number) = (SELECT w.log_offset, w.number FROM deliveries f JOIN deliveries w \
     ON w.order_key = f.order_key AND w.lane = f.lane AND w.partition = f.partition AND w.state = 'pending' \
     WHERE f.partition = " [partition: Integer]
    " AND f.log_offset = " [log_offset: BigInt]
    " AND f.number = " [number: Number]
    " ORDER BY w.log_offset, w.number LIMIT 1)"
}

written_row! {
    NewAttempt, AttemptArrays {
        partition: i32 => Integer,
        log_offset: i64 => BigInt,
        number: StoredNumber => Number,
        start_time: i64 => BigInt,
        duration_micros: i64 => BigInt,
        outcome: String => Text,
        code: Option<i32> => Nullable<Integer>,
        problem: String => Text,
        answer: &'a [u8] => Binary,
        /// When the delivery was made: after a failover that lost it, another one may have its id.
        made: i64 => BigInt,
    }
}

row_statement! {
    /// Adds an attempt to those that a delivery has, unless it is among them: where the commit of
    /// a result was not answered, it is recorded again. Nothing is added where the delivery is not there.
    InsertAttempt(NewAttempt<'a>)
    "INSERT INTO delivery_attempts (partition, log_offset, number, attempt, start_time, duration_micros, outcome, code, \
     problem, answer) SELECT " [partition: Integer] ", " [log_offset: BigInt] ", " [number: Number]
    ", (SELECT coalesce(max(attempt), 0) + 1 FROM delivery_attempts WHERE partition = " [partition: Integer]
    " AND log_offset = " [log_offset: BigInt]
    " AND number = " [number: Number]
    "), " [start_time: BigInt] ", " [duration_micros: BigInt] ", " [outcome: Text] ", " [code: Nullable<Integer>]
    ", " [problem: Text] ", " [answer: Binary]
    " WHERE NOT EXISTS (SELECT 1 FROM delivery_attempts WHERE partition = " [partition: Integer]
    " AND log_offset = " [log_offset: BigInt]
    " AND number = " [number: Number]
    " AND start_time = " [start_time: BigInt]
    ") AND EXISTS (SELECT 1 FROM deliveries WHERE partition = " [partition: Integer]
    " AND log_offset = " [log_offset: BigInt]
    " AND number = " [number: Number]
    " AND create_time = " [made: BigInt]
    ")"
}
