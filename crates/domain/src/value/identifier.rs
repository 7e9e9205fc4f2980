//! Identifiers that callers choose, and the formats of colour and currency.

use std::sync::Arc;

use super::{Invalid, Money, characters_at_most, formed, no_controls, text_type};

fn visible_ascii<const MAX: usize>(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::Empty);
    }
    no_controls(text)?;
    let is_visible = text.bytes().all(|b| b.is_ascii_graphic());
    formed(is_visible, "visible ASCII characters without spaces")?;
    characters_at_most(MAX, text.len())
}

fn request_id(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::Empty);
    }
    no_controls(text)?;
    characters_at_most(128, text.chars().count())
}

fn store_view(text: &str) -> Result<(), Invalid> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let is_right = (1..=32).contains(&text.len()) && text.bytes().all(plain);
    formed(is_right, "a store view: 1 to 32 of A-Z, a-z, 0-9, _ and -")
}

fn color(text: &str) -> Result<(), Invalid> {
    let is_hex = |text: &str| text.len() == 6 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_right = text.strip_prefix('#').is_some_and(is_hex);
    formed(is_right, "a colour like #3697cd")
}

fn currency(text: &str) -> Result<(), Invalid> {
    let is_right = text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
    formed(is_right, "a currency of three letters such as EUR")
}

text_type! {
    /// The id of an order within its workflow: 1 to 128 visible ASCII characters.
    OrderId, visible_ascii::<128>
}
text_type! {
    /// The id of a line within its order: 1 to 128 visible ASCII characters.
    LineId, visible_ascii::<128>
}
text_type! {
    /// The id of a hold within its order: the sequence of the entry that placed it.
    HoldId, visible_ascii::<128>
}
text_type! {
    /// The idempotency key of a call, by which a repeated one is recognised: 1 to 128 printable
    /// characters.
    RequestId, request_id
}
text_type! {
    /// A role of an actor: 1 to 64 visible ASCII characters.
    Role, visible_ascii::<64>
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
