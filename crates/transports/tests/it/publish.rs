//! Events as a stream of NATS stores them.

mod credentials;
mod hostile;
mod peer;

use std::{net::TcpListener, time::Duration};

use async_nats::jetstream::{self, message::StreamMessage, stream::Stream};
use bytes::Bytes;
use tempfile::TempDir;
use waymark_testkit::nats::Nats;
use waymark_transports::{
    Attempt, CloudEvent, Outcome, Password,
    publish::{Access, Event, Publisher, Servers},
};

use crate::certificate;

fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        subject: "orders.shipped".to_owned(),
        attributes: CloudEvent {
            id: format!("event-{id}"),
            source: "/waymark/0f6d".to_owned(),
            kind: "dev.waymark.order.transitioned".to_owned(),
            subject: "100% \"gr\u{fc}n\"\r\nX: y".to_owned(),
            time: "2026-11-22T12:00:00.000001Z".to_owned(),
            content_type: "application/json".to_owned(),
        },
        body: Bytes::from_static(b"{\"order\":\"100000042\"}"),
    }
}

fn servers(address: &str) -> Servers {
    Servers::new([address]).unwrap()
}

async fn publisher(servers: Servers) -> Publisher {
    Publisher::connect(servers).await.unwrap()
}

async fn stream_of(client: async_nats::Client) -> Stream {
    let wanted = jetstream::stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        max_message_size: 10_000,
        ..Default::default()
    };
    jetstream::new(client)
        .get_or_create_stream(wanted)
        .await
        .unwrap()
}

async fn stream(nats: &Nats) -> Stream {
    stream_of(async_nats::connect(nats.address()).await.unwrap()).await
}

async fn stored(stream: &mut Stream) -> u64 {
    stream.info().await.unwrap().state.messages
}

async fn first(stream: &Stream) -> StreamMessage {
    stream.get_raw_message(1).await.unwrap()
}

fn assert_failed(attempt: &Attempt, words: &str) {
    let Outcome::Failed {
        problem,
        retry_after: None,
    } = &attempt.outcome
    else {
        panic!("{attempt:?}");
    };
    assert!(problem.contains(words), "{problem}");
}

fn assert_refused(attempt: &Attempt, words: &str) {
    let Outcome::Refused { problem } = &attempt.outcome else {
        panic!("{attempt:?}");
    };
    assert!(problem.contains(words), "{problem}");
}

fn assert_accepted(attempt: &Attempt, answer: &str) {
    assert_eq!(attempt.outcome, Outcome::Accepted, "{attempt:?}");
    assert_eq!(String::from_utf8_lossy(&attempt.answer), answer);
    assert_eq!(attempt.code, None);
}

#[tokio::test]
async fn an_event_is_stored_once_with_its_headers() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    let mut stream = stream(&nats).await;
    let publisher = publisher(servers(&nats.address())).await;
    let once = publisher.publish(event("d-1")).await;
    assert_accepted(&once, "stream ORDERS, sequence 1");
    let twice = publisher.publish(event("d-1")).await;
    assert_accepted(&twice, "duplicate: stream ORDERS, sequence 1");
    assert_eq!(stored(&mut stream).await, 1);

    let message = first(&stream).await;
    assert_eq!(message.subject.as_str(), "orders.shipped");
    assert_eq!(message.payload, event("d-1").body);
    let mut headers: Vec<_> = message
        .headers
        .iter()
        .map(|(name, values)| (name.to_string(), values[0].to_string(), values.len()))
        .collect();
    headers.sort();
    let wanted = [
        ("Nats-Msg-Id", "d-1"),
        ("ce-datacontenttype", "application/json"),
        ("ce-id", "event-d-1"),
        ("ce-source", "/waymark/0f6d"),
        ("ce-specversion", "1.0"),
        ("ce-subject", "100%25%20%22gr%C3%BCn%22%0D%0AX:%20y"),
        ("ce-time", "2026-11-22T12:00:00.000001Z"),
        ("ce-type", "dev.waymark.order.transitioned"),
    ];
    let wanted: Vec<_> = wanted
        .map(|(name, value)| (name.to_owned(), value.to_owned(), 1))
        .into();
    assert_eq!(headers, wanted);
    assert_accepted(
        &publisher.publish(event("d-2")).await,
        "stream ORDERS, sequence 2",
    );
}

#[tokio::test]
async fn empty_attributes_are_left_out() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    let stream = stream(&nats).await;
    let mut event = event("d-1");
    event.attributes.subject.clear();
    event.attributes.time.clear();
    let publisher = publisher(servers(&nats.address())).await;
    assert_eq!(publisher.publish(event).await.outcome, Outcome::Accepted);
    let headers = first(&stream).await.headers;
    assert!(headers.get("ce-subject").is_none() && headers.get("ce-time").is_none());
    assert!(headers.get("ce-id").is_some());
}

#[tokio::test]
async fn a_subject_that_no_stream_takes_is_a_failure() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    let publisher = publisher(servers(&nats.address())).await;
    let attempt = publisher.publish(event("d-1")).await;
    assert_failed(
        &attempt,
        "no stream of NATS takes the subject orders.shipped",
    );
    // As soon as there is one, the same event is stored.
    let mut stream = stream(&nats).await;
    let attempt = publisher.publish(event("d-1")).await;
    assert_accepted(&attempt, "stream ORDERS, sequence 1");
    assert_eq!(stored(&mut stream).await, 1);
}

#[tokio::test]
async fn what_nats_can_never_take_is_refused() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    let mut stream = stream(&nats).await;
    let publisher = publisher(servers(&nats.address())).await;
    for subject in ["", "orders.*", "orders shipped", "orders.", "$JS.API.INFO"] {
        let event = Event {
            subject: subject.to_owned(),
            ..event("d-1")
        };
        assert_refused(&publisher.publish(event).await, "NATS");
    }
    let attempt = publisher.publish(event("d-1\r\nX: y")).await;
    assert_refused(&attempt, "cannot stand in a header");
    let of_size = |bytes| Event {
        body: Bytes::from(vec![b'x'; bytes]),
        ..event("d-1")
    };
    let attempt = publisher.publish(of_size(20_000)).await;
    assert_refused(&attempt, "larger than the stream takes");
    assert_eq!(attempt.code, Some(400));
    let attempt = publisher.publish(of_size(2_000_000)).await;
    assert_refused(&attempt, "larger than NATS takes");
    assert_eq!(stored(&mut stream).await, 0);
}

#[tokio::test]
async fn it_starts_while_nats_is_down_and_connects_when_it_comes() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("nats://127.0.0.1:{port}");
    let brief = servers(&address).with_timeout(Duration::from_millis(300));
    let brief = publisher(brief.unwrap()).await;
    let patient = publisher(servers(&address)).await;
    assert_failed(&brief.publish(event("d-0")).await, "no connection to NATS");
    let waiting = tokio::spawn(async move { patient.publish(event("d-1")).await });
    let nats = Nats::start(&folder, port, &[]);
    let mut stream = stream(&nats).await;
    let attempt = waiting.await.unwrap();
    // It may have connected a moment before there was a stream.
    if attempt.outcome != Outcome::Accepted {
        assert_failed(&attempt, "no stream");
    }
    let patient = publisher(servers(&address)).await;
    assert_eq!(
        patient.publish(event("d-1")).await.outcome,
        Outcome::Accepted
    );
    // What was given up while there was no connection was not kept back.
    assert_eq!(stored(&mut stream).await, 1);
}

#[tokio::test]
async fn it_connects_again_when_nats_was_down() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    let address = nats.address();
    stream(&nats).await;
    let publisher = publisher(servers(&address)).await;
    let attempt = publisher.publish(event("d-1")).await;
    assert_accepted(&attempt, "stream ORDERS, sequence 1");
    let port = nats.stop();
    let brief = Duration::from_millis(300);
    let given_up = tokio::time::timeout(brief, publisher.publish(event("d-2"))).await;
    assert!(given_up.is_err(), "{given_up:?}");
    let nats = Nats::start(&folder, port, &[]);
    let attempt = publisher.publish(event("d-3")).await;
    assert_eq!(attempt.outcome, Outcome::Accepted, "{attempt:?}");
    let attempt = publisher.publish(event("d-1")).await;
    assert_accepted(&attempt, "duplicate: stream ORDERS, sequence 1");
    let stream = stream(&nats).await;
    let last = stream
        .get_last_raw_message_by_subject("orders.shipped")
        .await;
    assert_eq!(
        last.unwrap().headers.get("Nats-Msg-Id").unwrap().as_str(),
        "d-3"
    );
}

#[tokio::test]
async fn a_stream_without_an_answer_is_a_failure() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    // Somebody listens to the subject, but nobody who stores and acknowledges.
    let deaf = async_nats::connect(nats.address()).await.unwrap();
    let _subscription = deaf.subscribe("orders.>").await.unwrap();
    deaf.flush().await.unwrap();
    let brief = servers(&nats.address()).with_timeout(Duration::from_millis(500));
    let attempt = publisher(brief.unwrap()).await.publish(event("d-1")).await;
    assert_failed(&attempt, "did not acknowledge the event in time");
}

#[tokio::test]
async fn a_user_or_a_token_opens_the_door() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &["--user", "shop", "--pass", "s3cret"]);
    let user = |password| Access::User {
        name: "shop".to_owned(),
        password: Password::new(password),
    };
    let servers = servers(&nats.address());
    let right = publisher(servers.clone().with_access(user("s3cret")).unwrap()).await;
    assert_failed(&right.publish(event("d-1")).await, "no stream of NATS");
    let brief = servers.with_timeout(Duration::from_millis(500)).unwrap();
    let wrong = publisher(brief.with_access(user("other")).unwrap()).await;
    let attempt = wrong.publish(event("d-1")).await;
    assert_failed(
        &attempt,
        "no connection to NATS: nats: authorization violation",
    );

    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &["--auth", "t0ken"]);
    let access = Access::Token(Password::new("t0ken"));
    let right = publisher(
        Servers::new([&*nats.address()])
            .unwrap()
            .with_access(access)
            .unwrap(),
    );
    assert_failed(
        &right.await.publish(event("d-1")).await,
        "no stream of NATS",
    );
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate() {
    let certificate = certificate::for_localhost();
    let folder = TempDir::new().unwrap();
    let (file, key) = (&certificate.file, &certificate.key_file);
    let nats = Nats::start(
        &folder,
        0,
        &[
            "--tls",
            "--tlscert",
            file.to_str().unwrap(),
            "--tlskey",
            key.to_str().unwrap(),
        ],
    );
    let address = format!("tls://localhost:{}", nats.port);
    let trusting = servers(&address)
        .with_authorities(&certificate.pem)
        .unwrap();
    let trusting = publisher(trusting).await;
    assert_failed(&trusting.publish(event("d-1")).await, "no stream of NATS");
    let brief = servers(&address).with_timeout(Duration::from_secs(1));
    let distrusting = publisher(brief.unwrap()).await;
    let attempt = distrusting.publish(event("d-1")).await;
    assert_failed(&attempt, "no connection to NATS: nats: IO error");
}

#[tokio::test]
async fn tls_is_not_left_out_by_the_server() {
    let folder = TempDir::new().unwrap();
    let nats = Nats::start(&folder, 0, &[]);
    let plain = format!("tls://localhost:{}", nats.port);
    let brief = servers(&plain).with_timeout(Duration::from_secs(1));
    let attempt = publisher(brief.unwrap()).await.publish(event("d-1")).await;
    assert_failed(&attempt, "no connection to NATS");
}
