//! `DeliveryService`: the outbox, in which deliveries are listed, shown, retried and skipped.

use std::{slice, sync::Arc};

use waymark_domain::{
    delivery::{DeliveryId, DeliveryState},
    value::Reason,
};
use waymark_persistence::{
    DeliveryCursor, DeliveryQuery, DeliveryRecord, OutboxRefusal, StoredDelivery,
    UnreadableDelivery,
};
use waymark_proto::{
    convert::{
        call::EditCall,
        delivery::{
            DeliveryFilter, GetDelivery, ListDeliveries, RetryDeliveries, RetryDelivery,
            SkipDeliveries, SkipDelivery, attempt_to_wire, decision_to_wire, delivery_to_wire,
            state_to_wire,
        },
        timestamp_to_wire,
    },
    v1::{self, delivery_service_server::DeliveryService},
};

use super::{
    once::{self, Showing, outbox_call},
    suggestions,
};
use crate::{App, Error, dispatch::blockers, page};

/// The list for which tokens of deliveries are made.
const KIND: &str = "deliveries";

service!("DeliveryService");

rpcs! {
    DeliveryService {
        list_deliveries(v1::ListDeliveriesRequest) -> v1::ListDeliveriesResponse:
            ListDeliveries::read() => list;
        get_delivery(v1::GetDeliveryRequest) -> v1::GetDeliveryResponse:
            GetDelivery::read() => get;
        retry_delivery(v1::RetryDeliveryRequest) -> v1::RetryDeliveryResponse:
            RetryDelivery::read() => retry;
        retry_deliveries(v1::RetryDeliveriesRequest) -> v1::RetryDeliveriesResponse:
            RetryDeliveries::read() => retry_all;
        skip_delivery(v1::SkipDeliveryRequest) -> v1::SkipDeliveryResponse:
            SkipDelivery::read() => skip;
        skip_deliveries(v1::SkipDeliveriesRequest) -> v1::SkipDeliveriesResponse:
            SkipDeliveries::read() => skip_all;
    }
}

async fn list(app: &Arc<App>, call: ListDeliveries) -> Result<v1::ListDeliveriesResponse, Error> {
    app.read_many(page(Arc::clone(app), call)).await
}

async fn page(app: Arc<App>, call: ListDeliveries) -> Result<v1::ListDeliveriesResponse, Error> {
    let ListDeliveries { filter, page } = call;
    let after: Option<DeliveryCursor> = page::begin(KIND, &page)?;
    let (query, store) = (query(&app, filter).await?, app.bulk());
    let mut limit = page.size;
    let (deliveries, next) = loop {
        let mut found = store.list_deliveries(&query, after.as_ref(), limit).await?;
        blockers::explain(&app, store, &mut found.deliveries).await?;
        let deliveries: Vec<_> = found.deliveries.iter().map(stored_to_wire).collect();
        let count = page::fitting(&deliveries);
        if count >= deliveries.len() {
            break (deliveries, found.next);
        }
        // Too large for one answer. Only the store knows where a shorter page goes on.
        limit = count;
    };
    Ok(v1::ListDeliveriesResponse {
        deliveries,
        next_page_token: page::next(KIND, &page, next.as_ref()),
    })
}

async fn get(app: &App, call: GetDelivery) -> Result<v1::GetDeliveryResponse, Error> {
    let GetDelivery { id } = call;
    let found = app.store().find_delivery(id).await?;
    let DeliveryRecord {
        mut delivery,
        attempts,
        decisions,
    } = found.ok_or(OutboxRefusal::DeliveryNotFound { id })?;
    blockers::explain(app, app.store(), slice::from_mut(&mut delivery)).await?;
    let attempts = attempts.iter();
    let attempts = attempts.map(|(number, attempt)| attempt_to_wire(*number, attempt));
    Ok(v1::GetDeliveryResponse {
        delivery: Some(v1::Delivery {
            attempts: attempts.collect(),
            decisions: decisions.iter().map(decision_to_wire).collect(),
            ..stored_to_wire(&delivery)
        }),
    })
}

async fn retry(app: &App, call: RetryDelivery) -> Result<v1::RetryDeliveryResponse, Error> {
    decide(app, call.id, call.edit, Decision::Retry).await
}

async fn retry_all(app: &App, call: RetryDeliveries) -> Result<v1::RetryDeliveriesResponse, Error> {
    decide_all(app, call.filter, call.edit, Decision::Retry).await
}

async fn skip(app: &App, call: SkipDelivery) -> Result<v1::SkipDeliveryResponse, Error> {
    decide(app, call.id, call.edit, Decision::Skip(call.reason)).await
}

async fn skip_all(app: &App, call: SkipDeliveries) -> Result<v1::SkipDeliveriesResponse, Error> {
    decide_all(app, call.filter, call.edit, Decision::Skip(call.reason)).await
}

/// A decision about deliveries.
#[derive(Debug, Clone)]
enum Decision {
    Retry,
    Skip(Reason),
}

async fn decide<R: Showing<Shown = Option<v1::Delivery>>>(
    app: &App,
    id: DeliveryId,
    edit: EditCall,
    decision: Decision,
) -> Result<R, Error> {
    let (call, store, wake) = (outbox_call(&edit), app.store().clone(), app.wake.clone());
    let respond = |delivery: &StoredDelivery| R::of(Some(stored_to_wire(delivery)));
    let (mode, decided) = (call.mode, decision.clone());
    let work = async move {
        let encode = |delivery: &StoredDelivery| respond(delivery).encode_to_vec();
        match &decision {
            Decision::Retry => store.retry_delivery(&call, id, encode).await,
            Decision::Skip(reason) => store.skip_delivery(&call, id, reason, encode).await,
        }
    };
    let then = move |_: &StoredDelivery| {
        let actor = edit.actor.id.as_str();
        match decided {
            Decision::Retry => {
                wake.retried();
                tracing::info!(delivery.id = %id, actor.id = actor, "delivery retried");
            }
            Decision::Skip(_) => {
                wake.now();
                tracing::info!(delivery.id = %id, actor.id = actor, "delivery skipped");
            }
        }
    };
    once::carry_out(app, mode, work, respond, then).await
}

async fn decide_all<R: Showing<Shown = i64>>(
    app: &App,
    filter: DeliveryFilter,
    edit: EditCall,
    decision: Decision,
) -> Result<R, Error> {
    let query = query(app, filter).await?;
    let (call, store, wake) = (outbox_call(&edit), app.bulk().clone(), app.wake.clone());
    let respond = |count: &usize| R::of(i64::try_from(*count).unwrap_or(i64::MAX));
    let (mode, decided) = (call.mode, decision.clone());
    let work = async move {
        let encode = |count: &usize| respond(count).encode_to_vec();
        match &decision {
            Decision::Retry => store.retry_deliveries(&call, &query, encode).await,
            Decision::Skip(reason) => store.skip_deliveries(&call, &query, reason, encode).await,
        }
    };
    let then = move |count: &usize| {
        let actor = edit.actor.id.as_str();
        match decided {
            Decision::Retry => {
                wake.retried();
                tracing::info!(retried = count, actor.id = actor, "deliveries retried");
            }
            Decision::Skip(_) => {
                wake.now();
                tracing::info!(skipped = count, actor.id = actor, "deliveries skipped");
            }
        }
    };
    once::carry_out(app, mode, work, respond, then).await
}

async fn query(app: &App, filter: DeliveryFilter) -> Result<DeliveryQuery, Error> {
    if !filter.workflows.is_empty() {
        suggestions::find_workflows(app.bulk(), &filter.workflows).await?;
    }
    // Where orders are given, one workflow is.
    let orders = filter.workflows.iter().flat_map(|workflow| {
        let ids = filter.order_ids.iter();
        ids.map(|id| (workflow.clone(), id.clone()))
    });
    Ok(DeliveryQuery {
        orders: orders.collect(),
        workflows: filter.workflows,
        states: filter.states,
        kinds: filter.kinds,
        transitions: filter.transitions,
        actions: filter.actions,
        endpoints: filter.endpoints,
    })
}

fn stored_to_wire(stored: &StoredDelivery) -> v1::Delivery {
    match stored {
        StoredDelivery::Readable(delivery) => delivery_to_wire(delivery),
        StoredDelivery::Unreadable(unreadable) => unreadable_to_wire(unreadable),
    }
}

/// Writes a delivery that cannot be read, as far as it can. One whose state cannot is a dead
/// letter: nobody will send it.
fn unreadable_to_wire(unreadable: &UnreadableDelivery) -> v1::Delivery {
    let state = unreadable.state.unwrap_or(DeliveryState::Dead);
    v1::Delivery {
        id: unreadable.id.clone(),
        workflow: unreadable.workflow.clone(),
        order_id: unreadable.order_id.clone(),
        sequence: unreadable.sequence,
        order_version: unreadable.order_version,
        transition: unreadable.transition.clone(),
        action: unreadable.action.clone(),
        kind: unreadable.kind.clone(),
        destination: unreadable.destination.clone(),
        state: state_to_wire(state).into(),
        attempt_count: unreadable.attempts.max(0),
        problem: unreadable.problem.clone(),
        due_time: unreadable.due_time.map(timestamp_to_wire),
        create_time: Some(timestamp_to_wire(unreadable.create_time)),
        update_time: Some(timestamp_to_wire(unreadable.update_time)),
        attempts: Vec::new(),
        decisions: Vec::new(),
    }
}
