//! The rounds of the loops beside the dispatcher's own, each over the partitions that are owned.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};
use waymark_domain::partition::Partition;

pub(super) struct Rounds {
    tick: Interval,
    owned: watch::Receiver<BTreeSet<Partition>>,
}

impl Rounds {
    pub(super) fn new(period: Duration, owned: watch::Receiver<BTreeSet<Partition>>) -> Self {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, owned }
    }

    /// Waits for the next round, and gives the partitions that are owned then.
    pub(super) async fn next(&mut self) -> BTreeSet<Partition> {
        self.tick.tick().await;
        self.owned.borrow().clone()
    }
}
