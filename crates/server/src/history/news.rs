//! What the tailer has yet to look at: entries that this process committed and
//! hands over, and partitions that must be read, since others wrote to them.

use std::{collections::BTreeSet, mem};

use waymark_domain::partition::Partition;
use waymark_persistence::Batched;

/// How many entries may wait. A tailer that is this late reads them from the database instead.
const ENTRIES_MAX: usize = 4_096;

/// What the tailer has yet to look at.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether any partition may have grown.
    pub(super) all: bool,
    /// The partitions that grew, with or without what follows.
    pub(super) partitions: BTreeSet<Partition>,
    /// What is known to be in the log; not all of it, and not always in order.
    pub(super) written: Vec<Batched>,
}

impl News {
    /// That any partition may have grown.
    pub(super) fn everywhere() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// Adds a committed batch. All that waits is let go where it is too much.
    pub(super) fn hand_over(&mut self, written: Vec<Batched>) {
        if self.written.len() + written.len() > ENTRIES_MAX {
            let late = mem::take(&mut self.written).into_iter().chain(written);
            self.partitions
                .extend(late.map(|batched| batched.logged.position.partition));
        } else {
            self.written.extend(written);
        }
    }

    /// Adds what is new besides.
    pub(super) fn extend(&mut self, later: Self) {
        self.all |= later.all;
        self.partitions.extend(later.partitions);
        self.hand_over(later.written);
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.partitions.is_empty() && self.written.is_empty()
    }
}
