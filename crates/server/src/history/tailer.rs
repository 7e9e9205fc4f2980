//! The tailer: brings what was written, here or by other replicas, into the rings,
//! once for all readers of this process. It alone pushes into them. A hand-over
//! saves reading where it follows a ring's head exactly, and counts for nothing
//! elsewhere, so that only the log itself decides what comes next. The tailer is woken
//! by commits and hints, but looks only so often while the log keeps growing; a short
//! poll of the heads is the backstop. Without readers it rests, and only asks for the heads, which
//! shows that the database lives and still has what was known of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use waymark_domain::partition::Partition;
use waymark_persistence::{Batched, Error, Hints, Store};

use super::{
    cursor::Cursor,
    entry::LogEntry,
    log::{Log, News},
    ring::Pushed,
};
use crate::{liveness::Liveness, telemetry::chain, wake::Wake};

const CHUNK_ENTRIES: usize = 256;
const PARTITIONS_AT_ONCE: usize = 8;
/// A ring that is this far behind starts anew at the head; its readers catch up from the database, each at its pace.
const BEHIND_MAX: i64 = 20_000;

/// Brings what was written to all readers of this process.
#[derive(Debug)]
pub(crate) struct Tailer {
    pub(crate) store: Store,
    pub(crate) log: Arc<Log>,
    pub(crate) wake: Wake,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) poll_interval: Duration,
    /// The shortest time between two polls while the log grows.
    pub(crate) push_interval: Duration,
}

impl Tailer {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let (hints, listening) = self.store.hints();
        tokio::select! {
            () = stop.cancelled() => {}
            () = listening => {}
            () = self.listen(hints) => {}
            () = self.tail() => {}
        }
    }

    async fn listen(&self, mut hints: Hints) {
        loop {
            let hint = hints.next().await;
            // Steps of others may have set off something that this process sends.
            if hint.sets_off {
                self.wake.now();
            }
            if hint.partitions.is_empty() {
                self.log.wake_all();
            } else {
                self.log.wake(hint.partitions);
            }
        }
    }

    async fn tail(&self) {
        let mut tick = interval(self.poll_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        let mut next_poll = Instant::now();
        let mut timeline = self.store.timeline();
        loop {
            let mut news = tokio::select! {
                news = self.log.woken() => news,
                _ = tick.tick() => News::everywhere(),
                Ok(()) = timeline.changed() => News::everywhere(),
            };
            // The first entry after a rest is pushed at once; those on its heels wait for company.
            sleep_until(next_poll).await;
            next_poll = Instant::now() + self.push_interval;
            news.extend(self.log.news());
            let outcome = self.poll(news).await;
            match &outcome {
                Ok(()) => failing = false,
                Err(error) if failing => {
                    tracing::debug!(error = chain(error), "history poll failed");
                }
                Err(error) => {
                    failing = true;
                    tracing::warn!(error = chain(error), "history poll failed; retrying");
                }
            }
            let is_lost = outcome.is_err_and(|error| is_silence(&error));
            self.liveness.report(!is_lost);
        }
    }

    /// Brings the rings up to the news. What fails is found again by the next poll.
    pub(super) async fn poll(&self, news: News) -> Result<(), Error> {
        let timeline = self.log.renew();
        if self.log.readers() == 0 {
            self.log.forget();
            return if news.all {
                self.store.ping().await
            } else {
                Ok(())
            };
        }
        let mut behind = news.partitions;
        let (left, in_doubt) = self.take_over(news.written);
        behind.extend(left);
        let unanchored = behind
            .iter()
            .any(|partition| self.log.head(*partition).is_none());
        if news.all || in_doubt || unanchored {
            behind = self.find_behind(timeline).await?;
        }
        while !behind.is_empty() {
            behind = self.read(&behind, timeline).await?;
        }
        Ok(())
    }

    /// Puts into the rings what was handed over, as far as it follows; gives the partitions where something does not, and
    /// whether something stands where the rings have another entry: one of the two is not in the log any more.
    fn take_over(&self, written: Vec<Vec<Batched>>) -> (BTreeSet<Partition>, bool) {
        let mut behind = BTreeSet::new();
        let mut in_doubt = false;
        let mut following: BTreeMap<Partition, Vec<Arc<LogEntry>>> = BTreeMap::new();
        for batched in written.into_iter().flatten() {
            let position = batched.logged.position;
            let Some(head) = self.log.head(position.partition) else {
                behind.insert(position.partition);
                continue;
            };
            let entries = following.entry(position.partition).or_default();
            let last = entries.last().map_or(head, |last| last.cursor);
            if position.offset == last.offset + 1 {
                entries.push(Arc::new(LogEntry::from(batched)));
            } else if position.offset > last.offset {
                behind.insert(position.partition);
            } else {
                in_doubt |= Cursor::after(position.offset, &batched.batch).contradicts(last);
            }
        }
        following.retain(|_, entries| !entries.is_empty());
        for (partition, entries) in &following {
            in_doubt |= self.log.push(*partition, entries) == Pushed::Foreign;
        }
        if !following.is_empty() {
            self.log.tell();
        }
        (behind, in_doubt)
    }

    /// Compares the rings with the heads in the database, and anchors those that know nothing or are far behind. A ring
    /// that has what the database has not ends the timeline.
    async fn find_behind(&self, timeline: u64) -> Result<BTreeSet<Partition>, Error> {
        let heads = self.store.history_heads().await?;
        let heads: BTreeMap<Partition, Cursor> = heads
            .into_iter()
            .map(|head| {
                let position = head.position;
                let cursor = Cursor::after(position.offset, &head.batch);
                (position.partition, cursor)
            })
            .collect();
        let mut behind = BTreeSet::new();
        for partition in self.log.partition_count().all() {
            let head = heads.get(&partition).copied().unwrap_or_default();
            let Some(known) = self.log.head(partition) else {
                self.log.anchor(partition, head);
                continue;
            };
            let passed = head.offset - known.offset;
            if passed < 0 || head.contradicts(known) {
                self.lose(timeline, partition, known);
                return Ok(BTreeSet::new());
            }
            if passed > BEHIND_MAX {
                if known.is_contradicted(&self.store, partition).await? {
                    self.lose(timeline, partition, known);
                    return Ok(BTreeSet::new());
                }
                self.log.anchor(partition, head);
            } else if passed > 0 {
                behind.insert(partition);
            }
        }
        Ok(behind)
    }

    /// Gives up a timeline that has an entry which the database has not; the next poll begins anew.
    fn lose(&self, timeline: u64, partition: Partition, known: Cursor) {
        self.store
            .lose_timeline(timeline, known.position(partition));
    }

    /// Reads a chunk of each partition into its ring; gives the partitions where there may be more.
    async fn read(
        &self,
        behind: &BTreeSet<Partition>,
        timeline: u64,
    ) -> Result<BTreeSet<Partition>, Error> {
        let places: Vec<(Partition, i64)> = behind
            .iter()
            .filter_map(|partition| Some((*partition, self.log.head(*partition)?.offset)))
            .collect();
        let mut more = BTreeSet::new();
        for places in places.chunks(PARTITIONS_AT_ONCE) {
            let chunks = self.store.history_after_each(places, CHUNK_ENTRIES).await?;
            let grown = chunks.iter().any(|(_, chunk)| !chunk.is_empty());
            for (partition, chunk) in chunks {
                // A chunk ends with a whole step, so it may be a little short of full without being the last.
                if chunk.len() >= CHUNK_ENTRIES / 2 {
                    more.insert(partition);
                }
                let entries: Vec<_> = chunk
                    .into_iter()
                    .map(|stored| Arc::new(LogEntry::from(stored)))
                    .collect();
                if self.log.push(partition, &entries) == Pushed::Foreign {
                    let head = self.log.head(partition).unwrap_or_default();
                    self.lose(timeline, partition, head);
                    return Ok(BTreeSet::new());
                }
            }
            if grown {
                self.log.tell();
            }
        }
        Ok(more)
    }
}

/// Whether a failed poll means that the database does not answer. One that has something which cannot
/// be read, or a file that is damaged, which is said elsewhere, has answered.
fn is_silence(error: &Error) -> bool {
    !error.is_of_data() && !error.is_of_storage()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_that_does_not_answer_counts_as_lost() {
        let corrupt = Error::Corrupt {
            table: "history",
            column: "detail",
            row: "0/1".to_owned(),
            source: "no JSON".into(),
        };
        let damaged = Error::Damaged {
            found: "a page is not what it was".to_owned(),
        };
        let unavailable = Error::Unavailable {
            source: "no answer".into(),
        };
        for (error, expected) in [(corrupt, false), (damaged, false), (unavailable, true)] {
            assert_eq!(is_silence(&error), expected, "{error:?}");
        }
    }
}
