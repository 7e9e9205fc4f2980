//! Orders and steps as callers see them: through the workflow as it is now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use waymark_domain::{
    order::{Order, Rejection, Standing},
    value::{OrderId, StoreView, WorkflowCode},
};
use waymark_persistence::{Committed, Published, Refusal};
use waymark_proto::{convert::order::order_to_wire, v1};

use crate::{App, Error};

/// A step that was carried out.
#[derive(Debug)]
pub(super) struct Done {
    /// The order after it.
    pub(super) order: v1::Order,
    /// What it wrote.
    pub(super) entries: Vec<v1::HistoryEntry>,
    /// Whether an earlier call is answered.
    pub(super) replayed: bool,
}

/// Finds an order and its workflow.
pub(in crate::services) async fn find(
    app: &App,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<(Arc<Published>, Order), Error> {
    let order = app.store().find_order(workflow, id).await?;
    let published = app.store().workflow(workflow).await?;
    let published = published.ok_or_else(|| Refusal::WorkflowNotFound {
        workflow: workflow.clone(),
    })?;
    let not_found = || Refusal::OrderNotFound {
        workflow: workflow.clone(),
        order_id: id.clone(),
    };
    Ok((published, order.ok_or_else(not_found)?))
}

/// Whether a transition is listed: one that may be taken now, or if asked for also one
/// that starts where the order stands and may not be taken.
pub(super) fn is_listed(judgement: &Result<Standing, Rejection>, include_blocked: bool) -> bool {
    match judgement {
        Ok(_) => true,
        Err(Rejection::TransitionNotAllowed { .. }) => false,
        Err(_) => include_blocked,
    }
}

/// The hold that a step placed.
pub(super) fn hold(entries: &[v1::HistoryEntry]) -> Option<v1::Hold> {
    entries.iter().find_map(|entry| match &entry.detail {
        Some(v1::history_entry::Detail::Held(held)) => held.hold.clone(),
        _ => None,
    })
}

/// The workflows through which the steps of a call are shown.
///
/// They are read before a step is committed: an answer to a step that happened must not
/// fail, since its caller would take it for one that did not.
#[derive(Debug, Default)]
pub(super) struct Views {
    workflows: Mutex<BTreeMap<WorkflowCode, Arc<Published>>>,
}

impl Views {
    /// Makes sure that orders of a workflow can be shown.
    pub(super) async fn prepare(
        &self,
        app: &App,
        workflow: &WorkflowCode,
    ) -> Result<Arc<Published>, Error> {
        if let Some(published) = self.lock().get(workflow) {
            return Ok(Arc::clone(published));
        }
        let found = app.store().workflow(workflow).await?;
        let found = found.ok_or_else(|| Refusal::WorkflowNotFound {
            workflow: workflow.clone(),
        })?;
        self.lock().insert(workflow.clone(), Arc::clone(&found));
        Ok(found)
    }

    /// Shows a step, through the workflow as it was prepared or, where the step obeyed
    /// another version, as it is now.
    pub(super) async fn done(
        &self,
        app: &App,
        before: Arc<Published>,
        committed: Committed,
        asked: Option<&StoreView>,
    ) -> Done {
        let Committed {
            order,
            entries,
            replayed,
        } = committed;
        let version = entries.last().map(|logged| logged.entry.workflow_version);
        let is_current = replayed || version == Some(before.graph.version());
        let published = if is_current {
            before
        } else {
            self.renew(app, before).await
        };
        Done {
            order: order_to_wire(&published.record.workflow, &order, asked),
            entries: entries.iter().map(v1::HistoryEntry::from).collect(),
            replayed,
        }
    }

    async fn renew(&self, app: &App, before: Arc<Published>) -> Arc<Published> {
        let code = &before.record.workflow.code;
        let Ok(Some(found)) = app.store().workflow(code).await else {
            return before;
        };
        self.lock().insert(code.clone(), Arc::clone(&found));
        found
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkflowCode, Arc<Published>>> {
        // The map is whole after every statement, so a panic elsewhere leaves it usable.
        self.workflows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
