//! The workflows that this process has read, compiled and kept. The edition of the
//! catalog says whether they are still true; it is read inside every write
//! transaction, after the lock, so no step is judged by an old workflow. Nothing is
//! compiled there: what is not kept is loaded by [`Store::load_workflows`] first.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::value::{StatusCode, WorkflowCode};

use crate::{
    Error, Published, Store,
    commit::retry::Patience,
    compute,
    rows::{Reading, StoredText},
    schema::catalog,
    tx::{Tx, on_conn},
    workflows::{self, Loaded},
};

/// Behind more changes than these, everything is read anew.
const CHANGES_MAX: i64 = 1_000;

/// The newest change of any workflow: its number, and the id that only it has. Another id under
/// the same number is of another past, as after a failover to a standby that lacked a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edition {
    /// Counts changes from 1; 0 before the first.
    pub(crate) version: i64,
    pub(crate) change_id: [u8; 16],
}

/// The version and the id of a change.
pub(crate) type EditionRow = (i64, Vec<u8>);

impl Edition {
    /// Reads the row of the newest change; none before the first.
    pub(crate) fn read(row: Option<EditionRow>) -> Result<Self, Error> {
        let Some((version, id)) = row else {
            return Ok(Self::default());
        };
        let reading = Reading {
            table: "catalog",
            row: &version,
        };
        let change_id: [u8; 16] = id
            .try_into()
            .map_err(|_| reading.corrupt("change_id", "it does not have 16 bytes"))?;
        Ok(Self { version, change_id })
    }
}

/// A workflow in the cache, with what the process knows about the use of its statuses.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub(crate) published: Arc<Published>,
    used: Arc<Mutex<BTreeSet<StatusCode>>>,
}

/// What is known of a workflow at an edition.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// It is there, as here.
    Ready(Cached),
    /// There is none.
    Absent,
    /// It has to be loaded.
    Unloaded,
}

/// How far the edition that somebody has read can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reliance {
    /// It was read under locks, so it is the newest one.
    Locked,
    /// It was read in a snapshot, and may be older than what another task has seen since.
    Unlocked,
}

#[derive(Debug, Default)]
pub(crate) struct Catalog {
    cache: Mutex<Cache>,
    /// Held by who loads, so that one compiles what several wait for.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Cache {
    edition: Edition,
    /// Which workflows there are, perhaps with some that are gone by now; none when that was not
    /// read yet.
    codes: Option<BTreeSet<WorkflowCode>>,
    workflows: HashMap<WorkflowCode, Cached>,
    /// The edition at which a change of a workflow was met last.
    changed: HashMap<WorkflowCode, i64>,
    /// Counts how often everything was forgotten.
    pasts: u64,
    /// Why workflows cannot be used, by code as it is stored, as the log was told.
    told: HashMap<String, String>,
}

/// The query for the newest change of the catalog; no row before the first.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn newest() -> _ {
    catalog::table
        .select((catalog::version, catalog::change_id))
        .order(catalog::version.desc())
}

/// Reads the edition of the catalog.
pub(crate) async fn edition(tx: &mut Tx) -> Result<Edition, Error> {
    let row = on_conn!(tx, |c| newest().first::<EditionRow>(c).await).optional()?;
    Edition::read(row)
}

/// What happened to the catalog since an edition.
pub(crate) enum Since {
    /// These workflows were changed, each named as often as that happened.
    Changed(Vec<WorkflowCode>),
    /// The edition is not in the past of this database, or too long ago.
    Foreign,
}

/// Reads what was changed since an edition.
pub(crate) async fn since(tx: &mut Tx, edition: Edition) -> Result<Since, Error> {
    let rows = catalog::table
        .filter(catalog::version.ge(edition.version))
        .order(catalog::version)
        .limit(CHANGES_MAX)
        .select((catalog::version, catalog::change_id, catalog::workflow));
    let rows: Vec<(i64, Vec<u8>, StoredText)> = on_conn!(tx, |c| rows.load(c).await)?;
    if i64::try_from(rows.len()).is_ok_and(|found| found >= CHANGES_MAX) {
        return Ok(Since::Foreign);
    }
    let mut changed = Vec::with_capacity(rows.len());
    // Before the first change there is no row to hold the edition against.
    let mut is_ours = edition.version == 0;
    for (version, id, workflow) in rows {
        if version == edition.version {
            is_ours = id.as_slice() == edition.change_id;
            continue;
        }
        // What is none of a workflow is the code of none that can be kept.
        changed.extend(workflow.lossy().parse::<WorkflowCode>());
    }
    Ok(if is_ours {
        Since::Changed(changed)
    } else {
        Since::Foreign
    })
}

impl Catalog {
    /// Brings the cache to an edition that was read in this transaction: forgets what was changed
    /// since, and everything where the cache is of another past. An edition that is older than
    /// the cache and was not read under locks leaves it alone.
    pub(crate) async fn reach(
        &self,
        tx: &mut Tx,
        edition: Edition,
        reliance: Reliance,
    ) -> Result<(), Error> {
        let before = self.lock().edition;
        let is_older = edition.version < before.version;
        if before == edition || (is_older && reliance == Reliance::Unlocked) {
            return Ok(());
        }
        let since = if is_older {
            Since::Foreign
        } else {
            since(tx, before).await?
        };
        let mut cache = self.lock();
        // Another task may have been quicker; whoever asks finds out by the edition.
        if cache.edition == before {
            cache.advance(edition, since);
        }
        Ok(())
    }

    /// What is known of a workflow at an edition. Of another edition than that of the cache,
    /// nothing is.
    pub(crate) fn known(&self, edition: Edition, code: &WorkflowCode) -> Known {
        let cache = self.lock();
        if cache.edition != edition {
            return Known::Unloaded;
        }
        match (cache.workflows.get(code), &cache.codes) {
            (Some(cached), _) => Known::Ready(cached.clone()),
            (None, Some(codes)) if !codes.contains(code) => Known::Absent,
            (None, _) => Known::Unloaded,
        }
    }

    /// Finds a workflow that is true at this edition of the catalog, which the caller has read in
    /// the same snapshot; loads it there if need be.
    pub(crate) async fn find(
        &self,
        tx: &mut Tx,
        edition: Edition,
        code: &WorkflowCode,
    ) -> Result<Option<Cached>, Error> {
        self.reach(tx, edition, Reliance::Unlocked).await?;
        match self.known(edition, code) {
            Known::Ready(cached) => return Ok(Some(cached)),
            Known::Absent => return Ok(None),
            Known::Unloaded => {}
        }
        let past = self.lock().pasts;
        let Some(loaded) = workflows::load(tx, code).await? else {
            return Ok(None);
        };
        let cached = publish_apart(loaded).await?;
        self.keep((edition, past), code, cached.clone());
        Ok(Some(cached))
    }

    /// All workflows at an edition, by code; none where the cache does not know them all.
    fn all(&self, edition: Edition) -> Option<Vec<Arc<Published>>> {
        let codes = self.lock().codes.clone()?;
        // One at a time, so that others need not wait; that of another edition is not known.
        let all = codes.iter().map(|code| match self.known(edition, code) {
            Known::Ready(cached) => Some(cached.published),
            Known::Absent | Known::Unloaded => None,
        });
        all.collect()
    }

    /// Notes which workflows there are at an edition.
    fn note_codes(&self, edition: Edition, codes: Vec<WorkflowCode>) {
        let mut cache = self.lock();
        if cache.edition == edition {
            cache.codes = Some(codes.into_iter().collect());
        }
    }

    /// Notes what a change of a workflow made of it, which is none when it was deleted. The change
    /// came right after `before`, and led to `after`.
    pub(crate) fn changed(
        &self,
        (before, after): (Edition, Edition),
        code: &WorkflowCode,
        published: Option<(Arc<Published>, BTreeSet<StatusCode>)>,
    ) {
        {
            let mut cache = self.lock();
            if cache.edition == before {
                cache.advance(after, Since::Changed(vec![code.clone()]));
            }
        }
        let mut cache = self.lock();
        if cache.edition != after {
            return;
        }
        if let Some((published, used)) = published {
            let news = cache.news(&published);
            let used = Arc::new(Mutex::new(used));
            let cached = Cached {
                published: Arc::clone(&published),
                used,
            };
            cache.workflows.insert(code.clone(), cached);
            drop(cache);
            news.log(&published);
        } else {
            cache.workflows.remove(code);
            cache.told.remove(code.as_str());
            if let Some(codes) = &mut cache.codes {
                codes.remove(code);
            }
        }
    }

    /// Keeps what was read of a workflow at an edition, unless it was changed since, or the cache is
    /// of another past. That others were changed while it was compiled does not matter.
    fn keep(&self, (edition, past): (Edition, u64), code: &WorkflowCode, cached: Cached) {
        let mut cache = self.lock();
        let changed = cache.changed.get(code).copied().unwrap_or(0);
        let is_true = cache.edition == edition
            || (cache.pasts == past
                && edition.version < cache.edition.version
                && changed <= edition.version);
        if is_true {
            let news = cache.news(&cached.published);
            let published = Arc::clone(&cached.published);
            cache.workflows.insert(code.clone(), cached);
            drop(cache);
            news.log(&published);
        }
    }

    /// The codes of workflows that calls can name. The log is told of the others, once.
    fn nameable(&self, codes: Vec<String>) -> Vec<WorkflowCode> {
        let mut nameable = Vec::with_capacity(codes.len());
        for code in codes {
            match code.parse::<WorkflowCode>() {
                Ok(code) => nameable.push(code),
                Err(problem) => {
                    let problem = problem.to_string();
                    let told = self.lock().told.insert(code.clone(), problem.clone());
                    if told.is_none() {
                        tracing::error!(
                            workflow.code = ?code,
                            finding = %problem,
                            "stored workflow has an invalid code: no call can name it"
                        );
                    }
                }
            }
        }
        nameable
    }

    /// Forgets all workflows, since the database has another past than they were read from.
    pub(crate) fn forget(&self) {
        self.lock().forget();
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the log is told of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Nothing,
    /// It cannot be used, or for another reason than was told.
    Unusable,
    /// It was not usable, and is now.
    UsableAgain,
}

impl News {
    fn log(self, published: &Published) {
        match self {
            Self::Nothing => {}
            Self::Unusable => published.log(),
            Self::UsableAgain => tracing::info!(
                workflow.code = %published.record.workflow.code,
                "workflow usable again"
            ),
        }
    }
}

impl Cache {
    /// Notes whether a workflow can be used, and says what is new about that.
    fn news(&mut self, published: &Published) -> News {
        let code = published.record.workflow.code.to_string();
        match published.unusable() {
            Some(finding) => {
                let told = self.told.insert(code, finding.to_owned());
                if told.as_deref() == Some(finding) {
                    News::Nothing
                } else {
                    News::Unusable
                }
            }
            None if self.told.remove(&code).is_some() => News::UsableAgain,
            None => News::Nothing,
        }
    }

    fn forget(&mut self) {
        *self = Self {
            pasts: self.pasts.wrapping_add(1),
            told: std::mem::take(&mut self.told),
            ..Self::default()
        };
    }

    fn advance(&mut self, edition: Edition, since: Since) {
        match since {
            Since::Foreign => self.forget(),
            Since::Changed(changed) => {
                for code in changed {
                    self.workflows.remove(&code);
                    self.changed.insert(code.clone(), edition.version);
                    // Whether it is still there is found out when it is loaded.
                    if let Some(codes) = &mut self.codes {
                        codes.insert(code);
                    }
                }
            }
        }
        self.edition = edition;
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

    /// The statuses that an order is known to have been in.
    pub(crate) fn used(&self) -> BTreeSet<StatusCode> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What was read at an edition, of which past.
type Read = ((Edition, u64), Vec<Loaded>);

/// Compiles a stored workflow on a thread for that, since a large one takes a second.
async fn publish_apart(loaded: Loaded) -> Result<Cached, Error> {
    let Loaded {
        record,
        used,
        unreadable,
    } = loaded;
    let published = compute::on_a_thread(move || Published::of_stored(record, unreadable)).await;
    // Only at the end of the process is it not computed.
    let published = published.map_err(|error| Error::Unavailable {
        source: error.into(),
    })?;
    Ok(Cached {
        published: Arc::new(published),
        used: Arc::new(Mutex::new(used)),
    })
}

impl Store {
    /// The edition of the catalog, which is another one after every change of a workflow.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn edition(&self) -> Result<Edition, Error> {
        self.database().read(async |tx| edition(tx).await).await
    }

    /// Finds a workflow as it is now.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflow(&self, code: &WorkflowCode) -> Result<Option<Arc<Published>>, Error> {
        let edition = self.edition().await?;
        self.workflow_at(edition, code).await
    }

    /// Finds a workflow as it is at this edition of the catalog, or at a newer one.
    pub(crate) async fn workflow_at(
        &self,
        edition: Edition,
        code: &WorkflowCode,
    ) -> Result<Option<Arc<Published>>, Error> {
        match self.catalog().known(edition, code) {
            Known::Ready(cached) => return Ok(Some(cached.published)),
            Known::Absent => return Ok(None),
            Known::Unloaded => {}
        }
        let _loading = self.catalog().loading.lock().await;
        if let Known::Ready(cached) = self.catalog().known(edition, code) {
            return Ok(Some(cached.published));
        }
        // Several tables are read, so all at one instant.
        let loaded = self.database().snapshot(async |tx| {
            let edition = self::edition(tx).await?;
            self.catalog().find(tx, edition, code).await
        });
        Ok(loaded.await?.map(|cached| cached.published))
    }

    /// Reads and compiles workflows as they are now and keeps them, so that steps find them ready.
    /// A passing failure of the database is waited for as long as a commit would wait.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn load_workflows(&self, codes: &BTreeSet<WorkflowCode>) -> Result<(), Error> {
        let _loading = self.catalog().loading.lock().await;
        let mut patience = Patience::new(self.settings().commit_patience);
        let (place, loaded) = loop {
            match self.read_workflows(codes).await {
                Ok(read) => break read,
                Err(error) => {
                    if !error.is_transient() || !patience.wait().await {
                        return Err(error);
                    }
                }
            }
        };
        for loaded in loaded {
            let code = loaded.record.workflow.code.clone();
            let cached = publish_apart(loaded).await?;
            self.catalog().keep(place, &code, cached);
        }
        Ok(())
    }

    /// Reads those of some workflows that are not in the cache, and which ones there are.
    async fn read_workflows(&self, codes: &BTreeSet<WorkflowCode>) -> Result<Read, Error> {
        let catalog = self.catalog();
        let read = self.database().snapshot(async |tx| {
            let edition = edition(tx).await?;
            catalog.reach(tx, edition, Reliance::Unlocked).await?;
            let past = catalog.lock().pasts;
            let stored = workflows::stored_codes(tx).await?;
            let all: BTreeSet<_> = catalog.nameable(stored).into_iter().collect();
            let mut loaded = Vec::new();
            for code in codes.intersection(&all) {
                if let Known::Ready(_) = catalog.known(edition, code) {
                    continue;
                }
                loaded.extend(workflows::load(tx, code).await?);
            }
            Ok((all, ((edition, past), loaded)))
        });
        let (all, read) = read.await?;
        let mut cache = catalog.lock();
        if cache.edition == read.0.0 {
            cache.codes = Some(all);
        }
        drop(cache);
        Ok(read)
    }

    /// Lists all workflows as they are now, by code. Where this process knows them all, the edition
    /// of the catalog is all that is read.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflows(&self) -> Result<Vec<Arc<Published>>, Error> {
        if let Some(all) = self.catalog().all(self.edition().await?) {
            return Ok(all);
        }
        let all = self.database().snapshot(async |tx| {
            let edition = edition(tx).await?;
            let codes = self.catalog().nameable(workflows::stored_codes(tx).await?);
            let mut all = Vec::new();
            for code in &codes {
                all.extend(self.catalog().find(tx, edition, code).await?);
            }
            Ok((edition, codes, all))
        });
        let (edition, codes, all) = all.await?;
        self.catalog().note_codes(edition, codes);
        Ok(all.into_iter().map(|cached| cached.published).collect())
    }

    /// Finds some workflows as they are now, none for those that are not there. Of those that this
    /// process knows, the edition of the catalog is all that is read.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflows_named(
        &self,
        codes: BTreeSet<&WorkflowCode>,
    ) -> Result<Vec<(WorkflowCode, Option<Arc<Published>>)>, Error> {
        let edition = self.edition().await?;
        let mut found = Vec::with_capacity(codes.len());
        for code in codes {
            let published = self.workflow_at(edition, code).await?;
            found.push((code.clone(), published));
        }
        Ok(found)
    }
}
