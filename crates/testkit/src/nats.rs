//! A real NATS server in a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
};

use tempfile::TempDir;

const INSTALL: &str = "go install github.com/nats-io/nats-server/v2@v2.15.2";

/// A NATS server on loopback, with a store of streams.
#[derive(Debug)]
pub struct Nats {
    process: Child,
    /// Where it listens.
    pub port: u16,
}

impl Nats {
    /// Starts a server that keeps its streams in `folder`, on `port` (0 = any).
    pub fn start(folder: &TempDir, port: u16, arguments: &[&str]) -> Self {
        let port = if port == 0 {
            "-1".to_owned()
        } else {
            port.to_string()
        };
        let mut process = Command::new(program())
            .args(["-js", "-a", "127.0.0.1", "-p", &port, "-sd"])
            .arg(folder.path())
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut port = None;
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("Listening for client connections on ") {
                port = address
                    .rsplit(':')
                    .next()
                    .and_then(|port| port.parse().ok());
            }
            if line.contains("Server is ready") {
                break;
            }
        }
        // A server whose log nobody reads would stop at a full pipe.
        thread::spawn(move || lines.for_each(drop));
        let mut server = Self { process, port: 0 };
        server.port = port.expect("the NATS server says where it listens");
        server
    }

    /// Its address, as clients take it.
    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Stops at once and answers the port, for another one.
    pub fn stop(self) -> u16 {
        self.port
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where nats-server is, after it was installed if it had to be.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        find().unwrap_or_else(|| {
            let installed = Command::new("sh").args(["-c", INSTALL]).status();
            assert!(
                installed.is_ok_and(|status| status.success()),
                "install nats-server first: {INSTALL}"
            );
            find().expect("go install puts it where it is looked for")
        })
    })
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin"));
    let places = std::env::split_paths(&path).chain(home);
    places
        .map(|place| place.join("nats-server"))
        .find(|program| program.is_file())
}
