//! A row of `orders`: the whole order as JSON, and beside it what is searched.

use waymark_domain::order::Order;

use super::{Reading, json};
use crate::{Error, schema::orders};

#[derive(Debug, Clone, diesel::Queryable, diesel::Insertable)]
#[diesel(table_name = orders, treat_none_as_default_value = false)]
pub(crate) struct OrderRow {
    pub(crate) partition: i32,
    pub(crate) order_key: i64,
    pub(crate) workflow: String,
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) status: String,
    pub(crate) return_state: Option<String>,
    pub(crate) return_status: Option<String>,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) body: String,
}

impl OrderRow {
    /// Writes an order into a row.
    pub(crate) fn new(partition: i32, order_key: i64, order: &Order) -> Result<Self, Error> {
        let back = order.return_to.as_ref();
        Ok(Self {
            partition,
            order_key,
            workflow: order.workflow.to_string(),
            id: order.id.to_string(),
            state: order.standing.state.to_string(),
            status: order.standing.status.to_string(),
            return_state: back.map(|standing| standing.state.to_string()),
            return_status: back.map(|standing| standing.status.to_string()),
            version: order.version,
            create_time: order.create_time.micros(),
            update_time: order.update_time.micros(),
            body: json(order)?,
        })
    }

    /// Reads the order.
    pub(crate) fn order(&self) -> Result<Order, Error> {
        let row = format!("{}/{}", self.partition, self.order_key);
        let reading = Reading {
            table: "orders",
            row: &row,
        };
        let order: Order = reading.json("body", &self.body)?;
        // The searched columns repeat the body; a difference would be acted on silently.
        if order.version != self.version || order.standing.status.as_str() != self.status {
            return Err(reading.corrupt("body", "differs from the columns beside it"));
        }
        Ok(order)
    }
}
