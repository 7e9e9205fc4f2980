//! Changes of a workflow, one part at a time. Every function is pure: it gives the
//! changed workflow, or says why the change is refused.

mod assignment;
mod status;
mod transition;

pub use assignment::{AssignmentPatch, assign, unassign};
pub(super) use assignment::{check_sharing, put};
pub use status::{LabelsPatch, StatusPatch, create_status, delete_status, update_status};
pub use transition::{TransitionPatch, create_transition, delete_transition, update_transition};

use super::{Finding, Refusal, Severity, Workflow, lint};

/// Puts the changed workflow into its one order and refuses it where it breaks rules
/// that `before` kept. What was broken before does not stand in the way of other changes.
pub(super) fn finish(before: Option<&Workflow>, after: Workflow) -> Result<Workflow, Refusal> {
    let after = after.normalized();
    let mut findings = errors(&after);
    if let (false, Some(before)) = (findings.is_empty(), before) {
        let old = errors(before);
        findings.retain(|finding| !old.contains(finding));
    }
    if findings.is_empty() {
        return Ok(after);
    }
    Err(Refusal::WorkflowInvalid { findings })
}

fn errors(workflow: &Workflow) -> Vec<Finding> {
    let findings = lint(workflow).into_iter();
    findings
        .filter(|finding| finding.severity() == Severity::Error)
        .collect()
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests;
