//! The handle that every service shares: the store, the committer, the log of
//! history, and the few settings that calls depend on.

use std::{future::Future, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waymark_domain::value::WorkflowCode;
use waymark_persistence::{CommitError, Store, Unit, UnitOutcome};
use waymark_transports::WebhookSettings;

use crate::{
    Error,
    background::Background,
    committer::{Committer, SubmitError, Ticket},
    dispatch::{TestSlots, Transports},
    history::Log,
    kept::Kept,
    reader::Reader,
    tracking::Links,
    wake::Wake,
};

/// The parts that every service needs; shared behind an [`Arc`].
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) bulk: Store,
    pub(crate) background: Background,
    pub(crate) kept: Arc<Kept>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) reader: Reader,
    pub(crate) log: Arc<Log>,
    pub(crate) default_workflow: WorkflowCode,
    pub(crate) feeds: Option<Links>,
    pub(crate) webhooks: WebhookSettings,
    pub(crate) stopping: CancellationToken,
    pub(crate) detached: TaskTracker,
    pub(crate) wake: Wake,
    pub(crate) transports: Arc<Transports>,
    pub(crate) test_slots: Arc<TestSlots>,
}

impl App {
    /// The store, for single reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store for what reads many bodies, such as lists and streams; see [`Store::for_bulk`].
    pub(crate) fn bulk(&self) -> &Store {
        &self.bulk
    }

    /// Computes what may take long, such as lint, on threads that give way to those that serve
    /// calls. It waits for its turn; what its caller gave up before is not begun.
    ///
    /// # Errors
    /// Returns [`Error::ComputationLimit`] when too many wait, [`Error::Internal`] when it panicked.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.background.compute(work).await
    }

    /// Reads many bodies, or judges what was read, on threads that give way to those that serve
    /// calls. `work` reads from [`bulk`](Self::bulk) alone, and ends with its caller.
    ///
    /// # Errors
    /// Returns [`Error::ReadLimit`] when too many are under way, and what `work` returns.
    pub(crate) async fn read_many<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.background.read(work).await
    }

    /// Reads many bodies to decide on them, as [`read_many`](Self::read_many) does, a few such at a
    /// time.
    ///
    /// # Errors
    /// As [`read_many`](Self::read_many).
    pub(crate) async fn dry_run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.background.dry_run(work).await
    }

    pub(crate) fn kept(&self) -> &Arc<Kept> {
        &self.kept
    }

    /// The workflow of requests that name none.
    pub fn default_workflow(&self) -> &WorkflowCode {
        &self.default_workflow
    }

    /// Links of the feeds; none where they are off.
    pub(crate) fn feeds(&self) -> Option<&Links> {
        self.feeds.as_ref()
    }

    pub(crate) fn webhooks(&self) -> &WebhookSettings {
        &self.webhooks
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The log of history, which streams read.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Cancelled as soon as the server stops; streams that would not end by themselves watch it.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Commits a unit and waits for the outcome. The write goes on when the caller goes away.
    ///
    /// # Errors
    /// Returns [`SubmitError`] when the queue is full, when the server stops, or when the commit failed.
    pub async fn submit(&self, unit: Unit) -> Result<UnitOutcome, SubmitError> {
        self.hand_over(unit)?.outcome().await
    }

    /// Queues a unit at once. Units of one order are committed in the order in which they were handed over.
    ///
    /// # Errors
    /// Returns [`SubmitError::Overloaded`] when the queue is full, [`SubmitError::ShuttingDown`] when the server stops.
    pub fn hand_over(&self, unit: Unit) -> Result<Ticket, SubmitError> {
        self.committer.hand_over(unit)
    }

    /// Queues a unit as soon as there is room, for streams, which slow their sender down instead of refusing.
    ///
    /// # Errors
    /// Returns [`SubmitError::ShuttingDown`] when the server stops.
    pub async fn hand_over_when_room(&self, unit: Unit) -> Result<Ticket, SubmitError> {
        self.committer.hand_over_when_room(unit).await
    }

    /// Runs work to its end even when the caller goes away, and lets a stopping server wait for it.
    ///
    /// # Errors
    /// Returns [`CommitError::OutcomeUnknown`] when the work panicked or outlasts a stopping server.
    pub async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, SubmitError> {
        let unknown = SubmitError::Commit(CommitError::OutcomeUnknown);
        tokio::select! {
            biased;
            done = self.detached.spawn(work) => done.map_err(|failure| {
                tracing::error!(error = %failure, "detached task panicked");
                unknown
            }),
            () = self.committer.over() => Err(unknown),
        }
    }
}
