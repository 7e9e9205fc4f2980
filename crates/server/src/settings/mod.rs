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

use waymark_domain::{partition::PartitionCount, value::WorkflowCode};
use waymark_persistence::DatabaseUrl;
use waymark_transports::{WebhookSettings, mail, publish};

pub use base_url::BaseUrl;
pub use key::{KEYS, Key, table};
pub use origin::Origin;
use source::{Noted, Values};
pub use source::{Problem, SettingsError, Sources, Wrong};

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
    /// How long what is done with is kept.
    pub keep: Keep,
    /// Where webhooks may go.
    pub webhooks: WebhookSettings,
    /// How mails are sent; none where they are not.
    pub mail: Option<MailSettings>,
    /// The directory of the shop's own templates of mails; none for those that are built in.
    pub templates: Option<PathBuf>,
    /// Where events go; none where they do not.
    pub nats: Option<publish::Servers>,
}

/// How long what is done with is kept; none for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Deliveries that succeeded or were skipped, since their last change.
    pub deliveries: Option<Duration>,
    /// Answers to calls with a request id that changed anything but orders.
    pub requests: Option<Duration>,
}

/// How mails are sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server that takes them.
    pub server: mail::Server,
    /// Who they are from.
    pub senders: mail::Senders,
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
    /// Reads the settings from their sources. Those of a part that is off are read as well.
    ///
    /// # Errors
    /// Returns [`SettingsError`] for a file that cannot be read, and for keys that are not known and values that are not
    /// valid: all of them at once.
    pub fn read(sources: &Sources) -> Result<Self, SettingsError> {
        Values::read(sources, |values| {
            let server = server(values);
            let database = database(values);
            let commits = commits(values, database.as_ref().ok());
            let history = history(values);
            let feeds = feeds(values);
            if let (Ok(server), Ok(feeds)) = (&server, &feeds) {
                check_ports(values, server.listen, feeds);
            }
            let dispatch = dispatch::read(values);
            let log = log(values);
            Ok(Self {
                server: server?,
                database: database?,
                commits: commits?,
                history: history?,
                dispatch: dispatch?,
                feeds: feeds?,
                log: log?,
            })
        })
    }
}

fn server(values: &mut Values) -> Result<ServerSettings, Noted> {
    let listen = values.take("listen", parse::address);
    let insecure = values.take("insecure", parse::switch);
    if let (Ok(listen), Ok(false)) = (&listen, insecure)
        && !listen.ip().is_loopback()
    {
        values.note("listen", Problem::NotLoopback);
    }
    let grpc_web_origins = values.take("grpc_web_origins", parse::origins);
    let default_workflow = values.take("default_workflow", parse::workflow);
    let preset = values.take("preset", parse::preset);
    let shutdown_deadline = values.take("shutdown_deadline_ms", parse::milliseconds(0));
    let cancelled_calls_max = values.take("cancelled_calls_max", parse::count(1, 1_000_000));
    Ok(ServerSettings {
        listen: listen?,
        grpc_web_origins: grpc_web_origins?,
        default_workflow: default_workflow?,
        preset: preset?,
        shutdown_deadline: shutdown_deadline?,
        cancelled_calls_max: cancelled_calls_max?,
    })
}

fn database(values: &mut Values) -> Result<waymark_persistence::Settings, Noted> {
    let url: Result<DatabaseUrl, _> = values.take("database_url", parse::database_url);
    let partitions: Result<Option<PartitionCount>, _> =
        values.take("partitions", parse::partitions);
    let create_database = values.take("create_database", parse::switch);
    let read_connections_max = values.take("read_connections_max", parse::count(1, 1000));
    let write_connections_max = values.take("write_connections_max", parse::count(1, 1000));
    let mut patience = |key| values.take(key, parse::milliseconds(1));
    let connect_timeout = patience("connect_timeout_ms");
    let lock_timeout = patience("lock_timeout_ms");
    let statement_timeout = patience("statement_timeout_ms");
    let idle_in_transaction_timeout = patience("idle_in_transaction_timeout_ms");
    let commit_patience = patience("commit_patience_ms");
    Ok(waymark_persistence::Settings {
        partitions: partitions?,
        create_database: create_database?,
        read_connections_max: read_connections_max?,
        write_connections_max: write_connections_max?,
        connect_timeout: connect_timeout?,
        lock_timeout: lock_timeout?,
        statement_timeout: statement_timeout?,
        idle_in_transaction_timeout: idle_in_transaction_timeout?,
        commit_patience: commit_patience?,
        ..waymark_persistence::Settings::new(url?)
    })
}

fn commits(
    values: &mut Values,
    database: Option<&waymark_persistence::Settings>,
) -> Result<CommitSettings, Noted> {
    let committers = values.take("committers", parse::count(1, 64));
    if let (Ok(committers), Some(database)) = (committers, database) {
        check_committers(values, committers, database);
    }
    let queue_units_max = values.take("queue_units_max", parse::count(1, 1_000_000));
    let batch_steps_max = values.take("batch_steps_max", parse::count(1, 10_000));
    Ok(CommitSettings {
        committers: committers?,
        queue_units_max: queue_units_max?,
        batch_steps_max: batch_steps_max?,
    })
}

/// One committer makes the fullest batches. Where the database is far away, more overlap what they wait for. SQLite has
/// one writer.
fn check_committers(
    values: &mut Values,
    committers: usize,
    database: &waymark_persistence::Settings,
) {
    if database.url.is_sqlite() {
        if committers != 1 {
            values.note("committers", Problem::OneWriter);
        }
    } else if committers >= database.write_connections_max {
        // One connection stays free for changes of workflows.
        let problem = Problem::TooFewConnections { committers };
        values.note("write_connections_max", problem);
    }
}

fn history(values: &mut Values) -> Result<HistorySettings, Noted> {
    let ring_bytes_max = values.take("history_ring_bytes_max", parse::count(0, 1 << 40));
    let poll_interval = values.take("history_poll_ms", parse::milliseconds(10));
    let push_interval = values.take("history_push_interval_ms", parse::milliseconds(0));
    let streams_max = values.take("history_streams_max", parse::count(1, 1_000_000));
    Ok(HistorySettings {
        ring_bytes_max: ring_bytes_max?,
        poll_interval: poll_interval?,
        push_interval: push_interval?,
        streams_max: streams_max?,
    })
}

fn feeds(values: &mut Values) -> Result<FeedSettings, Noted> {
    let listen = values.take("feeds_listen", parse::optional(parse::address));
    let base_url = values.take("feeds_base_url", parse::optional(parse::base_url));
    if let (Ok(None), Ok(Some(_))) = (&listen, &base_url) {
        let expected = "given together with feeds_listen, without which there are no feeds";
        values.note("feeds_base_url", Problem::Expected(expected));
    }
    Ok(FeedSettings {
        listen: listen?,
        base_url: base_url?,
    })
}

/// Feeds have a port of their own.
fn check_ports(values: &mut Values, listen: SocketAddr, feeds: &FeedSettings) {
    let Some(other) = feeds.listen else {
        return;
    };
    let (one, two) = (listen.ip(), other.ip());
    let meets = one == two || one.is_unspecified() || two.is_unspecified();
    if meets && listen.port() != 0 && listen.port() == other.port() {
        let expected = "another address or port than that of listen";
        values.note("feeds_listen", Problem::Expected(expected));
    }
}

fn log(values: &mut Values) -> Result<LogSettings, Noted> {
    let filter = values.take("log_level", parse::log_filter);
    let format = values.take("log_format", parse::log_format);
    Ok(LogSettings {
        filter: filter?,
        format: format?,
    })
}
