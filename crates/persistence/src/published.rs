//! A workflow as it is stored, made ready for orders, and why it cannot be used where it cannot.

use std::panic::{AssertUnwindSafe, catch_unwind};

use waymark_domain::{
    judge::Graph,
    workflow::{Finding, Record, Rule, Subject, missing_parts},
};

/// A workflow as it is stored, and made ready for orders.
#[derive(Debug)]
pub struct Published {
    /// The definition with its version and stamps; where it is [unreadable](Self::unreadable) in
    /// part, without that.
    pub record: Record,
    /// The same, compiled.
    pub graph: Graph,
    unreadable: Vec<Finding>,
    unusable: Option<String>,
}

impl Published {
    /// A workflow whose rows were read, and what could not be.
    pub(crate) fn new(record: Record, graph: Graph, unreadable: Vec<Finding>) -> Self {
        let mut first = unreadable.first().map(ToString::to_string);
        if first.is_none() {
            let missing = missing_parts(&record.workflow);
            first = missing.first().map(ToString::to_string);
        }
        Self {
            unusable: first.or_else(|| graph.unusable().map(ToString::to_string)),
            record,
            graph,
            unreadable,
        }
    }

    /// Compiles a stored workflow. A guard that is beyond what is allowed now keeps nothing else
    /// from being served; what makes the workflow unusable keeps no other workflow from it.
    pub(crate) fn of_stored(record: Record, mut unreadable: Vec<Finding>) -> Self {
        let (workflow, version) = (&record.workflow, record.stamp.version);
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            Graph::of_stored(workflow.clone(), version)
        }));
        let graph = compiled.unwrap_or_else(|_| {
            let message = "cannot be compiled; what is wrong is in the log of the server";
            unreadable.push(Finding::new(Rule::Unreadable, Subject::Workflow, message));
            Graph::uncompiled(workflow.clone(), version)
        });
        for problem in graph.problems() {
            if !problem.problem().is_uncompilable() {
                tracing::warn!(
                    workflow.code = %workflow.code,
                    problem = %problem,
                    "stored guard unusable: it refuses; LintWorkflow names it"
                );
            }
        }
        Self::new(record, graph, unreadable)
    }

    /// The reason why no step can be judged by the workflow, in words for people: a part of it that cannot be
    /// read, one that is named and not there, or an expression that does not compile; none as a rule.
    /// Its orders, lists and histories are read all the same.
    pub fn unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// The parts that cannot be read, which are left out of the record. While there are any, the
    /// workflow can only be replaced as a whole.
    pub fn unreadable(&self) -> &[Finding] {
        &self.unreadable
    }

    /// Everything for which no step can be judged by the workflow. What only follows from parts that
    /// cannot be read is not named.
    fn faults(&self) -> Vec<String> {
        if !self.unreadable.is_empty() {
            return self.unreadable.iter().map(ToString::to_string).collect();
        }
        let missing = missing_parts(&self.record.workflow);
        let problems = self.graph.problems();
        let problems = problems.filter(|problem| problem.problem().is_uncompilable());
        let problems = problems.map(|problem| problem.to_string());
        let missing = missing.iter().map(ToString::to_string);
        missing.chain(problems).collect()
    }

    /// Tells the log everything for which the workflow cannot be used.
    pub(crate) fn log(&self) {
        let code = &self.record.workflow.code;
        for fault in self.faults() {
            tracing::error!(
                workflow.code = %code,
                finding = %fault,
                "stored workflow unusable: its steps are refused until it is corrected"
            );
        }
    }
}

/// Compares records: what a record says, its graph says too.
impl PartialEq for Published {
    fn eq(&self, other: &Self) -> bool {
        self.record == other.record && self.unreadable == other.unreadable
    }
}

impl Eq for Published {}
