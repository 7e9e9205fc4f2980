//! Writing a workflow as a document that reads well and loses nothing.

use super::{
    DocumentError, Format,
    action::action_parts,
    keyed::Codes,
    layout::{
        AssignmentFlags, AssignmentPart, OperationPart, PeriodPart, StatePart, StatusPart,
        TransitionPart, TriggerPart, WorkflowPart,
    },
};
use crate::{
    value::Description,
    workflow::{Assignment, Overpayment, State, Status, Transition, Trigger, Workflow},
};

/// How far apart parts stand that give no position.
pub(super) const POSITION_STEP: i32 = 10;

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
        Format::Json => {
            let text =
                serde_json::to_string_pretty(&part).map_err(|error| failed(error.to_string()))?;
            Ok(text + "\n")
        }
        Format::MagentoConfigXml => Err(DocumentError::NoExport),
    }
}

fn workflow_part(workflow: &Workflow) -> WorkflowPart {
    let Workflow {
        code,
        label,
        description,
        initial_state,
        default_store_view,
        comment_status,
        status_sharing,
        refunded_units,
        overpayment,
        operations,
        max_cascade,
        states,
        statuses,
        assignments: _,
        transitions,
        on_create,
        on_comment,
    } = workflow;
    let operations = operations.iter().map(|operation| {
        let part = OperationPart {
            label: Some(operation.label.clone()),
            effect: Some(operation.effect),
            roles: codes(&operation.roles),
            guard: operation.guard.clone(),
            actions: action_parts(&operation.actions),
        };
        (operation.code.clone(), part)
    });
    let mut place = Place::default();
    let statuses = statuses
        .iter()
        .map(|status| (status.code.clone(), status_part(status, &mut place)))
        .collect();
    let mut place = Place::default();
    let states = states
        .iter()
        .map(|state| (state.code.clone(), state_part(workflow, state, &mut place)))
        .collect();
    let mut place = Place::default();
    let transitions = transitions
        .iter()
        .map(|t| (t.code.clone(), transition_part(t, &mut place)));
    WorkflowPart {
        workflow: Some(code.clone()),
        label: Some(label.clone()),
        description: text(description),
        initial_state: Some(initial_state.clone()),
        default_store_view: default_store_view.clone(),
        comment_status: Some(*comment_status),
        status_sharing: Some(*status_sharing),
        refunded_units: Some(*refunded_units),
        overpayment: Some(*overpayment).filter(|rule| *rule != Overpayment::default()),
        max_cascade: Some(*max_cascade).filter(|max| *max != super::apply::MAX_CASCADE_DEFAULT),
        operations: operations.collect(),
        statuses,
        states,
        transitions: transitions.collect(),
        on_create: action_parts(on_create),
        on_comment: action_parts(on_comment),
    }
}

/// Where the last part stood, to tell which positions need not be written.
#[derive(Default)]
pub(super) struct Place(i32);

impl Place {
    pub(super) fn written(&mut self, position: i32) -> Option<i32> {
        let expected = self.0.saturating_add(POSITION_STEP);
        self.0 = position;
        Some(position).filter(|position| *position != expected)
    }
}

fn status_part(status: &Status, place: &mut Place) -> StatusPart {
    let Status {
        code: _,
        label,
        store_view_labels,
        description,
        color,
        position,
        retired,
        on_enter,
    } = status;
    StatusPart {
        label: Some(label.clone()),
        description: text(description),
        color: color.clone(),
        position: place.written(*position),
        retired: flag(*retired),
        store_view_labels: store_view_labels
            .iter()
            .map(|(view, label)| (view.clone(), label.clone()))
            .collect(),
        on_enter: action_parts(on_enter),
    }
}

fn state_part(workflow: &Workflow, state: &State, place: &mut Place) -> StatePart {
    let State {
        code,
        label,
        category,
        can_start,
        operations,
        holdable,
        terminal,
        entry_guard,
        position,
        on_enter,
        on_leave,
    } = state;
    StatePart {
        label: Some(label.clone()),
        category: Some(*category),
        can_start: flag(*can_start),
        holdable: flag(*holdable),
        terminal: flag(*terminal),
        entry_guard: entry_guard.clone(),
        operations: codes(operations),
        statuses: codes(
            &workflow
                .assignments_of(code)
                .map(assignment_part)
                .collect::<Vec<_>>(),
        ),
        position: place.written(*position),
        on_enter: action_parts(on_enter),
        on_leave: action_parts(on_leave),
    }
}

fn assignment_part(assignment: &Assignment) -> AssignmentPart {
    let visible = assignment.visible_on_storefront;
    AssignmentPart(AssignmentFlags {
        status: Some(assignment.status.clone()),
        default: None,
        visible_on_storefront: Some(visible).filter(|visible| !visible),
    })
}

fn transition_part(transition: &Transition, place: &mut Place) -> TransitionPart {
    let Transition {
        code: _,
        label,
        description,
        from_statuses,
        from_states,
        to_state,
        to_status,
        guard,
        trigger,
        operation,
        reverse,
        visible_to_customer,
        notify_customer,
        roles,
        actions,
        position,
    } = transition;
    TransitionPart {
        label: Some(label.clone()),
        description: text(description),
        from_states: codes(from_states),
        from_statuses: codes(from_statuses),
        to_state: Some(to_state.clone()),
        to_status: to_status.clone(),
        guard: guard.clone(),
        trigger: match trigger {
            Trigger::Manual => None,
            Trigger::Automatic => Some(TriggerPart::Automatic),
            Trigger::After(period) => Some(TriggerPart::After(PeriodPart::from(*period))),
            Trigger::At(expression) => Some(TriggerPart::At(expression.clone())),
            Trigger::OnOperations(operations) => {
                Some(TriggerPart::OnOperations(Codes(operations.clone())))
            }
        },
        operation: operation.clone(),
        reverse: flag(*reverse),
        visible_to_customer: flag(*visible_to_customer),
        notify_customer: flag(*notify_customer),
        roles: codes(roles),
        position: place.written(*position),
        actions: action_parts(actions),
    }
}

pub(super) fn codes<T: Clone>(items: &[T]) -> Option<Codes<T>> {
    (!items.is_empty()).then(|| Codes(items.to_vec()))
}

pub(super) fn flag(set: bool) -> Option<bool> {
    set.then_some(true)
}

pub(super) fn text(description: &Description) -> Option<Description> {
    Some(description.clone()).filter(|description| !description.is_empty())
}
