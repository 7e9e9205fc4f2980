//! Deliveries: listed, shown, retried and skipped.

use std::slice;

use prost::Message;
use waymark_domain::value::ActorId;
use waymark_persistence::{
    Account, Answered, ChangeMode, DeliveryCursor, DeliveryQuery, LedgerCall, LedgerRefusal,
    StoredDelivery,
};
use waymark_proto::{
    convert::delivery::{
        DeliveryFilter, GetDelivery, ListDeliveries, RetryDeliveries, RetryDelivery,
        SkipDeliveries, SkipDelivery, attempt_to_wire, decision_to_wire,
    },
    v1,
};

use super::{shown::stored_to_wire, waiting};
use crate::{
    App, Error, page,
    services::{
        names,
        once::{answer, ledger_call},
    },
};

/// What the tokens of this list are made for.
const KIND: &str = "deliveries";

/// Answers a page of deliveries.
pub(super) async fn page(
    app: &App,
    call: ListDeliveries,
) -> Result<v1::ListDeliveriesResponse, Error> {
    let ListDeliveries { filter, page } = call;
    let token = page.token.as_deref().unwrap_or_default();
    let after: Option<DeliveryCursor> = page::decode(KIND, page.arguments, token)?;
    let query = query(app, filter).await?;
    let mut limit = page.size;
    let (deliveries, next) = loop {
        let mut found = app
            .bulk()
            .list_deliveries(&query, after.as_ref(), limit)
            .await?;
        waiting::explain(app, app.bulk(), &mut found.deliveries).await?;
        let deliveries: Vec<_> = found.deliveries.iter().map(stored_to_wire).collect();
        let count = page::fitting(&deliveries);
        if count >= deliveries.len() {
            break (deliveries, found.next);
        }
        // Too large for one answer. Only the store knows where a shorter page goes on.
        limit = count;
    };
    let next = next.map(|cursor| page::encode(KIND, page.arguments, &cursor));
    Ok(v1::ListDeliveriesResponse {
        deliveries,
        next_page_token: next.unwrap_or_default(),
    })
}

/// Answers one delivery with its attempts and the decisions about it.
pub(super) async fn get(app: &App, call: GetDelivery) -> Result<v1::GetDeliveryResponse, Error> {
    let GetDelivery { id } = call;
    let found = app.store().find_delivery(id).await?;
    let Account {
        mut delivery,
        attempts,
        decisions,
    } = found.ok_or(LedgerRefusal::DeliveryNotFound { id })?;
    waiting::explain(app, app.store(), slice::from_mut(&mut delivery)).await?;
    let attempts = attempts
        .iter()
        .map(|(number, attempt)| attempt_to_wire(*number, attempt));
    Ok(v1::GetDeliveryResponse {
        delivery: Some(v1::Delivery {
            attempts: attempts.collect(),
            decisions: decisions.iter().map(decision_to_wire).collect(),
            ..stored_to_wire(&delivery)
        }),
    })
}

/// Has a delivery tried again.
pub(super) async fn retry(
    app: &App,
    call: RetryDelivery,
) -> Result<v1::RetryDeliveryResponse, Error> {
    let RetryDelivery { id, edit } = call;
    let (call, store, wake) = (ledger_call(&edit), app.store().clone(), app.wake.clone());
    let shown = |delivery: &StoredDelivery| v1::RetryDeliveryResponse {
        delivery: Some(stored_to_wire(delivery)),
        replayed: false,
    };
    let work = async move {
        let encode = |delivery: &StoredDelivery| shown(delivery).encode_to_vec();
        let answered = store.retry_delivery(&call, id, encode).await?;
        if is_news(&call, &answered) {
            wake.retried();
            tracing::info!(delivery.id = %id, actor.id = who(&edit.actor.id), "a delivery was retried by hand");
        }
        answer(&answered, shown)
    };
    let (response, replayed) = app.detached(work).await??;
    Ok(v1::RetryDeliveryResponse {
        replayed,
        ..response
    })
}

/// Has all deliveries tried again that match.
pub(super) async fn retry_all(
    app: &App,
    call: RetryDeliveries,
) -> Result<v1::RetryDeliveriesResponse, Error> {
    let RetryDeliveries { filter, edit } = call;
    let query = query(app, filter).await?;
    let (call, store, wake) = (ledger_call(&edit), app.bulk().clone(), app.wake.clone());
    let shown = |retried: &usize| v1::RetryDeliveriesResponse {
        retried: i64::try_from(*retried).unwrap_or(i64::MAX),
        replayed: false,
    };
    let work = async move {
        let encode = |retried: &usize| shown(retried).encode_to_vec();
        let answered = store.retry_deliveries(&call, &query, encode).await?;
        if let (Answered::Done(retried), true) = (&answered, is_news(&call, &answered)) {
            wake.retried();
            tracing::info!(
                retried,
                actor.id = who(&edit.actor.id),
                "deliveries were retried by hand"
            );
        }
        answer(&answered, shown)
    };
    let (response, replayed) = app.detached(work).await??;
    Ok(v1::RetryDeliveriesResponse {
        replayed,
        ..response
    })
}

/// Decides that a delivery is not sent.
pub(super) async fn skip(app: &App, call: SkipDelivery) -> Result<v1::SkipDeliveryResponse, Error> {
    let SkipDelivery { id, reason, edit } = call;
    let (call, store, wake) = (ledger_call(&edit), app.store().clone(), app.wake.clone());
    let shown = |delivery: &StoredDelivery| v1::SkipDeliveryResponse {
        delivery: Some(stored_to_wire(delivery)),
        replayed: false,
    };
    let work = async move {
        let encode = |delivery: &StoredDelivery| shown(delivery).encode_to_vec();
        let answered = store.skip_delivery(&call, id, &reason, encode).await?;
        if is_news(&call, &answered) {
            wake.now();
            tracing::info!(delivery.id = %id, actor.id = who(&edit.actor.id), "a delivery was skipped by hand");
        }
        answer(&answered, shown)
    };
    let (response, replayed) = app.detached(work).await??;
    Ok(v1::SkipDeliveryResponse {
        replayed,
        ..response
    })
}

/// Decides that all deliveries are not sent that match.
pub(super) async fn skip_all(
    app: &App,
    call: SkipDeliveries,
) -> Result<v1::SkipDeliveriesResponse, Error> {
    let SkipDeliveries {
        filter,
        reason,
        edit,
    } = call;
    let query = query(app, filter).await?;
    let (call, store, wake) = (ledger_call(&edit), app.bulk().clone(), app.wake.clone());
    let shown = |skipped: &usize| v1::SkipDeliveriesResponse {
        skipped: i64::try_from(*skipped).unwrap_or(i64::MAX),
        replayed: false,
    };
    let work = async move {
        let encode = |skipped: &usize| shown(skipped).encode_to_vec();
        let answered = store
            .skip_deliveries(&call, &query, &reason, encode)
            .await?;
        if let (Answered::Done(skipped), true) = (&answered, is_news(&call, &answered)) {
            wake.now();
            tracing::info!(
                skipped,
                actor.id = who(&edit.actor.id),
                "deliveries were skipped by hand"
            );
        }
        answer(&answered, shown)
    };
    let (response, replayed) = app.detached(work).await??;
    Ok(v1::SkipDeliveriesResponse {
        replayed,
        ..response
    })
}

/// Whether something was written that the log should tell.
fn is_news<T>(call: &LedgerCall, answered: &Answered<T>) -> bool {
    call.mode == ChangeMode::Apply && matches!(answered, Answered::Done(_))
}

fn who(actor: &ActorId) -> &str {
    actor.as_str()
}

async fn query(app: &App, filter: DeliveryFilter) -> Result<DeliveryQuery, Error> {
    let DeliveryFilter {
        workflows,
        order_ids,
        states,
        kinds,
        transitions,
        actions,
        endpoints,
    } = filter;
    if !workflows.is_empty() {
        names::workflows(app.bulk(), &workflows).await?;
    }
    // Where orders are given, one workflow is.
    let orders = workflows.iter().flat_map(|workflow| {
        let ids = order_ids.iter();
        ids.map(|id| (workflow.clone(), id.clone()))
    });
    Ok(DeliveryQuery {
        orders: orders.collect(),
        workflows,
        states,
        kinds,
        transitions,
        actions,
        endpoints,
    })
}
