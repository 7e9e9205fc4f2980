//! The server that is measured: the release binary as a process of its own,
//! with its default settings.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::{cluster::free_port, data::Data};
use crate::{
    failure::Failure,
    wire::{Connections, HealthReport, HealthRequest, Method},
};

const START_PATIENCE: Duration = Duration::from_mins(1);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// The pause between questions to a server that starts whether it serves.
const ASKED_EVERY: Duration = Duration::from_millis(2);
const SERVING: i32 = 1;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    started_in: Duration,
}

/// A figure of its memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory {
    /// The resident memory now.
    Resident,
    /// The most that it ever held.
    Peak,
}

impl Server {
    /// Starts it on a database, and waits until it serves.
    pub(crate) async fn start(data: &Data, database_url: &str) -> Result<Self, Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let log = data.log("waymark");
        let mut command = command(data, &log, database_url)?;
        command
            .arg("serve")
            .env("WAYMARK_LISTEN", address.to_string());
        let spawned = Instant::now();
        let child = command.spawn().map_err(Failure::io("waymark serve"))?;
        let mut server = Self {
            child,
            address,
            started_in: Duration::ZERO,
        };
        server.wait_until_serving(&log).await?;
        server.started_in = spawned.elapsed();
        Ok(server)
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time from its spawning to the first answer that it serves.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let id = self.id()?;
        kill_process(id, Signal::TERM).map_err(|source| Failure::Io {
            what: "waymark cannot be asked to stop",
            source: source.into(),
        })?;
        let ended = timeout(STOP_PATIENCE, self.child.wait()).await;
        let status = ended
            .map_err(|_| Failure::NotStopped)?
            .map_err(Failure::io("the end of waymark"))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Program {
            program: "waymark",
            status,
            said: String::new(),
        })
    }

    /// Its memory in megabytes of a million bytes.
    pub(crate) fn memory_mb(&self, which: Memory) -> Result<f64, Failure> {
        let key = match which {
            Memory::Resident => "VmRSS:",
            Memory::Peak => "VmHWM:",
        };
        let path = format!("/proc/{}/status", self.id()?.as_raw_nonzero());
        let status = fs::read_to_string(path).map_err(Failure::io("the memory of waymark"))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kib.ok_or(Failure::NoMemory)? * 1_024.0 / 1e6)
    }

    fn id(&self) -> Result<Pid, Failure> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).ok_or(Failure::NotRunning)
    }

    async fn wait_until_serving(&mut self, log: &Path) -> Result<(), Failure> {
        let until = Instant::now() + START_PATIENCE;
        while !self.serves().await {
            let ended = self.child.try_wait().map_err(Failure::io("waymark"))?;
            if ended.is_some() || Instant::now() > until {
                return Err(Failure::NotStarted {
                    program: "waymark",
                    log: log.to_owned(),
                });
            }
            sleep(ASKED_EVERY).await;
        }
        Ok(())
    }

    async fn serves(&self) -> bool {
        let asked = async {
            let connections = Connections::open(&[self.address]).await?;
            let report: HealthReport = connections
                .ask(Method::HEALTH_CHECK, &HealthRequest {})
                .await?;
            Ok::<_, Failure>(report.status == SERVING)
        };
        asked.await.unwrap_or(false)
    }
}

/// Brings a database up to date, as `serve` wants it on PostgreSQL.
pub(crate) async fn migrate(data: &Data, database_url: &str) -> Result<(), Failure> {
    let mut command = command(data, &data.log("migrate"), database_url)?;
    let status = command.arg("migrate").status().await;
    let status = status.map_err(Failure::io("waymark migrate"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Program {
        program: "waymark migrate",
        status,
        said: String::new(),
    })
}

/// The binary with no settings but these.
fn command(data: &Data, log: &PathBuf, database_url: &str) -> Result<Command, Failure> {
    let open = || File::options().create(true).append(true).open(log);
    let no_log = |source| Failure::Io {
        what: "the log of waymark",
        source,
    };
    let mut command = Command::new(data.waymark());
    command
        .env_clear()
        .env("WAYMARK_DATABASE_URL", database_url)
        .env("WAYMARK_PRESET", "none")
        .env("WAYMARK_WEBHOOKS_ALLOWED", "127.0.0.1")
        .current_dir(data.work())
        .stdin(Stdio::null())
        .stdout(open().map_err(no_log)?)
        .stderr(open().map_err(no_log)?)
        .kill_on_drop(true);
    Ok(command)
}
