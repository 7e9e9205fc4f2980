//! Workflows as a whole: requests about them, and how they, their changes and findings about
//! them are shown.

mod request;

use waymark_domain::{
    actor::Actor,
    value::Timestamp,
    workflow::{Difference, Finding, Operation, Record, Workflow, document::Remark},
};

pub use self::request::{
    ApplyWorkflow, DeleteWorkflow, DiagramWorkflow, ExportWorkflow, GetWorkflow, LintSubject,
    LintWorkflow, ListWorkflowVersions, ListWorkflows, SettleOrders, TestAction,
};
use super::{
    action::actions_to_wire, actor::actor_to_wire, enums::number, instant::timestamp_to_wire,
};
use crate::v1;

impl From<&Record> for v1::Workflow {
    fn from(record: &Record) -> Self {
        let Record {
            workflow,
            stamp,
            statuses: _,
            transitions: _,
        } = record;
        message!(
            Workflow from workflow: Workflow {
                operations, max_cascade, states, statuses, assignments, transitions, on_create,
                on_comment,
            };
            text: code, label, description, initial_state;
            optional: default_store_view;
            number: comment_status, status_sharing, refunded_units, overpayment;
            .. operations: workflow.operations.iter().map(operation_to_wire).collect(),
            // At most 100.
            max_cascade: i32::try_from(workflow.max_cascade).unwrap_or(i32::MAX),
            version: stamp.version,
            etag: stamp.etag(),
            create_time: Some(timestamp_to_wire(stamp.create_time)),
            update_time: Some(timestamp_to_wire(stamp.update_time)),
            on_create: actions_to_wire(&workflow.on_create),
            on_comment: actions_to_wire(&workflow.on_comment),
        )
    }
}

/// Writes one difference between two versions of a workflow.
pub fn change_to_wire(difference: &Difference) -> v1::WorkflowChange {
    message!(WorkflowChange from difference: Difference;
        number: kind;
        text: subject;
        clone: before, after;
    )
}

/// Writes what is said of a document or the workflow that it makes.
pub fn remark_to_wire(remark: &Remark) -> v1::LintFinding {
    let Remark { place, finding } = remark;
    let number = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    v1::LintFinding {
        line: place.map_or(0, |place| number(place.line)),
        column: place.map_or(0, |place| number(place.column)),
        ..finding_to_wire(finding)
    }
}

/// Writes a finding about a workflow.
pub fn finding_to_wire(finding: &Finding) -> v1::LintFinding {
    message!(LintFinding from finding: Finding;
        text: rule, subject;
        clone: message;
        .. severity: number(finding.severity()),
        line: 0,
        column: 0,
    )
}

/// Writes one version of a workflow and what it changed.
pub fn version_to_wire(
    version: i64,
    actor: &Actor,
    create_time: Timestamp,
    changes: &[Difference],
) -> v1::WorkflowVersion {
    v1::WorkflowVersion {
        version,
        actor: Some(actor_to_wire(actor)),
        create_time: Some(timestamp_to_wire(create_time)),
        changes: changes.iter().map(change_to_wire).collect(),
        truncated: false,
    }
}

fn operation_to_wire(operation: &Operation) -> v1::OrderOperation {
    message!(OrderOperation from operation: Operation { actions };
        text: code, label;
        number: effect;
        texts: roles;
        optional: guard;
        .. actions: actions_to_wire(&operation.actions),
    )
}
