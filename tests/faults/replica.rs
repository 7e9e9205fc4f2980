//! One `waymark serve` process on a database that others may share: killed, frozen and started again on its port.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use waymark_tests::{Clients, binary, log::Log, process::Process};

/// How long a process may take to serve, on a machine that compiles as well.
const START_MAX: Duration = Duration::from_mins(1);

/// A replica of the service.
pub(crate) struct Replica {
    process: Process,
    url: String,
    settings: Vec<String>,
    /// The directory of the faults that a test asks for.
    faults: Option<PathBuf>,
    address: SocketAddr,
}

impl Replica {
    /// Brings the database up to date and starts a replica on it. Settings are `key=value`.
    pub(crate) async fn start(url: &str, settings: &[&str]) -> Self {
        Self::start_as(url, settings, None).await
    }

    /// The same for one that panics where a file in a directory says so.
    pub(crate) async fn start_with_faults(url: &str, settings: &[&str], faults: &Path) -> Self {
        Self::start_as(url, settings, Some(faults)).await
    }

    async fn start_as(url: &str, settings: &[&str], faults: Option<&Path>) -> Self {
        if url.starts_with("postgres:") {
            let output = binary::run(&["migrate", "--database-url", url]);
            assert!(
                output.status.success(),
                "migrate: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let log = Log::default();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (process, address) = launch((url, any), &settings, faults, &log).await;
        Self {
            process,
            url: url.to_owned(),
            settings,
            faults: faults.map(Path::to_owned),
            address,
        }
    }

    /// Starts it again on the same database and port, after it ended.
    pub(crate) async fn restart(&mut self) {
        assert!(
            !self.process.is_running(),
            "a running replica is not started again"
        );
        let log = self.process.log().clone();
        let place = (self.url.as_str(), self.address);
        let faults = self.faults.as_deref();
        (self.process, self.address) = launch(place, &self.settings, faults, &log).await;
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again as [`Self::restart`] does, and does not wait until it serves.
    pub(crate) fn start_again(&mut self) {
        let log = self.process.log().clone();
        let place = (self.url.as_str(), self.address);
        let faults = self.faults.as_deref();
        self.process = spawn(place, &self.settings, faults, &log);
    }

    /// Starts it again with one more setting, and waits until it serves; gives how it ended where it does so before.
    pub(crate) async fn try_again(&mut self, setting: &str) -> Option<ExitStatus> {
        self.settings.push(setting.to_owned());
        self.start_again();
        let mut health = self.clients().health();
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Some(status) = self.process.ended(Duration::ZERO).await {
                return Some(status);
            }
            let answer = health.check(HealthCheckRequest::default()).await;
            if answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving) {
                return None;
            }
            assert!(
                Instant::now() < deadline,
                "the replica neither gets to SERVING nor ends"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The first line of its log after so many that has a text, which may be on its way.
    pub(crate) async fn line_after(&self, since: usize, text: &str) -> Option<String> {
        let look = |line: &str| line.contains(text).then(|| line.to_owned());
        let log = self.process.log();
        log.find(since, Duration::from_secs(5), look).await
    }

    /// Asks it to stop, and waits for its end, which must come in order and within `patience`.
    pub(crate) async fn stop(&mut self, patience: Duration) {
        self.process.signal(Signal::TERM);
        let status: Option<ExitStatus> = self.process.ended(patience).await;
        assert!(
            status.is_some_and(|status| status.success()),
            "stopped with {status:?}"
        );
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let status = self.process.ended(patience).await;
        status.unwrap_or_else(|| panic!("the replica does not end"))
    }

    /// The lines of its log, since it was started first, that have a text.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        let lines = self.process.log().after(0).into_iter();
        lines.filter(|line| line.contains(text)).collect()
    }

    /// Stops the process where it is.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Whether it is the process that was started last, and runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Clients of it, with a connection of their own.
    pub(crate) fn clients(&self) -> Clients {
        Clients::of(self.address)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let log = self.process.log();
        let panic = log
            .after(0)
            .into_iter()
            .find(|line| line.contains("panicked at"));
        if thread::panicking() {
            log.show(0);
        } else if let Some(line) = panic.filter(|_| self.faults.is_none()) {
            log.show(0);
            panic!("the service panicked: {line}");
        }
    }
}

async fn launch(
    place: (&str, SocketAddr),
    settings: &[String],
    faults: Option<&Path>,
    log: &Log,
) -> (Process, SocketAddr) {
    let since = log.len();
    let mut process = spawn(place, settings, faults, log);
    let Some(address) = log.find(since, START_MAX, bound_address).await else {
        log.show(since);
        panic!(
            "the replica did not say where it listens; running: {}",
            process.is_running()
        );
    };
    until_serving(address, &mut process).await;
    (process, address)
}

/// Starts a process on a database that listens at an address.
fn spawn(
    (url, listen): (&str, SocketAddr),
    settings: &[String],
    faults: Option<&Path>,
    log: &Log,
) -> Process {
    let mut command = binary::command(&["serve", "--database-url", url, "--log-format", "json"]);
    command.arg("--listen").arg(listen.to_string());
    // One line for each call would drown what the faults did.
    command.args([
        "--log-level",
        "warn,waymark_server=info,waymark_server::telemetry=warn",
    ]);
    command.args(settings.iter().flat_map(|setting| ["--set", setting]));
    if let Some(faults) = faults {
        command.env(binary::FAULTS, faults);
    }
    Process::start(command, log, None)
}

/// Reads the address from the line in which the service says that it listens.
fn bound_address(line: &str) -> Option<SocketAddr> {
    let rest = &line[line
        .find("127.0.0.1:")
        .filter(|_| line.contains("listen"))?..];
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
            "the replica does not get to SERVING"
        );
        sleep(Duration::from_millis(10)).await;
    }
}
