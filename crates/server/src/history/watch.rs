//! One reader of the log. It is pulled: nothing is read before the client has
//! taken what came before, so a slow client costs no more memory than a quick
//! one, at most one message and the chunk of the log that it is made from.

use std::{mem, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use waymark_domain::partition::Partition;
use waymark_persistence::{Error, Store};
use waymark_proto::{convert::history::HistoryFilter, encoded::HistoryMessage};

use super::{
    collector::Collector,
    cursor::Bookmark,
    encoded::{CachedBatch, View},
    log::Place,
    subscriptions::{DueReads, Subscription},
};

/// Why a stream ends that should not.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The server stops; the message before said how far the reader is.
    #[error("the server is stopping")]
    ShuttingDown,
    /// Entries that the reader may have had are not in the database any more.
    #[error("the database goes on from an earlier state than the stream")]
    TimelineLost,
    /// The database does not answer.
    #[error("the log cannot be read")]
    Store(#[from] Error),
}

/// How long to read.
#[derive(Debug, Clone)]
pub enum Reading {
    /// Up to a bookmark, then the stream ends.
    UpTo(Bookmark),
    /// On and on, with a checkpoint at least that often.
    Following(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Flowing,
    Stopping,
    Ended,
}

#[derive(Debug)]
enum Growth {
    /// Nothing; it ends.
    Ignored,
    /// All that is written; readers share the batches made of it.
    OfAll(watch::Receiver<u64>),
    OfOrders(Arc<Subscription>),
}

/// One reader of the log.
#[derive(Debug)]
pub struct Watcher {
    place: Place,
    view: Arc<View>,
    growth: Growth,
    collector: Collector,
    stopping: CancellationToken,
    /// How often a checkpoint comes; none for a stream that ends.
    checkpoint_interval: Option<Duration>,
    checkpoint_due: Instant,
    phase: Phase,
}

impl Watcher {
    /// A reader of `partitions` that goes on after `bookmark`.
    pub fn new(
        place: Place,
        store: &Store,
        stopping: &CancellationToken,
        bookmark: Bookmark,
        (partitions, filter): (Vec<Partition>, HistoryFilter),
        reading: Reading,
    ) -> Self {
        let log = &place.log;
        let view = Arc::new(View { filter, partitions });
        let orders = &view.filter.order_ids;
        let (growth, phase, checkpoint_interval, until) = match reading {
            Reading::UpTo(end) => (Growth::Ignored, Phase::Flowing, None, Some(end)),
            Reading::Following(interval) => {
                let growth = if orders.is_empty() {
                    Growth::OfAll(log.grown())
                } else {
                    Growth::OfOrders(log.subscriptions.enter(orders, &view.partitions))
                };
                (growth, Phase::Opening, Some(interval), None)
            }
        };
        Self {
            collector: Collector::new(store, &place, Arc::clone(&view), bookmark, until),
            place,
            view,
            growth,
            stopping: stopping.clone(),
            checkpoint_interval,
            checkpoint_due: Instant::now(),
            phase,
        }
    }

    /// The next message; none after the last one or an error.
    pub async fn next(&mut self) -> Option<Result<HistoryMessage, StreamError>> {
        match mem::replace(&mut self.phase, Phase::Flowing) {
            Phase::Opening => Some(Ok(self.checkpoint())),
            Phase::Flowing => {
                let next = self.flow().await;
                if next.is_err() {
                    self.phase = Phase::Ended;
                }
                Some(next)
            }
            Phase::Stopping => {
                self.phase = Phase::Ended;
                Some(Err(StreamError::ShuttingDown))
            }
            Phase::Ended => {
                self.phase = Phase::Ended;
                None
            }
        }
    }

    async fn flow(&mut self) -> Result<HistoryMessage, StreamError> {
        loop {
            if self.stopping.is_cancelled() {
                self.phase = Phase::Stopping;
                return Ok(self.checkpoint());
            }
            let collected = self.collect().await;
            // A read that fails beside the loss is no answer: the reader must not come back with its token.
            if self.place.is_lost() {
                return Err(StreamError::TimelineLost);
            }
            if let Some(message) = collected? {
                return Ok(message);
            }
            if !self.collector.due.is_empty() {
                if self.is_checkpoint_due() {
                    return Ok(self.checkpoint());
                }
                continue;
            }
            if self.checkpoint_interval.is_none() {
                self.phase = Phase::Ended;
                return Ok(self.checkpoint());
            }
            if self.wait().await {
                return Ok(self.checkpoint());
            }
        }
    }

    /// Collects entries. Growth is marked as seen before reading, so that growth meanwhile is not slept over.
    async fn collect(&mut self) -> Result<Option<HistoryMessage>, StreamError> {
        match &mut self.growth {
            Growth::Ignored => {}
            Growth::OfAll(grown) => {
                grown.mark_unchanged();
                self.collector.due = DueReads::everything(&self.view.partitions);
                let shared = self.collector.collect_shared().await?;
                let message = |batch: Arc<CachedBatch>| {
                    self.message(batch.entries.clone(), batch.resume_token.clone())
                };
                return Ok(shared.map(message));
            }
            Growth::OfOrders(subscription) => subscription.tell(&mut self.collector.due),
        }
        let batch = self.collector.collect().await?;
        if batch.entries.is_empty() {
            return Ok(None);
        }
        let token = self.collector.token();
        Ok(Some(self.message(batch.entries, token)))
    }

    /// Waits for growth, for the server to stop, or for the loss of what was read; says whether a checkpoint came first.
    async fn wait(&mut self) -> bool {
        let growth = async {
            match &mut self.growth {
                Growth::Ignored => {}
                // An error would mean that the log is gone, which this reader holds.
                Growth::OfAll(grown) => drop(grown.changed().await),
                Growth::OfOrders(subscription) => subscription.notified().await,
            }
        };
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = growth => false,
            () = self.place.lost() => false,
            () = sleep_until(self.checkpoint_due) => true,
        }
    }

    fn is_checkpoint_due(&self) -> bool {
        self.checkpoint_interval.is_some() && self.checkpoint_due <= Instant::now()
    }

    fn checkpoint(&mut self) -> HistoryMessage {
        if let Growth::OfOrders(subscription) = &self.growth {
            self.collector.pass_over(subscription);
        }
        let token = self.collector.token();
        self.message(Vec::new(), token)
    }

    /// A message; it is a checkpoint too when one is due.
    fn message(&mut self, entries: Vec<Bytes>, resume_token: String) -> HistoryMessage {
        let checkpoint = entries.is_empty() || self.is_checkpoint_due();
        if let (true, Some(interval)) = (checkpoint, self.checkpoint_interval) {
            self.checkpoint_due = Instant::now() + interval;
        }
        HistoryMessage {
            entries,
            resume_token,
            checkpoint,
            partition_count: self.place.log.partition_count().get(),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Growth::OfOrders(subscription) = &self.growth {
            let subscriptions = &self.place.log.subscriptions;
            subscriptions.leave(&self.view.filter.order_ids, subscription);
        }
    }
}
