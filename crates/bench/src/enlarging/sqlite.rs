//! Enlarging a SQLite file. Nothing is safe meanwhile, and nobody else is there.

use std::path::{Path, PathBuf};

use diesel::{
    Connection, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    sql_types::{BigInt, Integer, Text},
};

use super::plan::{Column, Copy, ENTRIES, Sources, TABLES, copies, statement};
use crate::{
    failure::Failure,
    place::{names, number},
};

/// Makes a file have so many orders.
pub(crate) async fn enlarge(file: PathBuf, orders: usize) -> Result<(), Failure> {
    tokio::task::spawn_blocking(move || enlarge_file(&file, orders))
        .await
        .map_err(|_| Failure::Interrupted)?
}

fn enlarge_file(file: &Path, orders: usize) -> Result<(), Failure> {
    let connection = &mut SqliteConnection::establish(&file.to_string_lossy())?;
    connection.batch_execute(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -524288; \
         PRAGMA temp_store = MEMORY; BEGIN;",
    )?;
    let sources = sources(connection)?;
    connection.batch_execute(
        "CREATE TEMP TABLE copies (partition INTEGER, order_key INTEGER, id TEXT, source_key INTEGER, \
         source_id TEXT, PRIMARY KEY (partition, order_key)) WITHOUT ROWID;",
    )?;
    for copy in copies(&sources, orders)? {
        insert(connection, &copy?)?;
    }
    connection.batch_execute(
        "UPDATE copies SET source_id = (SELECT o.id FROM orders o \
         WHERE o.partition = copies.partition AND o.order_key = copies.source_key);",
    )?;
    let indexes = indexes(connection)?;
    let statements = TABLES
        .iter()
        .map(|table| statement(table, &columns(connection, table)?))
        .collect::<Result<Vec<_>, _>>()?;
    for table in TABLES {
        connection.batch_execute(&format!(
            "CREATE TEMP TABLE source_{table} AS SELECT * FROM {table}; \
             CREATE INDEX temp.of_source_{table} ON source_{table} (partition, order_key);"
        ))?;
    }
    for (name, _) in &indexes {
        connection.batch_execute(&format!("DROP INDEX {name}"))?;
    }
    for statement in statements {
        connection.batch_execute(&statement)?;
    }
    for (_, definition) in &indexes {
        connection.batch_execute(definition)?;
    }
    Ok(connection.batch_execute("COMMIT; PRAGMA journal_mode = WAL;")?)
}

fn sources(connection: &mut SqliteConnection) -> Result<Vec<Sources>, Failure> {
    let partitions = number(connection, "SELECT COUNT(*) AS number FROM partitions")?;
    let mut sources = Vec::new();
    for partition in 0..partitions {
        let uneven = format!(
            "SELECT COUNT(*) AS number FROM (SELECT 1 FROM history WHERE partition = {partition} \
             GROUP BY order_key HAVING COUNT(*) <> {ENTRIES})"
        );
        if number(connection, &uneven)? != 0 {
            return Err(Failure::Sources);
        }
        let keys = format!(
            "SELECT CAST(order_key AS TEXT) AS name FROM orders WHERE partition = {partition} ORDER BY order_key"
        );
        let keys = names(connection, &keys)?;
        let last = format!(
            "SELECT COALESCE(MAX(log_offset), 0) AS number FROM history WHERE partition = {partition}"
        );
        sources.push(Sources {
            order_keys: keys.iter().filter_map(|key| key.parse().ok()).collect(),
            last_offset: number(connection, &last)?,
        });
    }
    Ok(sources)
}

fn insert(connection: &mut SqliteConnection, copy: &Copy) -> Result<(), Failure> {
    diesel::sql_query(
        "INSERT INTO copies (partition, order_key, id, source_key) VALUES (?, ?, ?, ?)",
    )
    .bind::<Integer, _>(copy.partition)
    .bind::<BigInt, _>(copy.order_key)
    .bind::<Text, _>(&copy.id)
    .bind::<BigInt, _>(copy.source_key)
    .execute(connection)?;
    Ok(())
}

/// The columns of a table. The id of an order is looked for in the rows themselves.
fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<Column>, Failure> {
    let all = format!("SELECT name FROM pragma_table_info('{table}')");
    let all = names(connection, &all)?;
    let mut columns = Vec::with_capacity(all.len());
    for name in all {
        let with_id = format!(
            "SELECT COUNT(*) AS number FROM {table} t JOIN orders o ON o.partition = t.partition \
             AND o.order_key = t.order_key WHERE typeof(t.{name}) = 'text' AND instr(t.{name}, o.id) > 0"
        );
        let has_id = number(connection, &with_id)? > 0;
        columns.push(Column { name, has_id });
    }
    Ok(columns)
}

/// The secondary indexes with their definitions.
fn indexes(connection: &mut SqliteConnection) -> Result<Vec<(String, String)>, Failure> {
    let mut indexes = Vec::new();
    for table in TABLES {
        let of_table = format!(
            "FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = '{table}' ORDER BY name"
        );
        let found = names(connection, &format!("SELECT name {of_table}"))?;
        let definitions = names(connection, &format!("SELECT sql AS name {of_table}"))?;
        indexes.extend(found.into_iter().zip(definitions));
    }
    Ok(indexes)
}
