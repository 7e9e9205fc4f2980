//! Many callers at once, some of them in other processes.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::task::JoinSet;
use waymark_domain::{
    order::Rejection,
    workflow::{AssignmentPatch, assign, unassign},
};
use waymark_persistence::{ChangeError, ChangeMode, Refusal, Step, StepError, Store};

use super::commits::{history, order};
use crate::{
    Fixture,
    build::{
        all, comment, commit, create, done, expecting, hold, move_to, order_workflow, refused,
        requested, state, status,
    },
    change_as,
};

type Answer = Result<waymark_persistence::Committed, StepError>;

/// Commits one step from fifty tasks, half of them in another process.
async fn fifty(fixture: &Fixture, step: &Step) -> Vec<Answer> {
    let stores = [fixture.store.clone(), fixture.replica().await];
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let (store, step) = (stores[number % 2].clone(), step.clone());
        tasks.spawn(async move { commit(&store, step).await });
    }
    tasks.join_all().await
}

pub async fn fifty_callers_with_one_version(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let answers = fifty(fixture, &expecting(hold("A-1"), 1)).await;
    let mismatch = StepError::Refused(Refusal::Rejected(Rejection::VersionMismatch {
        expected: 1,
        current: 2,
    }));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.as_ref() == Err(&mismatch))
            .count(),
        49,
        "{answers:?}"
    );
    assert_eq!(history(&fixture.store, "A-1").await.len(), 2);
}

pub async fn fifty_callers_with_one_request_id(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let answers = fifty(fixture, &requested(hold("A-1"), "r-1", 1)).await;
    let answers = answers.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.entries == answers[0].entries && answer.order == answers[0].order)
    );
    assert_eq!(history(&fixture.store, "A-1").await.len(), 2);
}

pub async fn two_processes_leave_no_gaps(fixture: &Fixture) {
    let stores = [fixture.store.clone(), fixture.replica().await];
    let mut tasks = JoinSet::new();
    for number in 0..8_usize {
        let store = stores[number % 2].clone();
        tasks.spawn(async move {
            for round in 0..6 {
                let ids = (0..5)
                    .map(|order| format!("{number}-{round}-{order}"))
                    .collect::<Vec<_>>();
                let mut steps = ids.iter().map(|id| create(id)).collect::<Vec<_>>();
                steps.extend(ids.iter().map(|id| comment(id, "x")));
                assert!(all(&store, steps).await.iter().all(Result::is_ok));
            }
        });
    }
    tasks.join_all().await;
    let mut entries = 0;
    for partition in fixture.store.partition_count().all() {
        let log = fixture
            .store
            .history_after(partition, 0, 10_000)
            .await
            .unwrap();
        let offsets = log
            .iter()
            .map(|entry| entry.logged.position.offset)
            .collect::<Vec<_>>();
        assert_eq!(offsets, (1..).take(offsets.len()).collect::<Vec<_>>());
        assert!(
            log.windows(2)
                .all(|pair| pair[0].logged.entry.create_time <= pair[1].logged.entry.create_time)
        );
        entries += log.len();
    }
    assert_eq!(entries, 8 * 6 * 10);
}

/// Moves forty orders between two statuses thousands of times, while the second status is
/// assigned and unassigned all the time.
pub async fn a_status_goes_while_orders_move_onto_it(fixture: &Fixture) {
    let ids = Arc::new(
        (0..40)
            .map(|number| format!("A-{number}"))
            .collect::<Vec<_>>(),
    );
    all(&fixture.store, ids.iter().map(|id| create(id)).collect()).await;
    let stores = [fixture.store.clone(), fixture.replica().await];
    let (reached, mut movers) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for (share, store) in stores.into_iter().enumerate() {
        let (ids, reached) = (Arc::clone(&ids), Arc::clone(&reached));
        movers.spawn(async move {
            move_about(&store, &ids[share * 20..(share + 1) * 20], &reached).await;
        });
    }
    let (mut attempts, mut seen) = (0, 0);
    while !movers.is_empty() {
        if let Some(moved) = movers.try_join_next() {
            moved.unwrap();
        }
        // Somebody reaches the status between two attempts to take it away.
        if seen == reached.load(Ordering::SeqCst) && !movers.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        seen = reached.load(Ordering::SeqCst);
        take_away_and_give_back(fixture).await;
        attempts += 1;
    }
    assert!(
        attempts > 100 && seen > 1_000,
        "{attempts} attempts, {seen} moves"
    );
    assert_eq!(take_away_and_give_back(fixture).await, Taken::Gone);
    done(&fixture.store, move_to("A-0", "received")).await;
    assert_eq!(take_away_and_give_back(fixture).await, Taken::Kept);
}

#[derive(Debug, PartialEq)]
enum Taken {
    Gone,
    Kept,
}

async fn take_away_and_give_back(fixture: &Fixture) -> Taken {
    let unassigned = fixture.change("order", |workflow| {
        unassign(workflow.unwrap(), &state("new"), &status("received"))
            .map(|(workflow, _)| Some(workflow))
    });
    match unassigned.await {
        Ok(_) => {
            let on_it = "SELECT count(*) FROM orders WHERE status = 'received'";
            assert_eq!(
                fixture.number(on_it).await,
                0,
                "an order stands where no status is"
            );
            let back = fixture.change("order", |workflow| {
                assign(
                    workflow.unwrap(),
                    &state("new"),
                    &status("received"),
                    AssignmentPatch::default(),
                )
                .map(Some)
            });
            back.await.unwrap();
            Taken::Gone
        }
        Err(ChangeError::Refused(waymark_domain::workflow::Refusal::StatusInUse { .. })) => {
            Taken::Kept
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Moves orders to and fro, and counts how often one reached the contested status.
async fn one(store: &Store, step: Step) -> Answer {
    all(store, vec![step]).await.remove(0)
}

async fn move_about(store: &Store, ids: &[String], reached: &AtomicUsize) {
    for round in 0..100 {
        let to = if round % 2 == 0 {
            "received"
        } else {
            "pending"
        };
        // Each in a transaction of its own: the more of them, the more often the two sides meet.
        for id in ids {
            match one(store, move_to(id, to)).await {
                Ok(_) if to == "received" => {
                    reached.fetch_add(1, Ordering::SeqCst);
                }
                // The status was gone, or the order is there already and has nothing to say.
                Ok(_)
                | Err(StepError::Refused(Refusal::Rejected(
                    Rejection::StatusNotInState { .. } | Rejection::Field { .. },
                ))) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    // The contested status is left for good, so that it can go.
    all(store, ids.iter().map(|id| move_to(id, "pending")).collect()).await;
}

pub async fn two_defaults_at_once(fixture: &Fixture) {
    let replica = fixture.replica().await;
    let make = |code: &'static str| {
        move |workflow: Option<&waymark_domain::workflow::Workflow>| {
            let patch = AssignmentPatch {
                is_default: Some(true),
                ..AssignmentPatch::default()
            };
            assign(workflow.unwrap(), &state("new"), &status(code), patch).map(Some)
        }
    };
    for _ in 0..20 {
        let (one, other) = tokio::join!(
            fixture.change("order", make("received")),
            change_as(&replica, "order", ChangeMode::Apply, None, make("pending"))
        );
        assert!(one.is_ok() && other.is_ok());
        let defaults = "SELECT count(*) FROM assignments WHERE workflow = 'order' AND state = 'new' AND is_default";
        assert_eq!(fixture.number(defaults).await, 1);
    }
}

pub async fn another_process_changes_a_workflow(fixture: &Fixture) {
    let replica = fixture.replica().await;
    done(&replica, create("A-1")).await;
    let gone = fixture.change("order", |workflow| {
        unassign(workflow.unwrap(), &state("new"), &status("received"))
            .map(|(workflow, _)| Some(workflow))
    });
    let version = gone.await.unwrap().record.unwrap().record.stamp.version;
    // The replica has the old workflow in its cache, and must not judge by it.
    let refusal = refused(&replica, move_to("A-1", "received")).await;
    assert!(
        matches!(
            refusal,
            Refusal::Rejected(Rejection::StatusNotInState { .. })
        ),
        "{refusal:?}"
    );
    let written = done(&replica, comment("A-1", "x")).await;
    assert_eq!(written.entries[0].entry.workflow_version, version);
    assert_eq!(
        replica
            .workflow(&order_workflow())
            .await
            .unwrap()
            .unwrap()
            .record
            .stamp
            .version,
        version
    );
    assert_eq!(order(&fixture.store, "A-1").await.version, 2);
}
