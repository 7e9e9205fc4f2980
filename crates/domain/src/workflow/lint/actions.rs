//! Actions that cannot be carried out, or lead back to where they began.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effort, Finding, Rule, listed};
use crate::{
    guard::Guard,
    template::Template,
    value::{Attributes, Invalid, TransitionCode},
    workflow::{
        ACTIONS_MAX, Action, COPIES_MAX, Channel, Notify, TriggerPoint, Work, Workflow, Writing,
    },
};

/// The beginning of keys that Waymark notes things under.
const RESERVED: &str = "waymark.";
/// The steps that it takes to find a code.
const CODE_STEPS: usize = 20;
/// The most characters that are shown of a key that no order can have.
const KEY_SHOWN_MAX: usize = 60;

pub(super) fn find(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = places(workflow);
    let known: BTreeSet<_> = workflow.transitions.iter().map(|t| &t.code).collect();
    for (point, action) in workflow.actions() {
        let mut problems = problems(action, &known);
        problems.extend(texts(&point, action));
        findings.extend(problems.into_iter().map(|(rule, message)| {
            let message = format!("has the action {} that {message}", action.code);
            Finding::new(rule, point.subject(), message)
        }));
    }
    findings.extend(circles(workflow));
    findings
}

/// Active actions that take a transition which is not there.
pub(super) fn missing(workflow: &Workflow) -> Vec<Finding> {
    let known: BTreeSet<_> = workflow.transitions.iter().map(|t| &t.code).collect();
    let active = workflow.actions().filter(|(_, action)| action.active);
    let missing = active.filter_map(|(point, action)| {
        let (rule, message) = unknown_transition(action, &known)?;
        let message = format!("has the action {} that {message}", action.code);
        Some(Finding::new(rule, point.subject(), message))
    });
    missing.collect()
}

/// The mistake of an action that takes a transition which is not there.
fn unknown_transition(
    action: &Action,
    known: &BTreeSet<&TransitionCode>,
) -> Option<(Rule, String)> {
    let code = taken_transition(action).filter(|code| !known.contains(code))?;
    let message = format!("takes transition {code}, which does not exist");
    Some((Rule::UnknownReference, message))
}

/// The transition that an action takes.
pub(super) fn taken_transition(action: &Action) -> Option<&TransitionCode> {
    match &action.work {
        Work::Write(Writing::Transition(code)) => Some(code),
        Work::Write(_) | Work::Send(..) => None,
    }
}

/// Places with too many actions, or two of one code.
fn places(workflow: &Workflow) -> Vec<Finding> {
    let mut places: BTreeMap<TriggerPoint, Vec<&Action>> = BTreeMap::new();
    for (point, action) in workflow.actions() {
        places.entry(point).or_default().push(action);
    }
    let mut findings = Vec::new();
    for (point, actions) in &places {
        if actions.len() > ACTIONS_MAX {
            let message = format!(
                "has {} actions for {point}, at most {ACTIONS_MAX} are allowed",
                actions.len()
            );
            findings.push(Finding::new(Rule::LimitExceeded, point.subject(), message));
        }
        let mut seen = BTreeSet::new();
        let twice = actions.iter().filter(|action| !seen.insert(&action.code));
        let twice = listed(twice.map(|action| &action.code));
        if !twice.is_empty() {
            let message = format!("has several actions for {point} with the code {twice}");
            findings.push(Finding::new(Rule::DuplicateCode, point.subject(), message));
        }
    }
    findings
}

/// The mistakes of an action by itself, in words that follow its code.
fn problems(action: &Action, known: &BTreeSet<&TransitionCode>) -> Vec<(Rule, String)> {
    let mut problems = Vec::new();
    if let Some(Err(problem)) = action.condition.as_ref().map(Guard::compile_condition) {
        let message = format!("has a condition that cannot be used: it {problem}");
        problems.push((Rule::InvalidGuard, message));
    }
    problems.extend(unknown_transition(action, known));
    match &action.work {
        Work::Send(channel, policy) => {
            let of_policy = policy.problems();
            problems.extend(of_policy.map(|(_, told)| (Rule::LimitExceeded, told.to_owned())));
            if let Channel::Email(email) = channel {
                let copies = email.copy_to.len();
                if copies > COPIES_MAX {
                    let message =
                        format!("sends {copies} copies, at most {COPIES_MAX} are allowed");
                    problems.push((Rule::LimitExceeded, message));
                }
                if action.active && email.customer == Notify::Never && copies == 0 {
                    let message =
                        "sends a mail to nobody: customer is never, and copy_to names no address";
                    problems.push((Rule::MailToNobody, message.to_owned()));
                }
            }
        }
        Work::Write(Writing::SetAttributes(attributes)) => {
            problems.extend(attribute_problems(attributes));
        }
        Work::Write(Writing::Transition(_) | Writing::Comment { .. }) => {}
    }
    problems
}

/// The mistakes in the texts of an action. One that a caller sends is refused at once, so these
/// were stored by an older version.
fn texts(point: &TriggerPoint, action: &Action) -> Vec<(Rule, String)> {
    let path = format!("{point}.{}", action.code);
    let said = |place: String, text: &Template| {
        let problem = text.problem()?;
        let message = format!("has a text that is not filled in ({place}): {problem}");
        Some((Rule::InvalidTemplate, message))
    };
    match &action.work {
        Work::Send(Channel::Publish(publish), _) => {
            let said = said(format!("{path}, subject"), &publish.subject);
            said.into_iter().collect()
        }
        Work::Write(Writing::Comment { text, .. }) => {
            said(format!("{path}, text"), text).into_iter().collect()
        }
        Work::Write(Writing::SetAttributes(attributes)) => {
            let texts = attributes.iter();
            let said = texts.filter_map(|(key, it)| said(format!("{path}, attribute {key}"), it));
            said.collect()
        }
        Work::Send(Channel::Webhook(_) | Channel::Email(_), _)
        | Work::Write(Writing::Transition(_)) => Vec::new(),
    }
}

/// Attributes that no order can have, and those that are not for shops.
fn attribute_problems(attributes: &BTreeMap<String, Template>) -> Vec<(Rule, String)> {
    let of_keys = attributes.keys().filter_map(|key| {
        let problem = key_problem(key)?;
        let shown: String = key.chars().take(KEY_SHOWN_MAX).collect();
        Some(format!("sets the attribute {shown:?}: {problem}"))
    });
    let mut problems: Vec<String> = of_keys.collect();
    let empty = |key: &String| (key.clone(), String::new());
    let together = Attributes::new(attributes.keys().map(empty).collect());
    if let (true, Err(problem)) = (problems.is_empty(), together) {
        problems.push(format!(
            "sets attributes that no order has room for: they {problem}"
        ));
    }
    let problems = problems.into_iter();
    let problems = problems.map(|message| (Rule::AttributeNeverSet, message));
    problems.collect()
}

/// The reason why an attribute with this key is not set.
fn key_problem(key: &str) -> Option<String> {
    if key.is_empty() {
        return Some("a key must not be empty".to_owned());
    }
    if key.starts_with(RESERVED) {
        return Some(format!("keys that begin with {RESERVED} are Waymark's own"));
    }
    match Attributes::new(BTreeMap::from([(key.to_owned(), String::new())])) {
        Ok(_) => None,
        Err(Invalid::Entry { problem, .. }) => Some(format!("of its key, {problem}")),
        Err(problem) => Some(format!("its key {problem}")),
    }
}

/// Transitions whose actions lead back to themselves: taking one would never end, but for
/// guards, conditions and the limit of the cascade.
fn circles(workflow: &Workflow) -> Vec<Finding> {
    let taken = taken(workflow);
    let effort = Effort::new();
    let mut findings = Vec::new();
    for start in &workflow.transitions {
        let mut seen = BTreeSet::new();
        let mut next: Vec<_> = taken.get(&start.code).into_iter().flatten().collect();
        while let Some(code) = next.pop() {
            if !effort.take(CODE_STEPS) {
                return findings;
            }
            if **code == start.code {
                let message =
                    "sets itself off by its actions, which only guards and conditions stop";
                findings.push(start.finding(Rule::ActionCircle, message));
                break;
            }
            if seen.insert(*code) {
                next.extend(taken.get(code).into_iter().flatten());
            }
        }
    }
    findings
}

/// The transitions that the active actions of each transition take, and those of the state and the
/// status that it enters.
fn taken(workflow: &Workflow) -> BTreeMap<&TransitionCode, Vec<&TransitionCode>> {
    let states = workflow.states.iter();
    let states = states.map(|it| (&it.code, taken_by(&it.on_enter)));
    let by_state: BTreeMap<_, _> = states.collect();
    let statuses = workflow.statuses.iter();
    let statuses = statuses.map(|it| (&it.code, taken_by(&it.on_enter)));
    let by_status: BTreeMap<_, _> = statuses.collect();
    let defaults = workflow.assignments.iter().filter(|a| a.is_default);
    let defaults: BTreeMap<_, _> = defaults.map(|a| (&a.state, &a.status)).collect();
    let mut taken = BTreeMap::new();
    for transition in &workflow.transitions {
        let lands_on = transition.to_status.as_ref();
        let lands_on = lands_on.or_else(|| defaults.get(&transition.to_state).copied());
        let of_state = by_state.get(&transition.to_state).into_iter();
        let of_status = lands_on.and_then(|code| by_status.get(code)).into_iter();
        let mut codes = taken_by(&transition.actions);
        codes.extend(of_state.chain(of_status).flatten().copied());
        taken.insert(&transition.code, codes);
    }
    taken
}

/// The transitions that active actions take. A list of more than there may be has another finding.
fn taken_by(actions: &[Action]) -> Vec<&TransitionCode> {
    let active = actions.iter().filter(|action| action.active);
    let taken = active.filter_map(taken_transition);
    taken.take(ACTIONS_MAX).collect()
}
