//! The one way to write orders: handlers queue units, a few committers take all
//! that wait and commit them together. One step alone never waits for company,
//! and a full queue refuses at once. What takes long is committed in several
//! transactions, in which others have their turn too.
//!
//! A unit waits for the database as long as patience lasts, counted from when it was queued, or
//! from when something of it was done last: who comes behind others does not wait for theirs too.

mod stop;
#[cfg(test)]
mod tests;
mod units;
mod weight;
mod worker;

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{
        Semaphore,
        mpsc::{self, error::TrySendError},
    },
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waymark_domain::partition::Partition;
use waymark_persistence::{Store, Unit};

pub use self::units::{SubmitError, Ticket};
use self::{
    stop::StopDeadline,
    units::{QueuedUnit, queued},
    worker::Worker,
};
use crate::{
    history::Log, liveness::Liveness, settings::CommitSettings, supervisor::Supervisor,
    threads::DedicatedRuntime, wake::Wake,
};

/// The queues in front of the committers. Every partition belongs to one of them.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    queues: Vec<mpsc::Sender<QueuedUnit>>,
    /// The room for all units that wait or are under way, by weight.
    room: Arc<Semaphore>,
    stop: StopDeadline,
    closing: CancellationToken,
    workers: TaskTracker,
    runtime: DedicatedRuntime,
}

/// The committers before they run.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

impl Committer {
    /// Lays out the queues; nothing is committed before the workers start.
    ///
    /// # Errors
    /// Returns the error of the system when it has no thread for them.
    pub(crate) fn new(
        store: &Store,
        log: &Arc<Log>,
        wake: &Wake,
        liveness: &Arc<Liveness>,
        settings: &CommitSettings,
    ) -> io::Result<(Self, Workers)> {
        let (stop, closing) = (StopDeadline::default(), CancellationToken::new());
        let count = settings.committers.max(1);
        let worker = |index, queue| Worker {
            store: store.clone(),
            log: Arc::clone(log),
            wake: wake.clone(),
            liveness: Arc::clone(liveness),
            queue,
            stop: stop.clone(),
            closing: closing.clone(),
            patience: store.commit_patience(),
            batch_steps_max: settings.batch_steps_max,
            partitions: store
                .partition_count()
                .all()
                .filter(|partition| index_of(*partition, count) == index)
                .collect(),
            left: VecDeque::new(),
            is_stalled: false,
            loading: JoinSet::new(),
            last_steps: 0,
            is_hopeless: false,
        };
        let (queues, workers) = (0..count)
            .map(|index| {
                let (sender, receiver) = mpsc::channel(settings.queue_units_max);
                (sender, worker(index, receiver))
            })
            .unzip();
        let committer = Self {
            store: store.clone(),
            queues,
            room: Arc::new(Semaphore::new(weight::WEIGHT_MAX)),
            stop,
            closing,
            workers: TaskTracker::new(),
            runtime: DedicatedRuntime::open("commits")?,
        };
        Ok((committer, Workers(workers)))
    }

    /// Starts the workers.
    pub(crate) fn start(&self, workers: Workers, supervisor: &Supervisor) {
        for worker in workers.0 {
            let working = supervisor.watch("committer", worker.run(Handle::current()));
            self.workers.spawn_on(working, self.runtime.handle());
        }
        self.workers.close();
    }

    /// Queues a unit at once.
    ///
    /// # Errors
    /// Returns [`SubmitError::Overloaded`] or [`SubmitError::ShuttingDown`].
    pub(crate) fn hand_over(&self, unit: Unit) -> Result<Ticket, SubmitError> {
        let queue = self.queue_of(&unit)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(weight::of_unit(&unit));
        let room = room.map_err(|_| SubmitError::Overloaded)?;
        let (unit, ticket) = queued(unit, room);
        match queue.try_send(unit) {
            Ok(()) => Ok(ticket),
            Err(TrySendError::Full(_)) => Err(SubmitError::Overloaded),
            Err(TrySendError::Closed(_)) => Err(SubmitError::ShuttingDown),
        }
    }

    /// Queues a unit as soon as there is room.
    ///
    /// # Errors
    /// Returns [`SubmitError::ShuttingDown`].
    pub(crate) async fn hand_over_when_room(&self, unit: Unit) -> Result<Ticket, SubmitError> {
        let queue = self.queue_of(&unit)?;
        let room = Arc::clone(&self.room).acquire_many_owned(weight::of_unit(&unit));
        let room = room.await.map_err(|_| SubmitError::ShuttingDown)?;
        let (unit, ticket) = queued(unit, room);
        let sent = queue.send(unit).await;
        sent.map(|()| ticket).map_err(|_| SubmitError::ShuttingDown)
    }

    /// Returns when the deadline of a stopping server has passed. Before that, all that was taken is answered: what is
    /// not begun by half of the time is refused, and so is what waits behind a database that does not answer; of what is
    /// under way at the end it is not known whether it was written.
    pub(crate) async fn hurry(&self, deadline: Duration) {
        self.stop.pass(deadline).await;
    }

    /// Waits until a stopping server has to answer everybody, as far as it can.
    pub(crate) async fn over(&self) {
        self.stop.over().await;
    }

    /// Takes nothing more, and waits until everything that was taken is answered.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.workers.wait().await;
    }

    /// A unit belongs to the partition of its first step; the store locks the others that it touches.
    fn queue_of(&self, unit: &Unit) -> Result<&mpsc::Sender<QueuedUnit>, SubmitError> {
        let index = unit.steps.first().map_or(0, |step| {
            let partition = self.store.partition_of(&step.workflow, &step.order_id);
            index_of(partition, self.queues.len())
        });
        self.queues.get(index).ok_or(SubmitError::ShuttingDown)
    }
}

/// The index of the committer, of so many, that a partition belongs to.
fn index_of(partition: Partition, committers: usize) -> usize {
    usize::try_from(partition.number()).unwrap_or(0) % committers.max(1)
}
