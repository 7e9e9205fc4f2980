//! Making a workflow of a document: from nothing, or on top of one that exists.

use super::{
    Content, Document,
    export::POSITION_STEP,
    keyed::Keyed,
    layout::{AssignmentFlags, AssignmentPart, Codes, OperationPart, StatePart, StatusPart, TransitionPart, TriggerPart, WorkflowPart},
    magento,
};
use crate::{
    value::{OperationCode, StateCode, StatusCode, TransitionCode, WorkflowCode},
    workflow::{
        Assignment, Category, CommentStatus, Operation, RefundedUnits, Refusal, State, Status,
        StatusSharing, Transition, Trigger, Workflow, edit,
    },
};

/// The longest cascade of a workflow that says nothing about it.
pub(super) const MAX_CASCADE_DEFAULT: u32 = 16;

/// What becomes of parts that the document does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They go.
    Replace,
    /// They stay, and so do fields that the document leaves out. The first status that a
    /// state lists becomes its default only where it has none yet.
    Merge,
}

/// Makes a workflow of a document and refuses one with errors.
///
/// `base` is the workflow as it is, `code` the one that the call asks for; it wins over
/// the code in the document.
///
/// # Errors
/// Returns [`Refusal`] for a new part that lacks what it needs, a Magento configuration
/// that shall replace a workflow or names an unknown state, and a workflow with errors.
pub fn apply(
    base: Option<&Workflow>,
    document: &Document,
    mode: Mode,
    code: Option<&WorkflowCode>,
) -> Result<Workflow, Refusal> {
    let draft = draft(base, document, mode, code)?;
    let before = match mode {
        Mode::Replace => None,
        Mode::Merge => base,
    };
    edit::finish(before, draft)
}

/// Makes a workflow of a document as [`apply`] does, whatever lint has to say about it.
///
/// # Errors
/// As [`apply`], apart from errors in the workflow.
pub fn draft(
    base: Option<&Workflow>,
    document: &Document,
    mode: Mode,
    code: Option<&WorkflowCode>,
) -> Result<Workflow, Refusal> {
    let start = match mode {
        Mode::Replace => None,
        Mode::Merge => base,
    };
    let code = code.or(document.workflow()).or(base.map(|base| &base.code));
    let code = code.ok_or_else(|| required("workflow"))?;
    let workflow = match (&document.0, mode) {
        (Content::Workflow(part), _) => build(start, part, code)?,
        (Content::MagentoConfig(_), Mode::Replace) => return Err(Refusal::ModeRefused),
        (Content::MagentoConfig(config), Mode::Merge) => {
            let base = base.ok_or_else(|| Refusal::WorkflowNotFound { workflow: code.clone() })?;
            magento::merge(base, config)?
        }
    };
    Ok(workflow.normalized())
}

fn required(path: impl Into<String>) -> Refusal {
    Refusal::FieldRequired { path: path.into() }
}

/// What the document says, else what was there, else what a new part starts with.
fn build(start: Option<&Workflow>, part: &WorkflowPart, code: &WorkflowCode) -> Result<Workflow, Refusal> {
    let old = |field: &'static str| move || required(field);
    let mut workflow = Workflow {
        code: code.clone(),
        label: part.label.clone().or(start.map(|w| w.label.clone())).ok_or_else(old("label"))?,
        description: part.description.clone().or(start.map(|w| w.description.clone())).unwrap_or_default(),
        initial_state: part.initial_state.clone().or(start.map(|w| w.initial_state.clone())).ok_or_else(old("initial_state"))?,
        default_store_view: part.default_store_view.clone().or(start.and_then(|w| w.default_store_view.clone())),
        comment_status: part.comment_status.or(start.map(|w| w.comment_status)).unwrap_or(CommentStatus::AnyInState),
        status_sharing: part.status_sharing.or(start.map(|w| w.status_sharing)).unwrap_or(StatusSharing::Exclusive),
        refunded_units: part.refunded_units.or(start.map(|w| w.refunded_units)).unwrap_or(RefundedUnits::StillShip),
        operations: start.map(|w| w.operations.clone()).unwrap_or_default(),
        max_cascade: part.max_cascade.or(start.map(|w| w.max_cascade)).unwrap_or(MAX_CASCADE_DEFAULT),
        states: start.map(|w| w.states.clone()).unwrap_or_default(),
        statuses: start.map(|w| w.statuses.clone()).unwrap_or_default(),
        assignments: start.map(|w| w.assignments.clone()).unwrap_or_default(),
        transitions: start.map(|w| w.transitions.clone()).unwrap_or_default(),
    };
    put_all(&mut workflow.operations, &part.operations, |o| (&o.code, 0), operation)?;
    put_all(&mut workflow.statuses, &part.statuses, |s| (&s.code, s.position), status)?;
    put_all(&mut workflow.states, &part.states, |s| (&s.code, s.position), state)?;
    put_all(&mut workflow.transitions, &part.transitions, |t| (&t.code, t.position), transition)?;
    for (code, part) in part.states.iter() {
        assignments(&mut workflow, code, part);
    }
    Ok(workflow)
}

/// Changes the parts that exist and appends the others, each a step behind the last.
fn put_all<K: PartialEq, P, T>(
    parts: &mut Vec<T>,
    named: &Keyed<K, P>,
    place: impl Fn(&T) -> (&K, i32),
    make: impl Fn(&K, &P, Option<&T>, i32) -> Result<T, Refusal>,
) -> Result<(), Refusal> {
    let mut last = parts.iter().map(|part| place(part).1).max().unwrap_or(0);
    for (key, part) in named.iter() {
        let present = parts.iter().position(|present| place(present).0 == key);
        match present.and_then(|index| parts.get_mut(index)) {
            Some(present) => *present = make(key, part, Some(present), last)?,
            None => {
                let new = make(key, part, None, last.saturating_add(POSITION_STEP))?;
                last = place(&new).1;
                parts.push(new);
            }
        }
    }
    Ok(())
}

fn operation(code: &OperationCode, part: &OperationPart, old: Option<&Operation>, _: i32) -> Result<Operation, Refusal> {
    let missing = |field: &str| required(format!("operations.{code}.{field}"));
    Ok(Operation {
        code: code.clone(),
        label: part.label.clone().or(old.map(|o| o.label.clone())).ok_or_else(|| missing("label"))?,
        effect: part.effect.or(old.map(|o| o.effect)).ok_or_else(|| missing("effect"))?,
    })
}

fn status(code: &StatusCode, part: &StatusPart, old: Option<&Status>, position: i32) -> Result<Status, Refusal> {
    let label = part.label.clone().or(old.map(|s| s.label.clone()));
    let mut store_view_labels = old.map(|s| s.store_view_labels.clone()).unwrap_or_default();
    store_view_labels.extend(part.store_view_labels.iter().cloned());
    Ok(Status {
        code: code.clone(),
        label: label.ok_or_else(|| required(format!("statuses.{code}.label")))?,
        store_view_labels,
        description: part.description.clone().or(old.map(|s| s.description.clone())).unwrap_or_default(),
        color: part.color.clone().or(old.and_then(|s| s.color.clone())),
        position: part.position.or(old.map(|s| s.position)).unwrap_or(position),
        retired: part.retired.or(old.map(|s| s.retired)).unwrap_or(false),
    })
}

fn state(code: &StateCode, part: &StatePart, old: Option<&State>, position: i32) -> Result<State, Refusal> {
    let missing = |field: &str| required(format!("states.{code}.{field}"));
    let category: Option<Category> = part.category.or(old.map(|s| s.category));
    Ok(State {
        code: code.clone(),
        label: part.label.clone().or(old.map(|s| s.label.clone())).ok_or_else(|| missing("label"))?,
        category: category.ok_or_else(|| missing("category"))?,
        can_start: part.can_start.or(old.map(|s| s.can_start)).unwrap_or(false),
        operations: codes(part.operations.as_ref(), old.map(|s| &s.operations)),
        holdable: part.holdable.or(old.map(|s| s.holdable)).unwrap_or(false),
        terminal: part.terminal.or(old.map(|s| s.terminal)).unwrap_or(false),
        entry_guard: part.entry_guard.clone().or(old.and_then(|s| s.entry_guard.clone())),
        position: part.position.or(old.map(|s| s.position)).unwrap_or(position),
    })
}

fn transition(
    code: &TransitionCode,
    part: &TransitionPart,
    old: Option<&Transition>,
    position: i32,
) -> Result<Transition, Refusal> {
    let missing = |field: &str| required(format!("transitions.{code}.{field}"));
    let trigger = part.trigger.as_ref().and_then(trigger).or(old.map(|t| t.trigger.clone()));
    Ok(Transition {
        code: code.clone(),
        label: part.label.clone().or(old.map(|t| t.label.clone())).ok_or_else(|| missing("label"))?,
        description: part.description.clone().or(old.map(|t| t.description.clone())).unwrap_or_default(),
        from_statuses: codes(part.from_statuses.as_ref(), old.map(|t| &t.from_statuses)),
        from_states: codes(part.from_states.as_ref(), old.map(|t| &t.from_states)),
        to_state: part.to_state.clone().or(old.map(|t| t.to_state.clone())).ok_or_else(|| missing("to_state"))?,
        to_status: part.to_status.clone().or(old.and_then(|t| t.to_status.clone())),
        guard: part.guard.clone().or(old.and_then(|t| t.guard.clone())),
        trigger: trigger.unwrap_or(Trigger::Manual),
        operation: part.operation.clone().or(old.and_then(|t| t.operation.clone())),
        roles: codes(part.roles.as_ref(), old.map(|t| &t.roles)),
        position: part.position.or(old.map(|t| t.position)).unwrap_or(position),
    })
}

/// A trigger by time never comes here: reading the document refuses it.
fn trigger(part: &TriggerPart) -> Option<Trigger> {
    match part {
        TriggerPart::Manual => Some(Trigger::Manual),
        TriggerPart::Automatic => Some(Trigger::Automatic),
        TriggerPart::OnOperations(operations) => Some(Trigger::OnOperations(operations.0.clone())),
        TriggerPart::After(_) => None,
    }
}

fn codes<T: Clone>(given: Option<&Codes<T>>, old: Option<&Vec<T>>) -> Vec<T> {
    given.map(|codes| codes.0.clone()).or(old.cloned()).unwrap_or_default()
}

/// Assigns the statuses that a state lists. A default that is not named explicitly is the
/// first of the list, unless the state has one already. Contradictions, such as a status
/// that is listed twice or two defaults, are kept for lint to name.
fn assignments(workflow: &mut Workflow, state: &StateCode, part: &StatePart) {
    let listed = part.statuses.iter().flat_map(|codes| codes.0.iter().cloned());
    let listed: Vec<AssignmentFlags> = listed.map(AssignmentPart::into_flags).collect();
    let names_default = listed.iter().any(|flags| flags.default == Some(true));
    let has_default = names_default || workflow.default_status(state).is_some();
    let mut old = Vec::new();
    workflow.assignments.retain_mut(|assignment| {
        assignment.is_default &= !(names_default && assignment.state == *state);
        let named = assignment.state == *state && listed.iter().any(|flags| flags.status == assignment.status);
        if named {
            old.push(assignment.clone());
        }
        !named
    });
    for (flags, index) in listed.into_iter().zip(0..) {
        let old = old.iter().find(|old| old.status == flags.status);
        let is_first = index == 0 && !has_default;
        workflow.assignments.push(Assignment {
            state: state.clone(),
            is_default: flags.default.unwrap_or(is_first || old.is_some_and(|old| old.is_default)),
            visible_on_storefront: flags.visible_on_storefront.or(old.map(|old| old.visible_on_storefront)).unwrap_or(true),
            status: flags.status,
        });
    }
}
