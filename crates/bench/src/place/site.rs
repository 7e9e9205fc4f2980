//! The site that rows share: the directory, the PostgreSQL server, and the lengths
//! of everything.

use super::{
    Cluster, Data,
    database::{self, Backend, COUNT_ENTRIES, Database},
    server,
};
use crate::{
    enlarging, failure::Failure, filling, hooks, listed, load::Generator, output, pace::Pace,
    place::Server, wire::Connections,
};

/// The contents of a kept database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// So many orders, all of them made by calls, and a few steps.
    Orders(usize),
    /// So many orders with five entries each, all of them made by calls.
    Small(usize),
    /// So many orders, and as many more as there are deliveries that wait for an endpoint that is switched off.
    Pending { orders: usize, pending: usize },
    /// So many orders with five entries each, copied by SQL from so many that are small.
    Large { orders: usize, small: usize },
    /// As many copies, of which a few were then set aside.
    Listed { orders: usize, small: usize },
}

impl Contents {
    fn name(self) -> String {
        match self {
            Self::Orders(orders) => format!("orders_{orders}"),
            Self::Small(orders) => format!("small_{orders}"),
            Self::Pending { orders, pending } => format!("pending_{orders}_{pending}"),
            Self::Large { orders, .. } => format!("large_{orders}"),
            Self::Listed { orders, .. } => format!("listed_{orders}"),
        }
    }

    /// The number of orders.
    pub(crate) fn orders(self) -> usize {
        match self {
            Self::Orders(orders)
            | Self::Small(orders)
            | Self::Pending { orders, .. }
            | Self::Large { orders, .. }
            | Self::Listed { orders, .. } => orders,
        }
    }
}

/// The site that rows share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) data: Data,
    pub(crate) pace: Pace,
    cluster: Option<Cluster>,
}

impl Site {
    /// Opens the directory, and starts PostgreSQL where a row needs it.
    pub(crate) async fn open(
        data: Data,
        pace: Pace,
        backends: &[Backend],
    ) -> Result<Self, Failure> {
        let cluster = if backends.contains(&Backend::Postgres) {
            Some(Cluster::start(&data.cluster())?)
        } else {
            None
        };
        let site = Self {
            data,
            pace,
            cluster,
        };
        site.forget_databases().await?;
        Ok(site)
    }

    /// The PostgreSQL server.
    pub(crate) fn cluster(&self) -> Result<&Cluster, Failure> {
        self.cluster.as_ref().ok_or(Failure::NoCluster)
    }

    /// The address of a database, as Waymark takes it.
    pub(crate) fn url(&self, database: &Database) -> Result<String, Failure> {
        Ok(match database {
            Database::Postgres(name) => self.cluster()?.url(name),
            Database::Sqlite(file) => format!("sqlite://{}", file.display()),
        })
    }

    /// Starts a server on a database.
    pub(crate) async fn serve(&self, database: &Database) -> Result<Server, Failure> {
        Server::start(&self.data, &self.url(database)?).await
    }

    /// The number of entries in the history.
    pub(crate) async fn entries(&self, database: &Database) -> Result<u64, Failure> {
        self.number(database, COUNT_ENTRIES).await
    }

    /// Reads one number, named `number`, from a database.
    pub(crate) async fn number(&self, database: &Database, sql: &str) -> Result<u64, Failure> {
        let number = match database {
            Database::Postgres(name) => {
                let client = self.cluster()?.connect(name).await?;
                client.query_one(sql, &[]).await?.try_get(0)?
            }
            Database::Sqlite(file) => database::number(&mut database::open(file)?, sql)?,
        };
        Ok(number.try_into().unwrap_or(0))
    }

    /// Reads a database from end to end, so that its pages are in memory and not the disk is measured.
    pub(crate) async fn warm(&self, database: &Database) -> Result<(), Failure> {
        match database {
            Database::Postgres(name) => {
                let client = self.cluster()?.connect(name).await?;
                let sql = "CREATE EXTENSION IF NOT EXISTS pg_prewarm; \
                           SELECT pg_prewarm(oid, 'read') FROM pg_class \
                           WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')";
                Ok(client.batch_execute(sql).await?)
            }
            Database::Sqlite(file) => database::read_through(file.clone()).await,
        }
    }

    /// Makes a working copy of a kept database.
    pub(crate) async fn copy(&self, kept: &Database, name: &str) -> Result<Database, Failure> {
        Ok(match kept {
            Database::Postgres(from) => {
                self.cluster()?.copy(from, name).await?;
                Database::Postgres(name.to_owned())
            }
            Database::Sqlite(from) => {
                let file = self.data.work().join(format!("{name}.db"));
                database::copy(from, &file)?;
                Database::Sqlite(file)
            }
        })
    }

    /// Removes a working copy.
    pub(crate) async fn remove(&self, database: &Database) -> Result<(), Failure> {
        match database {
            Database::Postgres(name) => self.cluster()?.drop_database(name).await,
            Database::Sqlite(file) => database::remove(file),
        }
    }

    /// A kept database, which is filled if it is not there yet.
    pub(crate) async fn kept(
        &self,
        backend: Backend,
        contents: Contents,
    ) -> Result<Database, Failure> {
        let name = self.data.kept_name(&contents.name());
        let file = self.data.kept_file(&contents.name());
        let (kept, is_there) = match backend {
            Backend::Postgres => {
                let there = self.cluster()?.databases().await?.contains(&name);
                (Database::Postgres(name), there)
            }
            Backend::Sqlite => {
                let there = file.is_file();
                (Database::Sqlite(file), there)
            }
        };
        if !is_there {
            output::print_error(&format!("filling {} {}", backend.name(), contents.name()));
            let filled = Box::pin(self.fill(backend, contents)).await?;
            self.keep(&filled, &kept).await?;
        }
        Ok(kept)
    }

    async fn fill(&self, backend: Backend, contents: Contents) -> Result<Database, Failure> {
        match contents {
            Contents::Orders(orders) => {
                // So that there is a step of each way to copy.
                self.created(backend, orders, (1, orders.min(1_000))).await
            }
            Contents::Small(orders) => self.created(backend, orders, (4, orders)).await,
            Contents::Pending { orders, pending } => {
                let free = self.kept(backend, Contents::Orders(orders)).await?;
                let filled = self.copy(&free, "filling").await?;
                self.serving(&filled, async |connections| {
                    hooks::set_off(connections, pending).await
                })
                .await?;
                Ok(filled)
            }
            Contents::Large { orders, small } => self.enlarged(backend, orders, small).await,
            Contents::Listed { orders, small } => {
                let filled = self.enlarged(backend, orders, small).await?;
                self.serving(&filled, async |connections| {
                    listed::set_aside(connections, orders).await
                })
                .await?;
                Ok(filled)
            }
        }
    }

    /// Orders that were created by calls. Then so many times so many of them were moved once each.
    async fn created(
        &self,
        backend: Backend,
        orders: usize,
        (passes, moved): (usize, usize),
    ) -> Result<Database, Failure> {
        let filled = self.empty(backend).await?;
        self.serving(&filled, async |connections| {
            let generator = Generator::new(filling::fill(connections, orders).await?);
            for _ in 0..passes {
                generator.pass(connections, moved).await?;
            }
            Ok::<_, Failure>(())
        })
        .await?;
        Ok(filled)
    }

    /// Copies by SQL of a small database's orders.
    async fn enlarged(
        &self,
        backend: Backend,
        orders: usize,
        small: usize,
    ) -> Result<Database, Failure> {
        let small = self.kept(backend, Contents::Small(small)).await?;
        let filled = self.copy(&small, "filling").await?;
        match &filled {
            Database::Postgres(name) => {
                enlarging::postgres(self.cluster()?, name, orders).await?;
            }
            Database::Sqlite(file) => enlarging::sqlite(file.clone(), orders).await?,
        }
        Ok(filled)
    }

    /// Does some work by calls to a server on a database.
    async fn serving(
        &self,
        database: &Database,
        work: impl AsyncFnOnce(&Connections) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let server = self.serve(database).await?;
        let connections = Connections::open(&[server.address()]).await?;
        work(&connections).await?;
        drop(connections);
        server.stop().await
    }

    /// A database that has its tables at most.
    async fn empty(&self, backend: Backend) -> Result<Database, Failure> {
        match backend {
            Backend::Postgres => {
                let name = "filling".to_owned();
                self.cluster()?.copy("template0", &name).await?;
                server::migrate(&self.data, &self.cluster()?.url(&name)).await?;
                Ok(Database::Postgres(name))
            }
            Backend::Sqlite => {
                let file = self.data.work().join("filling.db");
                database::remove(&file)?;
                Ok(Database::Sqlite(file))
            }
        }
    }

    /// Gives a filled database the name under which it is kept: only whole ones have one.
    async fn keep(&self, filled: &Database, kept: &Database) -> Result<(), Failure> {
        match (filled, kept) {
            (Database::Postgres(filled), Database::Postgres(kept)) => {
                let cluster = self.cluster()?;
                cluster.execute(filled, "VACUUM ANALYZE").await?;
                let rename = format!("ALTER DATABASE {filled} RENAME TO {kept}");
                cluster.disconnect(filled).await?;
                cluster.execute("postgres", &rename).await
            }
            (Database::Sqlite(filled), Database::Sqlite(kept)) => {
                database::settle(filled)?;
                std::fs::rename(filled, kept)
                    .map_err(Failure::io("a filled database cannot be kept"))?;
                database::remove(filled)
            }
            _ => Err(Failure::NoCluster),
        }
    }

    /// Drops what an earlier run left in the cluster, and what other sources filled.
    async fn forget_databases(&self) -> Result<(), Failure> {
        let Some(cluster) = &self.cluster else {
            return Ok(());
        };
        for name in cluster.databases().await? {
            if !self.data.is_current(&name) {
                cluster.drop_database(&name).await?;
            }
        }
        Ok(())
    }

    /// Lets PostgreSQL write back what is in memory, so that the next round starts as the one before.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        match &self.cluster {
            Some(cluster) => cluster.checkpoint().await,
            None => Ok(()),
        }
    }
}
