//! Flags of a state that contradict its category or each other, and flags of a transition
//! that say nothing.

use super::{Finding, Rule, listed};
use crate::workflow::{Category, Effect, State, Subject, Transition, Trigger, Workflow};

pub(super) fn find(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = held_states(workflow);
    findings.extend(initial_state(workflow));
    let has_held_state = workflow.held_state().is_some();
    for state in &workflow.states {
        let mismatches = mismatches(state);
        findings.extend(mismatches.map(|message| state.finding(Rule::CategoryMismatch, message)));
        if state.holdable && !has_held_state {
            let message = "is holdable, but no state of the workflow is of the category held";
            findings.push(state.finding(Rule::CategoryMismatch, message));
        }
    }
    for transition in &workflow.transitions {
        findings.extend(reverse(workflow, transition));
        findings.extend(call_says(transition));
    }
    findings
}

/// An unknown operation is another rule's business.
fn reverse(workflow: &Workflow, transition: &Transition) -> Option<Finding> {
    if !transition.reverse {
        return None;
    }
    let message = match &transition.operation {
        None => "reverses, but names no operation".to_owned(),
        Some(code) => match workflow.operation(code)?.effect {
            Effect::None => format!("reverses {code}, whose effect is none"),
            Effect::Invoice | Effect::Ship | Effect::Refund | Effect::Cancel | Effect::Pay => {
                return None;
            }
        },
    };
    Some(transition.finding(Rule::InvalidReverse, message))
}

/// Flags of a transition that starts by a call. An automatic one may be set off by time, so there
/// they can matter.
fn call_says(transition: &Transition) -> Option<Finding> {
    if transition.trigger != Trigger::Manual {
        return None;
    }
    let flags = [
        ("visible_to_customer", transition.visible_to_customer),
        ("notify_customer", transition.notify_customer),
    ];
    let set = flags.into_iter().filter(|(_, set)| *set);
    let set = listed(set.map(|(flag, _)| flag));
    if set.is_empty() {
        return None;
    }
    let message = format!("starts by a call, and the call says it, not the transition: {set}");
    Some(transition.finding(Rule::CallSays, message))
}

fn held_states(workflow: &Workflow) -> Vec<Finding> {
    let states = workflow.states.iter();
    let held: Vec<_> = states.filter(|it| it.category == Category::Held).collect();
    let mut findings = Vec::new();
    if held.len() > 1 {
        let codes = listed(held.iter().map(|state| &state.code));
        let message = format!("has several states of the category held: {codes}");
        let rule = Rule::SeveralHeldStates;
        findings.push(Finding::new(rule, Subject::Workflow, message));
    }
    for state in held {
        let flags = [
            ("holdable", state.holdable),
            ("terminal", state.terminal),
            ("can_start", state.can_start),
        ];
        for (flag, _) in flags.into_iter().filter(|(_, set)| *set) {
            let message = format!("is of the category held, so it cannot be {flag}");
            findings.push(state.finding(Rule::HeldStateFlags, message));
        }
    }
    findings
}

/// An unknown initial state is another rule's business.
fn initial_state(workflow: &Workflow) -> Option<Finding> {
    let state = workflow.state(&workflow.initial_state)?;
    let message = if !state.can_start {
        "is the initial state, but can_start is not set"
    } else if workflow.assignments_of(&state.code).next().is_none() {
        "is the initial state, but has no status"
    } else {
        return None;
    };
    Some(state.finding(Rule::InitialState, message))
}

fn mismatches(state: &State) -> impl Iterator<Item = &'static str> {
    let (can_start, terminal) = (state.can_start, state.terminal);
    let (mismatch, message) = match state.category {
        Category::Initial => (terminal, "is of the category initial, but terminal"),
        Category::Active => (terminal, "is of the category active, but terminal"),
        Category::Held => (false, ""),
        Category::Completed | Category::Closed | Category::Canceled => (
            can_start,
            "ends the life of an order, but one can start in it",
        ),
    };
    let closed = state.category == Category::Initial && !can_start;
    let closed = closed.then_some("is of the category initial, but no order can start in it");
    closed.into_iter().chain(mismatch.then_some(message))
}
