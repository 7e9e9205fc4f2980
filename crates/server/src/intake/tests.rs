//! Whole messages come through, half ones give way.

use std::{convert::Infallible, sync::Mutex};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use prost::Message;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Duration, Instant},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_types::StatusExt;
use tower::{ServiceExt, service_fn};

use super::{
    pool::{REST_MAX, SMALL_BYTES},
    *,
};

/// A call that is sent piece by piece.
struct Call {
    pieces: Option<mpsc::Sender<Result<Frame<Bytes>, Status>>>,
    answer: JoinHandle<Response<Body>>,
}

/// What the service behind got.
#[derive(Debug, Clone, Default)]
struct Got(Arc<Mutex<Vec<Bytes>>>);

impl Got {
    fn lengths(&self) -> Vec<usize> {
        let got = self.0.lock().unwrap();
        got.iter().map(Bytes::len).collect()
    }
}

/// Takes the body as it comes, and notes each message.
fn service(
    pools: &Arc<Pools>,
    got: &Got,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    let got = got.clone();
    let inner = service_fn(move |request: Request<Body>| {
        let got = got.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => got.0.lock().unwrap().extend(frame.into_data()),
                    Err(status) => return Ok(status.into_http()),
                }
            }
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    });
    Intake {
        inner,
        pools: Arc::clone(pools),
    }
}

/// A call over a connection of its own.
fn call(pools: &Arc<Pools>, got: &Got, path: &str) -> Call {
    call_over(&ConnectionQueue::default(), pools, got, path)
}

fn call_over(queue: &ConnectionQueue, pools: &Arc<Pools>, got: &Got, path: &str) -> Call {
    let (pieces, body) = mpsc::channel(1_024);
    let body = Body::new(StreamBody::new(ReceiverStream::new(body)));
    let request = Request::post(path).extension(queue.clone());
    let request = request.body(body).unwrap();
    let answer = service(pools, got).oneshot(request);
    Call {
        pieces: Some(pieces),
        answer: tokio::spawn(async { answer.await.unwrap() }),
    }
}

impl Call {
    async fn send(&self, piece: &[u8]) {
        let frame = Frame::data(Bytes::copy_from_slice(piece));
        self.pieces.as_ref().unwrap().send(Ok(frame)).await.unwrap();
    }

    /// The status of the answer, once the body has ended.
    async fn end(mut self) -> Option<Status> {
        self.pieces = None;
        self.refused().await
    }

    /// The status of the answer to a body that has not ended.
    async fn refused(self) -> Option<Status> {
        let response = self.answer.await.unwrap();
        Status::from_header_map(response.headers())
    }
}

fn reason(status: Option<Status>) -> (Code, String) {
    let status = status.expect("a refusal");
    let info = status.get_details_error_info().expect("a reason");
    (status.code(), info.reason)
}

/// A message of so many bytes, with what stands before it.
fn framed(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(bytes).unwrap().to_be_bytes());
    frame.resize(5 + bytes, 7);
    frame
}

const UNARY: &str = "/waymark.v1.OrderService/AddComment";
const STREAM: &str = STREAMED[0];

fn pools() -> Arc<Pools> {
    Arc::new(Pools::new())
}

#[tokio::test]
async fn messages_come_through_as_they_are_however_they_are_cut() {
    let message = framed(3_000);
    for size in [1, 2, 5, 6, 700, 2_000, 10_000] {
        let (pools, got) = (pools(), Got::default());
        let unary = call(&pools, &got, UNARY);
        for piece in message.chunks(size) {
            unary.send(piece).await;
        }
        assert!(unary.end().await.is_none());
        let whole = got.0.lock().unwrap().concat();
        assert_eq!(whole, message, "in pieces of {size}");
    }
}

#[tokio::test]
async fn streams_get_message_by_message() {
    let (pools, got) = (pools(), Got::default());
    let stream = call(&pools, &got, STREAM);
    let messages = [framed(0), framed(10), framed(100), framed(20)].concat();
    for piece in messages.chunks(8) {
        stream.send(piece).await;
    }
    assert!(stream.end().await.is_none());
    let got = got.0.lock().unwrap();
    assert_eq!(got.concat(), messages);
}

#[tokio::test]
async fn what_is_no_message_is_left_to_who_decodes() {
    for cut in [vec![], vec![0], framed(10)[..12].to_vec()] {
        let (pools, got) = (pools(), Got::default());
        let unary = call(&pools, &got, UNARY);
        unary.send(&cut).await;
        assert!(unary.end().await.is_none());
        assert_eq!(got.0.lock().unwrap().concat(), cut);
    }
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_refused_at_once() {
    let (pools, got) = (pools(), Got::default());
    for (path, length, expected) in [
        (UNARY, MESSAGE_BYTES_MAX + 1, "MESSAGE_TOO_LARGE"),
        (STREAM, MESSAGE_BYTES_MAX + 1, "MESSAGE_TOO_LARGE"),
        (
            "/grpc.health.v1.Health/Check",
            SIDE_MESSAGE_BYTES_MAX + 1,
            "MESSAGE_TOO_LARGE",
        ),
    ] {
        let call = call(&pools, &got, path);
        call.send(&framed(length)[..100]).await;
        let refusal = reason(call.refused().await);
        assert_eq!(refusal, (Code::OutOfRange, expected.to_owned()), "{path}");
    }
    let twice = call(&pools, &got, UNARY);
    twice.send(&[framed(3), framed(3)].concat()).await;
    let refusal = reason(twice.refused().await);
    assert_eq!(refusal.1, "MESSAGE_MALFORMED");
    let request = Request::post(UNARY).header("x-long", "v".repeat(HEADER_BYTES_MAX));
    let request = request.body(Body::empty()).unwrap();
    let response = service(&pools, &got).oneshot(request).await.unwrap();
    let refusal = reason(Status::from_header_map(response.headers()));
    assert_eq!(refusal, (Code::OutOfRange, "HEADERS_TOO_LARGE".to_owned()));
    assert_eq!(got.lengths(), [] as [usize; 0]);
}

/// Room for two small messages and two large ones.
fn narrow() -> Arc<Pools> {
    Arc::new(Pools::with_room(4 * SMALL_BYTES, 2 * LARGE))
}

const LARGE: usize = 1024 * 1024;

/// Calls that have sent all of a large message but its end.
async fn half_sent(count: usize, pools: &Arc<Pools>, got: &Got) -> Vec<Call> {
    let mut calls = Vec::with_capacity(count);
    for _ in 0..count {
        let call = call(pools, got, UNARY);
        call.send(&framed(LARGE)[..LARGE - 10]).await;
        calls.push(call);
    }
    calls
}

#[tokio::test(start_paused = true)]
async fn half_sent_messages_give_way() {
    let (pools, got) = (narrow(), Got::default());
    let stuck = half_sent(2, &pools, &got).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(
        stuck.iter().all(|call| !call.answer.is_finished()),
        "nobody needs their room"
    );
    let begun = Instant::now();
    let whole = call(&pools, &got, UNARY);
    whole.send(&framed(LARGE)).await;
    assert!(whole.end().await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(3));
    for call in stuck {
        let refusal = reason(call.refused().await);
        assert_eq!(refusal, (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    }
}

/// Each would have its beginning in the room, and wait for the others.
#[tokio::test(start_paused = true)]
async fn large_messages_that_begin_at_once_all_come_through() {
    let (pools, got) = (narrow(), Got::default());
    let message = framed(LARGE);
    let calls: Vec<_> = (0..4).map(|_| call(&pools, &got, UNARY)).collect();
    let begun = Instant::now();
    for piece in message.chunks(16 * 1024) {
        for call in &calls {
            call.send(piece).await;
        }
        // Each takes its piece before the next ones come.
        tokio::task::yield_now().await;
    }
    for call in calls {
        assert!(call.end().await.is_none());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(got.0.lock().unwrap().concat(), message.repeat(4));
}

/// Who begins messages and never ends them keeps others out for the time of one of them.
#[tokio::test(start_paused = true)]
async fn others_wait_for_one_call_of_a_connection() {
    let pools = Arc::new(Pools::with_room(64 * SMALL_BYTES, 2 * LARGE));
    let got = Got::default();
    let (theirs, ours) = (ConnectionQueue::default(), ConnectionQueue::default());
    let mut stuck = Vec::new();
    for _ in 0..50 {
        let call = call_over(&theirs, &pools, &got, UNARY);
        call.send(&framed(LARGE)[..LARGE - 10]).await;
        stuck.push(call);
    }
    tokio::task::yield_now().await;
    let begun = Instant::now();
    for _ in 0..3 {
        let whole = call_over(&ours, &pools, &got, UNARY);
        whole.send(&framed(LARGE)).await;
        assert!(whole.end().await.is_none());
    }
    assert!(begun.elapsed() <= REST_MAX * 4, "{:?}", begun.elapsed());
}

/// What waits for room of large messages has its beginning among the small ones.
#[tokio::test(start_paused = true)]
async fn waiting_messages_give_way_to_small_ones() {
    let (pools, got) = (narrow(), Got::default());
    let _waiting = half_sent(4, &pools, &got).await;
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let small = call(&pools, &got, UNARY);
    small.send(&framed(1_000)).await;
    assert!(small.end().await.is_none());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(got.lengths(), [1_005]);
}

/// The time that a message waits for room is not held against its peer.
#[tokio::test(start_paused = true)]
async fn who_had_to_wait_may_go_on() {
    let (pools, got) = (narrow(), Got::default());
    let stuck = half_sent(2, &pools, &got).await;
    tokio::task::yield_now().await;
    let message = framed(LARGE);
    let (first, rest) = message.split_at(LARGE / 2);
    let late = call(&pools, &got, UNARY);
    late.send(first).await;
    for call in stuck {
        assert_eq!(reason(call.refused().await).1, "OVERLOADED");
    }
    // Others wait already when its room is given to it.
    let others: Vec<_> = (0..2).map(|_| call(&pools, &got, UNARY)).collect();
    for other in &others {
        other.send(&message).await;
    }
    tokio::time::sleep(REST_MAX / 2).await;
    late.send(rest).await;
    assert!(late.end().await.is_none());
    for other in others {
        assert!(other.end().await.is_none());
    }
}

/// A few bytes now and then are no way to keep room.
#[tokio::test(start_paused = true)]
async fn dribbling_is_standing_still() {
    let (pools, got) = (narrow(), Got::default());
    let mut drips = Vec::new();
    for _ in 0..2 {
        let call = call(&pools, &got, UNARY);
        call.send(&framed(LARGE)[..LARGE - 1_000]).await;
        drips.push(call);
    }
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for call in &drips {
            call.send(b"7").await;
        }
    }
    let begun = Instant::now();
    let whole = call(&pools, &got, UNARY);
    whole.send(&framed(LARGE)).await;
    assert!(whole.end().await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn small_messages_do_not_wait_for_large_ones() {
    let (pools, got) = (narrow(), Got::default());
    let _large = half_sent(3, &pools, &got).await;
    tokio::task::yield_now().await;
    let begun = Instant::now();
    for _ in 0..100 {
        let small = call(&pools, &got, UNARY);
        small.send(&framed(1_000)).await;
        assert!(small.end().await.is_none());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_holds_nothing_and_stays() {
    let (pools, got) = (narrow(), Got::default());
    let stream = call(&pools, &got, STREAM);
    stream.send(&framed(10)).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let _large = half_sent(4, &pools, &got).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    stream.send(&framed(20)).await;
    assert!(stream.end().await.is_none());
    assert_eq!(got.lengths(), [15, 25]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_becomes_free_a_call_is_refused() {
    let (pools, got) = (narrow(), Got::default());
    // They are whole, and are carried out for ever.
    let held = service_fn(async |_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, Infallible>>().await
    });
    let held = Intake {
        inner: held,
        pools: Arc::clone(&pools),
    };
    for _ in 0..2 {
        let message = Bytes::from(framed(LARGE));
        let request = Request::post(UNARY).body(Body::new(http_body_util::Full::new(message)));
        tokio::spawn(held.clone().oneshot(request.unwrap()));
    }
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let late = call(&pools, &got, UNARY);
    late.send(&framed(LARGE)).await;
    let refusal = reason(late.end().await);
    assert_eq!(refusal, (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    assert!((9..12).contains(&begun.elapsed().as_secs()));
}

#[test]
fn streamed_calls_are_those_of_the_contract() {
    let set = prost_types::FileDescriptorSet::decode(waymark_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut streamed = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in service.method.iter().filter(|m| m.client_streaming()) {
                streamed.push(format!(
                    "/{}.{}/{}",
                    file.package(),
                    service.name(),
                    method.name()
                ));
            }
        }
    }
    assert_eq!(streamed, [STREAM]);
}
