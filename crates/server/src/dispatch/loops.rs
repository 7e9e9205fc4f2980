//! The loops beside that of the dispatcher, each a task of its own.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use waymark_domain::partition::Partition;

use super::{Dispatcher, changes, clocks, retention, rounds::Rounds, timers};
use crate::supervisor::Supervisor;

impl Dispatcher {
    /// Spawns the loops, which go by what is told to be carried. They end with what this gives, so
    /// also where the dispatcher panics.
    pub(super) fn spawn_loops(
        &self,
        owned: &watch::Receiver<BTreeSet<Partition>>,
        supervisor: &Supervisor,
    ) -> [AbortOnDropHandle<()>; 4] {
        let (app, me) = (&self.app, self.tenure.me());
        let rounds = || Rounds::new(self.settings.poll_interval, owned.clone());
        let retention = retention::run(
            self.store.for_bulk(),
            me.clone(),
            self.settings.keep,
            owned.clone(),
        );
        let clocks = clocks::run(Arc::clone(app), me.clone(), rounds());
        let timers = timers::run(Arc::clone(app), me.clone(), rounds());
        let changes = changes::run(Arc::clone(app), me.clone(), rounds());
        [
            supervisor.spawn("retention", retention),
            supervisor.spawn("clocks", clocks),
            supervisor.spawn("timers", timers),
            supervisor.spawn("changes", changes),
        ]
        .map(AbortOnDropHandle::new)
    }
}
