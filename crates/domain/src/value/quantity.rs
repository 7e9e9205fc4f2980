//! Quantities of a line: exact decimals with up to four places.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Invalid, stored_as_text};

const SCALE: i64 = 10_000;
/// Twelve digits before the point, so that a sum over 500 lines fits in an `i64`.
const WHOLE_DIGITS_MAX: usize = 12;

/// A quantity that is exact to four decimals and never negative.
///
/// ```
/// use waymark_domain::value::Quantity;
/// let half: Quantity = "0.5".parse()?;
/// assert_eq!(half.plus(half).to_string(), "1");
/// assert!("0.00001".parse::<Quantity>().is_err());
/// # Ok::<(), waymark_domain::value::Invalid>(())
/// ```
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(i64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One whole unit.
    pub const ONE: Self = Self(SCALE);

    /// A whole number of units.
    ///
    /// # Errors
    /// Returns [`Invalid`] for more than twelve digits.
    pub fn whole(units: u64) -> Result<Self, Invalid> {
        units.to_string().parse()
    }

    /// Whether there is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The quantity that is left after `other`, never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }

    /// Both quantities together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The quantity in ten-thousandths of a unit.
    pub(super) fn ten_thousandths(self) -> i64 {
        self.0
    }

    /// The nearest floating-point number, as guards see it.
    #[expect(
        clippy::cast_precision_loss,
        reason = "guards compare with decimals of four places"
    )]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / SCALE as f64
    }
}

impl FromStr for Quantity {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let malformed = Invalid::Malformed {
            expected: "a decimal number, not negative, with up to 12 digits and 4 decimals, such as 2 or 0.25",
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole)
            || !digits(fraction)
            || whole.len() > WHOLE_DIGITS_MAX
            || fraction.len() > 4
        {
            return Err(malformed);
        }
        let parsed = format!("{whole}{fraction:0<4}").parse();
        parsed.map(Self).map_err(|_| malformed)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / SCALE, self.0 % SCALE);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{fraction:04}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

stored_as_text!(Quantity);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_not_exact() {
        for bad in [
            "",
            "-1",
            "+1",
            "1.",
            ".5",
            "1e3",
            "0.00001",
            "1.23456",
            "1234567890123",
            "NaN",
            " 1",
            "1,5",
        ] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_back(units in 0_i64..999_999_999_999, fraction in 0_i64..10_000) {
            let text = format!("{units}.{fraction:04}");
            let quantity: Quantity = text.parse().unwrap();
            prop_assert_eq!(quantity, quantity.to_string().parse().unwrap());
            prop_assert_eq!(quantity.0, units * SCALE + fraction);
        }
    }
}
