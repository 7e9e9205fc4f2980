//! Documents of workflows that are as dense as they can be: many entries of few bytes, and what readers keep as a whole.

use waymark_proto::v1::{ApplyWorkflowRequest, WorkflowFormat};

use super::dense::Mixture;

/// A document, and what it is made of.
pub(crate) type Dense = (String, ApplyWorkflowRequest);

fn of(what: &str, document: String, format: WorkflowFormat) -> Dense {
    let request = ApplyWorkflowRequest {
        document,
        format: format.into(),
        ..ApplyWorkflowRequest::default()
    };
    (format!("{} of {what}", format.as_str_name()), request)
}

/// A text of some so many bytes that repeats a part, with its number.
fn list(bytes: usize, begin: &str, part: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = begin.to_owned();
    for part in (0..).map(part) {
        if text.len() + part.len() + end.len() > bytes {
            break;
        }
        text.push_str(&part);
    }
    text + end
}

/// Documents of some so many bytes, each of one kind of entry.
pub(crate) fn dense(bytes: usize) -> impl Iterator<Item = Dense> {
    let flow = flow(bytes);
    let json = flow.clone().into_iter();
    let json = json.map(|(what, text)| of(what, text, WorkflowFormat::Json));
    let yaml = flow.into_iter().chain(block(bytes)).chain(kept(bytes));
    let yaml = yaml.map(|(what, text)| of(what, text, WorkflowFormat::Yaml));
    let xml = xml(bytes).into_iter();
    let xml = xml.map(|(what, text)| of(what, text, WorkflowFormat::MagentoConfigXml));
    json.chain(yaml).chain(xml)
}

/// What is JSON and YAML at once.
fn flow(bytes: usize) -> Vec<(&'static str, String)> {
    let mut texts: Vec<_> = FLOW
        .iter()
        .map(|&(what, begin, part, end)| {
            let part = |number: usize| part.replace('#', &format!("{number:x}"));
            (what, list(bytes, begin, part, end))
        })
        .collect();
    for part in PARTS {
        for entry in ENTRIES {
            let begin = format!("{{\"{part}\":{{");
            let end = format!("\"x\":{entry}}}}}");
            let text = list(bytes, &begin, |n| format!("\"s{n:x}\":{entry},"), &end);
            texts.push((part, text));
        }
    }
    texts
}

/// What a document is made of, how it begins, what is repeated, with `#` for its number, and how it ends.
const FLOW: &[(&str, &str, &str, &str)] = &[
    ("numbers", r#"{"unknown":["#, "1,", "1]}"),
    ("lists", r#"{"unknown":["#, "[],", "[]]}"),
    (
        "unknown entries",
        r#"{"unknown":{"#,
        r##""#":1,"##,
        r#""x":1}}"#,
    ),
    ("unknown keys", "{", r##""#":1,"##, r#""x":1}"#),
    (
        "lists in a list",
        r#"{"states":{"a":{"statuses":["#,
        "[",
        "",
    ),
    ("one long key", r#"{""#, r"\u0061", r#"":1}"#),
    ("one long text", r#"{"label":""#, r"\n", r#""}"#),
    (
        "assignments",
        r#"{"states":{"a":{"statuses":["#,
        r#""a","#,
        r#""a"]}}}"#,
    ),
    (
        "flags",
        r#"{"states":{"a":{"statuses":["#,
        r#"{"status":"a"},"#,
        r#""a"]}}}"#,
    ),
    (
        "roles",
        r#"{"transitions":{"a":{"roles":["#,
        r#""a","#,
        r#""a"]}}}"#,
    ),
    (
        "labels",
        r#"{"statuses":{"a":{"store_view_labels":{"#,
        r##""#":"a","##,
        r#""x":"a"}}}}"#,
    ),
    (
        "attributes",
        r#"{"on_create":{"a":{"set_attributes":{"#,
        r##""#":"{{now}}","##,
        r#""x":"a"}}}}"#,
    ),
    (
        "codes in another spelling",
        r#"{"statuses":{"#,
        r#""S#":{},"#,
        r#""x":{}}}"#,
    ),
    (
        "words that are none",
        r#"{"operations":{"#,
        r#""o#":{"effect":"x","label":[]},"#,
        r#""x":{}}}"#,
    ),
    (
        "periods in months",
        r#"{"transitions":{"#,
        r#""t#":{"trigger":{"after":"1M"}},"#,
        r#""x":{}}}"#,
    ),
    (
        "actions that say two things",
        r#"{"on_create":{"#,
        r#""a#":{"email":{},"webhook":{}},"#,
        r#""x":{}}}"#,
    ),
    (
        "a large template",
        r#"{"on_create":{"a":{"comment":{"text":""#,
        "{{now}}",
        r#""}}}}"#,
    ),
];

/// The maps of a document.
const PARTS: [&str; 6] = [
    "operations",
    "statuses",
    "states",
    "transitions",
    "on_create",
    "on_comment",
];

/// Their entries.
const ENTRIES: [&str; 12] = [
    "{}",
    r#"{"label":"a"}"#,
    r#"{"position":1}"#,
    r#"{"actions":{}}"#,
    r#"{"on_enter":{"a":{}}}"#,
    r#"{"from_states":["a"]}"#,
    r#"{"label":"a","to_state":"a"}"#,
    r#"{"trigger":{"on_operations":["a"]}}"#,
    r#"{"comment":{"text":"a"}}"#,
    r#"{"comment":{"text":"{{order.id}}{{actor.id}}{{entry.to_status}}"}}"#,
    r#"{"email":{"copy_to":["a@b.c"]}}"#,
    r#"{"set_attributes":{"a":"a"}}"#,
];

/// What is YAML only.
fn block(bytes: usize) -> Vec<(&'static str, String)> {
    let list = |begin: &str, part: &dyn Fn(usize) -> String| list(bytes, begin, part, "");
    vec![
        ("keys", list("", &|n| format!("{n:x}:\n"))),
        ("list entries", list("unknown:\n", &|_| "-\n".to_owned())),
        (
            "lists in lists",
            list("unknown:\n", &|_| "- - -\n".to_owned()),
        ),
        ("comments", list("label: x\n", &|_| "#\n".to_owned())),
        (
            "statuses",
            list("statuses:\n", &|n| format!(" s{n:x}: {{label: a}}\n")),
        ),
        (
            "empty statuses",
            list("statuses:\n", &|n| format!(" s{n:x}: {{}}\n")),
        ),
        (
            "operations",
            list("states: {a: {operations: [", &|_| "a,".to_owned()),
        ),
        ("levels", list("states: ", &|_| "{a: ".to_owned())),
        (
            "paragraphs",
            list("label: a\ndescription: |\n", &|_| " a\n".to_owned()),
        ),
        (
            "a folded text",
            list("label: a\ndescription: \"", &|_| "a\n ".to_owned()),
        ),
    ]
}

/// What a reader of YAML keeps.
fn kept(bytes: usize) -> Vec<(&'static str, String)> {
    let list =
        |begin: &str, part: &dyn Fn(usize) -> String, end: &str| list(bytes, begin, part, end);
    vec![
        (
            "anchors",
            list(
                "statuses:\n",
                &|n| format!(" s{n:x}: &a{n:x} {{label: a}}\n"),
                "",
            ),
        ),
        (
            "anchors in a list",
            list("unknown: [", &|n| format!("&a{n:x} a,"), "a]"),
        ),
        (
            "a list as a key",
            list("? [", &|_| "a,".to_owned(), "a]\n: b\n"),
        ),
        (
            "a list of lists as a key",
            list("? [", &|_| "[],".to_owned(), "a]\n: b\n"),
        ),
        (
            "a map as a key",
            list("? {", &|n| format!("a{n:x}: b,"), "a: b}\n: b\n"),
        ),
        (
            "a block as a key",
            list("?\n", &|_| "  - a\n".to_owned(), ": b\n"),
        ),
        (
            "a key in a key",
            list("states: {? [", &|_| "a,".to_owned(), "a]: b}\n"),
        ),
        (
            "declared tags",
            list("", &|n| format!("%TAG !a{n:x}! a\n"), "---\nlabel: a\n"),
        ),
        ("documents", list("", &|_| "---\n".to_owned(), "label: a\n")),
        (
            "a long tag",
            list("label: !<", &|_| "a".to_owned(), "> a\n"),
        ),
        (
            "tags",
            list(
                "states: {a: {operations: [",
                &|_| "!!str a,".to_owned(),
                "a]}}\n",
            ),
        ),
        ("a long key", list("\"", &|_| "\\x61".to_owned(), "\": a\n")),
        (
            "a list that may be a key",
            list(
                "states: {a: {operations: [[",
                &|_| "a,".to_owned(),
                "]]}}\n",
            ),
        ),
    ]
}

fn xml(bytes: usize) -> Vec<(&'static str, String)> {
    const BEGIN: &str = "<config><global><sales><order>";
    const END: &str = "</order></sales></global></config>";
    let list = |begin: &str, part: &dyn Fn(usize) -> String, end: &str| {
        let (begin, end) = (format!("{BEGIN}{begin}"), format!("{end}{END}"));
        list(bytes, &begin, part, &end)
    };
    vec![
        ("brackets", list("", &|_| "<".to_owned(), "")),
        ("equal signs", list("", &|_| "=".to_owned(), "")),
        ("elements", list("", &|_| "<a/>".to_owned(), "")),
        ("elements and texts", list("", &|_| "<a/>a".to_owned(), "")),
        (
            "elements and brackets",
            list("", &|_| "<a/>>".to_owned(), ""),
        ),
        ("open elements", list("", &|_| "<a>".to_owned(), "")),
        ("comments", list("", &|_| "<!---->".to_owned(), "")),
        ("entities", list("", &|_| "&lt;<a/>".to_owned(), "")),
        (
            "a text of entities",
            list(
                "<statuses><a><label>",
                &|_| "&lt;".to_owned(),
                "</label></a></statuses>",
            ),
        ),
        ("attributes", list("<a ", &|n| format!("a{n:x}='' "), "/>")),
        (
            "attributes of entities",
            list("<a ", &|n| format!("a{n:x}='&lt;' "), "/>"),
        ),
        (
            "namespaces",
            list("", &|n| format!("<a xmlns:a{n:x}='a'>"), ""),
        ),
        (
            "statuses",
            list("<statuses>", &|_| "<a/>".to_owned(), "</statuses>"),
        ),
        (
            "labels",
            list(
                "<statuses>",
                &|_| "<a><label>a</label></a>".to_owned(),
                "</statuses>",
            ),
        ),
        (
            "states",
            list("<states>", &|_| "<a/>".to_owned(), "</states>"),
        ),
        (
            "links",
            list(
                "<states><a><statuses>",
                &|_| "<a/>".to_owned(),
                "</statuses></a></states>",
            ),
        ),
    ]
}

/// A document of some so many bytes, whose parts are of all kinds.
pub(crate) fn mixture(dice: &mut Mixture, bytes: usize) -> Dense {
    let texts = flow(bytes / 8);
    let mut document = String::from("{\"label\":\"a\"");
    while document.len() < bytes * 7 / 8 {
        let (_, text) = &texts[dice.below(texts.len())];
        // Their braces go, so that they are entries of one document; the same part twice is refused.
        let inner = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        document.push(',');
        document.push_str(inner.unwrap_or("\"max_cascade\":1"));
        if dice.below(3) == 0 {
            break;
        }
    }
    document.push('}');
    let format = [WorkflowFormat::Json, WorkflowFormat::Yaml][dice.below(2)];
    of("a mixture", document, format)
}
