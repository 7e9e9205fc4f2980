//! Codes and words that expressions compare with and that do not exist, and texts that they compare
//! with what is no text, so that they never hold, or always.

use std::collections::BTreeSet;

use super::{Finding, Rule, expressions::Spoken};
use crate::{history::Kind, value::nearest, workflow::Workflow};

/// The kinds of entries.
const KINDS: [Kind; 7] = [
    Kind::Created,
    Kind::Transitioned,
    Kind::Commented,
    Kind::Held,
    Kind::Released,
    Kind::OperationRecorded,
    Kind::Updated,
];
/// The kinds of actors.
const ACTORS: [&str; 4] = ["user", "integration", "customer", "system"];

/// The most findings for which the nearest word is searched, which takes a while among many.
const NEAREST_MAX: usize = 100;

/// The sort of a text that an expression compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WordSort {
    State,
    Status,
    Transition,
    Operation,
    EntryKind,
    ActorKind,
}

/// The paths that are compared with codes and words, and whether they may be nothing.
const COMPARED: &[(&str, WordSort, bool)] = &[
    ("order.state", WordSort::State, false),
    ("order.return_state", WordSort::State, true),
    ("entry.from_state", WordSort::State, true),
    ("entry.to_state", WordSort::State, false),
    ("order.status", WordSort::Status, false),
    ("order.return_status", WordSort::Status, true),
    ("entry.from_status", WordSort::Status, true),
    ("entry.to_status", WordSort::Status, false),
    ("entry.transition", WordSort::Transition, true),
    ("entry.operation", WordSort::Operation, true),
    ("request.operation", WordSort::Operation, true),
    ("order.allowed_operations", WordSort::Operation, false),
    ("entry.kind", WordSort::EntryKind, false),
    ("actor.kind", WordSort::ActorKind, false),
];

/// The words of each sort.
struct Words<'a> {
    states: BTreeSet<&'a str>,
    statuses: BTreeSet<&'a str>,
    transitions: BTreeSet<&'a str>,
    operations: BTreeSet<&'a str>,
    kinds: BTreeSet<&'a str>,
    actors: BTreeSet<&'a str>,
}

/// The findings, each with the number of its expression.
pub(super) fn find(workflow: &Workflow, spoken: &[Spoken<'_>]) -> Vec<(usize, Finding)> {
    let words = Words::new(workflow);
    let mut findings = Vec::new();
    for (number, spoken) in spoken.iter().enumerate() {
        findings.extend(texts(spoken).map(|finding| (number, finding)));
        for (path, sort, may_be_empty) in COMPARED {
            for word in spoken.names().compared_with(path) {
                let is_known = words.of(*sort).contains(word) || word.is_empty() && *may_be_empty;
                if !is_known {
                    let is_looked_for = findings.len() < NEAREST_MAX;
                    let message = words.message(path, (*sort, word), is_looked_for);
                    findings.push((number, spoken.finding(Rule::UnknownCode, &message)));
                }
            }
        }
    }
    findings
}

/// Attributes and metadata are texts, and no text is a number or true.
fn texts<'s>(spoken: &'s Spoken<'_>) -> impl Iterator<Item = Finding> + 's {
    spoken.names().misread().map(|misread| {
        let (rule, comes_to) = match misread.sign {
            "==" => (Rule::ConstantGuard, "is never true"),
            "!=" => (Rule::ConstantGuard, "is always true"),
            _ => (Rule::FailingGuard, "always fails"),
        };
        let message = format!(
            "compares {}, which is a text, with {}, which {comes_to}: write {}",
            misread.text,
            misread.kind(),
            misread.right()
        );
        spoken.finding(rule, &message)
    })
}

impl WordSort {
    fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Status => "status",
            Self::Transition => "transition",
            Self::Operation => "operation",
            Self::EntryKind => "kind of entry",
            Self::ActorKind => "kind of actor",
        }
    }
}

impl<'a> Words<'a> {
    fn new(workflow: &'a Workflow) -> Self {
        let transitions = workflow.transitions.iter();
        let operations = workflow.operations.iter();
        Self {
            states: workflow.states.iter().map(|s| s.code.as_str()).collect(),
            statuses: workflow.statuses.iter().map(|s| s.code.as_str()).collect(),
            transitions: transitions.map(|t| t.code.as_str()).collect(),
            operations: operations.map(|o| o.code.as_str()).collect(),
            kinds: KINDS.map(Kind::word).into_iter().collect(),
            actors: ACTORS.into_iter().collect(),
        }
    }

    fn of(&self, sort: WordSort) -> &BTreeSet<&'a str> {
        match sort {
            WordSort::State => &self.states,
            WordSort::Status => &self.statuses,
            WordSort::Transition => &self.transitions,
            WordSort::Operation => &self.operations,
            WordSort::EntryKind => &self.kinds,
            WordSort::ActorKind => &self.actors,
        }
    }

    /// The problem, and what was probably meant: the same word of another sort, or one like it
    /// where that is looked for.
    fn message(&self, path: &str, (sort, word): (WordSort, &str), is_looked_for: bool) -> String {
        let name = sort.name();
        let codes = [
            WordSort::State,
            WordSort::Status,
            WordSort::Transition,
            WordSort::Operation,
        ];
        let of_other_sort = codes.into_iter().find(|sort| self.of(*sort).contains(word));
        let candidates = self.of(sort).iter().copied().filter(|_| is_looked_for);
        let meant = match of_other_sort {
            Some(other) => format!("; there is the {} {word}", other.name()),
            None => nearest(word, candidates)
                .map(|near| format!("; did you mean {near}?"))
                .unwrap_or_default(),
        };
        format!("compares {path} with {word:?}, but there is no such {name}{meant}")
    }
}
