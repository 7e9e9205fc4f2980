//! A PostgreSQL server of the benchmark's own: durable, else with the defaults,
//! but for the few settings below. It ends with this process, however that ends.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

use super::programs::Programs;
use crate::failure::Failure;

/// The settings that differ from the defaults, or must not differ from them.
const SETTINGS: [&str; 7] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "max_connections=200",
    "log_min_messages=warning",
];

/// Runs the server until its own input closes, which it does when the benchmark goes away for
/// whatever reason.
const WATCHDOG: &str = r#"
server=$1; directory=$2; shift 2
"$server" -D "$directory" "$@" >>"$directory/log" 2>&1 &
pid=$!
read -r word
kill -INT "$pid" 2>/dev/null
wait "$pid"
"#;

const PATIENCE: Duration = Duration::from_mins(2);

/// A running server.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: Programs,
    directory: PathBuf,
    port: u16,
    watchdog: Child,
}

impl Cluster {
    /// Starts the server in a directory, which is made if there is none.
    pub(crate) fn start(directory: &Path) -> Result<Self, Failure> {
        let programs = Programs::find()?;
        if !directory.join("PG_VERSION").is_file() {
            initialize(&programs, directory)?;
        }
        let port = free_port()?;
        let watchdog = launch(&programs, directory, port)?;
        let cluster = Self {
            programs,
            directory: directory.to_owned(),
            port,
            watchdog,
        };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A client program of PostgreSQL that is to work on a database.
    pub(crate) fn client_program(&self, name: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.path(name));
        command
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
            .args([&self.port.to_string(), database])
            .kill_on_drop(true);
        command
    }

    /// A connection to a database.
    pub(crate) async fn connect(&self, database: &str) -> Result<Client, Failure> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await?;
        // How it ended is told by the queries on it.
        tokio::spawn(async move { connection.await.ok() });
        Ok(client)
    }

    /// Runs statements of administration.
    pub(crate) async fn execute(&self, database: &str, sql: &str) -> Result<(), Failure> {
        Ok(self.connect(database).await?.batch_execute(sql).await?)
    }

    /// The names of the databases, templates of PostgreSQL itself left out.
    pub(crate) async fn databases(&self) -> Result<Vec<String>, Failure> {
        let client = self.connect("postgres").await?;
        let sql =
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'";
        let rows = client.query(sql, &[]).await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?)
    }

    /// Copies a database file by file.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<(), Failure> {
        self.drop_database(to).await?;
        self.disconnect(from).await?;
        let sql = format!("CREATE DATABASE {to} TEMPLATE {from} STRATEGY FILE_COPY");
        self.execute("postgres", &sql).await
    }

    /// Waits until nobody is connected to a database any more.
    pub(crate) async fn disconnect(&self, name: &str) -> Result<(), Failure> {
        let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
        let client = self.connect("postgres").await?;
        client.query(sql, &[&name]).await?;
        Ok(())
    }

    /// Removes a database, whoever is connected to it.
    pub(crate) async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        self.execute("postgres", &sql).await
    }

    /// Writes back what is in memory, so that who is measured next starts as the one before.
    pub(crate) async fn checkpoint(&self) -> Result<(), Failure> {
        self.execute("postgres", "CHECKPOINT").await
    }

    fn wait_until_ready(&self) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        let port = self.port.to_string();
        loop {
            let mut asked = self.programs.command(self.programs.path("pg_isready"));
            asked.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            if asked.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if Instant::now() > until {
                let log = self.directory.join("log");
                return Err(Failure::NotStarted {
                    program: "postgres",
                    log,
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Closing its input tells the watchdog to stop the server.
        if let Some(mut input) = self.watchdog.stdin.take() {
            let _ = input.write_all(b"stop\n");
        }
        let _ = self.watchdog.wait();
    }
}

fn initialize(programs: &Programs, directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::io("the directory of PostgreSQL"))?;
    if let Some((user, group)) = programs.owner() {
        chown(directory, Some(user), Some(group))
            .map_err(Failure::io("the directory of PostgreSQL"))?;
    }
    let mut command = programs.command(programs.path("initdb"));
    command
        .args(["-A", "trust", "-U", "postgres", "-E", "UTF8"])
        .args(["--locale=C.UTF-8", "-D"])
        .arg(directory)
        .stdout(Stdio::null());
    let status = command.status().map_err(Failure::io("initdb"))?;
    if !status.success() {
        return Err(Failure::Program {
            program: "initdb",
            status,
            said: String::new(),
        });
    }
    Ok(())
}

fn launch(programs: &Programs, directory: &Path, port: u16) -> Result<Child, Failure> {
    let mut command = programs.command("/bin/sh");
    command
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(programs.path("postgres"))
        .arg(directory)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(directory);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
        // A process group of its own: Ctrl-C reaches the benchmark, whose end stops the server.
        .process_group(0)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(Failure::io("postgres"))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let free = Failure::io("no free port");
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(address.map_err(free)?.port())
}
