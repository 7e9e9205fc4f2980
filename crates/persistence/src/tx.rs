//! The only place that borrows connections, begins, commits and rolls back.
//! [`Database::read`], [`Database::snapshot`] and [`Database::write`] are the
//! three ways to a connection.

use std::{sync::Arc, time::Duration};

use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    TransactionManager,
    pooled_connection::{
        self,
        deadpool::{Object, Pool, PoolError},
    },
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{error::Elapsed, timeout},
};
use waymark_domain::partition::Partition;

pub(crate) use crate::error::WriteFailure;
use crate::{
    Error, Settings,
    inline::hop,
    limits::{Limits, shares},
    postgres::{self, Durability, PgConn, Role, begin_locked_sql},
    settings::Address,
    sqlite::{self, SqliteConn},
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

/// The end that a unit of work wants.
pub(crate) enum Ending<T> {
    Commit(T),
    RollBack(T),
}

/// The pools of one database.
pub(crate) struct Database {
    pools: Pools,
    /// The file, on SQLite, once it is open.
    file: Option<Arc<DataFile>>,
    /// As many turns as there are connections that read, where reads wait for each other
    /// longer than for a connection to be opened.
    turns: Option<Semaphore>,
    connect_timeout: Duration,
    limits: Limits,
}

enum Pools {
    Postgres {
        read: Pool<AsyncPgConnection>,
        write: Pool<AsyncPgConnection>,
        /// The promise of the server's settings for a commit, as the newest connection found them.
        durability: Durability,
    },
    Sqlite {
        read: Pool<SqliteConn>,
        write: Pool<SqliteConn>,
    },
}

#[derive(Clone, Copy)]
enum Begin<'l> {
    Nothing,
    Snapshot,
    /// With the locks of these partitions.
    Write(&'l [Partition]),
    /// On PostgreSQL the work itself begins, by [`postgres::begin_locked`] beside its first reads.
    /// No stage takes longer than this.
    Batch(Duration),
}

impl Database {
    /// Makes the pools; no connection is opened yet.
    pub(crate) fn new(
        settings: &Settings,
        writer: Role,
        file: Option<Arc<DataFile>>,
    ) -> Result<Self, Error> {
        let (read, _) = shares(settings);
        let write = settings.write_connections_max.max(1);
        let pools = match &settings.url.0 {
            Address::Postgres(config) => {
                let durability = Durability::default();
                let pool = |role, size| {
                    postgres::pool(settings, config, (role, size), &durability)
                        .map_err(Error::unavailable)
                };
                Pools::Postgres {
                    read: pool(Role::Read, read)?,
                    write: pool(writer, write)?,
                    durability,
                }
            }
            Address::Sqlite(path) => Pools::Sqlite {
                read: sqlite::readers(path, read).map_err(Error::unavailable)?,
                write: sqlite::writer(path).map_err(Error::unavailable)?,
            },
        };
        Ok(Self {
            pools,
            file,
            turns: None,
            connect_timeout: settings.connect_timeout,
            limits: Limits::of(settings, writer),
        })
    }

    /// The same database for what reads many bodies: with connections of its own, for which such
    /// reads wait in turn, so that they leave those of single reads alone. What writes shares its
    /// connections.
    pub(crate) fn for_bulk(&self, settings: &Settings) -> Result<Self, Error> {
        let (_, bulk) = shares(settings);
        let pools = match (&self.pools, &settings.url.0) {
            (
                Pools::Postgres {
                    write, durability, ..
                },
                Address::Postgres(config),
            ) => Pools::Postgres {
                read: postgres::pool(settings, config, (Role::Read, bulk), durability)
                    .map_err(Error::unavailable)?,
                write: write.clone(),
                durability: durability.clone(),
            },
            (Pools::Sqlite { write, .. }, Address::Sqlite(path)) => Pools::Sqlite {
                read: sqlite::readers(path, bulk).map_err(Error::unavailable)?,
                write: write.clone(),
            },
            (Pools::Postgres { .. } | Pools::Sqlite { .. }, _) => {
                return Err(Error::unavailable("the settings name another database"));
            }
        };
        Ok(Self {
            pools,
            file: self.file.clone(),
            turns: Some(Semaphore::new(bulk)),
            connect_timeout: self.connect_timeout,
            limits: self.limits.for_bulk(settings),
        })
    }

    /// Closes the connections that read.
    pub(crate) fn close_readers(&self) {
        match &self.pools {
            Pools::Postgres { read, .. } => read.close(),
            Pools::Sqlite { read, .. } => read.close(),
        }
    }

    /// Opens a connection that writes, so that the first step need not wait for it. It lives
    /// on the runtime that asks.
    pub(crate) async fn warm_up(&self) -> Result<(), Error> {
        self.writer().await?.release();
        Ok(())
    }

    /// Closes the pools, after what SQLite keeps beside its file was moved into it.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        match &self.pools {
            Pools::Postgres { read, write, .. } => {
                read.close();
                write.close();
                Ok(())
            }
            Pools::Sqlite { read, write } => {
                if let Some(file) = &self.file {
                    file.begin_close()?;
                }
                read.close();
                let moved = self
                    .unit(self.writer().await?, Begin::Nothing, async |tx| {
                        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                        on_conn!(tx, |c| c.batch_execute(sql).await)?;
                        Ok(Ending::RollBack(()))
                    })
                    .await
                    .map_err(before);
                write.close();
                let closed = self.file.as_ref().map_or(Ok(()), |file| file.end_close());
                moved.and(closed)
            }
        }
    }

    /// Runs reads, each statement for itself.
    pub(crate) async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _turn = self.turn().await?;
        self.unit(self.reader().await?, Begin::Nothing, async |tx| {
            work(tx).await.map(Ending::RollBack)
        })
        .await
        .map_err(before)
    }

    /// Runs reads that all see the database at one instant.
    pub(crate) async fn snapshot<T>(
        &self,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _turn = self.turn().await?;
        self.unit(self.reader().await?, Begin::Snapshot, async |tx| {
            work(tx).await.map(Ending::RollBack)
        })
        .await
        .map_err(before)
    }

    /// Runs a unit of work that may write, with the locks of some partitions held. Dropped
    /// before its end, it leaves nothing behind but perhaps its commit.
    pub(crate) async fn write<T>(
        &self,
        locks: &[Partition],
        work: impl AsyncFnOnce(&mut Tx) -> Result<Ending<T>, Error>,
    ) -> Result<T, WriteFailure<T>> {
        let lease = self.writer().await.map_err(WriteFailure::Before)?;
        self.unit(lease, Begin::Write(locks), work).await
    }

    /// Runs a batch, which may write, each stage within some time. On PostgreSQL it is the work that
    /// begins the transaction and takes the locks, see [`postgres::begin_locked`], so that its first
    /// reads need no round trip of their own.
    pub(crate) async fn batch<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut Tx) -> Result<Ending<T>, Error>,
    ) -> Result<T, WriteFailure<T>> {
        let lease = self.writer().await.map_err(WriteFailure::Before)?;
        self.unit(lease, Begin::Batch(limit), work).await
    }

    async fn unit<T>(
        &self,
        lease: Lease,
        begin: Begin<'_>,
        work: impl AsyncFnOnce(&mut Tx) -> Result<Ending<T>, Error>,
    ) -> Result<T, WriteFailure<T>> {
        let limit = match begin {
            Begin::Nothing | Begin::Snapshot => self.limits.read,
            Begin::Write(_) => self.limits.write,
            Begin::Batch(limit) => self.limits.write.min(limit),
        };
        match &self.pools {
            Pools::Postgres { read, write, .. } => {
                let ended = lease.run(None, begin, limit, work).await;
                if ended.as_ref().is_err_and(was_silent) {
                    // The others may be as dead, and a new one answers if the server does.
                    read.retain(|_, _| false);
                    write.retain(|_, _| false);
                }
                ended
            }
            Pools::Sqlite { write, .. } => {
                let worked = async {
                    let file = self.file.as_deref();
                    let ended = lease.run(file, begin, limit, work).await;
                    let Some(file) = file else {
                        return ended;
                    };
                    if file.admit().is_err() {
                        // Nobody waits for a connection that was left open.
                        write.close();
                    }
                    file.judge(begin.may_write(), ended)
                };
                hop(worked).await
            }
        }
    }

    /// Waits for the turn of a read, where reads take turns: first come, first served. That all
    /// connections are busy says nothing about the database.
    async fn turn(&self) -> Result<Option<SemaphorePermit<'_>>, Error> {
        let Some(turns) = &self.turns else {
            return Ok(None);
        };
        match timeout(self.limits.read, turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }

    async fn reader(&self) -> Result<Lease, Error> {
        let tx = match &self.pools {
            Pools::Postgres {
                read, durability, ..
            } => Tx::Postgres(Box::new(PgConn {
                object: self.in_time(read.get()).await?,
                durability: durability.clone(),
            })),
            Pools::Sqlite { read, .. } => {
                if let Some(file) = &self.file {
                    // Another file may be there by now, which a new connection would open.
                    let is_new = read.status().available == 0;
                    (if is_new { file.check() } else { file.admit() })?;
                }
                Tx::Sqlite(Box::new(self.in_time(read.get()).await?))
            }
        };
        Ok(Lease(Some(tx)))
    }

    async fn writer(&self) -> Result<Lease, Error> {
        let tx = match &self.pools {
            Pools::Postgres {
                write, durability, ..
            } => Tx::Postgres(Box::new(PgConn {
                object: self.in_time(write.get()).await?,
                durability: durability.clone(),
            })),
            Pools::Sqlite { write, .. } => {
                if let Some(file) = &self.file {
                    // As for readers; what is written is checked before it is committed.
                    let is_new = write.status().available == 0;
                    (if is_new { file.check() } else { file.admit() })?;
                }
                let got = self.in_time(write.get()).await;
                if let (Err(_), Some(file)) = (&got, &self.file) {
                    file.admit()?;
                }
                Tx::Sqlite(Box::new(got?))
            }
        };
        Ok(Lease(Some(tx)))
    }

    async fn in_time<C>(
        &self,
        connection: impl Future<Output = Result<C, PoolError>>,
    ) -> Result<C, Error> {
        match timeout(self.connect_timeout, connection).await {
            Ok(Ok(got)) => Ok(got),
            Ok(Err(error)) => Err(self.not_connected(error)),
            Err(elapsed) => Err(Error::unavailable(elapsed)),
        }
    }

    fn not_connected(&self, error: PoolError) -> Error {
        match (error, self.is_sqlite()) {
            (PoolError::Backend(pooled_connection::PoolError::ConnectionError(error)), true) => {
                let error = Error::not_connected(error);
                match &self.file {
                    Some(file) => file.explain(error),
                    None => error,
                }
            }
            (error, _) => Error::unavailable(error),
        }
    }

    fn is_sqlite(&self) -> bool {
        match self.pools {
            Pools::Postgres { .. } => false,
            Pools::Sqlite { .. } => true,
        }
    }
}

impl Begin<'_> {
    fn may_write(self) -> bool {
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

/// Whether nothing was heard of a connection for as long as may be.
fn was_silent<T>(failure: &WriteFailure<T>) -> bool {
    match failure {
        WriteFailure::Before(error) | WriteFailure::AtCommit { error, .. } => match error {
            Error::Unavailable { source } => source.is::<Elapsed>(),
            _ => false,
        },
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

/// A borrowed connection. It goes back to its pool only when nothing is open on it; in
/// every other case, a dropped future among them, it is closed, which rolls back and frees
/// its locks at once.
struct Lease(Option<Tx>);

impl Lease {
    async fn run<T>(
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
            Ok(Ending::Commit(outcome)) => match within(limit, tx.commit(begin)).await {
                Ok(()) => outcome,
                Err(error) => return Err(WriteFailure::AtCommit { outcome, error }),
            },
            Ok(Ending::RollBack(outcome)) => {
                if within(limit, tx.roll_back(begin)).await.is_err() {
                    return Ok(outcome);
                }
                outcome
            }
            Err(error) => {
                if within(limit, tx.roll_back(begin)).await.is_ok() {
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

    fn release(mut self) {
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

    async fn commit(&mut self, begin: Begin<'_>) -> Result<(), Error> {
        match (begin, self) {
            (Begin::Nothing, _) => Ok(()),
            (Begin::Batch(_), Self::Postgres(connection)) => {
                Ok(connection.batch_execute("COMMIT").await?)
            }
            (_, Self::Postgres(connection)) => {
                Ok(end::<AsyncPgConnection>(connection, End::Commit).await?)
            }
            (_, Self::Sqlite(connection)) => Ok(end::<SqliteConn>(connection, End::Commit).await?),
        }
    }

    async fn roll_back(&mut self, begin: Begin<'_>) -> Result<(), Error> {
        match (begin, self) {
            (Begin::Nothing, _) => Ok(()),
            (Begin::Batch(_), Self::Postgres(connection)) => {
                Ok(connection.batch_execute("ROLLBACK").await?)
            }
            (_, Self::Postgres(connection)) => {
                Ok(end::<AsyncPgConnection>(connection, End::RollBack).await?)
            }
            (_, Self::Sqlite(connection)) => {
                Ok(end::<SqliteConn>(connection, End::RollBack).await?)
            }
        }
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
    end(&mut connection, End::Commit).await?;
    Ok(done)
}

enum End {
    Commit,
    RollBack,
}

async fn end<C: AsyncConnection>(connection: &mut C, end: End) -> diesel::QueryResult<()> {
    match end {
        End::Commit => C::TransactionManager::commit_transaction(connection).await,
        End::RollBack => C::TransactionManager::rollback_transaction(connection).await,
    }
}

async fn begin_sqlite(connection: &mut SqliteConn, sql: &'static str) -> diesel::QueryResult<()> {
    let begin = move |inner: &mut diesel::SqliteConnection| {
        diesel::connection::AnsiTransactionManager::begin_transaction_sql(inner, sql)
    };
    connection.spawn_blocking(begin).await
}
