//! What a token is known to stand for. Tokens are opaque, so it is a range for each partition: after the last entry
//! that was delivered, before the next one that should be, and never beyond what existed when the token was given.

use std::collections::{BTreeMap, HashMap};

use super::{Filter, Record, Session, Start, entries::Entries};

/// Between which offsets a position is; both may be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: i64,
    pub(super) high: i64,
}

/// The range in each partition that has entries.
pub(super) type Ranges = BTreeMap<i32, Range>;

/// What had happened at an instant, as far as clients can tell.
pub(super) struct Times {
    /// By partition: when a step ended well, and the highest offset acknowledged up to then.
    acknowledged: BTreeMap<i32, Vec<(u64, i64)>>,
    /// By partition, latest first: when a step was sent, and the lowest offset of those sent then or later.
    sent: BTreeMap<i32, Vec<(u64, i64)>>,
}

impl Times {
    pub(super) fn of(entries: &Entries<'_>) -> Self {
        let mut times = Self {
            acknowledged: BTreeMap::new(),
            sent: BTreeMap::new(),
        };
        for (partition, of_partition) in &entries.partitions {
            let mut ends = Vec::new();
            let mut begins = Vec::new();
            for entry in of_partition {
                let Some(step) = entries.wanted(entry) else {
                    continue;
                };
                let offset = entry.log_position.unwrap_or_default().offset;
                if step.done().is_some() {
                    ends.push((step.ended, offset));
                }
                begins.push((step.began, offset));
            }
            ends.sort_unstable();
            begins.sort_unstable_by(|a, b| b.cmp(a));
            times
                .acknowledged
                .insert(*partition, running(ends, i64::max));
            times.sent.insert(*partition, running(begins, i64::min));
        }
        times
    }

    /// The highest offset that was acknowledged before an instant; 0 for none.
    pub(super) fn acknowledged_before(&self, partition: i32, instant: u64) -> i64 {
        let ends = self
            .acknowledged
            .get(&partition)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let count = ends.partition_point(|(end, _)| *end < instant);
        count
            .checked_sub(1)
            .and_then(|last| ends.get(last))
            .map_or(0, |(_, offset)| *offset)
    }

    /// The highest offset that may have existed at an instant.
    fn existing_at(&self, partition: i32, instant: u64) -> i64 {
        let begins = self
            .sent
            .get(&partition)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let count = begins.partition_point(|(begin, _)| *begin > instant);
        count
            .checked_sub(1)
            .and_then(|last| begins.get(last))
            .map_or(i64::MAX, |(_, offset)| offset - 1)
    }
}

fn running(mut pairs: Vec<(u64, i64)>, choose: fn(i64, i64) -> i64) -> Vec<(u64, i64)> {
    let mut best = None;
    for (_, offset) in &mut pairs {
        let chosen = best.map_or(*offset, |best| choose(best, *offset));
        *offset = chosen;
        best = Some(chosen);
    }
    pairs
}

/// The tokens that were given out so far.
#[derive(Default)]
pub(super) struct Tokens(HashMap<String, Ranges>);

impl Tokens {
    /// Notes one more thing that is known of a token.
    ///
    /// # Errors
    /// Returns the partition where it cannot be true together with what was known.
    pub(super) fn note(&mut self, token: &str, ranges: &Ranges) -> Result<(), i32> {
        let known = self
            .0
            .entry(token.to_owned())
            .or_insert_with(|| ranges.clone());
        for (partition, range) in ranges {
            let both = known.entry(*partition).or_insert(*range);
            *both = Range {
                low: both.low.max(range.low),
                high: both.high.min(range.high),
            };
            if both.low > both.high {
                return Err(*partition);
            }
        }
        Ok(())
    }

    /// Where a session begins; none for a token that was not given out.
    pub(super) fn start(
        &self,
        session: &Session,
        entries: &Entries<'_>,
        times: &Times,
    ) -> Option<Ranges> {
        let each = |range: &dyn Fn(i32) -> Range| {
            entries.partitions.keys().map(|p| (*p, range(*p))).collect()
        };
        let greeted = session
            .messages
            .first()
            .map_or(u64::MAX, |message| message.at);
        match &session.start {
            Start::Beginning => Some(each(&|_| Range { low: 0, high: 0 })),
            Start::Now => Some(each(&|partition| Range {
                low: times.acknowledged_before(partition, session.opened),
                high: times.existing_at(partition, greeted),
            })),
            Start::Token(token) => self.0.get(token).cloned(),
        }
    }
}

/// Where a session that began at `start` may stand, having delivered up to `delivered` in each partition, at `instant`.
pub(super) fn reached(
    start: &Ranges,
    delivered: &BTreeMap<i32, i64>,
    instant: u64,
    matches: &Matches,
    times: &Times,
) -> Ranges {
    let mut ranges = Ranges::new();
    for (partition, range) in start {
        let low = delivered.get(partition).copied().unwrap_or(range.low);
        let surely = delivered.get(partition).copied().unwrap_or(range.high);
        let next = matches
            .next_after(*partition, surely)
            .map_or(i64::MAX, |next| next - 1);
        let high = next.min(times.existing_at(*partition, instant)).max(low);
        ranges.insert(*partition, Range { low, high });
    }
    ranges
}

/// The offsets that match a filter, by partition. A partition that was not asked for has none.
pub(super) struct Matches(BTreeMap<i32, Vec<i64>>);

impl Matches {
    pub(super) fn of(filter: &Filter, record: &Record) -> Self {
        let mut matches: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for entry in record.log.iter().filter(|entry| filter.matches(entry)) {
            let position = entry.log_position.unwrap_or_default();
            matches
                .entry(position.partition)
                .or_default()
                .push(position.offset);
        }
        Self(matches)
    }

    /// The first match after an offset.
    pub(super) fn next_after(&self, partition: i32, offset: i64) -> Option<i64> {
        let offsets = self.0.get(&partition)?;
        offsets
            .get(offsets.partition_point(|found| *found <= offset))
            .copied()
    }
}
