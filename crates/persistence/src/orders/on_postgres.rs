//! The statements of lists on PostgreSQL: one for however many workflows, places and
//! partitions, each of which is looked up in an index for itself. [`keys`](super::keys) says what
//! each of them finds.

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
    statement::array_statement,
};

/// A parameter of a statement.
#[derive(Debug)]
enum Parameter<'a> {
    Texts(Vec<&'a str>),
    Numbers(Vec<i32>),
    Keys(Vec<i64>),
    Text(&'a str),
    Value(i64),
}

/// A statement that gives rows of `T`, with a `?` for each of its parameters. Its text, of which
/// there are few, tells it from others.
#[derive(Debug)]
struct Statement<'a, T> {
    sql: String,
    parameters: Vec<Parameter<'a>>,
    row: PhantomData<T>,
}

impl<'a, T> Statement<'a, T> {
    fn of(sql: String, parameters: Vec<Parameter<'a>>) -> Self {
        let row = PhantomData;
        Self {
            sql,
            parameters,
            row,
        }
    }
}

impl<T> QueryFragment<Pg> for Statement<'_, T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut texts = self.sql.split('?');
        out.push_sql(texts.next().unwrap_or_default());
        for (parameter, text) in self.parameters.iter().zip(texts) {
            match parameter {
                Parameter::Texts(texts) => out.push_bind_param::<Array<Text>, _>(texts)?,
                Parameter::Numbers(numbers) => out.push_bind_param::<Array<Integer>, _>(numbers)?,
                Parameter::Keys(keys) => out.push_bind_param::<Array<BigInt>, _>(keys)?,
                Parameter::Text(text) => out.push_bind_param::<Text, _>(text)?,
                Parameter::Value(value) => out.push_bind_param::<BigInt, _>(value)?,
            }
            out.push_sql(text);
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

type ColumnTypes = SqlTypeOf<<OrderColumns as Selectable<Pg>>::SelectExpression>;

fn columns(table: &str) -> String {
    let columns = OrderColumns::COLUMNS.split(", ");
    let columns = columns.map(|column| format!("{table}.{column}"));
    columns.collect::<Vec<_>>().join(", ")
}

fn texts<'a, R>(rows: &'a [R], text: impl Fn(&'a R) -> &'a str) -> Parameter<'a> {
    Parameter::Texts(rows.iter().map(text).collect())
}

pub(super) async fn of_places(
    mut connection: &AsyncPgConnection,
    pairs: &[WorkflowPlace],
    partitions: &[i32],
    (after, before): (i64, i64),
    limit: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let sql = format!(
        "SELECT {} FROM UNNEST(?, ?, ?) AS p (workflow, state, status) CROSS JOIN UNNEST(?) AS k (partition) \
         CROSS JOIN LATERAL (SELECT {} FROM orders c WHERE c.state = p.state AND c.status = p.status \
         AND c.workflow = p.workflow AND c.partition = k.partition AND c.update_time > ? AND c.update_time < ? \
         LIMIT ?) o LIMIT ?",
        columns("o"),
        columns("c")
    );
    let parameters = vec![
        texts(pairs, |pair| &pair.workflow),
        texts(pairs, |pair| &pair.state),
        texts(pairs, |pair| &pair.status),
        Parameter::Numbers(partitions.to_vec()),
        Parameter::Value(after),
        Parameter::Value(before),
        Parameter::Value(limit),
        Parameter::Value(limit),
    ];
    let find = Statement::<ColumnTypes>::of(sql, parameters);
    find.load(&mut connection).await
}

pub(super) async fn of_customer(
    mut connection: &AsyncPgConnection,
    codes: &[String],
    customer: &str,
    limit: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let sql = format!(
        "SELECT {} FROM UNNEST(?) AS w (workflow) CROSS JOIN LATERAL (SELECT c.partition, c.order_key \
         FROM customer_orders c WHERE c.workflow = w.workflow AND c.customer_id = ? LIMIT ?) k \
         JOIN orders o ON o.partition = k.partition AND o.order_key = k.order_key LIMIT ?",
        columns("o")
    );
    let (codes, customer) = (texts(codes, String::as_str), Parameter::Text(customer));
    let parameters = vec![
        codes,
        customer,
        Parameter::Value(limit),
        Parameter::Value(limit),
    ];
    let find = Statement::<ColumnTypes>::of(sql, parameters);
    find.load(&mut connection).await
}

pub(super) async fn with_ids(
    mut connection: &AsyncPgConnection,
    codes: &[String],
    ids: &[String],
) -> QueryResult<Vec<OrderColumns>> {
    let sql = format!(
        "SELECT {} FROM UNNEST(?) AS w (workflow) CROSS JOIN UNNEST(?) AS i (id) \
         JOIN orders o ON o.workflow = w.workflow AND o.id = i.id",
        columns("o")
    );
    let parameters = vec![texts(codes, String::as_str), texts(ids, String::as_str)];
    let find = Statement::<ColumnTypes>::of(sql, parameters);
    find.load(&mut connection).await
}

pub(super) async fn by_time(
    mut connection: &AsyncPgConnection,
    pairs: &[WorkflowPlace],
    asked: &ByTime,
) -> QueryResult<Vec<TimeRow>> {
    let (behind, within, way) = match asked.direction {
        Direction::Ascending => (">", "<", ""),
        Direction::Descending => ("<", ">", " DESC"),
    };
    let sql = format!(
        "SELECT p.number, o.partition, o.order_key, o.update_time FROM UNNEST(?, ?, ?) WITH ORDINALITY \
         AS p (workflow, state, status, number) CROSS JOIN UNNEST(?, ?) AS k (partition, order_key) \
         CROSS JOIN LATERAL (SELECT c.partition, c.order_key, c.update_time FROM orders c WHERE c.state = p.state \
         AND c.status = p.status AND c.workflow = p.workflow AND c.partition = k.partition \
         AND (c.update_time, c.order_key) {behind} (?, k.order_key) AND c.update_time {within} ? \
         ORDER BY c.update_time{way}, c.order_key{way} LIMIT ?) o \
         ORDER BY o.update_time{way}, o.partition{way}, o.order_key{way} LIMIT ?"
    );
    let parameters = vec![
        texts(pairs, |pair| &pair.workflow),
        texts(pairs, |pair| &pair.state),
        texts(pairs, |pair| &pair.status),
        Parameter::Numbers(asked.starts.iter().map(|start| start.0).collect()),
        Parameter::Keys(asked.starts.iter().map(|start| start.1).collect()),
        Parameter::Value(asked.time),
        Parameter::Value(asked.until),
        Parameter::Value(asked.each),
        Parameter::Value(asked.all),
    ];
    let find = Statement::<(BigInt, Integer, BigInt, BigInt)>::of(sql, parameters);
    find.load(&mut connection).await
}

pub(super) async fn by_key(
    mut connection: &AsyncPgConnection,
    starts: &[(i32, i64)],
    direction: Direction,
    each: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let (behind, way) = match direction {
        Direction::Ascending => (">", ""),
        Direction::Descending => ("<", " DESC"),
    };
    let sql = format!(
        "SELECT {} FROM UNNEST(?, ?) AS k (partition, order_key) CROSS JOIN LATERAL (SELECT {} FROM orders c \
         WHERE c.partition = k.partition AND c.order_key {behind} k.order_key ORDER BY c.order_key{way} LIMIT ?) o",
        columns("o"),
        columns("c")
    );
    let parameters = vec![
        Parameter::Numbers(starts.iter().map(|start| start.0).collect()),
        Parameter::Keys(starts.iter().map(|start| start.1).collect()),
        Parameter::Value(each),
    ];
    let find = Statement::<ColumnTypes>::of(sql, parameters);
    find.load(&mut connection).await
}

pub(super) async fn by_id(
    mut connection: &AsyncPgConnection,
    starts: &[(String, String)],
    direction: Direction,
    each: i64,
) -> QueryResult<Vec<OrderColumns>> {
    let (behind, way) = match direction {
        Direction::Ascending => (">=", ""),
        Direction::Descending => ("<", " DESC"),
    };
    let sql = format!(
        "SELECT {} FROM UNNEST(?, ?) AS k (workflow, id) CROSS JOIN LATERAL (SELECT {} FROM orders c \
         WHERE c.workflow = k.workflow AND c.id {behind} k.id ORDER BY c.id{way} LIMIT ?) o",
        columns("o"),
        columns("c")
    );
    let (workflows, ids) = (
        texts(starts, |start| &start.0),
        texts(starts, |start| &start.1),
    );
    let find = Statement::<ColumnTypes>::of(sql, vec![workflows, ids, Parameter::Value(each)]);
    find.load(&mut connection).await
}

pub(super) async fn among_customer(
    mut connection: &AsyncPgConnection,
    asked: &[(i32, i64, String)],
    customer: &str,
) -> QueryResult<Vec<(i32, i64)>> {
    let sql = "SELECT k.partition, k.order_key FROM UNNEST(?, ?, ?) AS k (partition, order_key, workflow) \
               JOIN customer_orders c ON c.workflow = k.workflow AND c.customer_id = ? \
               AND c.partition = k.partition AND c.order_key = k.order_key";
    let parameters = vec![
        Parameter::Numbers(asked.iter().map(|order| order.0).collect()),
        Parameter::Keys(asked.iter().map(|order| order.1).collect()),
        texts(asked, |order| &order.2),
        Parameter::Text(customer),
    ];
    let find = Statement::<(Integer, BigInt)>::of(sql.to_owned(), parameters);
    find.load(&mut connection).await
}

array_statement! {
    FindByKeys { partitions: i32 => Integer, keys: i64 => BigInt } -> orders::SqlType;
    SELECT OrderRow as "o" " FROM",
    ") AS k (partition, order_key) JOIN orders o ON o.partition = k.partition AND o.order_key = k.order_key"
}

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

pub(super) async fn edition(mut connection: &AsyncPgConnection) -> QueryResult<Option<EditionRow>> {
    let newest = catalog::newest().first(&mut connection).await;
    newest.optional()
}
