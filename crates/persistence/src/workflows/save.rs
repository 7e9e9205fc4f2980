//! Saving a workflow: only the rows that differ are written, so the marks of use
//! on statuses stay. What they are is found out before any lock is taken, and they
//! are written in few statements, since everybody waits meanwhile.

use std::collections::BTreeMap;

use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::try_join_all;
use waymark_domain::{
    value::WorkflowCode,
    workflow::{Record, Stamp},
};

use crate::{
    Error,
    rows::{
        StoredText,
        workflow::{AssignmentRow, StateRow, StatusRow, TransitionRow, WorkflowRow},
    },
    schema::{assignments, states, statuses, transitions, workflow_versions, workflows},
    tx::{Tx, on_conn},
};

/// How many rows one statement inserts; both databases bound its parameters.
const ROWS_AT_ONCE: usize = 200;

/// What saving a workflow writes.
#[derive(Debug)]
pub(super) enum Saving {
    /// Its first version, in place of whatever stands there.
    First(Box<Parts>),
    /// Another version.
    Next(Box<Parts>),
    /// Another version in place of all rows, of which some could not be read.
    Anew(Box<Parts>),
    /// It goes, with all its parts and versions.
    Delete(WorkflowCode),
}

#[derive(Debug)]
pub(super) struct Parts {
    workflow: WorkflowRow,
    states: Part<StateRow>,
    statuses: Part<StatusRow>,
    assignments: Part<AssignmentRow>,
    transitions: Part<TransitionRow>,
}

/// The rows of one table that are written.
#[derive(Debug)]
struct Part<R> {
    added: Vec<R>,
    changed: Vec<R>,
    gone: Vec<R>,
}

#[derive(Debug)]
struct Rows {
    workflow: WorkflowRow,
    states: BTreeMap<String, StateRow>,
    statuses: BTreeMap<String, StatusRow>,
    assignments: BTreeMap<(String, String), AssignmentRow>,
    transitions: BTreeMap<String, TransitionRow>,
}

impl Rows {
    fn of(record: &Record) -> Result<Self, Error> {
        let workflow = &record.workflow;
        let code = &workflow.code;
        let stamp = |found: Option<&Stamp>| found.copied().unwrap_or(record.stamp);
        let states = workflow
            .states
            .iter()
            .map(|state| Ok((state.code.to_string(), StateRow::new(code, state)?)));
        let statuses = workflow.statuses.iter().map(|status| {
            let row = StatusRow::new(code, status, &stamp(record.statuses.get(&status.code)))?;
            Ok((status.code.to_string(), row))
        });
        let transitions = workflow.transitions.iter().map(|transition| {
            let row = TransitionRow::new(
                code,
                transition,
                &stamp(record.transitions.get(&transition.code)),
            )?;
            Ok((transition.code.to_string(), row))
        });
        let assignments = workflow.assignments.iter().map(|assignment| {
            let key = (assignment.state.to_string(), assignment.status.to_string());
            (key, AssignmentRow::new(code, assignment))
        });
        Ok(Self {
            workflow: WorkflowRow::new(workflow, &record.stamp)?,
            states: states.collect::<Result<_, Error>>()?,
            statuses: statuses.collect::<Result<_, Error>>()?,
            assignments: assignments.collect(),
            transitions: transitions.collect::<Result<_, Error>>()?,
        })
    }
}

impl<R: PartialEq> Part<R> {
    fn between<K: Ord>(mut before: BTreeMap<K, R>, after: BTreeMap<K, R>) -> Self {
        let (mut added, mut changed) = (Vec::new(), Vec::new());
        for (key, row) in after {
            match before.remove(&key) {
                None => added.push(row),
                Some(old) if old != row => changed.push(row),
                Some(_) => {}
            }
        }
        Self {
            added,
            changed,
            gone: before.into_values().collect(),
        }
    }
}

impl Parts {
    fn between(before: Option<&Record>, after: &Record) -> Result<Box<Self>, Error> {
        let rows = Rows::of(after)?;
        let old = match before {
            Some(before) => Rows::of(before)?,
            None => Rows {
                workflow: rows.workflow.clone(),
                states: BTreeMap::new(),
                statuses: BTreeMap::new(),
                assignments: BTreeMap::new(),
                transitions: BTreeMap::new(),
            },
        };
        Ok(Box::new(Self {
            workflow: rows.workflow,
            states: Part::between(old.states, rows.states),
            statuses: Part::between(old.statuses, rows.statuses),
            assignments: Part::between(old.assignments, rows.assignments),
            transitions: Part::between(old.transitions, rows.transitions),
        }))
    }
}

impl Saving {
    /// What leads from one record to another; none where nothing does.
    ///
    /// # Errors
    /// Returns [`Error`] when a part cannot be written.
    pub(super) fn between(
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Result<Option<Self>, Error> {
        let Some(after) = after else {
            return Ok(before.map(|before| Self::Delete(before.workflow.code.clone())));
        };
        if before == Some(after) {
            return Ok(None);
        }
        Ok(Some(match before {
            Some(before) => Self::Next(Parts::between(Some(before), after)?),
            None => Self::First(Parts::between(None, after)?),
        }))
    }

    /// What replaces all rows of a workflow that is there.
    ///
    /// # Errors
    /// Returns [`Error`] when a part cannot be written.
    pub(super) fn anew(after: &Record) -> Result<Self, Error> {
        Ok(Self::Anew(Parts::between(None, after)?))
    }

    /// Whether the workflow begins or ends with it.
    pub(super) fn begins_or_ends(&self) -> bool {
        match self {
            Self::First(_) | Self::Delete(_) => true,
            Self::Next(_) | Self::Anew(_) => false,
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Returns what the database refuses.
    pub(super) async fn write(&self, tx: &mut Tx) -> Result<(), Error> {
        match self {
            Self::First(parts) => {
                let row = &parts.workflow;
                // Parts and versions that stand although their workflow is gone would be in the way.
                let code = row.code.lossy();
                let used = used(tx, code).await?;
                delete(tx, code).await?;
                let insert = diesel::insert_into(workflows::table).values(row);
                on_conn!(tx, |c| insert.execute(c).await)?;
                write_parts(tx, parts).await?;
                mark_used(tx, code, used).await
            }
            Self::Next(parts) => {
                let row = &parts.workflow;
                let target = workflows::table.find(row.code.lossy());
                on_conn!(tx, |c| diesel::update(target).set(row).execute(c).await)?;
                write_parts(tx, parts).await
            }
            Self::Anew(parts) => {
                let row = &parts.workflow;
                let code = row.code.lossy();
                let used = used(tx, code).await?;
                delete_parts(tx, code).await?;
                let target = workflows::table.find(code);
                on_conn!(tx, |c| diesel::update(target).set(row).execute(c).await)?;
                write_parts(tx, parts).await?;
                mark_used(tx, code, used).await
            }
            Self::Delete(code) => delete(tx, code.as_str()).await,
        }
    }
}

/// Inserts rows into a table: on PostgreSQL many in a statement, for the round trips.
macro_rules! insert {
    ($tx:expr, $table:ident, $rows:expr) => {
        match $tx {
            Tx::Postgres(connection) => {
                for rows in $rows.chunks(ROWS_AT_ONCE) {
                    let insert = diesel::insert_into($table::table).values(rows);
                    insert.execute(&mut ***connection).await?;
                }
            }
            Tx::Sqlite(connection) => {
                for row in $rows {
                    let insert = diesel::insert_into($table::table).values(row);
                    insert.execute(&mut ***connection).await?;
                }
            }
        }
    };
}

/// Updates rows of a table: on PostgreSQL in one round trip.
macro_rules! update {
    ($tx:expr, $table:ident, $rows:expr) => {
        match $tx {
            Tx::Postgres(connection) => {
                let connection: &AsyncPgConnection = connection;
                let sent = $rows.iter().map(|row| async move {
                    let update = diesel::update(
                        $table::table.find((row.workflow.lossy(), row.code.lossy())),
                    )
                    .set(row);
                    update.execute(&mut &*connection).await
                });
                let _: Vec<usize> = try_join_all(sent).await?;
            }
            Tx::Sqlite(connection) => {
                for row in $rows {
                    let update = diesel::update(
                        $table::table.find((row.workflow.lossy(), row.code.lossy())),
                    )
                    .set(row);
                    update.execute(&mut ***connection).await?;
                }
            }
        }
    };
}

/// Deletes rows of a table by their codes.
macro_rules! remove {
    ($tx:expr, $table:ident, $workflow:expr, $rows:expr) => {
        if !$rows.is_empty() {
            let codes: Vec<_> = $rows.iter().map(|row| row.code.lossy()).collect();
            let gone = $table::table
                .filter($table::workflow.eq($workflow))
                .filter($table::code.eq_any(codes));
            on_conn!($tx, |c| diesel::delete(gone).execute(c).await)?;
        }
    };
}

/// Rows that others point to come first and go last; a default goes before its successor comes.
async fn write_parts(tx: &mut Tx, parts: &Parts) -> Result<(), Error> {
    let code = parts.workflow.code.lossy();
    let assigned = &parts.assignments;
    unassign(tx, assigned.gone.iter().chain(&assigned.changed)).await?;
    remove!(tx, transitions, code, parts.transitions.gone);
    insert!(tx, states, &parts.states.added);
    update!(tx, states, &parts.states.changed);
    insert!(tx, statuses, &parts.statuses.added);
    update!(tx, statuses, &parts.statuses.changed);
    insert!(tx, transitions, &parts.transitions.added);
    update!(tx, transitions, &parts.transitions.changed);
    insert!(tx, assignments, &assigned.added);
    insert!(tx, assignments, &assigned.changed);
    remove!(tx, statuses, code, parts.statuses.gone);
    remove!(tx, states, code, parts.states.gone);
    Ok(())
}

async fn unassign<'r>(
    tx: &mut Tx,
    rows: impl Iterator<Item = &'r AssignmentRow>,
) -> Result<(), Error> {
    let delete = |row: &AssignmentRow| {
        let key = [&row.workflow, &row.state, &row.status];
        let [workflow, state, status] = key.map(|text| text.lossy().to_owned());
        let key = (workflow, state, status);
        diesel::delete(assignments::table.find(key))
    };
    match tx {
        Tx::Postgres(connection) => {
            let connection: &AsyncPgConnection = connection;
            let sent = rows.map(|row| {
                let delete = delete(row);
                async move { delete.execute(&mut &*connection).await }
            });
            let deleted: QueryResult<Vec<usize>> = try_join_all(sent).await;
            deleted?;
        }
        Tx::Sqlite(connection) => {
            for row in rows {
                delete(row).execute(&mut ***connection).await?;
            }
        }
    }
    Ok(())
}

async fn delete(tx: &mut Tx, code: &str) -> Result<(), Error> {
    let rows = workflow_versions::table.filter(workflow_versions::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    delete_parts(tx, code).await?;
    let rows = workflows::table.filter(workflows::code.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    Ok(())
}

/// Deletes all parts of a workflow, whatever they are.
async fn delete_parts(tx: &mut Tx, code: &str) -> Result<(), Error> {
    let rows = assignments::table.filter(assignments::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = transitions::table.filter(transitions::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = statuses::table.filter(statuses::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = states::table.filter(states::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    Ok(())
}

/// The statuses of a workflow that an order was ever in.
async fn used(tx: &mut Tx, code: &str) -> Result<Vec<String>, Error> {
    let used = statuses::table
        .filter(statuses::workflow.eq(code))
        .filter(statuses::ever_used.eq(true))
        .select(statuses::code);
    let used: Vec<StoredText> = on_conn!(tx, |c| used.load(c).await)?;
    Ok(used.into_iter().filter_map(StoredText::into_utf8).collect())
}

/// Marks those of some statuses that are there as used.
async fn mark_used(tx: &mut Tx, code: &str, used: Vec<String>) -> Result<(), Error> {
    if used.is_empty() {
        return Ok(());
    }
    let rows = statuses::table
        .filter(statuses::workflow.eq(code))
        .filter(statuses::code.eq_any(used));
    let mark = statuses::ever_used.eq(true);
    on_conn!(tx, |c| diesel::update(rows).set(mark).execute(c).await)?;
    Ok(())
}
