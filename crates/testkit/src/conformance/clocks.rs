//! A clock that was ahead, or goes back: entries never do, and all else goes by the clock.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeSet, time::Duration};

use waymark_domain::{
    delivery::Delivery,
    order::{Action, NewOrder, Rejection, wait_start},
    value::{Reason, Timestamp},
};
use waymark_persistence::{
    Committed, DispatcherId, DueOrder, NextStep, Refusal, Step, StepError, Store,
};

use super::deliveries::{account, all_of, declare, dispatcher, everything, finish, lane, later};
use crate::{
    Fixture,
    build::{
        act, all, comment, commit, create, create_as, done, expecting, new_order, order_id,
        order_workflow, state,
    },
};

const HOUR: Duration = Duration::from_hours(1);
/// How long an order may wait for its payment in the preset.
const UNPAID_MAX: Duration = Duration::from_hours(8);

/// Sets the clock an hour ahead, and gives the way back.
fn ahead(fixture: &Fixture) -> Timestamp {
    let right = fixture.clock().now();
    fixture.time.advance(HOUR);
    right
}

/// An order that waits for its payment.
fn unpaid(id: &str) -> Step {
    create_as(NewOrder {
        state: Some(state("pending_payment")),
        ..new_order(id)
    })
}

async fn due(store: &Store, me: &DispatcherId, lane: &str) -> Vec<Delivery> {
    let due = store.due_deliveries(me, &all_of(store), lane, 100).await;
    due.unwrap()
}

async fn due_orders(store: &Store) -> Vec<DueOrder> {
    let mut due = Vec::new();
    for partition in all_of(store) {
        let found = store.due_orders(partition, 100).await.unwrap();
        due.extend(found.into_iter().map(Result::unwrap));
    }
    due
}

fn time_up(order: &DueOrder) -> Step {
    let id = order.order.id.to_string();
    expecting(act(&id, Action::TimeUp), order.order.version)
}

fn created(committed: &Committed) -> Timestamp {
    committed.entries[0].entry.create_time
}

pub async fn deliveries_are_due_by_the_clock(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let right = ahead(fixture);
    let first = done(store, create("A-1")).await;
    fixture.time.set(right);
    let said = done(store, comment("A-1", "x")).await;
    assert_eq!(created(&said), created(&first), "entries do not go back");
    let noted = &said.entries[0].entry.metadata.as_map()["waymark.ahead_micros"];
    assert_eq!(*noted, HOUR.as_micros().to_string());
    let found = due(store, &me, "webhook.crm").await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].due_time, found[0].create_time),
        (Some(right), created(&said))
    );
}

pub async fn what_a_clock_that_was_ahead_has_put_off_is_put_right(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let right = ahead(fixture);
    for id in ["A-1", "A-2", "A-3"] {
        done(store, create(id)).await;
    }
    let retry = |seconds: u64| NextStep::Retry {
        at: later(fixture, Duration::from_secs(seconds)),
        problem: "busy".to_owned(),
    };
    let tried = lane(store, "A-1", "erp").await;
    finish(fixture, &me, &tried, &retry(5)).await;
    fixture.time.set(right);
    // One that failed by the right clock waits as it should.
    let waits = lane(store, "A-2", "erp").await;
    finish(fixture, &me, &waits, &retry(7_200)).await;
    let waits = account(store, waits[0].id).await.delivery;
    assert_eq!(due(store, &me, "webhook.erp").await, []);

    let foreign = DispatcherId::random();
    store.heartbeat(&foreign).await.unwrap();
    let all = all_of(store);
    assert_eq!(
        store.correct_delivery_times(&foreign, &all).await.unwrap(),
        0
    );
    let none = BTreeSet::new();
    assert_eq!(store.correct_delivery_times(&me, &none).await.unwrap(), 0);
    let waiting = everything(store).await.len();
    let put_right = store.correct_delivery_times(&me, &all).await.unwrap();
    assert_eq!(
        put_right,
        waiting - 1,
        "all but the one that waits by the right clock"
    );
    let ids = |due: Vec<Delivery>| {
        due.iter()
            .map(|d| d.order_id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(due(store, &me, "webhook.erp").await), ["A-3"]);
    // Once is enough: nothing waits shorter for being looked at again.
    assert_eq!(store.correct_delivery_times(&me, &all).await.unwrap(), 0);
    let tried = account(store, tried[0].id).await.delivery;
    assert_eq!(
        (tried.due_time, tried.attempts),
        (Some(later(fixture, Duration::from_secs(5))), 1)
    );
    assert_eq!(account(store, waits.id).await.delivery, waits);
    fixture.time.advance(Duration::from_secs(5));
    assert_eq!(ids(due(store, &me, "webhook.erp").await).len(), 2);
}

pub async fn timers_go_by_the_clock(fixture: &Fixture) {
    let store = &fixture.store;
    let right = ahead(fixture);
    for number in 0..16 {
        done(store, create(&format!("A-{number}"))).await;
    }
    fixture.time.set(right);
    let waiting = done(store, unpaid("B-1")).await;
    assert_eq!(
        waiting.order.as_ref().unwrap().status_time,
        later(fixture, HOUR)
    );
    assert_eq!(wait_start(waiting.order.as_ref().unwrap()), right);
    fixture
        .time
        .advance(UNPAID_MAX.saturating_sub(Duration::from_micros(1)));
    assert!(due_orders(store).await.is_empty());
    fixture.time.advance(Duration::from_micros(1));
    let found = due_orders(store).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        Some(&found[0].order),
        waiting.order.as_ref(),
        "as the database gives it"
    );
    // The log is where the clock is again, or not: it is the clock that counts.
    done(store, time_up(&found[0])).await;
    assert!(due_orders(store).await.is_empty());
}

pub async fn a_timer_fires_while_the_log_is_ahead(fixture: &Fixture) {
    let store = &fixture.store;
    let right = fixture.clock().now();
    fixture.time.advance(Duration::from_hours(100));
    for number in 0..16 {
        done(store, create(&format!("A-{number}"))).await;
    }
    fixture.time.set(right);
    done(store, unpaid("B-1")).await;
    fixture.time.advance(UNPAID_MAX);
    let found = due_orders(store).await;
    assert_eq!(found.len(), 1);
    let fired = done(store, time_up(&found[0])).await;
    assert_eq!(
        fired.order.as_ref().unwrap().standing.status.as_str(),
        "canceled"
    );
    assert!(due_orders(store).await.is_empty());
}

pub async fn waits_that_began_under_a_clock_that_was_ahead_are_put_right(fixture: &Fixture) {
    let store = &fixture.store;
    let right = ahead(fixture);
    for number in 0..9 {
        done(store, unpaid(&format!("A-{number}"))).await;
    }
    let look = async || {
        let mut count = 0;
        for partition in all_of(store) {
            count += store.correct_order_times(partition).await.unwrap();
        }
        count
    };
    assert_eq!(look().await, 0, "as long as the clock is ahead");
    // They have waited for half an hour when the log sees the last of that clock.
    fixture.time.advance(HOUR / 2);
    for number in 0..16 {
        done(store, create(&format!("B-{number}"))).await;
    }
    fixture.time.set(later_than(right, HOUR / 2));
    done(store, comment("A-0", "x")).await;
    assert_eq!(look().await, 9);
    let found = due_orders(store).await;
    assert_eq!(found.len(), 9);
    for due in &found {
        let put_right = commit(store, time_up(due)).await;
        if due.order.id.as_str() == "A-0" {
            // Its comment has put it right already.
            let nothing = StepError::Refused(Refusal::Rejected(Rejection::NothingDue));
            assert_eq!(put_right.unwrap_err(), nothing);
            let workflow = store.workflow(&order_workflow()).await.unwrap().unwrap();
            let next = workflow.graph.due_time(&due.order);
            store.reschedule(due, next).await.unwrap();
        } else {
            let order = put_right.unwrap().order.unwrap();
            assert_eq!(wait_start(&order), right);
        }
    }
    assert!(due_orders(store).await.is_empty());
    fixture.time.set(later_than(
        right,
        UNPAID_MAX.saturating_sub(Duration::from_micros(1)),
    ));
    assert!(due_orders(store).await.is_empty());
    fixture.time.advance(Duration::from_micros(1));
    let found = due_orders(store).await;
    assert_eq!(
        found.len(),
        9,
        "as long as they were to wait, and no longer"
    );
    let fired = done(store, time_up(&found[0])).await;
    assert_eq!(
        fired.order.as_ref().unwrap().standing.status.as_str(),
        "canceled"
    );
}

fn later_than(instant: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(instant.micros() + i64::try_from(by.as_micros()).unwrap())
}

pub async fn many_that_a_clock_has_put_off_are_put_right(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let right = ahead(fixture);
    // More than one transaction takes, in each partition.
    let steps = (0..1_000).map(|number| unpaid(&format!("A-{number}")));
    let created = all(store, steps.collect()).await;
    assert!(created.iter().all(Result::is_ok));
    fixture.time.set(right);

    let partitions = all_of(store);
    let waiting = everything(store).await.len();
    assert!(waiting >= 1_000, "{waiting}");
    let put_right = store.correct_delivery_times(&me, &partitions).await;
    assert_eq!(put_right.unwrap(), waiting);
    let again = store.correct_delivery_times(&me, &partitions).await;
    assert_eq!(again.unwrap(), 0);
    let all_due = everything(store).await;
    assert!(all_due.iter().all(|d| d.due_time == Some(right)));

    for expected in [1_000, 0] {
        let mut count = 0;
        for partition in &partitions {
            let looked_at = store.correct_order_times(*partition).await;
            count += looked_at.unwrap();
        }
        assert_eq!(count, expected);
    }
}

pub async fn holds_expire_by_the_clock(fixture: &Fixture) {
    let store = &fixture.store;
    let right = ahead(fixture);
    done(store, unpaid("A-1")).await;
    fixture.time.set(right);
    let until = later(fixture, Duration::from_mins(1));
    let hold = |expire_time| {
        let (reason, status) = (Reason::default(), None);
        act(
            "A-1",
            Action::Hold {
                reason,
                status,
                expire_time: Some(expire_time),
            },
        )
    };
    let refused = commit(store, hold(right)).await.unwrap_err();
    assert!(matches!(
        refused,
        StepError::Refused(Refusal::Rejected(Rejection::Field {
            field: "expire_time",
            ..
        }))
    ));
    done(store, hold(until)).await;
    assert!(due_orders(store).await.is_empty());
    fixture.time.set(until);
    let found = due_orders(store).await;
    assert_eq!(found[0].due_time, until);
    let released = done(store, time_up(&found[0])).await;
    assert!(released.order.as_ref().unwrap().holds.is_empty());
    let key = (order_workflow(), order_id("A-1"));
    let stored = store.find_orders(&[key]).await.unwrap().remove(0);
    assert_eq!(
        stored.order.unwrap().read().unwrap(),
        released.order.unwrap()
    );
}
