//! A store on a database of its own, with a clock that the test winds and the
//! workflow `order` of the preset `magento`.

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;
use waymark_domain::{
    partition::PartitionCount,
    preset,
    value::{Timestamp, WorkflowCode},
    workflow::{Record, Refusal, Workflow},
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, Clock, Counting, DatabaseUrl, EditStart, Extent,
    ManualClock, Outcome, Request, Saved, Settings, Store, WorkflowChange, test_access,
};

use crate::{build, postgres};

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file of its own.
    Sqlite,
    /// A database of its own on the shared server.
    Postgres,
}

/// A store on a database of its own.
#[derive(Debug)]
pub struct Fixture {
    /// The store.
    pub store: Store,
    /// Winds the clock of the store and of its replicas.
    pub time: ManualClock,
    /// What it was opened with.
    pub settings: Settings,
    clock: Clock,
    database: Option<postgres::Database>,
    directory: TempDir,
}

impl Fixture {
    /// Opens a store with the workflow `order`.
    pub async fn open(backend: Backend) -> Self {
        let fixture = Self::bare(backend).await;
        let workflow = build::workflow("magento", "order");
        fixture
            .change("order", |_| Ok(Some(workflow.clone())))
            .await
            .expect("the preset is saved");
        fixture
    }

    /// Opens a store without any workflow.
    pub async fn bare(backend: Backend) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (url, database) = match backend {
            Backend::Sqlite => (
                format!("sqlite://{}", directory.path().join("waymark.db").display()),
                None,
            ),
            Backend::Postgres => {
                let database = postgres::database().await;
                (database.url().to_owned(), Some(database))
            }
        };
        let mut settings = Self::settings(&url);
        // As many partitions as the template of PostgreSQL has: order across them is tried on both.
        settings.partitions = PartitionCount::new(4);
        let (clock, time) = Clock::manual(START);
        let store = Store::open(settings.clone(), clock.clone()).await.unwrap();
        Self {
            store,
            time,
            settings,
            clock,
            database,
            directory,
        }
    }

    /// Settings for a test: the usual ones, with few connections.
    pub fn settings(url: &str) -> Settings {
        Settings {
            read_connections_max: 4,
            write_connections_max: 4,
            connect_timeout: Duration::from_secs(10),
            commit_patience: Duration::from_secs(20),
            // How long something takes on a busy machine decides nothing here.
            batch_budget: Duration::from_mins(1),
            atomic_budget: Duration::from_mins(1),
            counting_budget: Duration::from_mins(1),
            ..Settings::new(DatabaseUrl::parse(url).unwrap())
        }
    }

    /// Opens the same database again, as another process would.
    pub async fn replica(&self) -> Store {
        Store::open(self.settings.clone(), self.clock.clone())
            .await
            .unwrap()
    }

    /// The database on the shared server, on PostgreSQL.
    pub fn database(&self) -> Option<&postgres::Database> {
        self.database.as_ref()
    }

    /// The file of the database, on SQLite.
    pub fn file(&self) -> Option<PathBuf> {
        let file = self.directory.path().join("waymark.db");
        self.database.is_none().then_some(file)
    }

    /// A literal of bytes, given in hexadecimal digits.
    pub fn blob(&self, hex: &str) -> String {
        match self.database {
            Some(_) => format!(r"'\x{hex}'"),
            None => format!("X'{hex}'"),
        }
    }

    /// The clock of the store.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Changes a workflow, without a request id.
    ///
    /// # Errors
    /// Returns what the store answers.
    pub async fn change(
        &self,
        code: &str,
        edit: impl Fn(Option<&Workflow>) -> Result<Option<Workflow>, Refusal> + Send + Sync,
    ) -> Result<Outcome, ChangeError<Refusal>> {
        match self.change_as(code, ChangeMode::Apply, None, edit).await? {
            Answered::Done(outcome) => Ok(outcome),
            Answered::Replayed(_) => panic!("a change without a request id was replayed"),
        }
    }

    /// Changes a workflow; the bytes remembered are the version, as text.
    ///
    /// # Errors
    /// Returns what the store answers.
    pub async fn change_as(
        &self,
        code: &str,
        mode: ChangeMode,
        request: Option<Request>,
        edit: impl Fn(Option<&Workflow>) -> Result<Option<Workflow>, Refusal> + Send + Sync,
    ) -> Result<Answered<Outcome>, ChangeError<Refusal>> {
        change_as(&self.store, code, mode, request, edit).await
    }

    /// Reads one number with SQL.
    pub async fn number(&self, sql: &str) -> i64 {
        test_access::number(&self.store, sql).await.unwrap()
    }

    /// Runs statements with SQL, which must succeed.
    pub async fn execute(&self, sql: &str) {
        test_access::execute(&self.store, sql).await.unwrap();
    }

    /// Runs statements with SQL, which the database must refuse.
    pub async fn refused(&self, sql: &str) {
        let refused = test_access::execute(&self.store, sql).await;
        assert!(
            matches!(refused, Err(waymark_persistence::Error::Database { .. })),
            "{sql}: {refused:?}"
        );
    }

    /// The presets that come with Waymark, each under its own name.
    pub fn presets() -> Vec<Workflow> {
        preset::all()
            .map(|preset| preset.workflow().unwrap())
            .collect()
    }
}

/// Changes a workflow in a store; the bytes remembered are the version, as text.
///
/// # Errors
/// Returns what the store answers.
pub async fn change_as(
    store: &Store,
    code: &str,
    mode: ChangeMode,
    request: Option<Request>,
    edit: impl Fn(Option<&Workflow>) -> Result<Option<Workflow>, Refusal> + Send + Sync,
) -> Result<Answered<Outcome>, ChangeError<Refusal>> {
    let change = WorkflowChange {
        workflow: WorkflowCode::new(code).unwrap(),
        request,
        actor: build::actor(),
        mode,
        counting: Counting::Nothing,
        extent: Extent::Part,
    };
    let edit = |record: Option<&Record>| edit(record.map(|record| &record.workflow));
    change_workflow(store, &change, edit).await
}

/// Changes a workflow as a service does: loads it, edits it, and saves it, again where somebody
/// was faster. The bytes remembered are the version, as text.
///
/// # Errors
/// Returns what the store answers.
pub async fn change_workflow(
    store: &Store,
    change: &WorkflowChange,
    edit: impl Fn(Option<&Record>) -> Result<Option<Workflow>, Refusal> + Send + Sync,
) -> Result<Answered<Outcome>, ChangeError<Refusal>> {
    let mut turn = store.edit_workflow(change).await?;
    loop {
        let snapshot = match turn.load().await? {
            EditStart::Loaded(snapshot) => snapshot,
            EditStart::Replayed(answer) => return Ok(Answered::Replayed(answer)),
        };
        let edited = edit(snapshot.record()).map_err(ChangeError::Refused)?;
        let draft = turn.prepare(snapshot, edited).await?;
        let record = draft.outcome.record.as_ref();
        let version = record.map_or(0, |published| published.record.stamp.version);
        match turn.save(&draft, version.to_string().as_bytes()).await? {
            Saved::Done => return Ok(Answered::Done(draft.outcome)),
            Saved::Replayed(answer) => return Ok(Answered::Replayed(answer)),
            Saved::Stale => {}
        }
    }
}

/// Runs statements with SQL on the database at an address, whose server is stopped.
pub async fn execute_at(url: &str, sql: &str) {
    let store = Store::open(Fixture::settings(url), Clock::system())
        .await
        .unwrap();
    test_access::execute(&store, sql).await.unwrap();
    store.close().await.unwrap();
}
