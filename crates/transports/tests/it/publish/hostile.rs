//! Servers that send without end, nothing at all or nonsense, and those that do not read.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use waymark_transports::{
    Attempt, Outcome,
    publish::{Event, Publisher},
};

use super::{
    assert_failed, assert_refused, event,
    peer::{Peer, When, Wrong},
    publisher, servers,
};

/// How long an attempt may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The same, while many tests want the same processors.
const TIMEOUT_BUSY: Duration = Duration::from_secs(5);
/// No more than this must be taken from one connection, buffers of the system included.
const TAKEN_MAX: usize = 8 << 20;

const LETTERS: &[u8] = b"a";
const WHENS: [When; 3] = [When::Greeting, When::Login, When::Ack];

/// What goes wrong whenever it comes.
const ALWAYS_WRONG: [Wrong; 17] = [
    Wrong::Endless(b"INFO {\"nonce\":\"", LETTERS),
    Wrong::Endless(b"MSG ", LETTERS),
    Wrong::Endless(b"-ERR '", LETTERS),
    Wrong::Endless(b"", LETTERS),
    Wrong::Endless(b"", b"\r\n"),
    Wrong::Endless(b"", b"\0\xff\x80\n"),
    Wrong::Endless(b"MSG _INBOX.x 1 4294967296\r\n", LETTERS),
    Wrong::Endless(b"MSG _INBOX.x 1 99999999999999999999\r\n", LETTERS),
    Wrong::Endless(b"MSG _INBOX.x 1 2\r\n", LETTERS),
    Wrong::Endless(b"HMSG _INBOX.x 1 200 100\r\n", LETTERS),
    Wrong::Endless(b"HMSG _INBOX.x 1 12 4294967296\r\n", LETTERS),
    Wrong::Endless(b"HMSG _INBOX.x 1 4294967296 4294967296\r\n", LETTERS),
    Wrong::Once(b""),
    Wrong::Once(b"MSG _INBOX.x 1 60000\r\nnot all of it"),
    Wrong::Closes(b""),
    Wrong::Closes(b"INFO {"),
    Wrong::Closes(b"MSG _INBOX.x 1 60000\r\nnot all of it"),
];

/// What is right by itself and goes on without end.
const FLOODS: [&[u8]; 6] = [
    b"PING\r\n",
    b"PONG\r\n",
    b"+OK\r\n",
    b"INFO {\"max_payload\":1048576}\r\n",
    b"MSG _INBOX.x.1 1 27\r\n{\"stream\":\"ORDERS\",\"seq\":1}\r\n",
    b"-ERR 'one'\r\n-ERR 'two'\r\n",
];

async fn brief(peer: &Peer) -> Publisher {
    publisher(servers(&peer.address()).with_timeout(TIMEOUT).unwrap()).await
}

fn problem(attempt: &Attempt) -> &str {
    let Outcome::Failed { problem, .. } = &attempt.outcome else {
        panic!("{attempt:?}");
    };
    problem
}

/// Publishes until it is stored: there are pauses between attempts to connect.
async fn assert_delivers(publisher: &Publisher, peer: &Peer, what: &str) {
    peer.recover();
    let began = Instant::now();
    loop {
        let attempt = publisher.publish(event("d-2")).await;
        if attempt.outcome == Outcome::Accepted {
            assert!(attempt.answer.starts_with(b"stream ORDERS, sequence "));
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{what}: {attempt:?}"
        );
    }
}

/// One attempt with a server that goes wrong, and then with the same server, which does no more.
async fn suffer(when: When, wrong: Wrong) {
    let what = format!("{when:?}, {wrong:?}");
    let peer = Peer::start(when, wrong).await;
    let publisher = brief(&peer).await;
    let began = Instant::now();
    let attempt = publisher.publish(event("d-1")).await;
    assert!(began.elapsed() < TIMEOUT_BUSY, "{what}: {attempt:?}");
    assert!(problem(&attempt).contains("NATS"), "{what}: {attempt:?}");
    assert!(peer.taken() < TAKEN_MAX, "{what}: {}", peer.taken());
    assert_eq!(peer.stored(), 0, "{what}");
    assert_delivers(&publisher, &peer, &what).await;
}

#[tokio::test]
async fn whatever_a_server_sends_is_a_problem_and_soon_over() {
    let cases = WHENS
        .into_iter()
        .flat_map(|when| ALWAYS_WRONG.map(|wrong| (when, wrong)));
    join_all(cases.map(|(when, wrong)| suffer(when, wrong))).await;
}

#[tokio::test]
async fn a_flood_of_what_is_right_is_left_too() {
    let floods = WHENS
        .into_iter()
        .flat_map(|when| FLOODS.map(|flood| (when, flood)));
    let cases = floods.flat_map(|(when, flood)| {
        let unread = Wrong::Endless(b"", flood);
        let read = Wrong::EndlessReading(b"", flood);
        [(when, unread), (when, read)]
    });
    join_all(cases.map(|(when, wrong)| suffer(when, wrong))).await;
}

#[tokio::test]
async fn the_problem_says_what_was_wrong() {
    let cases = [
        (
            When::Greeting,
            Wrong::Endless(b"INFO {\"nonce\":\"", LETTERS),
            "no connection to NATS: nats: the server is not one of NATS: \
             it sent a line of more than 65536 bytes",
        ),
        (
            When::Greeting,
            Wrong::Closes(b"-ERR 'maximum connections exceeded'\r\n"),
            "no connection to NATS: nats: maximum connections exceeded",
        ),
        (
            When::Login,
            Wrong::Once(b"-ERR 'Authorization Violation'\r\n"),
            "no connection to NATS: nats: authorization violation",
        ),
        (
            When::Login,
            Wrong::Closes(b""),
            "no connection to NATS: nats: the server closed the connection",
        ),
        (
            When::Ack,
            Wrong::Endless(b"MSG _INBOX.x 1 4294967296\r\n", LETTERS),
            "lost before it acknowledged the event: nats: the server is not one of NATS: \
             it announced a message of more than 65536 bytes",
        ),
        (
            When::Ack,
            Wrong::EndlessReading(b"", b"PING\r\n"),
            "lost before it acknowledged the event: \
             nats: the server sends too much that nobody asked for",
        ),
        (
            When::Ack,
            Wrong::Once(b""),
            "NATS did not acknowledge the event in time",
        ),
    ];
    let tried = cases.map(|(when, wrong, words)| async move {
        let peer = Peer::start(when, wrong).await;
        let patient = servers(&peer.address()).with_timeout(Duration::from_secs(3));
        let attempt = publisher(patient.unwrap())
            .await
            .publish(event("d-1"))
            .await;
        assert_failed(&attempt, words);
    });
    join_all(tried).await;
}

/// A server that lets us in and then reads nothing: what is published to it must not pile up, and
/// the connection is given up.
#[tokio::test]
async fn a_server_that_does_not_read_is_left() {
    let peer = Peer::start(When::Ack, Wrong::Once(b"")).await;
    let publisher = brief(&peer).await;
    let body = Bytes::from(vec![b'x'; 900_000]);
    let large = |number: usize| Event {
        body: body.clone(),
        ..event(&format!("d-{number}"))
    };
    let attempts = join_all((0..64).map(|number| publisher.publish(large(number)))).await;
    for attempt in &attempts {
        assert!(problem(attempt).contains("NATS"), "{attempt:?}");
    }
    let began = Instant::now();
    while peer.connections() < 2 {
        assert!(began.elapsed() < TIMEOUT_BUSY, "the connection is kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(peer.stored(), 0);
    assert_delivers(&publisher, &peer, "unread").await;
    // What was given up is not sent later.
    assert_eq!(peer.stored(), 1);
}

/// What a server says about itself bounds what is sent to it.
#[tokio::test]
async fn an_event_that_is_too_large_is_not_sent() {
    let peer = Peer::start(When::Never, Wrong::Once(b"")).await;
    let publisher = brief(&peer).await;
    let of_size = |bytes: usize| Event {
        body: Bytes::from(vec![b'x'; bytes]),
        ..event("d-1")
    };
    let attempt = publisher.publish(of_size(1_048_576)).await;
    assert_refused(&attempt, "larger than NATS takes");
    assert_eq!(peer.stored(), 0);
    let attempt = publisher.publish(of_size(1_000_000)).await;
    assert_eq!(attempt.outcome, Outcome::Accepted);
    assert_eq!(peer.stored(), 1);
}
