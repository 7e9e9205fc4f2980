//! How long orders wait whose timers cannot be fired, and what was said of that.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use waymark_domain::value::WorkflowCode;
use waymark_persistence::TimerKey;

/// How long orders wait whose workflow cannot be used. Who mends it makes them due at once.
pub(super) const WORKFLOW_PAUSE: Duration = Duration::from_mins(1);
/// How long an order waits whose own timer fails: at first, and after a few times.
const ORDER_PAUSE: Duration = Duration::from_mins(1);
const ORDER_PAUSE_LONG: Duration = Duration::from_hours(1);
/// After how many pauses an order waits longer.
const SHORT_PAUSES: u32 = 3;
/// How many orders are remembered at most.
const REMEMBERED_MAX: usize = 10_000;

/// Which timers of this process pause.
#[derive(Debug, Default)]
pub(super) struct TimerPauses {
    /// How often an order has paused in a version.
    orders: BTreeMap<TimerKey, u32>,
    /// The workflows of which it was said that they cannot be used.
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

    /// Whether it was not said yet that a workflow cannot be used.
    pub(super) fn is_new(&mut self, workflow: &WorkflowCode) -> bool {
        !self.workflows.contains(workflow) && self.workflows.insert(workflow.clone())
    }

    /// Notes that a workflow can be used.
    pub(super) fn forget(&mut self, workflow: &WorkflowCode) {
        self.workflows.remove(workflow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_told_once_until_it_is_mended() {
        let mut pauses = TimerPauses::default();
        let code = |code| WorkflowCode::new(code).unwrap();
        assert!(pauses.is_new(&code("order")));
        assert!(!pauses.is_new(&code("order")));
        assert!(pauses.is_new(&code("rental")));
        pauses.forget(&code("order"));
        assert!(pauses.is_new(&code("order")));
    }
}
