//! The actions that an entry sets off: those written with the step are written here, those
//! sent after it are put down on the entry.

use std::collections::BTreeMap;

use super::{
    draft::{Addition, CustomerFlags, Draft},
    graph::ReadyAction,
    transition::{Taker, judge},
    update,
};
use crate::{
    history::{Destination, Detail, Entry, Readers, SetOff},
    order::{AttributesPatch, Order, Rejection},
    template::{Template, TextBudget},
    value::{Comment, TransitionCode, sentence},
    workflow::{
        ActionPath, Channel, CopyMethod, Email, Notify, Standing, TriggerPoint, Work, Writing,
    },
};

/// The key of notes on what an action could not do.
const FAILED: &str = "waymark.action_failed";

/// How many entries a step may still add by itself, and the transitions it has taken so far.
pub(super) struct CascadeBudget {
    limit: u32,
    spent: u32,
    taken: Vec<TransitionCode>,
    pub(super) texts: TextBudget,
}

impl CascadeBudget {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            spent: 0,
            taken: Vec::new(),
            texts: TextBudget::default(),
        }
    }

    /// Takes one entry off.
    ///
    /// # Errors
    /// Returns [`Rejection::CascadeLimit`] when there are more than the workflow allows.
    pub(super) fn spend(&mut self, transition: Option<&TransitionCode>) -> Result<(), Rejection> {
        self.taken.extend(transition.cloned());
        self.spent += 1;
        if self.spent > self.limit {
            return Err(Rejection::CascadeLimit {
                limit: self.limit,
                transitions: std::mem::take(&mut self.taken),
            });
        }
        Ok(())
    }
}

/// Carries out the actions of the entry with this index, in the order of its trigger points and
/// in each by position. An action that cannot be carried out is noted on the entry and
/// never blocks the step.
///
/// # Errors
/// Returns [`Rejection::CascadeLimit`] when the step adds more than the workflow allows.
pub(super) fn carry_out(
    draft: &mut Draft<'_>,
    index: usize,
    budget: &mut CascadeBudget,
) -> Result<(), Rejection> {
    let graph = draft.graph;
    if graph.is_without_actions() {
        return Ok(());
    }
    let Some(points) = draft.entries.get(index).map(points) else {
        return Ok(());
    };
    for action in points.iter().flat_map(|point| graph.actions(point)) {
        if !is_wanted(draft, index, action) {
            continue;
        }
        match &action.work {
            Work::Send(channel, _) => send(draft, index, &action.path, channel),
            Work::Write(writing) => write(draft, index, &action.path, writing, budget)?,
        }
    }
    Ok(())
}

/// The trigger points that an entry comes to. A hold is a pause and no leaving; only a comment that
/// somebody makes is one, so that comments cannot set off each other. An operation that
/// is taken back is none either: what it sets off would say the opposite.
fn points(entry: &Entry) -> Vec<TriggerPoint> {
    let from = entry.from.as_ref().map(|from| &from.state);
    let to = &entry.to.state;
    let moved = from.is_some_and(|from| from != to);
    let leaves = moved && !matches!(entry.detail, Detail::Held(_));
    let enters = moved && !matches!(entry.detail, Detail::Released(_)) || entry.from.is_none();
    let mut points = Vec::new();
    if let Some(from) = from.filter(|_| leaves) {
        points.push(TriggerPoint::Leave(from.clone()));
    }
    if let Some(transition) = &entry.transition {
        points.push(TriggerPoint::Transition(transition.clone()));
    }
    let recorded = entry.detail.recorded();
    if let Some(recorded) = recorded.filter(|recorded| !recorded.reverse) {
        points.push(TriggerPoint::Operation(recorded.operation.clone()));
    }
    match entry.detail {
        Detail::Created(_) => points.push(TriggerPoint::Create),
        Detail::Commented if entry.starts_step() => points.push(TriggerPoint::Comment),
        Detail::Commented
        | Detail::Transitioned(_)
        | Detail::Held(_)
        | Detail::Released(_)
        | Detail::Recorded(_)
        | Detail::Updated(_) => {}
    }
    if enters {
        points.push(TriggerPoint::Enter(to.clone()));
    }
    if entry.status_changed() && !matches!(entry.detail, Detail::Released(_)) {
        points.push(TriggerPoint::Status(entry.to.status.clone()));
    }
    points
}

fn is_wanted(draft: &mut Draft<'_>, index: usize, action: &ReadyAction) -> bool {
    let wanted = holds(draft, index, action);
    wanted.unwrap_or_else(|problem| {
        draft.note(index, FAILED, &format!("{}: {problem}", action.path));
        false
    })
}

/// Whether the condition of an action holds for an entry.
///
/// # Errors
/// Returns why it cannot be told, in words for the merchant.
pub(super) fn holds(draft: &Draft<'_>, index: usize, action: &ReadyAction) -> Result<bool, String> {
    let (Some(condition), Some(entry)) = (&action.condition, draft.entries.get(index)) else {
        return Ok(true);
    };
    condition
        .holds(&draft.facts_after(entry), draft.budget)
        .map_err(|error| format!("its condition: {error}"))
}

/// Where an action of the entry with this index sends something, and what keeps it from sending
/// all of it.
pub(super) fn destinations(
    draft: &Draft<'_>,
    index: usize,
    channel: &Channel,
) -> (Vec<Destination>, Option<&'static str>) {
    match channel {
        Channel::Webhook(webhook) => (vec![Destination::Endpoint(webhook.endpoint.clone())], None),
        Channel::Publish(_) => (vec![Destination::Subject], None),
        Channel::Email(email) => {
            let asked = email.customer == Notify::Always
                || email.customer == Notify::OnRequest && draft.asks_to_notify(index);
            let is_unknown = asked && draft.order.customer.email.is_empty();
            let problem = "the order has no e-mail address of its customer";
            let readers = readers(email, asked, &draft.order);
            (readers, is_unknown.then_some(problem))
        }
    }
}

fn send(draft: &mut Draft<'_>, index: usize, path: &ActionPath, channel: &Channel) {
    let (destinations, problem) = destinations(draft, index, channel);
    if let Some(problem) = problem {
        draft.note(index, FAILED, &format!("{path}: {problem}"));
    }
    if let Some(entry) = draft.entries.get_mut(index) {
        entry
            .set_off
            .extend(destinations.into_iter().map(|to| SetOff {
                action: path.clone(),
                to,
            }));
    }
}

/// The mails that an action comes to. Copies reach their readers whether or not the
/// customer is written to.
fn readers(email: &Email, asked: bool, order: &Order) -> Vec<Destination> {
    let customer = asked && !order.customer.email.is_empty();
    let mut readers = Vec::new();
    if customer {
        readers.push(match email.copy_method {
            CopyMethod::Bcc if !email.copy_to.is_empty() => Readers::Customer,
            CopyMethod::Bcc | CopyMethod::Separate => Readers::CustomerAlone,
        });
    }
    match email.copy_method {
        CopyMethod::Bcc if !customer && !email.copy_to.is_empty() => readers.push(Readers::Copies),
        CopyMethod::Bcc => {}
        CopyMethod::Separate => readers.extend(email.copy_to.iter().cloned().map(Readers::Copy)),
    }
    readers.into_iter().map(Destination::Readers).collect()
}

fn write(
    draft: &mut Draft<'_>,
    index: usize,
    path: &ActionPath,
    writing: &Writing,
    budget: &mut CascadeBudget,
) -> Result<(), Rejection> {
    match written(draft, index, path, writing, &mut budget.texts) {
        Ok(None) => Ok(()),
        Ok(Some(addition)) => {
            budget.spend(addition.transition.as_ref())?;
            draft.write_automatic(addition);
            Ok(())
        }
        Err(problem) => {
            draft.note(index, FAILED, &format!("{path}: {problem}"));
            Ok(())
        }
    }
}

/// The entry that an action adds to the step; none where all is so already, and for a comment that
/// says nothing.
///
/// # Errors
/// Returns what is in its way, in words for the merchant.
pub(super) fn written(
    draft: &Draft<'_>,
    index: usize,
    path: &ActionPath,
    writing: &Writing,
    texts: &mut TextBudget,
) -> Result<Option<Addition>, String> {
    let addition = match writing {
        Writing::Comment {
            text,
            visible_to_customer,
        } => comment(draft, index, text, texts).map(|comment| {
            let says = !comment.as_str().trim().is_empty();
            says.then(|| Addition {
                comment,
                flags: CustomerFlags {
                    visible_to_customer: *visible_to_customer,
                    ..CustomerFlags::default()
                },
                ..addition(draft, Detail::Commented)
            })
        }),
        Writing::SetAttributes(attributes) => set_attributes(draft, index, attributes, texts),
        Writing::Transition(code) => further_step(draft, code).map(Some),
    };
    let caused_by = draft.entries.get(index).map_or(0, |entry| entry.sequence);
    Ok(addition?.map(|addition| Addition {
        caused_by,
        action: Some(path.clone()),
        ..addition
    }))
}

/// An addition that stays where the order stands and that the customer does not see.
fn addition(draft: &Draft<'_>, detail: Detail) -> Addition {
    Addition {
        caused_by: 0,
        action: None,
        to: draft.order.standing.clone(),
        transition: None,
        comment: Comment::default(),
        flags: CustomerFlags::default(),
        detail,
    }
}

fn filled(
    draft: &Draft<'_>,
    index: usize,
    text: &Template,
    texts: &mut TextBudget,
) -> Result<String, String> {
    let Some(entry) = draft.entries.get(index) else {
        return Ok(String::new());
    };
    text.fill_in_within(&draft.facts_after(entry), texts)
        .map_err(|error| format!("its text cannot be filled in: {error}"))
}

fn comment(
    draft: &Draft<'_>,
    index: usize,
    text: &Template,
    texts: &mut TextBudget,
) -> Result<Comment, String> {
    let text = filled(draft, index, text, texts)?;
    Comment::new(&text).map_err(|problem| sentence("the comment", &problem.to_string()))
}

fn set_attributes(
    draft: &Draft<'_>,
    index: usize,
    attributes: &BTreeMap<String, Template>,
    texts: &mut TextBudget,
) -> Result<Option<Addition>, String> {
    let mut merged = BTreeMap::new();
    for (key, text) in attributes {
        let value = filled(draft, index, text, texts)
            .map_err(|problem| format!("attribute {key}: {problem}"))?;
        merged.insert(key.clone(), Some(value).filter(|value| !value.is_empty()));
    }
    let mut changes = Vec::new();
    let patch = AttributesPatch::Merge(merged);
    update::attributes(draft, Some(&patch), &mut changes).map_err(|refused| refused.to_string())?;
    Ok((!changes.is_empty()).then(|| addition(draft, Detail::Updated(changes))))
}

fn further_step(draft: &Draft<'_>, code: &TransitionCode) -> Result<Addition, String> {
    draft.movable().map_err(|refused| refused.to_string())?;
    let Some(transition) = draft.workflow().transition(code) else {
        return Err(format!("there is no transition {code}"));
    };
    let judged = judge(draft, transition, None, Taker::Call);
    match judged.map_err(|closed| closed.why(transition)) {
        Ok(open) => Ok(draft.further_step(0, open)),
        Err(Err(refused)) => Err(refused.to_string()),
        Err(Ok(why)) => {
            let Standing { state, status } = &draft.order.standing;
            Err(format!(
                "transition {code} {why}, the order stands in {state}/{status}"
            ))
        }
    }
}
