//! A server on a working copy, and the load for it.

use std::time::Duration;

use crate::{
    failure::Failure,
    filling,
    load::{Generator, Kind},
    place::{Backend, Contents, Database, Server, Site},
    tally::Tally,
    wire::Connections,
};

/// A server that is measured.
#[derive(Debug)]
pub(crate) struct Stage<'s> {
    pub(crate) site: &'s Site,
    pub(crate) database: Database,
    pub(crate) server: Server,
    pub(crate) connections: Connections,
    pub(crate) generator: Generator,
    pub(crate) orders: usize,
}

impl<'s> Stage<'s> {
    /// Starts a server on a working copy of a kept database.
    pub(crate) async fn open(
        site: &'s Site,
        backend: Backend,
        contents: Contents,
        name: &str,
    ) -> Result<Self, Failure> {
        let kept = site.kept(backend, contents).await?;
        let database = site.copy(&kept, name).await?;
        Self::on(site, database, contents.orders()).await
    }

    /// Starts a server on a database.
    pub(crate) async fn on(
        site: &'s Site,
        database: Database,
        orders: usize,
    ) -> Result<Self, Failure> {
        let server = site.serve(&database).await?;
        let connections = Connections::usual(server.address()).await?;
        let deck = filling::fill(&connections, orders).await?;
        Ok(Self {
            site,
            database,
            server,
            connections,
            generator: Generator::new(deck),
            orders,
        })
    }

    /// The rate of one round in a closed loop.
    pub(crate) async fn rate(&self, kind: Kind, in_flight: usize) -> Result<f64, Failure> {
        let tally = self.round(kind, in_flight).await?;
        Ok(tally.per_second())
    }

    /// One round in a closed loop.
    pub(crate) async fn round(&self, kind: Kind, in_flight: usize) -> Result<Tally, Failure> {
        let length = self.site.pace.round;
        self.site.settle().await?;
        self.checked(
            self.generator
                .closed(&self.connections, kind, in_flight, length),
            kind,
        )
        .await
    }

    /// One round in an open loop.
    pub(crate) async fn open_loop(&self, rate: f64, length: Duration) -> Result<Tally, Failure> {
        self.site.settle().await?;
        let load = self.generator.open(&self.connections, rate, length);
        self.checked(load, Kind::Unary).await
    }

    /// Holds what was acknowledged against the history: each step is one entry.
    pub(crate) async fn checked(
        &self,
        load: impl Future<Output = Result<Tally, Failure>>,
        kind: Kind,
    ) -> Result<Tally, Failure> {
        let before = self.site.entries(&self.database).await?;
        let tally = load.await?;
        let written = self.site.entries(&self.database).await?;
        let written = written.saturating_sub(before);
        let acknowledged = match kind {
            Kind::Get => 0,
            Kind::Unary | Kind::Stream | Kind::Batch | Kind::Create | Kind::CreateSteps => {
                tally.all()
            }
        };
        if written == acknowledged {
            return Ok(tally);
        }
        Err(Failure::Unequal {
            acknowledged,
            written,
        })
    }

    /// Ends the server, and removes its database.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let Self {
            site,
            database,
            server,
            connections,
            ..
        } = self;
        drop(connections);
        server.stop().await?;
        site.remove(&database).await
    }
}
