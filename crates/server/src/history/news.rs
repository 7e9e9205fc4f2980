//! News for the tailer: entries that this process committed and hands over, and
//! partitions that must be read, since others wrote to them.

use std::{collections::BTreeSet, mem};

use waymark_domain::partition::Partition;
use waymark_persistence::Batched;

/// How many entries may wait, whatever their size: the tailer looks every few milliseconds. A tailer that is this late reads them from the database instead.
const ENTRIES_MAX: usize = 4_096;

/// The news that the tailer has not looked at yet.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether any partition may have grown.
    pub(super) all: bool,
    /// The partitions that grew, with or without what follows.
    pub(super) partitions: BTreeSet<Partition>,
    /// Batches that are known to be in the log; not all of them, and not always in order.
    pub(super) written: Vec<Vec<Batched>>,
}

impl News {
    /// A committed batch.
    pub(super) fn of(written: Vec<Batched>) -> Self {
        Self {
            written: vec![written],
            ..Self::default()
        }
    }

    /// That any partition may have grown.
    pub(super) fn everywhere() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// Adds what is new besides. All batches that wait are let go where they are too many.
    pub(super) fn extend(&mut self, later: Self) {
        self.all |= later.all;
        self.partitions.extend(later.partitions);
        self.written.extend(later.written);
        if self.written.iter().map(Vec::len).sum::<usize>() > ENTRIES_MAX {
            let late = mem::take(&mut self.written).into_iter().flatten();
            let partitions = late.map(|batched| batched.logged.position.partition);
            self.partitions.extend(partitions);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.partitions.is_empty() && self.written.is_empty()
    }
}
