//! Guards that try to cost: every construct that CEL has, in random trees.

use crate::load::Dice;

const VALUES: [&str; 52] = [
    "true",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615u",
    "0x7fffffffffffffff",
    "1e308",
    "1e999",
    "99999999999999999999999999999999",
    "'aaaaaaaaaaaaaaaa'",
    "'\\u0390\\U0001f469\\000'",
    "r'\\'",
    "\"\"\"a\nb\"\"\"",
    "b'abc'",
    "b'\\xff'",
    "null",
    "[]",
    "{}",
    "{1: 1, 1u: 2, 1.0: 3}",
    "order",
    "order.lines",
    "order.lines[0]",
    "order.lines[9223372036854775807]",
    "order.lines[0].name",
    "order.attributes",
    "order.attributes['a']",
    "order.attributes.a",
    "order.customer",
    "order.customer.email",
    "order.holds",
    "order.id",
    "order.state",
    "order.status",
    "order.grand_total",
    "order.total_due",
    "order.fully_shipped",
    "actor",
    "actor.roles",
    "actor.id",
    "request.comment",
    "request.metadata",
    "now",
    "entry.to_status",
    "l",
    "l.sku",
    "l.quantity_ordered",
    "duration('1h')",
    "duration('315576000000s')",
    "duration('-9223372036s')",
    "timestamp('2026-01-01T00:00:00Z')",
    "timestamp('9999-12-31T23:59:59.999999999Z')",
    "timestamp('0001-01-01T00:00:00Z')",
];

/// An expression of at most a thousand characters, most of the time.
pub fn guard(dice: &mut Dice) -> String {
    match dice.below(20) {
        0 => sums(dice),
        1 => nested_brackets(dice),
        2 | 3 => over_lines(dice),
        4 => loops_in_loops(dice),
        5 => patterns(dice),
        6 => times(dice),
        7 => long(dice),
        8..=10 => legal(dice),
        _ => {
            let depth = 1 + dice.below(5);
            expression(dice, depth)
        }
    }
}

/// What a shop may write, in long chains.
fn legal(dice: &mut Dice) -> String {
    const TERMS: [&str; 12] = [
        "order.grand_total > 1000",
        "order.fully_shipped",
        "'boss' in actor.roles",
        "size(order.lines) > 3",
        "'a' in order.attributes",
        "request.comment.contains('x')",
        "order.id.startsWith('l')",
        "order.lines.all(l, l.quantity_ordered > 0.0)",
        "order.lines.exists(l, l.sku == l.name)",
        "order.lines.exists(l, l.name.contains(l.sku))",
        "order.lines.filter(l, l.quantity_canceled == l.quantity_ordered).size() == 0",
        "now > timestamp('2026-01-01T00:00:00Z')",
    ];
    let mut text = (*dice.pick(&TERMS)).to_owned();
    for _ in 0..dice.below(16) {
        let term = *dice.pick(&TERMS);
        text = match dice.below(5) {
            0 => format!("!({text})"),
            1 => format!("({text}) ? {term} : true"),
            2 | 3 => format!("{text} && {term}"),
            _ => format!("({text}) || {term}"),
        };
    }
    text
}

/// Sums, comparisons and chains that repeat for as long as there is room.
fn sums(dice: &mut Dice) -> String {
    let value = *dice.pick(&VALUES);
    let with = *dice.pick(&["+", "==", "&&", "||", "<", "!=", " in ", "*"]);
    let times = 2 + dice.below(60);
    let sum = vec![value; times].join(with);
    let around = *dice.pick(&[
        "size(S) > 0",
        "S",
        "(S) == (S)",
        "string(S) == ''",
        "order.lines.all(l, size(S) > 0)",
        "order.lines.filter(l, l in (S)).size() > 0",
        "order.lines.exists(l, (S) == l.sku)",
    ]);
    around.replace('S', &sum).chars().take(1_000).collect()
}

fn over_lines(dice: &mut Dice) -> String {
    let call = *dice.pick(&["all", "exists", "exists_one", "filter", "map"]);
    let times = 1 + dice.below(24);
    let one = *dice.pick(&[
        "l.sku == l.name",
        "l.sku.contains(l.name)",
        "request.comment.contains(l.sku)",
        "request.comment.contains('aaaaaaaaaaaaaaaaaab')",
        "l.sku in actor.roles",
        "l.sku in order.attributes",
        "l in order.lines",
        "order.lines == order.lines",
        "size(order.lines + order.lines) > 0",
        "string(l) == 'x'",
        "l.sku + l.sku + l.sku == request.comment + request.comment",
        "l.quantity_ordered > 0.0",
        "order.lines.all(m, m == l)",
        "now > timestamp('2026-01-01T00:00:00Z')",
        "l.sku.matches('(a*)*b')",
        "has(l.sku)",
        "order.attributes == order.attributes",
        "request.metadata[l.sku] == l.sku",
    ]);
    let body = vec![one; times].join(*dice.pick(&[" && ", " || "]));
    let range = *dice.pick(&[
        "order.lines",
        "order.lines",
        "order.lines.filter(k, true)",
        "order.lines + order.lines",
        "order.attributes",
        "actor.roles",
        "[1, 2, 3]",
        "order.holds",
    ]);
    let text = format!("{range}.{call}(l, {body})");
    let end = *dice.pick(&["", "", ".size() > 0", " == order.lines"]);
    format!("{text}{end}").chars().take(1_000).collect()
}

/// Loops in loops, each over what the outer one is at or over all lines, with names of their own.
fn loops_in_loops(dice: &mut Dice) -> String {
    let depth = 2 + dice.below(8);
    let innermost = *dice.pick(&[
        "true",
        "l0.sku == l1.sku",
        "l0 == l1",
        "size(l0.name + l1.name) > 0",
        "request.comment.contains(l0.name)",
        "l1.sku in order.attributes",
        "has(l0.sku) && has(l1.sku)",
        "now > now",
    ]);
    (0..depth).rev().fold(innermost.to_owned(), |inner, level| {
        let range = *dice.pick(&[
            "order.lines",
            "order.lines",
            "order.lines.map(m, m.sku)",
            "order.lines.filter(m, m.quantity_ordered > 0.0)",
            "[1, 2, 3, 4, 5, 6, 7, 8, 9]",
            "actor.roles",
            "order.attributes",
        ]);
        match dice.below(5) {
            0 => format!("{range}.filter(l{level}, {inner}).size() >= 0"),
            1 => format!("size({range}.map(l{level}, {inner})) >= 0"),
            2 => format!("{range}.exists_one(l{level}, {inner})"),
            3 => format!("!{range}.exists(l{level}, !({inner}))"),
            _ => format!("{range}.all(l{level}, {inner})"),
        }
    })
}

/// Patterns at which a search that goes back takes for ever, and those that are large when compiled.
fn patterns(dice: &mut Dice) -> String {
    let pattern = *dice.pick(&[
        "(a*)*b",
        "(a|a)*b",
        "(a+)+$",
        "(.*a){30}",
        "(((a{50}){50}){50}){50}",
        "a{1000000000}",
        "[\\\\p{L}--a]{999}",
        "(?i)\\\\w{1000}",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(?:(?:(?:(?:(?:a))))))",
        "\\\\1",
        "(?=a)",
    ]);
    let of = *dice.pick(&[
        "order.attributes['a']",
        "order.lines[0].name",
        "order.id",
        "request.comment",
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
    ]);
    let one = match dice.below(3) {
        0 => format!("matches({of}, '{pattern}')"),
        _ => format!("{of}.matches('{pattern}')"),
    };
    if dice.chance(30) {
        format!("order.lines.all(l, l.name.matches('{pattern}') || {one})")
    } else {
        one
    }
}

/// Instants and durations at their edges.
fn times(dice: &mut Dice) -> String {
    const SOME: [&str; 12] = [
        "now",
        "(now - now)",
        "timestamp('9999-12-31T23:59:59.999999999Z')",
        "timestamp('0001-01-01T00:00:00Z')",
        "timestamp('2026-02-30T00:00:00Z')",
        "timestamp(253402300799)",
        "timestamp(9223372036854775807)",
        "duration('315576000000s')",
        "duration('-9223372036s')",
        "duration('1ns')",
        "duration('9999999999999999999999h')",
        "duration('1.0000000000000000000000001s')",
    ];
    let mut text = (*dice.pick(&SOME)).to_owned();
    for _ in 0..=dice.below(12) {
        text += *dice.pick(&[" + ", " - ", " < ", " == "]);
        text += *dice.pick(&SOME);
    }
    let call = *dice.pick(&[
        "",
        ".getFullYear() > 0",
        ".getMonth('Europe/Berlin') > 0",
        ".getHours('+99:99') > 0",
        ".getDayOfYear('x') > 0",
        ".getMilliseconds() > 0",
        ".getSeconds() > 0",
    ]);
    format!("({text}){call}")
}

/// What is long where other things are short.
fn long(dice: &mut Dice) -> String {
    let times = *dice.pick(&[10, 100, 300, 900]);
    match dice.below(8) {
        0 => format!("order.id == '{}'", "a".repeat(times)),
        1 => format!("order.{} == 1", "a.".repeat(times) + "a"),
        2 => format!("{} > 0", "9".repeat(times)),
        3 => format!("[{}].size() > 0", vec!["1"; times / 2].join(",")),
        4 => format!("order.id in [{}]", vec!["'a'"; times / 4].join(",")),
        5 => format!("order.lines{}", "[0]".repeat(times / 3)),
        6 => format!("a.b.C{{{}}} == null", vec!["f: 1"; times / 5].join(",")),
        _ => format!("true // {}", "\u{202e}".repeat(times)),
    }
}

fn nested_brackets(dice: &mut Dice) -> String {
    let times = *dice.pick(&[5, 20, 60, 150, 330]);
    let (open, close) = *dice.pick(&[
        ("(", ")"),
        ("[", "]"),
        ("!", ""),
        ("-", ""),
        ("{'a':", "}"),
        ("size(", ")"),
        ("order.lines.all(l,", ")"),
        ("has(", ")"),
        ("true ? true : ", ""),
    ]);
    format!("{}true{}", open.repeat(times), close.repeat(times))
}

fn expression(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 || dice.chance(20) {
        return (*dice.pick(&VALUES)).to_owned();
    }
    let one = expression(dice, depth - 1);
    match dice.below(12) {
        0..=2 => format!(
            "({one} {} {})",
            dice.pick(&["+", "-", "*", "/", "%"]),
            expression(dice, depth - 1)
        ),
        3 | 4 => format!(
            "({one} {} {})",
            dice.pick(&["==", "!=", "<", ">=", "in", "&&", "||"]),
            expression(dice, depth - 1)
        ),
        5 => format!("({one} ? {one} : {})", expression(dice, depth - 1)),
        6 => format!(
            "{}({one})",
            dice.pick(&[
                "size",
                "string",
                "int",
                "double",
                "bool",
                "timestamp",
                "duration",
                "type",
                "bytes",
                "dyn",
                "has",
                "max",
                "min"
            ])
        ),
        7 => format!(
            "{one}.{}({})",
            dice.pick(&[
                "contains",
                "startsWith",
                "endsWith",
                "matches",
                "size",
                "getFullYear",
                "getHours",
                "lowerAscii",
                "split",
                "optMap"
            ]),
            expression(dice, depth - 1)
        ),
        8 | 9 => format!(
            "{}.{}(l, {one})",
            dice.pick(&[
                "order.lines",
                "order.lines",
                "order.attributes",
                "actor.roles",
                "[[1], [2]]"
            ]),
            dice.pick(&["all", "exists", "exists_one", "filter", "map"])
        ),
        10 => format!("[{one}, {one}, {}]", expression(dice, depth - 1)),
        _ => format!("{{'a': {one}, 'b': {one}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_made() {
        let mut dice = Dice::new(1);
        let all: String = (0..2_000).map(|_| guard(&mut dice) + "\n").collect();
        for shape in [
            ".matches('(a|a)*b')",
            ".all(l7,",
            "order.lines.filter(l0,",
            "getDayOfYear",
            "99999999999999999999",
            "true // ",
        ] {
            assert!(all.contains(shape), "{shape}");
        }
    }
}
