//! A database of either kind, and what is asked of it beside the service.

use std::{fs, path::PathBuf};

use diesel::{
    Connection, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    sql_types::{BigInt, Text},
};

use crate::failure::Failure;

/// The two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Backend {
    Postgres,
    Sqlite,
}

impl Backend {
    /// Its name as rows begin with it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

/// The place of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// A database of the cluster, by its name.
    Postgres(String),
    /// A file.
    Sqlite(PathBuf),
}

/// The number of entries: offsets begin at 1 and have no gaps.
pub(crate) const COUNT_ENTRIES: &str = "SELECT CAST(COALESCE(SUM(highest), 0) AS BIGINT) AS number FROM (SELECT \
     (SELECT MAX(h.log_offset) FROM history h WHERE h.partition = p.partition) AS highest FROM partitions p) AS heads";

/// Opens a file with the settings under which Waymark writes. Its log is moved into it as SQLite does by itself: a plain
/// loop has no thread for that.
pub(crate) fn open(file: &std::path::Path) -> Result<SqliteConnection, Failure> {
    let mut connection = SqliteConnection::establish(&file.to_string_lossy())?;
    connection.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384;",
    )?;
    Ok(connection)
}

/// Moves everything from the log of a file into the file itself, which can then be copied.
pub(crate) fn settle(file: &std::path::Path) -> Result<(), Failure> {
    Ok(open(file)?.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;")?)
}

/// Copies a file that nobody has open.
pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), Failure> {
    remove(to)?;
    fs::copy(from, to).map_err(Failure::io("a database cannot be copied"))?;
    let copied = fs::File::open(to).and_then(|file| file.sync_all());
    copied.map_err(Failure::io("a database cannot be copied"))
}

/// Reads a file from end to end.
pub(crate) async fn read_through(file: PathBuf) -> Result<(), Failure> {
    let read = move || {
        let mut file = fs::File::open(file)?;
        std::io::copy(&mut file, &mut std::io::sink())
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|_| Failure::Interrupted)?
        .map_err(Failure::io("a database cannot be read"))?;
    Ok(())
}

/// Removes a file and what SQLite keeps beside it.
pub(crate) fn remove(file: &std::path::Path) -> Result<(), Failure> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::io("a database cannot be removed")(error)),
        }
    }
    Ok(())
}

#[derive(Debug, diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(Debug, diesel::QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Reads one number, named `number`, from a file.
pub(crate) fn number(connection: &mut SqliteConnection, sql: &str) -> Result<i64, Failure> {
    Ok(diesel::sql_query(sql)
        .get_result::<Number>(connection)?
        .number)
}

/// Reads texts, named `name`, from a file.
pub(crate) fn names(connection: &mut SqliteConnection, sql: &str) -> Result<Vec<String>, Failure> {
    let rows = diesel::sql_query(sql).load::<Name>(connection)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}
