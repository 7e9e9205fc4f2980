//! The store: one database, opened and checked.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::watch;
use waymark_domain::{
    partition::{Partition, PartitionCount},
    value::{OrderId, WorkflowCode},
};

use crate::{
    Batched, Clock, DeploymentId, Error, Settings,
    catalog::Catalog,
    checkpoint::Checkpointer,
    clock::AheadWarning,
    compute::Edits,
    database::Database,
    hints::{Hint, Hints, Notifier},
    logging::LogOnce,
    migrate::{check, migrate},
    postgres::Role,
    reach,
    settings::Address,
    storage::{DataFile, StorageState, Watcher, opening},
    timeline::Timeline,
    tracking::TrackingKey,
};

/// One database, opened and checked. Cloning it is cheap; all clones share the pools.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    share: Share,
}

/// The connections that reads take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Single,
    Bulk,
}

struct Inner {
    database: Database,
    bulk: Database,
    clock: Clock,
    ahead: AheadWarning,
    deployment: DeploymentId,
    partitions: PartitionCount,
    tracking_key: TrackingKey,
    catalog: Catalog,
    edits: Edits,
    timeline: Timeline,
    log_once: LogOnce,
    settings: Settings,
    notifier: Notifier,
    checkpointer: Option<Checkpointer>,
    file: Option<Arc<DataFile>>,
    /// Says that all is well where there is no file.
    no_file: watch::Sender<StorageState>,
    watcher: Option<Watcher>,
    is_new: bool,
}

impl Store {
    /// Opens a database. A SQLite file is created and migrated where needed; a PostgreSQL
    /// database must have been migrated before, since several processes may serve it.
    ///
    /// # Errors
    /// Returns [`Error::CannotOpen`] when a SQLite file cannot be opened or may not be made,
    /// [`Error::SchemaOlder`] or [`Error::SchemaNewer`] when the program and the
    /// database do not fit, [`Error::PartitionCount`] when the settings ask for another
    /// number than the database has, [`Error::Encoding`] when a PostgreSQL database does not keep
    /// text as UTF-8, [`Error::Rights`] when its role may not write to it, and [`Error::Locked`] or [`Error::CannotReach`] when it cannot
    /// be reached.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self, Error> {
        let (mut is_new, mut file) = (false, None);
        if let Address::Sqlite(path) = &settings.url.0 {
            let migrated = migrate(&settings, &clock).await?;
            is_new = migrated.is_new;
            // Of a new database it is logged that it is new.
            let applied: &[String] = if is_new { &[] } else { &migrated.applied };
            for migration in applied {
                tracing::info!(migration = %migration, "migration applied");
            }
            let opened = DataFile::open(path).map_err(|error| opening::explain(path, error))?;
            file = Some(Arc::new(opened));
        }
        let database = Database::new(&settings, Role::Write, file.clone())?;
        let checked = database.snapshot(async |tx| check(tx, &settings).await);
        let deployment = match checked.await {
            Ok(deployment) => deployment,
            Err(error) => return Err(reach::explain(&settings, error).await),
        };
        let bulk = database.for_bulk(&settings)?;
        let checkpointer = file.as_ref().map(Checkpointer::start).transpose()?;
        let watcher = file.as_ref().map(Watcher::start).transpose()?;
        let inner = Arc::new(Inner {
            notifier: Notifier::new(&settings),
            checkpointer,
            file,
            no_file: watch::Sender::new(StorageState::Sound),
            watcher,
            is_new,
            catalog: Catalog::default(),
            edits: Edits::new(),
            timeline: Timeline::default(),
            log_once: LogOnce::default(),
            deployment: deployment.id,
            partitions: deployment.partitions,
            tracking_key: deployment.tracking_key,
            database,
            bulk,
            clock,
            ahead: AheadWarning::default(),
            settings,
        });
        Ok(Self {
            inner,
            share: Share::Single,
        })
    }

    /// The same store for what reads many bodies, such as lists, streams and exports. Its reads
    /// have half of the connections to themselves and wait for them in turn, up to the statement
    /// timeout, so they never shut out those of the store itself; what it writes is written as
    /// ever. Long reads give their connection back in between, so short ones get through.
    #[must_use]
    pub fn for_bulk(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            share: Share::Bulk,
        }
    }

    /// Pings the database: reads the ends of the log, which must still have what this process
    /// knows of it.
    ///
    /// # Errors
    /// Returns [`Error::Unavailable`] when there is none in time.
    pub async fn ping(&self) -> Result<(), Error> {
        let limit = self.settings().connect_timeout.max(Duration::from_secs(1));
        tokio::time::timeout(limit, self.history_heads())
            .await
            .map_err(Error::unavailable)??;
        Ok(())
    }

    /// Opens a connection for commits, on the runtime that will commit: on PostgreSQL a
    /// connection is a task of the runtime where it was opened.
    ///
    /// # Errors
    /// Returns [`Error::Unavailable`] when the database cannot be reached.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.database().warm_up().await
    }

    /// The work behind the store, which the caller runs: what has to go on beside its calls, each
    /// part by its name. None of it ends before the store is dropped, unless something went wrong.
    pub fn work(&self) -> Vec<(&'static str, BoxFuture<'static, ()>)> {
        let inner = &self.inner;
        let sending = inner.notifier.sending(&inner.settings);
        let watching = inner.watcher.as_ref().map(Watcher::ended);
        let moving = inner.checkpointer.as_ref().map(Checkpointer::ended);
        let all = [
            ("hints.send", sending),
            ("storage.watch", watching),
            ("storage.checkpoint", moving),
        ];
        let all = all.into_iter();
        all.filter_map(|(name, work)| Some((name, work?))).collect()
    }

    /// Hints of other processes, without those that this store sends, and the work that listens
    /// for them, which the caller runs: it makes the connection, again whenever that is lost, and
    /// does not end before the stream is dropped.
    pub fn hints(&self) -> (Hints, BoxFuture<'static, ()>) {
        self.inner.notifier.listening(&self.inner.settings)
    }

    /// Hints to other processes that something was committed to some partitions. It returns at
    /// once; hints that wait to be sent become one. They are sent by the
    /// [work behind the store](Self::work).
    pub fn notify(&self, hint: &Hint) {
        self.inner.notifier.notify(hint);
    }

    /// The state of the SQLite file, now and whenever that changes; on PostgreSQL always well.
    pub fn storage(&self) -> watch::Receiver<StorageState> {
        match &self.inner.file {
            Some(file) => file.watch(),
            None => self.inner.no_file.subscribe(),
        }
    }

    /// Whether opening it made a new database, since there was none at that place.
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }

    /// Closes the connections; calls after it fail. A SQLite file is whole by itself then.
    ///
    /// # Errors
    /// Returns [`Error`] when SQLite cannot finish its file, which the next start makes up for.
    pub async fn close(&self) -> Result<(), Error> {
        self.inner.bulk.close_readers();
        self.inner.database.close().await
    }

    /// The number of partitions of the database.
    pub fn partition_count(&self) -> PartitionCount {
        self.inner.partitions
    }

    pub(crate) fn partition_numbers(&self) -> Vec<i32> {
        let all = self.inner.partitions.all();
        all.map(Partition::number).collect()
    }

    /// Whether it is SQLite, which one process has for itself.
    pub fn is_sqlite(&self) -> bool {
        self.settings().url.is_sqlite()
    }

    /// The partition of an order in this database.
    pub fn partition_of(&self, workflow: &WorkflowCode, order_id: &OrderId) -> Partition {
        Partition::of(workflow, order_id, self.inner.partitions)
    }

    /// The deployment of the database.
    pub fn deployment(&self) -> DeploymentId {
        self.inner.deployment
    }

    /// The key that signs the tokens of customers.
    pub fn tracking_key(&self) -> &TrackingKey {
        &self.inner.tracking_key
    }

    /// Time that one commit is tried before its callers get an error, as the settings say.
    pub fn commit_patience(&self) -> Duration {
        self.inner.settings.commit_patience
    }

    /// The clock that entries are stamped by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Says in the log that entries of a partition are stamped ahead of the clock, at most once a
    /// minute.
    pub fn warn_ahead(&self, partition: Partition, ahead_micros: i64) {
        self.inner.ahead.say(partition, ahead_micros);
    }

    pub(crate) fn database(&self) -> &Database {
        match self.share {
            Share::Single => &self.inner.database,
            Share::Bulk => &self.inner.bulk,
        }
    }

    pub(crate) fn file(&self) -> Option<&DataFile> {
        self.inner.file.as_deref()
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    pub(crate) fn edits(&self) -> &Edits {
        &self.inner.edits
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn timelines(&self) -> &Timeline {
        &self.inner.timeline
    }

    pub(crate) fn log_once(&self) -> &LogOnce {
        &self.inner.log_once
    }

    /// Says that entries were committed; `number` is that of the timeline before.
    pub(crate) fn note_written(&self, number: u64, entries: &[Batched]) {
        self.inner.timeline.follow(number, entries);
        if let Some(checkpointer) = &self.inner.checkpointer {
            checkpointer.note(entries.len());
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("url", &self.inner.settings.url)
            .finish_non_exhaustive()
    }
}
