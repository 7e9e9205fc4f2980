//! Many steps in one transaction.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::order::Rejection;
use waymark_persistence::{
    CommitError, CommitRound, Error, Refusal, StepError, UnitOutcome, UnitProgress, UnitState,
};

use super::commits::{history, order};
use crate::{
    Fixture,
    build::{
        all, atomic, comment, create, create_for, done, hold, move_to, order_id, order_workflow,
        record, release, requested, separate,
    },
};

/// Makes the database refuse entries with the comment `poison`.
pub(super) async fn poison(fixture: &Fixture) {
    if fixture.database().is_some() {
        fixture
            .execute("ALTER TABLE history ADD CONSTRAINT poison CHECK (comment <> 'poison')")
            .await;
    } else {
        fixture
            .execute(
                "CREATE TRIGGER poison BEFORE INSERT ON history WHEN NEW.comment = 'poison' \
             BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
            )
            .await;
    }
}

pub async fn a_later_step_sees_what_the_earlier_ones_did(fixture: &Fixture) {
    let steps = all(
        &fixture.store,
        vec![create("A-1"), hold("A-1"), release("A-1"), release("A-1")],
    )
    .await;
    let versions = steps
        .iter()
        .map(|step| {
            step.as_ref()
                .map(|step| step.order.as_ref().unwrap().version)
                .ok()
        })
        .collect::<Vec<_>>();
    assert_eq!(versions, [Some(1), Some(2), Some(3), None]);
    // Units of one batch see each other as well, in turn.
    let units = vec![
        separate(vec![create("A-2")]),
        atomic(vec![hold("A-2")]),
        separate(vec![hold("A-2"), create("A-3")]),
    ];
    let outcomes = fixture.store.commit(units).await.units;
    assert!(outcomes.iter().all(
        |outcome| matches!(outcome, Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok))
    ));
    assert_eq!(order(&fixture.store, "A-2").await.holds.len(), 2);
}

pub async fn an_atomic_unit_is_refused_as_a_whole(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let unit = atomic(vec![
        requested(hold("A-1"), "r-1", 1),
        create("A-2"),
        create("A-1"),
        create("A-3"),
    ]);
    let outcome = fixture
        .store
        .commit(vec![unit])
        .await
        .units
        .pop()
        .unwrap()
        .unwrap();
    assert!(
        matches!(
            outcome,
            UnitOutcome::Refused {
                index: 2,
                refusal: Refusal::OrderExists { .. }
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 1);
    assert_eq!(fixture.number("SELECT count(*) FROM orders").await, 1);
    // Nothing of it is remembered either.
    assert!(
        !done(&fixture.store, requested(hold("A-1"), "r-1", 1))
            .await
            .replayed
    );
    let whole = fixture
        .store
        .commit(vec![atomic(vec![create("A-4"), hold("A-4")])])
        .await
        .units
        .pop()
        .unwrap()
        .unwrap();
    assert!(matches!(whole, UnitOutcome::Done(steps) if steps.iter().all(Result::is_ok)));
}

pub async fn a_refused_atomic_unit_leaves_nothing_for_its_neighbours(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let units = vec![
        atomic(vec![
            requested(hold("A-1"), "r-1", 1),
            create("A-2"),
            release("A-2"),
        ]),
        separate(vec![
            requested(hold("A-1"), "r-1", 1),
            create("A-2"),
            release("A-1"),
        ]),
    ];
    let outcomes = fixture.store.commit(units).await.units;
    assert!(
        matches!(&outcomes[0], Ok(UnitOutcome::Refused { index: 2, .. })),
        "{outcomes:?}"
    );
    let Ok(UnitOutcome::Done(steps)) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert!(
        steps
            .iter()
            .all(|step| step.as_ref().is_ok_and(|step| !step.replayed)),
        "{steps:?}"
    );
    let sequences = history(&fixture.store, "A-1")
        .await
        .iter()
        .map(|logged| logged.entry.sequence)
        .collect::<Vec<_>>();
    assert_eq!(sequences, [1, 2, 3]);
    for partition in fixture.store.partition_count().all() {
        let log = fixture
            .store
            .history_after(partition, 0, 1000)
            .await
            .unwrap();
        let offsets = log
            .iter()
            .map(|entry| entry.logged.position.offset)
            .collect::<Vec<_>>();
        assert_eq!(offsets, (1..).take(offsets.len()).collect::<Vec<_>>());
    }
}

pub async fn a_refused_step_never_fails_its_neighbours(fixture: &Fixture) {
    let steps = all(
        &fixture.store,
        vec![
            create("A-1"),
            release("A-1"),
            comment("A-9", "x"),
            hold("A-1"),
        ],
    )
    .await;
    assert!(steps[0].is_ok() && steps[3].is_ok());
    assert_eq!(
        steps[1],
        Err(StepError::Refused(Refusal::Rejected(
            Rejection::OrderNotHeld
        )))
    );
    assert!(matches!(
        &steps[2],
        Err(StepError::Refused(Refusal::OrderNotFound { .. }))
    ));
}

pub async fn a_thousand_steps_with_three_illegal_ones(fixture: &Fixture) {
    let ids = (0..1000)
        .map(|number| format!("A-{number}"))
        .collect::<Vec<_>>();
    let created = all(&fixture.store, ids.iter().map(|id| create(id)).collect()).await;
    assert!(created.iter().all(Result::is_ok));
    all(
        &fixture.store,
        vec![hold("A-13"), hold("A-500"), hold("A-999")],
    )
    .await;
    let moved = all(
        &fixture.store,
        ids.iter().map(|id| record(id, "invoice")).collect(),
    )
    .await;
    let refused = moved
        .iter()
        .zip(&ids)
        .filter(|(step, _)| step.is_err())
        .map(|(_, id)| id.as_str())
        .collect::<Vec<_>>();
    assert_eq!(refused, ["A-13", "A-500", "A-999"]);
    assert_eq!(
        fixture
            .number("SELECT count(*) FROM orders WHERE state = 'processing'")
            .await,
        997
    );
    assert_eq!(
        fixture
            .number("SELECT count(DISTINCT batch_id) FROM history")
            .await,
        3
    );
}

pub async fn a_poisoned_step_is_found_by_splitting(fixture: &Fixture) {
    poison(fixture).await;
    let mut units = (0..8)
        .map(|number| separate(vec![create(&format!("A-{number}"))]))
        .collect::<Vec<_>>();
    units.insert(
        3,
        separate(vec![
            create("B-1"),
            comment("B-1", "poison"),
            comment("B-1", "fine"),
        ]),
    );
    units.insert(6, separate(vec![create("C-1"), comment("A-1", "poison")]));
    let outcomes = fixture.store.commit(units).await.units;
    assert_eq!(outcomes.len(), 10);
    for (index, outcome) in outcomes.iter().enumerate() {
        let Ok(UnitOutcome::Done(steps)) = outcome else {
            panic!("unit {index}: {outcome:?}")
        };
        for (number, step) in steps.iter().enumerate() {
            let poisoned = [(3, 1), (6, 1)].contains(&(index, number));
            assert_eq!(
                step.is_err(),
                poisoned,
                "unit {index}, step {number}: {step:?}"
            );
            assert!(!poisoned || *step == Err(StepError::Failed(CommitError::Database)));
        }
    }
    assert_eq!(order(&fixture.store, "B-1").await.version, 2);
    assert_eq!(fixture.number("SELECT count(*) FROM orders").await, 10);
}

pub async fn a_poisoned_step_fails_its_atomic_unit_alone(fixture: &Fixture) {
    poison(fixture).await;
    let units = vec![
        separate(vec![create("A-1")]),
        atomic(vec![create("B-1"), comment("B-1", "poison")]),
        separate(vec![create("A-2")]),
    ];
    let outcomes = fixture.store.commit(units).await.units;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(outcomes[1], Err(CommitError::Database));
    assert_eq!(fixture.number("SELECT count(*) FROM orders").await, 2);
}

/// The outcomes of a round in which everything ended.
/// How long a round may be tried, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_secs(20);

fn ended(round: CommitRound) -> Vec<Result<UnitOutcome, CommitError>> {
    let outcomes = round.units.into_iter().map(|state| match state {
        UnitState::Ended(outcome) => outcome,
        UnitState::Unfinished(progress) => panic!("not finished: {progress:?}"),
    });
    outcomes.collect()
}

/// What came while a batch waited for its locks is committed with it, as far as it lies in the
/// locked partitions, and is judged and tried again like the rest.
pub async fn units_that_came_late_join_the_batch(fixture: &Fixture) {
    poison(fixture).await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let all_partitions = store.partition_count().all().collect::<Vec<_>>();
    let late = vec![
        separate(vec![comment("A-1", "late"), create("A-2")]),
        atomic(vec![hold("A-1"), create("A-2")]),
        separate(vec![comment("A-1", "poison")]),
        atomic(vec![requested(comment("A-2", "x"), "r-1", 1)]),
    ];
    let mut asked = 0;
    let first = vec![UnitProgress::new(separate(vec![hold("A-1")]))];
    let round = store.commit_round(first, &all_partitions, PATIENCE, |fits| {
        asked += 1;
        assert!(late.iter().all(fits));
        late.clone()
    });
    let outcomes = ended(round.await);
    assert_eq!((asked, outcomes.len()), (1, 5));
    let done = |outcome: &_| matches!(outcome, Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok));
    assert!(
        done(&outcomes[0]) && done(&outcomes[1]) && done(&outcomes[4]),
        "{outcomes:?}"
    );
    assert!(matches!(
        &outcomes[2],
        Ok(UnitOutcome::Refused { index: 1, .. })
    ));
    assert_eq!(outcomes[3], Err(CommitError::Database));
    assert_eq!(order(store, "A-1").await.version, 3);
    assert_eq!(order(store, "A-2").await.version, 2);
}

/// A unit joins only where the locks are held already.
pub async fn units_of_other_partitions_do_not_join(fixture: &Fixture) {
    let store = &fixture.store;
    let partition = |id: &str| store.partition_of(&order_workflow(), &order_id(id));
    let ids = (2..100).map(|number| format!("A-{number}"));
    let (here, there): (Vec<_>, Vec<_>) = ids.partition(|id| partition(id) == partition("A-1"));
    let batch = vec![UnitProgress::new(separate(vec![create("A-1")]))];
    let round = store.commit_round(batch, &[], PATIENCE, |fits| {
        let unit = |id: &String| separate(vec![create(id)]);
        assert!(here.iter().all(|id| fits(&unit(id))));
        assert!(there.iter().all(|id| !fits(&unit(id))));
        assert!(
            there
                .iter()
                .all(|id| !fits(&atomic(vec![create("A-1"), create(id)])))
        );
        here.iter().map(unit).collect()
    });
    assert_eq!(ended(round.await).len(), 1 + here.len());
    let batches = fixture.number("SELECT count(DISTINCT batch_id) FROM history");
    assert_eq!(batches.await, 1);
}

pub async fn an_order_that_cannot_be_read_fails_alone(fixture: &Fixture) {
    all(
        &fixture.store,
        vec![create("A-1"), create("A-2"), create("A-3")],
    )
    .await;
    fixture
        .execute("UPDATE orders SET body = '{}' WHERE id = 'A-2'")
        .await;
    let steps = all(
        &fixture.store,
        ["A-1", "A-2", "A-3"].iter().map(|id| hold(id)).collect(),
    )
    .await;
    assert_eq!(steps[1], Err(StepError::Failed(CommitError::Database)));
    assert!(steps[0].is_ok() && steps[2].is_ok());
    let read = fixture
        .store
        .find_order(&order_workflow(), &order_id("A-2"))
        .await;
    assert!(
        matches!(
            &read,
            Err(Error::Corrupt {
                table: "orders",
                column: "body",
                ..
            })
        ),
        "{read:?}"
    );
}

/// A step would count on from a version, beyond what a number holds.
pub async fn an_order_whose_version_nothing_follows_fails_alone(fixture: &Fixture) {
    let store = &fixture.store;
    let ids = ["A-1", "A-2", "A-3"];
    all(store, ids.map(create).to_vec()).await;
    let last = i64::MAX;
    let spoilt = format!(
        "UPDATE orders SET version = {last}, \
         body = replace(body, '\"version\":1', '\"version\":{last}') WHERE id = 'A-2'"
    );
    fixture.execute(&spoilt).await;
    let steps = all(store, ids.map(hold).to_vec()).await;
    assert_eq!(steps[1], Err(StepError::Failed(CommitError::Database)));
    assert!(steps[0].is_ok() && steps[2].is_ok());
    let read = store.find_order(&order_workflow(), &order_id("A-2")).await;
    assert!(
        matches!(
            &read,
            Err(Error::Corrupt {
                table: "orders",
                column: "version",
                ..
            })
        ),
        "{read:?}"
    );
}

/// No entry can follow the last one, so the steps of its partition fail, and no others.
pub async fn a_partition_whose_log_is_full_fails_alone(fixture: &Fixture) {
    let store = &fixture.store;
    let ids: Vec<_> = (0..20).map(|number| format!("A-{number}")).collect();
    all(store, ids.iter().map(|id| create(id)).collect()).await;
    let full = store.partition_of(&order_workflow(), &order_id("A-0"));
    let number = full.number();
    let spoilt = format!(
        "UPDATE history SET log_offset = {} WHERE partition = {number} AND log_offset = \
         (SELECT max(log_offset) FROM history WHERE partition = {number})",
        i64::MAX
    );
    fixture.execute(&spoilt).await;
    let replica = fixture.replica().await;
    let steps = all(&replica, ids.iter().map(|id| hold(id)).collect()).await;
    for (id, step) in ids.iter().zip(steps) {
        let partition = replica.partition_of(&order_workflow(), &order_id(id));
        if partition == full {
            assert_eq!(step, Err(StepError::Failed(CommitError::Database)), "{id}");
        } else {
            assert!(step.is_ok(), "{id}: {step:?}");
        }
    }
}

pub async fn the_same_request_twice_in_one_batch(fixture: &Fixture) {
    let twice = |step: waymark_persistence::Step| vec![step.clone(), step];
    let created = all(&fixture.store, twice(requested(create("A-1"), "r-1", 1))).await;
    assert!(!created[0].as_ref().unwrap().replayed && created[1].as_ref().unwrap().replayed);
    let mut steps = twice(requested(record("A-1", "invoice"), "r-2", 1));
    steps.push(requested(move_to("A-1", "received"), "r-2", 2));
    let answers = all(&fixture.store, steps).await;
    let (first, again) = (answers[0].as_ref().unwrap(), answers[1].as_ref().unwrap());
    assert_eq!((&first.entries, again.replayed), (&again.entries, true));
    assert!(matches!(
        &answers[2],
        Err(StepError::Refused(Refusal::RequestIdReused { .. }))
    ));
    assert_eq!(history(&fixture.store, "A-1").await.len(), 3);
}

pub async fn an_empty_batch_answers_nothing(fixture: &Fixture) {
    let nothing = fixture.store.commit(Vec::new()).await;
    assert!(nothing.units.is_empty() && nothing.written.is_empty());
    let outcomes = fixture
        .store
        .commit(vec![
            separate(Vec::new()),
            separate(vec![create("A-1")]),
            atomic(Vec::new()),
        ])
        .await
        .units;
    assert_eq!(outcomes[0], Ok(UnitOutcome::Done(Vec::new())));
    assert!(matches!(&outcomes[1], Ok(UnitOutcome::Done(steps)) if steps.len() == 1));
    assert_eq!(outcomes[2], Ok(UnitOutcome::Done(Vec::new())));
}

pub async fn what_was_written_is_what_the_log_has(fixture: &Fixture) {
    poison(fixture).await;
    let batches = [
        vec![
            separate(vec![
                requested(create("A-1"), "r-1", 1),
                create_for("A-2", "carl", "web"),
                create("A-3"),
            ]),
            atomic(vec![record("A-2", "invoice"), hold("A-1")]),
        ],
        vec![
            // Repeated, refused as a whole, and refused alone.
            separate(vec![requested(create("A-1"), "r-1", 1)]),
            atomic(vec![comment("A-2", "x"), create("A-2")]),
            separate(vec![release("A-1"), release("A-1"), hold("A-3")]),
        ],
        vec![
            separate(vec![requested(comment("A-1", "x"), "r-2", 2)]),
            separate(vec![
                comment("A-2", "x"),
                comment("A-3", "poison"),
                comment("A-3", "y"),
            ]),
            atomic(vec![create("A-4"), comment("A-4", "poison")]),
        ],
    ];
    let mut written = Vec::new();
    for units in batches {
        let committed = fixture.store.commit(units).await;
        assert!(!committed.written.is_empty());
        written.extend(committed.written);
    }
    // Stable: the order within a partition must be right already.
    written.sort_by_key(|batched| batched.logged.position.partition);
    let mut log = Vec::new();
    for partition in fixture.store.partition_count().all() {
        let entries = fixture.store.history_after(partition, 0, 1_000);
        log.extend(entries.await.unwrap());
    }
    assert_eq!(written, log);
}
