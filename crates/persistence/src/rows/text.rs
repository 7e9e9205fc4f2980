//! Text as its column has it. SQLite keeps bytes as text that are not UTF-8, and Diesel refuses a
//! whole statement for one of them; read like this, it is a column of one row that cannot be read.

use std::fmt;

use diesel::{
    backend::Backend,
    deserialize::{self, FromSql},
    pg::{Pg, PgValue},
    serialize::{self, Output, ToSql},
    sql_types::Text,
    sqlite::{Sqlite, SqliteValue},
};

/// The problem with a text that is not.
pub(super) const NOT_UTF8: &str = "it is not UTF-8";

/// A text as its column has it.
#[derive(diesel::deserialize::FromSqlRow, diesel::expression::AsExpression)]
#[diesel(sql_type = Text)]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StoredText {
    /// It is UTF-8.
    Utf8(String),
    /// It is not; as much of it as can be shown.
    Lossy(Box<str>),
}

impl StoredText {
    /// The text; none where it cannot be read.
    pub(crate) fn utf8(&self) -> Option<&str> {
        match self {
            Self::Utf8(text) => Some(text),
            Self::Lossy(_) => None,
        }
    }

    /// The text itself; none where it cannot be read.
    pub(crate) fn into_utf8(self) -> Option<String> {
        match self {
            Self::Utf8(text) => Some(text),
            Self::Lossy(_) => None,
        }
    }

    /// As much of the text as can be read: for people, and for keys, which match nothing where that
    /// is not all of it.
    pub(crate) fn lossy(&self) -> &str {
        match self {
            Self::Utf8(text) => text,
            Self::Lossy(text) => text,
        }
    }

    /// The same, without a copy of a text that can be read.
    pub(crate) fn into_lossy(self) -> String {
        match self {
            Self::Utf8(text) => text,
            Self::Lossy(text) => text.into_string(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lossy().len()
    }
}

impl From<String> for StoredText {
    fn from(text: String) -> Self {
        Self::Utf8(text)
    }
}

impl fmt::Display for StoredText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lossy())
    }
}

impl FromSql<Text, Sqlite> for StoredText {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text = value.read_text().to_owned();
        // Each byte that is not UTF-8 became this sign, which a text may also have by itself.
        let may_be_lossy = text.contains(char::REPLACEMENT_CHARACTER);
        if may_be_lossy && str::from_utf8(value.read_blob()).is_err() {
            return Ok(Self::Lossy(text.into_boxed_str()));
        }
        Ok(Self::Utf8(text))
    }
}

impl FromSql<Text, Pg> for StoredText {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        // A database that keeps text otherwise is refused when it is opened.
        <String as FromSql<Text, Pg>>::from_sql(value).map(Self::Utf8)
    }
}

impl<DB> ToSql<Text, DB> for StoredText
where
    DB: Backend,
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        let text = self.utf8().ok_or(NOT_UTF8)?;
        ToSql::<Text, DB>::to_sql(text, out)
    }
}

#[cfg(test)]
mod tests {
    use diesel::{Connection, RunQueryDsl, SqliteConnection, dsl::sql};

    use super::*;

    #[test]
    fn what_is_not_utf8_is_told_from_what_is() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let mut read = |value: &str| {
            let query = diesel::select(sql::<Text>(value));
            query.get_result::<StoredText>(&mut connection).unwrap()
        };
        for text in ["", "a", "ä\u{FFFD}"] {
            let stored = read(&format!("'{text}'"));
            assert_eq!(stored, StoredText::Utf8(text.to_owned()));
        }
        for (bytes, shown) in [("61ff62", "a\u{FFFD}b"), ("efbfbdc3", "\u{FFFD}\u{FFFD}")] {
            let stored = read(&format!("CAST(x'{bytes}' AS TEXT)"));
            assert_eq!(stored, StoredText::Lossy(shown.into()));
            assert_eq!((stored.utf8(), stored.lossy()), (None, shown));
        }
    }
}
