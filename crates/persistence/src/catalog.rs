//! The workflows that this process has read, compiled and kept. The version of
//! the catalog says whether they are still true; it is read inside every write
//! transaction, after the lock, so no step is judged by an old workflow.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    value::{StatusCode, WorkflowCode},
    workflow::{Graph, Record},
};

use crate::{
    Error, Store,
    schema::catalog,
    tx::{Tx, on_conn},
    workflows,
};

/// A workflow as it is stored, and made ready for orders.
#[derive(Debug)]
pub struct Published {
    /// The definition with its version and stamps.
    pub record: Record,
    /// The same, compiled.
    pub graph: Graph,
}

/// What a record says, its graph says too.
impl PartialEq for Published {
    fn eq(&self, other: &Self) -> bool {
        self.record == other.record
    }
}

impl Eq for Published {}

/// A workflow in the cache, with what the process knows about the use of its statuses.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub(crate) published: Arc<Published>,
    used: Arc<Mutex<BTreeSet<StatusCode>>>,
}

#[derive(Debug, Default)]
pub(crate) struct Catalog(Mutex<Cache>);

#[derive(Debug, Default)]
struct Cache {
    version: i64,
    workflows: HashMap<WorkflowCode, Cached>,
}

/// The query for the version of the catalog; no row before the first change.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn newest() -> _ {
    catalog::table
        .select(catalog::version)
        .order(catalog::version.desc())
}

/// Reads the version of the catalog; 0 before the first change.
pub(crate) async fn version(tx: &mut Tx) -> Result<i64, Error> {
    let version = on_conn!(tx, |c| newest().first::<i64>(c).await).optional()?;
    Ok(version.unwrap_or(0))
}

impl Catalog {
    /// Finds a workflow that is true at this version of the catalog, which the caller has
    /// read in the same transaction.
    pub(crate) async fn find(
        &self,
        tx: &mut Tx,
        version: i64,
        code: &WorkflowCode,
    ) -> Result<Option<Cached>, Error> {
        if let Some(cached) = self.cached(version, code) {
            return Ok(Some(cached));
        }
        let Some((record, used)) = workflows::load(tx, code).await? else {
            return Ok(None);
        };
        let cached = Cached {
            published: Arc::new(publish(record)),
            used: Arc::new(Mutex::new(used)),
        };
        let mut cache = self.lock();
        // A snapshot may be older than what another task has cached since.
        if cache.version == version {
            cache.workflows.insert(code.clone(), cached.clone());
        }
        Ok(Some(cached))
    }

    fn cached(&self, version: i64, code: &WorkflowCode) -> Option<Cached> {
        let mut cache = self.lock();
        if version > cache.version {
            *cache = Cache {
                version,
                workflows: HashMap::new(),
            };
        }
        if version == cache.version {
            cache.workflows.get(code).cloned()
        } else {
            None
        }
    }

    /// Forgets all workflows, since the database has another past than they were read from.
    pub(crate) fn forget(&self) {
        *self.lock() = Cache::default();
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cached {
    /// Whether an order is known to have been in the status.
    pub(crate) fn is_used(&self, status: &StatusCode) -> bool {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(status)
    }

    /// Remembers that an order was in the status, once that is committed.
    pub(crate) fn set_used(&self, status: StatusCode) {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(status);
    }
}

/// Compiles a stored workflow. A guard that can no longer be used keeps nothing else from
/// being served.
pub(crate) fn publish(record: Record) -> Published {
    let graph = Graph::of_stored(record.workflow.clone(), record.stamp.version);
    for problem in graph.problems() {
        tracing::warn!(
            workflow.code = %record.workflow.code,
            problem = %problem,
            "a stored guard cannot be used any more, so it refuses; LintWorkflow names it"
        );
    }
    Published { record, graph }
}

impl Store {
    /// Finds a workflow as it is now.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflow(&self, code: &WorkflowCode) -> Result<Option<Arc<Published>>, Error> {
        let version = self.database().read(async |tx| version(tx).await).await?;
        self.workflow_at(version, code).await
    }

    /// Finds a workflow as it is at this version of the catalog, or at a newer one.
    pub(crate) async fn workflow_at(
        &self,
        version: i64,
        code: &WorkflowCode,
    ) -> Result<Option<Arc<Published>>, Error> {
        if let Some(cached) = self.catalog().cached(version, code) {
            return Ok(Some(cached.published));
        }
        // Several tables are read, so all at one instant.
        let loaded = self.database().snapshot(async |tx| {
            let version = self::version(tx).await?;
            self.catalog().find(tx, version, code).await
        });
        Ok(loaded.await?.map(|cached| cached.published))
    }

    /// Lists all workflows as they are now, by code.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflows(&self) -> Result<Vec<Arc<Published>>, Error> {
        let all = self.database().snapshot(async |tx| {
            let version = version(tx).await?;
            let mut all = Vec::new();
            for code in workflows::codes(tx).await? {
                all.extend(self.catalog().find(tx, version, &code).await?);
            }
            Ok(all)
        });
        Ok(all
            .await?
            .into_iter()
            .map(|cached| cached.published)
            .collect())
    }
}
