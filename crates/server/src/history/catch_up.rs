//! Catching up: a reader of a single order gets to where the rings begin by the
//! history of that order, however long the log is in which it stands.

use std::sync::Arc;

use waymark_domain::{
    partition::Partition,
    value::{OrderId, WorkflowCode},
};
use waymark_persistence::Error;

use super::{
    collector::Collector,
    cursor::{Bookmark, Cursor},
    encoded::EncodedBatch,
    read_ahead::ReadAhead,
    resume,
    subscriptions::DueReads,
};

impl Collector {
    /// The one order that is asked for, where the rings do not reach back to the reader.
    pub(super) fn order_out_of_reach(&self) -> Option<(WorkflowCode, OrderId)> {
        let (workflow, order_id) = self.view.filter.one_order()?;
        let order = (workflow.clone(), order_id.clone());
        self.due
            .beginning_with(Partition::new(0))
            .iter()
            .find(|(partition, after)| {
                let offset = self.bookmark.cursor(*partition).offset;
                self.until.is_some() || !self.log.covers(*partition, offset.max(*after))
            })?;
        Some(order)
    }

    /// Takes what was read of the order's history, or reads more; at its end the reader stands at the end of the log.
    pub(super) async fn catch_up(
        &mut self,
        (workflow, order_id): (WorkflowCode, OrderId),
        batch: &mut EncodedBatch,
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
        if !self.view.partitions.contains(&partition) {
            self.jump(&end);
            return Ok(());
        }
        if self.is_lost(partition, end.cursor(partition)).await? {
            self.lose(partition, self.bookmark.cursor(partition));
            self.due = DueReads::default();
            return Ok(());
        }
        let last = end.cursor(partition).offset;
        if self.of_order.is_empty() {
            // More may have been written since nothing followed.
            self.of_order = ReadAhead::default();
        }
        while !self.take_of_order(partition, last, batch) {
            let first = self.of_order.first();
            if self.of_order.is_last || first.is_some_and(|first| first.offset() > last) {
                self.of_order = ReadAhead::default();
                self.jump(&end);
                return Ok(());
            }
            let from = self.of_order.last().map(|last| last.sequence);
            let from = from.unwrap_or(self.sequence);
            let limit = self.limit();
            let chunk = self
                .store
                .order_history_chunk(&workflow, &order_id, from, limit)
                .await?;
            let (is_last, is_whole) = (chunk.is_last, chunk.is_whole);
            let entries = self.encode(chunk);
            self.of_order.add(entries, is_last, is_whole);
        }
        Ok(())
    }

    /// Whether the database has another entry than the reader had, or none.
    async fn is_lost(&self, partition: Partition, end: Cursor) -> Result<bool, Error> {
        let reader = self.bookmark.cursor(partition);
        if reader.check == 0 || reader.offset >= end.offset {
            return Ok(reader.offset > end.offset || reader.contradicts(end));
        }
        reader.is_contradicted(&self.store, partition).await
    }

    /// Takes what the reader has not passed yet; says whether it got any further, or the message is full.
    fn take_of_order(&mut self, partition: Partition, last: i64, batch: &mut EncodedBatch) -> bool {
        let passed = self.bookmark.cursor(partition).offset;
        if let Some(passed) = self.of_order.pass(passed) {
            self.sequence = passed.sequence;
        }
        if let Some(taken) = self.of_order.take(&self.view.filter, last, batch) {
            self.sequence = taken.sequence;
            self.reach(partition, taken.cursor);
            return true;
        }
        batch.full
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
            self.due = DueReads::default();
        }
    }
}
