//! One server with a data directory of its own, and standbys of it. It ends with
//! the process that started it, however that ends.

use std::{
    fs::Permissions,
    io::Write,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const NEEDED: &str = "PostgreSQL's server programs are needed: apt-get install -y postgresql";

/// Runs the server until its own standard input says `keep` or closes, which it does when
/// the process that started it goes away for whatever reason. Then it stops the server, and
/// removes the directory unless that shall be kept.
const WATCHDOG: &str = r#"
server=$1; directory=$2; shift 2
"$server" -D "$directory" "$@" >>"$directory/log" 2>&1 &
pid=$!
read -r word
kill -QUIT "$pid" 2>/dev/null
wait "$pid"
[ "$word" = keep ] || rm -rf "$directory"
"#;

/// Whether the server survives a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production. For tests that kill it.
    Durable,
    /// Nothing is flushed. Several times as fast.
    Fast,
}

/// A server of one's own, which can be stopped, killed and started again.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    directory: PathBuf,
    owner: Option<(u32, u32)>,
    durability: Durability,
    /// Settings of its own, each `name=value`.
    settings: Vec<String>,
    port: u16,
    watchdog: Option<Child>,
}

impl Server {
    /// Makes a data directory and starts a server on it, on a free port of the loopback.
    pub fn start(durability: Durability) -> Self {
        Self::start_with(durability, &[])
    }

    /// Does the same with settings of the server's own, each `name=value`.
    pub fn start_with(durability: Durability, settings: &[&str]) -> Self {
        let mut server = Self::in_fresh_directory(durability, settings);
        server.initialize();
        server.resume();
        server
    }

    /// Makes a data directory with files beside those that belong there, such as a certificate
    /// and the rules of who is let in, and starts a server on it that is not durable.
    pub fn start_with_files(settings: &[&str], files: &[(&str, &str)]) -> Self {
        let mut server = Self::in_fresh_directory(Durability::Fast, settings);
        server.initialize();
        for (name, text) in files {
            server.keep(name, text);
        }
        server.resume();
        server
    }

    /// Copies a server while it runs, and starts the copy as its standby, which it knows by `name`.
    /// The copy has none of the settings that the primary was started with.
    pub fn standby_of(primary: &Self, name: &str) -> Self {
        // How long it waits for the primary once more before it is promoted.
        let settings = ["wal_retrieve_retry_interval=100ms"];
        let mut standby = Self::in_fresh_directory(primary.durability, &settings);
        let from = format!(
            "host=127.0.0.1 port={} user=postgres application_name={name}",
            primary.port
        );
        let mut command = standby.program(standby.programs.join("pg_basebackup"));
        command
            .args(["-d", &from, "-R", "-X", "stream", "-c", "fast"])
            .args(["--no-sync", "-D"])
            .arg(&standby.directory);
        let output = command.output().expect(NEEDED);
        assert!(
            output.status.success(),
            "the server is not copied: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        // That of the primary.
        let _ = std::fs::remove_file(standby.directory.join("log"));
        standby.resume();
        standby
    }

    fn in_fresh_directory(durability: Durability, settings: &[&str]) -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new()
            .prefix("waymark-postgres-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .unwrap()
            .keep();
        let owner = unprivileged();
        if let Some((user, group)) = owner {
            chown(&directory, Some(user), Some(group)).unwrap();
        }
        Self {
            programs,
            directory,
            owner,
            durability,
            settings: settings.iter().map(ToString::to_string).collect(),
            port: free_port(),
            watchdog: None,
        }
    }

    /// The address of a database on this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server in an orderly way; connections are cut.
    pub fn stop(&mut self) {
        self.control("fast");
    }

    /// Stops the server as a crash would: nothing is written, the next start recovers.
    pub fn kill(&mut self) {
        self.control("immediate");
    }

    /// Starts the server again, on the same port and data.
    pub fn resume(&mut self) {
        let mut command = self.program("/bin/sh");
        command
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(self.programs.join("postgres"))
            .arg(&self.directory);
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k"])
            .arg(&self.directory);
        command.args([
            "-c",
            "max_connections=300",
            "-c",
            "shared_buffers=64MB",
            "-c",
            "log_min_messages=warning",
        ]);
        if self.durability == Durability::Fast {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        // A process group of its own: Ctrl-C reaches the test, whose end stops the server.
        let watchdog = command
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .expect(NEEDED);
        self.watchdog = Some(watchdog);
        self.wait_until_ready();
    }

    /// Makes a standby take writes; it follows nobody from then on.
    pub fn promote(&self) {
        let mut command = self.program(self.programs.join("pg_ctl"));
        command
            .args(["promote", "-w", "-D"])
            .arg(&self.directory)
            .stdout(Stdio::null());
        assert!(
            command.status().unwrap().success(),
            "the standby is not promoted: {}",
            self.log()
        );
    }

    /// Writes a file that the server alone may read, as it wants its key.
    fn keep(&self, name: &str, text: &str) {
        let file = self.directory.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.owner {
            chown(&file, Some(user), Some(group)).unwrap();
        }
    }

    fn control(&mut self, mode: &str) {
        let mut command = self.program(self.programs.join("pg_ctl"));
        command
            .args(["stop", "-w", "-m", mode, "-D"])
            .arg(&self.directory)
            .stdout(Stdio::null());
        assert!(
            command.status().unwrap().success(),
            "the server does not stop: {}",
            self.log()
        );
        self.dismiss(b"keep\n");
    }

    /// Says a last word to the watchdog, and waits until it is done.
    fn dismiss(&mut self, word: &[u8]) {
        if let Some(mut watchdog) = self.watchdog.take() {
            if let Some(mut input) = watchdog.stdin.take() {
                let _ = input.write_all(word);
            }
            let _ = watchdog.wait();
        }
    }

    fn initialize(&self) {
        // A collation other than bytes, so that a forgotten COLLATE "C" shows.
        let linguistic = [
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--locale=C.UTF-8",
        ];
        if !self.initdb(&linguistic) {
            assert!(
                self.initdb(&["--locale=C.UTF-8"]),
                "initdb fails in {}",
                self.directory.display()
            );
        }
    }

    fn initdb(&self, locale: &[&str]) -> bool {
        let mut command = self.program(self.programs.join("initdb"));
        command
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8"])
            .args(locale);
        command
            .arg("-D")
            .arg(&self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect(NEEDED).success()
    }

    /// PostgreSQL refuses to run as root.
    fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn wait_until_ready(&mut self) {
        let until = Instant::now() + Duration::from_mins(1);
        let ready = self.programs.join("pg_isready");
        loop {
            let mut command = Command::new(&ready);
            command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if command.status().is_ok_and(|status| status.success()) {
                return;
            }
            assert!(
                Instant::now() < until,
                "the server does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.dismiss(b"remove\n");
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Where the server programs are; fails with the one line to run when they are nowhere.
fn programs() -> PathBuf {
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let asked = asked.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions = versions
        .map(|version| version.path().join("bin"))
        .collect::<Vec<_>>();
    versions.sort_by_key(|path| std::cmp::Reverse(version(path)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let mut candidates = asked.into_iter().chain(versions).chain(on_path);
    let complete = |directory: &PathBuf| {
        ["initdb", "postgres", "pg_ctl", "pg_isready"]
            .iter()
            .all(|program| directory.join(program).is_file())
    };
    candidates.find(complete).expect(NEEDED)
}

fn version(bin: &Path) -> u32 {
    let version = bin
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

/// The user and group `postgres`, when this process is root.
fn unprivileged() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    if user.split_whitespace().nth(1) != Some("0") {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut fields = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect(NEEDED)
        .split(':')
        .skip(2);
    let mut number = || fields.next().and_then(|field| field.parse().ok());
    Some((number()?, number()?))
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
