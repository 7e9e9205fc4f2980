//! Steps of time alone: those that come some time after a status was entered or on a date of the
//! order's own, and holds that expire. While an order is on hold, the clock of its status stands
//! still.

use super::{
    cascade,
    draft::{CustomerFlags, Draft},
    graph::Graph,
    holding,
    transition::{Taker, judge},
};
use crate::{
    guard::CostBudget,
    history::{Change, Detail, Entry},
    order::{Hold, Order, Rejection, wait_start},
    value::{Timestamp, TransitionCode},
    workflow::{Transition, Trigger},
};

/// The budget for the dates of one order together, in steps of evaluation: as much as that of a
/// single guard may. Those that it does not suffice for are none.
const DATES_STEPS_MAX: u64 = 100_000;

impl Graph {
    /// When time alone will next do something with an order, perhaps in the past; none for never.
    pub fn due_time(&self, order: &Order) -> Option<Timestamp> {
        if self.is_without_timers() && order.return_to.is_none() {
            return None;
        }
        due_times(self, order).into_iter().min()
    }

    /// When time alone will next do something with an order after an instant; none for never.
    pub fn due_after(&self, order: &Order, instant: Timestamp) -> Option<Timestamp> {
        let due = due_times(self, order).into_iter();
        due.filter(|due| *due > instant).min()
    }

    /// The transitions that time would take by an instant from where the order stands, if they were
    /// allowed. On hold there are none.
    pub fn due_transitions(&self, order: &Order, instant: Timestamp) -> Vec<&TransitionCode> {
        if order.return_to.is_some() {
            return Vec::new();
        }
        let due = timed(self, order).into_iter();
        let due = due.filter(|(_, at)| *at <= instant);
        due.map(|(it, _)| &it.code).collect()
    }
}

/// Every instant at which time alone does something with the order, as it stands now.
fn due_times(graph: &Graph, order: &Order) -> Vec<Timestamp> {
    if order.return_to.is_some() {
        let holds = order.holds.iter();
        return holds.filter_map(|hold| hold.expire_time).collect();
    }
    let timed = timed(graph, order).into_iter();
    timed.map(|(_, due)| due).collect()
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
    let timed = timed.filter(|it| it.trigger.is_timed() && it.leaves(standing));
    timed.filter_map(|it| Some((it, due(it)?))).collect()
}

/// The first transition from where the order stands whose date cannot be read, and why. That an
/// attribute is not there is no fault: it may be set yet.
fn unread(graph: &Graph, order: &Order) -> Option<String> {
    let (workflow, standing) = (graph.workflow(), &order.standing);
    if workflow.state(&standing.state)?.terminal {
        return None;
    }
    let budget = CostBudget::of(DATES_STEPS_MAX);
    let transitions = workflow.transitions.iter();
    let mut dated = transitions.filter(|it| it.trigger.date().is_some() && it.leaves(standing));
    dated.find_map(|it| {
        let date = graph.instant(&it.code)?;
        let problem = date.reckon(workflow, order, &budget).err()?;
        let is_fault = !problem.is_of_missing_key() && !budget.is_exhausted();
        is_fault.then(|| format!("{}: {problem}", it.code))
    })
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
        let flags = CustomerFlags::of_holds(&expired);
        let expired = expired.iter().map(|hold| hold.id.clone()).collect();
        draft.made_by_time(flags);
        holding::release_these(draft, return_to, expired);
        return cascade::run(draft);
    }
    let is_put_right = moment.put_wait_right(&mut draft.order);
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

/// Takes the first transition that is due and open, with all that it sets off, and says whether
/// there is one. Where what follows is refused, the next one has its turn, so that none blocks the
/// others. A step that keeps the status keeps its clock as well, and would be due at once again.
///
/// # Errors
/// Returns the first refusal where no other one is open.
fn take_due(draft: &mut Draft<'_>) -> Result<bool, Rejection> {
    let clock = draft.clock();
    let due = timed(draft.graph, &draft.order).into_iter();
    let mut refusal = None;
    for (transition, _) in due.filter(|(_, at)| *at <= clock) {
        let Ok(open) = judge(draft, transition, None, Taker::Time) else {
            continue;
        };
        if open.to.status == draft.order.standing.status {
            continue;
        }
        let mut trial = draft.fork()?;
        trial.made_by_time(CustomerFlags::of(transition));
        trial.take(open);
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
