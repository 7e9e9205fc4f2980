//! Starting: settings that are refused, schemas that are too old, addresses that strangers could reach.

use std::{fs, process::Output, time::Duration};

use tokio_postgres::NoTls;
use waymark_testkit::execute_at;
use waymark_tests::{
    Backend, Server, Shop, backend::Database, binary, log::Log, process::Process, server::migrate,
    world::fresh_code,
};

/// What a command wrote to both outputs.
fn said_of(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs `serve` with settings that it must refuse, and gives what it says.
#[track_caller]
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("waymark.db").display());
    let mut command = binary::command(&["serve", "--database-url", &url]);
    let output = command
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = said_of(&output);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?} {variables:?}: {said}"
    );
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn an_address_that_is_not_loopback_needs_a_word() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50551"] {
        let said = refused(&["--listen", address], &[]);
        assert!(
            said.contains("listen") && said.contains("--insecure"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insecure_is_the_word() {
    let server = Server::start_with(Backend::Sqlite, &["--insecure", "--log-level", "info"]).await;
    assert!(server.address().ip().is_loopback());
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("waymark.db").display());
    let log = Log::default();
    let command = binary::command(&[
        "serve",
        "--insecure",
        "--listen",
        "0.0.0.0:0",
        "--database-url",
        &url,
    ]);
    let _process = Process::start(command, &log, Some(directory.path()));
    let listens = |line: &str| line.contains("listening on 0.0.0.0:").then_some(());
    log.find(0, std::time::Duration::from_mins(1), listens)
        .await
        .expect("it listens");
}

#[test]
fn unknown_settings_are_named_with_where_they_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings.toml");
    let path = file.to_str().unwrap();
    for (text, words) in [
        ("colour = \"red\"\n", ["colour", "settings.toml"]),
        ("log_level = \"loud\"\n", ["log_level", "settings.toml"]),
        (
            "queue_units_max = -1\n",
            ["queue_units_max", "settings.toml"],
        ),
        (
            "[server]\nlisten = \"127.0.0.1:0\"\n",
            ["server", "settings.toml"],
        ),
        ("listen = ", ["settings.toml", "cannot be read"]),
    ] {
        fs::write(&file, text).unwrap();
        let said = refused(&["--config", path], &[]);
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{text}: {said}"
        );
    }
    let said = refused(&[], &[("WAYMARK_COLOUR", "red")]);
    assert!(said.contains("WAYMARK_COLOUR"), "{said}");
    let said = refused(&[], &[("WAYMARK_LISTEN", "somewhere")]);
    assert!(
        said.contains("listen") && said.contains("WAYMARK_LISTEN"),
        "{said}"
    );
    let said = refused(&["--set", "colour=red"], &[]);
    assert!(said.contains("colour"), "{said}");
    let said = refused(&["--listen", "here"], &[]);
    assert!(said.contains("listen"), "{said}");
    for origins in ["*", "null", "shop.example", "https://*.shop.example"] {
        let setting = format!("grpc_web_origins={origins}");
        let said = refused(&["--set", &setting], &[]);
        assert!(said.contains("grpc_web_origins"), "{said}");
    }
    let said = refused(&["--preset", "shopify"], &[]);
    assert!(said.contains("preset"), "{said}");
    let said = refused(&["--config", "/no/such/file.toml"], &[]);
    assert!(said.contains("/no/such/file.toml"), "{said}");
    let output = binary::run(&["serve", "--database-url", "mysql://localhost/x"]);
    assert!(output.status.code() == Some(2) && said_of(&output).contains("database_url"));
    refused(&["--colour"], &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_win_over_variables_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings.toml");
    fs::write(
        &file,
        "default_workflow = \"from_file\"\npreset = \"modmore\"\nlog_level = \"info\"\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let server = Server::start_with(Backend::Sqlite, &["--config", path]).await;
    let workflow = Shop::new(server.clients(), "").definition().await;
    assert_eq!(
        (workflow.code.as_str(), workflow.label.as_str()),
        ("from_file", "modmore Commerce")
    );
    let server = Server::start_with(
        Backend::Sqlite,
        &["--config", path, "--default-workflow", "from_flag"],
    )
    .await;
    assert_eq!(
        Shop::new(server.clients(), "").definition().await.code,
        "from_flag"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_postgres_schema_is_not_served() {
    let database = Database::empty(Backend::Postgres).await;
    let serve = || {
        binary::run(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            database.url(),
        ])
    };
    let output = serve();
    let told = said_of(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("waymark migrate"), "{told}");
    migrate(&database);
    let again = binary::run(&["migrate", "--database-url", database.url()]);
    assert!(
        again.status.success() && said_of(&again).contains("up to date"),
        "{}",
        said_of(&again)
    );
}

/// Starting the same program again changes nothing of it, so whatever runs it is told to give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_not_served() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = Database::empty(backend).await;
        migrate(&database);
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
        execute_at(database.url(), newer).await;
        for command in ["serve", "migrate"] {
            let output = binary::run(&[command, "--database-url", database.url()]);
            let told = said_of(&output);
            assert_eq!(output.status.code(), Some(2), "{told}");
            assert!(
                told.contains("has 1 migration that this program does not know"),
                "{told}"
            );
            assert!(told.contains("start the newer program"), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_says_what_it_migrates() {
    let mut server = Server::start(Backend::Sqlite).await;
    server.kill();
    server.ended(Duration::from_secs(10)).await;
    let url = server.database().url();
    let down = include_str!("../../migrations/sqlite/2026-11-30-000000_requests/down.sql");
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = '20261130000000'";
    execute_at(url, &format!("{down}{forget}")).await;
    server.restart().await;
    let told = |line: &str| {
        let is_told = line.contains("migration applied") && line.contains("20261130000000");
        is_told.then_some(())
    };
    let found = server.log().find(0, Duration::from_secs(10), told).await;
    assert!(found.is_some(), "the log has the migration");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_is_told_what_to_grant() {
    let database = Database::empty(Backend::Postgres).await;
    migrate(&database);
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let role = fresh_code();
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        ))
        .await
        .unwrap();
    let url = database.url().replace("postgres@", &format!("{role}@"));
    for (arguments, grant) in [
        (&["serve", "--listen", "127.0.0.1:0"][..], "GRANT SELECT"),
        (&["migrate"][..], "GRANT CREATE"),
    ] {
        let mut command = binary::command(arguments);
        let output = command.args(["--database-url", &url]).output().unwrap();
        let said = said_of(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(grant), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_what_was_changed() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let mut server = Server::start(backend).await;
        let shop = Shop::new(server.clients(), "");
        shop.add_status("mine").await;
        let workflow = shop.definition().await;
        server.kill();
        server.restart().await;
        let shop = shop.over(server.clients());
        assert_eq!(
            shop.definition().await,
            workflow,
            "the preset is loaded into an empty database only"
        );
        assert_eq!(shop.status("mine").await.unwrap().code, "mine");
    }
}

#[test]
fn the_version_and_the_help_are_printed() {
    let version = binary::run(&["version"]);
    assert!(version.status.success() && said_of(&version).contains(env!("CARGO_PKG_VERSION")));
    let help = binary::run(&["serve", "--help"]);
    assert!(help.status.success() && said_of(&help).contains("--listen"));
    assert_eq!(binary::run(&["fly"]).status.code(), Some(2));
}
