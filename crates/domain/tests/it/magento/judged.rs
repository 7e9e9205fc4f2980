//! What an order is judged by: its lines, its payments and its state.

use serde_json::Value;
use waymark_domain::{
    judge::Graph,
    order::{Action, Counting, Line, Order, Progress, Refundable},
    value::{Money, Quantity},
    workflow::{Category, Effect},
};

use super::{
    Outcome, Skip, flag, graph, hold, line, money, order_in, quantity, record, run, save, take,
    text,
};

/// The automatic state change on save, in all four generations of the rule.
pub(super) fn handler_state(graph: &Graph, input: &Value, expected: &Value) -> Outcome {
    if expected.get("state").is_none() {
        return Err(Skip("the case names no state"));
    }
    if flag(input, "is_canceled") {
        return Err(Skip("a mock: is_canceled in a state that is not canceled"));
    }
    if !input.get("state").is_some_and(Value::is_string) {
        return Err(Skip("the case names no state"));
    }
    let has_composite = input
        .get("items")
        .and_then(Value::as_array)
        .is_some_and(|items| {
            items.iter().any(|item| {
                item.get("parent_item").is_some_and(|p| !p.is_null())
                    || flag(item, "locked_do_ship")
            })
        });
    if has_composite {
        return Err(Skip(
            "composite or locked items: lines are given as they ship",
        ));
    }
    let open_invoice = input
        .get("invoices")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|i| i == "open"));
    let due = input
        .get("total_due")
        .and_then(Value::as_f64)
        .unwrap_or(0.0);
    if open_invoice && input.get("total_due").is_none() {
        return Err(Skip("an open invoice without the amount that is due"));
    }
    // The rule reads one status only.
    let status = input
        .get("status")
        .and_then(Value::as_str)
        .filter(|status| *status == "closed");
    let mut order = order_in(graph, text(input, "state"), status, handler_lines(input))?;
    if open_invoice && due > 0.0 {
        order.grand_total = money(10_000 + cents(due));
    }
    if input.get("can_creditmemo").and_then(Value::as_bool) == Some(false) {
        order.total_refunded = order.total_paid;
        order.credited = order.total_refunded;
    }
    // Saving an invoice or a shipment is what puts a new order in process.
    let after = if flag(input, "is_in_process") && order.standing.state.as_str() == "new" {
        in_process(graph, order, flag(input, "can_ship"))
    } else {
        save(graph, &not_begun(graph, order))
    };
    assert_eq!(after.standing.state.as_str(), text(expected, "state"));
    if let Some(status) = expected.get("status").and_then(Value::as_str) {
        assert_eq!(after.standing.status.as_str(), status);
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "amounts of the cases are small"
)]
fn cents(amount: f64) -> i64 {
    (amount * 100.0).round() as i64
}

/// Lines for which the mocked predicates are true.
fn handler_lines(input: &Value) -> Vec<Line> {
    let is_virtual = input.get("is_not_virtual").and_then(Value::as_bool) == Some(false);
    let items = input
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let stated = items.iter().any(|item| item.get("qty_ordered").is_some());
    let mut lines: Vec<Line> = Vec::new();
    if stated {
        for (index, item) in items.iter().enumerate() {
            let mut line = line(index + 1, quantity(item, "qty_ordered"));
            line.canceled = quantity(item, "qty_canceled");
            line.shipped = quantity(item, "qty_shipped");
            line.refunded = quantity(item, "qty_refunded");
            line.is_virtual = flag(item, "is_virtual");
            lines.push(line);
        }
    } else {
        let one = Quantity::whole(1).unwrap();
        let mut line = line(1, one.plus(one));
        line.shipped = if flag(input, "can_ship") {
            one
        } else {
            one.plus(one)
        };
        line.is_virtual = is_virtual;
        if is_virtual {
            line.shipped = Quantity::ZERO;
        }
        lines.push(line);
    }
    if !flag(input, "can_invoice") {
        for line in &mut lines {
            line.invoiced = line.ordered.minus(line.canceled);
        }
    }
    lines
}

/// An order that still waits to be begun: what was paid, invoiced or shipped would begin it.
fn not_begun(graph: &Graph, mut order: Order) -> Order {
    let state = graph.workflow().state(&order.standing.state).unwrap();
    if state.category == Category::Initial {
        order.total_paid = Money::ZERO;
        order.total_refunded = Money::ZERO;
        order.credited = Money::ZERO;
        for line in &mut order.lines {
            line.invoiced = Quantity::ZERO;
            line.shipped = Quantity::ZERO;
            line.refunded = Quantity::ZERO;
        }
    }
    order
}

fn in_process(graph: &Graph, mut order: Order, can_ship: bool) -> Order {
    for line in &mut order.lines {
        line.invoiced = Quantity::ZERO;
        if !can_ship {
            line.shipped = line.ordered;
        }
    }
    record(graph, &order, "invoice").unwrap()
}

pub(super) fn predicates(graph: &Graph, input: &Value, expected: &Value) -> Outcome {
    for key in [
        "locked_do_invoice",
        "forced_can_creditmemo",
        "adjustment_negative",
        "products",
        "payment_can_review",
        "payment_can_void",
    ] {
        let states_it = input
            .get(key)
            .is_some_and(|value| *value != Value::Bool(false));
        if states_it {
            return Err(Skip(
                "locks, forced flags, adjustments, stock and the payment gateway are not the order's",
            ));
        }
    }
    let flags = input.get("action_flags").and_then(Value::as_object);
    if flags.is_some_and(|flags| flags.values().any(|value| value == &Value::Bool(false))) {
        return Err(Skip("action flags per order: guards do that"));
    }
    let state = input
        .get("state")
        .and_then(Value::as_str)
        .unwrap_or("processing");
    let open: Vec<Line> = match input.get("items_qty_to_invoice").and_then(Value::as_array) {
        Some(items) => items
            .iter()
            .enumerate()
            .map(|(i, n)| invoiced_but(i, n))
            .collect(),
        None => vec![line(1, Quantity::whole(1).unwrap())],
    };
    let mut order = order_in(graph, state, None, open)?;
    if let Some(paid) = input.get("total_paid").and_then(Value::as_i64) {
        order.grand_total = money(paid.max(1));
        order.total_paid = money(paid);
        order.total_refunded = money(
            input
                .get("total_refunded")
                .and_then(Value::as_i64)
                .unwrap_or(0),
        );
        order.credited = order.total_refunded;
    }
    let progress = Progress::new(graph.workflow(), &order);
    for (key, wanted) in expected.as_object().into_iter().flatten() {
        let found = match key.as_str() {
            "can_cancel" => take(graph, &order, "cancel").is_ok(),
            "can_invoice" => progress.can_invoice(),
            "can_ship" => progress.can_ship(),
            "can_creditmemo" => progress.can_refund(),
            "can_hold" => run(graph, &order, hold()).is_ok(),
            "can_unhold" => run(graph, &order, Action::Release { hold: None }).is_ok(),
            "can_comment" => run(graph, &order, Action::Comment { status: None }).is_ok(),
            _ => return Err(Skip("reorder, void and payment review are the shop's")),
        };
        assert_eq!(Some(found), wanted.as_bool(), "{key}");
    }
    Ok(())
}

/// A line with this much left to invoice.
fn invoiced_but(index: usize, left: &Value) -> Line {
    let left: Quantity = left.to_string().parse().unwrap();
    let one = Quantity::whole(1).unwrap();
    let mut line = line(index + 1, if left.is_zero() { one } else { left });
    line.invoiced = line.ordered.minus(left);
    line
}

pub(super) fn payment(graph: &Graph, input: &Value, expected: &Value) -> Outcome {
    let state = input
        .get("current_state")
        .and_then(Value::as_str)
        .unwrap_or("new");
    let mut order = order_in(
        graph,
        state,
        None,
        vec![line(1, Quantity::whole(1).unwrap())],
    )?;
    if state == "complete" {
        return Err(Skip("a complete order has nothing left to pay"));
    }
    order.total_paid = Money::ZERO;
    let after = match (
        flag(input, "is_fraud_detected"),
        flag(input, "is_transaction_pending"),
    ) {
        (true, _) => take(graph, &order, "flag_fraud"),
        (false, true) => take(graph, &order, "review_payment"),
        (false, false) => record(graph, &order, "pay"),
    };
    let after = after.unwrap();
    assert_eq!(after.standing.state.as_str(), text(expected, "state"));
    if text(expected, "status") == "fraud" {
        assert_eq!(after.standing.status.as_str(), "fraud");
    }
    Ok(())
}

pub(super) fn item_quantities(input: &Value, expected: &Value) -> Outcome {
    if flag(input, "is_dummy") || input.get("parent").is_some_and(|parent| !parent.is_null()) {
        return Err(Skip("composite items: lines are given as they ship"));
    }
    let mut line = line(1, quantity(input, "qty_ordered"));
    line.invoiced = quantity(input, "qty_invoiced");
    line.shipped = quantity(input, "qty_shipped");
    line.refunded = quantity(input, "qty_refunded");
    line.canceled = quantity(input, "qty_canceled");
    let counting = Counting {
        refunded_units: graph().workflow().refunded_units,
        refundable: Refundable::Invoiced,
    };
    for (key, effect) in [
        ("to_ship", Effect::Ship),
        ("to_invoice", Effect::Invoice),
        ("to_refund", Effect::Refund),
        ("to_cancel", Effect::Cancel),
    ] {
        if let Some(wanted) = expected.get(key).and_then(Value::as_f64) {
            assert!(
                (line.left(effect, counting).to_f64() - wanted).abs() < 1e-9,
                "{key}"
            );
        }
    }
    Ok(())
}
