//! The pools of a database. [`Database::read`], [`Database::snapshot`] and [`Database::write`] are
//! the three ways to a connection.

use std::{sync::Arc, time::Duration};

use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        self,
        deadpool::{Pool, PoolError},
    },
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{error::Elapsed, timeout},
};
use waymark_domain::partition::Partition;

use crate::{
    Error, Settings,
    error::WriteFailure,
    inline::hop,
    limits::{Limits, shares},
    postgres::{self, Durability, Home, PgConn, Role},
    settings::Address,
    sqlite::{self, SqliteConn},
    storage::DataFile,
    tx::{Begin, Ending, Lease, Tx, before, on_conn},
};

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
        /// Where connections that write live.
        home: Home,
    },
    Sqlite {
        read: Pool<SqliteConn>,
        write: Pool<SqliteConn>,
    },
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
                let (durability, home) = (Durability::default(), Home::default());
                let pool = |role, size| {
                    postgres::pool(settings, config, (role, size), &durability, &home)
                        .map_err(Error::unavailable)
                };
                Pools::Postgres {
                    read: pool(Role::Read, read)?,
                    write: pool(writer, write)?,
                    durability,
                    home,
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
                    write,
                    durability,
                    home,
                    ..
                },
                Address::Postgres(config),
            ) => Pools::Postgres {
                read: postgres::pool(settings, config, (Role::Read, bulk), durability, home)
                    .map_err(Error::unavailable)?,
                write: write.clone(),
                durability: durability.clone(),
                home: home.clone(),
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

    pub(crate) fn close_readers(&self) {
        match &self.pools {
            Pools::Postgres { read, .. } => read.close(),
            Pools::Sqlite { read, .. } => read.close(),
        }
    }

    /// Opens a connection that writes, so that the first step need not wait for it. It lives
    /// on the runtime that asks, as do all that are opened from now on; those that were opened
    /// elsewhere are closed.
    pub(crate) async fn warm_up(&self) -> Result<(), Error> {
        if let Pools::Postgres { write, home, .. } = &self.pools {
            home.settle();
            write.retain(|_, _| false);
        }
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
        match &self.pools {
            Pools::Postgres {
                read, durability, ..
            } => self.of_server(read, durability).await,
            Pools::Sqlite { read, .. } => self.of_file(read).await,
        }
    }

    async fn writer(&self) -> Result<Lease, Error> {
        match &self.pools {
            Pools::Postgres {
                write, durability, ..
            } => self.of_server(write, durability).await,
            Pools::Sqlite { write, .. } => self.of_file(write).await,
        }
    }

    async fn of_server(
        &self,
        pool: &Pool<AsyncPgConnection>,
        durability: &Durability,
    ) -> Result<Lease, Error> {
        Ok(Lease::new(Tx::Postgres(Box::new(PgConn {
            object: self.in_time(pool.get()).await?,
            durability: durability.clone(),
        }))))
    }

    async fn of_file(&self, pool: &Pool<SqliteConn>) -> Result<Lease, Error> {
        if let Some(file) = &self.file {
            // Another file may be there by now, which a new connection would open. What is written
            // is checked again before it is committed.
            let is_new = pool.status().available == 0;
            (if is_new { file.check() } else { file.admit() })?;
        }
        let got = self.in_time(pool.get()).await;
        if let (Err(_), Some(file)) = (&got, &self.file) {
            file.admit()?;
        }
        Ok(Lease::new(Tx::Sqlite(Box::new(got?))))
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

/// Whether nothing was heard of a connection for as long as may be.
fn was_silent<T>(failure: &WriteFailure<T>) -> bool {
    match failure {
        WriteFailure::Before(error) | WriteFailure::AtCommit { error, .. } => match error {
            Error::Unavailable { source } => source.is::<Elapsed>(),
            _ => false,
        },
    }
}
