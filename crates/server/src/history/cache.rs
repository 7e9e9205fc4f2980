//! The cache of encoded batches, for readers that ask for the same and stand at
//! the same place: a thousand of them share one batch and one token.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use waymark_domain::partition::Partition;
use waymark_proto::convert::history::HistoryFilter;

use super::{cursor::Bookmark, lock::lock};

/// How many batches are kept.
const BATCHES_MAX: usize = 8;

/// The view of a reader: what it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) filter: HistoryFilter,
    pub(super) partitions: Vec<Partition>,
}

/// The batch for every reader of `view` who stands at `from`.
#[derive(Debug)]
pub(super) struct CachedBatch {
    /// The timeline of the store on which it was read.
    pub(super) timeline: u64,
    pub(super) view: Arc<View>,
    pub(super) from: Arc<Bookmark>,
    pub(super) to: Arc<Bookmark>,
    /// The token of `to`.
    pub(super) resume_token: String,
    pub(super) entries: Vec<Bytes>,
}

/// The last batches that were encoded.
#[derive(Debug, Default)]
pub(super) struct BatchCache(Mutex<VecDeque<Arc<CachedBatch>>>);

impl BatchCache {
    pub(super) fn find(
        &self,
        timeline: u64,
        view: &Arc<View>,
        from: &Arc<Bookmark>,
    ) -> Option<Arc<CachedBatch>> {
        let batches = lock(&self.0);
        let fits = |batch: &&Arc<CachedBatch>| {
            batch.timeline == timeline && same(&batch.from, from) && same(&batch.view, view)
        };
        batches.iter().rev().find(fits).map(Arc::clone)
    }

    pub(super) fn put(&self, batch: Arc<CachedBatch>) {
        let mut batches = lock(&self.0);
        if batches.len() >= BATCHES_MAX {
            batches.pop_front();
        }
        batches.push_back(batch);
    }
}

fn same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
