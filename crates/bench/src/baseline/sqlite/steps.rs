//! A step by hand: the order is read, then written, and an entry is added.

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};

use super::statement::{Statement, Value, now, sample};
use crate::{failure::Failure, place::number};

/// Steps on any of the orders.
pub(super) struct Steps {
    orders: i64,
    update: Statement,
    insert: Statement,
}

/// The columns that are read of an order before it is changed.
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

impl Steps {
    pub(super) fn new(connection: &mut SqliteConnection) -> Result<Self, Failure> {
        let gaps = "SELECT MAX(order_key) - COUNT(*) AS number FROM orders";
        // Orders were created before anything else happened, so their keys have no gaps.
        if number(connection, gaps)? != 0 {
            return Err(Failure::Sources);
        }
        Ok(Self {
            orders: number(connection, "SELECT COUNT(*) AS number FROM orders")?,
            update: update(connection)?,
            insert: Statement::insert(connection, "history", "kind = 'transitioned'")?,
        })
    }

    /// Makes one step, whose entry has an offset.
    pub(super) fn make(
        &mut self,
        connection: &mut SqliteConnection,
        random: &mut fastrand::Rng,
        offset: i64,
    ) -> Result<(), Failure> {
        let order_key = random.i64(1..=self.orders);
        let (id, state, version, _body): Read = Select { order_key }.get_result(connection)?;
        let (next, way) = match state.as_str() {
            "open" => ("packed", "pack"),
            _ => ("open", "unpack"),
        };
        let now = now();
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        self.update.bind(|column| match column {
            "state" | "status" => text(next),
            "version" => Some(Value::Integer(version + 1)),
            "update_time" => Some(Value::Integer(now)),
            "order_key" => Some(Value::Integer(order_key)),
            _ => None,
        });
        self.insert.bind(|column| match column {
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
        RunQueryDsl::execute(&self.update, connection)?;
        RunQueryDsl::execute(&self.insert, connection)?;
        Ok(())
    }
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
