//! How long steps may be decided while others wait. Turns are measured by the clock;
//! what is refused for its length is measured by the time of the thread, so that
//! a machine that is busy with other things refuses nothing.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::Refusal;
use crate::Settings;

/// How long one piece is decided before it is the turn of the next.
const SLICE: Duration = Duration::from_millis(2);

/// How long one step may be decided, whatever its guards were reckoned to cost.
const STEP_MAX: Duration = Duration::from_millis(500);

/// How many steps are read ahead in one round trip.
pub(super) const READ_AHEAD: usize = 128;

/// How long steps may be decided, and how much of the orders may be in memory meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// The steps of a transaction, those of atomic units apart.
    pub(super) batch: Duration,
    /// One piece before it is the turn of the next.
    pub(super) slice: Duration,
    /// The steps of an atomic unit together.
    pub(super) whole: Duration,
    /// How many bytes the orders of an atomic unit may take together, as they are stored.
    pub(super) orders_bytes: usize,
    /// How many steps are read ahead in one round trip.
    pub(super) read_ahead: usize,
}

impl Budget {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            batch: settings.batch_budget,
            slice: SLICE.min(settings.batch_budget),
            whole: settings.atomic_budget,
            orders_bytes: settings.orders_bytes_max,
            read_ahead: READ_AHEAD,
        }
    }

    pub(super) fn refusal(&self) -> Refusal {
        Refusal::TooCostly { budget: self.whole }
    }

    pub(super) fn refusal_of_size(&self) -> Refusal {
        Refusal::TooLarge {
            bytes_max: self.orders_bytes,
        }
    }
}

/// Refuses a step that was decided from an instant of the run on, and took too long.
pub(super) fn check_step(timer: &RunTimer, began: Instant) -> Result<(), Refusal> {
    if timer.is_longer(began, STEP_MAX) {
        return Err(Refusal::TooCostly { budget: STEP_MAX });
    }
    Ok(())
}

/// The time of a run of deciding on one thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunTimer {
    began: Instant,
    spent_before: Duration,
}

impl RunTimer {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            spent_before: time_of_thread(),
        }
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    pub(super) fn spent(&self) -> Duration {
        time_of_thread().saturating_sub(self.spent_before)
    }

    /// Whether what began at an instant within the run, and ends now, took longer than a limit.
    pub(super) fn is_longer(&self, since: Instant, limit: Duration) -> bool {
        // What came before spent at most the time that passed.
        since.elapsed() > limit
            && self
                .spent()
                .saturating_sub(since.saturating_duration_since(self.began))
                > limit
    }
}

fn time_of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
