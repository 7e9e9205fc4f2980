//! The outbox: deliveries are listed, retried, skipped.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeMap, time::Duration};

use waymark_domain::{
    delivery::{Attempt, Decision, Delivery, DeliveryId, DeliveryState, Outcome, Verdict},
    history::{Destination, LogPosition},
    partition::Partition,
    value::{EndpointCode, Reason, Timestamp},
};
use waymark_persistence::{
    ChangeError, ChangeMode, DeliveryQuery, Finished, NextStep, OutboxCall, OutboxRefusal, Store,
};

use super::deliveries::{
    CALL, account, all_of, attempt, declare, dispatcher, everything, finish, fulfilled, give_up,
    lane, list, nothing, retry, skip,
};
use crate::{
    Fixture,
    build::{
        all, comment, create, create_as, done, new_order, order_id, order_workflow, transition,
        workflow_code,
    },
};

/// Twenty orders of two workflows, some with comments, some cancelled, and deliveries in all states.
async fn populate(fixture: &Fixture) -> Vec<Delivery> {
    declare(fixture).await;
    for number in 0..20 {
        if number % 3 != 0 {
            fixture.time.advance(Duration::from_secs(1));
        }
        let code = if number % 4 == 0 { "other" } else { "order" };
        let mut order = new_order(&format!("L-{number}"));
        order.workflow = workflow_code(code);
        done(&fixture.store, create_as(order)).await;
    }
    for number in (0..20).filter(|number| number % 4 != 0) {
        let id = format!("L-{number}");
        let step = match number % 3 {
            0 => comment(&id, "x"),
            1 => transition(&id, "cancel"),
            _ => continue,
        };
        done(&fixture.store, step).await;
    }
    let me = dispatcher(&fixture.store).await;
    let at = fixture.clock().now();
    let problem = || "busy".to_owned();
    let nexts = [
        NextStep::Succeed,
        give_up(),
        NextStep::Retry {
            at,
            problem: problem(),
        },
        NextStep::Skip { problem: problem() },
    ];
    for (index, delivery) in everything(&fixture.store).await.into_iter().enumerate() {
        if let Some(next) = nexts.get(index % 5) {
            finish(fixture, &me, &[delivery], next).await;
        }
    }
    everything(&fixture.store).await
}

pub async fn everything_that_was_set_off_is_listed(fixture: &Fixture) {
    let listed = populate(fixture).await;
    let mut expected = BTreeMap::new();
    for partition in fixture.store.partition_count().all() {
        let entries = fixture.store.history_after(partition, 0, 1_000).await;
        for batched in entries.unwrap() {
            for (number, set_off) in (0..).zip(&batched.logged.entry.set_off) {
                let position = batched.logged.position;
                let id = DeliveryId { position, number };
                expected.insert(id, (set_off.clone(), batched.logged.clone()));
            }
        }
    }
    assert_eq!(listed.len(), expected.len());
    assert!(listed.len() > 40);
    for delivery in &listed {
        let (set_off, logged) = &expected[&delivery.id];
        assert_eq!(
            (&delivery.action, &delivery.to),
            (&set_off.action, &set_off.to)
        );
        assert_eq!(delivery.order_id, logged.order_id);
        assert_eq!(delivery.sequence, logged.entry.sequence);
        assert_eq!(delivery.transition, logged.entry.transition);
        assert_eq!(delivery.create_time, logged.entry.create_time);
    }
    let in_turn = |pair: &[Delivery]| pair[0].create_time >= pair[1].create_time;
    assert!(listed.windows(2).all(in_turn));
    for limit in [1, 2, 7, listed.len() - 1, listed.len(), listed.len() + 1] {
        let any = DeliveryQuery::default();
        assert_eq!(
            list(&fixture.store, &any, limit).await,
            listed,
            "by {limit}"
        );
    }
}

async fn check(
    fixture: &Fixture,
    whole: &[Delivery],
    query: &DeliveryQuery,
    admits: impl Fn(&Delivery) -> bool,
) {
    let expected: Vec<_> = whole.iter().filter(|d| admits(d)).cloned().collect();
    for limit in [1, 3, 1_000] {
        let listed = list(&fixture.store, query, limit).await;
        assert_eq!(listed, expected, "{query:?} by {limit}");
    }
}

pub async fn the_outbox_is_filtered_by_state(fixture: &Fixture) {
    let whole = populate(fixture).await;
    let any = DeliveryQuery::default;
    for state in [
        DeliveryState::Pending,
        DeliveryState::Succeeded,
        DeliveryState::Dead,
        DeliveryState::Skipped,
    ] {
        let states = vec![state];
        check(fixture, &whole, &DeliveryQuery { states, ..any() }, |d| {
            d.state == state
        })
        .await;
        assert!(whole.iter().any(|d| d.state == state), "{state:?}");
    }
    let several = [
        DeliveryState::Dead,
        DeliveryState::Pending,
        DeliveryState::Dead,
    ];
    let states = several.to_vec();
    check(fixture, &whole, &DeliveryQuery { states, ..any() }, |d| {
        several.contains(&d.state)
    })
    .await;
    let both = [DeliveryState::Succeeded, DeliveryState::Dead];
    let states = both.to_vec();
    check(fixture, &whole, &DeliveryQuery { states, ..any() }, |d| {
        both.contains(&d.state)
    })
    .await;
}

pub async fn the_outbox_is_filtered_by_what_was_sent(fixture: &Fixture) {
    let whole = populate(fixture).await;
    let any = DeliveryQuery::default;
    let workflows = vec![workflow_code("other")];
    check(
        fixture,
        &whole,
        &DeliveryQuery { workflows, ..any() },
        |d| d.workflow.as_str() == "other",
    )
    .await;
    let kinds = vec!["publish"];
    check(fixture, &whole, &DeliveryQuery { kinds, ..any() }, |d| {
        d.to == Destination::Subject
    })
    .await;
    let transitions = vec!["cancel".parse().unwrap()];
    let query = DeliveryQuery {
        transitions,
        ..any()
    };
    check(fixture, &whole, &query, |d| d.transition.is_some()).await;
    let actions = vec!["comment.tell_crm".parse().unwrap()];
    check(fixture, &whole, &DeliveryQuery { actions, ..any() }, |d| {
        d.action.to_string() == "comment.tell_crm"
    })
    .await;
    let endpoints: Vec<EndpointCode> = vec!["erp".parse().unwrap(), "none".parse().unwrap()];
    let query = DeliveryQuery {
        endpoints: endpoints.clone(),
        states: vec![DeliveryState::Dead],
        ..any()
    };
    let to_erp = Destination::Endpoint(endpoints[0].clone());
    check(fixture, &whole, &query, |d| {
        d.to == to_erp && d.state == DeliveryState::Dead
    })
    .await;
    let ids = ["L-1", "L-3", "L-4", "L-999"].map(order_id);
    let orders = ids.iter().map(|id| (order_workflow(), id.clone()));
    let query = DeliveryQuery {
        orders: orders.collect(),
        ..any()
    };
    check(fixture, &whole, &query, |d| {
        d.workflow == order_workflow() && ids.contains(&d.order_id)
    })
    .await;
}

pub async fn the_deliveries_of_an_order(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    done(store, create("A-2")).await;
    // More entries than the row of an order has room for.
    for _ in 0..3 {
        let comments = (0..60).flat_map(|_| [comment("A-1", "x"), comment("A-2", "x")]);
        let committed = all(store, comments.collect()).await;
        assert!(committed.iter().all(Result::is_ok));
    }
    let query = DeliveryQuery {
        orders: vec![(order_workflow(), order_id("A-1"))],
        ..DeliveryQuery::default()
    };
    let whole = everything(store).await;
    let of_order = |d: &&Delivery| d.order_id == order_id("A-1");
    let expected: Vec<_> = whole.iter().filter(of_order).cloned().collect();
    assert_eq!(expected.len(), 182);
    for limit in [1, 50, 1_000] {
        assert_eq!(list(store, &query, limit).await, expected, "by {limit}");
    }
}

pub async fn a_dead_letter_is_retried(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let me = dispatcher(store).await;
    let first = lane(store, "A-1", "erp").await.remove(0);
    finish(fixture, &me, std::slice::from_ref(&first), &give_up()).await;
    let dead = account(store, first.id).await;
    assert_eq!(
        (dead.delivery.state, dead.delivery.attempts),
        (DeliveryState::Dead, 1)
    );
    assert_eq!(dead.attempts, [(1, attempt(fixture, Outcome::Failed))]);

    fixture.time.advance(Duration::from_secs(9));
    let retried = retry(store, first.id).await;
    let now = fixture.clock().now();
    let expected = Delivery {
        update_time: now,
        due_time: Some(now),
        ..first.clone()
    };
    assert_eq!(retried, expected);
    let kept = account(store, first.id).await;
    assert_eq!((kept.delivery, kept.attempts), (expected, dead.attempts));

    let due = store
        .due_deliveries(&me, &all_of(store), "webhook.erp", 10)
        .await;
    assert_eq!(due.unwrap(), std::slice::from_ref(&retried));
    finish(fixture, &me, &[retried], &NextStep::Succeed).await;
    let done = account(store, first.id).await;
    assert_eq!(
        (done.delivery.state, done.delivery.attempts),
        (DeliveryState::Succeeded, 1)
    );
    let numbers: Vec<_> = done.attempts.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2]);

    let skipped = lane(store, "A-1", "none").await;
    assert!(skipped.is_empty());
}

pub async fn a_delivery_that_waits_is_retried(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    done(store, comment("A-1", "1")).await;
    done(store, comment("A-1", "2")).await;
    let me = dispatcher(store).await;
    let (partitions, lane_name) = (all_of(store), "webhook.crm");
    let due = store.due_deliveries(&me, &partitions, lane_name, 10).await;
    let due = due.unwrap();
    let at = Timestamp::from_micros(fixture.clock().now().micros() + 5);
    let problem = "busy".to_owned();
    finish(fixture, &me, &due, &NextStep::Retry { at, problem }).await;
    let [first, second] = <[Delivery; 2]>::try_from(lane(store, "A-1", "crm").await).unwrap();
    assert_eq!((first.due_time, first.attempts), (Some(at), 1));
    assert_eq!(second.due_time, None);

    let retried = retry(store, first.id).await;
    assert_eq!(retried.due_time, Some(fixture.clock().now()));
    assert_eq!(
        (retried.attempts, retried.state),
        (0, DeliveryState::Pending)
    );
    // One that waits for an earlier one goes on waiting.
    assert_eq!(retry(store, second.id).await, second);
}

pub async fn what_succeeded_is_done(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let me = dispatcher(store).await;
    let [delivery] = <[Delivery; 1]>::try_from(lane(store, "A-1", "erp").await).unwrap();
    finish(
        fixture,
        &me,
        std::slice::from_ref(&delivery),
        &NextStep::Succeed,
    )
    .await;
    let before = account(store, delivery.id).await;
    let id = delivery.id;
    let reason = Reason::new("no").unwrap();
    let refusals = [
        store.retry_delivery(&CALL, id, nothing).await.unwrap_err(),
        store
            .skip_delivery(&CALL, id, &reason, nothing)
            .await
            .unwrap_err(),
    ];
    for refusal in refusals {
        let expected = OutboxRefusal::DeliverySucceeded { id };
        assert!(matches!(refusal, ChangeError::Refused(found) if found == expected));
    }
    assert_eq!(account(store, id).await, before);
    for position in [
        LogPosition {
            offset: 99,
            ..id.position
        },
        LogPosition {
            partition: Partition::new(77),
            ..id.position
        },
    ] {
        let id = DeliveryId {
            position,
            number: 0,
        };
        assert_eq!(store.find_delivery(id).await.unwrap(), None);
        let refusal = store.retry_delivery(&CALL, id, nothing).await.unwrap_err();
        let expected = OutboxRefusal::DeliveryNotFound { id };
        assert!(matches!(refusal, ChangeError::Refused(found) if found == expected));
    }
}

pub async fn a_skipped_delivery_lets_the_next_have_its_turn(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    for text in ["1", "2", "3"] {
        done(store, comment("A-1", text)).await;
    }
    let me = dispatcher(store).await;
    let due = async || {
        let partitions = all_of(store);
        let due = store.due_deliveries(&me, &partitions, "webhook.crm", 10);
        let due = due.await.unwrap();
        due.iter().map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    let ids: Vec<_> = lane(store, "A-1", "crm")
        .await
        .iter()
        .map(|d| d.id)
        .collect();
    assert_eq!(due().await, [ids[0]]);

    fixture.time.advance(Duration::from_secs(1));
    let skipped = skip(store, ids[0]).await;
    assert_eq!(
        (skipped.state, skipped.problem.as_str(), skipped.due_time),
        (DeliveryState::Skipped, "not needed", None)
    );
    assert_eq!(skipped.update_time, fixture.clock().now());
    assert_eq!(due().await, [ids[1]]);
    fixture.time.advance(Duration::from_secs(1));
    assert_eq!(skip(store, ids[0]).await, skipped);

    // What is retried goes before what came after it.
    let again = retry(store, ids[0]).await;
    assert_eq!(
        (again.state, again.problem.as_str()),
        (DeliveryState::Pending, "")
    );
    assert_eq!(due().await, [ids[0]]);
    let found = lane(store, "A-1", "crm").await;
    finish(fixture, &me, &found[..1], &give_up()).await;
    assert_eq!(due().await, [ids[1]]);

    // A dead letter is skipped as well; nobody waits for it any more.
    assert_eq!(skip(store, ids[0]).await.state, DeliveryState::Skipped);
    assert_eq!(due().await, [ids[1]]);
    skip(store, ids[1]).await;
    assert_eq!(due().await, [ids[2]]);
}

/// Thirty orders with twenty comments each: the deliveries of the comments, and the others.
async fn many(store: &Store) -> (Vec<Delivery>, Vec<Delivery>) {
    let ids: Vec<_> = (0..30).map(|number| format!("M-{number}")).collect();
    let created = all(store, ids.iter().map(|id| create(id)).collect()).await;
    assert!(created.iter().all(Result::is_ok));
    for _ in 0..20 {
        let committed = all(store, ids.iter().map(|id| comment(id, "x")).collect()).await;
        assert!(committed.iter().all(Result::is_ok));
    }
    let whole = everything(store).await;
    let (comments, others): (Vec<_>, Vec<_>) = whole
        .into_iter()
        .partition(|d| d.action.to_string() == "comment.tell_crm");
    assert_eq!((comments.len(), others.len()), (600, 60));
    (comments, others)
}

pub async fn many_deliveries_are_retried(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let (comments, others) = many(store).await;
    let me = dispatcher(store).await;
    finish(fixture, &me, &comments, &give_up()).await;
    finish(
        fixture,
        &me,
        &others,
        &NextStep::Skip {
            problem: String::new(),
        },
    )
    .await;

    let dead = DeliveryQuery {
        states: vec![DeliveryState::Dead],
        ..DeliveryQuery::default()
    };
    let dry_run = OutboxCall {
        mode: ChangeMode::DryRun,
        ..CALL.clone()
    };
    let counted = store.retry_deliveries(&dry_run, &dead, nothing).await;
    assert_eq!(fulfilled(counted.unwrap()), 600);
    assert_eq!(list(store, &dead, 1_000).await.len(), 600);
    let of_one = DeliveryQuery {
        orders: vec![(order_workflow(), order_id("M-7"))],
        ..dead.clone()
    };
    let retried = store.retry_deliveries(&CALL, &of_one, nothing).await;
    assert_eq!(fulfilled(retried.unwrap()), 20);
    let retried = store.retry_deliveries(&CALL, &dead, nothing).await;
    assert_eq!(fulfilled(retried.unwrap()), 580);
    assert!(list(store, &dead, 10).await.is_empty());
    let pending = DeliveryQuery {
        states: vec![DeliveryState::Pending],
        ..DeliveryQuery::default()
    };
    assert_eq!(list(store, &pending, 1_000).await.len(), 600);
    let skipped = DeliveryQuery {
        states: vec![DeliveryState::Skipped],
        kinds: vec!["webhook"],
        ..DeliveryQuery::default()
    };
    let retried = store.retry_deliveries(&CALL, &skipped, nothing).await;
    assert_eq!(fulfilled(retried.unwrap()), 30);
}

pub async fn many_deliveries_are_skipped(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let (comments, others) = many(store).await;
    let me = dispatcher(store).await;
    let [taken, dead, under_way, failing] = &comments[..4] else {
        panic!("{comments:?}")
    };
    for (delivery, next) in [(taken, NextStep::Succeed), (dead, give_up())] {
        finish(fixture, &me, std::slice::from_ref(delivery), &next).await;
    }
    let of_comments = DeliveryQuery {
        endpoints: vec![EndpointCode::new("crm").unwrap()],
        states: vec![DeliveryState::Pending, DeliveryState::Dead],
        ..DeliveryQuery::default()
    };
    let reason = Reason::new("nobody listens there").unwrap();
    let skip_all = async |mode: ChangeMode| {
        let call = OutboxCall {
            mode,
            ..CALL.clone()
        };
        let skipped = store.skip_deliveries(&call, &of_comments, &reason, nothing);
        fulfilled(skipped.await.unwrap())
    };
    assert_eq!(skip_all(ChangeMode::DryRun).await, 599);
    assert_eq!(list(store, &of_comments, 1_000).await.len(), 599);
    fixture.time.advance(Duration::from_secs(1));
    assert_eq!(skip_all(ChangeMode::Apply).await, 599);
    assert_eq!(skip_all(ChangeMode::Apply).await, 0);
    let now = fixture.clock().now();
    for before in &comments[1..] {
        let skipped = account(store, before.id).await;
        let expected = Delivery {
            state: DeliveryState::Skipped,
            problem: reason.to_string(),
            due_time: None,
            update_time: now,
            attempts: u32::from(before.id == dead.id),
            ..before.clone()
        };
        assert_eq!(skipped.delivery, expected);
        let decision = Decision {
            verdict: Verdict::Skipped(reason.clone()),
            actor: CALL.actor.clone(),
            time: now,
        };
        assert_eq!(skipped.decisions, [decision]);
    }
    assert_eq!(account(store, taken.id).await.decisions, []);
    for other in &others {
        assert_eq!(account(store, other.id).await.delivery, *other);
    }

    // Of those that were under way, what the target took it has.
    let ends = [(under_way, NextStep::Succeed), (failing, give_up())];
    for (delivery, next) in ends {
        finish(fixture, &me, std::slice::from_ref(delivery), &next).await;
    }
    let state = async |delivery: &Delivery| account(store, delivery.id).await.delivery.state;
    assert_eq!(state(under_way).await, DeliveryState::Succeeded);
    assert_eq!(state(failing).await, DeliveryState::Skipped);
    // Nothing waits behind what was skipped.
    done(store, comment("M-1", "later")).await;
    let partitions = all_of(store);
    let due = store.due_deliveries(&me, &partitions, "webhook.crm", 10);
    assert_eq!(due.await.unwrap().len(), 1);
}

pub async fn the_newest_attempts_are_shown(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let [delivery] = <[Delivery; 1]>::try_from(lane(store, "A-1", "erp").await).unwrap();
    let me = dispatcher(store).await;
    let often = (1..=510).map(|start| Finished {
        delivery: delivery.clone(),
        attempt: Some(Attempt {
            start_time: Timestamp::from_micros(start),
            ..attempt(fixture, Outcome::Failed)
        }),
        next: NextStep::Retry {
            at: fixture.clock().now(),
            problem: String::new(),
        },
    });
    let often: Vec<_> = often.collect();
    store.record_results(&me, &often).await.unwrap();
    let account = account(store, delivery.id).await;
    let numbers: Vec<_> = account.attempts.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (11..=510).collect::<Vec<_>>());
}
