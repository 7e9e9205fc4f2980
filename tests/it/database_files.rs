//! Which SQLite file is served: one that is made is told, one that cannot be opened is named with the cause.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use waymark_tests::{binary, log::Log, process::Process};

const PATIENCE: Duration = Duration::from_mins(1);

fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// Runs a command that must refuse the file with exit code 2, and gives what it says.
#[track_caller]
fn refused(command: &str, file: &Path, settings: &[&str]) -> String {
    let mut run = binary::command(&[command, "--database-url", &url(file)]);
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let output = run.args(settings).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{command}: {said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    said
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_the_cause() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    symlink(at("gone/w.db"), at("link.db")).unwrap();
    fs::write(at("letter.txt"), "Dear Sir or Madam,\n".repeat(100)).unwrap();
    for (name, cause) in [
        ("nope/dir/w.db", "the folder"),
        ("folder", "it is a folder"),
        ("link.db", "the folder"),
        ("slash.db/", "no / at its end"),
        ("letter.txt", "it is not a SQLite database"),
        ("letter.txt/w.db", "Not a directory"),
    ] {
        for command in ["serve", "migrate"] {
            let said = refused(command, &at(name), &[]);
            assert!(said.contains(cause), "{said}");
        }
    }
    assert!(!at("nope").exists());
    assert_eq!(fs::read_dir(at("folder")).unwrap().count(), 0);
}

#[test]
fn a_new_file_may_be_forbidden() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("waymark.db");
    for command in ["serve", "migrate"] {
        let said = refused(command, &file, &["create_database=false"]);
        assert!(said.contains("create_database"), "{said}");
        assert!(!file.exists());
    }
    // So is a file of no bytes, which SQLite takes for a new one.
    fs::write(&file, []).unwrap();
    let said = refused("serve", &file, &["create_database=false"]);
    assert!(said.contains("empty"), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
    let made = binary::run(&["migrate", "--database-url", &url(&file)]);
    assert!(made.status.success());
    let again = [
        "migrate",
        "--database-url",
        &url(&file),
        "--set",
        "create_database=false",
    ];
    assert!(binary::run(&again).status.success(), "it is there now");
}

/// Runs SQL in a file, as another program does.
#[track_caller]
fn sqlite(file: &Path, sql: &str) {
    let script = "import sqlite3, sys\nfile = sqlite3.connect(sys.argv[1])\nfile.executescript(sys.argv[2])\nfile.close()";
    let mut python = Command::new("python3");
    let done = python.args(["-c", script]).arg(file).arg(sql).status();
    assert!(done.unwrap().success(), "{sql}");
}

#[test]
fn the_file_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let migrations =
        "CREATE TABLE __diesel_schema_migrations (version TEXT PRIMARY KEY NOT NULL, run_on TEXT)";
    for (name, sql) in [
        ("table.db", "CREATE TABLE foo (a)"),
        ("named_alike.db", "CREATE TABLE orders (a)"),
        ("wal.db", "PRAGMA journal_mode = WAL; CREATE TABLE foo (a)"),
        (
            "diesel.db",
            &format!(
                "{migrations}; INSERT INTO __diesel_schema_migrations (version) VALUES ('20200101000000')"
            ),
        ),
        (
            "diesel_without_versions.db",
            &format!("{migrations}; CREATE TABLE foo (a)"),
        ),
    ] {
        let file = directory.path().join(name);
        sqlite(&file, sql);
        let before = fs::read(&file).unwrap();
        for command in ["serve", "migrate"] {
            for create in ["create_database=true", "create_database=false"] {
                let said = refused(command, &file, &[create]);
                assert!(said.contains("another program"), "{said}");
                assert_eq!(fs::read(&file).unwrap(), before, "{name}");
            }
        }
    }
}

#[test]
fn a_file_without_tables_is_made_a_database_where_one_may_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("waymark.db");
    sqlite(&file, "CREATE TABLE foo (a); DROP TABLE foo");
    let said = refused("serve", &file, &["create_database=false"]);
    assert!(said.contains("no tables"), "{said}");
    let made = binary::run(&["migrate", "--database-url", &url(&file)]);
    assert!(made.status.success());
}

/// Serves a file until it listens, and gives the lines at WARN.
async fn warnings(file: &Path, arguments: &[&str]) -> Vec<String> {
    let log = Log::default();
    let mut command =
        binary::command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.args(["--database-url", &url(file)]).args(arguments);
    let _process = Process::start(command, &log, None);
    let listens = |line: &str| line.contains("listening on").then_some(());
    log.find(0, PATIENCE, listens).await.expect("it listens");
    let lines = log.after(0).into_iter();
    lines.filter(|line| line.contains("\"WARN\"")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_is_told_with_its_preset() {
    let directory = tempfile::tempdir().unwrap();
    for (name, preset) in [("a.db", "magento"), ("b.db", "modmore"), ("c.db", "none")] {
        let file = directory.path().join(name);
        let arguments = ["--preset", preset, "--set", "create_database=true"];
        let said = warnings(&file, &arguments).await;
        // Without a preset there is no default workflow either.
        let count = if preset == "none" { 2 } else { 1 };
        assert_eq!(said.len(), count, "{said:?}");
        for word in [file.to_str().unwrap(), preset, "database created"] {
            assert!(said[0].contains(word), "{word}: {}", said[0]);
        }
        let again = ["--set", "create_database=false"];
        assert_eq!(warnings(&file, &again).await, [""; 0]);
    }
}
