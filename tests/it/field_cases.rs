//! What people who run order states really hit: cases after public reports, each with the answer that they may expect.
//!
//! `F`, `M` and `X` are the numbers of the cases, `A` those that were found by hand. Amounts are in minor units.

mod cancels;
mod documents;
mod ends;
mod money;
mod reversals;
mod shares;
mod units;

use tonic::Code;
use waymark_proto::v1::{self, history_entry::Detail};
use waymark_tests::{
    Shop,
    replay::{facts, replay},
    shop::line,
};

const FAILED: Code = Code::FailedPrecondition;

/// The two presets that come from Magento.
const MAGENTO: [&str; 2] = ["magento", "magento_2_4"];

/// Places an order that costs so much, in EUR.
async fn place(shop: &Shop, id: &str, grand_total: i64, lines: &[(&str, &str)]) -> v1::Order {
    let order = v1::Order {
        grand_total,
        ..shop.draft(id, lines)
    };
    shop.create(order)
        .await
        .expect("the order is placed")
        .order
        .expect("an order")
}

/// A line that costs so much in all.
fn priced(id: &str, quantity: &str, total: i64) -> v1::OrderLine {
    v1::OrderLine {
        total: Some(total),
        ..line(id, quantity)
    }
}

/// A request to record an operation with an amount.
fn amounting(
    shop: &Shop,
    id: &str,
    operation: &str,
    lines: &[(&str, &str)],
    amount: i64,
) -> v1::RecordOperationRequest {
    v1::RecordOperationRequest {
        amount: Some(amount),
        ..shop.operation(id, operation, lines)
    }
}

/// Records operations in turn, each for all that is left, and gives the order.
async fn all_of(shop: &Shop, id: &str, operations: &[&str]) -> v1::Order {
    for operation in operations {
        shop.record(id, operation, &[])
            .await
            .unwrap_or_else(|status| panic!("{operation} of {id}: {status:?}"));
    }
    shop.get(id).await
}

/// The operation that an entry recorded.
fn recorded(entry: &v1::HistoryEntry) -> &v1::OperationRecorded {
    match &entry.detail {
        Some(Detail::Recorded(recorded)) => recorded,
        other => panic!("nothing is recorded: {other:?}"),
    }
}

/// Paid, refunded, cancelled, due, overpaid.
fn totals(order: &v1::Order) -> [i64; 5] {
    [
        order.total_paid,
        order.total_refunded,
        order.total_canceled,
        order.total_due,
        order.total_overpaid,
    ]
}

/// Invoiced, shipped, refunded, cancelled, returned.
fn quantities(line: &v1::OrderLine) -> [&str; 5] {
    [
        &line.quantity_invoiced,
        &line.quantity_shipped,
        &line.quantity_refunded,
        &line.quantity_canceled,
        &line.quantity_returned,
    ]
}

/// Asserts that the entries of an order give the order, with all its totals.
async fn consistent(shop: &Shop, id: &str) {
    assert_eq!(replay(&shop.entries(id).await), facts(shop.get(id).await));
}
