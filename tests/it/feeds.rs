//! Feeds of customers over HTTP, as their readers and as strangers see them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use waymark_proto::v1;
use waymark_tests::{Backend, Server, Shop, feed_reader, web, world};

use crate::tracking::{create, tell, token};

on_each_database!(
    a_feed_reader_sees_the_visible_entries,
    texts_arrive_as_they_were_written,
    the_feed_speaks_the_language_of_the_store_view,
    a_reader_that_has_the_feed_is_told_so,
    an_order_knows_its_feed,
    whatever_is_no_feed_is_not_found,
    nonsense_does_no_harm,
    a_server_stops_although_readers_stay,
);

/// Above the server's own deadline of ten seconds.
const END_MAX: Duration = Duration::from_secs(20);

/// A server with feeds.
async fn start(backend: Backend) -> (Server, Shop) {
    let server = Server::start_with(backend, &["--set", "feeds_listen=127.0.0.1:0"]).await;
    let shop = world::apply(
        &server.clients(),
        "shop",
        &waymark_tests::binary::preset("magento"),
    )
    .await;
    (server, shop)
}

/// Places an order and gives where its feed is.
async fn place(shop: &Shop, id: &str) -> String {
    shop.place(id, &[("a", "1")]).await;
    create(shop, id).await.feed_url
}

fn port(url: &str) -> SocketAddr {
    let rest = url.strip_prefix("http://").unwrap();
    rest[..rest.find('/').unwrap()].parse().unwrap()
}

async fn read(url: &str, etag: &str, modified: &str) -> feed_reader::Feed {
    let (url, etag, modified) = (url.to_owned(), etag.to_owned(), modified.to_owned());
    let read = move || feed_reader::read(&url, &etag, &modified);
    tokio::task::spawn_blocking(read).await.unwrap()
}

async fn a_feed_reader_sees_the_visible_entries(backend: Backend) {
    let (_server, shop) = start(backend).await;
    let url = place(&shop, "100000001").await;
    shop.comment("100000001", "not for the customer", "")
        .await
        .unwrap();
    tell(&shop, "100000001", "We have it").await;
    shop.record("100000001", "invoice", &[]).await.unwrap();
    let shipped = v1::RecordOperationRequest {
        visible_to_customer: true,
        ..shop.operation("100000001", "ship", &[])
    };
    shop.orders().record_operation(shipped).await.unwrap();
    let entries = shop.entries("100000001").await;
    let visible = entries.iter().filter(|entry| entry.visible_to_customer);
    assert_eq!(visible.count(), 3);

    let rss = read(&url, "", "").await;
    assert!(rss.well_formed, "{rss:?}");
    assert_eq!((rss.status, rss.version.as_str()), (200, "rss20"));
    assert_eq!(rss.title, "100000001: Complete");
    let items = rss.entries.iter();
    let seen: Vec<_> = items
        .map(|item| (item.title.as_str(), item.html.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("Complete", "<p>Complete</p>"),
            ("Processing", "<p>Processing</p>"),
            ("Pending", "<p>Pending</p><p>We have it</p>")
        ]
    );
    assert!(rss.entries.iter().all(|item| item.link == url));
    assert!(rss.entries[0].published.ends_with(" GMT"));

    let atom = read(&format!("{url}.atom"), "", "").await;
    assert!(atom.well_formed, "{atom:?}");
    assert_eq!((atom.status, atom.version.as_str()), (200, "atom10"));
    assert_eq!(atom.title, rss.title);
    let facts = |feed: &feed_reader::Feed| -> Vec<_> {
        let items = feed.entries.iter();
        items
            .map(|item| (item.id.clone(), item.title.clone(), item.html.clone()))
            .collect()
    };
    assert_eq!(facts(&atom), facts(&rss));

    // The names of entries last: not even another token changes them.
    let other = create(&shop, "100000001").await.feed_url;
    assert_ne!(other, url);
    assert_eq!(facts(&read(&other, "", "").await), facts(&rss));
    tell(&shop, "100000001", "Thank you").await;
    let later = read(&url, "", "").await;
    assert_eq!(facts(&later)[1..], facts(&rss)[..]);
}

async fn texts_arrive_as_they_were_written(backend: Backend) {
    let (_server, shop) = start(backend).await;
    let status = v1::OrderStatus {
        code: "packing".to_owned(),
        label: "Packing & <wrapping>".to_owned(),
        ..Default::default()
    };
    shop.create_status(status).await.unwrap();
    let assign = v1::AssignStatusRequest {
        workflow: shop.workflow(),
        state: "new".to_owned(),
        status: "packing".to_owned(),
        visible_on_storefront: Some(true),
        ..Default::default()
    };
    shop.states().assign_status(assign).await.unwrap();
    let url = place(&shop, "1").await;
    let comment = "]]> <b>bold</b> &amp; \u{1F980} \u{fffe}\nsecond line <script>alert(1)</script>";
    let said = v1::AddCommentRequest {
        status: "packing".to_owned(),
        visible_to_customer: true,
        ..shop.remark("1", comment)
    };
    shop.orders().add_comment(said).await.unwrap();
    for url in [url.clone(), format!("{url}.atom")] {
        let feed = read(&url, "", "").await;
        assert!(feed.well_formed, "{feed:?}");
        let html = &feed.entries[0].html;
        let expected = "<p>]]&gt; &lt;b&gt;bold&lt;/b&gt; &amp;amp; \u{1F980} \u{fffd}<br />second line &lt;script&gt;alert(1)&lt;/script&gt;</p>";
        assert!(html.contains(expected), "{html}");
        assert!(
            html.contains("<p>Packing &amp; &lt;wrapping&gt;</p>"),
            "{html}"
        );
    }
}

async fn the_feed_speaks_the_language_of_the_store_view(backend: Backend) {
    let (_server, shop) = start(backend).await;
    let update = v1::UpdateStatusRequest {
        workflow: shop.workflow(),
        status: Some(v1::OrderStatus {
            code: "pending".to_owned(),
            store_view_labels: [
                ("de".to_owned(), "Ausstehend".to_owned()),
                ("fr".to_owned(), "En attente".to_owned()),
            ]
            .into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    shop.statuses().update_status(update).await.unwrap();
    let german = v1::Order {
        store_view: "de".to_owned(),
        ..shop.draft("1", &[("a", "1")])
    };
    shop.create(german).await.unwrap();
    let url = create(&shop, "1").await.feed_url;
    assert_eq!(read(&url, "", "").await.title, "1: Ausstehend");
    let french = read(&format!("{url}?store_view=fr&utm_source=x"), "", "").await;
    assert_eq!(french.title, "1: En attente");
    let atom = read(&format!("{url}.atom?store_view=fr"), "", "").await;
    assert_eq!(atom.title, "1: En attente");
    let wrong = web::ask("GET", &format!("{url}?store_view=%00"), &[]).await;
    assert_eq!(wrong.status, 404);
}

async fn a_reader_that_has_the_feed_is_told_so(backend: Backend) {
    let (_server, shop) = start(backend).await;
    let url = place(&shop, "1").await;
    tell(&shop, "1", "We have it").await;
    // The second of the change has to pass first.
    let deadline = Instant::now() + END_MAX;
    let first = loop {
        let feed = web::ask("GET", &url, &[]).await;
        if !feed.header("last-modified").is_empty() {
            break feed;
        }
        assert!(Instant::now() < deadline, "{feed:?}");
    };
    assert_eq!(first.status, 200);
    let (etag, modified) = (first.header("etag"), first.header("last-modified"));
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    for (name, value) in [
        ("content-type", "application/rss+xml; charset=utf-8"),
        ("cache-control", "private, max-age=60"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
    ] {
        assert_eq!(first.header(name), value, "{name}");
    }
    for known in [("if-none-match", etag), ("if-modified-since", modified)] {
        for method in ["GET", "HEAD"] {
            let answer = web::ask(method, &url, &[known]).await;
            assert_eq!(answer.status, 304, "{method} {known:?}");
            assert!(answer.body.is_empty());
            assert_eq!(answer.header("etag"), etag);
            assert_eq!(answer.header("last-modified"), modified);
            assert_eq!(answer.header("cache-control"), "private, max-age=60");
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
        }
    }
    let head = web::ask("HEAD", &url, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("etag"), etag);
    assert_eq!(head.header("content-length"), first.body.len().to_string());
    // Atom is another document.
    let atom = web::ask("GET", &format!("{url}.atom"), &[("if-none-match", etag)]).await;
    assert_eq!(atom.status, 200);
    assert_eq!(
        atom.header("content-type"),
        "application/atom+xml; charset=utf-8"
    );
    // A real reader asks so too.
    let known = read(&url, etag, modified).await;
    assert_eq!((known.status, known.entries.len()), (304, 0));

    // What the customer does not see changes nothing; what is said to the customer does.
    shop.comment("1", "not for the customer", "").await.unwrap();
    let same = web::ask("GET", &url, &[("if-none-match", etag)]).await;
    assert_eq!(same.status, 304);
    tell(&shop, "1", "On its way").await;
    let changed = web::ask(
        "GET",
        &url,
        &[("if-none-match", etag), ("if-modified-since", modified)],
    )
    .await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), etag);
    let since = web::ask("GET", &url, &[("if-modified-since", modified)]).await;
    assert_eq!(since.status, 200);
    assert_eq!(read(&url, etag, modified).await.entries.len(), 2);
}

async fn an_order_knows_its_feed(backend: Backend) {
    let arguments = [
        "--set",
        "feeds_listen=127.0.0.1:0",
        "--set",
        "feeds_base_url=https://shop.example/orders/",
    ];
    let server = Server::start_with(backend, &arguments).await;
    let document = waymark_tests::binary::preset("magento");
    let shop = world::apply(&server.clients(), "shop", &document).await;
    assert_eq!(shop.place("1", &[("a", "1")]).await.feed_url, "");
    assert_eq!(shop.get("1").await.feed_url, "");
    let first = create(&shop, "1").await;
    let text = first.tracking_token.unwrap().token;
    assert_eq!(
        first.feed_url,
        format!("https://shop.example/orders/feeds/orders/{text}")
    );
    assert_eq!(shop.get("1").await.feed_url, first.feed_url);
    let second = create(&shop, "1").await;
    assert_eq!(shop.get("1").await.feed_url, second.feed_url);
    let revoke = v1::RevokeTrackingTokenRequest {
        token: second.tracking_token.unwrap().token,
        ..Default::default()
    };
    shop.tracking().revoke_tracking_token(revoke).await.unwrap();
    assert_eq!(shop.get("1").await.feed_url, first.feed_url);
    let said = shop.comment("1", "x", "").await.unwrap();
    assert_eq!(said.order.unwrap().feed_url, "", "steps leave it empty");
    let listed = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    };
    let listed = shop.orders().list_orders(listed).await.unwrap();
    assert_eq!(listed.into_inner().orders[0].feed_url, "");
}

async fn whatever_is_no_feed_is_not_found(backend: Backend) {
    let (server, shop) = start(backend).await;
    let url = place(&shop, "1").await;
    let root = format!("http://{}", port(&url));
    let own = token(&shop, "1").await;
    let revoked = create(&shop, "1").await;
    let revoke = v1::RevokeTrackingTokenRequest {
        token: revoked.tracking_token.unwrap().token,
        ..Default::default()
    };
    shop.tracking().revoke_tracking_token(revoke).await.unwrap();
    let unpaid = v1::Order {
        state: "pending_payment".to_owned(),
        ..shop.draft("2", &[("a", "1")])
    };
    shop.create(unpaid).await.unwrap();
    let hidden = create(&shop, "2").await.feed_url;

    let flipped = (0..own.len()).map(|place| {
        let mut text = own.clone().into_bytes();
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        format!("/feeds/orders/{}", String::from_utf8(text).unwrap())
    });
    let paths = [
        "/",
        "/feeds",
        "/feeds/orders",
        "/feeds/orders/",
        "/feeds/orders/x",
        "/feeds/orders/.atom",
        "/feeds/orders/%00",
        "/feeds/orders/%FF%FE",
        "/feeds/orders/..%2f..%2fetc%2fpasswd",
        "/metrics",
        "/waymark.v1.OrderService/GetOrder",
    ];
    let own_paths = [
        format!("/feeds/orders/{own}/"),
        format!("/feeds/orders/{own}/x"),
        format!("/feeds/orders/{own}.rss"),
        format!("/feeds/orders/{own}.atom.atom"),
        format!("/feeds/orders/{}", &own[..own.len() - 1]),
        format!("/feeds//orders/{own}"),
        format!("/FEEDS/orders/{own}"),
        format!("/feeds/orders/{own}?store_view=a&store_view=b"),
        format!("/feeds/orders/{own}?store_view={}", "x".repeat(33)),
    ];
    let paths = paths.map(str::to_owned).into_iter().chain(own_paths);
    let urls = paths
        .chain(flipped)
        .map(|path| format!("{root}{path}"))
        .chain([revoked.feed_url, hidden]);
    for url in urls {
        for method in ["GET", "HEAD"] {
            let answer = web::ask(method, &url, &[]).await;
            not_found(&answer, &url);
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"] {
        not_found(&web::ask(method, &url, &[]).await, method);
    }
    assert_eq!(web::ask("GET", &url, &[]).await.status, 200);
    let lines = server.log().after(0);
    let told = lines.iter().find(|line| line.contains(&own));
    assert_eq!(told, None, "a token is never logged");
}

#[track_caller]
fn not_found(answer: &web::Page, what: &str) {
    assert_eq!((answer.status, answer.body.len()), (404, 0), "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
    assert_eq!(answer.header("x-robots-tag"), "noindex", "{what}");
    assert_eq!(answer.header("etag"), "", "{what}");
}

async fn nonsense_does_no_harm(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    let url = place(&shop, "1").await;
    let port = port(&url);
    let own = token(&shop, "1").await;
    let get = format!("GET /feeds/orders/{own} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut sent = vec![
        Vec::new(),
        b"\r\n\r\n".to_vec(),
        b"GET".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /feeds/orders/\0 HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(1_000_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(5_000)).into_bytes(),
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\nx".to_vec(),
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
    ];
    // Every byte of a good request line changed, and cut off behind every seventh.
    for place in 0..get.find(" HTTP").unwrap() {
        let mut bytes = get.clone().into_bytes();
        bytes[place] ^= 0x80;
        sent.push(bytes);
        if place % 7 == 0 {
            sent.push(get.as_bytes()[..place].to_vec());
        }
    }
    for bytes in sent {
        let answer = web::send(port, &bytes).await;
        let head = String::from_utf8_lossy(&answer);
        let is_refused = answer.is_empty() || head.starts_with("HTTP/1.1 4");
        assert!(is_refused || head.starts_with("HTTP/1.0 4"), "{head:.200}");
    }
    // A large body costs nothing: the answer does not wait for it.
    let body = vec![b'x'; 5_000_000];
    let head = format!(
        "GET /feeds/orders/x HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = web::send(port, &[head.as_bytes(), &body].concat()).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 404"));
    assert!(server.is_running());
    assert_eq!(web::ask("GET", &url, &[]).await.status, 200);
}

async fn a_server_stops_although_readers_stay(backend: Backend) {
    let (mut server, shop) = start(backend).await;
    let url = place(&shop, "1").await;
    let port = port(&url);
    // One that says nothing, one in the middle of its headers, and one that keeps its connection.
    let mut silent = TcpStream::connect(port).await.unwrap();
    let mut slow = TcpStream::connect(port).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    let mut kept = TcpStream::connect(port).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    kept.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
    server.terminate();
    assert!(server.ended(END_MAX).await.success());
    for stream in [&mut silent, &mut slow, &mut kept] {
        let mut rest = Vec::new();
        let ended = timeout(END_MAX, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection ended with the server");
    }
    assert!(TcpStream::connect(port).await.is_err());
}
