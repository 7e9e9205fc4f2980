//! Errors of writes that were not committed.

use waymark_persistence::CommitError;

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
