//! One step at a time.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::{
    history::{Kind, Logged, replay},
    order::{Action, AttributesPatch, Order, Patch, Rejection},
    value::{Comment, Metadata, Timestamp},
};
use waymark_persistence::{
    Direction, HistoryQuery, Refusal, Step, StepChange, StepError, Store, UnitOutcome, Visibility,
    test_access,
};

use crate::{
    Fixture,
    build::{
        act, all, atomic, comment, commit, create, create_as, done, expecting, hold, move_to,
        new_order, order_id, order_workflow, record, refused, release, request, requested,
        separate, workflow_code,
    },
};

/// The whole history of an order.
pub(super) async fn history(store: &Store, id: &str) -> Vec<Logged> {
    let query = HistoryQuery {
        direction: Direction::Ascending,
        after_sequence: None,
        visibility: Visibility::All,
        limit: 10_000,
    };
    let page = store
        .order_history(&order_workflow(), &order_id(id), &query)
        .await
        .unwrap();
    page.map(|page| page.entries).unwrap_or_default()
}

/// An order that must be there.
pub(super) async fn order(store: &Store, id: &str) -> Order {
    store
        .find_order(&order_workflow(), &order_id(id))
        .await
        .unwrap()
        .unwrap()
}

pub async fn the_first_entry_is_there_at_creation(fixture: &Fixture) {
    let created = done(&fixture.store, create("A-1")).await;
    assert_eq!(
        (created.order.as_ref().unwrap().version, created.replayed),
        (1, false)
    );
    assert_eq!(
        created.order.as_ref().unwrap().create_time,
        fixture.clock().now()
    );
    let entries = history(&fixture.store, "A-1").await;
    assert_eq!(entries, created.entries);
    let [first] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (
            first.entry.sequence,
            first.position.offset,
            first.step_offset
        ),
        (1, 1, 1)
    );
    assert_eq!(
        (first.entry.kind(), first.entry.create_time),
        (Kind::Created, fixture.clock().now())
    );
    assert_eq!(order(&fixture.store, "A-1").await, created.order.unwrap());
}

pub async fn orders_and_workflows_that_are_not_there(fixture: &Fixture) {
    let refusal = refused(&fixture.store, comment("A-1", "x")).await;
    assert_eq!(
        refusal,
        Refusal::OrderNotFound {
            workflow: order_workflow(),
            order_id: order_id("A-1")
        }
    );
    let workflow = workflow_code("elsewhere");
    let mut new = new_order("A-1");
    new.workflow = workflow.clone();
    assert_eq!(
        refused(&fixture.store, create_as(new)).await,
        Refusal::WorkflowNotFound {
            workflow: workflow.clone()
        }
    );
    assert_eq!(
        fixture
            .store
            .find_order(&order_workflow(), &order_id("A-1"))
            .await
            .unwrap(),
        None
    );
    assert!(fixture.store.workflow(&workflow).await.unwrap().is_none());
}

pub async fn an_order_is_created_once(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let refusal = refused(&fixture.store, create("A-1")).await;
    assert_eq!(
        refusal,
        Refusal::OrderExists {
            workflow: order_workflow(),
            order_id: order_id("A-1")
        }
    );
    let both = all(&fixture.store, vec![create("A-2"), create("A-2")]).await;
    assert!(
        both[0].is_ok()
            && matches!(
                &both[1],
                Err(StepError::Refused(Refusal::OrderExists { .. }))
            ),
        "{both:?}"
    );
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 2);
}

pub async fn a_call_is_answered_once(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let step = requested(comment("A-1", "hello"), "r-1", 7);
    let first = done(&fixture.store, step.clone()).await;
    let again = done(&fixture.store, step).await;
    assert!(!first.replayed && again.replayed);
    assert_eq!(
        (&again.entries, &again.order),
        (&first.entries, &first.order)
    );
    assert_eq!(
        again.entries[0].entry.request_id.as_ref().unwrap().as_str(),
        "r-1"
    );
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 2);
}

pub async fn a_call_is_remembered_across_processes(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    // The invoice moves the order on automatically: the replay shows both entries.
    let step = requested(record("A-1", "invoice"), "r-1", 7);
    let first = done(&fixture.store, step.clone()).await;
    assert_eq!(first.entries.len(), 2, "{:?}", first.entries);
    let again = done(&fixture.replica().await, step).await;
    assert!(again.replayed);
    assert_eq!(again.entries, first.entries);
}

pub async fn a_creation_is_remembered(fixture: &Fixture) {
    let first = done(&fixture.store, requested(create("A-1"), "r-1", 1)).await;
    let again = done(&fixture.store, requested(create("A-1"), "r-1", 1)).await;
    assert!(again.replayed);
    assert_eq!(again.entries, first.entries);
    assert!(matches!(
        refused(&fixture.store, create("A-1")).await,
        Refusal::OrderExists { .. }
    ));
    assert!(matches!(
        refused(&fixture.store, requested(create("A-1"), "r-2", 1)).await,
        Refusal::OrderExists { .. }
    ));
}

pub async fn a_request_id_is_not_used_twice(fixture: &Fixture) {
    all(&fixture.store, vec![create("A-1"), create("A-2")]).await;
    done(&fixture.store, requested(comment("A-1", "x"), "r-1", 1)).await;
    let other = requested(expecting(comment("A-1", "y"), 1), "r-1", 2);
    // It is looked up before every other check, the stale version among them.
    let refusal = refused(&fixture.store, other).await;
    assert!(
        matches!(refusal, Refusal::RequestIdReused { .. }),
        "{refusal:?}"
    );
    // Its scope is the order.
    assert!(
        !done(&fixture.store, requested(comment("A-2", "x"), "r-1", 2))
            .await
            .replayed
    );
}

pub async fn a_refused_call_is_not_remembered(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let refusal = refused(&fixture.store, requested(release("A-1"), "r-1", 1)).await;
    assert_eq!(refusal, Refusal::Rejected(Rejection::OrderNotHeld));
    assert_eq!(order(&fixture.store, "A-1").await.version, 1);
    done(&fixture.store, hold("A-1")).await;
    assert!(
        !done(&fixture.store, requested(release("A-1"), "r-1", 1))
            .await
            .replayed
    );
}

pub async fn a_stale_version_is_refused(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    done(&fixture.store, expecting(comment("A-1", "x"), 1)).await;
    let refusal = refused(&fixture.store, expecting(comment("A-1", "y"), 1)).await;
    assert_eq!(
        refusal,
        Refusal::Rejected(Rejection::VersionMismatch {
            expected: 1,
            current: 2
        })
    );
    assert_eq!(history(&fixture.store, "A-1").await.len(), 2);
}

pub async fn the_answer_of_a_replay_shows_the_order_as_it_is_now(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let first = done(&fixture.store, requested(comment("A-1", "x"), "r-1", 1)).await;
    let now = done(&fixture.store, move_to("A-1", "received")).await;
    let again = done(&fixture.store, requested(comment("A-1", "x"), "r-1", 1)).await;
    assert_eq!((again.entries, again.order), (first.entries, now.order));
}

pub async fn a_step_takes_its_automatic_steps_along(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let moved = done(&fixture.store, record("A-1", "invoice")).await;
    let entries = moved
        .entries
        .iter()
        .map(|logged| &logged.entry)
        .collect::<Vec<_>>();
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.caused_by)
            .collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(
        moved.order.as_ref().unwrap().standing.state.as_str(),
        "processing"
    );
    let first = moved.entries[0].position.offset;
    assert!(
        moved
            .entries
            .iter()
            .all(|logged| logged.step_offset == first)
    );
    assert_eq!(history(&fixture.store, "A-1").await[1..], moved.entries);
}

pub async fn a_refused_history_leaves_the_order_as_it_was(fixture: &Fixture) {
    let before = done(&fixture.store, create("A-1")).await.order.unwrap();
    // From now on the database takes no second entry of an order.
    fixture
        .execute("CREATE UNIQUE INDEX one_entry ON history (order_id)")
        .await;
    let failed = commit(&fixture.store, move_to("A-1", "received")).await;
    assert!(matches!(failed, Err(StepError::Failed(_))), "{failed:?}");
    assert_eq!(order(&fixture.store, "A-1").await, before);
    assert_eq!(
        fixture
            .number("SELECT count(*) FROM orders WHERE status = 'received'")
            .await,
        0
    );
}

pub async fn a_dry_run_writes_nothing(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    done(&fixture.store, requested(comment("A-1", "x"), "r-1", 1)).await;
    let unit = separate(vec![
        requested(record("A-1", "invoice"), "r-2", 2),
        record("A-1", "ship"),
    ]);
    let Ok(UnitOutcome::Done(steps)) = fixture.store.dry_run(unit).await else {
        panic!("refused")
    };
    let last = steps.last().unwrap().as_ref().unwrap();
    assert_eq!(
        last.order.as_ref().unwrap().standing.state.as_str(),
        "complete"
    );
    assert!(
        steps
            .iter()
            .flatten()
            .flat_map(|step| &step.entries)
            .all(|logged| logged.position.offset == 0)
    );
    assert_eq!(order(&fixture.store, "A-1").await.version, 2);
    let refusal = fixture
        .store
        .dry_run(separate(vec![release("A-1"), create("A-2")]))
        .await
        .unwrap();
    let UnitOutcome::Done(steps) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(
        steps[0],
        Err(StepError::Refused(Refusal::Rejected(
            Rejection::OrderNotHeld
        )))
    );
    assert!(steps[1].is_ok());
    assert_eq!(fixture.number("SELECT count(*) FROM orders").await, 1);
    assert!(!done(&fixture.store, create("A-2")).await.replayed);
    // The id of a dry run is still free.
    let meant = requested(record("A-1", "invoice"), "r-2", 7);
    assert!(!done(&fixture.store, meant).await.replayed);
}

pub async fn a_dry_run_answers_a_used_request_id_as_the_call_would(fixture: &Fixture) {
    let created = done(&fixture.store, requested(create("A-1"), "r-0", 1)).await;
    let first = done(&fixture.store, requested(comment("A-1", "x"), "r-1", 1)).await;
    done(&fixture.store, comment("A-1", "y")).await;
    let replica = fixture.replica().await;
    let unit = separate(vec![
        requested(create("A-1"), "r-0", 1),
        requested(comment("A-1", "x"), "r-1", 1),
        requested(comment("A-1", "z"), "r-1", 2),
        // Within one dry run, as within one call.
        requested(comment("A-1", "new"), "r-2", 1),
        requested(comment("A-1", "new"), "r-2", 1),
        requested(comment("A-1", "newer"), "r-2", 2),
    ]);
    for store in [&fixture.store, &replica] {
        let Ok(UnitOutcome::Done(steps)) = store.dry_run(unit.clone()).await else {
            panic!("refused")
        };
        let told = steps.iter().map(|step| match step {
            Ok(done) => Ok((done.replayed, done.entries.len())),
            Err(error) => Err(error.clone()),
        });
        let reused = |id: &str| {
            let request_id = request(id, 0).id;
            Err(StepError::Refused(Refusal::RequestIdReused { request_id }))
        };
        let expected = [
            Ok((true, 1)),
            Ok((true, 1)),
            reused("r-1"),
            Ok((false, 1)),
            Ok((true, 1)),
            reused("r-2"),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let entries = |index: usize| steps[index].as_ref().unwrap().entries.clone();
        assert_eq!(
            (entries(0), entries(1)),
            (created.entries.clone(), first.entries.clone())
        );
        assert_eq!(entries(3), entries(4));
        assert_eq!(entries(3)[0].position.offset, 0);
        let order = steps[1].as_ref().unwrap().order.as_ref();
        assert_eq!(order.unwrap().version, 3, "as it is now");
    }
    // Nothing is stored: neither an entry nor an id.
    assert_eq!(history(&fixture.store, "A-1").await.len(), 3);
    let meant = requested(comment("A-1", "other"), "r-2", 9);
    assert!(!done(&fixture.store, meant).await.replayed);
}

/// An update of an attribute, or of nothing.
fn update(id: &str, attribute: Option<&str>) -> Step {
    let attributes = attribute.map(|value| {
        let value = Some(value.to_owned());
        AttributesPatch::Merge([("warehouse".to_owned(), value)].into())
    });
    act(
        id,
        Action::Update(Patch {
            attributes,
            ..Patch::default()
        }),
    )
}

pub async fn an_update_that_changes_nothing_writes_nothing(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    done(store, update("A-1", Some("7"))).await;
    let before = order(store, "A-1").await;
    // Alone, beside others, and as a whole unit: no entry, the same version, and no id in use.
    for attribute in [Some("7"), None] {
        for _ in 0..2 {
            let same = done(store, requested(update("A-1", attribute), "r-1", 1)).await;
            assert_eq!((same.replayed, same.entries), (false, Vec::new()));
            assert_eq!(same.order.as_ref(), Some(&before));
        }
    }
    let steps = vec![
        requested(update("A-1", None), "r-1", 1),
        requested(comment("A-1", "x"), "r-1", 2),
        requested(update("A-1", None), "r-2", 1),
        requested(update("A-1", Some("8")), "r-2", 3),
    ];
    let written = all(store, steps.clone()).await;
    let entries = written
        .iter()
        .map(|step| step.as_ref().unwrap().entries.len());
    assert_eq!(entries.collect::<Vec<_>>(), [0, 1, 0, 1]);
    let again = all(store, vec![steps[0].clone(), steps[1].clone()]).await;
    let reused = Refusal::RequestIdReused {
        request_id: request("r-1", 0).id,
    };
    assert_eq!(again[0], Err(StepError::Refused(reused)));
    assert!(again[1].as_ref().unwrap().replayed);
    let whole = store.commit(vec![atomic(vec![update("A-1", None)])]).await;
    let Ok(UnitOutcome::Done(steps)) = &whole.units[0] else {
        panic!("{whole:?}")
    };
    assert!(steps[0].as_ref().unwrap().entries.is_empty() && whole.written.is_empty());
    assert_eq!(order(store, "A-1").await.version, before.version + 2);
    assert_eq!(history(store, "A-1").await.len(), 4);
    let stale = expecting(update("A-1", None), 1);
    assert!(matches!(
        refused(store, stale).await,
        Refusal::Rejected(Rejection::VersionMismatch { .. })
    ));
}

pub async fn time_never_goes_back(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let start = fixture.clock().now();
    fixture.time.advance(Duration::from_mins(1));
    done(&fixture.store, comment("A-1", "later")).await;
    fixture
        .time
        .set(Timestamp::from_micros(start.micros() - 1_000_000));
    for text in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"] {
        done(&fixture.store, comment("A-1", text)).await;
    }
    let entries = history(&fixture.store, "A-1").await;
    assert!(
        entries
            .windows(2)
            .all(|pair| pair[0].entry.create_time <= pair[1].entry.create_time)
    );
    // Ten entries of one instant keep their order.
    let said = entries
        .iter()
        .skip(2)
        .map(|logged| logged.entry.comment.as_str())
        .collect::<Vec<_>>();
    assert_eq!(said, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    assert_eq!(
        entries.last().unwrap().entry.create_time.micros(),
        start.micros() + 60_000_000
    );
}

/// A time beyond all clocks, as after a change by hand, is not handed on.
pub async fn a_time_that_no_clock_says_does_not_last(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let spoilt = format!("UPDATE history SET create_time = {}", i64::MAX);
    fixture.execute(&spoilt).await;
    fixture.time.advance(Duration::from_secs(1));
    let written = done(store, comment("A-1", "x")).await;
    let now = fixture.clock().now();
    assert_eq!(written.entries[0].entry.create_time, now);
    assert_eq!(order(store, "A-1").await.update_time, now);
}

pub async fn replaying_the_history_gives_the_order(fixture: &Fixture) {
    let steps = vec![
        create("A-1"),
        comment("A-1", "x"),
        hold("A-1"),
        hold("A-1"),
        release("A-1"),
        move_to("A-1", "received"),
        record("A-1", "invoice"),
        record("A-1", "ship"),
        record("A-1", "refund"),
        hold("A-1"),
    ];
    for step in steps {
        fixture.time.advance(Duration::from_millis(3));
        done(&fixture.store, step).await;
    }
    let entries = history(&fixture.store, "A-1").await;
    let replayed = replay(entries.iter().map(|logged| &logged.entry));
    assert_eq!(replayed, Some(order(&fixture.store, "A-1").await));
    let sequences = entries
        .iter()
        .map(|logged| logged.entry.sequence)
        .collect::<Vec<_>>();
    assert_eq!(sequences, (1..).take(entries.len()).collect::<Vec<_>>());
}

pub async fn two_holds_and_one_release(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    done(&fixture.store, hold("A-1")).await;
    let held = done(&fixture.store, hold("A-1")).await.order.unwrap();
    let one = held.holds[0].id.clone();
    let released = done(
        &fixture.store,
        crate::build::act(
            "A-1",
            waymark_domain::order::Action::Release { hold: Some(one) },
        ),
    )
    .await;
    assert_eq!(
        (
            released.order.as_ref().unwrap().holds.len(),
            released.order.as_ref().unwrap().standing.state.as_str()
        ),
        (1, "holded")
    );
    let stored = test_access::number(
        &fixture.store,
        "SELECT count(*) FROM orders WHERE return_state = 'new'",
    )
    .await;
    assert_eq!(stored.unwrap(), 1);
}

pub async fn hold_and_release_return_to_the_same_place(fixture: &Fixture) {
    let before = done(&fixture.store, create("A-1")).await.order.unwrap();
    done(&fixture.store, hold("A-1")).await;
    let after = done(&fixture.store, release("A-1")).await.order.unwrap();
    assert_eq!(after.standing, before.standing);
    assert_eq!(
        fixture
            .number(
                "SELECT count(*) FROM orders WHERE return_state IS NULL AND return_status IS NULL"
            )
            .await,
        1
    );
}

pub async fn metadata_and_notes_come_back(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let largest = std::collections::BTreeMap::from([("k".to_owned(), "v".repeat(4095))]);
    let mut step = comment("A-1", "ümläut 'quoted' \"twice\" {json} \\ \n");
    if let StepChange::Change(command) = &mut step.change {
        command.context.metadata = Metadata::new(largest).unwrap();
        command.context.visible_to_customer = true;
        command.context.notify_customer = true;
        command.context.comment = Comment::new("ümläut 'quoted' \"twice\" {json} \\ \n").unwrap();
    }
    let written = done(&fixture.store, step).await;
    assert_eq!(history(&fixture.store, "A-1").await[1..], written.entries);
}
