//! The statements of a batch, for whole sets as arrays, which PostgreSQL has, and
//! for single rows. They are query fragments of their own: Diesel would plan an
//! insert of many rows anew every time.

use diesel::{
    query_builder::Query,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text},
};

use super::{
    lookup::PageKey,
    write::{CustomerRow, PageRow},
};
use crate::{
    rows::{delivery::NewDeliveryRow, entry::NewEntryRow, order::NewOrderRow},
    schema::{history, orders},
    statement::{array_statement, row_statement},
};

array_statement! {
    /// Finds orders by their ids.
    FindOrders { workflows: &'a str => Text, ids: &'a str => Text }
    "SELECT o.partition, o.order_key, o.workflow, o.id, o.state, o.status, o.return_state, o.return_status, \
     o.version, o.create_time, o.update_time, o.body, o.journal, o.due_time FROM",
    ") AS k (workflow, id) JOIN orders o ON o.workflow = k.workflow AND o.id = k.id"
}

impl Query for FindOrders<'_> {
    type SqlType = orders::SqlType;
}

array_statement! {
    /// Finds the last entry of each partition.
    FindHeads { partitions: i32 => Integer }
    "SELECT h.partition, h.log_offset, h.create_time, h.batch_id FROM",
    ") AS k (partition) CROSS JOIN LATERAL (SELECT * FROM history WHERE history.partition = k.partition \
     ORDER BY log_offset DESC LIMIT 1) h"
}

impl Query for FindHeads<'_> {
    type SqlType = (Integer, BigInt, BigInt, Binary);
}

array_statement! {
    /// Finds the pages of journals that may have remembered request ids.
    FindPages { partitions: i32 => Integer, order_keys: i64 => BigInt, tags: &'a [u8] => Binary }
    "SELECT p.partition, p.order_key, p.first_sequence, p.page FROM",
    ") AS k (partition, order_key, tag) JOIN journal_pages p ON p.partition = k.partition \
     AND p.order_key = k.order_key WHERE length(k.tag) = 0 OR position(k.tag IN p.page) > 0"
}

impl Query for FindPages<'_> {
    type SqlType = (Integer, BigInt, BigInt, Binary);
}

array_statement! {
    /// Finds the entries of steps by their first offsets.
    FindSteps { partitions: i32 => Integer, offsets: i64 => BigInt }
    "SELECT h.partition, h.log_offset, h.step_offset, h.order_key, h.workflow, h.order_id, h.sequence, h.kind, \
     h.from_state, h.from_status, h.to_state, h.to_status, h.transition, h.comment, h.notify_customer, \
     h.visible_to_customer, h.actor, h.request_id, h.fingerprint, h.caused_by, h.workflow_version, h.metadata, \
     h.create_time, h.detail, h.batch_id, h.set_off FROM",
    ") AS k (partition, log_offset) CROSS JOIN LATERAL (SELECT * FROM history WHERE history.partition = k.partition \
     AND history.log_offset >= k.log_offset AND history.log_offset < k.log_offset + 101 \
     AND history.step_offset = k.log_offset) h ORDER BY h.partition, h.log_offset"
}

impl Query for FindSteps<'_> {
    type SqlType = history::SqlType;
}

array_statement! {
    /// Inserts entries.
    InsertEntries {
        partition: i32 => Integer, log_offset: i64 => BigInt, step_offset: i64 => BigInt, order_key: i64 => BigInt,
        workflow: &'a str => Text, order_id: &'a str => Text, sequence: i64 => BigInt, kind: &'a str => Text,
        from_state: Option<&'a str> => Nullable<Text>, from_status: Option<&'a str> => Nullable<Text>,
        to_state: &'a str => Text, to_status: &'a str => Text, transition: Option<&'a str> => Nullable<Text>,
        comment: &'a str => Text, notify_customer: bool => Bool, visible_to_customer: bool => Bool,
        actor: &'a str => Text, request_id: Option<&'a str> => Nullable<Text>,
        fingerprint: Option<&'a [u8]> => Nullable<Binary>, caused_by: i64 => BigInt, workflow_version: i64 => BigInt,
        metadata: &'a str => Text, create_time: i64 => BigInt, detail: &'a str => Text, batch_id: &'a [u8] => Binary,
        set_off: Option<&'a str> => Nullable<Text>,
    }
    "INSERT INTO history (partition, log_offset, step_offset, order_key, workflow, order_id, sequence, kind, \
     from_state, from_status, to_state, to_status, transition, comment, notify_customer, visible_to_customer, actor, \
     request_id, fingerprint, caused_by, workflow_version, metadata, create_time, detail, batch_id, set_off) \
     SELECT * FROM",
    ")"
}

impl<'a> InsertEntries<'a> {
    pub(super) fn new(rows: &'a [NewEntryRow<'a>]) -> Self {
        Self {
            partition: rows.iter().map(|row| row.partition).collect(),
            log_offset: rows.iter().map(|row| row.log_offset).collect(),
            step_offset: rows.iter().map(|row| row.step_offset).collect(),
            order_key: rows.iter().map(|row| row.order_key).collect(),
            workflow: rows.iter().map(|row| row.workflow).collect(),
            order_id: rows.iter().map(|row| row.order_id).collect(),
            sequence: rows.iter().map(|row| row.sequence).collect(),
            kind: rows.iter().map(|row| row.kind).collect(),
            from_state: rows.iter().map(|row| row.from_state).collect(),
            from_status: rows.iter().map(|row| row.from_status).collect(),
            to_state: rows.iter().map(|row| row.to_state).collect(),
            to_status: rows.iter().map(|row| row.to_status).collect(),
            transition: rows.iter().map(|row| row.transition).collect(),
            comment: rows.iter().map(|row| row.comment).collect(),
            notify_customer: rows.iter().map(|row| row.notify_customer).collect(),
            visible_to_customer: rows.iter().map(|row| row.visible_to_customer).collect(),
            actor: rows.iter().map(|row| row.actor.as_str()).collect(),
            request_id: rows.iter().map(|row| row.request_id).collect(),
            fingerprint: rows.iter().map(|row| row.fingerprint).collect(),
            caused_by: rows.iter().map(|row| row.caused_by).collect(),
            workflow_version: rows.iter().map(|row| row.workflow_version).collect(),
            metadata: rows.iter().map(|row| row.metadata.as_str()).collect(),
            create_time: rows.iter().map(|row| row.create_time).collect(),
            detail: rows.iter().map(|row| row.detail.as_str()).collect(),
            batch_id: rows.iter().map(|row| row.batch_id).collect(),
            set_off: rows.iter().map(|row| row.set_off.as_deref()).collect(),
            marker: std::marker::PhantomData,
        }
    }
}

/// The two statements that write orders take the same arrays.
macro_rules! write_orders {
    ($(#[$doc:meta])* $name:ident, $before:literal, $after:literal) => {
        array_statement! {
            $(#[$doc])*
            $name {
                partition: i32 => Integer, order_key: i64 => BigInt, workflow: &'a str => Text, id: &'a str => Text,
                state: &'a str => Text, status: &'a str => Text, return_state: Option<&'a str> => Nullable<Text>,
                return_status: Option<&'a str> => Nullable<Text>, version: i64 => BigInt, create_time: i64 => BigInt,
                update_time: i64 => BigInt, body: &'a str => Text, journal: &'a [u8] => Binary,
                due_time: Option<i64> => Nullable<BigInt>,
            }
            $before, $after
        }

        impl<'a> $name<'a> {
            pub(super) fn new(rows: &'a [NewOrderRow<'a>]) -> Self {
                Self {
                    partition: rows.iter().map(|row| row.partition).collect(),
                    order_key: rows.iter().map(|row| row.order_key).collect(),
                    workflow: rows.iter().map(|row| row.workflow).collect(),
                    id: rows.iter().map(|row| row.id).collect(),
                    state: rows.iter().map(|row| row.state).collect(),
                    status: rows.iter().map(|row| row.status).collect(),
                    return_state: rows.iter().map(|row| row.return_state).collect(),
                    return_status: rows.iter().map(|row| row.return_status).collect(),
                    version: rows.iter().map(|row| row.version).collect(),
                    create_time: rows.iter().map(|row| row.create_time).collect(),
                    update_time: rows.iter().map(|row| row.update_time).collect(),
                    body: rows.iter().map(|row| row.body.as_str()).collect(),
                    journal: rows.iter().map(|row| row.journal.as_slice()).collect(),
                    due_time: rows.iter().map(|row| row.due_time).collect(),
                    marker: std::marker::PhantomData,
                }
            }
        }
    };
}

write_orders! {
    /// Inserts orders.
    InsertOrders,
    "INSERT INTO orders (partition, order_key, workflow, id, state, status, return_state, return_status, version, \
     create_time, update_time, body, journal, due_time) SELECT * FROM",
    ")"
}

write_orders! {
    /// Updates orders by their keys.
    UpdateOrders,
    "UPDATE orders SET state = u.state, status = u.status, return_state = u.return_state, \
     return_status = u.return_status, version = u.version, update_time = u.update_time, body = u.body, \
     journal = u.journal, due_time = u.due_time FROM",
    ") AS u (partition, order_key, workflow, id, state, status, return_state, return_status, version, create_time, \
     update_time, body, journal, due_time) WHERE orders.partition = u.partition AND orders.order_key = u.order_key"
}

array_statement! {
    /// Inserts deliveries, due at once.
    InsertDeliveries {
        partition: i32 => Integer, log_offset: i64 => BigInt, number: i32 => Integer, order_key: i64 => BigInt,
        lane: &'a str => Text, workflow: &'a str => Text, order_id: &'a str => Text, sequence: i64 => BigInt,
        order_version: i64 => BigInt, transition: Option<&'a str> => Nullable<Text>, action: &'a str => Text,
        kind: &'a str => Text, destination: &'a str => Text, create_time: i64 => BigInt, due_time: i64 => BigInt,
    }
    "INSERT INTO deliveries (partition, log_offset, number, order_key, lane, workflow, order_id, sequence, \
     order_version, transition, action, kind, destination, create_time, due_time, update_time, state, attempts, problem) \
     SELECT d.*, d.create_time, 'pending', 0, '' FROM",
    ") AS d (partition, log_offset, number, order_key, lane, workflow, order_id, sequence, order_version, transition, \
     action, kind, destination, create_time, due_time)"
}

impl<'a> InsertDeliveries<'a> {
    pub(super) fn new(rows: &'a [NewDeliveryRow<'a>]) -> Self {
        Self {
            partition: rows.iter().map(|row| row.partition).collect(),
            log_offset: rows.iter().map(|row| row.log_offset).collect(),
            number: rows.iter().map(|row| row.number).collect(),
            order_key: rows.iter().map(|row| row.order_key).collect(),
            lane: rows.iter().map(|row| row.lane.as_str()).collect(),
            workflow: rows.iter().map(|row| row.workflow).collect(),
            order_id: rows.iter().map(|row| row.order_id).collect(),
            sequence: rows.iter().map(|row| row.sequence).collect(),
            order_version: rows.iter().map(|row| row.order_version).collect(),
            transition: rows.iter().map(|row| row.transition).collect(),
            action: rows.iter().map(|row| row.action.as_str()).collect(),
            kind: rows.iter().map(|row| row.kind).collect(),
            destination: rows.iter().map(|row| row.destination.as_str()).collect(),
            create_time: rows.iter().map(|row| row.create_time).collect(),
            due_time: rows.iter().map(|row| row.due_time).collect(),
            marker: std::marker::PhantomData,
        }
    }
}

/// The two statements about the orders of customers take the same arrays.
macro_rules! write_customers {
    ($(#[$doc:meta])* $name:ident, $before:literal, $after:literal) => {
        array_statement! {
            $(#[$doc])*
            $name {
                workflow: &'a str => Text, customer_id: &'a str => Text, partition: i32 => Integer,
                order_key: i64 => BigInt,
            }
            $before, $after
        }

        impl<'a> $name<'a> {
            pub(super) fn new(rows: &'a [CustomerRow<'a>]) -> Self {
                Self {
                    workflow: rows.iter().map(|row| row.workflow).collect(),
                    customer_id: rows.iter().map(|row| row.customer_id).collect(),
                    partition: rows.iter().map(|row| row.partition).collect(),
                    order_key: rows.iter().map(|row| row.order_key).collect(),
                    marker: std::marker::PhantomData,
                }
            }
        }
    };
}

write_customers! {
    /// Gives customers orders.
    InsertCustomers,
    "INSERT INTO customer_orders (workflow, customer_id, partition, order_key) SELECT * FROM",
    ")"
}

write_customers! {
    /// Takes orders away from customers.
    DeleteCustomers,
    "DELETE FROM customer_orders c USING",
    ") AS u (workflow, customer_id, partition, order_key) WHERE c.workflow = u.workflow \
     AND c.customer_id = u.customer_id AND c.partition = u.partition AND c.order_key = u.order_key"
}

array_statement! {
    /// Inserts pages of journals.
    InsertPages {
        partition: i32 => Integer, order_key: i64 => BigInt, first_sequence: i64 => BigInt, page: &'a [u8] => Binary,
    }
    "INSERT INTO journal_pages (partition, order_key, first_sequence, page) SELECT * FROM",
    ")"
}

impl<'a> InsertPages<'a> {
    pub(super) fn new(rows: &'a [PageRow<'a>]) -> Self {
        Self {
            partition: rows.iter().map(|row| row.partition).collect(),
            order_key: rows.iter().map(|row| row.order_key).collect(),
            first_sequence: rows.iter().map(|row| row.first_sequence).collect(),
            page: rows.iter().map(|row| row.page).collect(),
            marker: std::marker::PhantomData,
        }
    }
}

row_statement! {
    /// Finds one order by its workflow and id.
    FindOrder((&'a str, &'a str))
    "SELECT partition, order_key, workflow, id, state, status, return_state, return_status, version, create_time, \
     update_time, body, journal, due_time FROM orders WHERE workflow = " 0: Text,
    " AND id = " 1: Text;
    ""
}

impl Query for FindOrder<'_> {
    type SqlType = orders::SqlType;
}

row_statement! {
    /// Finds the pages of one journal that may have remembered a request id.
    FindPage(PageKey)
    "SELECT partition, order_key, first_sequence, page FROM journal_pages WHERE partition = " partition: Integer,
    " AND order_key = " order_key: BigInt,
    " AND (length(" tag: Binary,
    ") = 0 OR instr(page, " tag: Binary;
    ") > 0)"
}

impl Query for FindPage<'_> {
    type SqlType = (Integer, BigInt, BigInt, Binary);
}

row_statement! {
    /// Inserts one entry.
    InsertEntry(NewEntryRow<'a>)
    "INSERT INTO history (partition, log_offset, step_offset, order_key, workflow, order_id, sequence, kind, \
     from_state, from_status, to_state, to_status, transition, comment, notify_customer, visible_to_customer, actor, \
     request_id, fingerprint, caused_by, workflow_version, metadata, create_time, detail, batch_id, set_off) VALUES ("
    partition: Integer, ", " log_offset: BigInt, ", " step_offset: BigInt, ", " order_key: BigInt,
    ", " workflow: Text, ", " order_id: Text, ", " sequence: BigInt, ", " kind: Text,
    ", " from_state: Nullable<Text>, ", " from_status: Nullable<Text>, ", " to_state: Text, ", " to_status: Text,
    ", " transition: Nullable<Text>, ", " comment: Text, ", " notify_customer: Bool, ", " visible_to_customer: Bool,
    ", " actor: Text, ", " request_id: Nullable<Text>, ", " fingerprint: Nullable<Binary>, ", " caused_by: BigInt,
    ", " workflow_version: BigInt, ", " metadata: Text, ", " create_time: BigInt, ", " detail: Text,
    ", " batch_id: Binary, ", " set_off: Nullable<Text>;
    ")"
}

row_statement! {
    /// Inserts one order.
    InsertOrder(NewOrderRow<'a>)
    "INSERT INTO orders (partition, order_key, workflow, id, state, status, return_state, return_status, version, \
     create_time, update_time, body, journal, due_time) VALUES ("
    partition: Integer, ", " order_key: BigInt, ", " workflow: Text, ", " id: Text, ", " state: Text,
    ", " status: Text, ", " return_state: Nullable<Text>, ", " return_status: Nullable<Text>, ", " version: BigInt,
    ", " create_time: BigInt, ", " update_time: BigInt, ", " body: Text, ", " journal: Binary,
    ", " due_time: Nullable<BigInt>;
    ")"
}

row_statement! {
    /// Updates one order by its key.
    UpdateOrder(NewOrderRow<'a>)
    "UPDATE orders SET state = " state: Text,
    ", status = " status: Text,
    ", return_state = " return_state: Nullable<Text>,
    ", return_status = " return_status: Nullable<Text>,
    ", version = " version: BigInt,
    ", update_time = " update_time: BigInt,
    ", body = " body: Text,
    ", journal = " journal: Binary,
    ", due_time = " due_time: Nullable<BigInt>,
    " WHERE partition = " partition: Integer,
    " AND order_key = " order_key: BigInt;
    ""
}

row_statement! {
    /// Inserts one delivery, due at once.
    InsertDelivery(NewDeliveryRow<'a>)
    "INSERT INTO deliveries (partition, log_offset, number, order_key, lane, workflow, order_id, sequence, \
     order_version, transition, action, kind, destination, state, attempts, problem, create_time, update_time, due_time) \
     VALUES ("
    partition: Integer, ", " log_offset: BigInt, ", " number: Integer, ", " order_key: BigInt, ", " lane: Text,
    ", " workflow: Text, ", " order_id: Text, ", " sequence: BigInt, ", " order_version: BigInt,
    ", " transition: Nullable<Text>, ", " action: Text, ", " kind: Text, ", " destination: Text,
    ", 'pending', 0, '', " create_time: BigInt, ", " create_time: BigInt, ", " due_time: BigInt;
    ")"
}

row_statement! {
    /// Gives a customer one order.
    InsertCustomer(CustomerRow<'a>)
    "INSERT INTO customer_orders (workflow, customer_id, partition, order_key) VALUES (" workflow: Text,
    ", " customer_id: Text, ", " partition: Integer, ", " order_key: BigInt;
    ")"
}

row_statement! {
    /// Takes one order away from a customer.
    DeleteCustomer(CustomerRow<'a>)
    "DELETE FROM customer_orders WHERE workflow = " workflow: Text,
    " AND customer_id = " customer_id: Text,
    " AND partition = " partition: Integer,
    " AND order_key = " order_key: BigInt;
    ""
}

row_statement! {
    /// Inserts one page of a journal.
    InsertPage(PageRow<'a>)
    "INSERT INTO journal_pages (partition, order_key, first_sequence, page) VALUES (" partition: Integer,
    ", " order_key: BigInt, ", " first_sequence: BigInt, ", " page: Binary;
    ")"
}
