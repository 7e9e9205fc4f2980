//! Leases: the partitions that this process owns. It takes no more than its share, and only
//! partitions that nobody owns, or a process whose heartbeat has stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use waymark_domain::partition::Partition;
use waymark_persistence::{self as persistence, DispatcherId, Error, Leaving, Store};

#[derive(Debug)]
pub(super) struct Leases {
    store: Store,
    me: DispatcherId,
    /// How long a heartbeat may be missing.
    lease: Duration,
    owned: BTreeSet<Partition>,
    /// Whether this is the only process there can be, as on SQLite: an earlier one is dead, and
    /// heartbeats would be writes for nobody.
    is_alone: bool,
    /// Whether this process has a row.
    is_known: bool,
    /// The last heartbeat of each other process, and since when it is that.
    seen: BTreeMap<DispatcherId, (i64, Instant)>,
    renewed: Instant,
}

impl Leases {
    pub(super) fn new(store: Store, lease: Duration) -> Self {
        Self {
            is_alone: store.is_sqlite(),
            store,
            me: DispatcherId::random(),
            lease,
            owned: BTreeSet::new(),
            is_known: false,
            seen: BTreeMap::new(),
            renewed: Instant::now(),
        }
    }

    pub(super) fn me(&self) -> &DispatcherId {
        &self.me
    }

    /// The partitions that are owned now: none when others may have taken them over.
    pub(super) fn owned(&self) -> BTreeSet<Partition> {
        if self.renewed.elapsed() < self.lease {
            self.owned.clone()
        } else {
            BTreeSet::new()
        }
    }

    /// Sends a heartbeat, takes free partitions up to a fair share, and gives back what is more than
    /// that. A partition in `busy` is kept until it is not.
    pub(super) async fn renew(&mut self, busy: &BTreeSet<Partition>) -> Result<(), Error> {
        let began = Instant::now();
        let stored = self.stored().await?;
        self.renewed = began;
        self.owned = owners(&stored, &self.me);
        let dead = self.dead(&stored);
        let alive = stored.dispatchers.len().saturating_sub(dead.len()).max(1);
        let share = stored.owners.len().div_ceil(alive);
        let is_alive = |owner: &DispatcherId| {
            stored.dispatchers.contains_key(owner) && !dead.contains_key(owner)
        };
        let free = stored.owners.iter().filter(|(_, owner)| {
            let owner = owner.as_ref();
            !owner.is_some_and(is_alive)
        });
        let wanted: BTreeSet<_> = free
            .map(|(partition, _)| *partition)
            .take(share.saturating_sub(self.owned.len()))
            .collect();
        if !wanted.is_empty() {
            let taken = self.store.take_leases(&self.me, &dead, &wanted).await?;
            tracing::debug!(partitions = taken.len(), "leases taken");
            self.owned.extend(taken);
        }
        let surplus: BTreeSet<_> = self
            .owned
            .difference(busy)
            .copied()
            .take(self.owned.len().saturating_sub(share))
            .collect();
        if !surplus.is_empty() {
            let given = self
                .store
                .release_leases(&self.me, &surplus, Leaving::ForNow);
            given.await?;
            self.owned.retain(|partition| !surplus.contains(partition));
        }
        self.add_missing(&stored).await
    }

    /// Adds the leases that are missing, as after a change by hand: nobody could take such a
    /// partition, and nothing would happen there. They are taken at the next renewal.
    async fn add_missing(&self, stored: &persistence::Leases) -> Result<(), Error> {
        let all = self.store.partition_count().all();
        let missing: BTreeSet<_> = all
            .filter(|partition| !stored.owners.contains_key(partition))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.store.add_leases(&missing).await?;
        for partition in missing {
            tracing::warn!(
                partition = partition.number(),
                "missing lease added: nothing was sent and no timer fired in this partition"
            );
        }
        Ok(())
    }

    /// The stored leases, after a heartbeat where somebody looks for one.
    async fn stored(&mut self) -> Result<persistence::Leases, Error> {
        if self.is_known && self.is_alone {
            let stored = self.store.leases().await?;
            let has_row = stored.dispatchers.contains_key(&self.me);
            // One that was taken over has lost its partitions too, and must not take them back.
            if has_row || owners(&stored, &self.me).is_empty() {
                return Ok(stored);
            }
            tracing::warn!("missing dispatcher row added for this process");
        }
        let stored = self.store.heartbeat(&self.me).await?;
        // Not before the row is there: without it nothing may be begun.
        self.is_known = true;
        Ok(stored)
    }

    /// Gives everything back, so that others need not wait.
    pub(super) async fn end(self) -> Result<(), Error> {
        self.store
            .release_leases(&self.me, &self.owned, Leaving::ForGood)
            .await
    }

    /// The processes whose heartbeat has been missing for as long as a lease lasts.
    fn dead(&mut self, stored: &persistence::Leases) -> BTreeMap<DispatcherId, i64> {
        let now = Instant::now();
        let others = stored.dispatchers.iter().filter(|(id, _)| **id != self.me);
        if self.is_alone {
            // Only the newest process takes over; one that it took over from has lost its row.
            let is_newest = stored.dispatchers.contains_key(&self.me);
            return others
                .filter(|_| is_newest)
                .map(|(other, count)| (other.clone(), *count))
                .collect();
        }
        self.seen
            .retain(|other, _| stored.dispatchers.contains_key(other));
        let mut dead = BTreeMap::new();
        for (other, count) in others {
            let seen = self.seen.entry(other.clone()).or_insert((*count, now));
            if seen.0 != *count {
                *seen = (*count, now);
            }
            if now.duration_since(seen.1) >= self.lease {
                dead.insert(other.clone(), *count);
            }
        }
        dead
    }
}

fn owners(stored: &persistence::Leases, me: &DispatcherId) -> BTreeSet<Partition> {
    let mine = stored
        .owners
        .iter()
        .filter(|(_, owner)| owner.as_ref() == Some(me));
    mine.map(|(partition, _)| *partition).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use waymark_persistence::test_access::execute;

    use super::*;
    use crate::tests::store;

    async fn leases() -> (TempDir, Leases) {
        let (directory, store) = store().await;
        (directory, Leases::new(store, Duration::from_secs(10)))
    }

    async fn has_row(leases: &Leases) -> bool {
        let stored = leases.store.leases().await.unwrap();
        stored.dispatchers.contains_key(&leases.me)
    }

    #[tokio::test]
    async fn a_row_that_could_not_be_written_is_written_later() {
        let (_directory, mut leases) = leases().await;
        let refusing = "CREATE TRIGGER refusing BEFORE INSERT ON dispatchers \
                        BEGIN SELECT RAISE(ABORT, 'there is no room'); END";
        execute(&leases.store, refusing).await.unwrap();
        assert!(leases.renew(&BTreeSet::new()).await.is_err());
        assert!(!has_row(&leases).await && leases.owned().is_empty());
        execute(&leases.store, "DROP TRIGGER refusing")
            .await
            .unwrap();
        leases.renew(&BTreeSet::new()).await.unwrap();
        assert!(has_row(&leases).await && !leases.owned().is_empty());
        let none = leases.store.record_timers(&leases.me, &[]);
        assert!(none.await.unwrap(), "it may begin something");
    }

    #[tokio::test]
    async fn a_lease_that_is_missing_is_added_and_taken() {
        let (_directory, mut leases) = leases().await;
        leases.renew(&BTreeSet::new()).await.unwrap();
        let whole = leases.owned();
        assert!(!whole.is_empty());
        let gone = "DELETE FROM dispatch_leases";
        execute(&leases.store, gone).await.unwrap();
        leases.renew(&BTreeSet::new()).await.unwrap();
        assert!(leases.owned().is_empty());
        leases.renew(&BTreeSet::new()).await.unwrap();
        assert_eq!(leases.owned(), whole);
    }

    #[tokio::test]
    async fn a_row_that_is_gone_is_written_again_unless_another_took_over() {
        let (_directory, mut leases) = leases().await;
        leases.renew(&BTreeSet::new()).await.unwrap();
        let gone = "DELETE FROM dispatchers";
        execute(&leases.store, gone).await.unwrap();
        leases.renew(&BTreeSet::new()).await.unwrap();
        assert!(has_row(&leases).await && !leases.owned().is_empty());

        let mut heir = Leases::new(leases.store.clone(), Duration::from_secs(10));
        heir.renew(&BTreeSet::new()).await.unwrap();
        leases.renew(&BTreeSet::new()).await.unwrap();
        assert!(!has_row(&leases).await && leases.owned().is_empty());
        assert!(has_row(&heir).await && !heir.owned().is_empty());
    }
}
