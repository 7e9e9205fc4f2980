//! Subscriptions of readers to single orders. A push wakes only the readers of
//! orders that it has entries of, and says from where to read on, so that a reader
//! of one order costs nothing while others are busy.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;
use waymark_domain::{partition::Partition, value::OrderId};

use super::entry::LogEntry;
use crate::lock::lock;

/// The reads that a reader has to make: partitions, and the offset in each after which something may be for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DueReads(BTreeMap<Partition, i64>);

impl DueReads {
    /// From the beginning of each of these partitions, or from where the reader stands.
    pub(super) fn everything(partitions: &[Partition]) -> Self {
        Self(partitions.iter().map(|partition| (*partition, 0)).collect())
    }

    pub(super) fn note(&mut self, partition: Partition, after: i64) {
        let first = self.0.entry(partition).or_insert(after);
        *first = after.min(*first);
    }

    pub(super) fn done(&mut self, partition: Partition) {
        self.0.remove(&partition);
    }

    pub(super) fn contains(&self, partition: Partition) -> bool {
        self.0.contains_key(&partition)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it, the partition `first` and those after it first.
    pub(super) fn beginning_with(&self, first: Partition) -> Vec<(Partition, i64)> {
        let later = self.0.range(first..);
        let earlier = self.0.range(..first);
        later
            .chain(earlier)
            .map(|(p, after)| (*p, *after))
            .collect()
    }
}

#[derive(Debug)]
pub(super) struct Subscription {
    partitions: BTreeSet<Partition>,
    due: Mutex<DueReads>,
    news: Notify,
}

impl Subscription {
    fn note(&self, partition: Partition, after: i64) {
        if self.partitions.contains(&partition) {
            lock(&self.due).note(partition, after);
            self.news.notify_one();
        }
    }

    /// Moves the reads of which the reader was not told yet to those that it knows.
    pub(super) fn tell(&self, known: &mut DueReads) {
        for (partition, after) in mem::take(&mut *lock(&self.due)).0 {
            known.note(partition, after);
        }
    }

    pub(super) async fn notified(&self) {
        self.news.notified().await;
    }

    pub(super) fn is_due(&self, partition: Partition) -> bool {
        lock(&self.due).contains(partition)
    }
}

/// The subscriptions by their orders, whatever the workflow.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<HashMap<OrderId, Vec<Arc<Subscription>>>>);

impl Subscriptions {
    /// Enters a reader of `orders` in `partitions`; nothing that is pushed from here on escapes it.
    pub(super) fn enter(
        &self,
        orders: &BTreeSet<OrderId>,
        partitions: &[Partition],
    ) -> Arc<Subscription> {
        let subscription = Arc::new(Subscription {
            partitions: partitions.iter().copied().collect(),
            due: Mutex::new(DueReads::everything(partitions)),
            news: Notify::new(),
        });
        let mut waiting = lock(&self.0);
        for order in orders {
            let readers = waiting.entry(order.clone()).or_default();
            readers.push(Arc::clone(&subscription));
        }
        subscription
    }

    pub(super) fn leave(&self, orders: &BTreeSet<OrderId>, subscription: &Arc<Subscription>) {
        let mut waiting = lock(&self.0);
        for order in orders {
            if let Some(readers) = waiting.get_mut(order) {
                readers.retain(|reader| !Arc::ptr_eq(reader, subscription));
                if readers.is_empty() {
                    waiting.remove(order);
                }
            }
        }
    }

    /// Tells the readers of these entries where the steps begin that they belong to.
    pub(super) fn tell(&self, partition: Partition, entries: &[Arc<LogEntry>]) {
        let waiting = lock(&self.0);
        if waiting.is_empty() {
            return;
        }
        for entry in entries {
            let readers = entry.order_id().and_then(|order| waiting.get(order));
            for reader in readers.into_iter().flatten() {
                reader.note(partition, entry.step_offset - 1);
            }
        }
    }

    /// Sends all readers of a partition looking, since nobody knows what it got.
    pub(super) fn doubt(&self, partition: Partition) {
        for reader in lock(&self.0).values().flatten() {
            reader.note(partition, 0);
        }
    }
}
