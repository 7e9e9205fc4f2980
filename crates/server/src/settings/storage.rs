//! Settings of the database, of commits and of the history.

use std::time::Duration;

use serde::Deserializer;
use waymark_domain::partition::PartitionCount;
use waymark_persistence::DatabaseUrl;

use super::{
    key::{parsed, settings},
    values::{Noted, Values},
};

settings! {
    /// The database, as it is set.
    pub(super) struct DatabaseKeys {
        /// `sqlite://FILE`, or `postgres://user@host/database` with parameters as libpq has them,
        /// such as `?sslmode=verify-full&sslrootcert=FILE`. `docs/scale.md` has the modes.
        #[serde(deserialize_with = "database_url")]
        url: DatabaseUrl = "database_url", Text, "sqlite://waymark.db";
        /// Whether a SQLite file that is not there is made; `false` refuses to start instead. A file
        /// of another program is always refused.
        create_database: bool = "create_database", Switch, "true";
        /// How many partitions a new database gets, fixed from then on; unset: 1 on SQLite, 8 on
        /// PostgreSQL.
        partitions: Option<i32> = "partitions", Number(1, 1024), "";
        /// How many connections read: one half serves lists, streams and exports, the other all
        /// else; each half has at least one.
        read_connections_max: usize = "read_connections_max", Number(1, 1000), "8";
        /// How many connections write, more than committers; SQLite has one.
        write_connections_max: usize = "write_connections_max", Number(1, 1000), "4";
        /// How long to wait for a connection.
        connect_timeout: Duration = "connect_timeout", Span(1), "3s";
        /// How long a write waits for the lock of a partition before it tries again.
        lock_timeout: Duration = "lock_timeout", Span(1), "4s";
        /// How long one statement may run; a single read gives up after 5 seconds at most.
        statement_timeout: Duration = "statement_timeout", Span(1), "30s";
        /// `idle_in_transaction_session_timeout` of PostgreSQL for connections that write: after how
        /// long a process that stands still loses its locks.
        idle_in_transaction_timeout: Duration
            = "idle_in_transaction_timeout", Span(1), "3s";
        /// How long a commit waits for the database, behind others too, before its caller is
        /// answered.
        commit_patience: Duration = "commit_patience", Span(1), "8s";
    }
}

settings! {
    /// How writes are queued and grouped.
    #[derive(Debug, Clone, Copy)]
    pub struct CommitSettings {
        /// How many writers share the partitions: more overlap their commits, in smaller batches. 1
        /// on SQLite.
        committers: usize = "committers", Number(1, 64), "1";
        /// How many writes may wait for one committer; more are answered `RESOURCE_EXHAUSTED`.
        queue_units_max: usize = "queue_units_max", Number(1, 1_000_000), "4096";
        /// How many steps at most share one transaction; a call that has more gets one of its own.
        batch_steps_max: usize = "batch_steps_max", Number(1, 10_000), "256";
    }
}

settings! {
    /// How streams of history are fed.
    #[derive(Debug, Clone, Copy)]
    pub struct HistorySettings {
        /// How many bytes of the newest history are kept in memory for watchers, over all
        /// partitions.
        ring_bytes_max: usize = "history_ring_bytes_max", Number(0, 1 << 40), "67108864";
        /// How often to poll for history that other replicas wrote, should their hints be lost.
        poll_interval: Duration = "history_poll", Span(10), "500ms";
        /// How often watchers are woken at most while history keeps growing; after a rest they are
        /// woken at once.
        push_interval: Duration = "history_push_interval", Span(0), "20ms";
        /// How many streams of history may be open; more are answered `RESOURCE_EXHAUSTED`.
        streams_max: usize = "history_streams_max", Number(1, 1_000_000), "4096";
    }
}

pub(super) fn database(values: &mut Values) -> Result<waymark_persistence::Settings, Noted> {
    let keys: DatabaseKeys = values.read()?;
    Ok(waymark_persistence::Settings {
        partitions: keys.partitions.and_then(PartitionCount::new),
        create_database: keys.create_database,
        read_connections_max: keys.read_connections_max,
        write_connections_max: keys.write_connections_max,
        connect_timeout: keys.connect_timeout,
        lock_timeout: keys.lock_timeout,
        statement_timeout: keys.statement_timeout,
        idle_in_transaction_timeout: keys.idle_in_transaction_timeout,
        commit_patience: keys.commit_patience,
        ..waymark_persistence::Settings::new(keys.url)
    })
}

/// Reads the settings of commits. One committer makes the fullest batches; where the database is far
/// away, more overlap what they wait for. SQLite has one writer.
pub(super) fn commits(
    values: &mut Values,
    database: &waymark_persistence::Settings,
) -> Result<CommitSettings, Noted> {
    let settings: CommitSettings = values.read()?;
    let committers = settings.committers;
    if database.url.is_sqlite() {
        if committers != 1 {
            values.note("committers", &["database_url"], "must be 1 on SQLite");
        }
    } else if committers >= database.write_connections_max {
        // One connection stays free for changes of workflows.
        let problem = format!("must be more than the number of committers, which is {committers}");
        values.note("write_connections_max", &["committers"], problem);
    }
    Ok(settings)
}

fn database_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DatabaseUrl, D::Error> {
    parsed(deserializer, |text| {
        DatabaseUrl::parse(text).map_err(|error| format!("is refused: {error}"))
    })
}
