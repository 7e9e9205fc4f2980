//! Why settings were refused.

use std::{fmt, path::PathBuf};

use config::ConfigError;

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read, or is not TOML.
    #[error("the settings file {} cannot be read", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<ConfigError>,
    },
    /// Some are wrong: all that are, at least one.
    #[error("{}", listed(.0))]
    Wrong(Vec<Wrong>),
}

fn listed(wrong: &[Wrong]) -> String {
    if let [wrong] = wrong {
        return wrong.to_string();
    }
    let lines: Vec<String> = wrong.iter().map(|wrong| format!("\n  {wrong}")).collect();
    format!("{} settings are wrong:{}", lines.len(), lines.concat())
}

/// A setting that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Wrong {
    /// Its key.
    pub key: String,
    /// Where it came from, and what is wrong with it. A value that may be a secret is not repeated.
    pub text: String,
}

/// A fault of a value, in words that complete "setting x …".
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Problem(pub(super) String);

impl serde::de::Error for Problem {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}
