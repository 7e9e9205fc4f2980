//! The columns of orders that lists read before bodies, and the questions about them.

use super::query::Direction;
use crate::{rows::StoredText, schema::orders, statement::read_row};

/// A state and a status of a workflow, where orders stand. Whether the texts are codes is of no
/// matter here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WorkflowPlace {
    pub(super) workflow: String,
    pub(super) state: String,
    pub(super) status: String,
}

read_row! {
    #[derive(diesel::Selectable)]
    #[diesel(table_name = orders)]
    OrderColumns {
        partition: i32,
        order_key: i64,
        workflow: StoredText,
        id: StoredText,
        state: StoredText,
        status: StoredText,
        return_status: Option<StoredText>,
        create_time: i64,
        update_time: i64,
    }
}

/// The number of a pair from 1, a partition, a key and an update time.
pub(super) type TimeRow = (i64, i32, i64, i64);

/// Where orders by update time go on, and how many are wanted.
#[derive(Debug, Clone)]
pub(super) struct ByTime {
    pub(super) direction: Direction,
    /// Behind this time, and in each partition behind its key at that time.
    pub(super) time: i64,
    pub(super) starts: Vec<(i32, i64)>,
    /// Before this time, seen in the direction.
    pub(super) until: i64,
    /// Of each pair in each partition.
    pub(super) each: i64,
    /// Of all together.
    pub(super) all: i64,
}
