//! What a change of a workflow is before it is saved: computed on a snapshot, without any
//! lock, on a thread that may take its time.

use std::{collections::BTreeSet, sync::Arc};

use waymark_domain::{
    value::{StatusCode, Timestamp},
    workflow::{
        Affected, Difference, Finding, Graph, GraphError, Record, Refusal, Workflow, diff,
        diff_shortened, lint,
    },
};

use super::{
    change::{ChangeMode, Counting, Outcome, WorkflowChange},
    ledger::Page,
    timers::Timers,
    usage::Removed,
};
use crate::{Error, Published, catalog::Edition};

/// What the caller brings along. It goes to the thread that computes, and comes back for the
/// next attempt.
pub(super) struct Calls<F, G, H> {
    pub(super) edit: F,
    pub(super) answer: G,
    pub(super) encode: H,
}

/// What an edit is made on: the workflow as it was at an edition of the catalog.
pub(super) struct Snapshot {
    pub(super) edition: Edition,
    pub(super) before: Before,
    /// The statuses that orders were in.
    pub(super) used: BTreeSet<StatusCode>,
    pub(super) is_remembered: bool,
}

/// The workflow before a change.
pub(super) enum Before {
    None,
    Kept(Arc<Published>),
    Loaded(Box<Record>),
}

/// A change that was computed, before it is answered.
pub(super) struct Drafted<A> {
    edition: Edition,
    after: Option<Arc<Published>>,
    used: BTreeSet<StatusCode>,
    pub(super) removed: Option<Removed>,
    page: Option<Page>,
    timers: Timers,
    changes: Vec<Difference>,
    /// What it may mean for what is there; nothing where that is not asked.
    affected: Affected,
    answer: A,
    now: Timestamp,
}

/// A change that was computed and can be saved.
pub(super) struct Prepared<R> {
    pub(super) edition: Edition,
    pub(super) after: Option<Arc<Published>>,
    pub(super) used: BTreeSet<StatusCode>,
    pub(super) removed: Option<Removed>,
    /// What is saved; none where nothing differs.
    pub(super) page: Option<Page>,
    pub(super) timers: Timers,
    pub(super) answer: R,
    /// What is remembered of the answer; empty where the call has no request id.
    pub(super) encoded: Vec<u8>,
    pub(super) now: Timestamp,
}

/// Edits the workflow as it was, and makes ready what is saved if nothing stands against it.
pub(super) fn draft<A, E, F, G, H>(
    change: &WorkflowChange,
    snapshot: Snapshot,
    calls: &mut Calls<F, G, H>,
    clock: Timestamp,
) -> Result<Result<Drafted<A>, E>, Error>
where
    E: From<Refusal>,
    F: FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), E>,
{
    let before = snapshot.before.record();
    let now = before.map_or(clock, |record| clock.max(record.stamp.update_time));
    let (edited, answer) = match (calls.edit)(before, now) {
        Ok(edited) => edited,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let code = change.workflow.clone();
    let edited = edited.map(|workflow| Workflow { code, ..workflow }.normalized());
    let removed = before.map(|before| Removed::between(&before.workflow, edited.as_ref()));
    let revised = match (&snapshot.before, edited) {
        (Before::Kept(kept), Some(edited)) if kept.record.workflow == edited => {
            Ok(Some(Arc::clone(kept)))
        }
        (_, edited) => revise(before, edited, now),
    };
    let after = match revised {
        Ok(after) => after,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let record = after.as_ref().map(|published| &published.record);
    let kept = differences(before, record, diff_shortened);
    let page = Page::new(change, (before, record), &kept, now)?;
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
    let timers = Timers::between(from, to);
    Ok(Ok(Drafted {
        edition: snapshot.edition,
        changes: differences(before, record, diff),
        removed: removed.filter(|removed| !removed.is_empty()),
        page,
        timers,
        affected,
        answer,
        now,
        after,
        used: snapshot.used,
    }))
}

impl<A> Drafted<A> {
    /// What the change may mean for what is there, and the workflow by which that is judged; none
    /// where nothing has to be counted.
    pub(super) fn affected(&self) -> Option<(&Affected, &Arc<Published>)> {
        let after = self.after.as_ref()?;
        Some((&self.affected, after)).filter(|(affected, _)| !affected.is_empty())
    }

    /// Answers the change, with what was counted of what it affects.
    pub(super) fn answer<R, F, G, H>(
        self,
        change: &WorkflowChange,
        findings: Vec<Finding>,
        calls: &mut Calls<F, G, H>,
    ) -> Prepared<R>
    where
        G: FnMut(Outcome<A>) -> R,
        H: FnMut(&R) -> Vec<u8>,
    {
        let outcome = Outcome {
            record: self.after.clone(),
            changes: self.changes,
            findings,
            answer: self.answer,
        };
        let answer = (calls.answer)(outcome);
        let is_remembered = change.request.is_some() && change.mode == ChangeMode::Apply;
        let encoded = is_remembered.then(|| (calls.encode)(&answer));
        Prepared {
            edition: self.edition,
            removed: self.removed,
            after: self.after,
            used: self.used,
            page: self.page,
            timers: self.timers,
            answer,
            encoded: encoded.unwrap_or_default(),
            now: self.now,
        }
    }
}

impl Before {
    fn record(&self) -> Option<&Record> {
        match self {
            Self::None => None,
            Self::Kept(published) => Some(&published.record),
            Self::Loaded(record) => Some(record),
        }
    }
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
        (None, Some(after)) => diff(&hollow(&after.workflow), &after.workflow),
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
