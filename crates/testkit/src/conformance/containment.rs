//! What cannot be read or noted of one delivery, and is no matter of the others.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use waymark_domain::{
    delivery::{Attempt, Delivery, DeliveryId, DeliveryState, Outcome},
    value::Reason,
};
use waymark_persistence::{
    DeliveryQuery, DispatcherId, Due, Finished, Leaving, NextStep, Store, StoredDelivery,
    UnreadableDelivery,
};

use super::deliveries::{
    CALL, account, all_of, attempt, declare, dispatcher, finish, fulfilled, give_up, lane, nothing,
};
use crate::{
    Fixture,
    build::{all, comment, create, done, order_id, order_workflow},
};

const CRM: &str = "webhook.crm";
const BEGINNING: &str = "it cannot be read from the database: table deliveries, column ";

/// An order with so many comments, and its deliveries to the endpoint of comments.
async fn commented(store: &Store, id: &str, count: usize) -> Vec<Delivery> {
    done(store, create(id)).await;
    let comments = all(store, vec![comment(id, "x"); count]).await;
    assert!(comments.iter().all(Result::is_ok));
    lane(store, id, "crm").await
}

fn of_row(id: DeliveryId) -> String {
    let (partition, offset) = (id.position.partition.number(), id.position.offset);
    let number = id.number;
    format!("partition = {partition} AND log_offset = {offset} AND number = {number}")
}

/// Makes something of a row what nobody can read.
async fn spoil(fixture: &Fixture, id: DeliveryId, change: &str) {
    let of_row = of_row(id);
    fixture
        .execute(&format!("UPDATE deliveries SET {change} WHERE {of_row}"))
        .await;
}

async fn due(store: &Store, me: &DispatcherId, limit: i64) -> Due {
    let lanes = [CRM, "webhook.erp", "publish", "fax"];
    let lanes = lanes.map(|lane| (lane.to_owned(), limit));
    let all = all_of(store);
    let due = store.due_in_lanes(me, &all, BTreeMap::from(lanes));
    due.await.unwrap()
}

fn unreadable(stored: StoredDelivery) -> UnreadableDelivery {
    match stored {
        StoredDelivery::Unreadable(unreadable) => unreadable,
        StoredDelivery::Readable(delivery) => panic!("{delivery:?}"),
    }
}

async fn found(store: &Store, id: DeliveryId) -> UnreadableDelivery {
    let account = store.find_delivery(id).await.unwrap().unwrap();
    unreadable(account.delivery)
}

pub async fn a_delivery_that_cannot_be_read_stops_no_other(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let queue = commented(store, "A-1", 2).await;
    let other = commented(store, "A-2", 1).await;
    let alone = commented(store, "A-3", 1).await;
    let me = dispatcher(store).await;
    let fax = "kind = 'fax', destination = 'office'";
    spoil(fixture, queue[0].id, fax).await;
    // In a lane of which nobody knows anything.
    spoil(fixture, alone[0].id, &format!("{fax}, lane = 'fax'")).await;
    fixture.time.advance(Duration::from_secs(1));

    let lanes = store.busy_lanes().await.unwrap();
    assert_eq!(lanes, ["fax", "publish", CRM, "webhook.erp"]);
    let found_due = due(store, &me, 100).await;
    let of_lane = |lane: &str| {
        let deliveries = found_due.deliveries.iter();
        let here = deliveries.filter(|delivery| delivery.lane == lane);
        here.map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    assert_eq!(of_lane(CRM), [other[0].id]);
    assert_eq!(of_lane("webhook.erp").len(), 3);
    assert_eq!(of_lane("publish").len(), 3);
    let ids: BTreeSet<_> = found_due.unreadable.iter().map(|one| &one.id).collect();
    let expected = [queue[0].id.to_string(), alone[0].id.to_string()];
    assert_eq!(ids, expected.iter().collect());

    let given_up = store.give_up_unreadable(&me, &found_due.unreadable).await;
    assert_eq!(given_up.unwrap(), 2);
    for id in [queue[0].id, alone[0].id] {
        let dead = found(store, id).await;
        assert_eq!(
            (dead.state, dead.due_time),
            (Some(DeliveryState::Dead), None)
        );
        assert_eq!(dead.update_time, fixture.clock().now());
        let expected = format!("{BEGINNING}destination: ");
        assert!(dead.problem.starts_with(&expected), "{}", dead.problem);
        assert_eq!(
            (dead.kind.as_str(), dead.destination.as_str()),
            ("fax", "office")
        );
    }
    // The one behind it has its turn, and nothing is given up twice.
    let again = store.give_up_unreadable(&me, &found_due.unreadable).await;
    assert_eq!(again.unwrap(), 0);
    let now_due = due(store, &me, 100).await;
    assert_eq!(now_due.unreadable, []);
    let crm = now_due.deliveries.iter().filter(|one| one.lane == CRM);
    let crm: BTreeSet<_> = crm.map(|delivery| delivery.id).collect();
    assert_eq!(crm, BTreeSet::from([queue[1].id, other[0].id]));
}

pub async fn whatever_cannot_be_read_is_named(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let cases = [
        ("kind = ''", "destination"),
        ("destination = '?!'", "destination"),
        ("action = '?'", "action"),
        ("state = 'odd'", "state"),
        ("attempts = -1", "attempts"),
        ("workflow = ''", "workflow"),
        ("order_id = ''", "order_id"),
        ("transition = '?'", "transition"),
    ];
    for (number, (change, column)) in cases.into_iter().enumerate() {
        let spoilt = commented(store, &format!("N-{number}"), 2).await;
        spoil(fixture, spoilt[0].id, change).await;
        let found_due = due(store, &me, 1_000).await.unreadable;
        assert_eq!(found_due.len(), 1, "{change}");
        let given_up = store.give_up_unreadable(&me, &found_due).await;
        assert_eq!(given_up.unwrap(), 1, "{change}");
        let id = spoilt[0].id;
        let rest = of_row(id);
        let dead = format!("SELECT count(*) FROM deliveries WHERE state = 'dead' AND {rest}");
        assert_eq!(fixture.number(&dead).await, 1, "{change}");
        // One whose state was unreadable alone can be read again now.
        let account = store.find_delivery(id).await.unwrap().unwrap();
        let problem = match account.delivery {
            StoredDelivery::Readable(delivery) => delivery.problem,
            StoredDelivery::Unreadable(unreadable) => unreadable.problem,
        };
        let expected = format!("{BEGINNING}{column}: ");
        assert!(problem.starts_with(&expected), "{change}: {problem}");
        let next = account_of(store, spoilt[1].id).await;
        assert!(next.due_time.is_some(), "{change}");
    }
}

pub async fn what_is_due_and_not_pending_is_not_sent(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    for state in ["succeeded", "dead", "skipped"] {
        let queue = commented(store, state, 3).await;
        // The first waits, so the second would have to wait for it if it waited for anything.
        spoil(fixture, queue[1].id, &format!("state = '{state}'")).await;
        let found_due = due(store, &me, 3).await;
        let crm = found_due.deliveries.iter().filter(|one| one.lane == CRM);
        let crm: Vec<_> = crm.map(|delivery| delivery.id).collect();
        assert_eq!(crm, [queue[0].id], "{state}");
        let [stray] = <[_; 1]>::try_from(found_due.unreadable).unwrap();
        assert_eq!(stray.id, queue[1].id.to_string());
        assert!(stray.problem.contains("column due_time"), "{stray:?}");

        let ended = store.give_up_unreadable(&me, &[stray]).await;
        assert_eq!(ended.unwrap(), 1);
        let left = account_of(store, queue[1].id).await;
        assert_eq!((left.state.word(), left.due_time), (state, None));
        assert_eq!((left.problem.as_str(), left.attempts), ("", 0));
        assert_eq!(due(store, &me, 3).await.unreadable, []);
        finish(fixture, &me, &queue[..1], &NextStep::Succeed).await;
        let third = account_of(store, queue[2].id).await;
        assert!(third.due_time.is_some(), "{state}");
        finish(fixture, &me, &[third], &NextStep::Succeed).await;
    }
}

pub async fn a_delivery_without_a_lane_is_given_up(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let queue = commented(store, "A-1", 1).await;
    spoil(fixture, queue[0].id, "lane = ''").await;
    let lanes = store.busy_lanes().await.unwrap();
    assert_eq!(lanes, ["", "publish", "webhook.erp"]);
    let lanes = BTreeMap::from([(String::new(), 9)]);
    let found_due = store.due_in_lanes(&me, &all_of(store), lanes).await;
    let found_due = found_due.unwrap();
    assert_eq!(found_due.deliveries, []);
    let given_up = store.give_up_unreadable(&me, &found_due.unreadable).await;
    assert_eq!(given_up.unwrap(), 1);
    let dead = found(store, queue[0].id).await;
    assert_eq!(dead.state, Some(DeliveryState::Dead));
    assert!(dead.problem.starts_with(&format!("{BEGINNING}lane: ")));
    assert!(!store.busy_lanes().await.unwrap().contains(&String::new()));
}

async fn account_of(store: &Store, id: DeliveryId) -> Delivery {
    account(store, id).await.delivery
}

pub async fn what_cannot_be_read_takes_no_room_of_others(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    for number in 0..40 {
        let spoilt = commented(store, &format!("R-{number}"), 1).await;
        spoil(fixture, spoilt[0].id, "action = '?'").await;
    }
    fixture.time.advance(Duration::from_secs(1));
    let mut expected = Vec::new();
    for number in 0..2 {
        expected.push(commented(store, &format!("G-{number}"), 1).await[0].id);
        fixture.time.advance(Duration::from_secs(1));
    }
    for limit in [1, 2] {
        let lanes = BTreeMap::from([(CRM.to_owned(), limit)]);
        let due = store.due_in_lanes(&me, &all_of(store), lanes).await;
        let due = due.unwrap();
        let ids: Vec<_> = due.deliveries.iter().map(|delivery| delivery.id).collect();
        let limit = usize::try_from(limit).unwrap();
        assert_eq!(ids, expected[..limit]);
        assert_eq!(due.unreadable.len(), 40);
    }
}

pub async fn nothing_is_given_up_without_the_lease(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let spoilt = commented(store, "A-1", 1).await;
    spoil(fixture, spoilt[0].id, "action = '?'").await;
    let me = dispatcher(store).await;
    let found_due = due(store, &me, 100).await.unreadable;
    assert_eq!(found_due.len(), 1);
    let all = all_of(store);
    let left = store.release_leases(&me, &all, Leaving::ForNow);
    left.await.unwrap();
    let given_up = store.give_up_unreadable(&me, &found_due).await;
    assert_eq!(given_up.unwrap(), 0);
    let waits = found(store, spoilt[0].id).await;
    assert_eq!(waits.state, Some(DeliveryState::Pending));
    // Nor where somebody decided about it since it was found.
    let me = dispatcher(store).await;
    fixture.time.advance(Duration::from_secs(1));
    let retried = store.retry_delivery(&CALL, spoilt[0].id, nothing).await;
    unreadable(fulfilled(retried.unwrap()));
    let given_up = store.give_up_unreadable(&me, &found_due).await;
    assert_eq!(given_up.unwrap(), 0);
}

pub async fn what_cannot_be_read_is_listed_and_decided_about(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let queue = commented(store, "A-1", 3).await;
    let me = dispatcher(store).await;
    let id = queue[1].id;
    spoil(fixture, id, "action = '?', problem = 'busy'").await;
    let query = DeliveryQuery {
        orders: vec![(order_workflow(), order_id("A-1"))],
        endpoints: vec!["crm".parse().unwrap()],
        ..DeliveryQuery::default()
    };
    let page = store.list_deliveries(&query, None, 10).await.unwrap();
    let listed = <[StoredDelivery; 3]>::try_from(page.deliveries).unwrap();
    let [third, second, first] = listed;
    let readable = [first, third].map(|stored| stored.readable().unwrap().id);
    assert_eq!(readable, [queue[0].id, queue[2].id]);
    let second = unreadable(second);
    assert_eq!((&second.id, second.action.as_str()), (&id.to_string(), "?"));
    assert_eq!(second.order_id, "A-1");
    assert!(second.problem.starts_with(&format!("{BEGINNING}action: ")));
    assert!(second.problem.ends_with("; before that: busy"));

    // It can be skipped and retried like any other, alone and with others.
    let reason = Reason::new("not needed").unwrap();
    let skipped = store.skip_delivery(&CALL, id, &reason, nothing).await;
    let skipped = unreadable(fulfilled(skipped.unwrap()));
    assert_eq!(skipped.state, Some(DeliveryState::Skipped));
    let retried = store.retry_delivery(&CALL, id, nothing).await;
    let retried = unreadable(fulfilled(retried.unwrap()));
    assert_eq!(retried.state, Some(DeliveryState::Pending));
    assert!(!retried.problem.contains("busy"), "{}", retried.problem);
    finish(fixture, &me, &queue[..1], &give_up()).await;
    let found_due = due(store, &me, 100).await.unreadable;
    let given_up = store.give_up_unreadable(&me, &found_due).await;
    assert_eq!(given_up.unwrap(), 1);
    let dead = DeliveryQuery {
        states: vec![DeliveryState::Dead],
        ..query
    };
    let skipped = store.skip_deliveries(&CALL, &dead, &reason, nothing).await;
    assert_eq!(fulfilled(skipped.unwrap()), 2);
    let skipped = DeliveryQuery {
        states: vec![DeliveryState::Skipped],
        ..dead
    };
    let retried = store.retry_deliveries(&CALL, &skipped, nothing).await;
    assert_eq!(fulfilled(retried.unwrap()), 2);
}

pub async fn an_attempt_that_cannot_be_read_hides_no_other(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let queue = commented(store, "A-1", 1).await;
    let me = dispatcher(store).await;
    let id = queue[0].id;
    for _ in 0..2 {
        let before = account_of(store, id).await;
        finish(fixture, &me, &[before], &give_up()).await;
        fixture.time.advance(Duration::from_secs(1));
        store.retry_delivery(&CALL, id, nothing).await.unwrap();
    }
    assert_eq!(account(store, id).await.attempts.len(), 2);
    let rows = of_row(id);
    for spoilt in [
        format!("UPDATE delivery_attempts SET outcome = 'odd' WHERE attempt = 1 AND {rows}"),
        format!("UPDATE delivery_decisions SET verdict = 'odd' WHERE decision = 1 AND {rows}"),
    ] {
        fixture.execute(&spoilt).await;
    }
    let left = account(store, id).await;
    assert_eq!((left.attempts.len(), left.attempts[0].0), (1, 2));
    assert_eq!(left.decisions.len(), 1);
}

pub async fn one_that_cannot_be_read_keeps_nobody_from_its_partition(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let queue = commented(store, "A-1", 2).await;
    for delivery in &queue {
        let (partition, offset) = (
            delivery.id.position.partition.number(),
            delivery.id.position.offset,
        );
        let lost = format!(
            "INSERT INTO lost_deliveries (partition, log_offset, number, tries) \
             VALUES ({partition}, {offset}, 0, 1)"
        );
        fixture.execute(&lost).await;
    }
    spoil(fixture, queue[0].id, "action = '?'").await;
    let lost = store.lost_deliveries(&all_of(store)).await.unwrap();
    let lost: BTreeMap<_, _> = lost
        .into_iter()
        .map(|lost| (lost.id, lost.waiting))
        .collect();
    let expected = [(queue[0].id, None), (queue[1].id, Some(queue[1].clone()))];
    assert_eq!(lost, BTreeMap::from(expected));
}

pub async fn an_endpoint_that_cannot_be_read_hides_no_other(fixture: &Fixture) {
    let store = &fixture.store;
    for (code, secrets) in [("bad", "?"), ("good", "[]")] {
        let insert = format!(
            "INSERT INTO endpoints (code, url, description, active, problem, secrets, version, \
             create_time, update_time) \
             VALUES ('{code}', 'https://example.com', '', true, '', '{secrets}', 1, 0, 0)"
        );
        fixture.execute(&insert).await;
    }
    let (endpoints, unreadable) = store.stored_endpoints().await.unwrap();
    let codes: Vec<_> = endpoints.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["good"]);
    let problems: Vec<_> = unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["table endpoints, row bad: column secrets cannot be read"]
    );
}

/// Lets the database refuse attempts of which this is true.
async fn refuse(fixture: &Fixture, condition: &str) {
    let refusing = if fixture.database().is_some() {
        format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF {condition} THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER refusing BEFORE INSERT ON delivery_attempts \
             FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    } else {
        format!(
            "CREATE TRIGGER refusing BEFORE INSERT ON delivery_attempts WHEN {condition} \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    };
    fixture.execute(&refusing).await;
}

async fn allow(fixture: &Fixture) {
    let allowing = if fixture.database().is_some() {
        "DROP TRIGGER refusing ON delivery_attempts"
    } else {
        "DROP TRIGGER refusing"
    };
    fixture.execute(allowing).await;
}

/// What came of the deliveries of comments on some orders, each with other words.
async fn finished(fixture: &Fixture, words: &[&str]) -> Vec<Finished> {
    let mut finished = Vec::new();
    for (number, problem) in words.iter().enumerate() {
        let queue = commented(&fixture.store, &format!("F-{number}"), 1).await;
        let problem = (*problem).to_owned();
        finished.push(Finished {
            delivery: queue[0].clone(),
            attempt: Some(Attempt {
                problem: problem.clone(),
                ..attempt(fixture, Outcome::Failed)
            }),
            next: NextStep::GiveUp { problem },
        });
    }
    finished
}

pub async fn words_that_are_refused_are_left_out(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    refuse(fixture, "NEW.problem = 'poison'").await;
    let words = ["a", "b", "c", "poison", "d", "e", "poison", "nul\0nul", "f"];
    let finished = finished(fixture, &words).await;
    let refused = store.record_results(&me, &finished).await.unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    for (finished, said) in finished.iter().zip(words) {
        let noted = account(store, finished.delivery.id).await;
        assert_eq!(noted.delivery.state, DeliveryState::Dead, "{said}");
        assert_eq!(noted.attempts.len(), 1, "{said}");
        let (_, attempt) = &noted.attempts[0];
        assert_eq!(attempt.problem, noted.delivery.problem, "{said}");
        if said == "poison" {
            let says = "what came of the attempt could not be stored: ";
            assert!(attempt.problem.starts_with(says), "{}", attempt.problem);
            assert!(attempt.answer.is_empty());
        } else {
            // PostgreSQL stores no NUL, and neither does the other.
            assert_eq!(attempt.problem, said.replace('\0', "\u{FFFD}"));
            assert!(!attempt.answer.is_empty());
        }
    }
}

pub async fn a_result_that_is_refused_in_any_form_keeps_no_other(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let words = ["a"; 7];
    let finished = finished(fixture, &words).await;
    let poison = finished[4].delivery.id;
    let (partition, offset) = (poison.position.partition.number(), poison.position.offset);
    let condition = format!("NEW.partition = {partition} AND NEW.log_offset = {offset}");
    refuse(fixture, &condition).await;
    let refused = store.record_results(&me, &finished).await.unwrap();
    let ids: Vec<_> = refused.iter().map(|note| note.id).collect();
    assert_eq!(ids, [poison]);
    for finished in &finished {
        let id = finished.delivery.id;
        let noted = account(store, id).await;
        assert_eq!(noted.attempts.len(), usize::from(id != poison));
        if id == poison {
            assert_eq!(noted.delivery, finished.delivery);
        } else {
            assert_eq!(noted.delivery.state, DeliveryState::Dead);
        }
    }
    // It is noted whole as soon as that is possible.
    allow(fixture).await;
    let refused = store.record_results(&me, &finished).await.unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    let noted = account(store, poison).await;
    assert_eq!(noted.delivery.state, DeliveryState::Dead);
    assert_eq!(noted.attempts[0].1.problem, "a");
}
