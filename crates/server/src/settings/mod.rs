//! Settings: defaults, then a TOML file, then the environment, then flags; the
//! last one that says something wins. They are read once, at start, into types
//! that are valid; what is not is refused by its key and by where it came from.

mod base_url;
mod dispatch;
mod key;
mod origin;
mod parse;
mod source;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use waymark_delivery::{WebhookSettings, mail, publish};
use waymark_domain::{partition::PartitionCount, value::WorkflowCode};
use waymark_persistence::DatabaseUrl;

pub use base_url::BaseUrl;
pub use key::{KEYS, Key, table};
pub use origin::Origin;
pub use source::{Problem, SettingsError, Sources};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where and how the server listens and stops.
    pub server: ServerSettings,
    /// Which database, and how patient to be with it.
    pub database: waymark_persistence::Settings,
    /// How writes are queued and grouped.
    pub commits: CommitSettings,
    /// How streams of history are fed.
    pub history: HistorySettings,
    /// How what steps set off is carried.
    pub dispatch: DispatchSettings,
    /// Where customers' feeds are.
    pub feeds: FeedSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// Where and how the server listens and stops.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The origins of pages that may call gRPC-Web from a browser; empty for those of no other origin.
    pub grpc_web_origins: Vec<Origin>,
    /// The workflow that a request means which names none.
    pub default_workflow: WorkflowCode,
    /// The preset that an empty database gets as default workflow; none for no preset.
    pub preset: Option<String>,
    /// How long a stopping server waits for calls in flight.
    pub shutdown_deadline: Duration,
    /// How many calls of one connection may have been cancelled before they are taken up.
    pub cancelled_calls_max: usize,
}

/// How writes are queued and grouped.
#[derive(Debug, Clone, Copy)]
pub struct CommitSettings {
    /// How many committers share the partitions.
    pub committers: usize,
    /// How many units may wait for one committer; more are refused at once.
    pub queue_units_max: usize,
    /// How many steps share one transaction; a unit that is larger has one of its own.
    pub batch_steps_max: usize,
}

/// How streams of history are fed.
#[derive(Debug, Clone, Copy)]
pub struct HistorySettings {
    /// How many bytes of the newest entries are kept in memory, over all partitions.
    pub ring_bytes_max: usize,
    /// How often to look for what other replicas wrote, should their hints be lost.
    pub poll_interval: Duration,
    /// How long entries wait for company at most while the log keeps growing.
    pub push_interval: Duration,
    /// How many streams may be open at once; more are refused.
    pub streams_max: usize,
}

/// How what steps set off is carried.
#[derive(Debug, Clone)]
pub struct DispatchSettings {
    /// How long a process may give no sign of life before others take over what it carries.
    pub lease: Duration,
    /// How often to look for what is due, should nobody say so.
    pub poll_interval: Duration,
    /// How many attempts are made at once.
    pub in_flight_max: usize,
    /// How long deliveries are kept that succeeded or were skipped; none for ever.
    pub keep: Option<Duration>,
    /// Where webhooks may go.
    pub webhooks: WebhookSettings,
    /// How mails are sent; none where they are not.
    pub mail: Option<MailSettings>,
    /// Where events go; none where they do not.
    pub nats: Option<publish::Servers>,
}

/// How mails are sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server that takes them.
    pub server: mail::Server,
    /// Who they are from.
    pub senders: mail::Senders,
    /// The directory of the shop's own templates; none for those that are built in.
    pub templates: Option<PathBuf>,
}

/// Where customers' feeds are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedSettings {
    /// The address of their port; none for no feeds, port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// Where the world finds that port; none for the address itself.
    pub base_url: Option<BaseUrl>,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// A level such as `info`, or directives such as `info,waymark_server=debug`.
    pub filter: String,
    /// How lines are written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

impl Settings {
    /// Reads the settings from their sources.
    ///
    /// # Errors
    /// Returns [`SettingsError`] for a file that cannot be read, a key that is not known, or a value that is not valid.
    pub fn read(sources: &Sources) -> Result<Self, SettingsError> {
        let values = source::Values::collect(sources)?;
        let database = database(&values)?;
        let committers = committers(&values, &database)?;
        Ok(Self {
            server: server(&values)?,
            commits: CommitSettings {
                committers,
                queue_units_max: values.take("queue_units_max", parse::count(1, 1_000_000))?,
                batch_steps_max: values.take("batch_steps_max", parse::count(1, 10_000))?,
            },
            history: HistorySettings {
                ring_bytes_max: values.take("history_ring_bytes_max", parse::count(0, 1 << 40))?,
                poll_interval: values.take("history_poll_ms", parse::milliseconds(10))?,
                push_interval: values.take("history_push_interval_ms", parse::milliseconds(0))?,
                streams_max: values.take("history_streams_max", parse::count(1, 1_000_000))?,
            },
            dispatch: dispatch::read(&values)?,
            feeds: FeedSettings {
                listen: values.take("feeds_listen", parse::optional(parse::address))?,
                base_url: values.take("feeds_base_url", parse::optional(parse::base_url))?,
            },
            log: LogSettings {
                filter: values.take("log_level", parse::log_filter)?,
                format: values.take("log_format", parse::log_format)?,
            },
            database,
        })
    }
}

fn server(values: &source::Values) -> Result<ServerSettings, SettingsError> {
    let listen = values.take("listen", parse::address)?;
    let insecure = values.take("insecure", parse::switch)?;
    if !listen.ip().is_loopback() && !insecure {
        return Err(values.refuse("listen", Problem::NotLoopback));
    }
    Ok(ServerSettings {
        listen,
        grpc_web_origins: values.take("grpc_web_origins", parse::origins)?,
        default_workflow: values.take("default_workflow", parse::workflow)?,
        preset: values.take("preset", parse::preset)?,
        shutdown_deadline: values.take("shutdown_deadline_ms", parse::milliseconds(0))?,
        cancelled_calls_max: values.take("cancelled_calls_max", parse::count(1, 1_000_000))?,
    })
}

fn database(values: &source::Values) -> Result<waymark_persistence::Settings, SettingsError> {
    let url: DatabaseUrl = values.take("database_url", parse::database_url)?;
    let partitions: Option<PartitionCount> = values.take("partitions", parse::partitions)?;
    Ok(waymark_persistence::Settings {
        partitions,
        create_database: values.take("create_database", parse::switch)?,
        read_connections_max: values.take("read_connections_max", parse::count(1, 1000))?,
        write_connections_max: values.take("write_connections_max", parse::count(1, 1000))?,
        connect_timeout: values.take("connect_timeout_ms", parse::milliseconds(1))?,
        lock_timeout: values.take("lock_timeout_ms", parse::milliseconds(1))?,
        statement_timeout: values.take("statement_timeout_ms", parse::milliseconds(1))?,
        idle_in_transaction_timeout: values
            .take("idle_in_transaction_timeout_ms", parse::milliseconds(1))?,
        commit_patience: values.take("commit_patience_ms", parse::milliseconds(1))?,
        ..waymark_persistence::Settings::new(url)
    })
}

/// One committer makes the fullest batches. Where the database is far away, more overlap what they wait for. SQLite has
/// one writer.
fn committers(
    values: &source::Values,
    database: &waymark_persistence::Settings,
) -> Result<usize, SettingsError> {
    let committers = values.take("committers", parse::count(1, 64))?;
    if database.url.is_sqlite() {
        return match committers {
            1 => Ok(1),
            _ => Err(values.refuse("committers", Problem::OneWriter)),
        };
    }
    // One connection stays free for changes of workflows.
    if committers >= database.write_connections_max {
        return Err(values.refuse(
            "write_connections_max",
            Problem::TooFewConnections { committers },
        ));
    }
    Ok(committers)
}
