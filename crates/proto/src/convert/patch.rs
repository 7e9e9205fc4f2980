//! Reading an update of an order, and what it says of fields that no update changes: an order may be
//! read, changed and sent back. Whether it is as it stands, only the order itself tells.

use std::{collections::BTreeMap, mem};

use waymark_domain::{
    order::{Action, AttributesPatch, CustomerPatch, Hold, NewLine, Patch, Stated, StatedLine},
    value::{Attributes, HOLDS_MAX, Invalid, LINES_MAX, Money, Quantity, WorkflowCode},
};

use super::{
    actor::read_recorded_actor,
    call::{fill_in, step_fields},
    created::{money, new_lines},
    instant::lower_bound,
    mask::Mask,
    parsed::ParsedStep,
    violations::{Path, Read},
};
use crate::v1;

/// Reads a call that changes fields of an order.
pub(crate) fn read(
    at: Path<'_>,
    mut request: v1::UpdateOrderRequest,
    default: &WorkflowCode,
) -> Read<ParsedStep> {
    if let Some(order) = &mut request.order {
        fill_in(&mut order.workflow, default);
    }
    let (fields, (order, update_mask)) =
        step_fields!("UpdateOrder", request: UpdateOrderRequest { order, update_mask });
    let call = fields.read(at);
    let mask = Mask::read(at, update_mask, &PATHS);
    let at = at.field("order");
    let mut order = at.required(order)?;
    let workflow = at.workflow(&order.workflow, default);
    let id = at.field("id").text(&order.id);
    let version = stated_version(at, &order, &mask);
    let said = Said::read(at, &mut order, &mask);
    let patch = order_patch(at, order, &mask);
    let mut call = call?;
    if let Some(version) = version? {
        if call.expected_version.is_some_and(|other| other != version) {
            let expected = "what `expected_version` says";
            return Err(at.field("version").note(Invalid::Malformed { expected }));
        }
        call.expected_version = Some(version);
    }
    let patch = said?.add_to(patch?);
    let order = (workflow?, id?);
    Ok(ParsedStep::change(order, call, Action::Update(patch)))
}

patch! {
    /// Fields that only steps or the server change may be sent back as they were read: [`Said`]
    /// has them.
    fn order_patch(Order {
        Immutable: workflow, id, currency;
        Stepwise: state, status, total_paid, total_refunded, total_canceled, total_invoiced, holds;
        OutputOnly: status_label, visible_on_storefront, version, return_state, return_status,
            allowed_operations, create_time, update_time, status_time, due_time, feed_url,
            total_due, total_overpaid;
    }) -> Patch {
        attributes: masked(attributes; attributes_patch),
        customer: masked(customer; customer_patch),
        store_view: optional(store_view),
        lines: by(lines; new_lines),
        grand_total: by(grand_total; money),
        stated: value(; None),
    }
    but "customer.id", "customer.email", "customer.name", "customer.guest"; maps "attributes"
}

fn attributes_patch(
    at: Path<'_>,
    given: BTreeMap<String, String>,
    mask: &Mask,
) -> Read<Option<AttributesPatch>> {
    let keys: Vec<&str> = mask.keys("attributes").collect();
    if keys.is_empty() || mask.names("attributes") {
        let Some(given) = mask.take("attributes", given) else {
            return Ok(None);
        };
        let given = at.check(Attributes::new(given))?;
        return Ok(Some(match mask {
            Mask::Named(_) => AttributesPatch::Replace(given),
            Mask::Set => {
                let given = given.as_map().clone().into_iter();
                AttributesPatch::Merge(given.map(|(key, value)| (key, Some(value))).collect())
            }
        }));
    }
    let named = keys
        .into_iter()
        .map(|key| (key.to_owned(), given.get(key).cloned()));
    let named: BTreeMap<String, Option<String>> = named.collect();
    let set = named
        .clone()
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    at.check(Attributes::new(set.collect()))?;
    Ok(Some(AttributesPatch::Merge(named)))
}

fn customer_patch(
    at: Path<'_>,
    customer: Option<v1::Customer>,
    mask: &Mask,
) -> Read<CustomerPatch> {
    let v1::Customer {
        id,
        email,
        name,
        guest,
    } = customer.unwrap_or_default();
    let id = mask.take_part("customer", "customer.id", id);
    let id = id.map(|id| at.field("id").text(&id));
    let email = mask.take_part("customer", "customer.email", email);
    let email = email.map(|email| at.field("email").text(&email));
    let name = mask.take_part("customer", "customer.name", name);
    let name = name.map(|name| at.field("name").text(&name));
    Ok(CustomerPatch {
        id: id.transpose()?,
        email: email.transpose()?,
        name: name.transpose()?,
        guest: mask.take_part("customer", "customer.guest", guest),
    })
}

/// The values that an update states of fields that it cannot change.
struct Said {
    fields: Stated,
    /// The lines of which something is said to be done, by their places.
    done: Vec<(usize, Done)>,
}

/// The quantities invoiced, shipped, refunded, canceled and returned of a line, as far as stated.
type Done = [Option<Quantity>; 5];

impl Said {
    /// Reads it, and takes it out of the order. With a mask only quantities of lines count, and only
    /// where the mask names the lines.
    fn read(at: Path<'_>, order: &mut v1::Order, mask: &Mask) -> Read<Self> {
        let fields = match mask {
            Mask::Set => stated_fields(at, order),
            Mask::Named(_) => Ok(Stated::default()),
        };
        let has_lines = matches!(mask, Mask::Set) || mask.names("lines");
        let done = if has_lines {
            done(at.field("lines"), &mut order.lines)
        } else {
            Ok(Vec::new())
        };
        Ok(Self {
            fields: fields?,
            done: done?,
        })
    }

    /// Adds it to what shall change.
    fn add_to(self, patch: Patch) -> Patch {
        let Self { mut fields, done } = self;
        let lines = patch.lines.as_deref().unwrap_or_default();
        let of_line =
            |(index, done): (usize, Done)| Some(stated_line(index, lines.get(index)?, done));
        fields.lines = done.into_iter().filter_map(of_line).collect();
        let is_silent = fields == Stated::default();
        Patch {
            stated: (!is_silent).then(|| Box::new(fields)),
            ..patch
        }
    }
}

/// The version that an order without a mask is said to have, which is the one that is expected.
fn stated_version(at: Path<'_>, order: &v1::Order, mask: &Mask) -> Read<Option<i64>> {
    match mask {
        Mask::Set => at.field("version").positive(order.version),
        Mask::Named(_) => Ok(None),
    }
}

/// Ignores what the server computes for each answer: labels, what is due, what is allowed, and the
/// times of the last entry and of the status.
fn stated_fields(at: Path<'_>, order: &mut v1::Order) -> Read<Stated> {
    let state = at.field("state").optional(&order.state);
    let status = at.field("status").optional(&order.status);
    let currency = at.field("currency").optional(&order.currency);
    let total_paid = stated_amount(at.field("total_paid"), order.total_paid);
    let total_refunded = stated_amount(at.field("total_refunded"), order.total_refunded);
    let total_canceled = stated_amount(at.field("total_canceled"), order.total_canceled);
    let total_invoiced = stated_amount(at.field("total_invoiced"), order.total_invoiced);
    let holds = mem::take(&mut order.holds);
    let holds = at.field("holds").each(holds, HOLDS_MAX, stated_hold);
    let return_state = at.field("return_state").optional(&order.return_state);
    let return_status = at.field("return_status").optional(&order.return_status);
    let create_time = lower_bound(at.field("create_time"), order.create_time.take());
    Ok(Stated {
        state: state?,
        status: status?,
        currency: currency?,
        total_paid: total_paid?,
        total_refunded: total_refunded?,
        total_canceled: total_canceled?,
        total_invoiced: total_invoiced?,
        holds: holds?,
        return_state: return_state?,
        return_status: return_status?,
        create_time: create_time?,
        lines: Vec::new(),
    })
}

/// Reads an amount where 0 says nothing.
fn stated_amount(at: Path<'_>, units: i64) -> Read<Option<Money>> {
    let amount = at.check(Money::new(units))?;
    Ok(Some(amount).filter(|amount| *amount != Money::ZERO))
}

reader! {
    fn stated_hold(Hold) -> Hold {
        id: text(id),
        reason: text(reason),
        placed_by: by(placed_by; read_recorded_actor),
        place_time: with(place_time; |at| {
            let place_time = lower_bound(at.field("place_time"), place_time)?;
            Ok(place_time.unwrap_or_default())
        }),
        expire_time: by(expire_time; lower_bound),
        status: optional(status),
        // No order shows them.
        visible_to_customer: value(; false),
        notify_customer: value(; false),
    }
}

/// Takes out of lines what is said to be done with them. Lists that are too long are refused where
/// the lines themselves are read.
fn done(at: Path<'_>, lines: &mut [v1::OrderLine]) -> Read<Vec<(usize, Done)>> {
    let mut read = Vec::new();
    for (index, line) in lines.iter_mut().enumerate().take(LINES_MAX) {
        read.push(done_with(at.index(index), line).map(|done| (index, done)));
    }
    let read: Vec<(usize, Done)> = read.into_iter().collect::<Result<_, _>>()?;
    let says_something = |(_, done): &(usize, Done)| done.iter().any(Option::is_some);
    Ok(read.into_iter().filter(says_something).collect())
}

fn done_with(at: Path<'_>, line: &mut v1::OrderLine) -> Read<Done> {
    let take = |field, text: &mut String| stated_quantity(at.field(field), &mem::take(text));
    let invoiced = take("quantity_invoiced", &mut line.quantity_invoiced);
    let shipped = take("quantity_shipped", &mut line.quantity_shipped);
    let refunded = take("quantity_refunded", &mut line.quantity_refunded);
    let canceled = take("quantity_canceled", &mut line.quantity_canceled);
    let returned = take("quantity_returned", &mut line.quantity_returned);
    Ok([invoiced?, shipped?, refunded?, canceled?, returned?])
}

/// Reads a quantity where nothing and 0 say nothing.
fn stated_quantity(at: Path<'_>, text: &str) -> Read<Option<Quantity>> {
    let quantity: Option<Quantity> = at.optional(text)?;
    Ok(quantity.filter(|quantity| !quantity.is_zero()))
}

fn stated_line(index: usize, line: &NewLine, done: Done) -> StatedLine {
    let [invoiced, shipped, refunded, canceled, returned] = done;
    StatedLine {
        index,
        id: line.id.clone(),
        invoiced,
        shipped,
        refunded,
        canceled,
        returned,
    }
}
