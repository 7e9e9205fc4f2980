//! Orders and steps as callers see them: through their workflow.

use std::sync::Arc;

use prost::Message;
use waymark_domain::{
    history::Logged,
    order::{Order, Rejection},
    value::{OrderId, StoreView, WorkflowCode},
};
use waymark_persistence::{Along, Committed, FoundOrder, Published, Refusal, TrackingTokenId};
use waymark_proto::{convert::order::order_to_wire, v1};

use crate::{App, Error, limits::ANSWER_BYTES_SOFT_MAX, services::suggestions};

/// What an element of a list takes besides itself, and what the other fields of an answer do.
const FRAME_BYTES: usize = 6;
const FIELDS_BYTES: usize = 64;

/// A step that was carried out, as an answer that fits what clients take.
#[derive(Debug)]
pub(super) struct Done {
    /// The order after it; none where it does not fit.
    pub(super) order: Option<v1::Order>,
    /// What it wrote.
    pub(super) written: Written,
    /// Whether an earlier call is answered.
    pub(super) replayed: bool,
}

/// What a step wrote, as far as it fits.
#[derive(Debug)]
pub(super) struct Written {
    /// The entries; empty where they do not fit.
    pub(super) entries: Vec<v1::HistoryEntry>,
    /// The hold that it placed; with its id alone where there is no room for more.
    pub(super) hold: Option<v1::Hold>,
    /// The sequences of the first and the last entry.
    pub(super) first_sequence: i64,
    pub(super) last_sequence: i64,
    /// What all of this takes.
    bytes: usize,
}

impl Written {
    /// Shows entries in at most so many bytes, of which 1,900 are enough for what is always there.
    pub(super) fn of(entries: &[Logged], bytes_max: usize) -> Self {
        let mut entries: Vec<_> = entries.iter().map(v1::HistoryEntry::from).collect();
        let sequence = |entry: Option<&v1::HistoryEntry>| entry.map_or(0, |entry| entry.sequence);
        let (first, last) = (sequence(entries.first()), sequence(entries.last()));
        let mut hold = hold(&entries);
        let of_hold = |hold: &Option<v1::Hold>| hold.as_ref().map_or(0, listed_bytes);
        let mut bytes = FIELDS_BYTES + of_hold(&hold);
        let of_entries: usize = entries.iter().map(listed_bytes).sum();
        if bytes + of_entries <= bytes_max {
            bytes += of_entries;
        } else {
            entries = Vec::new();
            if bytes > bytes_max {
                hold = hold.map(|v1::Hold { id, .. }| v1::Hold {
                    id,
                    ..v1::Hold::default()
                });
                bytes = FIELDS_BYTES + of_hold(&hold);
            }
        }
        Self {
            entries,
            hold,
            first_sequence: first,
            last_sequence: last,
            bytes,
        }
    }
}

/// What a message takes within another one.
pub(super) fn listed_bytes(message: &impl Message) -> usize {
    message.encoded_len() + FRAME_BYTES
}

macro_rules! answers {
    ($($response:ident $(with $hold:ident)? $(without $error:ident)?;)+) => {
        $(impl From<Done> for v1::$response {
            fn from(done: Done) -> Self {
                Self {
                    order: done.order,
                    entries: done.written.entries,
                    $($hold: done.written.hold,)?
                    $($error: None,)?
                    replayed: done.replayed,
                    first_sequence: done.written.first_sequence,
                    last_sequence: done.written.last_sequence,
                }
            }
        })+
    };
}

answers! {
    CreateOrderResponse;
    UpdateOrderResponse;
    TransitionOrderResponse;
    RecordOperationResponse;
    HoldOrderResponse with hold;
    ReleaseOrderResponse;
    AddCommentResponse;
    StepResult with hold without error;
}

/// Finds an order and its workflow.
pub(in crate::services) async fn find(
    app: &App,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<(Arc<Published>, Order), Error> {
    let (published, order, _) = find_and(app, (workflow, id), Along::Workflows).await?;
    Ok((published, order))
}

/// Finds an order, its workflow, and its newest token where that is asked for.
pub(super) async fn find_and(
    app: &App,
    (workflow, id): (&WorkflowCode, &OrderId),
    along: Along,
) -> Result<(Arc<Published>, Order, Option<TrackingTokenId>), Error> {
    let FoundOrder {
        order,
        published,
        token,
    } = app.reader().find(workflow, id, along).await?;
    let Some(published) = published else {
        return Err(suggestions::no_workflow(app.store(), workflow).await);
    };
    let order = order.ok_or_else(|| Refusal::OrderNotFound {
        workflow: workflow.clone(),
        order_id: id.clone(),
    })?;
    Ok((published, order.read()?, token))
}

/// Whether a transition or a status is listed: one that is possible now, or if asked for also one
/// that is declared from where the order stands and is not.
pub(super) fn is_listed<T>(judgement: &Result<T, Rejection>, include_blocked: bool) -> bool {
    match judgement {
        Ok(_) => true,
        Err(Rejection::TransitionNotAllowed { .. } | Rejection::TransitionNotHere { .. }) => false,
        Err(_) => include_blocked,
    }
}

fn hold(entries: &[v1::HistoryEntry]) -> Option<v1::Hold> {
    entries.iter().find_map(|entry| match &entry.detail {
        Some(v1::history_entry::Detail::Held(held)) => held.hold.clone(),
        _ => None,
    })
}

/// Shows a step through the workflow by which it was judged. The step has happened, so its answer must arrive: what
/// would be larger than clients take goes, the order first.
pub(super) fn done(committed: &Committed, asked: Option<&StoreView>) -> Done {
    let written = Written::of(&committed.entries, ANSWER_BYTES_SOFT_MAX);
    let order = order_after(committed, asked);
    let fits = |order: &v1::Order| written.bytes + listed_bytes(order) <= ANSWER_BYTES_SOFT_MAX;
    Done {
        order: order.filter(fits),
        written,
        replayed: committed.replayed,
    }
}

/// The order after a step, if the answer has it.
pub(super) fn order_after(committed: &Committed, asked: Option<&StoreView>) -> Option<v1::Order> {
    let order = committed.order.as_ref()?;
    Some(order_to_wire(&committed.published.graph, order, asked))
}
