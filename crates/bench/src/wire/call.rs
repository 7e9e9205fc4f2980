//! One call: a head that is made once, messages out, messages in, and the
//! status that must be `OK` at the end.

use bytes::{Buf, Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};

use super::{message::PREFIX_BYTES, method::Method};
use crate::failure::Failure;

/// The calls of one method, with the head that all of them have.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    head: Request<()>,
}

impl Method {
    /// Makes the head of its calls.
    pub(crate) fn call(self) -> Result<Call, Failure> {
        let uri = Uri::builder()
            .scheme("http")
            .authority("waymark")
            .path_and_query(self.0)
            .build()?;
        let mut head = Request::post(uri).body(())?;
        let headers = head.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        Ok(Call { method: self, head })
    }
}

impl Call {
    /// Sends one message, and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        sender: SendRequest<Bytes>,
        message: Bytes,
    ) -> Result<Incoming, Failure> {
        let (answer, mut outgoing) = self.begin(sender).await?;
        outgoing.send_data(message, true)?;
        self.answered(answer).await
    }

    /// Sends one message and reads the answer to its end, whatever it says besides its status.
    pub(crate) async fn send_and_drain(
        &self,
        sender: SendRequest<Bytes>,
        message: Bytes,
    ) -> Result<(), Failure> {
        self.send(sender, message).await?.finish().await
    }

    /// The path of its method.
    pub(crate) fn method(&self) -> &'static str {
        self.method.0
    }

    /// Opens a stream of messages in both directions.
    pub(crate) async fn begin(
        &self,
        sender: SendRequest<Bytes>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Failure> {
        let mut sender = sender.ready().await?;
        Ok(sender.send_request(self.head.clone(), false)?)
    }

    /// Waits for the head of the answer.
    pub(crate) async fn answered(&self, answer: ResponseFuture) -> Result<Incoming, Failure> {
        let (head, body) = answer.await?.into_parts();
        let method = self.method.0;
        if head.status != StatusCode::OK {
            let status = head.status;
            return Err(Failure::HttpStatus { method, status });
        }
        // An answer without messages has its status here.
        if head.headers.contains_key(STATUS) {
            verdict(method, &head.headers)?;
        }
        Ok(Incoming {
            method,
            body,
            buffer: BytesMut::new(),
        })
    }
}

const STATUS: &str = "grpc-status";

/// The messages of an answer.
#[derive(Debug)]
pub(crate) struct Incoming {
    method: &'static str,
    body: RecvStream,
    buffer: BytesMut,
}

impl Incoming {
    /// Waits for the next message; none at the end.
    pub(crate) async fn message(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(message) = self.buffered() {
                return Ok(Some(message));
            }
            match self.chunk().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// Takes a message that has arrived already.
    pub(crate) fn buffered(&mut self) -> Option<Bytes> {
        let length = self.buffer.get(1..PREFIX_BYTES)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        if self.buffer.len() < PREFIX_BYTES + length {
            return None;
        }
        self.buffer.advance(PREFIX_BYTES);
        Some(self.buffer.split_to(length).freeze())
    }

    /// Reads to the end, and asks for the status.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        while self.chunk().await?.is_some() {}
        match self.body.trailers().await? {
            Some(trailers) => verdict(self.method, &trailers),
            // An answer without messages gave its status in its head.
            None => Ok(()),
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(chunk) = self.body.data().await else {
            return Ok(None);
        };
        let chunk = chunk?;
        self.body.flow_control().release_capacity(chunk.len())?;
        Ok(Some(chunk))
    }
}

/// Anything but `OK` fails the whole row.
fn verdict(method: &'static str, headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).map(HeaderValue::as_bytes);
    match text(STATUS) {
        Some(b"0") => Ok(()),
        Some(status) => Err(Failure::Refused {
            method,
            status: String::from_utf8_lossy(status).into_owned(),
            message: String::from_utf8_lossy(text("grpc-message").unwrap_or_default()).into_owned(),
        }),
        None => Err(Failure::NoStatus { method }),
    }
}
