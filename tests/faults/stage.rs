//! What the scenarios have in common: who works and watches, how patient to be, and a database of either kind.

use std::{
    ffi::OsString,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use waymark_proto::v1::EntryKind;
use waymark_testkit::postgres::{Durability, Server};
use waymark_tests::{
    Backend,
    load::{Clientele, Plan, Run},
    validator::{Filter, Start},
};

use crate::replica::Replica;

/// How long the load may take to get on, on a machine that compiles as well.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// No doubts.
pub(crate) const NONE: [&str; 0] = [];

/// The workflow that a fresh database has.
pub(crate) const WORKFLOW: &str = "order";

/// The clients of an ordinary run.
pub(crate) const CLIENTELE: Clientele = Clientele {
    clients: 24,
    calls_max: 2_000,
    orders: 40,
};

/// PostgreSQL, as durable as in earnest, for the scenarios that leave it running.
pub(crate) async fn shared_postgres() -> &'static Server {
    static POSTGRES: OnceCell<Server> = OnceCell::const_new();
    POSTGRES
        .get_or_init(async || Server::start(Durability::Durable))
        .await
}

/// The address of a database that did not exist before.
pub(crate) async fn fresh_database(postgres: &Server) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let name = format!("faults_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    superuser(postgres)
        .await
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    postgres.url(&name)
}

/// A session of the superuser.
pub(crate) async fn superuser(postgres: &Server) -> Client {
    session(&postgres.url("postgres")).await
}

/// A session at an address.
pub(crate) async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    // Ends with the client.
    tokio::spawn(connection);
    client
}

/// A number that whoever runs the tests may give in the environment.
pub(crate) fn given(name: &str, otherwise: usize) -> usize {
    let read = |text: OsString| -> Option<usize> { text.to_str()?.parse().ok() };
    std::env::var_os(name).map_or(otherwise, |text| {
        read(text).unwrap_or_else(|| panic!("{name} must be a number"))
    })
}

/// A fresh database, which goes when this is dropped.
pub(crate) struct Place {
    url: String,
    _directory: Option<TempDir>,
}

impl Place {
    /// A database of its own.
    pub(crate) async fn fresh(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let directory = tempfile::Builder::new()
                    .prefix("waymark-faults-")
                    .tempdir()
                    .unwrap();
                let url = format!("sqlite://{}", directory.path().join("waymark.db").display());
                Self {
                    url,
                    _directory: Some(directory),
                }
            }
            Backend::Postgres => Self {
                url: fresh_database(shared_postgres().await).await,
                _directory: None,
            },
        }
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A replica on it. Settings are `key=value`.
    pub(crate) async fn serve(&self, settings: &[&str]) -> Replica {
        Replica::start(&self.url, settings).await
    }
}

/// Starts clients and watchers of a replica.
pub(crate) fn run(name: &str, replica: &Replica) -> Run {
    Run::start(
        name,
        WORKFLOW,
        CLIENTELE,
        plans(),
        &[vec![replica.clients()]],
    )
}

/// Watchers with filters of every sort; some break their streams themselves, and one is slow.
pub(crate) fn plans() -> Vec<Plan> {
    let kinds = [
        EntryKind::Held,
        EntryKind::Released,
        EntryKind::OperationRecorded,
    ]
    .map(i32::from)
    .to_vec();
    let orders = ["o1", "o2", "o3"].map(str::to_owned).to_vec();
    let plan = |name, filter, start, restless_percent| Plan {
        name,
        filter,
        start,
        restless_percent,
        pause: Duration::ZERO,
    };
    let slow = plan("slow", Filter::default(), Start::Beginning, 1);
    let all = Filter::default;
    vec![
        Plan {
            pause: Duration::from_millis(25),
            ..slow
        },
        plan("all", all(), Start::Beginning, 0),
        plan("from now", all(), Start::Now, 0),
        plan("restless", all(), Start::Beginning, 5),
        plan(
            "changes",
            Filter {
                status_changes_only: true,
                ..all()
            },
            Start::Beginning,
            2,
        ),
        plan("kinds", Filter { kinds, ..all() }, Start::Beginning, 2),
        plan(
            "orders",
            Filter {
                order_ids: orders,
                ..all()
            },
            Start::Beginning,
            5,
        ),
        plan(
            "processing",
            Filter {
                statuses: vec!["processing".to_owned()],
                ..all()
            },
            Start::Beginning,
            2,
        ),
        plan(
            "partition",
            Filter {
                partitions: vec![0],
                ..all()
            },
            Start::Beginning,
            2,
        ),
    ]
}
