//! Changes of a workflow, one part at a time. Every function is pure: it gives the
//! changed workflow, or says why the change is refused.

mod assignment;
mod status;
mod transition;

pub use assignment::{AssignmentPatch, assign, unassign};
pub use status::{LabelsPatch, StatusPatch, create_status, delete_status, update_status};
pub use transition::{TransitionPatch, create_transition, delete_transition, update_transition};

use super::{Finding, Refusal, Severity, Workflow, lint};

/// Puts the changed workflow into its one order and refuses it where it breaks rules
/// that `before` kept. What was broken before does not stand in the way of other changes.
pub(super) fn finish(before: Option<&Workflow>, after: Workflow) -> Result<Workflow, Refusal> {
    let after = after.normalized();
    let old = before.map(errors).unwrap_or_default();
    let new: Vec<Finding> = errors(&after).into_iter().filter(|finding| !old.contains(finding)).collect();
    if new.is_empty() {
        return Ok(after);
    }
    Err(Refusal::WorkflowInvalid { findings: new })
}

fn errors(workflow: &Workflow) -> Vec<Finding> {
    let findings = lint(workflow).into_iter();
    findings.filter(|finding| finding.severity() == Severity::Error).collect()
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests;
