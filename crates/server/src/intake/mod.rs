//! Requests as they come in: whole, in turn, and within bounds that hold over all connections.
//!
//! A message is decoded when all of it is there, so a peer that sends half of one costs what it sent and nobody
//! else's time. Bytes take room in a pool while they arrive and until their call is answered; a message that
//! stands still gives its room up as soon as others wait for it. Of each connection, one call at a time waits beside
//! those of others, however many it has begun. Large messages are decoded a few at a time.

mod gather;
mod pool;
#[cfg(test)]
mod tests;

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::StreamBody;
use tonic::{Status, body::Body};
use tower::Service;

pub(crate) use self::pool::ConnectionQueue;
use self::{
    gather::{Arrived, Gatherer},
    pool::Pools,
};
use crate::{
    error::{Problem, Reason},
    limits::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, SIDE_MESSAGE_BYTES_MAX},
};

/// The calls to which clients send more than one message.
const STREAMED: [&str; 3] = [
    "/waymark.v1.OrderService/StreamSteps",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The prefix of services that are not the contract's: health and reflection, whose messages are short.
const SIDE_PREFIX: &str = "/grpc.";

/// Lets requests in to a service, which gets whole messages.
#[derive(Debug, Clone)]
pub(crate) struct Intake<S> {
    inner: S,
    pools: Arc<Pools>,
}

impl<S> Intake<S> {
    /// An intake with room for 96 MiB of messages.
    pub(crate) fn new(inner: S) -> Self {
        let pools = Arc::new(Pools::new());
        Self { inner, pools }
    }
}

impl<S> Service<Request<Body>> for Intake<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone takes the place of the one that is ready.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let pools = Arc::clone(&self.pools);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            if header_bytes(&head.headers) > HEADER_BYTES_MAX {
                return Ok(Status::from(headers_too_large()).into_http());
            }
            let path = head.uri.path();
            let is_side = path.starts_with(SIDE_PREFIX);
            let bytes_max = if is_side {
                SIDE_MESSAGE_BYTES_MAX
            } else {
                MESSAGE_BYTES_MAX
            };
            let is_streamed = STREAMED.contains(&path);
            // A call that came over no connection, as in tests, waits for itself.
            let queue = head
                .extensions
                .get::<ConnectionQueue>()
                .cloned()
                .unwrap_or_default();
            let gatherer = Gatherer::new(pools, queue, body, bytes_max);
            if is_streamed {
                let request = Request::from_parts(head, messages(gatherer));
                return inner.call(request).await;
            }
            match gatherer.whole().await {
                Ok((message, room)) => {
                    let request = Request::from_parts(head, Body::new(message));
                    let response = inner.call(request).await;
                    drop(room);
                    response
                }
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

/// The messages of a stream, one after the other. What a message holds is let go when the next one is asked for: then
/// it was decoded and handed on.
fn messages(gatherer: Gatherer) -> Body {
    let messages = stream::unfold(Some(gatherer), async |gatherer| {
        let mut gatherer = gatherer?;
        gatherer.let_go();
        match gatherer.next().await {
            Ok(Some(message)) => Some((Ok(message), Some(gatherer))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    });
    let frames = messages.flat_map(|message| {
        let (frames, failed) = match message {
            Ok(message) => (message, None),
            Err(status) => (Arrived::default(), Some(Err(status))),
        };
        stream::iter(frames.map(Ok).chain(failed))
    });
    Body::new(StreamBody::new(frames))
}

/// The size of the headers of a call, as HTTP/2 counts them.
fn header_bytes(headers: &HeaderMap) -> usize {
    const ENTRY_BYTES: usize = 32;
    let entries = headers.iter();
    entries
        .map(|(name, value)| name.as_str().len() + value.len() + ENTRY_BYTES)
        .sum()
}

pub(crate) fn headers_too_large() -> Problem {
    let message = format!("the headers of a call may have at most {HEADER_BYTES_MAX} bytes");
    Problem::new(Reason::HeadersTooLarge, message).with("max", &HEADER_BYTES_MAX)
}
