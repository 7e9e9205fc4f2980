//! A row of `orders`: the whole order as JSON, beside it what is searched, and
//! where its newest entries stand.

use waymark_domain::{order::Order, value::Timestamp};

use super::{OrderRowName, Reading, StoredText, journal::Journal, json};
use crate::Error;

/// What versions of orders stay below, so that steps can count on from each.
const VERSION_END: i64 = i64::MAX / 2;

#[derive(Debug, Clone, diesel::Queryable)]
pub(crate) struct OrderRow {
    pub(crate) partition: i32,
    pub(crate) order_key: i64,
    pub(crate) workflow: StoredText,
    pub(crate) id: StoredText,
    pub(crate) state: StoredText,
    pub(crate) status: StoredText,
    pub(crate) return_state: Option<StoredText>,
    pub(crate) return_status: Option<StoredText>,
    pub(crate) version: i64,
    #[expect(dead_code, reason = "a row is read whole, and the body has it too")]
    pub(crate) create_time: i64,
    #[expect(dead_code, reason = "a row is read whole, and the body has it too")]
    pub(crate) update_time: i64,
    pub(crate) body: StoredText,
    pub(crate) journal: Vec<u8>,
    pub(crate) due_time: Option<i64>,
}

/// A row as it is written.
#[derive(Debug)]
pub(crate) struct NewOrderRow<'o> {
    pub(crate) partition: i32,
    pub(crate) order_key: i64,
    pub(crate) workflow: &'o str,
    pub(crate) id: &'o str,
    pub(crate) state: &'o str,
    pub(crate) status: &'o str,
    pub(crate) return_state: Option<&'o str>,
    pub(crate) return_status: Option<&'o str>,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) body: String,
    pub(crate) journal: Vec<u8>,
    pub(crate) due_time: Option<i64>,
}

impl<'o> NewOrderRow<'o> {
    /// Writes an order into a row.
    pub(crate) fn new(
        partition: i32,
        order_key: i64,
        order: &'o Order,
        journal: &Journal,
        due_time: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let back = order.return_to.as_ref();
        Ok(Self {
            partition,
            order_key,
            workflow: order.workflow.as_str(),
            id: order.id.as_str(),
            state: order.standing.state.as_str(),
            status: order.standing.status.as_str(),
            return_state: back.map(|standing| standing.state.as_str()),
            return_status: back.map(|standing| standing.status.as_str()),
            version: order.version,
            create_time: order.create_time.micros(),
            update_time: order.update_time.micros(),
            body: json(order)?,
            journal: journal.bytes()?,
            due_time: due_time.map(Timestamp::micros),
        })
    }
}

impl OrderRow {
    /// Reads the order.
    pub(crate) fn order(&self) -> Result<Order, Error> {
        self.reading(|reading| {
            let order: Order = reading.json("body", &self.body)?;
            // The searched columns repeat the body; a difference would be acted on silently.
            let back = order.return_to.as_ref();
            let (return_state, return_status) = (&self.return_state, &self.return_status);
            let return_state = reading.optional_plain("return_state", return_state.as_ref())?;
            let return_status = reading.optional_plain("return_status", return_status.as_ref())?;
            let agree = order.workflow.as_str() == reading.plain("workflow", &self.workflow)?
                && order.id.as_str() == reading.plain("id", &self.id)?
                && order.version == self.version
                && order.standing.state.as_str() == reading.plain("state", &self.state)?
                && order.standing.status.as_str() == reading.plain("status", &self.status)?
                && back.map(|to| to.state.as_str()) == return_state
                && back.map(|to| to.status.as_str()) == return_status;
            if !agree {
                return Err(reading.corrupt("body", "differs from the columns beside it"));
            }
            if order.version >= VERSION_END {
                return Err(reading.corrupt("version", "no order has so many entries"));
            }
            Ok(order)
        })
    }

    /// Reads where its newest entries stand.
    pub(crate) fn journal(&self) -> Result<Journal, Error> {
        self.reading(|reading| Journal::read(&self.journal, reading, "journal"))
    }

    fn reading<T>(&self, read: impl FnOnce(&Reading<'_>) -> Result<T, Error>) -> Result<T, Error> {
        read(&Reading {
            table: "orders",
            row: &OrderRowName {
                partition: self.partition,
                number: self.order_key,
                workflow: self.workflow.lossy(),
                order_id: self.id.lossy(),
            },
        })
    }
}
