//! Lanes in which nothing can be looked for: each pauses alone, while the others go on.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use waymark_domain::partition::Partition;
use waymark_persistence::{DispatcherId, Due, Error, Store};

use super::pauses::Pauses;
use crate::error::chain;

/// The lanes that fail.
#[derive(Debug, Default)]
pub(super) struct FailingLanes(Pauses<String>);

impl FailingLanes {
    /// Finds what is due in some lanes, each with its limit: in all together, and where that fails,
    /// in one after the other.
    pub(super) async fn find_due(
        &mut self,
        (store, me): (&Store, &DispatcherId),
        partitions: &BTreeSet<Partition>,
        limits: &BTreeMap<String, i64>,
    ) -> Result<Due, Error> {
        if limits.is_empty() {
            return Ok(Due::default());
        }
        match store.due_in_lanes(me, partitions, limits.clone()).await {
            Ok(due) => {
                for lane in limits.keys() {
                    self.works(lane);
                }
                return Ok(due);
            }
            Err(error) if error.is_of_data() => {}
            Err(error) => return Err(error),
        }
        let mut all = Due::default();
        for (lane, limit) in limits {
            let alone = BTreeMap::from([(lane.clone(), *limit)]);
            match store.due_in_lanes(me, partitions, alone).await {
                Ok(due) => {
                    self.works(lane);
                    all.deliveries.extend(due.deliveries);
                    all.unreadable.extend(due.unreadable);
                }
                Err(error) if error.is_of_data() => self.fails(lane, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn fails(&mut self, lane: &str, error: &Error) {
        let error = chain(error);
        if self.0.failed(lane.to_owned()) {
            tracing::warn!(
                delivery.lane = lane,
                error,
                "deliveries cannot be looked for; the lane pauses, others go on"
            );
        } else {
            tracing::debug!(
                delivery.lane = lane,
                error,
                "deliveries cannot be looked for"
            );
        }
    }

    fn works(&mut self, lane: &str) {
        if self.0.worked(lane) {
            tracing::info!(delivery.lane = lane, "deliveries can be looked for again");
        }
    }

    /// Whether a lane pauses.
    pub(super) fn is_paused(&self, lane: &str) -> bool {
        self.0.is_paused(lane)
    }

    /// When the pause of a lane ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.next()
    }

    /// Forgets lanes in which nothing waits; those that do are sorted.
    pub(super) fn retain(&mut self, busy: &[String]) {
        self.0.retain(|lane| busy.binary_search(lane).is_ok());
    }
}
