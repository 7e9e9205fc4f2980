//! Places in a list of orders: which of two comes first, and where each stream
//! goes on behind a cursor.

use waymark_domain::value::{Timestamp, WorkflowCode};

use super::{
    query::{Direction, OrderCursor, OrderQuery, SortKey},
    source::{From, Seen},
};
use crate::{
    Error,
    rows::{Reading, order::OrderRow},
};

/// The highest id sorts before this, since ids are visible ASCII.
const ABOVE_ALL_IDS: &str = "\u{7f}";

/// The place of an order in a list. Within a partition, keys follow creation times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Time(i64, i32, i64),
    Id(String, String),
}

/// What of an order says where it stands in any list.
#[derive(Debug, Clone, diesel::Queryable)]
pub(super) struct Spot {
    pub(super) partition: i32,
    pub(super) order_key: i64,
    pub(super) workflow: String,
    pub(super) id: String,
    pub(super) create_time: i64,
    pub(super) update_time: i64,
}

impl Spot {
    pub(super) fn place(&self, by: SortKey) -> Place {
        match by {
            SortKey::UpdateTime => Place::Time(self.update_time, self.partition, self.order_key),
            SortKey::CreateTime => Place::Time(self.create_time, self.partition, self.order_key),
            SortKey::Id => Place::Id(self.id.clone(), self.workflow.clone()),
        }
    }
}

pub(super) fn place(row: &OrderRow, by: SortKey) -> Place {
    match by {
        SortKey::UpdateTime => Place::Time(row.update_time, row.partition, row.order_key),
        SortKey::CreateTime => Place::Time(row.create_time, row.partition, row.order_key),
        SortKey::Id => Place::Id(row.id.clone(), row.workflow.clone()),
    }
}

/// Whether a place comes behind another in the direction of the list.
fn behind(place: &Place, other: &Place, direction: Direction) -> bool {
    match direction {
        Direction::Ascending => place > other,
        Direction::Descending => place < other,
    }
}

/// Whether an order comes behind the cursor.
pub(super) fn is_next(spot: &Spot, query: &OrderQuery, after: Option<&OrderCursor>) -> bool {
    let direction = query.sort.direction;
    match after {
        None => true,
        Some(OrderCursor::UpdateTime {
            update_time,
            partition,
            order_key,
        }) => {
            let cursor = Place::Time(update_time.micros(), *partition, *order_key);
            behind(&spot.place(SortKey::UpdateTime), &cursor, direction)
        }
        Some(OrderCursor::CreateTime { after }) => {
            after
                .get(&spot.partition)
                .is_none_or(|key| match direction {
                    Direction::Ascending => spot.order_key > *key,
                    Direction::Descending => spot.order_key < *key,
                })
        }
        Some(OrderCursor::Id { id, workflow }) => {
            let cursor = Place::Id(id.to_string(), workflow.to_string());
            behind(&spot.place(SortKey::Id), &cursor, direction)
        }
    }
}

pub(super) fn advance(
    cursor: Option<OrderCursor>,
    row: &OrderRow,
    by: SortKey,
) -> Result<OrderCursor, Error> {
    let (partition, order_key) = (row.partition, row.order_key);
    match (by, cursor) {
        (SortKey::UpdateTime, _) => {
            let update_time = Timestamp::from_micros(row.update_time);
            Ok(OrderCursor::UpdateTime {
                update_time,
                partition,
                order_key,
            })
        }
        (SortKey::CreateTime, cursor) => {
            let mut after = match cursor {
                Some(OrderCursor::CreateTime { after }) => after,
                Some(OrderCursor::UpdateTime { .. } | OrderCursor::Id { .. }) | None => {
                    std::collections::BTreeMap::new()
                }
            };
            after.insert(partition, order_key);
            Ok(OrderCursor::CreateTime { after })
        }
        (SortKey::Id, _) => {
            let key = format!("{partition}/{order_key}");
            let reading = Reading {
                table: "orders",
                row: &key,
            };
            Ok(OrderCursor::Id {
                id: reading.text("id", &row.id)?,
                workflow: reading.text("workflow", &row.workflow)?,
            })
        }
    }
}

/// The list is sorted by time, partition and key; seen from one partition, a cursor in
/// another stands before or behind all keys of its instant.
pub(super) fn from_time(query: &OrderQuery, after: Option<&OrderCursor>, partition: i32) -> From {
    let (time, key) = match (after, query.sort.direction) {
        (
            Some(OrderCursor::UpdateTime {
                update_time,
                partition: at,
                order_key,
            }),
            direction,
        ) => {
            let key = match (partition.cmp(at), direction) {
                (std::cmp::Ordering::Equal, _) => *order_key,
                (std::cmp::Ordering::Less, _) => i64::MAX,
                (std::cmp::Ordering::Greater, _) => i64::MIN,
            };
            (update_time.micros(), key)
        }
        (_, Direction::Ascending) => (i64::MIN, i64::MIN),
        (_, Direction::Descending) => (i64::MAX, i64::MAX),
    };
    let (time, key) = match (
        query.sort.direction,
        query.updated_after,
        query.updated_before,
    ) {
        (Direction::Ascending, Some(after), _) => (time, key).max((after.micros(), i64::MAX)),
        (Direction::Descending, _, Some(before)) => (time, key).min((before.micros(), i64::MIN)),
        (Direction::Ascending | Direction::Descending, ..) => (time, key),
    };
    From::Time(time, key)
}

pub(super) fn from_key(direction: Direction, after: Option<&OrderCursor>, partition: i32) -> From {
    let given = match after {
        Some(OrderCursor::CreateTime { after }) => after.get(&partition).copied(),
        Some(OrderCursor::UpdateTime { .. } | OrderCursor::Id { .. }) | None => None,
    };
    From::Key(given.unwrap_or(match direction {
        Direction::Ascending => i64::MIN,
        Direction::Descending => i64::MAX,
    }))
}

/// Orders of several workflows may have one id; the list sorts them by workflow.
pub(super) fn from_id(
    direction: Direction,
    after: Option<&OrderCursor>,
    workflow: &WorkflowCode,
) -> From {
    match (after, direction) {
        (Some(OrderCursor::Id { id, workflow: at }), direction) => {
            let to_come = match direction {
                Direction::Ascending => workflow > at,
                Direction::Descending => workflow < at,
            };
            From::Id(id.to_string(), if to_come { Seen::No } else { Seen::Yes })
        }
        (_, Direction::Ascending) => From::Id(String::new(), Seen::No),
        (_, Direction::Descending) => From::Id(ABOVE_ALL_IDS.to_owned(), Seen::No),
    }
}
