//! The part of a workflow, or of its document, that a finding or a difference is about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ActionPath, TriggerPoint};
use crate::value::{OperationCode, StateCode, StatusCode, TransitionCode};

/// A part of a workflow, or of its document; its text is a word and a code, such as `status
/// pending_paypal`, `assignment new/pending` or `action transition.ship.tell_erp`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The workflow itself, apart from its parts.
    Workflow,
    /// An operation.
    Operation(OperationCode),
    /// A status.
    Status(StatusCode),
    /// A state.
    State(StateCode),
    /// That a status belongs to a state.
    Assignment(StateCode, StatusCode),
    /// A transition.
    Transition(TransitionCode),
    /// An action, at whatever place.
    Action(ActionPath),
    /// The part at a path of the document itself, such as `states.new.label`; empty for all of it.
    Document(String),
}

impl TriggerPoint {
    /// The part of the workflow that its actions belong to.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Leave(state) | Self::Enter(state) => Subject::State(state.clone()),
            Self::Status(code) => Subject::Status(code.clone()),
            Self::Transition(code) => Subject::Transition(code.clone()),
            Self::Operation(code) => Subject::Operation(code.clone()),
            Self::Create | Self::Comment => Subject::Workflow,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workflow => f.write_str("workflow"),
            Self::Operation(code) => write!(f, "operation {code}"),
            Self::Status(code) => write!(f, "status {code}"),
            Self::State(code) => write!(f, "state {code}"),
            Self::Assignment(state, status) => write!(f, "assignment {state}/{status}"),
            Self::Transition(code) => write!(f, "transition {code}"),
            Self::Action(path) => write!(f, "action {path}"),
            Self::Document(path) if path.is_empty() => f.write_str("document"),
            Self::Document(path) => f.write_str(path),
        }
    }
}
