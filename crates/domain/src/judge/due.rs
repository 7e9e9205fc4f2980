//! Steps that are due by time alone: those that come some time after a status was entered or on a
//! date of the order's own, and holds that expire.

use super::graph::Graph;
use crate::{
    guard::CostBudget,
    order::{Order, wait_start},
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
pub(super) fn timed<'g>(graph: &'g Graph, order: &Order) -> Vec<(&'g Transition, Timestamp)> {
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
pub(super) fn unread(graph: &Graph, order: &Order) -> Option<String> {
    let (workflow, standing) = (graph.workflow(), &order.standing);
    if workflow.state(&standing.state)?.terminal {
        return None;
    }
    let budget = CostBudget::of(DATES_STEPS_MAX);
    let mut dated = workflow
        .transitions
        .iter()
        .filter(|it| matches!(it.trigger, Trigger::At(_)) && it.leaves(standing));
    dated.find_map(|it| {
        let date = graph.instant(&it.code)?;
        let problem = date.reckon(workflow, order, &budget).err()?;
        let is_fault = !problem.is_of_missing_key() && !budget.is_exhausted();
        is_fault.then(|| format!("{}: {problem}", it.code))
    })
}
