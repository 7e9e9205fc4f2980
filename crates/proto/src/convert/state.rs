//! States and which statuses sit in them: requests about them, and how they are shown.

use waymark_domain::{
    value::{StateCode, StatusCode},
    workflow::{Assignment, AssignmentPatch, State, Workflow},
};

use super::{
    action::actions_to_wire,
    call::{EditCall, PageRequest},
    fields::text,
};
use crate::v1;

request! {
    /// Asks for one state.
    GetState: GetStateRequest in workflow or default;
    /// The state.
    code: StateCode = text(code),
}

request! {
    /// Asks for a page of states.
    ListStates: ListStatesRequest in workflow or default;
    arguments = "ListStates" without page_size, page_token;
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

request! {
    /// Asks for a page of assignments.
    ListAssignments: ListAssignmentsRequest in workflow or default;
    arguments = "ListAssignments" without page_size, page_token;
    /// Only those of this state; none for all.
    state: Option<StateCode> = optional(state),
    /// Only those of this status; none for all.
    status: Option<StatusCode> = optional(status),
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

request! {
    /// Asks to assign a status to a state, or to change the flags of an assignment.
    AssignStatus: AssignStatusRequest in workflow or default;
    hash = "AssignStatus" in default without request_id, validate_only;
    /// The state.
    state: StateCode = text(state),
    /// The status.
    status: StatusCode = text(status),
    /// The flags that are given.
    patch: AssignmentPatch = with(is_default, visible_on_storefront; |_| {
        Ok(AssignmentPatch { is_default, visible_on_storefront })
    }),
    /// The actor and the key of the call; the etag is the workflow's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

request! {
    /// Asks to take a status out of a state.
    UnassignStatus: UnassignStatusRequest in workflow or default;
    hash = "UnassignStatus" in default without request_id, validate_only;
    /// The state.
    state: StateCode = text(state),
    /// The status.
    status: StatusCode = text(status),
    /// The actor and the key of the call; the etag is the workflow's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

/// Writes a state with its default status and assignments.
pub fn state_to_wire(workflow: &Workflow, state: &State) -> v1::OrderState {
    let default = workflow.default_status(&state.code);
    let display_label = default.map(|status| workflow.status_label(status, None, None));
    let statuses = workflow.statuses.iter();
    let assigned = statuses.filter_map(|status| workflow.assignment(&state.code, &status.code));
    message!(OrderState from state: State { on_enter, on_leave };
        text: code, label;
        number: category;
        same: can_start, holdable, terminal, position;
        texts: operations;
        optional: entry_guard;
        .. default_status: text(default),
        display_label: display_label.unwrap_or_default().to_owned(),
        assignments: assigned.map(assignment_to_wire).collect(),
        on_enter: actions_to_wire(&state.on_enter),
        on_leave: actions_to_wire(&state.on_leave),
    )
}

/// Writes an assignment.
pub fn assignment_to_wire(assignment: &Assignment) -> v1::StatusAssignment {
    message!(StatusAssignment from assignment: Assignment;
        text: state, status;
        same: is_default, visible_on_storefront;
    )
}
