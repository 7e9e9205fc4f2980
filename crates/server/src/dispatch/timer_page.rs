//! A page of due orders, and those of it that pause.

use std::{collections::BTreeMap, time::Duration};

use waymark_domain::partition::Partition;
use waymark_persistence::{DueOrder, DueRow, Error};

use crate::telemetry::chain;

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

/// A due order that is to pause.
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

    /// Logs that it pauses.
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
