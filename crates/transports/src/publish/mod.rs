//! Events to NATS: as `CloudEvents` into a stream of `JetStream`, which
//! acknowledges them. Start at [`Publisher::publish`].

mod acks;
mod client;
mod connection;
mod connector;
mod credentials;
mod link;
mod login;
mod protocol;
mod session;
mod settings;
mod subject;

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

pub use credentials::InvalidCredentials;
pub use settings::{Access, Servers, SettingsError};
pub use subject::{InvalidSubject, check as check_subject};

use self::{
    acks::{Answer, Refusal},
    client::Client,
    connector::Connector,
    link::Link,
    session::Request,
};
use crate::{Attempt, CloudEvent};

const UNACKNOWLEDGED: &str = "NATS did not acknowledge the event in time";
/// The most attempts that are in flight; more wait for their turn within their time. Some hundred
/// bytes are kept for each that waits for its acknowledgment.
const ATTEMPTS_MAX: usize = 4_096;

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The id of the delivery: the same at every attempt, so that the stream drops a repeat.
    pub id: String,
    /// The subject of NATS that it goes to: 1 to 255 visible ASCII characters,
    /// tokens parted by dots, no wildcards, none of the server's own (`$…`).
    pub subject: String,
    /// Its attributes, which go into headers.
    pub attributes: CloudEvent,
    /// Its data; becomes the whole payload.
    pub body: Bytes,
}

/// Publishes events to one cluster of NATS. One for the whole process: it keeps
/// one connection, which it makes again whenever it is lost.
pub struct Publisher {
    timeout: Duration,
    requests: mpsc::Sender<Request>,
    attempts: Semaphore,
    link: watch::Receiver<Link>,
}

impl Publisher {
    /// Begins to connect to `servers` and does not wait for it: NATS may be down.
    ///
    /// # Errors
    /// Returns the setting that is wrong.
    #[expect(
        clippy::unused_async,
        reason = "the connection is kept by a task, so there has to be a runtime"
    )]
    pub async fn connect(servers: Servers) -> Result<Self, SettingsError> {
        let (sender, link) = watch::channel(Link::default());
        // What cannot be sent at once is not queued: whoever has it waits.
        let (requests, taken) = mpsc::channel(1);
        let client = Client {
            addresses: servers.addresses().to_vec(),
            connector: Connector::new(&servers)?,
            requests: taken,
        };
        tokio::spawn(client.run(sender));
        Ok(Self {
            timeout: servers.timeout(),
            requests,
            attempts: Semaphore::new(ATTEMPTS_MAX),
            link,
        })
    }

    /// Waits until the task behind it has ended, after which nothing is published any more. It does
    /// not end by itself.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut link = self.link.clone();
        async move { while link.changed().await.is_ok() {} }
    }

    /// Makes one attempt to publish `event` and waits for the stream to store it.
    ///
    /// Accepted means stored, now or before: of a repeat within the stream's window
    /// for duplicates (two minutes unless the stream says otherwise) the answer says
    /// `duplicate`. No connection, no stream for the subject, no acknowledgement in
    /// time and a stream that is full are failures; a subject, an id or a size that
    /// NATS cannot take are refusals. Without a connection nothing is kept back to be
    /// sent later; an event that was sent and not acknowledged in time may be stored.
    /// One whose connection is lost before it is acknowledged is sent once more.
    pub async fn publish(&self, event: Event) -> Attempt {
        if let Err(invalid) = subject::check(&event.subject) {
            return Attempt::refused(invalid.to_string());
        }
        let Some(headers) = headers(&event) else {
            return Attempt::refused("the id of the delivery cannot stand in a header");
        };
        let mut lost = None;
        let stored = self.store(&event, &headers, &mut lost);
        match timeout(self.timeout, stored).await {
            Ok(answer) => attempt(&event.subject, answer),
            Err(_elapsed) => self.unanswered(lost),
        }
    }

    /// Sends an event and waits for its answer. `lost` is the problem by which the first connection
    /// was lost that it was sent over; at the second it is given up.
    async fn store(&self, event: &Event, headers: &Bytes, lost: &mut Option<String>) -> Answer {
        let ended = || Answer::Lost("nats: the client has ended".to_owned());
        let Ok(_permit) = self.attempts.acquire().await else {
            return ended();
        };
        loop {
            let (answer, answered) = oneshot::channel();
            let request = Request {
                subject: event.subject.clone(),
                headers: headers.clone(),
                body: event.body.clone(),
                answer,
            };
            if self.requests.send(request).await.is_err() {
                return ended();
            }
            match answered.await {
                Ok(Answer::Lost(problem)) if lost.is_none() => *lost = Some(problem),
                Ok(answer) => return answer,
                Err(_) => return ended(),
            }
        }
    }

    /// The attempt whose time was over.
    fn unanswered(&self, lost: Option<String>) -> Attempt {
        let link = self.link.borrow();
        match lost {
            Some(problem) if link.is_connected => unacknowledged(&problem),
            None if link.is_connected => Attempt::failed(UNACKNOWLEDGED),
            _ if link.problem.is_empty() => Attempt::failed("there is no connection to NATS"),
            _ => Attempt::failed(format!("there is no connection to NATS: {}", link.problem)),
        }
    }
}

/// Writes the headers of an event in the binary mode of `CloudEvents`; none where the id cannot
/// stand there.
fn headers(event: &Event) -> Option<Bytes> {
    if event.id.contains(['\r', '\n']) {
        return None;
    }
    let attributes = event.attributes.encoded();
    let lines = attributes.map(|(name, value)| format!("ce-{name}: {value}\r\n"));
    let lines: String = lines.collect();
    let id = &event.id;
    Some(Bytes::from(format!(
        "NATS/1.0\r\n{lines}Nats-Msg-Id: {id}\r\n\r\n"
    )))
}

/// The attempt that ended with this answer.
fn attempt(subject: &str, answer: Answer) -> Attempt {
    match answer {
        Answer::Stored {
            stream,
            sequence,
            is_duplicate,
        } => accepted(&stream, sequence, is_duplicate),
        Answer::Refused(refusal) => refused(&refusal),
        Answer::NoStream => {
            Attempt::failed(format!("no stream of NATS takes the subject {subject}"))
        }
        Answer::TooLarge => Attempt::refused("the event is larger than NATS takes"),
        Answer::Unreadable => Attempt::failed("what NATS answered is no acknowledgment"),
        Answer::Lost(problem) => unacknowledged(&problem),
    }
}

fn accepted(stream: &str, sequence: u64, is_duplicate: bool) -> Attempt {
    let place = format!("stream {stream}, sequence {sequence}");
    if is_duplicate {
        Attempt::accepted(None, &format!("duplicate: {place}"))
    } else {
        Attempt::accepted(None, &place)
    }
}

fn unacknowledged(problem: &str) -> Attempt {
    Attempt::failed(format!(
        "the connection to NATS was lost before it acknowledged the event: {problem}"
    ))
}

/// The attempt whose event the stream refused.
fn refused(refusal: &Refusal) -> Attempt {
    let attempt = if refusal.is_too_large() {
        Attempt::refused("the event is larger than the stream takes")
    } else {
        Attempt::failed("the stream did not store the event")
    };
    let code = u16::try_from(refusal.code).ok();
    attempt.with_answer(code, &refusal.to_string())
}
