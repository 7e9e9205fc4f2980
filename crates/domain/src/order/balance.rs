//! The balance of an order: what it costs less what was cancelled and credited, against
//! what was paid less what was paid back.

use super::{Line, Order, Units};
use crate::{value::Money, workflow::Effect};

impl Order {
    /// The amount that has yet to be paid.
    pub fn total_due(&self) -> Money {
        self.owed().minus(self.kept())
    }

    /// The amount that was paid beyond what is owed.
    pub fn total_overpaid(&self) -> Money {
        self.kept().minus(self.owed())
    }

    /// The amount that was paid and not paid back.
    pub fn total_refundable(&self) -> Money {
        self.kept()
    }

    /// How much money can be taken back of what operations with this effect moved.
    pub(crate) fn money_reversible(&self, effect: Effect) -> Money {
        match effect {
            Effect::None | Effect::Ship => Money::ZERO,
            Effect::Invoice => self.total_invoiced,
            Effect::Refund => self.total_refunded,
            Effect::Cancel => self.total_canceled,
            Effect::Pay => self.total_refundable(),
        }
    }

    /// The quantities of its lines; those of the whole where it has none.
    pub(crate) fn units(&self) -> impl Iterator<Item = Units> + '_ {
        let whole = self.lines.is_empty().then(|| self.whole_units());
        self.lines.iter().map(Line::units).chain(whole)
    }

    /// The quantities of an order without lines.
    pub(crate) fn whole_units(&self) -> Units {
        self.whole.unwrap_or(Units::WHOLE)
    }

    fn owed(&self) -> Money {
        self.grand_total
            .minus(self.total_canceled)
            .minus(self.credited)
    }

    fn kept(&self) -> Money {
        self.total_paid.minus(self.total_refunded)
    }
}
