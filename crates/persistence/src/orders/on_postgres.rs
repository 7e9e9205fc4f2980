//! The statements of lists on PostgreSQL: one for however many workflows, places and
//! partitions, each of which is looked up in an index for itself.

use std::marker::PhantomData;

use diesel::{
    OptionalExtension, QueryResult, Selectable,
    dsl::SqlTypeOf,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Integer, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    columns::{ByTime, OrderColumns, TimeRow, WorkflowPlace},
    query::Direction,
};
use crate::{
    catalog::{self, EditionRow},
    rows::order::OrderRow,
    schema::orders,
    statement::{array_statement, push_columns},
};

/// A piece of a statement.
#[derive(Debug)]
enum Part<'a> {
    Sql(&'static str),
    /// The columns of [`OrderColumns`] in this table.
    Columns(&'static str),
    Texts(Vec<&'a str>),
    Numbers(Vec<i32>),
    Keys(Vec<i64>),
    Text(&'a str),
    Value(i64),
}

/// A statement of parts that gives rows of `T`. Its text, of which there are few, tells it from
/// others.
#[derive(Debug)]
struct Statement<'a, T> {
    parts: Vec<Part<'a>>,
    row: PhantomData<T>,
}

impl<'a, T> Statement<'a, T> {
    fn of(parts: Vec<Part<'a>>) -> Self {
        Self {
            parts,
            row: PhantomData,
        }
    }
}

impl<T> QueryFragment<Pg> for Statement<'_, T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for part in &self.parts {
            match part {
                Part::Sql(sql) => out.push_sql(sql),
                Part::Columns(table) => push_columns(&mut out, table, OrderColumns::COLUMNS),
                Part::Texts(texts) => out.push_bind_param::<Array<Text>, _>(texts)?,
                Part::Numbers(numbers) => out.push_bind_param::<Array<Integer>, _>(numbers)?,
                Part::Keys(keys) => out.push_bind_param::<Array<BigInt>, _>(keys)?,
                Part::Text(text) => out.push_bind_param::<Text, _>(text)?,
                Part::Value(value) => out.push_bind_param::<BigInt, _>(value)?,
            }
        }
        Ok(())
    }
}

impl<T> QueryId for Statement<'_, T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> Query for Statement<'_, T> {
    type SqlType = T;
}

/// The types of [`OrderColumns`].
type ColumnTypes = SqlTypeOf<<OrderColumns as Selectable<Pg>>::SelectExpression>;

fn texts<'a, R>(rows: &'a [R], text: impl Fn(&'a R) -> &'a str) -> Part<'a> {
    Part::Texts(rows.iter().map(text).collect())
}

/// Finds orders on some places whose last entry lies between two instants, at most `limit`.
pub(super) async fn of_places(
    mut connection: &AsyncPgConnection,
    pairs: &[WorkflowPlace],
    partitions: &[i32],
    (after, before): (i64, i64),
    limit: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let find = Statement::<ColumnTypes>::of(vec![
        Part::Sql("SELECT "),
        Part::Columns("o"),
        Part::Sql(" FROM UNNEST("),
        texts(pairs, |pair| &pair.workflow),
        Part::Sql(", "),
        texts(pairs, |pair| &pair.state),
        Part::Sql(", "),
        texts(pairs, |pair| &pair.status),
        Part::Sql(") AS p (workflow, state, status) CROSS JOIN UNNEST("),
        Part::Numbers(partitions.to_vec()),
        Part::Sql(") AS k (partition) CROSS JOIN LATERAL (SELECT "),
        Part::Columns("c"),
        Part::Sql(
            " FROM orders c WHERE c.state = p.state AND c.status = p.status AND c.workflow = p.workflow \
             AND c.partition = k.partition AND c.update_time > ",
        ),
        Part::Value(after),
        Part::Sql(" AND c.update_time < "),
        Part::Value(before),
        Part::Sql(" LIMIT "),
        Part::Value(limit),
        Part::Sql(") o LIMIT "),
        Part::Value(limit),
    ]);
    find.load(&mut connection).await
}

/// Finds orders of a customer, at most `limit`.
pub(super) async fn of_customer(
    mut connection: &AsyncPgConnection,
    codes: &[String],
    customer: &str,
    limit: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let find = Statement::<ColumnTypes>::of(vec![
        Part::Sql("SELECT "),
        Part::Columns("o"),
        Part::Sql(" FROM UNNEST("),
        texts(codes, String::as_str),
        Part::Sql(
            ") AS w (workflow) CROSS JOIN LATERAL (SELECT c.partition, c.order_key FROM customer_orders c \
             WHERE c.workflow = w.workflow AND c.customer_id = ",
        ),
        Part::Text(customer),
        Part::Sql(" LIMIT "),
        Part::Value(limit),
        Part::Sql(
            ") k JOIN orders o ON o.partition = k.partition AND o.order_key = k.order_key LIMIT ",
        ),
        Part::Value(limit),
    ]);
    find.load(&mut connection).await
}

/// Finds orders with some ids.
pub(super) async fn with_ids(
    mut connection: &AsyncPgConnection,
    codes: &[String],
    ids: &[String],
) -> QueryResult<Vec<OrderColumns>> {
    let find = Statement::<ColumnTypes>::of(vec![
        Part::Sql("SELECT "),
        Part::Columns("o"),
        Part::Sql(" FROM UNNEST("),
        texts(codes, String::as_str),
        Part::Sql(") AS w (workflow) CROSS JOIN UNNEST("),
        texts(ids, String::as_str),
        Part::Sql(") AS i (id) JOIN orders o ON o.workflow = w.workflow AND o.id = i.id"),
    ]);
    find.load(&mut connection).await
}

/// Finds the next orders of some places by update time, at most `each` of a place in a partition
/// and `all` in all. All that is asked for stands in the index.
pub(super) async fn by_time(
    mut connection: &AsyncPgConnection,
    pairs: &[WorkflowPlace],
    asked: &ByTime,
) -> QueryResult<Vec<TimeRow>> {
    let (behind, within, sorted, merged) = match asked.direction {
        Direction::Ascending => (
            " AND (c.update_time, c.order_key) > (",
            ", k.order_key) AND c.update_time < ",
            " ORDER BY c.update_time, c.order_key LIMIT ",
            ") o ORDER BY o.update_time, o.partition, o.order_key LIMIT ",
        ),
        Direction::Descending => (
            " AND (c.update_time, c.order_key) < (",
            ", k.order_key) AND c.update_time > ",
            " ORDER BY c.update_time DESC, c.order_key DESC LIMIT ",
            ") o ORDER BY o.update_time DESC, o.partition DESC, o.order_key DESC LIMIT ",
        ),
    };
    let find = Statement::<(BigInt, Integer, BigInt, BigInt)>::of(vec![
        Part::Sql("SELECT p.number, o.partition, o.order_key, o.update_time FROM UNNEST("),
        texts(pairs, |pair| &pair.workflow),
        Part::Sql(", "),
        texts(pairs, |pair| &pair.state),
        Part::Sql(", "),
        texts(pairs, |pair| &pair.status),
        Part::Sql(") WITH ORDINALITY AS p (workflow, state, status, number) CROSS JOIN UNNEST("),
        Part::Numbers(asked.starts.iter().map(|start| start.0).collect()),
        Part::Sql(", "),
        Part::Keys(asked.starts.iter().map(|start| start.1).collect()),
        Part::Sql(
            ") AS k (partition, order_key) CROSS JOIN LATERAL (SELECT c.partition, c.order_key, c.update_time \
             FROM orders c WHERE c.state = p.state AND c.status = p.status AND c.workflow = p.workflow \
             AND c.partition = k.partition",
        ),
        Part::Sql(behind),
        Part::Value(asked.time),
        Part::Sql(within),
        Part::Value(asked.until),
        Part::Sql(sorted),
        Part::Value(asked.each),
        Part::Sql(merged),
        Part::Value(asked.all),
    ]);
    find.load(&mut connection).await
}

/// Finds what follows a key in each of some partitions, at most `each`.
pub(super) async fn by_key(
    mut connection: &AsyncPgConnection,
    starts: &[(i32, i64)],
    direction: Direction,
    each: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let (behind, sorted) = match direction {
        Direction::Ascending => (
            " AND c.order_key > k.order_key",
            " ORDER BY c.order_key LIMIT ",
        ),
        Direction::Descending => (
            " AND c.order_key < k.order_key",
            " ORDER BY c.order_key DESC LIMIT ",
        ),
    };
    let find = Statement::<ColumnTypes>::of(vec![
        Part::Sql("SELECT "),
        Part::Columns("o"),
        Part::Sql(" FROM UNNEST("),
        Part::Numbers(starts.iter().map(|start| start.0).collect()),
        Part::Sql(", "),
        Part::Keys(starts.iter().map(|start| start.1).collect()),
        Part::Sql(") AS k (partition, order_key) CROSS JOIN LATERAL (SELECT "),
        Part::Columns("c"),
        Part::Sql(" FROM orders c WHERE c.partition = k.partition"),
        Part::Sql(behind),
        Part::Sql(sorted),
        Part::Value(each),
        Part::Sql(") o"),
    ]);
    find.load(&mut connection).await
}

/// Finds what follows an id in each of some workflows, at most `each`.
pub(super) async fn by_id(
    mut connection: &AsyncPgConnection,
    starts: &[(String, String)],
    direction: Direction,
    each: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let (behind, sorted) = match direction {
        Direction::Ascending => (" AND c.id >= k.id", " ORDER BY c.id LIMIT "),
        Direction::Descending => (" AND c.id < k.id", " ORDER BY c.id DESC LIMIT "),
    };
    let find = Statement::<ColumnTypes>::of(vec![
        Part::Sql("SELECT "),
        Part::Columns("o"),
        Part::Sql(" FROM UNNEST("),
        texts(starts, |start| &start.0),
        Part::Sql(", "),
        texts(starts, |start| &start.1),
        Part::Sql(") AS k (workflow, id) CROSS JOIN LATERAL (SELECT "),
        Part::Columns("c"),
        Part::Sql(" FROM orders c WHERE c.workflow = k.workflow"),
        Part::Sql(behind),
        Part::Sql(sorted),
        Part::Value(each),
        Part::Sql(") o"),
    ]);
    find.load(&mut connection).await
}

/// Finds out which of some orders, each with its workflow, are those of a customer.
pub(super) async fn among_customer(
    mut connection: &AsyncPgConnection,
    asked: &[(i32, i64, String)],
    customer: &str,
) -> QueryResult<Vec<(i32, i64)>> {
    let find = Statement::<(Integer, BigInt)>::of(vec![
        Part::Sql("SELECT k.partition, k.order_key FROM UNNEST("),
        Part::Numbers(asked.iter().map(|order| order.0).collect()),
        Part::Sql(", "),
        Part::Keys(asked.iter().map(|order| order.1).collect()),
        Part::Sql(", "),
        texts(asked, |order| &order.2),
        Part::Sql(
            ") AS k (partition, order_key, workflow) JOIN customer_orders c ON c.workflow = k.workflow \
             AND c.customer_id = ",
        ),
        Part::Text(customer),
        Part::Sql(" AND c.partition = k.partition AND c.order_key = k.order_key"),
    ]);
    find.load(&mut connection).await
}

array_statement! {
    /// Finds orders by their keys.
    FindByKeys { partitions: i32 => Integer, keys: i64 => BigInt } -> orders::SqlType;
    SELECT OrderRow as "o" " FROM",
    ") AS k (partition, order_key) JOIN orders o ON o.partition = k.partition AND o.order_key = k.order_key"
}

/// Reads orders by their keys.
pub(super) async fn bodies(
    mut connection: &AsyncPgConnection,
    keys: &[(i32, i64)],
) -> QueryResult<Vec<OrderRow>> {
    let find = FindByKeys {
        partitions: keys.iter().map(|key| key.0).collect(),
        keys: keys.iter().map(|key| key.1).collect(),
        ..FindByKeys::default()
    };
    find.load(&mut connection).await
}

/// Reads the edition of the catalog.
pub(super) async fn edition(mut connection: &AsyncPgConnection) -> QueryResult<Option<EditionRow>> {
    let newest = catalog::newest().first(&mut connection).await;
    newest.optional()
}
