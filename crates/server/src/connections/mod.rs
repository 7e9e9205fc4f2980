//! Connections: what they may ask for, how they are read, and how they end with the server.
//!
//! A connection is shared by calls that know nothing of each other, so nothing that one of them does may end it. What
//! h2 ends connections for is kept from adding up: it is read in turns, see [`turns`], and to the end, see [`received`].

mod received;
mod turns;

use std::{convert::Infallible, future::poll_fn, pin::pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Status, body::Body, transport::server::Connected};
use tower::{Service, ServiceExt};

use self::{
    received::Received,
    turns::{Call, Paced, Turns},
};
use crate::{incoming::Acceptor, intake::ConnectionQueue};

/// Maximum of calls of one connection at once; a stream of history counts as one call.
const CALLS_MAX: u32 = 4_096;
/// Bytes that a client may send on one call before it is read: how fast one is over a long way.
const CALL_WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes that a client may send on one connection before it is read: what one costs whose calls wait.
///
/// h2 ends a connection where what is missing from its unread pieces to 256 bytes each comes to more than half of this.
/// A stream of steps that come faster than they are carried out has as many lie unread as fit its window. The shortest
/// step makes a piece of 12 bytes, and 64 KiB of these lack 1.3 MB; a usual short one has 35, which lack 0.4 MB. So half
/// of 4 MiB bears any one such stream, and four usual ones.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The largest headers that are read, so that a call with too large ones gets an answer that says so; beyond these HTTP/2 answers itself,
/// with a status that is not gRPC's.
const HEADER_BYTES_READ_MAX: u32 = 64 * 1024;
/// The header with the time that the client of a call waits for the answer.
const DEADLINE: &str = "grpc-timeout";
/// Its most digits; more are not gRPC.
const DEADLINE_DIGITS_MAX: usize = 8;
/// Interval of pings of a silent connection, and the time that an answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

type Http = auto::Builder<TokioExecutor>;
type CallResult = Result<Response<Body>, Infallible>;

/// A service that answers calls.
pub(crate) trait CallService:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<S> CallService for S where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static
{
}

/// Time that a connection that has said nothing may take to begin, once the server stops.
const BEGINNING_MAX: Duration = Duration::from_secs(1);

/// The connections that are open. They outlive the task that accepts them: where that one panics, their calls are
/// answered all the same. Clones are the same connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenConnections {
    connections: TaskTracker,
    ending: CancellationToken,
}

impl OpenConnections {
    fn add(&self, stream: TcpStream, http: &Http, service: &impl CallService) {
        let (http, service) = (http.clone(), service.clone());
        let ending = self.ending.clone();
        self.connections
            .spawn(connection(stream, http, service, ending));
    }

    /// Tells the connections to end, and waits until they have got their last answers.
    pub(crate) async fn end(&self) {
        self.ending.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

/// Accepts connections until told to stop; those that are open then go on until [`OpenConnections::end`]. `cancelled_max` is
/// how many calls of one connection may have been cancelled before the server takes them up.
///
/// When told to stop, the port is closed before any connection is told: its client would come again at once, and be let
/// in by the system and by nobody else. Who was let in by then is served too.
pub(crate) async fn serve(
    mut acceptor: Acceptor,
    cancelled_max: usize,
    service: impl CallService,
    stopping: CancellationToken,
    open: OpenConnections,
) {
    let http = http(cancelled_max);
    let accepting = async {
        loop {
            let stream = acceptor.accept().await;
            open.add(stream, &http, &service);
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stopping.cancelled() => {}
    }
    for stream in acceptor.close() {
        open.add(stream, &http, &service);
    }
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
        // It counts over the life of a connection, perhaps a proxy's: what it guards against is bounded by turns.
        .max_local_error_reset_streams(None::<usize>)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    http
}

async fn connection(
    stream: TcpStream,
    http: Http,
    service: impl CallService,
    stopping: CancellationToken,
) {
    let turns = Arc::<Turns>::default();
    let peer = stream.connect_info();
    let queue = ConnectionQueue::default();
    let calls = Arc::clone(&turns);
    let stop = stopping.clone();
    let answering = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(|body| Body::new(Received::new(body, &calls, &stop)));
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(queue.clone());
        Call::new(answer(service.clone(), request), &calls)
    });
    let io = TokioIo::new(Paced::new(stream, &turns));
    let mut connection = pin!(http.serve_connection(io, answering));
    // Told to end before it has begun, hyper would drop it, with a call that is on its way.
    let ending = async {
        stopping.cancelled().await;
        let _ = timeout(BEGINNING_MAX, turns.begun()).await;
    };
    let ended = tokio::select! {
        ended = poll_fn(|context| turns.poll(connection.as_mut(), context)) => Some(ended),
        () = ending => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        poll_fn(|context| turns.poll(connection.as_mut(), context)).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended by an error");
    }
}

/// The answer of a call, which its client waits for only so long.
fn answer(service: impl CallService, request: Request<Body>) -> BoxFuture<'static, CallResult> {
    let patience = deadline(request.headers());
    let answer = service.oneshot(request);
    Box::pin(async move {
        let Some(patience) = patience else {
            return answer.await;
        };
        let answer = timeout(patience, answer).await;
        // The client has given up by then, and nobody knows what of the call was carried out.
        let passed = || Status::cancelled("the deadline of the call has passed");
        answer.unwrap_or_else(|_| Ok(passed().into_http()))
    })
}

/// The deadline of a call; one that cannot be read is none.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(DEADLINE)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > DEADLINE_DIGITS_MAX {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bytes::Bytes;
    use http::StatusCode;
    use http_body_util::Empty;
    use hyper::client::conn::http2;
    use tokio::{
        net::TcpListener,
        sync::{Notify, mpsc},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Whom the system has let in before the port is closed, with a call on its way, is answered. What becomes of such
    /// a connection hangs on what is looked at first, so it is tried some times.
    #[tokio::test]
    async fn who_came_before_the_end_is_answered() {
        for _ in 0..20 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let stream = TcpStream::connect(address).await.unwrap();
            let io = TokioIo::new(stream);
            let (mut client, driver) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            let driving = tokio::spawn(driver);
            let stopping = CancellationToken::new();
            stopping.cancel();
            let service = tower::service_fn(|_request: Request<Body>| async {
                Ok::<_, Infallible>(Response::new(Body::empty()))
            });
            let acceptor = Acceptor::new(listener, "a test");
            let serving = tokio::spawn(async move {
                let open = OpenConnections::default();
                serve(acceptor, 10, service, stopping, open.clone()).await;
                open.end().await;
            });
            let request = Request::post(format!("http://{address}/"))
                .body(Empty::<Bytes>::new())
                .unwrap();
            let answer = client.send_request(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            drop(client);
            serving.await.unwrap();
            let _ = driving.await;
        }
    }

    /// What becomes of the task that accepts connections does not become of them.
    #[tokio::test]
    async fn who_has_a_call_under_way_is_answered_without_who_accepts() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (came, mut coming) = mpsc::unbounded_channel();
        let go_on = Arc::new(Notify::new());
        let told = Arc::clone(&go_on);
        let service = tower::service_fn(move |_request: Request<Body>| {
            let (came, told) = (came.clone(), Arc::clone(&told));
            async move {
                came.send(()).unwrap();
                told.notified().await;
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        });
        let open = OpenConnections::default();
        let acceptor = Acceptor::new(listener, "a test");
        let stopping = CancellationToken::new();
        let serving = tokio::spawn(serve(acceptor, 10, service, stopping, open.clone()));
        let stream = TcpStream::connect(address).await.unwrap();
        let io = TokioIo::new(stream);
        let (client, driver) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(driver);
        let mut calling = client.clone();
        let call = tokio::spawn(async move {
            let request = Request::post(format!("http://{address}/"))
                .body(Empty::<Bytes>::new())
                .unwrap();
            let answer = calling.send_request(request).await;
            answer.map(|answer| answer.status())
        });
        coming.recv().await.unwrap();

        // Like a panic, this drops whatever the task has.
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        let ending = tokio::spawn(async move { open.end().await });
        go_on.notify_one();
        assert_eq!(call.await.unwrap().unwrap(), StatusCode::OK);
        // The connection ends although its client would keep it.
        let ended = timeout(PATIENCE, ending).await;
        ended.expect("the connection is told to end").unwrap();
        drop(client);
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        for (text, expected) in [
            ("3H", Some(Duration::from_hours(3))),
            ("1M", Some(Duration::from_mins(1))),
            ("42S", Some(Duration::from_secs(42))),
            ("0m", Some(Duration::ZERO)),
            ("13m", Some(Duration::from_millis(13))),
            ("2u", Some(Duration::from_micros(2))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789S", None),
            ("82f", None),
            ("oneH", None),
            ("-1S", None),
            ("S", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DEADLINE, text.parse().unwrap());
            assert_eq!(deadline(&headers), expected, "{text}");
        }
        assert_eq!(deadline(&HeaderMap::new()), None);
    }
}
