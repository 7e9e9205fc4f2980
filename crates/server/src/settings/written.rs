//! A value as it is written, which serde reads in the form of its key.

use std::{fmt::Display, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, Visitor, value::SeqDeserializer},
    forward_to_deserialize_any,
};

use super::{error::Problem, key::Form};

const SPAN_MAX: Duration = Duration::from_hours(1);

/// A value as it is written.
#[derive(Clone, Copy)]
pub(super) struct Written<'t> {
    pub(super) text: &'t str,
    pub(super) form: Form,
}

impl Written<'_> {
    fn checked<T>(self, value: Option<T>, is_fine: impl FnOnce(&T) -> bool) -> Result<T, Problem> {
        let value = value.filter(is_fine);
        value.ok_or_else(|| Problem(format!("must be {}", self.form)))
    }

    fn span(self, min: u64) -> Result<Duration, Problem> {
        if let Ok(number) = self.text.parse::<u64>() {
            let hint = format!("must have a unit: write {number}ms or {number}s");
            return Err(Problem(hint));
        }
        let range = Duration::from_millis(min)..=SPAN_MAX;
        let span = humantime::parse_duration(self.text).ok();
        self.checked(span, |span| range.contains(span))
    }
}

/// An empty text is none where the type may be none. A duration is read as serde writes it, in
/// seconds and nanoseconds.
impl<'de> Deserializer<'de> for Written<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.form {
            Form::Text | Form::Word(_) => visitor.visit_str(self.text),
            Form::Switch => visitor.visit_bool(self.checked(self.text.parse().ok(), |_| true)?),
            Form::Number(min, max) => {
                let range = min..=max;
                let number = self.text.parse::<u64>().ok();
                visitor.visit_u64(self.checked(number, |number| range.contains(number))?)
            }
            Form::Span(min) => {
                let span = self.span(min)?;
                let parts = [span.as_secs(), u64::from(span.subsec_nanos())];
                visitor.visit_seq(SeqDeserializer::<_, Problem>::new(parts.into_iter()))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.text.is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Problem> for Written<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Reads a text by a rule of its own; what is said of one that is refused completes "setting x …".
pub(super) fn parsed<'de, D: Deserializer<'de>, T, P: Display>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, P>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// Reads a text where empty means none.
pub(super) fn if_given<T, P>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, P>,
) -> Result<Option<T>, P> {
    (!text.is_empty()).then(|| parse(text)).transpose()
}
