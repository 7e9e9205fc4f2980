//! Requests over plain HTTP/1.1, well formed and not.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug, Clone)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Page {
    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("headers are text"))
    }
}

/// Asks for a page with a method and more headers.
///
/// # Panics
/// Panics where there is no answer of HTTP.
pub async fn ask(method: &str, url: &str, headers: &[(&str, &str)]) -> Page {
    let uri: Uri = url.parse().expect("an address");
    let authority = uri.authority().expect("a host").to_string();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", &authority);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let stream = TcpStream::connect(&authority)
        .await
        .expect("the port listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    let driver = tokio::spawn(connection);
    let answer = timeout(PATIENCE, sender.send_request(request)).await;
    let (head, body) = answer.expect("in time").expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    driver.abort();
    Page {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    }
}

/// Sends bytes, ends there, and gives what comes back until the other side ends too.
///
/// # Panics
/// Panics where the other side keeps the connection for too long.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the port listens");
    let mut answer = Vec::new();
    let talk = async {
        // The other side may hang up before it has heard everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    timeout(PATIENCE, talk)
        .await
        .expect("the connection is ended");
    answer
}
