//! Errors between Waymark and its database, and how the two dialects
//! of refusals become one set of words.

use std::{fmt, path::PathBuf};

use diesel::result::{ConnectionError, DatabaseErrorKind, Error as DieselError};

use crate::messages::{self, Meaning};

/// The error of a database that could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction was in the way; the same again may succeed.
    #[error("another transaction was in the way")]
    Conflict {
        /// The error of the database.
        #[source]
        source: DieselError,
    },
    /// A stored row cannot be what it is there for.
    #[error("table {table}, row {row}: column {column} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The key of the row.
        row: String,
        /// The problem.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database does not answer, or not in time.
    #[error("the database is not available")]
    Unavailable {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The SQLite file is not what it was: nothing is written to it any more.
    #[error("the database file is damaged: {found}")]
    Damaged {
        /// The finding, as a sentence without its dot.
        found: String,
    },
    /// There is no room for the SQLite file, so nothing was written.
    #[error("there is no room for the database file")]
    StorageFull {
        /// The error of SQLite or the system.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The SQLite file cannot be written, so nothing was.
    #[error("the database file cannot be written")]
    StorageReadOnly {
        /// The error of SQLite or the system.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A SQLite file cannot be opened, and will not be without somebody's doing.
    #[error("cannot open {}: {cause}", path.display())]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: String,
    },
    /// Another process keeps a SQLite file to itself while it is opened.
    #[error("cannot open {}: another process has locked it", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL server takes no connection.
    #[error("cannot reach PostgreSQL at {server}: {cause}")]
    CannotReach {
        /// Its host and port.
        server: String,
        /// The cause.
        cause: String,
        /// Whether that lasts until somebody changes something.
        lasts: bool,
    },
    /// All connections for reads of this kind are busy, and stayed so. The database is well.
    #[error("all connections for long reads are busy")]
    Busy,
    /// The database lacks migrations that this program needs: run `waymark migrate`.
    #[error(
        "the database lacks {}, the first is {}",
        counted(pending),
        first(pending)
    )]
    SchemaOlder {
        /// The migrations that are not applied, oldest first.
        pending: Vec<String>,
    },
    /// The database was migrated by a newer program, which alone can use it.
    #[error(
        "the database has {} that this program does not know, the first is {}: start the newer program",
        counted(unknown),
        first(unknown)
    )]
    SchemaNewer {
        /// The migrations that are applied and not known, oldest first.
        unknown: Vec<String>,
    },
    /// The database exists with another number of partitions than asked for.
    #[error(
        "the database has {actual} partitions, {asked} were asked; the number is fixed when a database is created"
    )]
    PartitionCount {
        /// The number that the settings ask.
        asked: i32,
        /// The number that the database has.
        actual: i32,
    },
    /// A PostgreSQL database does not keep text as UTF-8, so it cannot keep every letter.
    #[error(
        "the database keeps text as {encoding}, and UTF8 is needed: make one with `createdb --encoding=UTF8 --template=template0`"
    )]
    Encoding {
        /// The error of the database.
        encoding: String,
    },
    /// The role of a PostgreSQL address lacks rights.
    #[error("{problem}")]
    Rights {
        /// The rights, and what to grant.
        problem: String,
    },
    /// A migration failed; the transaction around it was rolled back.
    #[error("a migration failed")]
    Migration {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An address that names no database.
    #[error("{problem}")]
    InvalidUrl {
        /// The problem.
        problem: String,
    },
    /// Any other refusal.
    #[error("the database refused a statement")]
    Database {
        /// The error of the database.
        #[source]
        source: DieselError,
    },
}

/// An error with all its causes, for the log.
#[derive(Debug)]
pub struct ErrorChain<'e>(pub &'e dyn std::error::Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The failure of a unit of work that did not end as it wanted.
pub(crate) enum WriteFailure<T> {
    /// Nothing was written.
    Before(Error),
    /// The commit itself failed: it may have happened all the same.
    AtCommit { outcome: T, error: Error },
}

fn counted(versions: &[String]) -> String {
    match versions.len() {
        1 => "1 migration".to_owned(),
        count => format!("{count} migrations"),
    }
}

fn first(versions: &[String]) -> &str {
    versions.first().map_or("none", String::as_str)
}

impl Error {
    /// Whether the same transaction may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. }
                | Self::Unavailable { .. }
                | Self::StorageFull { .. }
                | Self::StorageReadOnly { .. }
                | Self::Locked { .. }
                | Self::CannotReach { lasts: false, .. }
                | Self::Busy
        )
    }

    /// Whether what was asked or written may be to blame, perhaps a single row of it, and neither the
    /// moment nor the database as a whole.
    pub fn is_of_data(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Database { .. })
    }

    /// Whether the settings lead to a database that this program cannot use, whenever that is tried.
    pub fn is_of_settings(&self) -> bool {
        matches!(
            self,
            Self::CannotOpen { .. }
                | Self::CannotReach { lasts: true, .. }
                | Self::Encoding { .. }
                | Self::Rights { .. }
                | Self::SchemaNewer { .. }
        )
    }

    /// Whether the SQLite file is what is wrong. The next moment changes nothing of it, and who
    /// runs the server finds it in the log once.
    pub fn is_of_storage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::StorageFull { .. } | Self::StorageReadOnly { .. }
        )
    }

    /// Whether the next moment changes nothing of it, so that callers get the error at once: there is no
    /// room, or the SQLite file is what is wrong. A PostgreSQL that only reads may become a primary.
    pub(crate) fn is_lasting(&self) -> bool {
        let is_full = match self {
            Self::Unavailable { source } => postgres_storage(&**source) == Some(Meaning::Full),
            _ => false,
        };
        is_full || self.is_of_storage()
    }

    pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }

    /// The error of a value that cannot be written into a column.
    pub(crate) fn unwritable(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Database {
            source: DieselError::SerializationError(Box::new(source)),
        }
    }

    /// The error of a connection that SQLite does not open.
    pub(crate) fn not_connected(source: ConnectionError) -> Self {
        match source {
            ConnectionError::CouldntSetupConfiguration(source) => Self::from(source),
            ConnectionError::BadConnection(text) => match messages::meaning(&text) {
                Some(Meaning::Damaged) => Self::Damaged { found: text },
                Some(Meaning::Full) => Self::StorageFull {
                    source: text.into(),
                },
                Some(Meaning::ReadOnly) => Self::StorageReadOnly {
                    source: text.into(),
                },
                Some(Meaning::Conflict | Meaning::Unavailable) | None => Self::unavailable(text),
            },
            source => Self::unavailable(source),
        }
    }
}

impl From<DieselError> for Error {
    fn from(source: DieselError) -> Self {
        let said = messages::text(&source).and_then(messages::meaning);
        match said.or_else(|| on_postgres(&source)) {
            Some(Meaning::Conflict) => Self::Conflict { source },
            Some(Meaning::Unavailable) => Self::unavailable(source),
            Some(Meaning::Damaged) => Self::Damaged {
                found: messages::text(&source).unwrap_or_default().to_owned(),
            },
            Some(Meaning::Full) => Self::StorageFull {
                source: Box::new(source),
            },
            Some(Meaning::ReadOnly) => Self::StorageReadOnly {
                source: Box::new(source),
            },
            None => Self::Database { source },
        }
    }
}

/// Messages of PostgreSQL that pass. The driver hands out no error code for these, so the
/// texts are compared; a server that speaks another language only loses the quicker
/// path, since an unknown refusal is tried again before it is blamed on a command.
const CONFLICTS: [&str; 7] = [
    "deadlock detected",
    "due to lock timeout",
    "due to statement timeout",
    // `pg_cancel_backend`, and what a standby does to reads that hold up its replay.
    "due to user request",
    "due to conflict with recovery",
    "could not serialize access",
    "due to idle-in-transaction timeout",
];
const OUTAGES: [&str; 8] = [
    NO_SPACE,
    "terminating connection",
    "the database system is",
    "connection closed",
    "connection reset",
    "sorry, too many clients already",
    "remaining connection slots are reserved",
    CANNOT_EXECUTE,
];
const NO_SPACE: &str = "no space left";
/// In a transaction that only reads, as on a standby.
const CANNOT_EXECUTE: &str = "cannot execute";

fn on_postgres(error: &DieselError) -> Option<Meaning> {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
            Some(Meaning::Conflict)
        }
        // After a failover, what was a primary only reads until somebody says where the new one is.
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        )
        | DieselError::BrokenTransactionManager => Some(Meaning::Unavailable),
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            let message = information.message().to_ascii_lowercase();
            let among = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
            if among(&CONFLICTS) {
                Some(Meaning::Conflict)
            } else {
                among(&OUTAGES).then_some(Meaning::Unavailable)
            }
        }
        DieselError::RollbackErrorOnCommit { commit_error, .. } => on_postgres(commit_error),
        _ => None,
    }
}

/// The reason why PostgreSQL was not available for a write, where it said so.
pub(crate) fn postgres_storage(
    source: &(dyn std::error::Error + Send + Sync + 'static),
) -> Option<Meaning> {
    match source.downcast_ref::<DieselError>()? {
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
            Some(Meaning::ReadOnly)
        }
        error => {
            let message = messages::text(error)?.to_ascii_lowercase();
            if message.contains(NO_SPACE) {
                Some(Meaning::Full)
            } else {
                message
                    .contains(CANNOT_EXECUTE)
                    .then_some(Meaning::ReadOnly)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_moment_changes_is_waited_for() {
        for (message, lasts) in [
            (
                "could not extend file \"base/5/16435\": No space left on device",
                true,
            ),
            ("deadlock detected", false),
            ("canceling statement due to user request", false),
            ("terminating connection due to administrator command", false),
            ("cannot execute UPDATE in a read-only transaction", false),
        ] {
            let said = Box::new(message.to_owned());
            let error = DieselError::DatabaseError(DatabaseErrorKind::Unknown, said);
            let error = Error::from(error);
            assert!(error.is_transient(), "{message}: {error:?}");
            assert_eq!(error.is_lasting(), lasts, "{message}: {error:?}");
        }
    }
}
