//! Units that wait for their commit, and the tickets of those who wait for the outcome.

use std::time::Duration;

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};
use waymark_persistence::{CommitError, Unit, UnitOutcome, UnitProgress};

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
    pub(super) is_begun: bool,
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
    pub(super) answer: UnitAnswer,
    pub(super) room: OwnedSemaphorePermit,
    /// Since when nothing of it is done.
    pub(super) since: Instant,
}

impl QueuedUnit {
    /// The rest of its patience.
    pub(super) fn left(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.since.elapsed())
    }

    /// Ends it with what was done of it; where that is nothing, as refused by a server that stops, or
    /// for want of the database.
    pub(super) fn give_up(self, stops: bool) {
        let Self {
            progress,
            mut answer,
            ..
        } = self;
        if stops && progress.done().is_empty() {
            answer.answer(Err(SubmitError::ShuttingDown));
        } else {
            answer.send(progress.give_up(CommitError::Unavailable));
        }
    }

    /// A unit that nobody waits for any more, since its caller went away or its deadline has
    /// passed, is not begun.
    pub(super) fn is_given_up(&self) -> bool {
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
