//! Deciding what a command means. The rules are the contract's; this file only
//! says in which order they are asked.

use super::{
    Action, Command, Context, NewOrder, Order, Rejection, Standing, cascade,
    draft::Draft,
    holding, operation, timer,
    transition::{self, Closed},
    update,
};
use crate::{
    actor::Actor,
    history::{Detail, Entry},
    value::{Comment, Invalid, Metadata, Money, StateCode, StatusCode, Timestamp, TransitionCode},
    workflow::{Category, CommentStatus, Graph, State, Workflow},
};

/// Decides how a new order starts: its first entry and the automatic ones after it.
///
/// # Errors
/// Returns [`Rejection`] when the order may not start there or its lines are wrong.
pub fn create(
    graph: &Graph,
    new: &NewOrder,
    context: &Context,
    now: Timestamp,
) -> Result<Vec<Entry>, Rejection> {
    let standing = start(graph.workflow(), new)?;
    let order = Order {
        workflow: new.workflow.clone(),
        id: new.id.clone(),
        standing: standing.clone(),
        version: 0,
        lines: update::new_lines(&new.lines)?,
        currency: new.currency.clone(),
        grand_total: new.grand_total,
        total_paid: Money::ZERO,
        total_refunded: Money::ZERO,
        store_view: new.store_view.clone(),
        customer: new.customer.clone(),
        attributes: new.attributes.clone(),
        holds: Vec::new(),
        return_to: None,
        create_time: now,
        update_time: now,
        status_time: now,
        wait: None,
    };
    let mut draft = Draft::new(graph, context, order, now);
    transition::enterable(&draft, &standing.status)?;
    transition::entry_guard(&draft, &standing.state, None, &context.actor)?;
    let created = Order {
        version: 1,
        ..draft.order.clone()
    };
    draft.write(standing, None, Detail::Created(Box::new(created)));
    cascade::run(&mut draft)?;
    Ok(draft.entries)
}

/// Decides what a command means for an order: the entry of the call and the
/// automatic ones that it sets off, never none.
///
/// # Errors
/// Returns [`Rejection`] when a rule of the workflow forbids the command.
pub fn decide(
    graph: &Graph,
    order: &Order,
    command: &Command,
    now: Timestamp,
) -> Result<Vec<Entry>, Rejection> {
    let mut draft = Draft::new(graph, &command.context, order.clone(), now);
    names(&draft, &command.action)?;
    if let Some(expected) = command
        .expected_version
        .filter(|expected| *expected != order.version)
    {
        return Err(Rejection::VersionMismatch {
            expected,
            current: order.version,
        });
    }
    match &command.action {
        Action::Transition(target) => transition::take(&mut draft, target),
        Action::RecordOperation {
            operation,
            lines,
            amount,
        } => operation::record(&mut draft, operation, lines, *amount),
        Action::Hold {
            reason,
            status,
            expire_time,
        } => holding::hold(&mut draft, reason, status.as_ref(), *expire_time),
        Action::Release { hold } => holding::release(&mut draft, hold.as_ref()),
        Action::Comment { status } => comment(&mut draft, status.as_ref()),
        Action::Update(patch) => update::update(&mut draft, patch),
        Action::TimeUp => timer::fire(&mut draft),
    }?;
    cascade::run(&mut draft)?;
    Ok(draft.entries)
}

/// Judges every transition that a call might take, by the code that takes them:
/// where it would lead, or why it may not be taken now.
pub fn available(
    graph: &Graph,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Vec<(TransitionCode, Result<Standing, Rejection>)> {
    let context = Context {
        actor: actor.clone(),
        comment: Comment::default(),
        notify_customer: false,
        visible_to_customer: false,
        metadata: Metadata::default(),
        request_id: None,
    };
    let draft = Draft::new(graph, &context, order.clone(), now);
    let movable = transition::movable(&draft);
    let not_allowed = transition::not_allowed(&draft);
    let judged = graph.manual_transitions().map(|transition| {
        let answer = movable.clone().and_then(|()| {
            transition::try_out(&draft, transition).map_err(|closed| match closed {
                Closed::NotDeclared => not_allowed.clone(),
                Closed::Refused(rejection) => rejection,
            })
        });
        (transition.code.clone(), answer)
    });
    judged.collect()
}

/// Refuses names that the workflow does not have, before the version is compared.
fn names(draft: &Draft<'_>, action: &Action) -> Result<(), Rejection> {
    match action {
        Action::Transition(target) => transition::known(draft.graph, target),
        Action::RecordOperation { operation, .. } => operation::known(draft, operation),
        Action::Hold { status, .. } | Action::Comment { status } => {
            holding::known(draft, status.as_ref())
        }
        Action::Release { .. } | Action::Update(_) | Action::TimeUp => Ok(()),
    }
}

fn start(workflow: &Workflow, new: &NewOrder) -> Result<Standing, Rejection> {
    let code = new.state.as_ref().unwrap_or(&workflow.initial_state);
    let Some(state) = workflow.state(code) else {
        return Err(Rejection::StateNotFound {
            state: code.clone(),
        });
    };
    if let Some(status) = new
        .status
        .as_ref()
        .filter(|status| workflow.status(status).is_none())
    {
        return Err(Rejection::StatusNotFound {
            status: status.clone(),
        });
    }
    let may_start = |state: &State| state.can_start && state.category != Category::Held;
    if !may_start(state) {
        let allowed = workflow.states.iter().filter(|state| may_start(state));
        return Err(Rejection::StateCannotStart {
            state: code.clone(),
            allowed: allowed.map(|state| state.code.clone()).collect(),
        });
    }
    let status = starting_status(workflow, code, new.status.as_ref())?;
    Ok(Standing {
        state: code.clone(),
        status,
    })
}

fn starting_status(
    workflow: &Workflow,
    state: &StateCode,
    status: Option<&StatusCode>,
) -> Result<StatusCode, Rejection> {
    match status.or_else(|| workflow.default_status(state)) {
        None => Err(Rejection::StateWithoutStatus {
            state: state.clone(),
        }),
        Some(status) if workflow.assignment(state, status).is_none() => {
            Err(Rejection::StatusNotInState {
                state: state.clone(),
                status: status.clone(),
            })
        }
        Some(status) => Ok(status.clone()),
    }
}

/// Comments on an order and perhaps moves it to another status of its state.
fn comment(draft: &mut Draft<'_>, status: Option<&StatusCode>) -> Result<(), Rejection> {
    let mut to = draft.order.standing.clone();
    let other = status.filter(|status| **status != to.status);
    if other.is_none() && draft.context.comment.is_empty() {
        return Err(Rejection::Field {
            field: "comment",
            problem: Invalid::Empty,
        });
    }
    if let Some(status) = other {
        if draft.workflow().comment_status == CommentStatus::Never {
            return Err(Rejection::CommentStatusNever {
                standing: draft.order.standing.clone(),
                allowed: transition::allowed(draft),
            });
        }
        transition::assigned(draft, &to.state, status)?;
        transition::enterable(draft, status)?;
        to.status = status.clone();
    }
    draft.write(to, None, Detail::Commented);
    Ok(())
}
