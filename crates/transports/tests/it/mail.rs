//! Mails as a server gets them and as a parser of mails reads them.

mod replies;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use waymark_testkit::smtp::Smtp;
use waymark_transports::{
    Attempt, Outcome, Password,
    mail::{Identity, Mail, Mailbox, Mailer, Security, Senders, Server, Templates},
};

use crate::certificate;

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox::new(name, address).unwrap()
}

fn senders() -> Senders {
    Senders::new(mailbox("The Shop", "shop@shop.example"))
        .with(Identity::Sales, mailbox("Sales", "sales@shop.example"))
}

fn mailer_of(server: Server) -> Mailer {
    Mailer::new(server, senders(), Templates::embedded()).unwrap()
}

fn mailer(smtp: &Smtp) -> Mailer {
    mailer_of(Server::new("127.0.0.1", smtp.port, Security::None).unwrap())
}

fn context() -> Value {
    json!({
        "order": {
            "id": "100000042",
            "status_label": "Shipped",
            "visible_on_storefront": true,
            "currency": "EUR",
            "grand_total_decimal": "84.50",
            "lines": [
                {"id": "1", "sku": "TEA", "name": "Green <tea>", "quantity_ordered": "2"},
                {"id": "2", "sku": "CUP", "name": "", "quantity_ordered": "1"},
            ],
        },
        "entry": {
            "status_changed": true,
            "comment": "With <b>DHL</b>.\nSee you & thanks, J\u{f6}rg",
            "visible_to_customer": true,
        },
        "store_view": "de",
        "customer": {"name": "Anna N\u{fd}m", "email": "anna@home.example", "guest": false},
        "feed_url": "https://shop.example/feeds/x?a=1&b=2",
    })
}

fn mail(template: &str) -> Mail {
    Mail {
        id: "7f3a-0001".to_owned(),
        identity: Identity::Sales,
        to: Some(mailbox("Anna N\u{fd}m", "anna@home.example")),
        bcc: Vec::new(),
        template: template.to_owned(),
        store_view: "de".to_owned(),
        date: UNIX_EPOCH + Duration::from_secs(1_795_348_801),
        context: context(),
    }
}

fn to(address: &str) -> Mail {
    Mail {
        to: Some(mailbox("", address)),
        ..mail("new_order")
    }
}

fn copies(addresses: &[&str]) -> Vec<Mailbox> {
    let copies = addresses.iter().map(|address| mailbox("", address));
    copies.collect()
}

fn headers(taken: &Value) -> BTreeMap<&str, &str> {
    let headers = taken["headers"].as_array().unwrap();
    let pairs: BTreeMap<_, _> = headers
        .iter()
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    assert_eq!(
        pairs.len(),
        headers.len(),
        "a header came twice: {headers:?}"
    );
    pairs
}

fn part<'a>(taken: &'a Value, kind: &str) -> &'a str {
    let parts = taken["parts"].as_array().unwrap();
    let found = parts.iter().find(|part| part[0] == kind);
    found.expect("there is such a part")[1].as_str().unwrap()
}

fn assert_failed(attempt: &Attempt, code: Option<u16>, words: &str) {
    let Outcome::Failed {
        problem,
        retry_after: None,
    } = &attempt.outcome
    else {
        panic!("{attempt:?}");
    };
    assert!(problem.contains(words), "{problem}");
    assert_eq!(attempt.code, code);
}

fn assert_refused(attempt: &Attempt, code: Option<u16>, words: &str) {
    let Outcome::Refused { problem } = &attempt.outcome else {
        panic!("{attempt:?}");
    };
    assert!(problem.contains(words), "{problem}");
    assert_eq!(attempt.code, code);
}

fn assert_accepted(attempt: &Attempt) {
    assert_eq!(attempt.outcome, Outcome::Accepted, "{attempt:?}");
    assert_eq!(attempt.code, Some(250));
    assert!(attempt.answer.starts_with(b"2.0.0 queued as 4711"));
}

#[tokio::test]
async fn a_mail_arrives_with_every_header_and_both_parts() {
    let smtp = Smtp::start(&[]);
    let asked = Mail {
        bcc: copies(&[
            "copy@shop.example",
            "anna@home.example",
            "copy@shop.example",
        ]),
        ..mail("order_update")
    };
    let attempt = mailer(&smtp).send(asked).await;
    assert_accepted(&attempt);
    assert_eq!(attempt.answer, b"2.0.0 queued as 4711");

    let taken = smtp.mail();
    assert_eq!(taken["host"], "shop.example");
    assert_eq!(taken["from"], "sales@shop.example");
    assert_eq!(
        taken["recipients"],
        json!(["anna@home.example", "copy@shop.example"])
    );
    assert_eq!(taken["to"], json!([["Anna N\u{fd}m", "anna@home.example"]]));
    assert_eq!(taken["sender"], json!([["Sales", "sales@shop.example"]]));
    assert_eq!(taken["defects"], json!([]));
    assert!(!taken["raw"].as_str().unwrap().contains("copy@"));

    let mut headers = headers(&taken);
    let content = headers.remove("Content-Type").unwrap();
    assert!(content.starts_with("multipart/alternative;"), "{content}");
    let wanted = BTreeMap::from([
        ("Auto-Submitted", "auto-generated"),
        ("Date", "Sun, 22 Nov 2026 12:00:01 +0000"),
        ("From", "Sales <sales@shop.example>"),
        ("MIME-Version", "1.0"),
        ("Message-ID", "<7f3a-0001@shop.example>"),
        ("Subject", "Your order 100000042: Shipped"),
        ("To", "Anna N\u{fd}m <anna@home.example>"),
        ("X-Waymark-Delivery", "7f3a-0001"),
    ]);
    assert_eq!(headers, wanted);
    assert_eq!(taken["parts"].as_array().unwrap().len(), 2);
    assert_eq!(
        part(&taken, "text/plain"),
        "Dear Anna N\u{fd}m,\n\n\
         there is news of your order 100000042.\n\n\
         The status of your order is now: Shipped\n\n\
         With <b>DHL</b>.\nSee you & thanks, J\u{f6}rg\n\n\
         You can follow this order here: https://shop.example/feeds/x?a=1&b=2\n\n\
         -- \nSales\n"
    );
    let html = part(&taken, "text/html");
    let comment = "With &lt;b&gt;DHL&lt;/b&gt;.<br>See you &amp; thanks, J\u{f6}rg</p>";
    assert!(html.contains(comment), "{html}");
    assert!(!html.contains("<b>DHL"), "{html}");
}

#[tokio::test]
async fn every_embedded_template_makes_a_mail() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    for (template, subject, text, html) in [
        (
            "new_order",
            "Your order 100000042",
            "  2 x Green <tea>\n  1 x CUP\n\nTotal: 84.50 EUR\n",
            "Green &lt;tea&gt;</td>",
        ),
        (
            "new_order_guest",
            "Your order 100000042",
            "You ordered without an account, so please keep this mail.\n\
             This link shows how your order is coming along: https://shop.example/feeds/x?a=1&b=2\n",
            "You ordered without an account, so please keep this mail. This link",
        ),
        (
            "order_update",
            "Your order 100000042: Shipped",
            "You can follow this order here: https://",
            "<strong>Shipped</strong>",
        ),
        (
            "order_update_guest",
            "Your order 100000042: Shipped",
            "You ordered without an account. This link shows",
            "You ordered without an account. This link shows",
        ),
    ] {
        assert_accepted(&mailer.send(mail(template)).await);
        let taken = smtp.mail();
        assert_eq!(taken["defects"], json!([]), "{template}");
        assert_eq!(headers(&taken)["Subject"], subject, "{template}");
        let (plain, page) = (part(&taken, "text/plain"), part(&taken, "text/html"));
        assert!(plain.contains(text), "{template}: {plain}");
        assert!(page.contains(html), "{template}: {page}");
        assert_eq!(
            page.matches("You can follow").count(),
            plain.matches("You can follow").count()
        );
    }
}

#[tokio::test]
async fn what_the_customer_may_not_see_is_left_out() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    for template in ["new_order", "order_update_guest"] {
        let mut asked = mail(template);
        asked.context["order"]["visible_on_storefront"] = json!(false);
        asked.context["entry"]["visible_to_customer"] = json!(false);
        asked.context["feed_url"] = json!("");
        assert_accepted(&mailer.send(asked).await);
        let taken = smtp.mail();
        for part in taken["parts"].as_array().unwrap() {
            let text = part[1].as_str().unwrap();
            for hidden in ["Shipped", "DHL", "follow", "link"] {
                assert!(!text.contains(hidden), "{template} {hidden}: {text}");
            }
        }
        assert!(!headers(&taken)["Subject"].contains("Shipped"));
    }
}

#[tokio::test]
async fn copies_without_a_customer_are_addressed_to_the_sender() {
    let smtp = Smtp::start(&[]);
    let asked = Mail {
        to: None,
        bcc: copies(&["one@shop.example", "two@shop.example"]),
        ..mail("new_order")
    };
    assert_accepted(&mailer(&smtp).send(asked).await);
    let taken = smtp.mail();
    assert_eq!(taken["to"], json!([["Sales", "sales@shop.example"]]));
    assert_eq!(
        taken["recipients"],
        json!(["one@shop.example", "two@shop.example"])
    );
    let raw = taken["raw"].as_str().unwrap();
    assert!(!raw.contains("one@") && !raw.contains("two@"), "{raw}");

    let nobody = Mail {
        to: None,
        ..mail("new_order")
    };
    assert_refused(&mailer(&smtp).send(nobody).await, None, "no recipient");
}

#[tokio::test]
async fn an_identity_without_an_address_is_the_general_one() {
    let smtp = Smtp::start(&[]);
    let asked = Mail {
        identity: Identity::Custom2,
        ..mail("new_order")
    };
    assert_accepted(&mailer(&smtp).send(asked).await);
    let taken = smtp.mail();
    assert_eq!(taken["from"], "shop@shop.example");
    assert_eq!(taken["sender"], json!([["The Shop", "shop@shop.example"]]));
}

#[tokio::test]
async fn the_code_of_a_reply_says_whether_to_try_again() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    for (kind, what) in [("rcpt", "-451@home.example"), ("data", "the mail")] {
        let attempt = mailer.send(to(&format!("{kind}-451@home.example"))).await;
        assert_failed(&attempt, Some(451), what);
        assert!(!attempt.answer.is_empty());
    }
    for (kind, what) in [("rcpt", "-550@home.example"), ("data", "the mail")] {
        let attempt = mailer.send(to(&format!("{kind}-550@home.example"))).await;
        assert_refused(&attempt, Some(550), what);
        assert!(!attempt.answer.is_empty());
    }
    // The connection is still good for the next one.
    assert_accepted(&mailer.send(mail("new_order")).await);
    smtp.mail();
    assert!(smtp.has_no_more());
}

#[tokio::test]
async fn a_refused_copy_keeps_the_mail_from_nobody() {
    let smtp = Smtp::start(&[]);
    let asked = Mail {
        bcc: copies(&[
            "rcpt-550@shop.example",
            "rcpt-451@shop.example",
            "copy@shop.example",
        ]),
        ..mail("new_order")
    };
    let attempt = mailer(&smtp).send(asked).await;
    assert_accepted(&attempt);
    let answer = String::from_utf8(attempt.answer).unwrap();
    assert_eq!(
        answer,
        "2.0.0 queued as 4711\n\
         no copy to rcpt-550@shop.example: 550 no room for rcpt-550\n\
         no copy to rcpt-451@shop.example: 451 no room for rcpt-451"
    );
    let recipients = &smtp.mail()["recipients"];
    assert_eq!(
        *recipients,
        json!(["anna@home.example", "copy@shop.example"])
    );
}

#[tokio::test]
async fn where_the_addressee_is_refused_nobody_gets_the_mail_and_the_attempt_says_so() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    let with_copy = |address: &str| Mail {
        bcc: copies(&["copy@shop.example"]),
        ..to(address)
    };
    let refused = mailer.send(with_copy("rcpt-550@home.example")).await;
    assert_refused(&refused, Some(550), "rcpt-550@home.example");
    let failed = mailer.send(with_copy("rcpt-451@home.example")).await;
    assert_failed(&failed, Some(451), "rcpt-451@home.example");
    let not_ascii = mailer.send(with_copy("j\u{f6}rg@home.example")).await;
    assert_refused(&not_ascii, None, "only addresses in ASCII");
    for attempt in [refused, failed, not_ascii] {
        assert!(attempt.addressee_refused, "{attempt:?}");
    }
    // The whole mail, a server that wants a login and a copy are no matter of the addressee.
    for (address, code) in [("data-550", 550), ("data-451", 451), ("rcpt-530", 530)] {
        let address = format!("{address}@home.example");
        let attempt = mailer.send(with_copy(&address)).await;
        assert_eq!(attempt.code, Some(code));
        assert!(!attempt.addressee_refused, "{attempt:?}");
    }
    let only = Mail {
        to: None,
        bcc: copies(&["rcpt-550@shop.example"]),
        ..mail("new_order")
    };
    assert!(!mailer.send(only).await.addressee_refused);
    assert!(smtp.has_no_more());
}

#[tokio::test]
async fn copies_alone_need_one_who_is_taken() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    let only = |addresses: &[&str]| Mail {
        to: None,
        bcc: copies(addresses),
        ..mail("new_order")
    };
    let one = only(&["rcpt-550@shop.example", "copy@shop.example"]);
    assert_accepted(&mailer.send(one).await);
    assert_eq!(smtp.mail()["recipients"], json!(["copy@shop.example"]));
    let transient = only(&["rcpt-550@shop.example", "rcpt-451@shop.example"]);
    assert_failed(&mailer.send(transient).await, Some(451), "rcpt-451@");
    let lasting = only(&["rcpt-550@shop.example", "rcpt-553@shop.example"]);
    assert_refused(&mailer.send(lasting).await, Some(550), "rcpt-550@");
    assert!(smtp.has_no_more());
}

#[tokio::test]
async fn a_server_that_hangs_closes_or_is_not_there_is_a_failure() {
    let smtp = Smtp::start(&[]);
    let server = |port| {
        let server = Server::new("127.0.0.1", port, Security::None).unwrap();
        server.with_timeout(Duration::from_secs(1)).unwrap()
    };
    let mailer = mailer_of(server(smtp.port));
    let hung = mailer.send(to("hang@home.example")).await;
    assert_failed(&hung, None, "was not done within 1 s");
    let closed = mailer.send(to("close@home.example")).await;
    assert_failed(&closed, None, "127.0.0.1");
    assert_accepted(&mailer.send(mail("new_order")).await);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hung = mailer_of(server(port)).send(mail("new_order")).await;
    assert_failed(&hung, None, "was not done within 1 s");
    drop(silent);
    let nobody = mailer_of(server(port)).send(mail("new_order")).await;
    assert_failed(&nobody, None, "Connection");
}

#[tokio::test]
async fn a_connection_serves_several_mails_and_is_replaced_when_closed() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    assert_accepted(&mailer.send(mail("new_order")).await);
    let first = smtp.mail()["peer"].clone();
    assert_accepted(&mailer.send(to("bye@home.example")).await);
    assert_eq!(smtp.mail()["peer"], first);
    smtp.wait_for_close(&first);
    assert_accepted(&mailer.send(mail("new_order")).await);
    assert_ne!(smtp.mail()["peer"], first);
}

#[tokio::test]
async fn a_connection_without_mails_is_closed() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    assert_accepted(&mailer.send(mail("new_order")).await);
    let peer = smtp.mail()["peer"].clone();
    // The task that waits to close it begins to.
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(21)).await;
    tokio::time::resume();
    let closed = tokio::task::spawn_blocking(move || smtp.wait_for_close(&peer));
    closed.await.unwrap();
}

#[tokio::test]
async fn many_mails_at_once_arrive_once_each() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    let sent = (0..20).map(|number| {
        mailer.send(Mail {
            id: format!("m-{number:02}"),
            ..mail("new_order")
        })
    });
    for attempt in futures::future::join_all(sent).await {
        assert_accepted(&attempt);
    }
    let mut ids: Vec<_> = (0..20)
        .map(|_| headers(&smtp.mail())["X-Waymark-Delivery"].to_owned())
        .collect();
    ids.sort();
    let wanted: Vec<_> = (0..20).map(|number| format!("m-{number:02}")).collect();
    assert_eq!(ids, wanted);
    assert!(smtp.has_no_more());
}

#[tokio::test]
async fn a_repeat_carries_the_same_message_id() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    for _ in 0..2 {
        assert_accepted(&mailer.send(mail("new_order")).await);
        let taken = smtp.mail();
        assert_eq!(headers(&taken)["Message-ID"], "<7f3a-0001@shop.example>");
    }
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate() {
    let certificate = certificate::for_localhost();
    let (file, key) = (&certificate.file, &certificate.key_file);
    for (name, security) in [("starttls", Security::StartTls), ("tls", Security::Tls)] {
        let smtp = Smtp::start(&[
            "--security",
            name,
            "--certificate",
            file.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
        ]);
        let server = Server::new("localhost", smtp.port, security).unwrap();
        let distrusted = mailer_of(server.clone()).send(mail("new_order")).await;
        assert_failed(&distrusted, None, "certificate");
        assert!(smtp.has_no_more());
        let trusting = server.with_authorities(&certificate.pem).unwrap();
        assert_accepted(&mailer_of(trusting).send(mail("new_order")).await);
        assert_eq!(smtp.mail()["is_encrypted"], true, "{name}");
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let smtp = Smtp::start(&[]);
    let server = Server::new("localhost", smtp.port, Security::StartTls).unwrap();
    let attempt = mailer_of(server).send(mail("new_order")).await;
    assert_failed(&attempt, None, "STARTTLS is not supported");
    assert!(smtp.has_no_more());
}

#[tokio::test]
async fn a_login_is_used_and_a_wrong_one_is_a_failure() {
    let certificate = certificate::for_localhost();
    let smtp = Smtp::start(&[
        "--security",
        "starttls",
        "--certificate",
        certificate.file.to_str().unwrap(),
        "--key",
        certificate.key_file.to_str().unwrap(),
        "--user",
        "shop",
        "--password",
        "s3cret",
    ]);
    let server = Server::new("localhost", smtp.port, Security::StartTls).unwrap();
    let server = server.with_authorities(&certificate.pem).unwrap();
    let with = |password| {
        let server = server.clone();
        mailer_of(server.with_login("shop", Password::new(password)).unwrap())
    };
    assert_accepted(&with("s3cret").send(mail("new_order")).await);
    assert_eq!(smtp.mail()["login"], "shop");
    let wrong = with("other").send(mail("new_order")).await;
    assert_failed(&wrong, Some(535), "before any mail");
    let missing = mailer_of(server.clone()).send(mail("new_order")).await;
    assert_failed(&missing, Some(530), "for the sender");
    assert!(smtp.has_no_more());
}

#[tokio::test]
async fn nothing_that_a_caller_says_becomes_a_header() {
    let smtp = Smtp::start(&[]);
    let evil = "x\r\nBcc: eve@evil.example\r\n\r\n<html>\u{0}\u{2028}\u{202e}";
    let folder = TempDir::new().unwrap();
    let subject = "{{ order.id }}\n\n{{ customer.name }}";
    std::fs::write(folder.path().join("new_order.subject.txt"), subject).unwrap();
    let server = Server::new("127.0.0.1", smtp.port, Security::None).unwrap();
    let senders = Senders::new(mailbox(evil, "shop@shop.example"));
    let mailer = Mailer::new(server, senders, Templates::in_directory(folder.path())).unwrap();
    let mut asked = mail("new_order");
    asked.to = Some(mailbox(evil, "anna@home.example"));
    for place in ["/order/id", "/customer/name", "/entry/comment", "/feed_url"] {
        *asked.context.pointer_mut(place).unwrap() = json!(evil);
    }
    assert_accepted(&mailer.send(asked).await);

    let taken = smtp.mail();
    assert_eq!(taken["recipients"], json!(["anna@home.example"]));
    assert_eq!(taken["to"][0][1], "anna@home.example");
    assert_eq!(taken["to"].as_array().unwrap().len(), 1);
    let names: Vec<_> = headers(&taken).into_keys().collect();
    assert_eq!(
        names,
        [
            "Auto-Submitted",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To",
            "X-Waymark-Delivery"
        ]
    );
    let html = part(&taken, "text/html");
    assert_eq!(html.matches("<html").count(), 1, "{html}");

    for id in ["", "a b", "a\r\nBcc: eve@evil.example", "a>", "\u{fc}"] {
        let asked = Mail {
            id: id.to_owned(),
            ..mail("new_order")
        };
        assert_refused(&mailer.send(asked).await, None, "id of the delivery");
    }
    assert!(smtp.has_no_more());
}

#[tokio::test]
async fn long_and_strange_text_survives_the_way() {
    let smtp = Smtp::start(&[]);
    let comment = format!(
        ".\n..two dots\n.\nbare\rreturn \u{1f600} {}\nend",
        "long \u{e4} ".repeat(700)
    );
    let mut asked = mail("order_update");
    asked.context["entry"]["comment"] = json!(comment);
    asked.context["order"]["status_label"] = json!("\u{1f600} \u{e4}\u{f6} ".repeat(100));
    assert_accepted(&mailer(&smtp).send(asked).await);
    let taken = smtp.mail();
    assert_eq!(taken["defects"], json!([]));
    let text = part(&taken, "text/plain").replace('\r', "\n");
    assert!(text.contains(&comment.replace('\r', "\n")), "{text}");
    let headers = headers(&taken);
    assert_eq!(headers["Subject"].chars().count(), 255);
    for line in taken["raw"].as_str().unwrap().lines() {
        assert!(line.len() <= 998, "{line}");
    }
}

#[tokio::test]
async fn addresses_beyond_ascii_need_a_server_that_takes_them() {
    let plain = Smtp::start(&[]);
    let attempt = mailer(&plain).send(to("j\u{f6}rg@home.example")).await;
    assert_refused(&attempt, None, "only addresses in ASCII");
    assert!(plain.has_no_more());
    assert_accepted(&mailer(&plain).send(to("anna@m\u{fc}ller.example")).await);
    let recipients = &plain.mail()["recipients"];
    assert_eq!(*recipients, json!(["anna@xn--mller-kva.example"]));

    let modern = Smtp::start(&["--utf8"]);
    assert_accepted(&mailer(&modern).send(to("j\u{f6}rg@home.example")).await);
    let recipients = &modern.mail()["recipients"];
    assert_eq!(*recipients, json!(["j\u{f6}rg@home.example"]));
}

#[tokio::test]
async fn a_broken_template_is_refused_with_file_and_line() {
    let smtp = Smtp::start(&[]);
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("de")).unwrap();
    let file = folder.path().join("de/new_order.txt");
    std::fs::write(&file, "one\ntwo {{ order.idd }}\n").unwrap();
    let server = Server::new("127.0.0.1", smtp.port, Security::None).unwrap();
    let mailer = Mailer::new(server, senders(), Templates::in_directory(folder.path())).unwrap();
    let attempt = mailer.send(mail("new_order")).await;
    assert_refused(&attempt, None, "the template de/new_order.txt, line 2: ");
    // Mended, it counts at once.
    std::fs::write(&file, "one\ntwo {{ order.id }}\n").unwrap();
    assert_accepted(&mailer.send(mail("new_order")).await);
    assert_eq!(part(&smtp.mail(), "text/plain"), "one\ntwo 100000042\n");
    let attempt = mailer.send(mail("no_such")).await;
    assert_refused(
        &attempt,
        None,
        "there is no template no_such; there are new_order",
    );
}

#[tokio::test]
async fn one_part_alone_is_a_mail_too() {
    let smtp = Smtp::start(&[]);
    let folder = TempDir::new().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write("plain.subject.txt", "Plain");
    write("plain.txt", "Only text: <b>{{ customer.name }}</b>");
    write("page.subject.txt", "Page");
    write("page.html", "<p>Only {{ customer.name }}</p>");
    let server = Server::new("127.0.0.1", smtp.port, Security::None).unwrap();
    let mailer = Mailer::new(server, senders(), Templates::in_directory(folder.path())).unwrap();
    for (template, kind, content) in [
        ("plain", "text/plain", "Only text: <b>Anna N\u{fd}m</b>"),
        ("page", "text/html", "<p>Only Anna N\u{fd}m</p>"),
    ] {
        assert_accepted(&mailer.send(mail(template)).await);
        let taken = smtp.mail();
        assert_eq!(taken["kind"], kind);
        assert_eq!(part(&taken, kind).trim_end(), content);
        assert_eq!(taken["defects"], json!([]));
    }
}

#[tokio::test]
async fn a_date_that_a_mail_cannot_say_is_refused() {
    let smtp = Smtp::start(&[]);
    let mailer = mailer(&smtp);
    let year_10000_s = 253_402_300_800;
    for date in [
        UNIX_EPOCH - Duration::from_secs(1),
        UNIX_EPOCH + Duration::from_secs(year_10000_s),
    ] {
        let asked = Mail {
            date,
            ..mail("new_order")
        };
        assert_refused(&mailer.send(asked).await, None, "date");
    }
}
