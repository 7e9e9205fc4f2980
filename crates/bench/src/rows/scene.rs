//! The stage and the databases that rows share.

use super::rival::Rival;
use crate::{
    failure::Failure,
    place::{Backend, Contents, Database, Site},
    stage::Stage,
};

/// The usual stage of one kind of database, and its rival.
pub(super) struct Scene<'s> {
    pub(super) stage: Stage<'s>,
    pub(super) rival_database: Database,
    pub(super) rival: Rival,
}

impl<'s> Scene<'s> {
    /// Copies the usual database twice, and starts a server on one copy.
    pub(super) async fn open(site: &'s Site, backend: Backend) -> Result<Self, Failure> {
        let contents = usual(site, backend);
        let kept = site.kept(backend, contents).await?;
        let rival_database = site.copy(&kept, "rival").await?;
        let rival = Rival::steps(site, &rival_database).await?;
        Ok(Self {
            stage: Stage::open(site, backend, contents, "measured").await?,
            rival_database,
            rival,
        })
    }

    /// Stops the server and removes the copies.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let site = self.stage.site;
        self.stage.close().await?;
        drop(self.rival);
        site.remove(&self.rival_database).await
    }
}

/// The usual contents of a database.
pub(super) fn usual(site: &Site, backend: Backend) -> Contents {
    Contents::Orders(match backend {
        Backend::Postgres => site.pace.postgres_orders,
        Backend::Sqlite => site.pace.sqlite_orders,
    })
}

/// The usual orders beside others whose deliveries are pending.
pub(super) fn with_pending(site: &Site, backend: Backend) -> Contents {
    Contents::Pending {
        orders: usual(site, backend).orders(),
        pending: site.pace.pending,
    }
}
