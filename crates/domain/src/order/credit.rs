//! Data for reversals of steps that were taken. A refund without lines gives back an
//! overpayment first, and what exceeds that makes the order cost less: later, that has to be known
//! again. So has an amount that does not follow from the totals.

use serde::{Deserialize, Serialize};

use super::LineQuantity;
use crate::{value::Money, workflow::Effect};

/// The most parts that are kept; those beyond count as credited.
const PARTS_MAX: usize = 16;

/// The refunds without lines, newest last, from the first overpayment on that was
/// given back; empty for most orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credits(Vec<CreditPart>);

/// Money that refunds gave back in a row for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct CreditPart {
    amount: Money,
    /// Whether it is owed no more; else it was overpaid.
    credited: bool,
}

/// A step whose amount is not what taking it back would be reckoned to give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreckoned {
    pub(crate) effect: Effect,
    /// The quantities that it moved; empty for an order without lines as one whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) amount: Money,
}

impl Credits {
    /// Whether nothing has to be known.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a refund: what of it had been overpaid, and what is owed no more.
    pub(crate) fn add(&mut self, overpaid: Money, credited: Money) {
        self.push(overpaid, false);
        // Before any overpayment was given back, all is credited anyway.
        if !self.is_empty() {
            self.push(credited, true);
        }
    }

    /// Takes the newest refunds back, up to this amount.
    pub(crate) fn take_back(&mut self, amount: Money) {
        let mut rest = amount;
        while let Some(mut part) = self.0.pop() {
            if part.amount > rest {
                part.amount = part.amount.minus(rest);
                self.0.push(part);
                return;
            }
            rest = rest.minus(part.amount);
        }
    }

    /// How much would be owed again if the newest refunds were taken back, up to this amount.
    pub(crate) fn credited(&self, amount: Money) -> Money {
        let mut rest = amount;
        let mut credited = Money::ZERO;
        for part in self.0.iter().rev() {
            let taken = part.amount.min(rest);
            rest = rest.minus(taken);
            if part.credited {
                credited = credited.plus(taken);
            }
        }
        credited.plus(rest)
    }

    fn push(&mut self, amount: Money, credited: bool) {
        if amount == Money::ZERO {
            return;
        }
        match self.0.last_mut().filter(|last| last.credited == credited) {
            Some(last) => last.amount = last.amount.plus(amount),
            None => self.0.push(CreditPart { amount, credited }),
        }
        if self.0.len() > PARTS_MAX {
            self.0.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor_units: i64) -> Money {
        Money::new(minor_units).unwrap()
    }

    #[test]
    fn the_newest_are_taken_back_first() {
        let mut credits = Credits::default();
        credits.add(money(0), money(700));
        assert!(credits.is_empty(), "nothing was overpaid so far");
        assert_eq!(credits.credited(money(100)), money(100));
        credits.add(money(50), money(30));
        credits.add(money(0), money(20));
        for (amount, expected) in [(20, 20), (50, 50), (60, 50), (100, 50), (130, 80)] {
            assert_eq!(credits.credited(money(amount)), money(expected), "{amount}");
        }
        credits.take_back(money(60));
        assert_eq!(credits.credited(money(45)), money(5));
        credits.take_back(money(500));
        assert!(credits.is_empty());
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut credits = Credits::default();
        for _ in 0..100 {
            credits.add(money(1), money(1));
        }
        assert_eq!(credits.0.len(), PARTS_MAX);
        assert_eq!(credits.credited(money(17)), money(9));
    }
}
