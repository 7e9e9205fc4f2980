//! A committer at work: what waits is taken, committed in one round, and answered.

use std::{
    collections::{BTreeSet, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use waymark_domain::{partition::Partition, value::WorkflowCode};
use waymark_persistence::{
    Batched, CommitError, Error, Hint, Store, Unit, UnitProgress, UnitState,
};

use super::{
    stop::StopDeadline,
    units::{Batch, Begun, QueuedUnit, has_gone_on, unknown},
};
use crate::{history::Log, liveness::Liveness, supervisor, telemetry::chain, wake::Wake};

/// The least patience of a unit that is begun; with less it is not begun again.
pub(super) const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// One committer, with the partitions that are its own.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) store: Store,
    pub(super) log: Arc<Log>,
    pub(super) wake: Wake,
    pub(super) liveness: Arc<Liveness>,
    pub(super) queue: mpsc::Receiver<QueuedUnit>,
    pub(super) stop: StopDeadline,
    pub(super) closing: CancellationToken,
    /// The time that a unit waits for the database.
    pub(super) patience: Duration,
    pub(super) batch_steps_max: usize,
    pub(super) partitions: Vec<Partition>,
    /// Units that the last batch left, and those that could not join it, in the order of their handing over.
    pub(super) left: VecDeque<QueuedUnit>,
    /// Whether nothing of that can be decided before a workflow is loaded.
    pub(super) is_stalled: bool,
    pub(super) loading: JoinSet<Result<(), Error>>,
    pub(super) last_steps: usize,
    /// Whether nothing is begun any more: the server stops, and the database does not answer.
    pub(super) is_hopeless: bool,
}

impl Worker {
    /// `calls` is the runtime of the calls, where workflows are loaded: this one has other work.
    pub(super) async fn run(mut self, calls: Handle) {
        if let Err(error) = self.store.warm_up().await {
            // The first commit tries again, with patience.
            tracing::warn!(error = chain(&error), "commit connection failed");
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
    async fn commit(&mut self, first: Option<QueuedUnit>, calls: &Handle) {
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
            committed = committed => committed
                .inspect_err(|panic| {
                    let error = supervisor::panic_text(&**panic);
                    tracing::error!(error, "commit batch panicked");
                })
                .ok(),
            () = stop.over() => {
                tracing::error!("commit batch abandoned: the server stops");
                None
            }
        };
        self.last_steps = batch.steps;
        let round = round.unwrap_or_else(|| unknown(batch.begun.len()));
        self.is_hopeless |= round.is_unavailable && stop.is_set();
        self.publish(&round.units, round.written, round.is_unavailable);
        let went_on = has_gone_on(&round.units, batch.done);
        self.answer(round.units, batch.begun, round.is_unavailable);
        if !round.unloaded.is_empty() {
            self.load(round.unloaded, calls);
        }
        self.is_stalled = !went_on && !self.loading.is_empty();
    }

    /// Adds a unit to a batch, unless it is not begun any more.
    fn take(&self, batch: &mut Batch, waiting: QueuedUnit) {
        let no_time = || self.stop.left().is_some_and(|left| left.is_zero());
        if waiting.progress.done().is_empty() && (self.is_hopeless || no_time()) {
            waiting.give_up(true);
        } else {
            batch.take(waiting);
        }
    }

    /// The time that a batch may be tried: as long as the unit waits that has waited longest.
    pub(super) fn patience_of(&self, batch: &Batch) -> Duration {
        let since = batch.begun.iter().map(|begun| begun.since).min();
        let waited = since.map_or(Duration::ZERO, |since| since.elapsed());
        let left = self.patience.saturating_sub(waited);
        let left = self.stop.left().map_or(left, |most| left.min(most));
        left.max(self.patience.min(PATIENCE_MIN))
    }

    /// Answers the units that have ended, and keeps the others for the next batch, before those
    /// that could not join this one. Where the database does not answer, those have ended too whose
    /// patience is at an end.
    pub(super) fn answer(
        &mut self,
        states: Vec<UnitState>,
        begun: Vec<Begun>,
        is_unavailable: bool,
    ) {
        let stops = self.stop.is_set();
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
            Ok(Err(error)) => chain(&error),
            Err(error) => chain(&error),
        };
        tracing::error!(error, "workflow loading failed");
        self.liveness.report(false);
        if was_stalled {
            for waiting in std::mem::take(&mut self.left) {
                waiting.give_up(false);
            }
        }
    }

    /// Takes what waits, up to a full batch, or to a unit that does not fit, which begins the next.
    pub(super) fn gather(&mut self, batch: &mut Batch, fits: impl Fn(&Unit) -> bool) {
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

    /// Hands what was written to readers, here and, as a hint, in other replicas, and reports liveness.
    fn publish(&self, states: &[UnitState], written: Vec<Batched>, is_unavailable: bool) {
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
        self.liveness.report(!lost && !is_unavailable);
    }
}
