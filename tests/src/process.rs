//! One process of the service: started, watched, signalled, and ended with the test that started it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::log::Log;

/// A running process whose output is collected.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Log,
    guard: Guard,
    has_ended: bool,
}

impl Process {
    /// Starts a command; its output is added to `log`. `rubbish` is a directory that goes when the test process ends
    /// without taking leave, as it does for servers that all tests share.
    pub fn start(mut command: Command, log: &Log, rubbish: Option<&Path>) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the process starts");
        log.collect(child.stdout.take().expect("stdout is piped"));
        log.collect(child.stderr.take().expect("stderr is piped"));
        let guard = Guard::over(child.id(), rubbish);
        Self {
            child,
            log: log.clone(),
            guard,
            has_ended: false,
        }
    }

    /// Its output.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.has_ended {
            return;
        }
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).expect("the process is there until it was waited for");
    }

    /// Waits for its end.
    pub async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                self.has_ended = true;
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.has_ended = self.has_ended
            || self
                .child
                .try_wait()
                .expect("a child can be waited for")
                .is_some();
        !self.has_ended
    }

    /// Ends it as a power failure would, and waits.
    pub fn kill(&mut self) {
        if !self.has_ended {
            // Also ends a stopped process. An error means that it has ended already.
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.has_ended = true;
        }
    }

    /// How much memory was resident at most, in MiB; none when it has ended.
    pub fn peak_mib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib / 1024)
    }

    /// A size in KiB from `/proc/<pid>/status`, such as `VmRSS` or `VmHWM`.
    pub fn memory_kib(&self, key: &str) -> u64 {
        let path = PathBuf::from(format!("/proc/{}/status", self.id()));
        let status = fs::read_to_string(path).expect("a running process has a status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .expect("the key exists");
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number of KiB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.guard.release();
    }
}

/// A shell that waits for the end of the test process, however it comes, and ends what was left running.
#[derive(Debug)]
struct Guard {
    shell: Child,
}

impl Guard {
    fn over(id: u32, rubbish: Option<&Path>) -> Self {
        // A line means that the process was ended in order; the end of input, that nobody was left to do it.
        let script = r#"read -r line || { kill -9 "$1"; [ -z "$2" ] || rm -rf -- "$2"; }"#;
        let shell = Command::new("sh")
            .args(["-c", script, "guard", &id.to_string()])
            .arg(rubbish.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        Self { shell }
    }

    fn release(&mut self) {
        if let Some(mut input) = self.shell.stdin.take() {
            let _ = input.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}
