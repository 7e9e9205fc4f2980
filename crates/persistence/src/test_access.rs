//! Raw SQL on a store, for tests that break things on purpose.

use diesel_async::SimpleAsyncConnection;

use crate::{
    Error, OrderCursor, OrderPage, OrderQuery, Store,
    orders::Probes,
    tx::{Ending, before, on_conn},
};

/// Runs statements in one write transaction.
///
/// # Errors
/// Returns what the database refuses.
pub async fn execute(store: &Store, sql: &str) -> Result<(), Error> {
    let written = store.database().write(&[], async |tx| {
        on_conn!(tx, |c| c.batch_execute(sql).await)?;
        Ok(Ending::Commit(()))
    });
    written.await.map_err(before)
}

/// Reads one number.
///
/// # Errors
/// Returns what the database refuses.
pub async fn number(store: &Store, sql: &str) -> Result<i64, Error> {
    use diesel_async::RunQueryDsl;

    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }

    let row = store.database().read(async |tx| {
        let sql = format!("SELECT CAST(({sql}) AS BIGINT) AS number");
        Ok(on_conn!(tx, |c| diesel::sql_query(sql)
            .get_result::<Row>(c)
            .await)?)
    });
    Ok(row.await?.number)
}

/// Lists orders; `first` and `most` say how many are looked up before a sorted index is tried, and
/// how many after it had too few.
///
/// # Errors
/// Returns why the database cannot be read.
pub async fn list_orders(
    store: &Store,
    query: &OrderQuery,
    after: Option<&OrderCursor>,
    (limit, first, most): (usize, usize, usize),
) -> Result<OrderPage, Error> {
    let probes = Probes {
        first,
        walked: first,
        most,
    };
    store.list_probing(query, after, (limit, probes)).await
}

/// Holds a connection that reads until something has happened, and says when it has it.
///
/// # Errors
/// Returns why there is no connection.
pub async fn read_and_wait(
    store: &Store,
    reading: tokio::sync::oneshot::Sender<()>,
    until: impl Future<Output = ()>,
) -> Result<(), Error> {
    let held = store.database().read(async |_| {
        let _ = reading.send(());
        until.await;
        Ok(())
    });
    held.await
}

/// Takes the locks of all partitions, says so, and stands still like a stopped process.
///
/// # Errors
/// Returns what became of the transaction meanwhile.
pub async fn lock_all_and_wait(
    store: &Store,
    locked: tokio::sync::oneshot::Sender<()>,
    wait: std::time::Duration,
) -> Result<(), Error> {
    let all = store.partition_count().all().collect::<Vec<_>>();
    let held = store.database().write(&all, async |_| {
        let _ = locked.send(());
        tokio::time::sleep(wait).await;
        Ok(Ending::Commit(()))
    });
    held.await.map_err(before)
}
