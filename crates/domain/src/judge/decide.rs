//! Deciding what a command means. The rules are the contract's; this file only
//! says in which order they are asked.

use super::{
    cascade, comment,
    draft::Draft,
    graph::Graph,
    hint, holding,
    operation::{self, OperationRequest},
    target, timer, transition, update,
};
use crate::{
    guard::CostBudget,
    history::{Detail, Entry, Moment},
    order::{Action, Command, Context, Credits, NewOrder, Order, Rejection, Wait},
    value::{Money, StateCode, StatusCode},
    workflow::{Category, Standing, State, Workflow},
};

/// Decides how a new order starts: its first entry and the automatic ones after it.
///
/// # Errors
/// Returns [`Rejection`] when a version is expected of it, when the order may not start there or
/// its lines are wrong.
pub fn create(
    graph: &Graph,
    new: &NewOrder,
    context: &Context,
    moment: impl Into<Moment>,
) -> Result<Vec<Entry>, Rejection> {
    create_within(&CostBudget::new(), graph, new, context, moment)
}

/// Leaves in `budget`, which is that of one step, what the guards cost.
pub(super) fn create_within(
    budget: &CostBudget,
    graph: &Graph,
    new: &NewOrder,
    context: &Context,
    moment: impl Into<Moment>,
) -> Result<Vec<Entry>, Rejection> {
    let moment = moment.into();
    let now = moment.time;
    new.check_version()?;
    let standing = start(graph.workflow(), new)
        .map_err(|rejection| hint::at_start(graph.workflow(), new, rejection))?;
    let order = Order {
        workflow: new.workflow.clone(),
        id: new.id.clone(),
        standing: standing.clone(),
        version: 0,
        lines: update::created_lines(new)?,
        whole: None,
        currency: new.currency.clone(),
        grand_total: new.grand_total,
        total_paid: Money::ZERO,
        total_refunded: Money::ZERO,
        total_canceled: Money::ZERO,
        total_invoiced: Money::ZERO,
        credited: Money::ZERO,
        credits: Credits::default(),
        unreckoned: None,
        store_view: new.store_view.clone(),
        customer: new.customer.clone(),
        attributes: new.attributes.clone(),
        holds: Vec::new(),
        return_to: None,
        create_time: now,
        update_time: now,
        status_time: now,
        // What waits for its time waits by the clock.
        wait: moment.ahead_micros().map(|_| Wait::Since(moment.clock)),
    };
    let mut draft = Draft::new(graph, context, order, moment, budget);
    transition::enterable(&draft, &standing.status)?;
    target::may_start(&draft)?;
    transition::entry_guard(&draft, &standing.state, None)?;
    let created = Order {
        version: 1,
        ..draft.order.clone()
    };
    draft.write(standing, None, Detail::Created(Box::new(created)));
    let settled = cascade::run(&mut draft);
    draft.within_budget()?;
    settled?;
    timer::note_unread(&mut draft);
    Ok(draft.entries)
}

/// Decides what a command means for an order: the entry of the call and the
/// automatic ones that it sets off. There are none only for an update that changes
/// nothing and says nothing, and for a settling of an order of which no automatic
/// transition applies.
///
/// # Errors
/// Returns [`Rejection`] when a rule of the workflow forbids the command.
pub fn decide(
    graph: &Graph,
    order: &Order,
    command: &Command,
    moment: impl Into<Moment>,
) -> Result<Vec<Entry>, Rejection> {
    decide_within(&CostBudget::new(), graph, order, command, moment)
}

/// Leaves in `budget`, which is that of one step, what the guards cost; a refusal has asked some as
/// well.
pub(super) fn decide_within(
    budget: &CostBudget,
    graph: &Graph,
    order: &Order,
    command: &Command,
    moment: impl Into<Moment>,
) -> Result<Vec<Entry>, Rejection> {
    let (order, moment) = (order.clone(), moment.into());
    let mut draft = Draft::new(graph, &command.context, order, moment, budget);
    let decided = carry_out(&mut draft, command);
    draft.within_budget()?;
    decided.map_err(|rejection| hint::on_step(&draft, &command.action, rejection))?;
    timer::note_unread(&mut draft);
    Ok(draft.entries)
}

fn carry_out(draft: &mut Draft<'_>, command: &Command) -> Result<(), Rejection> {
    names(draft, &command.action)?;
    let current = draft.order.version;
    if let Some(expected) = command.expected_version
        && expected != current
    {
        return Err(Rejection::VersionMismatch { expected, current });
    }
    match &command.action {
        Action::Transition(target) => target::take(draft, target),
        Action::RecordOperation {
            operation,
            lines,
            amount,
            reverse,
        } => {
            let asked = OperationRequest {
                lines,
                amount: *amount,
                reverse: *reverse,
                with_step: false,
            };
            operation::record(draft, operation, asked)
        }
        Action::Hold {
            reason,
            status,
            expire_time,
        } => holding::hold(draft, reason, status.as_ref(), *expire_time),
        Action::Release { hold } => holding::release(draft, hold.as_ref()),
        Action::Comment { status } => comment::comment(draft, status.as_ref()),
        Action::Update(patch) => update::update(draft, patch),
        Action::Settle => {
            cascade::settle(draft);
            Ok(())
        }
        // It has tried what follows by itself.
        Action::TimeUp => return timer::fire(draft),
    }?;
    if draft.entries.is_empty() {
        return Ok(());
    }
    cascade::run(draft)
}

/// Refuses names that the workflow does not have, before the version is compared.
fn names(draft: &Draft<'_>, action: &Action) -> Result<(), Rejection> {
    let workflow = draft.workflow();
    match action {
        Action::Transition(target) => target::known(workflow, target),
        Action::RecordOperation { operation, .. } => {
            operation::known(workflow, operation).map(|_| ())
        }
        Action::Hold { status, .. } | Action::Comment { status } => {
            transition::known_status(workflow, status.as_ref())
        }
        Action::Release { .. } | Action::Update(_) | Action::Settle | Action::TimeUp => Ok(()),
    }
}

fn start(workflow: &Workflow, new: &NewOrder) -> Result<Standing, Rejection> {
    let code = new.state.as_ref().unwrap_or(&workflow.initial_state);
    let Some(state) = workflow.state(code) else {
        let state = code.clone();
        return Err(Rejection::StateNotFound { state });
    };
    transition::known_status(workflow, new.status.as_ref())?;
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
