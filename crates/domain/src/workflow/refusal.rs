//! Why a change of a workflow was refused. Every variant is one reason of the contract.

use std::fmt::{self, Write as _};

use super::{ActionPath, Finding};
use crate::{
    guard::GuardError,
    value::{
        ActionCode, OperationCode, OrderId, StateCode, StatusCode, TransitionCode, WorkflowCode,
    },
};

const FINDINGS_SPELLED_MAX: usize = 5;

/// Why a change of a workflow was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such workflow.
    #[error("there is no workflow {workflow}")]
    WorkflowNotFound {
        /// Its code.
        workflow: WorkflowCode,
    },
    /// What is stored of the workflow cannot be read in full, so a change of a part of it is none
    /// of the whole.
    #[error(
        "workflow {workflow} cannot be read in full: {finding}; ApplyWorkflow with a whole document and mode REPLACE \
         mends it, and ExportWorkflow with a version of ListWorkflowVersions gives one"
    )]
    WorkflowUnusable {
        /// Its code.
        workflow: WorkflowCode,
        /// The first thing that cannot be read.
        finding: String,
    },
    /// The workflow has orders, so it cannot be deleted.
    #[error("workflow {workflow} cannot be deleted: {usage}")]
    WorkflowInUse {
        /// Its code.
        workflow: WorkflowCode,
        /// Its orders.
        usage: Usage,
    },
    /// The workflow has no such state.
    #[error("there is no state {state}")]
    StateNotFound {
        /// Its code.
        state: StateCode,
    },
    /// The workflow has no such status.
    #[error("there is no status {status}")]
    StatusNotFound {
        /// Its code.
        status: StatusCode,
    },
    /// The workflow has a status with this code.
    #[error("there is a status {status} already")]
    StatusExists {
        /// Its code.
        status: StatusCode,
    },
    /// A retired status is not assigned.
    #[error("status {status} is retired")]
    StatusRetired {
        /// Its code.
        status: StatusCode,
    },
    /// A status of this workflow belongs to one state only.
    #[error(
        "status {status} is assigned to state {state}, and a status of this workflow belongs to one state only"
    )]
    StatusAssignedElsewhere {
        /// The status.
        status: StatusCode,
        /// The state that it belongs to.
        state: StateCode,
    },
    /// A state with statuses has a default.
    #[error(
        "status {status} is the default of state {state}: make another one the default instead"
    )]
    DefaultRequired {
        /// The state.
        state: StateCode,
        /// Its default.
        status: StatusCode,
    },
    /// The status does not belong to the state.
    #[error("status {status} is not assigned to state {state}")]
    AssignmentNotFound {
        /// The state.
        state: StateCode,
        /// The status.
        status: StatusCode,
    },
    /// The state would have no status left that can be entered.
    #[error("status {status} is the last one of state {state} that is not retired")]
    LastStatusOfState {
        /// The state.
        state: StateCode,
        /// The status.
        status: StatusCode,
    },
    /// A status that belongs to a state is not deleted.
    #[error("status {status} is assigned to {}: unassign it first, or retire it", list(.states))]
    StatusAssigned {
        /// The status.
        status: StatusCode,
        /// The states that it belongs to.
        states: Vec<StateCode>,
    },
    /// Transitions name the status, so it stays where they find it.
    #[error("status {status} is named by transitions: change or delete them first: {}", list(.transitions))]
    StatusNamedByTransition {
        /// The status.
        status: StatusCode,
        /// The transitions that name it.
        transitions: Vec<TransitionCode>,
    },
    /// A default cannot be retired.
    #[error("status {status} is the default of {}: make another one the default first", list(.states))]
    StatusIsDefault {
        /// The status.
        status: StatusCode,
        /// The states whose default it is.
        states: Vec<StateCode>,
    },
    /// Orders stand on the status, will return to it, or once had it.
    #[error("status {status}{} is in use{}: {usage}", in_state(.state.as_ref()), .why.clause())]
    StatusInUse {
        /// The status.
        status: StatusCode,
        /// The state of the pair that is meant; none where the status itself would go.
        state: Option<StateCode>,
        /// Why it matters.
        why: Blocker,
        /// The orders.
        usage: Usage,
    },
    /// A transition cannot lead to a status that does not belong to its state.
    #[error("status {status} is not assigned to state {state}, so no transition can lead to both")]
    StatusNotInState {
        /// The state.
        state: StateCode,
        /// The status.
        status: StatusCode,
    },
    /// The workflow has a transition with this code.
    #[error("there is a transition {transition} already")]
    TransitionExists {
        /// Its code.
        transition: TransitionCode,
    },
    /// The workflow has no such transition.
    #[error("there is no transition {transition}")]
    TransitionNotFound {
        /// Its code.
        transition: TransitionCode,
    },
    /// The workflow has no such action.
    #[error("there is no action {action}")]
    ActionNotFound {
        /// Its place and code.
        action: ActionPath,
    },
    /// The workflow has no such operation.
    #[error("there is no operation {operation}")]
    OperationNotFound {
        /// Its code.
        operation: OperationCode,
    },
    /// The expression cannot be a guard.
    #[error("the guard of transition {transition} {problem}")]
    GuardInvalid {
        /// The transition.
        transition: TransitionCode,
        /// Its fault.
        problem: GuardError,
    },
    /// The expression cannot be the date that a transition waits for.
    #[error("the date of transition {transition} {problem}")]
    DateInvalid {
        /// The transition.
        transition: TransitionCode,
        /// Its fault.
        problem: GuardError,
    },
    /// The expression cannot be the condition of an action.
    #[error("the condition of action {action} of transition {transition} {problem}")]
    ConditionInvalid {
        /// The transition.
        transition: TransitionCode,
        /// The action.
        action: ActionCode,
        /// Its fault.
        problem: GuardError,
    },
    /// The result would break rules of workflows.
    #[error("the workflow would be invalid: {}", spelled(.findings))]
    WorkflowInvalid {
        /// The broken rules, at least one.
        findings: Vec<Finding>,
    },
    /// The document leaves out what new parts need.
    #[error("the document must give {}", list(.paths))]
    FieldRequired {
        /// Where it belongs, such as `statuses.packed.label`; all of it, at least one.
        paths: Vec<String>,
    },
    /// A Magento configuration names states or statuses that the workflow does not have.
    #[error("{}", not_in_workflow(.states, .statuses))]
    NotInWorkflow {
        /// All such states.
        states: Vec<StateCode>,
        /// All statuses that neither the workflow has nor the document gives a label.
        statuses: Vec<StatusCode>,
    },
    /// A Magento configuration can only be merged into a workflow.
    #[error(
        "a Magento config.xml has statuses and links only, so it is merged into a workflow and replaces none"
    )]
    ModeRefused,
    /// The caller has seen another version.
    #[error("the etag is {current}, the call expects {expected}")]
    VersionMismatch {
        /// The version that the caller expects.
        expected: String,
        /// The version that it has.
        current: String,
    },
}

/// The reason why a change is blocked by orders that use a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocker {
    /// The status, or its place in a state, would go.
    Goes,
    /// It would go because the document that replaces the workflow does not name it.
    LeftOut,
    /// Its state would become held, where orders stand by a hold alone: no step and no release
    /// would lead them on.
    BecomesHeld,
}

/// The orders that block a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// How many there are, as far as they are counted; more than [`Self::COUNT_MAX`] where there
    /// are more.
    pub count: u64,
    /// The ids of up to ten of them.
    pub order_ids: Vec<OrderId>,
}

impl Usage {
    /// How many are counted.
    pub const COUNT_MAX: u64 = 1_000;
}

impl Blocker {
    fn clause(self) -> &'static str {
        match self {
            Self::Goes => "",
            Self::LeftOut => ", but the document leaves it out (name it, or use mode MERGE)",
            Self::BecomesHeld => ", and the state becomes held, where orders stand by a hold alone",
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = list(&self.order_ids);
        match (self.count, self.order_ids.len()) {
            (0, _) => write!(f, "none now, but orders had it before"),
            (1, 1) => write!(f, "1 order, {named}"),
            (count, some) => {
                match count {
                    0..=Self::COUNT_MAX => write!(f, "{count} orders")?,
                    _ => f.write_str("more than 1,000 orders")?,
                }
                if some > 0 {
                    write!(f, ", such as {named}")?;
                }
                Ok(())
            }
        }
    }
}

impl Refusal {
    /// The reason as the contract writes it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::WorkflowNotFound { .. } => "WORKFLOW_NOT_FOUND",
            Self::WorkflowUnusable { .. } => "WORKFLOW_UNUSABLE",
            Self::WorkflowInUse { .. } => "WORKFLOW_IN_USE",
            Self::NotInWorkflow { states, .. } if !states.is_empty() => "STATE_NOT_FOUND",
            Self::StateNotFound { .. } => "STATE_NOT_FOUND",
            Self::StatusNotFound { .. } | Self::NotInWorkflow { .. } => "STATUS_NOT_FOUND",
            Self::StatusExists { .. } => "STATUS_EXISTS",
            Self::StatusRetired { .. } => "STATUS_RETIRED",
            Self::StatusAssignedElsewhere { .. } => "STATUS_ASSIGNED_ELSEWHERE",
            Self::DefaultRequired { .. } | Self::StatusIsDefault { .. } => "DEFAULT_REQUIRED",
            Self::AssignmentNotFound { .. } => "ASSIGNMENT_NOT_FOUND",
            Self::LastStatusOfState { .. } => "LAST_STATUS_OF_STATE",
            Self::StatusAssigned { .. } => "STATUS_ASSIGNED",
            Self::StatusInUse { .. } => "STATUS_IN_USE",
            Self::StatusNotInState { .. } => "STATUS_NOT_IN_STATE",
            Self::TransitionExists { .. } => "TRANSITION_EXISTS",
            Self::TransitionNotFound { .. } => "TRANSITION_NOT_FOUND",
            Self::ActionNotFound { .. } => "ACTION_NOT_FOUND",
            Self::OperationNotFound { .. } => "OPERATION_NOT_FOUND",
            Self::StatusNamedByTransition { .. } => "STATUS_NAMED_BY_TRANSITION",
            Self::WorkflowInvalid { .. } => "WORKFLOW_INVALID",
            Self::ModeRefused => "MODE_REFUSED",
            Self::VersionMismatch { .. } => "VERSION_MISMATCH",
            Self::GuardInvalid { .. }
            | Self::DateInvalid { .. }
            | Self::ConditionInvalid { .. }
            | Self::FieldRequired { .. } => "FIELD_INVALID",
        }
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// What to do stands before the lists, since the end of a long text is cut.
fn not_in_workflow(states: &[StateCode], statuses: &[StatusCode]) -> String {
    let (mut counts, mut advice, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    if !states.is_empty() {
        counts.push(counted(states.len(), "state", "states"));
        advice.push("add unknown states first, or set create_states (--create-states)");
        lists.push(format!("states {}", list(states)));
    }
    if !statuses.is_empty() {
        counts.push(counted(statuses.len(), "status", "statuses"));
        advice.push(
            "of unknown statuses, give each a label below config/global/sales/order/statuses",
        );
        lists.push(format!("statuses {}", list(statuses)));
    }
    let [counts, advice] = [counts.join(" and "), advice.join("; ")];
    format!(
        "the document names {counts} ({advice}): {}",
        lists.join("; ")
    )
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} unknown {}", if count == 1 { one } else { many })
}

fn in_state(state: Option<&StateCode>) -> String {
    let clause = state.map(|state| format!(" in state {state}"));
    clause.unwrap_or_default()
}

fn spelled(findings: &[Finding]) -> String {
    let mut text = list(findings.get(..FINDINGS_SPELLED_MAX).unwrap_or(findings));
    let more = findings.len().saturating_sub(FINDINGS_SPELLED_MAX);
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_many_orders_are_in_the_way() {
        let said = |count, ids: &[&str]| {
            let order_ids = ids.iter().map(|id| OrderId::new(id).unwrap()).collect();
            Usage { count, order_ids }.to_string()
        };
        assert_eq!(said(0, &[]), "none now, but orders had it before");
        assert_eq!(said(1, &["a"]), "1 order, a");
        assert_eq!(said(12, &["a", "b"]), "12 orders, such as a, b");
        assert_eq!(said(1_000, &[]), "1000 orders");
        assert_eq!(
            said(1_001, &["a", "b"]),
            "more than 1,000 orders, such as a, b"
        );
    }

    #[test]
    fn tells_why_what_orders_use_is_in_the_way() {
        let in_use = |why| Refusal::StatusInUse {
            status: StatusCode::new("x").unwrap(),
            state: Some(StateCode::new("b").unwrap()),
            why,
            usage: Usage {
                count: 1,
                order_ids: vec![OrderId::new("7").unwrap()],
            },
        };
        assert_eq!(
            in_use(Blocker::Goes).to_string(),
            "status x in state b is in use: 1 order, 7"
        );
        assert_eq!(
            in_use(Blocker::LeftOut).to_string(),
            "status x in state b is in use, but the document leaves it out (name it, or use mode MERGE): 1 \
             order, 7"
        );
        assert_eq!(
            in_use(Blocker::BecomesHeld).to_string(),
            "status x in state b is in use, and the state becomes held, where orders stand by a hold \
             alone: 1 order, 7"
        );
    }

    #[test]
    fn tells_all_that_a_workflow_does_not_have_and_what_to_do() {
        let states = ["a", "b"]
            .map(|code| StateCode::new(code).unwrap())
            .to_vec();
        let statuses = vec![StatusCode::new("c").unwrap()];
        let both = Refusal::NotInWorkflow { states, statuses };
        let text = both.to_string();
        assert_eq!(both.reason(), "STATE_NOT_FOUND");
        for part in [
            "create_states",
            "2 unknown states and 1 unknown status (",
            "a label below",
            ": states a, b; statuses c",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let link = Refusal::NotInWorkflow {
            states: Vec::new(),
            statuses: vec![StatusCode::new("c").unwrap()],
        };
        assert_eq!(link.reason(), "STATUS_NOT_FOUND");
        assert!(!link.to_string().contains("create_states"), "{link}");
    }
}
