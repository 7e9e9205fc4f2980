//! Amounts of money in minor units, such as cents.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Invalid, Quantity};

/// The largest amount, so that sums of amounts stay far from overflow.
const MINOR_UNITS_MAX: i64 = 1_000_000_000_000_000;

/// An amount in minor units of the order's currency: 0 to 10^15.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(MINOR_UNITS_MAX);

    /// Checks a number of minor units.
    ///
    /// # Errors
    /// Returns [`Invalid`] for a negative or too large amount.
    pub fn new(minor_units: i64) -> Result<Self, Invalid> {
        if (0..=MINOR_UNITS_MAX).contains(&minor_units) {
            Ok(Self(minor_units))
        } else {
            Err(Invalid::OutOfRange {
                min: 0,
                max: MINOR_UNITS_MAX,
            })
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The amount in minor units.
    pub fn minor_units(self) -> i64 {
        self.0
    }

    /// The amount that is left after `other`, never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }

    /// Both amounts together, at most the largest amount.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self((self.0 + other.0).min(MINOR_UNITS_MAX))
    }

    /// The cost of `part` of something of which `whole` costs this amount, rounded half to even;
    /// never more than the whole. Nothing of nothing costs nothing.
    #[must_use]
    pub fn share(self, part: Quantity, whole: Quantity) -> Self {
        let (part, whole) = (part.ten_thousandths(), whole.ten_thousandths());
        if whole == 0 {
            return Self::ZERO;
        }
        // At most 10^15 times 10^19: far below 10^38.
        let product = i128::from(self.0) * i128::from(part);
        let whole = i128::from(whole);
        let (quotient, rest) = (product / whole, product % whole);
        let is_up = match (2 * rest).cmp(&whole) {
            Ordering::Less => false,
            Ordering::Equal => quotient % 2 == 1,
            Ordering::Greater => true,
        };
        let rounded = quotient + i128::from(is_up);
        i64::try_from(rounded).map_or(self, |rounded| Self(rounded.min(self.0)))
    }
}

impl TryFrom<i64> for Money {
    type Error = Invalid;
    fn try_from(minor_units: i64) -> Result<Self, Invalid> {
        Self::new(minor_units)
    }
}

impl From<Money> for i64 {
    fn from(money: Money) -> Self {
        money.0
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn shares_are_rounded_half_to_even() {
        for (total, part, whole, expected) in [
            (100, "1", "3", 33),
            (100, "2", "3", 67),
            (100, "3", "3", 100),
            (1, "1", "2", 0),
            (3, "1", "2", 2),
            (5, "1", "2", 2),
            (7, "0.5", "1", 4),
            (1_000, "0.4", "4.4", 91),
            (0, "1", "2", 0),
            (100, "0", "2", 0),
            (100, "9", "2", 100),
            (100, "1", "0", 0),
            (
                MINOR_UNITS_MAX,
                "999999999999",
                "999999999999.9999",
                MINOR_UNITS_MAX - 1_000,
            ),
        ] {
            let share = Money(total).share(quantity(part), quantity(whole));
            assert_eq!(share, Money(expected), "{part}/{whole} of {total}");
        }
    }

    proptest! {
        #[test]
        fn shares_grow_with_the_part_up_to_the_whole(
            total in 0..=MINOR_UNITS_MAX,
            whole in 1_u64..1_000_000,
            parts in prop::collection::vec(0_u64..1_000_000, 2),
        ) {
            let of = |part: u64| Quantity::whole(part.min(whole)).unwrap();
            let (less, more) = (parts[0].min(parts[1]), parts[0].max(parts[1]));
            let share = |part| Money(total).share(of(part), of(whole));
            prop_assert!(share(less) <= share(more));
            prop_assert_eq!(share(whole), Money(total));
            prop_assert_eq!(share(0), Money::ZERO);
        }
    }
}
