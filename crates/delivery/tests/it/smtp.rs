//! A real SMTP server in a process of its own, see `smtp_server.py`.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Smtp {
    process: Child,
    words: Receiver<Value>,
    pub(crate) port: u16,
}

impl Smtp {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/smtp_server.py");
        let mut process = Command::new(python())
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (tell, words) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let word = serde_json::from_str(&line).expect("the server prints JSON");
                if tell.send(word).is_err() {
                    return;
                }
            }
        });
        let mut server = Self {
            process,
            words,
            port: 0,
        };
        server.port = server.word().as_u64().unwrap().try_into().unwrap();
        server
    }

    /// The next mail that the server took.
    pub(crate) fn mail(&self) -> Value {
        loop {
            let word = self.word();
            if word.get("closed").is_none() {
                return word;
            }
        }
    }

    /// Waits until the server has closed the connection of the client at `port`.
    pub(crate) fn wait_for_close(&self, port: &Value) {
        while self.word().get("closed") != Some(port) {}
    }

    /// Whether it took no mail of which nobody asked yet. To be asked after a later mail was taken or the attempt ended.
    pub(crate) fn has_no_more(&self) -> bool {
        self.words
            .try_iter()
            .all(|word| word.get("closed").is_some())
    }

    fn word(&self) -> Value {
        let word = self.words.recv_timeout(PATIENCE);
        word.expect("the SMTP server says something in time")
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A Python that has aiosmtpd. `make test` made it; else it is made here.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("smtp");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/smtp.sh");
        let made = Command::new("sh").arg(script).arg(&folder).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "the SMTP server of the tests cannot be installed"
        );
        folder.join("bin/python")
    })
}
