//! Names in filters. What none of the workflows asked for has was misspelled, and would be waited for in silence. Ids,
//! customers and attributes come and go, so they are never refused.

use std::{collections::BTreeSet, sync::Arc};

use waymark_domain::value::{StateCode, StatusCode, WorkflowCode, nearest};
use waymark_persistence::{Published, Store};

use crate::{
    Error,
    error::{NameKind, UnknownName},
};

/// Finds the workflows that a filter names; all, where it names none.
///
/// # Errors
/// Returns [`Error::UnknownName`] for the first that is not there.
pub(super) async fn workflows(
    store: &Store,
    named: &[WorkflowCode],
) -> Result<Vec<Arc<Published>>, Error> {
    if named.is_empty() {
        return Ok(store.workflows().await?);
    }
    let mut found = Vec::with_capacity(named.len());
    for code in named.iter().collect::<BTreeSet<_>>() {
        match store.workflow(code).await? {
            Some(published) => found.push(published),
            None => return Err(no_workflow(store, code).await),
        }
    }
    Ok(found)
}

async fn no_workflow(store: &Store, code: &WorkflowCode) -> Error {
    // Without them, there is nothing to suggest.
    let all = store.workflows().await.unwrap_or_default();
    let codes = all
        .iter()
        .map(|published| published.record.workflow.code.as_str());
    unknown(NameKind::Workflow, code.as_str(), codes)
}

/// Refuses states that none of the workflows has.
///
/// # Errors
/// Returns [`Error::UnknownName`] for the first of them.
pub(super) fn states<'a>(
    searched: &[Arc<Published>],
    named: impl IntoIterator<Item = &'a StateCode>,
) -> Result<(), Error> {
    let states = searched
        .iter()
        .flat_map(|published| &published.record.workflow.states);
    let codes = states.map(|state| state.code.as_str()).collect();
    let named = named.into_iter().map(StateCode::as_str);
    all_known(NameKind::State, &codes, named)
}

/// Refuses statuses that none of the workflows has, retired or not.
///
/// # Errors
/// Returns [`Error::UnknownName`] for the first of them.
pub(super) fn statuses<'a>(
    searched: &[Arc<Published>],
    named: impl IntoIterator<Item = &'a StatusCode>,
) -> Result<(), Error> {
    let statuses = searched
        .iter()
        .flat_map(|published| &published.record.workflow.statuses);
    let codes = statuses.map(|status| status.code.as_str()).collect();
    let named = named.into_iter().map(StatusCode::as_str);
    all_known(NameKind::Status, &codes, named)
}

fn all_known<'a>(
    kind: NameKind,
    codes: &BTreeSet<&str>,
    mut named: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    match named.find(|code| !codes.contains(code)) {
        None => Ok(()),
        Some(code) => Err(unknown(kind, code, codes.iter().copied())),
    }
}

fn unknown<'a>(kind: NameKind, code: &str, codes: impl Iterator<Item = &'a str>) -> Error {
    let nearest = nearest(code, codes).map(str::to_owned);
    let code = code.to_owned();
    UnknownName {
        kind,
        code,
        nearest,
    }
    .into()
}
