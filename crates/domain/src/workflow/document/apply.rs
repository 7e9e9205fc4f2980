//! Making a workflow of a document: from nothing, or on top of one that exists.

use std::collections::BTreeMap;

use super::{
    Content, Document, action,
    export::POSITION_STEP,
    keyed::{Codes, Keyed},
    layout::{
        AssignmentFlags, OperationPart, StatePart, StatusPart, TransitionPart, TriggerPart,
        WorkflowPart,
    },
    magento,
    remark::REMARKS_MAX,
};
use crate::{
    value::{
        Description, Label, OperationCode, StateCode, StatusCode, TransitionCode, WorkflowCode,
    },
    workflow::{
        Assignment, Category, CommentStatus, Effect, Finding, Operation, Overpayment,
        RefundedUnits, Refusal, Rule, State, Status, StatusSharing, Subject, Transition, Trigger,
        Workflow, edit,
    },
};

/// The longest cascade of a workflow that says nothing about it.
pub(super) const MAX_CASCADE_DEFAULT: u32 = 16;

/// What becomes of parts that the document does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They go.
    Replace,
    /// They stay, and so does everything that the document leaves out, down to the options of an action, the attributes
    /// that it sets and the labels for store views. Lists are replaced, but for the statuses of a state, each of which is
    /// a part of its own: those that are listed come or change, the others stay. The first status that a state lists
    /// becomes its default only where it has none yet. An action that shall do something of another kind keeps nothing of
    /// what it did before, but for how often what is sent is tried.
    Merge,
}

/// The paths of what a document leaves out and a new part needs, and what it says of a part that the part
/// cannot have; the first hundred of each, and whether there are more.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub(super) paths: Vec<String>,
    pub(super) wrong: Vec<Finding>,
    pub(super) has_more: bool,
}

impl Missing {
    pub(super) fn note(&mut self, path: String) {
        if self.paths.len() < REMARKS_MAX {
            self.paths.push(path);
        } else {
            self.has_more = true;
        }
    }

    /// Notes what is wrong with what the document says of a part.
    pub(super) fn refuse(&mut self, path: &str, problem: &str) {
        if self.wrong.len() < REMARKS_MAX {
            let subject = Subject::Document(path.to_owned());
            let finding = Finding::new(Rule::Document, subject, problem);
            self.wrong.push(finding);
        } else {
            self.has_more = true;
        }
    }

    /// Gives what is there, and notes it where it is not.
    pub(super) fn unless<T>(
        &mut self,
        given: Option<T>,
        path: impl FnOnce() -> String,
    ) -> Option<T> {
        if given.is_none() {
            self.note(path());
        }
        given
    }
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
    findings.extend(other_workflow(document, code));
    findings.sort();
    Ok((workflow, findings))
}

/// Says that the document names another workflow than the one that was asked for.
pub(super) fn other_workflow(document: &Document, code: Option<&WorkflowCode>) -> Option<Finding> {
    let code = code?;
    let named = document.workflow().filter(|named| *named != code)?;
    Some(Finding {
        rule: Rule::OtherWorkflow,
        subject: Subject::Workflow,
        message: format!("is called {named} in the document, and {code} is what was asked for"),
    })
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
    match &document.0 {
        Content::Workflow { part, .. } => {
            if let Some(refusal) = unmergeable(base, part, mode, code) {
                return Err(refusal);
            }
            let (workflow, Missing { paths, wrong, .. }) = drafted(base, part, mode, code);
            match workflow {
                Some(workflow) if paths.is_empty() && wrong.is_empty() => Ok(workflow),
                Some(_) if paths.is_empty() => Err(Refusal::WorkflowInvalid { findings: wrong }),
                Some(_) | None => Err(Refusal::FieldRequired { paths }),
            }
        }
        Content::MagentoConfig(config) => merged(base, config, mode, code),
    }
}

/// That there is no workflow to merge a document into that makes none by itself.
pub(super) fn unmergeable(
    base: Option<&Workflow>,
    part: &WorkflowPart,
    mode: Mode,
    code: Option<&WorkflowCode>,
) -> Option<Refusal> {
    let is_fragment = part.label.is_none() || part.initial_state.is_none();
    let is_lost = mode == Mode::Merge && base.is_none() && is_fragment;
    let workflow = code.or(part.workflow.as_ref()).filter(|_| is_lost)?;
    Some(Refusal::WorkflowNotFound {
        workflow: workflow.clone(),
    })
}

/// Merges a Magento configuration.
fn merged(
    base: Option<&Workflow>,
    config: &magento::Config,
    mode: Mode,
    code: Option<&WorkflowCode>,
) -> Result<Workflow, Refusal> {
    let Some(code) = code.or(base.map(|base| &base.code)) else {
        let paths = vec!["workflow".to_owned()];
        return Err(Refusal::FieldRequired { paths });
    };
    match mode {
        Mode::Replace => Err(Refusal::ModeRefused),
        Mode::Merge => {
            let base = base.ok_or_else(|| Refusal::WorkflowNotFound {
                workflow: code.clone(),
            })?;
            Ok(magento::merge(base, config)?.normalized())
        }
    }
}

/// Makes a workflow of what a document has. Of what a new part needs and has not, the paths are noted, and something
/// stands for it that breaks no rule; there is no workflow where nothing can.
pub(super) fn drafted(
    base: Option<&Workflow>,
    part: &WorkflowPart,
    mode: Mode,
    code: Option<&WorkflowCode>,
) -> (Option<Workflow>, Missing) {
    let mut missing = Missing::default();
    let start = match mode {
        Mode::Replace => None,
        Mode::Merge => base,
    };
    let code = code.or(part.workflow.as_ref());
    let code = code.or(base.map(|base| &base.code)).cloned();
    let code = missing.unless(code, || "workflow".to_owned());
    let start = match start {
        Some(start) => Some(start.clone()),
        None => blank(part, code.as_ref(), &mut missing),
    };
    let workflow = start.map(|start| {
        let code = code.unwrap_or_else(|| start.code.clone());
        build(Workflow { code, ..start }, part, &mut missing).normalized()
    });
    (workflow, missing)
}

/// What was there, or else what a new workflow starts with, changed as the document says.
fn build(mut workflow: Workflow, part: &WorkflowPart, missing: &mut Missing) -> Workflow {
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
        |code, part, old, _| Some(operation(code, part, old, missing)),
    );
    put_all(
        &mut workflow.statuses,
        &part.statuses,
        |s| (&s.code, s.position),
        |code, part, old, position| Some(status(code, part, old, position, missing)),
    );
    put_all(
        &mut workflow.states,
        &part.states,
        |s| (&s.code, s.position),
        |code, part, old, position| Some(state(code, part, old, position, missing)),
    );
    let anywhere = workflow.states.first().map(|state| state.code.clone());
    put_all(
        &mut workflow.transitions,
        &part.transitions,
        |t| (&t.code, t.position),
        |code, part, old, position| {
            transition(code, part, old, (position, anywhere.as_ref()), missing)
        },
    );
    let own = &part.on_create;
    action::put(&mut workflow.on_create, own, "on_create", missing);
    let own = &part.on_comment;
    action::put(&mut workflow.on_comment, own, "on_comment", missing);
    for (code, part) in part.states.iter() {
        assignments(&mut workflow, code, part, missing);
    }
    workflow
}

/// A new workflow; none without a code or a state.
fn blank(
    part: &WorkflowPart,
    code: Option<&WorkflowCode>,
    missing: &mut Missing,
) -> Option<Workflow> {
    let label = missing.unless(part.label.clone(), || "label".to_owned());
    let initial_state = part.initial_state.clone();
    let initial_state = missing.unless(initial_state, || "initial_state".to_owned());
    let first = || part.states.iter().next().map(|(code, _)| code.clone());
    let code = code?;
    Some(Workflow {
        code: code.clone(),
        label: label.unwrap_or_else(|| Label::of_code(code)),
        description: Description::default(),
        initial_state: initial_state.or_else(first)?,
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

pub(super) fn set_codes<T: Clone>(field: &mut Vec<T>, given: Option<&Codes<T>>) {
    set(field, given.map(|codes| &codes.0));
}

/// Changes the parts that exist and appends the others, each a step behind the last.
pub(super) fn put_all<K: PartialEq, P, T>(
    parts: &mut Vec<T>,
    named: &Keyed<K, P>,
    place: impl Fn(&T) -> (&K, i32),
    mut make: impl FnMut(&K, &P, Option<&T>, i32) -> Option<T>,
) {
    let mut last = parts.iter().map(|part| place(part).1).max().unwrap_or(0);
    // They are all there at once, so the list is made as long as it becomes.
    parts.reserve_exact(named.len());
    for (key, part) in named.iter() {
        let present = parts.iter().position(|present| place(present).0 == key);
        if let Some(present) = present.and_then(|index| parts.get_mut(index)) {
            if let Some(changed) = make(key, part, Some(present), last) {
                *present = changed;
            }
        } else if let Some(new) = make(key, part, None, last.saturating_add(POSITION_STEP)) {
            last = place(&new).1;
            parts.push(new);
        }
    }
}

fn operation(
    code: &OperationCode,
    part: &OperationPart,
    old: Option<&Operation>,
    missing: &mut Missing,
) -> Operation {
    let path = |field: &str| format!("operations.{code}.{field}");
    let mut operation = match old {
        Some(old) => old.clone(),
        None => Operation {
            code: code.clone(),
            label: missing
                .unless(part.label.clone(), || path("label"))
                .unwrap_or_else(|| Label::of_code(code)),
            effect: missing
                .unless(part.effect, || path("effect"))
                .unwrap_or(Effect::None),
            roles: Vec::new(),
            guard: None,
            actions: Vec::new(),
        },
    };
    set(&mut operation.label, part.label.as_ref());
    set(&mut operation.effect, part.effect.as_ref());
    set_codes(&mut operation.roles, part.roles.as_ref());
    set_some(&mut operation.guard, part.guard.as_ref());
    let actions = &mut operation.actions;
    action::put(actions, &part.actions, &path("actions"), missing);
    operation
}

fn status(
    code: &StatusCode,
    part: &StatusPart,
    old: Option<&Status>,
    position: i32,
    missing: &mut Missing,
) -> Status {
    let path = |field: &str| format!("statuses.{code}.{field}");
    let mut status = match old {
        Some(old) => old.clone(),
        None => Status {
            code: code.clone(),
            label: missing
                .unless(part.label.clone(), || path("label"))
                .unwrap_or_else(|| Label::of_code(code)),
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
    let actions = &mut status.on_enter;
    action::put(actions, &part.on_enter, &path("on_enter"), missing);
    status
}

fn state(
    code: &StateCode,
    part: &StatePart,
    old: Option<&State>,
    position: i32,
    missing: &mut Missing,
) -> State {
    let path = |field: &str| format!("states.{code}.{field}");
    let mut state = match old {
        Some(old) => old.clone(),
        None => State {
            code: code.clone(),
            label: missing
                .unless(part.label.clone(), || path("label"))
                .unwrap_or_else(|| Label::of_code(code)),
            category: missing
                .unless(part.category, || path("category"))
                .unwrap_or(Category::Active),
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
    let actions = &mut state.on_enter;
    action::put(actions, &part.on_enter, &path("on_enter"), missing);
    let actions = &mut state.on_leave;
    action::put(actions, &part.on_leave, &path("on_leave"), missing);
    state
}

/// A transition; of a new one that does not say where it leads, the state `anywhere` stands for that.
fn transition(
    code: &TransitionCode,
    part: &TransitionPart,
    old: Option<&Transition>,
    (position, anywhere): (i32, Option<&StateCode>),
    missing: &mut Missing,
) -> Option<Transition> {
    let path = |field: &str| format!("transitions.{code}.{field}");
    let mut transition = match old {
        Some(old) => old.clone(),
        None => Transition {
            code: code.clone(),
            label: missing
                .unless(part.label.clone(), || path("label"))
                .unwrap_or_else(|| Label::of_code(code)),
            description: Description::default(),
            from_statuses: Vec::new(),
            from_states: Vec::new(),
            to_state: missing
                .unless(part.to_state.clone(), || path("to_state"))
                .or(anywhere.cloned())?,
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
    let actions = &mut transition.actions;
    action::put(actions, &part.actions, &path("actions"), missing);
    Some(transition)
}

fn trigger(part: &TriggerPart) -> Trigger {
    match part {
        TriggerPart::Manual => Trigger::Manual,
        TriggerPart::Automatic => Trigger::Automatic,
        TriggerPart::OnOperations(operations) => Trigger::OnOperations(operations.0.clone()),
        TriggerPart::After(part) => Trigger::After(part.period),
        TriggerPart::At(expression) => Trigger::At(expression.clone()),
    }
}

/// Assigns the statuses that a state lists. A default that is not named explicitly is the
/// first of the list, unless the state has one already. Contradictions, such as a status
/// that is listed twice or two defaults, are kept for lint to name.
fn assignments(
    workflow: &mut Workflow,
    state: &StateCode,
    part: &StatePart,
    missing: &mut Missing,
) {
    let mut listed = Vec::new();
    let entries = part.statuses.iter().flat_map(|codes| &codes.0);
    for (entry, index) in entries.zip(0_usize..) {
        let flags = &entry.0;
        let path = || format!("states.{state}.statuses[{index}].status");
        let status = missing.unless(flags.status.as_ref(), path);
        listed.extend(status.map(|status| (status, flags)));
    }
    let names_default = listed.iter().any(|(_, flags)| flags.default == Some(true));
    let has_default = names_default || workflow.default_status(state).is_some();
    let mut old = Vec::new();
    workflow.assignments.retain_mut(|assignment| {
        assignment.is_default &= !(names_default && assignment.state == *state);
        let named = assignment.state == *state
            && listed
                .iter()
                .any(|(status, _)| **status == assignment.status);
        if named {
            old.push(assignment.clone());
        }
        !named
    });
    for ((status, flags), index) in listed.into_iter().zip(0..) {
        let AssignmentFlags {
            status: _,
            default,
            visible_on_storefront,
        } = flags;
        let old = old.iter().find(|old| old.status == *status);
        let is_first = index == 0 && !has_default;
        workflow.assignments.push(Assignment {
            state: state.clone(),
            status: status.clone(),
            is_default: default.unwrap_or(is_first || old.is_some_and(|old| old.is_default)),
            visible_on_storefront: visible_on_storefront
                .or(old.map(|old| old.visible_on_storefront))
                .unwrap_or(true),
        });
    }
}
