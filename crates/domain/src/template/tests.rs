use std::time::{Duration, Instant};

use super::*;
use crate::{
    actor::Actor,
    judge::Facts,
    order::{Line, Order},
    value::{Attributes, Comment, LINES_MAX, LineId, Metadata, Sku, Timestamp},
    workflow::sample,
};

fn filled(text: &str) -> Result<String, TemplateError> {
    let (_, order) = sample::graph_and_order();
    filled_for(
        &Template::new(text).unwrap(),
        &order,
        &mut TextBudget::default(),
    )
}

fn filled_for(
    template: &Template,
    order: &Order,
    budget: &mut TextBudget,
) -> Result<String, TemplateError> {
    let (graph, _) = sample::graph_and_order();
    let facts = Facts {
        workflow: graph.workflow(),
        order,
        actor: &Actor::system(),
        comment: &Comment::new("please\nhurry").unwrap(),
        metadata: &Metadata::default(),
        now: Timestamp::from_micros(86_400_000_000),
        recorded: None,
        entry: None,
    };
    template.fill_in_within(&facts, budget)
}

/// An order as large as orders get.
fn large_order() -> Order {
    let (_, mut order) = sample::graph_and_order();
    let line = order.lines.first().unwrap().clone();
    order.lines = (0..LINES_MAX)
        .map(|number| Line {
            id: LineId::new(&number.to_string()).unwrap(),
            sku: Sku::new(&"s".repeat(128)).unwrap(),
            ..line.clone()
        })
        .collect();
    let notes = [("note".to_owned(), "n".repeat(4_000))];
    order.attributes = Attributes::new(notes.into()).unwrap();
    order
}

fn refusal(text: &str) -> String {
    match Template::new(text) {
        Err(Invalid::Template { problem }) => problem,
        Err(other) => other.to_string(),
        Ok(_) => format!(
            "not refused: {}",
            text.chars().take(200).collect::<String>()
        ),
    }
}

#[test]
fn fills_in_what_there_is() {
    for (text, expected) in [
        ("plain", "plain"),
        ("{{ order.state }} by {{ actor.kind }}", "new by system"),
        ("{{ request.comment | upper }}", "PLEASE\nHURRY"),
        ("{{ request.comment | lines | last }}", "hurry"),
        (
            "{{ request.comment | lines | join(' / ') | title }}",
            "Please / Hurry",
        ),
        ("{{ order.lines | length }}", "2"),
        ("{{ order.lines[1].id }}{{ order.lines.0.id }}", "21"),
        (
            "{{ (order.lines | first).id }}{{ (order.lines | last).id }}",
            "12",
        ),
        ("{% for l in order.lines %}{{ l.id }};{% endfor %}", "1;2;"),
        (
            "{% for l in order.lines if l.id == '2' %}{{ l.id }};{% endfor %}",
            "2;",
        ),
        (
            "{% for l in order.lines %}{{ loop.index + 1 }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "2, 3",
        ),
        (
            "{% if order.attributes.carrier %}x{% else %}none{% endif %}",
            "none",
        ),
        ("{{ order.attributes.carrier | default('none') }}", "none"),
        (
            "{{ 'x' if order.attributes.carrier is defined else 'y' }}",
            "y",
        ),
        (
            "{% set who = actor.kind | capitalize %}{{ who }}!",
            "System!",
        ),
        ("{{ order.state in ['new', 'old'] }}", "True"),
        ("{% for x in [1, -2] %}{{ x }}{% endfor %}", "1-2"),
        (
            "{{ (3 / 2) | round(1) }} {{ 7 // 2 }} {{ 7 % 4 }}",
            "1.5 3 3",
        ),
        ("{{ order.version - 1 }}{{ 'x' if false }}", "0"),
        ("{{ order.customer | items | length }}", "4"),
        ("{% raw %}{{ x }}{% endraw %}{# note #}", "{{ x }}"),
        ("{{ now }}", "1970-01-02T00:00:00Z"),
        ("<{{ order.status_label }}>", "<pending>"),
        // One list equals itself and no other.
        (
            "{{ order.lines == order.lines }}{{ order.lines == order.holds }}",
            "TrueFalse",
        ),
    ] {
        assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn refuses_what_is_not_there() {
    for bad in [
        "",
        "{{",
        "{{ order }}",
        "{{ order.nothing }}",
        "{{ nothing }}",
        "{% for x in order %}{% endfor %}",
        &"x".repeat(5_000),
    ] {
        assert!(Template::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_an_order_has_not_is_named_with_a_way_out() {
    const HELP: &str = "; `default('')` gives a text for what is missing";
    for (text, missing, line) in [
        (
            "{{ order.attributes.carrier }}",
            "order.attributes has no carrier",
            "",
        ),
        (
            "a\n{{ order.attributes.carrier | upper }}",
            "order.attributes has no carrier",
            " (line 2)",
        ),
        (
            "{{ order.attributes.carrier.name }}",
            "order.attributes has no carrier",
            "",
        ),
        (
            "{{ order.attributes['box no'] }}",
            "there is no order.attributes['box no']",
            "",
        ),
        ("{{ order.lines[7].sku }}", "there is no order.lines[7]", ""),
        (
            "{% for l in order.lines %}{{ l.attributes.box }}{% endfor %}",
            "l has no attributes",
            "",
        ),
        (
            "{% set box = order.attributes.box %}\n{{ box }}",
            "order.attributes has no box (from line 1)",
            " (line 2)",
        ),
    ] {
        let problem = filled(text).unwrap_err().message;
        assert_eq!(problem, format!("{missing}{HELP}{line}"), "{text}");
    }
    let with_way_out = "{{ order.attributes.carrier | default('') }}";
    assert_eq!(filled(with_way_out).as_deref(), Ok(""));
}

/// Everything that Jinja has and texts have not, with the word that the refusal names it by.
const REFUSED: &[(&str, &str)] = &[
    // What brought a server down.
    (
        "{{ ('x' * 100000) | replace('x', 'y' * 100000) | length }}",
        "the filter replace",
    ),
    (
        "{{ order.lines | map(attribute='sku') | join('y' * 50000000) }}",
        "multiplies with *",
    ),
    (
        "{% set x = 'a' %}{% set x = x ~ x %}{{ x }}",
        "joins with ~",
    ),
    (
        "{% set x = 'a' %}{% set x = x + x %}{{ x }}",
        "calculates without a number",
    ),
    (
        "{% set x = 'a' %}{% set x = x|replace('a', x) %}",
        "the filter replace",
    ),
    ("{{ 'a'*99000000~'a'*99000000 }}", "joins with ~"),
    ("{{ 'abc'|slice(100000000) }}", "the filter slice"),
    ("{{ (['a'] * 100000000)|join }}", "multiplies with *"),
    (
        "{% set x = [1] %}{% set x = [x,x] %}{{ x }}",
        "builds a list",
    ),
    ("{% set x = [1] %}{{ [1] == [1] }}", "builds a list"),
    // Others of their kind.
    ("{{ 2 ** 100 }}", "**"),
    ("{{ 'x' * 3 }}", "*"),
    ("{{ 3 * order.comment }}", "*"),
    ("{% set x = 1, 2 %}", "builds a list"),
    ("{% set x = (1, 2) %}", "builds a list"),
    ("{{ {'a': 1} }}", "builds a map"),
    ("{{ order.attributes == {'a': 1} }}", "builds a map"),
    ("{{ order.lines == [1] }}", "builds a list"),
    (
        "{{ order.id in order.attributes }}",
        "looks in a value with in",
    ),
    (
        "{{ order.id not in request.comment }}",
        "looks in a value with in",
    ),
    ("{{ 1 < order.version in [1] }}", "joins in with other"),
    ("{{ order.id in [order.state] }}", "puts values into a list"),
    ("{{ order.id in [[1]] }}", "puts values into a list"),
    (
        "{% for x in [order.id] %}{% endfor %}",
        "puts values into a list",
    ),
    ("{{ request.comment[1:2] }}", "cuts out a part"),
    ("{{ order.lines[::2] }}", "cuts out a part"),
    ("{{ request.comment[-1] }}", "looks up a value"),
    ("{{ request.comment[500] }}", "looks up a value"),
    ("{{ order.attributes[order.id] }}", "looks up a value"),
    ("{{ range(1000000) }}", "calls range()"),
    ("{% for x in range(1000000) %}{% endfor %}", "calls range()"),
    ("{{ lipsum() }}", "calls lipsum()"),
    ("{{ dict(a=1) }}", "calls dict()"),
    ("{{ debug() }}", "calls debug()"),
    ("{% set ns = namespace(x=1) %}", "calls namespace()"),
    ("{% set order.x = 1 %}", "sets more than one name"),
    ("{{ request.comment.upper() }}", "calls upper()"),
    ("{{ loop.cycle(1) }}", "calls cycle()"),
    (
        "{% for x in order.lines recursive %}{{ loop(order.lines) }}{% endfor %}",
        "recursive",
    ),
    (
        "{% for (a, (b, c)) in order.lines %}{% endfor %}",
        "takes nested lists apart",
    ),
    ("{{ super() }}", "super()"),
    ("{{ self.x() }}", "calls x()"),
    ("{% set x %}a{% endset %}", "the tag set with a body"),
    ("{% with x = 1 %}{% endwith %}", "the tag with"),
    ("{% filter upper %}a{% endfilter %}", "the tag filter"),
    ("{% macro a() %}{% endmacro %}", "the tag macro"),
    ("{%- call a() %}{% endcall %}", "the tag call"),
    ("{% do a() %}", "the tag do"),
    (
        "{% autoescape true %}{% endautoescape %}",
        "the tag autoescape",
    ),
    ("{% include 'x' %}", "the tag include"),
    ("{% extends 'x' %}", "the tag extends"),
    ("{% block x %}{% endblock %}", "the tag block"),
    ("{% import 'x' as y %}", "the tag import"),
    ("{% from 'x' import y %}", "the tag from"),
    ("{{ order.lines | batch(2) }}", "the filter batch"),
    ("{{ order.id | indent(1000000) }}", "the filter indent"),
    ("{{ order.id | center(1000000) }}", "the filter center"),
    ("{{ order.id | format('%1000000d') }}", "the filter format"),
    ("{{ order.lines | sort }}", "the filter sort"),
    ("{{ order.lines | tojson }}", "the filter tojson"),
    ("{{ order.lines | list }}", "the filter list"),
    ("{{ order.id | safe }}", "the filter safe"),
    (
        "a\n{{ order.id | reverse }}",
        "the filter reverse; there are upper, lower",
    ),
    ("a\n{{ order.id | reverse }}", "(line 2)"),
    ("{{ order.id | upper(1) }}", "1 arguments"),
    ("{{ order.id | default(value=1) }}", "by name"),
    ("{{ order.id | default(*order.lines) }}", "by name or *"),
    (
        "{{ order.id is containing('x') }}",
        "the test is containing",
    ),
    ("{{ order.id is sameas order.lines }}", "the test is sameas"),
    ("{{ order.version is odd(1) }}", "arguments"),
];

#[test]
fn refuses_by_name_what_texts_have_not() {
    for (text, named) in REFUSED {
        let refusal = refusal(text);
        assert!(refusal.contains(named), "{text}: {refusal}");
    }
}

#[test]
fn refuses_what_is_too_deep_or_too_long() {
    const SIGNS: &str = "names and signs";
    const NESTED: &str = "nested more than 32 deep";
    let deep = |open: &str, middle: &str, close: &str, times: usize| {
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    let long = [
        ("{{ ", "-", 4_000, "1 }}", SIGNS),
        ("{{ ", "- ", 2_000, "1 }}", SIGNS),
        ("{{ ", "not ", 1_000, "1 }}", SIGNS),
        ("{{ order.id", ".a", 1_500, " }}", SIGNS),
        ("{{ order.id", "|e", 1_500, " }}", SIGNS),
        ("{{ 1", "+1", 1_500, " }}", SIGNS),
        ("{{ 1", " if 1 else 1", 300, " }}", SIGNS),
        ("{{ 1 is odd", " is odd", 300, " }}", SIGNS),
        ("{% if 1 %}", "{% elif 1 %}", 300, "{% endif %}", NESTED),
        ("", "{% set a %}", 370, "", "recursion"),
    ]
    .map(|(before, piece, times, after, named)| {
        (format!("{before}{}{after}", piece.repeat(times)), named)
    });
    let nested = [
        (
            format!("{{{{ {} }}}}", deep("(", "1", ")", 1_000)),
            "brackets",
        ),
        (
            format!("{{{{ {} }}}}", deep("[", "1", "]", 1_000)),
            "brackets",
        ),
        (deep("{% if 1 %}", "", "{% endif %}", 100), NESTED),
        (
            deep("{% for a in order.lines %}", "", "{% endfor %}", 80),
            NESTED,
        ),
    ];
    for (text, named) in long.into_iter().chain(nested) {
        let refusal = refusal(&text);
        assert!(
            refusal.contains(named),
            "{}: {refusal}",
            text.get(..60).unwrap_or(&text)
        );
    }
    // What is just within the limits is compiled and filled in.
    for text in [
        deep("{% if 1 %}", "x", "{% endif %}", 32),
        format!("{{{{ {}1 }}}}", "not ".repeat(120)),
        format!("{{{{ {} }}}}", deep("(", "1", ")", 16)),
    ] {
        assert!(filled(&text).is_ok(), "{text}");
    }
}

#[test]
fn a_rendering_has_a_budget() {
    let order = large_order();
    let all = |inner: &str| {
        format!(
            "{{% for a in order.lines %}}{{% for b in order.lines %}}{inner}{{% endfor %}}{{% endfor %}}"
        )
    };
    for (text, problem) in [
        (all(""), "20000 instructions"),
        (
            all("{% for c in order.lines %}{% endfor %}"),
            "20000 instructions",
        ),
        (all("{{ a.sku }}"), "more than 16384 bytes"),
        (all(&"x".repeat(3_000)), "more than 16384 bytes"),
        (all("{% if a == b %}{% endif %}"), "20000 instructions"),
        (all("{% set x = a.sku | upper %}"), "more than 262144 bytes"),
        (
            all("{% set x = order.attributes.note | lines %}"),
            "more than 262144 bytes",
        ),
        (
            all("{% set x = order.attributes | items %}"),
            "more than 262144 bytes",
        ),
        ("{{ order.lines }}".to_owned(), "a list is no text"),
        (
            "{{ order.customer | upper }}".to_owned(),
            "a map is no text",
        ),
        ("{{ order.lines | join }}".to_owned(), "a map is no text"),
        (
            "{% for l in order.lines %}{{ loop }}{% endfor %}".to_owned(),
            "is no text",
        ),
        (
            "{% for c in order.lines %}{% if c.sku + 1 %}{% endif %}{% endfor %}".to_owned(),
            "string",
        ),
    ] {
        let template = Template::new(&text).unwrap();
        let start = Instant::now();
        let refused = filled_for(&template, &order, &mut TextBudget::default()).unwrap_err();
        assert!(refused.message.contains(problem), "{text}: {refused}");
        // Milliseconds, on a machine that does nothing else.
        assert!(start.elapsed() < Duration::from_secs(2), "{text}");
    }
    // A chain of names holds what its filters made, which is counted.
    let doubled =
        "{% set x = request.comment | upper %}".to_owned() + &"{% set x = x | upper %}".repeat(100);
    assert_eq!(
        filled(&format!("{doubled}{{{{ x }}}}")).as_deref(),
        Ok("PLEASE\nHURRY")
    );
}

#[test]
fn the_texts_of_a_step_have_a_budget_together() {
    let order = large_order();
    let template = Template::new("{{ order.lines | length }}").unwrap();
    let mut budget = TextBudget::default();
    let filled = (0..1_000)
        .take_while(|_| filled_for(&template, &order, &mut budget).is_ok())
        .count();
    // 500 lines of nine fields are seen each time.
    assert!((20..60).contains(&filled), "{filled}");
    let refused = filled_for(&template, &order, &mut budget).unwrap_err();
    assert!(refused.message.contains("of this step"), "{refused}");
}

#[test]
fn what_is_stored_is_read_right_or_wrong() {
    for (text, _) in REFUSED {
        let json = serde_json::to_string(text).unwrap();
        let template: Template = serde_json::from_str(&json).unwrap();
        assert_eq!(template.as_str(), *text);
        let problem = template.problem().unwrap().to_owned();
        let order = large_order();
        let refused = filled_for(&template, &order, &mut TextBudget::default()).unwrap_err();
        assert_eq!(refused.message, problem);
        assert_eq!(serde_json::to_string(&template).unwrap(), json);
    }
    let template: Template = serde_json::from_str("\"{{ order.id }}\"").unwrap();
    assert_eq!(template.problem(), None);
}
