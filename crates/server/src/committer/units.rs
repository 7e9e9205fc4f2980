//! Units that wait for their commit, the tickets of those who wait for the outcome, and batches of units
//! that are committed together.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};
use waymark_persistence::{CommitError, CommitRound, Unit, UnitOutcome, UnitProgress, UnitState};

/// Maximum of steps of one unit that count for the size of a batch.
const UNIT_STEPS_MAX: usize = 64;

/// The error of a unit that was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many units wait already; nothing was written.
    #[error("too many writes wait already")]
    Overloaded,
    /// The server stops; nothing was written.
    #[error("the server is stopping")]
    ShuttingDown,
    /// The commit failed.
    #[error("the commit failed")]
    Commit(#[from] CommitError),
}

/// A place in the queue, for who waits for the outcome.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<UnitOutcome, SubmitError>>);

impl Ticket {
    /// Waits for the outcome. A unit whose ticket is dropped before its batch is put together is not executed;
    /// from then on it is, whether or not anybody waits.
    ///
    /// # Errors
    /// Returns [`SubmitError::Commit`] when the commit failed, and [`SubmitError::ShuttingDown`]
    /// when the committer ended, or the server stops, and nothing of it was done.
    pub async fn outcome(self) -> Result<UnitOutcome, SubmitError> {
        // A process that is torn down leaves no answer.
        let torn = Err(SubmitError::Commit(CommitError::OutcomeUnknown));
        self.0.await.unwrap_or(torn)
    }
}

/// The other side of a ticket. It is answered also when a committer ends in the middle of its
/// work: whether something of the unit may have been written.
#[derive(Debug)]
pub(super) struct UnitAnswer {
    ticket: Option<oneshot::Sender<Result<UnitOutcome, SubmitError>>>,
    is_begun: bool,
}

impl UnitAnswer {
    fn is_closed(&self) -> bool {
        self.ticket.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    pub(super) fn send(mut self, outcome: Result<UnitOutcome, CommitError>) {
        self.answer(outcome.map_err(SubmitError::Commit));
    }

    fn answer(&mut self, outcome: Result<UnitOutcome, SubmitError>) {
        if let Some(ticket) = self.ticket.take() {
            // A caller that went away misses only the answer.
            let _ = ticket.send(outcome);
        }
    }
}

impl Drop for UnitAnswer {
    fn drop(&mut self) {
        self.answer(Err(if self.is_begun {
            SubmitError::Commit(CommitError::OutcomeUnknown)
        } else {
            SubmitError::ShuttingDown
        }));
    }
}

#[derive(Debug)]
pub(super) struct QueuedUnit {
    pub(super) progress: UnitProgress,
    answer: UnitAnswer,
    room: OwnedSemaphorePermit,
    /// Since when nothing of it is done.
    since: Instant,
}

impl QueuedUnit {
    /// The rest of its patience.
    pub(super) fn left(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.since.elapsed())
    }

    /// Ends it with what was done; where that is nothing, as refused by a stop, or for want of the database.
    pub(super) fn give_up(mut self, stops: bool) {
        if stops && self.progress.done().is_empty() {
            self.answer.answer(Err(SubmitError::ShuttingDown));
        } else {
            let outcome = self.progress.give_up(CommitError::Unavailable);
            self.answer.send(outcome);
        }
    }

    /// Whether it is not begun any more, since its caller went away or its deadline has passed.
    fn is_given_up(&self) -> bool {
        self.answer.is_closed() && self.progress.done().is_empty()
    }
}

pub(super) fn queued(unit: Unit, room: OwnedSemaphorePermit) -> (QueuedUnit, Ticket) {
    let (sender, ticket) = oneshot::channel();
    let queued = QueuedUnit {
        progress: UnitProgress::new(unit),
        answer: UnitAnswer {
            ticket: Some(sender),
            is_begun: false,
        },
        room,
        since: Instant::now(),
    };
    (queued, Ticket(ticket))
}

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
