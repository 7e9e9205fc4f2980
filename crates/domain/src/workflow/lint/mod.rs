//! Mistakes in a workflow, and what is probably not meant. Errors block a change; warnings and
//! information do not.

mod actions;
mod automatic;
mod callers;
mod choice;
mod constant;
mod effort;
mod expressions;
mod finding;
mod flags;
mod known;
mod operations;
mod probe;
mod reach;
mod references;
mod round;
mod timers;
mod ways;
mod words;

use finding::listed;
pub use finding::{Finding, Rule, Severity};

pub(crate) use references::NOT_THERE;

use std::collections::BTreeSet;

use super::{LABELS_MAX, Subject, Workflow};
use effort::Effort;
use ways::{Places, Ways};

const STATES_MAX: usize = 200;
const STATUSES_MAX: usize = 1_000;
const ASSIGNMENTS_MAX: usize = 5_000;
const TRANSITIONS_MAX: usize = 2_000;
const OPERATIONS_MAX: usize = 100;
/// The most automatic steps that one step may set off.
pub(super) const CASCADE_MAX: u32 = 100;

/// Finds the mistakes of a workflow: errors first, then by subject.
pub fn lint(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = limits(workflow);
    if findings.is_empty() {
        findings.extend(references::find(workflow));
        findings.extend(flags::find(workflow));
        findings.extend(operations::find(workflow));
        findings.extend(actions::find(workflow));
        let ways = Ways::new(workflow);
        findings.extend(reach::find(&ways));
        findings.extend(choice::find(&ways));
        findings.extend(automatic::find(&ways));
        findings.extend(timers::find(&ways));
        findings.extend(round::find(&ways));
        findings.extend(spoken(&ways));
    }
    if findings.iter().any(|finding| finding.rule.breaks_graph()) {
        findings.retain(|finding| !finding.rule.is_of_graph());
    }
    findings.sort();
    findings.dedup();
    findings
}

/// Finds the parts that a workflow names and lacks. With such a part missing, a step may silently
/// never come, and no change of a workflow leaves one so; an action that is switched off does not
/// count.
pub fn missing_parts(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = references::missing(workflow);
    findings.extend(choice::not_assigned(workflow));
    findings.extend(actions::missing(workflow));
    findings.sort();
    findings
}

/// Findings about guards, entry guards and conditions.
fn spoken(ways: &Ways<'_>) -> Vec<Finding> {
    let spoken = expressions::all(ways);
    let unknown = words::find(ways.workflow, &spoken);
    let told: BTreeSet<usize> = unknown.iter().map(|(number, _)| *number).collect();
    let mut findings: Vec<_> = unknown.into_iter().map(|(_, finding)| finding).collect();
    findings.extend(callers::find(ways, &spoken));
    findings.extend(constant::find(ways, &spoken, &told));
    findings
}

/// A workflow over a limit is judged no further, so that judging stays cheap.
fn limits(workflow: &Workflow) -> Vec<Finding> {
    let sizes = [
        ("states", workflow.states.len(), STATES_MAX),
        ("statuses", workflow.statuses.len(), STATUSES_MAX),
        ("assignments", workflow.assignments.len(), ASSIGNMENTS_MAX),
        ("transitions", workflow.transitions.len(), TRANSITIONS_MAX),
        ("operations", workflow.operations.len(), OPERATIONS_MAX),
    ];
    let over = sizes.into_iter().filter(|(_, actual, max)| actual > max);
    let of_workflow =
        |message: String| Finding::new(Rule::LimitExceeded, Subject::Workflow, message);
    let over = over.map(|(parts, actual, max)| {
        of_workflow(format!("has {actual} {parts}, at most {max} are allowed"))
    });
    let mut findings: Vec<_> = over.collect();
    for status in &workflow.statuses {
        let actual = status.store_view_labels.len();
        if actual > LABELS_MAX {
            let message =
                format!("has labels for {actual} store views, at most {LABELS_MAX} are allowed");
            findings.push(status.finding(Rule::LimitExceeded, message));
        }
    }
    let max_cascade = workflow.max_cascade;
    if !(1..=CASCADE_MAX).contains(&max_cascade) {
        findings.push(of_workflow(format!(
            "max_cascade is {max_cascade}, allowed are 1 to {CASCADE_MAX}"
        )));
    }
    findings
}

#[cfg(test)]
mod page_tests;
#[cfg(test)]
mod tests;
