//! Workflows as their rows have them. What cannot be read of one is left out and listed.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    value::{StatusCode, WorkflowCode},
    workflow::{Finding, Record},
};

use crate::{
    Error,
    rows::{
        StoredText,
        workflow::{AssignmentRow, StateRow, StatusRow, TransitionRow, Unreadable, WorkflowRow},
    },
    schema::{assignments, states, statuses, transitions, workflows},
    tx::{Tx, on_conn},
};

pub(crate) struct Loaded {
    /// What can be read of it. Statuses and transitions that cannot be have their stamps all the
    /// same.
    pub(crate) record: Record,
    /// The statuses that orders were in.
    pub(crate) used: BTreeSet<StatusCode>,
    /// What cannot be read, and is left out.
    pub(crate) unreadable: Vec<Finding>,
}

/// Lists the codes of all workflows, ascending. No call can name one whose code is none, so it is
/// left out.
pub(crate) async fn codes(tx: &mut Tx) -> Result<Vec<WorkflowCode>, Error> {
    let codes = stored_codes(tx).await?;
    Ok(codes.iter().filter_map(|code| code.parse().ok()).collect())
}

/// Lists the codes of all workflows as they are stored, ascending, as far as they can be read.
pub(crate) async fn stored_codes(tx: &mut Tx) -> Result<Vec<String>, Error> {
    let rows = workflows::table
        .select(workflows::code)
        .order(workflows::code);
    let codes = on_conn!(tx, |c| rows.load::<StoredText>(c).await)?;
    Ok(codes.into_iter().map(StoredText::into_lossy).collect())
}

/// Loads a workflow, and which of its statuses an order was ever in. What cannot be read of it is
/// left out and listed.
pub(crate) async fn load(tx: &mut Tx, code: &WorkflowCode) -> Result<Option<Loaded>, Error> {
    let row = workflows::table.find(code.as_str());
    let Some(row): Option<WorkflowRow> = on_conn!(tx, |c| row.first(c).await).optional()? else {
        return Ok(None);
    };
    let mut unreadable = Unreadable::default();
    let (mut workflow, stamp) = (row.workflow(&mut unreadable)?, row.stamp());
    let rows = states::table.filter(states::workflow.eq(code.as_str()));
    for row in on_conn!(tx, |c| rows.load::<StateRow>(c).await)? {
        let state = unreadable.note(row.subject(), row.state());
        workflow.states.extend(state);
    }
    let rows = assignments::table.filter(assignments::workflow.eq(code.as_str()));
    for row in on_conn!(tx, |c| rows.load::<AssignmentRow>(c).await)? {
        let assignment = unreadable.note(row.subject(), row.assignment());
        workflow.assignments.extend(assignment);
    }
    let (mut status_stamps, mut transition_stamps, mut used) =
        (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for (row, ever_used) in status_rows(tx, code).await? {
        if let Some(status) = row.readable_code() {
            used.extend(Some(status.clone()).filter(|_| ever_used));
            status_stamps.insert(status, row.stamp());
        }
        let status = unreadable.note(row.subject(), row.status());
        workflow.statuses.extend(status);
    }
    let rows = transitions::table.filter(transitions::workflow.eq(code.as_str()));
    for row in on_conn!(tx, |c| rows.load::<TransitionRow>(c).await)? {
        if let Some(transition) = row.readable_code() {
            transition_stamps.insert(transition, row.stamp());
        }
        let transition = unreadable.note(row.subject(), row.transition());
        workflow.transitions.extend(transition);
    }
    Ok(Some(Loaded {
        record: Record {
            workflow: workflow.normalized(),
            stamp,
            statuses: status_stamps,
            transitions: transition_stamps,
        },
        used,
        unreadable: unreadable.into_findings(),
    }))
}

async fn status_rows(tx: &mut Tx, code: &WorkflowCode) -> Result<Vec<(StatusRow, bool)>, Error> {
    let rows = on_conn!(tx, |c| {
        let rows = statuses::table.filter(statuses::workflow.eq(code.as_str()));
        rows.select((StatusRow::as_select(), statuses::ever_used))
            .load(c)
            .await
    });
    Ok(rows?)
}

/// Whether there is any workflow, readable or not.
pub(crate) async fn any(tx: &mut Tx) -> Result<bool, Error> {
    let any = workflows::table.select(workflows::code);
    let any: Option<StoredText> = on_conn!(tx, |c| any.first(c).await).optional()?;
    Ok(any.is_some())
}
