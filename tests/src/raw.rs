//! Calls below the generated clients: bytes that are no message, and gRPC-Web over HTTP/1.1 as a browser sends it.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes};
use http::{Request, StatusCode, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::{
    Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::Clients;

/// Sends bytes as the message of a call, and gives the bytes of the answer.
///
/// # Errors
/// Returns the status with which the call was refused.
pub async fn call(clients: &Clients, method: &str, message: Vec<u8>) -> Result<Bytes, Status> {
    let mut grpc = Grpc::new(clients.channel());
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = grpc
        .unary(tonic::Request::new(message.into()), path(method), Untouched)
        .await?;
    Ok(answer.into_inner())
}

/// Sends bytes as the message of a call that answers with a stream, and gives the bytes of its first message, if one
/// comes; the stream is left then.
///
/// # Errors
/// Returns the status with which the call was refused.
pub async fn first(
    clients: &Clients,
    method: &str,
    message: Vec<u8>,
) -> Result<Option<Bytes>, Status> {
    let mut grpc = Grpc::new(clients.channel());
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = grpc
        .server_streaming(tonic::Request::new(message.into()), path(method), Untouched)
        .await?;
    answer.into_inner().message().await
}

fn path(method: &str) -> PathAndQuery {
    PathAndQuery::try_from(format!("/waymark.v1.{method}")).expect("a method makes a path")
}

/// Takes messages as the bytes that they are.
#[derive(Debug, Clone, Copy)]
struct Untouched;

impl Codec for Untouched {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Untouched {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Untouched {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// The answer of a gRPC-Web call.
#[derive(Debug)]
pub struct WebAnswer {
    /// The status of HTTP.
    pub http: StatusCode,
    /// The content type.
    pub content_type: String,
    /// The messages.
    pub messages: Vec<Bytes>,
    /// The trailers, by lower-case name; those of an answer without a body are its headers.
    pub trailers: Vec<(String, String)>,
}

impl WebAnswer {
    /// A trailer.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Calls over gRPC-Web on HTTP/1.1, with one message framed as the protocol says.
///
/// # Panics
/// Panics where the answer is not framed.
pub async fn web_call(address: SocketAddr, method: &str, message: &[u8]) -> WebAnswer {
    let mut frame = vec![0];
    frame.extend(
        u32::try_from(message.len())
            .expect("a short message")
            .to_be_bytes(),
    );
    frame.extend_from_slice(message);
    let request = Request::post(format!("/waymark.v1.{method}"))
        .header("host", address.to_string())
        .header("origin", "http://shop.example")
        .header("content-type", "application/grpc-web+proto")
        .header("x-grpc-web", "1")
        .body(Full::new(Bytes::from(frame)))
        .expect("a request");

    let stream = TcpStream::connect(address)
        .await
        .expect("the server listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    driver.abort();
    let header = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let mut web = WebAnswer {
        http: head.status,
        content_type: head
            .headers
            .get("content-type")
            .map(header)
            .unwrap_or_default(),
        messages: Vec::new(),
        trailers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), header(value)))
            .collect(),
    };
    web.unframe(body);
    web
}

impl WebAnswer {
    fn unframe(&mut self, mut body: Bytes) {
        const TRAILERS: u8 = 0x80;
        while body.has_remaining() {
            let flags = body.get_u8();
            let length = usize::try_from(body.get_u32()).expect("a length");
            let frame = body.split_to(length);
            if flags & TRAILERS == 0 {
                self.messages.push(frame);
                continue;
            }
            let text = String::from_utf8_lossy(&frame).into_owned();
            let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
            self.trailers
                .extend(lines.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())));
        }
    }
}
