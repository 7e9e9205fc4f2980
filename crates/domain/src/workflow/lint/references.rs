//! Codes that are used twice, parts that do not exist, assignments without a sound
//! default, guards that do not compile.

use std::{cell::Cell, collections::BTreeSet};

use super::{Finding, Rule, listed};
use crate::{
    guard::{Guard, GuardError, Instant},
    value::{OperationCode, StateCode, StatusCode, nearest},
    workflow::{StatusSharing, Subject, Transition, Workflow},
};

pub(super) fn find(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = duplicates(workflow);
    findings.extend(unknown_parts(workflow));
    findings.extend(defaults(workflow));
    findings.extend(sharing(workflow));
    findings.extend(guards(workflow));
    findings
}

/// The parts that are named and not there, and the states that lack their default.
pub(super) fn missing(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = unknown_parts(workflow);
    let lacking = defaults(workflow).into_iter();
    findings.extend(lacking.filter(|finding| finding.rule == Rule::MissingDefault));
    findings
}

fn unknown_parts(workflow: &Workflow) -> Vec<Finding> {
    let known = Known::new(workflow);
    let mut findings = workflow_and_states(workflow, &known);
    findings.extend(assignments(workflow, &known));
    findings.extend(
        workflow
            .transitions
            .iter()
            .flat_map(|transition| references(transition, &known)),
    );
    findings
}

/// What is said of a part that is named and is not there; what was probably meant follows.
pub(crate) const NOT_THERE: &str = "which does not exist";
/// For how many findings the nearest code is looked for, which takes a while among many.
const NEAREST_MAX: u32 = 100;

/// The codes that exist, for look-ups that stay cheap in large workflows.
struct Known<'a> {
    workflow: &'a Workflow,
    states: BTreeSet<&'a StateCode>,
    statuses: BTreeSet<&'a StatusCode>,
    operations: BTreeSet<&'a OperationCode>,
    /// How often the nearest code was looked for.
    searches: Cell<u32>,
}

impl<'a> Known<'a> {
    fn new(workflow: &'a Workflow) -> Self {
        Self {
            workflow,
            searches: Cell::new(0),
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

    /// A finding about a part that is not there, and what was probably meant.
    fn unknown(&self, subject: Subject, verb: &str, part: &Subject) -> Finding {
        let sort = match part {
            Subject::State(code) => Some((code.as_str(), Sort::State)),
            Subject::Status(code) => Some((code.as_str(), Sort::Status)),
            Subject::Operation(code) => Some((code.as_str(), Sort::Operation)),
            Subject::Workflow
            | Subject::Assignment(..)
            | Subject::Transition(_)
            | Subject::Action(_)
            | Subject::Document(_) => None,
        };
        let is_way = matches!(subject, Subject::Transition(_));
        let meant = sort.map_or_else(String::new, |(code, sort)| self.instead(code, sort, is_way));
        Finding::new(
            Rule::UnknownReference,
            subject,
            format!("{verb} {part}, {NOT_THERE}{meant}"),
        )
    }

    /// What has the same code and is of another sort, or the code of this sort that is nearly the
    /// same; a transition is told where that would stand.
    fn instead(&self, code: &str, sort: Sort, is_way: bool) -> String {
        let count = self.searches.get();
        if count >= NEAREST_MAX {
            return String::new();
        }
        self.searches.set(count + 1);
        let sorts = [Sort::State, Sort::Status, Sort::Operation];
        let mut others = sorts.into_iter().filter(|other| *other != sort);
        if let Some(other) = others.find(|other| self.codes(*other).any(|known| known == code)) {
            return self.of_other_sort(code, other, is_way && sort != Sort::Operation);
        }
        let near = nearest(code, self.codes(sort));
        near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
    }

    fn codes(&self, sort: Sort) -> Box<dyn Iterator<Item = &'a str> + '_> {
        match sort {
            Sort::State => Box::new(self.states.iter().map(|known| known.as_str())),
            Sort::Status => Box::new(self.statuses.iter().map(|known| known.as_str())),
            Sort::Operation => Box::new(self.operations.iter().map(|known| known.as_str())),
        }
    }

    fn of_other_sort(&self, code: &str, sort: Sort, is_place: bool) -> String {
        let (what, fields) = match sort {
            Sort::State => ("a state".to_owned(), "from_states or to_state"),
            Sort::Operation => return format!("; {code} is an operation"),
            Sort::Status => {
                let mut assignments = self.workflow.assignments.iter();
                let assignment = assignments.find(|it| it.status.as_str() == code);
                let of =
                    assignment.map_or_else(String::new, |it| format!(" of state {}", it.state));
                (format!("a status{of}"), "from_statuses or to_status")
            }
        };
        if is_place {
            format!("; {code} is {what}: use {fields}")
        } else {
            format!("; {code} is {what}")
        }
    }
}

/// What a code is the code of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    State,
    Status,
    Operation,
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

fn workflow_and_states(workflow: &Workflow, known: &Known<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !known.states.contains(&workflow.initial_state) {
        let part = Subject::State(workflow.initial_state.clone());
        findings.push(known.unknown(Subject::Workflow, "starts in", &part));
    }
    for state in &workflow.states {
        for operation in state
            .operations
            .iter()
            .filter(|code| !known.operations.contains(code))
        {
            let part = Subject::Operation(operation.clone());
            findings.push(known.unknown(Subject::State(state.code.clone()), "allows", &part));
        }
    }
    findings
}

fn assignments(workflow: &Workflow, known: &Known<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for assignment in &workflow.assignments {
        let subject = Subject::Assignment(assignment.state.clone(), assignment.status.clone());
        if !known.states.contains(&assignment.state) {
            findings.push(known.unknown(
                subject.clone(),
                "names",
                &Subject::State(assignment.state.clone()),
            ));
        }
        if !known.statuses.contains(&assignment.status) {
            findings.push(known.unknown(
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
        .map(|(verb, part)| {
            known.unknown(Subject::Transition(transition.code.clone()), verb, &part)
        })
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
