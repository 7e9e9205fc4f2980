//! The keys of the settings, and their values as they are written. The macro `settings!` declares the
//! keys of one concern as a struct that serde reads, each with its doc comment, which is its help as
//! well, its form and its default.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IntoDeserializer, Visitor, value::SeqDeserializer},
    forward_to_deserialize_any,
};

use super::error::Problem;

const SPAN_MAX: Duration = Duration::from_hours(1);

/// A key of the settings.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name, as in the TOML file; `WAYMARK_` and the name in capitals in the environment.
    pub name: &'static str,
    /// Meaning, in a sentence or a few.
    pub help: &'static str,
    /// Value where none is given, as it is written; empty where the help says what holds then.
    pub default: &'static str,
    pub(super) form: Form,
}

/// Form in which a value is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A text with a rule of its own.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A duration of so many milliseconds at least, and an hour at most.
    Span(u64),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Switch => f.write_str("true or false"),
            Self::Number(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Span(min) => {
                let min = humantime::format_duration(Duration::from_millis(*min));
                write!(f, "a duration from {min} to 1h")
            }
        }
    }
}

/// The settings of one concern.
pub(super) trait Concern: DeserializeOwned {
    /// Their keys, in the order of the fields.
    const KEYS: &'static [Key];
}

/// Declares a struct of settings: `field: Type = "key", form, "default";` with a doc comment, and
/// with the attribute `serde` where the type needs one.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $Settings:ident {
            $(
                $(#[doc = $help:literal])+
                $(#[serde($($serde:tt)+)])?
                $field:ident: $Type:ty
                    = $name:literal, $form:ident $(($($bound:expr),+))?, $default:literal;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        $visibility struct $Settings {
            $(
                $(#[doc = $help])+
                #[serde(rename = $name $(, $($serde)+)?)]
                $visibility $field: $Type,
            )+
        }

        impl $crate::settings::key::Concern for $Settings {
            const KEYS: &'static [$crate::settings::key::Key] = &[
                $($crate::settings::key::Key {
                    name: $name,
                    help: concat!($($help),+).trim_ascii_start(),
                    default: $default,
                    form: $crate::settings::key::Form::$form $(($($bound),+))?,
                }),+
            ];
        }
    };
}
pub(super) use settings;

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

impl IntoDeserializer<'_, Problem> for Written<'_> {
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

pub(super) fn if_given<T, P>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, P>,
) -> Result<Option<T>, P> {
    (!text.is_empty()).then(|| parse(text)).transpose()
}
