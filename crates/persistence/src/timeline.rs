//! Which past the database has. A failover to a standby that lacks the last second, or a restore,
//! takes acknowledged entries back and gives their offsets to others. A process that runs on must
//! notice, since what it keeps in memory was true of the lost entries: so it remembers the last
//! entry of each partition that it knows of, and the log is held against that whenever its end
//! is read.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use waymark_domain::{history::LogPosition, partition::Partition};

use crate::{BatchId, Batched, Head, Store};

/// The last entries that this process knows of, and how often they were found to be lost.
#[derive(Debug)]
pub(crate) struct Timeline {
    known: Mutex<BTreeMap<Partition, Known>>,
    number: watch::Sender<u64>,
}

/// An entry that was in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    offset: i64,
    batch: BatchId,
}

/// What was known before the log was read: what a read finds is held against that alone, since
/// more may be written and noted while it is under way.
#[derive(Debug)]
pub(crate) struct Memory {
    number: u64,
    known: BTreeMap<Partition, Known>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            number: watch::Sender::new(0),
        }
    }
}

impl Timeline {
    /// What is known now.
    pub(crate) fn remember(&self) -> Memory {
        let known = self.lock();
        Memory {
            number: *self.number.borrow(),
            known: known.clone(),
        }
    }

    /// How often it was found that entries are lost.
    pub(crate) fn number(&self) -> u64 {
        *self.number.borrow()
    }

    /// Notes entries that were committed under a count, as far as they follow what is known. Behind a
    /// gap, whatever is known stays, so that it can still be compared.
    pub(crate) fn follow(&self, number: u64, entries: &[Batched]) {
        let mut all = self.lock();
        if *self.number.borrow() != number {
            return;
        }
        for entry in entries {
            let LogPosition { partition, offset } = entry.logged.position;
            let batch = entry.batch;
            let known = all.entry(partition).or_insert(Known { offset, batch });
            if known.offset.checked_add(1) == Some(offset) {
                *known = Known { offset, batch };
            }
        }
    }

    /// Notes the ends of partitions that were held against what was known.
    fn reach(&self, memory: &Memory, heads: &[Head]) {
        let mut all = self.lock();
        if *self.number.borrow() != memory.number {
            return;
        }
        for Head {
            position, batch, ..
        } in heads
        {
            let reached = Known {
                offset: position.offset,
                batch: *batch,
            };
            let known = all.entry(position.partition).or_insert(reached);
            if known.offset < reached.offset {
                *known = reached;
            }
        }
    }

    /// Forgets what is known, unless that was done since `number` was read.
    fn forget(&self, number: u64) -> bool {
        let mut known = self.lock();
        let is_new = *self.number.borrow() == number;
        if is_new {
            known.clear();
            self.number.send_replace(number.wrapping_add(1));
        }
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Partition, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// The places of the known entries that are no longer the last ones.
    pub(crate) fn passed(&self, heads: &[Head]) -> Vec<LogPosition> {
        let passed = heads.iter().filter_map(|head| {
            let partition = head.position.partition;
            let known = self.known.get(&partition)?;
            let is_passed = known.offset < head.position.offset;
            is_passed.then_some(LogPosition {
                partition,
                offset: known.offset,
            })
        });
        passed.collect()
    }

    /// The place of an entry that was in the log and is not any more, if there is one in these
    /// partitions, whose ends were read. `there` has what is at the places that were passed; an
    /// entry that nothing is known of may have been removed in order.
    fn lost(
        &self,
        partitions: impl IntoIterator<Item = Partition>,
        head: impl Fn(Partition) -> Option<Known>,
        there: &[(LogPosition, BatchId)],
    ) -> Option<LogPosition> {
        partitions.into_iter().find_map(|partition| {
            let known = self.known.get(&partition)?;
            let position = LogPosition {
                partition,
                offset: known.offset,
            };
            let is_there = match head(partition) {
                None => false,
                Some(head) if head.offset <= known.offset => head == *known,
                Some(_) => there
                    .iter()
                    .all(|(place, batch)| *place != position || *batch == known.batch),
            };
            (!is_there).then_some(position)
        })
    }
}

impl Store {
    /// Counts how often this process has found that the database lost entries which it knew, as
    /// after a failover to a standby that lacked them. What was read under another count may be in
    /// no database.
    pub fn timeline(&self) -> watch::Receiver<u64> {
        self.timelines().number.subscribe()
    }

    /// Notes that an entry which was in the log under this count is not in it any more: forgets
    /// what is cached and counts on. It does so once for each count.
    pub fn lose_timeline(&self, number: u64, lost: LogPosition) {
        // A file that is damaged may hide what it has, and that is said elsewhere.
        if self.file().is_some_and(|file| file.check().is_err()) {
            return;
        }
        if !self.timelines().forget(number) {
            return;
        }
        self.catalog().forget();
        tracing::error!(
            partition = lost.partition.number(),
            offset = lost.offset,
            "history that this process has seen is not in the database any more, as after a failover to a standby \
             that lacked it, or a restore: acknowledged steps are lost, all streams of history end with \
             RESUME_TOKEN_FOREIGN, and everything cached is read anew"
        );
    }

    /// Holds the ends of all partitions against what was known before they were read.
    pub(crate) fn compare_heads(
        &self,
        memory: &Memory,
        heads: &[Head],
        there: &[(LogPosition, BatchId)],
    ) {
        let ends: BTreeMap<_, _> = heads
            .iter()
            .map(|head| (head.position.partition, Known::from(head)))
            .collect();
        let partitions = self.partition_count().all();
        match memory.lost(partitions, |partition| ends.get(&partition).copied(), there) {
            Some(lost) => self.lose_timeline(memory.number, lost),
            None => self.timelines().reach(memory, heads),
        }
    }

    /// Holds the ends of partitions that were read with their locks held against what was known
    /// before they were read. An end that others have moved is left to the next reading of all.
    pub(crate) fn compare_locked(
        &self,
        memory: &Memory,
        partitions: &[Partition],
        heads: &BTreeMap<Partition, Head>,
    ) {
        let end = |partition| heads.get(&partition).map(Known::from);
        if let Some(lost) = memory.lost(partitions.iter().copied(), end, &[]) {
            self.lose_timeline(memory.number, lost);
        }
    }
}

impl From<&Head> for Known {
    fn from(head: &Head) -> Self {
        Self {
            offset: head.position.offset,
            batch: head.batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::value::Timestamp;

    use super::*;

    fn head(offset: i64) -> Head {
        let position = LogPosition {
            partition: Partition::new(0),
            offset,
        };
        Head {
            position,
            create_time: Timestamp::default(),
            batch: BatchId([u8::try_from(offset).unwrap(); 16]),
        }
    }

    /// As in a process that stood still between the answer of the database and its turn.
    #[test]
    fn what_was_noted_while_the_end_was_read_is_not_missed() {
        let timeline = Timeline::default();
        timeline.reach(&timeline.remember(), &[head(1)]);
        let before = timeline.remember();
        timeline.reach(&before, &[head(2)]);
        let read = |_| Some(Known::from(&head(1)));
        let lost = |memory: &Memory| memory.lost([Partition::new(0)], read, &[]);
        assert_eq!(lost(&before), None);
        assert_eq!(lost(&timeline.remember()), Some(head(2).position));
    }
}
