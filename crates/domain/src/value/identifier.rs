//! Identifiers that callers choose (orders, lines, requests, roles, store
//! views), and the two formats of colour and currency.

use std::sync::Arc;

use super::{Invalid, Money, no_controls, text_type};

fn visible_ascii(text: &str, max: usize) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::Empty);
    }
    no_controls(text)?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Invalid::Malformed {
            expected: "visible ASCII characters without spaces",
        });
    }
    if text.len() > max {
        return Err(Invalid::TooLong {
            max,
            actual: text.len(),
        });
    }
    Ok(())
}

fn order_id(text: &str) -> Result<(), Invalid> {
    visible_ascii(text, 128)
}

fn role(text: &str) -> Result<(), Invalid> {
    visible_ascii(text, 64)
}

fn request_id(text: &str) -> Result<(), Invalid> {
    let characters = text.chars().count();
    if text.is_empty() {
        return Err(Invalid::Empty);
    }
    no_controls(text)?;
    if characters > 128 {
        return Err(Invalid::TooLong {
            max: 128,
            actual: characters,
        });
    }
    Ok(())
}

fn store_view(text: &str) -> Result<(), Invalid> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if text.is_empty() || text.len() > 32 || !text.bytes().all(plain) {
        return Err(Invalid::Malformed {
            expected: "a store view: 1 to 32 of A-Z, a-z, 0-9, _ and -",
        });
    }
    Ok(())
}

fn color(text: &str) -> Result<(), Invalid> {
    let expected = "a colour like #3697cd";
    let Some(digits) = text.strip_prefix('#') else {
        return Err(Invalid::Malformed { expected });
    };
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Invalid::Malformed { expected });
    }
    Ok(())
}

fn currency(text: &str) -> Result<(), Invalid> {
    if text.len() != 3 || !text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Invalid::Malformed {
            expected: "a currency of three letters such as EUR",
        });
    }
    Ok(())
}

text_type! {
    /// The id of an order within its workflow: 1 to 128 visible ASCII characters.
    OrderId, order_id
}
text_type! {
    /// The id of a line within its order: 1 to 128 visible ASCII characters.
    LineId, order_id
}
text_type! {
    /// The id of a hold within its order: the sequence of the entry that placed it.
    HoldId, order_id
}
text_type! {
    /// The idempotency key of a call, by which a repeated one is recognised: 1 to 128 printable
    /// characters.
    RequestId, request_id
}
text_type! {
    /// A role of an actor: 1 to 64 visible ASCII characters.
    Role, role
}
text_type! {
    /// A store view: 1 to 32 of `A-Z`, `a-z`, `0-9`, `_` and `-`.
    StoreView, store_view
}
text_type! {
    /// A colour as `#rrggbb`.
    Color, color
}
text_type! {
    /// A currency: three letters as in ISO 4217.
    Currency, currency
}

impl Currency {
    /// One whole unit in minor units, by the digits of ISO 4217: 100 for EUR, 1 for JPY, 1,000
    /// for KWD. None where ISO 4217 does not know the currency or gives it no digits, as for gold.
    pub fn whole_unit(&self) -> Option<Money> {
        let digits = iso_currency::Currency::from_code(self.as_str())?.exponent()?;
        let minor_units = 10_i64.checked_pow(u32::from(digits))?;
        Money::new(minor_units).ok()
    }
}

impl HoldId {
    /// The id of the hold that the entry with this sequence places.
    pub fn of_entry(sequence: i64) -> Self {
        Self(Arc::from(sequence.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_unit_has_as_many_minor_units_as_iso_4217_says() {
        for (code, expected) in [
            ("EUR", Some(100)),
            ("JPY", Some(1)),
            ("KWD", Some(1_000)),
            ("CLF", Some(10_000)),
            ("XAU", None),
            ("XXX", None),
            ("QQQ", None),
        ] {
            let unit = Currency::new(code).unwrap().whole_unit();
            assert_eq!(unit.map(Money::minor_units), expected, "{code}");
        }
    }
}
