//! Changing a workflow: one path for every edit. It holds the locks of all
//! partitions, so no step is decided while it runs and none can land on what
//! goes away.

use std::sync::Arc;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use uuid::Uuid;
use waymark_domain::{
    actor::Actor,
    partition::Partition,
    value::{Timestamp, WorkflowCode},
    workflow::{
        Difference, GraphError, Record, Refusal, Workflow, diff,
        document::{self, Format},
        lint,
    },
};

use super::{load, save, usage};
use crate::{
    CommitError, Error, Published, Request, Store, catalog,
    commit::{lookup, retry::{Patience, report}},
    rows::json,
    schema::{catalog as catalog_table, definition_requests, workflow_versions},
    tx::{Ending, Tx, WriteFailure, on_conn},
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
    proof: Option<(i64, [u8; 16])>,
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
        loop {
            let written = self.database().write(async |tx| {
                lookup::lock(tx, &self.partition_count().all().collect::<Vec<_>>()).await?;
                if let Some(settled) = settle(tx, &mut doubtful).await? {
                    return Ok(Ending::RollBack(settled));
                }
                self.attempt_change(tx, change, &mut edit, &mut encode).await
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
            if (!passing && std::mem::replace(&mut refused_before, true)) || !patience.wait().await {
                report(&error, "a change of a workflow was given up");
                return Err(ChangeError::Failed(match (passing, doubtful) {
                    (_, Some(_)) => CommitError::OutcomeUnknown,
                    (true, None) => CommitError::Unavailable,
                    (false, None) => CommitError::Database,
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
        if let Some(decision) = remembered(tx, change).await? {
            return Ok(Ending::RollBack(Attempted { decision, proof: None }));
        }
        let found = load(tx, &change.workflow).await?;
        let (before, used) = found.map_or((None, std::collections::BTreeSet::new()), |(record, used)| (Some(record), used));
        let clock = self.clock().now();
        let now = before.as_ref().map_or(clock, |record| clock.max(record.stamp.update_time));
        let refused = |error| Ok(Ending::RollBack(Attempted { decision: Decision::Refused(error), proof: None }));
        let (edited, answer) = match edit(before.as_ref(), now) {
            Ok(edited) => edited,
            Err(error) => return refused(error),
        };
        let edited = edited.map(|workflow| Workflow { code: change.workflow.clone(), ..workflow }.normalized());
        if let Some(before) = &before {
            let partitions = self.partition_count().all().map(Partition::number).collect::<Vec<_>>();
            let refusal = usage::check(tx, &partitions, &before.workflow, edited.as_ref(), &used).await?;
            if let Some(refusal) = refusal {
                return refused(refusal.into());
            }
        }
        let after = match revise(before.as_ref(), edited, now) {
            Ok(after) => after,
            Err(refusal) => return refused(refusal.into()),
        };
        let changes = differences(before.as_ref(), after.as_deref());
        let outcome = Outcome { record: after, changes, answer };
        let is_changed = before.as_ref() != outcome.record.as_ref().map(|published| &published.record);
        if change.mode == ChangeMode::Rehearse || (!is_changed && change.request.is_none()) {
            let decision = Decision::Changed(Changed::Done(outcome));
            return Ok(Ending::RollBack(Attempted { decision, proof: None }));
        }
        let mut proof = None;
        if is_changed {
            proof = Some(write(tx, change, before.as_ref(), &outcome, now).await?);
        }
        if let Some(request) = &change.request {
            remember(tx, change, request, encode(&outcome), now).await?;
        }
        Ok(Ending::Commit(Attempted { decision: Decision::Changed(Changed::Done(outcome)), proof }))
    }
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
async fn settle<A, E>(tx: &mut Tx, doubtful: &mut Option<Attempted<A, E>>) -> Result<Option<Attempted<A, E>>, Error> {
    let Some(attempted) = doubtful else { return Ok(None) };
    let mut happened = false;
    if let Some((version, id)) = attempted.proof {
        let found = catalog_table::table.find(version).select(catalog_table::change_id);
        let found: Option<Vec<u8>> = on_conn!(tx, |c| found.first(c).await).optional()?;
        happened = found.is_some_and(|found| found.as_slice() == id);
    }
    Ok(doubtful.take().filter(|_| happened))
}

async fn remembered<A, E>(tx: &mut Tx, change: &WorkflowChange) -> Result<Option<Decision<A, E>>, Error> {
    let (Some(request), ChangeMode::Apply) = (&change.request, change.mode) else { return Ok(None) };
    let row = definition_requests::table
        .find((change.workflow.as_str(), request.id.as_str()))
        .select((definition_requests::fingerprint, definition_requests::answer));
    let row: Option<(Vec<u8>, Vec<u8>)> = on_conn!(tx, |c| row.first(c).await).optional()?;
    Ok(row.map(|(fingerprint, answer)| {
        if fingerprint.as_slice() == request.fingerprint {
            Decision::Changed(Changed::Replayed(answer))
        } else {
            Decision::RequestIdReused
        }
    }))
}

async fn remember(tx: &mut Tx, change: &WorkflowChange, request: &Request, answer: Vec<u8>, now: Timestamp) -> Result<(), Error> {
    let row = (
        definition_requests::workflow.eq(change.workflow.as_str()),
        definition_requests::request_id.eq(request.id.as_str()),
        definition_requests::fingerprint.eq(request.fingerprint.as_slice()),
        definition_requests::answer.eq(answer),
        definition_requests::create_time.eq(now.micros()),
    );
    on_conn!(tx, |c| diesel::insert_into(definition_requests::table).values(row).execute(c).await)?;
    Ok(())
}

/// Makes the next record and compiles it: what does not compile could never be loaded again.
fn revise(before: Option<&Record>, edited: Option<Workflow>, now: Timestamp) -> Result<Option<Arc<Published>>, Refusal> {
    let Some(workflow) = edited else { return Ok(None) };
    let record = match before {
        Some(before) => before.revise(workflow, now),
        None => Record::first(workflow, now),
    };
    let graph = waymark_domain::workflow::Graph::new(record.workflow.clone(), record.stamp.version);
    match graph {
        Ok(graph) => Ok(Some(Arc::new(Published { record, graph }))),
        Err(GraphError::Guard { transition, source }) => Err(Refusal::GuardInvalid { transition, problem: source }),
        Err(GraphError::EntryGuard { .. }) => Err(Refusal::WorkflowInvalid { findings: lint(&record.workflow) }),
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
        ..workflow.clone()
    }
}

/// Saves a change and gives it the next version of the catalog.
async fn write<A>(
    tx: &mut Tx,
    change: &WorkflowChange,
    before: Option<&Record>,
    outcome: &Outcome<A>,
    now: Timestamp,
) -> Result<(i64, [u8; 16]), Error> {
    match (before, &outcome.record) {
        (None, None) => {}
        (None, Some(after)) => save::insert(tx, &after.record).await?,
        (Some(before), Some(after)) => save::update(tx, before, &after.record).await?,
        (Some(_), None) => save::delete(tx, &change.workflow).await?,
    }
    if let Some(after) = &outcome.record {
        version(tx, change, &after.record, &outcome.changes, now).await?;
    }
    let proof = (catalog::version(tx).await? + 1, Uuid::new_v4().into_bytes());
    let row = (
        catalog_table::version.eq(proof.0),
        catalog_table::change_id.eq(proof.1.to_vec()),
        catalog_table::workflow.eq(change.workflow.as_str()),
        catalog_table::create_time.eq(now.micros()),
    );
    on_conn!(tx, |c| diesel::insert_into(catalog_table::table).values(row).execute(c).await)?;
    Ok(proof)
}

async fn version(tx: &mut Tx, change: &WorkflowChange, record: &Record, changes: &[Difference], now: Timestamp) -> Result<(), Error> {
    let document = document::export(&record.workflow, Format::Yaml)
        .map_err(|source| Error::Database { source: diesel::result::Error::SerializationError(Box::new(source)) })?;
    let row = (
        workflow_versions::workflow.eq(change.workflow.as_str()),
        workflow_versions::version.eq(record.stamp.version),
        workflow_versions::actor.eq(json(&change.actor)?),
        workflow_versions::create_time.eq(now.micros()),
        workflow_versions::changes.eq(json(&changes)?),
        workflow_versions::document.eq(document),
    );
    on_conn!(tx, |c| diesel::insert_into(workflow_versions::table).values(row).execute(c).await)?;
    Ok(())
}
