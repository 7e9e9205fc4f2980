//! Transitions, read and shown.

use waymark_domain::{
    guard::Expression,
    value::Invalid,
    workflow::{Record, Stamp, Transition, TransitionPatch, Trigger},
};

use crate::{
    convert::{
        action::{actions_to_wire, read_actions},
        instant::{period_from_wire, period_to_wire},
        mask::{Mask, Paths},
        order::text,
        violations::{Noted, Path, Violations},
    },
    invalid::MaskProblem,
    v1::{self, trigger::Kind},
};

/// How many codes or roles one list of a transition may have.
const LIST_MAX: usize = 1_000;

/// The fields of a transition that an update may name, and those that it may not.
pub(super) const PATHS: Paths = Paths {
    updatable: &[
        "label",
        "description",
        "from_statuses",
        "from_states",
        "to_state",
        "to_status",
        "guard",
        "trigger",
        "operation",
        "reverse",
        "visible_to_customer",
        "notify_customer",
        "roles",
        "actions",
        "position",
    ],
    maps: &[],
    fixed: &[
        ("code", MaskProblem::Immutable),
        ("etag", MaskProblem::OutputOnly),
    ],
};

/// Reads a whole transition.
pub(super) fn read_transition(
    found: &mut Violations,
    at: Path<'_>,
    transition: v1::Transition,
) -> Result<Transition, Noted> {
    let v1::Transition {
        code,
        label,
        description,
        from_statuses,
        from_states,
        to_state,
        to_status,
        guard,
        trigger,
        operation,
        roles,
        actions,
        position,
        etag: _,
        reverse,
        visible_to_customer,
        notify_customer,
    } = transition;
    let code = found.text(at.field("code"), &code);
    let label = found.text(at.field("label"), &label);
    let description = found.text(at.field("description"), &description);
    let from_statuses = found.list(at.field("from_statuses"), &from_statuses, LIST_MAX);
    let from_states = found.list(at.field("from_states"), &from_states, LIST_MAX);
    let to_state = found.text(at.field("to_state"), &to_state);
    let to_status = found.optional(at.field("to_status"), &to_status);
    let guard = read_guard(found, at.field("guard"), &guard);
    let trigger = read_trigger(found, at.field("trigger"), trigger);
    let operation = found.optional(at.field("operation"), &operation);
    let roles = found.list(at.field("roles"), &roles, LIST_MAX);
    let actions = read_actions(found, at.field("actions"), actions);
    Ok(Transition {
        code: code?,
        label: label?,
        description: description?,
        from_statuses: from_statuses?,
        from_states: from_states?,
        to_state: to_state?,
        to_status: to_status?,
        guard: guard?,
        trigger: trigger?,
        operation: operation?,
        reverse,
        visible_to_customer,
        notify_customer,
        roles: roles?,
        actions: actions?,
        position,
    })
}

/// Reads what an update of a transition is about.
pub(super) fn read_patch(
    found: &mut Violations,
    at: Path<'_>,
    transition: v1::Transition,
    mask: &Mask,
) -> Result<TransitionPatch, Noted> {
    let v1::Transition {
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
        roles,
        actions,
        position,
        etag: _,
        reverse,
        visible_to_customer,
        notify_customer,
    } = transition;
    let label = mask.take("label", label);
    let label = label.map(|text| found.text(at.field("label"), &text));
    let description = mask.take("description", description);
    let description = description.map(|text| found.text(at.field("description"), &text));
    let from_statuses = mask.take("from_statuses", from_statuses);
    let from_statuses =
        from_statuses.map(|codes| found.list(at.field("from_statuses"), &codes, LIST_MAX));
    let from_states = mask.take("from_states", from_states);
    let from_states =
        from_states.map(|codes| found.list(at.field("from_states"), &codes, LIST_MAX));
    let to_state = mask.take("to_state", to_state);
    let to_state = to_state.map(|code| found.text(at.field("to_state"), &code));
    let to_status = mask.take("to_status", to_status);
    let to_status = to_status.map(|code| found.optional(at.field("to_status"), &code));
    let guard = mask.take("guard", guard);
    let guard = guard.map(|text| read_guard(found, at.field("guard"), &text));
    let trigger = mask.take("trigger", trigger);
    let trigger = trigger.map(|trigger| read_trigger(found, at.field("trigger"), trigger));
    let operation = mask.take("operation", operation);
    let operation = operation.map(|code| found.optional(at.field("operation"), &code));
    let roles = mask.take("roles", roles);
    let roles = roles.map(|roles| found.list(at.field("roles"), &roles, LIST_MAX));
    let actions = mask.take("actions", actions);
    let actions = actions.map(|actions| read_actions(found, at.field("actions"), actions));
    Ok(TransitionPatch {
        label: label.transpose()?,
        description: description.transpose()?,
        from_statuses: from_statuses.transpose()?,
        from_states: from_states.transpose()?,
        to_state: to_state.transpose()?,
        to_status: to_status.transpose()?,
        guard: guard.transpose()?,
        trigger: trigger.transpose()?,
        operation: operation.transpose()?,
        reverse: mask.take("reverse", reverse),
        visible_to_customer: mask.take("visible_to_customer", visible_to_customer),
        notify_customer: mask.take("notify_customer", notify_customer),
        roles: roles.transpose()?,
        actions: actions.transpose()?,
        position: mask.take("position", position),
    })
}

fn read_guard(
    found: &mut Violations,
    at: Path<'_>,
    guard: &str,
) -> Result<Option<Expression>, Noted> {
    if guard.is_empty() {
        return Ok(None);
    }
    found.check(at, Expression::new(guard)).map(Some)
}

fn read_trigger(
    found: &mut Violations,
    at: Path<'_>,
    trigger: Option<v1::Trigger>,
) -> Result<Trigger, Noted> {
    match trigger.and_then(|v1::Trigger { kind }| kind) {
        None | Some(Kind::Manual(v1::ManualTrigger {})) => Ok(Trigger::Manual),
        Some(Kind::Automatic(v1::AutomaticTrigger {})) => Ok(Trigger::Automatic),
        Some(Kind::After(v1::AfterTrigger { duration })) => {
            let at = at.field("after");
            let at = at.field("duration");
            let duration = found.required(at, duration)?;
            period_from_wire(found, at, duration).map(Trigger::After)
        }
        Some(Kind::At(v1::AtTrigger { expression })) => {
            let at = at.field("at");
            let at = at.field("expression");
            found
                .check(at, Expression::new(&expression))
                .map(Trigger::At)
        }
        Some(Kind::OnOperations(v1::OperationTrigger { operations })) => {
            let at = at.field("on_operations");
            let at = at.field("operations");
            if operations.is_empty() {
                return Err(found.note(at, Invalid::Empty));
            }
            found
                .list(at, &operations, LIST_MAX)
                .map(Trigger::OnOperations)
        }
    }
}

/// Writes a transition with its etag.
pub fn transition_to_wire(record: &Record, transition: &Transition) -> v1::Transition {
    let Transition {
        code,
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
    let stamp = record.transitions.get(code);
    v1::Transition {
        code: code.to_string(),
        label: label.to_string(),
        description: description.to_string(),
        from_statuses: from_statuses.iter().map(ToString::to_string).collect(),
        from_states: from_states.iter().map(ToString::to_string).collect(),
        to_state: to_state.to_string(),
        to_status: text(to_status.as_ref()),
        guard: text(guard.as_ref()),
        trigger: Some(trigger_to_wire(trigger)),
        operation: text(operation.as_ref()),
        roles: roles.iter().map(ToString::to_string).collect(),
        actions: actions_to_wire(actions),
        position: *position,
        etag: stamp.map(Stamp::etag).unwrap_or_default(),
        reverse: *reverse,
        visible_to_customer: *visible_to_customer,
        notify_customer: *notify_customer,
    }
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
