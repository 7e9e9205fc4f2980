//! Units that are committed together, and the callers that wait for them.

use std::collections::BTreeSet;

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use waymark_persistence::{CommitError, CommitRound, UnitProgress, UnitState};

use super::ticket::{QueuedUnit, UnitAnswer};

/// Maximum of steps of one unit that count for the size of a batch.
const UNIT_STEPS_MAX: usize = 64;

/// Whether any step of these units was decided in a round before which so many were.
pub(super) fn has_gone_on(states: &[UnitState], done_before: usize) -> bool {
    let mut done = 0;
    for state in states {
        match state {
            UnitState::Ended(_) => return true,
            UnitState::Unfinished(progress) => done += progress.done().len(),
        }
    }
    done > done_before
}

/// The outcome of so many units whose round did not come to its end.
pub(super) fn unknown(count: usize) -> CommitRound {
    CommitRound {
        units: vec![UnitState::Ended(Err(CommitError::OutcomeUnknown)); count],
        written: Vec::new(),
        is_unavailable: false,
        unloaded: BTreeSet::new(),
    }
}

#[derive(Debug)]
pub(super) struct Begun {
    pub(super) answer: UnitAnswer,
    room: OwnedSemaphorePermit,
    pub(super) since: Instant,
    /// Its steps that were done before.
    done: usize,
}

impl Begun {
    /// Has the rest of the unit wait for another batch.
    pub(super) fn again(self, progress: UnitProgress) -> QueuedUnit {
        let has_gone_on = progress.done().len() > self.done;
        let since = if has_gone_on {
            Instant::now()
        } else {
            self.since
        };
        QueuedUnit {
            progress,
            answer: self.answer,
            room: self.room,
            since,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) units: Vec<UnitProgress>,
    pub(super) begun: Vec<Begun>,
    /// Its steps, as far as they count for its size.
    pub(super) steps: usize,
    /// Steps of its units that were done before.
    pub(super) done: usize,
}

impl Batch {
    /// Adds a unit, unless it is not worth beginning.
    pub(super) fn take(&mut self, waiting: QueuedUnit) {
        if waiting.is_given_up() {
            return;
        }
        let QueuedUnit {
            progress,
            mut answer,
            room,
            since,
        } = waiting;
        answer.is_begun = true;
        // A large unit is cut anyway, and one that was begun must not keep others out.
        if progress.done().is_empty() {
            self.steps += progress.unit().steps.len().min(UNIT_STEPS_MAX);
        }
        let done = progress.done().len();
        self.done += done;
        self.units.push(progress);
        self.begun.push(Begun {
            answer,
            room,
            since,
            done,
        });
    }
}
