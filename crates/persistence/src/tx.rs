//! The only place that begins, commits and rolls back. Connections are borrowed from
//! [`database`](crate::database).

use std::time::Duration;

use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    TransactionManager, pooled_connection::deadpool::Object,
};
use tokio::time::timeout;
use waymark_domain::partition::Partition;

pub(crate) use crate::error::WriteFailure;
use crate::{
    Error,
    postgres::{self, Durability, PgConn, begin_locked_sql},
    sqlite::SqliteConn,
    storage::DataFile,
};

/// A connection, and on most paths the transaction that is open on it.
pub(crate) enum Tx {
    Postgres(Box<PgConn>),
    Sqlite(Box<Object<SqliteConn>>),
}

/// Runs one Diesel expression on whichever backend the transaction is of.
macro_rules! on_conn {
    ($tx:expr, |$connection:ident| $body:expr) => {
        match $tx {
            $crate::tx::Tx::Postgres(object) => {
                let $connection = &mut ***object;
                $body
            }
            $crate::tx::Tx::Sqlite(object) => {
                let $connection = &mut ***object;
                $body
            }
        }
    };
}
pub(crate) use on_conn;

pub(crate) enum Ending<T> {
    Commit(T),
    RollBack(T),
}

#[derive(Clone, Copy)]
pub(crate) enum Begin<'l> {
    Nothing,
    Snapshot,
    Write(&'l [Partition]),
    /// On PostgreSQL the work itself begins, by [`postgres::begin_locked`] beside its first reads.
    /// No stage takes longer than this.
    Batch(Duration),
}

impl Begin<'_> {
    pub(crate) fn may_write(self) -> bool {
        match self {
            Self::Nothing | Self::Snapshot => false,
            Self::Write(_) | Self::Batch(_) => true,
        }
    }
}

/// The error of a unit of work, where it does not matter when it came.
pub(crate) fn before<T>(failure: WriteFailure<T>) -> Error {
    match failure {
        WriteFailure::Before(error) | WriteFailure::AtCommit { error, .. } => error,
    }
}

async fn within<T>(
    limit: Duration,
    stage: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, stage)
        .await
        .unwrap_or_else(|elapsed| Err(Error::unavailable(elapsed)))
}

/// A borrowed connection. It goes back to its pool only when nothing is open on it; in every other
/// case, a dropped future among them, it is closed, which rolls back and frees its locks at once.
pub(crate) struct Lease(Option<Tx>);

impl Lease {
    pub(crate) fn new(tx: Tx) -> Self {
        Self(Some(tx))
    }

    pub(crate) async fn run<T>(
        mut self,
        file: Option<&DataFile>,
        begin: Begin<'_>,
        limit: Duration,
        work: impl AsyncFnOnce(&mut Tx) -> Result<Ending<T>, Error>,
    ) -> Result<T, WriteFailure<T>> {
        let Some(tx) = self.0.as_mut() else {
            return Err(WriteFailure::Before(Error::unavailable(
                "the connection was given back",
            )));
        };
        within(limit, tx.begin(begin))
            .await
            .map_err(WriteFailure::Before)?;
        // Not asked to roll back: it does not answer.
        let worked = timeout(limit, work(tx)).await;
        // What was read may be wrong, and so would be what is written because of it.
        if let Err(error) = agree(file, begin) {
            return Err(self.leave_open(error));
        }
        let worked = worked.map_err(|elapsed| WriteFailure::Before(Error::unavailable(elapsed)))?;
        let outcome = match worked {
            Ok(Ending::Commit(outcome)) => {
                match within(limit, tx.end(begin, TransactionEnd::Commit)).await {
                    Ok(()) => outcome,
                    Err(error) => return Err(WriteFailure::AtCommit { outcome, error }),
                }
            }
            Ok(Ending::RollBack(outcome)) => {
                let undone = within(limit, tx.end(begin, TransactionEnd::RollBack));
                if undone.await.is_err() {
                    return Ok(outcome);
                }
                outcome
            }
            Err(error) => {
                let undone = within(limit, tx.end(begin, TransactionEnd::RollBack));
                if undone.await.is_ok() {
                    self.release();
                }
                return Err(WriteFailure::Before(error));
            }
        };
        self.release();
        Ok(outcome)
    }

    /// Gives up a transaction that can be neither committed nor rolled back, see [`agree`].
    fn leave_open<T>(mut self, error: Error) -> WriteFailure<T> {
        std::mem::forget(self.0.take());
        WriteFailure::Before(error)
    }

    pub(crate) fn release(mut self) {
        drop(self.0.take());
    }
}

/// Checks the files at the end of a transaction that may write. SQLite goes by the index of the
/// log to read, to commit and to roll back, and what it once saw there stays seen.
fn agree(file: Option<&DataFile>, begin: Begin<'_>) -> Result<(), Error> {
    let file = file.filter(|_| begin.may_write());
    file.map_or(Ok(()), DataFile::check)
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Tx::Postgres(connection)) => drop(Object::take(connection.object)),
            Some(Tx::Sqlite(connection)) => drop(Object::take(*connection)),
            None => {}
        }
    }
}

impl Tx {
    async fn begin(&mut self, begin: Begin<'_>) -> Result<(), Error> {
        match (begin, self) {
            (Begin::Nothing, _) | (Begin::Batch(_), Self::Postgres(_)) => {}
            (Begin::Snapshot, Self::Postgres(connection)) => {
                let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                AnsiTransactionManager::begin_transaction_sql(&mut ***connection, sql).await?;
            }
            (Begin::Write(locks), Self::Postgres(connection)) => {
                let sql = begin_locked_sql(locks, &connection.durability, None);
                AnsiTransactionManager::begin_transaction_sql(&mut ***connection, &sql).await?;
            }
            (Begin::Snapshot, Self::Sqlite(connection)) => {
                begin_sqlite(connection, "BEGIN DEFERRED").await?;
            }
            (Begin::Write(_) | Begin::Batch(_), Self::Sqlite(connection)) => {
                begin_sqlite(connection, "BEGIN IMMEDIATE").await?;
            }
        }
        Ok(())
    }

    async fn end(&mut self, begin: Begin<'_>, end: TransactionEnd) -> Result<(), Error> {
        match (begin, self) {
            (Begin::Nothing, _) => {}
            (Begin::Batch(_), Self::Postgres(connection)) => {
                connection.batch_execute(end.sql()).await?;
            }
            (_, Self::Postgres(connection)) => ended::<AsyncPgConnection>(connection, end).await?,
            (_, Self::Sqlite(connection)) => ended::<SqliteConn>(connection, end).await?,
        }
        Ok(())
    }
}

/// Runs work that must own its connection, such as Diesel's migrations, in one transaction
/// on PostgreSQL that begins with `first`, a statement that locks.
pub(crate) async fn owning<T>(
    mut connection: AsyncPgConnection,
    first: &str,
    work: impl FnOnce(AsyncPgConnection) -> (AsyncPgConnection, Result<T, Error>),
) -> Result<T, Error> {
    let durability = Durability::default();
    postgres::ask(&mut connection, &durability).await?;
    let begin = format!("BEGIN; {}; {first}", durability.sql());
    AnsiTransactionManager::begin_transaction_sql(&mut connection, &begin).await?;
    let (mut connection, done) = work(connection);
    // Not committed, the transaction ends with the connection.
    let done = done?;
    ended(&mut connection, TransactionEnd::Commit).await?;
    Ok(done)
}

#[derive(Clone, Copy)]
enum TransactionEnd {
    Commit,
    RollBack,
}

impl TransactionEnd {
    fn sql(self) -> &'static str {
        match self {
            Self::Commit => "COMMIT",
            Self::RollBack => "ROLLBACK",
        }
    }
}

async fn ended<C: AsyncConnection>(
    connection: &mut C,
    end: TransactionEnd,
) -> diesel::QueryResult<()> {
    match end {
        TransactionEnd::Commit => C::TransactionManager::commit_transaction(connection).await,
        TransactionEnd::RollBack => C::TransactionManager::rollback_transaction(connection).await,
    }
}

async fn begin_sqlite(connection: &mut SqliteConn, sql: &'static str) -> diesel::QueryResult<()> {
    let begin = move |inner: &mut diesel::SqliteConnection| {
        diesel::connection::AnsiTransactionManager::begin_transaction_sql(inner, sql)
    };
    connection.spawn_blocking(begin).await
}
