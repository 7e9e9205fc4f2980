//! Durations and instants that can be read on no order: texts that are written out and mean
//! nothing, and sums of an instant and a text.

use cel::{
    IdedExpr, Value,
    common::ast::{CallExpr, Expr, LiteralValue},
};

use super::{error::GuardError, values::context};

/// How much of a text is shown, in characters.
const SHOWN_MAX: usize = 40;

/// Looks for such parts of an expression whose depth was bounded before.
///
/// # Errors
/// Returns [`GuardError::Type`] for the first one, in words for readers.
pub(super) fn check(expr: &IdedExpr) -> Result<(), GuardError> {
    match &expr.expr {
        Expr::Select(select) => check(&select.operand),
        Expr::Call(call) => {
            let mut operands = call.target.as_deref().into_iter().chain(&call.args);
            operands.try_for_each(check)?;
            check_call(expr, call)
        }
        Expr::List(list) => list.elements.iter().try_for_each(check),
        Expr::Comprehension(loops) => {
            check(&loops.accu_init)?;
            check(&loops.loop_step)?;
            check(&loops.result)
        }
        // What is compiled neither builds maps and messages nor has empty parts.
        Expr::Ident(_) | Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
            Ok(())
        }
    }
}

/// Whether this is an attribute of an order or a piece of metadata, which are texts.
fn is_attribute(expr: &Expr) -> bool {
    let is_map = |of: &Expr| match of {
        Expr::Select(select) => {
            let of_fact = matches!(&select.operand.expr, Expr::Ident(_));
            of_fact && !select.test && matches!(select.field.as_str(), "attributes" | "metadata")
        }
        _ => false,
    };
    match expr {
        Expr::Select(select) => !select.test && is_map(&select.operand.expr),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            ("_[_]", [of, _]) => is_map(&of.expr),
            _ => false,
        },
        _ => false,
    }
}

fn check_call(expr: &IdedExpr, call: &CallExpr) -> Result<(), GuardError> {
    let message = match (call.func_name.as_str(), call.args.as_slice()) {
        ("duration", [text]) => text_of(text).and_then(|text| unread(expr, text, in_duration)),
        ("timestamp", [text]) => text_of(text).and_then(|text| unread(expr, text, in_timestamp)),
        ("_+_" | "_-_", [a, b]) => {
            let is_mixed =
                is_instant(&a.expr) && is_text(&b.expr) || is_text(&a.expr) && is_instant(&b.expr);
            is_mixed.then(|| {
                "reckons with a timestamp and a text: make a duration of the text, such as duration(\"336h\")".to_owned()
            })
        }
        _ => None,
    };
    message.map_or(Ok(()), |message| Err(GuardError::Type { message }))
}

/// The fault of a call that reads a text, if it cannot.
fn unread(call: &IdedExpr, text: &str, wrong: fn(&str) -> String) -> Option<String> {
    let is_read = Value::resolve(call, &context(Vec::new())).is_ok();
    (!is_read).then(|| wrong(text))
}

fn in_duration(text: &str) -> String {
    let shown = shown(text);
    match in_hours(text) {
        Some((unit, hours)) => {
            format!(
                "cannot read duration(\"{shown}\"): a duration knows h, m and s, not {unit}: write {hours}h"
            )
        }
        None => format!(
            "cannot read duration(\"{shown}\"): a duration has numbers with h, m and s, such as 36h or 1h30m"
        ),
    }
}

fn in_timestamp(text: &str) -> String {
    let shown = shown(text);
    format!(
        "cannot read timestamp(\"{shown}\"): a timestamp has a day, a time and a zone, such as 2026-12-24T00:00:00Z"
    )
}

/// The unit of days or weeks that a text is written in, and the hours that they come to.
fn in_hours(text: &str) -> Option<(&str, u64)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(end)?;
    let unit = unit.trim();
    let each = match unit {
        "d" | "day" | "days" => 24,
        "w" | "week" | "weeks" => 7 * 24,
        _ => return None,
    };
    let hours = count.parse::<u64>().ok()?.checked_mul(each)?;
    Some((unit, hours))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

fn is_instant(expr: &Expr) -> bool {
    match expr {
        Expr::Ident(name) => name == "now",
        Expr::Select(select) => {
            let field = select.field.as_str();
            let instants = ["create_time", "update_time", "status_time", "place_time"];
            !select.test && instants.contains(&field) && !is_attribute(expr)
        }
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            ("timestamp", _) => true,
            ("_+_", [a, b]) => is_instant(&a.expr) || is_instant(&b.expr),
            ("_-_", [a, b]) => is_instant(&a.expr) && !is_instant(&b.expr),
            _ => false,
        },
        _ => false,
    }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(LiteralValue::String(_))) || is_attribute(expr)
}

fn text_of(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::guard::{Expression, Guard, GuardError, Instant, check::Scope};

    fn instant(text: &str) -> Result<Instant, GuardError> {
        Instant::compile(&Expression::new(text).unwrap())
    }

    #[test]
    fn what_no_order_can_reckon_is_told() {
        for (text, said) in [
            (
                "order.create_time + duration('14d')",
                "cannot read duration(\"14d\"): a duration knows h, m and s, not d: write 336h",
            ),
            (
                "order.create_time + duration('2 weeks')",
                "cannot read duration(\"2 weeks\"): a duration knows h, m and s, not weeks: write 336h",
            ),
            (
                "order.create_time + duration('soon')",
                "cannot read duration(\"soon\"): a duration has numbers with h, m and s, such as 36h or 1h30m",
            ),
            (
                "timestamp('2026-12-24')",
                "cannot read timestamp(\"2026-12-24\"): a timestamp has a day, a time and a zone, such as 2026-12-24T00:00:00Z",
            ),
            (
                "order.create_time + '14d'",
                "reckons with a timestamp and a text: make a duration of the text, such as duration(\"336h\")",
            ),
            (
                "order.create_time + duration('1h') + order.attributes['terms']",
                "reckons with a timestamp and a text: make a duration of the text, such as duration(\"336h\")",
            ),
            (
                "timestamp(order.attributes.day) - order.attributes.terms",
                "reckons with a timestamp and a text: make a duration of the text, such as duration(\"336h\")",
            ),
        ] {
            assert_eq!(instant(text).unwrap_err().to_string(), said, "{text}");
        }
        for text in [
            "order.create_time + duration('1h30m')",
            "order.create_time - duration('0.5s')",
            "timestamp('2026-12-24T08:00:00+01:00')",
            "timestamp(order.attributes['day'] + 'T08:00:00Z')",
            "order.create_time + duration(order.attributes['terms'])",
        ] {
            assert!(instant(text).is_ok(), "{text}");
        }
    }

    /// One that was stored may stand where it is never asked, and goes on as it did.
    #[test]
    fn a_stored_guard_stays_usable() {
        let text = "order.grand_total > 0 || now - order.create_time > duration('14d')";
        let expression = Expression::new(text).unwrap();
        assert!(Guard::compile(&expression).is_err());
        let stored = Guard::of_stored(&expression, Scope::Order);
        assert_eq!(stored.problem(), None);
    }
}
