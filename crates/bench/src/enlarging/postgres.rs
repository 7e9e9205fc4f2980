//! Enlarging a database of the PostgreSQL server.

use bytes::Bytes;
use futures::{SinkExt, stream};
use tokio_postgres::Client;

use super::plan::{Column, Copy, ENTRIES, Sources, TABLES, copies, statement};
use crate::{failure::Failure, place::Cluster};

/// Rows go over in pieces of this many.
const PIECE: usize = 10_000;

/// Makes a database have so many orders.
pub(crate) async fn enlarge(
    cluster: &Cluster,
    database: &str,
    orders: usize,
) -> Result<(), Failure> {
    let client = cluster.connect(database).await?;
    client
        .batch_execute(
            "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'; \
             SET enable_hashjoin = off; SET enable_mergejoin = off; BEGIN; \
             CREATE TEMP TABLE copies (partition integer, order_key bigint, id text, source_key bigint, \
             source_id text);",
        )
        .await?;
    let sources = sources(&client).await?;
    copy_in(&client, &sources, orders).await?;
    client
        .batch_execute(
            "CREATE TEMP TABLE named AS SELECT c.partition, c.order_key, c.id, c.source_key, o.id AS source_id \
             FROM copies c JOIN orders o ON o.partition = c.partition AND o.order_key = c.source_key; \
             DROP TABLE copies; ALTER TABLE named RENAME TO copies; \
             CREATE UNIQUE INDEX of_copies ON copies (partition, order_key); ANALYZE copies;",
        )
        .await?;
    let indexes = indexes(&client).await?;
    for table in TABLES {
        client
            .batch_execute(&format!(
                "CREATE TEMP TABLE source_{table} AS SELECT * FROM {table}; \
                 CREATE INDEX ON source_{table} (partition, order_key); ANALYZE source_{table};"
            ))
            .await?;
    }
    let mut statements = Vec::new();
    for table in TABLES {
        statements.push(statement(table, &columns(&client, table).await?)?);
    }
    for (name, _) in &indexes {
        client.batch_execute(&format!("DROP INDEX {name}")).await?;
    }
    for statement in statements {
        client.batch_execute(&statement).await?;
    }
    for (_, definition) in &indexes {
        client.batch_execute(definition).await?;
    }
    Ok(client.batch_execute("COMMIT").await?)
}

async fn sources(client: &Client) -> Result<Vec<Sources>, Failure> {
    let uneven = "SELECT COUNT(*) FROM (SELECT 1 FROM history GROUP BY partition, order_key HAVING COUNT(*) <> $1) u";
    if client
        .query_one(uneven, &[&ENTRIES])
        .await?
        .try_get::<_, i64>(0)?
        != 0
    {
        return Err(Failure::Sources);
    }
    let sql = "SELECT p.partition, ARRAY(SELECT o.order_key FROM orders o WHERE o.partition = p.partition \
               ORDER BY o.order_key), COALESCE((SELECT MAX(h.log_offset) FROM history h \
               WHERE h.partition = p.partition), 0) FROM partitions p ORDER BY p.partition";
    let rows = client.query(sql, &[]).await?;
    let source = |row: &tokio_postgres::Row| {
        Ok(Sources {
            order_keys: row.try_get(1)?,
            last_offset: row.try_get(2)?,
        })
    };
    rows.iter().map(source).collect()
}

async fn copy_in(client: &Client, sources: &[Sources], orders: usize) -> Result<(), Failure> {
    let sink = client
        .copy_in("COPY copies (partition, order_key, id, source_key) FROM STDIN")
        .await?;
    let mut sink = std::pin::pin!(sink);
    let mut piece = String::new();
    for (number, copy) in copies(sources, orders)?.enumerate() {
        let Copy {
            partition,
            order_key,
            id,
            source_key,
        } = copy?;
        piece.extend([
            &partition.to_string(),
            "\t",
            &order_key.to_string(),
            "\t",
            &id,
            "\t",
            &source_key.to_string(),
            "\n",
        ]);
        if number % PIECE == PIECE - 1 {
            sink.send(Bytes::from(std::mem::take(&mut piece))).await?;
        }
    }
    sink.send_all(&mut stream::iter([Ok(Bytes::from(piece))]))
        .await?;
    sink.finish().await?;
    Ok(())
}

/// The columns of a table. The id of an order is looked for in the rows themselves.
async fn columns(client: &Client, table: &str) -> Result<Vec<Column>, Failure> {
    let all = "SELECT column_name::text, data_type = 'text' FROM information_schema.columns \
               WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
    let mut columns = Vec::new();
    for row in client.query(all, &[&table]).await? {
        let (name, is_text): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        let with_id = format!(
            "SELECT COUNT(*) FROM {table} t JOIN orders o ON o.partition = t.partition \
             AND o.order_key = t.order_key WHERE strpos(t.{name}, o.id) > 0"
        );
        let has_id = is_text
            && client
                .query_one(&with_id, &[])
                .await?
                .try_get::<_, i64>(0)?
                > 0;
        columns.push(Column { name, has_id });
    }
    Ok(columns)
}

/// The secondary indexes with their definitions.
async fn indexes(client: &Client) -> Result<Vec<(String, String)>, Failure> {
    let sql = "SELECT c.relname::text, pg_get_indexdef(i.indexrelid) FROM pg_index i \
               JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
               JOIN pg_namespace n ON n.oid = t.relnamespace \
               WHERE n.nspname = 'public' AND NOT i.indisprimary AND t.relname = ANY($1)";
    let tables = TABLES.map(str::to_owned).to_vec();
    let rows = client.query(sql, &[&tables]).await?;
    let index = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(index).collect()
}
