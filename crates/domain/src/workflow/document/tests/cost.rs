//! What a document may cost: how large, how deep and how dense it may be.

use crate::workflow::document::{DOCUMENT_BYTES_MAX, Format, parse};

#[test]
fn bounds_what_a_document_may_cost() {
    let huge = "a".repeat(DOCUMENT_BYTES_MAX + 1);
    let deep = "[".repeat(100_000);
    let deep_map = "{a: ".repeat(50_000);
    let deep_json = format!(
        "{{\"transitions\": {{\"a\": {{\"actions\": {}",
        "[".repeat(100_000)
    );
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nlabel: *c";
    let xml_bomb = "<!DOCTYPE c [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><config>&b;</config>";
    let deep_xml = "<a>".repeat(300_000);
    for format in [Format::Yaml, Format::Json, Format::MagentoConfigXml] {
        assert_eq!(
            parse(&huge, format).unwrap_err().to_string(),
            "document has 1048577 bytes, at most 1048576 are allowed"
        );
        for text in [&deep, &deep_map, &deep_json, bomb, xml_bomb, &deep_xml] {
            let error = parse(text, format).unwrap_err();
            assert!(error.to_string().len() < 1000, "{error}");
        }
    }
}

/// A text that repeats a part, with its number, until it has so many bytes.
fn repeated(begin: &str, part: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = begin.to_owned();
    for part in (0..).map(part) {
        if text.len() + part.len() + end.len() > 1_000_000 {
            break;
        }
        text.push_str(&part);
    }
    text + end
}

#[test]
fn refuses_what_is_too_dense() {
    let dense = "has more short entries than a document of ";
    let statuses = repeated(
        "{\"statuses\": {",
        |number| format!("\"s{number}\":{{}},"),
        "\"s\":{}}}",
    );
    let listed = repeated(
        "{\"states\": {\"a\": {\"operations\": [",
        |_| "\"a\",".to_owned(),
        "\"a\"]}}}",
    );
    let labels = repeated(
        "{\"statuses\": {\"a\": {\"store_view_labels\": {",
        |number| format!("\"{number}\":\"a\","),
        "\"x\":\"a\"}}}}",
    );
    let xml = repeated("<config>", |_| "<a/>".to_owned(), "</config>");
    let attributes = repeated("<config ", |number| format!("a{number}='' "), "/>");
    for (text, format, place) in [
        (&statuses, Format::Json, ", statuses: "),
        (&statuses, Format::Yaml, ", statuses: "),
        (&listed, Format::Json, ", states.a.operations: "),
        (&listed, Format::Yaml, ", states.a.operations: "),
        (&labels, Format::Json, ", statuses.a.store_view_labels: "),
        (&xml, Format::MagentoConfigXml, "line 1, column "),
        (&attributes, Format::MagentoConfigXml, "line 1, column "),
    ] {
        let error = parse(text, format).unwrap_err().to_string();
        assert!(
            error.contains(dense) && error.contains(place),
            "{format:?}: {error}"
        );
    }
}

#[test]
fn refuses_what_readers_would_copy() {
    let long = "a".repeat(33 * 1024);
    let prefixes: Vec<_> = (0..20).map(|n| format!("xmlns:n{n}='n'")).collect();
    for (text, format, expected) in [
        (
            repeated("label: a\n? [", |_| "a,".to_owned(), "a]\n: b"),
            Format::Yaml,
            "line 2, column 3: a key must be a text",
        ),
        (
            "label: a\n{b: c}: d".to_owned(),
            Format::Yaml,
            "line 2, column 1: a key must be a text",
        ),
        (
            repeated("", |n| format!("%TAG !a{n}! a\n"), "---\nlabel: a"),
            Format::Yaml,
            "line 1, column 1: %TAG is not allowed",
        ),
        (format!("label: a\n{long}: b"), Format::Yaml, "line "),
        (
            format!("label: a\ndescription: {long}"),
            Format::Yaml,
            "line 2, column 14, description: a text has more than 32768 bytes",
        ),
        (
            format!("{{\"label\": \"a\",\n\"{long}\": 1}}"),
            Format::Json,
            "line 2, column 1: a text has more than 32768 bytes",
        ),
        (
            format!("<config {}/>", prefixes.join(" ")),
            Format::MagentoConfigXml,
            "has more than 16 namespaces",
        ),
    ] {
        let error = parse(&text, format).unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.len() < 1_500,
            "{format:?} gives {error:.200}, expected {expected}"
        );
    }
}

/// As many parts as a workflow may have, as tersely as anybody would write them.
#[test]
fn reads_the_largest_workflows() {
    let mut text = "{\"label\":\"L\",\"initial_state\":\"s0\",\"statuses\":{".to_owned();
    let list = |count: usize, part: &dyn Fn(usize) -> String| -> String {
        (0..count).map(part).collect::<Vec<_>>().join(",")
    };
    text += &list(1_000, &|n| format!("\"t{n}\":{{\"label\":\"T {n}\"}}"));
    text += "},\"states\":{";
    text += &list(200, &|n| {
        let own = list(5, &|each| format!("\"t{}\"", n * 5 + each));
        format!("\"s{n}\":{{\"label\":\"S {n}\",\"category\":\"active\",\"statuses\":[{own}]}}")
    });
    text += "},\"transitions\":{";
    text += &list(2_000, &|n| {
        format!(
            "\"w{n}\":{{\"label\":\"W {n}\",\"from_states\":[\"s{}\"],\"to_state\":\"s{}\"}}",
            n % 200,
            n * 7 % 200
        )
    });
    text += "}}";
    let mut wide = "label: L\ninitial_state: s0\ntransitions:\n".to_owned();
    let all: Vec<_> = (0..100).map(|state| format!("s{state}")).collect();
    for number in 0..600 {
        let all = all.join(", ");
        let part =
            format!("  w{number}: {{label: W {number}, from_states: [{all}], to_state: s1}}\n");
        wide.push_str(&part);
    }
    for (text, format) in [
        (&text, Format::Json),
        (&text, Format::Yaml),
        (&wide, Format::Yaml),
    ] {
        parse(text, format).unwrap();
    }
}
