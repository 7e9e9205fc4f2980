//! What peers do to connections: cancel in bursts, send half of a message, flood, open too many. Neighbours on the same
//! connection and on others go on, and the server stays small.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, future::join_all, stream};
use http::Request;
use prost::Message;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};
use tonic::{Code, transport::Endpoint};
use waymark_proto::v1::{
    AddCommentRequest, GetOrderRequest, Step, StreamStepsRequest, StreamStepsResponse,
    WatchHistoryRequest, WatchHistoryResponse, step::Command,
};
use waymark_tests::{Backend, Clients, Refusal, Server, Shop, Watcher, world};

use crate::bench;

const MIB: usize = 1024 * 1024;

/// How long anything may take, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_mins(1);

async fn start(settings: &[&str]) -> (Server, Shop) {
    let arguments: Vec<&str> = settings
        .iter()
        .flat_map(|setting| ["--set", *setting])
        .collect();
    let server = Server::start_with(Backend::Sqlite, &arguments).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    shop.place("1", &[]).await;
    (server, shop)
}

/// Clients that bear with what comes late. A client ends its connection after 1,024 frames of answers to calls that it
/// has cancelled and forgotten, over the life of the connection, and the server can do nothing about that.
fn lenient(server: &Server) -> Clients {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    let endpoint = endpoint
        .http2_max_local_error_reset_streams(None::<usize>)
        .initial_connection_window_size(u32::try_from(32 * MIB).unwrap());
    Clients::of_channel(endpoint.connect_lazy())
}

fn get_order(shop: &Shop) -> tonic::Request<GetOrderRequest> {
    tonic::Request::new(GetOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        ..Default::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_end_nobody_elses_stream() {
    let (server, shop) = start(&[]).await;
    let shop = shop.over(lenient(&server));
    let mut watcher = Watcher::of(&shop).await;
    for burst in [60, 60, 60, 60, 60, 60, 60, 60, 500, 500, 3_000] {
        let mut calls = JoinSet::new();
        for _ in 0..burst {
            let shop = shop.clone();
            calls.spawn(async move { shop.find("1").await });
        }
        tokio::task::yield_now().await;
        calls.shutdown().await;
    }
    // On one connection with the watcher.
    let hurried = stream::iter(0..10_000).map(|_| {
        let shop = shop.clone();
        async move {
            let mut request = get_order(&shop);
            request.set_timeout(Duration::from_millis(1));
            shop.orders().get_order(request).await.err()
        }
    });
    let codes: Vec<_> = hurried.buffer_unordered(1_000).collect().await;
    let foreign: Vec<_> = codes
        .iter()
        .flatten()
        .filter(|status| ![Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()))
        .collect();
    assert!(foreign.is_empty(), "{:?}", foreign.first());
    shop.comment("1", "still here", "").await.unwrap();
    watcher.until_sequence("1", 2).await;
}

/// As many calls as a connection may have, all at once: what a burst looks like that nobody cancels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_end_nobody_elses_stream() {
    let (_server, shop) = start(&[]).await;
    let mut watcher = Watcher::of(&shop).await;
    let calls = stream::iter(0..12_000).map(|_| {
        let shop = shop.clone();
        async move { shop.get("1").await }
    });
    assert_eq!(calls.buffer_unordered(4_000).count().await, 12_000);
    shop.comment("1", "still here", "").await.unwrap();
    watcher.until_sequence("1", 2).await;
}

/// Messages that come when their calls were answered already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_answered_early_do_not_wear_a_connection_out() {
    let (server, shop) = start(&[]).await;
    let (mut client, driver) = http2(&server).await;
    let driver = tokio::spawn(driver);
    for _ in 0..3_000 {
        client = client.ready().await.expect("the connection goes on");
        let request = Request::post(method(&server, "GetOrder"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", "1u")
            .body(())
            .unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        let answer = timeout(PATIENCE, answer).await.expect("an answer");
        assert!(answer.unwrap().headers().contains_key("grpc-status"));
        // Refused where the server has ended the call by now.
        let _ = body.send_data(Bytes::from_static(&[0, 0, 0, 0, 2]), false);
        let _ = body.send_data(Bytes::from_static(&[18, 0]), true);
    }
    assert!(!driver.is_finished(), "the connection goes on");
    drop(client);
    let ended = timeout(PATIENCE, driver).await;
    ended.expect("the connection ends").unwrap().unwrap();
    shop.get("1").await;
}

/// The messages that a call is answered.
struct Answer {
    body: h2::RecvStream,
    arrived: BytesMut,
}

impl Answer {
    /// Begins a call with these messages, each of which is a piece of its own, as clients of other languages send them.
    async fn to<M: Message>(
        client: &h2::client::SendRequest<Bytes>,
        request: Request<()>,
        messages: impl IntoIterator<Item = M>,
    ) -> Self {
        let mut ready = client.clone().ready().await.unwrap();
        let (answer, mut body) = ready.send_request(request, false).unwrap();
        for message in messages {
            let mut piece = vec![0];
            piece.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
            message.encode(&mut piece).unwrap();
            body.send_data(piece.into(), false).unwrap();
        }
        body.send_data(Bytes::new(), true).unwrap();
        let answer = timeout(PATIENCE, answer).await.expect("an answer");
        Self {
            body: answer.unwrap().into_body(),
            arrived: BytesMut::new(),
        }
    }

    async fn next<M: Message + Default>(&mut self) -> Option<M> {
        loop {
            if let Some([_, length @ ..]) = self.arrived.first_chunk::<5>() {
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
                if self.arrived.len() >= 5 + length {
                    self.arrived.advance(5);
                    return Some(M::decode(self.arrived.split_to(length)).unwrap());
                }
            }
            let piece = timeout(PATIENCE, self.body.data())
                .await
                .expect("in time")?;
            let piece = piece.expect("the call goes on");
            let window = self.body.flow_control();
            window.release_capacity(piece.len()).unwrap();
            self.arrived.extend_from_slice(&piece);
        }
    }
}

/// Steps that are shorter than what h2 reckons for a piece, faster than they are carried out, by one call and by four of
/// a connection. Nobody reads the results at first, so as many steps lie unread as may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_steps_end_nobody_elses_stream() {
    for (calls, steps) in [(1, 6_000), (4, 3_000)] {
        let (server, shop) = start(&[]).await;
        shop.place("2", &[]).await;
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (client, driver) = h2::client::Builder::new()
            .initial_connection_window_size(u32::try_from(32 * MIB).unwrap())
            .handshake::<_, Bytes>(stream)
            .await
            .unwrap();
        let driver = tokio::spawn(driver);
        let watched = WatchHistoryRequest {
            workflows: vec![shop.workflow()],
            order_ids: vec!["2".to_owned()],
            ..Default::default()
        };
        let watching = request(&server, "HistoryService/WatchHistory");
        let mut watch = Answer::to(&client, watching, [watched]).await;
        let comment: AddCommentRequest = shop.remark("1", "a short note");
        let step = StreamStepsRequest {
            correlation_id: String::new(),
            step: Some(Step {
                command: Some(Command::AddComment(comment)),
            }),
        };
        let mut answers = Vec::new();
        for _ in 0..calls {
            let messages = std::iter::repeat_n(step.clone(), steps);
            answers.push(Answer::to(&client, head(&server, "StreamSteps"), messages).await);
        }
        // Until no more steps are carried out, since nobody reads.
        let (mut done, mut same) = (0, 0);
        while done == 0 || same < 20 {
            let now = usize::try_from(shop.get("1").await.version - 1).unwrap();
            same = if now == done { same + 1 } else { 0 };
            done = now;
        }
        assert!(done < calls * steps / 2, "{done} steps are done already");
        let read = answers.into_iter().map(|mut answer| async move {
            let mut done = 0;
            while let Some(answer) = answer.next::<StreamStepsResponse>().await {
                assert_eq!(answer.result.unwrap().error, None);
                done += 1;
            }
            done
        });
        assert_eq!(join_all(read).await, vec![steps; calls]);
        shop.comment("2", "still here", "").await.unwrap();
        let is_told = |message: &WatchHistoryResponse| {
            let mut entries = message.entries.iter();
            entries.any(|entry| entry.comment == "still here")
        };
        while !is_told(&watch.next().await.expect("the watch goes on")) {}
        assert!(!driver.is_finished(), "the connection goes on");
    }
}

/// Frames of HTTP/2 (RFC 9113, section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap();
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

/// The headers of a call, which the peer keeps, so that `KNOWN_HEADERS` say the same (RFC 7541, section 6).
fn first_headers(server: &Server) -> Vec<u8> {
    let mut headers = vec![0x83, 0x86];
    let named = [
        (0x44, "/waymark.v1.OrderService/GetOrder".to_owned()),
        (0x41, server.address().to_string()),
        (0x5f, "application/grpc".to_owned()),
    ];
    for (name, value) in named {
        headers.extend([name, u8::try_from(value.len()).unwrap()]);
        headers.extend(value.as_bytes());
    }
    headers.extend(b"\x40\x02te\x08trailers");
    headers
}

const KNOWN_HEADERS: [u8; 6] = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];

/// Calls whose headers and reset come together, again and again, as in the attack of that name; frame by frame, since
/// libraries of clients leave out what was reset before it was sent. Returns whether that ended the connection, which a
/// PING behind them tells.
async fn flood(server: &Server) -> bool {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    frame(&mut bytes, HEADERS, END_HEADERS, 1, &first_headers(server));
    for call in 1..20_000 {
        let stream = 2 * call + 1;
        frame(&mut bytes, HEADERS, END_HEADERS, stream, &KNOWN_HEADERS);
        let cancel = u32::from(h2::Reason::CANCEL);
        frame(&mut bytes, RST_STREAM, 0, stream, &cancel.to_be_bytes());
    }
    frame(&mut bytes, PING, 0, 0, &[7; 8]);
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (mut answers, mut calls) = stream.into_split();
    // It cannot be written to its end where the connection is ended before.
    let sending = tokio::spawn(async move { calls.write_all(&bytes).await.map(|()| calls) });
    let is_ended = async {
        loop {
            let mut head = [0; 9];
            if answers.read_exact(&mut head).await.is_err() {
                return true;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            match (head[3], head[4]) {
                (GOAWAY, _) => return true,
                (PING, ACK) => return false,
                _ if answers.read_exact(&mut payload).await.is_err() => return true,
                _ => {}
            }
        }
    };
    let is_ended = timeout(PATIENCE, is_ended).await.expect("an answer");
    sending.abort();
    is_ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_cancellations_is_bounded() {
    for settings in [&["cancelled_calls_max=100"][..], &[]] {
        let (mut server, shop) = start(settings).await;
        let before = server.process().memory_kib("VmRSS:");
        let mut ended = 0;
        for _ in 0..4 {
            ended += usize::from(flood(&server).await);
        }
        let grown = server.process().memory_kib("VmHWM:").saturating_sub(before);
        assert!(grown < 64 * 1024, "the server grew by {grown} KiB");
        let expected = if settings.is_empty() { 0 } else { 4 };
        assert_eq!(ended, expected, "so many floods ended their connection");
        assert!(server.is_running());
        shop.over(server.clients()).get("1").await;
    }
}

/// A call whose message is begun and never ended.
struct HalfSent {
    _client: h2::client::SendRequest<Bytes>,
    _answer: h2::client::ResponseFuture,
    sending: JoinHandle<()>,
}

impl Drop for HalfSent {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// Sends what flow control lets through.
async fn half_send(client: &h2::client::SendRequest<Bytes>, request: Request<()>) -> HalfSent {
    let mut ready = client.clone().ready().await.unwrap();
    let (answer, mut body) = ready.send_request(request, false).unwrap();
    let mut half = vec![0];
    half.extend(u32::try_from(4 * MIB).unwrap().to_be_bytes());
    half.resize(4 * MIB - 100, b'x');
    let sending = tokio::spawn(async move {
        let mut rest = Bytes::from(half);
        while !rest.is_empty() {
            body.reserve_capacity(rest.len());
            let granted = std::future::poll_fn(|context| body.poll_capacity(context)).await;
            let Some(Ok(granted)) = granted else { return };
            let piece = rest.split_to(granted.min(rest.len()));
            if body.send_data(piece, false).is_err() {
                return;
            }
        }
        // The message is not finished, ever.
        std::future::pending::<()>().await;
    });
    HalfSent {
        _client: ready,
        _answer: answer,
        sending,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_messages_shut_nobody_out() {
    let (mut server, shop) = start(&[]).await;
    let before = server.process().memory_kib("VmRSS:");
    let mut stuck = Vec::new();
    // Some 400 MB, if all of it were kept.
    for _ in 0..20 {
        let (client, driver) = http2(&server).await;
        tokio::spawn(driver);
        for _ in 0..5 {
            stuck.push(half_send(&client, head(&server, "AddComment")).await);
        }
    }
    // Small calls are served at once, and large ones as soon as what stands still has given way.
    for _ in 0..50 {
        timeout(PATIENCE, shop.comment("1", "meanwhile", ""))
            .await
            .expect("in time")
            .unwrap();
    }
    let large = shop.over(server.clients());
    for _ in 0..3 {
        let refusal = timeout(PATIENCE, large.comment("1", &"x".repeat(3 * MIB), ""))
            .await
            .expect("in time")
            .unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "FIELD_INVALID");
    }
    let grown = server.process().memory_kib("VmHWM:").saturating_sub(before);
    assert!(grown < 200 * 1024, "the server grew by {grown} KiB");
    assert!(server.is_running());
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_have_a_limit_that_is_told() {
    let (_server, shop) = start(&[]).await;
    let mut request = get_order(&shop);
    let long = "v".repeat(20 * 1024).parse().unwrap();
    request.metadata_mut().insert("x-long", long);
    let refused = shop.orders().get_order(request).await.unwrap_err();
    let refusal = Refusal::of(&refused);
    assert_eq!(
        (refusal.code, refusal.reason.as_str()),
        (Code::OutOfRange, "HEADERS_TOO_LARGE")
    );
    shop.get("1").await;
}

/// The server has no file left for a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_cannot_be_accepted_are_logged() {
    let (server, shop) = start(&[]).await;
    let id = server.process().id();
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let pid = Pid::from_raw(i32::try_from(id).unwrap());
    // The server inherited the limits of this process.
    let usual = rustix::process::getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(u64::try_from(open).unwrap() + 40),
        ..usual
    };
    prlimit(pid, Resource::Nofile, few).unwrap();
    let (before, begun) = (server.log().len(), Instant::now());
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let failures = || -> Vec<u128> {
        let lines = server.log().after(before);
        let said = lines
            .iter()
            .filter(|l| l.contains("connection not accepted"));
        said.map(|line| failures_of(line)).collect()
    };
    // Whoever is there is served meanwhile.
    while failures().len() < 2 {
        assert!(begun.elapsed() < PATIENCE, "it is not said again");
        let calls = (0..16).map(|_| shop.get("1"));
        join_all(calls).await;
        shop.comment("1", "meanwhile", "").await.unwrap();
        // It is said every ten seconds; until then there is nothing to wait for.
        sleep(Duration::from_millis(100)).await;
    }
    let tried = failures();
    let (said, all) = (tried.len(), tried[1]);
    // The server tries ten times a second, so it neither spins nor fills the log.
    let most = begun.elapsed().as_millis() / 100 + 2;
    assert!(
        said == 2 && all > 2 && all <= most,
        "{tried:?}, {most} at most"
    );
    drop(silent);
    let new = shop.over(server.clients());
    timeout(PATIENCE, new.get("1")).await.expect("in time");
}

/// How often connections could not be accepted, as a line of the log says it.
fn failures_of(line: &str) -> u128 {
    let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(line["level"], "WARN", "{line}");
    line["failures"].as_u64().expect("a number").into()
}

async fn http2(
    server: &Server,
) -> (
    h2::client::SendRequest<Bytes>,
    impl Future<Output = Result<(), h2::Error>> + Send + 'static,
) {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    h2::client::handshake(stream).await.unwrap()
}

fn method(server: &Server, method: &str) -> String {
    let address = server.address();
    format!("http://{address}/waymark.v1.OrderService/{method}")
}

/// The head of a call, without its message.
fn head(server: &Server, name: &str) -> Request<()> {
    request(server, &format!("OrderService/{name}"))
}

fn request(server: &Server, method: &str) -> Request<()> {
    let address = server.address();
    Request::post(format!("http://{address}/waymark.v1.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}
