//! How a reader of a single order gets to where the rings begin: by the history of
//! that order, however long the log is in which it stands.

use std::sync::Arc;

use waymark_domain::{
    partition::Partition,
    value::{OrderId, WorkflowCode},
};
use waymark_persistence::{Batched, Error};

use super::{
    collector::Collector, cursor::Bookmark, entry::LogEntry, interest::Due, parcel::Parcel, resume,
};

impl Collector {
    /// The one order that is asked for, where the rings do not reach back to the reader.
    pub(super) fn order_out_of_reach(&self) -> Option<(WorkflowCode, OrderId)> {
        let filter = &self.view.filter;
        let (workflows, order_ids) = (&filter.workflows, &filter.order_ids);
        if workflows.len() != 1 || order_ids.len() != 1 {
            return None;
        }
        let order = (workflows.first()?.clone(), order_ids.first()?.clone());
        self.due
            .beginning_with(Partition::new(0))
            .iter()
            .find(|(partition, after)| {
                let offset = self.bookmark.cursor(*partition).offset;
                self.until.is_some() || !self.log.covers(*partition, offset.max(*after))
            })?;
        Some(order)
    }

    /// Reads a chunk of the order's history; at its end the reader stands where the log ended when it began.
    pub(super) async fn catch_up(
        &mut self,
        (workflow, order_id): (WorkflowCode, OrderId),
        parcel: &mut Parcel,
    ) -> Result<(), Error> {
        let log = Arc::clone(&self.log);
        // The semaphore is never closed; without a permit the read only loses its bound.
        let _permit = log.chunks.acquire().await.ok();
        // The end first: what is written meanwhile comes after it.
        let end = match &self.until {
            Some(until) => until.clone(),
            None => resume::from_now(&self.store).await?,
        };
        let partition = self.store.partition_of(&workflow, &order_id);
        let chunk = if self.view.partitions.contains(&partition) {
            let (after, limit) = (self.sequence, self.chunk_entries);
            let chunk = self
                .store
                .order_history_after(&workflow, &order_id, after, limit);
            chunk.await?
        } else {
            Vec::new()
        };
        let last = end.cursor(partition).offset;
        let is_left = |batched: &Batched| batched.logged.position.offset <= last;
        if chunk.first().is_some_and(is_left) {
            self.take_of_order(partition, chunk, last, parcel);
        } else {
            self.jump(&end);
        }
        Ok(())
    }

    /// Takes what the reader has not passed yet.
    fn take_of_order(
        &mut self,
        partition: Partition,
        chunk: Vec<Batched>,
        last: i64,
        parcel: &mut Parcel,
    ) {
        let passed = self.bookmark.cursor(partition).offset;
        let entries: Vec<LogEntry> = chunk.into_iter().map(LogEntry::from).collect();
        self.adapt(&entries);
        let new = entries.iter().filter(|entry| entry.offset() > passed);
        self.take(partition, new, last, parcel);
        let reached = self.bookmark.cursor(partition).offset;
        let looked_at = entries.iter().rfind(|entry| entry.offset() <= reached);
        self.sequence = looked_at.map_or(self.sequence, |entry| entry.sequence);
    }

    /// Goes to `end`, up to which nothing is left; where the reader is there already, there is nothing to look at.
    fn jump(&mut self, end: &Bookmark) {
        let mut moved = false;
        for partition in &self.view.partitions {
            let cursor = end.cursor(*partition);
            if cursor.offset > self.bookmark.cursor(*partition).offset {
                Arc::make_mut(&mut self.bookmark).set(*partition, cursor);
                moved = true;
            }
        }
        if !moved {
            self.due = Due::default();
        }
    }
}
