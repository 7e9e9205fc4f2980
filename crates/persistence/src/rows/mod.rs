//! Rows as the tables hold them, and their way to domain values and back. A row
//! that cannot be read is [`Error::Corrupt`](crate::Error::Corrupt).

pub(crate) mod delivery;
pub(crate) mod entry;
pub(crate) mod entry_index;
mod number;
pub(crate) mod order;
mod text;
pub(crate) mod workflow;

pub(crate) use number::{Number, StoredNumber};
pub(crate) use text::StoredText;

use std::{fmt, str::FromStr};

use serde::{Serialize, de::DeserializeOwned, ser::Error as _};
use waymark_domain::{history::LogPosition, partition::Partition, value::is_hidden};

use self::text::NOT_UTF8;
use crate::Error;

/// Names a row while its columns are read.
pub(crate) struct Reading<'r> {
    pub(crate) table: &'static str,
    pub(crate) row: &'r dyn fmt::Display,
}

/// The name of a row about an order, for people: its key, and the order, whatever stands there.
pub(crate) struct OrderRowName<'r> {
    pub(crate) partition: i32,
    pub(crate) number: i64,
    pub(crate) workflow: &'r str,
    pub(crate) order_id: &'r str,
}

/// How many characters of a text the name of a row shows.
const NAME_CHARS_MAX: usize = 128;

impl fmt::Display for OrderRowName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |text: &str| text.chars().take(NAME_CHARS_MAX).collect::<String>();
        let (workflow, order_id) = (cut(self.workflow), cut(self.order_id));
        let (partition, number) = (self.partition, self.number);
        write!(
            f,
            "{partition}/{number} (order {order_id:?} of workflow {workflow:?})"
        )
    }
}

impl<'r> Reading<'r> {
    /// The name of a row, for people.
    pub(crate) fn of(table: &'static str, row: &'r dyn fmt::Display) -> Self {
        Self { table, row }
    }
    /// Reads a text that has no rule.
    pub(crate) fn plain<'t>(
        &self,
        column: &'static str,
        text: &'t StoredText,
    ) -> Result<&'t str, Error> {
        text.utf8().ok_or_else(|| self.corrupt(column, NOT_UTF8))
    }

    /// Reads a text that has no rule, where there is one.
    pub(crate) fn optional_plain<'t>(
        &self,
        column: &'static str,
        text: Option<&'t StoredText>,
    ) -> Result<Option<&'t str>, Error> {
        text.map(|text| self.plain(column, text)).transpose()
    }

    /// Reads a text that has a rule.
    pub(crate) fn text<T>(&self, column: &'static str, text: &StoredText) -> Result<T, Error>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let text = self.plain(column, text)?;
        text.parse().or_else(|source| {
            let read = with_signs(text).and_then(|text| text.parse().ok());
            read.ok_or_else(|| self.corrupt(column, source))
        })
    }

    /// Reads a text that has a rule, where there is one.
    pub(crate) fn optional<T>(
        &self,
        column: &'static str,
        text: Option<&StoredText>,
    ) -> Result<Option<T>, Error>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        text.map(|text| self.text(column, text)).transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        text: &StoredText,
    ) -> Result<T, Error> {
        let text = self.plain(column, text)?;
        serde_json::from_str(text).or_else(|source| {
            let read = with_signs(text).and_then(|text| serde_json::from_str(&text).ok());
            read.ok_or_else(|| self.corrupt(column, source))
        })
    }

    /// Reads a column that holds one of a few words, as serde writes them.
    pub(crate) fn word<T: DeserializeOwned>(
        &self,
        column: &'static str,
        word: &StoredText,
    ) -> Result<T, Error> {
        let word = self.plain(column, word)?;
        let value = serde_json::Value::String(word.to_owned());
        serde_json::from_value(value).map_err(|source| self.corrupt(column, source))
    }

    /// Reads a number of 32 bits, of which some may not be allowed.
    pub(crate) fn number<T>(&self, column: &'static str, number: StoredNumber) -> Result<T, Error>
    where
        T: TryFrom<i32, Error: std::error::Error + Send + Sync + 'static>,
    {
        let number = i32::try_from(number.0).map_err(|source| self.corrupt(column, source))?;
        T::try_from(number).map_err(|source| self.corrupt(column, source))
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

/// The position of an entry, by the columns of its key.
pub(crate) fn position(partition: i32, offset: i64) -> LogPosition {
    let partition = Partition::new(partition);
    LogPosition { partition, offset }
}

/// A text with a sign in place of each character that nobody sees; none where it has none. Labels
/// and names could have them once, and what was stored then is read all the same.
fn with_signs(text: &str) -> Option<String> {
    let has_any = text.contains(is_hidden);
    has_any.then(|| text.replace(is_hidden, "\u{FFFD}"))
}

/// A text with a sign in place of each NUL, which PostgreSQL stores nowhere.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::unwritable)
}

/// Writes one of a few words as serde writes them.
pub(crate) fn word<T: Serialize>(value: &T) -> Result<String, Error> {
    match serde_json::to_value(value).map_err(Error::unwritable)? {
        serde_json::Value::String(word) => Ok(word),
        other => {
            let problem = format!("not a word: {other}");
            Err(Error::unwritable(serde_json::Error::custom(problem)))
        }
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::{
        order::Line,
        value::{Comment, Label},
    };

    use super::*;

    const READING: Reading<'static> = Reading {
        table: "statuses",
        row: &"order/pending",
    };

    fn stored(text: &str) -> StoredText {
        text.to_owned().into()
    }

    fn label(text: &str) -> Result<Label, Error> {
        READING.text("label", &stored(text))
    }

    #[test]
    fn what_was_stored_before_some_characters_were_refused_is_read() {
        assert_eq!(label("pay\u{202E}exe").unwrap().as_str(), "pay\u{FFFD}exe");
        assert_eq!(label("\u{200B}").unwrap().as_str(), "\u{FFFD}");
        let line = "{\"id\": \"1\", \"ordered\": \"2\", \"name\": \"shirt\u{FEFF}\"}";
        let line: Line = READING.json("body", &stored(line)).unwrap();
        assert_eq!(line.name.as_str(), "shirt\u{FFFD}");
        // What is taken is left as it is, and what no rule ever took stays unreadable.
        let comment: Comment = READING.text("comment", &stored("a\u{200B}")).unwrap();
        assert_eq!(comment.as_str(), "a\u{200B}");
        assert!(label("a\u{0}\u{200B}").is_err());
        assert!(label("").is_err());
    }

    #[test]
    fn a_text_that_is_not_utf8_is_never_a_value() {
        // What can be shown of it would be a comment, a word and a piece of JSON.
        let lossy = StoredText::Lossy("\u{FFFD}".into());
        assert!(READING.plain("problem", &lossy).is_err());
        assert!(READING.optional_plain("guard", Some(&lossy)).is_err());
        assert!(READING.text::<Comment>("comment", &lossy).is_err());
        assert!(READING.word::<String>("kind", &lossy).is_err());
        let lossy = StoredText::Lossy("\"\u{FFFD}\"".into());
        assert!(READING.json::<String>("body", &lossy).is_err());
    }

    #[test]
    fn a_number_beyond_32_bits_is_no_value() {
        let read = |number| READING.number::<u32>("attempts", StoredNumber(number));
        assert_eq!(read(7).unwrap(), 7);
        for number in [-1, 3_000_000_000, 5_000_000_000, i64::MIN] {
            assert!(read(number).is_err(), "{number}");
        }
        let position = READING.number::<i32>("position", StoredNumber(-1));
        assert_eq!(position.unwrap(), -1);
    }
}
