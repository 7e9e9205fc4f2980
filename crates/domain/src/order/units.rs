//! The quantities that operations move, of a line or of an order without lines as one whole,
//! and how much of them is left.
//!
//! Formulas follow Magento's `Order\Item`, as restated in the project's notes on
//! Magento, section 4.1.

use serde::{Deserialize, Serialize};

use crate::{
    value::Quantity,
    workflow::{Effect, RefundedUnits},
};

/// How far the units of a line have come, or an order without lines as one whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
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
}

/// The rules by which units are left for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counting {
    /// Whether refunded units have yet to be shipped.
    pub refunded_units: RefundedUnits,
    /// Which units can be refunded.
    pub refundable: Refundable,
}

/// Which units of an order can be refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refundable {
    /// Those that were invoiced: the workflow has an operation with effect INVOICE.
    Invoiced,
    /// Those that were ordered and not cancelled: the workflow does not invoice, and money was
    /// paid.
    Ordered,
    /// Those that were shipped: the workflow does not invoice, and nothing was paid.
    Shipped,
}

impl Units {
    /// An order without lines with which nothing was done yet.
    pub const WHOLE: Self = Self {
        ordered: Quantity::ONE,
        invoiced: Quantity::ZERO,
        shipped: Quantity::ZERO,
        refunded: Quantity::ZERO,
        canceled: Quantity::ZERO,
        returned: Quantity::ZERO,
        is_virtual: false,
    };

    /// How much an operation with this effect can still move.
    pub fn left(&self, effect: Effect, counting: Counting) -> Quantity {
        let to_invoice = self.ordered.minus(self.canceled).minus(self.invoiced);
        let not_refunded = self.ordered.minus(self.canceled).minus(self.refunded);
        match effect {
            Effect::None | Effect::Pay => Quantity::ZERO,
            Effect::Invoice => to_invoice,
            Effect::Ship if self.is_virtual => Quantity::ZERO,
            Effect::Ship => self.undelivered(counting.refunded_units),
            Effect::Refund => match counting.refundable {
                Refundable::Invoiced => self.invoiced.minus(self.refunded),
                Refundable::Ordered => not_refunded,
                Refundable::Shipped => self.shipped.minus(self.refunded),
            },
            Effect::Cancel => {
                let open = to_invoice.min(self.undelivered(counting.refunded_units));
                match counting.refundable {
                    Refundable::Invoiced => open,
                    Refundable::Ordered | Refundable::Shipped => open.min(not_refunded),
                }
            }
        }
    }

    /// How much of what operations with this effect moved can be taken back, since no other
    /// operation builds on it.
    pub fn reversible(&self, effect: Effect, counting: Counting) -> Quantity {
        match effect {
            Effect::None | Effect::Pay => Quantity::ZERO,
            Effect::Invoice => self.invoiced.minus(self.refunded),
            Effect::Ship => match counting.refundable {
                Refundable::Invoiced | Refundable::Ordered => self.shipped.minus(self.returned),
                Refundable::Shipped => self.shipped.minus(self.returned.max(self.refunded)),
            },
            Effect::Refund => self.refunded,
            Effect::Cancel => self.canceled,
        }
    }

    /// How much of it an operation with this effect has moved so far.
    pub(super) fn done(&self, effect: Effect) -> Quantity {
        match effect {
            Effect::None | Effect::Pay => Quantity::ZERO,
            Effect::Invoice => self.invoiced,
            Effect::Ship => self.shipped,
            Effect::Refund => self.refunded,
            Effect::Cancel => self.canceled,
        }
    }

    /// The units after an operation moved some, up by [`Quantity::plus`] or back down by
    /// [`Quantity::minus`].
    #[must_use]
    pub(crate) fn moved(
        mut self,
        effect: Effect,
        quantity: Quantity,
        returned: Quantity,
        by: fn(Quantity, Quantity) -> Quantity,
    ) -> Self {
        match effect {
            Effect::None | Effect::Pay => {}
            Effect::Invoice => self.invoiced = by(self.invoiced, quantity),
            Effect::Ship => self.shipped = by(self.shipped, quantity),
            Effect::Refund => {
                self.refunded = by(self.refunded, quantity);
                self.returned = by(self.returned, returned);
            }
            Effect::Cancel => self.canceled = by(self.canceled, quantity),
        }
        self
    }

    /// The quantity that was not sent. A unit that was refunded and came back had been sent.
    fn undelivered(&self, refunded_units: RefundedUnits) -> Quantity {
        let rest = self.ordered.minus(self.canceled).minus(self.shipped);
        match refunded_units {
            RefundedUnits::StillShip => rest,
            RefundedUnits::Fulfilled => rest.minus(self.refunded.minus(self.returned)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    fn counting(refunded_units: RefundedUnits, refundable: Refundable) -> Counting {
        Counting {
            refunded_units,
            refundable,
        }
    }

    /// Four units of which some were moved: `invoice 3`, `refund 2 1` with one that came back.
    fn units(moves: &[(Effect, &str, &str)]) -> Units {
        let whole = Units {
            ordered: quantity("4"),
            ..Units::WHOLE
        };
        moves
            .iter()
            .fold(whole, |units, (effect, moved, returned)| {
                units.moved(*effect, quantity(moved), quantity(returned), Quantity::plus)
            })
    }

    fn left(units: &Units, counting: Counting) -> [String; 4] {
        let effects = [
            Effect::Invoice,
            Effect::Ship,
            Effect::Refund,
            Effect::Cancel,
        ];
        effects.map(|effect| units.left(effect, counting).to_string())
    }

    #[test]
    fn virtual_units_do_not_ship_and_refunded_ones_follow_the_workflow() {
        let still = counting(RefundedUnits::StillShip, Refundable::Invoiced);
        let fulfilled = counting(RefundedUnits::Fulfilled, Refundable::Invoiced);
        assert_eq!(left(&units(&[]), still), ["4", "4", "0", "4"]);
        let some = [(Effect::Invoice, "3", "0"), (Effect::Refund, "2", "0")];
        assert_eq!(left(&units(&some), still), ["1", "4", "1", "1"]);
        assert_eq!(left(&units(&some), fulfilled), ["1", "2", "1", "1"]);
        let never_shipped = Units {
            is_virtual: true,
            ..units(&some)
        };
        assert_eq!(left(&never_shipped, still), ["1", "0", "1", "1"]);
    }

    #[test]
    fn a_unit_that_came_back_had_been_sent() {
        let fulfilled = counting(RefundedUnits::Fulfilled, Refundable::Invoiced);
        let shipped = [(Effect::Invoice, "2", "0"), (Effect::Ship, "1", "0")];
        let refunded = |returned| {
            let [invoice, ship] = shipped;
            units(&[invoice, ship, (Effect::Refund, "1", returned)])
        };
        assert_eq!(left(&refunded("0"), fulfilled), ["2", "2", "1", "2"]);
        assert_eq!(left(&refunded("1"), fulfilled), ["2", "3", "1", "2"]);
    }

    #[test]
    fn without_invoices_units_are_refunded_that_were_paid_or_shipped() {
        let paid = counting(RefundedUnits::StillShip, Refundable::Ordered);
        let unpaid = counting(RefundedUnits::StillShip, Refundable::Shipped);
        let shipped = units(&[(Effect::Ship, "1", "0")]);
        assert_eq!(left(&shipped, paid), ["4", "3", "4", "3"]);
        assert_eq!(left(&shipped, unpaid), ["4", "3", "1", "3"]);
        let refunded = units(&[(Effect::Refund, "3", "0")]);
        assert_eq!(left(&refunded, paid), ["4", "4", "1", "1"]);
    }

    #[test]
    fn nothing_is_taken_back_that_others_build_on() {
        let moved = units(&[
            (Effect::Invoice, "3", "0"),
            (Effect::Ship, "2", "0"),
            (Effect::Refund, "2", "1"),
            (Effect::Cancel, "1", "0"),
        ]);
        let back = |refundable| {
            let counting = counting(RefundedUnits::Fulfilled, refundable);
            let effects = [
                Effect::Invoice,
                Effect::Ship,
                Effect::Refund,
                Effect::Cancel,
            ];
            effects.map(|effect| moved.reversible(effect, counting).to_string())
        };
        assert_eq!(back(Refundable::Invoiced), ["1", "1", "2", "1"]);
        assert_eq!(back(Refundable::Ordered), ["1", "1", "2", "1"]);
        assert_eq!(back(Refundable::Shipped), ["1", "0", "2", "1"]);
    }
}
