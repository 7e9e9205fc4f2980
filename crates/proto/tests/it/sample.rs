//! A small workflow, and texts made values.

use std::{fmt::Debug, str::FromStr};

use waymark_domain::{
    actor::Actor,
    judge::Graph,
    order::{Credits, Customer, Line, NewLine, Order},
    value::{Attributes, Money, Quantity, Timestamp, WorkflowCode},
    workflow::{
        Record, Standing, Workflow,
        document::{self, Format, Mode},
    },
};

const DOCUMENT: &str = "
workflow: order
label: Order
initial_state: new
default_store_view: en
operations:
  invoice: {label: Invoice, effect: invoice}
  edit: {label: Edit, effect: none}
statuses:
  pending: {label: Pending, store_view_labels: {en: Waiting, de: Wartend}, color: '#3697cd'}
  packing: {label: Packing}
  done: {label: Done}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, operations: [invoice, edit], statuses: [pending]}
  processing:
    label: Processing
    category: active
    entry_guard: order.grand_total > 0
    statuses: [packing, {status: done, visible_on_storefront: false}]
transitions:
  start:
    label: Start
    from_states: [new]
    to_state: processing
    to_status: packing
    guard: order.grand_total > 0
    trigger: {on_operations: [invoice]}
    roles: [clerk]
";

/// The instant at which samples are created.
pub(crate) const CREATED: Timestamp = Timestamp::from_micros(1_700_000_000_123_456);

/// A value from a text that is right.
pub(crate) fn value<T>(text: &str) -> T
where
    T: FromStr,
    T::Err: Debug,
{
    text.parse().unwrap()
}

pub(crate) fn default_workflow() -> WorkflowCode {
    value("order")
}

pub(crate) fn workflow() -> Workflow {
    let document = document::parse(DOCUMENT, Format::Yaml).unwrap();
    document::apply(None, &document, Mode::Replace, None).unwrap()
}

pub(crate) fn graph() -> Graph {
    Graph::new(workflow(), 1).unwrap()
}

pub(crate) fn record() -> Record {
    Record::first(workflow(), CREATED)
}

pub(crate) fn line(id: &str, quantity: &str) -> Line {
    Line::new(NewLine {
        id: value(id),
        sku: value("sku"),
        name: value(""),
        ordered: value::<Quantity>(quantity),
        is_virtual: false,
        total: None,
    })
}

/// An order of two lines on `new`/`pending`, as it was created.
pub(crate) fn order() -> Order {
    Order {
        workflow: default_workflow(),
        id: value("100000001"),
        standing: Standing {
            state: value("new"),
            status: value("pending"),
        },
        version: 1,
        lines: vec![line("1", "2"), line("2", "0.5")],
        currency: Some(value("EUR")),
        grand_total: Money::new(1_999).unwrap(),
        total_paid: Money::ZERO,
        total_refunded: Money::ZERO,
        total_canceled: Money::ZERO,
        total_invoiced: Money::ZERO,
        credited: Money::ZERO,
        credits: Credits::default(),
        unreckoned: None,
        whole: None,
        store_view: Some(value("de")),
        customer: Customer::default(),
        attributes: Attributes::default(),
        holds: Vec::new(),
        return_to: None,
        create_time: CREATED,
        update_time: CREATED,
        status_time: CREATED,
        wait: None,
    }
}

pub(crate) fn clerk() -> Actor {
    Actor {
        id: value("ada"),
        roles: vec![value("clerk")],
        ..Actor::unstated()
    }
}
