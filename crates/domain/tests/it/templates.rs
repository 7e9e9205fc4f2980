//! Templates that a generator makes of everything that Jinja has, and of what is allowed
//! alone: each is refused, or rendered within its budget.
//!
//! `PROPTEST_CASES=100000 cargo test -p waymark-domain --test it -- templates --nocapture`
//! looks for longer, and says what the slowest took.

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use minijinja::{Value, syntax::SyntaxConfig, value::Serde};
use proptest::{prelude::*, sample::select};
use serde_json::json;
use waymark_domain::template::{Failure, Language, check, environment, render, sealed};

/// The longest that one rendering may take: far more than it does, for slow machines.
const TIME_MAX: Duration = Duration::from_secs(3);
/// The most that all renderings of a test may add to the memory of the process. One that
/// multiplies is beyond it at once.
const GROWTH_KIB_MAX: u64 = 128 * 1024;
/// The names of the files that templates of mails may include.
const FILES: [&str; 3] = ["a.txt", "b.html", "c.txt"];

/// What templates see: an order as large as orders get.
static VALUES: LazyLock<Value> = LazyLock::new(|| {
    let line = |number: usize| {
        json!({
            "id": number.to_string(), "sku": "s".repeat(128), "name": "ä".repeat(128),
            "quantity_ordered": 1.5, "is_virtual": number.is_multiple_of(2),
        })
    };
    let lines: Vec<_> = (0..500).map(line).collect();
    let values = json!({
        "order": {
            "id": "100000001", "state": "new", "version": 7, "grand_total": 12_345, "lines": lines,
            "holds": [], "customer": {"name": "Ann", "guest": true},
            "attributes": {"note": "<&".repeat(2_000), "carrier": "x"},
        },
        "entry": {"comment": "a\n".repeat(2_000), "sequence": i64::MAX, "status_changed": true},
        "now": "1970-01-02T00:00:00Z",
    });
    sealed(&Value::from(Serde(values)))
});

static SLOWEST: Mutex<(Duration, String)> = Mutex::new((Duration::ZERO, String::new()));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Refused,
    Failed,
    Rendered,
}

/// Checks and renders the first of the files as a server does.
fn came_of(files: &[String], language: Language) -> Came {
    let mut syntax = SyntaxConfig::builder();
    if language == Language::Mail {
        syntax.trim_blocks(true).lstrip_blocks(true);
    }
    let syntax = syntax.build().unwrap();
    let Some(first) = files.first() else {
        return Came::Refused;
    };
    let start = Instant::now();
    if check(first, &syntax, language).is_err() {
        assert!(start.elapsed() < TIME_MAX, "the check of {first}");
        return Came::Refused;
    }
    let mut engine = environment(language);
    engine.set_syntax(syntax.clone());
    let sources = files.to_vec();
    engine.set_loader(move |name| {
        let source = FILES.iter().position(|file| *file == name);
        let source = source.and_then(|index| sources.get(index));
        let allowed = source.filter(|source| check(source, &syntax, language).is_ok());
        Ok(allowed.cloned())
    });
    let rendered = match engine.get_template(FILES[0]) {
        Ok(template) => render(&template, VALUES.clone(), language),
        Err(error) => Err(Failure::Engine(error)),
    };
    let took = start.elapsed();
    assert!(took < TIME_MAX, "{took:?}: {first}");
    let mut slowest = SLOWEST.lock().unwrap();
    if took > slowest.0 {
        *slowest = (took, first.clone());
    }
    match rendered {
        Ok(rendered) => {
            assert!(rendered.text.len() <= language.bytes_max(), "{first}");
            assert!(rendered.instructions <= language.instructions_max());
            Came::Rendered
        }
        Err(_) => Came::Failed,
    }
}

/// A size of this process in KiB, such as `VmHWM`; none where the system does not say.
fn memory_kib(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Runs a test and shows that it needed no memory to speak of.
fn within_memory(run: impl FnOnce()) {
    let before = memory_kib("VmHWM");
    run();
    if let (Some(before), Some(after)) = (before, memory_kib("VmHWM")) {
        let grown = after.saturating_sub(before);
        println!("memory grew by {grown} KiB");
        assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
    }
}

fn text(of: &'static [&'static str]) -> BoxedStrategy<String> {
    select(of).prop_map(str::to_owned).boxed()
}

/// Lookups and constants.
fn atom() -> BoxedStrategy<String> {
    prop_oneof![
        6 => text(&[
            "order.id", "order.lines", "order.attributes", "order.attributes.note",
            "order.customer", "order.holds", "order.version", "order.grand_total",
            "entry.comment", "entry.sequence", "line", "line.sku", "line.name", "x", "y",
            "loop", "loop.index", "loop.last", "loop.previtem", "nothing", "order.nothing", "now",
        ]),
        3 => text(&[
            "'a'", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "''", "0", "1", "2", "499",
            "100000000", "9223372036854775807", "340282366920938463463374607431768211455",
            "1e308", "0.5", "true", "none", "'a' 'b'", "\"\\u0000\\n\"",
        ]),
        1 => text(&["self", "super", "caller", "range", "dict", "namespace", "varargs"]),
    ]
    .boxed()
}

/// An expression of what is allowed, often of kinds that do not go together.
fn allowed_expr() -> BoxedStrategy<String> {
    const FILTERS: &[&str] = &[
        "upper",
        "lower",
        "capitalize",
        "title",
        "trim",
        "default",
        "default('a', true)",
        "length",
        "first",
        "last",
        "join",
        "join(entry.comment)",
        "join(', ')",
        "lines",
        "items",
        "round",
        "round(2)",
        "round(100000000)",
        "default(order.lines)",
    ];
    let number = text(&["1", "-2", "0", "0.5", "9223372036854775807"]);
    atom()
        .prop_recursive(4, 24, 3, move |inner| {
            prop_oneof![
                6 => (inner.clone(), select(FILTERS)).prop_map(|(e, f)| format!("({e})|{f}")),
                3 => compared(inner.clone()),
                2 => (inner.clone(), select(&["+", "-", "/", "//", "%"][..]), number.clone())
                    .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
                1 => inner.clone().prop_map(|a| format!("(-({a}))")),
                2 => (inner, text(&[".id", ".sku", "['id']", "[0]", "[499]", ".0"]))
                    .prop_map(|(a, b)| format!("({a}){b}")),
            ]
        })
        .boxed()
}

/// What may be done with values of any kinds.
fn compared(of: BoxedStrategy<String>) -> BoxedStrategy<String> {
    const OPERATORS: &[&str] = &["==", "!=", "<", "<=", ">", ">=", "and", "or"];
    prop_oneof![
        3 => (of.clone(), select(OPERATORS), of.clone())
            .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        2 => (of.clone(), of.clone(), of.clone())
            .prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
        1 => of.clone().prop_map(|a| format!("({a} in ['a', 1, -1, none])")),
        1 => of.clone().prop_map(|a| format!("(not {a})")),
        1 => (of, text(&["defined", "undefined", "none"]))
            .prop_map(|(a, b)| format!("(({a}) is {b})")),
    ]
    .boxed()
}

/// A text, made as long as it goes.
fn long_text() -> BoxedStrategy<String> {
    const FILTERS: &[&str] = &[
        "upper",
        "lower",
        "capitalize",
        "title",
        "trim",
        "default('a', true)",
        "lines|join",
        "lines|join(entry.comment)",
        "lines|last|default('a')",
        "lines|first",
        "lines|length|trim",
    ];
    let known = text(&[
        "order.id",
        "order.attributes.note",
        "entry.comment",
        "'a'",
        "x",
        "now",
        "order.state",
    ]);
    known
        .prop_recursive(5, 24, 3, |inner| {
            prop_oneof![
                4 => (inner.clone(), select(FILTERS)).prop_map(|(e, f)| format!("({e})|{f}")),
                2 => (inner.clone(), inner.clone(), inner)
                    .prop_map(|(a, b, c)| format!("({a} if {b} < {c} else {c})")),
            ]
        })
        .boxed()
}

/// A list.
fn list() -> BoxedStrategy<String> {
    let lists = text(&["order.lines", "order.lines", "order.holds", "['a', 'b', 1]"]);
    prop_oneof![
        4 => lists,
        1 => text(&["order.attributes|items", "order.customer|items", "entry.comment"]),
        1 => long_text().prop_map(|e| format!("({e})|lines")),
    ]
    .boxed()
}

/// An expression of all that Jinja has.
fn any_expr() -> BoxedStrategy<String> {
    const FILTERS: &[&str] = &[
        "abs",
        "attr",
        "batch",
        "bool",
        "capitalize",
        "center",
        "default",
        "dictsort",
        "escape",
        "first",
        "float",
        "format",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "lines",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "pprint",
        "random",
        "reject",
        "replace",
        "reverse",
        "round",
        "safe",
        "select",
        "slice",
        "sort",
        "split",
        "string",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "urlencode",
        "wordwrap",
        "zip",
    ];
    const TESTS: &[&str] = &[
        "defined",
        "divisibleby",
        "eq",
        "even",
        "in",
        "iterable",
        "lower",
        "mapping",
        "none",
        "number",
        "odd",
        "sameas",
        "sequence",
        "startingwith",
        "string",
        "undefined",
        "upper",
    ];
    const OPERATORS: &[&str] = &[
        "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in",
        "and", "or",
    ];
    atom()
        .prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                4 => (inner.clone(), select(OPERATORS), inner.clone())
                    .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
                3 => (inner.clone(), select(FILTERS)).prop_map(|(e, f)| format!("{e}|{f}")),
                2 => (inner.clone(), select(FILTERS), inner.clone(), inner.clone())
                    .prop_map(|(e, f, a, b)| format!("{e}|{f}({a}, {b})")),
                1 => (inner.clone(), select(TESTS), inner.clone())
                    .prop_map(|(e, t, a)| format!("{e} is {t}({a})")),
                1 => (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
                1 => (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("{a}[{b}:{c}]")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}, {b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}({b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}(*{b}, **{b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} < {b} < {a}")),
                1 => inner.clone().prop_map(|a| format!("not {a}")),
                1 => inner.clone().prop_map(|a| format!("-{a}")),
                1 => inner.clone().prop_map(|a| format!("({a})")),
                1 => inner.prop_map(|a| format!("{a}.upper()")),
            ]
        })
        .boxed()
}

/// Tags around tags, of what is allowed. With `kinds` most values are of the kinds that are
/// asked for, so that a rendering goes on.
fn allowed_body(kinds: bool, mail: bool) -> BoxedStrategy<String> {
    let (written, asked, walked) = if kinds {
        let any = prop_oneof![
            long_text(),
            list().prop_filter("no list", |l| !l.starts_with('['))
        ];
        (long_text(), compared(any.boxed()), list())
    } else {
        (allowed_expr(), allowed_expr(), allowed_expr())
    };
    let leaf = prop_oneof![
        4 => written.clone().prop_map(|e| format!("{{{{ {e} }}}}")),
        2 => written.prop_map(|e| format!("{{% set x = {e} %}}")),
        1 => (1_usize..40).prop_map(|n| "text ".repeat(n)),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let body = prop::collection::vec(inner, 1..4).prop_map(|parts| parts.concat());
        let (e, list, a) = (asked.clone(), walked.clone(), body.clone());
        let mut tags = vec![
            (e.clone(), a.clone(), a.clone())
                .prop_map(|(e, a, b)| {
                    format!("{{% if {e} %}}{a}{{% elif 1 %}}{b}{{% else %}}{a}{{% endif %}}")
                })
                .boxed(),
            (list.clone(), a.clone())
                .prop_map(|(l, a)| {
                    format!("{{% for line in {l} %}}{a}{{% else %}}{a}{{% endfor %}}")
                })
                .boxed(),
            (list, e, a)
                .prop_map(|(l, e, a)| format!("{{% for y in {l} if {e} %}}{a}{{% endfor %}}"))
                .boxed(),
        ];
        if mail {
            let block =
                |(name, a)| format!("{{% block {name} %}}{a}{{{{ super() }}}}{{% endblock %}}");
            let include = |(file, a)| format!("{a}{{% include \"{file}\" %}}");
            let names = select(&["p", "q", "r"][..]);
            tags.push((names, body.clone()).prop_map(block).boxed());
            tags.push((select(&FILES[1..]), body).prop_map(include).boxed());
        }
        prop::strategy::Union::new(tags)
    })
    .prop_map(|body| format!("{{% set x = 'x' %}}{body}"))
    .boxed()
}

/// Tags around tags, of all that Jinja has.
fn any_body() -> BoxedStrategy<String> {
    let expr = any_expr();
    let leaf = prop_oneof![
        4 => expr.clone().prop_map(|e| format!("{{{{ {e} }}}}")),
        2 => expr.clone().prop_map(|e| format!("{{% set x = {e} %}}")),
        1 => expr.clone().prop_map(|e| format!("{{% set x, y = {e}, {e} %}}")),
        1 => expr.clone().prop_map(|e| format!("{{% set order.x = {e} %}}")),
        1 => expr.clone().prop_map(|e| format!("{{% do {e} %}}")),
        1 => expr.clone().prop_map(|e| format!("{{% include {e} %}}")),
        1 => expr.clone().prop_map(|e| format!("{{% import {e} as y %}}")),
        1 => text(&[
            "{% extends 'a.txt' %}", "{% include 'b.html' %}", "{% from 'c.txt' import x %}",
            "{{ super() }}", "{{ self.p() }}", "{% break %}", "{% raw %}{{ x }}{% endraw %}",
            "{# note #}", "text", "{{", "{%", "%}", "}}", "{% endif %}", "{% else %}", "\u{0}ä",
        ]),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let body = prop::collection::vec(inner, 1..4).prop_map(|parts| parts.concat());
        (
            select(
                &[
                    "if",
                    "for",
                    "with",
                    "filter",
                    "macro",
                    "call",
                    "block",
                    "autoescape",
                    "set",
                ][..],
            ),
            expr.clone(),
            body,
        )
            .prop_map(|(tag, e, a)| match tag {
                "for" => {
                    format!("{{% for line in {e} recursive %}}{a}{{{{ loop({e}) }}}}{{% endfor %}}")
                }
                "with" => format!("{{% with x = {e} %}}{a}{{% endwith %}}"),
                "filter" => format!("{{% filter upper %}}{a}{{% endfilter %}}"),
                "macro" => format!("{{% macro x(y={e}) %}}{a}{{% endmacro %}}{{{{ x() }}}}"),
                "call" => format!("{{% call x({e}) %}}{a}{{% endcall %}}"),
                "block" => format!("{{% block p %}}{a}{{% endblock %}}"),
                "set" => format!("{{% set x %}}{a}{{% endset %}}"),
                tag => format!("{{% {tag} {e} %}}{a}{{% end{tag} %}}"),
            })
    })
    .boxed()
}

/// Whole templates, each with its files.
fn files(of: BoxedStrategy<String>) -> BoxedStrategy<Vec<String>> {
    let extends = prop_oneof![
        8 => Just(String::new()),
        1 => select(&FILES[1..]).prop_map(|file| format!("{{% extends \"{file}\" %}}")),
    ];
    prop::collection::vec((extends, of).prop_map(|(a, b)| a + &b), 3).boxed()
}

fn runs(templates: BoxedStrategy<Vec<String>>, language: Language) -> [usize; 3] {
    let counts = Arc::new(Mutex::new([0; 3]));
    let counted = Arc::clone(&counts);
    within_memory(|| {
        proptest!(|(files in templates)| {
            let came = came_of(&files, language);
            counted.lock().unwrap()[came as usize] += 1;
        });
    });
    let counts = *counts.lock().unwrap();
    let slowest = SLOWEST.lock().unwrap();
    println!(
        "{language:?}: refused, failed, rendered: {counts:?}, slowest {:?}",
        slowest.0
    );
    println!("the slowest: {}", slowest.1);
    counts
}

#[test]
fn templates_of_all_that_jinja_has_are_refused_or_bounded() {
    runs(files(any_body()), Language::Text);
    runs(files(any_body()), Language::Mail);
}

#[test]
fn templates_of_what_is_allowed_are_bounded() {
    for kinds in [false, true] {
        for language in [Language::Text, Language::Mail] {
            let body = allowed_body(kinds, language == Language::Mail);
            let [refused, failed, rendered] = runs(files(body), language);
            // The generator makes what is allowed, but for what is too deep or too long.
            assert!(refused < failed + rendered, "{refused} refused");
            assert!(!kinds || rendered > 0, "{kinds} {language:?}");
        }
    }
}

/// What costs most for each instruction, by what it does.
#[test]
fn the_worst_templates_are_bounded() {
    let every = |depth: usize, inner: &str| {
        let start = "{% for line in order.lines %}".repeat(depth);
        format!("{start}{inner}{}", "{% endfor %}".repeat(depth))
    };
    let wide = |inner: &str| every(2, &inner.repeat(3_500 / inner.len()));
    for language in [Language::Text, Language::Mail] {
        for inner in [
            "",
            "{% if line == line %}{% endif %}",
            "{% if order.lines == order.holds %}{% endif %}",
            "{% if order.attributes.note == entry.comment %}{% endif %}",
            "{% set x = order.attributes.note[499] %}",
            "{% set x = entry.sequence // 7 %}",
            "{% set x = 1e308 % 3 %}",
            "{% set x = order.lines | last %}",
            "{% set x = order.nothing | default(1) %}",
            "{% if order.id in ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'] %}{% endif %}",
            "{% for c in entry.comment %}{% endfor %}",
            "{% for c in [] %}{% endfor %}",
            "{% for c in order.lines if false %}{% endfor %}",
            "{{ '' }}",
            "{{ 1e308 }}",
            "{% set x = entry.comment | upper %}",
            "{% set x = entry.comment | lines | join %}",
            "{% set x = order.attributes | items %}",
            "{% set x = order.lines | length %}",
        ] {
            let start = Instant::now();
            let source = if inner.is_empty() {
                every(3, "")
            } else {
                wide(inner)
            };
            let came = came_of(&[source], language);
            println!("{:?} {language:?} {came:?} {inner}", start.elapsed());
            assert_ne!(came, Came::Refused, "{inner}");
        }
    }
    // Names are looked for in every tag around them.
    let deep = format!(
        "{}{}",
        "{% for a in ['a'] %}".repeat(29),
        every(2, "{{ '' if now }}")
    );
    let start = Instant::now();
    let came = came_of(&[deep + &"{% endfor %}".repeat(29)], Language::Mail);
    println!("{:?} Mail {came:?} in 31 loops", start.elapsed());
    assert_eq!(came, Came::Failed);
    for (inner, others) in [
        ("{% include \"b.html\" %}", ""),
        ("{% include \"b.html\" %}", "{% block p %}{% endblock %}"),
        ("{% include \"b.html\" %}", "{% extends \"c.txt\" %}"),
        (
            "{% include \"b.html\" %}{% include \"c.txt\" %}",
            "{% include \"c.txt\" %}",
        ),
    ] {
        let start = Instant::now();
        let files = [every(2, inner), others.to_owned(), String::new()];
        let came = came_of(&files, Language::Mail);
        println!("{:?} Mail {came:?} {inner} of {others}", start.elapsed());
        assert_eq!(came, Came::Failed);
    }
}

/// What costs most to check and to compile, as long as templates get.
#[test]
fn templates_are_checked_quickly() {
    for part in [
        "{{ now + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 }}",
        "{{ 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + now }}",
        "{{ now == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 == 1 }}",
        "{{ (((((((((((((((now in [1, 2, 3, 4, 5, 6, 7, 8, 9]) == 1) == 1) == 1) == 1) == 1) == 1) == 1) == 1) == 1) == 1) == 1) == 1) == 1) == 1) }}",
        "{{ not not not not not not not not not not not not not not not not not not not not now }}",
        "{{ now.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a }}",
        "{{ now|trim|trim|trim|trim|trim|trim|trim|trim|trim|trim|trim|trim|trim|trim|trim|trim }}",
        "{{ 1 if 1 else 1 if 1 else 1 if 1 else 1 if 1 else 1 if 1 else 1 if 1 else 1 if 1 else 1 }}",
        "{{ 1 is odd is odd is odd is odd is odd is odd is odd is odd is odd is odd is odd }}",
        "{{ 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' 'a' }}",
        "{{ '\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041' == now }}",
        "{% set x = now %}",
        "{% raw %}{{ now }}{% endraw %}",
        "{% raw %}",
        "{# note #}",
        "{#",
        "{{ '",
        "{%- if now -%} {%- endif -%} ",
        "{ { {",
    ] {
        for (language, length) in [(Language::Text, 4_000), (Language::Mail, 256 * 1024)] {
            let source = part.repeat(length / part.len());
            let start = Instant::now();
            let came = came_of(&[source], language);
            println!("{:?} {language:?} {came:?} {part:.40}", start.elapsed());
        }
        // As many as the tokens allow.
        let tokens = check(part, &SyntaxConfig::default(), Language::Mail);
        let times = tokens.map_or(1, |tokens| 9_900 / tokens.max(1));
        let start = Instant::now();
        let came = came_of(&[part.repeat(times)], Language::Mail);
        println!("{:?} {times} times {came:?} {part:.40}", start.elapsed());
    }
}
