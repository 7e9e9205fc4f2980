//! Templates that try to grow: every construct that the language of Jinja has, in random trees, and trees of what texts
//! may have, since one word that they may not have is enough for a refusal.

use crate::load::Dice;

/// What a template is made of.
#[derive(Debug, Clone, Copy)]
struct Words {
    filters: &'static [&'static str],
    values: &'static [&'static str],
    tests: &'static [&'static str],
    operators: &'static [&'static str],
    /// Whether there are tags and calls that texts do not have.
    is_whole: bool,
}

/// What texts have, with arguments at the edges.
const OURS: Words = Words {
    filters: &[
        "upper",
        "lower",
        "capitalize",
        "title",
        "trim",
        "default('none')",
        "default(order.lines, true)",
        "default('\u{df}', true)",
        "length",
        "first",
        "last",
        "join",
        "join(', ')",
        "join(request.comment)",
        "join(order.id)",
        "lines",
        "items",
        "round",
        "round(100000000)",
        "round(-9)",
    ],
    values: &[
        "order.id",
        "order.status_label",
        "order.lines",
        "order.attributes",
        "order.attributes.a",
        "order.customer.name",
        "order.customer",
        "order.holds",
        "order.grand_total",
        "order.total_due",
        "entry.comment",
        "entry.to_status",
        "entry.sequence",
        "actor.id",
        "now",
        "x",
        "y",
        "l",
        "l.sku",
        "l.name",
        "loop.index",
        "loop.last",
        "loop.previtem",
        "'aaaaaaaa'",
        "'\u{390}\u{fb03}\u{149}\u{130}\u{df}'",
        "'a\u{301}\u{200d}\u{1f469}\u{202e}'",
        "99999999",
        "9223372036854775807",
        "340282366920938463463374607431768211455",
        "1e308",
        "-0.0",
        "true",
        "none",
        "[1, 'a']",
        "order.lines[0]",
        "order.lines[499].sku",
    ],
    tests: &["defined", "undefined", "none", "odd", "even"],
    operators: &[
        "+", "-", "/", "//", "%", "==", "!=", "<", "<=", ">", "and", "or",
    ],
    is_whole: false,
};

/// What the engine has, whether or not Waymark has it.
const JINJA: Words = Words {
    filters: &[
        "upper",
        "lower",
        "capitalize",
        "title",
        "trim",
        "trim('a')",
        "length",
        "count",
        "string",
        "tojson",
        "tojson(indent=99999)",
        "escape",
        "safe",
        "first",
        "last",
        "sort",
        "sort(reverse=true, attribute='sku')",
        "unique",
        "reverse",
        "list",
        "items",
        "dictsort",
        "sum",
        "min",
        "max",
        "lines",
        "chain(order.lines)",
        "join(', ')",
        "join('y' * 50000000)",
        "replace('a', 'bbbbbbbbbbbbbbbb')",
        "replace('', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')",
        "default('none')",
        "d('x' * 99999999)",
        "slice(100000000)",
        "slice(0)",
        "batch(3, 'x' * 1000000)",
        "batch(100000000)",
        "batch(0)",
        "indent(1000000)",
        "indent(99999999, true)",
        "center(1000000000)",
        "round",
        "abs",
        "int",
        "float",
        "bool",
        "attr('sku')",
        "map(attribute='sku')",
        "map('upper')",
        "map('map', 'upper')",
        "select",
        "select('odd')",
        "selectattr('sku')",
        "reject",
        "rejectattr('sku', 'eq', 1)",
        "groupby('sku')",
        "split",
        "split('a', 99999999)",
        "zip(order.lines)",
        "format(order.id, order.id)",
        "truncate(length=9999999)",
        "wordcount",
        "wordwrap(1)",
        "striptags",
        "filesizeformat",
        "pluralize",
        "random",
        "pprint",
        "xmlattr",
        "datetimeformat",
        "urlencode",
        "urlize",
    ],
    values: &[
        "order.id",
        "order.status_label",
        "order.lines",
        "order.attributes",
        "order.customer.name",
        "order.grand_total",
        "order.total_due",
        "request.comment",
        "request.metadata",
        "actor.id",
        "actor.roles",
        "entry.to_status",
        "now",
        "x",
        "y",
        "l",
        "l.sku",
        "l.name",
        "loop.index",
        "loop.changed(l)",
        "loop.cycle(x, y)",
        "loop.nextitem",
        "'aaaaaaaa'",
        "99999999",
        "1e308",
        "true",
        "order.lines[0]",
        "{'a': order.lines}",
        "range(1000)",
        "self",
        "caller()",
    ],
    tests: &[
        "defined",
        "none",
        "string",
        "number",
        "sequence",
        "mapping",
        "odd",
        "divisibleby(0)",
        "iterable",
        "in([1])",
        "eq(x)",
        "sameas(x)",
        "startingwith('a')",
        "endingwith('')",
        "safe",
        "upper",
        "filter",
        "test",
    ],
    operators: &[
        "~", "+", "*", "==", "<", "and", "or", "in", "//", "**", "-", "%",
    ],
    is_whole: true,
};

/// A template of at most some kilobytes.
pub fn template(dice: &mut Dice) -> String {
    let mut text = match dice.below(16) {
        0 => doubling(dice),
        1 => constants(dice),
        2 => nested_loops(dice),
        3 => nested_brackets(dice),
        4 => unicode(dice),
        5 => long(dice),
        6 => torn(dice),
        _ => String::new(),
    };
    let words = *dice.pick(&[OURS, OURS, JINJA]);
    for _ in 0..=dice.below(4) {
        let depth = dice.below(5);
        text.push_str(&statement(dice, words, depth));
    }
    text
}

/// Values that double again and again.
fn doubling(dice: &mut Dice) -> String {
    let times = 1 + dice.below(60);
    let first = *dice.pick(&[
        "'aaaaaaaa'",
        "[1]",
        "[order.lines]",
        "order.id",
        "request.comment",
        "{'a': 1}",
    ]);
    let (open, step, close) = *dice.pick(&[
        ("{% set x = ", "x ~ x", " %}"),
        ("{% set x = ", "[x, x]", " %}"),
        ("{% set x = ", "x + x", " %}"),
        ("{% set x = ", "x * 8", " %}"),
        ("{% set x = ", "x|replace('a', x)", " %}"),
        ("{% set x = ", "{'a': x, 'b': x}", " %}"),
        ("{% set x = ", "(x, x)", " %}"),
        ("{% set x = ", "x|join(x)", " %}"),
        ("{% set x %}", "{{ x }}{{ x }}", "{% endset %}"),
        ("{% set x = ", "'%s%s'|format(x, x)", " %}"),
        ("{% with x = ", "x ~ x", " %}"),
    ]);
    let mut text = format!("{{% set x = {first} %}}");
    text += &format!("{open}{step}{close}").repeat(times);
    let end = *dice.pick(&[
        "{{ x }}",
        "{{ x|length }}",
        "{{ x == x }}",
        "{{ x < x }}",
        "{{ x|sort }}",
        "{{ x in x }}",
    ]);
    text.push_str(end);
    text
}

/// Constants that an engine may fold while it reads them.
fn constants(dice: &mut Dice) -> String {
    let one = *dice.pick(&[
        "'a' * 99000000",
        "[1] * 99000000",
        "'a'|center(99000000)",
        "range(99000000)",
        "'a'|indent(99000000)",
        "('a' * 1000)|replace('a', 'b' * 100000)",
        "10 ** 100",
        "'abc'[::1] * 9999999",
        "[[1] * 10000] * 10000",
        "-9223372036854775807 - 9",
        "9223372036854775807 * 9223372036854775807",
        "1 // 0",
    ]);
    let with = *dice.pick(&["~", "+", "==", "and", "in", "*"]);
    let times = 1 + dice.below(60);
    let sum = vec![one; times].join(with);
    let (open, close) = *dice.pick(&[
        ("{{ ", " }}"),
        ("{% if ", " %}a{% endif %}"),
        ("{% for x in ", " %}{{ x }}{% endfor %}"),
        ("{% set x = ", " %}"),
    ]);
    format!("{open}{sum}{close}")
}

fn nested_loops(dice: &mut Dice) -> String {
    let depth = 1 + dice.below(12);
    let over = *dice.pick(&[
        "order.lines",
        "range(1000)",
        "range(10**9)",
        "request.comment",
        "order.attributes",
        "x",
        "'aaaaaaaaaaaaaaaaaaaa'",
    ]);
    let recursive = *dice.pick(&["", "", " recursive", " if loop"]);
    let body = *dice.pick(&[
        "{{ order.id }}",
        "",
        "{{ loop(order.lines) }}",
        "{{ order.lines|length }}",
        "{% set y = order.lines %}",
        "{{ order.lines == order.lines }}",
    ]);
    let loops = (0..depth).map(|level| format!("{{% for l{level} in {over}{recursive} %}}"));
    let open = loops.collect::<Vec<_>>().concat();
    format!("{open}{body}{}", "{% endfor %}".repeat(depth))
}

/// What nests deeper than a reader that calls itself can bear.
fn nested_brackets(dice: &mut Dice) -> String {
    let times = *dice.pick(&[10, 40, 100, 400, 900]);
    let (open, close) = *dice.pick(&[
        ("(", ")"),
        ("[", "]"),
        ("not ", ""),
        ("-", ""),
        ("{'a':", "}"),
        ("order.id|default(", ")"),
        ("order.lines[", "]"),
        ("1 if ", ""),
    ]);
    let inside = format!("{}order.id{}", open.repeat(times), close.repeat(times));
    let (before, after) = *dice.pick(&[("{{ ", " }}"), ("{% if ", " %}{% endif %}")]);
    if dice.chance(20) {
        let times = times.min(150);
        return format!(
            "{}x{}",
            "{% if order.id %}".repeat(times),
            "{% endif %}".repeat(times)
        );
    }
    format!("{before}{inside}{after}")
}

/// Letters whose capitals are several, or longer in bytes, in filters one after the other.
fn unicode(dice: &mut Dice) -> String {
    let letter = *dice.pick(&[
        "\u{390}", "\u{fb03}", "\u{149}", "\u{130}", "\u{1f52}", "\u{df}", "\u{250}", "\u{fdfa}",
        "a\u{301}",
    ]);
    let letters = letter.repeat(1 + dice.below(600));
    let filters = ["upper", "lower", "title", "capitalize"];
    let times = 1 + dice.below(20);
    let chain: Vec<&str> = (0..times).map(|_| *dice.pick(&filters)).collect();
    let around = *dice.pick(&["{{ V }}", "{% for l in order.lines %}{{ V }}{% endfor %}"]);
    around.replace('V', &format!("'{letters}'|{}", chain.join("|")))
}

/// One thing again and again, up to what a text may have.
fn long(dice: &mut Dice) -> String {
    let piece = *dice.pick(&[
        "{{ order.lines }}",
        "{{ order.attributes.a }}",
        "{{ order.lines|join(order.attributes.a) }}",
        "{{ order }}",
        "{% if order.lines == order.lines %}a{% endif %}",
        "{% for l in order.lines %}{{ l }}{% endfor %}",
        "{% for l in order.attributes.a %}{{ l }}{% endfor %}",
        "{% for k, v in order.attributes|items %}{{ v|upper }}{% endfor %}",
        "{{ loop.index }}",
        "{# remark #}",
        "{{ '\\u{10ffff}' }}",
        "{{- x -}}",
        "\u{202e}",
        "%}",
        "{% set x = order.attributes.a %}",
    ]);
    piece.repeat(1 + dice.below(4_096 / piece.len()))
}

/// What is begun and not ended, and signs of the language in the wrong place.
fn torn(dice: &mut Dice) -> String {
    let mut text: Vec<char> = statement(dice, OURS, 3).chars().collect();
    for _ in 0..=dice.below(4) {
        let place = dice.below(text.len().max(1));
        let signs = [
            '{', '}', '%', '#', '\'', '"', '|', '(', '\\', '\u{0}', '-', '.',
        ];
        text.insert(place.min(text.len()), *dice.pick(&signs));
    }
    text.into_iter().collect()
}

fn statement(dice: &mut Dice, words: Words, depth: usize) -> String {
    if depth == 0 {
        return match dice.below(4) {
            0 => "text \u{202e} {# remark #}".to_owned(),
            _ => format!("{{{{ {} }}}}", expression(dice, words, 2)),
        };
    }
    let inner = statement(dice, words, depth - 1);
    match dice.below(if words.is_whole { 12 } else { 7 }) {
        0..=2 => format!(
            "{{% if {} %}}{inner}{{% else %}}{}{{% endif %}}",
            expression(dice, words, depth),
            statement(dice, words, 0)
        ),
        3..=5 => format!(
            "{{% for l in {} %}}{inner}{{% endfor %}}",
            iterated(dice, words)
        ),
        6 => format!(
            "{{% set {} = {} %}}{inner}",
            dice.pick(&["x", "y", "x", "y", "order", "x.y"]),
            expression(dice, words, depth)
        ),
        7 => format!(
            "{{% with x = {} %}}{inner}{{% endwith %}}",
            expression(dice, words, 1)
        ),
        8 => format!("{{% set x %}}{inner}{{% endset %}}{{{{ x ~ x }}}}"),
        9 => format!("{{% macro m(a) %}}{inner}{{{{ m(a) }}}}{{% endmacro %}}{{{{ m(1) }}}}"),
        10 => format!(
            "{{% filter {} %}}{inner}{{% endfilter %}}",
            dice.pick(words.filters)
        ),
        _ => {
            let tag = *dice.pick(&[
                "include 'x'",
                "extends 'x'",
                "import 'x' as x",
                "raw",
                "block b",
                "autoescape true",
                "do x()",
                "call m()",
                "break",
                "generate",
            ]);
            format!("{{% {tag} %}}{inner}")
        }
    }
}

/// What a loop goes over.
fn iterated(dice: &mut Dice, words: Words) -> String {
    const LISTS: [&str; 7] = [
        "order.lines",
        "order.lines if l.quantity_ordered > 0",
        "order.holds",
        "order.attributes|items",
        "entry.comment|lines",
        "x|lines",
        "['a', 'b', 1]",
    ];
    if dice.chance(50) {
        (*dice.pick(&LISTS)).to_owned()
    } else {
        expression(dice, words, 1)
    }
}

fn expression(dice: &mut Dice, words: Words, depth: usize) -> String {
    if depth == 0 || dice.chance(25) {
        return (*dice.pick(words.values)).to_owned();
    }
    let one = expression(dice, words, depth - 1);
    match dice.below(if words.is_whole { 14 } else { 11 }) {
        0..=5 => format!("{one}|{}", dice.pick(words.filters)),
        6 | 7 => format!(
            "({one} {} {})",
            dice.pick(words.operators),
            expression(dice, words, depth - 1)
        ),
        8 => format!("({one} is {})", dice.pick(words.tests)),
        9 if words.is_whole => format!("[{one}, {one}]"),
        9 => format!("({one} in ['a', 1, none])"),
        10 => format!(
            "({one} if {} else {one})",
            expression(dice, words, depth - 1)
        ),
        11 => format!(
            "{one}[{}:{}:{}]",
            dice.pick(&["", "0", "-99999999"]),
            dice.pick(&["", "9", "99999999"]),
            dice.pick(&["1", "-1", "0"])
        ),
        12 => format!(
            "{one}.{}()",
            dice.pick(&[
                "upper", "items", "keys", "join", "replace", "append", "split"
            ])
        ),
        _ => format!(
            "{}({one})",
            dice.pick(&[
                "range",
                "dict",
                "namespace",
                "cycler",
                "joiner",
                "debug",
                "lipsum",
                "loop",
                "self.b",
                "super"
            ])
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_what_texts_have_name_nothing_else() {
        for seed in 0..500 {
            let text = statement(&mut Dice::new(seed), OURS, 4);
            for foreign in ["macro", "include", "range(", "*", "~", "replace", "sort"] {
                assert!(!text.contains(foreign), "seed {seed}: {text}");
            }
        }
    }

    #[test]
    fn every_shape_is_made() {
        let mut dice = Dice::new(1);
        let all: String = (0..2_000).map(|_| template(&mut dice)).collect();
        for shape in [
            "\u{390}",
            "{% for l11",
            "{# remark #}{# remark #}",
            "endfilter",
        ] {
            assert!(all.contains(shape), "{shape}");
        }
    }
}
