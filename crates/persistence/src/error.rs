//! What can go wrong between Waymark and its database, and how the two dialects
//! of refusals become one set of words.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why the database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction was in the way; the same again may succeed.
    #[error("another transaction was in the way")]
    Conflict {
        /// What the database says.
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
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database does not answer, or not in time.
    #[error("the database is not available")]
    Unavailable {
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database lacks migrations that this program needs: run `waymark migrate`.
    #[error("the database lacks {} migrations, the first is {}", pending.len(), first(pending))]
    SchemaOlder {
        /// What is not applied, oldest first.
        pending: Vec<String>,
    },
    /// The database was migrated by a newer program.
    #[error("the database has {} migrations that this program does not know, the first is {}", unknown.len(), first(unknown))]
    SchemaNewer {
        /// What is applied and not known, oldest first.
        unknown: Vec<String>,
    },
    /// The database exists with another number of partitions than asked for.
    #[error(
        "the database has {actual} partitions, {asked} were asked; the number is fixed when a database is created"
    )]
    PartitionCount {
        /// What the settings ask.
        asked: i32,
        /// What the database has.
        actual: i32,
    },
    /// A migration failed; the transaction around it was rolled back.
    #[error("a migration failed")]
    Migration {
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An address that names no database.
    #[error("{problem}")]
    InvalidUrl {
        /// What is wrong with it.
        problem: &'static str,
        /// What the parser says.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Any other refusal.
    #[error("the database refused a statement")]
    Database {
        /// What the database says.
        #[source]
        source: DieselError,
    },
}

fn first(versions: &[String]) -> &str {
    versions.first().map_or("none", String::as_str)
}

impl Error {
    /// Whether the same transaction may succeed a moment later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Unavailable { .. })
    }

    pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }
}

impl From<DieselError> for Error {
    fn from(source: DieselError) -> Self {
        match passing(&source) {
            Some(Passing::Conflict) => Self::Conflict { source },
            Some(Passing::Unavailable) => Self::Unavailable {
                source: Box::new(source),
            },
            None => Self::Database { source },
        }
    }
}

enum Passing {
    Conflict,
    Unavailable,
}

/// Messages of passing refusals. The drivers hand out no error code for these, so the
/// texts are compared; a server that speaks another language only loses the quicker
/// path, since an unknown refusal is tried again before it is blamed on a command.
const CONFLICTS: [&str; 7] = [
    "database is locked",
    "database table is locked",
    "deadlock detected",
    "due to lock timeout",
    "due to statement timeout",
    "could not serialize access",
    "due to idle-in-transaction timeout",
];
const OUTAGES: [&str; 10] = [
    "no space left",
    "disk is full",
    "terminating connection",
    "the database system is",
    "connection closed",
    "connection reset",
    "sorry, too many clients already",
    "remaining connection slots are reserved",
    "disk i/o error",
    "cannot execute",
];

fn passing(error: &DieselError) -> Option<Passing> {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
            Some(Passing::Conflict)
        }
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        )
        | DieselError::BrokenTransactionManager => Some(Passing::Unavailable),
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            let message = information.message().to_ascii_lowercase();
            let among = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
            if among(&CONFLICTS) {
                Some(Passing::Conflict)
            } else {
                among(&OUTAGES).then_some(Passing::Unavailable)
            }
        }
        DieselError::RollbackErrorOnCommit { commit_error, .. } => passing(commit_error),
        _ => None,
    }
}
