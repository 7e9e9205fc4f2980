//! One log line for each call, written when its answer has ended: the code of a
//! stream comes in its trailers, and a client that goes away leaves none.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, Uri};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body, transport::server::TcpConnectInfo};
use tower::Service;
use tracing::Level;
use waymark_domain::value::{OrderId, RequestId};

/// Methods that monitors call all the time.
const QUIET_PREFIX: &str = "/grpc.";

/// A service whose calls are logged, each by one line.
#[derive(Debug, Clone)]
pub(crate) struct CallLog<S>(pub(crate) S);

impl<S> Service<Request<Body>> for CallLog<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut record = CallRecord::begin(&request);
        let answer = NOTES.scope(Arc::clone(&record.notes), self.0.call(request));
        Box::pin(async move {
            let response = answer.await?;
            record.code = code(response.headers());
            Ok(response.map(|body| Body::new(LoggedBody { body, record })))
        })
    }
}

tokio::task_local! {
    /// Notes of handlers about the call they serve. A span would cost more than the call
    /// itself, and the line is mostly not written.
    static NOTES: Arc<Notes>;
}

#[derive(Debug, Default)]
struct Notes {
    order: OnceLock<OrderId>,
    request: OnceLock<RequestId>,
}

/// Notes which order the present call is about; its log line shows it.
pub(crate) fn note_order(order_id: &OrderId) {
    // Outside a call, as in tests of handlers, nobody reads notes.
    let _ = NOTES.try_with(|notes| notes.order.set(order_id.clone()));
}

/// Notes the request id of the present call, if it has one; its log line shows it.
pub(crate) fn note_request(request_id: Option<&RequestId>) {
    if let Some(request_id) = request_id {
        let _ = NOTES.try_with(|notes| notes.request.set(request_id.clone()));
    }
}

/// The log line of a call, written when it has ended in whatever way.
#[derive(Debug)]
struct CallRecord {
    notes: Arc<Notes>,
    method: Uri,
    peer: Option<SocketAddr>,
    started: Instant,
    code: Option<Code>,
}

impl CallRecord {
    fn begin(request: &Request<Body>) -> Self {
        let connection = request.extensions().get::<TcpConnectInfo>();
        Self {
            notes: Arc::default(),
            method: request.uri().clone(),
            peer: connection.and_then(TcpConnectInfo::remote_addr),
            started: Instant::now(),
            code: None,
        }
    }

    fn level(&self, code: Code) -> Level {
        match code {
            Code::Unknown | Code::Internal | Code::Unavailable | Code::DataLoss => Level::WARN,
            // What works, and what is asked or refused thousands of times a second, would
            // bury the rest, and cost more than the work itself.
            Code::Ok | Code::ResourceExhausted => Level::DEBUG,
            _ if self.method.path().starts_with(QUIET_PREFIX) => Level::DEBUG,
            _ => Level::INFO,
        }
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        // Without a code the client went away before the end.
        let code = self.code.unwrap_or(Code::Cancelled);
        macro_rules! say {
            ($level:ident) => {
                tracing::$level!(
                    order.id = self.notes.order.get().map(OrderId::as_str),
                    request.id = self.notes.request.get().map(RequestId::as_str),
                    rpc.method = self.method.path(),
                    rpc.code = name(code),
                    rpc.duration_ms = milliseconds(self.started),
                    rpc.peer = self.peer.map(tracing::field::display),
                    "call"
                )
            };
        }
        match self.level(code) {
            Level::WARN => say!(warn),
            Level::DEBUG => say!(debug),
            _ => say!(info),
        }
    }
}

/// With three decimals.
fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// The code as the specification of gRPC writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get(Status::GRPC_STATUS)
        .map(|value| Code::from_bytes(value.as_bytes()))
}

/// A body that holds the line until it ends.
struct LoggedBody {
    body: Body,
    record: CallRecord,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let LoggedBody { body, record } = self.get_mut();
        let polled = Pin::new(body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(code) = frame.trailers_ref().and_then(code) {
                    record.code = Some(code);
                }
            }
            Poll::Ready(Some(Err(status))) => record.code = Some(status.code()),
            // An end without a code is not gRPC.
            Poll::Ready(None) => record.code = record.code.or(Some(Code::Unknown)),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
