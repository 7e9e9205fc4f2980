//! The past that the database has. A failover to a standby that lacks the last second, or a restore,
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

use crate::{BatchId, Batched, Head};

/// The last entries that this process knows of, and how often they were found to be lost.
#[derive(Debug)]
pub(crate) struct Timeline {
    known: Mutex<BTreeMap<Partition, KnownEntry>>,
    number: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownEntry {
    offset: i64,
    batch: BatchId,
}

/// The entries that were known before the log was read: the result is held against these alone,
/// since more may be written and recorded while the read is under way.
#[derive(Debug)]
pub(crate) struct KnownEnds {
    number: u64,
    known: BTreeMap<Partition, KnownEntry>,
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
    pub(crate) fn remember(&self) -> KnownEnds {
        let known = self.lock();
        KnownEnds {
            number: *self.number.borrow(),
            known: known.clone(),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.number.subscribe()
    }

    pub(crate) fn number(&self) -> u64 {
        *self.number.borrow()
    }

    /// Records entries that were committed under a count, as far as they follow what is known. Behind a
    /// gap, whatever is known stays, so that it can still be compared.
    pub(crate) fn follow(&self, number: u64, entries: &[Batched]) {
        let mut all = self.lock();
        if *self.number.borrow() != number {
            return;
        }
        for entry in entries {
            let LogPosition { partition, offset } = entry.logged.position;
            let batch = entry.batch;
            let known = all.entry(partition).or_insert(KnownEntry { offset, batch });
            if known.offset.checked_add(1) == Some(offset) {
                *known = KnownEntry { offset, batch };
            }
        }
    }

    /// Records the ends of partitions that were held against what was known.
    pub(crate) fn reach(&self, before: &KnownEnds, heads: &[Head]) {
        let mut all = self.lock();
        if *self.number.borrow() != before.number {
            return;
        }
        for Head {
            position, batch, ..
        } in heads
        {
            let reached = KnownEntry {
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
    pub(crate) fn forget(&self, number: u64) -> bool {
        let mut known = self.lock();
        let is_new = *self.number.borrow() == number;
        if is_new {
            known.clear();
            self.number.send_replace(number.wrapping_add(1));
        }
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Partition, KnownEntry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownEnds {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The places of the known entries that are no longer the last ones.
    pub(crate) fn passed(&self, heads: &[Head]) -> Vec<LogPosition> {
        let passed = heads.iter().filter_map(|head| {
            let partition = head.position.partition;
            let known = self.known.get(&partition)?;
            let is_passed = known.offset < head.position.offset;
            let offset = known.offset;
            is_passed.then_some(LogPosition { partition, offset })
        });
        passed.collect()
    }

    /// The place of an entry that was in the log and is not any more, if there is one in these
    /// partitions, whose ends were read. `there` has what is at the places that were passed; an
    /// entry that nothing is known of may have been removed in order.
    pub(crate) fn lost(
        &self,
        partitions: impl IntoIterator<Item = Partition>,
        head: impl Fn(Partition) -> Option<KnownEntry>,
        there: &[(LogPosition, BatchId)],
    ) -> Option<LogPosition> {
        partitions.into_iter().find_map(|partition| {
            let known = self.known.get(&partition)?;
            let offset = known.offset;
            let position = LogPosition { partition, offset };
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

impl From<&Head> for KnownEntry {
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
    fn what_was_recorded_while_the_end_was_read_is_not_missed() {
        let timeline = Timeline::default();
        timeline.reach(&timeline.remember(), &[head(1)]);
        let before = timeline.remember();
        timeline.reach(&before, &[head(2)]);
        let read = |_| Some(KnownEntry::from(&head(1)));
        let lost = |known: &KnownEnds| known.lost([Partition::new(0)], read, &[]);
        assert_eq!(lost(&before), None);
        assert_eq!(lost(&timeline.remember()), Some(head(2).position));
    }
}
