//! The order itself, as it is stored.

use serde::{Deserialize, Serialize};

use super::{Credits, Customer, Hold, Line, Units, Unreckoned, Wait};
use crate::{
    value::{Attributes, Currency, Money, OrderId, StoreView, Timestamp, WorkflowCode},
    workflow::Standing,
};

/// An order as it stands after its last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The workflow that it obeys.
    pub workflow: WorkflowCode,
    /// Its id within the workflow.
    pub id: OrderId,
    /// Its state and status.
    pub standing: Standing,
    /// The sequence of its last entry.
    pub version: i64,
    /// The lines, 0 to 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Of an order without lines, how far it has come as one whole; none for nowhere yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Units>,
    /// The currency of all its amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The amount that it costs.
    #[serde(default)]
    pub grand_total: Money,
    /// The amount that was paid.
    #[serde(default)]
    pub total_paid: Money,
    /// The amount that was paid back.
    #[serde(default)]
    pub total_refunded: Money,
    /// How much of what it costs was cancelled and is not owed.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub total_canceled: Money,
    /// The amount that was invoiced, as far as invoices gave amounts.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub total_invoiced: Money,
    /// How much less is owed since refunds: all of those with lines, and of those without what
    /// exceeded an overpayment.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub credited: Money,
    /// The refunds without lines, as far as a reversal has to know.
    #[serde(default, skip_serializing_if = "Credits::is_empty")]
    pub credits: Credits,
    /// The newest step of an effect whose amount does not follow from the totals, as far as a
    /// reversal has to know; none for most orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreckoned: Option<Box<Unreckoned>>,
    /// Where it was placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_view: Option<StoreView>,
    /// Who placed it.
    #[serde(default, skip_serializing_if = "Customer::is_empty")]
    pub customer: Customer,
    /// The notes of the shop on it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// The holds that stand on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Where it returns to when the last hold is released; set while it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<Standing>,
    /// When it was created.
    pub create_time: Timestamp,
    /// When its last entry was written.
    pub update_time: Timestamp,
    /// Since when it is in this status.
    pub status_time: Timestamp,
    /// How long it has waited in this status, where a hold came between; none for since
    /// [`Self::status_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}
