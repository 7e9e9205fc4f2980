//! An invented order, call and entry, to find mixed types.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cel::Value;

use super::{
    check::Uses,
    environment::Variables,
    values::{actor, evaluated, instant, map, text, texts},
};
use crate::{actor::Actor, value::Timestamp};

/// Values of the right types for the fields that an expression names.
pub(super) fn sample(uses: &Uses) -> Variables<'static> {
    let instant = instant(Timestamp::default());
    let line = map(&uses.line, |field| match field {
        "is_virtual" => Value::Bool(false),
        "id" | "sku" | "name" => text("sample"),
        "total" => Value::Int(1),
        _ => Value::Float(1.0),
    });
    let customer = Value::from(HashMap::from([
        ("id", text("")),
        ("email", text("")),
        ("name", text("")),
        ("guest", Value::Bool(false)),
    ]));
    let order = map(&uses.order, |field| match field {
        "lines" => Value::List(Arc::new(vec![line.clone()])),
        "holds" => Value::List(Arc::new(Vec::new())),
        "allowed_operations" => Value::List(Arc::new(vec![text("sample")])),
        "version" | "grand_total" | "total_paid" | "total_refunded" | "total_canceled"
        | "total_invoiced" | "total_due" | "total_overpaid" => Value::Int(1),
        "units_ordered" | "units_invoiced" | "units_shipped" | "units_refunded"
        | "units_canceled" | "units_returned" | "units_open" => Value::Float(1.0),
        "customer" => customer.clone(),
        "attributes" => texts(&BTreeMap::new()),
        "create_time" | "update_time" | "status_time" => instant.clone(),
        "workflow" | "id" | "state" | "status" | "status_label" | "currency" | "store_view"
        | "return_state" | "return_status" => text("sample"),
        _ => Value::Bool(true),
    });
    let actor = map(&uses.actor, |field| actor(&Actor::system(), field));
    let request = map(&uses.request, |field| match field {
        "metadata" => texts(&BTreeMap::new()),
        "amount" => Value::Int(1),
        "reverse" => Value::Bool(false),
        _ => text("sample"),
    });
    let entry = map(&uses.entry, |field| match field {
        "sequence" | "amount" | "caused_by" => Value::Int(1),
        "status_changed" | "notify_customer" | "visible_to_customer" => Value::Bool(true),
        "metadata" => texts(&BTreeMap::new()),
        "create_time" => instant.clone(),
        _ => text("sample"),
    });
    let sample = [
        ("entry", entry),
        ("order", order),
        ("actor", actor),
        ("request", request),
        ("now", instant),
    ];
    let sample = sample.map(|(name, value)| (name, evaluated(value)));
    Vec::from(sample)
}
