//! Changing a workflow: one path for every edit. It holds the locks of all
//! partitions, so no step is decided while it runs and none can land on what
//! goes away.

use std::sync::Arc;

use waymark_domain::{
    actor::Actor,
    value::{Timestamp, WorkflowCode},
    workflow::{Difference, Graph, GraphError, Record, Refusal, Workflow, diff, lint},
};

use super::{ledger, load, timers, usage};
use crate::{
    CommitError, Error, Published, Request, Store,
    commit::retry::{Patience, report},
    requests,
    tx::{Ending, Tx, WriteFailure},
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
}

/// Whether a change is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeMode {
    /// It is saved.
    Apply,
    /// It is only checked, and its request id is neither looked up nor remembered.
    Rehearse,
}

/// What a change came to.
#[derive(Debug)]
pub enum Changed<A> {
    /// It was made, or would be.
    Done(Outcome<A>),
    /// The same call was made before; these are the bytes that were remembered of its answer.
    Replayed(Vec<u8>),
}

/// What a change made of a workflow.
#[derive(Debug)]
pub struct Outcome<A> {
    /// The workflow after the change; none when it was deleted.
    pub record: Option<Arc<Published>>,
    /// What differs; empty when nothing does, and then the version was kept.
    pub changes: Vec<Difference>,
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

/// A change that was written, or will not be.
enum Decision<A, E> {
    Changed(Changed<A>),
    Refused(E),
    RequestIdReused,
}

/// A decision with the proof that its transaction was committed.
struct Attempted<A, E> {
    decision: Decision<A, E>,
    proof: Option<ledger::Proof>,
}

impl Store {
    /// Changes a workflow in one transaction.
    ///
    /// `edit` is given the workflow as it is now, or none, and the time; it answers what the
    /// workflow shall be, or none to delete it. It must be pure: it is called again when the
    /// transaction is tried again. `encode` makes the bytes that a repeated call is answered
    /// with; it is called only when the change has a request id.
    ///
    /// # Errors
    /// Returns [`ChangeError::Refused`] when `edit` refuses or the change takes away what
    /// orders use, [`ChangeError::RequestIdReused`], and [`ChangeError::Failed`].
    pub async fn change_workflow<A, E: From<Refusal>>(
        &self,
        change: &WorkflowChange,
        mut edit: impl FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), E>,
        mut encode: impl FnMut(&Outcome<A>) -> Vec<u8>,
    ) -> Result<Changed<A>, ChangeError<E>> {
        let mut patience = Patience::new(self.settings().commit_patience);
        let mut doubtful: Option<Attempted<A, E>> = None;
        let mut refused_before = false;
        let all = self.partition_count().all().collect::<Vec<_>>();
        loop {
            let written = self.database().write(&all, async |tx| {
                if let Some(settled) = settle(tx, &mut doubtful).await? {
                    // Waits for the standby, which may not have yet what a restart made visible.
                    return Ok(Ending::Commit(settled));
                }
                self.attempt_change(tx, change, &mut edit, &mut encode)
                    .await
            });
            let error = match written.await {
                Ok(attempted) => return attempted.decision.answer(),
                Err(WriteFailure::AtCommit { outcome, error }) => {
                    doubtful = Some(outcome);
                    error
                }
                Err(WriteFailure::Before(error)) => error,
            };
            let passing = error.is_passing() || doubtful.is_some();
            if error.is_of_storage()
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

    async fn attempt_change<A, E: From<Refusal>>(
        &self,
        tx: &mut Tx,
        change: &WorkflowChange,
        edit: &mut impl FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), E>,
        encode: &mut impl FnMut(&Outcome<A>) -> Vec<u8>,
    ) -> Result<Ending<Attempted<A, E>>, Error> {
        let unwritten = |decision| {
            Ok(Ending::RollBack(Attempted {
                decision,
                proof: None,
            }))
        };
        if let Some(decision) = remembered(tx, change).await? {
            // As what was settled: the call that it repeats may not have been.
            return Ok(Ending::Commit(Attempted {
                decision,
                proof: None,
            }));
        }
        let Judged {
            before,
            outcome,
            now,
        } = match self.judge(tx, change, edit).await? {
            Ok(judged) => judged,
            Err(refusal) => return unwritten(Decision::Refused(refusal)),
        };
        let after = outcome.record.as_ref().map(|published| &published.record);
        let is_changed = before.as_ref() != after;
        if change.mode == ChangeMode::Rehearse {
            return unwritten(Decision::Changed(Changed::Done(outcome)));
        }
        let mut proof = None;
        if is_changed {
            let changes = &outcome.changes;
            proof = Some(ledger::save(tx, change, (before.as_ref(), after), changes, now).await?);
            if let Some(after) = after {
                let before = before.as_ref().map(|before| &before.workflow);
                timers::refresh(tx, before, &after.workflow, now).await?;
            }
        }
        if let Some(request) = &change.request {
            let scope = change.workflow.as_str();
            requests::remember(tx, scope, request, &encode(&outcome), now).await?;
        }
        Ok(Ending::Commit(Attempted {
            decision: Decision::Changed(Changed::Done(outcome)),
            proof,
        }))
    }

    /// Edits the workflow as it is now, and holds the result against what orders use.
    async fn judge<A, E: From<Refusal>>(
        &self,
        tx: &mut Tx,
        change: &WorkflowChange,
        edit: &mut impl FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), E>,
    ) -> Result<Result<Judged<A>, E>, Error> {
        let (before, used) = load(tx, &change.workflow).await?.unzip();
        let clock = self.clock().now();
        let now = before
            .as_ref()
            .map_or(clock, |record: &Record| clock.max(record.stamp.update_time));
        let (edited, answer) = match edit(before.as_ref(), now) {
            Ok(edited) => edited,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let code = change.workflow.clone();
        let edited = edited.map(|workflow| Workflow { code, ..workflow }.normalized());
        if let Some(before) = &before {
            let used = used.unwrap_or_default();
            let after = edited.as_ref();
            if let Some(refusal) = usage::check(tx, &before.workflow, after, &used).await? {
                return Ok(Err(refusal.into()));
            }
        }
        let record = match revise(before.as_ref(), edited, now) {
            Ok(record) => record,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let changes = differences(before.as_ref(), record.as_deref());
        let outcome = Outcome {
            record,
            changes,
            answer,
        };
        Ok(Ok(Judged {
            before,
            outcome,
            now,
        }))
    }
}

/// An edit that nothing stands against.
struct Judged<A> {
    before: Option<Record>,
    outcome: Outcome<A>,
    now: Timestamp,
}

impl<A, E> Decision<A, E> {
    fn answer(self) -> Result<Changed<A>, ChangeError<E>> {
        match self {
            Self::Changed(changed) => Ok(changed),
            Self::Refused(error) => Err(ChangeError::Refused(error)),
            Self::RequestIdReused => Err(ChangeError::RequestIdReused),
        }
    }
}

/// Finds out, under the locks, whether a transaction whose commit was not answered was
/// committed. One that only remembered a request id changed nothing else: it runs again.
async fn settle<A, E>(
    tx: &mut Tx,
    doubtful: &mut Option<Attempted<A, E>>,
) -> Result<Option<Attempted<A, E>>, Error> {
    let Some(attempted) = doubtful else {
        return Ok(None);
    };
    let happened = match attempted.proof {
        Some(proof) => ledger::is_saved(tx, proof).await?,
        None => false,
    };
    Ok(doubtful.take().filter(|_| happened))
}

async fn remembered<A, E>(
    tx: &mut Tx,
    change: &WorkflowChange,
) -> Result<Option<Decision<A, E>>, Error> {
    let (Some(request), ChangeMode::Apply) = (&change.request, change.mode) else {
        return Ok(None);
    };
    let found = requests::find(tx, change.workflow.as_str(), request).await?;
    Ok(found.map(|(fingerprint, answer)| {
        if fingerprint.as_slice() == request.fingerprint {
            Decision::Changed(Changed::Replayed(answer))
        } else {
            Decision::RequestIdReused
        }
    }))
}

/// Makes the next record and compiles it. A guard that cannot be used is refused, unless it
/// was stored before and could not be used then either.
fn revise(
    before: Option<&Record>,
    edited: Option<Workflow>,
    now: Timestamp,
) -> Result<Option<Arc<Published>>, Refusal> {
    let Some(workflow) = edited else {
        return Ok(None);
    };
    let record = match before {
        Some(before) => before.revise(workflow, now),
        None => Record::first(workflow, now),
    };
    let graph = Graph::of_stored(record.workflow.clone(), record.stamp.version);
    let mut problems: Vec<_> = graph.problems().collect();
    if let (false, Some(before)) = (problems.is_empty(), before) {
        let stored = Graph::of_stored(before.workflow.clone(), before.stamp.version);
        let old: Vec<_> = stored.problems().collect();
        problems.retain(|problem| !old.contains(problem));
    }
    match problems.into_iter().next() {
        None => Ok(Some(Arc::new(Published { record, graph }))),
        Some(GraphError::Guard { transition, source }) => Err(Refusal::GuardInvalid {
            transition,
            problem: source,
        }),
        Some(GraphError::EntryGuard { .. } | GraphError::Condition { .. }) => {
            Err(Refusal::WorkflowInvalid {
                findings: lint(&record.workflow),
            })
        }
    }
}

fn differences(before: Option<&Record>, after: Option<&Published>) -> Vec<Difference> {
    match (before, after) {
        (Some(before), Some(after)) => diff(&before.workflow, &after.record.workflow),
        (None, Some(after)) => diff(&hollow(&after.record.workflow), &after.record.workflow),
        (Some(before), None) => diff(&before.workflow, &hollow(&before.workflow)),
        (None, None) => Vec::new(),
    }
}

/// The workflow without its parts: what a new one is compared with.
fn hollow(workflow: &Workflow) -> Workflow {
    Workflow {
        operations: Vec::new(),
        states: Vec::new(),
        statuses: Vec::new(),
        assignments: Vec::new(),
        transitions: Vec::new(),
        on_create: Vec::new(),
        on_comment: Vec::new(),
        ..workflow.clone()
    }
}
