//! The parts of a workflow as a document makes them that says nothing but their codes.

use std::collections::BTreeMap;

use crate::{
    value::{
        Description, Label, OperationCode, StateCode, StatusCode, TemplateName, TransitionCode,
        WorkflowCode,
    },
    workflow::{
        Category, CommentStatus, CopyMethod, Effect, Email, Identity, Notify, Operation,
        Overpayment, RefundedUnits, State, Status, StatusSharing, Transition, Trigger, Workflow,
    },
};

/// The distance of parts that give no position.
pub(super) const POSITION_STEP: i32 = 10;

/// The longest cascade of a workflow that says nothing about it.
const MAX_CASCADE: u32 = 16;

pub(super) fn workflow(code: &WorkflowCode, initial_state: &StateCode) -> Workflow {
    Workflow {
        code: code.clone(),
        label: Label::of_code(code),
        description: Description::default(),
        initial_state: initial_state.clone(),
        default_store_view: None,
        comment_status: CommentStatus::AnyInState,
        status_sharing: StatusSharing::Exclusive,
        refunded_units: RefundedUnits::StillShip,
        overpayment: Overpayment::Record,
        operations: Vec::new(),
        max_cascade: MAX_CASCADE,
        states: Vec::new(),
        statuses: Vec::new(),
        assignments: Vec::new(),
        transitions: Vec::new(),
        on_create: Vec::new(),
        on_comment: Vec::new(),
    }
}

pub(super) fn operation(code: &OperationCode) -> Operation {
    Operation {
        code: code.clone(),
        label: Label::of_code(code),
        effect: Effect::None,
        roles: Vec::new(),
        guard: None,
        actions: Vec::new(),
    }
}

pub(super) fn status(code: &StatusCode, position: i32) -> Status {
    Status {
        code: code.clone(),
        label: Label::of_code(code),
        store_view_labels: BTreeMap::new(),
        description: Description::default(),
        color: None,
        position,
        retired: false,
        on_enter: Vec::new(),
    }
}

pub(super) fn state(code: &StateCode, position: i32) -> State {
    State {
        code: code.clone(),
        label: Label::of_code(code),
        category: Category::Active,
        can_start: false,
        operations: Vec::new(),
        holdable: false,
        terminal: false,
        entry_guard: None,
        position,
        on_enter: Vec::new(),
        on_leave: Vec::new(),
    }
}

pub(super) fn transition(code: &TransitionCode, to_state: &StateCode, position: i32) -> Transition {
    Transition {
        code: code.clone(),
        label: Label::of_code(code),
        description: Description::default(),
        from_statuses: Vec::new(),
        from_states: Vec::new(),
        to_state: to_state.clone(),
        to_status: None,
        guard: None,
        trigger: Trigger::Manual,
        operation: None,
        reverse: false,
        visible_to_customer: false,
        notify_customer: false,
        roles: Vec::new(),
        actions: Vec::new(),
        position,
    }
}

pub(super) fn email(template: &TemplateName) -> Email {
    Email {
        identity: Identity::Sales,
        template: template.clone(),
        guest_template: None,
        customer: Notify::OnRequest,
        copy_to: Vec::new(),
        copy_method: CopyMethod::Bcc,
    }
}
