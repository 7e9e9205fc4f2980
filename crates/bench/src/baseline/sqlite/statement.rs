//! Statements that write whole rows, with the values of rows that the service
//! wrote until others are bound.

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::Sqlite,
};

use crate::{clock, failure::Failure, place::names};

/// A statement that is prepared once, and the values that are bound to it.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) columns: Vec<String>,
    pub(super) values: Vec<Value>,
}

/// A value that is bound to a column.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl QueryFragment<Sqlite> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut values = self.values.iter();
        // Each question mark of the text stands for one value.
        for (at, piece) in self.sql.split('?').enumerate() {
            if at > 0 {
                match values.next().unwrap_or(&Value::Null) {
                    Value::Null => out.push_bind_param::<Nullable<Text>, _>(&None::<String>)?,
                    Value::Integer(value) => out.push_bind_param::<BigInt, _>(value)?,
                    Value::Text(value) => out.push_bind_param::<Text, _>(value)?,
                    Value::Blob(value) => out.push_bind_param::<Binary, _>(value)?,
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> RunQueryDsl<Conn> for &Statement {}

impl Statement {
    /// Writes all columns of a row, with the values of one that is there.
    pub(super) fn insert(
        connection: &mut SqliteConnection,
        table: &str,
        which: &str,
    ) -> Result<Self, Failure> {
        let (columns, values) = sample(connection, table, which)?;
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({})",
            columns.join(", "),
            vec!["?"; columns.len()].join(", ")
        );
        Ok(Self {
            sql,
            columns,
            values,
        })
    }

    /// Binds new values to those columns that `value` names; the others keep theirs.
    pub(super) fn bind(&mut self, mut value: impl FnMut(&str) -> Option<Value>) {
        for (column, bound) in self.columns.iter().zip(&mut self.values) {
            if let Some(value) = value(column) {
                *bound = value;
            }
        }
    }
}

#[derive(Debug, diesel::QueryableByName)]
struct Sample {
    #[diesel(sql_type = Nullable<BigInt>)]
    integer: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    blob: Option<Vec<u8>>,
}

/// The columns of a table, and the values of one row.
pub(super) fn sample(
    connection: &mut SqliteConnection,
    table: &str,
    which: &str,
) -> Result<(Vec<String>, Vec<Value>), Failure> {
    let columns = format!("SELECT name FROM pragma_table_info('{table}')");
    let columns = names(connection, &columns)?;
    let mut values = Vec::with_capacity(columns.len());
    for name in &columns {
        let of_type = |kind: &str| format!("CASE typeof({name}) WHEN '{kind}' THEN {name} END");
        let (integer, text, blob) = (of_type("integer"), of_type("text"), of_type("blob"));
        let value = format!(
            "SELECT {integer} AS integer, {text} AS text, {blob} AS blob FROM {table} WHERE {which} LIMIT 1"
        );
        let Sample {
            integer,
            text,
            blob,
        } = diesel::sql_query(value).get_result(connection)?;
        let value = integer.map(Value::Integer).or(text.map(Value::Text));
        values.push(value.or(blob.map(Value::Blob)).unwrap_or(Value::Null));
    }
    Ok((columns, values))
}

/// Microseconds since 1970.
pub(super) fn now() -> i64 {
    i64::try_from(clock::now().as_micros()).unwrap_or(i64::MAX)
}
