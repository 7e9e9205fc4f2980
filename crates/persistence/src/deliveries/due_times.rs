//! Due times that a clock has set which was ahead: deliveries that were tried or set off by it are
//! due only when the right clock gets there.

use std::collections::BTreeSet;

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    sql_types::{BigInt, Integer, Text},
};
use diesel_async::RunQueryDsl;
use waymark_domain::partition::Partition;

use super::ownership::{DispatcherId, owned};
use crate::{
    Error, Store,
    schema::deliveries,
    statement::row_statement,
    tx::{Ending, before, on_conn},
};

/// How far the time of a change may be ahead of the clock. Clocks of two replicas always differ a
/// little.
const AHEAD_MICROS_MAX: i64 = 1_000_000;
/// How many deliveries are corrected in one transaction.
const AT_ONCE: i64 = 200;

/// Deliveries of a lane and partition that changed last after an instant.
#[derive(Debug)]
pub(super) struct Ahead {
    lane: String,
    partition: i32,
    now: i64,
    until: i64,
    /// From when on they are due.
    from: i64,
    limit: i64,
}

row_statement! {
    /// Lets deliveries wait as long from now on as they were to wait since they had last changed,
    /// which is an instant that is yet to come.
    CorrectDueTimes(Ahead)
    "UPDATE deliveries SET due_time = CASE WHEN due_time > update_time THEN " [now: BigInt]
    " + (due_time - update_time) ELSE " [now: BigInt]
    " END, update_time = " [now: BigInt]
    " WHERE partition = " [partition: Integer]
    " AND (log_offset, number) IN (SELECT d.log_offset, d.number FROM deliveries d WHERE d.lane = " [lane: Text]
    " AND d.partition = " [partition: Integer]
    " AND d.due_time >= " [from: BigInt]
    " AND d.update_time > " [until: BigInt]
    " ORDER BY d.due_time LIMIT " [limit: BigInt]
    ")"
}

impl Store {
    /// Lets deliveries of some partitions that have last changed more than a second from now wait
    /// for their next attempt from now on, and says how many. An attempt that is under way is left
    /// alone, and repeated under the same id where it fails. This is done a few at a time, so that
    /// it holds up nobody.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn correct_delivery_times(
        &self,
        me: &DispatcherId,
        partitions: &BTreeSet<Partition>,
    ) -> Result<usize, Error> {
        let now = self.clock().now().micros();
        let until = now.saturating_add(AHEAD_MICROS_MAX);
        let mut ahead = Vec::new();
        for lane in self.busy_lanes().await? {
            let here: Vec<_> = partitions.iter().map(|p| p.number()).collect();
            let first = deliveries::table
                .filter(deliveries::lane.eq(lane.clone()))
                .filter(deliveries::partition.eq_any(here))
                .filter(deliveries::due_time.gt(now))
                .filter(deliveries::update_time.gt(until))
                .select(deliveries::partition);
            let found = self
                .database()
                .read(async |tx| Ok(on_conn!(tx, |c| first.first::<i32>(c).await).optional()?));
            if found.await?.is_some() {
                ahead.push(lane);
            }
        }
        let mut count = 0;
        for lane in &ahead {
            for partition in partitions {
                let ahead = Ahead {
                    lane: lane.clone(),
                    partition: partition.number(),
                    now,
                    until,
                    from: now.saturating_add(1),
                    limit: AT_ONCE,
                };
                count += self.correct_lane(me, *partition, ahead).await?;
            }
        }
        Ok(count)
    }

    async fn correct_lane(
        &self,
        me: &DispatcherId,
        partition: Partition,
        mut ahead: Ahead,
    ) -> Result<usize, Error> {
        let here = BTreeSet::from([partition]);
        let mut count = 0;
        loop {
            // Those before the first one need not be looked at again, nor under the lock.
            let found = self.database().read(async |tx| {
                let first = deliveries::table
                    .filter(deliveries::lane.eq(ahead.lane.as_str()))
                    .filter(deliveries::partition.eq(ahead.partition))
                    .filter(deliveries::due_time.ge(ahead.from))
                    .filter(deliveries::update_time.gt(ahead.until))
                    .order(deliveries::due_time)
                    .select(deliveries::due_time);
                Ok(on_conn!(tx, |c| first.first::<Option<i64>>(c).await).optional()?)
            });
            let Some(Some(first)) = found.await? else {
                return Ok(count);
            };
            ahead.from = first;
            let written = self.database().write(&[], async |tx| {
                if owned(tx, me, &here).await?.is_empty() {
                    return Ok(Ending::RollBack(0));
                }
                let updated = on_conn!(tx, |c| CorrectDueTimes(&ahead).execute(c).await)?;
                Ok(Ending::Commit(updated))
            });
            let updated = written.await.map_err(before)?;
            if updated == 0 {
                return Ok(count);
            }
            count += updated;
        }
    }
}
