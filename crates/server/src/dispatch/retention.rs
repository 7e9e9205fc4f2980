//! Removes finished deliveries some days after their last change, in the partitions that are owned,
//! and answers to calls that are too old, a little at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use waymark_domain::{partition::Partition, value::Timestamp};
use waymark_persistence::{DispatcherId, Error, Store};

use super::loops::LogOnce;
use crate::settings::Keep;

/// How long after one walk over a partition the next one begins.
const INTERVAL: Duration = Duration::from_mins(10);
/// The rest after each part of a walk, which leaves the database to steps.
const REST: Duration = Duration::from_millis(20);
const FAILED: &str = "removing old deliveries failed";

/// Removes what is older than it is kept, each time that the partitions that are owned are told.
pub(super) async fn run(
    store: Store,
    me: DispatcherId,
    keep: Keep,
    owned: watch::Receiver<BTreeSet<Partition>>,
) {
    tokio::join!(
        deliveries(store.clone(), me, keep.deliveries, owned.clone()),
        requests(store, keep.requests, owned),
    );
}

/// Removes deliveries; none where they are kept for ever.
async fn deliveries(
    store: Store,
    me: DispatcherId,
    keep: Option<Duration>,
    mut owned: watch::Receiver<BTreeSet<Partition>>,
) {
    let Some(keep) = keep else {
        return pending().await;
    };
    let mut failures = LogOnce::default();
    let mut walked: BTreeMap<Partition, Instant> = BTreeMap::new();
    while owned.changed().await.is_ok() {
        let mut partitions = owned.borrow_and_update().clone();
        // One that comes back may have been left in the middle.
        walked.retain(|partition, at| partitions.contains(partition) && at.elapsed() < INTERVAL);
        partitions.retain(|partition| !walked.contains_key(partition));
        let removed = async {
            for partition in partitions {
                let outcome = walk(&store, &me, partition, keep).await;
                if outcome.is_ok() {
                    walked.insert(partition, Instant::now());
                }
                failures.note_in(partition, FAILED, outcome)?;
            }
            Ok(())
        };
        let removed = removed.await;
        failures.note(FAILED, removed);
    }
    // The dispatcher is gone, and this goes with it.
    pending::<()>().await;
}

/// Removes answers to calls; none where they are kept for ever. They are few, so who owns the
/// first partition does it for all.
async fn requests(
    store: Store,
    keep: Option<Duration>,
    mut owned: watch::Receiver<BTreeSet<Partition>>,
) {
    let Some(keep) = keep else {
        return;
    };
    let mut failures = LogOnce::default();
    let mut last: Option<Instant> = None;
    while owned.changed().await.is_ok() {
        let is_mine = owned.borrow_and_update().contains(&Partition::new(0));
        if !is_mine || last.is_some_and(|last| last.elapsed() < INTERVAL) {
            continue;
        }
        let forgotten = forget(&store, keep).await;
        if forgotten.is_ok() {
            last = Some(Instant::now());
        }
        failures.note("removing old answers failed", forgotten);
    }
}

async fn forget(store: &Store, keep: Duration) -> Result<(), Error> {
    let until = until(store, keep);
    let mut count = 0;
    loop {
        let forgotten = store.forget_requests(until).await?;
        if forgotten == 0 {
            break;
        }
        count += forgotten;
        tokio::time::sleep(REST).await;
    }
    if count > 0 {
        tracing::info!(removed = count, "old answers removed");
    }
    Ok(())
}

/// Until when something changed last that is no longer kept.
fn until(store: &Store, keep: Duration) -> Timestamp {
    let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
    let now = store.clock().now().micros();
    Timestamp::from_micros(now.saturating_sub(keep))
}

async fn walk(
    store: &Store,
    me: &DispatcherId,
    partition: Partition,
    keep: Duration,
) -> Result<(), Error> {
    let until = until(store, keep);
    let (mut after, mut count) = (None, 0);
    loop {
        let removed = store.remove_deliveries(me, partition, until, after).await?;
        count += removed.count;
        after = removed.next;
        if after.is_none() {
            break;
        }
        tokio::time::sleep(REST).await;
    }
    if count > 0 {
        tracing::info!(
            partition = partition.number(),
            removed = count,
            "old deliveries removed"
        );
    }
    Ok(())
}
