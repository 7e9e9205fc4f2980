//! What a step sets off, written as documents.

#![expect(
    clippy::similar_names,
    reason = "an order that is held was held by what held it"
)]

use super::{Graph, Trial, create, try_action};
use crate::{
    actor::Actor,
    history::{Detail, Entry, Moment, evolve, replay},
    order::{self, Action, Command, Context, Customer, Order, Target},
    value::{Comment, Reason, Text, Timestamp, TransitionCode},
    workflow::{
        document::{Format, Mode, apply, parse},
        sample,
    },
};

const HOUR: i64 = 3_600_000_000;

const WORKFLOW: &str = r#"
workflow: order
label: Order
initial_state: new
statuses:
  pending: {label: Pending}
  packed: {label: Packed}
  waiting: {label: Waiting}
  done: {label: Done}
  held: {label: Held}
operations:
  ship: {label: Ship, effect: ship, actions: {tell: {webhook: {endpoint: carrier}}}}
states:
  new:
    label: New
    category: initial
    can_start: true
    holdable: true
    operations: [ship]
    statuses: [pending]
    on_leave: {bye: {webhook: {endpoint: leaving}}}
  work:
    label: Work
    category: active
    holdable: true
    operations: [ship]
    statuses: [packed, waiting]
    on_enter: {hello: {webhook: {endpoint: entering}}}
  done: {label: Done, category: completed, terminal: true, statuses: [done]}
  held: {label: Held, category: held, statuses: [held], on_enter: {stop: {publish: {subject: held}}}}
on_create:
  mail: {email: {template: new_order, customer: always}}
on_comment:
  mail: {email: {template: comment, copy_to: [a@example.com, b@example.com], copy_method: separate}}
  ask: {email: {template: comment}, active: false}
  nobody: {email: {template: comment, customer: never}, active: false}
transitions:
  pack:
    label: Pack
    from_states: [new]
    to_state: work
    actions:
      last: {publish: {subject: "orders.{{ order.id }}"}, position: 90}
      note: {comment: {text: "Packed by {{ actor.kind }}, {{ order.attributes.box }}", visible_to_customer: true}}
      box: {set_attributes: {box: "B{{ order.id }}"}, position: 1}
      dear: {webhook: {endpoint: vip}, condition: order.grand_total > 1000000}
      broken: {webhook: {endpoint: vip}, condition: "order.attributes.nothing == 'x'"}
      off: {webhook: {endpoint: vip}, active: false}
  finish: {label: Finish, from_states: [work], to_state: done, guard: order.attributes.box != ''}
  hurry: {label: Hurry, from_states: [new], to_state: work, actions: {on: {transition: finish}, again: {transition: pack}}}
  remind: {label: Remind, from_statuses: [packed], to_state: work, to_status: waiting, trigger: {after: 2h}}
  give_up: {label: Give up, from_statuses: [waiting], to_state: done, trigger: {after: 1h}, guard: "order.attributes.box != ''"}
"#;

fn graph() -> Graph {
    graph_of(WORKFLOW)
}

fn graph_of(text: &str) -> Graph {
    let document = parse(text, Format::Yaml).unwrap();
    Graph::new(apply(None, &document, Mode::Replace, None).unwrap(), 1).unwrap()
}

fn context() -> Context {
    Context {
        actor: Actor::unstated(),
        ..sample::context()
    }
}

fn new_order(graph: &Graph, email: &str) -> (Order, Vec<Entry>) {
    let mut new = sample::new_order(graph, vec![sample::line("1", "2")]);
    new.customer = Customer {
        email: Text::new(email).unwrap(),
        ..Customer::default()
    };
    let entries = create(graph, &new, &context(), sample::CREATED).unwrap();
    (replay(&entries).unwrap(), entries)
}

fn decide(graph: &Graph, order: &Order, action: Action, now: i64) -> Vec<Entry> {
    let command = Command {
        context: Context {
            comment: Comment::new("said").unwrap(),
            ..context()
        },
        expected_version: None,
        action,
    };
    let now = Timestamp::from_micros(sample::CREATED.micros() + now);
    super::decide(graph, order, &command, now).unwrap()
}

fn take(code: &str) -> Action {
    Action::Transition(Target::Transition {
        code: TransitionCode::new(code).unwrap(),
        land_on: None,
    })
}

/// Each entry as its kind, what it did, and what it set off.
fn told(entries: &[Entry]) -> Vec<String> {
    let tell = |entry: &Entry| {
        let what = match &entry.detail {
            Detail::Transitioned(_) => format!("{} ", entry.transition.as_ref().unwrap()),
            Detail::Commented => format!("'{}' ", entry.comment),
            _ => String::new(),
        };
        let sent = entry.set_off.iter();
        let sent: Vec<_> = sent
            .map(|set_off| format!("{}>{}", set_off.action, set_off.to))
            .collect();
        format!(
            "{} {what}by {}: {}",
            entry.kind().word(),
            entry.caused_by,
            sent.join(" ")
        )
    };
    entries.iter().map(tell).collect()
}

fn after(order: &Order, entries: &[Entry]) -> Order {
    entries.iter().fold(order.clone(), evolve)
}

#[test]
fn actions_go_by_trigger_point_then_position_and_those_that_write_are_entries() {
    let graph = graph();
    let (order, created) = new_order(&graph, "c@example.com");
    assert_eq!(told(&created), ["created by 0: create.mail>customer"]);
    let packed = decide(&graph, &order, take("pack"), 0);
    assert_eq!(
        told(&packed),
        [
            "transitioned pack by 0: leave.new.bye>leaving transition.pack.last> enter.work.hello>entering",
            "updated by 2: ",
            "commented 'Packed by integration, B100000001' by 2: ",
        ]
    );
    let notes = packed[0].metadata.as_map();
    let failed = &notes["waymark.action_failed"];
    assert!(
        failed.starts_with("transition.pack.broken: its condition: "),
        "{failed}"
    );
    assert_eq!(
        packed[1].metadata.as_map()["waymark.action"],
        "transition.pack.box"
    );
    assert!(packed[2].visible_to_customer && !packed[1].visible_to_customer);
    let order = after(&order, &packed);
    assert_eq!(order.attributes.as_map()["box"], "B100000001");
}

#[test]
fn an_action_takes_a_further_step_and_one_that_is_not_allowed_is_noted() {
    let graph = graph();
    let (order, _) = new_order(&graph, "");
    let hurried = decide(&graph, &order, take("hurry"), 0);
    assert_eq!(
        told(&hurried),
        ["transitioned hurry by 0: leave.new.bye>leaving enter.work.hello>entering"]
    );
    let failed = &hurried[0].metadata.as_map()["waymark.action_failed"];
    assert!(
        failed.contains("transition.hurry.on: the guard of transition finish"),
        "{failed}"
    );
    assert!(
        failed.contains("transition.hurry.again: transition pack starts from new, the order stands in work/packed"),
        "{failed}"
    );
}

#[test]
fn mails_go_to_those_who_shall_read_them() {
    let graph = graph();
    // The customer has no address, so nobody is written to, and the entry says so.
    let (order, created) = new_order(&graph, "");
    assert_eq!(told(&created), ["created by 0: "]);
    assert!(created[0].metadata.as_map()["waymark.action_failed"].contains("no e-mail address"));
    let copies = "commented 'said' by 0: comment.mail>a@example.com comment.mail>b@example.com";
    let comment = || Action::Comment { status: None };
    assert_eq!(told(&decide(&graph, &order, comment(), 0)), [copies]);
    let (order, _) = new_order(&graph, "c@example.com");
    assert_eq!(told(&decide(&graph, &order, comment(), 0)), [copies]);
    let mut asked = Command {
        context: Context {
            notify_customer: true,
            comment: Comment::new("said").unwrap(),
            ..context()
        },
        expected_version: None,
        action: comment(),
    };
    let entries = super::decide(&graph, &order, &asked, sample::CREATED).unwrap();
    assert_eq!(
        told(&entries),
        [
            "commented 'said' by 0: comment.mail>customer comment.mail>a@example.com comment.mail>b@example.com"
        ]
    );
    asked.action = take("pack");
    let entries = super::decide(&graph, &order, &asked, sample::CREATED).unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| entry.set_off.iter().all(|s| s.to.kind() != "email"))
    );
}

#[test]
fn a_hold_is_a_pause_and_no_leaving() {
    let graph = graph();
    let (order, _) = new_order(&graph, "");
    let hold = Action::Hold {
        reason: Reason::default(),
        status: None,
        expire_time: None,
    };
    let entries = decide(&graph, &order, hold, 0);
    assert_eq!(told(&entries), ["held by 0: enter.held.stop>"]);
    let order = after(&order, &entries);
    let released = decide(&graph, &order, Action::Release { hold: None }, 0);
    assert_eq!(told(&released), ["released by 0: "]);
}

#[test]
fn time_takes_an_order_on_and_stands_still_while_it_is_held() {
    let graph = graph();
    let (order, _) = new_order(&graph, "");
    assert_eq!(graph.due_time(&order), None);
    let order = after(&order, &decide(&graph, &order, take("pack"), 0));
    let due =
        |order: &Order| Some((graph.due_time(order)?.micros() - sample::CREATED.micros()) / HOUR);
    assert_eq!(due(&order), Some(2));
    // An hour, then a hold of ten that expires by itself, then the second hour.
    let expire_time = Some(Timestamp::from_micros(sample::CREATED.micros() + 11 * HOUR));
    let hold = Action::Hold {
        reason: Reason::default(),
        status: None,
        expire_time,
    };
    let order = after(&order, &decide(&graph, &order, hold, HOUR));
    assert_eq!(due(&order), Some(11));
    let released = decide(&graph, &order, Action::TimeUp, 11 * HOUR);
    assert_eq!(told(&released), ["released by 0: "]);
    let order = after(&order, &released);
    assert_eq!(due(&order), Some(12));
    let early = Command {
        context: context(),
        expected_version: None,
        action: Action::TimeUp,
    };
    let now = Timestamp::from_micros(sample::CREATED.micros() + 12 * HOUR - 1);
    assert_eq!(
        super::decide(&graph, &order, &early, now),
        Err(order::Rejection::NothingDue)
    );
    let reminded = decide(&graph, &order, Action::TimeUp, 12 * HOUR);
    assert_eq!(told(&reminded), ["transitioned remind by 0: "]);
    // The status was entered anew, so its clock begins anew.
    let order = after(&order, &reminded);
    assert_eq!(due(&order), Some(13));
    let done = decide(&graph, &order, Action::TimeUp, 20 * HOUR);
    assert_eq!(told(&done), ["transitioned give_up by 0: "]);
    assert_eq!(due(&after(&order, &done)), None);
}

/// Hours after the creation of orders.
fn hours(count: i64) -> Timestamp {
    Timestamp::from_micros(sample::CREATED.micros() + count * HOUR)
}

/// Decides where entries are stamped so many hours after the creation, and the clock says another.
fn decide_by(
    graph: &Graph,
    order: &Order,
    action: Action,
    (time, clock): (i64, i64),
) -> Result<Vec<Entry>, order::Rejection> {
    let command = Command {
        context: Context {
            comment: Comment::new("said").unwrap(),
            ..context()
        },
        expected_version: None,
        action,
    };
    let (time, clock) = (hours(time), hours(clock));
    super::decide(graph, order, &command, Moment { time, clock })
}

#[test]
fn what_is_due_is_judged_by_the_clock_however_entries_are_stamped() {
    let graph = graph();
    let (order, created) = new_order(&graph, "");
    // The log is five hours ahead of the clock.
    let packed = decide_by(&graph, &order, take("pack"), (5, 0)).unwrap();
    assert_eq!(packed[0].create_time, hours(5));
    let ahead = &packed[0].metadata.as_map()["waymark.ahead_micros"];
    assert_eq!(*ahead, (5 * HOUR).to_string());
    let order = after(&order, &packed);
    assert_eq!(
        (order.status_time, graph.due_time(&order)),
        (hours(5), Some(hours(2)))
    );
    // A hold by the clock: one hour of the two has passed, and the second comes after it.
    let hold = |until: i64| Action::Hold {
        reason: Reason::default(),
        status: None,
        expire_time: Some(hours(until)),
    };
    assert!(decide_by(&graph, &order, hold(1), (5, 1)).is_err());
    let held = decide_by(&graph, &order, hold(2), (5, 1)).unwrap();
    let held = after(&order, &held);
    assert_eq!(graph.due_time(&held), Some(hours(2)));
    let early = decide_by(&graph, &held, Action::TimeUp, (5, 1));
    assert_eq!(early, Err(order::Rejection::NothingDue));
    let released = decide_by(&graph, &held, Action::TimeUp, (5, 2)).unwrap();
    let order = after(&held, &released);
    assert_eq!(graph.due_time(&order), Some(hours(3)));
    let early = decide_by(&graph, &order, Action::TimeUp, (5, 2));
    assert_eq!(early, Err(order::Rejection::NothingDue));
    let reminded = decide_by(&graph, &order, Action::TimeUp, (5, 3)).unwrap();
    assert_eq!(told(&reminded), ["transitioned remind by 0: "]);
    let order = after(&order, &reminded);
    assert_eq!(graph.due_time(&order), Some(hours(4)));

    // An order that is created so, and what replaying gives, which needs no clock.
    let new = sample::new_order(&graph, vec![]);
    let (time, clock) = (hours(5), hours(0));
    let born = create(&graph, &new, &context(), Moment { time, clock }).unwrap();
    let born_order = replay(&born).unwrap();
    assert_eq!(
        (born_order.status_time, order::wait_start(&born_order)),
        (time, clock)
    );
    let entries = created.iter().chain(&packed);
    assert_eq!(
        replay(entries).map(|order| graph.due_time(&order)),
        Some(Some(hours(2)))
    );
}

#[test]
fn a_moment_ahead_of_the_clock_is_no_difference() {
    let graph = graph();
    let (order, _) = new_order(&graph, "");
    let command = Command {
        context: context(),
        expected_version: None,
        action: take("pack"),
    };
    let time = Timestamp::from_micros(sample::CREATED.micros() + 1_000_000);
    let clock = sample::CREATED;
    let packed = super::decide(&graph, &order, &command, Moment { time, clock }).unwrap();
    assert!(
        !packed[0]
            .metadata
            .as_map()
            .contains_key("waymark.ahead_micros")
    );
    assert_eq!(after(&order, &packed).wait, None);
}

#[test]
fn a_wait_that_began_under_a_clock_that_was_ahead_does_not_end_late() {
    let graph = graph();
    let (order, created) = new_order(&graph, "");
    // The clock itself was five hours ahead, so nothing tells; and an hour later something else
    // was written by it.
    let packed = decide(&graph, &order, take("pack"), 5 * HOUR);
    let order = after(&order, &packed);
    assert_eq!(graph.due_time(&order), Some(hours(7)));
    // The right clock says one, and the order has waited for one hour of the two.
    let noted = decide_by(&graph, &order, Action::TimeUp, (6, 1)).unwrap();
    assert_eq!(
        (told(&noted), noted.len()),
        (vec!["updated by 0: ".to_owned()], 1)
    );
    let right = after(&order, &noted);
    assert_eq!(
        (right.standing.clone(), graph.due_time(&right)),
        (order.standing.clone(), Some(hours(2)))
    );
    let history = created.iter().chain(&packed).chain(&noted);
    assert_eq!(replay(history).as_ref(), Some(&right));
    let nothing = Err(order::Rejection::NothingDue);
    assert_eq!(
        decide_by(&graph, &right, Action::TimeUp, (6, 1)),
        nothing,
        "once"
    );
    let fired = decide_by(&graph, &right, Action::TimeUp, (6, 2)).unwrap();
    assert_eq!(told(&fired), ["transitioned remind by 0: "]);
    // What had been due already fires at once.
    let fired = decide_by(&graph, &order, Action::TimeUp, (7, 1)).unwrap();
    assert_eq!(told(&fired), ["transitioned remind by 0: "]);
    assert_eq!(graph.due_time(&after(&order, &fired)), Some(hours(2)));

    // Any other entry puts it right as well, and once.
    let comment = || Action::Comment { status: None };
    let said = after(
        &order,
        &decide_by(&graph, &order, comment(), (6, 1)).unwrap(),
    );
    assert_eq!(graph.due_time(&said), Some(hours(2)));
    let said = after(&said, &decide_by(&graph, &said, comment(), (6, 2)).unwrap());
    assert_eq!(graph.due_time(&said), Some(hours(2)));
    // So does a hold, which stops it where it is.
    let hold = Action::Hold {
        reason: Reason::default(),
        status: None,
        expire_time: None,
    };
    let held = after(&order, &decide_by(&graph, &order, hold, (6, 1)).unwrap());
    let release = Action::Release { hold: None };
    let back = after(&held, &decide_by(&graph, &held, release, (6, 4)).unwrap());
    assert_eq!(graph.due_time(&back), Some(hours(5)));
}

/// Tries an action with the order and the last entry as they are.
fn try_it(graph: &Graph, order: &Order, entry: &Entry, action: &str) -> Option<Trial> {
    try_by(&Actor::unstated(), (graph, order, entry), action)
}

fn try_by(
    caller: &Actor,
    (graph, order, entry): (&Graph, &Order, &Entry),
    action: &str,
) -> Option<Trial> {
    let now = Timestamp::from_micros(sample::CREATED.micros() + HOUR);
    let path = action.parse().unwrap();
    try_action(graph, order.clone(), entry.clone(), &path, (caller, now))
}

#[test]
fn a_comment_whose_text_comes_out_empty_is_none() {
    let said = "Packed by {{ actor.kind }}, {{ order.attributes.box }}";
    let graph = graph_of(&WORKFLOW.replace(said, " {{ order.customer.name }}"));
    let (order, _) = new_order(&graph, "");
    let packed = decide(&graph, &order, take("pack"), 0);
    let is_comment = |entry: &&Entry| matches!(entry.detail, Detail::Commented);
    assert_eq!(packed.iter().filter(is_comment).count(), 0, "{packed:?}");
    let order = after(&order, &packed);
    let note = try_it(&graph, &order, &packed[0], "transition.pack.note").unwrap();
    assert_eq!(note.written, None);
    assert_eq!(
        note.problem.as_deref(),
        Some("its text comes out empty, and no comment is written")
    );
}

#[test]
fn a_trial_of_a_further_step_is_judged_for_who_asks() {
    let needs = "finish: {label: Finish, roles: [packer],";
    let graph = graph_of(&WORKFLOW.replace("finish: {label: Finish,", needs));
    let (order, _) = new_order(&graph, "");
    let packed = decide(&graph, &order, take("pack"), 0);
    let order = after(&order, &packed);
    let with_role = |actor: &Actor| Actor {
        roles: vec!["packer".parse().unwrap()],
        ..actor.clone()
    };
    let plain = packed[0].clone();
    let by_packer = Entry {
        actor: with_role(&plain.actor),
        ..plain.clone()
    };
    let nobody = Actor::unstated();
    for (caller, last, is_taken) in [
        (nobody.clone(), &by_packer, false),
        (with_role(&nobody), &plain, true),
    ] {
        let tried = try_by(&caller, (&graph, &order, last), "transition.hurry.on").unwrap();
        assert_eq!(tried.written.is_some(), is_taken, "{tried:?}");
        assert_eq!(tried.problem.is_none(), is_taken, "{tried:?}");
    }
}

#[test]
fn a_trial_says_what_the_step_itself_sets_off() {
    let graph = graph();
    let (order, _) = new_order(&graph, "ada@example.com");
    let packed = decide(&graph, &order, take("pack"), 0);
    let first = packed.first().unwrap();
    let order = after(&order, &packed[..1]);
    let tried = |action: &str| try_it(&graph, &order, first, action).unwrap();

    for set_off in &first.set_off {
        let trial = tried(&set_off.action.to_string());
        assert_eq!(trial.destinations, std::slice::from_ref(&set_off.to));
        assert!(trial.applies() && trial.problem.is_none());
    }
    let boxed = tried("transition.pack.box").written.unwrap();
    assert_eq!(boxed.detail, packed[1].detail);
    assert_eq!(boxed.metadata, packed[1].metadata);
    let order = after(&order, &packed[1..]);
    let note = try_it(&graph, &order, first, "transition.pack.note").unwrap();
    let written = note.written.unwrap();
    let comment = packed
        .iter()
        .find(|entry| entry.comment == written.comment)
        .unwrap();
    assert_eq!(written.detail, comment.detail);
    assert_eq!(
        (written.caused_by, &written.metadata),
        (first.sequence, &comment.metadata)
    );
    let boxed = try_it(&graph, &order, first, "transition.pack.box").unwrap();
    assert_eq!(boxed.written, None, "the attribute is so already");
    assert_eq!(
        boxed.problem.as_deref(),
        Some("the attributes of the order are so already")
    );
}

#[test]
fn a_trial_that_sends_nothing_says_why() {
    const UNASKED: &str = "the customer is written to only where the call says `notify_customer`";
    let graph = graph();
    let (order, entries) = new_order(&graph, "ada@example.com");
    let first = entries.first().unwrap();
    let asked = Entry {
        notify_customer: true,
        ..first.clone()
    };
    // Two copies go whether or not the customer is written to.
    for (action, entry, count, problem) in [
        ("comment.mail", first, 2, Some(UNASKED)),
        ("comment.mail", &asked, 3, None),
        ("comment.ask", first, 0, Some(UNASKED)),
        ("comment.ask", &asked, 1, None),
        ("create.mail", first, 1, None),
        (
            "comment.nobody",
            &asked,
            0,
            Some("it goes to nobody: the customer is never written to, and there are no copies"),
        ),
    ] {
        let trial = try_it(&graph, &order, entry, action).unwrap();
        assert_eq!(trial.destinations.len(), count, "{action}");
        assert_eq!(trial.problem.as_deref(), problem, "{action}");
    }
    let (order, _) = new_order(&graph, "");
    let trial = try_it(&graph, &order, &asked, "comment.ask").unwrap();
    assert_eq!(
        trial.problem.as_deref(),
        Some("the order has no e-mail address of its customer")
    );
}

#[test]
fn a_trial_says_what_is_in_the_way_and_judges_what_is_switched_off() {
    let graph = graph();
    let (order, entries) = new_order(&graph, "");
    let first = entries.first().unwrap();
    let tried = |action| try_it(&graph, &order, first, action);

    let dear = tried("transition.pack.dear").unwrap();
    assert!(!dear.applies() && dear.problem.is_none());
    assert_eq!(
        dear.unmet.as_deref(),
        Some("its condition does not hold for the last entry of the order")
    );
    assert_eq!(
        dear.destinations.len(),
        1,
        "who ignores the condition may send it"
    );
    let broken = tried("transition.pack.broken").unwrap();
    assert!(!broken.applies());
    assert!(broken.unmet.unwrap().starts_with("its condition: "));
    let off = tried("transition.pack.off").unwrap();
    assert!(off.applies() && off.destinations.len() == 1);
    let mail = tried("create.mail").unwrap();
    assert_eq!(
        mail.problem.as_deref(),
        Some("the order has no e-mail address of its customer")
    );
    let step = tried("transition.hurry.on").unwrap();
    assert_eq!(step.written, None);
    assert_eq!(
        step.problem.as_deref(),
        Some("transition finish starts from work, the order stands in new/pending")
    );
    assert_eq!(tried("transition.pack.nothing"), None);
    assert_eq!(tried("enter.nowhere.tell"), None);
}
