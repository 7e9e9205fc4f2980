//! Reasons why a server cannot start, or cannot go on.

use std::io;

use waymark_persistence::Error;

use crate::{dispatch::TransportsError, ports::ListenError, preset::PresetError};

/// The error of a server that cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database was made by an older program.
    #[error(
        "the database is older than this program: run `waymark migrate` with the same database_url, then start again"
    )]
    MigrationNeeded(#[source] Error),
    /// The settings lead to no database, to one that takes nobody, or to one of a newer program.
    #[error(transparent)]
    NoDatabase(Error),
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Store(#[source] Error),
    /// The preset could not be loaded.
    #[error("the preset cannot be loaded into the empty database")]
    Preset(#[from] PresetError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system has no thread for commits or reads.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    /// The outbound transports cannot be opened.
    #[error("the outbound transports cannot be opened")]
    Transports(#[from] TransportsError),
    /// The file of the database was damaged while it was served.
    #[error("the database file is damaged; the log says what was found and what to do")]
    Damaged,
    /// The descriptors that were compiled in cannot be read.
    #[error("the descriptors of the services cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A task that the server cannot do without ended unasked, so it stopped.
    #[error("the task {name} ended unexpectedly; the log says why")]
    TaskEnded {
        /// The task.
        name: &'static str,
    },
}

impl StartError {
    pub(crate) fn not_opened(error: Error) -> Self {
        match error {
            Error::SchemaOlder { .. } => Self::MigrationNeeded(error),
            Error::CannotOpen { .. }
            | Error::CannotReach { .. }
            | Error::Locked { .. }
            | Error::Encoding { .. }
            | Error::Rights { .. }
            | Error::SchemaNewer { .. } => Self::NoDatabase(error),
            error => Self::Store(error),
        }
    }

    /// Whether the same may work later, when the database answers or a port is free.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) | Self::NoDatabase(error) => error.is_transient(),
            Self::Preset(error) => error.is_transient(),
            Self::Listen(error) => error.is_taken(),
            Self::MigrationNeeded(_)
            | Self::Damaged
            | Self::Thread(_)
            | Self::Transports(_)
            | Self::Reflection(_)
            | Self::TaskEnded { .. } => false,
        }
    }

    /// Whether the file of the database is damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged | Self::Store(Error::Damaged { .. }) => true,
            Self::Preset(error) => error.is_damage(),
            _ => false,
        }
    }

    /// Whether the settings name a database or an address that cannot be used, whenever that is
    /// tried, until somebody changes something.
    pub fn is_of_settings(&self) -> bool {
        match self {
            Self::MigrationNeeded(_) => true,
            Self::NoDatabase(error) => error.is_of_settings(),
            Self::Listen(error) => !error.is_taken(),
            _ => false,
        }
    }
}
