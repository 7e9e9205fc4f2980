//! Refusals of changes of a workflow, of an order that is not there, of decisions about deliveries
//! and endpoints, and of filters that name what is not there.

use waymark_domain::{
    value::{EndpointCode, OrderId, StateCode, StatusCode, WorkflowCode},
    workflow,
};
use waymark_persistence::{self as persistence, EndpointInUse, OutboxRefusal};

use super::{Problem, Reason};

/// The refusal of a change; `field` is the part of the request that broken rules are put down to.
pub(super) fn problem(refusal: &workflow::Refusal, field: &str) -> Problem {
    match refusal {
        workflow::Refusal::GuardInvalid { problem, .. } => Problem::of_field(
            Reason::FieldInvalid,
            "transition.guard",
            problem.to_string(),
        ),
        workflow::Refusal::DateInvalid { problem, .. } => Problem::of_field(
            Reason::FieldInvalid,
            "transition.trigger.at.expression",
            problem.to_string(),
        ),
        workflow::Refusal::ConditionInvalid {
            action, problem, ..
        } => Problem::of_field(
            Reason::FieldInvalid,
            "transition.actions",
            format!("has the action {action} with a condition that cannot be used: it {problem}"),
        ),
        workflow::Refusal::FieldRequired { paths } => {
            let violations = paths
                .iter()
                .map(|path| ("document".to_owned(), format!("must give {path}")));
            Problem::new(Reason::FieldInvalid, refusal.to_string())
                .with("findings", &paths.len())
                .violating(violations)
        }
        workflow::Refusal::ModeRefused => Problem::of_field(
            Reason::ModeRefused,
            "mode",
            "must be MERGE for MAGENTO_CONFIG_XML",
        ),
        workflow::Refusal::WorkflowInvalid { findings } => {
            let violations = findings
                .iter()
                .map(|finding| (field.to_owned(), finding.to_string()));
            Problem::new(Reason::WorkflowInvalid, refusal.to_string())
                .with("findings", &findings.len())
                .violating(violations)
        }
        _ => particulars(
            Problem::new(Reason::named(refusal.reason()), refusal.to_string()),
            refusal,
        ),
    }
}

/// The one table of what a refused change carries along.
fn particulars(problem: Problem, refusal: &workflow::Refusal) -> Problem {
    use workflow::Refusal as R;
    match refusal {
        R::WorkflowNotFound { workflow } => problem.with("workflow", workflow),
        R::WorkflowUnusable { workflow, finding } => unusable(problem, workflow, finding),
        R::WorkflowInUse { workflow, usage } => used(problem, usage)
            .with("workflow", workflow)
            .about(format!("workflow {workflow}")),
        R::StateNotFound { state } => problem.with("state", state),
        R::NotInWorkflow { states, statuses } => {
            let problem = with_any(problem, "states", states);
            with_any(problem, "statuses", statuses)
        }
        R::StatusNotFound { status } | R::StatusExists { status } | R::StatusRetired { status } => {
            of_status(problem, status)
        }
        R::StatusAssignedElsewhere { status, state }
        | R::AssignmentNotFound { state, status }
        | R::LastStatusOfState { state, status }
        | R::StatusNotInState { state, status } => of_assignment(problem, state, status),
        R::DefaultRequired { state, status } => problem
            .with("states", state)
            .with("status", status)
            .about(format!("assignment {state}/{status}")),
        R::StatusAssigned { status, states } | R::StatusIsDefault { status, states } => {
            of_status(problem, status).with_list("states", states)
        }
        R::StatusNamedByTransition {
            status,
            transitions,
        } => of_status(problem, status).with_list("transitions", transitions),
        R::StatusInUse {
            status,
            state,
            why: _,
            usage,
        } => match state {
            Some(state) => of_assignment(used(problem, usage), state, status),
            None => of_status(used(problem, usage), status),
        },
        R::TransitionExists { transition } | R::TransitionNotFound { transition } => {
            problem.with("transition", transition)
        }
        R::ActionNotFound { action } => problem.with("action", action),
        R::OperationNotFound { operation } => problem.with("operation", operation),
        R::VersionMismatch { expected, current } => {
            problem.with("expected", expected).with("current", current)
        }
        R::GuardInvalid { .. }
        | R::DateInvalid { .. }
        | R::ConditionInvalid { .. }
        | R::FieldRequired { .. }
        | R::ModeRefused
        | R::WorkflowInvalid { .. } => problem,
    }
}

/// Adds a list, if there is anything in it.
fn with_any<T: ToString>(problem: Problem, key: &'static str, values: &[T]) -> Problem {
    if values.is_empty() {
        problem
    } else {
        problem.with_list(key, values)
    }
}

fn of_status(problem: Problem, status: &StatusCode) -> Problem {
    problem
        .with("status", status)
        .about(format!("status {status}"))
}

fn of_assignment(problem: Problem, state: &StateCode, status: &StatusCode) -> Problem {
    problem
        .with("state", state)
        .with("status", status)
        .about(format!("assignment {state}/{status}"))
}

fn used(problem: Problem, usage: &workflow::Usage) -> Problem {
    problem
        .with("count", &usage.count.min(workflow::Usage::COUNT_MAX))
        .with_list("orders", &usage.order_ids)
}

impl From<&persistence::Refusal> for Problem {
    fn from(refusal: &persistence::Refusal) -> Self {
        use persistence::Refusal as R;
        match refusal {
            R::Rejected(rejection) => Self::from(rejection),
            R::RequestIdReused { request_id } => {
                let message = "the request_id was used for another request";
                Self::new(Reason::RequestIdReused, message).with("request_id", request_id)
            }
            R::WorkflowNotFound { workflow } => {
                let message = format!("there is no workflow {workflow}");
                Self::new(Reason::WorkflowNotFound, message).with("workflow", workflow)
            }
            R::WorkflowUnusable { workflow, finding } => {
                let problem = Self::new(Reason::WorkflowUnusable, refusal.to_string());
                unusable(problem, workflow, finding)
            }
            R::OrderNotFound { workflow, order_id } => {
                let message = format!("workflow {workflow} has no order {order_id}");
                of_order(Reason::OrderNotFound, message, workflow, order_id)
            }
            R::TooCostly { budget } => Self::new(Reason::TooCostly, refusal.to_string())
                .with("max_ms", &budget.as_millis()),
            R::TooLarge { bytes_max } => {
                Self::new(Reason::TooCostly, refusal.to_string()).with("max_bytes", bytes_max)
            }
            R::Fault => Self::new(Reason::Internal, refusal.to_string()),
            R::OrderExists { workflow, order_id } => {
                let message = format!("workflow {workflow} has an order {order_id} already");
                of_order(Reason::OrderExists, message, workflow, order_id)
            }
        }
    }
}

/// Adds what is wrong with a workflow as it is stored.
fn unusable(problem: Problem, workflow: &WorkflowCode, finding: &str) -> Problem {
    problem
        .with("workflow", workflow)
        .with("finding", &finding)
        .about(format!("workflow {workflow}"))
}

fn of_order(reason: Reason, message: String, workflow: &WorkflowCode, order: &OrderId) -> Problem {
    Problem::new(reason, message)
        .with("workflow", workflow)
        .with("order", order)
}

pub(super) fn of_delivery(refusal: &OutboxRefusal) -> Problem {
    let message = refusal.to_string();
    match refusal {
        OutboxRefusal::DeliveryNotFound { id } => {
            Problem::new(Reason::DeliveryNotFound, message).with("delivery", id)
        }
        OutboxRefusal::DeliverySucceeded { id } => Problem::new(Reason::DeliverySucceeded, message)
            .with("delivery", id)
            .about(format!("delivery {id}")),
    }
}

pub(super) fn no_endpoint(code: &EndpointCode) -> Problem {
    let message = format!("there is no endpoint {code}");
    Problem::new(Reason::EndpointNotFound, message).with("endpoint", code)
}

pub(super) fn endpoint_exists(code: &EndpointCode) -> Problem {
    let message = format!("there is an endpoint {code} already");
    Problem::new(Reason::EndpointExists, message).with("endpoint", code)
}

pub(super) fn endpoint_in_use(in_use: &EndpointInUse) -> Problem {
    let code = &in_use.code;
    let actions = in_use.actions.iter();
    let actions: Vec<_> = actions
        .map(|(workflow, path)| format!("{workflow}/{path}"))
        .collect();
    let message = format!("endpoint {code} is named by actions, or deliveries wait to go there");
    Problem::new(Reason::EndpointInUse, message)
        .with("endpoint", code)
        .with_list("actions", &actions)
        .with_list("deliveries", &in_use.deliveries)
        .about(format!("endpoint {code}"))
}

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

pub(super) fn of_unknown_name(unknown: &UnknownName) -> Problem {
    let (reason, key) = match unknown.kind {
        NameKind::Workflow => (Reason::WorkflowNotFound, "workflow"),
        NameKind::State => (Reason::StateNotFound, "state"),
        NameKind::Status => (Reason::StatusNotFound, "status"),
    };
    Problem::new(reason, unknown.to_string()).with(key, &unknown.code)
}
