//! Leases of partitions. A process counts its row up as long as it lives, which is its heartbeat;
//! who sees a count stand still for long enough takes over what it had. No clock is compared with
//! another.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::partition::Partition;

use super::{
    lost,
    ownership::{DispatcherId, lock},
};
use crate::{
    Error, Store,
    rows::StoredText,
    schema::{dispatch_leases, dispatchers},
    tx::{Ending, Tx, before, on_conn},
};

/// The live processes and the owners of the partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases {
    /// The processes, each with the count of its heartbeat.
    pub dispatchers: BTreeMap<DispatcherId, i64>,
    /// The owner of each partition; none for nobody.
    pub owners: BTreeMap<Partition, Option<DispatcherId>>,
}

impl Store {
    /// Counts the row of a process up, which is its heartbeat, and lists the leases.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn heartbeat(&self, me: &DispatcherId) -> Result<Leases, Error> {
        let written = self.database().write(&[], async |tx| {
            use dispatchers::{id, renewal, table};
            let row = table.find(me.as_str());
            let update = diesel::update(row).set(renewal.eq(renewal + 1));
            let updated = on_conn!(tx, |c| update.execute(c).await)?;
            if updated == 0 {
                let row = (id.eq(me.as_str()), renewal.eq(1));
                let insert = diesel::insert_into(table).values(row);
                on_conn!(tx, |c| insert.execute(c).await)?;
            }
            Ok(Ending::Commit(leases(tx).await?))
        });
        written.await.map_err(before)
    }

    /// Lists the live processes and the owners of the partitions.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn leases(&self) -> Result<Leases, Error> {
        self.database().read(leases).await
    }

    /// Adds leases of partitions that have none; nobody owns these then.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn add_leases(&self, partitions: &BTreeSet<Partition>) -> Result<(), Error> {
        let written = self.database().write(&[], async |tx| {
            for partition in partitions {
                let row = (
                    dispatch_leases::partition.eq(partition.number()),
                    dispatch_leases::owner.eq(None::<String>),
                );
                let insert = diesel::insert_into(dispatch_leases::table)
                    .values(row)
                    .on_conflict_do_nothing();
                on_conn!(tx, |c| insert.execute(c).await)?;
            }
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }

    /// Takes over partitions that nobody owns, or one of the processes `dead`, which are removed;
    /// what they had in flight counts as tried in vain. Says which it got.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn take_leases(
        &self,
        me: &DispatcherId,
        dead: &BTreeMap<DispatcherId, i64>,
        wanted: &BTreeSet<Partition>,
    ) -> Result<BTreeSet<Partition>, Error> {
        let written = self.database().write(&[], async |tx| {
            for (name, count) in dead {
                lost::remove_process(tx, name, *count).await?;
            }
            let held = lock(tx, wanted).await?;
            let alive = leases(tx).await?.dispatchers;
            let free = held.into_iter().filter(|(_, owner)| {
                let owner = owner.as_ref();
                owner.is_none_or(|owner| !alive.keys().any(|alive| alive.0 == owner.lossy()))
            });
            let free: Vec<i32> = free.map(|(number, _)| number).collect();
            let rows =
                dispatch_leases::table.filter(dispatch_leases::partition.eq_any(free.clone()));
            let update = diesel::update(rows).set(dispatch_leases::owner.eq(Some(me.as_str())));
            on_conn!(tx, |c| update.execute(c).await)?;
            Ok(Ending::Commit(
                free.into_iter().map(Partition::new).collect(),
            ))
        });
        written.await.map_err(before)
    }

    /// Gives partitions back; a process that ends is removed as well.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn release_leases(
        &self,
        me: &DispatcherId,
        partitions: &BTreeSet<Partition>,
        leaving: Leaving,
    ) -> Result<(), Error> {
        let numbers: Vec<_> = partitions.iter().map(|p| p.number()).collect();
        let written = self.database().write(&[], async |tx| {
            let rows = dispatch_leases::table
                .filter(dispatch_leases::partition.eq_any(numbers.clone()))
                .filter(dispatch_leases::owner.eq(me.as_str()));
            let update = diesel::update(rows).set(dispatch_leases::owner.eq(None::<String>));
            on_conn!(tx, |c| update.execute(c).await)?;
            let row = dispatchers::table.find(me.as_str());
            match leaving {
                Leaving::ForNow => {}
                Leaving::ForGood => {
                    on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
                }
                Leaving::Broken => {
                    let count = row.select(dispatchers::renewal);
                    let count = on_conn!(tx, |c| count.first::<i64>(c).await).optional()?;
                    if let Some(count) = count {
                        lost::remove_process(tx, me, count).await?;
                    }
                }
            }
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }
}

/// Whether a process that gives partitions back goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It keeps others.
    ForNow,
    /// It ends.
    ForGood,
    /// It ends in the middle of its work: what it had in flight counts as tried in vain.
    Broken,
}

async fn leases(tx: &mut Tx) -> Result<Leases, Error> {
    let alive = dispatchers::table.select((dispatchers::id, dispatchers::renewal));
    let alive: Vec<(StoredText, i64)> = on_conn!(tx, |c| alive.load(c).await)?;
    let owners = dispatch_leases::table;
    let owners: Vec<(i32, Option<StoredText>)> = on_conn!(tx, |c| owners.load(c).await)?;
    // No process has a name that cannot be read, so it must not keep anything from the others.
    let alive = alive.into_iter();
    let alive = alive.filter_map(|(id, count)| Some((DispatcherId(id.into_utf8()?), count)));
    let owners = owners.into_iter().map(|(number, owner)| {
        let owner = owner.map(StoredText::into_lossy).map(DispatcherId);
        (Partition::new(number), owner)
    });
    Ok(Leases {
        dispatchers: alive.collect(),
        owners: owners.collect(),
    })
}
