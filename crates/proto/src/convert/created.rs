//! Reading an order that shall be placed, and the lines and customer of any order.

use std::collections::BTreeSet;

use waymark_domain::{
    order::{Customer, LINES_MAX, NewLine, NewOrder},
    value::{Attributes, EmailAddress, Invalid, Money, Quantity, Text, WorkflowCode},
};

use super::{
    call::{StepCall, StepFields, fill_in, fingerprint},
    command::above_zero,
    step::{ParsedChange, ParsedStep},
    violations::{Noted, Path, Violations},
};
use crate::{invalid::Problem, v1};

/// Reads a call that places an order.
pub(crate) fn read(
    found: &mut Violations,
    at: Path<'_>,
    mut request: v1::CreateOrderRequest,
    default: &WorkflowCode,
) -> Result<ParsedStep, Noted> {
    if let Some(order) = &mut request.order {
        fill_in(&mut order.workflow, default);
    }
    let fingerprint = fingerprint!("CreateOrder", step request);
    let v1::CreateOrderRequest {
        order,
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    } = request;
    let fields = StepFields {
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    };
    let call = fields.read(found, at, fingerprint);
    let at = at.field("order");
    let order = found.required(at, order);
    let mut order = order.and_then(|order| new_order(found, at, order, default))?;
    let StepCall {
        context,
        store_view,
        expected_version,
        request,
        validate_only,
    } = call?;
    order.expected_version = expected_version;
    Ok(ParsedStep {
        workflow: order.workflow.clone(),
        order_id: order.id.clone(),
        request,
        change: ParsedChange::Create {
            order: Box::new(order),
            context,
        },
        store_view,
        validate_only,
        command: "",
    })
}

/// Fields that only the server sets are ignored, as long as they do not say that something was
/// done already: an order cannot be placed as paid or held. All of it is due, and may be said to be.
fn new_order(
    found: &mut Violations,
    at: Path<'_>,
    order: v1::Order,
    default: &WorkflowCode,
) -> Result<NewOrder, Noted> {
    let v1::Order {
        workflow,
        id,
        state,
        status,
        status_label: _,
        visible_on_storefront: _,
        version: _,
        lines,
        currency,
        grand_total,
        total_paid,
        total_refunded,
        store_view,
        customer,
        attributes,
        holds,
        return_state,
        return_status,
        allowed_operations: _,
        create_time: _,
        update_time: _,
        status_time: _,
        due_time: _,
        feed_url: _,
        total_canceled,
        total_invoiced,
        total_due,
        total_overpaid,
    } = order;
    let done_already = [
        ("total_paid", total_paid != 0),
        ("total_refunded", total_refunded != 0),
        ("total_canceled", total_canceled != 0),
        ("total_invoiced", total_invoiced != 0),
        ("total_due", total_due != 0 && total_due != grand_total),
        ("total_overpaid", total_overpaid != 0),
        ("holds", !holds.is_empty()),
        ("return_state", !return_state.is_empty()),
        ("return_status", !return_status.is_empty()),
    ];
    for (field, _) in done_already.into_iter().filter(|(_, given)| *given) {
        found.note(at.field(field), Problem::OutputOnly);
    }
    let workflow = found.workflow(at, &workflow, default);
    let id = found.text(at.field("id"), &id);
    let state = found.optional(at.field("state"), &state);
    let status = found.optional(at.field("status"), &status);
    let lines = new_lines(found, at.field("lines"), lines);
    let currency = found.optional(at.field("currency"), &currency);
    let grand_total = found.check(at.field("grand_total"), Money::new(grand_total));
    let store_view = found.optional(at.field("store_view"), &store_view);
    let customer = read_customer(found, at.field("customer"), customer.unwrap_or_default());
    let attributes = found.check(at.field("attributes"), Attributes::new(attributes));
    Ok(NewOrder {
        workflow: workflow?,
        id: id?,
        state: state?,
        status: status?,
        lines: lines?,
        currency: currency?,
        grand_total: grand_total?,
        store_view: store_view?,
        customer: customer?,
        attributes: attributes?,
        // A field of the call.
        expected_version: None,
    })
}

/// Reads lines as a call may state them: with what was ordered, not with what was done.
pub(crate) fn new_lines(
    found: &mut Violations,
    at: Path<'_>,
    lines: Vec<v1::OrderLine>,
) -> Result<Vec<NewLine>, Noted> {
    found.count(at, lines.len(), LINES_MAX)?;
    let mut seen = BTreeSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        let at = at.index(index);
        let line = new_line(found, at, line);
        if let Ok(line) = &line
            && !seen.insert(line.id.clone())
        {
            found.note(at.field("id"), Invalid::Duplicate);
        }
        read.push(line);
    }
    read.into_iter().collect()
}

fn new_line(found: &mut Violations, at: Path<'_>, line: v1::OrderLine) -> Result<NewLine, Noted> {
    let v1::OrderLine {
        id,
        sku,
        name,
        quantity_ordered,
        quantity_invoiced,
        quantity_shipped,
        quantity_refunded,
        quantity_canceled,
        is_virtual,
        quantity_returned,
        total,
    } = line;
    let done_already = [
        ("quantity_invoiced", quantity_invoiced),
        ("quantity_shipped", quantity_shipped),
        ("quantity_refunded", quantity_refunded),
        ("quantity_canceled", quantity_canceled),
        ("quantity_returned", quantity_returned),
    ];
    for (field, quantity) in done_already {
        if !quantity.is_empty() && quantity.parse() != Ok(Quantity::ZERO) {
            found.note(at.field(field), Problem::OutputOnly);
        }
    }
    let id = found.text(at.field("id"), &id);
    let sku = found.text(at.field("sku"), &sku);
    let name = found.text(at.field("name"), &name);
    let ordered = above_zero(found, at.field("quantity_ordered"), &quantity_ordered);
    let total = total.map(|total| found.check(at.field("total"), Money::new(total)));
    Ok(NewLine {
        id: id?,
        sku: sku?,
        name: name?,
        ordered: ordered?,
        is_virtual,
        total: total.transpose()?,
    })
}

fn read_customer(
    found: &mut Violations,
    at: Path<'_>,
    customer: v1::Customer,
) -> Result<Customer, Noted> {
    let v1::Customer {
        id,
        email,
        name,
        guest,
    } = customer;
    let id = found.text(at.field("id"), &id);
    let email: Result<Text<320>, _> = found.text(at.field("email"), &email);
    // What is no text has been noted already.
    let address = email.as_ref().map_or(Ok(()), |email| {
        found.check(at.field("email"), EmailAddress::check(email.as_str()))
    });
    let name = found.text(at.field("name"), &name);
    address?;
    Ok(Customer {
        id: id?,
        email: email?,
        name: name?,
        guest,
    })
}
