//! A line of an order and the quantities that operations move.
//!
//! Formulas follow Magento's `Order\Item`, as restated in the project's notes on
//! Magento, section 4.1.

use serde::{Deserialize, Serialize};

use crate::{
    value::{LineId, ProductName, Quantity, Sku},
    workflow::{Effect, RefundedUnits},
};

/// A line of an order.
///
/// Never more is invoiced, shipped, refunded or cancelled than was ordered:
/// `invoiced + canceled <= ordered`, `shipped + canceled <= ordered`,
/// `refunded <= invoiced`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its id within the order.
    pub id: LineId,
    /// The stock keeping unit.
    #[serde(default, skip_serializing_if = "Sku::is_empty")]
    pub sku: Sku,
    /// What it is called.
    #[serde(default, skip_serializing_if = "ProductName::is_empty")]
    pub name: ProductName,
    /// How much was ordered; more than zero.
    pub ordered: Quantity,
    /// How much was invoiced.
    #[serde(default, skip_serializing_if = "Quantity::is_zero_ref")]
    pub invoiced: Quantity,
    /// How much was shipped.
    #[serde(default, skip_serializing_if = "Quantity::is_zero_ref")]
    pub shipped: Quantity,
    /// How much was refunded.
    #[serde(default, skip_serializing_if = "Quantity::is_zero_ref")]
    pub refunded: Quantity,
    /// How much was cancelled.
    #[serde(default, skip_serializing_if = "Quantity::is_zero_ref")]
    pub canceled: Quantity,
    /// Whether it is never shipped.
    #[serde(default)]
    pub is_virtual: bool,
}

/// A line as a call states it, before anything was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLine {
    /// Its id within the order.
    pub id: LineId,
    /// The stock keeping unit.
    pub sku: Sku,
    /// What it is called.
    pub name: ProductName,
    /// How much was ordered; more than zero.
    pub ordered: Quantity,
    /// Whether it is never shipped.
    pub is_virtual: bool,
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
            is_virtual: line.is_virtual,
        }
    }

    /// How much of the line an operation with this effect can still move.
    pub fn left(&self, effect: Effect, refunded_units: RefundedUnits) -> Quantity {
        let to_invoice = self.ordered.minus(self.canceled).minus(self.invoiced);
        match effect {
            Effect::None | Effect::Pay => Quantity::ZERO,
            Effect::Invoice => to_invoice,
            Effect::Ship if self.is_virtual => Quantity::ZERO,
            Effect::Ship => self.undelivered(refunded_units),
            Effect::Refund => self.invoiced.minus(self.refunded),
            Effect::Cancel => to_invoice.min(self.undelivered(refunded_units)),
        }
    }

    /// The line after an operation with this effect moved this quantity.
    #[must_use]
    pub fn after(mut self, effect: Effect, quantity: Quantity) -> Self {
        match effect {
            Effect::None | Effect::Pay => {}
            Effect::Invoice => self.invoiced = self.invoiced.plus(quantity),
            Effect::Ship => self.shipped = self.shipped.plus(quantity),
            Effect::Refund => self.refunded = self.refunded.plus(quantity),
            Effect::Cancel => self.canceled = self.canceled.plus(quantity),
        }
        self
    }

    fn undelivered(&self, refunded_units: RefundedUnits) -> Quantity {
        let rest = self.ordered.minus(self.canceled).minus(self.shipped);
        match refunded_units {
            RefundedUnits::StillShip => rest,
            RefundedUnits::Fulfilled => rest.minus(self.refunded),
        }
    }
}
