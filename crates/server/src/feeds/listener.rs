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
/// How long to wait when the system has no connection to give, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until told to stop; then those that are open get their last answers.
pub(super) async fn serve(listener: TcpListener, router: Router, stopping: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    let accepting = async {
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let stream = accept(&listener).await;
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
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection for a feed was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What goes wrong on a connection is the client's affair, and is not said.
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
