//! Orders that time alone takes on: when they are due, and what makes them so.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::{
    guard::Expression,
    order::{Action, AttributesPatch, NewOrder, Patch, Rejection},
    partition::Partition,
    value::{Period, Reason, Timestamp},
    workflow::{Trigger, Workflow},
};
use waymark_persistence::{DueOrder, Refusal, Step, StepError, Store};

use super::deliveries::{all_of, later};
use crate::{
    Fixture,
    build::{
        act, all, comment, commit, create_as, done, expecting, hold, move_to, new_order, order_id,
        order_workflow, record, release, state, transition,
    },
};

/// How long an order may wait for its payment in the preset.
const UNPAID_MAX: Duration = Duration::from_hours(8);
const MOMENT: Duration = Duration::from_micros(1);

/// A moment less.
fn almost(span: Duration) -> Duration {
    span.checked_sub(MOMENT).unwrap()
}

/// An order that waits for its payment.
fn unpaid(id: &str) -> Step {
    create_as(NewOrder {
        state: Some(state("pending_payment")),
        ..new_order(id)
    })
}

/// What is due in a partition.
async fn due_in(store: &Store, partition: Partition, limit: i64) -> Vec<DueOrder> {
    let found = store.due_orders(partition, limit).await.unwrap();
    found.into_iter().map(Result::unwrap).collect()
}

/// What is due in all partitions.
async fn due(store: &Store) -> Vec<DueOrder> {
    let mut due = Vec::new();
    for partition in all_of(store) {
        due.extend(due_in(store, partition, 100).await);
    }
    due
}

async fn due_ids(store: &Store) -> Vec<String> {
    let due = due(store).await.into_iter();
    let mut ids: Vec<_> = due.map(|due| due.order.id.to_string()).collect();
    ids.sort();
    ids
}

/// What time does with an order as it was found.
fn time_up(due: &DueOrder) -> Step {
    let id = due.order.id.to_string();
    expecting(act(&id, Action::TimeUp), due.order.version)
}

async fn status_of(store: &Store, id: &str) -> String {
    let key = (order_workflow(), order_id(id));
    let found = store.find_orders(&[key]).await.unwrap().remove(0);
    let order = found.order.unwrap().read().unwrap();
    order.standing.status.to_string()
}

/// The workflow with another timer `expire`, or without it.
fn with_timer(workflow: &Workflow, after: Option<Duration>) -> Workflow {
    let mut workflow = workflow.clone();
    let mut transitions = workflow.transitions.iter_mut();
    let expire = transitions.find(|transition| transition.code.as_str() == "expire");
    expire.unwrap().trigger = match after {
        Some(after) => Trigger::After(Period::new(after).unwrap()),
        None => Trigger::Manual,
    };
    workflow
}

/// Changes the timer `expire` of the workflow, or takes it away.
async fn set_timer(fixture: &Fixture, after: Option<Duration>) {
    let edit = |workflow: Option<&Workflow>| Ok(Some(with_timer(workflow.unwrap(), after)));
    fixture.change("order", edit).await.unwrap();
    refresh(&fixture.store).await;
}

/// Looks at all orders whose timers changed.
async fn refresh(store: &Store) {
    for partition in all_of(store) {
        while store.refresh_timers(partition).await.unwrap() {}
    }
}

pub async fn an_order_that_nobody_pays_is_due(fixture: &Fixture) {
    let store = &fixture.store;
    let created = done(store, unpaid("A-1")).await;
    done(store, crate::build::create("A-2")).await;
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.advance(almost(UNPAID_MAX));
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.advance(MOMENT);
    let found = due(store).await;
    assert_eq!(found.len(), 1);
    assert_eq!(Some(&found[0].order), created.order.as_ref());
    assert_eq!(found[0].due_time, fixture.clock().now());

    let fired = done(store, time_up(&found[0])).await;
    assert_eq!(
        fired.order.as_ref().unwrap().standing.status.as_str(),
        "canceled"
    );
    let entry = &fired.entries[0].entry;
    assert_eq!(entry.transition.as_ref().unwrap().as_str(), "expire");
    assert_eq!(due_ids(store).await, Vec::<String>::new());
}

pub async fn orders_are_due_in_turn(fixture: &Fixture) {
    let store = &fixture.store;
    for number in (0..30).rev() {
        done(store, unpaid(&format!("T-{number}"))).await;
        fixture.time.advance(Duration::from_secs(1));
    }
    fixture.time.advance(UNPAID_MAX);
    assert_eq!(due(store).await.len(), 30);
    for partition in all_of(store) {
        let found = due_in(store, partition, 100).await;
        assert!(found.len() > 2, "{partition:?}");
        assert!(found.is_sorted_by_key(|due| due.due_time));
        let of_partition = |due: &DueOrder| store.partition_of(&order_workflow(), &due.order.id);
        assert!(found.iter().all(|due| of_partition(due) == partition));
        let first = due_in(store, partition, 2).await;
        let orders = |due: &[DueOrder]| due.iter().map(|d| d.order.clone()).collect::<Vec<_>>();
        assert_eq!(orders(&first), orders(&found[..2]));
    }
}

pub async fn an_order_that_moves_on_is_not_due(fixture: &Fixture) {
    let store = &fixture.store;
    for id in ["paid", "canceled", "moved", "left"] {
        done(store, unpaid(id)).await;
    }
    done(store, record("paid", "invoice")).await;
    done(store, transition("canceled", "cancel")).await;
    done(store, move_to("moved", "pending_paypal")).await;
    // A comment does not start the clock anew.
    fixture.time.advance(UNPAID_MAX / 2);
    done(store, comment("left", "still there?")).await;
    fixture.time.advance(UNPAID_MAX / 2);
    assert_eq!(due_ids(store).await, ["left"]);
    // Coming back does.
    done(store, move_to("moved", "pending_payment")).await;
    fixture.time.advance(almost(UNPAID_MAX));
    assert_eq!(due_ids(store).await, ["left"]);
    fixture.time.advance(MOMENT);
    assert_eq!(due_ids(store).await, ["left", "moved"]);
}

pub async fn a_hold_stops_the_clock(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, unpaid("A-1")).await;
    fixture.time.advance(Duration::from_hours(3));
    done(store, hold("A-1")).await;
    fixture.time.advance(Duration::from_hours(100));
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    done(store, release("A-1")).await;
    fixture.time.advance(almost(Duration::from_hours(5)));
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.advance(MOMENT);
    assert_eq!(due_ids(store).await, ["A-1"]);
}

fn hold_until(id: &str, expire_time: Timestamp) -> Step {
    let expire_time = Some(expire_time);
    let (reason, status) = (Reason::default(), None);
    act(
        id,
        Action::Hold {
            reason,
            status,
            expire_time,
        },
    )
}

pub async fn a_hold_expires(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, unpaid("A-1")).await;
    let first = later(fixture, Duration::from_hours(1));
    done(store, hold_until("A-1", first)).await;
    let second = later(fixture, Duration::from_hours(2));
    done(store, hold_until("A-1", second)).await;
    fixture.time.set(Timestamp::from_micros(first.micros() - 1));
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.set(first);
    let found = due(store).await;
    assert_eq!(found[0].due_time, first);
    let fired = done(store, time_up(&found[0])).await;
    assert_eq!(
        (
            fired.order.as_ref().unwrap().holds.len(),
            fired.order.as_ref().unwrap().holds[0].expire_time
        ),
        (1, Some(second))
    );
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.set(second);
    let found = due(store).await;
    done(store, time_up(&found[0])).await;
    assert_eq!(status_of(store, "A-1").await, "pending_payment");
    // And the clock of its status goes on.
    fixture.time.advance(almost(UNPAID_MAX));
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.advance(MOMENT);
    assert_eq!(due_ids(store).await, ["A-1"]);
}

pub async fn an_order_is_put_off(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, unpaid("A-1")).await;
    done(store, unpaid("A-2")).await;
    fixture.time.advance(UNPAID_MAX);
    let found = due(store).await;
    assert_eq!(found.len(), 2);
    let next = later(fixture, Duration::from_secs(10));
    for due in &found {
        store.reschedule(due, Some(next)).await.unwrap();
    }
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.set(next);
    let found = due(store).await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|due| due.due_time == next));

    // Not where something happened to it since it was found.
    let changed = found
        .iter()
        .find(|due| due.order.id.as_str() == "A-1")
        .unwrap();
    done(store, comment("A-1", "wait")).await;
    for due in &found {
        store.reschedule(due, None).await.unwrap();
    }
    assert_eq!(due_ids(store).await, ["A-1"]);
    assert_eq!(
        commit(store, time_up(changed)).await,
        Err(StepError::Refused(Refusal::Rejected(
            Rejection::VersionMismatch {
                expected: changed.order.version,
                current: changed.order.version + 1,
            }
        )))
    );
    // Any change of the order sets its time anew.
    done(store, comment("A-2", "wait")).await;
    assert_eq!(due_ids(store).await, ["A-1", "A-2"]);
}

pub async fn a_changed_timer_counts_for_orders_that_wait(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, unpaid("A-1")).await;
    done(store, crate::build::create("A-2")).await;
    fixture.time.advance(Duration::from_hours(1));
    set_timer(fixture, Some(Duration::from_hours(2))).await;
    // They are looked at, and put off until they are really due.
    let found = due(store).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].order.id.as_str(), "A-1");
    let workflow = store.workflow(&order_workflow()).await.unwrap().unwrap();
    let next = workflow.graph.due_time(&found[0].order);
    assert_eq!(next, Some(later(fixture, Duration::from_hours(1))));
    store.reschedule(&found[0], next).await.unwrap();
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.advance(Duration::from_hours(1));
    let found = due(store).await;

    // What is about to be put off as the old timer has it, is looked at again as the new one has.
    fixture.time.advance(MOMENT);
    set_timer(fixture, Some(Duration::from_hours(3))).await;
    store.reschedule(&found[0], None).await.unwrap();
    let found = due(store).await;
    assert_eq!(found.len(), 1);
    let rejected = commit(store, time_up(&found[0])).await;
    let nothing = Rejection::NothingDue;
    assert_eq!(
        rejected,
        Err(StepError::Refused(Refusal::Rejected(nothing)))
    );

    // Without a timer, nothing; with one again, those that stand there count, others do not.
    set_timer(fixture, None).await;
    let found = due(store).await;
    store.reschedule(&found[0], None).await.unwrap();
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    set_timer(fixture, Some(Duration::from_hours(4))).await;
    assert_eq!(due_ids(store).await, ["A-1"]);
    // A change of anything else makes nobody due.
    let found = due(store).await;
    store.reschedule(&found[0], None).await.unwrap();
    let relabel = |workflow: Option<&Workflow>| {
        let mut workflow = workflow.unwrap().clone();
        workflow.transitions[0].label = waymark_domain::value::Label::new("Other").unwrap();
        Ok(Some(workflow))
    };
    fixture.change("order", relabel).await.unwrap();
    refresh(store).await;
    assert_eq!(due_ids(store).await, Vec::<String>::new());
}

/// Notes the day on which an order is due, or none.
async fn set_day(store: &Store, id: &str, day: Option<&str>) {
    let merged = [("day".to_owned(), day.map(str::to_owned))];
    let patch = Patch {
        attributes: Some(AttributesPatch::Merge(merged.into())),
        ..Patch::default()
    };
    done(store, act(id, Action::Update(patch))).await;
}

pub async fn a_date_follows_its_order(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, unpaid("A-1")).await;
    let date = Expression::new("timestamp(order.attributes['day'])").unwrap();
    let dated = |workflow: Option<&Workflow>| {
        let mut workflow = workflow.unwrap().clone();
        let mut transitions = workflow.transitions.iter_mut();
        let expire = transitions.find(|transition| transition.code.as_str() == "expire");
        expire.unwrap().trigger = Trigger::At(date.clone());
        Ok(Some(workflow))
    };
    fixture.change("order", dated).await.unwrap();
    refresh(store).await;
    // It is looked at, since it may wait for something else now, and has no day.
    let found = due(store).await;
    assert_eq!(found.len(), 1);
    let workflow = store.workflow(&order_workflow()).await.unwrap().unwrap();
    let next = workflow.graph.due_time(&found[0].order);
    assert_eq!(next, None);
    store.reschedule(&found[0], next).await.unwrap();
    fixture.time.advance(UNPAID_MAX);
    assert_eq!(due_ids(store).await, Vec::<String>::new());

    // The clock began with the year.
    set_day(store, "A-1", Some("2026-01-02T00:00:00Z")).await;
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.advance(almost(UNPAID_MAX * 2));
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    fixture.time.advance(MOMENT);
    assert_eq!(due_ids(store).await, ["A-1"]);
    for day in [Some("2026-01-03T00:00:00Z"), Some("one day"), None] {
        set_day(store, "A-1", day).await;
        assert_eq!(due_ids(store).await, Vec::<String>::new(), "{day:?}");
    }
    set_day(store, "A-1", Some("2025-01-01T00:00:00Z")).await;
    let found = due(store).await;
    assert_eq!(found.len(), 1);
    let replica = fixture.replica().await;
    done(&replica, time_up(&found[0])).await;
    assert_eq!(status_of(store, "A-1").await, "canceled");
    assert_eq!(due_ids(store).await, Vec::<String>::new());
}

/// A change of a timer touches no order; they are looked at afterwards, a few at a time, and a
/// process that ends meanwhile is followed by another.
pub async fn many_orders_get_another_timer(fixture: &Fixture) {
    const ORDERS: usize = 1_200;
    let store = &fixture.store;
    let ids = (0..ORDERS).map(|number| format!("T-{number}"));
    let placed = all(store, ids.map(|id| unpaid(&id)).collect()).await;
    assert!(placed.iter().all(Result::is_ok));
    fixture.time.advance(Duration::from_hours(1));
    let edit = |workflow: Option<&Workflow>| Ok(Some(with_timer(workflow.unwrap(), None)));
    fixture.change("order", edit).await.unwrap();
    let due = "SELECT count(*) FROM orders WHERE due_time <= ";
    let due = format!("{due}{}", fixture.clock().now().micros());
    assert_eq!(fixture.number(&due).await, 0);
    let partition = *all_of(store).first().unwrap();
    assert!(store.refresh_timers(partition).await.unwrap());
    let first = fixture.number(&due).await;
    assert!((1..=200).contains(&first), "{first} orders at once");
    // Another change begins anew.
    let edit = |workflow: Option<&Workflow>| {
        let after = Some(Duration::from_hours(1));
        Ok(Some(with_timer(workflow.unwrap(), after)))
    };
    fixture.change("order", edit).await.unwrap();
    let replica = fixture.replica().await;
    refresh(&replica).await;
    assert_eq!(fixture.number(&due).await, i64::try_from(ORDERS).unwrap());
    let left = "SELECT count(*) FROM timer_refreshes";
    assert_eq!(fixture.number(left).await, 0);
}

pub async fn two_processes_fire_a_timer_once(fixture: &Fixture) {
    let (here, there) = (&fixture.store, fixture.replica().await);
    for number in 0..10 {
        done(here, unpaid(&format!("A-{number}"))).await;
    }
    fixture.time.advance(UNPAID_MAX);
    let found = (due(here).await, due(&there).await);
    assert_eq!((found.0.len(), found.1.len()), (10, 10));
    for (mine, theirs) in found.0.iter().zip(&found.1) {
        let (one, other) =
            tokio::join!(commit(here, time_up(mine)), commit(&there, time_up(theirs)));
        let (fired, refused) = match (one, other) {
            (Ok(fired), refused) | (refused, Ok(fired)) => (fired, refused),
            neither => panic!("{neither:?}"),
        };
        assert_eq!(
            fired.order.as_ref().unwrap().standing.status.as_str(),
            "canceled"
        );
        let mismatch = |error: &StepError| {
            matches!(
                error,
                StepError::Refused(Refusal::Rejected(Rejection::VersionMismatch { .. }))
            )
        };
        assert!(refused.as_ref().is_err_and(mismatch), "{refused:?}");
    }
    assert_eq!(due_ids(here).await, Vec::<String>::new());
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 20);
}

/// An order whose body cannot be read is told beside the others, and put off by its row alone.
pub async fn a_due_order_that_cannot_be_read_holds_up_no_other(fixture: &Fixture) {
    let store = &fixture.store;
    for id in ["A-1", "A-2", "A-3"] {
        done(store, unpaid(id)).await;
    }
    fixture
        .execute("UPDATE orders SET body = '{}' WHERE id = 'A-2'")
        .await;
    fixture.time.advance(UNPAID_MAX);
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for partition in all_of(store) {
        for found in store.due_orders(partition, 100).await.unwrap() {
            match found {
                Ok(due) => read.push(due.order.id.to_string()),
                Err(order) => unread.push((partition, order)),
            }
        }
    }
    read.sort();
    assert_eq!(read, ["A-1", "A-3"]);
    let [(partition, order)] = &unread[..] else {
        panic!("{unread:?}");
    };
    assert_eq!(
        (order.workflow.as_str(), order.id.as_str()),
        ("order", "A-2")
    );
    assert!(
        matches!(
            &order.error,
            waymark_persistence::Error::Corrupt {
                table: "orders",
                column: "body",
                ..
            }
        ),
        "{order:?}"
    );
    let until = later(fixture, Duration::from_mins(1));
    let paused = store.pause_timers(*partition, &[order.row()], until).await;
    paused.unwrap();
    assert_eq!(due_ids(store).await, ["A-1", "A-3"]);
    fixture.time.set(until);
    let again = store.due_orders(*partition, 100).await.unwrap();
    assert_eq!(again.iter().filter(|found| found.is_err()).count(), 1);
}

pub async fn what_is_made_due_anew_is_not_put_off(fixture: &Fixture) {
    let store = &fixture.store;
    for id in ["A-1", "A-2"] {
        done(store, unpaid(id)).await;
    }
    fixture.time.advance(UNPAID_MAX);
    let found = due(store).await;
    // Meanwhile its workflow gets another timer, so it is looked at again.
    fixture.time.advance(MOMENT);
    set_timer(fixture, Some(Duration::from_hours(1))).await;
    let until = later(fixture, Duration::from_hours(1));
    for due in &found {
        let partition = store.partition_of(&order_workflow(), &due.order.id);
        let paused = store.pause_timers(partition, &[due.row()], until).await;
        paused.unwrap();
    }
    assert_eq!(due_ids(store).await, ["A-1", "A-2"]);
    for due in due(store).await {
        let partition = store.partition_of(&order_workflow(), &due.order.id);
        let paused = store.pause_timers(partition, &[due.row()], until).await;
        paused.unwrap();
    }
    assert_eq!(due_ids(store).await, Vec::<String>::new());
    let nothing = store.pause_timers(all_of(store).pop_first().unwrap(), &[], until);
    nothing.await.unwrap();
}

/// What is noted of a workflow that nobody can read stays noted, and the others are looked at.
pub async fn a_workflow_that_cannot_be_read_holds_up_no_refresh(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, unpaid("A-1")).await;
    fixture.time.advance(Duration::from_hours(1));
    let insert =
        "INSERT INTO timer_refreshes (partition, workflow, catalog_version, after_key) VALUES";
    for partition in all_of(store) {
        let number = partition.number();
        let unread = format!("{insert} ({number}, 'No Code', 1, 0)");
        fixture.execute(&unread).await;
    }
    set_timer(fixture, Some(Duration::from_hours(2))).await;
    assert_eq!(due_ids(store).await, ["A-1"]);
    let left = fixture.number("SELECT count(*) FROM timer_refreshes").await;
    assert_eq!(left, i64::try_from(all_of(store).len()).unwrap());
}
