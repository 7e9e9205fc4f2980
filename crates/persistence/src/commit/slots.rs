//! The orders and partitions of a batch as they are when it begins.

use std::collections::{BTreeMap, HashMap};

use waymark_domain::{
    order::Order,
    partition::Partition,
    value::{ActorId, OrderId, Timestamp, WorkflowCode},
};

use super::{Step, lookup};
use crate::{Error, Store, tx::Tx};

/// An order's workflow and id.
pub(super) type OrderRef = (WorkflowCode, OrderId);

/// An order as the batch sees it.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) partition: Partition,
    /// The offset of its first entry; 0 as long as there is no order.
    pub(super) order_key: i64,
    pub(super) order: Option<Order>,
    /// The version and the customer that the database has, if it has the order.
    pub(super) stored: Option<(i64, ActorId)>,
}

/// The end of a partition's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log {
    /// The offset of the next entry.
    pub(super) next: i64,
    /// The time of the batch in the partition.
    pub(super) now: Timestamp,
}

/// Finds the orders of the steps; those that are not there get a slot without one.
pub(super) async fn slots(
    store: &Store,
    tx: &mut Tx,
    steps: &[&Step],
) -> Result<HashMap<OrderRef, Slot>, Error> {
    let mut slots = HashMap::new();
    for step in steps {
        let order_ref = (step.workflow.clone(), step.order_id.clone());
        let partition = store.partition_of(&step.workflow, &step.order_id);
        slots.insert(
            order_ref,
            Slot {
                partition,
                order_key: 0,
                order: None,
                stored: None,
            },
        );
    }
    let keys = slots
        .iter()
        .map(|((workflow, id), slot)| (slot.partition, workflow.as_str(), id.as_str()));
    let mut keys = keys.collect::<Vec<_>>();
    keys.sort_unstable();
    for row in lookup::orders(tx, &keys).await? {
        let order = row.order()?;
        if let Some(slot) = slots.get_mut(&(order.workflow.clone(), order.id.clone())) {
            slot.order_key = row.order_key;
            slot.stored = Some((order.version, order.customer.id.clone()));
            slot.order = Some(order);
        }
    }
    Ok(slots)
}

/// The clock is read after the locks are held, and a partition's time never goes back.
pub(super) async fn logs(
    store: &Store,
    tx: &mut Tx,
    slots: &HashMap<OrderRef, Slot>,
) -> Result<BTreeMap<Partition, Log>, Error> {
    let mut partitions = slots
        .values()
        .map(|slot| slot.partition)
        .collect::<Vec<_>>();
    partitions.sort_unstable();
    partitions.dedup();
    let heads = lookup::by_partition(lookup::heads(tx, &partitions).await?);
    let clock = store.clock().now();
    let logs = partitions.into_iter().map(|partition| {
        let log = match heads.get(&partition) {
            Some(head) => Log {
                next: head.position.offset + 1,
                now: clock.max(head.create_time),
            },
            None => Log {
                next: 1,
                now: clock,
            },
        };
        (partition, log)
    });
    Ok(logs.collect())
}
