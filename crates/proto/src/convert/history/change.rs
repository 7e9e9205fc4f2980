//! Writing what an update changed, field by field, as text.

use serde_json::{Map, Value};
use waymark_domain::{
    history::Change,
    order::{Customer, Line},
    value::Text,
};

use crate::{convert::order::line_to_wire, v1};

/// Writes one change: one field, but for a customer every field that differs.
pub(super) fn change_to_wire(change: &Change) -> Vec<v1::FieldChange> {
    match change {
        Change::Attribute { key, before, after } => {
            let path = format!("attributes.{key}");
            vec![field(path, before.clone(), after.clone())]
        }
        Change::Customer { before, after } => customer(before, after),
        Change::StoreView { before, after } => {
            let text = |view: &Option<_>| view.as_ref().map(ToString::to_string);
            vec![field("store_view", text(before), text(after))]
        }
        Change::Lines { before, after } => {
            vec![field("lines", Some(lines(before)), Some(lines(after)))]
        }
        Change::GrandTotal { before, after } => {
            let (before, after) = (before.to_string(), after.to_string());
            vec![field("grand_total", Some(before), Some(after))]
        }
    }
}

fn customer(before: &Customer, after: &Customer) -> Vec<v1::FieldChange> {
    let guest = |customer: &Customer| Some(customer.guest.to_string());
    let fields = [
        ("customer.id", text(&before.id), text(&after.id)),
        ("customer.email", text(&before.email), text(&after.email)),
        ("customer.name", text(&before.name), text(&after.name)),
        ("customer.guest", guest(before), guest(after)),
    ];
    let changed = fields
        .into_iter()
        .filter(|(_, before, after)| before != after);
    changed
        .map(|(path, before, after)| field(path, before, after))
        .collect()
}

/// The text of a field of a customer; an empty one was not there.
fn text<const MAX: usize, const NAME: bool>(text: &Text<MAX, NAME>) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

fn field(
    path: impl Into<String>,
    before: Option<String>,
    after: Option<String>,
) -> v1::FieldChange {
    v1::FieldChange {
        path: path.into(),
        before,
        after,
    }
}

fn lines(lines: &[Line]) -> String {
    Value::Array(lines.iter().map(line).collect()).to_string()
}

/// The line in the JSON form of protobuf with the names of the contract: what has its default
/// value is left out.
fn line(line: &Line) -> Value {
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
    } = line_to_wire(line);
    // Whole numbers of 64 bits are texts in the JSON form of protobuf.
    let total = total.map(|total| total.to_string()).unwrap_or_default();
    let texts = [
        ("id", id),
        ("sku", sku),
        ("name", name),
        ("quantity_ordered", quantity_ordered),
        ("quantity_invoiced", quantity_invoiced),
        ("quantity_shipped", quantity_shipped),
        ("quantity_refunded", quantity_refunded),
        ("quantity_canceled", quantity_canceled),
        ("quantity_returned", quantity_returned),
        ("total", total),
    ];
    let given = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let mut object: Map<String, Value> = given
        .map(|(name, text)| (name.to_owned(), Value::String(text)))
        .collect();
    if is_virtual {
        object.insert("is_virtual".to_owned(), Value::Bool(true));
    }
    Value::Object(object)
}
