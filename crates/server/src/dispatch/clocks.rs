//! Keeps what a clock has put off that was ahead from waiting until the right clock gets there:
//! waits for another attempt, and for timers, count from when this is seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;
use waymark_domain::{order::Moment, partition::Partition, value::Timestamp};
use waymark_persistence::{DispatcherId, Error};

use super::{
    Failing,
    rounds::{FailingParts, Rounds, is_of_all},
};
use crate::App;

/// Looks again and again whether the log of a partition that is carried is ahead of the clock.
pub(super) async fn run(app: Arc<App>, me: DispatcherId, mut rounds: Rounds) {
    let mut failing = Failing::default();
    let mut watch = Watch {
        app,
        me,
        seen: BTreeMap::new(),
        last: None,
        parts: FailingParts::new("what a clock has put off in a partition cannot be found"),
    };
    loop {
        let partitions = rounds.next().await;
        let looked = watch.look(&partitions).await;
        failing.note("what a clock has put off cannot be found", looked);
    }
}

/// A partition in which something may wait for a time that is not right.
struct Part {
    partition: Partition,
    /// Whether its deliveries have to be looked at apart from those of others.
    apart: bool,
    /// Whether its log is ahead of the clock.
    is_ahead: bool,
}

struct Watch {
    app: Arc<App>,
    me: DispatcherId,
    /// The newest times of the logs that were put right.
    seen: BTreeMap<Partition, Timestamp>,
    /// What the clock said at the last look, and when that was.
    last: Option<(Timestamp, Instant)>,
    parts: FailingParts,
}

impl Watch {
    async fn look(&mut self, owned: &BTreeSet<Partition>) -> Result<(), Error> {
        let clock = self.app.store.clock().now();
        if self.went_back(clock) {
            self.seen.clear();
        }
        self.seen.retain(|partition, _| owned.contains(partition));
        if owned.is_empty() {
            return Ok(());
        }
        let heads = self.app.store.history_heads().await?;
        let heads = heads
            .iter()
            .map(|head| (head.position.partition, head.create_time));
        let heads: BTreeMap<_, _> = heads.collect();
        let mut ahead = BTreeSet::new();
        let mut doubtful = BTreeSet::new();
        for partition in owned {
            let time = heads.get(partition).copied().unwrap_or_default();
            let by = Moment { time, clock }.ahead_micros();
            if let Some(by) = by {
                self.app.store.warn_ahead(*partition, by);
            }
            // As long as it stays where it is, nobody's clock is ahead any more.
            let is_new = match self.seen.get(partition) {
                None => true,
                Some(seen) => by.is_some() && *seen != time,
            };
            if is_new {
                doubtful.insert(*partition);
                ahead.extend(by.map(|_| *partition));
            }
        }
        if doubtful.is_empty() {
            return Ok(());
        }
        let (mut deliveries, mut orders) = (0, 0);
        // Together first: as a rule there is nothing to do, in many partitions.
        let all = self.app.store.put_deliveries_right(&self.me, &doubtful);
        let apart = match all.await {
            Ok(count) => {
                deliveries += count;
                false
            }
            Err(error) if is_of_all(&error) => return Err(error),
            Err(_) => true,
        };
        for partition in doubtful {
            let part = Part {
                partition,
                apart,
                is_ahead: ahead.contains(&partition),
            };
            let outcome = self.put_right(part, (&mut deliveries, &mut orders)).await;
            if outcome.is_ok() {
                let time = heads.get(&partition).copied().unwrap_or_default();
                self.seen.insert(partition, time);
            }
            self.parts.note(partition, outcome)?;
        }
        if deliveries + orders > 0 {
            tracing::warn!(
                deliveries,
                orders,
                "the clock was ahead; what waits is put right"
            );
            self.app.wake.now();
        }
        Ok(())
    }

    /// Puts right what waits in a partition, and counts it.
    async fn put_right(
        &self,
        part: Part,
        (deliveries, orders): (&mut usize, &mut usize),
    ) -> Result<(), Error> {
        let store = &self.app.store;
        if part.apart {
            let alone = BTreeSet::from([part.partition]);
            *deliveries += store.put_deliveries_right(&self.me, &alone).await?;
        }
        if part.is_ahead {
            *orders += store.look_at_orders_of_the_future(part.partition).await?;
        }
        Ok(())
    }

    /// Whether the clock says less than when it was read last, and time has passed since.
    fn went_back(&mut self, clock: Timestamp) -> bool {
        let now = Instant::now();
        let last = self.last.replace((clock, now));
        last.is_some_and(|(last, at)| {
            let passed = i64::try_from(now.duration_since(at).as_micros()).unwrap_or(i64::MAX);
            let expected = last.micros().saturating_add(passed);
            Moment {
                time: Timestamp::from_micros(expected),
                clock,
            }
            .ahead_micros()
            .is_some()
        })
    }
}
