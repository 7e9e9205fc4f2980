//! Codes that are used twice, parts that do not exist, assignments without a sound
//! default, guards that do not compile.

use std::collections::BTreeSet;

use super::{Finding, Rule, listed};
use crate::{
    guard::{Guard, GuardError, Instant},
    value::{OperationCode, StateCode, StatusCode},
    workflow::{StatusSharing, Subject, Transition, Workflow},
};

pub(super) fn find(workflow: &Workflow) -> Vec<Finding> {
    let known = Known::new(workflow);
    let mut findings = duplicates(workflow);
    findings.extend(workflow_and_states(workflow, &known));
    findings.extend(assignments(workflow, &known));
    findings.extend(
        workflow
            .transitions
            .iter()
            .flat_map(|transition| references(transition, &known)),
    );
    findings.extend(defaults(workflow));
    findings.extend(sharing(workflow));
    findings.extend(guards(workflow));
    findings
}

/// The codes that exist, for look-ups that stay cheap in large workflows.
struct Known<'a> {
    states: BTreeSet<&'a StateCode>,
    statuses: BTreeSet<&'a StatusCode>,
    operations: BTreeSet<&'a OperationCode>,
}

impl<'a> Known<'a> {
    fn new(workflow: &'a Workflow) -> Self {
        Self {
            states: workflow.states.iter().map(|state| &state.code).collect(),
            statuses: workflow
                .statuses
                .iter()
                .map(|status| &status.code)
                .collect(),
            operations: workflow
                .operations
                .iter()
                .map(|operation| &operation.code)
                .collect(),
        }
    }
}

fn duplicates(workflow: &Workflow) -> Vec<Finding> {
    let operations = workflow
        .operations
        .iter()
        .map(|part| Subject::Operation(part.code.clone()));
    let states = workflow
        .states
        .iter()
        .map(|part| Subject::State(part.code.clone()));
    let statuses = workflow
        .statuses
        .iter()
        .map(|part| Subject::Status(part.code.clone()));
    let transitions = workflow
        .transitions
        .iter()
        .map(|part| Subject::Transition(part.code.clone()));
    let pairs = workflow
        .assignments
        .iter()
        .map(|a| Subject::Assignment(a.state.clone(), a.status.clone()));
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for subject in operations
        .chain(states)
        .chain(statuses)
        .chain(transitions)
        .chain(pairs)
    {
        if !seen.insert(subject.clone()) {
            findings.push(Finding::new(
                Rule::DuplicateCode,
                subject,
                "is defined twice",
            ));
        }
    }
    findings
}

fn unknown(subject: Subject, verb: &str, part: &Subject) -> Finding {
    Finding::new(
        Rule::UnknownReference,
        subject,
        format!("{verb} {part}, which does not exist"),
    )
}

fn workflow_and_states(workflow: &Workflow, known: &Known<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !known.states.contains(&workflow.initial_state) {
        let part = Subject::State(workflow.initial_state.clone());
        findings.push(unknown(Subject::Workflow, "starts in", &part));
    }
    for state in &workflow.states {
        for operation in state
            .operations
            .iter()
            .filter(|code| !known.operations.contains(code))
        {
            let part = Subject::Operation(operation.clone());
            findings.push(unknown(Subject::State(state.code.clone()), "allows", &part));
        }
    }
    findings
}

fn assignments(workflow: &Workflow, known: &Known<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for assignment in &workflow.assignments {
        let subject = Subject::Assignment(assignment.state.clone(), assignment.status.clone());
        if !known.states.contains(&assignment.state) {
            findings.push(unknown(
                subject.clone(),
                "names",
                &Subject::State(assignment.state.clone()),
            ));
        }
        if !known.statuses.contains(&assignment.status) {
            findings.push(unknown(
                subject,
                "names",
                &Subject::Status(assignment.status.clone()),
            ));
        }
    }
    findings
}

fn references(transition: &Transition, known: &Known<'_>) -> Vec<Finding> {
    let states = transition
        .from_states
        .iter()
        .filter(|code| !known.states.contains(code));
    let statuses = transition
        .from_statuses
        .iter()
        .filter(|code| !known.statuses.contains(code));
    let to_state = Some(&transition.to_state).filter(|code| !known.states.contains(code));
    let to_status = transition
        .to_status
        .as_ref()
        .filter(|code| !known.statuses.contains(code));
    let operation = transition
        .operation
        .as_ref()
        .filter(|code| !known.operations.contains(code));
    let triggers = transition
        .trigger
        .operations()
        .iter()
        .filter(|code| !known.operations.contains(code));
    let named = states
        .map(|code| ("leaves", Subject::State(code.clone())))
        .chain(statuses.map(|code| ("leaves", Subject::Status(code.clone()))))
        .chain(to_state.map(|code| ("enters", Subject::State(code.clone()))))
        .chain(to_status.map(|code| ("enters", Subject::Status(code.clone()))))
        .chain(operation.map(|code| ("records", Subject::Operation(code.clone()))))
        .chain(triggers.map(|code| ("is set off by", Subject::Operation(code.clone()))));
    named
        .map(|(verb, part)| unknown(Subject::Transition(transition.code.clone()), verb, &part))
        .collect()
}

fn defaults(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = Vec::new();
    for state in &workflow.states {
        let subject = || Subject::State(state.code.clone());
        let assigned: Vec<_> = workflow.assignments_of(&state.code).collect();
        let defaults: Vec<_> = assigned
            .iter()
            .filter(|assignment| assignment.is_default)
            .collect();
        if assigned.is_empty() {
            findings.push(Finding::new(
                Rule::StateWithoutStatus,
                subject(),
                "has no status, so no order can enter it",
            ));
        } else if defaults.is_empty() {
            findings.push(Finding::new(
                Rule::MissingDefault,
                subject(),
                "has statuses, but none is its default",
            ));
        } else if defaults.len() > 1 {
            let message = format!(
                "has several defaults: {}",
                listed(defaults.iter().map(|a| &a.status))
            );
            findings.push(Finding::new(Rule::SeveralDefaults, subject(), message));
        }
        let statuses = defaults
            .iter()
            .filter_map(|assignment| workflow.status(&assignment.status));
        for retired in statuses.filter(|status| status.retired) {
            let message = format!("has the retired status {} as its default", retired.code);
            findings.push(Finding::new(Rule::RetiredDefault, subject(), message));
        }
    }
    findings
}

fn sharing(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = Vec::new();
    for status in &workflow.statuses {
        let states: BTreeSet<_> = workflow.states_of(&status.code).collect();
        let subject = Subject::Status(status.code.clone());
        if states.is_empty() {
            findings.push(Finding::new(
                Rule::UnassignedStatus,
                subject,
                "belongs to no state",
            ));
        } else if states.len() > 1 && workflow.status_sharing == StatusSharing::Exclusive {
            let message = format!(
                "belongs to several states, but sharing is exclusive: {}",
                listed(states)
            );
            findings.push(Finding::new(Rule::SharedStatus, subject, message));
        }
    }
    findings
}

fn guards(workflow: &Workflow) -> Vec<Finding> {
    let entry = workflow.states.iter().filter_map(|state| {
        let guard = state.entry_guard.as_ref()?;
        let subject = Subject::State(state.code.clone());
        let problem = Guard::compile(guard).err()?;
        Some(invalid(&problem, subject, "an entry guard"))
    });
    let of_operations = workflow.operations.iter().filter_map(|operation| {
        let guard = operation.guard.as_ref()?;
        let subject = Subject::Operation(operation.code.clone());
        let problem = Guard::compile(guard).err()?;
        Some(invalid(&problem, subject, "a guard"))
    });
    let own = workflow.transitions.iter().filter_map(|transition| {
        let guard = transition.guard.as_ref()?;
        let subject = Subject::Transition(transition.code.clone());
        let problem = Guard::compile(guard).err()?;
        Some(invalid(&problem, subject, "a guard"))
    });
    let dates = workflow.transitions.iter().filter_map(|transition| {
        let date = transition.trigger.date()?;
        let subject = Subject::Transition(transition.code.clone());
        let problem = Instant::compile(date).err()?;
        Some(invalid(&problem, subject, "a date"))
    });
    entry.chain(of_operations).chain(own).chain(dates).collect()
}

fn invalid(problem: &GuardError, subject: Subject, what: &str) -> Finding {
    Finding::new(
        Rule::InvalidGuard,
        subject,
        format!("has {what} that cannot be used: it {problem}"),
    )
}
