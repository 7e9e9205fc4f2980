//! A new order by hand: an entry, the order and the order of its customer.

use diesel::{RunQueryDsl, SqliteConnection};

use super::statement::{Statement, Value, now};
use crate::{failure::Failure, shop};

/// New orders of any customer.
pub(super) struct Creations {
    entry: Statement,
    order: Statement,
    owned: Statement,
}

impl Creations {
    pub(super) fn new(connection: &mut SqliteConnection) -> Result<Self, Failure> {
        Ok(Self {
            entry: Statement::insert(connection, "history", "kind = 'created'")?,
            order: Statement::insert(connection, "orders", "version = 1")?,
            owned: Statement::insert(connection, "customer_orders", "TRUE")?,
        })
    }

    /// Makes one order, whose key is the offset of its entry.
    pub(super) fn make(
        &mut self,
        connection: &mut SqliteConnection,
        random: &mut fastrand::Rng,
        offset: i64,
    ) -> Result<(), Failure> {
        // As long as the ids of the orders that are there.
        let id = format!("again-{offset:07}");
        let customer = shop::customer_id(random.usize(0..shop::CUSTOMERS));
        let now = now();
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        self.entry.bind(|column| match column {
            "log_offset" | "step_offset" | "order_key" => Some(Value::Integer(offset)),
            "order_id" => text(&id),
            "create_time" => Some(Value::Integer(now)),
            "request_id" => text(&format!("create-{id}")),
            "batch_id" => Some(Value::Blob(random.u128(..).to_be_bytes().to_vec())),
            _ => None,
        });
        self.order.bind(|column| match column {
            "order_key" => Some(Value::Integer(offset)),
            "id" => text(&id),
            "create_time" | "update_time" => Some(Value::Integer(now)),
            _ => None,
        });
        self.owned.bind(|column| match column {
            "order_key" => Some(Value::Integer(offset)),
            "customer_id" => text(&customer),
            _ => None,
        });
        for statement in [&self.entry, &self.order, &self.owned] {
            RunQueryDsl::execute(statement, connection)?;
        }
        Ok(())
    }
}
