//! What a process was working on when it ended without a word.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use waymark_domain::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    order::{Action, NewOrder},
};
use waymark_persistence::{DispatchRound, DispatcherId, DueOrder, Leaving, NextStep, Store};

use super::deliveries::{
    account, all_of, declare, dispatcher, everything, finish, lane, later, retry, skip,
};
use crate::{
    Fixture,
    build::{act, all, comment, create, create_as, done, expecting, new_order, state},
};

/// A process takes over from one that has ended.
async fn take_over(store: &Store, dead: &DispatcherId) -> DispatcherId {
    let heir = DispatcherId::random();
    let leases = store.heartbeat(&heir).await.unwrap();
    let dead = BTreeMap::from([(dead.clone(), leases.dispatchers[dead])]);
    let taken = store.take_leases(&heir, &dead, &all_of(store)).await;
    assert_eq!(taken.unwrap(), all_of(store));
    heir
}

/// Notes that deliveries are begun, as they are found.
async fn begin(store: &Store, me: &DispatcherId, ids: &[DeliveryId]) -> bool {
    let mut found = Vec::new();
    for id in ids {
        found.push(account(store, *id).await.delivery);
    }
    let in_flight: Vec<&Delivery> = found.iter().collect();
    let round = DispatchRound {
        in_flight: Some(&in_flight),
        ..DispatchRound::default()
    };
    store.record_round(me, round).await.unwrap().may_begin
}

async fn lost(store: &Store) -> Vec<(DeliveryId, u32)> {
    let lost = store.lost_deliveries(&all_of(store)).await.unwrap();
    assert!(lost.iter().all(|lost| lost.waiting.is_some()));
    lost.into_iter().map(|lost| (lost.id, lost.tries)).collect()
}

/// Some deliveries that wait, each of an order of its own.
async fn waiting(fixture: &Fixture, count: usize) -> Vec<Delivery> {
    declare(fixture).await;
    let store = &fixture.store;
    let orders: Vec<_> = (0..count).map(|number| format!("L-{number}")).collect();
    let created = all(store, orders.iter().map(|id| create(id)).collect()).await;
    assert!(created.iter().all(Result::is_ok));
    let mut waiting = everything(store).await;
    waiting.retain(|delivery| delivery.to.lane() == "webhook.erp");
    waiting.sort_by_key(|delivery| delivery.id);
    waiting
}

pub async fn what_a_process_delivered_when_it_ended_is_counted(fixture: &Fixture) {
    let store = &fixture.store;
    let waiting = waiting(fixture, 24).await;
    let ids: Vec<_> = waiting.iter().map(|delivery| delivery.id).collect();
    let mut me = dispatcher(store).await;
    assert!(begin(store, &me, &ids[..3]).await);
    assert_eq!(lost(store).await, [], "it lives");
    // What came of one was noted, and it waits for another attempt.
    let next = NextStep::Retry {
        at: later(fixture, Duration::from_secs(5)),
        problem: "busy".to_owned(),
    };
    fixture.time.advance(Duration::from_secs(1));
    finish(fixture, &me, &waiting[..1], &next).await;
    me = take_over(store, &me).await;
    assert_eq!(lost(store).await, [(ids[1], 1), (ids[2], 1)]);

    for tries in 2..=3 {
        assert!(begin(store, &me, &ids[1..2]).await);
        me = take_over(store, &me).await;
        assert_eq!(lost(store).await, [(ids[1], tries), (ids[2], 1)]);
    }
    let here = BTreeSet::from([ids[1].position.partition]);
    let lost_here = store.lost_deliveries(&here).await.unwrap();
    assert!(
        lost_here
            .iter()
            .all(|lost| here.contains(&lost.id.position.partition))
    );
    assert_eq!(lost_here.iter().filter(|lost| lost.id == ids[1]).count(), 1);
    assert_eq!(store.lost_deliveries(&BTreeSet::new()).await.unwrap(), []);

    // One that ends well is forgotten, in the transaction that notes it.
    let finished = [waymark_persistence::Finished {
        delivery: account(store, ids[1]).await.delivery,
        attempt: None,
        next: NextStep::GiveUp {
            problem: "by name".to_owned(),
        },
    }];
    let round = DispatchRound {
        finished: &finished,
        cleared: &ids[1..2],
        in_flight: None,
    };
    assert!(store.record_round(&me, round).await.unwrap().may_begin);
    assert_eq!(lost(store).await, [(ids[2], 1)]);
    let dead = account(store, ids[1]).await.delivery;
    assert_eq!(
        (dead.state, dead.problem.as_str()),
        (DeliveryState::Dead, "by name")
    );
    // What nobody waits for any more is told as such.
    finish(fixture, &me, &waiting[2..3], &NextStep::Succeed).await;
    let left = store.lost_deliveries(&all_of(store)).await.unwrap();
    assert_eq!(
        (left.len(), left[0].id, &left[0].waiting),
        (1, ids[2], &None)
    );
}

pub async fn many_deliveries_are_counted_at_once(fixture: &Fixture) {
    let store = &fixture.store;
    let waiting = waiting(fixture, 700).await;
    let ids: Vec<_> = waiting.iter().map(|delivery| delivery.id).collect();
    let me = dispatcher(store).await;
    let in_flight: Vec<&Delivery> = waiting.iter().collect();
    let round = DispatchRound {
        in_flight: Some(&in_flight),
        ..DispatchRound::default()
    };
    assert!(store.record_round(&me, round).await.unwrap().may_begin);
    take_over(store, &me).await;
    let mut found = lost(store).await;
    found.sort_unstable();
    let expected: Vec<_> = ids.into_iter().map(|id| (id, 1)).collect();
    assert_eq!(found, expected);
}

pub async fn a_process_that_leaves_in_order_leaves_nothing_in_doubt(fixture: &Fixture) {
    let store = &fixture.store;
    let waiting = waiting(fixture, 2).await;
    let me = dispatcher(store).await;
    assert!(begin(store, &me, &[waiting[0].id]).await);
    let whole = all_of(store);
    let left = store.release_leases(&me, &whole, Leaving::ForGood).await;
    left.unwrap();
    dispatcher(store).await;
    assert_eq!(lost(store).await, []);
    // It has no row any more, so it begins nothing.
    assert!(!begin(store, &me, &[waiting[1].id]).await);
}

pub async fn a_process_that_breaks_says_what_it_was_working_on(fixture: &Fixture) {
    let store = &fixture.store;
    let waiting = waiting(fixture, 2).await;
    let me = dispatcher(store).await;
    let whole = all_of(store);
    assert!(begin(store, &me, &[waiting[0].id]).await);
    for _ in 0..2 {
        // The second time there is nothing left to give back.
        let left = store.release_leases(&me, &whole, Leaving::Broken).await;
        left.unwrap();
    }
    // Another one has them at once, without any wait for a heartbeat.
    dispatcher(store).await;
    assert_eq!(lost(store).await, [(waiting[0].id, 1)]);
    assert!(!begin(store, &me, &[waiting[1].id]).await);
}

pub async fn a_process_that_is_held_for_dead_begins_nothing(fixture: &Fixture) {
    let store = &fixture.store;
    let waiting = waiting(fixture, 2).await;
    let me = dispatcher(store).await;
    // It counts on meanwhile, so it is not dead.
    let other = DispatcherId::random();
    store.heartbeat(&other).await.unwrap();
    store.heartbeat(&me).await.unwrap();
    let dead = BTreeMap::from([(me.clone(), 1)]);
    let taken = store.take_leases(&other, &dead, &all_of(store)).await;
    assert_eq!(taken.unwrap(), BTreeSet::new());
    assert!(begin(store, &me, &[waiting[0].id]).await);
    assert!(store.record_timers(&me, &[]).await.unwrap());

    take_over(store, &me).await;
    assert!(!begin(store, &me, &[waiting[1].id]).await);
    assert!(!store.record_timers(&me, &[]).await.unwrap());
    assert_eq!(lost(store).await, [(waiting[0].id, 1)]);
}

pub async fn who_decides_by_hand_forgets_what_was_counted(fixture: &Fixture) {
    let store = &fixture.store;
    let waiting = waiting(fixture, 3).await;
    let ids: Vec<_> = waiting.iter().map(|delivery| delivery.id).collect();
    let me = dispatcher(store).await;
    assert!(begin(store, &me, &ids).await);
    take_over(store, &me).await;
    assert_eq!(lost(store).await.len(), 3);
    fixture.time.advance(Duration::from_secs(1));
    retry(store, ids[0]).await;
    skip(store, ids[1]).await;
    assert_eq!(lost(store).await, [(ids[2], 1)]);
    assert_eq!(lane(store, "L-0", "erp").await.len(), 1);
}

/// Orders that are due.
async fn due(store: &Store) -> Vec<DueOrder> {
    let mut due = Vec::new();
    for partition in all_of(store) {
        let found = store.due_orders(partition, 100).await.unwrap();
        due.extend(found.into_iter().map(Result::unwrap));
    }
    due.sort_by_key(|due| due.order.id.to_string());
    due
}

async fn unpaid(store: &Store, id: &str) {
    let order = NewOrder {
        state: Some(state("pending_payment")),
        ..new_order(id)
    };
    done(store, create_as(order)).await;
}

pub async fn a_timer_during_which_a_process_ended_is_counted(fixture: &Fixture) {
    let store = &fixture.store;
    for id in ["T-1", "T-2", "T-3"] {
        unpaid(store, id).await;
    }
    fixture.time.advance(Duration::from_hours(8));
    let found = due(store).await;
    let keys: Vec<_> = found.iter().map(DueOrder::key).collect();
    let mut me = dispatcher(store).await;
    assert!(store.record_timers(&me, &keys).await.unwrap());
    // One has fired, one has changed since.
    let up = act("T-1", Action::TimeUp);
    done(store, expecting(up, found[0].order.version)).await;
    done(store, comment("T-2", "wait")).await;
    me = take_over(store, &me).await;
    let all = all_of(store);
    let lost = store.lost_timers(&all).await.unwrap();
    assert_eq!(lost, BTreeMap::from([(keys[2], 1)]));

    for tries in 2..=3 {
        assert!(store.record_timers(&me, &keys[2..]).await.unwrap());
        me = take_over(store, &me).await;
        let lost = store.lost_timers(&all).await.unwrap();
        assert_eq!(lost, BTreeMap::from([(keys[2], tries)]));
    }
    // Parked, it is due again after any change, and tried as often as any other.
    store.park_timer(&found[2]).await.unwrap();
    assert_eq!(store.lost_timers(&all).await.unwrap(), BTreeMap::new());
    let ids = |due: Vec<DueOrder>| {
        let ids = due.iter().map(|due| due.order.id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(due(store).await), ["T-2"]);
    done(store, comment("T-3", "again")).await;
    let found = due(store).await;
    let again = found[1].key();
    assert_ne!(again, keys[2]);

    // What was counted of an order before it changed does not count any more.
    assert!(store.record_timers(&me, &[again]).await.unwrap());
    me = take_over(store, &me).await;
    done(store, comment("T-3", "and again")).await;
    let found = due(store).await;
    let changed = found[1].key();
    assert!(store.record_timers(&me, &[changed]).await.unwrap());
    me = take_over(store, &me).await;
    let lost = store.lost_timers(&all).await.unwrap();
    assert_eq!(lost, BTreeMap::from([(changed, 1)]));
    store.clear_lost_timer(changed).await.unwrap();
    // What a round has left behind it is not in doubt.
    assert!(store.record_timers(&me, &[changed]).await.unwrap());
    assert!(store.record_timers(&me, &[]).await.unwrap());
    take_over(store, &me).await;
    assert_eq!(store.lost_timers(&all).await.unwrap(), BTreeMap::new());
}
