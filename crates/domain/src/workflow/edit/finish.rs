//! The end of every change: a workflow in its one order that breaks no rule anew.

use crate::workflow::{Finding, Refusal, Severity, Workflow, lint, lint::NOT_THERE};

/// Puts the changed workflow into its one order and refuses it where it breaks rules
/// that `before` kept. What was broken before does not block other changes.
pub(super) fn finish(before: Option<&Workflow>, after: Workflow) -> Result<Workflow, Refusal> {
    judge(before, after).map(|(after, _)| after)
}

/// Does what [`finish`] does, and gives everything that lint has to say of the result.
pub(in crate::workflow) fn judge(
    before: Option<&Workflow>,
    after: Workflow,
) -> Result<(Workflow, Vec<Finding>), Refusal> {
    let after = after.normalized();
    let findings = lint(&after);
    let mut broken = errors(&findings);
    if let (false, Some(before)) = (broken.is_empty(), before) {
        let old = errors(&lint(before));
        broken.retain(|finding| !old.iter().any(|known| is_same(known, finding)));
    }
    if broken.is_empty() {
        return Ok((after, findings));
    }
    Err(Refusal::WorkflowInvalid { findings: broken })
}

/// Whether two findings tell the same: what was probably meant may change with other parts.
fn is_same(known: &Finding, finding: &Finding) -> bool {
    known.rule == finding.rule
        && known.subject == finding.subject
        && what_is_wrong(&known.message) == what_is_wrong(&finding.message)
}

fn what_is_wrong(message: &str) -> &str {
    let parts = message.split_once(NOT_THERE);
    parts.map_or(message, |(wrong, _)| wrong)
}

fn errors(findings: &[Finding]) -> Vec<Finding> {
    let is_error = |finding: &&Finding| finding.severity() == Severity::Error;
    findings.iter().filter(is_error).cloned().collect()
}

pub(super) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
