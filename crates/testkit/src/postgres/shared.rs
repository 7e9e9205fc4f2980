//! The server that all tests of one program share, and databases on it: each is
//! a copy of one that was migrated once.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::NoTls;
use waymark_domain::{partition::PartitionCount, value::Timestamp};
use waymark_persistence::{Clock, DatabaseUrl, Settings, migrate};

use super::{Durability, Server};

const TEMPLATE: &str = "waymark_template";
/// More than one, so that order across partitions is tried, and few, so that it is quick.
const PARTITIONS: i32 = 4;

static SHARED: OnceCell<Server> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);
/// A template that somebody copies cannot be copied by another.
static COPYING: Mutex<()> = Mutex::const_new(());

/// A database that is dropped with its value.
#[derive(Debug)]
pub struct Database {
    name: String,
    port: u16,
    url: String,
}

impl Database {
    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port of its server, for a proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its name on its server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Makes a database that is migrated, with four partitions.
pub async fn database() -> Database {
    let server = SHARED.get_or_init(start).await;
    create(server, TEMPLATE).await
}

/// Makes a database with nothing in it.
pub async fn empty_database() -> Database {
    let server = SHARED.get_or_init(start).await;
    create(server, "template1").await
}

/// Makes a database with nothing in it that keeps text otherwise than as UTF-8.
pub async fn database_in(encoding: &str) -> Database {
    let server = SHARED.get_or_init(start).await;
    let options =
        format!("template0 ENCODING '{encoding}' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'");
    create(server, &options).await
}

async fn create(server: &Server, template: &str) -> Database {
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let copying = COPYING.lock().await;
    execute(
        server,
        &format!("CREATE DATABASE {name} TEMPLATE {template}"),
    )
    .await;
    drop(copying);
    Database {
        url: server.url(&name),
        port: server.port(),
        name,
    }
}

async fn start() -> Server {
    let server = Server::start(Durability::Fast);
    execute(&server, &format!("CREATE DATABASE {TEMPLATE}")).await;
    let settings = Settings {
        partitions: PartitionCount::new(PARTITIONS),
        ..Settings::new(DatabaseUrl::parse(&server.url(TEMPLATE)).unwrap())
    };
    let (clock, _) = Clock::manual(Timestamp::from_micros(0));
    migrate(&settings, &clock).await.unwrap();
    // A template must have no connections; the one that migrated is closing.
    let gone = format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'"
    );
    execute(&server, &gone).await;
    server
}

async fn execute(server: &Server, sql: &str) {
    let (client, connection) = tokio_postgres::connect(&server.url("postgres"), NoTls)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    let _ = driver.await;
}
