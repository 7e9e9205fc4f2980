//! Transitions: requests about them, and how they are shown.

use waymark_domain::{
    guard::Expression,
    value::{Invalid, StatusCode, TransitionCode, WorkflowCode},
    workflow::{Record, Stamp, Transition, TransitionPatch, Trigger},
};

use super::{
    call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
    mask::{Mask, Paths},
    order::text,
    violations::{Noted, Path, Violations},
};
use crate::{
    invalid::{InvalidRequest, MaskProblem},
    v1::{self, trigger::Kind},
};

/// How many codes or roles one list of a transition may have.
const LIST_MAX: usize = 1_000;

const PATHS: Paths = Paths {
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

/// Asks for a new transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub transition: Transition,
    /// Who asks, and how.
    pub edit: EditCall,
}

/// Asks for one transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub code: TransitionCode,
}

/// Asks for a page of transitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTransitions {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Only those that may start from this status; none for all.
    pub from_status: Option<StatusCode>,
    /// Which page.
    pub page: PageRequest,
}

/// Asks to change a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub code: TransitionCode,
    /// What shall change.
    pub patch: TransitionPatch,
    /// Who asks, and how; the etag is the transition's.
    pub edit: EditCall,
}

/// Asks to delete a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTransition {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The transition.
    pub code: TransitionCode,
    /// Who asks, and how; the etag is the transition's.
    pub edit: EditCall,
}

impl CreateTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::CreateTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("CreateTransition", request, without request_id, validate_only);
        let v1::CreateTransitionRequest {
            workflow,
            transition,
            actor,
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
            let edit = fields.read(found, (at.field("etag"), String::new()), fingerprint);
            let at = at.field("transition");
            let transition = found.required(at, transition);
            let transition = transition.and_then(|given| read_transition(found, at, given));
            Ok(Self {
                workflow: workflow?,
                transition: transition?,
                edit: edit?,
            })
        })
    }
}

impl GetTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::GetTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::GetTransitionRequest { workflow, code } = request;
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

impl ListTransitions {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::ListTransitionsRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListTransitions", request, without page_size, page_token);
        let v1::ListTransitionsRequest {
            workflow,
            from_status,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let from_status = found.optional(at.field("from_status"), &from_status);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                workflow: workflow?,
                from_status: from_status?,
                page: page?,
            })
        })
    }
}

impl UpdateTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::UpdateTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("UpdateTransition", request, without request_id, validate_only);
        let v1::UpdateTransitionRequest {
            workflow,
            transition,
            update_mask,
            actor,
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
            let mask = Mask::read(found, update_mask, &PATHS);
            let at = at.field("transition");
            let transition = found.required(at, transition);
            let etag = transition
                .as_ref()
                .map(|transition| transition.etag.clone());
            let etag = (at.field("etag"), etag.unwrap_or_default());
            let edit = fields.read(found, etag, fingerprint);
            let transition = transition.and_then(|transition| {
                let code = found.text(at.field("code"), &transition.code);
                let patch = patch(found, at, transition, &mask);
                Ok((code?, patch?))
            });
            let (code, patch) = transition?;
            Ok(Self {
                workflow: workflow?,
                code,
                patch,
                edit: edit?,
            })
        })
    }
}

impl DeleteTransition {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::DeleteTransitionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("DeleteTransition", request, without request_id, validate_only);
        let v1::DeleteTransitionRequest {
            workflow,
            code,
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
            let code = found.text(at.field("code"), &code);
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                code: code?,
                edit: edit?,
            })
        })
    }
}

fn read_transition(
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
    refuse_actions(found, at.field("actions"), &actions);
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
        roles: roles?,
        position,
    })
}

fn patch(
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
    if let Some(actions) = mask.take("actions", actions) {
        refuse_actions(found, at.field("actions"), &actions);
    }
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
        roles: roles.transpose()?,
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
        Some(Kind::After(_)) => Err(found.note(at.field("after"), Invalid::NotSupportedYet)),
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

fn refuse_actions(found: &mut Violations, at: Path<'_>, actions: &[v1::TransitionAction]) {
    if !actions.is_empty() {
        found.note(at, Invalid::NotSupportedYet);
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
        roles,
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
        actions: Vec::new(),
        position: *position,
        etag: stamp.map(Stamp::etag).unwrap_or_default(),
    }
}

fn trigger_to_wire(trigger: &Trigger) -> v1::Trigger {
    let kind = match trigger {
        Trigger::Manual => Kind::Manual(v1::ManualTrigger {}),
        Trigger::OnOperations(operations) => Kind::OnOperations(v1::OperationTrigger {
            operations: operations.iter().map(ToString::to_string).collect(),
        }),
        Trigger::Automatic => Kind::Automatic(v1::AutomaticTrigger {}),
    };
    v1::Trigger { kind: Some(kind) }
}
