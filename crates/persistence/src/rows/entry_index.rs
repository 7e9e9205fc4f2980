//! The entry index of an order: where its entries stand in the log of its partition. An index of
//! history by order would put a page with random keys into every step; the row of
//! the order is written by every step anyway, so it holds the newest positions,
//! and older ones are moved to `journal_pages`, a page at a time.

use diesel::sql_types::{BigInt, Binary, Integer};
use serde::{Deserialize, Serialize};
use waymark_domain::{history::Logged, value::RequestId};
use xxhash_rust::xxh3::xxh3_64;

use super::Reading;
use crate::{Error, statement::written_row};

/// How many entries a page has.
pub(crate) const PAGE_ENTRIES: usize = 64;
/// How many entries the row of an order has at most.
const ROW_ENTRIES_MAX: usize = 2 * PAGE_ENTRIES;

written_row! {
    IndexPageRow, IndexPageArrays {
        partition: i32 => Integer,
        order_key: i64 => BigInt,
        first_sequence: i64 => BigInt,
        page: &'a [u8] => Binary,
    }
}

/// Consecutive entries of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryIndex {
    first_sequence: i64,
    lines: Vec<IndexLine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexLine {
    pub(crate) sequence: i64,
    pub(crate) offset: i64,
    pub(crate) visible_to_customer: bool,
    /// Four bytes of a hash of the request id, on the first entry of a remembered step.
    request_tag: Option<u32>,
}

/// An entry index as it is stored, in the format of postcard; offsets as distances.
#[derive(Serialize, Deserialize)]
struct StoredIndex {
    first_sequence: i64,
    lines: Vec<(u64, bool, Option<u32>)>,
}

impl EntryIndex {
    /// The index of an order that has no entries yet.
    pub(crate) fn empty() -> Self {
        Self {
            first_sequence: 1,
            lines: Vec::new(),
        }
    }

    pub(crate) fn read(
        bytes: &[u8],
        reading: &Reading<'_>,
        column: &'static str,
    ) -> Result<Self, Error> {
        let stored: StoredIndex =
            postcard::from_bytes(bytes).map_err(|source| reading.corrupt(column, source))?;
        let mut lines = Vec::with_capacity(stored.lines.len());
        let mut offset = 0_i64;
        for (sequence, (distance, visible_to_customer, request_tag)) in
            (stored.first_sequence..).zip(stored.lines)
        {
            offset = i64::try_from(distance)
                .ok()
                .filter(|distance| *distance > 0)
                .and_then(|distance| offset.checked_add(distance))
                .ok_or_else(|| reading.corrupt(column, "offsets do not ascend"))?;
            lines.push(IndexLine {
                sequence,
                offset,
                visible_to_customer,
                request_tag,
            });
        }
        Ok(Self {
            first_sequence: stored.first_sequence,
            lines,
        })
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        let mut before = 0;
        let lines = self.lines.iter().map(|line| {
            let distance = line.offset.abs_diff(before);
            before = line.offset;
            (distance, line.visible_to_customer, line.request_tag)
        });
        encoded(&StoredIndex {
            first_sequence: self.first_sequence,
            lines: lines.collect(),
        })
    }

    /// The sequence of the first entry, or of the next one where there is none.
    pub(crate) fn first_sequence(&self) -> i64 {
        self.first_sequence
    }

    pub(crate) fn lines(&self) -> &[IndexLine] {
        &self.lines
    }

    /// Adds an entry; `remembered` says that its request id is to be found again.
    pub(crate) fn push(&mut self, logged: &Logged, remembered: Option<&RequestId>) {
        self.lines.push(IndexLine {
            sequence: logged.entry.sequence,
            offset: logged.position.offset,
            visible_to_customer: logged.entry.visible_to_customer,
            request_tag: remembered.map(tag),
        });
    }

    /// The offsets of the entries that may have been written by a request id; another one
    /// may have the same tag.
    pub(crate) fn maybe_written_by(&self, id: &RequestId) -> impl Iterator<Item = i64> + '_ {
        let tag = Some(tag(id));
        self.lines
            .iter()
            .filter(move |line| line.request_tag == tag)
            .map(|line| line.offset)
    }

    /// The bytes of a stored index that has this request id somewhere; one that has them may have
    /// another one.
    pub(crate) fn tag(id: &RequestId) -> Result<Vec<u8>, Error> {
        encoded(&Some(tag(id)))
    }

    /// Takes away the pages that no longer fit the row.
    pub(crate) fn overflow(&mut self) -> Vec<Self> {
        let mut pages = Vec::new();
        while self.lines.len() > ROW_ENTRIES_MAX {
            let rest = self.lines.split_off(PAGE_ENTRIES);
            let lines = std::mem::replace(&mut self.lines, rest);
            let page = Self {
                first_sequence: self.first_sequence,
                lines,
            };
            self.first_sequence = self
                .lines
                .first()
                .map_or(self.first_sequence, |line| line.sequence);
            pages.push(page);
        }
        pages
    }
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(Error::unwritable)
}

fn tag(id: &RequestId) -> u32 {
    let [a, b, c, d, ..] = xxh3_64(id.as_str().as_bytes()).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
