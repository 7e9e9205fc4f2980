//! What time alone does: steps that come some time after a status was entered or on a date of the
//! order's own, and holds that expire. While an order is on hold, the clock of its status stands
//! still.

use serde::{Deserialize, Serialize};

use super::{
    Hold, Moment, Order, Rejection, cascade,
    draft::{Draft, Told},
    holding,
    transition::{Taker, judge, leaves},
};
use crate::{
    guard::CostBudget,
    history::{Change, Detail, Entry},
    value::{Timestamp, TransitionCode},
    workflow::{Graph, Transition, Trigger},
};

/// What reckoning the dates of one order may cost together, in steps of evaluation: as much as a
/// single guard may. Those that it does not suffice for are none.
const DATES_STEPS_MAX: u64 = 100_000;

/// How long an order has waited in its status, where a hold came between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// As if it had entered its status at this instant.
    Since(Timestamp),
    /// The order is on hold; it had waited for so many microseconds.
    Paused(i64),
}

impl Wait {
    /// The wait of an order that is put on hold now.
    pub(super) fn paused(order: &Order, now: Timestamp) -> Self {
        let waited = now.micros().saturating_sub(wait_start(order).micros());
        // After a clock that was ahead, it has begun at an instant that is yet to come.
        Self::Paused(waited.max(0))
    }

    /// The wait of an order that is released now.
    pub(super) fn resumed(order: &Order, now: Timestamp) -> Option<Self> {
        match order.wait {
            Some(Self::Paused(waited)) => {
                let start = now.micros().saturating_sub(waited);
                Some(Self::Since(Timestamp::from_micros(start)))
            }
            // Orders that were held before waits were kept begin anew.
            Some(Self::Since(_)) | None => None,
        }
    }
}

/// The instant from which the time in the present status counts. It is yet to come where the
/// order entered its status under a clock that was ahead.
pub fn wait_start(order: &Order) -> Timestamp {
    match order.wait {
        Some(Wait::Since(instant)) => instant,
        Some(Wait::Paused(_)) | None => order.status_time,
    }
}

/// Every instant at which time alone does something with the order, as it stands now.
pub(crate) fn due_times(graph: &Graph, order: &Order) -> Vec<Timestamp> {
    if order.return_to.is_some() {
        let holds = order.holds.iter();
        return holds.filter_map(|hold| hold.expire_time).collect();
    }
    let timed = timed(graph, order).into_iter();
    timed.map(|(_, due)| due).collect()
}

/// The transitions that time would take by an instant from where the order stands, if they were
/// allowed. On hold there are none.
pub(crate) fn due_transitions<'g>(
    graph: &'g Graph,
    order: &Order,
    instant: Timestamp,
) -> Vec<&'g TransitionCode> {
    if order.return_to.is_some() {
        return Vec::new();
    }
    let due = timed(graph, order).into_iter();
    let due = due.filter(|(_, at)| *at <= instant);
    due.map(|(it, _)| &it.code).collect()
}

/// The transitions that time takes from where the order stands, with when.
fn timed<'g>(graph: &'g Graph, order: &Order) -> Vec<(&'g Transition, Timestamp)> {
    let (workflow, standing) = (graph.workflow(), &order.standing);
    let state = workflow.state(&standing.state);
    if state.is_some_and(|state| state.terminal) {
        return Vec::new();
    }
    let budget = CostBudget::of(DATES_STEPS_MAX);
    let due = |transition: &Transition| match &transition.trigger {
        Trigger::After(period) => Some(period.after(wait_start(order))),
        Trigger::At(_) => {
            let date = graph.instant(&transition.code)?;
            date.reckon(workflow, order, &budget).ok().flatten()
        }
        Trigger::Manual | Trigger::OnOperations(_) | Trigger::Automatic => None,
    };
    let timed = workflow.transitions.iter();
    let timed = timed.filter(|it| it.trigger.is_timed() && leaves(it, standing));
    timed.filter_map(|it| Some((it, due(it)?))).collect()
}

/// Notes on the last entry of a step which date cannot be read where the order stands now, so that
/// it waits in vain. That an attribute is not there is no fault: it may be set yet.
pub(super) fn note_unread(draft: &mut Draft<'_>) {
    let is_held = draft.order.return_to.is_some();
    if is_held || !draft.entries.iter().any(may_change_dates) {
        return;
    }
    if let Some(note) = unread(draft.graph, &draft.order) {
        draft.note_last("waymark.date_failed", &note);
    }
}

/// Whether an entry brought the order somewhere, or changed an attribute.
fn may_change_dates(entry: &Entry) -> bool {
    let is_attribute = |change: &Change| matches!(change, Change::Attribute { .. });
    let is_set =
        matches!(&entry.detail, Detail::Updated(changes) if changes.iter().any(is_attribute));
    is_set || entry.from.as_ref() != Some(&entry.to)
}

/// The first transition from where the order stands whose date cannot be read, and why.
fn unread(graph: &Graph, order: &Order) -> Option<String> {
    let (workflow, standing) = (graph.workflow(), &order.standing);
    if workflow.state(&standing.state)?.terminal {
        return None;
    }
    let budget = CostBudget::of(DATES_STEPS_MAX);
    let mut dated = workflow
        .transitions
        .iter()
        .filter(|it| matches!(it.trigger, Trigger::At(_)) && leaves(it, standing));
    dated.find_map(|it| {
        let date = graph.instant(&it.code)?;
        let problem = date.reckon(workflow, order, &budget).err()?;
        let is_fault = !problem.is_of_missing_key() && !budget.is_exhausted();
        is_fault.then(|| format!("{}: {problem}", it.code))
    })
}

/// Moves the wait of an order back that began under a clock that was ahead, at an instant that is
/// yet to come. Says whether it did.
pub(super) fn put_wait_right(order: &mut Order, moment: &Moment) -> bool {
    let start = wait_start(order);
    let Some(ahead) = moment.ahead_micros() else {
        return false;
    };
    if order.return_to.is_some() || start <= moment.clock {
        return false;
    }
    let start = start.micros().saturating_sub(ahead);
    order.wait = Some(Wait::Since(Timestamp::from_micros(start)));
    true
}

/// Does what is due by the clock, with all that it sets off: releases the holds that have expired,
/// or takes the first transition that is due and allowed.
///
/// # Errors
/// Returns [`Rejection::NothingDue`] when nothing is, and why what is due cannot be done.
pub(super) fn fire(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let moment = draft.moment();
    if let Some(return_to) = draft.order.return_to.clone() {
        let holds = draft.order.holds.iter();
        let is_over = |at: Timestamp| at <= moment.clock;
        let expired = holds.filter(|hold| hold.expire_time.is_some_and(is_over));
        let expired: Vec<&Hold> = expired.collect();
        if expired.is_empty() {
            return Err(Rejection::NothingDue);
        }
        let told = Told::of_holds(&expired);
        let expired = expired.iter().map(|hold| hold.id.clone()).collect();
        draft.made_by_time(told);
        holding::release_these(draft, return_to, expired);
        return cascade::run(draft);
    }
    let is_put_right = put_wait_right(&mut draft.order, &moment);
    if take_due(draft)? {
        return Ok(());
    }
    if is_put_right {
        let standing = draft.order.standing.clone();
        draft.write(standing, None, Detail::Updated(Vec::new()));
        return cascade::run(draft);
    }
    Err(Rejection::NothingDue)
}

/// Takes the first way that is due and open, with all that it sets off, and says whether there is
/// one. Where what follows is refused, the next one has its turn, so that none blocks the others.
/// A step that keeps the status keeps its clock as well, and would be due at once again.
///
/// # Errors
/// Returns the first refusal where no other way is open.
fn take_due(draft: &mut Draft<'_>) -> Result<bool, Rejection> {
    let clock = draft.clock();
    let due = timed(draft.graph, &draft.order).into_iter();
    let mut refusal = None;
    for (transition, _) in due.filter(|(_, at)| *at <= clock) {
        let Ok(way) = judge(draft, transition, None, Taker::Time) else {
            continue;
        };
        if way.to.status == draft.order.standing.status {
            continue;
        }
        let mut trial = draft.fork()?;
        trial.made_by_time(Told::of(transition));
        trial.take(way);
        match cascade::run(&mut trial) {
            Ok(()) => {
                *draft = trial;
                return Ok(true);
            }
            Err(rejection) => refusal = refusal.or(Some(rejection)),
        }
    }
    refusal.map_or(Ok(false), Err)
}
