//! Codes that are used twice, parts that do not exist, assignments without a sound
//! default, guards that do not compile.

use std::{cell::Cell, collections::BTreeSet};

use super::{Finding, Rule, listed};
use crate::{
    guard::{Guard, GuardError, Instant},
    value::{OperationCode, StateCode, StatusCode, nearest},
    workflow::{
        Assignment, Operation, State, Status, StatusSharing, Subject, Transition, Workflow,
    },
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
    let transitions = workflow.transitions.iter();
    findings.extend(transitions.flat_map(|transition| references(transition, &known)));
    findings
}

/// The words about a part that is named and is not there; what was probably meant follows.
pub(crate) const NOT_THERE: &str = "which does not exist";
/// For how many findings the nearest code is looked for, which takes a while among many.
const NEAREST_MAX: u32 = 100;

/// The codes that exist, for look-ups that stay cheap in large workflows.
struct Known<'a> {
    workflow: &'a Workflow,
    states: BTreeSet<&'a StateCode>,
    statuses: BTreeSet<&'a StatusCode>,
    operations: BTreeSet<&'a OperationCode>,
    /// The number of searches for the nearest code.
    searches: Cell<u32>,
}

impl<'a> Known<'a> {
    fn new(workflow: &'a Workflow) -> Self {
        Self {
            workflow,
            searches: Cell::new(0),
            states: workflow.states.iter().map(|it| &it.code).collect(),
            statuses: workflow.statuses.iter().map(|it| &it.code).collect(),
            operations: workflow.operations.iter().map(|it| &it.code).collect(),
        }
    }

    /// A finding about a part that is not there, and what was probably meant.
    fn unknown(&self, subject: Subject, verb: &str, part: &Subject) -> Finding {
        let sort = match part {
            Subject::State(code) => Some((code.as_str(), PartSort::State)),
            Subject::Status(code) => Some((code.as_str(), PartSort::Status)),
            Subject::Operation(code) => Some((code.as_str(), PartSort::Operation)),
            Subject::Workflow
            | Subject::Assignment(..)
            | Subject::Transition(_)
            | Subject::Action(_)
            | Subject::Document(_) => None,
        };
        let is_way = matches!(subject, Subject::Transition(_));
        let meant = sort.map_or_else(String::new, |(code, sort)| self.instead(code, sort, is_way));
        let message = format!("{verb} {part}, {NOT_THERE}{meant}");
        Finding::new(Rule::UnknownReference, subject, message)
    }

    /// The part that has the same code and is of another sort, or the code of this sort that is
    /// nearly the same; a transition is told where that would stand.
    fn instead(&self, code: &str, sort: PartSort, is_way: bool) -> String {
        let count = self.searches.get();
        if count >= NEAREST_MAX {
            return String::new();
        }
        self.searches.set(count + 1);
        let sorts = [PartSort::State, PartSort::Status, PartSort::Operation];
        let mut others = sorts.into_iter().filter(|other| *other != sort);
        if let Some(other) = others.find(|other| self.codes(*other).any(|known| known == code)) {
            return self.of_other_sort(code, other, is_way && sort != PartSort::Operation);
        }
        let near = nearest(code, self.codes(sort));
        near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
    }

    fn codes(&self, sort: PartSort) -> Box<dyn Iterator<Item = &'a str> + '_> {
        match sort {
            PartSort::State => Box::new(self.states.iter().map(|known| known.as_str())),
            PartSort::Status => Box::new(self.statuses.iter().map(|known| known.as_str())),
            PartSort::Operation => Box::new(self.operations.iter().map(|known| known.as_str())),
        }
    }

    fn of_other_sort(&self, code: &str, sort: PartSort, is_place: bool) -> String {
        let (what, fields) = match sort {
            PartSort::State => ("a state".to_owned(), "from_states or to_state"),
            PartSort::Operation => return format!("; {code} is an operation"),
            PartSort::Status => {
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

/// The sort of part that has a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartSort {
    State,
    Status,
    Operation,
}

fn duplicates(workflow: &Workflow) -> Vec<Finding> {
    let operations = workflow.operations.iter().map(Operation::subject);
    let states = workflow.states.iter().map(State::subject);
    let statuses = workflow.statuses.iter().map(Status::subject);
    let transitions = workflow.transitions.iter().map(Transition::subject);
    let assignments = workflow.assignments.iter().map(Assignment::subject);
    let parts = operations.chain(states).chain(statuses);
    let parts = parts.chain(transitions).chain(assignments);
    let mut seen = BTreeSet::new();
    let twice = parts.filter(|subject| !seen.insert(subject.clone()));
    let twice = twice.map(|it| Finding::new(Rule::DuplicateCode, it, "is defined twice"));
    twice.collect()
}

fn workflow_and_states(workflow: &Workflow, known: &Known<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !known.states.contains(&workflow.initial_state) {
        let part = Subject::State(workflow.initial_state.clone());
        findings.push(known.unknown(Subject::Workflow, "starts in", &part));
    }
    for state in &workflow.states {
        let allowed = state.operations.iter();
        for operation in allowed.filter(|code| !known.operations.contains(code)) {
            let part = Subject::Operation(operation.clone());
            findings.push(known.unknown(state.subject(), "allows", &part));
        }
    }
    findings
}

fn assignments(workflow: &Workflow, known: &Known<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for assignment in &workflow.assignments {
        let (state, status) = (&assignment.state, &assignment.status);
        let mut names = |part| findings.push(known.unknown(assignment.subject(), "names", &part));
        if !known.states.contains(state) {
            names(Subject::State(state.clone()));
        }
        if !known.statuses.contains(status) {
            names(Subject::Status(status.clone()));
        }
    }
    findings
}

fn references(transition: &Transition, known: &Known<'_>) -> Vec<Finding> {
    let no_state = |code: &&StateCode| !known.states.contains(code);
    let no_status = |code: &&StatusCode| !known.statuses.contains(code);
    let no_operation = |code: &&OperationCode| !known.operations.contains(code);
    let states = transition.from_states.iter().filter(no_state);
    let statuses = transition.from_statuses.iter().filter(no_status);
    let to_state = Some(&transition.to_state).filter(no_state);
    let to_status = transition.to_status.as_ref().filter(no_status);
    let operation = transition.operation.as_ref().filter(no_operation);
    let triggers = transition.trigger.operations().iter();
    let triggers = triggers.filter(no_operation);
    let named = states
        .map(|code| ("leaves", Subject::State(code.clone())))
        .chain(statuses.map(|code| ("leaves", Subject::Status(code.clone()))))
        .chain(to_state.map(|code| ("enters", Subject::State(code.clone()))))
        .chain(to_status.map(|code| ("enters", Subject::Status(code.clone()))))
        .chain(operation.map(|code| ("records", Subject::Operation(code.clone()))))
        .chain(triggers.map(|code| ("is set off by", Subject::Operation(code.clone()))));
    let unknown = named.map(|(verb, part)| known.unknown(transition.subject(), verb, &part));
    unknown.collect()
}

fn defaults(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = Vec::new();
    for state in &workflow.states {
        let assigned: Vec<_> = workflow.assignments_of(&state.code).collect();
        let defaults = assigned.iter().filter(|it| it.is_default);
        let defaults: Vec<_> = defaults.map(|it| &it.status).collect();
        if assigned.is_empty() {
            let message = "has no status, so no order can enter it";
            findings.push(state.finding(Rule::StateWithoutStatus, message));
        } else if defaults.is_empty() {
            let message = "has statuses, but none is its default";
            findings.push(state.finding(Rule::MissingDefault, message));
        } else if defaults.len() > 1 {
            let message = format!("has several defaults: {}", listed(&defaults));
            findings.push(state.finding(Rule::SeveralDefaults, message));
        }
        let statuses = defaults.iter().filter_map(|code| workflow.status(code));
        for retired in statuses.filter(|status| status.retired) {
            let message = format!("has the retired status {} as its default", retired.code);
            findings.push(state.finding(Rule::RetiredDefault, message));
        }
    }
    findings
}

fn sharing(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = Vec::new();
    for status in &workflow.statuses {
        let states: BTreeSet<_> = workflow.states_of(&status.code).collect();
        if states.is_empty() {
            findings.push(status.finding(Rule::UnassignedStatus, "belongs to no state"));
        } else if states.len() > 1 && workflow.status_sharing == StatusSharing::Exclusive {
            let states = listed(states);
            let message = format!("belongs to several states, but sharing is exclusive: {states}");
            findings.push(status.finding(Rule::SharedStatus, message));
        }
    }
    findings
}

fn guards(workflow: &Workflow) -> Vec<Finding> {
    let states = workflow.states.iter();
    let states = states.map(|it| (it.subject(), "an entry guard", it.entry_guard.as_ref()));
    let operations = workflow.operations.iter();
    let operations = operations.map(|it| (it.subject(), "a guard", it.guard.as_ref()));
    let transitions = workflow.transitions.iter();
    let own = transitions.map(|it| (it.subject(), "a guard", it.guard.as_ref()));
    let guards = states.chain(operations).chain(own);
    let guards = guards.filter_map(|(subject, what, guard)| {
        let problem = Guard::compile(guard?).err()?;
        Some(invalid(&problem, subject, what))
    });
    let dates = workflow.transitions.iter().filter_map(|it| {
        let problem = Instant::compile(it.trigger.date()?).err()?;
        Some(invalid(&problem, it.subject(), "a date"))
    });
    guards.chain(dates).collect()
}

fn invalid(problem: &GuardError, subject: Subject, what: &str) -> Finding {
    let message = format!("has {what} that cannot be used: it {problem}");
    Finding::new(Rule::InvalidGuard, subject, message)
}
