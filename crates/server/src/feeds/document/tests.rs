//! What feeds look like, and that no text breaks them.

use waymark_domain::tracking::Tracking;
use waymark_persistence::{DeploymentId, TrackingKey};

use super::*;
use crate::settings::BaseUrl;

/// 2026-01-01T00:00:00.5Z.
const NOON: Timestamp = Timestamp::from_micros(1_767_225_600_500_000);

fn remark(sequence: i64, label: Option<&str>, comment: &str) -> Remark {
    Remark {
        sequence,
        label: label.map(str::to_owned),
        comment: comment.to_owned(),
        create_time: NOON,
        status_changed: false,
    }
}

fn shown(label: &str, entries: Vec<Remark>) -> Shown {
    Shown {
        tracking: Tracking {
            order_id: OrderId::new("1&2").unwrap(),
            status_label: label.to_owned(),
            status_time: NOON,
            entries,
        },
        workflow: WorkflowCode::new("order").unwrap(),
        change_time: NOON,
    }
}

fn write(shown: &Shown, format: Format) -> String {
    let seal = Seal::new(TrackingKey::new([1; 32]), DeploymentId([2; 16]));
    let base = BaseUrl::parse("https://shop.example/a").unwrap();
    let links = Links::new(base);
    let document = Document::new(shown, &seal, &links, "TOKEN");
    String::from_utf8(document.write(format).unwrap()).unwrap()
}

#[test]
fn a_feed_in_rss() {
    let entries = vec![
        remark(7, Some("Verpackt & weg"), "Zwei <b>Pakete</b>\r\nheute"),
        remark(3, None, ""),
    ];
    let written = write(&shown("Verpackt & weg", entries), Format::Rss);
    insta::assert_snapshot!(written.replace("><", ">\n<"), @r#"
    <?xml version="1.0" encoding="utf-8"?>
    <rss version="2.0">
    <channel>
    <title>1&amp;2: Verpackt &amp; weg</title>
    <link>https://shop.example/a/feeds/orders/TOKEN</link>
    <description>1&amp;2: Verpackt &amp; weg</description>
    <lastBuildDate>Thu, 01 Jan 2026 00:00:00 GMT</lastBuildDate>
    <item>
    <title>Verpackt &amp; weg</title>
    <link>https://shop.example/a/feeds/orders/TOKEN</link>
    <description>
    <![CDATA[<p>Verpackt &amp; weg</p>
    <p>Zwei &lt;b&gt;Pakete&lt;/b&gt;<br/>heute</p>]]>
    </description>
    <guid isPermaLink="false">urn:uuid:e941325b-9519-8c0c-b06f-8f8b85842303</guid>
    <pubDate>Thu, 01 Jan 2026 00:00:00 GMT</pubDate>
    </item>
    <item>
    <title>1&amp;2</title>
    <link>https://shop.example/a/feeds/orders/TOKEN</link>
    <description>
    <![CDATA[]]>
    </description>
    <guid isPermaLink="false">urn:uuid:28505116-b95e-885e-bb8d-39c9795f384c</guid>
    <pubDate>Thu, 01 Jan 2026 00:00:00 GMT</pubDate>
    </item>
    </channel>
    </rss>
    "#);
}

#[test]
fn a_feed_in_atom() {
    let entries = vec![remark(7, Some("Verpackt & weg"), "Zwei <b>Pakete</b>")];
    let written = write(&shown("Verpackt & weg", entries), Format::Atom);
    insta::assert_snapshot!(written.replace("><", ">\n<"), @r#"
    <?xml version="1.0"?>
    <feed xmlns="http://www.w3.org/2005/Atom">
    <title>1&amp;2: Verpackt &amp; weg</title>
    <id>urn:uuid:d3a37030-e3a7-85af-b8a3-5bebb311d78f</id>
    <updated>2026-01-01T00:00:00+00:00</updated>
    <author>
    <name>shop.example</name>
    </author>
    <link href="https://shop.example/a/feeds/orders/TOKEN.atom" rel="self" type="application/atom+xml"/>
    <link href="https://shop.example/a/feeds/orders/TOKEN" rel="alternate"/>
    <entry>
    <title>Verpackt &amp; weg</title>
    <id>urn:uuid:e941325b-9519-8c0c-b06f-8f8b85842303</id>
    <updated>2026-01-01T00:00:00+00:00</updated>
    <link href="https://shop.example/a/feeds/orders/TOKEN" rel="alternate"/>
    <published>2026-01-01T00:00:00+00:00</published>
    <content type="html">&lt;p&gt;Verpackt &amp;amp; weg&lt;/p&gt;&lt;p&gt;Zwei &amp;lt;b&amp;gt;Pakete&amp;lt;/b&amp;gt;&lt;/p&gt;</content>
    </entry>
    </feed>
    "#);
}

#[test]
fn no_text_breaks_a_feed() {
    let evil = "]]></description><script>\u{fffe}\u{ffff}&#0;\t\u{1}\r\n\"'";
    let entries = vec![remark(1, Some(evil), evil), remark(2, None, "\u{ffff}")];
    let shown = shown(evil, entries);
    for format in [Format::Rss, Format::Atom] {
        let written = write(&shown, format);
        let forbidden = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
        assert!(!written.contains(forbidden), "{written}");
        assert!(!written.contains("<script>"), "{written}");
    }
    let rss = rss::Channel::read_from(write(&shown, Format::Rss).as_bytes()).unwrap();
    assert_eq!(rss.items.len(), 2);
    let atom = atom::Feed::read_from(write(&shown, Format::Atom).as_bytes()).unwrap();
    assert_eq!(atom.entries.len(), 2);
}

#[test]
fn an_order_without_entries_has_a_feed() {
    let shown = shown("Pending", Vec::new());
    let rss = rss::Channel::read_from(write(&shown, Format::Rss).as_bytes()).unwrap();
    assert_eq!((rss.title.as_str(), rss.items.len()), ("1&2: Pending", 0));
    let atom = atom::Feed::read_from(write(&shown, Format::Atom).as_bytes()).unwrap();
    assert_eq!(atom.entries.len(), 0);
}
