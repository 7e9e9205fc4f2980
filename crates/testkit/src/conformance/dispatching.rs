//! Dispatching: the deliveries that are due, and the results of attempts.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeSet, time::Duration};

use waymark_domain::{
    delivery::{Attempt, Delivery, DeliveryId, DeliveryState, Outcome},
    value::Timestamp,
};
use waymark_persistence::{DispatcherId, Finished, NextStep, Store, UnreadableDelivery};

use super::deliveries::{
    account, all_of, attempt, declare, dispatcher, everything, finish, give_up, lane, later, retry,
    skip,
};
use crate::{
    Fixture,
    build::{all, comment, create, done, order_id, order_workflow},
};

const CRM: &str = "webhook.crm";
const ERP: &str = "webhook.erp";

async fn due(store: &Store, me: &DispatcherId, lane: &str, limit: i64) -> Vec<Delivery> {
    let due = store.due_deliveries(me, &all_of(store), lane, limit).await;
    due.unwrap()
}

async fn due_ids(store: &Store, me: &DispatcherId, lane: &str) -> Vec<DeliveryId> {
    ids(&due(store, me, lane, 100).await)
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

fn retry_at(at: Timestamp) -> NextStep {
    NextStep::Retry {
        at,
        problem: "busy".to_owned(),
    }
}

/// An order with so many comments, and its deliveries to the endpoint of comments.
async fn commented(store: &Store, id: &str, count: usize) -> Vec<Delivery> {
    done(store, create(id)).await;
    let comments = all(store, vec![comment(id, "x"); count]).await;
    assert!(comments.iter().all(Result::is_ok));
    lane(store, id, "crm").await
}

pub async fn what_is_due_comes_by_time(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let orders: Vec<_> = (0..24).map(|number| format!("D-{number}")).collect();
    let created = all(store, orders.iter().map(|id| create(id)).collect()).await;
    assert!(created.iter().all(Result::is_ok));
    let me = dispatcher(store).await;
    let found = due(store, &me, ERP, 100).await;
    assert_eq!(found.len(), 24);
    // The last of them is due first.
    for (index, delivery) in found.iter().enumerate() {
        let wait = 1_000 - u64::try_from(index).unwrap();
        let at = later(fixture, Duration::from_secs(wait));
        finish(fixture, &me, std::slice::from_ref(delivery), &retry_at(at)).await;
    }
    fixture.time.advance(Duration::from_secs(976));
    assert_eq!(due(store, &me, ERP, 100).await, []);
    fixture.time.advance(Duration::from_secs(1));
    assert_eq!(due_ids(store, &me, ERP).await, [found[23].id]);
    fixture.time.advance(Duration::from_hours(1));
    assert_eq!(due(store, &me, ERP, 100).await.len(), 24);
    for partition in all_of(store) {
        let here = BTreeSet::from([partition]);
        let poll = async |lane, limit| {
            let due = store.due_deliveries(&me, &here, lane, limit).await.unwrap();
            assert!(due.iter().all(|d| d.id.position.partition == partition));
            due
        };
        let whole = poll(ERP, 100).await;
        assert!(whole.len() > 2, "{partition:?}");
        assert!(whole.is_sorted_by_key(|delivery| delivery.due_time));
        assert_eq!(poll(ERP, 2).await, whole[..2]);
        assert_eq!(poll("webhook.er", 100).await, []);
        let of_events = poll("publish", 100).await;
        assert_eq!(of_events.len(), whole.len());
    }
    assert_eq!(
        store
            .due_deliveries(&me, &BTreeSet::new(), ERP, 9)
            .await
            .unwrap(),
        []
    );
}

pub async fn lanes_with_something_due_are_found(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    assert_eq!(store.busy_lanes().await.unwrap(), Vec::<String>::new());
    let comments = commented(store, "A-1", 3).await;
    let me = dispatcher(store).await;
    assert_eq!(store.busy_lanes().await.unwrap(), ["publish", CRM, ERP]);
    for delivery in everything(store).await {
        if delivery.action.to_string() == "create.tell_all" {
            finish(fixture, &me, &[delivery], &NextStep::Succeed).await;
        }
    }
    skip(store, lane(store, "A-1", "erp").await[0].id).await;
    assert_eq!(store.busy_lanes().await.unwrap(), [CRM]);
    // One that is tried later still counts; those behind it do not.
    let at = later(fixture, Duration::from_secs(5));
    assert_eq!(due_ids(store, &me, CRM).await, [comments[0].id]);
    finish(fixture, &me, &comments[..1], &retry_at(at)).await;
    assert_eq!(store.busy_lanes().await.unwrap(), [CRM]);
    for (number, delivery) in comments.iter().enumerate() {
        assert_eq!(store.busy_lanes().await.unwrap(), [CRM], "{number}");
        fixture.time.advance(Duration::from_secs(5));
        finish(
            fixture,
            &me,
            std::slice::from_ref(delivery),
            &NextStep::Succeed,
        )
        .await;
    }
    assert_eq!(store.busy_lanes().await.unwrap(), Vec::<String>::new());
}

pub async fn all_that_waits_is_walked(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let orders: Vec<_> = (0..600).map(|number| format!("W-{number}")).collect();
    let created = all(store, orders.iter().map(|id| create(id)).collect()).await;
    assert!(created.iter().all(Result::is_ok));
    let me = dispatcher(store).await;
    let mut whole = everything(store).await;
    whole.sort_by_key(|delivery| delivery.id);
    let ended = whole.iter().step_by(7).cloned().collect::<Vec<_>>();
    finish(fixture, &me, &ended, &NextStep::Succeed).await;
    whole.retain(|delivery| !ended.contains(delivery));

    let mut walked = Vec::new();
    let mut calls = 0;
    for partition in all_of(store) {
        let mut after = None;
        loop {
            let waiting = store.waiting_deliveries(partition, after).await.unwrap();
            walked.extend(waiting.deliveries);
            calls += 1;
            after = waiting.next;
            if after.is_none() {
                break;
            }
        }
    }
    assert_eq!(walked, whole);
    assert!(calls > all_of(store).len(), "{calls}");
    // One that cannot be read does not hide the others.
    let spoilt = "UPDATE deliveries SET action = '?' WHERE order_id = 'W-1'";
    fixture.execute(spoilt).await;
    let partition = store.partition_of(&order_workflow(), &order_id("W-1"));
    let waiting = store.waiting_deliveries(partition, None).await.unwrap();
    let is_spoilt = |delivery: &Delivery| delivery.order_id == order_id("W-1");
    assert!(!waiting.deliveries.is_empty() && !waiting.deliveries.iter().any(is_spoilt));
    // It is told apart, to be given up.
    let is_told = |one: &UnreadableDelivery| one.order_id == "W-1";
    assert!(!waiting.unreadable.is_empty() && waiting.unreadable.iter().all(is_told));
}

pub async fn those_that_wait_say_what_blocks_their_lane(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let first = commented(store, "A-1", 1).await;
    let second = commented(store, "A-2", 1).await;
    let me = dispatcher(store).await;
    let problems = async || store.problems_in_lane(CRM).await.unwrap();
    assert_eq!(problems().await, Vec::<String>::new());
    let at = later(fixture, Duration::from_secs(5));
    finish(fixture, &me, &first, &retry_at(at)).await;
    assert_eq!(problems().await, ["busy"]);
    assert_eq!(
        store.problems_in_lane(ERP).await.unwrap(),
        Vec::<String>::new()
    );
    // One that is due waits for nothing but its turn.
    fixture.time.advance(Duration::from_secs(5));
    finish(fixture, &me, &second, &give_up()).await;
    assert_eq!(problems().await, Vec::<String>::new());
}

pub async fn deliveries_of_an_order_go_in_turn(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let queue = commented(store, "A-1", 4).await;
    let other = commented(store, "A-2", 2).await;
    let me = dispatcher(store).await;
    let first_of = async |queue: &[Delivery]| {
        let due = due(store, &me, CRM, 100).await;
        let of_order = |d: &&Delivery| d.order_id == queue[0].order_id;
        due.iter()
            .filter(of_order)
            .map(|d| d.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(first_of(&queue).await, [queue[0].id]);
    let aside = lane(store, "A-1", "crm").await;
    assert!(
        aside[1..]
            .iter()
            .all(|delivery| delivery.due_time.is_none())
    );

    // While the first waits for its next attempt, so do those behind it.
    let at = later(fixture, Duration::from_mins(1));
    finish(fixture, &me, &queue[..1], &retry_at(at)).await;
    fixture.time.advance(Duration::from_secs(59));
    assert_eq!(first_of(&queue).await, []);
    assert_eq!(first_of(&other).await, [other[0].id]);
    fixture.time.advance(Duration::from_secs(1));
    assert_eq!(first_of(&queue).await, [queue[0].id]);

    // One that is given up lets the next have its turn, at once.
    let found = account(store, queue[0].id).await.delivery;
    finish(fixture, &me, &[found], &give_up()).await;
    assert_eq!(first_of(&queue).await, [queue[1].id]);
    let unparked = account(store, queue[1].id).await.delivery;
    assert_eq!(unparked.due_time, Some(fixture.clock().now()));
    finish(fixture, &me, &[unparked], &NextStep::Succeed).await;
    assert_eq!(first_of(&queue).await, [queue[2].id]);
    skip(store, queue[2].id).await;
    assert_eq!(first_of(&queue).await, [queue[3].id]);
    finish(fixture, &me, &queue[3..], &NextStep::Succeed).await;
    assert_eq!(first_of(&queue).await, []);
    assert_eq!(first_of(&other).await, [other[0].id]);
}

pub async fn what_is_retried_goes_before_later_ones(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let queue = commented(store, "A-1", 3).await;
    let me = dispatcher(store).await;
    finish(fixture, &me, &queue[..1], &give_up()).await;
    assert_eq!(due_ids(store, &me, CRM).await, [queue[1].id]);
    let at = later(fixture, Duration::from_secs(5));
    finish(fixture, &me, &queue[1..2], &retry_at(at)).await;

    // The first comes again while the second waits for its next attempt.
    fixture.time.advance(Duration::from_secs(1));
    let again = retry(store, queue[0].id).await;
    assert_eq!(due_ids(store, &me, CRM).await, [queue[0].id]);
    let at = later(fixture, Duration::from_mins(1));
    finish(fixture, &me, &[again], &retry_at(at)).await;
    fixture.time.advance(Duration::from_secs(10));
    assert_eq!(due_ids(store, &me, CRM).await, []);
    let second = account(store, queue[1].id).await.delivery;
    assert_eq!((second.due_time, second.attempts), (None, 1));
    fixture.time.advance(Duration::from_secs(50));
    let first = due(store, &me, CRM, 9).await;
    assert_eq!(ids(&first), [queue[0].id]);
    finish(fixture, &me, &first, &NextStep::Succeed).await;
    assert_eq!(due_ids(store, &me, CRM).await, [queue[1].id]);

    // And where the later one is under way when the first comes again, its success stands.
    fixture.time.advance(Duration::from_secs(1));
    let under_way = due(store, &me, CRM, 9).await;
    finish(fixture, &me, &under_way, &give_up()).await;
    let under_way = due(store, &me, CRM, 9).await;
    assert_eq!(ids(&under_way), [queue[2].id]);
    let second = retry(store, queue[1].id).await;
    assert_eq!(due_ids(store, &me, CRM).await, [queue[1].id]);
    finish(fixture, &me, &under_way, &NextStep::Succeed).await;
    fixture.time.advance(Duration::from_secs(1));
    finish(fixture, &me, &[second], &NextStep::Succeed).await;
    let states = lane(store, "A-1", "crm").await;
    assert!(states.iter().all(|d| d.state == DeliveryState::Succeeded));
    assert_eq!(due_ids(store, &me, CRM).await, []);
}

pub async fn a_stuck_order_holds_up_no_other(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let stuck = commented(store, "A-0", 300).await;
    let partition = store.partition_of(&order_workflow(), &order_id("A-0"));
    let other = (1..).map(|number| format!("A-{number}"));
    let in_partition =
        |id: &String| store.partition_of(&order_workflow(), &order_id(id)) == partition;
    let other = other.filter(in_partition).take(2).collect::<Vec<_>>();
    let me = dispatcher(store).await;
    let at = later(fixture, Duration::from_hours(1));
    finish(fixture, &me, &stuck[..1], &retry_at(at)).await;
    fixture.time.advance(Duration::from_secs(1));
    let mut expected = Vec::new();
    for id in &other {
        expected.push(commented(store, id, 30).await[0].id);
    }
    // Hundreds that wait are due before those of the others, and take none of their room.
    assert_eq!(ids(&due(store, &me, CRM, 4).await), expected);
    let waiting = lane(store, "A-0", "crm").await;
    assert!(
        waiting[1..]
            .iter()
            .all(|delivery| delivery.due_time.is_none())
    );
}

pub async fn every_end_of_an_attempt_is_recorded(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let me = dispatcher(store).await;
    let first = lane(store, "A-1", "erp").await.remove(0);
    let at = later(fixture, Duration::from_secs(5));
    finish(fixture, &me, std::slice::from_ref(&first), &retry_at(at)).await;
    let now = fixture.clock().now();
    let waits = account(store, first.id).await.delivery;
    let expected = Delivery {
        attempts: 1,
        problem: "busy".to_owned(),
        due_time: Some(at),
        update_time: now,
        ..first.clone()
    };
    assert_eq!(waits, expected);

    fixture.time.advance(Duration::from_secs(5));
    finish(fixture, &me, &[waits], &give_up()).await;
    let dead = account(store, first.id).await.delivery;
    assert_eq!((dead.state, dead.attempts), (DeliveryState::Dead, 2));
    assert_eq!(
        (dead.problem.as_str(), dead.due_time),
        ("nobody listens", None)
    );

    let again = retry(store, first.id).await;
    fixture.time.advance(Duration::from_secs(5));
    let long = Attempt {
        answer: vec![b'x'; 5_000],
        code: None,
        problem: String::new(),
        ..attempt(fixture, Outcome::Refused)
    };
    let skipped = Finished {
        delivery: again,
        attempt: Some(long.clone()),
        next: NextStep::Skip {
            problem: "switched off".to_owned(),
        },
    };
    store.record_results(&me, &[skipped]).await.unwrap();
    let account = account(store, first.id).await;
    let delivery = &account.delivery;
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Skipped, 1)
    );
    assert_eq!(
        (delivery.problem.as_str(), delivery.due_time),
        ("switched off", None)
    );
    // The attempts have numbers over all retries, and the beginnings of answers are kept.
    let outcomes = account
        .attempts
        .iter()
        .map(|(number, a)| (*number, a.outcome));
    let outcomes: Vec<_> = outcomes.collect();
    let failed = Outcome::Failed;
    assert_eq!(outcomes, [(1, failed), (2, failed), (3, Outcome::Refused)]);
    let answer = vec![b'x'; 1_024];
    assert_eq!(account.attempts[2].1, Attempt { answer, ..long });
}

pub async fn what_was_not_attempted_has_no_attempts(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let queue = commented(store, "A-1", 2).await;
    let me = dispatcher(store).await;
    for (delivery, next, state) in [
        (&queue[0], give_up(), DeliveryState::Dead),
        (
            &queue[1],
            NextStep::Skip {
                problem: "switched off".to_owned(),
            },
            DeliveryState::Skipped,
        ),
    ] {
        assert_eq!(due_ids(store, &me, CRM).await, [delivery.id]);
        let finished = Finished {
            delivery: delivery.clone(),
            attempt: None,
            next,
        };
        store.record_results(&me, &[finished]).await.unwrap();
        let account = account(store, delivery.id).await;
        assert_eq!(
            (account.delivery.state, account.delivery.attempts),
            (state, 0)
        );
        assert_eq!(account.attempts, []);
    }
    assert_eq!(due_ids(store, &me, CRM).await, []);
}

pub async fn what_somebody_decided_meanwhile_stands(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let at = later(fixture, Duration::from_secs(5));
    for (number, next) in [retry_at(at), give_up(), NextStep::Succeed]
        .iter()
        .enumerate()
    {
        let id = format!("A-{number}");
        let queue = commented(store, &id, 2).await;
        let skipped = skip(store, queue[0].id).await;
        finish(fixture, &me, &queue[..1], next).await;
        let found = account(store, queue[0].id).await;
        assert_eq!(found.attempts.len(), 1, "{next:?}");
        if *next == NextStep::Succeed {
            assert_eq!(found.delivery.state, DeliveryState::Succeeded);
            assert_eq!(found.delivery.attempts, 1);
        } else {
            assert_eq!(found.delivery, skipped, "{next:?}");
        }
    }
    // A retry sets the attempts back, so what an earlier one came to does not count.
    done(store, create("B-1")).await;
    let first = lane(store, "B-1", "erp").await.remove(0);
    finish(fixture, &me, std::slice::from_ref(&first), &retry_at(at)).await;
    fixture.time.advance(Duration::from_secs(9));
    let under_way = account(store, first.id).await.delivery;
    assert_eq!(under_way.attempts, 1);
    let retried = retry(store, first.id).await;
    finish(fixture, &me, &[under_way], &give_up()).await;
    let found = account(store, first.id).await;
    assert_eq!(found.delivery, retried);
    assert_eq!(found.attempts.len(), 2);
}

pub async fn nothing_is_recorded_twice(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let at = later(fixture, Duration::from_secs(5));
    let skip = NextStep::Skip {
        problem: "switched off".to_owned(),
    };
    let ends = [retry_at(at), give_up(), skip, NextStep::Succeed];
    for (number, next) in ends.iter().enumerate() {
        let id = format!("A-{number}");
        let queue = commented(store, &id, 2).await;
        finish(fixture, &me, &queue[..1], next).await;
        let noted = (
            account(store, queue[0].id).await,
            lane(store, &id, "crm").await,
        );
        fixture.time.advance(Duration::from_secs(1));
        let finished = Finished {
            delivery: queue[0].clone(),
            attempt: noted.0.attempts.first().map(|(_, attempt)| attempt.clone()),
            next: next.clone(),
        };
        store
            .record_results(&me, std::slice::from_ref(&finished))
            .await
            .unwrap();
        let again = (
            account(store, queue[0].id).await,
            lane(store, &id, "crm").await,
        );
        assert_eq!(again, noted, "{next:?}");
        if *next == NextStep::Succeed {
            continue;
        }
        // Not even after somebody had it tried again, which makes it look as it did.
        let retried = retry(store, queue[0].id).await;
        store.record_results(&me, &[finished]).await.unwrap();
        let again = account(store, queue[0].id).await;
        assert_eq!(
            (again.delivery, again.attempts),
            (retried, noted.0.attempts),
            "{next:?}"
        );
    }
}

pub async fn a_batch_with_foreign_deliveries_is_recorded_in_part(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let orders: Vec<_> = (0..16).map(|number| format!("D-{number}")).collect();
    let created = all(store, orders.iter().map(|id| create(id)).collect()).await;
    assert!(created.iter().all(Result::is_ok));
    let me = dispatcher(store).await;
    let found = due(store, &me, ERP, 100).await;
    let foreign = found[0].id.position.partition;
    let given_up = BTreeSet::from([foreign]);
    let leaving = waymark_persistence::Leaving::ForNow;
    store.release_leases(&me, &given_up, leaving).await.unwrap();

    finish(fixture, &me, &found, &NextStep::Succeed).await;
    let mut noted = 0;
    for before in &found {
        let after = account(store, before.id).await;
        if before.id.position.partition == foreign {
            assert_eq!((&after.delivery, after.attempts.len()), (before, 0));
        } else {
            assert_eq!(after.delivery.state, DeliveryState::Succeeded);
            assert_eq!(after.attempts.len(), 1);
            noted += 1;
        }
    }
    assert!(0 < noted && noted < found.len());
}
