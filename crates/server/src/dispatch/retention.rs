//! Removes deliveries with which nothing happens any more, some days after their last change, in
//! the partitions that are carried, a little at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use waymark_domain::{partition::Partition, value::Timestamp};
use waymark_persistence::{DispatcherId, Error, Store};

use super::{Failing, rounds::FailingParts};

/// How long after one walk over a partition the next one begins.
const INTERVAL: Duration = Duration::from_mins(10);
/// The rest after each part of a walk, which leaves the database to steps.
const REST: Duration = Duration::from_millis(20);

/// Removes what is older than it is kept, again and again; nothing where it is kept for ever. What
/// is carried is told with every sign of life.
pub(super) async fn run(
    store: Store,
    me: DispatcherId,
    keep: Option<Duration>,
    mut owned: watch::Receiver<BTreeSet<Partition>>,
) {
    let Some(keep) = keep else {
        return pending().await;
    };
    let mut failing = Failing::default();
    let mut parts = FailingParts::new("old deliveries of a partition cannot be removed");
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
                parts.note(partition, outcome)?;
            }
            Ok(())
        };
        failing.note("old deliveries cannot be removed", removed.await);
    }
    // Whoever tells what is carried is gone, and this goes with it.
    pending().await
}

async fn walk(
    store: &Store,
    me: &DispatcherId,
    partition: Partition,
    keep: Duration,
) -> Result<(), Error> {
    let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
    let now = store.clock().now().micros();
    let until = Timestamp::from_micros(now.saturating_sub(keep));
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
            "old deliveries were removed"
        );
    }
    Ok(())
}
