//! Which partitions this process carries: as many as its share, taken from nobody or from a
//! process whose sign of life stands still.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use waymark_domain::partition::Partition;
use waymark_persistence::{DispatcherId, Error, Leases, Leaving, Store};

/// What this process carries.
#[derive(Debug)]
pub(super) struct Tenure {
    store: Store,
    me: DispatcherId,
    /// How long a sign of life may stand still.
    lease: Duration,
    owned: BTreeSet<Partition>,
    /// Whether this is the only process there can be, as on SQLite: whoever was there before is
    /// dead, and signs of life would be writes for nobody.
    is_alone: bool,
    /// Whether this process has a row.
    is_known: bool,
    /// The last sign of life of each other process, and since when it is that.
    seen: BTreeMap<DispatcherId, (i64, Instant)>,
    renewed: Instant,
}

impl Tenure {
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

    /// The partitions that are carried now: none when others may have taken them over.
    pub(super) fn owned(&self) -> BTreeSet<Partition> {
        if self.renewed.elapsed() < self.lease {
            self.owned.clone()
        } else {
            BTreeSet::new()
        }
    }

    /// Gives a sign of life, takes what nobody carries up to a fair share, and gives back what is
    /// more than that. What is in `busy` is kept until it is not.
    pub(super) async fn renew(&mut self, busy: &BTreeSet<Partition>) -> Result<(), Error> {
        let began = Instant::now();
        let leases = self.leases().await?;
        self.renewed = began;
        self.owned = owners(&leases, &self.me);
        let dead = self.dead(&leases);
        let alive = leases.dispatchers.len().saturating_sub(dead.len()).max(1);
        let share = leases.owners.len().div_ceil(alive);
        let is_alive = |owner: &DispatcherId| {
            leases.dispatchers.contains_key(owner) && !dead.contains_key(owner)
        };
        let free = leases.owners.iter().filter(|(_, owner)| {
            let owner = owner.as_ref();
            !owner.is_some_and(is_alive)
        });
        let wanted: BTreeSet<_> = free
            .map(|(partition, _)| *partition)
            .take(share.saturating_sub(self.owned.len()))
            .collect();
        if !wanted.is_empty() {
            let taken = self.store.take_leases(&self.me, &dead, &wanted).await?;
            tracing::debug!(
                partitions = taken.len(),
                "carries deliveries of more partitions"
            );
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
        self.add_missing(&leases).await
    }

    /// Adds the leases that are missing, as after a change by hand: nobody could take such a
    /// partition, and nothing would happen there. They are taken at the next renewal.
    async fn add_missing(&self, leases: &Leases) -> Result<(), Error> {
        let all = self.store.partition_count().all();
        let missing: BTreeSet<_> = all
            .filter(|partition| !leases.owners.contains_key(partition))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.store.add_leases(&missing).await?;
        for partition in missing {
            tracing::warn!(
                partition = partition.number(),
                "a partition had no lease, so nothing was sent and no timer fired there; it has one now"
            );
        }
        Ok(())
    }

    /// Who carries what, after a sign of life where somebody looks for one.
    async fn leases(&mut self) -> Result<Leases, Error> {
        if self.is_known && self.is_alone {
            let leases = self.store.leases().await?;
            let has_row = leases.dispatchers.contains_key(&self.me);
            // One that was taken over has lost its partitions too, and must not take them back.
            if has_row || owners(&leases, &self.me).is_empty() {
                return Ok(leases);
            }
            tracing::warn!(
                "this process has no row among those that carry deliveries; it gets one"
            );
        }
        let leases = self.store.renew_leases(&self.me).await?;
        // Not before the row is there: without it nothing may be begun.
        self.is_known = true;
        Ok(leases)
    }

    /// Gives everything back, so that others need not wait.
    pub(super) async fn end(self) -> Result<(), Error> {
        self.store
            .release_leases(&self.me, &self.owned, Leaving::ForGood)
            .await
    }

    /// The processes whose sign of life stands still for as long as a lease lasts.
    fn dead(&mut self, leases: &Leases) -> BTreeMap<DispatcherId, i64> {
        let now = Instant::now();
        if self.is_alone {
            let others = leases.dispatchers.iter().filter(|(id, _)| **id != self.me);
            // Only the newest process takes over; one that it took over from has lost its row.
            let is_newest = leases.dispatchers.contains_key(&self.me);
            return others
                .filter(|_| is_newest)
                .map(|(other, count)| (other.clone(), *count))
                .collect();
        }
        self.seen
            .retain(|other, _| leases.dispatchers.contains_key(other));
        let mut dead = BTreeMap::new();
        for (other, count) in leases.dispatchers.iter().filter(|(id, _)| **id != self.me) {
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

fn owners(leases: &Leases, me: &DispatcherId) -> BTreeSet<Partition> {
    let mine = leases
        .owners
        .iter()
        .filter(|(_, owner)| owner.as_ref() == Some(me));
    mine.map(|(partition, _)| *partition).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use waymark_persistence::{Clock, DatabaseUrl, Settings, test_access::execute};

    use super::*;

    async fn tenure() -> (TempDir, Tenure) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("waymark.db").display());
        let settings = Settings::new(DatabaseUrl::parse(&url).unwrap());
        let store = Store::open(settings, Clock::system()).await.unwrap();
        (directory, Tenure::new(store, Duration::from_secs(10)))
    }

    async fn has_row(tenure: &Tenure) -> bool {
        let leases = tenure.store.leases().await.unwrap();
        leases.dispatchers.contains_key(&tenure.me)
    }

    #[tokio::test]
    async fn a_row_that_could_not_be_written_is_written_later() {
        let (_directory, mut tenure) = tenure().await;
        let refusing = "CREATE TRIGGER refusing BEFORE INSERT ON dispatchers \
                        BEGIN SELECT RAISE(ABORT, 'there is no room'); END";
        execute(&tenure.store, refusing).await.unwrap();
        assert!(tenure.renew(&BTreeSet::new()).await.is_err());
        assert!(!has_row(&tenure).await && tenure.owned().is_empty());
        execute(&tenure.store, "DROP TRIGGER refusing")
            .await
            .unwrap();
        tenure.renew(&BTreeSet::new()).await.unwrap();
        assert!(has_row(&tenure).await && !tenure.owned().is_empty());
        let none = tenure.store.note_timers(&tenure.me, &[]);
        assert!(none.await.unwrap(), "it may begin something");
    }

    #[tokio::test]
    async fn a_lease_that_is_missing_is_added_and_taken() {
        let (_directory, mut tenure) = tenure().await;
        tenure.renew(&BTreeSet::new()).await.unwrap();
        let whole = tenure.owned();
        assert!(!whole.is_empty());
        let gone = "DELETE FROM dispatch_leases";
        execute(&tenure.store, gone).await.unwrap();
        tenure.renew(&BTreeSet::new()).await.unwrap();
        assert!(tenure.owned().is_empty());
        tenure.renew(&BTreeSet::new()).await.unwrap();
        assert_eq!(tenure.owned(), whole);
    }

    #[tokio::test]
    async fn a_row_that_is_gone_is_written_again_unless_another_took_over() {
        let (_directory, mut tenure) = tenure().await;
        tenure.renew(&BTreeSet::new()).await.unwrap();
        let gone = "DELETE FROM dispatchers";
        execute(&tenure.store, gone).await.unwrap();
        tenure.renew(&BTreeSet::new()).await.unwrap();
        assert!(has_row(&tenure).await && !tenure.owned().is_empty());

        let mut heir = Tenure::new(tenure.store.clone(), Duration::from_secs(10));
        heir.renew(&BTreeSet::new()).await.unwrap();
        tenure.renew(&BTreeSet::new()).await.unwrap();
        assert!(!has_row(&tenure).await && tenure.owned().is_empty());
        assert!(has_row(&heir).await && !heir.owned().is_empty());
    }
}
