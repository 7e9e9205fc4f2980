//! Connections to SQLite: one that writes, a few that read beside it (WAL).

use std::path::{Path, PathBuf};

use diesel::{
    Connection, ConnectionError, ConnectionResult, SqliteConnection, connection::SimpleConnection,
};
use diesel_async::{
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{BuildError, Pool},
    },
    sync_connection_wrapper::SyncConnectionWrapper,
};
use futures::{FutureExt, future::ready};

use crate::inline::Inline;

/// A SQLite connection whose statements run where they are called.
pub(crate) type SqliteConn = SyncConnectionWrapper<SqliteConnection, Inline>;

/// `synchronous=FULL` makes a commit durable before it is acknowledged. The log of changes is
/// moved into the database beside the writer, see `checkpoint`; the writer itself finishes that
/// when the log has 65,536 pages (256 MiB), and begins a new one.
const SETUP: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384; \
                     PRAGMA wal_autocheckpoint = 65536;";
const READ_ONLY: &str = "PRAGMA query_only = ON;";

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
    let connection = open(path, setup)?;
    Ok(SyncConnectionWrapper::with_runtime(connection, Inline))
}

/// Opens one connection outside any pool.
pub(crate) fn connect(path: &Path) -> ConnectionResult<SqliteConnection> {
    open(path, SETUP)
}

fn open(path: &Path, setup: &str) -> ConnectionResult<SqliteConnection> {
    let Some(path) = path.to_str() else {
        return Err(ConnectionError::InvalidConnectionUrl(
            "the path is not valid UTF-8".to_owned(),
        ));
    };
    // Given as a URI, a path that begins with `file:` would be read for parameters.
    let path = if path.starts_with("file:") {
        format!("./{path}")
    } else {
        path.to_owned()
    };
    let mut connection = SqliteConnection::establish(&path)?;
    connection
        .batch_execute(setup)
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}
