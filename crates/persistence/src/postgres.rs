//! Connections to PostgreSQL. A stopped process must not hold a partition and a dead network must
//! not look like a slow one, so nothing is left at the server's defaults, which are hours.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::{
    ConnectionError, ConnectionResult, QueryResult,
    dsl::{select, sql},
    sql_types::Text,
};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{BuildError, Object, Pool},
    },
};
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio_postgres::{Client, Connection, Socket, config::SslMode, error::SqlState};

use waymark_domain::partition::Partition;

use crate::{
    Error, Settings,
    address::Target,
    error::ErrorChain,
    tls::{TlsAttempt, TlsStream},
};

/// Lookups of a set of keys go through the index of the keys, one by one, however little the
/// server knows about a table: one that has just grown has no statistics, and a plan that reads
/// all of it would be kept for a while.
const PLANS: &str = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;";

/// The statement that locks partitions, see `tx`: planned once for each connection.
const LOCK: &str = "PREPARE waymark_lock (integer[]) AS \
                    SELECT FROM partitions WHERE partition = ANY ($1) ORDER BY partition FOR UPDATE;";

/// The purpose of a connection; each role has its own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads alone; the server refuses writes on it.
    Read,
    Write,
    /// Migrations, which may take their time.
    Maintenance,
    Hints,
}

impl Role {
    fn writes(self) -> bool {
        match self {
            Self::Write | Self::Maintenance => true,
            Self::Read | Self::Hints => false,
        }
    }
}

/// The runtime on which connections that write live, whoever opens them: every message of one
/// passes through a task there. Where that is another runtime than that of the queries, each waits
/// until a thread of the other one has time for it. As long as none is set, a connection lives where
/// it is opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Home(Arc<Mutex<Option<Handle>>>);

impl Home {
    /// Has connections live on the runtime that calls, from now on.
    pub(crate) fn settle(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Handle::current());
    }

    async fn establish(
        &self,
        target: Target,
        session: String,
    ) -> ConnectionResult<AsyncPgConnection> {
        let home = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(home) = home else {
            return establish(&target, &session).await;
        };
        let opened = home.spawn(async move { establish(&target, &session).await });
        opened.await.unwrap_or_else(|error| {
            let error = format!("the runtime of connections ended: {error}");
            Err(ConnectionError::BadConnection(error))
        })
    }
}

/// A connection of a pool, and what its commits shall wait for.
pub(crate) struct PgConn {
    pub(crate) object: Object<AsyncPgConnection>,
    pub(crate) durability: Durability,
}

impl Deref for PgConn {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.object
    }
}

impl DerefMut for PgConn {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.object
    }
}

/// The durability that a commit waits for, which every transaction that writes says for itself: the disk here
/// and of the synchronous standbys, if any are named. A server that is set to wait until those
/// have applied it too is left so; anything laxer is not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durability(Arc<AtomicBool>);

impl Durability {
    /// The statement for the beginning of a transaction.
    pub(crate) fn sql(&self) -> &'static str {
        if self.0.load(Ordering::Relaxed) {
            "SET LOCAL synchronous_commit = remote_apply"
        } else {
            "SET LOCAL synchronous_commit = on"
        }
    }
}

/// Asks what the server's settings promise of a commit.
pub(crate) async fn ask(
    connection: &mut AsyncPgConnection,
    durability: &Durability,
) -> QueryResult<()> {
    // Here alone, since its `load` hides that of atomics.
    use diesel_async::RunQueryDsl;

    let setting = select(sql::<Text>("current_setting('synchronous_commit')"));
    let setting: String = setting.first(connection).await?;
    durability
        .0
        .store(setting == "remote_apply", Ordering::Relaxed);
    Ok(())
}

/// Begins a batch on PostgreSQL. Polled before other queries of the same connection, it is sent
/// before them too, and the server answers in turn: they read what is true under the locks.
/// Diesel's transaction manager, which wants the connection for itself, knows nothing of it; a
/// `Lease` of `tx` that ends otherwise than by COMMIT or ROLLBACK closes its connection anyway.
///
/// `wait` is how long a lock is waited for, where that is less than in the rest of the session.
pub(crate) async fn begin_locked(
    connection: &PgConn,
    locks: &[Partition],
    wait: Option<Duration>,
) -> Result<(), Error> {
    let sql = begin_locked_sql(locks, &connection.durability, wait);
    let mut connection: &AsyncPgConnection = connection;
    Ok(connection.batch_execute(&sql).await?)
}

/// Begins and locks in one message, for the round trip, and as two statements: one that locked
/// and read at once could read what was true before the lock. The level is set explicitly,
/// since under another one everything would be read as it was before. So is what a commit waits
/// for, whatever the session, which a pooler may share with others, was left with. On SQLite
/// the transaction holds the lock of the whole file.
pub(crate) fn begin_locked_sql(
    locks: &[Partition],
    durability: &Durability,
    wait: Option<Duration>,
) -> String {
    // None at all would be without end.
    let wait = wait.map(|wait| wait.as_millis().max(1));
    let wait = wait.map_or_else(String::new, |wait| {
        format!("; SET LOCAL lock_timeout = {wait}")
    });
    let mut sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {}{wait}",
        durability.sql()
    );
    let numbers = locks.iter().map(|partition| partition.number().to_string());
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    if !numbers.is_empty() {
        sql.push_str("; EXECUTE waymark_lock ('{");
        sql.push_str(&numbers);
        sql.push_str("}')");
    }
    sql
}

/// Makes a pool of connections of one role; none is opened yet. What those that write find the
/// server's settings to promise is noted.
pub(crate) fn pool(
    settings: &Settings,
    target: &Target,
    (role, size): (Role, usize),
    durability: &Durability,
    home: &Home,
) -> Result<Pool<AsyncPgConnection>, BuildError> {
    let target = tuned(settings, target);
    let session = session(settings, role);
    let mut manager = ManagerConfig::<AsyncPgConnection>::default();
    // A query on every checkout would cost a round trip; a connection that the server
    // closed is noticed without one.
    manager.recycling_method = RecyclingMethod::Fast;
    let (durability, home) = (durability.clone(), home.clone());
    manager.custom_setup = Box::new(move |_| {
        let (target, session) = (target.clone(), session.clone());
        let (durability, home) = (durability.clone(), home.clone());
        async move {
            let mut connection = if role.writes() {
                home.establish(target, session).await?
            } else {
                establish(&target, &session).await?
            };
            if role.writes() {
                ask(&mut connection, &durability)
                    .await
                    .map_err(ConnectionError::CouldntSetupConfiguration)?;
            }
            Ok(connection)
        }
        .boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
        .max_size(size)
        .build()
}

/// Opens one connection outside any pool.
pub(crate) async fn connect(
    settings: &Settings,
    target: &Target,
    role: Role,
) -> ConnectionResult<AsyncPgConnection> {
    establish(&tuned(settings, target), &session(settings, role)).await
}

/// Fills in what the address leaves open; what it says stands.
pub(crate) fn tuned(settings: &Settings, target: &Target) -> Target {
    let mut target = target.clone();
    let config = &mut target.config;
    if config.get_application_name().is_none() {
        config.application_name(&settings.application_name);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(settings.connect_timeout);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(settings.idle_in_transaction_timeout.saturating_mul(2));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
    }
    target
}

fn session(settings: &Settings, role: Role) -> String {
    let statement = settings.statement_timeout.as_millis();
    let idle = settings.idle_in_transaction_timeout.as_millis();
    let lock = settings.lock_timeout.as_millis();
    let user = settings
        .idle_in_transaction_timeout
        .saturating_mul(2)
        .as_millis();
    let limits = format!(
        "SET idle_in_transaction_session_timeout = {idle}; SET statement_timeout = {statement};"
    );
    match role {
        Role::Read => format!("{limits} SET default_transaction_read_only = on; {PLANS}"),
        Role::Write => format!(
            "{limits} SET lock_timeout = {lock}; SET tcp_user_timeout = {user}; {PLANS} \
             SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; {LOCK}"
        ),
        Role::Maintenance => "SET statement_timeout = 0; SET lock_timeout = 0;".to_owned(),
        // What a commit waits for is left alone: a pooler may hand the session on.
        Role::Hints => format!("SET statement_timeout = {statement};"),
    }
}

/// Connects as the address asks. Where it leaves TLS to the server, it goes on without it where
/// the server has none, where the two agree on none, and where the server lets nobody in over
/// TLS, as libpq does.
///
/// # Errors
/// Returns what the last attempt failed of; what TLS failed of where the server asks for it.
pub(crate) async fn open(
    target: &Target,
) -> Result<(Client, Connection<Socket, TlsStream>), tokio_postgres::Error> {
    let attempt = TlsAttempt::new(&target.connector);
    let error = match target.config.connect(attempt.clone()).await {
        Ok(connected) => return Ok(connected),
        Err(error) => error,
    };
    let is_optional = target.config.get_ssl_mode() == SslMode::Prefer;
    if !is_optional || !(attempt.has_failed() || is_not_let_in(&error)) {
        return Err(error);
    }
    let mut config = target.config.clone();
    config.ssl_mode(SslMode::Disable);
    let plain = config.connect(attempt).await;
    plain.map_err(|plain| if is_not_let_in(&plain) { error } else { plain })
}

/// Whether the rules of the server refuse a connection of this kind.
fn is_not_let_in(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

async fn establish(target: &Target, session: &str) -> ConnectionResult<AsyncPgConnection> {
    let (client, connection) = open(target).await.map_err(|error| refused(&error))?;
    let mut connection =
        AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
    connection
        .batch_execute(session)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The error of a connection that was refused, with its causes: Diesel keeps only a text.
fn refused(error: &tokio_postgres::Error) -> ConnectionError {
    ConnectionError::BadConnection(ErrorChain(error).to_string())
}
