//! Leases of partitions.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use waymark_domain::{delivery::DeliveryState, partition::Partition};
use waymark_persistence::{DispatcherId, Leaving, NextStep, Store};

use super::deliveries::{account, all_of, declare, dispatcher, finish, finish_in, lane, later};
use crate::{
    Fixture,
    build::{all, comment, create, done},
};

/// The partitions that a process has leased.
async fn leased(store: &Store, who: &DispatcherId) -> BTreeSet<Partition> {
    let owners = store.leases().await.unwrap().owners.into_iter();
    let owned = owners.filter(|(_, owner)| owner.as_ref() == Some(who));
    owned.map(|(partition, _)| partition).collect()
}

async fn take(
    store: &Store,
    me: &DispatcherId,
    dead: &[(&DispatcherId, i64)],
    wanted: &BTreeSet<Partition>,
) -> BTreeSet<Partition> {
    let dead = dead.iter().map(|(id, count)| ((*id).clone(), *count));
    let dead: BTreeMap<_, _> = dead.collect();
    store.take_leases(me, &dead, wanted).await.unwrap()
}

pub async fn a_process_counts_as_long_as_it_lives(fixture: &Fixture) {
    let (here, there) = (&fixture.store, fixture.replica().await);
    assert_eq!(here.leases().await.unwrap().dispatchers, BTreeMap::new());
    let (me, other) = (DispatcherId::random(), DispatcherId::random());
    assert_ne!(me, other);
    for count in 1..=3 {
        let leases = here.heartbeat(&me).await.unwrap();
        assert_eq!(leases.dispatchers[&me], count);
    }
    there.heartbeat(&other).await.unwrap();
    // A count stands still while nobody renews, whoever looks.
    for _ in 0..3 {
        let seen = there.leases().await.unwrap();
        let counts = BTreeMap::from([(me.clone(), 3), (other.clone(), 1)]);
        assert_eq!(seen.dispatchers, counts);
        assert_eq!(seen.owners.len(), all_of(here).len());
        assert!(seen.owners.values().all(Option::is_none));
    }
}

pub async fn partitions_are_taken_from_nobody_or_the_dead(fixture: &Fixture) {
    let (here, there) = (&fixture.store, fixture.replica().await);
    let whole = all_of(here);
    let one = BTreeSet::from([Partition::new(1)]);
    let (me, other) = (DispatcherId::random(), DispatcherId::random());
    here.heartbeat(&me).await.unwrap();
    there.heartbeat(&other).await.unwrap();
    let nobody = BTreeSet::new();
    assert_eq!(take(here, &me, &[], &nobody).await, nobody);
    assert_eq!(take(here, &me, &[], &one).await, one);
    // What is wanted and leased by the living is not got, nor told.
    let rest: BTreeSet<_> = whole.difference(&one).copied().collect();
    assert_eq!(take(&there, &other, &[], &whole).await, rest);
    assert_eq!(take(&there, &other, &[], &whole).await, nobody);
    assert_eq!(
        (leased(here, &me).await, leased(here, &other).await),
        (one.clone(), rest)
    );

    // Counted on since it was seen, a process is not dead.
    here.heartbeat(&me).await.unwrap();
    assert_eq!(take(&there, &other, &[(&me, 1)], &whole).await, nobody);
    assert_eq!(leased(here, &me).await, one);
    assert_eq!(take(&there, &other, &[(&me, 2)], &whole).await, one);
    assert_eq!(
        (leased(here, &me).await, leased(here, &other).await),
        (nobody.clone(), whole)
    );
    let known = here.leases().await.unwrap().dispatchers;
    assert_eq!(known.keys().collect::<Vec<_>>(), [&other]);
    // One that was forgotten begins anew, with nothing.
    let leases = here.heartbeat(&me).await.unwrap();
    assert_eq!(leases.dispatchers[&me], 1);
    assert_eq!(leased(here, &me).await, nobody);
}

pub async fn a_lease_that_is_missing_is_added(fixture: &Fixture) {
    let store = &fixture.store;
    let me = dispatcher(store).await;
    let one = BTreeSet::from([Partition::new(1)]);
    let gone = "DELETE FROM dispatch_leases WHERE partition = 1";
    fixture.execute(gone).await;
    assert_eq!(take(store, &me, &[], &one).await, BTreeSet::new());
    // Those that are there stay with who leases them.
    let whole = all_of(store);
    store.add_leases(&whole).await.unwrap();
    let rest: BTreeSet<_> = whole.difference(&one).copied().collect();
    assert_eq!(leased(store, &me).await, rest);
    assert_eq!(take(store, &me, &[], &one).await, one);
    assert_eq!(leased(store, &me).await, whole);
}

pub async fn two_processes_take_partitions_at_once(fixture: &Fixture) {
    let (here, there) = (&fixture.store, fixture.replica().await);
    let whole = all_of(here);
    for _ in 0..10 {
        let (me, other) = (DispatcherId::random(), DispatcherId::random());
        here.heartbeat(&me).await.unwrap();
        there.heartbeat(&other).await.unwrap();
        let none = BTreeMap::new();
        let (mine, theirs) = tokio::join!(
            here.take_leases(&me, &none, &whole),
            there.take_leases(&other, &none, &whole)
        );
        let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
        assert!(mine.is_disjoint(&theirs));
        assert_eq!(&mine | &theirs, whole);
        assert_eq!(
            (leased(here, &me).await, leased(here, &other).await),
            (mine, theirs)
        );
        for who in [me, other] {
            let left = here.release_leases(&who, &whole, Leaving::ForGood).await;
            left.unwrap();
        }
    }
}

pub async fn partitions_are_given_back(fixture: &Fixture) {
    let store = &fixture.store;
    let whole = all_of(store);
    let me = dispatcher(store).await;
    let other = DispatcherId::random();
    store.heartbeat(&other).await.unwrap();
    // Nobody gives back what another leases.
    let kept = store.release_leases(&other, &whole, Leaving::ForNow).await;
    kept.unwrap();
    assert_eq!(leased(store, &me).await, whole);

    let one = BTreeSet::from([Partition::new(2)]);
    store
        .release_leases(&me, &one, Leaving::ForNow)
        .await
        .unwrap();
    let rest: BTreeSet<_> = whole.difference(&one).copied().collect();
    assert_eq!(leased(store, &me).await, rest);
    assert!(store.leases().await.unwrap().dispatchers.contains_key(&me));
    assert_eq!(take(store, &other, &[], &whole).await, one);

    store
        .release_leases(&me, &rest, Leaving::ForGood)
        .await
        .unwrap();
    let leases = store.leases().await.unwrap();
    assert_eq!(leases.dispatchers.keys().collect::<Vec<_>>(), [&other]);
    assert_eq!(take(store, &other, &[], &whole).await, rest);
}

pub async fn a_process_that_was_taken_over_records_nothing(fixture: &Fixture) {
    declare(fixture).await;
    let (here, there) = (&fixture.store, fixture.replica().await);
    done(here, create("A-1")).await;
    let comments = all(here, vec![comment("A-1", "x"); 3]).await;
    assert!(comments.iter().all(Result::is_ok));
    let me = dispatcher(here).await;
    let queue = lane(here, "A-1", "crm").await;

    let heir = DispatcherId::random();
    there.heartbeat(&heir).await.unwrap();
    let whole = all_of(here);
    assert_eq!(take(&there, &heir, &[(&me, 1)], &whole).await, whole);

    // It was asleep, and goes on as if nothing had happened: it finds what is due, and can put
    // nothing aside and record nothing.
    let due = here.due_deliveries(&me, &whole, "webhook.crm", 9).await;
    assert_eq!(due.unwrap(), queue[..1]);
    let at = later(fixture, Duration::from_secs(5));
    let problem = String::new();
    for next in [NextStep::Succeed, NextStep::Retry { at, problem }] {
        finish(fixture, &me, &queue, &next).await;
    }
    assert_eq!(lane(here, "A-1", "crm").await, queue);
    let first = account(here, queue[0].id).await;
    assert_eq!(first.attempts, []);

    finish_in(&there, fixture, &heir, &queue[..1], &NextStep::Succeed).await;
    let first = account(here, queue[0].id).await;
    assert_eq!(
        (first.delivery.state, first.attempts.len()),
        (DeliveryState::Succeeded, 1)
    );
    let due = there.due_deliveries(&heir, &whole, "webhook.crm", 9).await;
    assert_eq!(due.unwrap()[0].id, queue[1].id);
}
