//! The newest entries of one partition, in memory, bounded by their weight.

use std::{collections::VecDeque, sync::Arc};

use super::{cursor::Cursor, entry::LogEntry};

/// The newest entries of one partition. It is *anchored* when it knows after which offset it goes on.
#[derive(Debug)]
pub(super) struct Ring {
    bytes_max: usize,
    bytes: usize,
    entries: VecDeque<Arc<LogEntry>>,
    /// After the entry before the oldest one, where that is known.
    base: Option<Cursor>,
    head: Option<Cursor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The ring has them, or had them before.
    Followed,
    /// Something is missing before them; the ring has what comes after.
    Gap,
    /// They do not follow the entry that the ring ends with, but another one at its offset. None was added from there on.
    Foreign,
}

impl Ring {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            entries: VecDeque::new(),
            base: None,
            head: None,
        }
    }

    /// After the last entry that the ring had; none when it is not anchored.
    pub(super) fn head(&self) -> Option<Cursor> {
        self.head
    }

    /// Empties the ring; it goes on after `head`.
    pub(super) fn anchor(&mut self, head: Cursor) {
        self.forget();
        self.base = Some(head);
        self.head = Some(head);
    }

    /// Empties the ring, which knows nothing from then on.
    pub(super) fn forget(&mut self) {
        self.entries = VecDeque::new();
        self.bytes = 0;
        self.base = None;
        self.head = None;
    }

    /// Adds the entries that follow; the oldest ones make room. Entries that the ring has had are passed over, and a
    /// gap empties it, since readers must never miss an entry.
    pub(super) fn push(&mut self, entries: impl IntoIterator<Item = Arc<LogEntry>>) -> Pushed {
        let mut pushed = Pushed::Followed;
        for entry in entries {
            let Some(head) = self.head else { return pushed };
            if entry.offset() <= head.offset {
                continue;
            }
            if entry.before.contradicts(head) {
                pushed = Pushed::Foreign;
                break;
            }
            if entry.offset() > head.offset + 1 {
                self.forget();
                pushed = Pushed::Gap;
            }
            self.head = Some(entry.cursor);
            self.bytes += entry.weight();
            self.entries.push_back(entry);
        }
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.entries.pop_front() else {
                return pushed;
            };
            self.bytes -= oldest.weight();
            self.base = Some(oldest.cursor);
        }
        pushed
    }

    /// Whether another entry stands in the ring where this reader has read to, as far as the ring goes back.
    fn contradicts(&self, reader: Cursor) -> bool {
        let first = self.entries.front().map(|entry| entry.offset());
        let index = first.and_then(|first| usize::try_from(reader.offset - first).ok());
        let entry = index.and_then(|index| self.entries.get(index));
        let known = [self.base, entry.map(|entry| entry.cursor), self.head];
        known
            .into_iter()
            .flatten()
            .any(|known| known.contradicts(reader))
    }

    /// Whether the ring has everything after an offset.
    pub(super) fn covers(&self, offset: i64) -> bool {
        let first = self.entries.front().map(|entry| entry.offset());
        self.head.is_some_and(|head| offset >= head.offset)
            || first.is_some_and(|first| offset + 1 >= first)
    }

    /// Up to `limit` entries after an offset, and the rest of the last one's step, for a reader that has read to `reader`;
    /// none when the ring does not reach back so far, or has another entry there than the reader had.
    pub(super) fn after(
        &self,
        offset: i64,
        reader: Cursor,
        limit: usize,
    ) -> Option<Vec<Arc<LogEntry>>> {
        let head = self.head?;
        if self.contradicts(reader) {
            return None;
        }
        if offset >= head.offset {
            return Some(Vec::new());
        }
        let first = self.entries.front()?.offset();
        let skipped = usize::try_from(offset + 1 - first).ok()?;
        let mut found: Vec<Arc<LogEntry>> = Vec::new();
        for entry in self.entries.iter().skip(skipped) {
            let ends_step = found
                .last()
                .is_none_or(|last| last.step_offset != entry.step_offset);
            if ends_step && found.len() >= limit {
                break;
            }
            found.push(Arc::clone(entry));
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::{
        actor::Actor,
        history::{Detail, Entry, LogPosition, Logged},
        partition::Partition,
        value::{Comment, Metadata, OrderId, StateCode, StatusCode, Timestamp, WorkflowCode},
        workflow::Standing,
    };
    use waymark_persistence::{BatchId, Batched};

    use super::*;

    fn logged(offset: i64, step_offset: i64) -> Logged {
        let standing = Standing {
            state: StateCode::new("new").unwrap(),
            status: StatusCode::new("pending").unwrap(),
        };
        let entry = Entry {
            sequence: offset,
            from: Some(standing.clone()),
            to: standing,
            transition: None,
            comment: Comment::default(),
            notify_customer: false,
            visible_to_customer: false,
            actor: Actor::unstated(),
            request_id: None,
            caused_by: 0,
            workflow_version: 1,
            metadata: Metadata::default(),
            create_time: Timestamp::from_micros(0),
            detail: Detail::Commented,
            set_off: Vec::new(),
        };
        Logged {
            workflow: WorkflowCode::new("order").unwrap(),
            order_id: OrderId::new("1").unwrap(),
            position: LogPosition {
                partition: Partition::new(0),
                offset,
            },
            step_offset,
            entry,
        }
    }

    fn of_step(offset: i64, step_offset: i64) -> Arc<LogEntry> {
        Arc::new(LogEntry::from(Batched {
            logged: logged(offset, step_offset),
            batch: BatchId([1; 16]),
            before: Some(BatchId([1; 16])),
        }))
    }

    /// Entries of single-digit offsets weigh the same.
    fn entry(offset: i64) -> Arc<LogEntry> {
        of_step(offset, offset)
    }

    fn ring(entries_max: usize) -> Ring {
        Ring::new(entries_max * entry(1).weight())
    }

    fn at(offset: i64) -> Cursor {
        Cursor { offset, check: 0 }
    }

    fn offsets(ring: &Ring, after: i64, limit: usize) -> Option<Vec<i64>> {
        let found = ring.after(after, at(after), limit);
        assert_eq!(ring.covers(after), found.is_some());
        found.map(|entries| entries.iter().map(|entry| entry.offset()).collect())
    }

    #[test]
    fn a_ring_without_anchor_covers_nothing() {
        let mut ring = ring(4);
        ring.push([entry(1)]);
        assert_eq!(offsets(&ring, 0, 9), None);
        assert_eq!(ring.head(), None);
    }

    #[test]
    fn readers_at_or_past_the_head_wait() {
        let mut ring = ring(4);
        ring.anchor(at(5));
        assert_eq!(offsets(&ring, 5, 9), Some(vec![]));
        assert_eq!(
            offsets(&ring, 7, 9),
            Some(vec![]),
            "a reader may know of more than the ring"
        );
        assert_eq!(offsets(&ring, 4, 9), None);
        ring.push((6..=8).map(entry));
        assert_eq!(offsets(&ring, 7, 9), Some(vec![8]));
        assert_eq!(offsets(&ring, 5, 2), Some(vec![6, 7]));
    }

    #[test]
    fn the_oldest_make_room_and_their_readers_fall_out() {
        let mut ring = ring(3);
        ring.anchor(at(0));
        ring.push((1..=5).map(entry));
        assert_eq!(offsets(&ring, 2, 9), Some(vec![3, 4, 5]));
        assert_eq!(offsets(&ring, 1, 9), None);
        assert_eq!(ring.head().map(|head| head.offset), Some(5));
    }

    #[test]
    fn one_entry_larger_than_the_ring_passes_through() {
        let mut ring = Ring::new(1);
        ring.anchor(at(0));
        ring.push([entry(1)]);
        assert_eq!(ring.head(), Some(entry(1).cursor));
        assert_eq!(offsets(&ring, 0, 9), None);
        assert_eq!(offsets(&ring, 1, 9), Some(vec![]));
    }

    #[test]
    fn nothing_comes_twice_and_a_gap_is_not_bridged() {
        let mut ring = ring(9);
        ring.anchor(at(0));
        assert_eq!(ring.push((1..=3).map(entry)), Pushed::Followed);
        assert_eq!(ring.push((2..=4).map(entry)), Pushed::Followed);
        assert_eq!(offsets(&ring, 0, 9), Some(vec![1, 2, 3, 4]));
        let pushed = ring.push([entry(6)]);
        assert_eq!(pushed, Pushed::Gap, "readers of single orders must look");
        assert_eq!(offsets(&ring, 4, 9), None);
        assert_eq!(offsets(&ring, 5, 9), Some(vec![6]));
    }

    #[test]
    fn entries_of_another_timeline_are_not_taken() {
        let head = |check| Cursor { offset: 3, check };
        let mut ring = ring(2);
        ring.anchor(head(7));
        assert_eq!(ring.push((4..=6).map(entry)), Pushed::Foreign);
        assert_eq!(ring.head(), Some(head(7)));
        ring.anchor(at(3));
        assert_eq!(
            ring.push((4..=6).map(entry)),
            Pushed::Followed,
            "an unknown check says nothing"
        );
        let known = u32::from_be_bytes([1; 4]);
        for offset in 4..=6 {
            let reader = |check| Cursor { offset, check };
            assert!(ring.after(offset, reader(7), 9).is_none(), "{offset}");
            assert!(ring.after(offset, reader(known), 9).is_some(), "{offset}");
        }
    }

    #[test]
    fn a_step_is_never_cut() {
        let mut ring = ring(9);
        ring.anchor(at(0));
        ring.push([
            entry(1),
            of_step(2, 2),
            of_step(3, 2),
            of_step(4, 2),
            entry(5),
        ]);
        assert_eq!(offsets(&ring, 0, 2), Some(vec![1, 2, 3, 4]));
        assert_eq!(offsets(&ring, 1, 1), Some(vec![2, 3, 4]));
        assert_eq!(offsets(&ring, 0, 1), Some(vec![1]));
    }
}
