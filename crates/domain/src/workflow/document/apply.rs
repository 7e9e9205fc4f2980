//! Making a workflow of a document: from nothing, or on top of one that exists.

use super::{
    action, defaults,
    layout::{OperationPart, StatePart, StatusPart, TransitionPart, WorkflowPart},
    magento,
    missing::Missing,
    parse::{Content, Document},
    put::put_all,
};
use crate::{
    value::{OperationCode, StateCode, StatusCode, TransitionCode, WorkflowCode},
    workflow::{
        Assignment, Finding, Operation, Refusal, Rule, State, Status, Subject, Transition,
        Workflow, edit,
    },
};

/// The fate of parts that the document does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They go.
    Replace,
    /// They stay, and so does everything that the document leaves out, down to the options of an
    /// action, the attributes that it sets and the labels for store views. Lists are replaced, but
    /// for the statuses of a state, each of which is a part of its own: those that are listed come
    /// or change, the others stay. The first status that a state lists becomes its default only
    /// where it has none yet. An action that shall do something of another kind keeps nothing of
    /// what it did before, but for how often what is sent is tried.
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
    findings.extend(other_workflow(document, code));
    findings.sort();
    Ok((workflow, findings))
}

/// A finding where the document names another workflow than the one that was asked for.
pub(super) fn other_workflow(document: &Document, code: Option<&WorkflowCode>) -> Option<Finding> {
    let code = code?;
    let named = document.workflow().filter(|named| *named != code)?;
    let message = format!("is called {named} in the document, and {code} is what was asked for");
    let rule = Rule::OtherWorkflow;
    Some(Finding::new(rule, Subject::Workflow, message))
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

/// A refusal where there is no workflow to merge a document into that makes none by itself.
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

/// Makes a workflow of what a document has. Of what a new part needs and has not, the paths are
/// noted, and something stands for it that breaks no rule; there is no workflow where nothing can.
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

/// Changes what was there, or else what a new workflow starts with, as the document says.
fn build(mut workflow: Workflow, part: &WorkflowPart, missing: &mut Missing) -> Workflow {
    part.put_into(&mut workflow);
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
    let (on_create, on_comment) = (&part.on_create, &part.on_comment);
    action::put(&mut workflow.on_create, on_create, "on_create", missing);
    action::put(&mut workflow.on_comment, on_comment, "on_comment", missing);
    for (code, part) in part.states.iter() {
        assignments(&mut workflow, code, part, missing);
    }
    workflow
}

/// Makes a new workflow; none without a code or a state.
fn blank(
    part: &WorkflowPart,
    code: Option<&WorkflowCode>,
    missing: &mut Missing,
) -> Option<Workflow> {
    missing.unless(part.label.as_ref(), || "label".to_owned());
    let initial_state = part.initial_state.as_ref();
    let initial_state = missing.unless(initial_state, || "initial_state".to_owned());
    let first = || part.states.iter().next().map(|(code, _)| code);
    Some(defaults::workflow(code?, initial_state.or_else(first)?))
}

fn operation(
    code: &OperationCode,
    part: &OperationPart,
    old: Option<&Operation>,
    missing: &mut Missing,
) -> Operation {
    let at = format!("operations.{code}");
    let mut operation = old.cloned().unwrap_or_else(|| {
        let needed = [
            ("label", part.label.is_some()),
            ("effect", part.effect.is_some()),
        ];
        missing.note_all(&at, needed);
        defaults::operation(code)
    });
    part.put_into(&mut operation);
    let actions = &mut operation.actions;
    action::put(actions, &part.actions, &format!("{at}.actions"), missing);
    operation
}

fn status(
    code: &StatusCode,
    part: &StatusPart,
    old: Option<&Status>,
    position: i32,
    missing: &mut Missing,
) -> Status {
    let at = format!("statuses.{code}");
    let mut status = old.cloned().unwrap_or_else(|| {
        missing.note_all(&at, [("label", part.label.is_some())]);
        defaults::status(code, position)
    });
    part.put_into(&mut status);
    let labels = part.store_view_labels.iter();
    let labels = labels.map(|(view, label)| (view.clone(), label.clone()));
    status.store_view_labels.extend(labels);
    let actions = &mut status.on_enter;
    action::put(actions, &part.on_enter, &format!("{at}.on_enter"), missing);
    status
}

fn state(
    code: &StateCode,
    part: &StatePart,
    old: Option<&State>,
    position: i32,
    missing: &mut Missing,
) -> State {
    let at = format!("states.{code}");
    let mut state = old.cloned().unwrap_or_else(|| {
        let needed = [
            ("label", part.label.is_some()),
            ("category", part.category.is_some()),
        ];
        missing.note_all(&at, needed);
        defaults::state(code, position)
    });
    part.put_into(&mut state);
    let actions = &mut state.on_enter;
    action::put(actions, &part.on_enter, &format!("{at}.on_enter"), missing);
    let actions = &mut state.on_leave;
    action::put(actions, &part.on_leave, &format!("{at}.on_leave"), missing);
    state
}

/// Makes a transition; of a new one that does not say where it leads, the state `anywhere` stands
/// for that.
fn transition(
    code: &TransitionCode,
    part: &TransitionPart,
    old: Option<&Transition>,
    (position, anywhere): (i32, Option<&StateCode>),
    missing: &mut Missing,
) -> Option<Transition> {
    let at = format!("transitions.{code}");
    let mut transition = if let Some(old) = old {
        old.clone()
    } else {
        let needed = [
            ("label", part.label.is_some()),
            ("to_state", part.to_state.is_some()),
        ];
        missing.note_all(&at, needed);
        defaults::transition(code, part.to_state.as_ref().or(anywhere)?, position)
    };
    part.put_into(&mut transition);
    let actions = &mut transition.actions;
    action::put(actions, &part.actions, &format!("{at}.actions"), missing);
    Some(transition)
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
        let mut statuses = listed.iter().map(|(status, _)| *status);
        let named = assignment.state == *state && statuses.any(|it| *it == assignment.status);
        old.extend(named.then(|| assignment.clone()));
        !named
    });
    for ((status, flags), index) in listed.into_iter().zip(0..) {
        let old = old.iter().find(|old| old.status == *status);
        let is_default = index == 0 && !has_default || old.is_some_and(|old| old.is_default);
        let is_visible = old.is_none_or(|old| old.visible_on_storefront);
        workflow.assignments.push(Assignment {
            state: state.clone(),
            status: status.clone(),
            is_default: flags.default.unwrap_or(is_default),
            visible_on_storefront: flags.visible_on_storefront.unwrap_or(is_visible),
        });
    }
}
