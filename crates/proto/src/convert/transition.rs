//! Transitions: requests about them, and how they are shown.

use waymark_domain::{
    guard::Expression,
    value::{Invalid, StatusCode, TransitionCode},
    workflow::{Record, Stamp, Transition, TransitionPatch, Trigger},
};

use super::{
    action::{actions_to_wire, read_actions, read_expression},
    call::{EditCall, PageRequest},
    instant::{period_from_wire, period_to_wire},
    violations::{Path, Read},
};
use crate::v1::{self, trigger::Kind};

/// The most codes or roles that a list of a transition may have.
const LIST_MAX: usize = 1_000;

request! {
    /// Asks for a new transition.
    CreateTransition: CreateTransitionRequest in workflow or default;
    hash = "CreateTransition" in default without request_id, validate_only;
    /// The actor and the key of the call.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
    /// The transition.
    transition: Transition = required(transition; read_transition),
}

request! {
    /// Asks for one transition.
    GetTransition: GetTransitionRequest in workflow or default;
    /// The transition.
    code: TransitionCode = text(code),
}

request! {
    /// Asks for a page of transitions.
    ListTransitions: ListTransitionsRequest in workflow or default;
    arguments = "ListTransitions" without page_size, page_token;
    /// Only those that may start from this status; none for all.
    from_status: Option<StatusCode> = optional(from_status),
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

update_request! {
    /// Asks to change a transition.
    UpdateTransition: UpdateTransitionRequest in workflow or default;
    "UpdateTransition", transition(TransitionCode, TransitionPatch by transition_patch)
}

request! {
    /// Asks to delete a transition.
    DeleteTransition: DeleteTransitionRequest in workflow or default;
    hash = "DeleteTransition" in default without request_id, validate_only;
    /// The transition.
    code: TransitionCode = text(code),
    /// The actor and the key of the call; the etag is the transition's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

reader! {
    fn read_transition(Transition { etag }) -> Transition {
        code: text(code),
        label: text(label),
        description: text(description),
        from_statuses: list(from_statuses; LIST_MAX),
        from_states: list(from_states; LIST_MAX),
        to_state: text(to_state),
        to_status: optional(to_status),
        guard: borrowed(guard; read_expression),
        trigger: by(trigger; read_trigger),
        operation: optional(operation),
        reverse: same(reverse),
        visible_to_customer: same(visible_to_customer),
        notify_customer: same(notify_customer),
        roles: list(roles; LIST_MAX),
        actions: by(actions; read_actions),
        position: same(position),
    }
}

patch! {
    fn transition_patch(Transition {
        Immutable: code;
        OutputOnly: etag;
    }) -> TransitionPatch {
        label: text(label),
        description: text(description),
        from_statuses: list(from_statuses; LIST_MAX),
        from_states: list(from_states; LIST_MAX),
        to_state: text(to_state),
        to_status: optional(to_status),
        guard: borrowed(guard; read_expression),
        trigger: by(trigger; read_trigger),
        operation: optional(operation),
        reverse: same(reverse),
        visible_to_customer: same(visible_to_customer),
        notify_customer: same(notify_customer),
        roles: list(roles; LIST_MAX),
        actions: by(actions; read_actions),
        position: same(position),
    }
}

fn read_trigger(at: Path<'_>, trigger: Option<v1::Trigger>) -> Read<Trigger> {
    match trigger.and_then(|v1::Trigger { kind }| kind) {
        None | Some(Kind::Manual(v1::ManualTrigger {})) => Ok(Trigger::Manual),
        Some(Kind::Automatic(v1::AutomaticTrigger {})) => Ok(Trigger::Automatic),
        Some(Kind::After(v1::AfterTrigger { duration })) => {
            let at = at.field("after");
            let duration = at.field("duration").required(duration)?;
            period_from_wire(at.field("duration"), duration).map(Trigger::After)
        }
        Some(Kind::At(v1::AtTrigger { expression })) => {
            let expression = Expression::new(&expression);
            at.field("at")
                .field("expression")
                .check(expression)
                .map(Trigger::At)
        }
        Some(Kind::OnOperations(v1::OperationTrigger { operations })) => {
            let at = at.field("on_operations");
            let at = at.field("operations");
            if operations.is_empty() {
                return Err(at.note(Invalid::Empty));
            }
            at.list(&operations, LIST_MAX).map(Trigger::OnOperations)
        }
    }
}

/// Writes a transition with its etag.
pub fn transition_to_wire(record: &Record, transition: &Transition) -> v1::Transition {
    let stamp = record.transitions.get(&transition.code);
    message!(Transition from transition: Transition { trigger, actions };
        text: code, label, description, to_state;
        optional: to_status, guard, operation;
        texts: from_statuses, from_states, roles;
        same: reverse, visible_to_customer, notify_customer, position;
        .. trigger: Some(trigger_to_wire(&transition.trigger)),
        actions: actions_to_wire(&transition.actions),
        etag: stamp.map(Stamp::etag).unwrap_or_default(),
    )
}

fn trigger_to_wire(trigger: &Trigger) -> v1::Trigger {
    let kind = match trigger {
        Trigger::Manual => Kind::Manual(v1::ManualTrigger {}),
        Trigger::OnOperations(operations) => Kind::OnOperations(v1::OperationTrigger {
            operations: operations.iter().map(ToString::to_string).collect(),
        }),
        Trigger::Automatic => Kind::Automatic(v1::AutomaticTrigger {}),
        Trigger::After(period) => Kind::After(v1::AfterTrigger {
            duration: Some(period_to_wire(*period)),
        }),
        Trigger::At(expression) => Kind::At(v1::AtTrigger {
            expression: expression.to_string(),
        }),
    };
    v1::Trigger { kind: Some(kind) }
}
