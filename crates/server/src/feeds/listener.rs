//! Connections of strangers: how many there may be, how long each may take, and
//! how they end with the server.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::incoming::Acceptor;

/// How many connections are open at once; others wait in the queue of the system.
const CONNECTIONS_MAX: usize = 256;
/// How large a request may be that is not read to its end yet: its line and headers, for bodies are not read.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// How long the headers of a request may take, and how long a connection may rest between two.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a connection may live, whatever it does.
const CONNECTION_TIME_MAX: Duration = Duration::from_mins(1);
/// How long an answer that is under way may take when its connection has to end.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(5);

/// Accepts connections until told to stop; then those that are open get their last answers.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stopping: CancellationToken,
    connections: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut acceptor = Acceptor::new(listener, "feeds");
    let accepting = async {
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let stream = acceptor.accept().await;
            let served = connection(stream, router.clone(), stopping.clone());
            connections.spawn(async move {
                served.await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stopping.cancelled() => {}
    }
}

/// Serves one connection. Its errors are the client's affair, and are not logged.
async fn connection(stream: TcpStream, router: Router, stopping: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIME_MAX)
        .max_buf_size(REQUEST_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopping.cancelled() => {}
        () = sleep(CONNECTION_TIME_MAX) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LEAVE_TIME_MAX, connection).await;
}

#[cfg(test)]
mod tests {
    use std::{future::pending, net::SocketAddr};

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
        time::Instant,
    };

    use super::*;

    struct Serving {
        address: SocketAddr,
        stopping: CancellationToken,
        accepting: JoinHandle<()>,
        connections: TaskTracker,
    }

    /// Answers at `/`, and never at `/never`.
    async fn start() -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/never", get(pending::<String>));
        let (stopping, connections) = (CancellationToken::new(), TaskTracker::new());
        let (told, open) = (stopping.clone(), connections.clone());
        let accepting = tokio::spawn(async move { serve(listener, router, told, &open).await });
        Serving {
            address,
            stopping,
            accepting,
            connections,
        }
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        rest
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_only_so_long() {
        let serving = start().await;
        let started = Instant::now();
        for text in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x"] {
            rest(send(serving.address, text).await).await;
        }
        // Also between two requests.
        let answer = rest(send(serving.address, GET).await).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"));
        let waited = started.elapsed();
        assert!(waited >= 4 * HEADERS_TIME_MAX && waited < 5 * HEADERS_TIME_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn no_connection_lives_for_ever() {
        let serving = start().await;
        let started = Instant::now();
        let never = GET.replace("/ ", "/never ");
        assert_eq!(rest(send(serving.address, &never).await).await, "");
        assert_eq!(
            started.elapsed().as_secs(),
            (CONNECTION_TIME_MAX + LEAVE_TIME_MAX).as_secs()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn others_wait_until_there_is_a_place() {
        let serving = start().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(serving.address).await.unwrap());
        }
        let started = Instant::now();
        let answer = rest(
            send(
                serving.address,
                &GET.replace("host", "connection: close\r\nhost"),
            )
            .await,
        )
        .await;
        assert!(answer.ends_with("here"));
        assert!(started.elapsed() >= HEADERS_TIME_MAX / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_end_with_the_server() {
        end_with_the_server(true).await;
    }

    /// Also where a panic has ended who accepts them.
    #[tokio::test(start_paused = true)]
    async fn connections_end_with_the_server_by_themselves() {
        end_with_the_server(false).await;
    }

    async fn end_with_the_server(accepts: bool) {
        let serving = start().await;
        let silent = send(serving.address, "").await;
        let kept = send(serving.address, GET).await;
        let mut seen = [0; 15];
        kept.readable().await.unwrap();
        while kept.peek(&mut seen).await.unwrap() < seen.len() {}
        assert_eq!(&seen, b"HTTP/1.1 200 OK");
        let started = Instant::now();
        if !accepts {
            serving.accepting.abort();
        }
        serving.stopping.cancel();
        assert_eq!(rest(silent).await, "");
        assert!(rest(kept).await.ends_with("here"));
        assert_eq!(serving.accepting.await.is_ok(), accepts);
        serving.connections.close();
        serving.connections.wait().await;
        assert!(started.elapsed() < Duration::from_secs(1));
        assert!(TcpStream::connect(serving.address).await.is_err());
    }
}
