//! Computing that takes too long for a thread that serves calls or commits: compiling
//! a large workflow, and everything that an edit does with it.

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::{JoinError, spawn_blocking},
};

/// Maximum of edits that wait or are under way.
const EDITS_MAX: usize = 64;

/// Computes something on a thread that may block.
///
/// # Errors
/// Returns [`JoinError`] when it panicked, or the runtime ends.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    spawn_blocking(work).await
}

/// Whose turn it is to edit a workflow. One edit is under way at once: it takes a processor for as
/// long as it computes, and two of one workflow would be in each other's way.
#[derive(Debug)]
pub(crate) struct Edits {
    places: Semaphore,
    turn: Semaphore,
}

/// The turn of an edit, until it is dropped.
pub(crate) struct EditTurn<'e> {
    _place: SemaphorePermit<'e>,
    _turn: SemaphorePermit<'e>,
}

impl Edits {
    pub(crate) fn new() -> Self {
        Self {
            places: Semaphore::new(EDITS_MAX),
            turn: Semaphore::new(1),
        }
    }

    /// Waits for the turn of an edit; none when too many wait already.
    pub(crate) async fn turn(&self) -> Option<EditTurn<'_>> {
        let place = self.places.try_acquire().ok()?;
        let turn = self.turn.acquire().await.ok()?;
        Some(EditTurn {
            _place: place,
            _turn: turn,
        })
    }
}
