//! Trials of one action for an order, without a step.

use super::{
    action::{destinations, holds, written},
    draft::Draft,
    graph::{Graph, ReadyAction},
};
use crate::{
    actor::Actor,
    guard::CostBudget,
    history::{Destination, Entry},
    order::{Context, Order},
    template::TextBudget,
    value::Timestamp,
    workflow::{ActionPath, Channel, Notify, Work, Writing},
};

const UNMET: &str = "its condition does not hold for the last entry of the order";
const UNCHANGED: &str = "the attributes of the order are so already";
const SAYS_NOTHING: &str = "its text comes out empty, and no comment is written";

/// The result of an action that was tried for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Why its condition does not hold, in words for the merchant; none where it holds, or there is
    /// none.
    pub unmet: Option<String>,
    /// Where it would send something, whatever its condition says.
    pub destinations: Vec<Destination>,
    /// The entry that it would write with the step, whatever its condition says; none for nothing.
    pub written: Option<Entry>,
    /// The blocker beside its condition, or why it would do nothing, in words for the merchant;
    /// none for nothing.
    pub problem: Option<String>,
}

impl Trial {
    /// Whether the condition of the action holds; true where it has none.
    pub fn applies(&self) -> bool {
        self.unmet.is_none()
    }
}

/// Tries an action, active or not, as if `entry` set it off, with the order as it stands. Whether
/// it could take a further step is judged for `caller`. Returns none where the workflow has no such
/// action.
pub fn try_action(
    graph: &Graph,
    order: Order,
    entry: Entry,
    path: &ActionPath,
    (caller, now): (&Actor, Timestamp),
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
    let asking = Context {
        actor: caller.clone(),
        ..context.clone()
    };
    let mut draft = Draft::new(graph, &context, order, now.into(), &budget);
    draft.entries.push(entry);
    let unmet = match holds(&draft, 0, &ready) {
        Ok(true) => None,
        Ok(false) => Some(UNMET.to_owned()),
        Err(problem) => Some(problem),
    };
    let mut trial = Trial {
        unmet,
        destinations: Vec::new(),
        written: None,
        problem: None,
    };
    match &action.work {
        Work::Send(channel, _) => {
            let (destinations, problem) = destinations(&draft, 0, channel);
            let problem = problem.or_else(|| left_out(channel, draft.asks_to_notify(0)));
            trial.destinations = destinations;
            trial.problem = problem.map(str::to_owned);
        }
        Work::Write(writing) => {
            let idle = match writing {
                Writing::Comment { .. } => SAYS_NOTHING,
                Writing::SetAttributes(_) => UNCHANGED,
                Writing::Transition(_) => {
                    let entries = draft.entries;
                    draft = Draft::new(graph, &asking, draft.order, now.into(), &budget);
                    draft.entries = entries;
                    UNCHANGED
                }
            };
            match written(&draft, 0, path, writing, &mut TextBudget::default()) {
                Ok(None) => trial.problem = Some(idle.to_owned()),
                Ok(Some(addition)) => {
                    draft.write_automatic(addition);
                    trial.written = draft.entries.pop();
                }
                Err(problem) => trial.problem = Some(problem),
            }
        }
    }
    Some(trial)
}

/// Why a mail does not go to the customer, though nothing is wrong with the order.
fn left_out(channel: &Channel, asked: bool) -> Option<&'static str> {
    let Channel::Email(email) = channel else {
        return None;
    };
    match email.customer {
        Notify::OnRequest if !asked => {
            Some("the customer is written to only where the call says `notify_customer`")
        }
        Notify::Never if email.copy_to.is_empty() => {
            Some("it goes to nobody: the customer is never written to, and there are no copies")
        }
        Notify::OnRequest | Notify::Always | Notify::Never => None,
    }
}
