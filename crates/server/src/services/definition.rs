//! Definitions: finding a workflow, and the one way in which it and its parts are changed.

use std::sync::Arc;

use waymark_domain::{
    value::WorkflowCode,
    workflow::{Record, Refusal, Stamp, Workflow},
};
use waymark_persistence::{
    CommitError, Counting, EditStart, Extent, Outcome, Published, Saved, Store, WorkflowChange,
};
use waymark_proto::convert::call::EditCall;

use super::{
    once::{self, Remembered, Showing},
    suggestions,
};
use crate::{App, Error};

/// Finds a workflow as it is now.
pub(super) async fn find(app: &App, code: &WorkflowCode) -> Result<Arc<Published>, Error> {
    find_in(app.store(), code).await
}

/// Finds a workflow as it is now, for what reads many bodies with the connections for that.
pub(super) async fn find_in(store: &Store, code: &WorkflowCode) -> Result<Arc<Published>, Error> {
    match store.workflow(code).await? {
        Some(published) => Ok(published),
        None => Err(suggestions::no_workflow(store, code).await),
    }
}

/// Refuses what needs all of a workflow of which parts cannot be read.
pub(super) fn whole(published: &Published) -> Result<(), Error> {
    match published.unreadable().first() {
        None => Ok(()),
        Some(finding) => Err(Error::from(Refusal::WorkflowUnusable {
            workflow: published.record.workflow.code.clone(),
            finding: finding.to_string(),
        })),
    }
}

/// A kind of parts of workflows, by code.
pub(super) struct Kind<C, M> {
    /// Finds the stamp of a part, which makes its etag.
    pub(super) stamp: fn(&Record, &C) -> Option<Stamp>,
    /// Shows a part to callers.
    pub(super) show: fn(&Record, &C) -> Option<M>,
}

/// Finds the stamp of a workflow, which parts without a stamp of their own share.
pub(super) const STAMP: fn(&Record) -> Option<Stamp> = |record| Some(record.stamp);

/// Changes a part of a workflow, and answers it as it is then; one that is deleted as it was.
pub(super) async fn change_part<C, M, R>(
    app: &App,
    Kind { stamp, show }: Kind<C, M>,
    (workflow, code): (WorkflowCode, C),
    (call, field): (EditCall, &'static str),
    edit: impl Fn(&Workflow, &C) -> Result<Workflow, Refusal> + Send + 'static,
) -> Result<R, Error>
where
    C: Clone + Send + 'static,
    M: Send + 'static,
    R: Showing<Shown = Option<M>>,
{
    let part = code.clone();
    let edit = move |record: &Record| {
        let after = edit(&record.workflow, &code)?;
        let (before, code) = (show(record, &code), code.clone());
        let answer = move |outcome: &Outcome| {
            let after = outcome.record.as_ref();
            let after = after.and_then(|published| show(&published.record, &code));
            R::of(after.or(before))
        };
        Ok((Some(after), answer))
    };
    let stamp = move |record: &Record| stamp(record, &part);
    change(app, (workflow, Extent::Part), (call, field), stamp, edit).await
}

/// Changes a workflow that is there, if what has this stamp is as the caller has seen it.
pub(super) async fn change<R, G>(
    app: &App,
    (workflow, extent): (WorkflowCode, Extent),
    (call, field): (EditCall, &'static str),
    stamp: impl Fn(&Record) -> Option<Stamp> + Send + 'static,
    edit: impl Fn(&Record) -> Result<(Option<Workflow>, G), Error> + Send + 'static,
) -> Result<R, Error>
where
    R: Remembered,
    G: FnOnce(&Outcome) -> R + Send + 'static,
{
    let (code, etag) = (workflow.clone(), call.etag.clone());
    let edit = move |record: Option<&Record>| {
        let record = record.ok_or_else(|| Refusal::WorkflowNotFound {
            workflow: code.clone(),
        })?;
        check_etag(etag.as_ref(), stamp(record).as_ref())?;
        edit(record)
    };
    let extent = (extent, Counting::Nothing);
    carry_out(app, workflow, extent, (call, field), edit).await
}

/// Carries an edit of a workflow out, also when the caller goes away.
///
/// `edit` makes of the workflow what it shall be, none to delete it, and what answers the caller;
/// it may be asked several times. `field` is the part of the request that rules which it breaks are
/// put down to.
pub(super) async fn carry_out<R, G>(
    app: &App,
    workflow: WorkflowCode,
    (extent, counting): (Extent, Counting),
    (call, field): (EditCall, &'static str),
    edit: impl Fn(Option<&Record>) -> Result<(Option<Workflow>, G), Error> + Send + 'static,
) -> Result<R, Error>
where
    R: Remembered,
    G: FnOnce(&Outcome) -> R + Send + 'static,
{
    let change = WorkflowChange {
        workflow,
        request: once::request(call.request.as_ref()),
        actor: call.actor,
        mode: once::mode(call.validate_only),
        counting,
        extent,
    };
    let changed = app.detached(Box::pin(save(app.store().clone(), change, edit)));
    match changed.await? {
        Ok(answer) => Ok(answer),
        Err(error) => Err(suggestions::with_workflow(app.store(), error.in_field(field)).await),
    }
}

/// Loads the workflow, applies the edit, which lints what it makes, saves that and remembers the
/// answer; from the start where somebody else was faster.
async fn save<R, G, F>(store: Store, change: WorkflowChange, mut edit: F) -> Result<R, Error>
where
    R: Remembered,
    G: FnOnce(&Outcome) -> R + Send + 'static,
    F: Fn(Option<&Record>) -> Result<(Option<Workflow>, G), Error> + Send + 'static,
{
    let mut turn = store.edit_workflow(&change).await?;
    loop {
        let snapshot = match turn.load().await? {
            EditStart::Loaded(snapshot) => snapshot,
            EditStart::Replayed(answer) => return once::replayed(&answer),
        };
        let applied = on_a_thread(move || {
            let applied = apply(&edit, snapshot.record());
            (edit, snapshot, applied)
        });
        let (again, snapshot, applied) = applied.await?;
        let (workflow, answer) = applied?;
        let draft = turn.prepare(snapshot, workflow).await?;
        let answered = on_a_thread(move || {
            let answer = answer(&draft.outcome);
            let encoded = answer.encode_to_vec();
            (draft, answer, encoded)
        });
        let (draft, answer, encoded) = answered.await?;
        match turn.save(&draft, &encoded).await? {
            Saved::Done => return Ok(answer),
            Saved::Replayed(answer) => return once::replayed(&answer),
            Saved::Stale => edit = again,
        }
    }
}

/// Applies an edit; of a part that is not there, says which may have been meant.
fn apply<T>(
    edit: impl Fn(Option<&Record>) -> Result<T, Error>,
    record: Option<&Record>,
) -> Result<T, Error> {
    edit(record).map_err(|error| match record {
        Some(record) => suggestions::with_part(&record.workflow, error),
        None => error,
    })
}

/// Computes something on a thread that may take its time.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| {
        tracing::error!(error = %panic, "workflow edit panicked");
        Error::from(CommitError::Database)
    })
}

/// Refuses an edit by a caller that has seen another version. A part that does not exist
/// passes: the edit itself says so.
pub(super) fn check_etag(expected: Option<&String>, stamp: Option<&Stamp>) -> Result<(), Error> {
    let (Some(expected), Some(current)) = (expected, stamp.map(Stamp::etag)) else {
        return Ok(());
    };
    if *expected == current {
        return Ok(());
    }
    Err(Error::from(Refusal::VersionMismatch {
        expected: expected.clone(),
        current,
    }))
}
