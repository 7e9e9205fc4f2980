//! Saving a workflow: only the rows that differ are written, so the marks of use
//! on statuses stay.

use std::collections::BTreeMap;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    value::WorkflowCode,
    workflow::{Record, Stamp},
};

use crate::{
    Error,
    rows::workflow::{AssignmentRow, StateRow, StatusRow, TransitionRow, WorkflowRow},
    schema::{assignments, states, statuses, transitions, workflow_versions, workflows},
    tx::{Tx, on_conn},
};

/// The rows of one record, by key.
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

/// What is only in `before`, or there with another value in `after`; and the other way round.
fn differing<'r, K: Ord, R: PartialEq>(
    from: &'r BTreeMap<K, R>,
    to: &BTreeMap<K, R>,
) -> Vec<&'r R> {
    from.iter()
        .filter(|(key, row)| to.get(*key) != Some(*row))
        .map(|(_, row)| row)
        .collect()
}

fn gone<'r, K: Ord, R>(from: &'r BTreeMap<K, R>, to: &BTreeMap<K, R>) -> Vec<&'r R> {
    from.iter()
        .filter(|(key, _)| !to.contains_key(*key))
        .map(|(_, row)| row)
        .collect()
}

/// Writes the first version of a workflow.
pub(super) async fn insert(tx: &mut Tx, record: &Record) -> Result<(), Error> {
    let after = Rows::of(record)?;
    let row = &after.workflow;
    on_conn!(tx, |c| diesel::insert_into(workflows::table)
        .values(row)
        .execute(c)
        .await)?;
    let before = Rows {
        workflow: after.workflow.clone(),
        states: BTreeMap::new(),
        statuses: BTreeMap::new(),
        assignments: BTreeMap::new(),
        transitions: BTreeMap::new(),
    };
    parts(tx, &before, &after).await
}

/// Writes what differs between two versions of a workflow.
pub(super) async fn update(tx: &mut Tx, before: &Record, after: &Record) -> Result<(), Error> {
    let (before, after) = (Rows::of(before)?, Rows::of(after)?);
    let row = &after.workflow;
    let target = workflows::table.find(row.code.as_str());
    on_conn!(tx, |c| diesel::update(target).set(row).execute(c).await)?;
    parts(tx, &before, &after).await
}

/// Rows that others point to come first and go last; a default goes before its successor comes.
async fn parts(tx: &mut Tx, before: &Rows, after: &Rows) -> Result<(), Error> {
    for row in differing(&before.assignments, &after.assignments) {
        let row = assignments::table.find((
            row.workflow.as_str(),
            row.state.as_str(),
            row.status.as_str(),
        ));
        on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    }
    for row in gone(&before.transitions, &after.transitions) {
        let row = transitions::table.find((row.workflow.as_str(), row.code.as_str()));
        on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    }
    put_states(tx, &differing(&after.states, &before.states)).await?;
    put_statuses(tx, &differing(&after.statuses, &before.statuses)).await?;
    put_transitions(tx, &differing(&after.transitions, &before.transitions)).await?;
    for row in differing(&after.assignments, &before.assignments) {
        on_conn!(tx, |c| diesel::insert_into(assignments::table)
            .values(row)
            .execute(c)
            .await)?;
    }
    for row in gone(&before.statuses, &after.statuses) {
        let row = statuses::table.find((row.workflow.as_str(), row.code.as_str()));
        on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    }
    for row in gone(&before.states, &after.states) {
        let row = states::table.find((row.workflow.as_str(), row.code.as_str()));
        on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    }
    Ok(())
}

async fn put_states(tx: &mut Tx, rows: &[&StateRow]) -> Result<(), Error> {
    for row in rows {
        on_conn!(tx, |c| {
            let put = diesel::insert_into(states::table)
                .values(*row)
                .on_conflict((states::workflow, states::code));
            put.do_update().set(*row).execute(c).await
        })?;
    }
    Ok(())
}

async fn put_statuses(tx: &mut Tx, rows: &[&StatusRow]) -> Result<(), Error> {
    for row in rows {
        on_conn!(tx, |c| {
            let put = diesel::insert_into(statuses::table).values(*row);
            put.on_conflict((statuses::workflow, statuses::code))
                .do_update()
                .set(*row)
                .execute(c)
                .await
        })?;
    }
    Ok(())
}

async fn put_transitions(tx: &mut Tx, rows: &[&TransitionRow]) -> Result<(), Error> {
    for row in rows {
        on_conn!(tx, |c| {
            let put = diesel::insert_into(transitions::table).values(*row);
            put.on_conflict((transitions::workflow, transitions::code))
                .do_update()
                .set(*row)
                .execute(c)
                .await
        })?;
    }
    Ok(())
}

/// Deletes a workflow with all its parts and versions.
pub(super) async fn delete(tx: &mut Tx, code: &WorkflowCode) -> Result<(), Error> {
    let code = code.as_str();
    let rows = workflow_versions::table.filter(workflow_versions::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = assignments::table.filter(assignments::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = transitions::table.filter(transitions::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = statuses::table.filter(statuses::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = states::table.filter(states::workflow.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    let rows = workflows::table.filter(workflows::code.eq(code));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    Ok(())
}
