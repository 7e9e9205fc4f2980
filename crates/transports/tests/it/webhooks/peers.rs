//! Peers that hang, drip, break off, talk without end, or speak no HTTP.

use std::{
    future::pending,
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::interval,
};
use waymark_transports::{Attempt, Outcome};

use super::{LOOPBACK, post_to, problem, receiver::peer, webhooks};

const MEBIBYTE: usize = 1024 * 1024;
const SHORT: Duration = Duration::from_millis(300);
/// What the buffers of two sockets may swallow, with room to spare.
const BUFFERED_MAX: usize = 24 * MEBIBYTE;

/// Posts to a peer that answers with these bytes and closes.
async fn told(answer: &'static [u8]) -> Attempt {
    let (url, peer) = peer(async move |mut stream: TcpStream| {
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    peer.await.unwrap();
    attempt
}

/// Posts with little time to a peer that never closes.
async fn timed(url: &str) -> Attempt {
    let mut post = post_to(url);
    post.timeout = SHORT;
    let start = Instant::now();
    let attempt = webhooks(LOOPBACK).post(post).await;
    let taken = start.elapsed();
    assert!(taken >= SHORT && taken < 20 * SHORT, "{taken:?}");
    attempt
}

/// Writes `piece` until the other side takes no more, at most 50 MiB; says how much went out.
async fn pour(stream: &mut TcpStream, piece: &[u8]) -> usize {
    let mut written = 0;
    while written < 50 * MEBIBYTE && stream.write_all(piece).await.is_ok() {
        written += piece.len();
    }
    written
}

async fn drip(stream: &mut TcpStream) -> io::Error {
    let mut ticks = interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        if let Err(error) = stream.write_all(b"x").await {
            return error;
        }
    }
}

#[tokio::test]
async fn a_peer_that_hangs_is_left() {
    let (url, _peer) = peer(async |_stream| pending::<()>().await).await;
    let attempt = timed(&url).await;
    assert_eq!(problem(attempt), "127.0.0.1 did not answer within 300ms");
}

#[tokio::test]
async fn a_peer_that_takes_no_connection_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Nobody accepts, so a handshake of TLS never begins.
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let attempt = timed(&url).await;
    assert_eq!(problem(attempt), "127.0.0.1 did not answer within 300ms");
}

#[tokio::test]
async fn a_head_that_drips_is_left() {
    let (url, peer) = peer(async |mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.unwrap();
        drip(&mut stream).await
    })
    .await;
    let attempt = timed(&url).await;
    assert_eq!(problem(attempt), "127.0.0.1 did not answer within 300ms");
    peer.await.unwrap();
}

#[tokio::test]
async fn a_body_that_drips_does_not_undo_its_status() {
    let (url, peer) = peer(async |mut stream: TcpStream| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n";
        stream.write_all(head).await.unwrap();
        drip(&mut stream).await
    })
    .await;
    let attempt = timed(&url).await;
    assert_eq!(attempt.outcome, Outcome::Accepted);
    let kept = attempt.answer.len();
    assert!((1..=100).contains(&kept), "{kept} bytes");
    peer.await.unwrap();
}

#[tokio::test]
async fn a_large_answer_costs_nothing() {
    let (url, peer) = peer(async |mut stream: TcpStream| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 52428800\r\n\r\n";
        stream.write_all(head).await.unwrap();
        pour(&mut stream, &[b'x'; 4096]).await
    })
    .await;
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    assert_eq!(attempt.outcome, Outcome::Accepted);
    assert_eq!(attempt.answer, vec![b'x'; 1024]);
    let written = peer.await.unwrap();
    assert!(written < BUFFERED_MAX, "{written} bytes were taken");
}

#[tokio::test]
async fn an_endless_answer_ends_at_once() {
    let (url, peer) = peer(async |mut stream: TcpStream| {
        let head = b"HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        pour(&mut stream, b"10\r\n0123456789abcdef\r\n").await
    })
    .await;
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    assert_eq!(attempt.code, Some(500));
    assert_eq!(attempt.answer, b"0123456789abcdef".repeat(64));
    let written = peer.await.unwrap();
    assert!(written < BUFFERED_MAX, "{written} bytes were taken");
}

#[tokio::test]
async fn an_endless_head_ends_at_once() {
    for piece in ["x: y\r\n".repeat(1000), "x".repeat(10000)] {
        let (url, peer) = peer(async move |mut stream: TcpStream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
            pour(&mut stream, piece.as_bytes()).await
        })
        .await;
        let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
        assert_eq!(problem(attempt), "the answer of 127.0.0.1 is not HTTP");
        let written = peer.await.unwrap();
        assert!(written < BUFFERED_MAX, "{written} bytes were taken");
    }
}

#[tokio::test]
async fn endless_interim_responses_end_at_once() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n",
    ] {
        let piece = interim.repeat(1000);
        let (url, peer) =
            peer(async move |mut stream: TcpStream| pour(&mut stream, piece.as_bytes()).await)
                .await;
        let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
        assert_eq!(
            problem(attempt),
            "127.0.0.1 sent one interim response (1xx) after the other, and no answer"
        );
        let written = peer.await.unwrap();
        assert!(written < BUFFERED_MAX, "{written} bytes were taken");
    }
}

/// The peer has a thread of its own, and always something to read for whoever asks.
#[tokio::test]
async fn interim_responses_without_end_leave_others_their_turn() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let read = io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
        assert_ne!(read, 0);
        let piece = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
        while io::Write::write_all(&mut stream, piece.as_bytes()).is_ok() {}
    });
    let other = tokio::spawn(async {
        let mut longest = Duration::ZERO;
        let mut last = Instant::now();
        loop {
            tokio::task::yield_now().await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
            if longest > Duration::from_secs(2) {
                return longest;
            }
        }
    });
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    assert!(problem(attempt).contains("interim response"));
    assert!(
        !other.is_finished(),
        "others waited for more than two seconds"
    );
    other.abort();
    // The connection is closed by a task of this runtime.
    let joined = tokio::task::spawn_blocking(move || peer.join());
    joined.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_few_interim_responses_are_passed_over() {
    let answer = [
        "HTTP/1.1 102 Processing\r\n\r\n".repeat(64),
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nnoted".to_owned(),
    ];
    let answer = answer.concat();
    let (url, peer) = peer(async move |mut stream: TcpStream| {
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    peer.await.unwrap();
    assert_eq!(attempt.outcome, Outcome::Accepted);
    assert_eq!(attempt.answer, b"noted");
}

#[tokio::test]
async fn a_peer_may_close_without_an_answer() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-"] {
        let expected = "127.0.0.1 closed the connection before it answered";
        assert_eq!(problem(told(answer).await), expected);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_undo_its_status() {
    let attempt = told(b"HTTP/1.1 201 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    assert_eq!(attempt.outcome, Outcome::Accepted);
    assert_eq!(
        (attempt.code, &attempt.answer[..]),
        (Some(201), &b"half"[..])
    );
}

#[tokio::test]
async fn what_is_not_http_is_told() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"220 mail.example ESMTP\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad\0name: x\r\n\r\n",
        &[0xff; 64],
    ] {
        let attempt = told(answer).await;
        let text = String::from_utf8_lossy(answer);
        assert_eq!(
            problem(attempt),
            "the answer of 127.0.0.1 is not HTTP",
            "{text}"
        );
    }
}

#[tokio::test]
async fn another_protocol_is_not_switched_to() {
    let answer = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let attempt = told(answer).await;
    assert!(
        matches!(attempt.outcome, Outcome::Failed { .. }),
        "{attempt:?}"
    );
}

#[tokio::test]
async fn a_connection_may_be_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    assert_eq!(problem(attempt), "127.0.0.1 refused the connection");
}

#[tokio::test]
async fn a_kept_connection_that_the_peer_closed_is_replaced() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            stream.write_all(answer).await.unwrap();
        }
    });
    let webhooks = webhooks(LOOPBACK);
    for _ in 0..2 {
        let attempt = webhooks.post(post_to(&url)).await;
        assert_eq!(attempt.outcome, Outcome::Accepted);
    }
    peer.await.unwrap();
}
