//! A row of `orders`: the whole order as JSON, beside it what is searched, and
//! where its newest entries stand.

use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use waymark_domain::{order::Order, value::Timestamp};

use super::{OrderRowName, Reading, StoredText, entry_index::EntryIndex, json};
use crate::{
    Error,
    statement::{table_row, written_row},
};

/// The end of the versions of orders, so that steps can count on from each.
const VERSION_END: i64 = i64::MAX / 2;

table_row! {
    NewOrderRow, OrderArrays;
    OrderRow {
        partition: i32, i32 => Integer;
        order_key: i64, i64 => BigInt;
        workflow: &'a str, StoredText => Text;
        id: &'a str, StoredText => Text;
        state: &'a str, StoredText => Text;
        status: &'a str, StoredText => Text;
        return_state: Option<&'a str>, Option<StoredText> => Nullable<Text>;
        return_status: Option<&'a str>, Option<StoredText> => Nullable<Text>;
        version: i64, i64 => BigInt;
        #[expect(dead_code, reason = "a row is read whole, and the body has it too")]
        create_time: i64, i64 => BigInt;
        #[expect(dead_code, reason = "a row is read whole, and the body has it too")]
        update_time: i64, i64 => BigInt;
        body: String, StoredText => Text;
        // The entry index.
        journal: Vec<u8>, Vec<u8> => Binary;
        due_time: Option<i64>, Option<i64> => Nullable<BigInt>;
    }
}

written_row! {
    /// A row of `customer_orders`: which order a customer has.
    CustomerRow, CustomerArrays {
        workflow: &'a str => Text,
        customer_id: &'a str => Text,
        partition: i32 => Integer,
        order_key: i64 => BigInt,
    }
}

impl<'a> CustomerRow<'a> {
    pub(crate) fn key(&self) -> (&'a str, &'a str, i32, i64) {
        (
            self.workflow,
            self.customer_id,
            self.partition,
            self.order_key,
        )
    }
}

/// An order in the version in which time does something with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    pub(crate) partition: i32,
    pub(crate) order_key: i64,
    pub(crate) version: i64,
}

impl From<(i32, i64, i64)> for TimerKey {
    fn from((partition, order_key, version): (i32, i64, i64)) -> Self {
        Self {
            partition,
            order_key,
            version,
        }
    }
}

impl<'a> NewOrderRow<'a> {
    pub(crate) fn new(
        partition: i32,
        order_key: i64,
        order: &'a Order,
        index: &EntryIndex,
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
            journal: index.bytes()?,
            due_time: due_time.map(Timestamp::micros),
        })
    }
}

impl OrderRow {
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
    pub(crate) fn entry_index(&self) -> Result<EntryIndex, Error> {
        self.reading(|reading| EntryIndex::read(&self.journal, reading, "journal"))
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
