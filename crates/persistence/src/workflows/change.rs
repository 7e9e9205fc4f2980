//! Changing a workflow: one path for every edit. The edit and everything that it
//! entails are computed on a snapshot, while steps go on; then the locks of all
//! partitions are taken, and it is saved if nobody has changed the workflow
//! meanwhile. So no step is decided while it is saved, none can land on what goes
//! away, and none waits for a computation.

use std::sync::Arc;

use tokio::time::timeout;
use waymark_domain::{
    actor::Actor,
    partition::Partition,
    value::{Timestamp, WorkflowCode},
    workflow::{Difference, Finding, Record, Refusal, Workflow},
};

use super::{
    ledger::{self, Page},
    prepare::{Calls, Prepared, Snapshot, draft},
    timers::{self, Timers},
    usage::Removed,
};
pub use crate::once::Answered as Changed;
use crate::{
    CommitError, Error, Published, Request, Store,
    catalog::{self, Cached, Edition, Reliance, Since},
    commit::retry::{Patience, report},
    compute::on_a_thread,
    once::{Call, Transact},
    requests::{self, Scope},
    tx::Tx,
};

/// A change of a workflow, apart from what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowChange {
    /// The workflow; it need not exist.
    pub workflow: WorkflowCode,
    /// What makes the call recognisable when it comes again; none for not idempotent.
    pub request: Option<Request>,
    /// Who makes it.
    pub actor: Actor,
    /// Whether it is meant.
    pub mode: ChangeMode,
    /// What is counted of what it affects.
    pub counting: Counting,
    /// How much of the workflow it makes anew.
    pub extent: Extent,
}

/// How much of a workflow a change makes anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Parts of it: the others stay as they are, so all of them have to be readable.
    Part,
    /// All of it, or it goes, whatever can be read of what was there.
    Whole,
}

/// What is counted of orders and deliveries that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Nothing.
    Nothing,
    /// Those that the change affects, for a bounded time and outside of all locks.
    Affected,
}

/// Whether a change is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeMode {
    /// It is saved.
    Apply,
    /// It is only checked. Where its request id was used, that is answered as to a call that is
    /// meant; it is not remembered.
    Rehearse,
}

/// What a change made of a workflow.
#[derive(Debug)]
pub struct Outcome<A> {
    /// The workflow after the change; none when it was deleted.
    pub record: Option<Arc<Published>>,
    /// What differs, in whole values; empty when nothing does, and then the version was kept.
    pub changes: Vec<Difference>,
    /// What it means for orders and deliveries that were there, where that was to be counted.
    pub findings: Vec<Finding>,
    /// What the edit answered.
    pub answer: A,
}

/// Why a change of a workflow did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// The edit refused, or orders stand in the way.
    #[error("the change was refused")]
    Refused(E),
    /// The request id was used for another call.
    #[error("the request id was used for another call")]
    RequestIdReused,
    /// The database failed.
    #[error(transparent)]
    Failed(CommitError),
}

/// The editions of the catalog before and after a change that was saved.
type Editions = (Edition, Edition);

/// Why what was computed is not saved.
enum Unsaved {
    /// The workflow is not what the edit was made on, or orders have come to use what goes.
    Stale,
}

/// Why a change has to be tried again.
enum Again {
    Stale,
    Failed(Error),
}

impl From<Error> for Again {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Ended<R, E> = Result<Changed<R>, ChangeError<E>>;

impl Store {
    /// Changes a workflow in one transaction.
    ///
    /// `edit` is given the workflow as it is now, or none, and the time; it answers what the
    /// workflow shall be, or none to delete it. `answer` makes of the outcome what the caller is
    /// told, and `encode` of that the bytes that a repeated call is answered with, where the
    /// change has a request id. All three must be pure and may take long: they run on a thread
    /// for that, and are called again when somebody else changed the workflow meanwhile.
    ///
    /// # Errors
    /// Returns [`ChangeError::Refused`] when `edit` refuses or the change takes away what
    /// orders use, [`ChangeError::RequestIdReused`], and [`ChangeError::Failed`].
    pub async fn change_workflow<A, R, E>(
        &self,
        change: &WorkflowChange,
        edit: impl FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), E>
        + Send
        + 'static,
        answer: impl FnMut(Outcome<A>) -> R + Send + 'static,
        encode: impl FnMut(&R) -> Vec<u8> + Send + 'static,
    ) -> Result<Changed<R>, ChangeError<E>>
    where
        A: Send + 'static,
        R: Send + 'static,
        E: From<Refusal> + Send + 'static,
    {
        let mut patience = Patience::new(self.settings().commit_patience);
        // Who comes behind others that wait for the database has no more patience than these.
        let Ok(Some(_turn)) = timeout(patience.left(), self.edits().turn()).await else {
            return Err(ChangeError::Failed(CommitError::Overloaded));
        };
        let mut calls = Some(Calls {
            edit,
            answer,
            encode,
        });
        loop {
            let again = match self.attempt_change(change, &mut calls).await {
                Ok(ended) => return ended,
                Err(again) => again,
            };
            let (is_over, failed) = match &again {
                Again::Stale => (false, CommitError::Overloaded),
                Again::Failed(error) => (
                    !error.is_passing() || error.is_lasting(),
                    CommitError::from(error),
                ),
            };
            if is_over || !patience.wait().await {
                if let Again::Failed(error) = &again {
                    report(error, "a change of a workflow was given up");
                }
                return Err(ChangeError::Failed(failed));
            }
        }
    }

    async fn attempt_change<A, R, E, F, G, H>(
        &self,
        change: &WorkflowChange,
        calls: &mut Option<Calls<F, G, H>>,
    ) -> Result<Ended<R, E>, Again>
    where
        A: Send + 'static,
        R: Send + 'static,
        E: From<Refusal> + Send + 'static,
        F: FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), E> + Send + 'static,
        G: FnMut(Outcome<A>) -> R + Send + 'static,
        H: FnMut(&R) -> Vec<u8> + Send + 'static,
    {
        let scope = Scope::workflow(&change.workflow);
        let snapshot = self.snapshot_for(change, &scope).await?;
        if snapshot.is_remembered {
            let found = self.find_answer(change.once(&scope, &[])).await;
            // It may have been forgotten since.
            return found.transpose().ok_or(Again::Stale);
        }
        let (what, clock) = (change.clone(), self.clock().now());
        let drafted = with_calls(calls, move |calls| draft(&what, snapshot, calls, clock));
        let Some(drafted) = drafted.await else {
            return Ok(Err(ChangeError::Failed(CommitError::Database)));
        };
        let drafted = match drafted? {
            Ok(drafted) => drafted,
            Err(refusal) => return Ok(Err(ChangeError::Refused(refusal))),
        };
        if let Some(removed) = &drafted.removed {
            let use_of_it = self.database().read(async |tx| removed.check(tx).await);
            if let Some(refusal) = use_of_it.await? {
                return Ok(Err(ChangeError::Refused(refusal.into())));
            }
        }
        let findings = match drafted.affected() {
            // In a place of its own, since most changes count nothing.
            Some((affected, after)) => {
                Box::pin(self.count_affected(affected, after, &change.actor)).await
            }
            None => Vec::new(),
        };
        let what = change.clone();
        let prepared = with_calls(calls, move |calls| drafted.answer(&what, findings, calls));
        let Some(prepared) = prepared.await else {
            return Ok(Err(ChangeError::Failed(CommitError::Database)));
        };
        if change.mode == ChangeMode::Rehearse {
            return Ok(Ok(Changed::Done(prepared.answer)));
        }
        self.save(change, &scope, prepared).await
    }

    /// Reads what an edit is made on.
    async fn snapshot_for(
        &self,
        change: &WorkflowChange,
        scope: &Scope,
    ) -> Result<Snapshot, Error> {
        let code = &change.workflow;
        let snapshot = self.database().snapshot(async |tx| {
            let edition = catalog::edition(tx).await?;
            let is_remembered = match &change.request {
                Some(request) => requests::is_remembered(tx, scope, request).await?,
                None => false,
            };
            let found = self.catalog().find(tx, edition, code).await?;
            Ok(Snapshot {
                edition,
                used: found.as_ref().map(Cached::used).unwrap_or_default(),
                before: found.map(|cached| cached.published),
                is_remembered,
            })
        });
        snapshot.await
    }

    /// Saves what was computed, and keeps the workflow as it is then, so that the next step finds
    /// it compiled.
    async fn save<R, E: From<Refusal>>(
        &self,
        change: &WorkflowChange,
        scope: &Scope,
        prepared: Prepared<R>,
    ) -> Result<Ended<R, E>, Again> {
        let all = self.partition_count().all().collect::<Vec<_>>();
        let save = Save {
            store: self,
            change,
            scope,
            edition: prepared.edition,
            removed: prepared.removed.as_ref(),
            page: prepared.page.as_ref(),
            timers: prepared.timers,
            written: None,
        };
        let encoded = &prepared.encoded;
        let saved = self.once(change.once(scope, &all), save, |_| encoded.clone());
        Ok(match saved.await {
            Ok(Changed::Done(editions)) => {
                if let Some(editions) = editions {
                    let Prepared { after, used, .. } = prepared;
                    let published = after.map(|published| (published, used));
                    let catalog = self.catalog();
                    catalog.changed(editions, &change.workflow, published);
                }
                Ok(Changed::Done(prepared.answer))
            }
            Ok(Changed::Replayed(answer)) => Ok(Changed::Replayed(answer)),
            Err(ChangeError::Refused(Unsaved::Stale)) => return Err(Again::Stale),
            Err(ChangeError::RequestIdReused) => Err(ChangeError::RequestIdReused),
            Err(ChangeError::Failed(error)) => Err(ChangeError::Failed(error)),
        })
    }
}

impl WorkflowChange {
    fn once<'c>(&'c self, scope: &'c Scope, locks: &'c [Partition]) -> Call<'c> {
        Call {
            scope,
            request: self.request.as_ref(),
            mode: self.mode,
            locks,
        }
    }
}

/// Saves what was computed, where the workflow is still what that was computed on.
struct Save<'c> {
    store: &'c Store,
    change: &'c WorkflowChange,
    scope: &'c Scope,
    /// What it was computed on.
    edition: Edition,
    removed: Option<&'c Removed>,
    page: Option<&'c Page>,
    timers: Timers,
    /// What the last attempt wrote.
    written: Option<Editions>,
}

impl Transact for Save<'_> {
    /// None where nothing differs.
    type Done = Option<Editions>;
    type Refusal = Unsaved;
    const IS_REPEATABLE: bool = true;

    async fn carry_out(
        &mut self,
        tx: &mut Tx,
        _: Timestamp,
    ) -> Result<Result<Option<Editions>, Unsaved>, Error> {
        self.written = None;
        let (store, workflow) = (self.store, &self.change.workflow);
        let newest = catalog::edition(tx).await?;
        // So that the cache follows when this is committed.
        store.catalog().reach(tx, newest, Reliance::Locked).await?;
        if newest != self.edition {
            match catalog::since(tx, self.edition).await? {
                Since::Changed(others) if !others.contains(workflow) => {}
                Since::Changed(_) | Since::Foreign => return Ok(Err(Unsaved::Stale)),
            }
        }
        if let Some(removed) = self.removed
            && removed.is_used(tx).await?
        {
            // How many there are is counted where nobody waits for it.
            return Ok(Err(Unsaved::Stale));
        }
        if let Some(page) = self.page {
            let edition = page.write(tx, newest).await?;
            if page.begins_or_ends() {
                let this = self.change.request.as_ref();
                requests::forget_others(tx, self.scope, this).await?;
            }
            if self.timers == Timers::Changed {
                let all = store.partition_count().all();
                timers::note(tx, all, workflow, edition).await?;
            }
            self.written = Some((newest, edition));
        }
        Ok(Ok(self.written))
    }

    async fn settle(&mut self, tx: &mut Tx) -> Result<Option<bool>, Error> {
        match self.written {
            Some((_, edition)) => ledger::is_saved(tx, edition).await.map(Some),
            None => Ok(Some(false)),
        }
    }
}

/// Computes something with what the caller brought along, on a thread that may take its time; none
/// where that panicked, and what was brought along is lost.
async fn with_calls<C: Send + 'static, T: Send + 'static>(
    calls: &mut Option<C>,
    work: impl FnOnce(&mut C) -> T + Send + 'static,
) -> Option<T> {
    let mut mine = calls.take()?;
    let computed = on_a_thread(move || {
        let done = work(&mut mine);
        (mine, done)
    });
    match computed.await {
        Ok((mine, done)) => {
            *calls = Some(mine);
            Some(done)
        }
        Err(panic) => {
            tracing::error!(error = %panic, "an edit of a workflow did not end well");
            None
        }
    }
}
