//! The store: one database, opened and checked.

use std::{fmt, sync::Arc, time::Duration};

use diesel_async::RunQueryDsl;
use waymark_domain::{
    partition::{Partition, PartitionCount},
    value::{OrderId, WorkflowCode},
};

use crate::{
    Clock, Error, Settings,
    catalog::Catalog,
    checkpoint::Checkpointer,
    hints::Notifier,
    migrate::{check, migrate},
    postgres::Role,
    settings::Address,
    tracking::TrackingKey,
    tx::{Database, on_conn},
};

/// What tells one deployment from another: 16 random bytes, made with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentId(pub [u8; 16]);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

/// One database, opened and checked. Cloning it is cheap; all clones share the pools.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Clock,
    deployment: DeploymentId,
    partitions: PartitionCount,
    tracking_key: TrackingKey,
    catalog: Catalog,
    settings: Settings,
    notifier: Notifier,
    checkpointer: Option<Checkpointer>,
}

impl Store {
    /// Opens a database. A SQLite file is created and migrated where needed; a PostgreSQL
    /// database must have been migrated before, since several processes may serve it.
    ///
    /// # Errors
    /// Returns [`Error::SchemaOlder`] or [`Error::SchemaNewer`] when the program and the
    /// database do not fit, [`Error::PartitionCount`] when the settings ask for another
    /// number than the database has, and [`Error::Unavailable`] when it cannot be reached.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self, Error> {
        if settings.url.is_sqlite() {
            migrate(&settings, &clock).await?;
        }
        let database = Database::new(&settings, Role::Write)?;
        let deployment = database
            .snapshot(async |tx| check(tx, &settings).await)
            .await?;
        let checkpointer = match &settings.url.0 {
            Address::Sqlite(path) => Some(Checkpointer::start(path)?),
            Address::Postgres(_) => None,
        };
        Ok(Self(Arc::new(Inner {
            notifier: Notifier::new(&settings),
            checkpointer,
            catalog: Catalog::default(),
            deployment: deployment.id,
            partitions: deployment.partitions,
            tracking_key: deployment.tracking_key,
            database,
            clock,
            settings,
        })))
    }

    /// Asks the database for a sign of life, on a connection that reads.
    ///
    /// # Errors
    /// Returns [`Error::Unavailable`] when there is none in time.
    pub async fn ping(&self) -> Result<(), Error> {
        let answer = self.database().read(async |tx| {
            on_conn!(tx, |c| diesel::select(diesel::dsl::sql::<
                diesel::sql_types::Bool,
            >("1 = 1"))
            .get_result::<bool>(c)
            .await)?;
            Ok(())
        });
        let limit = self.0.settings.connect_timeout.max(Duration::from_secs(1));
        tokio::time::timeout(limit, answer)
            .await
            .map_err(Error::unavailable)?
    }

    /// Opens a connection for commits, on the runtime that will commit: on PostgreSQL a
    /// connection is a task of the runtime where it was opened.
    ///
    /// # Errors
    /// Returns [`Error::Unavailable`] when the database cannot be reached.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.database().warm_up().await
    }

    /// Closes the connections; calls after it fail. A SQLite file is whole by itself then.
    ///
    /// # Errors
    /// Returns [`Error`] when SQLite cannot finish its file, which the next start makes up for.
    pub async fn close(&self) -> Result<(), Error> {
        self.database().close().await
    }

    /// How many partitions the database has.
    pub fn partition_count(&self) -> PartitionCount {
        self.0.partitions
    }

    /// Whether it is SQLite, which one process has for itself.
    pub fn is_sqlite(&self) -> bool {
        self.settings().url.is_sqlite()
    }

    /// The partition of an order in this database.
    pub fn partition_of(&self, workflow: &WorkflowCode, order_id: &OrderId) -> Partition {
        Partition::of(workflow, order_id, self.0.partitions)
    }

    /// Which deployment this is.
    pub fn deployment(&self) -> DeploymentId {
        self.0.deployment
    }

    /// What signs the tokens of customers.
    pub fn tracking_key(&self) -> &TrackingKey {
        &self.0.tracking_key
    }

    /// The clock that entries are stamped by.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Says that entries were committed.
    pub(crate) fn note_written(&self, entries: usize) {
        if let Some(checkpointer) = &self.0.checkpointer {
            checkpointer.note(entries);
        }
    }

    pub(crate) fn notifier(&self) -> &Notifier {
        &self.0.notifier
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("url", &self.0.settings.url)
            .finish_non_exhaustive()
    }
}
