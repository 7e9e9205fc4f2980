//! Entries as they were committed, in the log of their partition.

use super::entry::Entry;
use crate::{
    partition::Partition,
    value::{OrderId, WorkflowCode},
};

/// Where an entry stands in the log of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The partition.
    pub partition: Partition,
    /// 1, 2, 3 … for each partition, without gaps, in commit order.
    pub offset: i64,
}

/// An entry as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The workflow of its order.
    pub workflow: WorkflowCode,
    /// Its order.
    pub order_id: OrderId,
    /// Its place in the log.
    pub position: LogPosition,
    /// The offset of the first entry of its step; reads and tokens end only before such an offset.
    pub step_offset: i64,
    /// The entry.
    pub entry: Entry,
}
