//! Connections to SQLite: one that writes, a few that read beside it (WAL).

use std::path::{Path, PathBuf};

use diesel::{
    Connection, ConnectionError, ConnectionResult, QueryResult, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection, sql_query,
};
use diesel_async::{
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{BuildError, Pool},
    },
    sync_connection_wrapper::SyncConnectionWrapper,
};
use futures::{FutureExt, future::ready};

use crate::{inline::Inline, messages};

/// A SQLite connection whose statements run where they are called.
pub(crate) type SqliteConn = SyncConnectionWrapper<SqliteConnection, Inline>;

/// `synchronous=FULL` makes a commit durable before it is acknowledged. The log of changes is
/// moved into the database beside the writer, see `checkpoint`; the writer itself finishes that
/// when the log has 16,384 pages (64 MiB), and begins a new one.
const SETUP: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384; \
                     PRAGMA wal_autocheckpoint = 16384;";
const READ_ONLY: &str = "PRAGMA query_only = ON;";
/// Nothing that would change a file of another program, as `journal_mode` does.
const INSPECTION: &str = "PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;";

/// Makes the pool of the one connection that writes.
pub(crate) fn writer(path: &Path) -> Result<Pool<SqliteConn>, BuildError> {
    pool(path.to_owned(), SETUP.to_owned(), 1)
}

/// Makes the pool of connections that read.
pub(crate) fn readers(path: &Path, size: usize) -> Result<Pool<SqliteConn>, BuildError> {
    pool(path.to_owned(), format!("{SETUP} {READ_ONLY}"), size)
}

fn pool(path: PathBuf, setup: String, size: usize) -> Result<Pool<SqliteConn>, BuildError> {
    let mut manager = ManagerConfig::<SqliteConn>::default();
    manager.recycling_method = RecyclingMethod::Fast;
    manager.custom_setup = Box::new(move |_| ready(establish(&path, &setup)).boxed());
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
        .max_size(size)
        .build()
}

fn establish(path: &Path, setup: &str) -> ConnectionResult<SqliteConn> {
    let connection = open(path, OpenMode::Existing, setup)?;
    Ok(SyncConnectionWrapper::with_runtime(connection, Inline))
}

/// Opens one connection outside any pool, to a file that is there.
pub(crate) fn connect(path: &Path) -> ConnectionResult<SqliteConnection> {
    open(path, OpenMode::Existing, SETUP)
}

/// Makes a file, which is empty but for its first page.
pub(crate) fn create(path: &Path) -> ConnectionResult<()> {
    open(path, OpenMode::Create, SETUP).map(drop)
}

/// Opens the connection that stays, see [`crate::storage`]. It waits for no other.
pub(crate) fn guard(path: &Path) -> ConnectionResult<SqliteConnection> {
    let setup = format!("{SETUP} PRAGMA busy_timeout = 0; PRAGMA cache_size = -256;");
    let mut connection = open(path, OpenMode::Existing, &setup)?;
    // Only who reads opens the log.
    connection
        .batch_execute("SELECT count(*) FROM sqlite_schema")
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The marks of a file that say whose it is.
pub(crate) struct FileMarks {
    /// Whether it has tables, apart from the one of the migrations.
    pub(crate) has_tables: bool,
    pub(crate) versions: Vec<String>,
}

/// Reads whose a file is, and writes nothing to it.
pub(crate) fn content(path: &Path) -> ConnectionResult<FileMarks> {
    let read = |mode| {
        let mut connection = open(path, mode, INSPECTION)?;
        inspect(&mut connection).map_err(ConnectionError::CouldntSetupConfiguration)
    };
    // A transaction that was cut off is first undone, which only a connection that may write does.
    read(OpenMode::ReadOnly).or_else(|_| read(OpenMode::Existing))
}

fn inspect(connection: &mut SqliteConnection) -> QueryResult<FileMarks> {
    #[derive(diesel::QueryableByName)]
    struct Tables {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        migrations: i64,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        others: i64,
    }
    #[derive(diesel::QueryableByName)]
    struct Applied {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let tables = sql_query(
        "SELECT count(*) FILTER (WHERE name = '__diesel_schema_migrations') AS migrations, \
         count(*) FILTER (WHERE tbl_name <> '__diesel_schema_migrations') AS others FROM sqlite_schema",
    );
    let tables = tables.get_result::<Tables>(connection)?;
    let versions = if tables.migrations == 0 {
        Vec::new()
    } else {
        sql_query("SELECT CAST(version AS TEXT) AS version FROM __diesel_schema_migrations")
            .load::<Applied>(connection)?
    };
    Ok(FileMarks {
        has_tables: tables.others > 0,
        versions: versions.into_iter().map(|row| row.version).collect(),
    })
}

/// The frames of the log, up to its last commit.
pub(crate) fn log_frames(connection: &mut SqliteConnection) -> QueryResult<u64> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        log: i64,
    }
    // It moves nothing.
    let row = sql_query("PRAGMA wal_checkpoint(NOOP)").get_result::<Row>(connection)?;
    Ok(u64::try_from(row.log).unwrap_or(0))
}

/// Reads all pages; gives the first thing that is wrong.
pub(crate) fn quick_check(connection: &mut SqliteConnection) -> QueryResult<Option<String>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        quick_check: String,
    }
    let row = sql_query("PRAGMA quick_check(1)").get_result::<Row>(connection)?;
    Ok(Some(row.quick_check).filter(|found| found != "ok"))
}

/// Commits a change that changes nothing.
pub(crate) fn write_nothing(connection: &mut SqliteConnection) -> QueryResult<()> {
    let written = connection
        .batch_execute("BEGIN IMMEDIATE; UPDATE deployment SET singleton = singleton; COMMIT");
    if written.is_err() {
        // Most failures have rolled back already.
        let _ = connection.batch_execute("ROLLBACK");
    }
    written
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenMode {
    ReadOnly,
    Existing,
    Create,
}

fn open(path: &Path, mode: OpenMode, setup: &str) -> ConnectionResult<SqliteConnection> {
    let is_empty = std::fs::metadata(path).is_ok_and(|entry| entry.len() == 0);
    if mode != OpenMode::Create && is_empty {
        // SQLite would take it for new, and remove the log beside it.
        let said = messages::NOT_A_DATABASE.to_owned();
        return Err(ConnectionError::BadConnection(said));
    }
    let mut connection = SqliteConnection::establish(&uri(path, mode)?)?;
    connection
        .batch_execute(setup)
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The path as SQLite reads it with a parameter: a file that was moved away must not be made
/// anew by the next connection.
fn uri(path: &Path, mode: OpenMode) -> ConnectionResult<String> {
    let Some(path) = path.to_str() else {
        let problem = "the path is not valid UTF-8".to_owned();
        return Err(ConnectionError::InvalidConnectionUrl(problem));
    };
    let mode = match mode {
        OpenMode::ReadOnly => "ro",
        OpenMode::Existing => "rw",
        OpenMode::Create => "rwc",
    };
    let path = path
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    // Two slashes at the beginning would be read as those before the name of a host.
    let scheme = if path.starts_with('/') {
        "file://"
    } else {
        "file:"
    };
    Ok(format!("{scheme}{path}?mode={mode}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_their_characters() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["plain.db", "a?b=c#d%20e.db", "file:x.db"] {
            let path = directory.path().join(name);
            assert!(connect(&path).is_err(), "{name} is not there");
            create(&path).unwrap();
            assert!(path.is_file(), "{name}");
            connect(&path).unwrap();
        }
        assert_eq!(
            uri(Path::new("file:x.db"), OpenMode::Existing).unwrap(),
            "file:file:x.db?mode=rw"
        );
    }
}
