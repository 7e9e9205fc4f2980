//! A `waymark serve` process on a database of its own, which can be stopped, killed and started again.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::{
    Clients,
    backend::{Backend, Database},
    binary,
    log::Log,
    process::Process,
};

/// How long a server may take to start, on a machine that compiles as well.
const START_MAX: Duration = Duration::from_mins(1);

/// A server and its database.
#[derive(Debug)]
pub struct Server {
    // Dropped first: the process lets go of the database before that goes.
    process: Process,
    database: Database,
    address: SocketAddr,
    options: Options,
}

/// How a server is started, also when it is started again.
#[derive(Debug, Clone, Default)]
struct Options {
    arguments: Vec<String>,
    memory_mib: Option<u64>,
    /// The time zone of its machine, as POSIX writes it; none for that of the tests.
    zone: Option<String>,
    /// The directory of the faults that a test asks for.
    faults: Option<PathBuf>,
}

impl Server {
    /// Starts a server on a fresh database.
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, &[]).await
    }

    /// Starts a server on a fresh database with more arguments to `serve`.
    pub async fn start_with(backend: Backend, arguments: &[&str]) -> Self {
        Self::start_as(backend, Options::of(arguments)).await
    }

    /// Starts a server on a fresh database in a time zone, written as POSIX does so that no table of zones is needed.
    pub async fn start_in_zone(backend: Backend, arguments: &[&str], zone: &str) -> Self {
        let options = Options {
            zone: Some(zone.to_owned()),
            ..Options::of(arguments)
        };
        Self::start_as(backend, options).await
    }

    /// Starts a server on a fresh database that panics where a file in a directory says so.
    pub async fn start_with_faults(backend: Backend, arguments: &[&str], faults: &Path) -> Self {
        let options = Options {
            faults: Some(faults.to_owned()),
            ..Options::of(arguments)
        };
        Self::start_as(backend, options).await
    }

    /// Starts a server on a fresh database that may have so much memory, in MiB; it ends where it wants more.
    pub async fn start_within(backend: Backend, arguments: &[&str], memory_mib: u64) -> Self {
        let options = Options {
            memory_mib: Some(memory_mib),
            ..Options::of(arguments)
        };
        Self::start_as(backend, options).await
    }

    async fn start_as(backend: Backend, options: Options) -> Self {
        let database = Database::empty(backend).await;
        if backend == Backend::Postgres {
            migrate(&database);
        }
        let log = Log::default();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (process, address) = launch(&database, any, &options, &log).await;
        Self {
            process,
            database,
            address,
            options,
        }
    }

    /// Starts it again on the same database and port, after it ended.
    pub async fn restart(&mut self) {
        assert!(
            !self.process.is_running(),
            "a running server is not started again"
        );
        let log = self.log().clone();
        (self.process, self.address) =
            launch(&self.database, self.address, &self.options, &log).await;
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits for its end, which must come within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> ExitStatus {
        self.process
            .ended(patience)
            .await
            .unwrap_or_else(|| panic!("the server did not end within {patience:?}"))
    }

    /// Stops the process where it is, as a machine that swaps or a debugger would.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets a stopped process go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// New clients of it, with a connection of their own.
    pub fn clients(&self) -> Clients {
        Clients::of(self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What it printed, over all its starts.
    pub fn log(&self) -> &Log {
        self.process.log()
    }
}

impl Options {
    fn of(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }
}

/// Brings a database up to date with the command for it.
pub fn migrate(database: &Database) {
    let output = binary::run(&["migrate", "--database-url", database.url()]);
    assert!(
        output.status.success(),
        "migrate: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn launch(
    database: &Database,
    listen: SocketAddr,
    options: &Options,
    log: &Log,
) -> (Process, SocketAddr) {
    let since = log.len();
    let serve = ["serve", "--database-url", database.url()];
    let mut command = match options.memory_mib {
        None => binary::command(&serve),
        Some(memory_mib) => binary::command_within(memory_mib, &serve),
    };
    command
        .arg("--listen")
        .arg(listen.to_string())
        .args(&options.arguments);
    if let Some(zone) = &options.zone {
        command.env("TZ", zone);
    }
    if let Some(faults) = &options.faults {
        command.env(binary::FAULTS, faults);
    }
    let mut process = Process::start(command, log, database.directory());
    let Some(address) = log.find(since, START_MAX, bound_address).await else {
        log.show(since);
        panic!(
            "the server did not say where it listens; running: {}",
            process.is_running()
        );
    };
    until_serving(address, &mut process).await;
    (process, address)
}

/// Reads the address from the line in which the server says that it listens.
fn bound_address(line: &str) -> Option<SocketAddr> {
    if !line.contains("listen") {
        return None;
    }
    let start = line.find("127.0.0.1:")?;
    let rest = &line[start..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')
        .unwrap_or(rest.len());
    rest[..end]
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.port() != 0)
}

async fn until_serving(address: SocketAddr, process: &mut Process) {
    let deadline = Instant::now() + START_MAX;
    let mut health = Clients::of(address).health();
    loop {
        let answer = health.check(HealthCheckRequest::default()).await;
        if answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving) {
            return;
        }
        assert!(
            process.is_running() && Instant::now() < deadline,
            "the server does not get to SERVING"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log().show(0);
        }
    }
}
