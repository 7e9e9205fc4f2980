//! Creating, changing and deleting statuses.

use std::collections::BTreeMap;

use super::{
    assignment,
    finish::{finish, set},
};
use crate::{
    value::{Color, Description, Label, StateCode, StatusCode, StoreView},
    workflow::{Action, Refusal, Status, Workflow},
};

/// Changes of a status; parts that are none stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusPatch {
    /// The label.
    pub label: Option<Label>,
    /// The labels by store view.
    pub store_view_labels: Option<LabelsPatch>,
    /// The description.
    pub description: Option<Description>,
    /// The colour; `Some(None)` clears it.
    pub color: Option<Option<Color>>,
    /// The place in lists.
    pub position: Option<i32>,
    /// Whether it is no longer entered.
    pub retired: Option<bool>,
    /// The actions of an order that comes to it.
    pub on_enter: Option<Vec<Action>>,
}

/// How the labels by store view change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelsPatch {
    /// All are replaced.
    Replace(BTreeMap<StoreView, Label>),
    /// The given ones are set, others stay.
    Merge(BTreeMap<StoreView, Label>),
}

/// Adds a status. It belongs to no state yet.
///
/// # Errors
/// Returns [`Refusal::StatusExists`] where the code is taken.
pub fn create_status(workflow: &Workflow, status: Status) -> Result<Workflow, Refusal> {
    if workflow.status(&status.code).is_some() {
        let status = status.code;
        return Err(Refusal::StatusExists { status });
    }
    let mut after = workflow.clone();
    after.statuses.push(status);
    finish(Some(workflow), after)
}

/// Changes what a status says. Its code cannot change.
///
/// # Errors
/// Returns [`Refusal::StatusNotFound`] for an unknown status, [`Refusal::StatusIsDefault`]
/// when the default of a state would be retired.
pub fn update_status(
    workflow: &Workflow,
    code: &StatusCode,
    patch: StatusPatch,
) -> Result<Workflow, Refusal> {
    let mut after = workflow.clone();
    let mut statuses = after.statuses.iter_mut();
    let Some(status) = statuses.find(|status| status.code == *code) else {
        let status = code.clone();
        return Err(Refusal::StatusNotFound { status });
    };
    let retires = patch.retired == Some(true) && !status.retired;
    let default_of = states_with_default(workflow, code);
    if retires && !default_of.is_empty() {
        return Err(Refusal::StatusIsDefault {
            status: code.clone(),
            states: default_of,
        });
    }
    patch.change(status);
    finish(Some(workflow), after)
}

/// Removes a status that belongs to no state. Whether an order ever had it is for the
/// store to say.
///
/// # Errors
/// Returns [`Refusal::StatusNotFound`] for an unknown status, [`Refusal::StatusAssigned`]
/// for one that belongs to a state, [`Refusal::StatusNamedByTransition`] for one that a transition
/// names.
pub fn delete_status(workflow: &Workflow, code: &StatusCode) -> Result<Workflow, Refusal> {
    if workflow.status(code).is_none() {
        let status = code.clone();
        return Err(Refusal::StatusNotFound { status });
    }
    let states: Vec<StateCode> = workflow.states_of(code).cloned().collect();
    if !states.is_empty() {
        return Err(Refusal::StatusAssigned {
            status: code.clone(),
            states,
        });
    }
    assignment::named(workflow, code, |transition| {
        transition.to_status.as_ref() == Some(code) || transition.from_statuses.contains(code)
    })?;
    let mut after = workflow.clone();
    after.statuses.retain(|status| status.code != *code);
    finish(Some(workflow), after)
}

fn states_with_default(workflow: &Workflow, code: &StatusCode) -> Vec<StateCode> {
    let assignments = workflow.assignments.iter();
    let defaults = assignments.filter(|it| it.is_default && it.status == *code);
    defaults.map(|it| it.state.clone()).collect()
}

impl StatusPatch {
    fn change(self, status: &mut Status) {
        let Self {
            label,
            store_view_labels,
            description,
            color,
            position,
            retired,
            on_enter,
        } = self;
        set(&mut status.label, label);
        set(&mut status.description, description);
        set(&mut status.color, color);
        set(&mut status.position, position);
        set(&mut status.retired, retired);
        set(&mut status.on_enter, on_enter);
        match store_view_labels {
            None => {}
            Some(LabelsPatch::Replace(labels)) => status.store_view_labels = labels,
            Some(LabelsPatch::Merge(labels)) => status.store_view_labels.extend(labels),
        }
    }
}
