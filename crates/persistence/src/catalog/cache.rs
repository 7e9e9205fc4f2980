//! The cache of compiled workflows.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use waymark_domain::value::{StatusCode, WorkflowCode};

use super::edition::{Edition, Since, since};
use crate::{
    Error, Published, compute,
    tx::Tx,
    workflows::{self, Loaded},
};

/// A workflow in the cache, with what the process knows about the use of its statuses.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub(crate) published: Arc<Published>,
    used: Arc<Mutex<BTreeSet<StatusCode>>>,
}

/// The knowledge of a workflow at an edition.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// It is there, as here.
    Ready(Cached),
    /// There is none.
    Absent,
    /// It has to be loaded.
    Unloaded,
}

/// The trust in an edition that somebody has read.
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
    pub(super) loading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) edition: Edition,
    /// The workflows that there are, perhaps with some that are gone by now; none when that was not
    /// read yet.
    pub(super) codes: Option<BTreeSet<WorkflowCode>>,
    workflows: HashMap<WorkflowCode, Cached>,
    /// The edition at which a change of a workflow was met last.
    changed: HashMap<WorkflowCode, i64>,
    /// Counts how often everything was forgotten.
    pub(super) pasts: u64,
    /// The problems of workflows that cannot be used, by code as it is stored, as logged.
    logged: HashMap<String, String>,
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

    /// Looks up a workflow at an edition. Of another edition than that of the cache, nothing is.
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
    pub(super) fn all(&self, edition: Edition) -> Option<Vec<Arc<Published>>> {
        let codes = self.lock().codes.clone()?;
        // One at a time, so that others need not wait; that of another edition is not known.
        let all = codes.iter().map(|code| match self.known(edition, code) {
            Known::Ready(cached) => Some(cached.published),
            Known::Absent | Known::Unloaded => None,
        });
        all.collect()
    }

    pub(super) fn note_codes(&self, edition: Edition, codes: Vec<WorkflowCode>) {
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
            cache.logged.remove(code.as_str());
            if let Some(codes) = &mut cache.codes {
                codes.remove(code);
            }
        }
    }

    /// Keeps what was read of a workflow at an edition, unless it was changed since, or the cache is
    /// of another past. That others were changed while it was compiled does not matter.
    pub(super) fn keep(
        &self,
        (edition, past): (Edition, u64),
        code: &WorkflowCode,
        cached: Cached,
    ) {
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

    /// The codes of workflows that calls can name. The others are logged once.
    pub(super) fn nameable(&self, codes: Vec<String>) -> Vec<WorkflowCode> {
        let mut nameable = Vec::with_capacity(codes.len());
        for code in codes {
            match code.parse::<WorkflowCode>() {
                Ok(code) => nameable.push(code),
                Err(problem) => {
                    let problem = problem.to_string();
                    let logged = self.lock().logged.insert(code.clone(), problem.clone());
                    if logged.is_none() {
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The news about the use of a workflow, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UseNews {
    Nothing,
    /// It cannot be used, or for another reason than was logged.
    Unusable,
    /// It was not usable, and is now.
    UsableAgain,
}

impl UseNews {
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
    fn news(&mut self, published: &Published) -> UseNews {
        let code = published.record.workflow.code.to_string();
        match published.unusable() {
            Some(finding) => {
                let logged = self.logged.insert(code, finding.to_owned());
                if logged.as_deref() == Some(finding) {
                    UseNews::Nothing
                } else {
                    UseNews::Unusable
                }
            }
            None if self.logged.remove(&code).is_some() => UseNews::UsableAgain,
            None => UseNews::Nothing,
        }
    }

    fn forget(&mut self) {
        *self = Self {
            pasts: self.pasts.wrapping_add(1),
            logged: std::mem::take(&mut self.logged),
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
        self.lock_used().contains(status)
    }

    /// Remembers that an order was in the status, once that is committed.
    pub(crate) fn set_used(&self, status: StatusCode) {
        self.lock_used().insert(status);
    }

    pub(crate) fn used(&self) -> BTreeSet<StatusCode> {
        self.lock_used().clone()
    }

    fn lock_used(&self) -> MutexGuard<'_, BTreeSet<StatusCode>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compiles a stored workflow on a thread for that, since a large one takes a second.
pub(super) async fn publish_apart(loaded: Loaded) -> Result<Cached, Error> {
    let (record, unreadable) = (loaded.record, loaded.unreadable);
    let published = compute::on_a_thread(move || Published::of_stored(record, unreadable)).await;
    Ok(Cached {
        // Only at the end of the process is it not computed.
        published: Arc::new(published.map_err(Error::unavailable)?),
        used: Arc::new(Mutex::new(loaded.used)),
    })
}
