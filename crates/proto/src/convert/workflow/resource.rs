//! How workflows, their changes and findings about them are shown.

use waymark_domain::{
    actor::Actor,
    value::Timestamp,
    workflow::{
        CommentStatus, Difference, DifferenceKind, Effect, Finding, Operation, Overpayment, Record,
        RefundedUnits, Severity, StatusSharing, Workflow, document::Remark,
    },
};

use crate::{
    convert::{
        action::actions_to_wire, actor::actor_to_wire, instant::timestamp_to_wire, order::text,
    },
    v1,
};

impl From<&Record> for v1::Workflow {
    fn from(record: &Record) -> Self {
        let Workflow {
            code,
            label,
            description,
            initial_state,
            default_store_view,
            comment_status,
            status_sharing,
            refunded_units,
            overpayment,
            operations,
            max_cascade,
            states: _,
            statuses: _,
            assignments: _,
            transitions: _,
            on_create,
            on_comment,
        } = &record.workflow;
        let stamp = &record.stamp;
        Self {
            code: code.to_string(),
            label: label.to_string(),
            description: description.to_string(),
            initial_state: initial_state.to_string(),
            default_store_view: text(default_store_view.as_ref()),
            comment_status: comment_status_to_wire(*comment_status).into(),
            status_sharing: status_sharing_to_wire(*status_sharing).into(),
            refunded_units: refunded_units_to_wire(*refunded_units).into(),
            operations: operations.iter().map(operation_to_wire).collect(),
            // At most 100.
            max_cascade: i32::try_from(*max_cascade).unwrap_or(i32::MAX),
            version: stamp.version,
            etag: stamp.etag(),
            create_time: Some(timestamp_to_wire(stamp.create_time)),
            update_time: Some(timestamp_to_wire(stamp.update_time)),
            on_create: actions_to_wire(on_create),
            on_comment: actions_to_wire(on_comment),
            overpayment: overpayment_to_wire(*overpayment).into(),
        }
    }
}

/// Writes one difference between two versions of a workflow.
pub fn change_to_wire(difference: &Difference) -> v1::WorkflowChange {
    let Difference {
        kind,
        subject,
        before,
        after,
    } = difference;
    let kind = match kind {
        DifferenceKind::Added => v1::ChangeKind::Added,
        DifferenceKind::Changed => v1::ChangeKind::Changed,
        DifferenceKind::Removed => v1::ChangeKind::Removed,
    };
    v1::WorkflowChange {
        kind: kind.into(),
        subject: subject.to_string(),
        before: before.clone(),
        after: after.clone(),
    }
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
    let Finding {
        rule,
        subject,
        message,
    } = finding;
    let severity = match finding.severity() {
        Severity::Error => v1::LintSeverity::Error,
        Severity::Warning => v1::LintSeverity::Warning,
        Severity::Info => v1::LintSeverity::Info,
    };
    v1::LintFinding {
        severity: severity.into(),
        rule: rule.to_string(),
        subject: subject.to_string(),
        message: message.clone(),
        line: 0,
        column: 0,
    }
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
    let Operation {
        code,
        label,
        effect,
        roles,
        guard,
        actions,
    } = operation;
    v1::OrderOperation {
        code: code.to_string(),
        label: label.to_string(),
        effect: effect_to_wire(*effect).into(),
        actions: actions_to_wire(actions),
        roles: roles.iter().map(ToString::to_string).collect(),
        guard: text(guard.as_ref()),
    }
}

pub(crate) fn effect_to_wire(effect: Effect) -> v1::OperationEffect {
    match effect {
        Effect::None => v1::OperationEffect::None,
        Effect::Invoice => v1::OperationEffect::Invoice,
        Effect::Ship => v1::OperationEffect::Ship,
        Effect::Refund => v1::OperationEffect::Refund,
        Effect::Cancel => v1::OperationEffect::Cancel,
        Effect::Pay => v1::OperationEffect::Pay,
    }
}

fn comment_status_to_wire(comment_status: CommentStatus) -> v1::CommentStatus {
    match comment_status {
        CommentStatus::AnyInState => v1::CommentStatus::AnyInState,
        CommentStatus::Never => v1::CommentStatus::Never,
    }
}

fn status_sharing_to_wire(status_sharing: StatusSharing) -> v1::StatusSharing {
    match status_sharing {
        StatusSharing::Exclusive => v1::StatusSharing::Exclusive,
        StatusSharing::Shared => v1::StatusSharing::Shared,
    }
}

fn refunded_units_to_wire(refunded_units: RefundedUnits) -> v1::RefundedUnits {
    match refunded_units {
        RefundedUnits::StillShip => v1::RefundedUnits::StillShip,
        RefundedUnits::Fulfilled => v1::RefundedUnits::Fulfilled,
    }
}

fn overpayment_to_wire(overpayment: Overpayment) -> v1::Overpayment {
    match overpayment {
        Overpayment::Record => v1::Overpayment::Record,
        Overpayment::Refuse => v1::Overpayment::Refuse,
    }
}
