//! What a clock has put off that was ahead: deliveries that it had tried or set off, and that
//! are due by it only when the right clock gets there.

use std::collections::BTreeSet;

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    sql_types::{BigInt, Integer, Text},
};
use diesel_async::RunQueryDsl;
use waymark_domain::partition::Partition;

use super::{DispatcherId, owned};
use crate::{
    Error, Store,
    schema::deliveries,
    statement::row_statement,
    tx::{Ending, before, on_conn},
};

/// How far the time of a change may be ahead of the clock. Clocks of two replicas always differ a
/// little.
const AHEAD_MICROS_MAX: i64 = 1_000_000;

/// Deliveries of a lane and partition that changed last after an instant.
#[derive(Debug)]
pub(super) struct Ahead {
    lane: String,
    partition: i32,
    now: i64,
    until: i64,
}

row_statement! {
    /// Lets deliveries wait as long from now on as they were to wait since they had last changed,
    /// which is an instant that is yet to come.
    PutRight(Ahead)
    "UPDATE deliveries SET due_time = CASE WHEN due_time > update_time THEN " now: BigInt,
    " + (due_time - update_time) ELSE " now: BigInt,
    " END, update_time = " now: BigInt,
    " WHERE lane = " lane: Text,
    " AND partition = " partition: Integer,
    " AND due_time > " now: BigInt,
    " AND update_time > " until: BigInt;
    ""
}

impl Store {
    /// Lets deliveries of some partitions that have last changed more than a second from now wait
    /// for their next attempt from now on, and says how many. An attempt that is under way is left
    /// alone, and repeated under the same id where it fails.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn put_deliveries_right(
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
        if ahead.is_empty() {
            return Ok(0);
        }
        let written = self.database().write(&[], async |tx| {
            let owned = owned(tx, me, partitions).await?;
            let mut count = 0;
            for lane in &ahead {
                for partition in &owned {
                    let ahead = Ahead {
                        lane: lane.clone(),
                        partition: *partition,
                        now,
                        until,
                    };
                    count += on_conn!(tx, |c| PutRight(&ahead).execute(c).await)?;
                }
            }
            Ok(Ending::Commit(count))
        });
        written.await.map_err(before)
    }
}
