//! Changing a workflow, in three steps: it is loaded from a snapshot, the edit and everything that
//! it entails are computed on that while steps go on, and it is saved under the locks of all
//! partitions, if nobody has changed the workflow meanwhile. So no step is decided while it is
//! saved, none can land on what goes away, and none waits for a computation.

use tokio::{task::JoinError, time::timeout};
use waymark_domain::{
    partition::Partition,
    value::Timestamp,
    workflow::{Refusal, Workflow},
};

use super::{
    prepare::{WorkflowChange, WorkflowDraft, WorkflowSnapshot, draft, unchangeable},
    timers::{self, Timers},
    versions,
};
use crate::{
    CommitError, Error, Store,
    catalog::{self, Cached, Edition, Reliance, Since},
    compute::{EditTurn, on_a_thread},
    logging::report,
    once::{Answered, Call, CarriedOut, ChangeError, ChangeMode, Transact},
    patience::Patience,
    requests::{self, Scope},
    tx::Tx,
};

/// The beginning of an edit.
pub enum EditStart {
    /// The workflow as it is, on which the edit is made.
    Loaded(WorkflowSnapshot),
    /// The same call was carried out before; the bytes that were remembered of its answer.
    Replayed(Vec<u8>),
}

/// What became of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// It is saved; in a dry run, it could be.
    Done,
    /// The same call was carried out meanwhile; the bytes that were remembered of its answer.
    Replayed(Vec<u8>),
    /// Nothing is saved: somebody has changed the workflow, or orders have come to use a part that
    /// goes. The edit is loaded and computed again.
    Stale,
}

/// The editions of the catalog before and after a change that was saved.
type Editions = (Edition, Edition);

type Result<T> = std::result::Result<T, ChangeError<Refusal>>;

/// An edit of a workflow that has its turn, until it is dropped: [`load`](Self::load), then
/// [`prepare`](Self::prepare), then [`save`](Self::save), and from the start where that was stale.
/// One edit is in flight in a process at once.
pub struct WorkflowEdit<'c> {
    store: &'c Store,
    change: &'c WorkflowChange,
    scope: Scope,
    patience: Patience,
    _turn: EditTurn<'c>,
}

impl Store {
    /// Waits for the turn of an edit.
    ///
    /// # Errors
    /// Returns [`ChangeError::Failed`] when too many others wait, or the turn does not come.
    pub async fn edit_workflow<'c>(
        &'c self,
        change: &'c WorkflowChange,
    ) -> Result<WorkflowEdit<'c>> {
        let patience = Patience::new(self.settings().commit_patience);
        // Who comes behind others that wait for the database has no more patience than these.
        let Ok(Some(turn)) = timeout(patience.left(), self.edits().turn()).await else {
            return Err(ChangeError::Failed(CommitError::Overloaded));
        };
        Ok(WorkflowEdit {
            store: self,
            change,
            scope: Scope::workflow(&change.workflow),
            patience,
            _turn: turn,
        })
    }
}

impl WorkflowEdit<'_> {
    /// Loads the workflow, or the answer where the same call was carried out before.
    ///
    /// # Errors
    /// Returns [`ChangeError::Refused`] for a part of a workflow of which others cannot be read,
    /// [`ChangeError::RequestIdReused`], and [`ChangeError::Failed`].
    pub async fn load(&mut self) -> Result<EditStart> {
        loop {
            match self.snapshot().await {
                Ok(Some(snapshot)) => {
                    let before = snapshot.before.as_deref();
                    return match before.and_then(|before| unchangeable(before, self.change)) {
                        Some(refusal) => Err(ChangeError::Refused(refusal)),
                        None => Ok(EditStart::Loaded(snapshot)),
                    };
                }
                Ok(None) => {
                    let found: Result<Option<Answered<()>>> =
                        self.store.find_answer(self.call(&[])).await;
                    if let Some(Answered::Replayed(answer)) = found? {
                        return Ok(EditStart::Replayed(answer));
                    }
                    // It was forgotten since.
                    self.begin_again().await?;
                }
                Err(error) => self.try_again(&error).await?,
            }
        }
    }

    /// Reads the workflow as it is; none where the call was carried out before.
    async fn snapshot(&self) -> std::result::Result<Option<WorkflowSnapshot>, Error> {
        let (store, change, scope) = (self.store, self.change, &self.scope);
        let snapshot = store.database().snapshot(async |tx| {
            if let Some(request) = &change.request
                && requests::is_remembered(tx, scope, request).await?
            {
                return Ok(None);
            }
            let edition = catalog::edition(tx).await?;
            let found = store.catalog().find(tx, edition, &change.workflow).await?;
            Ok(Some(WorkflowSnapshot {
                edition,
                used: found.as_ref().map(Cached::used).unwrap_or_default(),
                before: found.map(|cached| cached.published),
            }))
        });
        snapshot.await
    }

    /// Computes what saving the edited workflow takes, on a thread that may take its time; none
    /// deletes it. Then counts what orders use of what goes and, if asked to, what is affected.
    ///
    /// # Errors
    /// Returns [`ChangeError::Refused`] for a workflow that cannot be compiled and for a change
    /// that takes away what orders use, and [`ChangeError::Failed`].
    pub async fn prepare(
        &mut self,
        snapshot: WorkflowSnapshot,
        edited: Option<Workflow>,
    ) -> Result<WorkflowDraft> {
        let (change, clock) = (self.change.clone(), self.store.clock().now());
        let drafted = on_a_thread(move || draft(&change, snapshot, edited, clock)).await;
        let drafted = drafted.map_err(|panic| panicked(&panic))?;
        let drafted = drafted.map_err(|error| given_up(&error))?;
        let mut draft = drafted.map_err(ChangeError::Refused)?;
        self.check_usage(&draft).await?;
        let findings = match draft.affected() {
            // In a place of its own, since most changes count nothing.
            Some((affected, after)) => {
                let counting = self
                    .store
                    .count_affected(affected, after, &self.change.actor);
                Box::pin(counting).await
            }
            None => Vec::new(),
        };
        draft.outcome.findings = findings;
        Ok(draft)
    }

    async fn check_usage(&mut self, draft: &WorkflowDraft) -> Result<()> {
        let Some(removed) = &draft.removed else {
            return Ok(());
        };
        loop {
            let database = self.store.database();
            let checked = database.read(async |tx| removed.check(tx).await);
            match checked.await {
                Ok(None) => return Ok(()),
                Ok(Some(refusal)) => return Err(ChangeError::Refused(refusal)),
                Err(error) => self.try_again(&error).await?,
            }
        }
    }

    /// Saves a draft and remembers the answer under the request id, if there is one. The next step
    /// finds the workflow compiled.
    ///
    /// # Errors
    /// Returns [`ChangeError::RequestIdReused`] and [`ChangeError::Failed`].
    pub async fn save(&mut self, draft: &WorkflowDraft, answer: &[u8]) -> Result<Saved> {
        if self.change.mode == ChangeMode::DryRun {
            return Ok(Saved::Done);
        }
        let all: Vec<_> = self.store.partition_count().all().collect();
        let save = Save {
            store: self.store,
            change: self.change,
            scope: &self.scope,
            draft,
            written: None,
        };
        let saved = self.store.once(self.call(&all), save, |_| answer.to_vec());
        match saved.await {
            Ok(Answered::Done(editions)) => {
                if let Some(editions) = editions {
                    let record = draft.outcome.record.clone();
                    let published = record.map(|published| (published, draft.used.clone()));
                    let catalog = self.store.catalog();
                    catalog.changed(editions, &self.change.workflow, published);
                }
                Ok(Saved::Done)
            }
            Ok(Answered::Replayed(answer)) => Ok(Saved::Replayed(answer)),
            Err(ChangeError::Refused(Stale)) => {
                self.begin_again().await?;
                Ok(Saved::Stale)
            }
            Err(ChangeError::RequestIdReused) => Err(ChangeError::RequestIdReused),
            Err(ChangeError::Failed(error)) => Err(ChangeError::Failed(error)),
        }
    }

    fn call<'a>(&'a self, locks: &'a [Partition]) -> Call<'a> {
        Call {
            scope: &self.scope,
            request: self.change.request.as_ref(),
            mode: self.change.mode,
            locks,
        }
    }

    /// Waits before a read is tried again, where that may help.
    async fn try_again(&mut self, error: &Error) -> Result<()> {
        let may_pass = error.is_transient() && !error.is_lasting();
        if may_pass && self.patience.wait().await {
            return Ok(());
        }
        Err(given_up(error))
    }

    async fn begin_again(&mut self) -> Result<()> {
        if self.patience.wait().await {
            return Ok(());
        }
        Err(ChangeError::Failed(CommitError::Overloaded))
    }
}

fn given_up(error: &Error) -> ChangeError<Refusal> {
    report(error, "workflow change given up");
    ChangeError::Failed(CommitError::from(error))
}

fn panicked(panic: &JoinError) -> ChangeError<Refusal> {
    tracing::error!(error = %panic, "workflow edit panicked");
    ChangeError::Failed(CommitError::Database)
}

/// Saves a draft, where the workflow is still what that was computed on.
struct Save<'c> {
    store: &'c Store,
    change: &'c WorkflowChange,
    scope: &'c Scope,
    draft: &'c WorkflowDraft,
    /// What the last attempt wrote.
    written: Option<Editions>,
}

/// That the workflow is not what the edit was made on, or orders have come to use what goes.
struct Stale;

impl Transact for Save<'_> {
    /// None where nothing differs.
    type Done = Option<Editions>;
    type Refusal = Stale;
    const IS_REPEATABLE: bool = true;

    async fn carry_out(&mut self, tx: &mut Tx, _: Timestamp) -> CarriedOut<Self> {
        self.written = None;
        let (store, draft, workflow) = (self.store, self.draft, &self.change.workflow);
        let newest = catalog::edition(tx).await?;
        // So that the cache follows when this is committed.
        store.catalog().reach(tx, newest, Reliance::Locked).await?;
        if newest != draft.edition {
            match catalog::since(tx, draft.edition).await? {
                Since::Changed(others) if !others.contains(workflow) => {}
                Since::Changed(_) | Since::Foreign => return Ok(Err(Stale)),
            }
        }
        if let Some(removed) = &draft.removed
            && removed.is_used(tx).await?
        {
            // How many there are is counted where nobody waits for it.
            return Ok(Err(Stale));
        }
        if let Some(page) = &draft.page {
            let edition = page.write(tx, newest).await?;
            if page.begins_or_ends() {
                let this = self.change.request.as_ref();
                requests::forget_others(tx, self.scope, this).await?;
            }
            if draft.timers == Timers::Changed {
                let all = store.partition_count().all();
                timers::note(tx, all, workflow, edition).await?;
            }
            self.written = Some((newest, edition));
        }
        Ok(Ok(self.written))
    }

    async fn settle(&mut self, tx: &mut Tx) -> std::result::Result<Option<bool>, Error> {
        match self.written {
            Some((_, edition)) => versions::is_saved(tx, edition).await.map(Some),
            None => Ok(Some(false)),
        }
    }
}
