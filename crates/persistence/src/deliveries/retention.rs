//! Removing deliveries with which nothing will happen any more. They are walked in the order of
//! the log, by the primary key, so that keeping and removing them needs no index that sending them
//! would have to pay for.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{delivery::DeliveryState, partition::Partition, value::Timestamp};

use super::ownership::{DispatcherId, owned};
use crate::{
    Error, Store,
    rows::{
        StoredNumber, StoredText,
        delivery::{Numbered, numbered},
    },
    schema::{deliveries, delivery_attempts, delivery_decisions},
    statement::limit,
    tx::{Ending, Tx, before, on_conn},
};

/// How many deliveries one call looks at, and removes at most: steps of other orders wait for so
/// much on SQLite, and the owner of the partition anywhere.
const AT_ONCE: usize = 200;
/// The states in which nothing happens to a delivery any more, unless somebody decides so.
const DONE_WITH: [DeliveryState; 2] = [DeliveryState::Succeeded, DeliveryState::Skipped];

/// The place behind which a walk over the deliveries of a partition goes on: an offset and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionCursor(i64, StoredNumber);

/// The result of a part of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// How many deliveries were removed.
    pub count: usize,
    /// Where the walk goes on; none at its end.
    pub next: Option<RetentionCursor>,
}

#[derive(Debug, Clone, diesel::Queryable)]
struct Passed {
    log_offset: i64,
    number: StoredNumber,
    state: StoredText,
    create_time: i64,
    update_time: i64,
}

impl Passed {
    /// Whether it may go.
    fn is_done_with(&self, until: i64) -> bool {
        let state = self.state.lossy();
        self.update_time <= until && DONE_WITH.iter().any(|done| done.word() == state)
    }
}

impl Store {
    /// Removes deliveries of a partition that succeeded or were skipped, and last changed at this
    /// instant or before, with their attempts and the decisions about them. A call looks at 200
    /// deliveries at most; a walk begins without a cursor and ends where younger ones were written.
    /// Nothing happens where `me` does not own the partition.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn remove_deliveries(
        &self,
        me: &DispatcherId,
        partition: Partition,
        until: Timestamp,
        after: Option<RetentionCursor>,
    ) -> Result<Removed, Error> {
        let until = until.micros();
        let mut passed = self.passed(partition, after).await?;
        let is_last = passed.len() < AT_ONCE;
        let before_cut = passed.len();
        // Times follow offsets, so all behind the first one that is younger is younger too.
        let old = passed.iter().take_while(|row| row.create_time <= until);
        let old = old.count();
        passed.truncate(old);
        let next = passed
            .last()
            .map(|row| RetentionCursor(row.log_offset, row.number))
            .filter(|_| old == before_cut && !is_last);
        let mut groups: BTreeMap<StoredNumber, Vec<i64>> = BTreeMap::new();
        for row in passed.iter().filter(|row| row.is_done_with(until)) {
            groups.entry(row.number).or_default().push(row.log_offset);
        }
        if groups.is_empty() {
            return Ok(Removed { count: 0, next });
        }
        let partitions = BTreeSet::from([partition]);
        let written = self.database().write(&[], async |tx| {
            if owned(tx, me, &partitions).await?.is_empty() {
                let count = 0;
                return Ok(Ending::RollBack(Removed { count, next: None }));
            }
            let mut count = 0;
            for (number, offsets) in &groups {
                count += remove(tx, (partition, *number), offsets, until).await?;
            }
            Ok(Ending::Commit(Removed { count, next }))
        });
        written.await.map_err(before)
    }

    async fn passed(
        &self,
        partition: Partition,
        after: Option<RetentionCursor>,
    ) -> Result<Vec<Passed>, Error> {
        let RetentionCursor(log_offset, number) =
            after.unwrap_or(RetentionCursor(0, StoredNumber(-1)));
        let rows = deliveries::table
            .filter(deliveries::partition.eq(partition.number()))
            // The first condition alone is a range of the index; the second makes it exact.
            .filter(deliveries::log_offset.ge(log_offset))
            .filter(
                deliveries::log_offset
                    .gt(log_offset)
                    .or(deliveries::number.gt(number)),
            )
            .order((deliveries::log_offset, deliveries::number))
            .limit(limit(AT_ONCE))
            .select((
                deliveries::log_offset,
                deliveries::number,
                deliveries::state,
                deliveries::create_time,
                deliveries::update_time,
            ));
        self.database()
            .read(async |tx| Ok(on_conn!(tx, |c| rows.load::<Passed>(c).await)?))
            .await
    }
}

/// Removes those of some deliveries with which it is still done, under the lock of their partition,
/// and says how many: those with this number, of the entries at these offsets.
async fn remove(tx: &mut Tx, place: Numbered, offsets: &[i64], until: i64) -> Result<usize, Error> {
    let done_with = numbered!(deliveries, place, offsets.to_vec())
        .filter(deliveries::state.eq_any(DONE_WITH.map(DeliveryState::word)))
        .filter(deliveries::update_time.le(until))
        .select(deliveries::log_offset);
    let offsets: Vec<i64> = on_conn!(tx, |c| done_with.load(c).await)?;
    let attempts = numbered!(delivery_attempts, place, offsets.clone());
    on_conn!(tx, |c| diesel::delete(attempts).execute(c).await)?;
    let decisions = numbered!(delivery_decisions, place, offsets.clone());
    on_conn!(tx, |c| diesel::delete(decisions).execute(c).await)?;
    let rows = numbered!(deliveries, place, offsets);
    Ok(on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?)
}
