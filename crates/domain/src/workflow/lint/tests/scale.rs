//! Large workflows: judging one must not take long enough to be an attack.

use std::time::{Duration, Instant};

use super::*;
use crate::workflow::Operation;

/// How long judging may take in a test, which is not built to be fast: pairs of pairs take minutes.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Judges a workflow that is as large as one may be.
fn judged(name: &str, workflow: &Workflow) -> Vec<Finding> {
    let begin = Instant::now();
    let findings = lint(workflow);
    let taken = begin.elapsed();
    assert!(taken < WAIT_MAX, "{name}: {taken:?}");
    assert!(
        !findings.iter().any(|f| f.rule == Rule::LimitExceeded),
        "{name}"
    );
    findings
}

/// A sound workflow with as many statuses in the state of work as there may be, which all other states
/// share with it.
fn wide() -> (Workflow, Vec<String>) {
    let mut workflow = sound();
    workflow.status_sharing = StatusSharing::Shared;
    workflow.comment_status = CommentStatus::Never;
    let template = workflow.statuses[0].clone();
    let codes: Vec<_> = (0..900).map(|n| format!("s{n}")).collect();
    for code in &codes {
        workflow.statuses.push(Status {
            code: status(code),
            ..template.clone()
        });
        assign(&mut workflow, "work", code);
    }
    let plain = state_mut(&mut workflow, "new").clone();
    for number in 0..150 {
        let code = format!("n{number}");
        workflow.states.push(State {
            code: state(&code),
            can_start: false,
            category: Category::Active,
            ..plain.clone()
        });
        for offset in 0..25 {
            assign(&mut workflow, &code, &codes[(number * 25 + offset) % 900]);
        }
        workflow.assignments.last_mut().unwrap().is_default = true;
    }
    (workflow, codes)
}

#[test]
fn the_largest_workflow_is_judged_quickly() {
    let mut workflow = sound();
    let statuses: Vec<_> = (0..STATUSES_MAX - 5).map(|n| format!("s{n}")).collect();
    let template = workflow.statuses[0].clone();
    for code in &statuses {
        workflow.statuses.push(Status {
            code: status(code),
            ..template.clone()
        });
        assign(&mut workflow, "work", code);
    }
    for n in 0..TRANSITIONS_MAX - 2 {
        add(
            &mut workflow,
            &format!("t{n}"),
            &[],
            "done",
            if n % 2 == 0 {
                Trigger::Automatic
            } else {
                Trigger::Manual
            },
        );
    }
    let findings = judged("one state", &workflow);
    let mut errors = findings.iter().filter(|f| f.severity() == Severity::Error);
    assert_eq!(errors.next(), None);
    add(&mut workflow, "one_more", &[], "done", Trigger::Manual);
    assert_eq!(
        lint(&workflow)
            .iter()
            .map(|finding| finding.rule)
            .collect::<Vec<_>>(),
        [Rule::LimitExceeded]
    );
}

/// Transitions to each status that ask for a role, and others that may land on any of them.
#[test]
fn ways_round_are_looked_for_among_many() {
    let (mut workflow, codes) = wide();
    for code in &codes {
        add(
            &mut workflow,
            &format!("w{code}"),
            &[],
            "work",
            Trigger::Manual,
        );
        let watched = transition_mut(&mut workflow, &format!("w{code}"));
        watched.to_status = Some(status(code));
        watched.roles = vec!["clerk".parse().unwrap()];
    }
    for number in 0..TRANSITIONS_MAX - 902 {
        add(
            &mut workflow,
            &format!("o{number}"),
            &[],
            "work",
            Trigger::Manual,
        );
    }
    let findings = judged("ways round", &workflow);
    assert!(findings.iter().any(|f| f.rule == Rule::AmbiguousTarget));
}

/// Transitions by time and by themselves from anywhere, all of which keep each other company.
#[test]
fn steps_that_nobody_asks_for_are_judged_among_many() {
    let (mut workflow, codes) = wide();
    let guard = format!("!({})", ["order.fully_paid"; 3].join(" && "));
    for (number, code) in codes.iter().enumerate() {
        let timer = format!("t{number}");
        let target = format!("n{}", number / 25);
        let period = "1h".parse().unwrap();
        add(&mut workflow, &timer, &[], &target, Trigger::After(period));
        transition_mut(&mut workflow, &timer).to_status = Some(status(code));
        let step = format!("a{number}");
        add(&mut workflow, &step, &[], &target, Trigger::Automatic);
        transition_mut(&mut workflow, &step).guard = Some(expression(&guard));
    }
    judged("timers and steps", &workflow);
}

/// Transitions by operations of which none is allowed anywhere, and long lists of actions.
#[test]
fn operations_and_actions_are_judged_among_many() {
    let (mut workflow, _) = wide();
    let template = workflow.operations[0].clone();
    let codes: Vec<_> = (0..99)
        .map(|n| OperationCode::new(&format!("p{n}")).unwrap())
        .collect();
    for code in &codes {
        workflow.operations.push(Operation {
            code: code.clone(),
            ..template.clone()
        });
    }
    for number in 0..TRANSITIONS_MAX - 2 {
        let code = format!("t{number}");
        let trigger = Trigger::OnOperations(codes.clone());
        add(&mut workflow, &code, &[], "work", trigger);
        let taken = (1..=8).map(|step| {
            let code = format!("t{}", (number + step * 97) % (TRANSITIONS_MAX - 2));
            let code = TransitionCode::new(&code).unwrap();
            sample::action(&format!("a{step}"), Work::Write(Writing::Transition(code)))
        });
        transition_mut(&mut workflow, &code).actions = taken.collect();
    }
    let findings = judged("operations", &workflow);
    assert!(
        findings
            .iter()
            .any(|f| f.rule == Rule::TransitionNeverTaken)
    );
}
