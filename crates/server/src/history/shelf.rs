//! The last messages that were made, for readers that ask for the same and stand
//! at the same place: a thousand of them share one message and one token.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use waymark_domain::partition::Partition;
use waymark_proto::convert::history::HistoryFilter;

use super::{cursor::Bookmark, log::lock};

/// How many messages are kept.
const MESSAGES_MAX: usize = 8;

/// What a reader asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) filter: HistoryFilter,
    pub(super) partitions: Vec<Partition>,
}

/// What every reader of `view` who stands at `from` may be sent.
#[derive(Debug)]
pub(super) struct Made {
    /// The timeline of the store on which it was read.
    pub(super) timeline: u64,
    pub(super) view: Arc<View>,
    pub(super) from: Arc<Bookmark>,
    pub(super) to: Arc<Bookmark>,
    /// The token of `to`.
    pub(super) resume_token: String,
    pub(super) entries: Vec<Bytes>,
}

/// The last messages that were made.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<VecDeque<Arc<Made>>>);

impl Shelf {
    pub(super) fn find(
        &self,
        timeline: u64,
        view: &Arc<View>,
        from: &Arc<Bookmark>,
    ) -> Option<Arc<Made>> {
        let made = lock(&self.0);
        let fits = |made: &&Arc<Made>| {
            made.timeline == timeline && same(&made.from, from) && same(&made.view, view)
        };
        made.iter().rev().find(fits).map(Arc::clone)
    }

    pub(super) fn put(&self, made: Arc<Made>) {
        let mut all = lock(&self.0);
        if all.len() >= MESSAGES_MAX {
            all.pop_front();
        }
        all.push_back(made);
    }
}

fn same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
