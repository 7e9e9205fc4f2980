//! Acknowledgments: those that are waited for, and their meaning.

use std::{collections::HashMap, fmt, io};

use serde::Deserialize;
use tokio::sync::oneshot;

use super::protocol::Message;

/// The status by which the server says that nobody subscribes to a subject.
const NO_RESPONDERS: u16 = 503;
/// Error codes of `JetStream`: the message, or its headers, are larger than the stream takes.
const MESSAGE_TOO_LARGE: u64 = 10_054;
const HEADERS_TOO_LARGE: u64 = 10_097;
/// The number of waiters from which on those that gave up are removed.
const WAITING_MIN: usize = 64;

/// The answer to an event that was handed to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The stream has it.
    Stored {
        stream: String,
        sequence: u64,
        is_duplicate: bool,
    },
    /// The stream did not take it.
    Refused(Refusal),
    /// No stream takes its subject.
    NoStream,
    /// It is larger than the server takes; it was not sent.
    TooLarge,
    /// Something was answered that is no acknowledgment.
    Unreadable,
    /// The connection was lost before an answer came, by this problem.
    Lost(String),
}

/// The reason why a stream did not take an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: u64,
    #[serde(default)]
    err_code: u64,
    description: Option<String>,
}

impl Refusal {
    /// Whether the event is too large for the stream.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self.err_code, MESSAGE_TOO_LARGE | HEADERS_TOO_LARGE)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let description = self.description.as_deref().unwrap_or("unknown");
        let Self { code, err_code, .. } = self;
        write!(
            formatter,
            "{description} (code {code}, error code {err_code})"
        )
    }
}

/// An acknowledgment as `JetStream` writes it.
#[derive(Deserialize)]
struct Ack {
    error: Option<Refusal>,
    stream: Option<String>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
}

impl From<&Message> for Answer {
    fn from(message: &Message) -> Self {
        match message.status {
            Some(NO_RESPONDERS) => return Self::NoStream,
            Some(_) => return Self::Unreadable,
            None => {}
        }
        match serde_json::from_slice(&message.payload) {
            Ok(Ack {
                error: Some(refusal),
                ..
            }) => Self::Refused(refusal),
            Ok(Ack {
                error: None,
                stream: Some(stream),
                seq: Some(sequence),
                duplicate,
            }) => Self::Stored {
                stream,
                sequence,
                is_duplicate: duplicate,
            },
            Ok(_) | Err(_) => Self::Unreadable,
        }
    }
}

/// The acknowledgments that are waited for on one connection.
#[derive(Debug)]
pub(super) struct Acks {
    /// The beginning of the subjects of acknowledgments; nobody else can guess it.
    inbox: String,
    /// The number of the last one.
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    /// The number of waiters at which those that gave up are removed next.
    waiting_max: usize,
}

impl Acks {
    /// No acknowledgments yet, with an inbox of their own.
    ///
    /// # Errors
    /// Fails where the system gives no random bytes.
    pub(super) fn new() -> io::Result<Self> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        Ok(Self {
            inbox: format!("_INBOX.{:032x}.", u128::from_ne_bytes(random)),
            last: 0,
            waiting: HashMap::new(),
            waiting_max: WAITING_MIN,
        })
    }

    /// The subjects to subscribe to.
    pub(super) fn subjects(&self) -> String {
        format!("{}*", self.inbox)
    }

    /// Keeps a waiter for an acknowledgment, and returns the subject that it has to come to.
    ///
    /// Waiters that gave up are removed here, so that never more than twice as many are kept as
    /// wait at once.
    pub(super) fn register(&mut self, answer: oneshot::Sender<Answer>) -> String {
        if self.waiting.len() >= self.waiting_max {
            self.waiting.retain(|_, waiting| !waiting.is_closed());
            self.waiting_max = self.waiting.len().saturating_mul(2).max(WAITING_MIN);
        }
        self.last = self.last.wrapping_add(1);
        self.waiting.insert(self.last, answer);
        format!("{}{}", self.inbox, self.last)
    }

    /// Hands an acknowledgment to its waiter; returns whether there was one.
    pub(super) fn settle(&mut self, message: &Message) -> bool {
        let number = message.subject.strip_prefix(self.inbox.as_str());
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let Some(waiting) = number.and_then(|number| self.waiting.remove(&number)) else {
            return false;
        };
        // Nobody hears it where the attempt was given up.
        let _ = waiting.send(Answer::from(message));
        true
    }

    /// Answers all waiters with the problem that ended the connection.
    pub(super) fn lose(&mut self, problem: &str) {
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.send(Answer::Lost(problem.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(subject: String, payload: &'static str) -> Message {
        Message {
            subject,
            status: None,
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    fn answer(payload: &'static str) -> Answer {
        Answer::from(&message("x".to_owned(), payload))
    }

    #[test]
    fn only_an_acknowledgment_is_taken_for_one() {
        let stored = |is_duplicate| Answer::Stored {
            stream: "ORDERS".to_owned(),
            sequence: 7,
            is_duplicate,
        };
        assert_eq!(answer(r#"{"stream":"ORDERS","seq":7}"#), stored(false));
        assert_eq!(
            answer(r#"{"stream":"ORDERS","seq":7,"duplicate":true,"domain":"eu"}"#),
            stored(true)
        );
        for payload in [
            "",
            "{}",
            "null",
            "+ACK",
            r#"{"stream":"ORDERS"}"#,
            r#"{"seq":7}"#,
            r#"{"stream":"ORDERS","seq":-7}"#,
            r#"{"stream":"ORDERS","seq":7"#,
            r#"{"stream":"ORDERS","seq":7,"error":"full"}"#,
        ] {
            assert_eq!(answer(payload), Answer::Unreadable, "{payload}");
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let full =
            r#"{"error":{"code":503,"err_code":10077,"description":"full"},"stream":"O","seq":0}"#;
        let Answer::Refused(full) = answer(full) else {
            panic!("{full}");
        };
        assert_eq!(full.to_string(), "full (code 503, error code 10077)");
        assert!(!full.is_too_large());
        for code in [10_054, 10_097] {
            let refusal = Refusal {
                code: 400,
                err_code: code,
                description: None,
            };
            assert!(refusal.is_too_large());
            let wanted = format!("unknown (code 400, error code {code})");
            assert_eq!(refusal.to_string(), wanted);
        }
    }

    #[test]
    fn a_status_is_no_acknowledgment() {
        for (status, wanted) in [(503, Answer::NoStream), (100, Answer::Unreadable)] {
            let mut message = message("x".to_owned(), r#"{"stream":"ORDERS","seq":7}"#);
            message.status = Some(status);
            assert_eq!(Answer::from(&message), wanted);
        }
    }

    #[test]
    fn each_gets_its_own_and_only_once() {
        const ACK: &str = r#"{"stream":"ORDERS","seq":7}"#;
        let mut acks = Acks::new().unwrap();
        let ((first, mut to_first), (second, mut to_second)) =
            (oneshot::channel(), oneshot::channel());
        let (first, second) = (acks.register(first), acks.register(second));
        for stray in ["x", "_INBOX.1", &acks.subjects(), &format!("{second}0")] {
            assert!(!acks.settle(&message(stray.to_owned(), ACK)), "{stray}");
        }
        assert!(acks.settle(&message(second.clone(), ACK)));
        assert!(!acks.settle(&message(second, ACK)));
        assert!(matches!(to_second.try_recv(), Ok(Answer::Stored { .. })));
        assert!(to_first.try_recv().is_err());
        acks.lose("gone");
        assert_eq!(to_first.try_recv(), Ok(Answer::Lost("gone".to_owned())));
        assert!(!acks.settle(&message(first, ACK)));
    }

    #[test]
    fn who_gave_up_is_forgotten() {
        let mut acks = Acks::new().unwrap();
        let (patient, mut told) = oneshot::channel();
        let patient = acks.register(patient);
        for _ in 0..1_000 {
            acks.register(oneshot::channel().0);
            assert!(acks.waiting.len() <= WAITING_MIN);
        }
        assert!(acks.settle(&message(patient, "{}")));
        assert_eq!(told.try_recv(), Ok(Answer::Unreadable));
    }
}
