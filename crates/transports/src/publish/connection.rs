//! One connection to a NATS server, as far as bytes go: what comes in is bounded by the
//! [`Decoder`], and what goes out is awaited, so that neither piles up here.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    credentials::InvalidCredentials,
    protocol::{Decoder, Malformed, Op},
};

/// The most bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;
/// The longest part of a server's complaint that is kept.
const COMPLAINT_CHARS_MAX: usize = 200;

/// The reason why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("nats: DNS error: {0}")]
    Dns(#[source] io::Error),
    #[error("nats: IO error: {0}")]
    Io(#[from] io::Error),
    #[error("nats: timed out")]
    Timeout,
    #[error("nats: the server closed the connection")]
    Closed,
    #[error("nats: the server does not read what it is sent")]
    Unread,
    #[error("nats: the server does not answer")]
    Silent,
    #[error("nats: the server sends too much that nobody asked for")]
    Unasked,
    #[error("nats: the server is not one of NATS: {0}")]
    Malformed(#[from] Malformed),
    #[error("nats: the server does not begin with INFO")]
    NoInfo,
    #[error("nats: {0}")]
    Credentials(#[from] InvalidCredentials),
    /// The server complained, in its own words.
    #[error("nats: {0}")]
    Server(String),
}

impl Problem {
    /// A complaint of the server, in one short line.
    pub(super) fn server(complaint: &str) -> Self {
        let complaint: String = complaint
            .chars()
            .filter(|character| !character.is_control())
            .take(COMPLAINT_CHARS_MAX)
            .collect();
        // NATS writes both words with a capital letter; problems are written as sentences are.
        if complaint.eq_ignore_ascii_case("authorization violation") {
            return Self::Server(complaint.to_ascii_lowercase());
        }
        Self::Server(complaint)
    }
}

/// The stream of a connection: TCP, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    received: BytesMut,
    decoder: Decoder,
    write_time_max: Duration,
}

impl Connection {
    /// A connection over `stream`, whose other end has `write_time_max` to take what is sent.
    pub(super) fn new(stream: Box<dyn Stream>, write_time_max: Duration) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            decoder: Decoder::default(),
            write_time_max,
        }
    }

    /// The stream alone. What was received and not looked at yet is dropped.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Waits for the next operation of the server. It is cancel safe.
    pub(super) async fn receive(&mut self) -> Result<Op, Problem> {
        loop {
            if let Some(op) = self.decoder.decode(&mut self.received)? {
                return Ok(op);
            }
            self.received.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(Problem::Closed);
            }
        }
    }

    /// Sends `bytes`, and waits until they are on their way.
    pub(super) async fn send(&mut self, mut bytes: impl Buf + Send) -> Result<(), Problem> {
        let sent = async {
            self.stream.write_all_buf(&mut bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.write_time_max, sent).await {
            Ok(sent) => Ok(sent?),
            Err(_elapsed) => Err(Problem::Unread),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_told_in_one_short_line() {
        let told = |complaint: &str| Problem::server(complaint).to_string();
        assert_eq!(
            told("Authorization Violation"),
            "nats: authorization violation"
        );
        assert_eq!(
            told("Permissions Violation for Publish to \"Orders\""),
            "nats: Permissions Violation for Publish to \"Orders\""
        );
        assert_eq!(told("a\u{1b}[2Jb\tc"), "nats: a[2Jbc");
        let long = told(&"\u{fc}".repeat(4_000));
        assert_eq!(long.chars().count(), "nats: ".len() + COMPLAINT_CHARS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_is_not_waited_for_without_end() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut connection = Connection::new(Box::new(ours), Duration::from_secs(10));
        connection.send(&[b'a'; 64][..]).await.unwrap();
        let refused = connection.send(&b"PONG\r\n"[..]).await;
        assert!(matches!(refused, Err(Problem::Unread)), "{refused:?}");
    }
}
