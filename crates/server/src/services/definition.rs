//! What the services of workflows and their parts share: finding a workflow, and the
//! one way to change it.

use std::sync::Arc;

use prost::Message;
use waymark_domain::{
    value::{Timestamp, WorkflowCode},
    workflow::{Record, Refusal, Stamp, Workflow},
};
use waymark_persistence::{
    ChangeMode, Changed, Counting, Extent, Outcome, Published, Request, Store, WorkflowChange,
};
use waymark_proto::convert::call::{EditCall, ValidateOnly};

use super::names;
use crate::{App, Error, telemetry};

/// Finds a workflow as it is now.
pub(super) async fn find(app: &App, code: &WorkflowCode) -> Result<Arc<Published>, Error> {
    find_in(app.store(), code).await
}

/// Finds a workflow as it is now, for what reads many bodies with the connections for that.
pub(super) async fn find_in(store: &Store, code: &WorkflowCode) -> Result<Arc<Published>, Error> {
    match store.workflow(code).await? {
        Some(published) => Ok(published),
        None => Err(names::no_workflow(store, code).await),
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

/// Changes a part of a workflow and answers; the flag says whether an earlier call is answered.
///
/// `edit` may be asked several times; `field` is the part of the request that rules which
/// it breaks are put down to. The change goes on when the caller goes away.
pub(super) async fn change<A, R>(
    app: &App,
    workflow: WorkflowCode,
    call: EditCall,
    field: &'static str,
    edit: impl FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), Error>
    + Send
    + 'static,
    answer: impl Fn(&Outcome<A>) -> R + Send + Sync + 'static,
) -> Result<(R, bool), Error>
where
    A: Send + Sync + 'static,
    R: Message + Default + 'static,
{
    let part = (workflow, Extent::Part, Counting::Nothing);
    change_to_extent(app, part, call, field, edit, answer).await
}

/// Changes a workflow as [`change`] does, a part or all of it, and counts what that affects if asked
/// to.
pub(super) async fn change_to_extent<A, R>(
    app: &App,
    (workflow, extent, counting): (WorkflowCode, Extent, Counting),
    call: EditCall,
    field: &'static str,
    mut edit: impl FnMut(Option<&Record>, Timestamp) -> Result<(Option<Workflow>, A), Error>
    + Send
    + 'static,
    answer: impl Fn(&Outcome<A>) -> R + Send + Sync + 'static,
) -> Result<(R, bool), Error>
where
    A: Send + Sync + 'static,
    R: Message + Default + 'static,
{
    telemetry::note_request(call.request.as_ref().map(|request| &request.id));
    let change = WorkflowChange {
        workflow,
        request: call.request.map(|key| Request {
            id: key.id,
            fingerprint: key.fingerprint,
        }),
        actor: call.actor,
        mode: match call.validate_only {
            ValidateOnly::No => ChangeMode::Apply,
            ValidateOnly::Yes => ChangeMode::Rehearse,
        },
        counting,
        extent,
    };
    let store = app.store().clone();
    let edit = move |record: Option<&Record>, now: Timestamp| {
        edit(record, now).map_err(|error| match record {
            Some(record) => names::hinted(&record.workflow, error),
            None => error,
        })
    };
    let answer = move |outcome: Outcome<A>| answer(&outcome);
    let work = async move {
        let changed = store.change_workflow(&change, edit, answer, R::encode_to_vec);
        match changed.await? {
            Changed::Done(answer) => Ok((answer, false)),
            Changed::Replayed(stored) => {
                let what = "a stored answer cannot be read";
                let stored = R::decode(stored.as_slice()).map_err(|_| Error::Internal { what })?;
                Ok((stored, true))
            }
        }
    };
    let changed: Result<_, Error> = app.detached(work).await?;
    match changed {
        Ok(answered) => Ok(answered),
        Err(error) => Err(names::told(app.store(), error.in_field(field)).await),
    }
}

/// The workflow that an edit needs.
pub(super) fn present<'a>(
    record: Option<&'a Record>,
    code: &WorkflowCode,
) -> Result<&'a Record, Error> {
    record.ok_or_else(|| {
        Error::from(Refusal::WorkflowNotFound {
            workflow: code.clone(),
        })
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
