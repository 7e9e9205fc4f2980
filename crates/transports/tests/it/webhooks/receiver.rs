//! A receiver of webhooks as a merchant writes it, and a bare peer that answers
//! one connection with whatever bytes a test wants.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::to_bytes, extract::Request, response::Response};
use bytes::Bytes;
use http::request::Parts;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

type Log = Arc<Mutex<Vec<(Parts, Bytes)>>>;

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    received: Log,
}

impl Receiver {
    /// Answers every request with what `answer` makes.
    pub(super) async fn answering(
        answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::listening(listener, answer)
    }

    pub(super) fn listening(
        listener: TcpListener,
        answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let received = Log::default();
        let log = Arc::clone(&received);
        let take = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            log.lock().unwrap().push((parts, body));
            answer()
        };
        let service = Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, received }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hooks?from=waymark", self.address)
    }

    /// All requests so far, as head and body.
    pub(super) fn received(&self) -> Vec<(Parts, Bytes)> {
        self.received.lock().unwrap().clone()
    }
}

/// Takes one connection and hands it over when its request has been read.
pub(super) async fn peer<F: Future<Output: Send> + Send>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (String, JoinHandle<F::Output>)
where
    F::Output: 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        serve(stream).await
    });
    (url, task)
}

/// Reads until the end of the body that tests send.
async fn read_request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\"data\":{}}") {
        let more = stream.read_buf(&mut read).await.unwrap();
        assert_ne!(more, 0, "the request ended early");
    }
}
