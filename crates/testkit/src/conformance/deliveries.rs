//! Helpers of cases about deliveries: workflows that send, a process with all leases, and what
//! people decide.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    time::Duration,
};

use waymark_domain::{
    delivery::{Attempt, Decision, Delivery, DeliveryId, Outcome},
    partition::Partition,
    value::{EndpointCode, Reason, Timestamp},
    workflow::{Action, Channel, Policy, Publish, Webhook, Work},
};
use waymark_persistence::{
    Answered, ChangeMode, DeliveryQuery, DispatcherId, Finished, NextStep, OutboxCall, Store,
    StoredDelivery,
};

use crate::{
    Fixture,
    build::{actor, order_id, order_workflow},
};

/// A call without a request id.
pub(super) static CALL: LazyLock<OutboxCall> = LazyLock::new(|| OutboxCall {
    request: None,
    actor: actor(),
    mode: ChangeMode::Apply,
});

pub(super) fn action(code: &str, channel: Channel) -> Action {
    Action {
        code: code.parse().unwrap(),
        description: waymark_domain::value::Description::default(),
        work: Work::Send(channel, Policy::default()),
        condition: None,
        position: 0,
        active: true,
    }
}

/// An action that sends to an endpoint.
pub(super) fn webhook(code: &str, endpoint: &str) -> Action {
    let endpoint = EndpointCode::new(endpoint).unwrap();
    action(code, Channel::Webhook(Webhook { endpoint }))
}

fn publish(code: &str) -> Action {
    let subject = "orders".parse().unwrap();
    action(code, Channel::Publish(Publish { subject }))
}

/// Lets the workflows `order` and `other` send: a webhook and an event at creation, a webhook for
/// each comment, an event when an order is cancelled.
pub(super) async fn declare(fixture: &Fixture) {
    for code in ["order", "other"] {
        let mut workflow = crate::build::workflow("magento", code);
        workflow.on_create = vec![webhook("tell_erp", "erp"), publish("tell_all")];
        workflow.on_comment = vec![webhook("tell_crm", "crm")];
        let cancel = workflow.transitions.iter_mut();
        let mut cancel = cancel.filter(|transition| transition.code.as_str() == "cancel");
        cancel.next().unwrap().actions = vec![publish("tell_all")];
        fixture
            .change(code, |_| Ok(Some(workflow.clone())))
            .await
            .unwrap();
    }
}

/// A process that has leased all partitions.
pub(super) async fn dispatcher(store: &Store) -> DispatcherId {
    let me = DispatcherId::random();
    store.heartbeat(&me).await.unwrap();
    let all = all_of(store);
    let taken = store.take_leases(&me, &BTreeMap::new(), &all).await;
    assert_eq!(taken.unwrap(), all);
    me
}

pub(super) fn attempt(fixture: &Fixture, outcome: Outcome) -> Attempt {
    Attempt {
        start_time: fixture.clock().now(),
        duration: Duration::from_micros(1_500_001),
        outcome,
        code: Some(503),
        problem: "busy".to_owned(),
        answer: b"come again\xff".to_vec(),
    }
}

/// An instant so much later than now.
pub(super) fn later(fixture: &Fixture, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap();
    Timestamp::from_micros(fixture.clock().now().micros() + by)
}

/// Records the results of attempts at deliveries.
pub(super) async fn finish(
    fixture: &Fixture,
    me: &DispatcherId,
    deliveries: &[Delivery],
    next: &NextStep,
) {
    finish_in(&fixture.store, fixture, me, deliveries, next).await;
}

/// Records in this store the results of attempts at deliveries.
pub(super) async fn finish_in(
    store: &Store,
    fixture: &Fixture,
    me: &DispatcherId,
    deliveries: &[Delivery],
    next: &NextStep,
) {
    let outcome = match next {
        NextStep::Succeed => Outcome::Accepted,
        NextStep::Retry { .. } | NextStep::GiveUp { .. } | NextStep::Skip { .. } => Outcome::Failed,
    };
    let finished = deliveries.iter().map(|delivery| Finished {
        delivery: delivery.clone(),
        attempt: Some(attempt(fixture, outcome)),
        next: next.clone(),
    });
    let finished: Vec<_> = finished.collect();
    store.record_results(me, &finished).await.unwrap();
}

pub(super) fn give_up() -> NextStep {
    NextStep::GiveUp {
        problem: "nobody listens".to_owned(),
    }
}

/// Reads all pages, and checks that none is too long.
pub(super) async fn list(store: &Store, query: &DeliveryQuery, limit: usize) -> Vec<Delivery> {
    let (mut deliveries, mut cursor) = (Vec::new(), None);
    for _ in 0..10_000 {
        let page = store.list_deliveries(query, cursor.as_ref(), limit);
        let page = page.await.unwrap();
        assert!(page.deliveries.len() <= limit);
        deliveries.extend(page.deliveries.into_iter().map(readable));
        // A cursor survives its way through a page token.
        let text = serde_json::to_string(&page.next).unwrap();
        cursor = serde_json::from_str(&text).unwrap();
        assert_eq!(cursor, page.next);
        if cursor.is_none() {
            return deliveries;
        }
    }
    panic!("the list does not end");
}

pub(super) async fn everything(store: &Store) -> Vec<Delivery> {
    list(store, &DeliveryQuery::default(), 1_000).await
}

/// A delivery that can be read.
pub(super) fn readable(stored: StoredDelivery) -> Delivery {
    match stored {
        StoredDelivery::Readable(delivery) => delivery,
        StoredDelivery::Unreadable(unreadable) => panic!("{unreadable:?}"),
    }
}

/// The account of a delivery that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) delivery: Delivery,
    pub(super) attempts: Vec<(u32, Attempt)>,
    pub(super) decisions: Vec<Decision>,
}

pub(super) async fn account(store: &Store, id: DeliveryId) -> Account {
    let found = store.find_delivery(id).await.unwrap().unwrap();
    Account {
        delivery: readable(found.delivery),
        attempts: found.attempts,
        decisions: found.decisions,
    }
}

/// The deliveries of an order to an endpoint, the oldest first.
pub(super) async fn lane(store: &Store, id: &str, endpoint: &str) -> Vec<Delivery> {
    let query = DeliveryQuery {
        orders: vec![(order_workflow(), order_id(id))],
        endpoints: vec![EndpointCode::new(endpoint).unwrap()],
        ..DeliveryQuery::default()
    };
    let mut deliveries = list(store, &query, 100).await;
    deliveries.reverse();
    deliveries
}

pub(super) fn nothing<T>(_: &T) -> Vec<u8> {
    Vec::new()
}

pub(super) fn fulfilled<T>(answered: Answered<T>) -> T {
    match answered {
        Answered::Done(done) => done,
        Answered::Replayed(_) => panic!("a call without a request id was replayed"),
    }
}

pub(super) async fn retry(store: &Store, id: DeliveryId) -> Delivery {
    let retried = store.retry_delivery(&CALL, id, nothing).await;
    readable(fulfilled(retried.unwrap()))
}

pub(super) async fn skip(store: &Store, id: DeliveryId) -> Delivery {
    let reason = Reason::new("not needed").unwrap();
    let skipped = store.skip_delivery(&CALL, id, &reason, nothing).await;
    readable(fulfilled(skipped.unwrap()))
}

pub(super) fn all_of(store: &Store) -> BTreeSet<Partition> {
    store.partition_count().all().collect()
}
