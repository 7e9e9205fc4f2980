//! Guards of steps: what all of one step may cost, and those that can no longer be used.

use super::{
    Graph, available_within, create, decide,
    decide::{create_within, decide_within},
};
use crate::{
    guard::{CostBudget, Expression},
    history::{Entry, evolve, replay},
    order::{Action, Command, Order, Rejection, Target},
    value::{Timestamp, TransitionCode},
    workflow::{
        Action as Declared, Refusal, Rule, Transition, TransitionPatch, Trigger, Workflow,
        create_transition,
        document::{Format, Mode, apply, parse},
        lint, sample, update_transition,
    },
};

const NOW: Timestamp = Timestamp::from_micros(sample::CREATED.micros() + 1);
/// What was stored when lists could still be joined.
const OLD: &str = "size(order.lines + order.lines) > 0";
/// A guard near the limit on an order of 500 lines.
const COSTLY: &str =
    "order.lines.all(l, l.quantity_ordered > 0.0 && l.quantity_ordered < 9.0 && l.sku != 'x')";

fn code(code: &str) -> TransitionCode {
    TransitionCode::new(code).unwrap()
}

fn take(code_: &str) -> Command {
    Command {
        context: sample::context(),
        expected_version: None,
        action: Action::Transition(Target::Transition {
            code: code(code_),
            land_on: None,
        }),
    }
}

fn guarded(name: &str, trigger: Trigger, guard: &str) -> Transition {
    Transition {
        guard: Some(Expression::of_stored(guard)),
        ..sample::transition(name, &["new"], "processing", trigger)
    }
}

fn stored(change: impl FnOnce(&mut Workflow)) -> Graph {
    let mut workflow = sample::workflow();
    change(&mut workflow);
    Graph::of_stored(workflow, 1)
}

fn order_of(graph: &Graph, lines: usize) -> Order {
    let lines = (0..lines).map(|number| sample::line(&number.to_string(), "1"));
    let new = sample::new_order(graph, lines.collect());
    replay(&create(graph, &new, &sample::context(), sample::CREATED).unwrap()).unwrap()
}

fn noted<'e>(entries: &'e [Entry], key: &str) -> &'e str {
    let mut notes = entries.iter().filter_map(|e| e.metadata.as_map().get(key));
    notes.next().map_or("", String::as_str)
}

#[test]
fn a_step_says_what_its_guards_cost() {
    let graph = stored(|workflow| {
        let manual = guarded("go", Trigger::Manual, COSTLY);
        workflow.transitions.push(manual);
    });
    let spent = |lines| {
        let order = order_of(&graph, lines);
        let budget = CostBudget::new();
        decide_within(&budget, &graph, &order, &take("go"), NOW).unwrap();
        budget.spent()
    };
    let (few, many) = (spent(1), spent(500));
    assert!(
        few > 0 && many > 100 * few && many < 50_000,
        "{few}, {many}"
    );

    let budget = CostBudget::new();
    let new = sample::new_order(&graph, Vec::new());
    create_within(&budget, &graph, &new, &sample::context(), NOW).unwrap();
    assert_eq!(budget.spent(), 0, "no guard is asked");
}

#[test]
fn a_step_whose_guards_cost_too_much_together_is_refused() {
    let graph = stored(|workflow| {
        // None of them holds, so all of them are asked.
        let guard = format!("!{COSTLY}");
        let many = (0..200).map(|n| guarded(&format!("t{n}"), Trigger::Automatic, &guard));
        workflow.transitions.extend(many);
    });
    let comment = Command {
        action: Action::Comment { status: None },
        ..take("start")
    };
    let comment = |text: &str| {
        let mut comment = comment.clone();
        comment.context.comment = text.parse().unwrap();
        comment
    };
    let order = order_of(&graph, 3);
    decide(&graph, &order, &comment("small"), NOW).unwrap();
    let new = sample::new_order(
        &graph,
        (0..500)
            .map(|n| sample::line(&n.to_string(), "1"))
            .collect(),
    );
    let refused = create(&graph, &new, &sample::context(), NOW).unwrap_err();
    assert_eq!(refused.reason(), "GUARD_LIMIT");

    // The same order, made before these transitions were.
    let order = order_of(&sample::graph(), 500);
    let budget = CostBudget::new();
    let refused = decide_within(&budget, &graph, &order, &comment("large"), NOW);
    let limit = CostBudget::STEPS_MAX;
    assert_eq!(refused, Err(Rejection::GuardLimit { limit }));
    assert!(budget.spent() <= limit);
}

#[test]
fn conditions_of_actions_count_as_well() {
    let graph = stored(|workflow| {
        let document = "workflow: order\nlabel: O\ninitial_state: new\nstatuses: {a: {label: A}}\nstates: {new: {label: N, category: initial, can_start: true, statuses: [a]}}\non_comment: {x: {comment: {text: x}}}\n";
        let document = parse(document, Format::Yaml).unwrap();
        let other = apply(None, &document, Mode::Replace, None).unwrap();
        let action = Declared {
            condition: Some(Expression::of_stored(&format!("!{COSTLY}"))),
            ..other.on_comment[0].clone()
        };
        workflow.on_comment = (0..200)
            .map(|n| Declared {
                code: format!("x{n}").parse().unwrap(),
                ..action.clone()
            })
            .collect();
    });
    let mut command = take("start");
    command.action = Action::Comment { status: None };
    command.context.comment = "said".parse().unwrap();
    let answer = |lines| decide(&graph, &order_of(&graph, lines), &command, NOW);
    answer(3).unwrap();
    assert_eq!(answer(500).unwrap_err().reason(), "GUARD_LIMIT");
}

#[test]
fn what_transitions_record_counts_as_well() {
    let graph = stored(|workflow| {
        let many = (0..1_900).map(|n| Transition {
            operation: Some("ship".parse().unwrap()),
            ..sample::transition(&format!("t{n}"), &["new"], "processing", Trigger::Manual)
        });
        workflow.transitions.extend(many);
    });
    let actor = sample::context().actor;
    let told = |lines| {
        let budget = CostBudget::new();
        available_within(&budget, &graph, &order_of(&graph, lines), &actor, NOW);
        budget.is_exhausted()
    };
    assert!(!told(10));
    assert!(told(500));
}

#[test]
fn what_is_available_is_told_within_the_budget_of_a_step() {
    let graph = stored(|workflow| {
        let many = (0..1_900).map(|n| guarded(&format!("t{n}"), Trigger::Manual, COSTLY));
        workflow.transitions.extend(many);
    });
    let actor = sample::context().actor;
    let order = order_of(&graph, 500);
    let told = available_within(&CostBudget::new(), &graph, &order, &actor, NOW);
    let count = |reason: &str| {
        let refused = told.iter().filter_map(|(_, answer)| answer.as_ref().err());
        refused
            .filter(|rejection| rejection.reason() == reason)
            .count()
    };
    let open = told.iter().filter(|(_, answer)| answer.is_ok()).count();
    assert!(open > 10, "{open}");
    assert_eq!(
        open + count("GUARD_LIMIT") + count("TRANSITION_NOT_ALLOWED"),
        told.len()
    );
    assert!(count("GUARD_LIMIT") > 1_000);

    // A smaller budget says whether it suffices.
    let short = CostBudget::of(1_000);
    available_within(&short, &graph, &order, &actor, NOW);
    assert!(short.is_exhausted() && short.spent() <= 1_000);
    let small = order_of(&graph, 1);
    let enough = CostBudget::of(CostBudget::STEPS_MAX);
    let open = available_within(&enough, &graph, &small, &actor, NOW);
    assert!(!enough.is_exhausted());
    let whole = CostBudget::new();
    assert_eq!(open, available_within(&whole, &graph, &small, &actor, NOW));

    // A call that names none of them would have to ask them all to say what is allowed.
    let refused = decide(&graph, &order, &take("close"), NOW).unwrap_err();
    assert_eq!(refused.reason(), "GUARD_LIMIT");
    assert!(open.iter().filter(|(_, answer)| answer.is_ok()).count() >= 1_900);
}

#[test]
fn a_stored_guard_that_no_longer_passes_refuses_alone() {
    let graph = stored(|workflow| {
        workflow
            .transitions
            .push(guarded("go", Trigger::Manual, OLD));
        workflow
            .transitions
            .push(guarded("by_itself", Trigger::Automatic, OLD));
        let other = sample::transition("other", &["new"], "complete", Trigger::Manual);
        workflow.transitions.push(other);
        let closed = workflow
            .states
            .iter_mut()
            .find(|s| s.code.as_str() == "closed");
        closed.unwrap().entry_guard = Some(Expression::of_stored("order.gone == 1"));
    });
    assert_eq!(graph.problems().count(), 3);
    assert!(Graph::new(graph.workflow().clone(), 1).is_err());

    let new = sample::new_order(&graph, vec![sample::line("1", "2")]);
    let entries = create(&graph, &new, &sample::context(), NOW).unwrap();
    let note = noted(&entries, "waymark.guard_failed");
    assert!(
        note.contains("by_itself: it cannot be used any more: it must not join lists"),
        "{note}"
    );

    let order = replay(&entries).unwrap();
    let Rejection::GuardFailed { source, .. } =
        decide(&graph, &order, &take("go"), NOW).unwrap_err()
    else {
        panic!("it is refused for its guard");
    };
    assert!(source.message.contains("must not join lists"), "{source}");

    let complete = decide(&graph, &order, &take("other"), NOW).unwrap();
    let order = complete.iter().fold(order, evolve);
    let refused = decide(&graph, &order, &take("close"), NOW).unwrap_err();
    assert_eq!(refused.reason(), "ENTRY_GUARD_REFUSED");
    assert!(
        refused.to_string().contains("knows no field order.gone"),
        "{refused}"
    );
}

#[test]
fn a_workflow_with_such_a_guard_can_be_edited_elsewhere() {
    let mut workflow = sample::workflow();
    let mut go = guarded("go", Trigger::Manual, OLD);
    go.position = 5;
    workflow.transitions.push(go);
    let findings = lint(&workflow);
    let about = findings
        .iter()
        .find(|finding| finding.rule == Rule::InvalidGuard);
    assert!(
        about.unwrap().to_string().contains("transition go"),
        "{findings:?}"
    );

    let patch = |guard: Option<&str>| TransitionPatch {
        position: Some(7),
        guard: guard.map(|guard| Some(Expression::of_stored(guard))),
        ..TransitionPatch::default()
    };
    let renamed = update_transition(&workflow, &code("go"), patch(None)).unwrap();
    assert_eq!(renamed.transition(&code("go")).unwrap().position, 7);
    let other = sample::transition("other", &["new"], "processing", Trigger::Manual);
    create_transition(&workflow, other).unwrap();
    update_transition(&workflow, &code("go"), patch(Some("true"))).unwrap();

    let anew = guarded("anew", Trigger::Manual, OLD);
    let refused = create_transition(&workflow, anew).unwrap_err();
    assert!(matches!(refused, Refusal::GuardInvalid { .. }), "{refused}");
    let worse = patch(Some("size(order.lines + []) > 0"));
    let refused = update_transition(&workflow, &code("go"), worse).unwrap_err();
    assert!(matches!(refused, Refusal::GuardInvalid { .. }), "{refused}");
}
