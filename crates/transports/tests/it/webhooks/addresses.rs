//! Which addresses webhooks reach, by whatever way they are named.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::CONNECTION;
use tokio::net::TcpListener;
use waymark_transports::{Outcome, WebhookUrl, Webhooks};

use super::{
    LOOPBACK, post_to, problem, receiver::Receiver, resolving::Script, settings, webhooks,
};

fn resolving(allowed: &str, script: &Arc<Script>) -> Webhooks {
    Webhooks::with_resolver(settings(allowed), Arc::clone(script) as Arc<_>).unwrap()
}

/// Two receivers at one port of 127.0.0.1 and 127.0.0.2, which close each connection.
async fn neighbours() -> (Receiver, Receiver) {
    let closing = || [(CONNECTION, "close")].into_response();
    loop {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        // Somebody else may have this port at the other address.
        if let Ok(second) = TcpListener::bind(("127.0.0.2", port)).await {
            return (
                Receiver::listening(first, closing),
                Receiver::listening(second, closing),
            );
        }
    }
}

fn barred(host: &str) -> String {
    format!("webhooks may not reach {host}, which is not on the public internet")
}

#[tokio::test]
async fn an_address_in_the_url_is_refused_however_it_is_written() {
    let receiver = Receiver::answering(Response::default).await;
    let port = receiver.address.port();
    for (written, read) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0177.0.0.0x1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.0.%31", "127.0.0.1"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("127。0。0。1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("[::]", "[::]"),
        ("[::1]", "[::1]"),
        ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        ("[::ffff:7f00:1]", "[::ffff:7f00:1]"),
        ("[::127.0.0.1]", "[::7f00:1]"),
        ("[64:ff9b::7f00:1]", "[64:ff9b::7f00:1]"),
        ("[2002:7f00:1::]", "[2002:7f00:1::]"),
        ("169.254.169.254", "169.254.169.254"),
        ("[fd00:ec2::254]", "[fd00:ec2::254]"),
    ] {
        let url = format!("http://{written}:{port}/");
        let attempt = webhooks("").post(post_to(&url)).await;
        assert_eq!(problem(attempt), barred(read), "{written}");
    }
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn an_address_in_the_url_may_be_allowed() {
    let receiver = Receiver::answering(Response::default).await;
    let port = receiver.address.port();
    for written in ["127.0.0.1", "2130706433", "0x7f.1"] {
        let url = format!("http://{written}:{port}/");
        let attempt = webhooks("127.0.0.1").post(post_to(&url)).await;
        assert_eq!(attempt.outcome, Outcome::Accepted, "{written}");
    }
}

#[test]
fn an_address_is_seen_before_anything_is_sent() {
    let check = |url| settings("10.0.0.0/8").check(&WebhookUrl::parse(url).unwrap());
    assert!(check("https://192.168.0.1/").is_err());
    assert!(check("https://10.0.0.1/").is_ok());
    assert!(check("https://1.1.1.1/").is_ok());
    assert!(check("https://shop.example/").is_ok());
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_unless_allowed() {
    let receiver = Receiver::answering(Response::default).await;
    let port = receiver.address.port();
    for name in ["localhost", "LOCALHOST"] {
        let url = format!("http://{name}:{port}/");
        let attempt = webhooks("").post(post_to(&url)).await;
        assert_eq!(problem(attempt), barred("localhost"));
        assert_eq!(receiver.received().len(), 0);
    }
    for allowed in ["localhost", LOOPBACK] {
        let url = format!("http://localhost:{port}/");
        let attempt = webhooks(allowed).post(post_to(&url)).await;
        assert_eq!(attempt.outcome, Outcome::Accepted, "{allowed}");
    }
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    for answer in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "fd00:ec2::254",
        "10.0.0.1 192.168.0.1 fe80::1",
    ] {
        let script = Script::new(&[answer]);
        let attempt = resolving("", &script)
            .post(post_to("http://shop.example/"))
            .await;
        assert_eq!(problem(attempt), barred("shop.example"), "{answer}");
        assert_eq!(script.left(), 0);
    }
}

#[tokio::test]
async fn a_name_over_tls_is_checked_alike() {
    let script = Script::new(&["10.0.0.1"]);
    let attempt = resolving("", &script)
        .post(post_to("https://shop.example/"))
        .await;
    assert_eq!(problem(attempt), barred("shop.example"));
}

#[tokio::test]
async fn of_several_addresses_only_the_permitted_are_tried() {
    let (permitted, closed) = neighbours().await;
    let url = format!("http://shop.example:{}/", permitted.address.port());
    for answer in ["127.0.0.2 127.0.0.1", "127.0.0.1 127.0.0.2"] {
        let script = Script::new(&[answer]);
        let attempt = resolving("127.0.0.1", &script).post(post_to(&url)).await;
        assert_eq!(attempt.outcome, Outcome::Accepted);
    }
    assert_eq!(permitted.received().len(), 2);
    assert_eq!(closed.received().len(), 0);
}

#[tokio::test]
async fn a_permitted_address_that_is_silent_opens_no_other() {
    let (permitted, closed) = neighbours().await;
    let url = format!("http://shop.example:{}/", permitted.address.port());
    // Nothing listens at 127.0.0.3, and 127.0.0.2 would answer.
    let script = Script::new(&["127.0.0.3 127.0.0.2", "127.0.0.2"]);

    let attempt = resolving("127.0.0.3", &script).post(post_to(&url)).await;

    assert_eq!(problem(attempt), "shop.example refused the connection");
    assert_eq!(script.left(), 1, "one resolution for one connection");
    assert_eq!(closed.received().len(), 0);
}

#[tokio::test]
async fn a_name_that_turns_inside_after_the_check_gains_nothing() {
    let (permitted, closed) = neighbours().await;
    let url = format!("http://shop.example:{}/", permitted.address.port());
    let script = Script::new(&["127.0.0.1", "127.0.0.2"]);
    let webhooks = resolving("127.0.0.1", &script);

    let first = webhooks.post(post_to(&url)).await;
    assert_eq!(first.outcome, Outcome::Accepted);
    assert_eq!(script.left(), 1, "one resolution for one connection");
    let second = webhooks.post(post_to(&url)).await;
    assert_eq!(problem(second), barred("shop.example"));

    assert_eq!(permitted.received().len(), 1);
    assert_eq!(closed.received().len(), 0);
}

#[tokio::test]
async fn a_name_that_was_refused_is_asked_for_again() {
    let (permitted, closed) = neighbours().await;
    let url = format!("http://shop.example:{}/", permitted.address.port());
    let script = Script::new(&["127.0.0.2", "127.0.0.1"]);
    let webhooks = resolving("127.0.0.1", &script);

    let first = webhooks.post(post_to(&url)).await;
    assert_eq!(problem(first), barred("shop.example"));
    let second = webhooks.post(post_to(&url)).await;
    assert_eq!(second.outcome, Outcome::Accepted);

    assert_eq!(permitted.received().len(), 1);
    assert_eq!(closed.received().len(), 0);
}

#[tokio::test]
async fn a_name_may_not_be_found() {
    for script in [Script::new(&[]), Script::new(&[""])] {
        let attempt = resolving("", &script)
            .post(post_to("http://shop.example/"))
            .await;
        assert_eq!(problem(attempt), "the name shop.example was not found");
    }
}

#[tokio::test]
async fn a_resolver_that_hangs_is_left() {
    struct Silent;
    impl waymark_transports::Resolve for Silent {
        fn resolve(&self, _: waymark_transports::Name) -> waymark_transports::Resolving {
            Box::pin(std::future::pending())
        }
    }
    let mut post = post_to("http://shop.example/");
    post.timeout = std::time::Duration::from_millis(100);
    let webhooks = Webhooks::with_resolver(settings(""), Arc::new(Silent)).unwrap();
    assert_eq!(
        problem(webhooks.post(post).await),
        "shop.example did not answer within 100ms"
    );
}
