//! What one action would do for an order, without a step.

use super::{
    Context, Order,
    action::{destinations, holds, written},
    draft::Draft,
};
use crate::{
    guard::CostBudget,
    history::{Destination, Entry},
    template::Budget,
    value::Timestamp,
    workflow::{ActionPath, Graph, ReadyAction, Work},
};

/// What an action would do for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Whether its condition holds; true where it has none.
    pub applies: bool,
    /// Where it would send something, whatever its condition says.
    pub destinations: Vec<Destination>,
    /// What it would write with the step, whatever its condition says; none for nothing.
    pub written: Option<Entry>,
    /// What is in its way, in words for the merchant; none for nothing.
    pub problem: Option<String>,
}

/// Tries an action, active or not, as if `entry` set it off, with the order as it stands.
/// Returns none where the workflow has no such action.
pub fn try_action(
    graph: &Graph,
    order: Order,
    entry: Entry,
    path: &ActionPath,
    now: Timestamp,
) -> Option<Trial> {
    let action = graph.workflow().action(path)?;
    let ready = ReadyAction::new(path.clone(), action);
    let budget = CostBudget::new();
    let context = Context {
        actor: entry.actor.clone(),
        comment: entry.comment.clone(),
        notify_customer: entry.notify_customer,
        visible_to_customer: entry.visible_to_customer,
        metadata: entry.metadata.clone(),
        request_id: None,
    };
    let mut draft = Draft::new(graph, &context, order, now.into(), &budget);
    draft.entries.push(entry);
    let applies = holds(&draft, 0, &ready);
    let mut trial = Trial {
        applies: applies == Ok(true),
        destinations: Vec::new(),
        written: None,
        problem: applies.err(),
    };
    match &action.work {
        Work::Send(channel, _) => {
            let (destinations, problem) = destinations(&draft, 0, channel);
            trial.destinations = destinations;
            trial.problem = trial.problem.or(problem.map(str::to_owned));
        }
        Work::Write(writing) => match written(&draft, 0, path, writing, &mut Budget::default()) {
            Ok(None) => {}
            Ok(Some(addition)) => {
                draft.write_automatic(addition);
                trial.written = draft.entries.pop();
            }
            Err(problem) => trial.problem = trial.problem.or(Some(problem)),
        },
    }
    Some(trial)
}
