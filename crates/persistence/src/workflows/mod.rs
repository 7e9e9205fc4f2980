//! Workflows as they are stored: five tables that together give back exactly the
//! record that was saved.

mod affected;
mod change;
mod prepare;
mod save;
mod settling;
mod timers;
mod usage;
mod versions;

pub use change::{
    ChangeError, ChangeMode, Counting, EditStart, Extent, Outcome, Saved, WorkflowChange,
    WorkflowEdit,
};
pub use prepare::{WorkflowDraft, WorkflowSnapshot};
pub use settling::{Settling, SettlingCall};

use std::collections::{BTreeMap, BTreeSet};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    actor::Actor,
    value::{StatusCode, Timestamp, WorkflowCode},
    workflow::{Difference, Finding, Record},
};

use crate::{
    Error, Store,
    rows::{
        Reading, StoredText,
        workflow::{AssignmentRow, StateRow, StatusRow, TransitionRow, Unreadable, WorkflowRow},
    },
    schema::{assignments, states, statuses, transitions, workflow_versions, workflows},
    tx::{Tx, on_conn},
};

/// How many versions are read at once, and how many bytes of changes a page has.
const VERSIONS_AT_ONCE: usize = 16;
const VERSIONS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A page of versions of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPage {
    /// The versions, newest first.
    pub versions: Vec<WorkflowVersion>,
    /// Whether older ones follow.
    pub has_more: bool,
}

/// One version of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowVersion {
    /// Its number, from 1.
    pub version: i64,
    /// Who made it.
    pub actor: Actor,
    /// When.
    pub create_time: Timestamp,
    /// What it changed, with values that are cut where they are long.
    pub changes: Vec<Difference>,
    /// Whether it changed more than was kept.
    pub truncated: bool,
}

/// A workflow as its rows have it.
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

impl Store {
    /// Whether there is any workflow, readable or not.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn has_workflows(&self) -> Result<bool, Error> {
        let any = self.database().read(async |tx| {
            let any = workflows::table.select(workflows::code);
            let any: Option<StoredText> = on_conn!(tx, |c| any.first(c).await).optional()?;
            Ok(any.is_some())
        });
        any.await
    }

    /// Lists versions of a workflow, newest first: at most `limit`, those below `before`. A page
    /// ends soon behind 4 MiB of changes as they are stored.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflow_versions(
        &self,
        code: &WorkflowCode,
        before: Option<i64>,
        limit: usize,
    ) -> Result<VersionPage, Error> {
        let limit = limit.max(1);
        let mut page = VersionPage {
            versions: Vec::new(),
            has_more: true,
        };
        let (mut before, mut bytes) = (before.unwrap_or(i64::MAX), 0);
        while page.has_more && page.versions.len() < limit && bytes < VERSIONS_BYTES_MAX {
            let part = VERSIONS_AT_ONCE.min(limit - page.versions.len());
            // One more, to learn whether there is more.
            let mut rows = self.version_rows(code, before, part + 1).await?;
            page.has_more = rows.len() > part;
            rows.truncate(part);
            for row in rows {
                before = row.0;
                bytes += row.3.len();
                page.versions.push(read_version(code, row)?);
            }
        }
        Ok(page)
    }

    async fn version_rows(
        &self,
        code: &WorkflowCode,
        before: i64,
        limit: usize,
    ) -> Result<Vec<VersionRow>, Error> {
        let rows = self.database().read(async |tx| {
            let rows = workflow_versions::table
                .filter(workflow_versions::workflow.eq(code.as_str()))
                .filter(workflow_versions::version.lt(before))
                .order(workflow_versions::version.desc())
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .select((
                    workflow_versions::version,
                    workflow_versions::actor,
                    workflow_versions::create_time,
                    workflow_versions::changes,
                ));
            Ok(on_conn!(tx, |c| rows.load::<VersionRow>(c).await)?)
        });
        rows.await
    }

    /// Finds a version of a workflow as a YAML document.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflow_document(
        &self,
        code: &WorkflowCode,
        version: i64,
    ) -> Result<Option<String>, Error> {
        let document = self.database().read(async |tx| {
            let document = workflow_versions::table
                .find((code.as_str(), version))
                .select(workflow_versions::document);
            Ok(on_conn!(tx, |c| document.first::<StoredText>(c).await).optional()?)
        });
        let document = document.await?;
        let row = format!("{code}/{version}");
        let reading = Reading {
            table: "workflow_versions",
            row: &row,
        };
        let document = reading.optional_plain("document", document.as_ref())?;
        Ok(document.map(str::to_owned))
    }
}

/// The number, actor, time and changes of a version.
type VersionRow = (i64, StoredText, i64, StoredText);

fn read_version(
    code: &WorkflowCode,
    (version, actor, create_time, changes): VersionRow,
) -> Result<WorkflowVersion, Error> {
    let row = format!("{code}/{version}");
    let reading = Reading {
        table: "workflow_versions",
        row: &row,
    };
    let (changes, truncated) = versions::read_kept(&reading, &changes)?;
    Ok(WorkflowVersion {
        version,
        actor: reading.json("actor", &actor)?,
        create_time: Timestamp::from_micros(create_time),
        changes,
        truncated,
    })
}
