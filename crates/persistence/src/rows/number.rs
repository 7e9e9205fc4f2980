//! Numbers as their columns have them. In a column of 32 bits SQLite keeps 64, of which Diesel
//! reads the low half; read like this, a number beyond 32 bits is one that cannot be read.

use std::fmt;

use diesel::{
    deserialize::{self, FromSql},
    pg::{Pg, PgValue},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::Integer,
    sqlite::{Sqlite, SqliteValue},
};
use serde::{Deserialize, Serialize};

/// The type of a column of 32 bits, of which SQLite gives and takes 64.
#[derive(
    Debug, Clone, Copy, Default, diesel::sql_types::SqlType, diesel::query_builder::QueryId,
)]
#[diesel(sqlite_type(name = "Long"), postgres_type(oid = 23, array_oid = 1007))]
pub struct Number;

/// A number as a column of 32 bits has it.
#[derive(diesel::deserialize::FromSqlRow, diesel::expression::AsExpression)]
#[diesel(sql_type = Number)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct StoredNumber(pub(crate) i64);

impl StoredNumber {
    /// The number, or the nearest one of 32 bits.
    pub(crate) fn saturated(self) -> i32 {
        let nearest = if self.0 < 0 { i32::MIN } else { i32::MAX };
        i32::try_from(self.0).unwrap_or(nearest)
    }
}

impl From<i32> for StoredNumber {
    fn from(number: i32) -> Self {
        Self(number.into())
    }
}

impl From<u32> for StoredNumber {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl fmt::Display for StoredNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromSql<Number, Sqlite> for StoredNumber {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(value.read_long()))
    }
}

impl FromSql<Number, Pg> for StoredNumber {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let number = <i32 as FromSql<Integer, Pg>>::from_sql(value)?;
        Ok(number.into())
    }
}

impl ToSql<Number, Sqlite> for StoredNumber {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0);
        Ok(IsNull::No)
    }
}

impl ToSql<Number, Pg> for StoredNumber {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        // There all numbers of a column lie before or behind what is beyond.
        let number = self.saturated();
        <i32 as ToSql<Integer, Pg>>::to_sql(&number, &mut out.reborrow())
    }
}

#[cfg(test)]
mod tests {
    use diesel::{Connection, IntoSql, RunQueryDsl, SqliteConnection};

    use super::*;

    #[test]
    fn no_bit_is_lost_on_sqlite() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        for number in [0, -1, i64::from(i32::MAX) + 1, 5_000_000_000, i64::MIN] {
            let number = StoredNumber(number);
            let query = diesel::select(number.into_sql::<Number>());
            let read: StoredNumber = query.get_result(&mut connection).unwrap();
            assert_eq!(read, number);
        }
    }

    #[test]
    fn what_is_beyond_32_bits_is_the_nearest_number() {
        let saturated =
            [i64::MIN, -1, 5_000_000_000].map(|number| StoredNumber(number).saturated());
        assert_eq!(saturated, [i32::MIN, -1, i32::MAX]);
    }
}
