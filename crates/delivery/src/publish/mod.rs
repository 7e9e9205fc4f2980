//! Events to NATS: as `CloudEvents` into a stream of `JetStream`, which
//! acknowledges them. Start at [`Publisher::publish`].

mod link;
mod settings;
mod subject;

use std::error::Error;

use async_nats::{
    Client, HeaderMap, HeaderValue,
    connection::State,
    header::{NATS_MESSAGE_ID, ParseHeaderValueError},
    jetstream::{
        self, Context, ErrorCode,
        context::{ContextBuilder, PublishError, PublishErrorKind},
        message::PublishMessage,
        publish::PublishAck,
    },
};
use bytes::Bytes;
use tokio::sync::watch;

pub use settings::{Access, Servers, SettingsError};

use self::link::Link;
use crate::{Attempt, CloudEvent};

const UNACKNOWLEDGED: &str = "NATS did not acknowledge the event in time";

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The id of the delivery: the same at every attempt, so that the stream drops a repeat.
    pub id: String,
    /// The subject of NATS that it goes to: 1 to 255 visible ASCII characters,
    /// tokens parted by dots, no wildcards, none of the server's own (`$…`).
    pub subject: String,
    /// What it says about itself; goes into headers.
    pub attributes: CloudEvent,
    /// Its data; becomes the whole payload.
    pub body: Bytes,
}

/// Publishes events to one cluster of NATS. One for the whole process: it keeps
/// one connection, which it makes again whenever it is lost.
pub struct Publisher {
    servers: Servers,
    client: Client,
    stream: Context,
    link: watch::Receiver<Link>,
}

/// Why a publisher cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The connection cannot even be tried.
    #[error("NATS cannot be connected to")]
    Nats(#[from] async_nats::ConnectError),
}

impl Publisher {
    /// Begins to connect to `servers` and does not wait for it: NATS may be down.
    ///
    /// # Errors
    /// Says which setting is wrong.
    pub async fn connect(servers: Servers) -> Result<Self, ConnectError> {
        let (tell, link) = watch::channel(Link::default());
        let options = servers
            .options()?
            .name("waymark")
            .retry_on_initial_connect()
            .event_callback(move |change| {
                link::note(&change, &tell);
                std::future::ready(())
            });
        let client = options.connect(servers.addresses()).await?;
        let stream = ContextBuilder::new()
            .timeout(servers.timeout())
            .build(client.clone());
        Ok(Self {
            servers,
            client,
            stream,
            link,
        })
    }

    /// Makes one attempt to publish `event` and waits for the stream to store it.
    ///
    /// Accepted means stored, now or before: of a repeat within the stream's window
    /// for duplicates (two minutes unless the stream says otherwise) the answer says
    /// `duplicate`. No connection, no stream for the subject, no acknowledgement in
    /// time and a stream that is full are failures; a subject, an id or a size that
    /// NATS cannot take are refusals. Without a connection nothing is kept back to be
    /// sent later; an event that was sent and not acknowledged in time may be stored.
    pub async fn publish(&self, event: Event) -> Attempt {
        if let Err(invalid) = subject::check(&event.subject) {
            return Attempt::refused(invalid.to_string());
        }
        let subject = event.subject.clone();
        let Ok(message) = message(event) else {
            return Attempt::refused("the id of the delivery cannot stand in a header");
        };
        let timeout = self.servers.timeout();
        match tokio::time::timeout(timeout, self.store(subject.clone(), message)).await {
            Ok(Ok(stored)) => accepted(&stored),
            Ok(Err(error)) => unstored(&subject, &error),
            Err(_elapsed) if self.is_connected() => Attempt::failed(UNACKNOWLEDGED),
            Err(_elapsed) => self.unconnected(),
        }
    }

    async fn store(
        &self,
        subject: String,
        message: PublishMessage,
    ) -> Result<PublishAck, PublishError> {
        // The client would queue what it cannot send, and send it even after the attempt was given up.
        if !self.is_connected() {
            let mut link = self.link.clone();
            let told = link.wait_for(|link| link.is_connected).await;
            told.map_err(|_| PublishError::new(PublishErrorKind::BrokenPipe))?;
        }
        self.stream.send_publish(subject, message).await?.await
    }

    fn unconnected(&self) -> Attempt {
        let problem = &self.link.borrow().problem;
        if problem.is_empty() {
            Attempt::failed("there is no connection to NATS")
        } else {
            Attempt::failed(format!("there is no connection to NATS: {problem}"))
        }
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }
}

/// Writes an event in the binary mode of `CloudEvents`: attributes in headers, data as it is.
fn message(event: Event) -> Result<PublishMessage, ParseHeaderValueError> {
    let mut headers = HeaderMap::new();
    for (name, value) in event.attributes.encoded() {
        headers.insert(format!("ce-{name}"), value.parse::<HeaderValue>()?);
    }
    headers.insert(NATS_MESSAGE_ID, event.id.parse::<HeaderValue>()?);
    Ok(PublishMessage::build().payload(event.body).headers(headers))
}

fn accepted(stored: &PublishAck) -> Attempt {
    let place = format!("stream {}, sequence {}", stored.stream, stored.sequence);
    if stored.duplicate {
        Attempt::accepted(None, &format!("duplicate: {place}"))
    } else {
        Attempt::accepted(None, &place)
    }
}

fn unstored(subject: &str, error: &PublishError) -> Attempt {
    if let Some(answer) = answer_of(error) {
        return answered(answer);
    }
    match error.kind() {
        PublishErrorKind::StreamNotFound => {
            Attempt::failed(format!("no stream of NATS takes the subject {subject}"))
        }
        PublishErrorKind::TimedOut => Attempt::failed(UNACKNOWLEDGED),
        PublishErrorKind::MaxPayloadExceeded => {
            Attempt::refused("the event is larger than NATS takes")
        }
        PublishErrorKind::BrokenPipe
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::Other => Attempt::failed(format!("the event was not stored: {error}")),
    }
}

/// The stream said no.
fn answered(answer: &jetstream::Error) -> Attempt {
    let is_too_large = matches!(
        answer.error_code(),
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM
    );
    let attempt = if is_too_large {
        Attempt::refused("the event is larger than the stream takes")
    } else {
        Attempt::failed("the stream did not store the event")
    };
    let code = u16::try_from(answer.code()).ok();
    attempt.with_answer(code, &answer.to_string())
}

fn answer_of(error: &PublishError) -> Option<&jetstream::Error> {
    error.source()?.downcast_ref()
}
