//! What peers do to connections: cancel in bursts, send half of a message, flood, open too many. Neighbours on the same
//! connection and on others go on, and the server stays small.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::Code;
use waymark_tests::{Backend, Refusal, Server, Shop, Watcher, world};

use crate::bench;

const MIB: usize = 1024 * 1024;

/// How long anything may take, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_secs(30);

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_end_nobody_elses_stream() {
    let (_server, shop) = start(&[]).await;
    let mut watcher = Watcher::of(&shop).await;
    for burst in [60, 60, 60, 60, 60, 60, 60, 60, 500, 500] {
        let mut calls = JoinSet::new();
        for _ in 0..burst {
            let shop = shop.clone();
            calls.spawn(async move { shop.find("1").await });
        }
        tokio::task::yield_now().await;
        calls.shutdown().await;
    }
    shop.comment("1", "still here", "").await.unwrap();
    watcher.until(2).await;
}

/// A stream whose headers and reset are sent at once, again and again, as in the attack of that name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_cancellations_is_bounded() {
    let (mut server, shop) = start(&["cancelled_calls_max=100"]).await;
    let before = server.process().memory_kib("VmRSS:");
    let mut ended = 0;
    for _ in 0..4 {
        let (mut client, driver) = http2(&server).await;
        let driver = tokio::spawn(driver);
        for _ in 0..20_000 {
            let Ok(ready) = client.clone().ready().await else {
                break;
            };
            client = ready;
            let request = head(&server, "GetOrder");
            let Ok((answer, mut body)) = client.send_request(request, false) else {
                break;
            };
            body.send_reset(h2::Reason::CANCEL);
            drop(answer);
        }
        drop(client);
        if let Ok(Err(_)) = timeout(PATIENCE, driver)
            .await
            .expect("the connection ends")
        {
            ended += 1;
        }
    }
    let grown = server.process().memory_kib("VmRSS:").saturating_sub(before);
    assert!(grown < 64 * 1024, "the server grew by {grown} KiB");
    assert!(ended > 0, "no flood ended its connection");
    assert!(server.is_running());
    shop.over(server.clients()).get("1").await;
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
            let (answer, mut body) = client
                .clone()
                .ready()
                .await
                .unwrap()
                .send_request(head(&server, "AddComment"), false)
                .unwrap();
            let mut half = vec![0];
            half.extend(u32::try_from(4 * MIB).unwrap().to_be_bytes());
            half.resize(4 * MIB - 100, b'x');
            // What flow control lets through, the peer sends.
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
            stuck.push((client.clone(), answer, sending));
        }
    }
    // Small calls are served at once.
    for _ in 0..50 {
        timeout(PATIENCE, shop.comment("1", "meanwhile", ""))
            .await
            .expect("in time")
            .unwrap();
    }
    let grown = server.process().memory_kib("VmHWM:").saturating_sub(before);
    assert!(grown < 200 * 1024, "the server grew by {grown} KiB");
    assert!(server.is_running());
    for (_, _, sending) in &stuck {
        sending.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_have_a_limit_that_is_told() {
    let (_server, shop) = start(&[]).await;
    let mut request = tonic::Request::new(waymark_proto::v1::GetOrderRequest {
        workflow: shop.workflow(),
        id: "1".to_owned(),
        ..Default::default()
    });
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
    let open = || std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let pid = Pid::from_raw(i32::try_from(id).unwrap());
    // The server inherited the limits of this process.
    let usual = rustix::process::getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(u64::try_from(open()).unwrap() + 8),
        ..usual
    };
    prlimit(pid, Resource::Nofile, few).unwrap();
    let before = server.log().len();
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let told = server.log().find(before, PATIENCE, |line| {
        line.contains("could not be accepted")
            .then(|| line.contains("WARN"))
    });
    assert_eq!(told.await, Some(true));
    // Whoever is there is served meanwhile, and the server does not spin.
    let busy = cpu_ticks(id);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        shop.get("1").await;
        sleep(Duration::from_millis(50)).await;
    }
    let spent = cpu_ticks(id) - busy;
    assert!(spent < 60, "{spent} hundredths of a second in one second");
    let lines = server.log().after(before);
    let told = lines.iter().filter(|l| l.contains("could not be accepted"));
    assert_eq!(told.count(), 1, "it is said now and then, not each time");
    drop(silent);
    let new = shop.over(server.clients());
    timeout(PATIENCE, new.get("1")).await.expect("in time");
}

/// The time that a process has spent, in hundredths of a second.
fn cpu_ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
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

/// The head of a call, without its message.
fn head(server: &Server, method: &str) -> Request<()> {
    let address = server.address();
    Request::post(format!("http://{address}/waymark.v1.OrderService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}
