//! Writing a workflow as a document that reads well and loses nothing.

use super::{
    action::action_parts,
    defaults,
    format::Format,
    forms::{AssignmentFlags, AssignmentPart},
    layout::{OperationPart, StatePart, StatusPart, TransitionPart, WorkflowPart},
    put::{Positions, unless_usual},
    remark::DocumentError,
};
use crate::workflow::{Assignment, Operation, State, Status, Transition, Workflow};

/// Writes a workflow as YAML or JSON. What a reader would assume anyway is left out;
/// applied elsewhere, the document gives an equal workflow.
///
/// # Errors
/// Returns [`DocumentError::NoExport`] for another format.
pub fn export(workflow: &Workflow, format: Format) -> Result<String, DocumentError> {
    let part = workflow_part(&workflow.clone().normalized());
    let failed = |problem: String| DocumentError::NotWritten { problem };
    match format {
        Format::Yaml => serde_saphyr::to_string(&part).map_err(|error| failed(error.to_string())),
        Format::Json => match serde_json::to_string_pretty(&part) {
            Ok(text) => Ok(text + "\n"),
            Err(error) => Err(failed(error.to_string())),
        },
        Format::MagentoConfigXml => Err(DocumentError::NoExport),
    }
}

fn workflow_part(workflow: &Workflow) -> WorkflowPart {
    let usual = defaults::workflow(&workflow.code, &workflow.initial_state);
    let [mut of_statuses, mut of_states, mut of_transitions] = <[Positions; 3]>::default();
    let operations = workflow.operations.iter();
    let operations = operations.map(|it| (it.code.clone(), operation_part(it)));
    let statuses = workflow.statuses.iter();
    let statuses = statuses.map(|it| (it.code.clone(), status_part(it, &mut of_statuses)));
    let states = workflow.states.iter();
    let states = states.map(|it| (it.code.clone(), state_part(workflow, it, &mut of_states)));
    let transitions = workflow.transitions.iter();
    let transitions =
        transitions.map(|it| (it.code.clone(), transition_part(it, &mut of_transitions)));
    WorkflowPart {
        workflow: Some(workflow.code.clone()),
        operations: operations.collect(),
        statuses: statuses.collect(),
        states: states.collect(),
        transitions: transitions.collect(),
        on_create: action_parts(&workflow.on_create),
        on_comment: action_parts(&workflow.on_comment),
        ..WorkflowPart::of(workflow, &usual)
    }
}

fn operation_part(operation: &Operation) -> OperationPart {
    OperationPart {
        actions: action_parts(&operation.actions),
        ..OperationPart::of(operation, &defaults::operation(&operation.code))
    }
}

fn status_part(status: &Status, positions: &mut Positions) -> StatusPart {
    let usual = defaults::status(&status.code, positions.usual(status.position));
    StatusPart {
        store_view_labels: status.store_view_labels.clone().into_iter().collect(),
        on_enter: action_parts(&status.on_enter),
        ..StatusPart::of(status, &usual)
    }
}

fn state_part(workflow: &Workflow, state: &State, positions: &mut Positions) -> StatePart {
    let usual = defaults::state(&state.code, positions.usual(state.position));
    let assignments = workflow.assignments_of(&state.code).map(assignment_part);
    let statuses: Vec<_> = assignments.collect();
    StatePart {
        statuses: unless_usual(&statuses, &Vec::new()),
        on_enter: action_parts(&state.on_enter),
        on_leave: action_parts(&state.on_leave),
        ..StatePart::of(state, &usual)
    }
}

fn assignment_part(assignment: &Assignment) -> AssignmentPart {
    AssignmentPart(AssignmentFlags {
        status: Some(assignment.status.clone()),
        default: None,
        visible_on_storefront: unless_usual(&assignment.visible_on_storefront, &true),
    })
}

fn transition_part(transition: &Transition, positions: &mut Positions) -> TransitionPart {
    let position = positions.usual(transition.position);
    let usual = defaults::transition(&transition.code, &transition.to_state, position);
    TransitionPart {
        actions: action_parts(&transition.actions),
        ..TransitionPart::of(transition, &usual)
    }
}
