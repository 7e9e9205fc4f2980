//! The keys of the settings. The macro `settings!` declares those of one concern as a struct that
//! serde reads, each with its doc comment, which is its help as well, its form and its default.

use std::{fmt, time::Duration};

use serde::de::DeserializeOwned;

/// A key of the settings.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name, as in the TOML file; `WAYMARK_` and the name in capitals in the environment.
    pub name: &'static str,
    /// Meaning, in a sentence or a few.
    pub help: &'static str,
    /// Value where none is given, as it is written; empty where the help says what holds then.
    pub default: &'static str,
    /// Form of its values.
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
