//! Amounts of money in minor units, such as cents.

use serde::{Deserialize, Serialize};

use super::Invalid;

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

    /// The amount in minor units.
    pub fn minor_units(self) -> i64 {
        self.0
    }

    /// What is left of this amount after `other`, never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }

    /// Both amounts together, at most the largest amount.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self((self.0 + other.0).min(MINOR_UNITS_MAX))
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
