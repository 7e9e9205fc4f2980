//! Refusals of filters that name what is not there.

use super::{Problem, Reason};

/// The kind of a name in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A workflow.
    Workflow,
    /// A state of the workflows asked for.
    State,
    /// A status of the workflows asked for.
    Status,
}

/// A name in a filter that none of the workflows asked for has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", absent(*kind, code), another(*is, code), meant(nearest.as_deref()))]
pub struct UnknownName {
    /// The kind of name that is expected.
    pub kind: NameKind,
    /// The name.
    pub code: String,
    /// The kind of name that it is, if of anything that filters name.
    pub is: Option<NameKind>,
    /// The name that is there and most like it, if any is.
    pub nearest: Option<String>,
}

fn absent(kind: NameKind, code: &str) -> String {
    match kind {
        NameKind::Workflow => format!("there is no workflow {code}"),
        NameKind::State => format!("no workflow asked for has a state {code}"),
        NameKind::Status => format!("no workflow asked for has a status {code}"),
    }
}

fn another(is: Option<NameKind>, code: &str) -> String {
    match is {
        None => String::new(),
        Some(NameKind::Workflow) => format!("; {code} is a workflow"),
        Some(NameKind::State) => format!("; {code} is a state"),
        Some(NameKind::Status) => format!("; {code} is a status"),
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

/// The refusal of the filter.
pub(super) fn problem(unknown: &UnknownName) -> Problem {
    let (reason, key) = match unknown.kind {
        NameKind::Workflow => (Reason::WorkflowNotFound, "workflow"),
        NameKind::State => (Reason::StateNotFound, "state"),
        NameKind::Status => (Reason::StatusNotFound, "status"),
    };
    Problem::new(reason, unknown.to_string()).with(key, &unknown.code)
}
