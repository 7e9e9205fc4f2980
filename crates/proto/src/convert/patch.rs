//! Reading an update of an order.

use std::collections::BTreeMap;

use waymark_domain::{
    order::{Action, AttributesPatch, CustomerPatch, Patch},
    value::{Attributes, Invalid, WorkflowCode},
};

use super::{
    call::{fill_in, step_fields},
    created::{money, new_lines},
    mask::Mask,
    parsed::ParsedStep,
    stated::{self, Said},
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
    let version = stated::version(at, &order, &mask);
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
