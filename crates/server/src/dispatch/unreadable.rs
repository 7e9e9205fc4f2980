//! What polls cannot read: a lane that cannot be polled pauses alone, while the others go on, and
//! deliveries whose rows cannot be read become dead letters, since nobody can send them.

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
};

use tokio::time::Instant;
use waymark_domain::partition::Partition;
use waymark_persistence::{DispatcherId, Due, Error, Store, UnreadableDelivery};

use super::pauses::Pauses;
use crate::telemetry::chain;

/// How many are given up in one transaction.
const AT_ONCE: usize = 200;

#[derive(Debug, Default)]
pub(super) struct PausedLanes(Pauses<String>);

impl PausedLanes {
    /// Finds what is due in lanes, each with its limit: in all together, and where that fails, in each.
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
                "lane poll failed; the lane pauses"
            );
        } else {
            tracing::debug!(delivery.lane = lane, error, "lane poll failed");
        }
    }

    fn works(&mut self, lane: &str) {
        if self.0.worked(lane) {
            tracing::info!(delivery.lane = lane, "lane poll works again");
        }
    }

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

/// Gives deliveries up whose rows cannot be read, and remembers for which the database refuses it.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Pauses<String>);

impl Unreadable {
    /// Gives up what was found, and says how many that were.
    pub(super) async fn give_up(
        &mut self,
        (store, me): (&Store, &DispatcherId),
        mut found: Vec<UnreadableDelivery>,
    ) -> Result<usize, Error> {
        found.retain(|one| !self.0.is_paused(&one.id));
        let mut given_up = 0;
        for part in found.chunks(AT_ONCE) {
            match store.give_up_unreadable(me, part).await {
                Ok(count) => given_up += count,
                Err(error) if error.is_of_data() => {
                    given_up += self.one_by_one((store, me), part).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(given_up)
    }

    async fn one_by_one(
        &mut self,
        (store, me): (&Store, &DispatcherId),
        found: &[UnreadableDelivery],
    ) -> Result<usize, Error> {
        let mut given_up = 0;
        for one in found {
            match store.give_up_unreadable(me, slice::from_ref(one)).await {
                Ok(count) => {
                    self.0.worked(&one.id);
                    given_up += count;
                }
                Err(error) if error.is_of_data() => self.keep(one, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(given_up)
    }

    /// Leaves one alone for a while that cannot even be given up.
    fn keep(&mut self, one: &UnreadableDelivery, error: &Error) {
        if self.0.failed(one.id.clone()) {
            tracing::error!(
                delivery.id = one.id,
                order.id = one.order_id,
                problem = one.problem,
                error = chain(error),
                "unreadable delivery not dead-lettered"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use waymark_persistence::test_access::execute;

    use super::*;
    use crate::tests::store;

    /// Lets columns be empty that never are, and writes a delivery of each lane, of which one has no
    /// sequence: no row of its lane can be read then.
    const BROKEN: &str = "
        ALTER TABLE deliveries RENAME TO strict_deliveries;
        CREATE TABLE deliveries AS SELECT * FROM strict_deliveries;
        INSERT INTO deliveries VALUES
            (0, 1, 0, 1, 'email', 'w', '1', NULL, 1, NULL, 'create.a', 'email', 'customer', 'pending', 0, '', 0, 0, 0),
            (0, 2, 0, 2, 'publish', 'w', '2', 1, 1, NULL, 'create.a', 'publish', '', 'pending', 0, '', 0, 0, 0)";

    #[tokio::test]
    async fn a_lane_that_fails_pauses_alone() {
        let (_directory, store) = store().await;
        execute(&store, BROKEN).await.unwrap();
        let me = DispatcherId::random();
        let partitions = store.partition_count().all().collect();
        let limits = ["email", "publish"].map(|lane| (lane.to_owned(), 9));
        let limits = BTreeMap::from(limits);
        let mut lanes = PausedLanes::default();
        let due = lanes.find_due((&store, &me), &partitions, &limits).await;
        let found = |due: Due| -> Vec<String> {
            let lanes = due.deliveries.into_iter().map(|delivery| delivery.lane);
            lanes.collect()
        };
        assert_eq!(found(due.unwrap()), ["publish"]);
        assert!(lanes.is_paused("email") && !lanes.is_paused("publish"));
        assert!(lanes.next().is_some());

        let mended = "UPDATE deliveries SET sequence = 1";
        execute(&store, mended).await.unwrap();
        let due = lanes.find_due((&store, &me), &partitions, &limits).await;
        let mut both = found(due.unwrap());
        both.sort_unstable();
        assert_eq!(both, ["email", "publish"]);
        assert!(!lanes.is_paused("email") && lanes.next().is_none());
    }
}
