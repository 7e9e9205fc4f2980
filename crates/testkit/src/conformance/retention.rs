//! Deliveries with which it is done are removed after a while, and nothing else is.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use waymark_domain::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    partition::Partition,
    value::Timestamp,
};
use waymark_persistence::{
    ChangeError, DeliveryQuery, DispatcherId, Leaving, NextStep, OutboxRefusal, Store,
};

use super::deliveries::{
    CALL, account, all_of, declare, dispatcher, everything, finish, give_up, lane, later, list,
    nothing, readable, retry, skip,
};
use crate::{
    Fixture,
    build::{all, comment, create, done},
};

const DAY: Duration = Duration::from_hours(24);

fn before(fixture: &Fixture, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap();
    Timestamp::from_micros(fixture.clock().now().micros() - by)
}

/// Walks over a partition, and says how many were removed by each call.
async fn walk(store: &Store, me: &DispatcherId, here: Partition, until: Timestamp) -> Vec<usize> {
    let (mut counts, mut after) = (Vec::new(), None);
    loop {
        let removed = store
            .remove_deliveries(me, here, until, after)
            .await
            .unwrap();
        counts.push(removed.count);
        after = removed.next;
        if after.is_none() {
            return counts;
        }
        assert!(counts.len() < 1_000, "the walk does not end");
    }
}

/// Removes what has not changed for so long, and says how much it was.
async fn clean(fixture: &Fixture, me: &DispatcherId, keep: Duration) -> usize {
    let (store, until) = (&fixture.store, before(fixture, keep));
    let mut count = 0;
    for partition in all_of(store) {
        count += walk(store, me, partition, until)
            .await
            .into_iter()
            .sum::<usize>();
    }
    count
}

/// Orders with a delivery in every state, each tried and decided about.
async fn populate(fixture: &Fixture, me: &DispatcherId, name: &str) {
    let store = &fixture.store;
    for number in 0..8 {
        let id = format!("{name}-{number}");
        done(store, create(&id)).await;
        done(store, comment(&id, "x")).await;
        let to_crm = lane(store, &id, "crm").await.remove(0);
        let at = later(fixture, Duration::from_secs(1));
        let problem = String::new();
        finish(
            fixture,
            me,
            std::slice::from_ref(&to_crm),
            &NextStep::Retry { at, problem },
        )
        .await;
        fixture.time.advance(Duration::from_secs(1));
        let again = retry(store, to_crm.id).await;
        match number % 4 {
            0 => finish(fixture, me, &[again], &NextStep::Succeed).await,
            1 => finish(fixture, me, &[again], &give_up()).await,
            2 => drop(skip(store, to_crm.id).await),
            _ => {}
        }
    }
}

fn is_done_with(delivery: &Delivery) -> bool {
    matches!(
        delivery.state,
        DeliveryState::Succeeded | DeliveryState::Skipped
    )
}

async fn rows(fixture: &Fixture, table: &str, id: DeliveryId) -> i64 {
    let (partition, offset) = (id.position.partition.number(), id.position.offset);
    let sql = format!(
        "SELECT count(*) FROM {table} WHERE partition = {partition} AND log_offset = {offset} AND number = {}",
        id.number
    );
    fixture.number(&sql).await
}

pub async fn old_deliveries_are_removed(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    populate(fixture, &me, "old").await;
    fixture.time.advance(10 * DAY);
    populate(fixture, &me, "new").await;
    // One that is old, and was decided about a moment ago.
    let changed = lane(store, "old-2", "crm").await.remove(0);
    retry(store, changed.id).await;
    skip(store, changed.id).await;

    let whole = everything(store).await;
    let until = before(fixture, 7 * DAY);
    let goes = |delivery: &&Delivery| is_done_with(delivery) && delivery.update_time <= until;
    let (gone, kept): (Vec<_>, Vec<_>) = whole.iter().partition(|delivery| goes(delivery));
    assert_eq!(gone.len(), 3);
    assert!(kept.iter().any(|delivery| delivery.id == changed.id));
    let mut accounts = Vec::new();
    for delivery in &kept {
        accounts.push(account(store, delivery.id).await);
    }
    assert_eq!(clean(fixture, &me, 7 * DAY).await, gone.len());
    assert_eq!(everything(store).await.iter().collect::<Vec<_>>(), kept);
    for expected in accounts {
        assert_eq!(account(store, expected.delivery.id).await, expected);
    }
    for delivery in &gone {
        let id = delivery.id;
        assert_eq!(store.find_delivery(id).await.unwrap(), None);
        let refused = store.retry_delivery(&CALL, id, nothing).await;
        let refusal = OutboxRefusal::DeliveryNotFound { id };
        assert!(matches!(refused, Err(ChangeError::Refused(found)) if found == refusal));
        for table in ["delivery_attempts", "delivery_decisions"] {
            assert_eq!(rows(fixture, table, id).await, 0, "{table}");
        }
    }
    // The history goes on naming them.
    let positions: Vec<_> = gone.iter().map(|delivery| delivery.id.position).collect();
    let entries = store.history_at(&positions).await.unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| !entry.logged.entry.set_off.is_empty())
    );
    assert_eq!(clean(fixture, &me, 7 * DAY).await, 0);

    // To the moment, and whatever else happened to those that stay.
    let oldest = |delivery: &&&Delivery| is_done_with(delivery);
    let oldest = kept
        .iter()
        .filter(oldest)
        .map(|delivery| delivery.update_time)
        .min();
    fixture.time.set(oldest.unwrap());
    assert_eq!(clean(fixture, &me, Duration::from_micros(1)).await, 0);
    assert_eq!(clean(fixture, &me, Duration::ZERO).await, 1);
    fixture.time.advance(100 * DAY);
    clean(fixture, &me, Duration::ZERO).await;
    let left = everything(store).await;
    assert!(left.len() > 8 && !left.iter().any(is_done_with));
}

pub async fn a_list_goes_on_while_deliveries_are_removed(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    populate(fixture, &me, "old").await;
    let whole = everything(store).await;
    let any = DeliveryQuery::default();
    let page = store.list_deliveries(&any, None, 5).await.unwrap();
    let listed: Vec<_> = page.deliveries.into_iter().map(readable).collect();
    assert_eq!(listed, whole[..5]);
    fixture.time.advance(DAY);
    assert_eq!(clean(fixture, &me, DAY).await, 4);
    let (mut rest, mut cursor) = (Vec::new(), page.next);
    while let Some(after) = cursor {
        let page = store.list_deliveries(&any, Some(&after), 5).await.unwrap();
        rest.extend(page.deliveries.into_iter().map(readable));
        cursor = page.next;
    }
    let kept: Vec<_> = whole[5..]
        .iter()
        .filter(|d| !is_done_with(d))
        .cloned()
        .collect();
    assert_eq!(rest, kept);
    let query = DeliveryQuery {
        states: vec![DeliveryState::Succeeded, DeliveryState::Skipped],
        ..any
    };
    assert_eq!(list(store, &query, 10).await, []);
}

pub async fn nothing_is_removed_without_the_lease(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    populate(fixture, &me, "old").await;
    fixture.time.advance(DAY);
    let whole = everything(store).await;
    let other = DispatcherId::random();
    store.heartbeat(&other).await.unwrap();
    assert_eq!(clean(fixture, &other, Duration::ZERO).await, 0);
    assert_eq!(everything(store).await, whole);
    // One partition is leased by another process, and left to it.
    let done_with: Vec<&Delivery> = whole
        .iter()
        .filter(|delivery| is_done_with(delivery))
        .collect();
    let foreign = done_with[0].id.position.partition;
    let given = BTreeSet::from([foreign]);
    store
        .release_leases(&me, &given, Leaving::ForNow)
        .await
        .unwrap();
    store
        .take_leases(&other, &BTreeMap::new(), &given)
        .await
        .unwrap();
    let is_foreign = |delivery: &&&Delivery| delivery.id.position.partition == foreign;
    let theirs = done_with.iter().filter(is_foreign).count();
    let mine = done_with.len() - theirs;
    assert_eq!(clean(fixture, &me, Duration::ZERO).await, mine);
    assert_eq!(clean(fixture, &other, Duration::ZERO).await, theirs);
    assert!(!everything(store).await.iter().any(is_done_with));
}

pub async fn a_long_outbox_is_removed_in_small_parts(fixture: &Fixture) {
    declare(fixture).await;
    let store = &fixture.store;
    let me = dispatcher(store).await;
    done(store, create("A-1")).await;
    let comments = all(store, vec![comment("A-1", "x"); 450]).await;
    assert!(comments.iter().all(Result::is_ok));
    let of_order = everything(store).await;
    let here = of_order[0].id.position.partition;
    let mut to_crm = lane(store, "A-1", "crm").await;
    let stuck = to_crm.remove(0);
    finish(fixture, &me, std::slice::from_ref(&stuck), &give_up()).await;
    finish(fixture, &me, &to_crm, &NextStep::Succeed).await;
    fixture.time.advance(DAY);
    done(store, comment("A-1", "new")).await;
    let newest = lane(store, "A-1", "crm").await.pop().unwrap();
    finish(fixture, &me, &[newest], &NextStep::Succeed).await;

    // The two of the creation wait, the first comment is a dead letter, the last one is new.
    let counts = walk(store, &me, here, before(fixture, DAY)).await;
    assert_eq!(counts.iter().sum::<usize>(), 449);
    assert!(
        counts.len() > 2 && counts.iter().all(|count| *count <= 200),
        "{counts:?}"
    );
    assert_eq!(everything(store).await.len(), 4);
    assert_eq!(
        account(store, stuck.id).await.delivery.state,
        DeliveryState::Dead
    );
    assert_eq!(walk(store, &me, here, before(fixture, DAY)).await, [0]);
}
