//! Corrects what a clock has put off that was ahead, so that nothing waits until the right clock gets
//! there: waits for another attempt, and for timers, count from when this is seen.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use waymark_domain::{history::Moment, partition::Partition, value::Timestamp};
use waymark_persistence::{DispatcherId, Error, Store};

use super::{
    loops::{LogOnce, Rounds, is_of_all},
    pauses::later,
};
use crate::wake::Wake;

const FAILED: &str = "clock correction failed";

/// Checks again and again whether the log of a partition that is owned is ahead of the clock.
pub(super) async fn run(store: Store, wake: Wake, me: DispatcherId, mut rounds: Rounds) {
    let mut watch = ClockWatch {
        store,
        wake,
        me,
        seen: BTreeMap::new(),
        last: None,
        failures: LogOnce::default(),
    };
    loop {
        let partitions = rounds.next().await;
        let checked = watch.check(&partitions).await;
        watch.failures.note(FAILED, checked);
    }
}

/// A partition in which something may wait for a time that is not right.
struct Part {
    partition: Partition,
    /// Whether its deliveries have to be corrected apart from those of others.
    apart: bool,
    /// Whether its log is ahead of the clock.
    is_ahead: bool,
}

struct ClockWatch {
    store: Store,
    wake: Wake,
    me: DispatcherId,
    /// The newest times of the logs that were corrected.
    seen: BTreeMap<Partition, Timestamp>,
    /// The time of the clock at the last check, and when that was.
    last: Option<(Timestamp, Instant)>,
    failures: LogOnce,
}

impl ClockWatch {
    async fn check(&mut self, owned: &BTreeSet<Partition>) -> Result<(), Error> {
        let clock = self.store.clock().now();
        if self.went_back(clock) {
            self.seen.clear();
        }
        self.seen.retain(|partition, _| owned.contains(partition));
        if owned.is_empty() {
            return Ok(());
        }
        let heads = self.store.history_heads().await?;
        let heads = heads.iter();
        let heads = heads.map(|head| (head.position.partition, head.create_time));
        let heads: BTreeMap<_, _> = heads.collect();
        let mut ahead = BTreeSet::new();
        let mut unchecked = BTreeSet::new();
        for partition in owned {
            let time = heads.get(partition).copied().unwrap_or_default();
            let by = Moment { time, clock }.ahead_micros();
            if let Some(by) = by {
                self.store.warn_ahead(*partition, by);
            }
            // As long as it stays where it is, nobody's clock is ahead any more.
            let is_new = match self.seen.get(partition) {
                None => true,
                Some(seen) => by.is_some() && *seen != time,
            };
            if is_new {
                unchecked.insert(*partition);
                ahead.extend(by.map(|_| *partition));
            }
        }
        if unchecked.is_empty() {
            return Ok(());
        }
        let (mut deliveries, mut orders) = (0, 0);
        // Together first: as a rule there is nothing to do, in many partitions.
        let all = self.store.correct_delivery_times(&self.me, &unchecked);
        let apart = match all.await {
            Ok(count) => {
                deliveries += count;
                false
            }
            Err(error) if is_of_all(&error) => return Err(error),
            Err(_) => true,
        };
        for partition in unchecked {
            let part = Part {
                partition,
                apart,
                is_ahead: ahead.contains(&partition),
            };
            let outcome = self.correct(part, (&mut deliveries, &mut orders)).await;
            if outcome.is_ok() {
                let time = heads.get(&partition).copied().unwrap_or_default();
                self.seen.insert(partition, time);
            }
            self.failures.note_in(partition, FAILED, outcome)?;
        }
        if deliveries + orders > 0 {
            tracing::warn!(deliveries, orders, "clock was ahead: waits corrected");
            self.wake.now();
        }
        Ok(())
    }

    /// Corrects and counts what waits in a partition.
    async fn correct(
        &self,
        part: Part,
        (deliveries, orders): (&mut usize, &mut usize),
    ) -> Result<(), Error> {
        let store = &self.store;
        if part.apart {
            let alone = BTreeSet::from([part.partition]);
            *deliveries += store.correct_delivery_times(&self.me, &alone).await?;
        }
        if part.is_ahead {
            *orders += store.correct_order_times(part.partition).await?;
        }
        Ok(())
    }

    /// Whether the clock says less than when it was read last, and time has passed since.
    fn went_back(&mut self, clock: Timestamp) -> bool {
        let now = Instant::now();
        let last = self.last.replace((clock, now));
        last.is_some_and(|(last, at)| {
            let time = later(last, now.duration_since(at));
            Moment { time, clock }.ahead_micros().is_some()
        })
    }
}
