//! Workflows as they are now, from the cache or the database.

use std::{collections::BTreeSet, sync::Arc};

use waymark_domain::value::WorkflowCode;

use super::{
    cache::{Known, Reliance, publish_apart},
    edition::{Edition, edition},
};
use crate::{
    Error, Published, Store,
    patience::Patience,
    workflows::{self, Loaded},
};

/// Workflows that were read at an edition, with the number of its past.
type ReadWorkflows = ((Edition, u64), Vec<Loaded>);

impl Store {
    /// The edition of the catalog, which is another one after every change of a workflow.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn edition(&self) -> Result<Edition, Error> {
        self.database().read(edition).await
    }

    /// Whether there is any workflow, readable or not.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn has_workflows(&self) -> Result<bool, Error> {
        self.database().read(workflows::any).await
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
    /// A transient failure of the database is waited for as long as a commit would wait.
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
    async fn read_workflows(&self, codes: &BTreeSet<WorkflowCode>) -> Result<ReadWorkflows, Error> {
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
