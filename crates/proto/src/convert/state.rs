//! States and which statuses sit in them: requests about them, and how they are shown.

use waymark_domain::{
    value::{StateCode, StatusCode, WorkflowCode},
    workflow::{Assignment, AssignmentPatch, Category, State, Workflow},
};

use super::{
    action::actions_to_wire,
    call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
    order::text,
    violations::{Path, Violations},
};
use crate::{invalid::InvalidRequest, v1};

/// Asks for one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetState {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The state.
    pub code: StateCode,
}

/// Asks for a page of states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStates {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Which page.
    pub page: PageRequest,
}

/// Asks for a page of assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAssignments {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Only those of this state; none for all.
    pub state: Option<StateCode>,
    /// Only those of this status; none for all.
    pub status: Option<StatusCode>,
    /// Which page.
    pub page: PageRequest,
}

/// Asks to assign a status to a state, or to change the flags of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignStatus {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The state.
    pub state: StateCode,
    /// The status.
    pub status: StatusCode,
    /// The flags that are given.
    pub patch: AssignmentPatch,
    /// Who asks, and how; the etag is the workflow's.
    pub edit: EditCall,
}

/// Asks to take a status out of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnassignStatus {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The state.
    pub state: StateCode,
    /// The status.
    pub status: StatusCode,
    /// Who asks, and how; the etag is the workflow's.
    pub edit: EditCall,
}

impl GetState {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::GetStateRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::GetStateRequest { workflow, code } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let code = found.text(at.field("code"), &code);
            Ok(Self {
                workflow: workflow?,
                code: code?,
            })
        })
    }
}

impl ListStates {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::ListStatesRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListStates", request, without page_size, page_token);
        let v1::ListStatesRequest {
            workflow,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let workflow = found.workflow(Path::REQUEST, &workflow, default);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                workflow: workflow?,
                page: page?,
            })
        })
    }
}

impl ListAssignments {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::ListAssignmentsRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListAssignments", request, without page_size, page_token);
        let v1::ListAssignmentsRequest {
            workflow,
            state,
            status,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let state = found.optional(at.field("state"), &state);
            let status = found.optional(at.field("status"), &status);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                workflow: workflow?,
                state: state?,
                status: status?,
                page: page?,
            })
        })
    }
}

impl AssignStatus {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::AssignStatusRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("AssignStatus", request in default, without request_id, validate_only);
        let v1::AssignStatusRequest {
            workflow,
            state,
            status,
            is_default,
            visible_on_storefront,
            actor,
            etag,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let state = found.text(at.field("state"), &state);
            let status = found.text(at.field("status"), &status);
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                state: state?,
                status: status?,
                patch: AssignmentPatch {
                    is_default,
                    visible_on_storefront,
                },
                edit: edit?,
            })
        })
    }
}

impl UnassignStatus {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::UnassignStatusRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("UnassignStatus", request in default, without request_id, validate_only);
        let v1::UnassignStatusRequest {
            workflow,
            state,
            status,
            actor,
            etag,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let state = found.text(at.field("state"), &state);
            let status = found.text(at.field("status"), &status);
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                state: state?,
                status: status?,
                edit: edit?,
            })
        })
    }
}

/// Writes a state with its default status and assignments.
pub fn state_to_wire(workflow: &Workflow, state: &State) -> v1::OrderState {
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
    let default = workflow.default_status(code);
    let display_label = default.map(|status| workflow.status_label(status, None, None));
    v1::OrderState {
        code: code.to_string(),
        label: label.to_string(),
        category: category_to_wire(*category).into(),
        can_start: *can_start,
        operations: operations.iter().map(ToString::to_string).collect(),
        holdable: *holdable,
        terminal: *terminal,
        entry_guard: text(entry_guard.as_ref()),
        default_status: text(default),
        display_label: display_label.unwrap_or_default().to_owned(),
        assignments: workflow
            .statuses
            .iter()
            .filter_map(|status| workflow.assignment(code, &status.code))
            .map(assignment_to_wire)
            .collect(),
        position: *position,
        on_enter: actions_to_wire(on_enter),
        on_leave: actions_to_wire(on_leave),
    }
}

/// Writes an assignment.
pub fn assignment_to_wire(assignment: &Assignment) -> v1::StatusAssignment {
    let Assignment {
        state,
        status,
        is_default,
        visible_on_storefront,
    } = assignment;
    v1::StatusAssignment {
        state: state.to_string(),
        status: status.to_string(),
        is_default: *is_default,
        visible_on_storefront: *visible_on_storefront,
    }
}

fn category_to_wire(category: Category) -> v1::StateCategory {
    match category {
        Category::Initial => v1::StateCategory::Initial,
        Category::Active => v1::StateCategory::Active,
        Category::Held => v1::StateCategory::Held,
        Category::Completed => v1::StateCategory::Completed,
        Category::Closed => v1::StateCategory::Closed,
        Category::Canceled => v1::StateCategory::Canceled,
    }
}
