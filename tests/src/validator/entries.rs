//! The log of a record, ordered so that each check finds what it needs.

use std::collections::{BTreeMap, HashMap};

use waymark_proto::v1::HistoryEntry;

use super::{OrderKey, Record, Step, mark_of};

/// Partition and offset of an entry.
pub(super) fn place_of(entry: &HistoryEntry) -> (i32, i64) {
    let position = entry.log_position.unwrap_or_default();
    (position.partition, position.offset)
}

/// The log, seen from several sides. Made only of a log without gaps.
pub(super) struct Entries<'r> {
    /// By partition, then by offset, which is the index plus 1.
    pub(super) partitions: BTreeMap<i32, Vec<&'r HistoryEntry>>,
    /// By order, then by sequence, which is the index plus 1.
    pub(super) orders: BTreeMap<OrderKey, Vec<&'r HistoryEntry>>,
    /// The entries that calls wrote, by mark.
    pub(super) marked: HashMap<&'r str, Vec<&'r HistoryEntry>>,
    /// The steps that clients wanted, by mark.
    pub(super) steps: HashMap<&'r str, &'r Step>,
}

impl<'r> Entries<'r> {
    pub(super) fn of(record: &'r Record) -> Self {
        let mut entries = Self {
            partitions: BTreeMap::new(),
            orders: BTreeMap::new(),
            marked: HashMap::new(),
            steps: record
                .steps
                .iter()
                .map(|step| (step.mark.as_str(), step))
                .collect(),
        };
        for entry in &record.log {
            entries
                .partitions
                .entry(place_of(entry).0)
                .or_default()
                .push(entry);
            entries
                .orders
                .entry(OrderKey::of(entry))
                .or_default()
                .push(entry);
            if let Some(mark) = mark_of(entry) {
                entries.marked.entry(mark).or_default().push(entry);
            }
        }
        entries
    }

    /// The entry at a place.
    pub(super) fn at(&self, (partition, offset): (i32, i64)) -> Option<&'r HistoryEntry> {
        let index = usize::try_from(offset.checked_sub(1)?).ok()?;
        self.partitions.get(&partition)?.get(index).copied()
    }

    /// The entry of the call that wrote this one or set it off.
    pub(super) fn call_of(&self, entry: &'r HistoryEntry) -> &'r HistoryEntry {
        let up_to_it = self
            .of_order(entry)
            .get(..index_after(entry))
            .unwrap_or_default();
        up_to_it
            .iter()
            .rev()
            .find(|other| other.caused_by == 0)
            .copied()
            .unwrap_or(entry)
    }

    /// All entries of the step that wrote this one.
    pub(super) fn step_around(
        &self,
        entry: &'r HistoryEntry,
    ) -> impl Iterator<Item = &'r HistoryEntry> + '_ {
        let call = self.call_of(entry);
        let after = self
            .of_order(entry)
            .get(index_after(call)..)
            .unwrap_or_default();
        let automatic = after
            .iter()
            .copied()
            .take_while(|other| other.caused_by != 0);
        std::iter::once(call).chain(automatic)
    }

    fn of_order(&self, entry: &HistoryEntry) -> &[&'r HistoryEntry] {
        self.orders
            .get(&OrderKey::of(entry))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The step that wrote this entry or set it off, as the client wanted it.
    pub(super) fn wanted(&self, entry: &'r HistoryEntry) -> Option<&'r Step> {
        mark_of(self.call_of(entry)).and_then(|mark| self.steps.get(mark).copied())
    }
}

fn index_after(entry: &HistoryEntry) -> usize {
    usize::try_from(entry.sequence).unwrap_or_default()
}
