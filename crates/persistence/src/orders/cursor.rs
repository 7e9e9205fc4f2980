//! Places in a list of orders: which of two comes first, and where each stream and each page goes
//! on behind a cursor.

use std::collections::BTreeMap;

use waymark_domain::{order::Order, value::Timestamp};

use super::query::{Direction, OrderCursor, OrderQuery};
use crate::{catalog::Edition, rows::StoredText};

/// The highest id sorts before this, since ids are visible ASCII.
const ABOVE_ALL_IDS: &str = "\u{7f}";

/// Sorts before all that an id goes on with.
const BELOW_ALL_CHARACTERS: char = '\u{1}';

/// A time, a partition and a key: a place in a list by update time.
pub(super) type Instant = (i64, i32, i64);

/// The place of an order in a list. Within a partition, keys follow creation times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OrderPlace {
    Time(i64, i32, i64),
    Id(String, String),
}

/// An order in a list, before all of it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) partition: i32,
    pub(super) order_key: i64,
    pub(super) workflow: String,
    pub(super) place: OrderPlace,
    /// Whether it is asked for, as far as that is known without its body.
    pub(super) fits: bool,
}

impl Spot {
    pub(super) fn key(&self) -> (i32, i64) {
        (self.partition, self.order_key)
    }
}

/// Whether a place comes behind another in the direction of the list.
fn behind(place: &OrderPlace, other: &OrderPlace, direction: Direction) -> bool {
    match direction {
        Direction::Ascending => place > other,
        Direction::Descending => place < other,
    }
}

/// Whether an order comes behind the cursor.
pub(super) fn is_next(spot: &Spot, direction: Direction, after: Option<&OrderCursor>) -> bool {
    match after {
        None => true,
        Some(OrderCursor::UpdateTime {
            update_time,
            partition,
            order_key,
        }) => {
            let cursor = OrderPlace::Time(update_time.micros(), *partition, *order_key);
            behind(&spot.place, &cursor, direction)
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
            let cursor = OrderPlace::Id(id.to_string(), workflow.to_string());
            behind(&spot.place, &cursor, direction)
        }
    }
}

/// The cursor behind an order that came behind another cursor, by creation time where `by_key`
/// says so.
pub(super) fn advance(
    cursor: Option<OrderCursor>,
    spot: &Spot,
    by_key: bool,
) -> Option<OrderCursor> {
    let (partition, order_key) = spot.key();
    match &spot.place {
        OrderPlace::Time(..) if by_key => {
            let mut after = match cursor {
                Some(OrderCursor::CreateTime { after }) => after,
                Some(OrderCursor::UpdateTime { .. } | OrderCursor::Id { .. }) | None => {
                    BTreeMap::new()
                }
            };
            after.insert(partition, order_key);
            Some(OrderCursor::CreateTime { after })
        }
        OrderPlace::Time(time, ..) => Some(OrderCursor::UpdateTime {
            update_time: Timestamp::from_micros(*time),
            partition,
            order_key,
        }),
        OrderPlace::Id(id, workflow) => match (id.parse(), workflow.parse()) {
            (Ok(id), Ok(workflow)) => Some(OrderCursor::Id { id, workflow }),
            // It is met again behind the same cursor, and left out again.
            (Err(_), _) | (_, Err(_)) => cursor,
        },
    }
}

/// Where a list by update time begins, seen from all partitions: what is asked for comes behind it.
pub(super) fn from_time(query: &OrderQuery, after: Option<&OrderCursor>) -> Instant {
    let given = match after {
        Some(OrderCursor::UpdateTime {
            update_time,
            partition,
            order_key,
        }) => Some((update_time.micros(), *partition, *order_key)),
        Some(OrderCursor::CreateTime { .. } | OrderCursor::Id { .. }) | None => None,
    };
    match query.sort.direction {
        Direction::Ascending => {
            let first = query.updated_after.map_or(i64::MIN, Timestamp::micros);
            let bound = match query.updated_after {
                Some(_) => (first, i32::MAX, i64::MAX),
                None => (first, i32::MIN, i64::MIN),
            };
            given.map_or(bound, |given| given.max(bound))
        }
        Direction::Descending => {
            let last = query.updated_before.map_or(i64::MAX, Timestamp::micros);
            let bound = match query.updated_before {
                Some(_) => (last, i32::MIN, i64::MIN),
                None => (last, i32::MAX, i64::MAX),
            };
            given.map_or(bound, |given| given.min(bound))
        }
    }
}

/// The list is sorted by time, partition and key; seen from one partition, a place in another
/// stands before or behind all keys of its instant.
pub(super) fn key_in((_, at, order_key): Instant, partition: i32) -> i64 {
    match partition.cmp(&at) {
        std::cmp::Ordering::Equal => order_key,
        std::cmp::Ordering::Less => i64::MAX,
        std::cmp::Ordering::Greater => i64::MIN,
    }
}

/// The key behind which a list by creation time goes on in a partition.
pub(super) fn from_key(direction: Direction, after: Option<&OrderCursor>, partition: i32) -> i64 {
    let given = match after {
        Some(OrderCursor::CreateTime { after }) => after.get(&partition).copied(),
        Some(OrderCursor::UpdateTime { .. } | OrderCursor::Id { .. }) | None => None,
    };
    given.unwrap_or(match direction {
        Direction::Ascending => i64::MIN,
        Direction::Descending => i64::MAX,
    })
}

/// The text at which the ids of a workflow go on: upwards with it and all above, downwards with
/// all below. Orders of several workflows may have one id; the list sorts them by workflow.
pub(super) fn from_id(direction: Direction, after: Option<&OrderCursor>, workflow: &str) -> String {
    match (after, direction) {
        (Some(OrderCursor::Id { id, workflow: at }), Direction::Ascending) => {
            if workflow > at.as_str() {
                id.to_string()
            } else {
                just_above(id.as_str())
            }
        }
        (Some(OrderCursor::Id { id, workflow: at }), Direction::Descending) => {
            if workflow < at.as_str() {
                just_above(id.as_str())
            } else {
                id.to_string()
            }
        }
        (_, Direction::Ascending) => String::new(),
        (_, Direction::Descending) => ABOVE_ALL_IDS.to_owned(),
    }
}

/// The text at which the ids of a workflow go on behind one; none where no other id comes. Of one
/// that cannot be read it is not known where it stands among those that begin as it does, which are
/// no ids either: ids are visible ASCII, and it is not. So all of these are passed.
pub(super) fn behind_id(direction: Direction, id: &StoredText) -> Option<String> {
    match (id.utf8(), direction) {
        (Some(id), Direction::Ascending) => Some(just_above(id)),
        (Some(id), Direction::Descending) => Some(id.to_owned()),
        (None, direction) => {
            let shown = id.lossy().chars();
            let mut beginning: String = shown.take_while(char::is_ascii).collect();
            match direction {
                Direction::Ascending => {
                    let last = beginning.pop()?;
                    beginning.push(char::from_u32(u32::from(last) + 1)?);
                }
                Direction::Descending => beginning.push_str(ABOVE_ALL_IDS),
            }
            Some(beginning)
        }
    }
}

/// The text behind an id, before which no other id comes.
fn just_above(id: &str) -> String {
    let mut above = id.to_owned();
    above.push(BELOW_ALL_CHARACTERS);
    above
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPage {
    /// The orders; perhaps none, although there is a next page.
    pub orders: Vec<Order>,
    /// Where the next page goes on; none at the end.
    pub next: Option<OrderCursor>,
    /// Where this page began, and where each of its orders was found.
    pub(super) begin: Option<OrderCursor>,
    pub(super) spots: Vec<Spot>,
    pub(super) by_key: bool,
    /// The edition of the catalog, later than the orders; none where there are none.
    pub(super) edition: Option<Edition>,
}

impl OrderPage {
    /// Where the next page goes on if only the first orders of this one are shown.
    pub fn next_after(&self, count: usize) -> Option<OrderCursor> {
        if count >= self.orders.len() {
            return self.next.clone();
        }
        let shown = self.spots.iter().take(count);
        shown.fold(self.begin.clone(), |cursor, spot| {
            advance(cursor, spot, self.by_key)
        })
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::value::{OrderId, WorkflowCode};

    use super::*;
    use crate::orders::query::{OrderSort, SortKey};

    fn query(direction: Direction) -> OrderQuery {
        OrderQuery {
            sort: OrderSort {
                by: SortKey::UpdateTime,
                direction,
            },
            ..OrderQuery::default()
        }
    }

    #[test]
    fn every_partition_goes_on_behind_a_time() {
        let cursor = OrderCursor::UpdateTime {
            update_time: Timestamp::from_micros(50),
            partition: 2,
            order_key: 7,
        };
        for direction in [Direction::Ascending, Direction::Descending] {
            let from = from_time(&query(direction), Some(&cursor));
            assert_eq!(from, (50, 2, 7));
            let keys = [1, 2, 3].map(|partition| key_in(from, partition));
            assert_eq!(keys, [i64::MAX, 7, i64::MIN], "{direction:?}");
        }
    }

    #[test]
    fn what_is_asked_for_lies_within_the_times() {
        let time = Timestamp::from_micros;
        let ascending = OrderQuery {
            updated_after: Some(time(10)),
            ..query(Direction::Ascending)
        };
        let from = from_time(&ascending, None);
        assert_eq!(
            (from.0, key_in(from, 0)),
            (10, i64::MAX),
            "behind all at 10"
        );
        let descending = OrderQuery {
            updated_before: Some(time(10)),
            ..query(Direction::Descending)
        };
        let from = from_time(&descending, None);
        assert_eq!(
            (from.0, key_in(from, 0)),
            (10, i64::MIN),
            "before all at 10"
        );
        let later = OrderCursor::UpdateTime {
            update_time: time(5),
            partition: 0,
            order_key: 1,
        };
        assert_eq!(from_time(&descending, Some(&later)), (5, 0, 1));
        assert_eq!(from_time(&ascending, Some(&later)).0, 10);
    }

    #[test]
    fn ids_go_on_behind_one_that_cannot_be_read() {
        let behind = |direction, shown: &str| {
            let id = StoredText::Lossy(shown.into());
            behind_id(direction, &id)
        };
        let (up, down) = (Direction::Ascending, Direction::Descending);
        // Behind `A-` and a byte above 0x7F come `A.` and all that is higher.
        assert_eq!(behind(up, "A-\u{FFFD}1").as_deref(), Some("A."));
        assert_eq!(behind(up, "\u{FFFD}"), None);
        // Before it come all ids that begin with `A-`.
        let before = behind(down, "A-\u{FFFD}1").unwrap();
        assert!("A-~" < before.as_str() && before.as_bytes() < b"A-\x80".as_slice());
        assert_eq!(behind(down, "\u{FFFD}").as_deref(), Some(ABOVE_ALL_IDS));
        let readable = StoredText::Utf8("A-1".to_owned());
        assert_eq!(behind_id(up, &readable), Some(just_above("A-1")));
        assert_eq!(behind_id(down, &readable).as_deref(), Some("A-1"));
    }

    #[test]
    fn one_id_of_several_workflows_is_taken_in_turn() {
        let cursor = OrderCursor::Id {
            id: OrderId::new("A-1").unwrap(),
            workflow: WorkflowCode::new("m").unwrap(),
        };
        let above = "A-1\u{1}".to_owned();
        for (direction, workflow, expected) in [
            (Direction::Ascending, "a", &above),
            (Direction::Ascending, "m", &above),
            (Direction::Ascending, "z", &"A-1".to_owned()),
            (Direction::Descending, "a", &above),
            (Direction::Descending, "m", &"A-1".to_owned()),
            (Direction::Descending, "z", &"A-1".to_owned()),
        ] {
            let from = from_id(direction, Some(&cursor), workflow);
            assert_eq!(&from, expected, "{direction:?} {workflow}");
        }
        let (low, high) = ("A-1", "A-1!");
        assert!(low < above.as_str() && above.as_str() < high);
    }
}
