//! A real SMTP server in a process of its own, see `smtp_server.py`.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::python;

/// How long a word of the server may take, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_mins(1);

/// An SMTP server on loopback, which answers as the addresses of mails say and keeps what it took.
#[derive(Debug)]
pub struct Smtp {
    process: Child,
    heard: Arc<Heard>,
    /// Where it listens.
    pub port: u16,
}

/// What the server said and nobody has taken yet.
#[derive(Debug, Default)]
struct Heard {
    words: Mutex<Vec<Value>>,
    more: Condvar,
}

impl Smtp {
    /// Starts a server with these arguments to its script; `--port` gives it a port of one before.
    pub fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/smtp_server.py");
        let mut process = Command::new(python::with("aiosmtpd"))
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let heard = Arc::<Heard>::default();
        let ear = Arc::clone(&heard);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                ear.add(serde_json::from_str(&line).expect("the server prints JSON"));
            }
        });
        let mut server = Self {
            process,
            heard,
            port: 0,
        };
        let port = server.heard.take(Value::is_u64);
        server.port = port.as_u64().unwrap().try_into().unwrap();
        server
    }

    /// Takes the next mail that came.
    pub fn mail(&self) -> Value {
        self.heard.take(is_mail)
    }

    /// Takes the next mail that came for an address in this domain.
    pub fn mail_for(&self, domain: &str) -> Value {
        self.heard.take(|word| is_for(word, domain))
    }

    /// Waits until the server has closed the connection of the client at `port`.
    pub fn wait_for_close(&self, port: &Value) {
        self.heard.take(|word| word.get("closed") == Some(port));
    }

    /// Whether it took no mail of which nobody asked yet. To be asked after a later mail was taken or the attempt ended.
    pub fn has_no_more(&self) -> bool {
        !self.heard.words().iter().any(is_mail)
    }

    /// The same of mails for addresses in this domain.
    pub fn has_no_more_for(&self, domain: &str) -> bool {
        !self.heard.words().iter().any(|word| is_for(word, domain))
    }
}

impl Heard {
    fn words(&self) -> MutexGuard<'_, Vec<Value>> {
        self.words.lock().unwrap()
    }

    fn add(&self, word: Value) {
        self.words().push(word);
        self.more.notify_all();
    }

    /// Takes out the first word that is wanted, once it has come.
    fn take(&self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = self
            .more
            .wait_timeout_while(self.words(), PATIENCE, |words| {
                !words.iter().any(&is_wanted)
            });
        let (mut words, _) = waiting.unwrap();
        let Some(place) = words.iter().position(&is_wanted) else {
            panic!("the SMTP server does not say it in time, only {words:?}");
        };
        words.remove(place)
    }
}

fn is_mail(word: &Value) -> bool {
    word.get("recipients").is_some()
}

fn is_for(word: &Value, domain: &str) -> bool {
    let recipients = word["recipients"].as_array();
    let mut recipients = recipients.into_iter().flatten().filter_map(Value::as_str);
    recipients.any(|address| address.rsplit('@').next() == Some(domain))
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
