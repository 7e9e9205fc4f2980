//! Receivers of webhooks that behave badly: orders move on, the ledger tells the story, and memory stays bounded.

use std::{future::pending, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream, sync::OnceCell};
use waymark_proto::v1::{self, AttemptOutcome, DeliveryState};
use waymark_tests::{
    Backend, Server, Shop, ledger,
    peer::{Peer, answer, pour},
    turning,
    world::{apply, fresh_code},
};

on_each_database!(
    one_that_hangs_holds_up_no_step,
    one_that_redirects_is_not_followed,
    one_that_closes_early_is_tried_again,
    one_that_asks_for_rest_gets_it,
    one_that_talks_without_end_costs_no_memory,
    a_name_that_leads_inside_is_not_reached,
);

static SQLITE: OnceCell<Server> = OnceCell::const_new();
static POSTGRES: OnceCell<Server> = OnceCell::const_new();

const MEBIBYTE: usize = 1024 * 1024;

async fn start(backend: Backend, allowed: &str) -> Server {
    let allowed = format!("webhooks_allowed={allowed}");
    let settings = [&allowed, "dispatch_lease=500ms", "dispatch_poll=50ms"];
    let arguments: Vec<&str> = settings.iter().flat_map(|it| ["--set", it]).collect();
    Server::start_with(backend, &arguments).await
}

/// A server whose webhooks may reach this machine.
async fn server(backend: Backend) -> &'static Server {
    let cell = match backend {
        Backend::Sqlite => &SQLITE,
        Backend::Postgres => &POSTGRES,
    };
    cell.get_or_init(|| start(backend, "127.0.0.0/8")).await
}

/// A workflow whose orders tell an endpoint at this URL each time they turn.
async fn shop(server: &Server, url: &str, policy: &str) -> Shop {
    let (clients, code) = (server.clients(), fresh_code());
    let endpoint = format!("peer_{code}");
    let created = ledger::create_endpoint(&clients, &endpoint, url).await;
    created.unwrap();
    let tell = format!("{{tell: {{webhook: {{endpoint: {endpoint}}}, {policy}}}}}");
    let document = turning::document([("turn", tell)]);
    apply(&clients, &code, &document).await
}

/// Places an order, lets it turn, and gives the id of the delivery.
async fn placed_and_turned(shop: &Shop, id: &str) -> String {
    shop.place(id, &[]).await;
    turn(shop, id).await
}

async fn turn(shop: &Shop, id: &str) -> String {
    let turned = shop.take(id, "turn").await.unwrap();
    turned.entries[0].set_off[0].delivery_id.clone()
}

fn began(attempt: &v1::DeliveryAttempt) -> Duration {
    span(attempt.start_time.unwrap())
}

fn span(time: prost_types::Timestamp) -> Duration {
    let nanos = u32::try_from(time.nanos).unwrap();
    Duration::new(u64::try_from(time.seconds).unwrap(), nanos)
}

fn took(attempt: &v1::DeliveryAttempt) -> Duration {
    attempt.duration.unwrap().try_into().unwrap()
}

/// What attempts came to, each with its code and what went wrong.
fn story(delivery: &v1::Delivery) -> Vec<(AttemptOutcome, i32, &str)> {
    let attempts = delivery.attempts.iter();
    attempts
        .map(|attempt| (attempt.outcome(), attempt.code, attempt.problem.as_str()))
        .collect()
}

async fn one_that_hangs_holds_up_no_step(backend: Backend) {
    let server = server(backend).await;
    let peer = Peer::start(|stream, _| async {
        pending::<()>().await;
        drop(stream);
    })
    .await;
    let policy = "attempts: 2, backoff: 1ms, timeout: 2s";
    let shop = shop(server, &peer.url("erp"), policy).await;
    let id = placed_and_turned(&shop, "1").await;
    peer.until(1).await;
    // While the attempt hangs, the order goes on, and so do others.
    for order in ["1", "2", "3"] {
        if order != "1" {
            shop.place(order, &[]).await;
        }
        shop.comment(order, "go on", "").await.unwrap();
        turn(&shop, order).await;
    }
    assert_eq!(shop.get("1").await.version, 4);
    let delivery = ledger::delivery(&shop, &id).await;
    assert_eq!(
        (delivery.state(), delivery.attempts),
        (DeliveryState::Pending, vec![])
    );
    let delivery = ledger::until(&shop, &id, DeliveryState::Dead).await;
    let problem = "127.0.0.1 did not answer within 2s";
    let failed = (AttemptOutcome::Failed, 0, problem);
    assert_eq!(story(&delivery), [failed, failed]);
    assert_eq!(delivery.problem, problem);
    for attempt in &delivery.attempts {
        assert!(took(attempt) >= Duration::from_secs(2), "{attempt:?}");
        assert_eq!(attempt.answer, b"");
    }
    let [first, second] = delivery.attempts.as_slice() else {
        panic!("two attempts: {delivery:?}");
    };
    assert!(began(second) >= began(first) + took(first));
}

async fn one_that_redirects_is_not_followed(backend: Backend) {
    let server = server(backend).await;
    let peer = Peer::start(async |mut stream, before| {
        let status = [301, 302, 303, 307, 308][before % 5];
        answer(&mut stream, status, "location: /elsewhere\r\n").await;
    })
    .await;
    let policy = "attempts: 5, backoff: 1ms";
    let shop = shop(server, &peer.url("erp"), policy).await;
    let id = placed_and_turned(&shop, "1").await;
    let delivery = ledger::until(&shop, &id, DeliveryState::Dead).await;
    let codes: Vec<i32> = delivery
        .attempts
        .iter()
        .map(|attempt| attempt.code)
        .collect();
    assert_eq!(codes, [301, 302, 303, 307, 308]);
    assert_eq!(
        story(&delivery)[0].2,
        "the endpoint answered 301; redirects are not followed"
    );
    assert_eq!(delivery.attempts[0].answer, b"noted");
    let paths: Vec<_> = peer.requests().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["erp"; 5]);
}

async fn one_that_closes_early_is_tried_again(backend: Backend) {
    let server = server(backend).await;
    let peer = Peer::start(async |mut stream: TcpStream, before| {
        let said: &[u8] = match before {
            0 => b"",
            1 => b"HTTP/1.1 200 OK\r\ncontent-",
            2 => b"220 mail.example ESMTP\r\n",
            3 => b"HTTP/1.1 500 Oh\r\ncontent-length: 100\r\n\r\nhalf",
            _ => b"HTTP/1.1 202 OK\r\ncontent-length: 100\r\n\r\nhalf",
        };
        let _ = stream.write_all(said).await;
    })
    .await;
    let shop = shop(server, &peer.url("erp"), "backoff: 1ms").await;
    let id = placed_and_turned(&shop, "1").await;
    let delivery = ledger::until(&shop, &id, DeliveryState::Succeeded).await;
    let closed = "127.0.0.1 closed the connection before it answered";
    let failed = AttemptOutcome::Failed;
    assert_eq!(
        story(&delivery),
        [
            (failed, 0, closed),
            (failed, 0, closed),
            (failed, 0, "the answer of 127.0.0.1 is not HTTP"),
            (failed, 500, "the endpoint answered 500"),
            (AttemptOutcome::Accepted, 202, ""),
        ]
    );
    let answers: Vec<&[u8]> = delivery
        .attempts
        .iter()
        .map(|it| it.answer.as_slice())
        .collect();
    assert_eq!(answers, [b"", b"", b"", b"half" as &[u8], b"half"]);
    let numbers: Vec<i32> = delivery.attempts.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!((delivery.problem.as_str(), delivery.due_time), ("", None));
}

async fn one_that_asks_for_rest_gets_it(backend: Backend) {
    let server = server(backend).await;
    let peer = Peer::start(async |mut stream, before| match before {
        0 => answer(&mut stream, 429, "retry-after: 2\r\n").await,
        _ => answer(&mut stream, 200, "").await,
    })
    .await;
    let shop = shop(server, &peer.url("erp"), "backoff: 1ms").await;
    let first = placed_and_turned(&shop, "1").await;
    let asked = ledger::until_attempts(&shop, &first, 1).await;
    let asked_at = began(&asked.attempts[0]);
    assert_eq!(
        story(&asked),
        [(
            AttemptOutcome::Failed,
            429,
            "the endpoint answered 429: it asks to be called later"
        )]
    );
    let due = span(asked.due_time.unwrap());
    assert!(due >= asked_at + Duration::from_secs(2), "{asked:?}");
    // The rest is for the endpoint, so another order waits as well.
    let second = placed_and_turned(&shop, "2").await;
    for id in [&first, &second] {
        let told = ledger::until(&shop, id, DeliveryState::Succeeded).await;
        let last = told.attempts.last().unwrap();
        assert!(began(last) >= asked_at + Duration::from_secs(2), "{told:?}");
    }
    assert_eq!(peer.requests().len(), 3);
}

async fn one_that_talks_without_end_costs_no_memory(backend: Backend) {
    // Nobody else fills the memory of this one.
    let server = start(backend, "127.0.0.0/8").await;
    let peer = Peer::start(async |mut stream: TcpStream, before| {
        if before % 2 == 0 {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 52428800\r\n\r\n";
            let _ = stream.write_all(head).await;
            pour(&mut stream, &[b'x'; 4096], 50 * MEBIBYTE).await;
        } else {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head).await;
            let chunk = [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat();
            pour(&mut stream, &chunk, usize::MAX).await;
        }
    })
    .await;
    let shop = shop(&server, &peer.url("erp"), "backoff: 1ms").await;
    let told = placed_and_turned(&shop, "first").await;
    ledger::until(&shop, &told, DeliveryState::Succeeded).await;
    let before = server.process().memory_kib("VmRSS");
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(placed_and_turned(&shop, &number.to_string()).await);
    }
    for id in &ids {
        let delivery = ledger::until(&shop, id, DeliveryState::Succeeded).await;
        assert_eq!(story(&delivery), [(AttemptOutcome::Accepted, 200, "")]);
        assert_eq!(delivery.attempts[0].answer, [b'x'; 1024]);
    }
    let peak = server.process().memory_kib("VmHWM");
    assert!(peak < before + 30 * 1024, "{before} KiB grew to {peak} KiB");
}

async fn a_name_that_leads_inside_is_not_reached(backend: Backend) {
    // Without an allow-list.
    let server = start(backend, "").await;
    let peer = Peer::start(async |mut stream, _| answer(&mut stream, 200, "").await).await;
    let url = format!("http://localhost:{}/", peer.address().port());
    let shop = shop(&server, &url, "attempts: 2, backoff: 1ms").await;
    let id = placed_and_turned(&shop, "1").await;
    let delivery = ledger::until(&shop, &id, DeliveryState::Dead).await;
    let problem = "webhooks may not reach localhost, which is not on the public internet";
    assert_eq!(story(&delivery), [(AttemptOutcome::Failed, 0, problem); 2]);
    assert_eq!(peer.requests(), []);
}
