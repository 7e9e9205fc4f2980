//! Dates of an order's own, on which time takes it on.

use super::{
    Graph, GraphError, create, decide,
    stage::{Stage, context, told, workflow},
};
use crate::{
    actor::Actor,
    guard::{Expression, GuardError},
    history::{Entry, evolve, replay},
    order::{Action, Command, OperationLines, Rejection},
    value::{Reason, Timestamp},
    workflow::{
        Refusal, Rule, Transition, TransitionPatch, Trigger, create_transition, lint, sample,
        update_transition,
    },
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

const DOCUMENT: &str = r#"
workflow: order
label: Order
initial_state: new
statuses: {waiting: {label: Waiting}, out: {label: Out}, late: {label: Late}, gone: {label: Gone}, held: {label: Held}}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, statuses: [waiting]}
  out: {label: Out, category: active, statuses: [out, late]}
  gone: {label: Gone, category: closed, terminal: true, statuses: [gone]}
  held: {label: Held, category: held, statuses: [held]}
transitions:
  release:
    label: Release
    from_statuses: [waiting]
    to_state: out
    trigger: {at: 'timestamp(order.attributes["release"])'}
    guard: "!('stop' in order.attributes)"
  dun:
    label: Dun
    from_statuses: [out]
    to_state: out
    to_status: late
    trigger: {at: 'order.create_time + duration(order.attributes["terms"])'}
  end: {label: End, from_statuses: [late], to_state: gone, trigger: {after: 1h}}
"#;

fn due(stage: &Stage) -> Option<i64> {
    stage.graph.due_time(&stage.order).map(Timestamp::micros)
}

/// Which date cannot be read, as the last entry notes it.
fn noted(entries: &[Entry]) -> Option<&str> {
    let metadata = entries.last()?.metadata.as_map();
    metadata.get("waymark.date_failed").map(String::as_str)
}

#[test]
fn a_date_of_the_order_takes_it_on_when_it_has_come() {
    let mut stage = Stage::new(DOCUMENT);
    assert_eq!(due(&stage), None, "an order without the date waits");
    stage.call("", "set release 1970-01-03T00:00:00Z").unwrap();
    assert_eq!(due(&stage), Some(2 * DAY));
    let early = stage.call_at(2 * DAY - 1, "", "time");
    assert_eq!(early, Err(Rejection::NothingDue));
    // Later, sooner, gone, and no date at all.
    stage.call("", "set release 1970-01-04T00:00:00Z").unwrap();
    assert_eq!(due(&stage), Some(3 * DAY));
    let unread = stage.call("", "set release soon").unwrap();
    assert_eq!(due(&stage), None);
    let note = noted(&unread).unwrap();
    assert!(note.starts_with("release: "), "{note}");
    // What is not there may be set yet.
    let gone = stage.call("", "set release -").unwrap();
    assert_eq!((due(&stage), noted(&gone)), (None, None));
    stage.call("", "set release 1970-01-02T00:00:00Z").unwrap();
    assert_eq!(due(&stage), Some(DAY));
    let fired = stage.call_at(DAY, "", "time").unwrap();
    assert_eq!(told(&fired), "transitioned release out/out");
    assert_eq!((fired[0].caused_by, &fired[0].actor), (0, &Actor::system()));

    // Terms of payment by customer, from the creation on; and a timer behind it.
    assert_eq!(due(&stage), None);
    stage.call_at(DAY, "", "set terms 72h").unwrap();
    assert_eq!(due(&stage), Some(3 * DAY + SECOND));
    let fired = stage.call_at(3 * DAY + SECOND, "", "time").unwrap();
    assert_eq!(told(&fired), "transitioned dun out/late");
    assert_eq!(due(&stage), Some(3 * DAY + SECOND + 3_600 * SECOND));
}

#[test]
fn a_date_that_has_passed_is_due_at_once_and_a_guard_is_asked_after_every_change() {
    let mut stage = Stage::new(DOCUMENT);
    stage.call("", "set stop 1").unwrap();
    stage.call("", "set release 0001-01-01T00:00:00Z").unwrap();
    assert_eq!(due(&stage), Some(0), "long ago is 1970");
    assert_eq!(
        stage.call("", "time"),
        Err(Rejection::NothingDue),
        "the guard refuses"
    );
    let now = Timestamp::from_micros(2 * SECOND);
    assert_eq!(stage.graph.due_after(&stage.order, now), None);
    stage.call("", "set stop -").unwrap();
    assert_eq!(stage.told("", "time"), "transitioned release out/out");
}

#[test]
fn on_hold_and_at_an_end_no_date_counts() {
    let mut stage = Stage::new(DOCUMENT);
    stage.call("", "set release 1970-01-01T00:00:01Z").unwrap();
    stage.call("", "hold").unwrap();
    assert_eq!(due(&stage), None);
    assert_eq!(stage.call("", "time"), Err(Rejection::NothingDue));
    stage.call("", "release").unwrap();
    assert_eq!(due(&stage), Some(SECOND));
    // The date is the date, however long the hold was.
    assert_eq!(stage.told("", "time"), "transitioned release out/out");

    let mut stored = workflow(DOCUMENT);
    for state in &mut stored.states {
        state.terminal = true;
    }
    let mut stage = Stage::new(DOCUMENT);
    stage.call("", "set release 1970-01-01T00:00:01Z").unwrap();
    stage.graph = Graph::of_stored(stored, 2);
    assert_eq!(due(&stage), None);
}

#[test]
fn a_hold_that_expires_is_due_beside_no_date() {
    let mut stage = Stage::new(DOCUMENT);
    stage.call("", "set release 1970-01-01T00:00:01Z").unwrap();
    let hold = Command {
        context: context("", ""),
        expected_version: None,
        action: Action::Hold {
            reason: Reason::default(),
            status: None,
            expire_time: Some(Timestamp::from_micros(DAY)),
        },
    };
    let now = Timestamp::from_micros(2 * SECOND);
    let entries = decide(&stage.graph, &stage.order, &hold, now).unwrap();
    stage.order = entries.iter().fold(stage.order.clone(), evolve);
    assert_eq!(due(&stage), Some(DAY));
    let fired = stage.call_at(DAY, "", "time").unwrap();
    assert_eq!(told(&fired), "released new/waiting");
    assert_eq!(due(&stage), Some(SECOND));
}

/// What a timer sets off may be too much; the one behind it has its turn all the same.
#[test]
fn a_timer_that_is_refused_leaves_its_turn_to_the_next() {
    let document = r"
workflow: order
label: Order
initial_state: new
max_cascade: 1
statuses: {waiting: {label: Waiting}, one: {label: One}, two: {label: Two}, three: {label: Three}, gone: {label: Gone}}
states:
  new: {label: New, category: initial, can_start: true, statuses: [waiting]}
  one: {label: One, category: active, statuses: [one]}
  two: {label: Two, category: active, statuses: [two]}
  three: {label: Three, category: active, statuses: [three]}
  gone: {label: Gone, category: closed, terminal: true, statuses: [gone]}
transitions:
  first: {label: First, from_states: [new], to_state: one, trigger: {after: 1h}}
  second: {label: Second, from_states: [new], to_state: gone, trigger: {after: 2h}, visible_to_customer: true}
  to_two: {label: To two, from_states: [one], to_state: two, trigger: automatic}
  to_three: {label: To three, from_states: [two], to_state: three, trigger: automatic}
  end: {label: End, from_states: [three], to_state: gone}
";
    let mut stage = Stage::new(document);
    let hour = 3_600 * SECOND;
    let due_by = |stage: &Stage, hours: i64| {
        let instant = Timestamp::from_micros(hours * hour + 2 * SECOND);
        let due = stage.graph.due_transitions(&stage.order, instant);
        due.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(due_by(&stage, 0), [""; 0]);
    assert_eq!(due_by(&stage, 1), ["first"]);
    assert_eq!(due_by(&stage, 2), ["first", "second"]);
    let refused = stage.call_at(hour + 2 * SECOND, "", "time").unwrap_err();
    assert_eq!(
        refused,
        Rejection::CascadeLimit {
            limit: 1,
            transitions: vec!["to_two".parse().unwrap(), "to_three".parse().unwrap()],
        }
    );
    let fired = stage.call_at(2 * hour + 2 * SECOND, "", "time").unwrap();
    assert_eq!(told(&fired), "transitioned second gone/gone");
    assert_eq!((fired[0].caused_by, &fired[0].actor), (0, &Actor::system()));
    assert!(fired[0].visible_to_customer);
}

/// Of many costly dates, those by position first are reckoned, and only so many.
#[test]
fn dates_of_one_place_are_bounded_together() {
    let costly = "order.lines.all(l, l.name != 'x' && l.sku != 'y' && l.id != 'z')";
    let mut workflow = sample::workflow();
    for number in 0..100 {
        let day = if number == 99 { 2 } else { 3 };
        let date = format!("{costly} ? timestamp('1970-01-0{day}T00:00:00Z') : order.create_time");
        let date = Trigger::At(Expression::new(&date).unwrap());
        let mut dated = sample::transition(&format!("t{number}"), &["new"], "closed", date);
        dated.position = number;
        workflow.transitions.push(dated);
    }
    let graph = Graph::new(workflow, 1).unwrap();
    let due = |lines: usize| {
        let lines = (0..lines).map(|number| sample::line(&number.to_string(), "1"));
        let new = sample::new_order(&graph, lines.collect());
        let created = create(&graph, &new, &context("", ""), sample::CREATED).unwrap();
        let order = replay(&created).unwrap();
        graph.due_time(&order).map(Timestamp::micros)
    };
    assert_eq!(due(1), Some(DAY), "all of them are reckoned");
    assert_eq!(due(500), Some(2 * DAY), "the last one is not");
}

fn at(date: &str) -> Transition {
    Transition {
        trigger: Trigger::At(Expression::of_stored(date)),
        ..sample::transition("later", &["new"], "processing", Trigger::Manual)
    }
}

#[test]
fn a_date_that_cannot_be_used_is_refused_and_one_that_was_stored_never_comes() {
    let mut workflow = sample::workflow();
    let alone = GuardError::NotAllowed(
        "may use order only: when it is due must not depend on the call or on now",
    );
    assert_eq!(
        create_transition(&workflow, at("now")),
        Err(Refusal::DateInvalid {
            transition: "later".parse().unwrap(),
            problem: alone.clone(),
        })
    );
    assert!(create_transition(&workflow, at("order.create_time")).is_ok());

    workflow.transitions.push(at("now"));
    let graph = Graph::of_stored(workflow.clone(), 1);
    assert_eq!(
        graph.problems().collect::<Vec<_>>(),
        [GraphError::Instant {
            transition: "later".parse().unwrap(),
            source: alone,
        }]
    );
    assert!(Graph::new(workflow.clone(), 1).is_err());
    let order = sample::order_of(&graph);
    assert_eq!(graph.due_time(&order), None);
    let findings = lint(&workflow);
    let about = findings.iter().find(|it| it.rule == Rule::InvalidGuard);
    let said = about.unwrap().to_string();
    assert!(
        said.starts_with("transition later has a date that cannot be used: it may use order only"),
        "{said}"
    );

    // It does not block other changes; another bad one does.
    let code = "later".parse().unwrap();
    let moved = TransitionPatch {
        position: Some(7),
        ..TransitionPatch::default()
    };
    assert!(update_transition(&workflow, &code, moved).is_ok());
    let worse = TransitionPatch {
        trigger: Some(Trigger::At(Expression::of_stored("order.grand_total"))),
        ..TransitionPatch::default()
    };
    let refused = update_transition(&workflow, &code, worse).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the date of transition later must answer a timestamp"
    );
}

#[test]
fn the_guard_of_an_operation_that_cannot_be_used_is_told_as_well() {
    let mut workflow = sample::workflow();
    workflow.operations[0].guard = Some(Expression::of_stored("order.nothing == 1"));
    let graph = Graph::of_stored(workflow.clone(), 1);
    let problems: Vec<_> = graph.problems().map(|it| it.to_string()).collect();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("the guard of operation invoice knows no field order.nothing"),
        "{problems:?}"
    );
    let findings = lint(&workflow);
    let said = findings.iter().map(ToString::to_string);
    assert!(said.clone().any(|said| {
        said.starts_with("operation invoice has a guard that cannot be used: it knows no field")
    }));
    let order = sample::order_of(&graph);
    let invoice = Command {
        context: context("", ""),
        expected_version: None,
        action: Action::RecordOperation {
            operation: "invoice".parse().unwrap(),
            lines: OperationLines::AllLeft,
            amount: None,
            reverse: false,
        },
    };
    let now = Timestamp::from_micros(2 * SECOND);
    let refused = decide(&graph, &order, &invoice, now).unwrap_err();
    assert!(
        refused.to_string().starts_with(
            "the guard of operation invoice could not be evaluated: it cannot be used any more"
        ),
        "{refused}"
    );
}
