//! Templates that try to grow: every construct that the language of Jinja has, in random trees.

use crate::load::Dice;

/// Filters of the engine, whether or not Waymark has them.
const FILTERS: [&str; 48] = [
    "upper",
    "lower",
    "capitalize",
    "title",
    "trim",
    "length",
    "string",
    "tojson",
    "escape",
    "safe",
    "first",
    "last",
    "sort",
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
    "default('x' * 99999999)",
    "slice(100000000)",
    "batch(3, 'x' * 1000000)",
    "batch(100000000)",
    "indent(1000000)",
    "indent(99999999, true)",
    "center(1000000000)",
    "round",
    "abs",
    "int",
    "float",
    "bool",
    "map(attribute='sku')",
    "map('upper')",
    "select",
    "groupby('sku')",
    "zip(order.lines)",
    "format(order.id, order.id)",
    "truncate(length=9999999)",
    "urlencode",
];

const VALUES: [&str; 24] = [
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
    "'aaaaaaaa'",
    "99999999",
    "1e308",
    "true",
    "order.lines[0]",
];

const TESTS: [&str; 9] = [
    "defined", "none", "string", "sequence", "mapping", "odd", "iterable", "in([1])", "eq(x)",
];

/// A template of at most some kilobytes.
pub fn template(dice: &mut Dice) -> String {
    let mut text = match dice.below(12) {
        0 => doubling(dice),
        1 => constants(dice),
        2 => nested_loops(dice),
        3 => nested_brackets(dice),
        _ => String::new(),
    };
    for _ in 0..=dice.below(4) {
        let depth = dice.below(5);
        text.push_str(&statement(dice, depth));
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

fn statement(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return match dice.below(4) {
            0 => "text \u{202e} {# remark #}".to_owned(),
            _ => format!("{{{{ {} }}}}", expression(dice, 2)),
        };
    }
    let inner = statement(dice, depth - 1);
    match dice.below(12) {
        0..=2 => format!(
            "{{% if {} %}}{inner}{{% else %}}{}{{% endif %}}",
            expression(dice, depth),
            statement(dice, 0)
        ),
        3..=5 => format!(
            "{{% for l in {} %}}{inner}{{% endfor %}}",
            expression(dice, 1)
        ),
        6 => format!(
            "{{% set {} = {} %}}{inner}",
            dice.pick(&["x", "y", "order", "x.y"]),
            expression(dice, depth)
        ),
        7 => format!(
            "{{% with x = {} %}}{inner}{{% endwith %}}",
            expression(dice, 1)
        ),
        8 => format!("{{% set x %}}{inner}{{% endset %}}{{{{ x ~ x }}}}"),
        9 => format!("{{% macro m(a) %}}{inner}{{{{ m(a) }}}}{{% endmacro %}}{{{{ m(1) }}}}"),
        10 => format!(
            "{{% filter {} %}}{inner}{{% endfilter %}}",
            dice.pick(&FILTERS)
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

fn expression(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 || dice.chance(25) {
        return (*dice.pick(&VALUES)).to_owned();
    }
    let one = expression(dice, depth - 1);
    match dice.below(14) {
        0..=5 => format!("{one}|{}", dice.pick(&FILTERS)),
        6 | 7 => format!(
            "({one} {} {})",
            dice.pick(&[
                "~", "+", "*", "==", "<", "and", "or", "in", "//", "**", "-", "%"
            ]),
            expression(dice, depth - 1)
        ),
        8 => format!("({one} is {})", dice.pick(&TESTS)),
        9 => format!("[{one}, {one}]"),
        10 => format!("({one} if {} else {one})", expression(dice, depth - 1)),
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
