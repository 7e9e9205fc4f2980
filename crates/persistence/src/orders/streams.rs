//! The sorted streams of a list of orders, of which no more is read than the places in indexes.

use std::collections::HashMap;

use super::{
    columns::{ByTime, OrderColumns, TimeRow, WorkflowPlace},
    cursor::{Instant, OrderPlace, Spot, behind_id, key_in},
    keys::{self, Sieve},
    query::{Direction, OrderSort, SortKey},
};
use crate::{
    Error,
    merge::{Merge, Next},
    statement::limit,
    tx::Tx,
};

/// How many orders are looked at in one statement, if the streams are few.
pub(super) const LOOK_MAX: usize = 4_000;

/// How many ranges of an index are looked at in one statement.
const RANGES_AT_ONCE: usize = 2_048;

/// How many more of each stream are asked for than its share, so that it rarely has to be asked
/// again before the others are used up.
const SHARE_MORE: usize = 4;

/// The orders of a stream, and where it goes on.
#[derive(Debug)]
pub(super) enum OrderRange {
    /// Orders on some places in all partitions, by update time: behind this one.
    Places {
        pairs: Vec<WorkflowPlace>,
        from: Instant,
    },
    /// Orders of a partition, by key: behind this one.
    Log { partition: i32, from: i64 },
    /// Orders of a workflow, by id: upwards at this text, downwards below it.
    Ids { workflow: String, from: String },
}

pub(super) struct OrderStreams {
    sort: OrderSort,
    partitions: Vec<i32>,
    /// In a list by update time, nothing at this time or behind it is asked for.
    until: i64,
    ranges: Vec<OrderRange>,
    merge: Merge<OrderPlace, Spot>,
    /// How many orders the next statement asks for.
    chunk: usize,
}

impl OrderStreams {
    /// Streams that are sorted as the list is, for a page of `limit` orders.
    pub(super) fn new(
        ranges: Vec<OrderRange>,
        (sort, until): (OrderSort, i64),
        partitions: Vec<i32>,
        limit: usize,
    ) -> Self {
        Self {
            sort,
            partitions,
            until,
            merge: Merge::new(ranges.len(), sort.direction, |spot: &Spot| {
                spot.place.clone()
            }),
            ranges,
            // One more than fits, to learn whether there is more.
            chunk: limit.saturating_add(1).min(LOOK_MAX),
        }
    }

    pub(super) fn next(&mut self) -> Next<Spot> {
        self.merge.next()
    }

    /// Reads on in one statement where the next order is not known, and says how many it brought.
    pub(super) async fn refill(&mut self, tx: &mut Tx, sieve: &Sieve<'_>) -> Result<usize, Error> {
        let at_once = match self.sort.by {
            // Such a stream is of many ranges itself.
            SortKey::UpdateTime => 1,
            SortKey::CreateTime | SortKey::Id => RANGES_AT_ONCE,
        };
        let taken = self.merge.take_dry(at_once);
        let found = match self.sort.by {
            SortKey::UpdateTime => self.by_time(tx, &taken).await?,
            SortKey::CreateTime => self.by_key(tx, &taken, sieve).await?,
            SortKey::Id => self.by_id(tx, &taken, sieve).await?,
        };
        // The more so the fewer of those that come are asked for.
        self.chunk = self.chunk.saturating_mul(2).min(LOOK_MAX);
        Ok(found)
    }

    async fn by_time(&mut self, tx: &mut Tx, taken: &[usize]) -> Result<usize, Error> {
        let mut found = 0;
        let each = share(self.chunk, self.partitions.len());
        for index in taken {
            let Some(OrderRange::Places { pairs, from }) = self.ranges.get_mut(*index) else {
                continue;
            };
            let partitions = self.partitions.iter();
            let starts = partitions.map(|partition| (*partition, key_in(*from, *partition)));
            let asked = ByTime {
                direction: self.sort.direction,
                time: from.0,
                starts: starts.collect(),
                until: self.until,
                each: limit(each),
                all: limit(self.chunk),
            };
            let mut rows = keys::by_time(tx, pairs, &asked).await?;
            found += rows.len();
            let (certain, more) = certain(&rows, each);
            let ended = !more && rows.len() < self.chunk;
            rows.truncate(certain);
            if let Some((_, partition, key, time)) = rows.last() {
                *from = (*time, *partition, *key);
            }
            let spots = rows.into_iter().map(|row| spot(pairs, row));
            self.merge.fill(*index, spots.collect(), ended);
        }
        Ok(found)
    }

    async fn by_key(
        &mut self,
        tx: &mut Tx,
        taken: &[usize],
        sieve: &Sieve<'_>,
    ) -> Result<usize, Error> {
        let each = share(self.chunk, taken.len());
        let starts = taken.iter().filter_map(|index| {
            let OrderRange::Log { partition, from } = self.ranges.get(*index)? else {
                return None;
            };
            Some((*partition, *from))
        });
        let starts: Vec<_> = starts.collect();
        let direction = self.sort.direction;
        let rows = keys::by_key(tx, &starts, direction, each).await?;
        let found = rows.len();
        let mut by_partition: HashMap<i32, Vec<OrderColumns>> = HashMap::new();
        for row in rows {
            by_partition.entry(row.partition).or_default().push(row);
        }
        for index in taken {
            let Some(OrderRange::Log { partition, from }) = self.ranges.get_mut(*index) else {
                continue;
            };
            let mut rows = by_partition.remove(partition).unwrap_or_default();
            rows.sort_by_key(|row| row.order_key);
            if direction == Direction::Descending {
                rows.reverse();
            }
            if let Some(last) = rows.last() {
                *from = last.order_key;
            }
            let ended = rows.len() < each;
            let spots = rows.into_iter().map(|row| sieve.spot(row));
            self.merge.fill(*index, spots.collect(), ended);
        }
        Ok(found)
    }

    async fn by_id(
        &mut self,
        tx: &mut Tx,
        taken: &[usize],
        sieve: &Sieve<'_>,
    ) -> Result<usize, Error> {
        let each = share(self.chunk, taken.len());
        let starts = taken.iter().filter_map(|index| {
            let OrderRange::Ids { workflow, from } = self.ranges.get(*index)? else {
                return None;
            };
            Some((workflow.clone(), from.clone()))
        });
        let starts: Vec<_> = starts.collect();
        let direction = self.sort.direction;
        let rows = keys::by_id(tx, &starts, direction, each).await?;
        let found = rows.len();
        let mut by_workflow: HashMap<String, Vec<OrderColumns>> = HashMap::new();
        for row in rows {
            let of_workflow = by_workflow
                .entry(row.workflow.lossy().to_owned())
                .or_default();
            of_workflow.push(row);
        }
        for index in taken {
            let Some(OrderRange::Ids { workflow, from }) = self.ranges.get_mut(*index) else {
                continue;
            };
            let mut rows = by_workflow.remove(workflow).unwrap_or_default();
            rows.sort_by(|one, other| one.id.lossy().cmp(other.id.lossy()));
            if direction == Direction::Descending {
                rows.reverse();
            }
            let mut ended = rows.len() < each;
            if let Some(last) = rows.last() {
                match behind_id(direction, &last.id) {
                    Some(next) => *from = next,
                    None => ended = true,
                }
            }
            let spots = rows.into_iter().map(|row| sieve.spot(row));
            self.merge.fill(*index, spots.collect(), ended);
        }
        Ok(found)
    }
}

/// The streams of a list by update time that is of these places.
pub(super) fn of_places(
    pairs: &[WorkflowPlace],
    partitions: usize,
    from: Instant,
) -> Vec<OrderRange> {
    let at_once = (RANGES_AT_ONCE / partitions.max(1)).max(1);
    let ranges = pairs.chunks(at_once).map(|pairs| OrderRange::Places {
        pairs: pairs.to_vec(),
        from,
    });
    ranges.collect()
}

/// How many to ask of each of several streams for so many of all together.
fn share(chunk: usize, streams: usize) -> usize {
    let twice = chunk.saturating_mul(2) / streams.max(1);
    twice.saturating_add(SHARE_MORE).min(chunk)
}

/// How many of the rows surely come first: none of the place and partition that gave as many as it
/// was asked for can be missing before its last one. And whether there is such a one.
fn certain(rows: &[TimeRow], each: usize) -> (usize, bool) {
    let mut given: HashMap<(i64, i32), usize> = HashMap::new();
    for (index, (number, partition, ..)) in rows.iter().enumerate() {
        let given = given.entry((*number, *partition)).or_default();
        *given += 1;
        if *given >= each {
            return (index + 1, true);
        }
    }
    (rows.len(), false)
}

fn spot(pairs: &[WorkflowPlace], (number, partition, order_key, time): TimeRow) -> Spot {
    let pair = usize::try_from(number).ok();
    let pair = pair.and_then(|number| pairs.get(number.checked_sub(1)?));
    Spot {
        partition,
        order_key,
        workflow: pair.map(|pair| pair.workflow.clone()).unwrap_or_default(),
        place: OrderPlace::Time(time, partition, order_key),
        fits: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_missing_is_not_taken() {
        let row = |number, partition, time| (number, partition, time, time);
        // Of the first place in partition 0 more may follow behind 3, before 4.
        let rows = [row(1, 0, 1), row(1, 1, 2), row(1, 0, 3), row(2, 0, 4)];
        assert_eq!(certain(&rows, 2), (3, true));
        assert_eq!(certain(&rows, 3), (4, false));
        assert_eq!(certain(&rows, 1), (1, true));
        assert_eq!(certain(&[], 1), (0, false));
    }

    #[test]
    fn a_share_is_enough_for_one_stream_and_small_for_many() {
        assert_eq!(share(51, 1), 51);
        assert_eq!(share(51, 8), 16);
        assert_eq!(share(51, 1_024), SHARE_MORE);
        assert_eq!(share(2, 1_024), 2);
    }

    #[test]
    fn many_places_are_several_streams() {
        let pair = |number: usize| WorkflowPlace {
            workflow: "order".to_owned(),
            state: "new".to_owned(),
            status: format!("s{number}"),
        };
        let pairs: Vec<_> = (0..200).map(pair).collect();
        let streams = |partitions| of_places(&pairs, partitions, (0, 0, 0)).len();
        assert_eq!((streams(1), streams(8), streams(1_024)), (1, 1, 100));
    }
}
