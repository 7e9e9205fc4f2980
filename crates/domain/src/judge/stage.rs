//! Workflows written as documents, and calls by people with roles written as words, for tests.

use super::{Graph, create, decide};
use crate::{
    actor::{Actor, ActorKind},
    history::{Entry, evolve, replay},
    order::{
        Action, AttributesPatch, Command, Context, OperationLines, Order, Patch, Rejection, Target,
    },
    value::{Comment, Money, OperationCode, Reason, Role, Timestamp, TransitionCode},
    workflow::{
        Workflow,
        document::{Format, Mode, apply, parse},
        sample,
    },
};

/// The workflow of a document.
pub(super) fn workflow(document: &str) -> Workflow {
    let document = parse(document, Format::Yaml).unwrap();
    apply(None, &document, Mode::Replace, None).unwrap()
}

/// A person with roles, which are separated by spaces.
pub(super) fn person(roles: &str) -> Actor {
    let roles = roles.split_whitespace();
    Actor {
        kind: ActorKind::User,
        roles: roles.map(|role| Role::new(role).unwrap()).collect(),
        ..Actor::unstated()
    }
}

/// The part of a call besides its action.
pub(super) fn context(roles: &str, comment: &str) -> Context {
    Context {
        actor: person(roles),
        comment: Comment::new(comment).unwrap(),
        ..sample::context()
    }
}

/// An order that goes through a workflow.
pub(super) struct Stage {
    pub(super) graph: Graph,
    pub(super) order: Order,
    pub(super) created: Vec<Entry>,
}

impl Stage {
    /// An order of 10,000 with a line `1` of two units.
    pub(super) fn new(document: &str) -> Self {
        Self::of(workflow(document))
    }

    /// The same for a workflow as it may have been stored by older versions.
    pub(super) fn of(workflow: Workflow) -> Self {
        let graph = Graph::of_stored(workflow, 1);
        let new = sample::new_order(&graph, vec![sample::line("1", "2")]);
        let created = create(&graph, &new, &context("", ""), sample::CREATED).unwrap();
        Self {
            order: replay(&created).unwrap(),
            graph,
            created,
        }
    }

    /// Makes a call by somebody with these roles, a second after the order was created.
    pub(super) fn call(&mut self, roles: &str, words: &str) -> Result<Vec<Entry>, Rejection> {
        self.call_at(2_000_000, roles, words)
    }

    /// Makes a call so many microseconds after 1970.
    pub(super) fn call_at(
        &mut self,
        now: i64,
        roles: &str,
        words: &str,
    ) -> Result<Vec<Entry>, Rejection> {
        let (action, comment) = action(words);
        let actor = if action == Action::TimeUp {
            Actor::system()
        } else {
            person(roles)
        };
        let command = Command {
            context: Context {
                actor,
                ..context("", comment)
            },
            expected_version: None,
            action,
        };
        let now = Timestamp::from_micros(now);
        let entries = decide(&self.graph, &self.order, &command, now)?;
        self.order = entries.iter().fold(self.order.clone(), evolve);
        Ok(entries)
    }

    /// The outcome of a call: what each entry is and where it leads, or the reason of the refusal.
    pub(super) fn told(&mut self, roles: &str, words: &str) -> String {
        match self.call(roles, words) {
            Ok(entries) => told(&entries),
            Err(refusal) => refusal.reason().to_owned(),
        }
    }
}

/// Reads `go x`, `go x>status`, `to status`, `to state/status`, `say`, `say>status`, `record x`,
/// `record x 500` with an amount, `back x`, `hold`, `release`, `set key value`, `settle` or `time`.
fn action(words: &str) -> (Action, &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let action = match words.as_slice() {
        ["go", target] => Action::Transition(by_code(target)),
        ["to", place] => Action::Transition(match place.split_once('/') {
            Some((state, status)) => Target::Standing(sample::state(state), sample::status(status)),
            None => Target::Status(sample::status(place)),
        }),
        ["record", code] => record(code, None, false),
        ["record", code, amount] => record(code, Some(amount.parse().unwrap()), false),
        ["back", code] => record(code, None, true),
        ["hold"] => Action::Hold {
            reason: Reason::default(),
            status: None,
            expire_time: None,
        },
        ["release"] => Action::Release { hold: None },
        ["set", key, value] => {
            let value = Some((*value).to_owned()).filter(|value| value != "-");
            let merged = [((*key).to_owned(), value)];
            Action::Update(Patch {
                attributes: Some(AttributesPatch::Merge(merged.into())),
                ..Patch::default()
            })
        }
        ["settle"] => Action::Settle,
        ["time"] => Action::TimeUp,
        [say] if say.starts_with("say") => Action::Comment {
            status: say
                .split_once('>')
                .map(|(_, status)| sample::status(status)),
        },
        other => panic!("no such call: {other:?}"),
    };
    let says = matches!(action, Action::Comment { .. });
    (action, if says { "said" } else { "" })
}

fn by_code(target: &str) -> Target {
    let (code, land_on) = match target.split_once('>') {
        Some((code, status)) => (code, Some(sample::status(status))),
        None => (target, None),
    };
    Target::Transition {
        code: TransitionCode::new(code).unwrap(),
        land_on,
    }
}

fn record(code: &str, amount: Option<i64>, reverse: bool) -> Action {
    Action::RecordOperation {
        operation: OperationCode::new(code).unwrap(),
        lines: if amount.is_some() {
            OperationLines::AmountOnly
        } else {
            OperationLines::AllLeft
        },
        amount: amount.map(|amount| Money::new(amount).unwrap()),
        reverse,
    }
}

/// Each entry as its kind, its transition if any, and where it leads.
pub(super) fn told(entries: &[Entry]) -> String {
    let told = entries.iter().map(|entry| {
        let transition = entry.transition.as_ref();
        let transition = transition.map_or_else(String::new, |code| format!(" {code}"));
        let kind = entry.kind().word();
        format!("{kind}{transition} {}/{}", entry.to.state, entry.to.status)
    });
    told.collect::<Vec<_>>().join(", ")
}

/// All notes of entries under a key, joined.
pub(super) fn notes(entries: &[Entry], key: &str) -> String {
    let notes = entries.iter().filter_map(|entry| {
        let metadata = entry.metadata.as_map();
        metadata.get(key).map(String::as_str)
    });
    notes.collect::<Vec<_>>().join(" | ")
}
