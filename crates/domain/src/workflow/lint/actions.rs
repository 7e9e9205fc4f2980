//! Actions that cannot be carried out, and timers that never get their turn.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Rule, Ways, listed};
use crate::{
    guard::Guard,
    template::Template,
    value::TransitionCode,
    workflow::{
        ACTIONS_MAX, Action, COPIES_MAX, Channel, Occasion, Policy, Subject, Transition, Trigger,
        Work, Workflow, Writing,
    },
};

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let workflow = ways.workflow;
    let mut findings = places(workflow);
    let known: BTreeSet<_> = workflow.transitions.iter().map(|t| &t.code).collect();
    for (occasion, action) in workflow.actions() {
        let mut problems = problems(action, &known);
        problems.extend(texts(&occasion, action));
        findings.extend(problems.into_iter().map(|(rule, message)| {
            let message = format!("has the action {} that {message}", action.code);
            Finding::new(rule, subject(&occasion), message)
        }));
    }
    findings.extend(circles(workflow));
    findings.extend(timers(ways));
    findings
}

/// The part of the workflow that actions of an occasion belong to.
fn subject(occasion: &Occasion) -> Subject {
    match occasion {
        Occasion::Leave(state) | Occasion::Enter(state) => Subject::State(state.clone()),
        Occasion::Status(code) => Subject::Status(code.clone()),
        Occasion::Transition(code) => Subject::Transition(code.clone()),
        Occasion::Operation(code) => Subject::Operation(code.clone()),
        Occasion::Create | Occasion::Comment => Subject::Workflow,
    }
}

/// Places with too many actions, or two of one code.
fn places(workflow: &Workflow) -> Vec<Finding> {
    let mut places: BTreeMap<Occasion, Vec<&Action>> = BTreeMap::new();
    for (occasion, action) in workflow.actions() {
        places.entry(occasion).or_default().push(action);
    }
    let mut findings = Vec::new();
    for (occasion, actions) in &places {
        if actions.len() > ACTIONS_MAX {
            let message = format!(
                "has {} actions for {occasion}, at most {ACTIONS_MAX} are allowed",
                actions.len()
            );
            findings.push(Finding::new(
                Rule::LimitExceeded,
                subject(occasion),
                message,
            ));
        }
        let mut seen = BTreeSet::new();
        let twice = actions.iter().filter(|action| !seen.insert(&action.code));
        let twice = listed(twice.map(|action| &action.code));
        if !twice.is_empty() {
            let message = format!("has several actions for {occasion} with the code {twice}");
            findings.push(Finding::new(
                Rule::DuplicateCode,
                subject(occasion),
                message,
            ));
        }
    }
    findings
}

/// What is wrong with an action by itself, in words that follow its code.
fn problems(action: &Action, known: &BTreeSet<&TransitionCode>) -> Vec<(Rule, String)> {
    let mut problems = Vec::new();
    if let Some(Err(problem)) = action.condition.as_ref().map(Guard::compile_condition) {
        let message = format!("has a condition that cannot be used: it {problem}");
        problems.push((Rule::InvalidGuard, message));
    }
    match &action.work {
        Work::Send(channel, policy) => {
            problems.extend(policy_problem(*policy));
            if let Channel::Email(email) = channel
                && email.copy_to.len() > COPIES_MAX
            {
                let message = format!(
                    "sends {} copies, at most {COPIES_MAX} are allowed",
                    email.copy_to.len()
                );
                problems.push((Rule::LimitExceeded, message));
            }
        }
        Work::Write(Writing::Transition(code)) if !known.contains(code) => {
            let message = format!("takes transition {code}, which does not exist");
            problems.push((Rule::UnknownReference, message));
        }
        Work::Write(_) => {}
    }
    problems
}

/// What is wrong with the texts of an action. One that a caller sends is refused at once, so
/// these were stored by an older version.
fn texts(occasion: &Occasion, action: &Action) -> Vec<(Rule, String)> {
    let path = format!("{occasion}.{}", action.code);
    let said = |place: String, text: &Template| {
        let problem = text.problem()?;
        let message = format!("has a text that is not filled in ({place}): {problem}");
        Some((Rule::InvalidTemplate, message))
    };
    match &action.work {
        Work::Send(Channel::Publish(publish), _) => {
            said(format!("{path}, subject"), &publish.subject)
                .into_iter()
                .collect()
        }
        Work::Write(Writing::Comment { text, .. }) => {
            said(format!("{path}, text"), text).into_iter().collect()
        }
        Work::Write(Writing::SetAttributes(attributes)) => attributes
            .iter()
            .filter_map(|(key, text)| said(format!("{path}, attribute {key}"), text))
            .collect(),
        Work::Send(Channel::Webhook(_) | Channel::Email(_), _)
        | Work::Write(Writing::Transition(_)) => Vec::new(),
    }
}

fn policy_problem(policy: Policy) -> Option<(Rule, String)> {
    let problem = policy.problem()?;
    Some((Rule::LimitExceeded, problem.to_owned()))
}

/// Transitions whose actions lead back to themselves: taking one would never end, but for
/// guards, conditions and the limit of the cascade.
fn circles(workflow: &Workflow) -> Vec<Finding> {
    let by_code: BTreeMap<_, _> = workflow.transitions.iter().map(|t| (&t.code, t)).collect();
    let mut findings = Vec::new();
    for start in &workflow.transitions {
        let mut seen = BTreeSet::new();
        let mut next = taken_by(workflow, start);
        while let Some(code) = next.pop() {
            if *code == start.code {
                let message =
                    "sets itself off by its actions, which only guards and conditions stop";
                let subject = Subject::Transition(start.code.clone());
                findings.push(Finding::new(Rule::ActionCircle, subject, message));
                break;
            }
            if seen.insert(code)
                && let Some(transition) = by_code.get(code)
            {
                next.extend(taken_by(workflow, transition));
            }
        }
    }
    findings
}

/// The transitions that the active actions of a transition take, and those of the state it enters.
fn taken_by<'w>(workflow: &'w Workflow, transition: &'w Transition) -> Vec<&'w TransitionCode> {
    let on_enter = workflow.state(&transition.to_state).map(|s| &s.on_enter);
    let actions = transition
        .actions
        .iter()
        .chain(on_enter.into_iter().flatten());
    let taken = actions.filter_map(|action| match &action.work {
        Work::Write(Writing::Transition(code)) if action.active => Some(code),
        Work::Write(_) | Work::Send(..) => None,
    });
    taken.collect()
}

/// Timers that keep the status, and timers beside an automatic transition from the same place.
fn timers(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let timed = |way: &&super::ways::Way<'_>| way.transition.trigger.is_timed();
    for way in ways.list.iter().filter(timed) {
        let subject = || Subject::Transition(way.transition.code.clone());
        let lands_on = way
            .targets
            .first()
            .and_then(|place| ways.places.get(*place));
        if let Some(place) = lands_on
            && way.transition.from_statuses.contains(&place.status.code)
        {
            let message = format!(
                "keeps status {} where it starts from it, so time never takes it there",
                place.status.code
            );
            findings.push(Finding::new(Rule::TimerKeepsStatus, subject(), message));
        }
        let automatic = ways.list.iter().filter(|other| {
            let from_there = other.sources.common(&way.sources).is_some();
            other.transition.trigger == Trigger::Automatic && from_there
        });
        let racing = listed(automatic.map(|other| &other.transition.code));
        // Where the timer has a guard, that says which of them it leaves alone.
        if !racing.is_empty() && way.transition.guard.is_none() {
            let message = format!(
                "starts by time where automatic transitions start as well, and they come first: {racing}"
            );
            findings.push(Finding::new(Rule::TimerRace, subject(), message));
        }
    }
    findings
}
