//! A change of a workflow before it is saved: computed on a snapshot, without any lock, on a
//! thread that may take its time.

use std::{collections::BTreeSet, sync::Arc};

use waymark_domain::{
    actor::Actor,
    judge::{Graph, GraphError},
    value::{StatusCode, Timestamp, WorkflowCode},
    workflow::{
        Affected, Difference, Finding, Record, Refusal, Workflow, diff, diff_shortened, lint,
        missing_parts,
    },
};

use super::{save::Saving, timers::Timers, usage::Removed, versions::Page};
use crate::{ChangeMode, Error, Published, Request, catalog::Edition, rows::Reading};

/// A change of a workflow, apart from what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowChange {
    /// The workflow; it need not exist.
    pub workflow: WorkflowCode,
    /// Idempotency key; none for a call that is not idempotent.
    pub request: Option<Request>,
    /// Who makes it.
    pub actor: Actor,
    /// Whether it is a dry run.
    pub mode: ChangeMode,
    /// The orders and deliveries that are counted.
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

/// Which of the orders and deliveries that are there are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// None.
    Nothing,
    /// Those that the change affects, for a bounded time and outside of all locks.
    Affected,
}

/// What a change makes of a workflow.
#[derive(Debug)]
pub struct Outcome {
    /// The workflow after the change; none when it is deleted.
    pub record: Option<Arc<Published>>,
    /// What differs, in whole values; empty when nothing does, and then the version is kept.
    pub changes: Vec<Difference>,
    /// What it means for orders and deliveries that are there, where that is counted.
    pub findings: Vec<Finding>,
}

/// A workflow as it was at an edition of the catalog, on which an edit is made.
pub struct WorkflowSnapshot {
    pub(super) edition: Edition,
    /// The workflow before the change; none where there is none.
    pub(super) before: Option<Arc<Published>>,
    pub(super) used: BTreeSet<StatusCode>,
}

impl WorkflowSnapshot {
    /// The workflow, if there is one.
    pub fn record(&self) -> Option<&Record> {
        self.before.as_ref().map(|published| &published.record)
    }
}

/// A change that was computed and can be saved.
pub struct WorkflowDraft {
    /// What it makes of the workflow.
    pub outcome: Outcome,
    pub(super) edition: Edition,
    pub(super) used: BTreeSet<StatusCode>,
    pub(super) removed: Option<Removed>,
    /// What is saved; none where nothing differs.
    pub(super) page: Option<Page>,
    pub(super) timers: Timers,
    /// What it may mean for what is there; nothing where that is not asked.
    affected: Affected,
}

/// Makes ready what is saved of an edited workflow if nothing stands against it.
pub(super) fn draft(
    change: &WorkflowChange,
    snapshot: WorkflowSnapshot,
    edited: Option<Workflow>,
    clock: Timestamp,
) -> Result<Result<WorkflowDraft, Refusal>, Error> {
    let old = snapshot.before.as_deref();
    let before = snapshot.record();
    let now = before.map_or(clock, |record| clock.max(record.stamp.update_time));
    let code = change.workflow.clone();
    let edited = edited.map(|workflow| Workflow { code, ..workflow }.normalized());
    if let (Some(record), Some(_)) = (before, &edited) {
        check_version(record)?;
    }
    let removed = old.map(|old| removed(old, edited.as_ref()));
    let revised = match (&snapshot.before, edited) {
        (Some(kept), Some(edited)) if is_the_same(kept, &edited) => Ok(Some(Arc::clone(kept))),
        (_, edited) => revise(old, edited, now),
    };
    let after = match revised {
        Ok(after) => after,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let record = after.as_ref().map(|published| &published.record);
    let saving = saving(old, record)?;
    let changes = differences(before, record, diff_shortened);
    let page = Page::new(
        (&change.workflow, &change.actor),
        (saving, record),
        &changes,
        now,
    )?;
    let (from, to) = (
        before.map(|before| &before.workflow),
        record.map(|record| &record.workflow),
    );
    let affected = match (from, to) {
        (Some(from), Some(to)) if change.counting == Counting::Affected => {
            Affected::between(from, to)
        }
        (Some(_) | None, Some(_) | None) => Affected::default(),
    };
    let timers = if is_mended(old, after.as_deref()) {
        Timers::Changed
    } else {
        Timers::between(from, to)
    };
    Ok(Ok(WorkflowDraft {
        outcome: Outcome {
            changes: differences(before, record, diff),
            findings: Vec::new(),
            record: after,
        },
        edition: snapshot.edition,
        removed: removed.filter(|removed| !removed.is_empty()),
        page,
        timers,
        affected,
        used: snapshot.used,
    }))
}

impl WorkflowDraft {
    /// What the change may mean for what is there, and the workflow by which that is judged; none
    /// where nothing has to be counted.
    pub(super) fn affected(&self) -> Option<(&Affected, &Arc<Published>)> {
        let after = self.outcome.record.as_ref()?;
        Some((&self.affected, after)).filter(|(affected, _)| !affected.is_empty())
    }
}

/// That a part of a workflow cannot be changed, since others of it cannot be read.
pub(super) fn unchangeable(before: &Published, change: &WorkflowChange) -> Option<Refusal> {
    let finding = before.unreadable().first()?;
    match change.extent {
        Extent::Whole => None,
        Extent::Part => Some(Refusal::WorkflowUnusable {
            workflow: change.workflow.clone(),
            finding: finding.to_string(),
        }),
    }
}

/// Whether an edit changes nothing. Of what cannot be read in full, nobody knows.
fn is_the_same(before: &Published, edited: &Workflow) -> bool {
    before.unreadable().is_empty() && before.record.workflow == *edited
}

/// Whether a workflow can be used again, so that its orders wait for time anew.
fn is_mended(before: Option<&Published>, after: Option<&Published>) -> bool {
    before.is_some_and(|before| before.unusable().is_some())
        && after.is_some_and(|after| after.unusable().is_none())
}

/// Refuses a version that no other can follow, which no change of ours has written.
fn check_version(record: &Record) -> Result<(), Error> {
    if record.stamp.version < i64::MAX {
        return Ok(());
    }
    let reading = Reading::of("workflows", &record.workflow.code);
    Err(reading.corrupt("version", "no number follows it"))
}

fn removed(before: &Published, after: Option<&Workflow>) -> Removed {
    let mut removed = Removed::between(&before.record.workflow, after);
    if let (false, Some(after)) = (before.unreadable().is_empty(), after) {
        let statuses = before.record.statuses.keys();
        removed.add_statuses(statuses.filter(|status| after.status(status).is_none()));
    }
    removed
}

/// What is written. A difference to what cannot be read would be wrong, so then it is everything.
fn saving(before: Option<&Published>, after: Option<&Record>) -> Result<Option<Saving>, Error> {
    match (before, after) {
        (Some(before), Some(after)) if !before.unreadable().is_empty() => {
            Saving::anew(after).map(Some)
        }
        (before, after) => Saving::between(before.map(|before| &before.record), after),
    }
}

/// Makes the next record and compiles it. A guard that cannot be used is refused, unless it
/// was stored before and could not be used then either.
fn revise(
    before: Option<&Published>,
    edited: Option<Workflow>,
    now: Timestamp,
) -> Result<Option<Arc<Published>>, Refusal> {
    let Some(workflow) = edited else {
        return Ok(None);
    };
    let record = match before {
        Some(before) if before.unreadable().is_empty() => before.record.revise(workflow, now),
        Some(before) => before.record.succeed(workflow, now),
        None => Record::first(workflow, now),
    };
    if before.is_some_and(|before| !before.unreadable().is_empty()) {
        // What could not be read was missing before as well, which excuses nothing.
        let findings = missing_parts(&record.workflow);
        if !findings.is_empty() {
            return Err(Refusal::WorkflowInvalid { findings });
        }
    }
    let graph = Graph::of_stored(record.workflow.clone(), record.stamp.version);
    let mut problems: Vec<_> = graph.problems().collect();
    if let (false, Some(before)) = (problems.is_empty(), before) {
        let old: Vec<_> = before.graph.problems().collect();
        problems.retain(|problem| !old.contains(problem));
    }
    match problems.into_iter().next() {
        None => Ok(Some(Arc::new(Published::new(record, graph, Vec::new())))),
        Some(GraphError::Guard { transition, source }) => Err(Refusal::GuardInvalid {
            transition,
            problem: source,
        }),
        Some(GraphError::Instant { transition, source }) => Err(Refusal::DateInvalid {
            transition,
            problem: source,
        }),
        Some(
            GraphError::OperationGuard { .. }
            | GraphError::EntryGuard { .. }
            | GraphError::Condition { .. },
        ) => Err(Refusal::WorkflowInvalid {
            findings: lint(&record.workflow),
        }),
    }
}

fn differences(
    before: Option<&Record>,
    after: Option<&Record>,
    diff: fn(&Workflow, &Workflow) -> Vec<Difference>,
) -> Vec<Difference> {
    match (before, after) {
        (Some(before), Some(after)) => diff(&before.workflow, &after.workflow),
        (None, Some(after)) => diff(&without_parts(&after.workflow), &after.workflow),
        (Some(before), None) => diff(&before.workflow, &without_parts(&before.workflow)),
        (None, None) => Vec::new(),
    }
}

/// The workflow without its parts, with which a new one is compared.
fn without_parts(workflow: &Workflow) -> Workflow {
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
