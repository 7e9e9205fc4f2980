//! A line of an order and the quantities that operations move.

use serde::{Deserialize, Serialize};

use super::{Counting, Units};
use crate::{
    value::{LineId, Money, ProductName, Quantity, Sku},
    workflow::Effect,
};

/// A line of an order.
///
/// Never more is invoiced, shipped, refunded or cancelled than was ordered:
/// `invoiced + canceled <= ordered`, `shipped + canceled <= ordered`; `refunded <= invoiced`,
/// or where the workflow does not invoice `refunded + canceled <= ordered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its id within the order.
    pub id: LineId,
    /// The stock keeping unit.
    #[serde(default, skip_serializing_if = "Sku::is_empty")]
    pub sku: Sku,
    /// Its name.
    #[serde(default, skip_serializing_if = "ProductName::is_empty")]
    pub name: ProductName,
    /// How much was ordered; more than zero.
    pub ordered: Quantity,
    /// How much was invoiced.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub invoiced: Quantity,
    /// How much was shipped.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub shipped: Quantity,
    /// How much was refunded.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub refunded: Quantity,
    /// How much was cancelled.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub canceled: Quantity,
    /// How much was shipped and came back.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub returned: Quantity,
    /// Whether it is never shipped.
    #[serde(default)]
    pub is_virtual: bool,
    /// The cost of all of it; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
}

/// A line as a call states it, before anything was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLine {
    /// Its id within the order.
    pub id: LineId,
    /// The stock keeping unit.
    pub sku: Sku,
    /// Its name.
    pub name: ProductName,
    /// How much was ordered; more than zero.
    pub ordered: Quantity,
    /// Whether it is never shipped.
    pub is_virtual: bool,
    /// The cost of all of it; none where that is not known. Those of all lines together are at
    /// most the grand total of the order.
    pub total: Option<Money>,
}

/// A quantity of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineQuantity {
    /// The line.
    pub line_id: LineId,
    /// How much of it.
    pub quantity: Quantity,
    /// How much of that had been shipped and came back; only of refunds.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub returned: Quantity,
}

impl Line {
    /// The line at the start of its life.
    pub fn new(line: NewLine) -> Self {
        Self {
            id: line.id,
            sku: line.sku,
            name: line.name,
            ordered: line.ordered,
            invoiced: Quantity::ZERO,
            shipped: Quantity::ZERO,
            refunded: Quantity::ZERO,
            canceled: Quantity::ZERO,
            returned: Quantity::ZERO,
            is_virtual: line.is_virtual,
            total: line.total,
        }
    }

    /// Its quantities alone.
    pub fn units(&self) -> Units {
        Units {
            ordered: self.ordered,
            invoiced: self.invoiced,
            shipped: self.shipped,
            refunded: self.refunded,
            canceled: self.canceled,
            returned: self.returned,
            is_virtual: self.is_virtual,
        }
    }

    /// How much of the line an operation with this effect can still move.
    pub fn left(&self, effect: Effect, counting: Counting) -> Quantity {
        self.units().left(effect, counting)
    }

    /// Takes over what operations have moved.
    pub(crate) fn set_moved(&mut self, units: &Units) {
        self.invoiced = units.invoiced;
        self.shipped = units.shipped;
        self.refunded = units.refunded;
        self.canceled = units.canceled;
        self.returned = units.returned;
    }
}
