//! Guards that try to cost: every construct that CEL has, in random trees.

use crate::load::Dice;

const VALUES: [&str; 34] = [
    "true",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615u",
    "1e308",
    "'aaaaaaaaaaaaaaaa'",
    "b'abc'",
    "null",
    "order.lines",
    "order.lines[0]",
    "order.attributes",
    "order.attributes['a']",
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
    "timestamp('2026-01-01T00:00:00Z')",
];

/// An expression of at most a thousand characters, most of the time.
pub fn guard(dice: &mut Dice) -> String {
    match dice.below(10) {
        0 => sums(dice),
        1 => nested_brackets(dice),
        2 => over_lines(dice),
        _ => {
            let depth = 1 + dice.below(5);
            expression(dice, depth)
        }
    }
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
