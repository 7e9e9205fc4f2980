//! The orders and partitions of a batch as they are when it begins.

use std::collections::{BTreeMap, HashMap};

use waymark_domain::{
    history::Moment,
    order::Order,
    partition::Partition,
    value::{ActorId, OrderId, Timestamp, WorkflowCode},
};

use super::{Step, batch::OrderKey};
use crate::{
    BatchId, Error, Head, Store,
    rows::{Reading, entry_index::EntryIndex, order::OrderRow},
};

/// The end of the year 9999: no answer can show what is later.
const LAST: Timestamp = Timestamp::from_micros(253_402_300_799_999_999);
/// How many offsets there must be behind the last entry, so that a transaction can count on.
const OFFSETS_LEFT: i64 = 1 << 32;

pub(super) type OrderRef = (WorkflowCode, OrderId);

#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) partition: Partition,
    /// The offset of its first entry; 0 as long as there is no order.
    pub(super) order_key: i64,
    pub(super) order: Option<Order>,
    /// When time alone will next do something with it.
    pub(super) due_time: Option<Timestamp>,
    pub(super) entry_index: EntryIndex,
    /// How many bytes the order takes in the database; 0 where it was not there.
    pub(super) bytes: usize,
    /// The version and the customer that the database has, if it has the order.
    pub(super) stored: Option<(i64, ActorId)>,
}

impl Slot {
    /// Whether the database has another order than this, or none.
    pub(super) fn is_changed(&self) -> bool {
        let version = self.order.as_ref().map(|order| order.version);
        version != self.stored.as_ref().map(|(version, _)| *version)
    }
}

/// The end of a partition's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogEnd {
    /// The offset of the next entry.
    pub(super) next: i64,
    /// When the batch happens, in the partition and by the clock.
    pub(super) moment: Moment,
    /// The transaction that wrote the last entry before the batch, if there is any.
    pub(super) before: Option<BatchId>,
}

/// The orders of a batch, none of which was looked for yet.
pub(super) fn empty(store: &Store, steps: &[&Step]) -> HashMap<OrderRef, Slot> {
    let mut slots = HashMap::with_capacity(steps.len());
    for step in steps {
        let order_ref = (step.workflow.clone(), step.order_id.clone());
        slots.entry(order_ref).or_insert_with(|| Slot {
            partition: store.partition_of(&step.workflow, &step.order_id),
            order_key: 0,
            order: None,
            due_time: None,
            entry_index: EntryIndex::empty(),
            bytes: 0,
            stored: None,
        });
    }
    slots
}

/// By what the orders are found, in the order of the index.
pub(super) fn keys(slots: &HashMap<OrderRef, Slot>) -> Vec<OrderKey<'_>> {
    let keys = slots
        .keys()
        .map(|(workflow, id)| (workflow.as_str(), id.as_str()));
    let mut keys = keys.collect::<Vec<_>>();
    keys.sort_unstable();
    keys
}

pub(super) fn fill(slots: &mut HashMap<OrderRef, Slot>, rows: Vec<OrderRow>) -> Result<(), Error> {
    for row in rows {
        let order = row.order()?;
        if let Some(slot) = slots.get_mut(&(order.workflow.clone(), order.id.clone())) {
            slot.order_key = row.order_key;
            slot.entry_index = row.entry_index()?;
            slot.bytes = row.body.len() + row.journal.len();
            slot.stored = Some((order.version, order.customer.id.clone()));
            slot.order = Some(order);
        }
    }
    Ok(())
}

/// The ends of partitions. The clock is read after the locks are held, and a partition's time never
/// goes back; what is due is judged by the clock all the same. A time that no clock can have said
/// is ignored: what comes next is stamped by the clock.
///
/// # Errors
/// Returns [`Error::Corrupt`] where no entry can follow the last one.
pub(super) fn logs(
    store: &Store,
    partitions: &[Partition],
    heads: &BTreeMap<Partition, Head>,
) -> Result<BTreeMap<Partition, LogEnd>, Error> {
    let clock = store.clock().now();
    let logs = partitions.iter().map(|partition| {
        let log = match heads.get(partition) {
            Some(head) => LogEnd {
                next: after(head)?,
                moment: Moment {
                    time: clock.max(written(head).unwrap_or(clock)),
                    clock,
                },
                before: Some(head.batch),
            },
            None => LogEnd {
                next: 1,
                moment: clock.into(),
                before: None,
            },
        };
        Ok::<_, Error>((*partition, log))
    });
    logs.collect()
}

/// The offset behind the last entry of a partition.
fn after(head: &Head) -> Result<i64, Error> {
    let next = head.position.offset.checked_add(OFFSETS_LEFT);
    if next.is_none() {
        let (partition, offset) = (head.position.partition.number(), head.position.offset);
        let row = format!("{partition}/{offset}");
        let reading = Reading::of("history", &row);
        return Err(reading.corrupt("log_offset", "no entry can follow it"));
    }
    Ok(head.position.offset.saturating_add(1))
}

/// When the last entry of a partition was written; none where no clock can have said so.
fn written(head: &Head) -> Option<Timestamp> {
    if head.create_time <= LAST {
        return Some(head.create_time);
    }
    tracing::error!(
        partition = head.position.partition.number(),
        offset = head.position.offset,
        create_time = head.create_time.micros(),
        "time of the last entry impossible, the next one has the time of the clock"
    );
    None
}
