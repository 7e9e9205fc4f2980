//! Each text is produced by SQLite itself.

use std::{fs, path::Path};

use diesel::{
    Connection, ConnectionError, QueryResult, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection, sql_query,
};
use tempfile::TempDir;

use super::*;
use crate::{Error, sqlite};

/// A database of some pages beside its open connection.
fn database(directory: &TempDir) -> (std::path::PathBuf, SqliteConnection) {
    let path = directory.path().join("x.db");
    sqlite::create(&path).unwrap();
    let mut connection = sqlite::connect(&path).unwrap();
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT); \
               WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
               INSERT INTO t SELECT i, printf('%0200d', i) FROM n;";
    connection.batch_execute(sql).unwrap();
    (path, connection)
}

fn read(connection: &mut SqliteConnection) -> QueryResult<usize> {
    sql_query("SELECT sum(length(text)) FROM t").execute(connection)
}

/// Reads with a connection that has seen nothing yet. Setting it up reads the schema.
fn read_anew(path: &Path) -> QueryResult<usize> {
    match sqlite::connect(path) {
        Ok(mut connection) => read(&mut connection),
        Err(ConnectionError::CouldntSetupConfiguration(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn means<T: std::fmt::Debug>(result: QueryResult<T>, said: &str, meaning: Meaning) {
    let error = result.unwrap_err();
    assert_eq!(text(&error), Some(said));
    assert_eq!(super::meaning(said), Some(meaning), "{said}");
    let error = Error::from(error);
    let same = match meaning {
        Meaning::Damaged => matches!(error, Error::Damaged { .. }),
        Meaning::Full => matches!(error, Error::StorageFull { .. }),
        Meaning::ReadOnly => matches!(error, Error::StorageReadOnly { .. }),
        Meaning::Conflict => matches!(error, Error::Conflict { .. }),
        Meaning::Unavailable => matches!(error, Error::Unavailable { .. }),
    };
    assert!(same, "{error:?}");
}

fn overwrite(path: &Path, bytes: std::ops::Range<usize>) {
    let mut content = fs::read(path).unwrap();
    content[bytes].fill(0xa5);
    fs::write(path, content).unwrap();
}

#[test]
fn a_page_that_is_noise() {
    let directory = tempfile::tempdir().unwrap();
    let (path, connection) = database(&directory);
    drop(connection);
    overwrite(&path, 8 * 4096..30 * 4096);
    let said = "database disk image is malformed";
    means(read_anew(&path), said, Meaning::Damaged);
}

#[test]
fn a_beginning_that_is_noise() {
    let directory = tempfile::tempdir().unwrap();
    let (path, connection) = database(&directory);
    drop(connection);
    overwrite(&path, 0..100);
    let error = sqlite::connect(&path).map(drop).unwrap_err();
    let error = Error::not_connected(error);
    assert!(
        matches!(&error, Error::Damaged { found } if found == NOT_A_DATABASE),
        "{error:?}"
    );
}

#[test]
fn a_format_of_another_time() {
    let directory = tempfile::tempdir().unwrap();
    let (path, connection) = database(&directory);
    drop(connection);
    // The number of the schema format, which ends at 4.
    overwrite(&path, 44..48);
    means(
        read_anew(&path),
        "unsupported file format",
        Meaning::Damaged,
    );
}

#[test]
fn a_schema_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mut connection) = database(&directory);
    let sql = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (' WHERE name = 't'";
    connection.batch_execute(sql).unwrap();
    drop(connection);
    let error = read_anew(&path).unwrap_err();
    let said = text(&error).unwrap().to_owned();
    assert!(said.starts_with("malformed database schema"), "{said}");
    means::<()>(Err(error), &said, Meaning::Damaged);
}

#[test]
fn a_log_that_was_cut() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _connection) = database(&directory);
    let log = fs::OpenOptions::new()
        .write(true)
        .open(path.with_extension("db-wal"))
        .unwrap();
    log.set_len(4096).unwrap();
    // Its cache is empty, and the pages are in the log alone.
    means(read_anew(&path), DISK_ERROR, Meaning::Damaged);
}

#[test]
fn what_was_there_before() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut connection) = database(&directory);
    let gone = sql_query("SELECT * FROM gone").execute(&mut connection);
    means(gone, "no such table: gone", Meaning::Damaged);
    let gone = sql_query("SELECT gone FROM t").execute(&mut connection);
    means(gone, "no such column: gone", Meaning::Damaged);
}

#[test]
fn no_room() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut connection) = database(&directory);
    connection
        .batch_execute("PRAGMA max_page_count = 1")
        .unwrap();
    let sql = "INSERT INTO t (text) SELECT text FROM t";
    means(connection.batch_execute(sql), FULL, Meaning::Full);
}

#[test]
fn a_database_that_may_only_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut connection) = database(&directory);
    connection.batch_execute("PRAGMA query_only = ON").unwrap();
    means(
        connection.batch_execute("DELETE FROM t"),
        "attempt to write a readonly database",
        Meaning::ReadOnly,
    );
}

#[test]
fn another_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mut connection) = database(&directory);
    let mut other = sqlite::connect(&path).unwrap();
    other
        .batch_execute("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE")
        .unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 0").unwrap();
    means(
        connection.batch_execute("BEGIN IMMEDIATE"),
        "database is locked",
        Meaning::Conflict,
    );
}

#[test]
fn another_transaction_of_a_shared_cache() {
    let url = "file:messages?mode=memory&cache=shared";
    let mut connection = SqliteConnection::establish(url).unwrap();
    let mut other = SqliteConnection::establish(url).unwrap();
    connection
        .batch_execute("CREATE TABLE t (id INTEGER); BEGIN; INSERT INTO t VALUES (1)")
        .unwrap();
    means(
        sql_query("SELECT * FROM t").execute(&mut other),
        "database table is locked: t",
        Meaning::Conflict,
    );
    let schema = other.batch_execute("CREATE TABLE u (id INTEGER)");
    means(schema, "database table is locked", Meaning::Conflict);
}

#[test]
fn a_folder_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nowhere").join("x.db");
    let error = sqlite::connect(&path).map(drop).unwrap_err();
    assert_eq!(error.to_string(), CANNOT_OPEN);
    assert_eq!(meaning(CANNOT_OPEN), Some(Meaning::Unavailable));
    let error = Error::not_connected(error);
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

/// Says that a process is the one with the limit.
const LIMITED: &str = "TEST_MEMORY_IS_LIMITED";

/// The limit is of a whole process, so this test runs in one of its own.
#[test]
fn memory_that_is_short() {
    const ALONE: &str = "messages::tests::in_a_process_of_its_own";
    let output = std::process::Command::new("sh")
        .args(["-c", r#"ulimit -v 700000; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", ALONE, "--test-threads=1"])
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// Does its work where [`memory_that_is_short`] has set a limit, and nothing elsewhere.
#[test]
fn in_a_process_of_its_own() {
    if std::env::var_os(LIMITED).is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (_, mut connection) = database(&directory);
    let filled = sql_query("SELECT length(randomblob(900000000))").execute(&mut connection);
    means(filled, "out of memory", Meaning::Unavailable);
}

/// The first was seen when a server of 512 MiB had no more; the codes are SQLite's own.
#[test]
fn pages_that_could_not_be_read_say_nothing_of_the_file() {
    for (finding, is_unread) in [
        (
            "*** in database main ***\nTree 25 page 1149: unable to get the page. error code=7",
            true,
        ),
        ("Tree 2 page 3: unable to get the page. error code=5", true),
        (
            "Tree 2 page 3: unable to get the page. error code=10",
            false,
        ),
        (
            "Tree 2 page 3: unable to get the page. error code=266",
            false,
        ),
        ("Tree 2 page 3: btreeInitPage() returns error code 7", true),
        (
            "Tree 2 page 3: unable to get the page. error code=11",
            false,
        ),
        (
            "Tree 2 page 3: unable to get the page. error code=26",
            false,
        ),
        (
            "Tree 2 page 3: btreeInitPage() returns error code 11",
            false,
        ),
        (
            "Tree 2 page 3: btreeInitPage() returns error code 523",
            false,
        ),
        ("invalid page number 88", false),
        ("row 5 missing from index error code", false),
        ("NULL value in orders.id", false),
    ] {
        assert_eq!(super::is_unread(finding), is_unread, "{finding}");
    }
}

/// A text that no test here produces would be a guess.
#[test]
fn every_text_is_produced() {
    let source = include_str!("tests.rs");
    for (text, _) in TEXTS.into_iter().chain(BEGINNINGS) {
        let named = [
            (NOT_A_DATABASE, "NOT_A_DATABASE"),
            (DISK_ERROR, "DISK_ERROR"),
            (FULL, "FULL"),
            (CANNOT_OPEN, "CANNOT_OPEN"),
        ];
        let name = named.iter().find(|(known, _)| *known == text);
        let shown = name.map_or(text, |(_, name)| name);
        assert!(source.contains(shown), "{text}");
    }
    assert_eq!(meaning("constraint failed"), None);
}
