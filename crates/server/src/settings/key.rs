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
        "grpc_web_origins",
        "",
        "The other origins whose pages may call by gRPC-Web from a browser, such as `https://shop.example`, separated by commas; unset: none. Each by name: `*` is refused.",
    ),
    key(
        "database_url",
        "sqlite://waymark.db",
        "`sqlite://FILE`, or `postgres://user@host/database` with parameters as libpq has them, such as `?sslmode=verify-full&sslrootcert=FILE`. `docs/scale.md` has the modes.",
    ),
    key(
        "create_database",
        "true",
        "Whether a SQLite file that is not there is made; `false` refuses to start instead. A file of another program is always refused.",
    ),
    key(
        "partitions",
        "",
        "How many partitions a new database gets, 1 to 1024, fixed from then on; unset: 1 on SQLite, 8 on PostgreSQL.",
    ),
    key(
        "default_workflow",
        "order",
        "The workflow that a request means which names none; an empty database gets the preset under this name.",
    ),
    key(
        "preset",
        "magento",
        "The preset that an empty database gets under the name that `default_workflow` says; `none` for no workflow.",
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
    key(
        "read_connections_max",
        "8",
        "How many connections read: one half serves lists, streams and exports, the other all else; each half has at least one.",
    ),
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
        "How long one statement may run; a single read gives up after 5000 at most.",
    ),
    key(
        "idle_in_transaction_timeout_ms",
        "3000",
        "After how long PostgreSQL takes its locks from a process that stands still.",
    ),
    key(
        "commit_patience_ms",
        "8000",
        "How long a commit waits for the database, behind others too, before its caller is told.",
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
        "feeds_listen",
        "",
        "Address and port for the feeds of customers over HTTP, port 0 takes a free one; unset: no feeds.",
    ),
    key(
        "feeds_base_url",
        "",
        "Where customers reach that port, such as `https://shop.example`; unset: the address itself.",
    ),
    key(
        "shutdown_deadline_ms",
        "10000",
        "How long a stopping server waits for calls in flight; what is not begun by half of it is refused.",
    ),
    key(
        "cancelled_calls_max",
        "4096",
        "How many calls of one connection may be cancelled before the server takes them up; more end the connection, with its streams. Such calls cost memory that no other limit counts, so a client could flood the server with them. Calls are taken up after every 16 KiB that a connection sends, which hold some 650 of them: from 1,000 on nobody's connection ends, and below that floods end sooner.",
    ),
    key(
        "dispatch_lease_ms",
        "6000",
        "How long a process may give no sign of life before others take over the deliveries and timers it carries.",
    ),
    key(
        "dispatch_poll_ms",
        "1000",
        "How often to look for deliveries and timers that are due, and for changes of endpoints.",
    ),
    key(
        "deliveries_in_flight_max",
        "64",
        "How many deliveries are tried at once besides one for each target; one target takes half of them at most.",
    ),
    key(
        "deliveries_keep_days",
        "0",
        "How many days deliveries are kept after their last change, once they succeeded or were skipped; 0: for ever.",
    ),
    key(
        "requests_keep_days",
        "30",
        "How many days the answers to calls with a `request_id` are kept that change anything but orders; the same call is carried out anew after that. Steps of orders are recognised as long as their history is kept. 0: for ever.",
    ),
    key(
        "webhooks_allowed",
        "",
        "What webhooks may reach besides the public internet: addresses, networks such as `10.1.0.0/16` and host names, separated by commas.",
    ),
    key(
        "webhooks_https_only",
        "false",
        "Refuses endpoints without TLS.",
    ),
    key(
        "smtp_host",
        "",
        "The SMTP server that takes mails; unset: mails wait.",
    ),
    key(
        "smtp_port",
        "",
        "Its port; unset: 587 with `starttls`, 465 with `tls`, 25 with `none`.",
    ),
    key("smtp_security", "starttls", "`starttls`, `tls` or `none`."),
    key("smtp_user", "", "The user to log in as; unset: no login."),
    key("smtp_password", "", "The password of that user."),
    key(
        "smtp_ca_file",
        "",
        "A PEM file of authorities to trust besides those of the system.",
    ),
    key(
        "smtp_hello_name",
        "",
        "The name to greet the server with; unset: the domain of the general sender.",
    ),
    key(
        "mail_general",
        "",
        "The general contact, such as `Shop <shop@example.com>`; needed where mails are sent.",
    ),
    key(
        "mail_sales",
        "",
        "The sales representative; unset: the general contact, and so for the next three.",
    ),
    key("mail_support", "", "Customer support."),
    key("mail_custom1", "", "The first sender of the shop's own."),
    key("mail_custom2", "", "The second sender of the shop's own."),
    key(
        "mail_templates",
        "",
        "The directory of the shop's own templates of mails; unset: those that are built in.",
    ),
    key(
        "nats_servers",
        "",
        "The NATS servers that take events, such as `nats://host:4222`, separated by commas; unset: events wait.",
    ),
    key(
        "nats_credentials_file",
        "",
        "A `.creds` file to log in to NATS with.",
    ),
    key("nats_token", "", "A token to log in to NATS with."),
    key("nats_user", "", "The user to log in to NATS as."),
    key("nats_password", "", "The password of that user."),
    key(
        "nats_ca_file",
        "",
        "A PEM file of authorities to trust instead of those of the system.",
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
