//! Why the benchmark cannot go on. Any refusal by the server is one of them: a
//! rate that counts refused calls would be a lie.

use std::{io, net::SocketAddr};

/// Why the benchmark cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the connection broke")]
    Http2(#[from] h2::Error),
    #[error("the call cannot be written")]
    Http(#[from] http::Error),
    #[error("{method} was answered with HTTP status {status}")]
    HttpStatus {
        method: &'static str,
        status: http::StatusCode,
    },
    #[error("{method} was refused: gRPC status {status}: {message}")]
    Refused {
        method: &'static str,
        status: String,
        message: String,
    },
    #[error("a step was refused: {reason}: {message}")]
    StepRefused { reason: String, message: String },
    #[error("{method} was answered without a status")]
    NoStatus { method: &'static str },
    #[error("{method} was answered without a message")]
    NoMessage { method: &'static str },
    #[error("the answer cannot be read")]
    Decode(#[from] prost::DecodeError),
    #[error("an answer belongs to no call: correlation id {correlation_id:?}")]
    Uncorrelated { correlation_id: String },
    #[error("{wanted} steps cannot be in flight on {orders} orders")]
    TooFewOrders { wanted: usize, orders: usize },
    #[error("latencies cannot be counted")]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("interrupted")]
    Interrupted,
    #[error("{what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl Failure {
    /// Says what was tried when the operating system refused.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
