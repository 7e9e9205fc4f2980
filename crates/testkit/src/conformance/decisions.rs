//! What people decide about deliveries: answered once, tried without writing, and kept with who decided it.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::{
    actor::Actor,
    delivery::{Delivery, DeliveryId, DeliveryState, Verdict},
    value::{ActorId, Reason, Timestamp},
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, DeliveryQuery, NextStep, OutboxCall, Store, StoredDelivery,
};

use super::deliveries::{
    CALL, account, all_of, declare, dispatcher, everything, finish, fulfilled, give_up, lane,
    nothing, readable,
};
use crate::{
    Fixture,
    build::{actor, comment, create, done, request},
};

pub async fn a_decision_is_answered_once(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let me = dispatcher(store).await;
    let [delivery] = <[Delivery; 1]>::try_from(lane(store, "A-1", "erp").await).unwrap();
    let id = delivery.id;
    let call = |request_id, fingerprint| OutboxCall {
        request: Some(request(request_id, fingerprint)),
        ..CALL.clone()
    };
    let encode = |_: &StoredDelivery| b"as it was".to_vec();
    let first = store.retry_delivery(&call("r-1", 1), id, encode).await;
    assert!(matches!(first.unwrap(), Answered::Done(_)));
    finish(fixture, &me, &[delivery], &NextStep::Succeed).await;
    // Looked up before every other check, and in other processes.
    let replica = fixture.replica().await;
    let again = replica.retry_delivery(&call("r-1", 1), id, nothing).await;
    assert_eq!(again.unwrap(), Answered::Replayed(b"as it was".to_vec()));
    let reused = store.retry_delivery(&call("r-1", 2), id, nothing).await;
    assert!(matches!(reused, Err(ChangeError::RequestIdReused)));
    // A refusal is not remembered.
    for _ in 0..2 {
        let answer = store.retry_delivery(&call("r-2", 1), id, nothing).await;
        assert!(matches!(answer, Err(ChangeError::Refused(_))));
    }
    let query = DeliveryQuery {
        states: vec![DeliveryState::Pending],
        ..DeliveryQuery::default()
    };
    let count = |retried: &usize| retried.to_string().into_bytes();
    let first = store.retry_deliveries(&call("r-3", 1), &query, count).await;
    assert_eq!(first.unwrap(), Answered::Done(1));
    done(store, create("A-2")).await;
    let again = store.retry_deliveries(&call("r-3", 1), &query, count).await;
    assert_eq!(again.unwrap(), Answered::Replayed(b"1".to_vec()));
    let reused = store.retry_deliveries(&call("r-3", 2), &query, count).await;
    assert!(matches!(reused, Err(ChangeError::RequestIdReused)));
}

pub async fn a_dry_run_of_a_decision_writes_nothing(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let [delivery] = <[Delivery; 1]>::try_from(lane(store, "A-1", "erp").await).unwrap();
    let id = delivery.id;
    let dry_run = OutboxCall {
        request: Some(request("r-1", 1)),
        mode: ChangeMode::DryRun,
        ..CALL.clone()
    };
    fixture.time.advance(Duration::from_secs(1));
    let reason = Reason::new("no").unwrap();
    let skipped = store.skip_delivery(&dry_run, id, &reason, nothing).await;
    let skipped = readable(fulfilled(skipped.unwrap()));
    assert_eq!(skipped.state, DeliveryState::Skipped);
    let retried = store.retry_delivery(&dry_run, id, nothing).await;
    let retried = readable(fulfilled(retried.unwrap()));
    assert_eq!(retried.update_time, fixture.clock().now());
    assert_eq!(account(store, id).await.delivery, delivery);
    let remembered = "SELECT count(*) FROM requests";
    assert_eq!(fixture.number(remembered).await, 0);
    // A used id is answered as to a call that is meant.
    let call = OutboxCall {
        mode: ChangeMode::Apply,
        ..dry_run.clone()
    };
    let encode = |_: &StoredDelivery| b"as it was".to_vec();
    store.retry_delivery(&call, id, encode).await.unwrap();
    let again = store.retry_delivery(&dry_run, id, nothing).await;
    assert_eq!(again.unwrap(), Answered::Replayed(b"as it was".to_vec()));
    let other = OutboxCall {
        request: Some(request("r-1", 2)),
        ..dry_run
    };
    let all = DeliveryQuery::default();
    let reused = store.retry_deliveries(&other, &all, nothing).await;
    assert!(matches!(reused, Err(ChangeError::RequestIdReused)));
}

/// A call of somebody.
fn call_of(id: &str) -> OutboxCall {
    OutboxCall {
        actor: Actor {
            id: ActorId::new(id).unwrap(),
            on_behalf_of: ActorId::new("shop").unwrap(),
            ..actor()
        },
        ..CALL.clone()
    }
}

/// Who decided what about a delivery, and when.
async fn decided(store: &Store, id: DeliveryId) -> Vec<(String, Verdict, Timestamp)> {
    let decisions = account(store, id).await.decisions.into_iter();
    let decided = decisions.map(|decision| {
        assert_eq!(decision.actor.on_behalf_of.as_str(), "shop");
        (
            decision.actor.id.to_string(),
            decision.verdict,
            decision.time,
        )
    });
    decided.collect()
}

async fn skip_as(store: &Store, call: &OutboxCall, id: DeliveryId, reason: &str) {
    let reason = Reason::new(reason).unwrap();
    let skipped = store.skip_delivery(call, id, &reason, nothing).await;
    skipped.unwrap();
}

async fn retry_as(store: &Store, call: &OutboxCall, id: DeliveryId) {
    store.retry_delivery(call, id, nothing).await.unwrap();
}

pub async fn who_decided_is_kept(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let me = dispatcher(store).await;
    let id = lane(store, "A-1", "erp").await.remove(0).id;
    let mut expected = Vec::new();
    let mut expect = |who: &str, verdict| {
        fixture.time.advance(Duration::from_secs(1));
        expected.push((who.to_owned(), verdict, fixture.clock().now()));
        expected.clone()
    };
    assert_eq!(decided(store, id).await, []);
    let reason = Reason::new("told by telephone").unwrap();
    let skipped = expect("ann", Verdict::Skipped(reason.clone()));
    skip_as(store, &call_of("ann"), id, reason.as_str()).await;
    assert_eq!(decided(store, id).await, skipped);
    let retried = expect("bob", Verdict::Retried);
    retry_as(store, &call_of("bob"), id).await;
    assert_eq!(decided(store, id).await, retried);

    // What becomes of it by itself is no decision.
    let delivery = lane(store, "A-1", "erp").await.remove(0);
    finish(fixture, &me, &[delivery], &give_up()).await;
    assert_eq!(decided(store, id).await, retried);
    let dead = DeliveryQuery {
        states: vec![DeliveryState::Dead],
        ..DeliveryQuery::default()
    };
    let retried = expect("cem", Verdict::Retried);
    let again = store
        .retry_deliveries(&call_of("cem"), &dead, nothing)
        .await;
    assert_eq!(fulfilled(again.unwrap()), 1);
    assert_eq!(decided(store, id).await, retried);
    // The other delivery of the same entry is another one.
    for other in everything(store).await {
        assert!(other.id == id || decided(store, other.id).await.is_empty());
    }
}

pub async fn what_changes_nothing_is_no_decision(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    for text in ["1", "2"] {
        done(store, comment("A-1", text)).await;
    }
    let me = dispatcher(store).await;
    let queue = lane(store, "A-1", "crm").await;
    let (first, second) = (queue[0].id, queue[1].id);
    let partitions = all_of(store);
    let due = store.due_deliveries(&me, &partitions, "webhook.crm", 9);
    assert_eq!(due.await.unwrap().len(), 1);

    // Still waiting its turn.
    retry_as(store, &call_of("bob"), second).await;
    assert_eq!(decided(store, second).await, []);
    // In dry runs.
    let dry_run = OutboxCall {
        mode: ChangeMode::DryRun,
        ..call_of("bob")
    };
    retry_as(store, &dry_run, first).await;
    skip_as(store, &dry_run, first, "no").await;
    assert_eq!(decided(store, first).await, []);
    // Answered before, or skipped already.
    let call = OutboxCall {
        request: Some(request("r-1", 1)),
        ..call_of("ann")
    };
    skip_as(store, &call, first, "no").await;
    skip_as(store, &call, first, "no").await;
    skip_as(store, &call_of("bob"), first, "again").await;
    assert_eq!(decided(store, first).await.len(), 1);
    // Refused.
    let call = call_of("bob");
    finish(fixture, &me, &queue[..1], &NextStep::Succeed).await;
    let refused = store.retry_delivery(&call, first, nothing).await;
    assert!(matches!(refused, Err(ChangeError::Refused(_))));
    assert_eq!(decided(store, first).await.len(), 1);
}

pub async fn the_newest_decisions_are_shown(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let id = lane(store, "A-1", "erp").await[0].id;
    for number in 1..=505 {
        let call = call_of(&format!("a-{number}"));
        store.retry_delivery(&call, id, nothing).await.unwrap();
    }
    let decided = decided(store, id).await;
    let ids = decided.into_iter().map(|(id, ..)| id);
    assert!(ids.eq((6..=505).map(|number| format!("a-{number}"))));
}
