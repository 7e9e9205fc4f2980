//! Making a workflow of a document: from nothing, or on top of one that exists.

use std::collections::BTreeMap;

use super::{
    Content, Document, action,
    export::POSITION_STEP,
    keyed::{Codes, Keyed},
    layout::{
        AssignmentFlags, AssignmentPart, OperationPart, StatePart, StatusPart, TransitionPart,
        TriggerPart, WorkflowPart,
    },
    magento,
};
use crate::{
    value::{Description, OperationCode, StateCode, StatusCode, TransitionCode, WorkflowCode},
    workflow::{
        Assignment, CommentStatus, Finding, Operation, Overpayment, RefundedUnits, Refusal, State,
        Status, StatusSharing, Transition, Trigger, Workflow, edit,
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
/// that shall replace a workflow or names states or statuses that it does not have, and a workflow
/// with errors.
pub fn apply(
    base: Option<&Workflow>,
    document: &Document,
    mode: Mode,
    code: Option<&WorkflowCode>,
) -> Result<Workflow, Refusal> {
    judge(base, document, mode, code).map(|(workflow, _)| workflow)
}

/// Makes a workflow of a document as [`apply`] does, and gives everything that is to be said of
/// both: the findings of the document, and those of lint, which has been asked anyway.
///
/// # Errors
/// As [`apply`].
pub fn judge(
    base: Option<&Workflow>,
    document: &Document,
    mode: Mode,
    code: Option<&WorkflowCode>,
) -> Result<(Workflow, Vec<Finding>), Refusal> {
    let draft = draft(base, document, mode, code)?;
    let before = match mode {
        Mode::Replace => None,
        Mode::Merge => base,
    };
    let (workflow, mut findings) = edit::judge(before, draft)?;
    findings.extend_from_slice(document.findings());
    findings.sort();
    Ok((workflow, findings))
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
            let base = base.ok_or_else(|| Refusal::WorkflowNotFound {
                workflow: code.clone(),
            })?;
            magento::merge(base, config)?
        }
    };
    Ok(workflow.normalized())
}

pub(super) fn required(path: impl Into<String>) -> Refusal {
    Refusal::FieldRequired { path: path.into() }
}

/// What was there, or else what a new workflow starts with, changed as the document says.
fn build(
    start: Option<&Workflow>,
    part: &WorkflowPart,
    code: &WorkflowCode,
) -> Result<Workflow, Refusal> {
    let mut workflow = match start {
        Some(start) => start.clone(),
        None => blank(part, code)?,
    };
    workflow.code = code.clone();
    set(&mut workflow.label, part.label.as_ref());
    set(&mut workflow.description, part.description.as_ref());
    set(&mut workflow.initial_state, part.initial_state.as_ref());
    set_some(
        &mut workflow.default_store_view,
        part.default_store_view.as_ref(),
    );
    set(&mut workflow.comment_status, part.comment_status.as_ref());
    set(&mut workflow.status_sharing, part.status_sharing.as_ref());
    set(&mut workflow.refunded_units, part.refunded_units.as_ref());
    set(&mut workflow.overpayment, part.overpayment.as_ref());
    set(&mut workflow.max_cascade, part.max_cascade.as_ref());
    put_all(
        &mut workflow.operations,
        &part.operations,
        |o| (&o.code, 0),
        operation,
    )?;
    put_all(
        &mut workflow.statuses,
        &part.statuses,
        |s| (&s.code, s.position),
        status,
    )?;
    put_all(
        &mut workflow.states,
        &part.states,
        |s| (&s.code, s.position),
        state,
    )?;
    put_all(
        &mut workflow.transitions,
        &part.transitions,
        |t| (&t.code, t.position),
        transition,
    )?;
    action::put(&mut workflow.on_create, &part.on_create, "on_create")?;
    action::put(&mut workflow.on_comment, &part.on_comment, "on_comment")?;
    for (code, part) in part.states.iter() {
        assignments(&mut workflow, code, part);
    }
    Ok(workflow)
}

fn blank(part: &WorkflowPart, code: &WorkflowCode) -> Result<Workflow, Refusal> {
    Ok(Workflow {
        code: code.clone(),
        label: part.label.clone().ok_or_else(|| required("label"))?,
        description: Description::default(),
        initial_state: part
            .initial_state
            .clone()
            .ok_or_else(|| required("initial_state"))?,
        default_store_view: None,
        comment_status: CommentStatus::AnyInState,
        status_sharing: StatusSharing::Exclusive,
        refunded_units: RefundedUnits::StillShip,
        overpayment: Overpayment::Record,
        operations: Vec::new(),
        max_cascade: MAX_CASCADE_DEFAULT,
        states: Vec::new(),
        statuses: Vec::new(),
        assignments: Vec::new(),
        transitions: Vec::new(),
        on_create: Vec::new(),
        on_comment: Vec::new(),
    })
}

pub(super) fn set<T: Clone>(field: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        *field = given.clone();
    }
}

pub(super) fn set_some<T: Clone>(field: &mut Option<T>, given: Option<&T>) {
    if given.is_some() {
        *field = given.cloned();
    }
}

fn set_codes<T: Clone>(field: &mut Vec<T>, given: Option<&Codes<T>>) {
    set(field, given.map(|codes| &codes.0));
}

/// Changes the parts that exist and appends the others, each a step behind the last.
pub(super) fn put_all<K: PartialEq, P, T>(
    parts: &mut Vec<T>,
    named: &Keyed<K, P>,
    place: impl Fn(&T) -> (&K, i32),
    make: impl Fn(&K, &P, Option<&T>, i32) -> Result<T, Refusal>,
) -> Result<(), Refusal> {
    let mut last = parts.iter().map(|part| place(part).1).max().unwrap_or(0);
    // They are all there at once, so the list is made as long as it becomes.
    parts.reserve_exact(named.len());
    for (key, part) in named.iter() {
        let present = parts.iter().position(|present| place(present).0 == key);
        if let Some(present) = present.and_then(|index| parts.get_mut(index)) {
            *present = make(key, part, Some(present), last)?;
        } else {
            let new = make(key, part, None, last.saturating_add(POSITION_STEP))?;
            last = place(&new).1;
            parts.push(new);
        }
    }
    Ok(())
}

fn operation(
    code: &OperationCode,
    part: &OperationPart,
    old: Option<&Operation>,
    _: i32,
) -> Result<Operation, Refusal> {
    let missing = |field: &str| required(format!("operations.{code}.{field}"));
    let label = part.label.clone().or(old.map(|old| old.label.clone()));
    let effect = part.effect.or(old.map(|old| old.effect));
    let mut roles = old.map_or_else(Vec::new, |old| old.roles.clone());
    set_codes(&mut roles, part.roles.as_ref());
    let mut guard = old.and_then(|old| old.guard.clone());
    set_some(&mut guard, part.guard.as_ref());
    let mut actions = old.map_or_else(Vec::new, |old| old.actions.clone());
    action::put(
        &mut actions,
        &part.actions,
        &format!("operations.{code}.actions"),
    )?;
    Ok(Operation {
        code: code.clone(),
        label: label.ok_or_else(|| missing("label"))?,
        effect: effect.ok_or_else(|| missing("effect"))?,
        roles,
        guard,
        actions,
    })
}

fn status(
    code: &StatusCode,
    part: &StatusPart,
    old: Option<&Status>,
    position: i32,
) -> Result<Status, Refusal> {
    let missing = || required(format!("statuses.{code}.label"));
    let mut status = match old {
        Some(old) => old.clone(),
        None => Status {
            code: code.clone(),
            label: part.label.clone().ok_or_else(missing)?,
            store_view_labels: BTreeMap::new(),
            description: Description::default(),
            color: None,
            position,
            retired: false,
            on_enter: Vec::new(),
        },
    };
    set(&mut status.label, part.label.as_ref());
    let labels = part.store_view_labels.iter();
    let labels = labels.map(|(view, label)| (view.clone(), label.clone()));
    status.store_view_labels.extend(labels);
    set(&mut status.description, part.description.as_ref());
    set_some(&mut status.color, part.color.as_ref());
    set(&mut status.position, part.position.as_ref());
    set(&mut status.retired, part.retired.as_ref());
    let place = format!("statuses.{code}.on_enter");
    action::put(&mut status.on_enter, &part.on_enter, &place)?;
    Ok(status)
}

fn state(
    code: &StateCode,
    part: &StatePart,
    old: Option<&State>,
    position: i32,
) -> Result<State, Refusal> {
    let missing = |field: &str| required(format!("states.{code}.{field}"));
    let mut state = match old {
        Some(old) => old.clone(),
        None => State {
            code: code.clone(),
            label: part.label.clone().ok_or_else(|| missing("label"))?,
            category: part.category.ok_or_else(|| missing("category"))?,
            can_start: false,
            operations: Vec::new(),
            holdable: false,
            terminal: false,
            entry_guard: None,
            position,
            on_enter: Vec::new(),
            on_leave: Vec::new(),
        },
    };
    set(&mut state.label, part.label.as_ref());
    set(&mut state.category, part.category.as_ref());
    set(&mut state.can_start, part.can_start.as_ref());
    set_codes(&mut state.operations, part.operations.as_ref());
    set(&mut state.holdable, part.holdable.as_ref());
    set(&mut state.terminal, part.terminal.as_ref());
    set_some(&mut state.entry_guard, part.entry_guard.as_ref());
    set(&mut state.position, part.position.as_ref());
    let place = |which: &str| format!("states.{code}.{which}");
    action::put(&mut state.on_enter, &part.on_enter, &place("on_enter"))?;
    action::put(&mut state.on_leave, &part.on_leave, &place("on_leave"))?;
    Ok(state)
}

fn transition(
    code: &TransitionCode,
    part: &TransitionPart,
    old: Option<&Transition>,
    position: i32,
) -> Result<Transition, Refusal> {
    let missing = |field: &str| required(format!("transitions.{code}.{field}"));
    let mut transition = match old {
        Some(old) => old.clone(),
        None => Transition {
            code: code.clone(),
            label: part.label.clone().ok_or_else(|| missing("label"))?,
            description: Description::default(),
            from_statuses: Vec::new(),
            from_states: Vec::new(),
            to_state: part.to_state.clone().ok_or_else(|| missing("to_state"))?,
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
        },
    };
    set(&mut transition.label, part.label.as_ref());
    set(&mut transition.description, part.description.as_ref());
    set_codes(&mut transition.from_statuses, part.from_statuses.as_ref());
    set_codes(&mut transition.from_states, part.from_states.as_ref());
    set(&mut transition.to_state, part.to_state.as_ref());
    set_some(&mut transition.to_status, part.to_status.as_ref());
    set_some(&mut transition.guard, part.guard.as_ref());
    set(
        &mut transition.trigger,
        part.trigger.as_ref().map(trigger).as_ref(),
    );
    set_some(&mut transition.operation, part.operation.as_ref());
    set(&mut transition.reverse, part.reverse.as_ref());
    set(
        &mut transition.visible_to_customer,
        part.visible_to_customer.as_ref(),
    );
    set(
        &mut transition.notify_customer,
        part.notify_customer.as_ref(),
    );
    set_codes(&mut transition.roles, part.roles.as_ref());
    set(&mut transition.position, part.position.as_ref());
    action::put(
        &mut transition.actions,
        &part.actions,
        &format!("transitions.{code}.actions"),
    )?;
    Ok(transition)
}

fn trigger(part: &TriggerPart) -> Trigger {
    match part {
        TriggerPart::Manual => Trigger::Manual,
        TriggerPart::Automatic => Trigger::Automatic,
        TriggerPart::OnOperations(operations) => Trigger::OnOperations(operations.0.clone()),
        TriggerPart::After(period) => Trigger::After(*period),
        TriggerPart::At(expression) => Trigger::At(expression.clone()),
    }
}

/// Assigns the statuses that a state lists. A default that is not named explicitly is the
/// first of the list, unless the state has one already. Contradictions, such as a status
/// that is listed twice or two defaults, are kept for lint to name.
fn assignments(workflow: &mut Workflow, state: &StateCode, part: &StatePart) {
    let listed = part
        .statuses
        .iter()
        .flat_map(|codes| codes.0.iter().cloned());
    let listed: Vec<AssignmentFlags> = listed.map(AssignmentPart::into_flags).collect();
    let names_default = listed.iter().any(|flags| flags.default == Some(true));
    let has_default = names_default || workflow.default_status(state).is_some();
    let mut old = Vec::new();
    workflow.assignments.retain_mut(|assignment| {
        assignment.is_default &= !(names_default && assignment.state == *state);
        let named = assignment.state == *state
            && listed.iter().any(|flags| flags.status == assignment.status);
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
            is_default: flags
                .default
                .unwrap_or(is_first || old.is_some_and(|old| old.is_default)),
            visible_on_storefront: flags
                .visible_on_storefront
                .or(old.map(|old| old.visible_on_storefront))
                .unwrap_or(true),
            status: flags.status,
        });
    }
}
