//! The statements of a batch, for whole sets as arrays, which PostgreSQL has, and for single rows.

use diesel::{
    ExpressionMethods, QueryDsl,
    sql_types::{BigInt, Binary, Integer, Nullable, Text},
};

use crate::{
    rows::{
        delivery::{DeliveryArrays, NewDeliveryRow},
        entry::{EntryArrays, EntryRow, NewEntryRow, STEP_ENTRIES_MAX},
        entry_index::{IndexPageArrays, IndexPageRow},
        order::{CustomerArrays, CustomerRow, NewOrderRow, OrderArrays, OrderRow},
    },
    schema::{history, orders},
    statement::{array_statement, limit, row_statement, rows_statement},
};

array_statement! {
    FindOrders { workflows: &'a str => Text, ids: &'a str => Text } -> orders::SqlType;
    SELECT OrderRow as "o" " FROM",
    ") AS k (workflow, id) JOIN orders o ON o.workflow = k.workflow AND o.id = k.id"
}

row_statement! {
    FindOrder((&'a str, &'a str)) -> orders::SqlType;
    "SELECT " [OrderRow] " FROM orders WHERE workflow = " [0: Text]
    " AND id = " [1: Text]
}

array_statement! {
    /// Finds the entries of steps by their first offsets.
    FindSteps { partitions: i32 => Integer, offsets: i64 => BigInt } -> history::SqlType;
    SELECT EntryRow as "h" " FROM",
    ") AS k (partition, log_offset) CROSS JOIN LATERAL (SELECT * FROM history WHERE history.partition = k.partition \
     AND history.log_offset >= k.log_offset AND history.log_offset < k.log_offset + 101 \
     AND history.step_offset = k.log_offset) h ORDER BY h.partition, h.log_offset"
}

/// The query for all entries of the step that begins at an offset, in their order.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn step_at(number: i32, offset: i64) -> _ {
    let end: i64 = offset + limit(STEP_ENTRIES_MAX);
    history::table
        .filter(history::partition.eq(number))
        .filter(history::log_offset.ge(offset))
        .filter(history::log_offset.lt(end))
        .filter(history::step_offset.eq(offset))
        .order(history::log_offset)
}

row_statement! {
    InsertEntry(NewEntryRow<'a>) "INSERT INTO history (" [NewEntryRow] ") VALUES (" values ")"
}

rows_statement! {
    InsertEntries(EntryArrays of NewEntryRow)
    "INSERT INTO history (" [NewEntryRow] ") SELECT * FROM " values
}

row_statement! {
    InsertOrder(NewOrderRow<'a>) "INSERT INTO orders (" [NewOrderRow] ") VALUES (" values ")"
}

rows_statement! {
    InsertOrders(OrderArrays of NewOrderRow)
    "INSERT INTO orders (" [NewOrderRow] ") SELECT * FROM " values
}

row_statement! {
    UpdateOrder(NewOrderRow<'a>)
    "UPDATE orders SET state = " [state: Text]
    ", status = " [status: Text]
    ", return_state = " [return_state: Nullable<Text>]
    ", return_status = " [return_status: Nullable<Text>]
    ", version = " [version: BigInt]
    ", update_time = " [update_time: BigInt]
    ", body = " [body: Text]
    ", journal = " [journal: Binary]
    ", due_time = " [due_time: Nullable<BigInt>]
    " WHERE partition = " [partition: Integer]
    " AND order_key = " [order_key: BigInt]
}

rows_statement! {
    UpdateOrders(OrderArrays of NewOrderRow)
    "UPDATE orders SET state = u.state, status = u.status, return_state = u.return_state, \
     return_status = u.return_status, version = u.version, update_time = u.update_time, body = u.body, \
     journal = u.journal, due_time = u.due_time FROM " values " AS u (" [NewOrderRow] ") \
     WHERE orders.partition = u.partition AND orders.order_key = u.order_key"
}

row_statement! {
    /// Inserts one delivery, due at once.
    InsertDelivery(NewDeliveryRow<'a>)
    "INSERT INTO deliveries (" [NewDeliveryRow] ", update_time, state, attempts, problem) \
     VALUES (" values ", " [create_time: BigInt] ", 'pending', 0, '')"
}

rows_statement! {
    /// Inserts deliveries, due at once.
    InsertDeliveries(DeliveryArrays of NewDeliveryRow)
    "INSERT INTO deliveries (" [NewDeliveryRow] ", update_time, state, attempts, problem) \
     SELECT d.*, d.create_time, 'pending', 0, '' FROM " values " AS d (" [NewDeliveryRow] ")"
}

row_statement! {
    InsertCustomer(CustomerRow<'a>) "INSERT INTO customer_orders (" [CustomerRow] ") VALUES (" values ")"
}

rows_statement! {
    InsertCustomers(CustomerArrays of CustomerRow)
    "INSERT INTO customer_orders (" [CustomerRow] ") SELECT * FROM " values
}

row_statement! {
    DeleteCustomer(CustomerRow<'a>)
    "DELETE FROM customer_orders WHERE workflow = " [workflow: Text]
    " AND customer_id = " [customer_id: Text]
    " AND partition = " [partition: Integer]
    " AND order_key = " [order_key: BigInt]
}

rows_statement! {
    DeleteCustomers(CustomerArrays of CustomerRow)
    "DELETE FROM customer_orders c USING " values " AS u (" [CustomerRow] ") WHERE c.workflow = u.workflow \
     AND c.customer_id = u.customer_id AND c.partition = u.partition AND c.order_key = u.order_key"
}

row_statement! {
    InsertPage(IndexPageRow<'a>) "INSERT INTO journal_pages (" [IndexPageRow] ") VALUES (" values ")"
}

rows_statement! {
    InsertPages(IndexPageArrays of IndexPageRow)
    "INSERT INTO journal_pages (" [IndexPageRow] ") SELECT * FROM " values
}
