//! The changes that a configuration makes in a workflow.

use std::collections::{BTreeMap, BTreeSet};

use super::config::{Config, StateConfig, marked};
use crate::{
    value::{Label, OperationCode, StateCode, StatusCode},
    workflow::{
        Assignment, Refusal, State, Status, Workflow,
        document::{defaults, format::UnknownStates},
        edit,
    },
};

/// The state of Magento whose operations new states take over.
const MODEL_STATE: &str = "processing";

/// Adds and relabels the statuses, assigns them to states, makes states where it is asked to,
/// removes nothing. What is so already stays as it is.
///
/// # Errors
/// Returns [`Refusal`] with all states and statuses that the workflow does not have, and for a
/// status that cannot be assigned.
pub(in crate::workflow::document) fn merge(
    base: &Workflow,
    config: &Config,
) -> Result<Workflow, Refusal> {
    let mut workflow = base.clone();
    let labelled = config.statuses.iter();
    let labelled = labelled.filter_map(|(code, label)| Some((code, label.as_ref()?)));
    put_statuses(&mut workflow, labelled);
    match config.unknown_states {
        UnknownStates::Refuse => {}
        UnknownStates::Create => create_states(&mut workflow, config),
    }
    check_known(&workflow, config)?;
    let marked = marked(&config.states);
    for part in &config.states {
        let mut states = workflow.states.iter_mut();
        let state = states.find(|state| state.code == part.state);
        if let (Some(state), Some(label)) = (state, &part.label) {
            state.label = label.clone();
        }
        let default = marked.get(&part.state).map(|(status, _)| *status);
        link(&mut workflow, part, default)?;
    }
    Ok(workflow)
}

/// Relabels the statuses that are there and appends the others.
fn put_statuses<'a>(
    workflow: &mut Workflow,
    labelled: impl Iterator<Item = (&'a StatusCode, &'a Label)>,
) {
    let statuses = &mut workflow.statuses;
    let codes = statuses.iter().map(|status| status.code.clone());
    let mut places: BTreeMap<StatusCode, usize> = codes.zip(0..).collect();
    let positions = statuses.iter().map(|status| status.position);
    let mut last = positions.max().unwrap_or(0);
    for (code, label) in labelled {
        let place = places.get(code).copied();
        if let Some(present) = place.and_then(|place| statuses.get_mut(place)) {
            present.label = label.clone();
            continue;
        }
        last = last.saturating_add(defaults::POSITION_STEP);
        places.insert(code.clone(), statuses.len());
        statuses.push(Status {
            label: label.clone(),
            ..defaults::status(code, last)
        });
    }
}

/// Makes the states that the workflow does not have, each as an active one that may be held.
///
/// One that has a status of its own code brings it along, with its own label, where the document
/// gives that status none.
fn create_states(workflow: &mut Workflow, config: &Config) {
    let model = workflow.states.iter();
    let model = model.filter(|state| state.code.as_str() == MODEL_STATE);
    let operations = model.flat_map(|state| state.operations.iter().cloned());
    let operations: Vec<OperationCode> = operations.collect();
    let labels = config.states.iter();
    let labels = labels.filter_map(|part| Some((&part.state, part.label.as_ref()?)));
    let labels: BTreeMap<&StateCode, &Label> = labels.collect();
    let statuses = workflow.statuses.iter();
    let statuses = statuses.map(|status| (status.code.clone(), status.label.clone()));
    let statuses: BTreeMap<StatusCode, Label> = statuses.collect();
    let codes = workflow.states.iter().map(|state| state.code.clone());
    let mut known: BTreeSet<StateCode> = codes.collect();
    let positions = workflow.states.iter().map(|state| state.position);
    let mut last = positions.max().unwrap_or(0);
    let mut created: BTreeMap<&StateCode, Label> = BTreeMap::new();
    for part in &config.states {
        let code = &part.state;
        if !known.insert(code.clone()) {
            continue;
        }
        let given = labels.get(code).copied();
        let given = given.or_else(|| statuses.get(code.as_str())).cloned();
        let label = given.unwrap_or_else(|| Label::of_code(code));
        last = last.saturating_add(defaults::POSITION_STEP);
        created.insert(code, label.clone());
        workflow.states.push(State {
            label,
            operations: operations.clone(),
            holdable: true,
            ..defaults::state(code, last)
        });
    }
    let links = config.states.iter();
    let links = links.flat_map(|part| part.statuses.iter().map(move |(code, _)| (part, code)));
    let own = links.filter(|(part, code)| {
        part.state.as_str() == code.as_str() && !statuses.contains_key(code.as_str())
    });
    let own = own.filter_map(|(part, code)| Some((code, created.get(&part.state)?)));
    put_statuses(workflow, own);
}

/// Refuses what the workflow does not have, all of it at once.
fn check_known(workflow: &Workflow, config: &Config) -> Result<(), Refusal> {
    let known: BTreeSet<_> = workflow.states.iter().map(|state| &state.code).collect();
    let named = config.states.iter().map(|part| &part.state);
    let states: BTreeSet<_> = named.filter(|code| !known.contains(code)).collect();
    let known: BTreeSet<_> = workflow.statuses.iter().map(|it| &it.code).collect();
    let linked = config.states.iter().flat_map(|part| &part.statuses);
    let linked = linked.map(|(code, _)| code);
    let declared = config.statuses.iter().map(|(code, _)| code);
    let named = linked.chain(declared);
    let statuses: BTreeSet<_> = named.filter(|code| !known.contains(code)).collect();
    if states.is_empty() && statuses.is_empty() {
        return Ok(());
    }
    Err(Refusal::NotInWorkflow {
        states: states.into_iter().cloned().collect(),
        statuses: statuses.into_iter().cloned().collect(),
    })
}

/// Assigns the statuses of a state; `marked` is to be its default, else what is so already.
///
/// Magento 1 knows visibility of states only, so a new status is seen where the state's
/// default is, unless the configuration says otherwise.
fn link(
    workflow: &mut Workflow,
    part: &StateConfig,
    marked: Option<&StatusCode>,
) -> Result<(), Refusal> {
    let default = workflow
        .assignments_of(&part.state)
        .find(|assignment| assignment.is_default);
    let usual = default.is_some_and(|assignment| assignment.visible_on_storefront);
    if let Some(visible) = part.visible_on_front {
        let assignments = workflow.assignments.iter_mut();
        for assignment in assignments.filter(|it| it.state == part.state) {
            assignment.visible_on_storefront = visible;
        }
    }
    for (status, _) in &part.statuses {
        let old = workflow.assignment(&part.state, status);
        let becomes_default = marked == Some(status) && old.is_none_or(|old| !old.is_default);
        if old.is_some() && !becomes_default {
            continue;
        }
        if workflow.status(status).is_some_and(|status| status.retired) {
            return Err(Refusal::StatusRetired {
                status: status.clone(),
            });
        }
        edit::check_sharing(workflow, &part.state, status)?;
        let is_first = workflow.assignments_of(&part.state).next().is_none();
        let visible = part.visible_on_front;
        let visible = visible.or(old.map(|old| old.visible_on_storefront));
        let assignment = Assignment {
            state: part.state.clone(),
            status: status.clone(),
            is_default: becomes_default || is_first,
            visible_on_storefront: visible.unwrap_or(usual),
        };
        edit::put(workflow, assignment);
    }
    Ok(())
}
