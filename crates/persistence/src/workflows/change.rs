//! Changing a workflow: one path for every edit. The edit and everything that it
//! entails are computed on a snapshot, while steps go on; then the locks of all
//! partitions are taken, and it is saved if nobody has changed the workflow
//! meanwhile. So no step is decided while it is saved, none can land on what goes
//! away, and none waits for a computation.

use std::sync::Arc;

use waymark_domain::{
    actor::Actor,
    value::{Timestamp, WorkflowCode},
    workflow::{Difference, Finding, Record, Refusal, Workflow},
};

use super::{
    ledger,
    prepare::{Calls, Prepared, Snapshot, draft},
    timers::{self, Timers},
};
use crate::{
    CommitError, Error, Published, Request, Store,
    catalog::{self, Cached, Edition, Reliance, Since},
    commit::retry::{Patience, report},
    compute::on_a_thread,
    requests,
    tx::{Ending, Tx, WriteFailure, before},
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

/// What a change came to.
#[derive(Debug)]
pub enum Changed<R> {
    /// It was made, or would be; what is answered.
    Done(R),
    /// The same call was made before; these are the bytes that were remembered of its answer.
    Replayed(Vec<u8>),
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

/// What a commit was to make true that was not answered.
enum Doubtful<R> {
    /// A change, which the catalog tells of.
    Change(Box<Prepared<R>>, Editions),
    /// No more than that an answer is remembered; the call is carried out again.
    Answer,
}

/// What a transaction that should save came to.
enum Saved {
    Written(Option<Editions>),
    Replayed(Vec<u8>),
    RequestIdReused,
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
        let overloaded = ChangeError::Failed(CommitError::Overloaded);
        let Some(_turn) = self.edits().turn().await else {
            return Err(overloaded);
        };
        let mut calls = Some(Calls {
            edit,
            answer,
            encode,
        });
        let mut patience = Patience::new(self.settings().commit_patience);
        let mut doubtful = None;
        let mut refused_before = false;
        loop {
            let attempt = self.attempt_change(change, &mut calls, &mut doubtful);
            let error = match attempt.await {
                Ok(ended) => return ended,
                Err(Again::Stale) => {
                    if patience.wait().await {
                        continue;
                    }
                    return Err(overloaded);
                }
                Err(Again::Failed(error)) => error,
            };
            let passing = error.is_passing() || doubtful.is_some();
            if error.is_lasting()
                || (!passing && std::mem::replace(&mut refused_before, true))
                || !patience.wait().await
            {
                report(&error, "a change of a workflow was given up");
                return Err(ChangeError::Failed(match doubtful {
                    Some(_) => CommitError::OutcomeUnknown,
                    None => CommitError::from(&error),
                }));
            }
        }
    }

    async fn attempt_change<A, R, E, F, G, H>(
        &self,
        change: &WorkflowChange,
        calls: &mut Option<Calls<F, G, H>>,
        doubtful: &mut Option<Doubtful<R>>,
    ) -> Result<Ended<R, E>, Again>
    where
        A: Send + 'static,
        R: Send + 'static,
        E: From<Refusal> + Send + 'static,
        F: FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), E> + Send + 'static,
        G: FnMut(Outcome<A>) -> R + Send + 'static,
        H: FnMut(&R) -> Vec<u8> + Send + 'static,
    {
        if let Some((prepared, editions)) = self.settle(doubtful).await? {
            return Ok(Ok(self.done(change, *prepared, Some(editions))));
        }
        let snapshot = self.snapshot_for(change).await?;
        if snapshot.is_remembered {
            return self.replay(change, doubtful).await;
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
        self.save(change, prepared, doubtful).await
    }

    /// Reads what an edit is made on.
    async fn snapshot_for(&self, change: &WorkflowChange) -> Result<Snapshot, Error> {
        let code = &change.workflow;
        let snapshot = self.database().snapshot(async |tx| {
            let edition = catalog::edition(tx).await?;
            let is_remembered = match &change.request {
                Some(request) => requests::is_remembered(tx, code.as_str(), request).await?,
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

    /// Saves what was computed.
    async fn save<R, E: From<Refusal>>(
        &self,
        change: &WorkflowChange,
        prepared: Prepared<R>,
        doubtful: &mut Option<Doubtful<R>>,
    ) -> Result<Ended<R, E>, Again> {
        let all = self.partition_count().all().collect::<Vec<_>>();
        let saved = self.database().write(&all, async |tx| {
            let saved = self.write_change(tx, change, &prepared).await?;
            Ok(match saved {
                // What is only repeated is committed too, which waits for a standby that may not
                // have yet what a restart of the server made visible.
                Saved::Written(_) | Saved::Replayed(_) | Saved::RequestIdReused => {
                    Ending::Commit(saved)
                }
                Saved::Stale => Ending::RollBack(saved),
            })
        });
        match saved.await {
            Ok(Saved::Written(editions)) => Ok(Ok(self.done(change, prepared, editions))),
            Ok(Saved::Stale) => Err(Again::Stale),
            Ok(Saved::Replayed(answer)) => Ok(Ok(Changed::Replayed(answer))),
            Ok(Saved::RequestIdReused) => Ok(Err(ChangeError::RequestIdReused)),
            Err(WriteFailure::AtCommit { outcome, error }) => {
                *doubtful = Some(match outcome {
                    Saved::Written(Some(editions)) => {
                        Doubtful::Change(Box::new(prepared), editions)
                    }
                    Saved::Written(None)
                    | Saved::Replayed(_)
                    | Saved::RequestIdReused
                    | Saved::Stale => Doubtful::Answer,
                });
                Err(Again::Failed(error))
            }
            Err(WriteFailure::Before(error)) => Err(Again::Failed(error)),
        }
    }

    /// Does under the locks what has to be done there.
    async fn write_change<R>(
        &self,
        tx: &mut Tx,
        change: &WorkflowChange,
        prepared: &Prepared<R>,
    ) -> Result<Saved, Error> {
        if let Some(remembered) = remembered(tx, change).await? {
            return Ok(remembered);
        }
        let newest = catalog::edition(tx).await?;
        // So that the cache follows when this is committed.
        self.catalog().reach(tx, newest, Reliance::Locked).await?;
        if newest != prepared.edition {
            match catalog::since(tx, prepared.edition).await? {
                Since::Changed(others) if !others.contains(&change.workflow) => {}
                Since::Changed(_) | Since::Foreign => return Ok(Saved::Stale),
            }
        }
        if let Some(removed) = &prepared.removed
            && removed.is_used(tx).await?
        {
            // How many there are is counted where nobody waits for it.
            return Ok(Saved::Stale);
        }
        let mut editions = None;
        if let Some(page) = &prepared.page {
            let edition = page.write(tx, newest).await?;
            if page.begins_or_ends() {
                requests::forget_all(tx, change.workflow.as_str()).await?;
            }
            if prepared.timers == Timers::Changed {
                let all = self.partition_count().all();
                timers::note(tx, all, &change.workflow, edition).await?;
            }
            editions = Some((newest, edition));
        }
        if let Some(request) = &change.request {
            let scope = change.workflow.as_str();
            requests::remember(tx, scope, request, &prepared.encoded, prepared.now).await?;
        }
        Ok(Saved::Written(editions))
    }

    /// Answers from memory, by a transaction that ends as one that wrote would: what it found may
    /// not have been with the standby yet.
    async fn replay<R, E>(
        &self,
        change: &WorkflowChange,
        doubtful: &mut Option<Doubtful<R>>,
    ) -> Result<Ended<R, E>, Again> {
        let all = self.partition_count().all().collect::<Vec<_>>();
        let found = self.database().write(&all, async |tx| {
            let found = remembered(tx, change).await?;
            Ok(match found {
                Some(_) => Ending::Commit(found),
                None => Ending::RollBack(found),
            })
        });
        match found.await {
            Ok(Some(Saved::Replayed(answer))) => Ok(Ok(Changed::Replayed(answer))),
            Ok(Some(Saved::RequestIdReused)) => Ok(Err(ChangeError::RequestIdReused)),
            Ok(_) => Err(Again::Stale),
            Err(WriteFailure::AtCommit { error, .. }) => {
                *doubtful = Some(Doubtful::Answer);
                Err(Again::Failed(error))
            }
            Err(WriteFailure::Before(error)) => Err(Again::Failed(error)),
        }
    }

    /// Finds out, under the locks, whether a change whose commit was not answered was committed,
    /// and gives it back if so. That ends with a commit as well, see [`Self::replay`].
    async fn settle<R>(
        &self,
        doubtful: &mut Option<Doubtful<R>>,
    ) -> Result<Option<(Box<Prepared<R>>, Editions)>, Error> {
        let Some(Doubtful::Change(_, (_, edition))) = doubtful else {
            return Ok(None);
        };
        let edition = *edition;
        let all = self.partition_count().all().collect::<Vec<_>>();
        let settled = self.database().write(&all, async |tx| {
            Ok(if ledger::is_saved(tx, edition).await? {
                Ending::Commit(true)
            } else {
                Ending::RollBack(false)
            })
        });
        let is_saved = settled.await.map_err(before)?;
        Ok(match doubtful.take() {
            Some(Doubtful::Change(prepared, editions)) if is_saved => Some((prepared, editions)),
            _ => None,
        })
    }

    /// Keeps the workflow as it is now, so that the next step finds it compiled, and answers.
    fn done<R>(
        &self,
        change: &WorkflowChange,
        prepared: Prepared<R>,
        editions: Option<Editions>,
    ) -> Changed<R> {
        if let Some(editions) = editions {
            let Prepared { after, used, .. } = prepared;
            let published = after.map(|published| (published, used));
            self.catalog()
                .changed(editions, &change.workflow, published);
        }
        Changed::Done(prepared.answer)
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

/// What is remembered of the same call.
async fn remembered(tx: &mut Tx, change: &WorkflowChange) -> Result<Option<Saved>, Error> {
    let Some(request) = &change.request else {
        return Ok(None);
    };
    let found = requests::find(tx, change.workflow.as_str(), request).await?;
    Ok(found.map(|(fingerprint, answer)| {
        if fingerprint.as_slice() == request.fingerprint {
            Saved::Replayed(answer)
        } else {
            Saved::RequestIdReused
        }
    }))
}
