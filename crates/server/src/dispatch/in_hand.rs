//! What a dispatcher has in hand.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tokio::task::{self, JoinError, JoinSet};
use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    partition::Partition,
};

use super::carrier::Carried;

/// The deliveries that are in hand: from the look that found them until what came of them is
/// noted.
#[derive(Default)]
pub(super) struct InHand {
    pub(super) tasks: JoinSet<Carried>,
    /// Which delivery a task carries.
    by_task: HashMap<task::Id, Delivery>,
    pub(super) ids: HashSet<DeliveryId>,
    lanes: BTreeMap<String, Load>,
}

/// How many deliveries of a lane are in hand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// All of them.
    pub(super) known: usize,
    /// Those of which an attempt is being made.
    pub(super) tried: usize,
}

/// A task that has ended, in one way or another.
pub(super) type Ended = Result<(task::Id, Carried), JoinError>;

impl InHand {
    pub(super) fn spawn(
        &mut self,
        delivery: Delivery,
        attempt: impl Future<Output = Carried> + Send + 'static,
    ) {
        let id = self.tasks.spawn(attempt).id();
        self.by_task.insert(id, delivery);
    }

    /// What a task came to; none where it panicked, and its delivery is found due again.
    pub(super) fn settle(&mut self, ended: Ended) -> Option<Carried> {
        match ended {
            Ok((id, carried)) => {
                if let Some(delivery) = self.by_task.remove(&id) {
                    self.tried(&delivery);
                }
                Some(carried)
            }
            Err(error) => {
                tracing::error!(error = %error, "an attempt did not end well");
                if let Some(delivery) = self.by_task.remove(&error.id()) {
                    self.tried(&delivery);
                    self.end(&delivery);
                }
                None
            }
        }
    }

    fn tried(&mut self, delivery: &Delivery) {
        if let Some(load) = self.lanes.get_mut(&delivery.to.lane()) {
            load.tried = load.tried.saturating_sub(1);
        }
    }

    pub(super) fn begin(&mut self, delivery: &Delivery) -> bool {
        let is_new = self.ids.insert(delivery.id);
        if is_new {
            let load = self.lanes.entry(delivery.to.lane()).or_default();
            load.known += 1;
            load.tried += 1;
        }
        is_new
    }

    pub(super) fn end(&mut self, delivery: &Delivery) {
        self.ids.remove(&delivery.id);
        let lane = delivery.to.lane();
        if let Some(load) = self.lanes.get_mut(&lane) {
            load.known = load.known.saturating_sub(1);
            if load.known == 0 {
                self.lanes.remove(&lane);
            }
        }
    }

    pub(super) fn in_lane(&self, lane: &str) -> Load {
        self.lanes.get(lane).copied().unwrap_or_default()
    }

    pub(super) fn partitions(&self) -> BTreeSet<Partition> {
        let partitions = self.ids.iter().map(|id| id.position.partition);
        partitions.collect()
    }
}
