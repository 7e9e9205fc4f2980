//! One session over a connection to NATS: events go out, acknowledgments come in, and both sides
//! ping each other.

use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    acks::{Acks, Answer},
    connection::{Connection, Problem},
    link::{self, Link},
    protocol::{Info, Op},
};

/// The interval of pings.
const PERIOD: Duration = Duration::from_secs(20);
/// The most pings without an answer before the connection is given up.
const PINGS_MAX: u32 = 2;
/// The most operations in one period that nobody asked for. A few are usual, and late
/// acknowledgments; a server that sends one after the other would take a processor for itself.
const UNASKED_MAX: u32 = 10_000;
/// The most complaints of one period that are reported and logged; the server chooses their words.
const COMPLAINTS_MAX: u32 = 10;
/// The largest message where a server does not say: the default of NATS.
const PAYLOAD_BYTES_DEFAULT: usize = 1024 * 1024;

const PING: &[u8] = b"PING\r\n";
pub(super) const PONG: &[u8] = b"PONG\r\n";
const END: &[u8] = b"\r\n";

/// An event that is to be sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) subject: String,
    pub(super) headers: Bytes,
    pub(super) body: Bytes,
    /// The channel of its answer; closed where the attempt was given up.
    pub(super) answer: oneshot::Sender<Answer>,
}

/// A connection that is logged in.
pub(super) struct Session {
    connection: Connection,
    acks: Acks,
    payload_max: usize,
    /// Our pings that are not answered.
    pings: u32,
    unasked: u32,
    complaints: u32,
}

impl Session {
    /// A session over `connection`, on which `acks` are subscribed to.
    pub(super) fn new(connection: Connection, acks: Acks, info: &Info) -> Self {
        Self {
            connection,
            acks,
            payload_max: info.payload_max().unwrap_or(PAYLOAD_BYTES_DEFAULT),
            pings: 0,
            unasked: 0,
            complaints: 0,
        }
    }

    /// Sends what is requested until the connection is lost, and returns the problem, which also
    /// answers all that wait for an acknowledgment.
    pub(super) async fn run(
        mut self,
        requests: &mut mpsc::Receiver<Request>,
        link: &watch::Sender<Link>,
    ) -> String {
        let mut period = interval_at(Instant::now() + PERIOD, PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                op = self.connection.receive() => match op {
                    Ok(op) => self.take(op, link).await,
                    Err(problem) => Err(problem),
                },
                Some(request) = requests.recv() => self.send(request).await,
                _ = period.tick() => self.ping().await,
            };
            if let Err(problem) = done {
                let problem = problem.to_string();
                self.acks.lose(&problem);
                return problem;
            }
        }
    }

    /// Takes an operation of the server.
    async fn take(&mut self, op: Op, link: &watch::Sender<Link>) -> Result<(), Problem> {
        let was_asked = match op {
            Op::Message(message) => self.acks.settle(&message),
            Op::Pong => {
                let was_asked = self.pings > 0;
                self.pings = self.pings.saturating_sub(1);
                was_asked
            }
            Op::Ping => {
                self.connection.send(PONG).await?;
                false
            }
            Op::Error(complaint) => {
                self.complaints = self.complaints.saturating_add(1);
                if self.complaints <= COMPLAINTS_MAX {
                    link::report(Problem::server(&complaint).to_string(), link);
                }
                false
            }
            Op::Info(info) => {
                self.payload_max = info.payload_max().unwrap_or(self.payload_max);
                false
            }
            Op::Ok => false,
        };
        if !was_asked {
            self.unasked = self.unasked.saturating_add(1);
        }
        if self.unasked > UNASKED_MAX {
            return Err(Problem::Unasked);
        }
        Ok(())
    }

    /// Sends an event, unless it was given up or is too large.
    async fn send(&mut self, request: Request) -> Result<(), Problem> {
        let Request {
            subject,
            headers,
            body,
            answer,
        } = request;
        if answer.is_closed() {
            return Ok(());
        }
        let length = headers.len().saturating_add(body.len());
        if length > self.payload_max {
            // Where nobody listens any more, nobody has to know.
            let _ = answer.send(Answer::TooLarge);
            return Ok(());
        }
        let reply = self.acks.register(answer);
        let line = format!("HPUB {subject} {reply} {} {length}\r\n", headers.len());
        let message = Bytes::from(line).chain(headers).chain(body).chain(END);
        self.connection.send(message).await
    }

    /// Pings the server.
    async fn ping(&mut self) -> Result<(), Problem> {
        if self.pings >= PINGS_MAX {
            return Err(Problem::Silent);
        }
        self.pings += 1;
        self.unasked = 0;
        self.complaints = 0;
        self.connection.send(PING).await
    }
}
