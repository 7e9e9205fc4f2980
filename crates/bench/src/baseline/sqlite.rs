//! A plain loop over Diesel in this process, on a copy of the file that the
//! service has and under the same settings: for each step it selects an order by
//! its key, updates it and inserts an entry. All columns are written, with the
//! values of a step that the service made; only keys, versions, times and random
//! ids are new.

use std::time::{Duration, Instant};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::Sqlite,
};

use crate::{
    failure::Failure,
    place::{Database, names, number, open},
};

/// The loop, ready to run.
pub(crate) struct Plain {
    connection: SqliteConnection,
    random: fastrand::Rng,
    orders: i64,
    next_offset: i64,
    update: Statement,
    insert: Statement,
}

/// A statement that is prepared once, and what is bound to it.
struct Statement {
    sql: String,
    columns: Vec<String>,
    values: Vec<Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// What is read of an order before it is changed.
type Read = (String, String, i64, String);

/// Selects an order by its key.
#[derive(Debug, QueryId)]
struct Select {
    order_key: i64,
}

impl Query for Select {
    type SqlType = (Text, Text, BigInt, Text);
}

impl QueryFragment<Sqlite> for Select {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "SELECT id, state, version, body FROM orders WHERE partition = 0 AND order_key = ",
        );
        out.push_bind_param::<BigInt, _>(&self.order_key)
    }
}

impl<Conn> RunQueryDsl<Conn> for Select {}

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
    /// Binds new values to those columns that `value` names; the others keep theirs.
    fn bind(&mut self, mut value: impl FnMut(&str) -> Option<Value>) {
        for (column, bound) in self.columns.iter().zip(&mut self.values) {
            if let Some(value) = value(column) {
                *bound = value;
            }
        }
    }
}

impl Plain {
    /// Prepares the loop on a file.
    pub(crate) fn new(database: &Database) -> Result<Self, Failure> {
        let Database::Sqlite(file) = database else {
            return Err(Failure::NoCluster);
        };
        let mut connection = open(file)?;
        let gaps = "SELECT MAX(order_key) - COUNT(*) AS number FROM orders";
        // Orders were created before anything else happened, so their keys have no gaps.
        if number(&mut connection, gaps)? != 0 {
            return Err(Failure::Sources);
        }
        let orders = number(&mut connection, "SELECT COUNT(*) AS number FROM orders")?;
        let last = "SELECT MAX(log_offset) AS number FROM history";
        Ok(Self {
            orders,
            next_offset: number(&mut connection, last)? + 1,
            update: update(&mut connection)?,
            insert: insert(&mut connection)?,
            random: fastrand::Rng::new(),
            connection,
        })
    }

    /// Makes steps for a while, so many in each transaction, and returns the rate.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is shown with four digits"
    )]
    pub(crate) fn run(
        &mut self,
        steps_per_transaction: u32,
        length: Duration,
    ) -> Result<f64, Failure> {
        let begun = Instant::now();
        let mut steps = 0_u64;
        while begun.elapsed() < length {
            self.transaction(steps_per_transaction)?;
            steps += u64::from(steps_per_transaction);
        }
        Ok(steps as f64 / begun.elapsed().as_secs_f64())
    }

    fn transaction(&mut self, steps: u32) -> Result<(), Failure> {
        let Self {
            connection,
            random,
            orders,
            next_offset,
            update,
            insert,
        } = self;
        connection.immediate_transaction(|connection| {
            for _ in 0..steps {
                let order_key = random.i64(1..=*orders);
                step(connection, order_key, *next_offset, random, update, insert)?;
                *next_offset += 1;
            }
            Ok(())
        })
    }
}

fn step(
    connection: &mut SqliteConnection,
    order_key: i64,
    offset: i64,
    random: &mut fastrand::Rng,
    update: &mut Statement,
    insert: &mut Statement,
) -> Result<(), Failure> {
    let (id, state, version, _body): Read = Select { order_key }.get_result(connection)?;
    let (next, way) = match state.as_str() {
        "open" => ("packed", "pack"),
        _ => ("open", "unpack"),
    };
    let now = now();
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    update.bind(|column| match column {
        "state" | "status" => text(next),
        "version" => Some(Value::Integer(version + 1)),
        "update_time" => Some(Value::Integer(now)),
        "order_key" => Some(Value::Integer(order_key)),
        _ => None,
    });
    insert.bind(|column| match column {
        "log_offset" | "step_offset" => Some(Value::Integer(offset)),
        "order_key" => Some(Value::Integer(order_key)),
        "order_id" => text(&id),
        "sequence" => Some(Value::Integer(version + 1)),
        "from_state" | "from_status" => text(&state),
        "to_state" | "to_status" => text(next),
        "transition" => text(way),
        "create_time" => Some(Value::Integer(now)),
        "request_id" => text(&format!("{:032x}", random.u128(..))),
        "batch_id" => Some(Value::Blob(random.u128(..).to_be_bytes().to_vec())),
        _ => None,
    });
    RunQueryDsl::execute(&*update, connection)?;
    RunQueryDsl::execute(&*insert, connection)?;
    Ok(())
}

/// Microseconds since 1970.
fn now() -> i64 {
    i64::try_from(crate::clock::now().as_micros()).unwrap_or(i64::MAX)
}

/// Writes all columns of an order that a step may change.
fn update(connection: &mut SqliteConnection) -> Result<Statement, Failure> {
    let kept = ["partition", "order_key", "workflow", "id", "create_time"];
    let (columns, values) = sample(connection, "orders", "state = 'packed'")?;
    let changed = columns.into_iter().zip(values);
    let changed = changed.filter(|(name, _)| !kept.contains(&name.as_str()));
    let (mut columns, mut values): (Vec<_>, Vec<_>) = changed.unzip();
    let assignments = columns.iter().map(|name| format!("{name} = ?"));
    let sql = format!(
        "UPDATE orders SET {} WHERE partition = 0 AND order_key = ?",
        assignments.collect::<Vec<_>>().join(", ")
    );
    columns.push("order_key".to_owned());
    values.push(Value::Null);
    Ok(Statement {
        sql,
        columns,
        values,
    })
}

/// Writes all columns of an entry.
fn insert(connection: &mut SqliteConnection) -> Result<Statement, Failure> {
    let (columns, values) = sample(connection, "history", "kind = 'transitioned'")?;
    let sql = format!(
        "INSERT INTO history ({}) VALUES ({})",
        columns.join(", "),
        vec!["?"; columns.len()].join(", ")
    );
    Ok(Statement {
        sql,
        columns,
        values,
    })
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
fn sample(
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
