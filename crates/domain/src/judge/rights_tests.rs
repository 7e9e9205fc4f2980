//! Who may do what: roles and guards hold whatever sets a transition off.

use super::{
    decide, settles_by,
    stage::{Stage, context, notes, person, told, workflow},
};
use crate::{
    guard::CostBudget,
    history::evolve,
    order::{Action, Command, Guarded, Line, NewLine, Patch, Rejection},
    value::{Attributes, Role, Timestamp},
    workflow::{Transition, Trigger, Workflow, sample},
};

const REFUSED: &str = "waymark.role_refused";
const FAILED: &str = "waymark.action_failed";

/// `x` leads from `new` to `mid` and is the boss's; `{x}` says how it is set off, `{more}` what
/// else there is.
const DOCUMENT: &str = r"
workflow: order
label: Order
initial_state: new
statuses: {fresh: {label: Fresh}, seen: {label: Seen{on_seen}}, mid: {label: Mid}, late: {label: Late}, held: {label: Held}}
operations:
  note: {label: Note, effect: none{on_note}}
  pay: {label: Pay, effect: pay}
  refund: {label: Refund, effect: refund, roles: [finance]}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, operations: [note, pay, refund], statuses: [fresh, seen]}
  mid: {label: Mid, category: active, operations: [note, pay, refund], statuses: [mid, late]{on_mid}}
  held: {label: Held, category: held, statuses: [held]}
{on_comment}
transitions:
  x: {label: X, from_states: [new], to_state: mid, roles: [boss]{x}}
  look: {label: Look, from_statuses: [fresh], to_state: new, to_status: seen{on_look}}
  {more}
";

/// The document with some of its places filled in, the others empty.
fn document(filled: &[(&str, &str)]) -> String {
    let mut document = DOCUMENT.to_owned();
    for (place, text) in filled {
        document = document.replace(&format!("{{{place}}}"), text);
    }
    for place in [
        "x",
        "more",
        "on_seen",
        "on_note",
        "on_mid",
        "on_comment",
        "on_look",
    ] {
        document = document.replace(&format!("{{{place}}}"), "");
    }
    document
}

const GO: &str = ", actions: {go: {transition: x}}";

#[test]
fn whatever_sets_a_transition_off_its_roles_are_asked_of_the_caller() {
    // How it is set off, by which call, and under which key a refusal is noted.
    for (filled, call, key) in [
        (
            ("x", ", trigger: {on_operations: [note]}"),
            "record note",
            REFUSED,
        ),
        (("on_note", GO), "record note", FAILED),
        (
            ("on_comment", "on_comment: {go: {transition: x}}"),
            "say",
            FAILED,
        ),
        (("on_look", GO), "go look", FAILED),
        (
            ("on_seen", ", on_enter: {go: {transition: x}}"),
            "go look",
            FAILED,
        ),
        (
            ("on_seen", ", on_enter: {go: {transition: x}}"),
            "to seen",
            FAILED,
        ),
    ] {
        let document = document(&[filled]);
        let mut stage = Stage::new(&document);
        let untaken = stage.call("clerk", call).unwrap();
        assert!(
            !told(&untaken).contains("mid"),
            "{call}: {}",
            told(&untaken)
        );
        let noted = notes(&untaken, key);
        assert!(
            noted.ends_with("x needs one of the roles: boss"),
            "{filled:?}, {call}: {noted}"
        );
        let mut stage = Stage::new(&document);
        let taken = stage.call("clerk boss", call).unwrap();
        assert!(
            told(&taken).ends_with("transitioned x mid/mid"),
            "{}",
            told(&taken)
        );
        assert_eq!(notes(&taken, key), "", "{call}");
    }
}

#[test]
fn roles_of_automatic_transitions_that_were_stored_are_asked_as_well() {
    let mut stored = workflow(&document(&[]));
    transition(&mut stored, "x").trigger = Trigger::Automatic;
    let mut stage = Stage::of(stored.clone());
    assert_eq!(told(&stage.created), "created new/fresh");
    assert_eq!(
        notes(&stage.created, REFUSED),
        "x needs one of the roles: boss"
    );
    assert_eq!(stage.told("clerk", "say"), "commented new/fresh");
    assert_eq!(
        stage.told("boss", "say"),
        "commented new/fresh, transitioned x mid/mid"
    );

    // Nobody stands behind a timer, so its roles are none.
    let mut stored = workflow(&document(&[]));
    transition(&mut stored, "x").trigger = Trigger::After("1s".parse().unwrap());
    let mut stage = Stage::of(stored);
    let fired = stage.call_at(10_000_000, "", "time").unwrap();
    assert_eq!(told(&fired), "transitioned x mid/mid");
}

fn transition<'w>(workflow: &'w mut Workflow, code: &str) -> &'w mut Transition {
    let mut transitions = workflow.transitions.iter_mut();
    transitions.find(|it| it.code.as_str() == code).unwrap()
}

#[test]
fn a_role_is_noted_once_and_only_where_nothing_else_is_in_the_way() {
    // Two notes come with one step; the second asks again, and notes nothing more.
    let twice = "on_comment: {a: {comment: {text: a}}, b: {comment: {text: b}}}";
    let mut stored = workflow(&document(&[("on_comment", twice)]));
    transition(&mut stored, "x").trigger = Trigger::Automatic;
    let mut stage = Stage::of(stored.clone());
    let entries = stage.call("", "say").unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(
        notes(&entries, REFUSED),
        "x needs one of the roles: boss",
        "one note in all"
    );
    // Where the guard refuses too, the role is not the blocker.
    transition(&mut stored, "x").guard = Some(sample::expression("order.total_paid > 0"));
    let mut stage = Stage::of(stored);
    let entries = stage.call("", "say").unwrap();
    assert_eq!(notes(&entries, REFUSED), "");
    let entries = stage.call("", "record pay").unwrap();
    assert_eq!(notes(&entries, REFUSED), "x needs one of the roles: boss");
}

#[test]
fn actor_and_request_tell_of_the_call_in_all_that_it_sets_off() {
    let more = r#"auto: {label: Auto, from_states: [new], to_state: mid, trigger: automatic, guard: '"boss" in actor.roles && request.comment == "said"'}"#;
    let entering = r#", on_enter: {note: {comment: {text: "{{ actor.kind }} {{ request.comment }}"}, condition: 'actor.kind == "user"'}}"#;
    let document = document(&[("more", more), ("on_mid", entering)]);
    let mut stage = Stage::new(&document);
    assert_eq!(stage.told("clerk", "say"), "commented new/fresh");
    let taken = stage.call("boss", "say").unwrap();
    assert_eq!(
        told(&taken),
        "commented new/fresh, transitioned auto mid/mid, commented mid/mid"
    );
    assert_eq!(taken[2].comment.as_str(), "user said");

    // Of what time does, the actor is the system.
    let more = r#"auto: {label: Auto, from_states: [new], to_state: mid, trigger: {after: 1s}, guard: 'actor.kind == "system" && size(actor.roles) == 0'}"#;
    let mut stage = Stage::new(&self::document(&[("more", more)]));
    let fired = stage.call_at(10_000_000, "", "time").unwrap();
    assert_eq!(told(&fired), "transitioned auto mid/mid");
}

#[test]
fn operations_have_roles_and_reversals_need_them_too() {
    let mut stage = Stage::new(&document(&[]));
    assert_eq!(stage.told("", "record pay"), "operation_recorded new/fresh");
    let refused = stage.call("boss", "record refund 500").unwrap_err();
    assert_eq!(
        refused,
        Rejection::RoleRequired {
            of: Guarded::Operation("refund".parse().unwrap()),
            roles: vec![Role::new("finance").unwrap()],
        }
    );
    assert_eq!(
        refused.to_string(),
        "operation refund needs one of the roles: finance"
    );
    // Before it is looked at what is asked, and after the state was.
    assert_eq!(stage.told("", "record refund 99999999"), "ROLE_REQUIRED");
    assert_eq!(
        stage.told("finance", "record refund 500"),
        "operation_recorded new/fresh"
    );
    assert_eq!(stage.told("", "back refund"), "ROLE_REQUIRED");
    assert_eq!(
        stage.told("finance", "back refund"),
        "operation_recorded new/fresh"
    );
    stage.call("", "hold").unwrap();
    assert_eq!(stage.told("", "record refund 500"), "ORDER_HELD");
}

#[test]
fn a_transition_that_records_an_operation_needs_its_roles() {
    let back = "back: {label: Back, from_states: [new], to_state: mid, operation: refund}";
    let mut stage = Stage::new(&document(&[("more", back)]));
    assert_eq!(
        stage.told("", "go back"),
        "transitioned back mid/mid",
        "nothing was paid, so nothing is recorded"
    );
    let paid = |document: &str| {
        let mut stage = Stage::new(document);
        stage.call("finance", "record pay").unwrap();
        stage
    };
    let mut stage = paid(&document(&[("more", back)]));
    assert_eq!(stage.told("clerk", "go back"), "ROLE_REQUIRED");
    assert_eq!(stage.told("clerk", "to mid/mid"), "ROLE_REQUIRED");
    assert_eq!(
        stage.told("finance", "go back"),
        "transitioned back mid/mid"
    );

    // By itself, it is untaken, and the entry says why.
    let auto = "back: {label: Back, from_states: [new], to_state: mid, operation: refund, trigger: automatic, guard: order.total_paid > 0}";
    let mut stage = Stage::new(&document(&[("more", auto)]));
    let untaken = stage.call("", "record pay").unwrap();
    assert_eq!(told(&untaken), "operation_recorded new/fresh");
    assert_eq!(
        notes(&untaken, REFUSED),
        "back: operation refund needs one of the roles: finance"
    );
    assert_eq!(
        stage.told("finance", "say"),
        "commented new/fresh, transitioned back mid/mid"
    );

    // A timer says itself that money goes back.
    let timed = "back: {label: Back, from_states: [new], to_state: mid, operation: refund, trigger: {after: 1s}}";
    let mut stage = paid(&document(&[("more", timed)]));
    let fired = stage.call_at(10_000_000, "", "time").unwrap();
    assert_eq!(told(&fired), "transitioned back mid/mid");
    assert_eq!(stage.order.total_refunded, stage.order.total_paid);
    // But an action that takes the same transition is the caller's.
    let taken = [
        ("more", timed),
        ("on_look", ", actions: {go: {transition: back}}"),
    ];
    let mut stage = paid(&document(&taken));
    let entries = stage.call("boss", "go look").unwrap();
    assert_eq!(told(&entries), "transitioned look new/seen");
    assert!(notes(&entries, FAILED).contains("operation refund needs one of the roles"));
}

/// Sellers ship their own lines, up to an amount of money, and nothing is taken back.
const SELLERS: &str = r#"
workflow: order
label: Order
initial_state: new
statuses: {fresh: {label: Fresh}, done: {label: Done}}
operations:
  edit: {label: Edit, effect: none, roles: [editor], guard: 'request.operation == "edit" && request.amount == 0'}
  pay: {label: Pay, effect: pay, guard: 'request.amount <= 500 && !request.reverse'}
  ship:
    label: Ship
    effect: ship
    guard: 'order.lines.all(l, l.quantity_moving == 0.0 || l.sku.startsWith("a-"))'
states:
  new: {label: New, category: initial, can_start: true, operations: [edit, pay, ship], statuses: [fresh]}
  done: {label: Done, category: completed, statuses: [done]}
transitions:
  send: {label: Send, from_states: [new], to_state: done, operation: ship, guard: request.operation == ''}
  sent:
    label: Sent
    from_states: [new]
    to_state: done
    trigger: automatic
    guard: 'request.operation == "ship" && order.lines.exists(l, l.quantity_moving > 1.0)'
"#;

fn of_sellers(skus: &[&str]) -> Stage {
    let mut stage = Stage::new(SELLERS);
    let lines = skus.iter().enumerate().map(|(index, sku)| NewLine {
        sku: sku.parse().unwrap(),
        ..sample::line(&index.to_string(), "2")
    });
    let lines = lines.map(Line::new);
    stage.order.lines = lines.collect();
    stage
}

#[test]
fn the_guard_of_an_operation_sees_what_is_about_to_be_recorded() {
    let mut stage = of_sellers(&["a-1", "b-1"]);
    let refused = stage.call("", "record ship").unwrap_err();
    assert_eq!(refused.reason(), "GUARD_REFUSED");
    assert!(
        refused
            .to_string()
            .starts_with("the guard of operation ship says no: order.lines.all"),
        "{refused}"
    );
    // The transition that ships everything is judged by it as well, after its own guard.
    assert_eq!(stage.told("", "go send"), "GUARD_REFUSED");
    let mut ours = of_sellers(&["a-1", "a-2"]);
    assert_eq!(ours.told("", "go send"), "transitioned send done/done");
    // What follows sees what the call recorded.
    let mut ours = of_sellers(&["a-1"]);
    assert_eq!(
        ours.told("", "record ship"),
        "operation_recorded new/fresh, transitioned sent done/done"
    );

    assert_eq!(stage.told("", "record pay 501"), "GUARD_REFUSED");
    assert_eq!(
        stage.told("", "record pay 500"),
        "operation_recorded new/fresh"
    );
    assert_eq!(stage.told("", "back pay"), "GUARD_REFUSED");
    assert_eq!(stage.told("", "record pay 0"), "NOTHING_TO_DO");
}

#[test]
fn a_change_of_lines_needs_what_the_operation_edit_needs() {
    let mut stage = Stage::new(SELLERS);
    let edit = |roles: &str| Command {
        context: context(roles, ""),
        expected_version: None,
        action: Action::Update(Patch {
            lines: Some(vec![sample::line("1", "1")]),
            ..Patch::default()
        }),
    };
    let now = Timestamp::from_micros(2_000_000);
    let refused = decide(&stage.graph, &stage.order, &edit("clerk"), now).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "operation edit needs one of the roles: editor"
    );
    let entries = decide(&stage.graph, &stage.order, &edit("editor"), now).unwrap();
    stage.order = entries.iter().fold(stage.order.clone(), evolve);
    assert_eq!(stage.order.lines[0].ordered.to_string(), "1");
    // Attributes are nobody's in particular.
    assert_eq!(stage.told("", "set box 1"), "updated new/fresh");
}

#[test]
fn settling_takes_what_applies_as_a_call() {
    let more = r#"auto: {label: Auto, from_states: [new], to_state: mid, trigger: automatic, guard: "'go' in order.attributes"}
  on: {label: On, from_states: [mid], to_state: mid, to_status: late, trigger: automatic, guard: "actor.roles.size() > 0"}"#;
    let document = document(&[("more", more)]);
    let mut stage = Stage::new(&document);
    let would = |stage: &Stage, roles: &str| {
        let now = Timestamp::from_micros(2_000_000);
        let (graph, order) = (&stage.graph, &stage.order);
        let code = settles_by(&CostBudget::new(), graph, order, &person(roles), now);
        code.map(|code| code.to_string())
    };
    assert_eq!(would(&stage, ""), None);
    assert_eq!(stage.told("", "settle"), "", "nothing applies");
    // As if the rule had come later than the order.
    let attributes = [("go".to_owned(), "1".to_owned())];
    stage.order.attributes = Attributes::new(attributes.into()).unwrap();
    assert_eq!(would(&stage, "").as_deref(), Some("auto"));
    let none = CostBudget::of(0);
    let now = Timestamp::from_micros(2_000_000);
    let found = settles_by(&none, &stage.graph, &stage.order, &person(""), now);
    assert_eq!(found, None);
    let settled = stage.call("clerk", "settle").unwrap();
    assert_eq!(
        told(&settled),
        "transitioned auto mid/mid, transitioned on mid/late"
    );
    assert_eq!(
        (settled[0].caused_by, &settled[0].actor),
        (0, &person("clerk"))
    );
    assert_eq!(settled[1].caused_by, settled[0].sequence);
    assert_eq!(stage.told("clerk", "settle"), "");

    // A hold keeps it, and operations are none of its business.
    let by_note =
        "auto: {label: Auto, from_states: [new], to_state: mid, trigger: {on_operations: [note]}}";
    let mut stage = Stage::new(&self::document(&[("more", by_note)]));
    assert_eq!(
        (would(&stage, ""), stage.told("", "settle")),
        (None, String::new())
    );
    let mut stage = Stage::new(&document);
    stage.call("", "hold").unwrap();
    assert_eq!(
        (would(&stage, ""), stage.told("", "settle")),
        (None, String::new())
    );
    // So does a role, of which nothing is noted since there is no entry.
    let mut stored = workflow(&self::document(&[]));
    transition(&mut stored, "x").trigger = Trigger::Automatic;
    let mut stage = Stage::of(stored);
    assert_eq!(
        (would(&stage, ""), stage.told("", "settle")),
        (None, String::new())
    );
    assert_eq!(would(&stage, "boss").as_deref(), Some("x"));
    assert_eq!(stage.told("boss", "settle"), "transitioned x mid/mid");
}
