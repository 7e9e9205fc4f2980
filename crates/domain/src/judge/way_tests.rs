//! No way round: where a declared transition leads to a place from here, every call that comes
//! there takes it and is judged by it.

use super::{
    Graph, available_within, comment_statuses_within, create, decide,
    stage::{Stage, context, person, told, workflow},
};
use crate::{
    guard::CostBudget,
    order::{Action, Command, Guarded, Rejection},
    value::{Money, Timestamp},
    workflow::{CommentStatus, Trigger, Workflow, sample},
};

/// `approved` and `checked` of the state `review` have transitions of their own, `plain` has none.
/// `open` leaves the status open; `auto`, `noted` and `timed` no call takes.
const DOCUMENT: &str = r#"
workflow: order
label: Order
initial_state: new
operations: {note: {label: Note, effect: none}}
statuses:
  fresh: {label: Fresh}
  odd: {label: Odd}
  waiting: {label: Waiting}
  approved: {label: Approved}
  checked: {label: Checked}
  plain: {label: Plain}
  automatic: {label: Automatic}
  noted: {label: Noted}
  held: {label: Held}
  kept: {label: Kept}
on_comment: {heard: {comment: {text: heard}}}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, operations: [note], statuses: [fresh, odd]}
  review:
    label: Review
    category: active
    can_start: true
    holdable: true
    operations: [note]
    statuses: [waiting, approved, checked, plain, automatic, noted]
  held: {label: Held, category: held, statuses: [held, kept]}
transitions:
  open: {label: Open, from_states: [new, review], to_state: review}
  approve:
    label: Approve
    from_statuses: [waiting, plain, fresh]
    to_state: review
    to_status: approved
    roles: [boss]
    guard: order.grand_total < 20000
    actions: {mark: {set_attributes: {approved_by: "{{ actor.kind }}"}}}
  check: {label: Check, from_states: [review], to_state: review, to_status: checked, guard: request.comment != ''}
  check_too: {label: Check too, from_statuses: [plain], to_state: review, to_status: checked}
  auto:
    label: Auto
    from_states: [review]
    to_state: review
    to_status: automatic
    trigger: automatic
    guard: "'auto' in order.attributes"
  noted: {label: Noted, from_states: [review], to_state: review, to_status: noted, roles: [boss], trigger: {on_operations: [note]}, guard: order.grand_total > 0}
"#;

fn never() -> Workflow {
    Workflow {
        comment_status: CommentStatus::Never,
        ..workflow(DOCUMENT)
    }
}

/// An order in review.
fn in_review(workflow: Workflow) -> Stage {
    let mut stage = Stage::of(workflow);
    assert_eq!(
        stage.told("", "go open"),
        "transitioned open review/waiting"
    );
    stage
}

#[test]
fn a_comment_takes_the_transition_that_leads_to_its_status() {
    for workflow in [workflow(DOCUMENT), never()] {
        let mut stage = in_review(workflow.clone());
        assert_eq!(stage.told("clerk", "say>approved"), "ROLE_REQUIRED");
        let entries = stage.call("boss", "say>approved").unwrap();
        // Its actions run, and those of comments do not.
        assert_eq!(
            told(&entries),
            "transitioned approve review/approved, updated review/approved"
        );
        assert_eq!(entries[0].comment.as_str(), "said");
        assert_eq!(stage.order.attributes.as_map()["approved_by"], "user");

        let mut stage = in_review(workflow);
        stage.order.grand_total = Money::new(20_000).unwrap();
        let refused = stage.call("boss", "say>approved").unwrap_err();
        assert_eq!(refused.reason(), "GUARD_REFUSED");
    }
}

#[test]
fn several_transitions_are_never_chosen_silently() {
    let mut stage = in_review(workflow(DOCUMENT));
    assert_eq!(
        stage.told("", "say>plain"),
        "commented review/plain, commented review/plain"
    );
    assert_eq!(stage.told("", "say>checked"), "TRANSITION_AMBIGUOUS");
    // From another status, one of them starts.
    let mut stage = in_review(workflow(DOCUMENT));
    assert_eq!(
        stage.told("", "say>checked"),
        "transitioned check review/checked"
    );
}

#[test]
fn where_no_transition_leads_a_comment_goes_as_before() {
    let mut stage = in_review(workflow(DOCUMENT));
    let plain = "commented review/plain, commented review/plain";
    assert_eq!(stage.told("", "say>plain"), plain);
    stage.call("boss", "say>approved").unwrap();
    assert_eq!(stage.told("", "say>plain"), plain);
    // `approve` does not start in every status of the state.
    let mut stage = in_review(workflow(DOCUMENT));
    stage.call("", "say>checked").unwrap();
    assert_eq!(
        stage.told("", "say>approved"),
        "commented review/approved, commented review/approved"
    );
    let mut stage = in_review(never());
    assert_eq!(stage.told("", "say>plain"), "TRANSITION_NOT_ALLOWED");
}

#[test]
fn where_no_call_takes_those_that_lead_there_their_roles_and_guards_count() {
    let mut stage = in_review(workflow(DOCUMENT));
    for (roles, words, expected) in [
        ("", "say>automatic", "GUARD_REFUSED"),
        ("boss", "say>automatic", "GUARD_REFUSED"),
        ("clerk", "say>noted", "ROLE_REQUIRED"),
        ("clerk", "go open>noted", "ROLE_REQUIRED"),
        ("clerk", "to review/noted", "ROLE_REQUIRED"),
        ("clerk", "to noted", "ROLE_REQUIRED"),
    ] {
        assert_eq!(stage.told(roles, words), expected, "{words} by {roles}");
    }
    assert_eq!(
        stage.told("boss", "say>noted"),
        "commented review/noted, commented review/noted"
    );
    let mut stage = in_review(workflow(DOCUMENT));
    assert_eq!(
        stage.told("boss", "to review/noted"),
        "transitioned open review/noted"
    );
    // With comments that set nothing, they are no reason to.
    let mut stage = in_review(never());
    assert_eq!(stage.told("boss", "say>noted"), "TRANSITION_NOT_ALLOWED");
}

#[test]
fn targets_and_landings_take_the_transition_that_leads_there() {
    let mut stage = Stage::new(DOCUMENT);
    // From a place where it starts, whatever the call says.
    for words in ["go open>approved", "to review/approved", "to approved"] {
        assert_eq!(stage.told("clerk", words), "ROLE_REQUIRED", "{words}");
    }
    for words in ["go open>approved", "to review/approved", "to approved"] {
        let mut stage = Stage::new(DOCUMENT);
        let entries = stage.call("boss", words).unwrap();
        assert_eq!(
            told(&entries),
            "transitioned approve review/approved, updated review/approved",
            "{words}"
        );
    }
    // From a place where none starts that leads there, the open one does.
    for words in ["go open>checked", "to review/checked", "to checked"] {
        let mut stage = Stage::new(DOCUMENT);
        assert_eq!(
            stage.told("", words),
            "transitioned open review/checked",
            "{words}"
        );
    }
    // A transition that names its status is the one, also where another one leads there too.
    stage.call("", "go open>plain").unwrap();
    assert_eq!(
        stage.told("", "go check_too"),
        "transitioned check_too review/checked"
    );
    // One that starts elsewhere is refused by its name.
    let mut stage = in_review(workflow(DOCUMENT));
    let refused = stage.call("", "go check_too").unwrap_err().to_string();
    assert!(
        refused.starts_with("transition check_too starts from plain"),
        "{refused}"
    );
}

#[test]
fn the_default_of_a_state_is_a_place_like_any_other() {
    let more = "
  again: {label: Again, from_statuses: [plain, approved], to_state: review, roles: [boss]}
  other: {label: Other, from_statuses: [approved], to_state: review}
";
    let mut stage = in_review(workflow(&format!("{DOCUMENT}{more}")));
    stage.call("", "say>plain").unwrap();
    // `open` and `again` both lead to the default; the call has one of them.
    assert_eq!(
        stage.told("", "say>waiting"),
        "transitioned open review/waiting"
    );
    let without = format!("{DOCUMENT}{more}").replace("[new, review], to_state", "[new], to_state");
    let mut stage = in_review(workflow(&without));
    stage.call("", "say>plain").unwrap();
    assert_eq!(stage.told("", "say>waiting"), "ROLE_REQUIRED");
    assert_eq!(
        stage.told("boss", "say>waiting"),
        "transitioned again review/waiting"
    );
    // One that asks for no role is as good as the other.
    stage.call("boss", "say>approved").unwrap();
    assert_eq!(
        stage.told("", "say>waiting"),
        "transitioned other review/waiting"
    );
}

#[test]
fn on_hold_no_transition_stands_in_the_way_of_a_comment() {
    let mut stored = workflow(DOCUMENT);
    let mut keep = sample::transition("keep", &[], "held", Trigger::Manual);
    keep.to_status = Some(sample::status("kept"));
    keep.roles = vec!["boss".parse().unwrap()];
    stored.transitions.push(keep);
    let mut stage = Stage::of(stored);
    stage.call("", "hold").unwrap();
    assert!(
        stage
            .told("", "say>kept")
            .starts_with("commented held/kept")
    );
}

#[test]
fn an_order_is_not_created_past_the_roles_of_a_transition() {
    let create_at = |workflow: Workflow, roles: &str, status: Option<&str>| {
        let graph = Graph::of_stored(workflow, 1);
        let mut new = sample::new_order(&graph, vec![sample::line("1", "1")]);
        new.state = status.map(|_| sample::state("review"));
        new.status = status.map(sample::status);
        let moment = Timestamp::from_micros(1);
        create(&graph, &new, &context(roles, ""), moment).map(|entries| told(&entries))
    };
    let refused = create_at(workflow(DOCUMENT), "clerk", Some("approved")).unwrap_err();
    assert_eq!(
        refused,
        Rejection::RoleRequired {
            of: Guarded::Transition("approve".parse().unwrap()),
            roles: vec!["boss".parse().unwrap()],
        }
    );
    for (roles, status, expected) in [
        ("boss", Some("approved"), "created review/approved"),
        // One asks for no role, or none leads there.
        ("", Some("checked"), "created review/checked"),
        ("", Some("waiting"), "created review/waiting"),
        ("", Some("plain"), "created review/plain"),
        ("boss", Some("noted"), "created review/noted"),
        ("", None, "created new/fresh"),
    ] {
        let created = create_at(workflow(DOCUMENT), roles, status).unwrap();
        assert_eq!(created, expected);
    }
    let refused = create_at(workflow(DOCUMENT), "clerk", Some("noted")).unwrap_err();
    assert_eq!(refused.reason(), "ROLE_REQUIRED");
    // A way that nobody can take, or that only a role can, frees nobody.
    let mut unfree = sample::transition("unfree", &["review"], "review", Trigger::Manual);
    unfree.to_status = Some(sample::status("approved"));
    unfree.from_statuses = vec![sample::status("approved")];
    let mut from_itself = workflow(DOCUMENT);
    from_itself.transitions.push(unfree.clone());
    let mut by_operation = workflow(DOCUMENT);
    by_operation.operations[0].roles = vec!["wh".parse().unwrap()];
    unfree.operation = Some(by_operation.operations[0].code.clone());
    unfree.from_statuses = Vec::new();
    by_operation.transitions.push(unfree);
    for stored in [from_itself, by_operation] {
        let refused = create_at(stored, "clerk", Some("approved")).unwrap_err();
        assert_eq!(refused.reason(), "ROLE_REQUIRED");
    }
    // Where orders usually start, a way back with a role changes nothing.
    let mut back = sample::transition("back", &["review"], "new", Trigger::Manual);
    back.roles = vec!["boss".parse().unwrap()];
    let mut with_back = workflow(DOCUMENT);
    with_back.transitions.push(back);
    assert!(create_at(with_back, "", None).is_ok());
}

/// Roles of `approve` on the way to both statuses of the state `work`.
const APPROVED: &str = r"
workflow: order
label: Order
initial_state: new
statuses: {pending: {label: Pending}, working: {label: Working}, other: {label: Other}, ended: {label: Ended}}
states:
  new: {label: New, category: initial, can_start: true, statuses: [pending]}
  work: {label: Work, category: active, can_start: true, statuses: [working, other]}
  done: {label: Done, category: completed, terminal: true, statuses: [ended]}
transitions:
  approve: {label: Approve, from_states: [new], to_state: work, roles: [boss]}
  finish: {label: Finish, from_states: [work], to_state: done}
";

#[test]
fn an_order_is_created_where_a_role_or_a_guard_lets_the_actor_come() {
    let paid = r#"  paid: {label: Paid, from_states: [new], to_state: work, trigger: automatic, guard: 'order.grand_total < 20000 && "cashier" in actor.roles'}"#;
    let there = r#"  there: {label: There, from_states: [new], to_state: work, guard: 'order.state == "work"'}"#;
    let other = "  other: {label: Other, from_states: [new], to_state: work, to_status: other, guard: order.overpaid}";
    let open = "  open: {label: Open, from_states: [new], to_state: work}";
    let failing = "  failing: {label: Failing, from_states: [new], to_state: work, guard: 1 / order.total_paid == 1}";
    let timed = "  timed: {label: Timed, from_states: [new], to_state: work, to_status: other, trigger: {after: 1h}}";
    for (more, roles, status, is_created) in [
        ("", "", "working", false),
        ("", "boss", "working", true),
        // No transition leads there by itself, so those count that may land there.
        ("", "", "other", false),
        ("", "boss", "other", true),
        (open, "", "other", true),
        (timed, "", "other", false),
        // One without roles lets through whom its guard lets through.
        (paid, "", "working", false),
        (paid, "cashier", "working", true),
        (paid, "cashier", "other", false),
        (there, "", "working", true),
        (failing, "", "working", false),
        // No role is asked for on the way there.
        (other, "", "other", true),
    ] {
        let graph = Graph::of_stored(workflow(&format!("{APPROVED}{more}\n")), 1);
        let mut new = sample::new_order(&graph, vec![sample::line("1", "1")]);
        new.state = Some(sample::state("work"));
        new.status = Some(sample::status(status));
        let created = create(&graph, &new, &context(roles, ""), sample::CREATED);
        let said = created.map_or_else(|it| it.reason().to_owned(), |entries| told(&entries));
        let expected = if is_created {
            format!("created work/{status}")
        } else {
            "ROLE_REQUIRED".to_owned()
        };
        assert_eq!(said, expected, "{more} at {status} by {roles}");
    }
}

#[test]
fn what_comments_may_set_is_told_by_the_code_that_sets_it() {
    let now = Timestamp::from_micros(2_000_000);
    for (workflow, roles) in [
        (workflow(DOCUMENT), ""),
        (workflow(DOCUMENT), "boss"),
        (never(), "boss"),
    ] {
        let stage = in_review(workflow);
        let budget = CostBudget::new();
        let actor = person(roles);
        let judged = comment_statuses_within(&budget, &stage.graph, &stage.order, &actor, now);
        let mut listed = Vec::new();
        for (status, answer) in judged {
            let command = Command {
                context: context(roles, ""),
                expected_version: None,
                action: Action::Comment {
                    status: Some(status.clone()),
                },
            };
            let done = decide(&stage.graph, &stage.order, &command, now);
            let done = done.map(|entries| entries[0].transition.clone());
            assert_eq!(answer, done, "{status}");
            listed.push(status.to_string());
        }
        let all = ["approved", "checked", "plain", "automatic", "noted"];
        let by_transition = ["approved", "checked"];
        let is_never = stage.graph.workflow().comment_status == CommentStatus::Never;
        assert_eq!(
            listed,
            if is_never {
                &by_transition[..]
            } else {
                &all[..]
            }
        );
    }
    // The lists of what is allowed are lists of transitions.
    let stage = in_review(workflow(DOCUMENT));
    let budget = CostBudget::new();
    let codes = available_within(&budget, &stage.graph, &stage.order, &person("boss"), now);
    let codes: Vec<_> = codes.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["open", "approve", "check", "check_too"]);
}

#[test]
fn what_comments_may_set_is_told_within_a_budget() {
    let stage = in_review(workflow(DOCUMENT));
    let short = CostBudget::of(60);
    let now = Timestamp::from_micros(2_000_000);
    let judged = comment_statuses_within(&short, &stage.graph, &stage.order, &person("boss"), now);
    assert!(short.is_exhausted());
    let limited = judged.iter().filter(|(_, answer)| {
        let refused = answer.as_ref().err();
        refused.is_some_and(|refused| refused.reason() == "GUARD_LIMIT")
    });
    assert!(limited.count() >= 3);
}
