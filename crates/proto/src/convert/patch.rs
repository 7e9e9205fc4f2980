//! Reading an update of an order.

use std::collections::BTreeMap;

use waymark_domain::{
    order::{Action, AttributesPatch, CustomerPatch, Patch},
    value::{Attributes, Invalid, Money, WorkflowCode},
};

use super::{
    call::{StepFields, fill_in, fingerprint},
    created::new_lines,
    mask::{Mask, Paths},
    stated::{self, Said},
    step::ParsedStep,
    violations::{Noted, Path, Violations},
};
use crate::{invalid::MaskProblem, v1};

const PATHS: Paths = Paths {
    updatable: &[
        "attributes",
        "customer",
        "customer.id",
        "customer.email",
        "customer.name",
        "customer.guest",
        "store_view",
        "lines",
        "grand_total",
    ],
    maps: &["attributes"],
    fixed: &[
        ("workflow", MaskProblem::Immutable),
        ("id", MaskProblem::Immutable),
        ("currency", MaskProblem::Immutable),
        ("state", MaskProblem::Stepwise),
        ("status", MaskProblem::Stepwise),
        ("total_paid", MaskProblem::Stepwise),
        ("total_refunded", MaskProblem::Stepwise),
        ("total_canceled", MaskProblem::Stepwise),
        ("total_invoiced", MaskProblem::Stepwise),
        ("holds", MaskProblem::Stepwise),
        ("status_label", MaskProblem::OutputOnly),
        ("visible_on_storefront", MaskProblem::OutputOnly),
        ("version", MaskProblem::OutputOnly),
        ("return_state", MaskProblem::OutputOnly),
        ("return_status", MaskProblem::OutputOnly),
        ("allowed_operations", MaskProblem::OutputOnly),
        ("create_time", MaskProblem::OutputOnly),
        ("update_time", MaskProblem::OutputOnly),
        ("status_time", MaskProblem::OutputOnly),
        ("due_time", MaskProblem::OutputOnly),
        ("feed_url", MaskProblem::OutputOnly),
        ("total_due", MaskProblem::OutputOnly),
        ("total_overpaid", MaskProblem::OutputOnly),
    ],
};

/// Reads a call that changes fields of an order.
pub(crate) fn read(
    found: &mut Violations,
    at: Path<'_>,
    mut request: v1::UpdateOrderRequest,
    default: &WorkflowCode,
) -> Result<ParsedStep, Noted> {
    if let Some(order) = &mut request.order {
        fill_in(&mut order.workflow, default);
    }
    let fingerprint = fingerprint!("UpdateOrder", step request);
    let v1::UpdateOrderRequest {
        order,
        update_mask,
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
    let mask = Mask::read(found, at, update_mask, &PATHS);
    let at = at.field("order");
    let mut order = found.required(at, order)?;
    let workflow = found.workflow(at, &order.workflow, default);
    let id = found.text(at.field("id"), &order.id);
    let version = stated::version(found, at, &order, &mask);
    let said = Said::read(found, at, &mut order, &mask);
    let patch = patch(found, at, order, &mask);
    let mut call = call?;
    if let Some(version) = version? {
        if call.expected_version.is_some_and(|other| other != version) {
            let expected = "what `expected_version` says";
            return Err(found.note(at.field("version"), Invalid::Malformed { expected }));
        }
        call.expected_version = Some(version);
    }
    let patch = said?.add_to(patch?);
    Ok(ParsedStep::change(
        (workflow?, id?),
        call,
        Action::Update(patch),
    ))
}

/// What only steps or the server change may be sent back as it was read: [`Said`] has it.
fn patch(
    found: &mut Violations,
    at: Path<'_>,
    order: v1::Order,
    mask: &Mask,
) -> Result<Patch, Noted> {
    let v1::Order {
        workflow: _,
        id: _,
        state: _,
        status: _,
        status_label: _,
        visible_on_storefront: _,
        version: _,
        lines,
        currency: _,
        grand_total,
        total_paid: _,
        total_refunded: _,
        store_view,
        customer,
        attributes,
        holds: _,
        return_state: _,
        return_status: _,
        allowed_operations: _,
        create_time: _,
        update_time: _,
        status_time: _,
        due_time: _,
        feed_url: _,
        total_canceled: _,
        total_invoiced: _,
        total_due: _,
        total_overpaid: _,
    } = order;
    let attributes = attributes_patch(found, at.field("attributes"), attributes, mask);
    let customer = customer_patch(
        found,
        at.field("customer"),
        customer.unwrap_or_default(),
        mask,
    );
    let store_view = mask.take("store_view", store_view);
    let store_view = store_view.map(|view| found.optional(at.field("store_view"), &view));
    let lines = mask.take("lines", lines);
    let lines = lines.map(|lines| new_lines(found, at.field("lines"), lines));
    let grand_total = mask.take("grand_total", grand_total);
    let grand_total =
        grand_total.map(|total| found.check(at.field("grand_total"), Money::new(total)));
    Ok(Patch {
        attributes: attributes?,
        customer: customer?,
        store_view: store_view.transpose()?,
        lines: lines.transpose()?,
        grand_total: grand_total.transpose()?,
        stated: None,
    })
}

fn attributes_patch(
    found: &mut Violations,
    at: Path<'_>,
    given: BTreeMap<String, String>,
    mask: &Mask,
) -> Result<Option<AttributesPatch>, Noted> {
    let keys: Vec<&str> = mask.keys("attributes").collect();
    if keys.is_empty() || mask.names("attributes") {
        let Some(given) = mask.take("attributes", given) else {
            return Ok(None);
        };
        let given = found.check(at, Attributes::new(given))?;
        return Ok(Some(match mask {
            Mask::Named(_) => AttributesPatch::Replace(given),
            Mask::Set => AttributesPatch::Merge(merged(given.as_map())),
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
    found.check(at, Attributes::new(set.collect()))?;
    Ok(Some(AttributesPatch::Merge(named)))
}

fn merged(given: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let entries = given.iter();
    entries
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect()
}

fn customer_patch(
    found: &mut Violations,
    at: Path<'_>,
    customer: v1::Customer,
    mask: &Mask,
) -> Result<CustomerPatch, Noted> {
    let v1::Customer {
        id,
        email,
        name,
        guest,
    } = customer;
    let whole = mask.names("customer");
    let text = |path: &str, value: String| {
        if whole {
            Some(value)
        } else {
            mask.take(path, value)
        }
    };
    let id = text("customer.id", id).map(|id| found.text(at.field("id"), &id));
    let email = text("customer.email", email).map(|email| found.text(at.field("email"), &email));
    let name = text("customer.name", name).map(|name| found.text(at.field("name"), &name));
    let guest = if whole {
        Some(guest)
    } else {
        mask.take("customer.guest", guest)
    };
    Ok(CustomerPatch {
        id: id.transpose()?,
        email: email.transpose()?,
        name: name.transpose()?,
        guest,
    })
}
