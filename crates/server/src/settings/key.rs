//! The keys, each with its default and what it means. The table of the README
//! and the help of `waymark serve` are written from here.

use std::fmt::Write;

/// A key of the settings.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name, as in the TOML file; `WAYMARK_` and the name in capitals in the environment.
    pub name: &'static str,
    /// What holds when nothing is said; empty means that the help tells.
    pub default: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
}

const fn key(name: &'static str, default: &'static str, help: &'static str) -> Key {
    Key {
        name,
        default,
        help,
    }
}

/// All keys.
pub const KEYS: &[Key] = &[
    key(
        "listen",
        "127.0.0.1:50551",
        "Address and port to listen on; port 0 takes a free one.",
    ),
    key(
        "insecure",
        "false",
        "Allows an address that is not loopback, although there is no authentication yet.",
    ),
    key(
        "database_url",
        "sqlite://waymark.db",
        "`sqlite://FILE`, or `postgres://user@host/database`.",
    ),
    key(
        "partitions",
        "",
        "How many partitions a new database gets, 1 to 1024, fixed from then on; unset: 1 on SQLite, 8 on PostgreSQL.",
    ),
    key(
        "default_workflow",
        "order",
        "The workflow that a request means which names none.",
    ),
    key(
        "preset",
        "magento",
        "The preset that an empty database gets as default workflow; `none` for no workflow.",
    ),
    key(
        "committers",
        "1",
        "How many writers share the partitions: more overlap their commits, in smaller batches. 1 on SQLite.",
    ),
    key(
        "queue_units_max",
        "4096",
        "How many writes may wait for one committer; more are answered RESOURCE_EXHAUSTED.",
    ),
    key(
        "batch_steps_max",
        "256",
        "How many steps at most share one transaction.",
    ),
    key("read_connections_max", "8", "How many connections read."),
    key(
        "write_connections_max",
        "4",
        "How many connections write, more than committers; SQLite has one.",
    ),
    key(
        "connect_timeout_ms",
        "3000",
        "How long to wait for a connection.",
    ),
    key(
        "lock_timeout_ms",
        "4000",
        "How long a write waits for the lock of a partition before it tries again.",
    ),
    key(
        "statement_timeout_ms",
        "30000",
        "How long one statement may run.",
    ),
    key(
        "idle_in_transaction_timeout_ms",
        "3000",
        "After how long PostgreSQL takes its locks from a process that stands still.",
    ),
    key(
        "commit_patience_ms",
        "8000",
        "How long one commit is tried before its caller is told.",
    ),
    key(
        "history_ring_bytes_max",
        "67108864",
        "How many bytes of the newest history are kept in memory for watchers.",
    ),
    key(
        "history_poll_ms",
        "500",
        "How often to look for history that other replicas wrote, should their hints be lost.",
    ),
    key(
        "history_push_interval_ms",
        "20",
        "How often watchers are woken at most while history keeps growing; after a rest they are woken at once.",
    ),
    key(
        "history_streams_max",
        "4096",
        "How many streams of history may be open; more are answered RESOURCE_EXHAUSTED.",
    ),
    key(
        "webhooks_allowed",
        "",
        "Networks, addresses and names of hosts that webhooks may reach although they are not on the public internet, separated by commas.",
    ),
    key(
        "webhooks_https_only",
        "false",
        "Refuses endpoints of webhooks that are not reached by TLS.",
    ),
    key(
        "shutdown_deadline_ms",
        "10000",
        "How long a stopping server waits for calls in flight.",
    ),
    key(
        "log_level",
        "info",
        "`error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,waymark_server=debug`.",
    ),
    key(
        "log_format",
        "auto",
        "`pretty`, `json`, or `auto`: pretty on a terminal, JSON otherwise.",
    ),
];

/// The keys as a Markdown table: key, environment variable, default, meaning.
pub fn table() -> String {
    let mut text = String::from("| Key | Environment | Default | Meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = if key.default.is_empty() {
            String::new()
        } else {
            format!("`{}`", key.default)
        };
        let variable = variable(key.name);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | `{variable}` | {default} | {} |",
            key.name, key.help
        );
    }
    text
}

/// The environment variable of a key.
pub(super) fn variable(name: &str) -> String {
    format!("WAYMARK_{}", name.to_ascii_uppercase())
}
