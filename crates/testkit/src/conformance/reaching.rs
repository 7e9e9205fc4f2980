//! Changes of a workflow that reach what is there already: orders, deliveries, and request ids.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;
use waymark_domain::{
    guard::Expression,
    order::Rejection,
    value::{Description, Label, Money},
    workflow::{
        self as edit, Blocker, Category, Record, Status, Workflow,
        document::{Format, Mode, apply, parse},
    },
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, Counting, Extent, Outcome, Refusal, Settling, SettlingCall,
    Step, StepError, Store, WorkflowChange,
};

use crate::{
    Fixture,
    build::{
        self, actor, all, commit, create_as, done, hold, new_order, order_id, order_workflow,
        release, request, state, status, transition, workflow_code,
    },
    change_as, change_workflow,
};

/// Two states on the way and the held one; what is dear goes on by itself, and every creation is
/// told.
const LADDER: &str = "\
label: Ladder
initial_state: a
statuses:
  in_a: {label: In A}
  in_b: {label: In B}
  parked: {label: Parked}
states:
  a: {label: A, category: initial, can_start: true, holdable: true, statuses: [in_a]}
  b: {label: B, category: active, holdable: true, statuses: [in_b]}
  holded: {label: Holded, category: held, statuses: [parked]}
transitions:
  up: {label: Up, from_states: [a], to_state: b}
  down: {label: Down, from_states: [b], to_state: a}
  rise: {label: Rise, from_states: [a], to_state: b, trigger: automatic, guard: order.grand_total > 1000}
on_create:
  tell: {webhook: {endpoint: erp}}
";

fn ladder() -> Workflow {
    let document = parse(LADDER, Format::Yaml).unwrap();
    apply(None, &document, Mode::Replace, Some(&order_workflow())).unwrap()
}

/// The ladder with `b` as its held state, and with no way left.
fn turned() -> Workflow {
    let mut workflow = ladder();
    workflow.transitions.clear();
    for state in &mut workflow.states {
        match state.code.as_str() {
            "b" => state.category = Category::Held,
            "holded" => state.category = Category::Active,
            _ => {}
        }
    }
    workflow
}

async fn change(
    fixture: &Fixture,
    workflow: Workflow,
) -> Result<Outcome, ChangeError<edit::Refusal>> {
    fixture
        .change("order", |_| Ok(Some(workflow.clone())))
        .await
}

/// Creates an order that costs so much.
fn create(id: &str, grand_total: i64) -> Step {
    let mut new = new_order(id);
    new.grand_total = Money::new(grand_total).unwrap();
    create_as(new)
}

pub async fn a_state_with_orders_does_not_become_held(fixture: &Fixture) {
    change(fixture, ladder()).await.unwrap();
    let steps = vec![
        create("A-1", 0),
        create("A-2", 0),
        create("A-3", 0),
        transition("A-1", "up"),
        transition("A-2", "up"),
        hold("A-2"),
    ];
    assert!(all(&fixture.store, steps).await.iter().all(Result::is_ok));
    let tried = fixture
        .change_as("order", ChangeMode::DryRun, None, |_| Ok(Some(turned())))
        .await
        .map(|_| ());
    let applied = change(fixture, turned()).await.map(|_| ());
    for answer in [tried, applied] {
        let Err(ChangeError::Refused(edit::Refusal::StatusInUse {
            status: of,
            state: Some(within),
            why: Blocker::BecomesHeld,
            usage,
        })) = &answer
        else {
            panic!("{answer:?}")
        };
        assert_eq!((within.as_str(), of.as_str()), ("b", "in_b"));
        assert_eq!(usage.count, 2, "one stands there, one will return");
        assert_eq!(usage.order_ids, [order_id("A-1"), order_id("A-2")]);
    }
    done(&fixture.store, release("A-2")).await;
    for id in ["A-1", "A-2"] {
        done(&fixture.store, transition(id, "down")).await;
    }
    change(fixture, turned()).await.unwrap();
    // The other way round: what is on hold is released to where it was.
    let held = done(&fixture.store, hold("A-3")).await.order.unwrap();
    assert_eq!(held.standing.state, state("b"));
    change(fixture, ladder()).await.unwrap();
    // That is taken back while it has its hold, which is what may stand there.
    change(fixture, turned()).await.unwrap();
    change(fixture, ladder()).await.unwrap();
    let released = done(&fixture.store, release("A-3")).await.order.unwrap();
    assert_eq!(released.standing.state, state("a"));
}

/// Moves two orders in and out of a state hundreds of times, while it becomes held and active again
/// all the time.
pub async fn a_state_becomes_held_while_orders_move_into_it(fixture: &Fixture) {
    change(fixture, ladder()).await.unwrap();
    let stores = [fixture.store.clone(), fixture.replica().await];
    let (reached, mut movers) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for (store, id) in stores.into_iter().zip(["A-1", "A-2"]) {
        done(&store, create(id, 0)).await;
        let reached = Arc::clone(&reached);
        movers.spawn(async move { move_about(&store, id, &reached).await });
    }
    let (mut attempts, mut held, mut seen) = (0, 0, 0);
    while !movers.is_empty() {
        if let Some(moved) = movers.try_join_next() {
            moved.unwrap();
        }
        // Somebody gets there between two attempts to make it held.
        if seen == reached.load(Ordering::SeqCst) && !movers.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        seen = reached.load(Ordering::SeqCst);
        attempts += 1;
        held += usize::from(becomes_held(fixture).await);
    }
    assert!(
        attempts > 1 && seen > 20,
        "{attempts} attempts, {seen} moves"
    );
    assert!(becomes_held(fixture).await, "{held} of {attempts} before");
    done(&fixture.store, transition("A-1", "up")).await;
    assert!(!becomes_held(fixture).await);
}

/// Makes the state held and active again; says whether it could become held.
async fn becomes_held(fixture: &Fixture) -> bool {
    match change(fixture, turned()).await {
        Ok(_) => {
            let stuck = "SELECT count(*) FROM orders WHERE state = 'b'";
            assert_eq!(
                fixture.number(stuck).await,
                0,
                "an order is held by nothing"
            );
            change(fixture, ladder()).await.unwrap();
            true
        }
        Err(ChangeError::Refused(edit::Refusal::StatusInUse { .. })) => false,
        Err(other) => panic!("{other:?}"),
    }
}

async fn move_about(store: &Store, id: &str, reached: &AtomicUsize) {
    for round in 0..400 {
        let code = if round % 2 == 0 { "up" } else { "down" };
        match commit(store, transition(id, code)).await {
            Ok(_) if code == "up" => {
                reached.fetch_add(1, Ordering::SeqCst);
            }
            // The ways were gone, or the last one was and the order is there already.
            Ok(_)
            | Err(StepError::Refused(Refusal::Rejected(
                Rejection::TransitionNotFound { .. } | Rejection::TransitionNotHere { .. },
            ))) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    // Left for good: where the ways are gone, nobody is there.
    let _ = commit(store, transition(id, "down")).await;
}

pub async fn request_ids_end_with_their_workflow(fixture: &Fixture) {
    let replica = fixture.replica().await;
    let workflow = build::workflow("magento_2_4", "d1");
    let packed = Status {
        code: status("packed"),
        label: Label::new("Packed").unwrap(),
        store_view_labels: BTreeMap::new(),
        description: Description::default(),
        color: None,
        position: 0,
        retired: false,
        on_enter: Vec::new(),
    };
    let apply = |_: Option<&Workflow>| Ok(Some(workflow.clone()));
    let create = |workflow: Option<&Workflow>| {
        edit::create_status(workflow.unwrap(), packed.clone()).map(Some)
    };
    let delete = |workflow: Option<&Workflow>| match workflow {
        Some(_) => Ok(None),
        None => Err(edit::Refusal::WorkflowNotFound {
            workflow: workflow_code("d1"),
        }),
    };
    let is_replayed = |changed: Result<Answered<Outcome>, ChangeError<edit::Refusal>>| {
        matches!(changed.unwrap(), Answered::Replayed(_))
    };
    for store in [&fixture.store, &replica, &fixture.store] {
        let apply = |id| change_as(store, "d1", ChangeMode::Apply, Some(request(id, 1)), apply);
        let create = |id| change_as(store, "d1", ChangeMode::Apply, Some(request(id, 2)), create);
        let delete = |id| change_as(store, "d1", ChangeMode::Apply, Some(request(id, 3)), delete);
        for expected in [false, true] {
            assert_eq!(is_replayed(apply("r-1").await), expected);
        }
        for expected in [false, true] {
            assert_eq!(is_replayed(create("r-2").await), expected);
        }
        let found = store.workflow(&workflow_code("d1")).await.unwrap().unwrap();
        assert!(found.record.workflow.status(&status("packed")).is_some());
        // The deletion itself is remembered as long as the workflow is away.
        for expected in [false, true] {
            assert_eq!(is_replayed(delete("r-3").await), expected);
        }
        assert!(
            store
                .workflow(&workflow_code("d1"))
                .await
                .unwrap()
                .is_none()
        );
    }
    let kept = "SELECT count(*) FROM requests WHERE scope = 'workflow/d1'";
    assert_eq!(fixture.number(kept).await, 1);
}

/// What a change to this workflow would mean for what is there, by rule.
async fn told(store: &Store, after: Workflow) -> Vec<String> {
    let change = WorkflowChange {
        workflow: order_workflow(),
        request: None,
        actor: actor(),
        mode: ChangeMode::DryRun,
        counting: Counting::Affected,
        extent: Extent::Part,
    };
    let edit = |_: Option<&Record>| Ok(Some(after.clone()));
    let changed = change_workflow(store, &change, edit).await;
    let Answered::Done(outcome) = changed.unwrap() else {
        panic!("replayed")
    };
    let told = outcome.findings.iter();
    told.map(|finding| format!("{}: {finding}", finding.rule))
        .collect()
}

pub async fn orders_in_what_becomes_terminal_are_counted(fixture: &Fixture) {
    change(fixture, ladder()).await.unwrap();
    let ends = || {
        let mut workflow = ladder();
        for part in &mut workflow.states {
            part.terminal = part.code == state("a");
        }
        workflow
    };
    assert!(told(&fixture.store, ends()).await.is_empty());
    let steps = vec![
        create("A-1", 0),
        create("A-2", 0),
        create("A-3", 0),
        hold("A-2"),
        transition("A-3", "up"),
    ];
    assert!(all(&fixture.store, steps).await.iter().all(Result::is_ok));
    assert_eq!(
        told(&fixture.store, ends()).await,
        [
            "orders_become_terminal: state a becomes terminal, and 2 orders stand in it or will return to it \
             (A-1, A-2): no step leaves it any more"
        ]
    );
    // Counted up to a thousand.
    for from in (0..1_050).step_by(350) {
        let ids = (from..from + 350).map(|number| create(&format!("B-{number:04}"), 0));
        let done = all(&fixture.store, ids.collect()).await;
        assert!(done.iter().all(Result::is_ok));
    }
    let many = told(&fixture.store, ends()).await;
    assert!(
        many[0].contains("at least 1000 orders stand in it"),
        "{many:?}"
    );
    // Many in one state hide no others.
    let steps = vec![transition("A-1", "up")];
    assert!(all(&fixture.store, steps).await.iter().all(Result::is_ok));
    let both_end = || {
        let mut workflow = ends();
        for part in &mut workflow.states {
            part.terminal = ["a", "b"].contains(&part.code.as_str());
        }
        workflow
    };
    let many = told(&fixture.store, both_end()).await;
    let many = many.join("\n");
    assert!(
        many.contains("state a becomes terminal, and at least 1000 orders stand"),
        "{many}"
    );
    // A-3 as well.
    assert!(
        many.contains("state b becomes terminal, and 2 orders stand"),
        "{many}"
    );
    // Where no time is given, that is told, and the change is none the worse for it.
    let mut settings = fixture.settings.clone();
    settings.counting_budget = Duration::ZERO;
    let hasty = Store::open(settings, fixture.clock()).await.unwrap();
    // A database that answers at once may have been quicker.
    let without = told(&hasty, ends()).await;
    assert_eq!(without.len(), 1, "{without:?}");
    assert!(
        without[0].contains("state a becomes terminal, and"),
        "{without:?}"
    );
}

pub async fn orders_that_would_move_are_counted(fixture: &Fixture) {
    change(fixture, ladder()).await.unwrap();
    let steps = vec![
        create("A-1", 500),
        create("A-2", 900),
        create("A-3", 5),
        create("A-4", 500),
        hold("A-4"),
    ];
    assert!(all(&fixture.store, steps).await.iter().all(Result::is_ok));
    let guarded = |guard: &str| {
        let mut workflow = ladder();
        for part in &mut workflow.transitions {
            if part.code.as_str() == "rise" {
                part.guard = Some(Expression::new(guard).unwrap());
            }
        }
        workflow
    };
    assert_eq!(
        told(&fixture.store, guarded("order.grand_total > 100")).await,
        [
            "orders_would_move: transition rise would be taken by 2 orders now (A-1, A-2); nothing moves \
             them until something happens to them: SettleOrders asks all of them (waymark workflow settle)"
        ]
    );
    assert!(
        told(&fixture.store, guarded("order.grand_total > 5000"))
            .await
            .is_empty()
    );
    assert!(told(&fixture.store, ladder()).await.is_empty());
    // Those that do not move must not hide that others were not looked at.
    for from in (0..1_050).step_by(350) {
        let ids = (from..from + 350).map(|number| create(&format!("B-{number:04}"), 0));
        let done = all(&fixture.store, ids.collect()).await;
        assert!(done.iter().all(Result::is_ok));
    }
    assert_eq!(
        told(&fixture.store, guarded("order.grand_total > 5000")).await,
        [
            "orders_would_move: transition rise would be taken by none of the 1000 orders that were looked at; \
             others were not: SettleOrders with validate_only tells of all (waymark workflow settle --dry-run)"
        ]
    );
}

pub async fn deliveries_that_wait_are_counted(fixture: &Fixture) {
    change(fixture, ladder()).await.unwrap();
    for id in ["A-1", "A-2", "A-3"] {
        done(&fixture.store, create(id, 0)).await;
    }
    let mut off = ladder();
    off.on_create[0].active = false;
    let mut gone = ladder();
    gone.on_create.clear();
    for (after, expected) in [
        (
            off,
            "deliveries_wait: action create.tell is switched off, and 3 deliveries wait for it: they wait until it is \
             switched on",
        ),
        (
            gone,
            "deliveries_wait: action create.tell is removed or renamed, and 3 deliveries wait for it: they will be given up",
        ),
    ] {
        assert_eq!(told(&fixture.store, after).await, [expected]);
    }
    // Many of one action hide nothing of another.
    let talking = || {
        let mut workflow = ladder();
        workflow.on_comment.clone_from(&workflow.on_create);
        workflow
    };
    change(fixture, talking()).await.unwrap();
    for from in (0..1_050).step_by(350) {
        let ids = (from..from + 350).map(|number| create(&format!("B-{number:04}"), 0));
        let done = all(&fixture.store, ids.collect()).await;
        assert!(done.iter().all(Result::is_ok));
    }
    let comments = ["A-1", "A-2"].map(|id| build::comment(id, "hello"));
    let commented = all(&fixture.store, Vec::from(comments)).await;
    assert!(commented.iter().all(Result::is_ok));
    let mut silent = talking();
    silent.on_comment.clear();
    silent.on_create.clear();
    let both = told(&fixture.store, silent).await;
    let gone = |action: &str, count: &str| {
        format!(
            "deliveries_wait: action {action} is removed or renamed, and {count} deliveries wait for it: \
             they will be given up"
        )
    };
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.contains(&gone("comment.tell", "2")), "{both:?}");
    assert!(
        both.contains(&gone("create.tell", "at least 1000")),
        "{both:?}"
    );
}

fn page(id: &str, fingerprint: u8) -> SettlingCall {
    SettlingCall {
        workflow: order_workflow(),
        request: request(id, fingerprint),
    }
}

pub async fn a_page_of_orders_is_kept_in_two_stages(fixture: &Fixture) {
    let (store, call) = (&fixture.store, page("r-1", 1));
    let replica = fixture.replica().await;
    let begun = |plan: &[u8]| Settling::Begun(plan.to_vec());
    let ended = |answer: &[u8]| Settling::Ended(answer.to_vec());
    assert_eq!(store.find_settling(&call).await.unwrap(), None);
    assert_eq!(
        store.begin_settling(&call, b"plan").await.unwrap(),
        begun(b"plan")
    );
    // Who comes again goes on with what was begun, whatever it would do itself.
    for store in [store, &replica] {
        assert_eq!(
            store.find_settling(&call).await.unwrap(),
            Some(begun(b"plan"))
        );
        assert_eq!(
            store.begin_settling(&call, b"other").await.unwrap(),
            begun(b"plan")
        );
    }
    let other = page("r-1", 2);
    for answer in [
        store.find_settling(&other).await.map(|_| ()),
        store.begin_settling(&other, b"plan").await.map(|_| ()),
    ] {
        assert!(matches!(answer, Err(ChangeError::RequestIdReused)));
    }
    // The first answer stays.
    for answer in [b"first", b"later"] {
        let stages = (&b"plan"[..], &answer[..]);
        store.end_settling(&call, stages).await.unwrap();
    }
    assert_eq!(
        replica.find_settling(&call).await.unwrap(),
        Some(ended(b"first"))
    );
    assert_eq!(
        replica.begin_settling(&call, b"plan").await.unwrap(),
        ended(b"first")
    );
    store.give_up_settling(&call, b"plan").await;
    assert_eq!(
        store.find_settling(&call).await.unwrap(),
        Some(ended(b"first")),
        "what has ended is not given up"
    );
    let call = page("r-2", 1);
    store.begin_settling(&call, b"plan").await.unwrap();
    store.give_up_settling(&call, b"plan").await;
    assert_eq!(store.find_settling(&call).await.unwrap(), None);
}
