//! The rival of the service, which does the same by hand.

use crate::{
    baseline::{pgbench::Pgbench, sqlite::Plain},
    failure::Failure,
    place::{Database, Site},
};

/// The number of clients of `pgbench`.
const CLIENTS: usize = 32;

/// A rival that does the same by hand.
pub(crate) enum Rival {
    Pgbench(Pgbench),
    Plain(Option<Box<Plain>>),
}

impl Rival {
    /// Makes steps on a database.
    pub(super) async fn steps(site: &Site, database: &Database) -> Result<Self, Failure> {
        Ok(match database {
            Database::Postgres(_) => Self::Pgbench(Pgbench::steps(site, database).await?),
            Database::Sqlite(_) => Self::Plain(Some(Box::new(Plain::steps(database)?))),
        })
    }

    /// Makes new orders in a database.
    pub(super) async fn creations(site: &Site, database: &Database) -> Result<Self, Failure> {
        Ok(match database {
            Database::Postgres(_) => Self::Pgbench(Pgbench::creations(site, database).await?),
            Database::Sqlite(_) => Self::Plain(Some(Box::new(Plain::creations(database)?))),
        })
    }

    /// The rate of one round: of `pgbench`, or of so many pieces in each transaction of a loop.
    pub(super) async fn rate(
        &mut self,
        site: &Site,
        pieces_per_transaction: u32,
    ) -> Result<f64, Failure> {
        let length = site.pace.round;
        site.settle().await?;
        match self {
            Self::Pgbench(pgbench) => Ok(pgbench.run(site, CLIENTS, length).await?.per_second),
            Self::Plain(plain) => {
                let mut running = plain.take().ok_or(Failure::Interrupted)?;
                let ran = tokio::task::spawn_blocking(move || {
                    let rate = running.run(pieces_per_transaction, length);
                    (running, rate)
                });
                let (returned, rate) = ran.await.map_err(|_| Failure::Interrupted)?;
                *plain = Some(returned);
                rate
            }
        }
    }
}
