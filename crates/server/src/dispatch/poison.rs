//! Poison deliveries, which end the process that attempts them. All deliveries during which a process
//! ended are suspects. Most of them had nothing to do with it, so they are tried again, one after the
//! other: if one of them does end its process, it does so alone, and only the last one that was begun
//! is blamed. After three times it is given up by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    partition::Partition,
};
use waymark_persistence::LostDelivery;

/// How often a process may end during the same work before that is given up.
pub(super) const TRIES_MAX: u32 = 3;
/// How long one of them is alone, if it is not done before. Poison mostly ends a process before
/// anything is sent. Before the last try of one, and during it, no other is in flight.
const ALONE: Duration = Duration::from_millis(250);

/// Why a poison delivery is given up.
pub(super) const PROBLEM: &str = "the service ended three times while this was being delivered";

/// The suspects in the partitions that are owned.
#[derive(Debug, Default)]
pub(super) struct PoisonSuspects {
    known: BTreeMap<DeliveryId, Suspect>,
    in_flight: BTreeSet<DeliveryId>,
    /// The one that was begun last, and when.
    last: Option<(DeliveryId, Instant)>,
    /// One that was admitted and is not begun yet.
    admitted: Option<DeliveryId>,
}

#[derive(Debug)]
struct Suspect {
    lane: String,
    tries: u32,
}

impl Suspect {
    fn is_at_its_last(&self) -> bool {
        self.tries.saturating_add(1) >= TRIES_MAX
    }
}

impl PoisonSuspects {
    /// Adds the suspects of partitions that are owned from now on. Says which deliveries have to be
    /// given up, and which ones are done with.
    pub(super) fn add(&mut self, lost: Vec<LostDelivery>) -> (Vec<Delivery>, Vec<DeliveryId>) {
        let (mut dead, mut done) = (Vec::new(), Vec::new());
        for LostDelivery { id, tries, waiting } in lost {
            let Some(delivery) = waiting else {
                done.push(id);
                continue;
            };
            let lane = delivery.lane.clone();
            self.known.insert(id, Suspect { lane, tries });
            if tries >= TRIES_MAX {
                tracing::error!(
                    delivery.id = %id,
                    order.id = %delivery.order_id,
                    error = PROBLEM,
                    "poison delivery dead-lettered"
                );
                dead.push(delivery);
            } else {
                tracing::warn!(delivery.id = %id, tries, "process ended during delivery");
            }
        }
        (dead, done)
    }

    /// Forgets those of partitions that are not owned any more.
    pub(super) fn retain(&mut self, owned: &BTreeSet<Partition>) {
        self.known
            .retain(|id, _| owned.contains(&id.position.partition));
    }

    pub(super) fn counts(&self) -> BTreeMap<&str, i64> {
        let mut counts = BTreeMap::new();
        for suspect in self.known.values() {
            *counts.entry(suspect.lane.as_str()).or_default() += 1;
        }
        counts
    }

    pub(super) fn contains(&self, id: DeliveryId) -> bool {
        self.known.contains_key(&id)
    }

    /// Whether a delivery that is in flight is to blame if the process ends now.
    pub(super) fn is_to_blame(&self, id: DeliveryId) -> bool {
        !self.contains(id) || self.last.is_some_and(|(last, _)| last == id)
    }

    pub(super) fn admits(&mut self, id: DeliveryId) -> bool {
        let Some(suspect) = self.known.get(&id) else {
            return true;
        };
        let is_at_its_last = |id: &DeliveryId| {
            let suspect = self.known.get(id);
            suspect.is_some_and(Suspect::is_at_its_last)
        };
        let is_alone = if suspect.is_at_its_last() {
            self.in_flight.is_empty()
        } else {
            !self.in_flight.iter().any(is_at_its_last)
                && self.last.is_none_or(|(_, began)| began.elapsed() >= ALONE)
        };
        if is_alone {
            self.in_flight.insert(id);
            self.last = Some((id, Instant::now()));
            self.admitted = Some(id);
        }
        is_alone
    }

    /// Lets the next one have its turn where the one that was admitted is not begun after all.
    pub(super) fn keep(&mut self, is_begun: impl Fn(DeliveryId) -> bool) {
        if let Some(id) = self.admitted.take().filter(|id| !is_begun(*id)) {
            self.ended(id);
        }
    }

    /// Lets the next one have its turn, after a delivery ended or was not begun after all.
    pub(super) fn ended(&mut self, id: DeliveryId) {
        self.in_flight.remove(&id);
        if self.last.is_some_and(|(last, _)| last == id) {
            self.last = None;
        }
    }

    /// Forgets a delivery, which has survived.
    pub(super) fn clear(&mut self, id: DeliveryId) {
        self.known.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::history::LogPosition;

    use super::*;

    fn id(offset: i64) -> DeliveryId {
        let partition = Partition::new(0);
        DeliveryId {
            position: LogPosition { partition, offset },
            number: 0,
        }
    }

    fn suspects(tries: &[(i64, u32)]) -> PoisonSuspects {
        let known = tries.iter().map(|(offset, tries)| {
            let lane = "webhook.erp".to_owned();
            (
                id(*offset),
                Suspect {
                    lane,
                    tries: *tries,
                },
            )
        });
        PoisonSuspects {
            known: known.collect(),
            ..PoisonSuspects::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_tried_one_after_the_other_and_the_last_one_is_blamed() {
        let mut suspects = suspects(&[(1, 1), (2, 1)]);
        assert!(
            suspects.admits(id(9)) && suspects.is_to_blame(id(9)),
            "no suspect"
        );
        assert!(suspects.admits(id(1)));
        suspects.keep(|begun| begun == id(1));
        assert!(suspects.is_to_blame(id(1)));
        assert!(!suspects.admits(id(2)));
        tokio::time::advance(ALONE).await;
        assert!(suspects.admits(id(2)));
        suspects.keep(|begun| begun == id(2));
        assert!(suspects.is_to_blame(id(2)) && !suspects.is_to_blame(id(1)));
        suspects.ended(id(2));
        suspects.clear(id(2));
        assert!(suspects.admits(id(2)), "it has survived");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_try_is_made_alone() {
        let mut suspects = suspects(&[(1, 1), (2, 2), (3, 1)]);
        assert!(suspects.admits(id(1)));
        suspects.keep(|_| true);
        tokio::time::advance(ALONE * 100).await;
        assert!(!suspects.admits(id(2)));
        suspects.ended(id(1));
        assert!(suspects.admits(id(2)));
        suspects.keep(|_| true);
        tokio::time::advance(ALONE * 100).await;
        assert!(!suspects.admits(id(3)));
        suspects.ended(id(2));
        assert!(suspects.admits(id(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_begun_after_all_holds_up_nobody() {
        let mut suspects = suspects(&[(1, 1), (2, 1)]);
        assert!(suspects.admits(id(1)));
        suspects.keep(|_| false);
        assert!(suspects.admits(id(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_its_last_try_that_is_not_begun_after_all_has_its_turn_again() {
        let mut suspects = suspects(&[(1, 2), (2, 1)]);
        assert!(suspects.admits(id(1)));
        assert!(!suspects.admits(id(2)), "the last try is made alone");
        suspects.keep(|_| false);
        assert!(suspects.admits(id(1)));
        suspects.keep(|_| false);
        assert!(suspects.admits(id(2)));
    }
}
