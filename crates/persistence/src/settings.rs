//! Settings of a database: which one, and how patient to be with it.

use std::{fmt, path::PathBuf, time::Duration};

use waymark_domain::partition::PartitionCount;

use crate::{Error, address::Target};

/// The address of a database. Its text form hides the password.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Address);

#[derive(Clone)]
pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres(Box<Target>),
}

impl DatabaseUrl {
    /// Reads `sqlite://waymark.db` (relative), `sqlite:///var/lib/waymark.db`, or
    /// `postgres://user@host/database` with parameters as libpq knows them; those that are not
    /// known are refused. `sslmode` is `disable`; `prefer`, which is the default, and `allow`,
    /// which encrypt where the server can, and verify nothing; `verify-ca`, which verifies that
    /// somebody trusted vouches for the server; `verify-full` and `require`, which verify its
    /// name too. `sslrootcert` names a file of those that are trusted, or `system` for those of
    /// the machine, which are the default; `sslcert` and `sslkey` are files of this client's own.
    /// The files are read here.
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            if path.is_empty() || path.contains(['?', '\0']) || path == ":memory:" {
                let problem =
                    "a SQLite address is sqlite:// and the path of a file, without parameters";
                return Err(Error::InvalidUrl {
                    problem: problem.to_owned(),
                });
            }
            return Ok(Self(Address::Sqlite(PathBuf::from(path))));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self(Address::Postgres(Box::new(Target::parse(text)?))));
        }
        let problem = "a database address begins with sqlite:// or postgres://";
        Err(Error::InvalidUrl {
            problem: problem.to_owned(),
        })
    }

    /// Whether the address names a SQLite file.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.0, Address::Sqlite(_))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Address::Postgres(target) => {
                let config = &target.config;
                let hosts = config.get_hosts().iter().map(|host| match host {
                    tokio_postgres::config::Host::Tcp(name) => name.clone(),
                    tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
                });
                let hosts = hosts.collect::<Vec<_>>().join(",");
                write!(
                    f,
                    "postgres://{hosts}/{}",
                    config.get_dbname().unwrap_or_default()
                )
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Settings of a database: which one, and how patient to be with it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its address.
    pub url: DatabaseUrl,
    /// Partitions that a database that does not exist yet gets; none for 1 on SQLite
    /// and 8 on PostgreSQL. A database that exists with another number is refused.
    pub partitions: Option<PartitionCount>,
    /// Whether a SQLite file that is not there is made.
    pub create_database: bool,
    /// At most this many connections that read.
    pub read_connections_max: usize,
    /// At most this many connections that write; on SQLite there is always one.
    pub write_connections_max: usize,
    /// Time to wait for a connection, a free one or a new one.
    pub connect_timeout: Duration,
    /// Time that a write waits for the lock of a partition before it tries again.
    pub lock_timeout: Duration,
    /// Time that one statement may run.
    pub statement_timeout: Duration,
    /// Time that PostgreSQL lets a stopped process keep its locks.
    pub idle_in_transaction_timeout: Duration,
    /// Time that one commit is tried before its callers get an error.
    pub commit_patience: Duration,
    /// Time that the steps of one transaction are decided before it is committed and others get
    /// their turn.
    pub batch_budget: Duration,
    /// Time that deciding an atomic unit, which cannot be cut, may take; one that takes longer is
    /// refused.
    pub atomic_budget: Duration,
    /// Time for which it is counted, for each kind, what a change of a workflow means for orders and
    /// deliveries that are there.
    pub counting_budget: Duration,
    /// Bytes of orders, as they are stored, that a transaction reads before it ends with what it
    /// has. An atomic unit whose orders take more is refused, and a dry run that has to keep more.
    pub orders_bytes_max: usize,
    /// The name that PostgreSQL lists the connections under.
    pub application_name: String,
}

impl Settings {
    /// Settings with the usual patience.
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            partitions: None,
            create_database: true,
            read_connections_max: 8,
            write_connections_max: 4,
            connect_timeout: Duration::from_secs(3),
            lock_timeout: Duration::from_secs(4),
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(3),
            commit_patience: Duration::from_secs(5),
            batch_budget: Duration::from_millis(25),
            atomic_budget: Duration::from_millis(100),
            counting_budget: Duration::from_millis(200),
            orders_bytes_max: 16 << 20,
            application_name: "waymark".to_owned(),
        }
    }
}
