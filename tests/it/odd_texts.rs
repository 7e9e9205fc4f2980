//! Texts that mean something in the languages they pass through: of diagrams, templates, HTML and XML. They stay texts.

use waymark_proto::v1::{self, DeliveryState, DiagramFormat};
use waymark_testkit::smtp::Smtp;
use waymark_tests::{
    Backend, Server, World, feed_reader, ledger,
    receiver::Receiver,
    refusal::invalid,
    world::{apply, fresh_code},
};

use crate::{
    drawing::draw,
    tracking::{create, token},
};

on_each_database!(
    labels_stay_labels_in_every_drawing,
    a_comment_is_no_template_and_no_markup,
    feeds_are_well_formed_whatever_the_text,
);

const LABELS: [&str; 6] = [
    "a#quot;]-->X[\"y",
    "\"; } subgraph x { \\",
    "</text><script>x</script>&amp;",
    "%% {{ s }} ::: `**_b_**` #35; \\\"",
    "\u{645}\u{631}\u{62d}\u{628}\u{627} \u{5e9}\u{5dc}\u{5d5}\u{5dd} 1 > 2",
    "\u{1f469}\u{200d}\u{1f680} fertig \u{1f389}",
];

/// A workflow of which every label is this one.
fn labelled(label: &str) -> String {
    let label = serde_json::to_string(label).unwrap();
    format!(
        "label: {label}
initial_state: new
statuses: {{open: {{label: {label}}}, done: {{label: {label}}}}}
states:
  new: {{label: {label}, category: initial, can_start: true, statuses: [open]}}
  end: {{label: {label}, category: completed, terminal: true, statuses: [done]}}
transitions:
  finish: {{label: {label}, from_states: [new], to_state: end}}
"
    )
}

/// What Mermaid reads, where it is written as `#35;`.
fn read_mermaid(document: &str) -> String {
    let mut parts = document.split('#');
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(';').unwrap();
        read.extend(char::from_u32(number.parse().unwrap()));
        read.push_str(rest);
    }
    read
}

/// What Graphviz reads.
fn read_dot(document: &str) -> String {
    let mut read = String::new();
    let mut characters = document.chars();
    while let Some(character) = characters.next() {
        let escaped = (character == '\\').then(|| characters.next()).flatten();
        read.push(escaped.unwrap_or(character));
    }
    read.replace("&amp;", "&")
}

/// Asserts that a drawing has as many of these signs as another one.
#[track_caller]
fn as_many(signs: &[&str], one: &str, other: &str) {
    for sign in signs {
        let count = |document: &str| document.matches(sign).count();
        assert_eq!(count(one), count(other), "{sign} in {one}");
    }
}

async fn labels_stay_labels_in_every_drawing(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh_code();
    let shop = apply(&world, &code, &labelled("plain")).await;
    let plain_mermaid = draw(&shop, DiagramFormat::Mermaid, "", false)
        .await
        .unwrap();
    let plain_dot = draw(&shop, DiagramFormat::Dot, "", false).await.unwrap();
    for label in LABELS {
        apply(&world, &code, &labelled(label)).await;
        assert_eq!(shop.state("end").await.label, label);
        assert_eq!(shop.definition().await.label, label);

        // But for the label, which is written so that nothing of it is taken for the language, it is the same drawing.
        let mermaid = draw(&shop, DiagramFormat::Mermaid, "", false)
            .await
            .unwrap();
        let signs = ["\n", "\"", "[", "]", "{", "-->", "<", ":", "\\", "`", "%"];
        as_many(&signs, &mermaid, &plain_mermaid);
        let read = read_mermaid(&mermaid).replace(label, "plain");
        assert_eq!(read, read_mermaid(&plain_mermaid));

        let dot = draw(&shop, DiagramFormat::Dot, "", false).await.unwrap();
        let bare = dot.replace("\\\\", "").replace("\\\"", "");
        as_many(&["\n", "\"", "\\"], &bare, &plain_dot);
        assert_eq!(read_dot(&dot).replace(label, "plain"), read_dot(&plain_dot));

        let svg = draw(&shop, DiagramFormat::Svg, "", false).await.unwrap();
        let picture = roxmltree::Document::parse(&svg).unwrap();
        let texts = picture
            .descendants()
            .filter(|node| node.has_tag_name("text"));
        let labels = texts.filter(|node| node.text() == Some(label));
        assert!(labels.count() >= 4, "{svg}");
        let script = picture
            .descendants()
            .find(|node| node.has_tag_name("script"));
        assert_eq!(script, None);
    }
}

async fn start(backend: Backend, settings: &[String]) -> Server {
    let usual = [
        "webhooks_allowed=127.0.0.0/8",
        "feeds_listen=127.0.0.1:0",
        "dispatch_lease=500ms",
        "dispatch_poll=50ms",
    ];
    let settings = settings.iter().map(String::as_str);
    let arguments: Vec<&str> = usual
        .into_iter()
        .chain(settings)
        .flat_map(|setting| ["--set", setting])
        .collect();
    Server::start_with(backend, &arguments).await
}

const COMMENT: &str = "{{ 7 * 7 }} <b>x</b>";
/// The same in HTML.
const COMMENT_SHOWN: &str = "{{ 7 * 7 }} &lt;b&gt;x&lt;/b&gt;";

/// Comments are told to everybody, and repeated in another one.
const TELLING: &str = "label: Shop
initial_state: new
statuses: {open: {label: Open}}
states: {new: {label: New, category: initial, can_start: true, statuses: [open]}}
on_comment:
  a_hook: {webhook: {endpoint: erp}}
  b_mail: {email: {template: order_update, customer: always}}
  c_echo: {comment: {text: 'You said: {{ entry.comment }}', visible_to_customer: true}}
";

async fn a_comment_is_no_template_and_no_markup(backend: Backend) {
    let smtp = Smtp::start(&[]);
    let receiver = Receiver::start(|_, _| 200).await;
    let settings = [
        "smtp_host=127.0.0.1".to_owned(),
        format!("smtp_port={}", smtp.port),
        "smtp_security=none".to_owned(),
        "mail_general=Shop <shop@shop.example>".to_owned(),
    ];
    let server = start(backend, &settings).await;
    let clients = server.clients();
    let created = ledger::create_endpoint(&clients, "erp", &receiver.url("erp")).await;
    created.unwrap();
    let shop = apply(&clients, "w", TELLING).await;
    let order = v1::Order {
        customer: Some(v1::Customer {
            email: "anna@home.example".into(),
            ..Default::default()
        }),
        ..shop.draft("1", &[])
    };
    shop.create(order).await.unwrap();
    let said = v1::AddCommentRequest {
        visible_to_customer: true,
        notify_customer: true,
        ..shop.remark("1", COMMENT)
    };
    let answer = shop.orders().add_comment(said).await.unwrap();
    let entries = answer.into_inner().entries;
    let echo = format!("You said: {COMMENT}");
    let comments: Vec<_> = entries.iter().map(|entry| entry.comment.as_str()).collect();
    assert_eq!(comments, [COMMENT, &echo]);
    assert_eq!(shop.entries("1").await[1..], entries);
    for sent in &entries[0].set_off {
        ledger::until(&shop, &sent.delivery_id, DeliveryState::Succeeded).await;
    }

    let hooks = receiver.hooks();
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    assert_eq!(hooks[0].body["data"]["entry"]["comment"], COMMENT);

    let mail = smtp.mail();
    let part = |kind: &str| {
        let mut parts = mail["parts"].as_array().unwrap().iter();
        let part = parts.find(|part| part[0] == kind).unwrap();
        part[1].as_str().map(str::to_owned).unwrap()
    };
    assert!(part("text/plain").contains(COMMENT), "{mail}");
    let page = part("text/html");
    assert!(page.contains("{{ 7 * 7 }} &lt;b&gt;x&lt;"), "{page}");
    assert!(!page.contains("<b>"), "{page}");

    let request = v1::GetTrackingRequest {
        token: token(&shop, "1").await,
        ..Default::default()
    };
    let tracking = shop.tracking().get_tracking(request).await.unwrap();
    let seen = tracking.into_inner().tracking.unwrap().entries;
    let seen: Vec<_> = seen.iter().map(|entry| entry.comment.as_str()).collect();
    assert_eq!(seen, [&echo, COMMENT], "the newest first");

    let url = create(&shop, "1").await.feed_url;
    for url in [url.clone(), format!("{url}.atom")] {
        let feed = feed_reader::read(&url, "", "");
        assert!(feed.well_formed, "{feed:?}");
        let shown: Vec<_> = feed.entries.iter().map(|entry| &entry.html).collect();
        assert_eq!(shown.len(), 2, "{feed:?}");
        assert!(shown[0].contains(&format!("You said: {COMMENT_SHOWN}")));
        assert!(shown[1].contains(COMMENT_SHOWN), "{feed:?}");
    }
}

/// What XML, HTML or those who read them could stumble over.
const TEXTS: [&str; 18] = [
    "]]>",
    "<![CDATA[ x ]]>",
    "<!-- - -- -->",
    "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY y \"z\">]>&y;",
    "&#0; &nbsp; & &lt; &amp",
    "</description></item></channel></rss>",
    "<p><b>unclosed 'a' \"b\"",
    "\u{fffe}\u{ffff}\u{fdd0}\u{10ffff}",
    "one\r\ntwo\rthree\nfour\tfive",
    "one\u{2028}two\u{2029}three",
    "\u{feff}first",
    "\u{645}\u{631}\u{62d}\u{628}\u{627} \u{202e}dlrow\u{202c} \u{2067}x\u{2069}",
    "\u{1f469}\u{200d}\u{1f680}\u{fe0f}",
    "e\u{301}\u{301}\u{301}",
    // These are refused where they are written.
    "\u{0}",
    "a\u{b}b",
    "\u{1b}[31m",
    "\u{85}",
];

async fn feeds_are_well_formed_whatever_the_text(backend: Backend) {
    let server = start(backend, &[]).await;
    let status = serde_json::to_string("]]> <!-- & \"").unwrap();
    let document = format!(
        "label: Shop
initial_state: new
statuses: {{open: {{label: {status}}}}}
states: {{new: {{label: New, category: initial, can_start: true, statuses: [open]}}}}
"
    );
    let shop = apply(&server.clients(), "w", &document).await;
    shop.place("A&B<1>", &[]).await;
    let mut taken = Vec::new();
    for text in TEXTS {
        let said = v1::AddCommentRequest {
            visible_to_customer: true,
            ..shop.remark("A&B<1>", text)
        };
        match shop.orders().add_comment(said).await {
            Ok(_) => taken.push(text),
            refused => {
                invalid(refused, "comment");
            }
        }
    }
    assert_eq!(taken, TEXTS[..14]);
    let url = create(&shop, "A&B<1>").await.feed_url;
    for url in [url.clone(), format!("{url}.atom")] {
        let feed = feed_reader::read(&url, "", "");
        assert!(feed.well_formed, "{feed:?}");
        assert_eq!(feed.entries.len(), taken.len());
        // No text became markup.
        for entry in &feed.entries {
            let bare = entry.html.replace("<p>", "").replace("</p>", "");
            let bare = bare.replace("<br />", "").replace("<br/>", "");
            assert!(!bare.contains('<'), "{}", entry.html);
        }
    }
    // The history has them as they were written.
    let entries = shop.entries("A&B<1>").await;
    let said: Vec<_> = entries[1..].iter().map(|entry| &entry.comment).collect();
    assert_eq!(said, taken);
}
