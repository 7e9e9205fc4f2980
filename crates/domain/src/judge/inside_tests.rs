//! What follows a step by itself: in which order, and where it may change the status inside a
//! state; what hangs on a status.

use super::{
    Graph, decide,
    stage::{Stage, context, notes, told, workflow},
};
use crate::{
    history::{Entry, evolve},
    order::{Action, Command, LineQuantity, OperationLines},
    preset,
    value::{Quantity, Reason, Timestamp},
    workflow::{Trigger, sample},
};

const NOW: Timestamp = Timestamp::from_micros(2_000_000);

fn command(action: Action) -> Command {
    Command {
        context: context("", ""),
        expected_version: None,
        action,
    }
}

/// Carries a command out, and gives what it wrote.
fn done(stage: &mut Stage, command: &Command) -> Vec<Entry> {
    let entries = decide(&stage.graph, &stage.order, command, NOW).unwrap();
    stage.order = entries.iter().fold(stage.order.clone(), evolve);
    entries
}

/// Partly shipped, partly invoiced, partly refunded, inside `processing`.
const PARTS: &str = r"
workflow: order
label: Order
initial_state: new
statuses:
  pending: {label: Pending}
  processing: {label: Processing}
  part_shipped: {label: Partly shipped}
  part_invoiced: {label: Partly invoiced}
  part_refunded: {label: Partly refunded}
  own: {label: The shop's own}
  done: {label: Done}
operations:
  pay: {label: Pay, effect: pay}
  invoice: {label: Invoice, effect: invoice}
  ship: {label: Ship, effect: ship}
  refund: {label: Refund, effect: refund}
states:
  new: {label: New, category: initial, can_start: true, operations: [pay, invoice, ship], statuses: [pending]}
  processing:
    label: Processing
    category: active
    operations: [pay, invoice, ship, refund]
    statuses: [processing, part_shipped, part_invoiced, part_refunded, own]
  done: {label: Done, category: completed, operations: [refund], statuses: [done]}
transitions:
  finish: {label: Finish, from_states: [processing], to_state: done, trigger: automatic, guard: order.fully_invoiced && order.fully_shipped}
  begin: {label: Begin, from_states: [new], to_state: processing, trigger: {on_operations: [pay, invoice, ship]}}
  refunded:
    label: Partly refunded
    from_statuses: [processing, part_shipped, part_invoiced]
    to_state: processing
    to_status: part_refunded
    trigger: {on_operations: [refund]}
    guard: order.units_refunded > 0.0
  shipped:
    label: Partly shipped
    from_statuses: [processing, part_invoiced]
    to_state: processing
    to_status: part_shipped
    trigger: automatic
    guard: order.units_shipped > 0.0 && order.units_open > 0.0
  invoiced:
    label: Partly invoiced
    from_statuses: [processing]
    to_state: processing
    to_status: part_invoiced
    trigger: automatic
    guard: order.units_invoiced > 0.0 && order.units_open > 0.0
";

#[test]
fn parts_of_an_order_show_in_its_status() {
    let mut stage = Stage::new(PARTS);
    stage.order.lines.push(stage.order.lines[0].clone());
    stage.order.lines[1].id = "2".parse().unwrap();
    let one = |code: &str| {
        command(Action::RecordOperation {
            operation: code.parse().unwrap(),
            lines: OperationLines::Given(vec![LineQuantity {
                line_id: "1".parse().unwrap(),
                quantity: Quantity::ONE,
                returned: Quantity::ZERO,
            }]),
            amount: None,
            reverse: false,
        })
    };
    // The first shipment of a new order moves it on and then shows.
    assert_eq!(
        told(&done(&mut stage, &one("invoice"))),
        "operation_recorded new/pending, transitioned begin processing/processing, \
         transitioned invoiced processing/part_invoiced"
    );
    assert_eq!(
        told(&done(&mut stage, &one("ship"))),
        "operation_recorded processing/part_invoiced, transitioned shipped processing/part_shipped"
    );
    assert_eq!(
        told(&done(&mut stage, &one("refund"))),
        "operation_recorded processing/part_shipped, transitioned refunded processing/part_refunded"
    );
    // With the last shipment, nothing is partly shipped.
    stage.call("", "record invoice").unwrap();
    assert_eq!(
        stage.told("", "record ship"),
        "operation_recorded processing/part_refunded, transitioned finish done/done"
    );
}

#[test]
fn a_status_that_no_rule_names_is_left_alone() {
    // `shipped` names the statuses that it leaves, and `own` is none of them.
    let mut stage = Stage::new(PARTS);
    stage.call("", "record pay").unwrap();
    assert_eq!(stage.told("", "say>own"), "commented processing/own");
    assert_eq!(
        stage.told("", "record ship"),
        "operation_recorded processing/own"
    );

    // A rule from anywhere, one without a guard, and one for a status of another state.
    for (from_states, from_statuses, guard) in [
        (vec![], vec![], Some("true")),
        (vec!["processing"], vec![], None),
        (vec![], vec!["pending", "part_shipped"], Some("true")),
        (vec!["new"], vec![], Some("true")),
    ] {
        let mut stored = workflow(PARTS);
        stored.transitions.retain(|it| it.code.as_str() == "begin");
        let trigger = Trigger::Automatic;
        let mut rule = sample::transition("rule", &from_states, "processing", trigger);
        rule.from_statuses = from_statuses.into_iter().map(sample::status).collect();
        rule.to_status = Some(sample::status("part_refunded"));
        rule.guard = guard.map(sample::expression);
        let mut stage = Stage::of(stored.clone());
        stage.call("", "record pay").unwrap();
        stored.transitions.push(rule);
        stage.graph = Graph::of_stored(stored, 2);
        let told = stage.told("", "say>own");
        assert_eq!(
            told, "commented processing/own",
            "{from_states:?} {guard:?}"
        );
    }
}

#[test]
fn the_presets_never_touch_a_status_of_the_shop() {
    let own = sample::status("shops_own");
    for preset in preset::all() {
        for transition in preset.workflow().unwrap().transitions {
            let follows = transition.trigger.is_automatic();
            let touches = transition.may_follow_inside(&transition.to_state, &own);
            assert!(
                !(follows && touches),
                "{}: {}",
                preset.name,
                transition.code
            );
        }
    }
}

#[test]
fn a_circle_inside_a_state_ends_at_the_limit() {
    let there = "
  there: {label: There, from_statuses: [processing], to_state: processing, to_status: own, trigger: automatic, guard: order.total_paid > 0}
  back: {label: Back, from_statuses: [own], to_state: processing, to_status: processing, trigger: automatic, guard: order.total_paid > 0}
";
    let mut stage = Stage::new(&format!("{PARTS}{there}"));
    let refused = stage.call("", "record pay").unwrap_err();
    assert_eq!(refused.reason(), "CASCADE_LIMIT");
    // A rule whose status the order has already is no step.
    let stay = "
  stay: {label: Stay, from_statuses: [processing], to_state: processing, to_status: processing, trigger: automatic, guard: order.total_paid > 0}
";
    let mut stage = Stage::new(&format!("{PARTS}{stay}"));
    assert_eq!(
        stage.told("", "record pay"),
        "operation_recorded new/pending, transitioned begin processing/processing"
    );
}

/// Every trigger point, in the order in which a step comes to it.
const ORDERED: &str = r#"
workflow: order
label: Order
initial_state: new
statuses: {fresh: {label: Fresh}, busy: {label: Busy, on_enter: {n: {comment: {text: "status {{ order.status }}"}}}}, done: {label: Done}, more: {label: More}}
operations:
  pay: {label: Pay, effect: pay, actions: {n: {comment: {text: "paid in {{ order.state }}, entry {{ entry.to_state }}"}, position: 1}, go: {transition: close, position: 9}}}
states:
  new: {label: New, category: initial, can_start: true, operations: [pay], statuses: [fresh], on_leave: {n: {comment: {text: "left, now {{ order.status }}"}}}}
  work: {label: Work, category: active, statuses: [busy], on_enter: {n: {comment: {text: "entered {{ order.state }}"}}}}
  done: {label: Done, category: completed, statuses: [done]}
  more: {label: More, category: active, statuses: [more]}
transitions:
  begin: {label: Begin, from_states: [new], to_state: work, trigger: {on_operations: [pay]}, actions: {n: {comment: {text: "begun"}}}}
  close: {label: Close, from_states: [work], to_state: done}
  again: {label: Again, from_states: [done], to_state: more, trigger: {on_operations: [pay]}}
  on: {label: "On", from_states: [done], to_state: more, trigger: automatic, guard: "'on' in order.attributes"}
"#;

#[test]
fn actions_come_after_the_transitions_and_see_what_the_step_left() {
    let mut stage = Stage::new(ORDERED);
    let entries = stage.call("", "record pay").unwrap();
    assert_eq!(
        told(&entries),
        "operation_recorded new/fresh, transitioned begin work/busy, \
         commented work/busy, transitioned close done/done, \
         commented done/done, commented done/done, commented done/done, commented done/done"
    );
    let texts: Vec<_> = entries.iter().map(|entry| entry.comment.as_str()).collect();
    assert_eq!(
        texts,
        [
            "",
            "",
            // Those of the operation, which move the order on as the last of them.
            "paid in work, entry new",
            "",
            // Those of the transition: leave, transition, enter, status.
            "left, now done",
            "begun",
            "entered done",
            "status done",
        ]
    );
    let causes: Vec<_> = entries.iter().map(|entry| entry.caused_by).collect();
    assert_eq!(causes, [0, 2, 2, 2, 3, 3, 3, 3]);
    // One operation sets off one transition, so `again` is not taken by the same payment.
    assert_eq!(stage.order.standing.state.as_str(), "done");
    assert_eq!(notes(&entries, "waymark.action_failed"), "");
}

#[test]
fn transitions_follow_again_what_actions_wrote() {
    let go = "go: {transition: close, position: 9}";
    assert!(ORDERED.contains(go));
    let set = format!("set: {{set_attributes: {{on: '1'}}, position: 8}}, {go}");
    let document = ORDERED.replace(go, &set);
    let mut stage = Stage::new(&document);
    let entries = stage.call("", "record pay").unwrap();
    // The actions of the entries so far are done before the next transition follows.
    let kinds = told(&entries);
    assert!(
        kinds.ends_with("commented done/done, transitioned on more/more"),
        "{kinds}"
    );
}

/// A status with an action, and every way to come to it.
const HUNG: &str = r#"
workflow: order
label: Order
initial_state: new
statuses:
  fresh: {label: Fresh, on_enter: {tell: {webhook: {endpoint: fresh}}}}
  packed: {label: Packed, on_enter: {tell: {webhook: {endpoint: packed}}}}
  work: {label: Work}
  held: {label: Held, on_enter: {tell: {webhook: {endpoint: held}}}}
  fraud: {label: Fraud, on_enter: {tell: {webhook: {endpoint: fraud}}, off: {webhook: {endpoint: off}, active: false}, no: {webhook: {endpoint: no}, condition: "false"}}}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, statuses: [fresh, packed], on_enter: {tell: {webhook: {endpoint: state}}}}
  work: {label: Work, category: active, statuses: [work]}
  held: {label: Held, category: held, statuses: [held, fraud]}
on_create: {tell: {webhook: {endpoint: created}}}
transitions:
  go: {label: Go, from_states: [new], to_state: work}
  back: {label: Back, from_states: [work], to_state: new, to_status: packed}
  same: {label: Same, from_statuses: [packed], to_state: new, to_status: packed}
"#;

#[test]
fn what_hangs_on_a_status_is_set_off_however_the_order_comes_there() {
    let sent = |entries: &[Entry]| -> Vec<String> {
        let set_off = entries.iter().flat_map(|entry| &entry.set_off);
        set_off.map(|sent| sent.action.to_string()).collect()
    };
    let mut stage = Stage::new(HUNG);
    assert_eq!(
        sent(&stage.created),
        ["create.tell", "enter.new.tell", "status.fresh.tell"],
        "in this order"
    );
    for (words, expected) in [
        ("say>packed", vec!["status.packed.tell"]),
        ("say>packed", vec![]),
        ("go same", vec![]),
        ("hold", vec!["status.held.tell"]),
        ("say>fraud", vec!["status.fraud.tell"]),
        ("release", vec![]),
        ("go go", vec![]),
        ("go back", vec!["enter.new.tell", "status.packed.tell"]),
    ] {
        let entries = stage.call("", words).unwrap();
        assert_eq!(sent(&entries), expected, "{words}");
    }
    // A second hold with another status comes to that, and its end comes to none.
    for (status, expected) in [("held", "status.held.tell"), ("fraud", "status.fraud.tell")] {
        let hold = command(Action::Hold {
            reason: Reason::default(),
            status: Some(sample::status(status)),
            expire_time: None,
        });
        assert_eq!(sent(&done(&mut stage, &hold)), [expected]);
    }
    let newest = stage.order.holds.last().map(|hold| hold.id.clone());
    let entries = done(&mut stage, &command(Action::Release { hold: newest }));
    assert!(entries[0].status_changed() && sent(&entries).is_empty());
}
