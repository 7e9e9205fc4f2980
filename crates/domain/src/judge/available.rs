//! The steps that are available for an order, judged by the code that takes them.

use std::collections::BTreeSet;

use super::{
    allowed::try_out, cascade, comment, draft::Draft, graph::Graph, target::Settable,
    transition::Closed,
};
use crate::{
    actor::Actor,
    guard::CostBudget,
    order::{Context, Order, Rejection},
    value::{Comment, Metadata, StatusCode, Timestamp, TransitionCode},
    workflow::Standing,
};

/// A call by an actor that says nothing.
fn silent(actor: &Actor) -> Context {
    Context {
        actor: actor.clone(),
        comment: Comment::default(),
        notify_customer: false,
        visible_to_customer: false,
        metadata: Metadata::default(),
        request_id: None,
    }
}

/// Judges every transition that a call might take, by the code that takes them: where it would
/// lead, or why it may not be taken now. Their guards share the budget; those that it does not
/// suffice for are refused by that, which is not what a call would hear.
pub fn available_within(
    budget: &CostBudget,
    graph: &Graph,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Vec<(TransitionCode, Result<Standing, Rejection>)> {
    let context = silent(actor);
    let draft = Draft::new(graph, &context, order.clone(), now.into(), budget);
    let movable = draft.movable();
    let judged = graph.manual_transitions().map(|transition| {
        let answer = match &movable {
            Ok(()) => try_out(&draft, transition),
            Err(rejection) => Err(Closed::Refused(rejection.clone())),
        };
        (transition, answer)
    });
    let judged: Vec<_> = judged.collect();
    let open = judged.iter().filter(|(_, answer)| answer.is_ok());
    let allowed: Vec<_> = open.map(|(it, _)| it.code.clone()).collect();
    let told = judged.into_iter().map(|(transition, answer)| {
        let answer =
            answer.map_err(|closed| closed.into_rejection(&draft, transition, || allowed.clone()));
        (transition.code.clone(), answer)
    });
    told.collect()
}

/// Judges every other status of the present state that a comment may set, by position, then code:
/// by which transition, or none where the comment sets it by itself, or why it may not be set now.
/// Those that comments of this workflow never set are left out. The guards share the budget; what
/// is answered once that is exhausted is not what a call would hear.
pub fn comment_statuses_within(
    budget: &CostBudget,
    graph: &Graph,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Vec<(StatusCode, Result<Option<TransitionCode>, Rejection>)> {
    let context = silent(actor);
    let draft = Draft::new(graph, &context, order.clone(), now.into(), budget);
    let Standing { state, status } = &draft.order.standing;
    let workflow = graph.workflow();
    let here = workflow.assignments_of(state).map(|pair| &pair.status);
    let here: BTreeSet<_> = here.collect();
    let settable = Settable::new(&draft);
    let others = workflow.statuses.iter().map(|other| &other.code);
    let others = others.filter(|other| *other != status && here.contains(other));
    let judged = others.filter_map(|other| {
        let answer = comment::try_status(&draft, &settable, other)?;
        Some((other.clone(), answer))
    });
    judged.collect()
}

/// The automatic transition that [`Action::Settle`](crate::order::Action::Settle) would take first
/// for an order as it stands, asked for by this actor; none also where the budget does not suffice.
pub fn settles_by(
    budget: &CostBudget,
    graph: &Graph,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Option<TransitionCode> {
    let context = silent(actor);
    let draft = Draft::new(graph, &context, order.clone(), now.into(), budget);
    let open = cascade::settling(&draft).filter(|_| !budget.is_exhausted())?;
    Some(open.transition)
}
