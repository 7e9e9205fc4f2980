//! Rows as the tables hold them, and their way to domain values and back. A row
//! that cannot be read is [`Error::Corrupt`](crate::Error::Corrupt).

pub(crate) mod delivery;
pub(crate) mod entry;
pub(crate) mod journal;
pub(crate) mod order;
pub(crate) mod workflow;

use std::str::FromStr;

use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// Names a row while its columns are read.
pub(crate) struct Reading<'r> {
    pub(crate) table: &'static str,
    pub(crate) row: &'r dyn std::fmt::Display,
}

impl Reading<'_> {
    /// Reads a text that has a rule.
    pub(crate) fn text<T>(&self, column: &'static str, text: &str) -> Result<T, Error>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        text.parse().map_err(|source| self.corrupt(column, source))
    }

    /// Reads a text that has a rule, where there is one.
    pub(crate) fn optional<T>(
        &self,
        column: &'static str,
        text: Option<&str>,
    ) -> Result<Option<T>, Error>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        text.map(|text| self.text(column, text)).transpose()
    }

    /// Reads a JSON column.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|source| self.corrupt(column, source))
    }

    /// Reads a column that holds one of a few words, as serde writes them.
    pub(crate) fn word<T: DeserializeOwned>(
        &self,
        column: &'static str,
        word: &str,
    ) -> Result<T, Error> {
        let value = serde_json::Value::String(word.to_owned());
        serde_json::from_value(value).map_err(|source| self.corrupt(column, source))
    }

    /// Says that a column cannot be read.
    pub(crate) fn corrupt(
        &self,
        column: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::Corrupt {
            table: self.table,
            column,
            row: self.row.to_string(),
            source: source.into(),
        }
    }
}

/// Writes a JSON column.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(unwritable)
}

/// Writes one of a few words as serde writes them.
pub(crate) fn word<T: Serialize>(value: &T) -> Result<String, Error> {
    match serde_json::to_value(value).map_err(unwritable)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(unwritable(serde::ser::Error::custom(format!(
            "not a word: {other}"
        )))),
    }
}

fn unwritable(source: serde_json::Error) -> Error {
    Error::Database {
        source: diesel::result::Error::SerializationError(Box::new(source)),
    }
}
