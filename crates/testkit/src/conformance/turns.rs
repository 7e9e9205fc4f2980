//! Batches that are cut because their time is up, or because a workflow is not loaded.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeSet, time::Duration};

use waymark_domain::{
    order::{Context, NewLine, NewOrder},
    value::LineId,
};
use waymark_persistence::{
    CommitRound, Refusal, Settings, Step, StepChange, StepError, Store, Unit, UnitOutcome,
    UnitProgress, UnitState,
};

use super::commits::history;
use crate::{
    Fixture,
    build::{
        self, all, atomic, comment, context, create, done, hold, new_order, order_workflow,
        requested, separate, workflow_code,
    },
};

/// The database with a budget that is used up by every step.
async fn hasty(fixture: &Fixture) -> Store {
    let settings = Settings {
        batch_budget: Duration::ZERO,
        ..fixture.settings.clone()
    };
    Store::open(settings, fixture.clock()).await.unwrap()
}

async fn transactions(fixture: &Fixture) -> i64 {
    fixture
        .number("SELECT count(DISTINCT batch_id) FROM history")
        .await
}

pub async fn a_costly_unit_is_cut_between_its_steps(fixture: &Fixture) {
    let store = hasty(fixture).await;
    let steps = vec![
        requested(create("A-1"), "r-1", 1),
        comment("A-1", "one"),
        create("A-1"),
        create("A-2"),
        requested(comment("A-1", "two"), "r-2", 2),
        // Repeats of what was committed by an earlier transaction of the same unit.
        requested(comment("A-1", "two"), "r-2", 2),
        requested(comment("A-2", "two"), "r-2", 3),
    ];
    let answers = all(&store, steps.clone()).await;
    let sequences: Vec<_> = answers
        .iter()
        .map(|answer| {
            answer
                .as_ref()
                .ok()
                .map(|done| done.entries[0].entry.sequence)
        })
        .collect();
    assert_eq!(
        sequences,
        [Some(1), Some(2), None, Some(1), Some(3), Some(3), Some(2)]
    );
    let replayed: Vec<_> = answers.iter().flatten().map(|done| done.replayed).collect();
    assert_eq!(replayed, [false, false, false, false, true, false]);
    assert_eq!(transactions(fixture).await, 5);
    // The same call again, after all of it and after a part of it.
    let again = all(&store, steps).await;
    let remembered = [0, 4, 5, 6].map(|index| again[index].as_ref().unwrap().replayed);
    assert_eq!(remembered, [true; 4]);
}

pub async fn a_cut_atomic_unit_does_not_exist(fixture: &Fixture) {
    let store = hasty(fixture).await;
    let units = vec![
        separate(vec![create("A-1"), comment("A-1", "x")]),
        atomic(vec![create("B-1"), hold("B-1"), create("B-2")]),
        atomic(vec![create("C-1"), create("A-1")]),
        separate(vec![create("C-1")]),
    ];
    let outcomes = store.commit(units).await.units;
    assert!(
        matches!(&outcomes[1], Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok))
    );
    assert!(matches!(
        &outcomes[2],
        Ok(UnitOutcome::Refused {
            index: 1,
            refusal: Refusal::OrderExists { .. }
        })
    ));
    assert!(matches!(&outcomes[3], Ok(UnitOutcome::Done(steps)) if steps[0].is_ok()));
    let of_the_unit =
        "SELECT count(DISTINCT batch_id) FROM history WHERE order_id IN ('B-1', 'B-2')";
    assert_eq!(fixture.number(of_the_unit).await, 1);
}

pub async fn an_atomic_unit_that_takes_too_long_is_refused_as_a_whole(fixture: &Fixture) {
    let settings = Settings {
        atomic_budget: Duration::ZERO,
        ..fixture.settings.clone()
    };
    let store = Store::open(settings, fixture.clock()).await.unwrap();
    done(&store, create("A-1")).await;
    let units = vec![
        separate(vec![comment("A-1", "before")]),
        atomic(vec![comment("A-1", "never"), create("B-1")]),
        separate(vec![comment("A-1", "after"), create("B-1")]),
    ];
    let outcomes = store.commit(units).await.units;
    let refusal = Refusal::TooCostly {
        budget: Duration::ZERO,
    };
    assert_eq!(outcomes[1], Ok(UnitOutcome::Refused { index: 0, refusal }));
    assert!(
        matches!(&outcomes[2], Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok))
    );
    let comments: Vec<_> = history(&store, "A-1")
        .await
        .iter()
        .map(|logged| logged.entry.comment.as_str().to_owned())
        .collect();
    assert_eq!(comments, ["", "before", "after"]);
    let tried = store.dry_run(atomic(vec![comment("A-1", "x")])).await;
    assert!(matches!(tried, Ok(UnitOutcome::Refused { index: 0, .. })));
}

/// Commits a round, and gives what is left of it.
async fn round(store: &Store, units: Vec<UnitProgress>) -> (CommitRound, Vec<UnitProgress>) {
    let patience = store.commit_patience();
    let round = store.commit_round(units, &[], patience, |_| Vec::new());
    let round = round.await;
    let left = round.units.iter().filter_map(|state| match state {
        UnitState::Ended(_) => None,
        UnitState::Unfinished(progress) => Some(progress.clone()),
    });
    let left = left.collect();
    (round, left)
}

fn begin(units: Vec<Unit>) -> Vec<UnitProgress> {
    units.into_iter().map(UnitProgress::new).collect()
}

pub async fn steps_on_one_order_keep_the_order_of_their_units(fixture: &Fixture) {
    let store = hasty(fixture).await;
    let units = vec![
        separate(vec![
            create("A-1"),
            comment("A-1", "1"),
            comment("A-1", "2"),
        ]),
        separate(vec![create("B-1"), comment("A-1", "3")]),
        atomic(vec![
            create("C-1"),
            comment("B-1", "4"),
            comment("A-1", "4"),
        ]),
        separate(vec![comment("A-1", "5"), comment("C-1", "5")]),
    ];
    store
        .load_workflows(&BTreeSet::from([order_workflow()]))
        .await
        .unwrap();
    let (_, mut left) = round(&store, begin(units)).await;
    assert_eq!(left.len(), 4, "one step is decided in a round");
    let mut rounds = 1;
    while !left.is_empty() {
        let before: usize = left.iter().map(|progress| progress.done().len()).sum();
        let count = left.len();
        left = round(&store, left).await.1;
        let after: usize = left.iter().map(|progress| progress.done().len()).sum();
        assert!(
            after > before || left.len() < count,
            "a round without a step"
        );
        rounds += 1;
        assert!(rounds < 20);
    }
    let comments = async |id: &str| {
        let history = history(&store, id).await;
        let comments = history
            .iter()
            .map(|logged| logged.entry.comment.as_str().to_owned());
        comments.collect::<Vec<_>>().join(",")
    };
    assert_eq!(comments("A-1").await, ",1,2,3,4,5");
    assert_eq!(comments("B-1").await, ",4");
    assert_eq!(comments("C-1").await, ",5");
}

/// Creates an order in the workflow `other`.
fn create_other(id: &str) -> Step {
    let workflow = workflow_code("other");
    let order = NewOrder {
        workflow: workflow.clone(),
        ..new_order(id)
    };
    let context: Context = context();
    Step {
        workflow,
        order_id: build::order_id(id),
        request: None,
        change: StepChange::Create(Box::new(order), context),
    }
}

async fn with_another_workflow(fixture: &Fixture) {
    let other = build::workflow("magento", "other");
    fixture
        .change("other", |_| Ok(Some(other.clone())))
        .await
        .unwrap();
}

/// Nothing is compiled under a lock: steps of what is not loaded wait, the others go on.
pub async fn steps_wait_for_their_workflow_alone(fixture: &Fixture) {
    with_another_workflow(fixture).await;
    let store = fixture.replica().await;
    store
        .load_workflows(&BTreeSet::from([workflow_code("other")]))
        .await
        .unwrap();
    let units = vec![
        separate(vec![
            create_other("X-1"),
            create("A-1"),
            create_other("X-2"),
        ]),
        atomic(vec![create("A-2"), create_other("X-3")]),
        separate(vec![create_other("X-2")]),
        separate(vec![create_other("X-4")]),
        separate(vec![build::unknown_workflow("U-1"), create_other("X-5")]),
    ];
    let (first, left) = round(&store, begin(units)).await;
    assert_eq!(first.unloaded, BTreeSet::from([order_workflow()]));
    let has_ended: Vec<_> = first
        .units
        .iter()
        .map(|state| matches!(state, UnitState::Ended(_)))
        .collect();
    // The third waits for the first, which creates the same order.
    assert_eq!(has_ended, [false, false, false, true, true]);
    assert_eq!(left[0].done().len(), 1);
    let UnitState::Ended(Ok(UnitOutcome::Done(steps))) = &first.units[4] else {
        panic!("{first:?}")
    };
    assert!(
        matches!(
            &steps[0],
            Err(StepError::Refused(Refusal::WorkflowNotFound { .. }))
        ) && steps[1].is_ok()
    );
    store.load_workflows(&first.unloaded).await.unwrap();
    let (second, left) = round(&store, left).await;
    assert!(second.unloaded.is_empty() && left.is_empty());
    let UnitState::Ended(Ok(UnitOutcome::Done(steps))) = &second.units[2] else {
        panic!("{second:?}")
    };
    assert!(matches!(
        &steps[0],
        Err(StepError::Refused(Refusal::OrderExists { .. }))
    ));
}

/// Another process has changed one workflow: steps of the others do not wait.
pub async fn a_change_elsewhere_makes_one_workflow_be_loaded(fixture: &Fixture) {
    with_another_workflow(fixture).await;
    let store = fixture.replica().await;
    let both = BTreeSet::from([order_workflow(), workflow_code("other")]);
    store.load_workflows(&both).await.unwrap();
    let rename = |workflow: Option<&waymark_domain::workflow::Workflow>| {
        let mut workflow = workflow.unwrap().clone();
        workflow.statuses[0].label = waymark_domain::value::Label::new("Other").unwrap();
        Ok(Some(workflow))
    };
    fixture.change("order", rename).await.unwrap();
    let units = vec![
        separate(vec![create("A-1")]),
        separate(vec![create_other("X-1")]),
    ];
    let (first, left) = round(&store, begin(units)).await;
    assert_eq!(first.unloaded, BTreeSet::from([order_workflow()]));
    assert_eq!(left.len(), 1);
    // In the process that changed it, nothing has to be loaded at all.
    let (here, left) = round(&fixture.store, begin(vec![separate(vec![create("A-1")])])).await;
    assert!(here.unloaded.is_empty() && left.is_empty());
    let UnitState::Ended(Ok(UnitOutcome::Done(steps))) = &here.units[0] else {
        panic!("{here:?}")
    };
    let committed = steps[0].as_ref().unwrap();
    assert_eq!(committed.entries[0].entry.workflow_version, 2);
}

pub async fn a_dry_run_is_not_cut(fixture: &Fixture) {
    let store = hasty(fixture).await;
    done(&store, create("A-1")).await;
    let steps = vec![
        create("A-2"),
        comment("A-2", "x"),
        hold("A-1"),
        build::unknown_workflow("U-1"),
        comment("A-1", "x"),
    ];
    let tried = store.dry_run(separate(steps.clone())).await.unwrap();
    let UnitOutcome::Done(answers) = tried else {
        panic!("{tried:?}")
    };
    let done: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, true, true, false, true]);
    let refused = store.dry_run(atomic(steps)).await.unwrap();
    assert!(matches!(refused, UnitOutcome::Refused { index: 3, .. }));
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 1);
}

/// The database with room for no order that it has to read.
async fn narrow(fixture: &Fixture) -> Store {
    let settings = Settings {
        orders_bytes_max: 0,
        ..fixture.settings.clone()
    };
    let store = Store::open(settings, fixture.clock()).await.unwrap();
    let workflows = BTreeSet::from([order_workflow()]);
    store.load_workflows(&workflows).await.unwrap();
    store
}

fn is_ended(state: &UnitState) -> bool {
    matches!(state, UnitState::Ended(_))
}

/// Whether a unit has ended and no step of it was refused.
fn is_done(state: &UnitState) -> bool {
    let UnitState::Ended(Ok(UnitOutcome::Done(steps))) = state else {
        return false;
    };
    steps.iter().all(Result::is_ok)
}

/// Creates so many orders, and gives a comment on each.
async fn comments_on(store: &Store, count: usize) -> Vec<Step> {
    let ids: Vec<_> = (0..count).map(|index| format!("A-{index}")).collect();
    let created = all(store, ids.iter().map(|id| create(id)).collect()).await;
    assert!(created.iter().all(Result::is_ok));
    ids.iter().map(|id| comment(id, "x")).collect()
}

pub async fn a_batch_ends_when_its_orders_take_much_memory(fixture: &Fixture) {
    let steps = comments_on(&fixture.store, 150).await;
    let (_, left) = round(&fixture.store, begin(vec![separate(steps.clone())])).await;
    assert!(left.is_empty(), "there is room for small orders");
    let store = narrow(fixture).await;
    let units = vec![separate(steps), separate(vec![create("B-1")])];
    let (_, left) = round(&store, begin(units)).await;
    let done = left[0].done();
    assert!(!done.is_empty() && done.len() < 150, "{}", done.len());
    assert!(done.iter().all(Result::is_ok));
    // How many more there are depends on how soon a slow machine lets the second unit have its turn.
    let (mut left, mut rounds) = (left, 0);
    while !left.is_empty() && rounds < 150 {
        let (next, rest) = round(&store, left).await;
        let mut ended = next.units.iter().filter(|unit| is_ended(unit));
        assert!(ended.all(is_done));
        (left, rounds) = (rest, rounds + 1);
    }
    assert!(left.is_empty());
    let entries = "SELECT count(*) FROM history WHERE order_id <> 'B-1'";
    assert_eq!(fixture.number(entries).await, 3 * 150);
}

pub async fn an_atomic_unit_of_orders_that_take_much_memory_is_refused(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let store = narrow(fixture).await;
    let too_large = || atomic(vec![create("B-1"), comment("A-1", "x")]);
    let refused = UnitOutcome::Refused {
        index: 1,
        refusal: Refusal::TooLarge { bytes_max: 0 },
    };
    let new = atomic(vec![create("C-1"), comment("C-1", "x")]);
    let outcomes = store.commit(vec![too_large(), new]).await.units;
    assert_eq!(outcomes[0], Ok(refused.clone()));
    assert!(
        matches!(&outcomes[1], Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok))
    );
    assert_eq!(store.dry_run(too_large()).await, Ok(refused));
    assert_eq!(fixture.number("SELECT count(*) FROM orders").await, 2);
    let wide = fixture.store.commit(vec![too_large()]).await.units;
    assert!(matches!(&wide[0], Ok(UnitOutcome::Done(_))));
}

pub async fn orders_are_answered_where_wanted_and_as_many_as_may_be_kept(fixture: &Fixture) {
    let line = new_order("A-1").lines.remove(0);
    let lines = (0..500).map(|index| NewLine {
        id: LineId::new(&index.to_string()).unwrap(),
        ..line.clone()
    });
    let large = NewOrder {
        lines: lines.collect(),
        ..new_order("A-1")
    };
    let mut steps = vec![requested(build::create_as(large), "r-1", 1)];
    steps.extend((0..60).map(|_| comment("A-1", "x")));
    let store = hasty(fixture).await;
    let answers = all(&store, steps.clone()).await;
    let orders: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().order.is_some())
        .collect();
    // The first ones, over all transactions of the unit.
    let kept = orders.iter().take_while(|has| **has).count();
    assert!((10..50).contains(&kept), "{kept} orders");
    assert!(orders[kept..].iter().all(|has| !has));
    // Nor are they kept within one transaction.
    let again = all(&fixture.store, steps[1..].to_vec()).await;
    let again = again
        .iter()
        .filter(|step| step.as_ref().unwrap().order.is_some());
    assert_eq!(again.count(), kept);

    let unwanted = Unit {
        return_orders: false,
        ..separate(vec![steps[0].clone(), comment("A-1", "x")])
    };
    let tried = store.dry_run(Unit {
        steps: vec![comment("A-1", "x")],
        ..unwanted.clone()
    });
    let tried = tried.await;
    let committed = store.commit(vec![unwanted]).await.units.remove(0);
    for outcome in [tried, committed] {
        let Ok(UnitOutcome::Done(steps)) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            steps
                .iter()
                .all(|step| step.as_ref().unwrap().order.is_none())
        );
    }
}

pub async fn a_dry_run_keeps_only_what_later_steps_need(fixture: &Fixture) {
    let mut steps = comments_on(&fixture.store, 40).await;
    let store = narrow(fixture).await;
    let tried = store.dry_run(separate(steps.clone())).await;
    let Ok(UnitOutcome::Done(answers)) = tried else {
        panic!("{tried:?}")
    };
    assert_eq!(answers.len(), 40);
    assert!(answers.iter().all(Result::is_ok));
    // The first order has to be kept until the end.
    steps.push(comment("A-0", "again"));
    let tried = store.dry_run(separate(steps.clone())).await;
    let Ok(UnitOutcome::Done(answers)) = tried else {
        panic!("{tried:?}")
    };
    let decided = answers.iter().take_while(|answer| answer.is_ok()).count();
    assert!((1..40).contains(&decided), "{decided} steps");
    let too_large = Err(StepError::Refused(Refusal::TooLarge { bytes_max: 0 }));
    assert_eq!(answers.len(), 41);
    assert!(answers[decided..].iter().all(|answer| *answer == too_large));
    let wide = fixture.store.dry_run(separate(steps)).await;
    assert!(
        matches!(&wide, Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok)),
        "{wide:?}"
    );
}
