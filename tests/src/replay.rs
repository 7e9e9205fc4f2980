//! Replaying the history of an order as a client would that knows nothing but the contract.

use std::collections::BTreeMap;

use serde_json::Value;
use waymark_proto::v1::{self, OperationEffect, history_entry::Detail};

/// Makes the order out of its entries, oldest first. What depends on the workflow (labels, visibility, what is
/// allowed) is left empty, as [`facts`] leaves it.
///
/// # Panics
/// Panics where the entries are not a history.
pub fn replay(entries: &[v1::HistoryEntry]) -> v1::Order {
    let (first, rest) = entries.split_first().expect("a history has an entry");
    let Some(Detail::Created(v1::OrderCreated { order: Some(order) })) = &first.detail else {
        panic!("the first entry creates: {first:?}");
    };
    let mut order = facts((**order).clone());
    let mut credited = 0;
    stamp(&mut order, first);
    order.create_time = first.create_time;
    for (place, entry) in rest.iter().enumerate() {
        assert_eq!(
            usize::try_from(entry.sequence).unwrap(),
            place + 2,
            "sequences have no gaps"
        );
        apply(&mut order, entry);
        credited += credit(entry);
    }
    let owed = (order.grand_total - order.total_canceled - credited).max(0);
    let net = order.total_paid - order.total_refunded;
    order.total_due = (owed - net).max(0);
    order.total_overpaid = (net - owed).max(0);
    order
}

/// How much less is owed after the entry, since it was refunded.
fn credit(entry: &v1::HistoryEntry) -> i64 {
    match &entry.detail {
        Some(Detail::Recorded(recorded)) if recorded.effect() == OperationEffect::Refund => {
            signed(recorded, recorded.counted_amount)
        }
        _ => 0,
    }
}

/// An amount or quantity of an operation as it counts: less where it was taken back.
fn signed(recorded: &v1::OperationRecorded, amount: i64) -> i64 {
    if recorded.reverse { -amount } else { amount }
}

/// An order without what its history does not tell.
#[must_use]
pub fn facts(order: v1::Order) -> v1::Order {
    v1::Order {
        status_label: String::new(),
        visible_on_storefront: false,
        allowed_operations: Vec::new(),
        ..order
    }
}

fn stamp(order: &mut v1::Order, entry: &v1::HistoryEntry) {
    order.version = entry.sequence;
    order.state.clone_from(&entry.to_state);
    order.status.clone_from(&entry.to_status);
    order.update_time = entry.create_time;
    if entry.status_changed {
        order.status_time = entry.create_time;
    }
}

fn apply(order: &mut v1::Order, entry: &v1::HistoryEntry) {
    assert_eq!(
        (&order.state, &order.status),
        (&entry.from_state, &entry.from_status),
        "entry {}",
        entry.sequence
    );
    assert_eq!(
        entry.status_changed,
        entry.from_status != entry.to_status,
        "entry {}",
        entry.sequence
    );
    match &entry.detail {
        None => {}
        Some(Detail::Created(_)) => panic!("an order is created once"),
        Some(Detail::Updated(updated)) => updated
            .changes
            .iter()
            .for_each(|change| update(order, change)),
        Some(Detail::Held(held)) => {
            if order.holds.is_empty() {
                order.return_state.clone_from(&entry.from_state);
                order.return_status.clone_from(&entry.from_status);
            }
            order.holds.push(held.hold.clone().expect("a hold"));
        }
        Some(Detail::Released(released)) => {
            order
                .holds
                .retain(|hold| !released.hold_ids.contains(&hold.id));
            if order.holds.is_empty() {
                order.return_state.clear();
                order.return_status.clear();
            }
        }
        Some(Detail::Recorded(recorded)) => record(order, recorded),
    }
    stamp(order, entry);
}

fn record(order: &mut v1::Order, recorded: &v1::OperationRecorded) {
    let effect = recorded.effect();
    let counted = signed(recorded, recorded.counted_amount);
    match effect {
        OperationEffect::Pay => order.total_paid += signed(recorded, recorded.amount),
        OperationEffect::Refund => order.total_refunded += signed(recorded, recorded.amount),
        OperationEffect::Cancel => order.total_canceled += counted,
        OperationEffect::Invoice => order.total_invoiced += counted,
        OperationEffect::None | OperationEffect::Ship | OperationEffect::Unspecified => {}
    }
    for moved in &recorded.lines {
        let line = order
            .lines
            .iter_mut()
            .find(|line| line.id == moved.line_id)
            .expect("the line exists");
        let quantity = match effect {
            OperationEffect::Invoice => &mut line.quantity_invoiced,
            OperationEffect::Ship => &mut line.quantity_shipped,
            OperationEffect::Refund => &mut line.quantity_refunded,
            OperationEffect::Cancel => &mut line.quantity_canceled,
            OperationEffect::None | OperationEffect::Pay | OperationEffect::Unspecified => continue,
        };
        *quantity = write(read(quantity) + signed(recorded, read(&moved.quantity)));
        let returned = signed(recorded, read(&moved.returned));
        line.quantity_returned = write(read(&line.quantity_returned) + returned);
    }
}

fn update(order: &mut v1::Order, change: &v1::FieldChange) {
    let after = change.after.clone();
    if let Some(key) = change.path.strip_prefix("attributes.") {
        assert_eq!(
            order.attributes.get(key),
            change.before.as_ref(),
            "{change:?}"
        );
        match after {
            Some(value) => order.attributes.insert(key.to_owned(), value),
            None => order.attributes.remove(key),
        };
        return;
    }
    let after = after.unwrap_or_default();
    match change.path.as_str() {
        "grand_total" => order.grand_total = after.parse().expect("money is a number"),
        "store_view" => order.store_view = after,
        "lines" => order.lines = lines(&after),
        path => {
            let customer = order.customer.get_or_insert_default();
            match path {
                "customer.id" => customer.id = after,
                "customer.email" => customer.email = after,
                "customer.name" => customer.name = after,
                "customer.guest" => customer.guest = after == "true",
                other => panic!("an update of {other}"),
            }
        }
    }
}

/// Reads a JSON array of `OrderLine`.
fn lines(text: &str) -> Vec<v1::OrderLine> {
    let lines: Vec<BTreeMap<String, Value>> =
        serde_json::from_str(text).expect("lines are a JSON array");
    lines
        .iter()
        .map(|line| {
            let text = |key: &str| {
                line.get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let quantity = |key: &str| {
                line.get(key)
                    .and_then(Value::as_str)
                    .unwrap_or("0")
                    .to_owned()
            };
            v1::OrderLine {
                id: text("id"),
                sku: text("sku"),
                name: text("name"),
                quantity_ordered: quantity("quantity_ordered"),
                quantity_invoiced: quantity("quantity_invoiced"),
                quantity_shipped: quantity("quantity_shipped"),
                quantity_refunded: quantity("quantity_refunded"),
                quantity_canceled: quantity("quantity_canceled"),
                is_virtual: line
                    .get("is_virtual")
                    .and_then(Value::as_bool)
                    .unwrap_or_default(),
                quantity_returned: quantity("quantity_returned"),
                // Whole numbers of 64 bits are texts in the JSON form of protobuf.
                total: line
                    .get("total")
                    .and_then(Value::as_str)
                    .map(|total| total.parse().expect("money is a number")),
            }
        })
        .collect()
}

/// A decimal in ten-thousandths.
fn read(quantity: &str) -> i64 {
    let (whole, part) = quantity.split_once('.').unwrap_or((quantity, ""));
    let digits = format!("{}{part:0<4}", if whole.is_empty() { "0" } else { whole });
    digits.parse().expect("a decimal with four places at most")
}

/// Ten-thousandths as the shortest decimal.
fn write(quantity: i64) -> String {
    let (whole, part) = (quantity / 10_000, quantity % 10_000);
    if part == 0 {
        return whole.to_string();
    }
    format!("{whole}.{part:04}")
        .trim_end_matches('0')
        .to_owned()
}
