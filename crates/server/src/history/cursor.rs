//! The progress of a reader: per partition an offset, and a check by which the
//! entry there is recognised after a database was restored.

use waymark_domain::{
    history::LogPosition,
    partition::{Partition, PartitionCount},
};
use waymark_persistence::{BatchId, Error, Store};

/// How far a reader has read in one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The offset of the last entry read; 0 before the first one.
    pub offset: i64,
    /// The check of that entry; 0 where there is none, or it is not known.
    pub check: u32,
}

impl Cursor {
    /// After the entry at `offset`, which was written by `batch`.
    pub fn after(offset: i64, batch: &BatchId) -> Self {
        Self {
            offset,
            check: check(batch),
        }
    }

    /// The place of the last entry read.
    pub(super) fn position(self, partition: Partition) -> LogPosition {
        let offset = self.offset;
        LogPosition { partition, offset }
    }

    /// Whether the database has another entry there. Where it has none, that cannot be told.
    pub(super) async fn is_contradicted(
        self,
        store: &Store,
        partition: Partition,
    ) -> Result<bool, Error> {
        let batch = store.batch_at(self.position(partition)).await?;
        Ok(batch.is_some_and(|batch| Self::after(self.offset, &batch).contradicts(self)))
    }

    /// Whether another entry stands at the same offset. Where one of the two checks is not known, that cannot be told.
    pub(super) fn contradicts(self, other: Self) -> bool {
        self.offset == other.offset
            && self.check != other.check
            && self.check != 0
            && other.check != 0
    }
}

/// Four bytes of a batch id: enough to tell two timelines apart, not to prove anything.
pub(super) fn check(batch: &BatchId) -> u32 {
    let [a, b, c, d, ..] = batch.0;
    u32::from_be_bytes([a, b, c, d])
}

/// How far a reader has read in every partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark(pub(super) Vec<Cursor>);

impl Bookmark {
    /// Before the first entry of every partition.
    pub fn beginning(count: PartitionCount) -> Self {
        Self(count.all().map(|_| Cursor::default()).collect())
    }

    /// The cursors by partition.
    pub fn cursors(&self) -> impl Iterator<Item = (Partition, Cursor)> + '_ {
        (0..).map(Partition::new).zip(self.0.iter().copied())
    }

    /// The cursor in one partition; at its beginning for one that does not exist.
    pub fn cursor(&self, partition: Partition) -> Cursor {
        index(partition)
            .and_then(|index| self.0.get(index))
            .copied()
            .unwrap_or_default()
    }

    /// Moves the cursor in one partition.
    pub fn set(&mut self, partition: Partition, cursor: Cursor) {
        if let Some(place) = index(partition).and_then(|index| self.0.get_mut(index)) {
            *place = cursor;
        }
    }
}

pub(super) fn index(partition: Partition) -> Option<usize> {
    usize::try_from(partition.number()).ok()
}
