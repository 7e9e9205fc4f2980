//! Rows for the rules of lint: a change of a sound workflow, and all that is said of it.

mod missing;
mod scale;
mod silent;

use super::*;
use crate::{
    value::{OperationCode, TransitionCode},
    workflow::{
        Assignment, Category, Channel, CommentStatus, CopyMethod, Effect, Email, Identity, Notify,
        Policy, State, Status, StatusSharing, Transition, Trigger, Work, Writing,
        document::{Format, Mode, draft, parse},
        sample::{self, expression, state, status},
    },
};

const SOUND: &str = "
workflow: w
label: W
initial_state: new
operations:
  pay: {label: Pay, effect: pay}
statuses:
  pending: {label: Pending}
  working: {label: Working}
  resting: {label: Resting}
  done: {label: Done}
  held: {label: Held}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, operations: [pay], statuses: [pending]}
  work: {label: Work, category: active, holdable: true, statuses: [working, resting]}
  done: {label: Done, category: completed, terminal: true, statuses: [done]}
  held: {label: Held, category: held, statuses: [held]}
transitions:
  start: {label: Start, from_states: [new], to_state: work, trigger: {on_operations: [pay]}}
  finish: {label: Finish, from_states: [work], to_state: done}
";

fn sound() -> Workflow {
    draft(
        None,
        &parse(SOUND, Format::Yaml).unwrap(),
        Mode::Replace,
        None,
    )
    .unwrap()
}

type Change = fn(&mut Workflow);

fn part<T>(parts: &mut [T], is: impl Fn(&T) -> bool) -> &mut T {
    parts.iter_mut().find(|part| is(part)).unwrap()
}

fn state_mut<'a>(workflow: &'a mut Workflow, code: &str) -> &'a mut State {
    part(&mut workflow.states, |state| state.code.as_str() == code)
}

fn transition_mut<'a>(workflow: &'a mut Workflow, code: &str) -> &'a mut Transition {
    part(&mut workflow.transitions, |transition| {
        transition.code.as_str() == code
    })
}

fn add(workflow: &mut Workflow, code: &str, from: &[&str], to: &str, trigger: Trigger) {
    workflow
        .transitions
        .push(sample::transition(code, from, to, trigger));
}

fn assign(workflow: &mut Workflow, at: &str, code: &str) {
    workflow.assignments.push(Assignment {
        state: state(at),
        status: status(code),
        is_default: false,
        visible_on_storefront: true,
    });
}

/// One change of the sound workflow for every rule, and all that lint says of it.
const ROWS: &[(Rule, Change, &[&str])] = &[
    (
        Rule::LimitExceeded,
        |w| w.max_cascade = 101,
        &["workflow max_cascade is 101, allowed are 1 to 100"],
    ),
    (
        Rule::DuplicateCode,
        |w| {
            let again = w.operations[0].clone();
            w.operations.push(again);
        },
        &["operation pay is defined twice"],
    ),
    (
        Rule::UnknownReference,
        |w| {
            w.initial_state = state("lost");
            transition_mut(w, "finish").to_status = Some(status("lost"));
        },
        &[
            "workflow starts in state lost, which does not exist",
            "transition finish enters status lost, which does not exist",
        ],
    ),
    (
        Rule::UnknownReference,
        |w| {
            let named = ["work", "wrok", "resting", "pay"];
            transition_mut(w, "finish").from_states = named.map(state).into();
            transition_mut(w, "start").from_statuses = ["pending", "work"].map(status).into();
            let payed = OperationCode::new("payed").unwrap();
            state_mut(w, "work").operations.push(payed);
            w.initial_state = state("pending");
        },
        &[
            "workflow starts in state pending, which does not exist; pending is a status of state new",
            "state work allows operation payed, which does not exist; did you mean pay?",
            "transition finish leaves state pay, which does not exist; pay is an operation",
            "transition finish leaves state resting, which does not exist; resting is a status of state work: use from_statuses or to_status",
            "transition finish leaves state wrok, which does not exist; did you mean work?",
            "transition start leaves status work, which does not exist; work is a state: use from_states or to_state",
        ],
    ),
    (
        Rule::InvalidGuard,
        |w| {
            transition_mut(w, "finish").guard = Some(expression("order.colour == 1"));
        },
        &["transition finish has a guard that cannot be used: it knows no"],
    ),
    (
        Rule::InvalidTemplate,
        |w| {
            let stored = |text: &str| serde_json::from_value(serde_json::json!(text)).unwrap();
            let writes = |writing| sample::action("note", Work::Write(writing));
            transition_mut(w, "finish").actions = vec![writes(Writing::Comment {
                text: stored("{{ 'a' * 9 }}"),
                visible_to_customer: false,
            })];
            let box_no = [("box".to_owned(), stored("{{ order.nothing }}"))];
            w.on_create = vec![writes(Writing::SetAttributes(box_no.into()))];
        },
        &[
            "workflow has the action note that has a text that is not filled in (create.note, attribute box): it knows no field order.nothing",
            "transition finish has the action note that has a text that is not filled in (transition.finish.note, text): it multiplies with *, which texts cannot",
        ],
    ),
    (
        Rule::MissingDefault,
        |w| part(&mut w.assignments, |a| a.status.as_str() == "done").is_default = false,
        &["state done has statuses, but none is its default"],
    ),
    (
        Rule::SeveralDefaults,
        |w| part(&mut w.assignments, |a| a.status.as_str() == "resting").is_default = true,
        &["state work has several defaults: resting, working"],
    ),
    (
        Rule::RetiredDefault,
        |w| part(&mut w.statuses, |s| s.code.as_str() == "working").retired = true,
        &[
            "state work has the retired status working as its default",
            "state done cannot be reached: no order starts here, and no way leads here",
            "state work cannot be reached: no order starts here, and no way leads here",
        ],
    ),
    (
        Rule::SharedStatus,
        |w| assign(w, "new", "resting"),
        &["status resting belongs to several states, but sharing is exclusive: new, work"],
    ),
    (
        Rule::InitialState,
        |w| {
            w.initial_state = state("work");
        },
        &["state work is the initial state, but can_start is not set"],
    ),
    (
        Rule::SeveralHeldStates,
        |w| {
            let mut other = state_mut(w, "held").clone();
            other.code = state("other");
            w.states.push(other);
        },
        &[
            "workflow has several states of the category held: held, other",
            "state other has no status, so no order can enter it",
        ],
    ),
    (
        Rule::HeldStateFlags,
        |w| {
            let held = state_mut(w, "held");
            held.terminal = true;
            held.holdable = true;
        },
        &[
            "state held is of the category held, so it cannot be holdable",
            "state held is of the category held, so it cannot be terminal",
        ],
    ),
    (
        Rule::HeldStateTransition,
        |w| {
            add(w, "hold", &["new"], "held", Trigger::Manual);
            add(w, "release", &["held"], "new", Trigger::Manual);
        },
        &[
            "transition hold enters the held state held; orders get there by a hold",
            "transition release leaves the held state held; orders leave it by a release",
        ],
    ),
    (
        Rule::TargetNotAssigned,
        |w| {
            transition_mut(w, "finish").to_status = Some(status("pending"));
        },
        &["transition finish enters status pending, which does not belong to state done"],
    ),
    (
        Rule::InvalidReverse,
        |w| {
            let mut note = w.operations[0].clone();
            note.code = OperationCode::new("note").unwrap();
            note.effect = Effect::None;
            let start = transition_mut(w, "start");
            start.operation = Some(note.code.clone());
            start.reverse = true;
            w.operations.push(note);
            transition_mut(w, "finish").reverse = true;
        },
        &[
            "transition finish reverses, but names no operation",
            "transition start reverses note, whose effect is none",
            "operation note is allowed in no state and recorded by no transition",
        ],
    ),
    (
        Rule::AutomaticInsideState,
        |w| {
            add(w, "rest", &["work"], "work", Trigger::Automatic);
            let rest = transition_mut(w, "rest");
            rest.to_status = Some(status("resting"));
        },
        &["transition rest would move the status inside state work at any step: give it a guard"],
    ),
    (
        Rule::AutomaticCycle,
        |w| {
            add(w, "there", &["new"], "work", Trigger::Automatic);
            add(w, "back", &["work"], "new", Trigger::Automatic);
        },
        &[
            "transition there belongs to a circle of automatic transitions, which nothing stops: there, back",
            "transition there leaves the initial state new as soon as an order is created",
        ],
    ),
    (
        Rule::GuardedAutomaticCycle,
        |w| {
            add(w, "there", &["new"], "work", Trigger::Automatic);
            add(w, "back", &["work"], "new", Trigger::Automatic);
            transition_mut(w, "back").guard = Some(expression("order.fully_paid"));
        },
        &[
            "transition there belongs to a circle of automatic transitions, which only guards stop: there, back",
            "transition there leaves the initial state new as soon as an order is created",
        ],
    ),
    (
        Rule::UnreachableState,
        |w| w.transitions.retain(|t| t.code.as_str() != "start"),
        &[
            "state done cannot be reached: no order starts here, and no way leads here",
            "state work cannot be reached: no order starts here, and no way leads here",
            "state new is not terminal, but no way leads out of it",
        ],
    ),
    (
        Rule::UnreachableStatus,
        |w| w.comment_status = CommentStatus::Never,
        &["assignment work/resting cannot be reached by any way"],
    ),
    (
        Rule::StateWithoutStatus,
        |w| w.assignments.retain(|a| a.state.as_str() != "held"),
        &[
            "state held has no status, so no order can enter it",
            "status held belongs to no state",
        ],
    ),
    (
        Rule::DeadEnd,
        |w| {
            w.comment_status = CommentStatus::Never;
            transition_mut(w, "finish").from_statuses = vec![status("working")];
            add(w, "rest", &["work"], "work", Trigger::Manual);
            let rest = transition_mut(w, "rest");
            rest.from_statuses = vec![status("working")];
            rest.to_status = Some(status("resting"));
        },
        &["assignment work/resting is not final, but no way leads out of it"],
    ),
    (
        Rule::AmbiguousTarget,
        |w| {
            add(w, "skip", &["new", "work"], "done", Trigger::Manual);
            transition_mut(w, "skip").to_status = Some(status("done"));
        },
        &[
            "transition finish and transition skip both lead from work/working to state done, so a call that names the target alone is refused",
        ],
    ),
    (
        Rule::TransitionNeverTaken,
        |w| add(w, "again", &["new"], "new", Trigger::Manual),
        &[
            "transition again can never be taken: it leaves no place but terminal ones and its own target",
        ],
    ),
    (
        Rule::TransitionNeverTaken,
        |w| state_mut(w, "new").operations.clear(),
        &[
            "transition start can never be taken: none of its operations is allowed where it begins",
            "operation pay is allowed in no state and recorded by no transition",
        ],
    ),
    (
        Rule::TransitionNeverTaken,
        |w| {
            let codes = std::mem::take(&mut state_mut(w, "new").operations);
            state_mut(w, "work").operations.clone_from(&codes);
            transition_mut(w, "start").trigger = Trigger::Manual;
            add(w, "rest", &[], "work", Trigger::OnOperations(codes));
            transition_mut(w, "rest").to_status = Some(status("resting"));
        },
        &[
            "transition rest can never be taken: none of its operations is allowed where it begins; they are in state work, which it enters, but inside a state it needs a guard",
            "transition rest leads from anywhere",
        ],
    ),
    (
        Rule::TransitionNeverTaken,
        |w| {
            w.status_sharing = StatusSharing::Shared;
            assign(w, "new", "resting");
            add(w, "go", &[], "work", Trigger::Automatic);
            transition_mut(w, "go").from_statuses = vec![status("resting")];
        },
        &[
            "transition go is never taken from status resting in state work, which it enters: inside a state it needs a guard",
        ],
    ),
    (
        Rule::RetiredTarget,
        |w| {
            part(&mut w.statuses, |s| s.code.as_str() == "resting").retired = true;
            add(w, "rest", &["new"], "work", Trigger::Manual);
            transition_mut(w, "rest").to_status = Some(status("resting"));
        },
        &["transition rest enters the retired status resting, so no order can take it"],
    ),
    (
        Rule::CategoryMismatch,
        |w| {
            state_mut(w, "done").can_start = true;
            state_mut(w, "work").terminal = true;
        },
        &[
            "transition finish can never be taken: it leaves no place but terminal ones and its own target",
            "state done ends the life of an order, but one can start in it",
            "state work is of the category active, but terminal",
        ],
    ),
    (
        Rule::CallSays,
        |w| {
            let finish = transition_mut(w, "finish");
            finish.visible_to_customer = true;
            finish.notify_customer = true;
            transition_mut(w, "start").notify_customer = true;
        },
        &[
            "transition finish starts by a call, and the call says it, not the transition: notify_customer, visible_to_customer",
        ],
    ),
    (
        Rule::ActionCircle,
        |w| {
            add(w, "again", &["done"], "work", Trigger::Manual);
            state_mut(w, "done").terminal = false;
            let take = |code: &str| {
                sample::action(
                    "take",
                    Work::Write(Writing::Transition(TransitionCode::new(code).unwrap())),
                )
            };
            transition_mut(w, "again").actions = vec![take("finish")];
            state_mut(w, "done").on_enter = vec![take("again")];
        },
        &[
            "transition again sets itself off by its actions, which only guards and conditions stop",
            "transition finish sets itself off by its actions, which only guards and conditions stop",
        ],
    ),
    (
        Rule::TimerRace,
        |w| {
            let period = "1h".parse().unwrap();
            add(w, "later", &["new"], "done", Trigger::After(period));
            add(w, "skip", &["new"], "done", Trigger::Automatic);
        },
        &[
            "transition later starts by time where automatic transitions without guards start as well, and they come first: skip",
            "transition skip leaves the initial state new as soon as an order is created",
        ],
    ),
    (
        Rule::TimerKeepsStatus,
        |w| {
            add(
                w,
                "later",
                &[],
                "work",
                Trigger::After("1h".parse().unwrap()),
            );
            transition_mut(w, "later").from_statuses = vec![status("working")];
        },
        &[
            "transition later keeps status working where it starts from it, so time never takes it there",
        ],
    ),
    (
        Rule::MailToNobody,
        |w| {
            let mail = Email {
                identity: Identity::Sales,
                template: "order".parse().unwrap(),
                guest_template: None,
                customer: Notify::Never,
                copy_to: Vec::new(),
                copy_method: CopyMethod::Bcc,
            };
            let work = Work::Send(Channel::Email(mail), Policy::default());
            w.on_create = vec![sample::action("tell", work)];
        },
        &["workflow has the action tell that sends a mail to nobody: customer is never"],
    ),
    (
        Rule::UnassignedStatus,
        |w| w.assignments.retain(|a| a.status.as_str() != "resting"),
        &["status resting belongs to no state"],
    ),
    (
        Rule::FromAnywhere,
        |w| transition_mut(w, "start").from_states.clear(),
        &["transition start leads from anywhere that is not terminal"],
    ),
    (
        Rule::OperationBeside,
        |w| add(w, "pay", &["new"], "done", Trigger::Manual),
        &["transition pay has the code of operation pay and does not record it"],
    ),
];

#[test]
fn a_sound_workflow_has_no_findings() {
    assert_eq!(lint(&sound()), []);
}

#[test]
fn every_rule_has_a_workflow_that_breaks_it() {
    for (rule, change, expected) in ROWS.iter().chain(silent::ROWS) {
        let mut workflow = sound();
        change(&mut workflow);
        let findings = lint(&workflow);
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(
            findings.iter().any(|finding| finding.rule == *rule),
            "{rule}: {told:#?}"
        );
        let matches = told.len() == expected.len()
            && told
                .iter()
                .zip(*expected)
                .all(|(told, expected)| told.starts_with(expected));
        assert!(matches, "{rule}: {told:#?}");
    }
    // What they find is in documents, or known to the server or the store alone, whose tests have them.
    let elsewhere = [
        Rule::Document,
        Rule::Unreadable,
        Rule::OtherWorkflow,
        Rule::Months,
        Rule::UnknownElement,
        Rule::SeveralMarkedDefaults,
        Rule::OrdersBecomeTerminal,
        Rule::OrdersWouldMove,
        Rule::DeliveriesWait,
        Rule::UnknownEndpoint,
        Rule::UnknownTemplate,
        Rule::UnmatchedSubject,
    ];
    for rule in Rule::ALL.iter().filter(|rule| !elsewhere.contains(rule)) {
        let mut rows = ROWS.iter().chain(silent::ROWS);
        assert!(rows.any(|(row, _, _)| row == rule), "{rule}");
    }
}

#[test]
fn errors_come_first_and_codes_are_snake_case() {
    let mut severities: Vec<_> = Rule::ALL.iter().map(|rule| rule.severity()).collect();
    severities.dedup();
    assert_eq!(
        severities,
        [Severity::Error, Severity::Warning, Severity::Info]
    );
    for rule in Rule::ALL {
        assert!(
            rule.code()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{rule}"
        );
    }
}

#[test]
fn guards_and_roles_tell_candidates_apart() {
    let rows: &[(Change, bool)] = &[
        (|_| {}, true),
        (
            |w| transition_mut(w, "skip").guard = Some(expression("order.can_ship")),
            true,
        ),
        (
            |w| {
                transition_mut(w, "skip").guard = Some(expression("order.can_ship"));
                transition_mut(w, "finish").guard = Some(expression("!order.can_ship"));
            },
            false,
        ),
        (
            |w| {
                transition_mut(w, "skip").roles = vec!["boss".parse().unwrap()];
                transition_mut(w, "finish").roles = vec!["clerk".parse().unwrap()];
            },
            false,
        ),
        (
            |w| transition_mut(w, "skip").from_states = vec![state("new")],
            false,
        ),
        (
            |w| transition_mut(w, "skip").trigger = Trigger::Automatic,
            false,
        ),
    ];
    for (index, (change, ambiguous)) in rows.iter().enumerate() {
        let mut workflow = sound();
        add(&mut workflow, "skip", &["work"], "done", Trigger::Manual);
        change(&mut workflow);
        let found = lint(&workflow)
            .iter()
            .any(|finding| finding.rule == Rule::AmbiguousTarget);
        assert_eq!(found, *ambiguous, "row {index}");
    }
}

#[test]
fn a_status_of_the_held_state_is_left_by_release_only() {
    let mut workflow = sound();
    workflow.status_sharing = StatusSharing::Shared;
    add(&mut workflow, "go", &[], "done", Trigger::Manual);
    transition_mut(&mut workflow, "go").from_statuses = vec![status("held")];
    assert!(
        lint(&workflow)
            .iter()
            .any(|finding| finding.rule == Rule::HeldStateTransition)
    );
    assign(&mut workflow, "new", "held");
    assert!(
        !lint(&workflow)
            .iter()
            .any(|finding| finding.rule == Rule::HeldStateTransition)
    );
}

/// What may be recorded at the end, and what a hold lets through, is the workflow's own choice.
#[test]
fn terminal_and_held_states_may_list_operations() {
    let mut workflow = sound();
    let codes = state_mut(&mut workflow, "new").operations.clone();
    state_mut(&mut workflow, "done").operations = codes.clone();
    state_mut(&mut workflow, "held").operations = codes;
    assert_eq!(lint(&workflow), []);
}

/// Every effect but none can be taken back.
#[test]
fn a_transition_may_take_back_what_was_recorded() {
    let mut workflow = sound();
    let finish = transition_mut(&mut workflow, "finish");
    finish.operation = Some(OperationCode::new("pay").unwrap());
    finish.reverse = true;
    assert_eq!(lint(&workflow), []);
}

#[test]
fn holdable_needs_a_held_state() {
    let mut workflow = sound();
    workflow
        .states
        .retain(|state| state.category != Category::Held);
    workflow
        .assignments
        .retain(|assignment| assignment.state.as_str() != "held");
    let findings = lint(&workflow);
    assert_eq!(
        findings
            .iter()
            .filter(|finding| finding.rule == Rule::CategoryMismatch)
            .count(),
        2,
        "{findings:#?}"
    );
}

/// Labels come one call after the other, so a limit of one call is none.
#[test]
fn the_labels_of_a_status_have_a_limit() {
    let mut workflow = sound();
    let mut put = |count: usize| {
        let status = &mut workflow.statuses[0];
        let view = |number| crate::value::StoreView::new(&format!("v{number}")).unwrap();
        let labels = (0..count).map(|number| (view(number), status.label.clone()));
        status.store_view_labels = labels.collect();
        lint(&workflow)
    };
    let is_over = |findings: &[Finding]| findings.iter().any(|f| f.rule == Rule::LimitExceeded);
    assert!(!is_over(&put(LABELS_MAX)));
    let findings = put(LABELS_MAX + 1);
    assert!(is_over(&findings));
    assert!(
        findings[0]
            .to_string()
            .ends_with("has labels for 1001 store views, at most 1000 are allowed")
    );
}

#[test]
fn a_way_back_that_asks_for_the_opposite_of_the_entry_guard_is_no_circle() {
    let told = |guard: &str| {
        let mut workflow = sound();
        state_mut(&mut workflow, "work").entry_guard = Some(expression("order.fully_paid"));
        add(&mut workflow, "there", &["new"], "work", Trigger::Automatic);
        add(&mut workflow, "back", &["work"], "new", Trigger::Automatic);
        transition_mut(&mut workflow, "back").guard = Some(expression(guard));
        let findings = lint(&workflow);
        findings
            .iter()
            .any(|f| f.rule == Rule::GuardedAutomaticCycle)
    };
    assert!(!told("!(order.fully_paid)"));
    assert!(!told("request.reverse && !(order.fully_paid)"));
    assert!(told("order.overpaid || !(order.fully_paid)"));
    assert!(told("!(order.fully_shipped)"));
}

#[test]
fn a_guard_says_when_an_automatic_step_comes_before_a_timer() {
    let told = |automatic: Option<&str>, timer: Option<&str>| {
        let mut workflow = sound();
        let period = "1h".parse().unwrap();
        add(
            &mut workflow,
            "later",
            &["new"],
            "done",
            Trigger::After(period),
        );
        add(&mut workflow, "skip", &["new"], "work", Trigger::Automatic);
        transition_mut(&mut workflow, "skip").guard = automatic.map(expression);
        transition_mut(&mut workflow, "later").guard = timer.map(expression);
        let findings = lint(&workflow);
        findings.iter().any(|f| f.rule == Rule::TimerRace)
    };
    assert!(told(None, None));
    assert!(!told(None, Some("order.total_paid == 0")));
    assert!(!told(Some("order.fully_paid"), None));
}
