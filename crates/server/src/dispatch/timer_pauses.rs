//! The pauses of orders whose timers fail, and pages of due orders with those that are to pause.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use waymark_domain::{partition::Partition, value::WorkflowCode};
use waymark_persistence::{DueOrder, DueRow, Error, TimerKey};

use super::pauses::Pauses;
use crate::telemetry::chain;

/// How long orders wait whose workflow cannot be used. Who mends it makes them due at once.
pub(super) const WORKFLOW_PAUSE: Duration = Duration::from_mins(1);
/// How long an order waits whose own timer fails: at first, and after a few times.
const ORDER_PAUSE: Duration = Duration::from_mins(1);
const ORDER_PAUSE_LONG: Duration = Duration::from_hours(1);
/// After how many pauses an order waits longer.
const SHORT_PAUSES: u32 = 3;
/// How many orders are remembered at most.
const REMEMBERED_MAX: usize = 10_000;
/// How many orders are left alone at most that the database does not put off.
const LEFT_ALONE_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct TimerPauses {
    /// How often an order has paused in a version.
    orders: BTreeMap<TimerKey, u32>,
    /// Those that the database does not put off, so that they are found due again and again.
    left_alone: Pauses<TimerKey>,
    /// The workflows that cannot be used, once that was logged.
    workflows: BTreeSet<WorkflowCode>,
}

impl TimerPauses {
    /// How long an order waits now.
    pub(super) fn of_order(&mut self, key: TimerKey) -> Duration {
        if self.orders.len() >= REMEMBERED_MAX && !self.orders.contains_key(&key) {
            // They begin anew, which costs a few lines of log.
            self.orders.clear();
        }
        let paused = self.orders.entry(key).or_default();
        *paused = paused.saturating_add(1);
        if *paused > SHORT_PAUSES {
            ORDER_PAUSE_LONG
        } else {
            ORDER_PAUSE
        }
    }

    /// Leaves an order alone that the database does not put off; says whether it is the first time.
    pub(super) fn leave_alone(&mut self, key: TimerKey) -> bool {
        if self.left_alone.count() >= LEFT_ALONE_MAX && !self.left_alone.is_known(&key) {
            self.left_alone = Pauses::default();
        }
        self.left_alone.failed(key)
    }

    /// Forgets that an order was left alone.
    pub(super) fn put_off(&mut self, key: TimerKey) {
        self.left_alone.worked(&key);
    }

    pub(super) fn is_left_alone(&self, key: TimerKey) -> bool {
        self.left_alone.is_paused(&key)
    }

    /// How many orders may be found due that are left alone.
    pub(super) fn left_alone(&self) -> i64 {
        i64::try_from(self.left_alone.count()).unwrap_or(i64::MAX)
    }

    /// Whether it was not logged yet that a workflow cannot be used.
    pub(super) fn is_new(&mut self, workflow: &WorkflowCode) -> bool {
        !self.workflows.contains(workflow) && self.workflows.insert(workflow.clone())
    }

    /// Notes that a workflow can be used.
    pub(super) fn forget(&mut self, workflow: &WorkflowCode) {
        self.workflows.remove(workflow);
    }
}

/// The due orders of a partition that were taken at once.
pub(super) struct DuePage {
    pub(super) partition: Partition,
    /// Those that pause, and for how long.
    pub(super) paused: BTreeMap<Duration, Vec<Pausing>>,
    /// Whether anything was done, so that something else is found next.
    pub(super) has_moved: bool,
    /// The error where the database as a whole does not answer.
    pub(super) error: Option<Error>,
}

impl DuePage {
    pub(super) fn new(partition: Partition) -> Self {
        Self {
            partition,
            paused: BTreeMap::new(),
            has_moved: false,
            error: None,
        }
    }

    pub(super) fn pause(&mut self, pausing: Pausing, wait: Duration) {
        self.paused.entry(wait).or_default().push(pausing);
    }
}

pub(super) struct Pausing {
    pub(super) row: DueRow,
    pub(super) order: String,
    pub(super) workflow: String,
    /// The message of the log and the error; none where its workflow is what cannot be used.
    pub(super) why: Option<(&'static str, String)>,
}

impl Pausing {
    pub(super) fn new(due: &DueOrder, why: Option<(&'static str, String)>) -> Self {
        Self {
            row: due.row(),
            order: due.order.id.to_string(),
            workflow: due.order.workflow.to_string(),
            why,
        }
    }

    pub(super) fn log(&self, wait: Duration) {
        if let Some((what, error)) = &self.why {
            tracing::error!(
                order.id = self.order,
                workflow = self.workflow,
                wait_s = wait.as_secs(),
                cause = what,
                error,
                "timer paused"
            );
        }
    }

    /// Logs that the database does not let it pause.
    pub(super) fn log_refused(&self, refused: &Error) {
        let why = self.why.as_ref().map(|(_, error)| error.as_str());
        tracing::error!(
            order.id = self.order,
            workflow = self.workflow,
            error = chain(refused),
            timer = why.unwrap_or("its workflow cannot be used"),
            "timer pause refused by the database; leaving the timer alone"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_logged_once_until_it_is_mended() {
        let mut pauses = TimerPauses::default();
        let code = |code| WorkflowCode::new(code).unwrap();
        assert!(pauses.is_new(&code("order")));
        assert!(!pauses.is_new(&code("order")));
        assert!(pauses.is_new(&code("rental")));
        pauses.forget(&code("order"));
        assert!(pauses.is_new(&code("order")));
    }
}
