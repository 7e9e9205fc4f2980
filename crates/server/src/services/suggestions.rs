//! Suggestions for names that are not there. In filters, what none of the workflows asked for has
//! was misspelled, and would be waited for in silence. Ids, customers and attributes come and go, so
//! they are never refused.

use std::{collections::BTreeSet, sync::Arc};

use waymark_domain::{
    value::{StateCode, StatusCode, WorkflowCode, nearest},
    workflow::{Refusal, Workflow},
};
use waymark_persistence::{Published, Refusal as Refused, Store};

use crate::{
    Error,
    error::{NameKind, UnknownName},
};

/// Finds the workflows that a filter names; all, where it names none.
///
/// # Errors
/// Returns [`Error::UnknownName`] for the first that is not there.
pub(super) async fn find_workflows(
    store: &Store,
    named: &[WorkflowCode],
) -> Result<Vec<Arc<Published>>, Error> {
    if named.is_empty() {
        return Ok(store.workflows().await?);
    }
    let mut found = Vec::with_capacity(named.len());
    for (code, published) in store.workflows_named(named.iter().collect()).await? {
        match published {
            Some(published) => found.push(published),
            None => return Err(no_workflow(store, &code).await),
        }
    }
    Ok(found)
}

/// The refusal of a workflow that is not there, with the one that may have been meant.
pub(super) async fn no_workflow(store: &Store, code: &WorkflowCode) -> Error {
    // Without them, there is nothing to suggest.
    let all = store.workflows().await.unwrap_or_default();
    let records = all.iter().map(|published| &published.record);
    let codes = records.map(|record| record.workflow.code.as_str());
    unknown(NameKind::Workflow, code.as_str(), None, codes)
}

/// The error with the workflow that may have been meant, where it is about one that is not there.
pub(super) async fn with_workflow(store: &Store, error: Error) -> Error {
    let workflow = match &error {
        Error::Refused(Refused::WorkflowNotFound { workflow })
        | Error::Definition(Refusal::WorkflowNotFound { workflow }) => workflow.clone(),
        _ => return error,
    };
    no_workflow(store, &workflow).await
}

/// The error with what may have been meant, where it is about a part that the workflow does not have.
pub(super) fn with_part(workflow: &Workflow, error: Error) -> Error {
    let Error::Definition(refusal) = &error else {
        return error;
    };
    match suggestion(workflow, refusal) {
        Some(hint) => Error::Hinting {
            error: Box::new(error),
            hint,
        },
        None => error,
    }
}

fn suggestion(workflow: &Workflow, refusal: &Refusal) -> Option<String> {
    let states = || workflow.states.iter().map(|state| state.code.as_str());
    let statuses = || workflow.statuses.iter().map(|status| status.code.as_str());
    let near = match refusal {
        Refusal::StateNotFound { state } if statuses().any(|code| code == state.as_str()) => {
            return Some(format!("{state} is a status"));
        }
        Refusal::StatusNotFound { status } if states().any(|code| code == status.as_str()) => {
            return Some(format!("{status} is a state"));
        }
        Refusal::StateNotFound { state } => nearest(state.as_str(), states())?.to_owned(),
        Refusal::StatusNotFound { status } => nearest(status.as_str(), statuses())?.to_owned(),
        Refusal::TransitionNotFound { transition } => {
            let codes = workflow.transitions.iter().map(|it| it.code.as_str());
            nearest(transition.as_str(), codes)?.to_owned()
        }
        Refusal::OperationNotFound { operation } => {
            let codes = workflow.operations.iter().map(|it| it.code.as_str());
            nearest(operation.as_str(), codes)?.to_owned()
        }
        Refusal::ActionNotFound { action } => near_action(workflow, &action.to_string())?,
        // Others say themselves what is wrong.
        _ => return None,
    };
    Some(format!("did you mean {near}?"))
}

/// The path of an action that is most like one.
fn near_action(workflow: &Workflow, path: &str) -> Option<String> {
    let paths = workflow
        .actions()
        .map(|(trigger, action)| format!("{trigger}.{}", action.code));
    // Dots are compared as words are.
    let paths: Vec<(String, String)> = paths.map(|path| (path.replace('.', "_"), path)).collect();
    let near = nearest(path, paths.iter().map(|(plain, _)| plain.as_str()))?;
    let found = paths.iter().find(|(plain, _)| plain == near);
    found.map(|(_, path)| path.clone())
}

/// Refuses states that none of the workflows has. Those that cannot be read are there: orders stand
/// in them all the same.
///
/// # Errors
/// Returns [`Error::UnknownName`] for the first of them.
pub(super) fn check_states<'a>(
    searched: &[Arc<Published>],
    named: impl IntoIterator<Item = &'a StateCode>,
) -> Result<(), Error> {
    let (states, statuses) = codes(searched);
    let (states, statuses) = ((NameKind::State, &states), (NameKind::Status, &statuses));
    all_known(states, statuses, named.into_iter().map(StateCode::as_str))
}

/// Refuses statuses that none of the workflows has, retired or not, as [`check_states`].
///
/// # Errors
/// Returns [`Error::UnknownName`] for the first of them.
pub(super) fn check_statuses<'a>(
    searched: &[Arc<Published>],
    named: impl IntoIterator<Item = &'a StatusCode>,
) -> Result<(), Error> {
    let (states, statuses) = codes(searched);
    let (states, statuses) = ((NameKind::State, &states), (NameKind::Status, &statuses));
    all_known(statuses, states, named.into_iter().map(StatusCode::as_str))
}

/// The codes of the states and of the statuses that the workflows have.
fn codes(searched: &[Arc<Published>]) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut states, mut statuses) = (BTreeSet::<&str>::new(), BTreeSet::<&str>::new());
    for workflow in searched.iter().map(|published| &published.record.workflow) {
        states.extend(workflow.states.iter().map(|state| state.code.as_str()));
        statuses.extend(workflow.statuses.iter().map(|status| status.code.as_str()));
        states.extend(workflow.assignments.iter().map(|pair| pair.state.as_str()));
        statuses.extend(workflow.assignments.iter().map(|pair| pair.status.as_str()));
    }
    (states, statuses)
}

fn all_known<'a>(
    (kind, codes): (NameKind, &BTreeSet<&str>),
    (other, others): (NameKind, &BTreeSet<&str>),
    mut named: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let Some(code) = named.find(|code| !codes.contains(code)) else {
        return Ok(());
    };
    let is = others.contains(code).then_some(other);
    Err(unknown(kind, code, is, codes.iter().copied()))
}

fn unknown<'a>(
    kind: NameKind,
    code: &str,
    is: Option<NameKind>,
    codes: impl Iterator<Item = &'a str>,
) -> Error {
    // What it is says more than what it is like.
    let nearest = is.is_none().then(|| nearest(code, codes)).flatten();
    UnknownName {
        kind,
        code: code.to_owned(),
        is,
        nearest: nearest.map(str::to_owned),
    }
    .into()
}
