//! Connections: what they may ask for, how they are read, and how they end with the server.
//!
//! A connection is shared by calls that know nothing of each other, so nothing that one of them does may end it. What
//! h2 ends connections for is kept from adding up: it is read in turns, see [`turns`], and to the end, see [`received`].

mod deadline;
mod received;
mod turns;

use std::{convert::Infallible, future::poll_fn, pin::pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{body::Body, transport::server::Connected};
use tower::{Service, ServiceExt};

use self::{
    received::Received,
    turns::{Call, Paced, Turns},
};
use crate::{incoming::Acceptor, intake::Line};

/// What one connection may ask for at once; a stream of history counts as one call.
const CALLS_MAX: u32 = 4_096;
/// How much a client may send on one call, and on one connection, before it is read: what a connection costs whose
/// calls wait, and how fast one is over a long way.
const CALL_WINDOW_BYTES: u32 = 128 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 512 * 1024;
/// The largest headers that are read, so that a call with too large ones is told so; beyond these HTTP/2 answers itself,
/// with a status that is not gRPC's.
const HEADER_BYTES_READ_MAX: u32 = 64 * 1024;
/// How often a silent connection is asked for a sign of life, and how long it may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

type Http = auto::Builder<TokioExecutor>;
type Answer = Result<Response<Body>, Infallible>;

/// Serves connections until told to stop; then those that are open get their last answers. `cancelled_max` is how many
/// calls of one connection may have been cancelled before the server takes them up.
pub(crate) async fn serve<S>(
    mut acceptor: Acceptor,
    cancelled_max: usize,
    service: S,
    stopping: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let http = http(cancelled_max);
    let connections = TaskTracker::new();
    let accepting = async {
        loop {
            let stream = acceptor.accept().await;
            connections.spawn(connection(
                stream,
                http.clone(),
                service.clone(),
                stopping.clone(),
            ));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stopping.cancelled() => {}
    }
    drop(acceptor);
    connections.close();
    connections.wait().await;
}

fn http(cancelled_max: usize) -> Http {
    let mut http = Http::new(TokioExecutor::new());
    // With a timer, headers over HTTP/1 may take 30 seconds.
    http.http1().timer(TokioTimer::new());
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CALLS_MAX)
        .initial_stream_window_size(CALL_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_READ_MAX)
        .max_pending_accept_reset_streams(cancelled_max)
        // It counts over the life of a connection, which may be that of a proxy: what it guards against is bounded
        // by turns.
        .max_local_error_reset_streams(None::<usize>)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    http
}

async fn connection<S>(stream: TcpStream, http: Http, service: S, stopping: CancellationToken)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let turns = Arc::<Turns>::default();
    let peer = stream.connect_info();
    let line = Line::default();
    let calls = Arc::clone(&turns);
    let ending = stopping.clone();
    let answering = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(|body| Body::new(Received::new(body, &calls, &ending)));
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(line.clone());
        Call::new(answer(service.clone(), request), &calls)
    });
    let io = TokioIo::new(Paced::new(stream, &turns));
    let mut connection = pin!(http.serve_connection(io, answering));
    let ended = tokio::select! {
        ended = poll_fn(|context| turns.poll(connection.as_mut(), context)) => Some(ended),
        () = stopping.cancelled() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        poll_fn(|context| turns.poll(connection.as_mut(), context)).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// The answer of a call, which its client waits for only so long.
fn answer<S>(service: S, request: Request<Body>) -> BoxFuture<'static, Answer>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let patience = deadline::of(request.headers());
    let answer = service.oneshot(request);
    Box::pin(async move {
        let Some(patience) = patience else {
            return answer.await;
        };
        let answer = timeout(patience, answer).await;
        answer.unwrap_or_else(|_| Ok(deadline::passed().into_http()))
    })
}
