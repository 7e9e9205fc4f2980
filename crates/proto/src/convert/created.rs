//! Reading an order that shall be placed, and the lines and customer of any order.

use std::collections::BTreeSet;

use waymark_domain::{
    order::{Customer, NewLine, NewOrder},
    value::{Attributes, EmailAddress, Invalid, LINES_MAX, Money, Quantity, Text, WorkflowCode},
};

use super::{
    call::{fill_in, step_fields},
    parsed::{ParsedChange, ParsedStep},
    violations::{Path, Read},
};
use crate::{invalid::Problem, v1};

/// Reads a call that places an order.
pub(crate) fn read(
    at: Path<'_>,
    mut request: v1::CreateOrderRequest,
    default: &WorkflowCode,
) -> Read<ParsedStep> {
    if let Some(order) = &mut request.order {
        fill_in(&mut order.workflow, default);
    }
    let (fields, (order,)) = step_fields!("CreateOrder", request: CreateOrderRequest { order });
    let call = fields.read(at);
    let at = at.field("order");
    let order = at.required(order)?;
    refuse_done(at, &order);
    let order = new_order(at, order, default);
    let (order, call) = (order?, call?);
    let names = (order.workflow.clone(), order.id.clone());
    Ok(ParsedStep::new(names, call, |context, expected_version| {
        let order = Box::new(NewOrder {
            expected_version,
            ..order
        });
        ParsedChange::Create { order, context }
    }))
}

/// Fields that only the server sets are ignored, as long as they do not say that something was
/// done already: an order cannot be placed as paid or held. All of it is due, and may be said to be.
fn refuse_done(at: Path<'_>, order: &v1::Order) {
    let due = order.total_due;
    let done_already = [
        ("total_paid", order.total_paid != 0),
        ("total_refunded", order.total_refunded != 0),
        ("total_canceled", order.total_canceled != 0),
        ("total_invoiced", order.total_invoiced != 0),
        ("total_due", due != 0 && due != order.grand_total),
        ("total_overpaid", order.total_overpaid != 0),
        ("holds", !order.holds.is_empty()),
        ("return_state", !order.return_state.is_empty()),
        ("return_status", !order.return_status.is_empty()),
    ];
    for (field, _) in done_already.into_iter().filter(|(_, given)| *given) {
        at.field(field).note(Problem::OutputOnly);
    }
}

reader! {
    fn new_order(
        Order {
            status_label, visible_on_storefront, version, total_paid, total_refunded, holds,
            return_state, return_status, allowed_operations, create_time, update_time, status_time,
            due_time, feed_url, total_canceled, total_invoiced, total_due, total_overpaid,
        },
        default: &WorkflowCode
    ) -> NewOrder {
        workflow: with(workflow; |at| at.workflow(&workflow, default)),
        id: text(id),
        state: optional(state),
        status: optional(status),
        lines: by(lines; new_lines),
        currency: optional(currency),
        grand_total: check(grand_total; Money::new),
        store_view: optional(store_view),
        customer: with(customer; |at| {
            read_customer(at.field("customer"), customer.unwrap_or_default())
        }),
        attributes: check(attributes; Attributes::new),
        // A field of the call.
        expected_version: value(; None),
    }
}

/// Reads lines as a call may state them: with what was ordered, not with what was done.
pub(crate) fn new_lines(at: Path<'_>, lines: Vec<v1::OrderLine>) -> Read<Vec<NewLine>> {
    let mut seen = BTreeSet::new();
    at.each(lines, LINES_MAX, |at, line| {
        refuse_done_with(at, &line);
        let line = new_line(at, line)?;
        if !seen.insert(line.id.clone()) {
            at.field("id").note(Invalid::Duplicate);
        }
        Ok(line)
    })
}

fn refuse_done_with(at: Path<'_>, line: &v1::OrderLine) {
    let done_already = [
        ("quantity_invoiced", &line.quantity_invoiced),
        ("quantity_shipped", &line.quantity_shipped),
        ("quantity_refunded", &line.quantity_refunded),
        ("quantity_canceled", &line.quantity_canceled),
        ("quantity_returned", &line.quantity_returned),
    ];
    for (field, quantity) in done_already {
        if !quantity.is_empty() && quantity.parse() != Ok(Quantity::ZERO) {
            at.field(field).note(Problem::OutputOnly);
        }
    }
}

reader! {
    fn new_line(OrderLine {
        quantity_invoiced, quantity_shipped, quantity_refunded, quantity_canceled,
        quantity_returned,
    }) -> NewLine {
        id: text(id),
        sku: text(sku),
        name: text(name),
        ordered: borrowed(quantity_ordered; above_zero),
        is_virtual: same(is_virtual),
        total: given(total; money),
    }
}

/// Reads a quantity that must be more than nothing.
pub(crate) fn above_zero(at: Path<'_>, text: &str) -> Read<Quantity> {
    let quantity: Quantity = at.text(text)?;
    if quantity.is_zero() {
        let expected = "more than 0";
        return Err(at.note(Invalid::Malformed { expected }));
    }
    Ok(quantity)
}

/// Reads an amount.
pub(crate) fn money(at: Path<'_>, units: i64) -> Read<Money> {
    at.check(Money::new(units))
}

reader! {
    fn read_customer(Customer) -> Customer {
        id: text(id),
        email: borrowed(email; address),
        name: text(name),
        guest: same(guest),
    }
}

fn address(at: Path<'_>, email: &str) -> Read<Text<320>> {
    let email: Text<320> = at.text(email)?;
    at.check(EmailAddress::check(email.as_str()))?;
    Ok(email)
}
