//! The one way to write orders: handlers queue units, a few committers take all
//! that wait and commit them together. One step alone never waits for company,
//! and a full queue refuses at once.

use std::{collections::BTreeSet, io, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waymark_domain::partition::Partition;
use waymark_persistence::{BatchOutcome, Batched, CommitError, Store, Unit, UnitOutcome};

use crate::{
    dispatch::Wake, error, history::Log, lane::Lane, settings::CommitSettings, vitals::Vitals,
};

/// Why a unit was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many units wait already; nothing was written.
    #[error("too many writes wait already")]
    Overloaded,
    /// The server stops; nothing was written.
    #[error("the server is stopping")]
    ShuttingDown,
    /// The commit failed.
    #[error("the commit failed")]
    Commit(#[from] CommitError),
}

/// A place in the queue.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<UnitOutcome, CommitError>>);

impl Ticket {
    /// Waits for the outcome. A unit whose ticket is dropped before its batch is put together is not executed;
    /// from then on it is, whether or not anybody waits.
    ///
    /// # Errors
    /// Returns [`SubmitError::Commit`] when the commit failed.
    pub async fn outcome(self) -> Result<UnitOutcome, SubmitError> {
        // A committer that vanishes without an answer was torn down in the middle of its work.
        let outcome = self.0.await.unwrap_or(Err(CommitError::OutcomeUnknown));
        outcome.map_err(SubmitError::Commit)
    }
}

#[derive(Debug)]
struct Waiting {
    unit: Unit,
    answer: oneshot::Sender<Result<UnitOutcome, CommitError>>,
}

/// The queues in front of the committers. Every partition belongs to one of them.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    queues: Vec<mpsc::Sender<Waiting>>,
    closing: CancellationToken,
    workers: TaskTracker,
    lane: Lane,
}

/// The committers before they run.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    store: Store,
    log: Arc<Log>,
    wake: Wake,
    vitals: Arc<Vitals>,
    queue: mpsc::Receiver<Waiting>,
    closing: CancellationToken,
    batch_steps_max: usize,
    /// The partitions of this worker.
    partitions: Vec<Partition>,
    /// What could not join the last batch, and begins the next.
    next: Option<Waiting>,
    /// How many steps the last batch had.
    last_steps: usize,
}

impl Committer {
    /// Lays out the queues; nothing is committed before the workers start.
    ///
    /// # Errors
    /// Returns the error of the system when it has no thread for them.
    pub(crate) fn new(
        store: &Store,
        log: &Arc<Log>,
        wake: &Wake,
        vitals: &Arc<Vitals>,
        settings: &CommitSettings,
    ) -> io::Result<(Self, Workers)> {
        let closing = CancellationToken::new();
        let count = settings.committers.max(1);
        let worker = |index, queue| Worker {
            store: store.clone(),
            log: Arc::clone(log),
            wake: wake.clone(),
            vitals: Arc::clone(vitals),
            queue,
            closing: closing.clone(),
            batch_steps_max: settings.batch_steps_max,
            partitions: store
                .partition_count()
                .all()
                .filter(|partition| index_of(*partition, count) == index)
                .collect(),
            next: None,
            last_steps: 0,
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
            closing,
            workers: TaskTracker::new(),
            lane: Lane::open("commits")?,
        };
        Ok((committer, Workers(workers)))
    }

    /// Starts the workers.
    pub(crate) fn start(&self, workers: Workers) {
        for worker in workers.0 {
            self.workers.spawn_on(worker.run(), self.lane.handle());
        }
        self.workers.close();
    }

    /// Queues a unit at once.
    ///
    /// # Errors
    /// Returns [`SubmitError::Overloaded`] or [`SubmitError::ShuttingDown`].
    pub(crate) fn hand_over(&self, unit: Unit) -> Result<Ticket, SubmitError> {
        let (answer, ticket) = oneshot::channel();
        let queue = self.queue_of(&unit)?;
        match queue.try_send(Waiting { unit, answer }) {
            Ok(()) => Ok(Ticket(ticket)),
            Err(TrySendError::Full(_)) => Err(SubmitError::Overloaded),
            Err(TrySendError::Closed(_)) => Err(SubmitError::ShuttingDown),
        }
    }

    /// Queues a unit as soon as there is room.
    ///
    /// # Errors
    /// Returns [`SubmitError::ShuttingDown`].
    pub(crate) async fn hand_over_when_room(&self, unit: Unit) -> Result<Ticket, SubmitError> {
        let (answer, ticket) = oneshot::channel();
        let queue = self.queue_of(&unit)?;
        let sent = queue.send(Waiting { unit, answer }).await;
        sent.map(|()| Ticket(ticket))
            .map_err(|_| SubmitError::ShuttingDown)
    }

    /// Takes nothing more, and waits until everything that was taken is answered.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.workers.wait().await;
    }

    /// A unit belongs to the partition of its first step; the store locks the others that it touches.
    fn queue_of(&self, unit: &Unit) -> Result<&mpsc::Sender<Waiting>, SubmitError> {
        let index = unit.steps.first().map_or(0, |step| {
            let partition = self.store.partition_of(&step.workflow, &step.order_id);
            index_of(partition, self.queues.len())
        });
        self.queues.get(index).ok_or(SubmitError::ShuttingDown)
    }
}

/// Which of so many committers a partition belongs to.
fn index_of(partition: Partition, committers: usize) -> usize {
    usize::try_from(partition.number()).unwrap_or(0) % committers.max(1)
}

impl Worker {
    async fn run(mut self) {
        if let Err(error) = self.store.warm_up().await {
            // The first commit tries again, with patience.
            tracing::warn!(
                error = error::chain(&error),
                "commits have no connection yet"
            );
        }
        let closing = self.closing.clone();
        let mut open = true;
        loop {
            if let Some(first) = self.next.take() {
                self.commit(first).await;
                continue;
            }
            tokio::select! {
                () = closing.cancelled(), if open => {
                    open = false;
                    self.queue.close();
                }
                first = self.queue.recv() => match first {
                    Some(first) => self.commit(first).await,
                    None => return,
                }
            }
        }
    }

    /// Commits the unit and all others that wait.
    async fn commit(&mut self, first: Waiting) {
        let mut batch = Batch::default();
        batch.take(first);
        self.gather(&mut batch, |_| true);
        let units = std::mem::take(&mut batch.units);
        if units.is_empty() {
            return;
        }
        // Under load, what comes while the batch waits for its locks shall find them held.
        let locks = if self.last_steps.max(batch.steps) > 1 {
            self.partitions.clone()
        } else {
            Vec::new()
        };
        let store = self.store.clone();
        let committed = store.commit_joined(units, &locks, |fits| {
            self.gather(&mut batch, fits);
            std::mem::take(&mut batch.units)
        });
        // A panic costs one batch and not the committer.
        let committed = AssertUnwindSafe(committed).catch_unwind().await;
        self.last_steps = batch.steps;
        let BatchOutcome { units, written } = committed.unwrap_or_else(|_| {
            tracing::error!("a batch did not end well");
            BatchOutcome {
                units: vec![Err(CommitError::OutcomeUnknown); batch.answers.len()],
                written: Vec::new(),
            }
        });
        self.tell(&units, written);
        for (answer, outcome) in batch.answers.into_iter().zip(units) {
            // A caller that went away misses only the answer.
            let _ = answer.send(outcome);
        }
    }

    /// Takes what waits, up to a full batch, or to a unit that does not fit, which begins the next.
    fn gather(&mut self, batch: &mut Batch, fits: impl Fn(&Unit) -> bool) {
        while self.next.is_none()
            && batch.steps < self.batch_steps_max
            && let Ok(waiting) = self.queue.try_recv()
        {
            if fits(&waiting.unit) {
                batch.take(waiting);
            } else {
                self.next = Some(waiting);
            }
        }
    }

    /// Hands what was written to the readers, here and, as a hint, in other replicas, and notes how the database fares.
    fn tell(&self, outcomes: &[Result<UnitOutcome, CommitError>], written: Vec<Batched>) {
        let partitions = written.iter().map(|entry| entry.logged.position.partition);
        let grown: BTreeSet<Partition> = partitions.collect();
        let unknown = outcomes
            .iter()
            .any(|outcome| matches!(outcome, Err(CommitError::OutcomeUnknown)));
        if unknown {
            self.log.wake_all();
        }
        if !grown.is_empty() {
            self.wake.written(&written);
            self.log.hand_over(written);
            self.store.notify(&grown.into_iter().collect::<Vec<_>>());
        }
        let lost = outcomes.iter().any(|outcome| {
            matches!(
                outcome,
                Err(CommitError::Unavailable | CommitError::OutcomeUnknown)
            )
        });
        self.vitals.report(!lost);
    }
}

/// Units that are committed together, and who waits for them.
#[derive(Debug, Default)]
struct Batch {
    units: Vec<Unit>,
    answers: Vec<oneshot::Sender<Result<UnitOutcome, CommitError>>>,
    steps: usize,
}

impl Batch {
    /// Adds a unit, unless nobody waits for it any more: its caller went away, or its deadline
    /// has passed.
    fn take(&mut self, waiting: Waiting) {
        if !waiting.answer.is_closed() {
            self.steps += waiting.unit.steps.len();
            self.units.push(waiting.unit);
            self.answers.push(waiting.answer);
        }
    }
}

#[cfg(test)]
mod tests;
