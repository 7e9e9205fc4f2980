//! The loops beside the dispatcher's own, each a task of its own.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use waymark_domain::partition::Partition;
use waymark_persistence::DispatcherId;

use super::{changes, clocks, parts::Parts, retention, rounds::Rounds, timers};
use crate::{settings::DispatchSettings, supervisor::Supervisor};

/// Spawns the loops, which go by the partitions that are owned. They end with what this gives, so
/// also where the dispatcher panics.
pub(super) fn spawn(
    Parts {
        store,
        committer,
        wake,
        ..
    }: &Parts,
    me: &DispatcherId,
    settings: &DispatchSettings,
    owned: &watch::Receiver<BTreeSet<Partition>>,
    supervisor: &Supervisor,
) -> [AbortOnDropHandle<()>; 4] {
    let rounds = || Rounds::new(settings.poll_interval, owned.clone());
    let retention = retention::run(store.for_bulk(), me.clone(), settings.keep, owned.clone());
    let clocks = clocks::run(store.clone(), wake.clone(), me.clone(), rounds());
    let timers = timers::run(store.clone(), Arc::clone(committer), me.clone(), rounds());
    let changes = changes::run(store.clone(), wake.clone(), me.clone(), rounds());
    [
        supervisor.spawn("retention", retention),
        supervisor.spawn("clocks", clocks),
        supervisor.spawn("timers", timers),
        supervisor.spawn("changes", changes),
    ]
    .map(AbortOnDropHandle::new)
}
