//! The one way to write orders: handlers queue units, a few committers take all
//! that wait and commit them together. One step alone never waits for company,
//! and a full queue refuses at once. What takes long is committed in several
//! transactions, in which others have their turn too.
//!
//! A unit waits for the database as long as patience lasts, counted from when it was queued, or
//! from when something of it was done last: who comes behind others does not wait for theirs too.

mod batch;
mod stop;
mod weight;

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waymark_domain::{partition::Partition, value::WorkflowCode};
use waymark_persistence::{
    Batched, CommitError, Error, Hint, Store, Unit, UnitOutcome, UnitProgress, UnitState,
};

use self::{
    batch::{Batch, Begun, has_gone_on, unknown},
    stop::Stop,
};
use crate::{
    dispatch::Wake, error, history::Log, lane::Lane, settings::CommitSettings,
    supervisor::Supervisor, vitals::Vitals,
};

/// How much patience a unit has at least when it is begun, and with how much it is not begun again.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

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
pub struct Ticket(oneshot::Receiver<Result<UnitOutcome, SubmitError>>);

impl Ticket {
    /// Waits for the outcome. A unit whose ticket is dropped before its batch is put together is not executed;
    /// from then on it is, whether or not anybody waits.
    ///
    /// # Errors
    /// Returns [`SubmitError::Commit`] when the commit failed, and [`SubmitError::ShuttingDown`]
    /// when the committer ended, or the server stops, and nothing of it was done.
    pub async fn outcome(self) -> Result<UnitOutcome, SubmitError> {
        // A process that is torn down leaves no answer.
        let torn = Err(SubmitError::Commit(CommitError::OutcomeUnknown));
        self.0.await.unwrap_or(torn)
    }
}

/// Where the outcome of a unit is told. It is told also when a committer ends in the middle of its
/// work: whether something of the unit may have been written.
#[derive(Debug)]
struct Answer {
    ticket: Option<oneshot::Sender<Result<UnitOutcome, SubmitError>>>,
    /// Whether the unit came into a batch.
    is_begun: bool,
}

impl Answer {
    /// Whether nobody waits for it any more.
    fn is_closed(&self) -> bool {
        self.ticket.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn send(mut self, outcome: Result<UnitOutcome, CommitError>) {
        self.tell(outcome.map_err(SubmitError::Commit));
    }

    fn tell(&mut self, outcome: Result<UnitOutcome, SubmitError>) {
        if let Some(ticket) = self.ticket.take() {
            // A caller that went away misses only the answer.
            let _ = ticket.send(outcome);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.tell(Err(if self.is_begun {
            SubmitError::Commit(CommitError::OutcomeUnknown)
        } else {
            SubmitError::ShuttingDown
        }));
    }
}

/// A unit on its way, and who waits for it.
#[derive(Debug)]
struct Waiting {
    progress: UnitProgress,
    answer: Answer,
    room: OwnedSemaphorePermit,
    /// Since when nothing of it is done.
    since: Instant,
}

impl Waiting {
    /// How much is left of its patience.
    fn left(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.since.elapsed())
    }

    /// Ends it with what was done of it; where that is nothing, as refused by a server that stops, or
    /// for want of the database.
    fn give_up(self, stops: bool) {
        let Self {
            progress,
            mut answer,
            ..
        } = self;
        if stops && progress.done().is_empty() {
            answer.tell(Err(SubmitError::ShuttingDown));
        } else {
            answer.send(progress.give_up(CommitError::Unavailable));
        }
    }

    /// A unit that nobody waits for any more, since its caller went away or its deadline has
    /// passed, is not begun.
    fn is_given_up(&self) -> bool {
        self.answer.is_closed() && self.progress.done().is_empty()
    }
}

/// The queues in front of the committers. Every partition belongs to one of them.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    queues: Vec<mpsc::Sender<Waiting>>,
    /// What all units may weigh that wait or are under way.
    room: Arc<Semaphore>,
    stop: Stop,
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
    stop: Stop,
    closing: CancellationToken,
    /// How long a unit waits for the database.
    patience: Duration,
    batch_steps_max: usize,
    /// The partitions of this worker.
    partitions: Vec<Partition>,
    /// What the last batch left for the next, and what could not join it, in the order in which
    /// it was handed over.
    left: VecDeque<Waiting>,
    /// Whether nothing of that can be decided before a workflow is loaded.
    is_stalled: bool,
    /// The workflows that are being loaded.
    loading: JoinSet<Result<(), Error>>,
    /// How many steps the last batch had.
    last_steps: usize,
    /// Whether nothing is begun any more: the server stops, and the database does not answer.
    is_hopeless: bool,
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
        let (stop, closing) = (Stop::default(), CancellationToken::new());
        let count = settings.committers.max(1);
        let worker = |index, queue| Worker {
            store: store.clone(),
            log: Arc::clone(log),
            wake: wake.clone(),
            vitals: Arc::clone(vitals),
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
            lane: Lane::open("commits")?,
        };
        Ok((committer, Workers(workers)))
    }

    /// Starts the workers.
    pub(crate) fn start(&self, workers: Workers, supervisor: &Supervisor) {
        for worker in workers.0 {
            let working = supervisor.watch("committer", worker.run(Handle::current()));
            self.workers.spawn_on(working, self.lane.handle());
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
        let (waiting, ticket) = wait(unit, room);
        match queue.try_send(waiting) {
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
        let (waiting, ticket) = wait(unit, room);
        let sent = queue.send(waiting).await;
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
    fn queue_of(&self, unit: &Unit) -> Result<&mpsc::Sender<Waiting>, SubmitError> {
        let index = unit.steps.first().map_or(0, |step| {
            let partition = self.store.partition_of(&step.workflow, &step.order_id);
            index_of(partition, self.queues.len())
        });
        self.queues.get(index).ok_or(SubmitError::ShuttingDown)
    }
}

/// A unit that waits, and where its outcome will be told.
fn wait(unit: Unit, room: OwnedSemaphorePermit) -> (Waiting, Ticket) {
    let (told, ticket) = oneshot::channel();
    let answer = Answer {
        ticket: Some(told),
        is_begun: false,
    };
    let progress = UnitProgress::new(unit);
    let waiting = Waiting {
        progress,
        answer,
        room,
        since: Instant::now(),
    };
    (waiting, Ticket(ticket))
}

/// Which of so many committers a partition belongs to.
fn index_of(partition: Partition, committers: usize) -> usize {
    usize::try_from(partition.number()).unwrap_or(0) % committers.max(1)
}

impl Worker {
    /// `calls` is the runtime of the calls, where workflows are loaded: this one has other work.
    async fn run(mut self, calls: Handle) {
        if let Err(error) = self.store.warm_up().await {
            // The first commit tries again, with patience.
            tracing::warn!(
                error = error::chain(&error),
                "commits have no connection yet"
            );
        }
        let (stop, closing) = (self.stop.clone(), self.closing.clone());
        let (mut open, mut drained) = (true, false);
        while !drained || !self.left.is_empty() {
            if stop.is_over() {
                for waiting in std::mem::take(&mut self.left) {
                    waiting.give_up(true);
                }
            }
            if !self.left.is_empty() && !self.is_stalled {
                self.commit(None, &calls).await;
                continue;
            }
            tokio::select! {
                () = closing.cancelled(), if open => {
                    open = false;
                    self.queue.close();
                }
                () = stop.over(), if !self.left.is_empty() => {}
                Some(loaded) = self.loading.join_next() => self.note_loaded(loaded),
                first = self.queue.recv(), if !drained => match first {
                    Some(first) => self.commit(Some(first), &calls).await,
                    None => drained = true,
                }
            }
        }
    }

    /// Commits what was left, the unit, and all others that wait, or a part of that.
    async fn commit(&mut self, first: Option<Waiting>, calls: &Handle) {
        let mut batch = Batch::default();
        for waiting in std::mem::take(&mut self.left).into_iter().chain(first) {
            self.take(&mut batch, waiting);
        }
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
        let patience = self.patience_of(&batch);
        let (store, stop) = (self.store.clone(), self.stop.clone());
        let committed = store.commit_round(units, &locks, patience, |fits| {
            self.gather(&mut batch, fits);
            let came = std::mem::take(&mut batch.units);
            came.into_iter().map(UnitProgress::into_unit).collect()
        });
        // A panic before a commit is found by the store, which knows that nothing was written. Any
        // other costs one batch and not the committer.
        let committed = AssertUnwindSafe(committed).catch_unwind();
        let round = tokio::select! {
            biased;
            committed = committed => committed.map_err(|_| "it panicked"),
            () = stop.over() => Err("the server stops"),
        };
        self.last_steps = batch.steps;
        let round = round.unwrap_or_else(|why| {
            tracing::error!(error = why, "a batch did not end well");
            unknown(batch.begun.len())
        });
        self.is_hopeless |= round.is_unavailable && stop.is_told();
        self.tell(&round.units, round.written, round.is_unavailable);
        let went_on = has_gone_on(&round.units, batch.done);
        self.answer(round.units, batch.begun, round.is_unavailable);
        if !round.unloaded.is_empty() {
            self.load(round.unloaded, calls);
        }
        self.is_stalled = !went_on && !self.loading.is_empty();
    }

    /// Adds a unit to a batch, unless it is not begun any more.
    fn take(&self, batch: &mut Batch, waiting: Waiting) {
        let no_time = || self.stop.left().is_some_and(|left| left.is_zero());
        if waiting.progress.done().is_empty() && (self.is_hopeless || no_time()) {
            waiting.give_up(true);
        } else {
            batch.take(waiting);
        }
    }

    /// How long a batch may be tried: as long as the unit waits that has waited longest.
    fn patience_of(&self, batch: &Batch) -> Duration {
        let since = batch.begun.iter().map(|begun| begun.since).min();
        let waited = since.map_or(Duration::ZERO, |since| since.elapsed());
        let left = self.patience.saturating_sub(waited);
        let left = self.stop.left().map_or(left, |most| left.min(most));
        left.max(self.patience.min(PATIENCE_MIN))
    }

    /// Answers the units that have ended, and keeps the others for the next batch, before those
    /// that could not join this one. Where the database does not answer, those have ended too whose
    /// patience is at an end.
    fn answer(&mut self, states: Vec<UnitState>, begun: Vec<Begun>, is_unavailable: bool) {
        let stops = self.stop.is_told();
        let mut unfinished = VecDeque::new();
        for (begun, state) in begun.into_iter().zip(states) {
            let progress = match state {
                UnitState::Ended(outcome) => {
                    begun.answer.send(outcome);
                    continue;
                }
                UnitState::Unfinished(progress) => progress,
            };
            let waiting = begun.again(progress);
            if is_unavailable && (stops || waiting.left(self.patience) < PATIENCE_MIN) {
                waiting.give_up(stops);
            } else {
                unfinished.push_back(waiting);
            }
        }
        unfinished.append(&mut self.left);
        self.left = unfinished;
    }

    /// Loads workflows that steps wait for, while other steps go on. What is not loaded yet when
    /// this is done is asked for again.
    fn load(&mut self, codes: BTreeSet<WorkflowCode>, calls: &Handle) {
        if self.loading.is_empty() {
            let store = self.store.clone();
            let load = async move { store.load_workflows(&codes).await };
            self.loading.spawn_on(load, calls);
        }
    }

    /// Goes on with what waited for workflows; where they cannot be loaded, that is its end.
    fn note_loaded(&mut self, loaded: Result<Result<(), Error>, JoinError>) {
        let was_stalled = std::mem::take(&mut self.is_stalled);
        let error = match loaded {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error::chain(&error),
            Err(error) => error::chain(&error),
        };
        tracing::error!(error, "workflows that steps wait for cannot be loaded");
        self.vitals.report(false);
        if was_stalled {
            for waiting in std::mem::take(&mut self.left) {
                waiting.give_up(false);
            }
        }
    }

    /// Takes what waits, up to a full batch, or to a unit that does not fit, which begins the next.
    fn gather(&mut self, batch: &mut Batch, fits: impl Fn(&Unit) -> bool) {
        while self.left.is_empty()
            && batch.steps < self.batch_steps_max
            && let Ok(waiting) = self.queue.try_recv()
        {
            if fits(waiting.progress.unit()) {
                self.take(batch, waiting);
            } else {
                self.left.push_back(waiting);
            }
        }
    }

    /// Hands what was written to the readers, here and, as a hint, in other replicas, and notes how the database fares.
    fn tell(&self, states: &[UnitState], written: Vec<Batched>, is_unavailable: bool) {
        let partitions = written.iter().map(|entry| entry.logged.position.partition);
        let grown: BTreeSet<Partition> = partitions.collect();
        let failures = states.iter().filter_map(|state| match state {
            UnitState::Ended(Err(error)) => Some(*error),
            UnitState::Ended(Ok(_)) | UnitState::Unfinished(_) => None,
        });
        let failures: Vec<CommitError> = failures.collect();
        if failures.contains(&CommitError::OutcomeUnknown) {
            self.log.wake_all();
        }
        if !grown.is_empty() {
            let sets_off = self.wake.written(&written);
            self.log.hand_over(written);
            self.store.notify(&Hint {
                partitions: grown.into_iter().collect(),
                sets_off,
            });
        }
        let lost = failures.iter().any(|error| {
            matches!(
                error,
                CommitError::Unavailable | CommitError::OutcomeUnknown
            )
        });
        self.vitals.report(!lost && !is_unavailable);
    }
}

#[cfg(test)]
mod tests;
