//! Orders and steps as callers see them: through their workflow.

use std::sync::Arc;

use waymark_domain::{
    order::{Order, Rejection, Standing},
    value::{OrderId, StoreView, WorkflowCode},
};
use waymark_persistence::{Committed, Found, Published, Refusal};
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
    let Found { order, published } = app.reader().find(workflow, id).await?;
    let published = published.ok_or_else(|| Refusal::WorkflowNotFound {
        workflow: workflow.clone(),
    })?;
    let order = order.ok_or_else(|| Refusal::OrderNotFound {
        workflow: workflow.clone(),
        order_id: id.clone(),
    })?;
    Ok((published, order.read()?))
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

/// Shows a step through the workflow by which it was judged.
pub(super) fn done(committed: Committed, asked: Option<&StoreView>) -> Done {
    let Committed {
        order,
        entries,
        replayed,
        published,
    } = committed;
    Done {
        order: order_to_wire(&published.record.workflow, &order, asked),
        entries: entries.iter().map(v1::HistoryEntry::from).collect(),
        replayed,
    }
}
