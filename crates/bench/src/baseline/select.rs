//! Point selects of an order by the asynchronous driver that the service has, in
//! this process: one connection in one loop on SQLite, as many as calls are in
//! flight on PostgreSQL.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use diesel::{
    QueryResult, SqliteConnection,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, RunQueryDsl,
    sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper},
};
use futures::future::{BoxFuture, FutureExt, ready, try_join_all};

use crate::{
    failure::Failure,
    place::{self, Database, Site},
    shop,
};

/// Runs each blocking task where it is called, as the service does.
pub(crate) struct Inline;

impl SpawnBlocking for Inline {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        ready(Ok(task())).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// Selects an order by its id.
#[derive(Debug, QueryId)]
struct Find {
    id: String,
}

/// The columns that are read of an order.
type Read = (i64, String, String, i64, i64, i64, String);

impl Query for Find {
    type SqlType = (BigInt, Text, Text, BigInt, BigInt, BigInt, Text);
}

macro_rules! find {
    ($backend:ty) => {
        impl QueryFragment<$backend> for Find {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                out.push_sql(
                    "SELECT order_key, state, status, version, create_time, update_time, body FROM orders \
                     WHERE workflow = 'bench' AND id = ",
                );
                out.push_bind_param::<Text, _>(&self.id)
            }
        }
    };
}
find!(Pg);
find!(Sqlite);

/// The orders to select, at random.
struct Picks {
    random: fastrand::Rng,
    orders: usize,
}

impl Picks {
    fn new(seed: usize, orders: usize) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed as u64),
            orders,
        }
    }

    fn next(&mut self) -> Find {
        Find {
            id: shop::order_id(self.random.usize(0..self.orders)),
        }
    }
}

/// Connections that select.
pub(crate) enum Selects {
    Postgres(Vec<AsyncPgConnection>),
    Sqlite(Box<SyncConnectionWrapper<SqliteConnection, Inline>>),
}

impl Selects {
    /// Opens so many connections to a PostgreSQL database, or one to a SQLite file.
    pub(crate) async fn open(
        site: &Site,
        database: &Database,
        connections: usize,
    ) -> Result<Self, Failure> {
        Ok(match database {
            Database::Postgres(_) => {
                let url = site.url(database)?;
                let opened = (0..connections).map(|_| AsyncPgConnection::establish(&url));
                Self::Postgres(try_join_all(opened).await?)
            }
            Database::Sqlite(file) => {
                let connection = place::open(file)?;
                let wrapped = SyncConnectionWrapper::with_runtime(connection, Inline);
                Self::Sqlite(Box::new(wrapped))
            }
        })
    }

    /// Selects orders for a while, and returns the rate.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is shown with four digits"
    )]
    pub(crate) async fn run(&mut self, orders: usize, length: Duration) -> Result<f64, Failure> {
        let begun = Instant::now();
        let end = begun + length;
        let selected = match self {
            Self::Postgres(connections) => {
                let loops = connections.iter_mut().enumerate();
                let loops = loops.map(async |(seed, connection)| {
                    let mut picks = Picks::new(seed, orders);
                    let mut selected = 0_u64;
                    while Instant::now() < end {
                        let _: Read = picks.next().get_result(connection).await?;
                        selected += 1;
                    }
                    Ok::<_, Failure>(selected)
                });
                try_join_all(loops).await?.iter().sum::<u64>()
            }
            Self::Sqlite(connection) => {
                let mut picks = Picks::new(0, orders);
                let mut selected = 0_u64;
                while Instant::now() < end {
                    let _: Read = picks.next().get_result(&mut **connection).await?;
                    selected += 1;
                }
                selected
            }
        };
        Ok(selected as f64 / begun.elapsed().as_secs_f64())
    }
}
