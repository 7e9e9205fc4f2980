//! Several sorted streams of orders as one, and how much of them is read before the
//! connection is given back.

use std::collections::BTreeSet;

use super::{
    cursor::{Place, place},
    query::{Direction, OrderSort},
    source::{Fetched, Source},
};
use crate::{Error, rows::order::OrderRow, tx::Tx};

/// How much one piece of a page reads: bytes of orders, orders, and statements. Some tens of
/// milliseconds on either database.
const PIECE_BYTES: usize = 4 * 1024 * 1024;
const PIECE_ROWS: usize = 500;
const PIECE_STATEMENTS: usize = 128;

/// How many orders are fetched at once while nothing is known of their size.
const CHUNK_FIRST: usize = 32;

/// What a piece has read, and looked at.
#[derive(Debug, Default)]
pub(super) struct Piece {
    statements: usize,
    rows: usize,
    bytes: usize,
    bytes_seen: usize,
}

impl Piece {
    pub(super) fn count(&mut self, fetched: Fetched) {
        self.statements += 1;
        self.rows += fetched.rows;
        self.bytes += fetched.bytes;
    }

    /// Counts an order that is looked at; it may have been read by an earlier piece.
    pub(super) fn see(&mut self, row: &OrderRow) {
        self.bytes_seen += row.body.len();
    }

    /// Whether it is the turn of others.
    pub(super) fn is_used_up(&self) -> bool {
        self.statements >= PIECE_STATEMENTS
            || self.rows >= PIECE_ROWS
            || self.bytes.max(self.bytes_seen) >= PIECE_BYTES
    }
}

/// What comes next.
pub(super) enum Next {
    /// This order.
    Row(Box<OrderRow>),
    /// It is not known before the next piece.
    Pause,
    /// Nothing.
    End,
}

/// Streams that are merged.
#[derive(Debug)]
pub(super) struct Merge {
    sort: OrderSort,
    sources: Vec<Source>,
    /// The next order of each stream that has one at hand, and which stream that is.
    heads: BTreeSet<(Place, usize)>,
    /// The streams of which the next order is not known.
    dry: Vec<usize>,
    chunk_max: usize,
    rows: usize,
    bytes: usize,
}

impl Merge {
    /// Of streams that are sorted as the list is, for a page of `limit` orders.
    pub(super) fn new(sources: Vec<Source>, sort: OrderSort, limit: usize) -> Self {
        let share = 2 * limit / sources.len().max(1);
        Self {
            sort,
            dry: (0..sources.len()).collect(),
            sources,
            heads: BTreeSet::new(),
            chunk_max: share.clamp(8, PIECE_ROWS),
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes the order that comes first of all streams.
    pub(super) async fn next(&mut self, tx: &mut Tx, piece: &mut Piece) -> Result<Next, Error> {
        while let Some(index) = self.dry.pop() {
            if piece.is_used_up() {
                self.dry.push(index);
                return Ok(Next::Pause);
            }
            let chunk = self.chunk();
            let Some(source) = self.sources.get_mut(index) else {
                continue;
            };
            let fetched = source.refill(tx, chunk).await?;
            piece.count(fetched);
            self.rows += fetched.rows;
            self.bytes += fetched.bytes;
            self.line_up(index);
        }
        let first = match self.sort.direction {
            Direction::Ascending => self.heads.pop_first(),
            Direction::Descending => self.heads.pop_last(),
        };
        let row = first.and_then(|(_, index)| {
            let row = self.sources.get_mut(index)?.next();
            self.line_up(index);
            row
        });
        Ok(row.map_or(Next::End, |row| Next::Row(Box::new(row))))
    }

    /// Notes the next order of a stream, or that it is not known.
    fn line_up(&mut self, index: usize) {
        let Some(source) = self.sources.get(index) else {
            return;
        };
        if let Some(row) = source.front() {
            self.heads.insert((place(row, self.sort.by), index));
        } else if source.is_dry() {
            self.dry.push(index);
        }
    }

    /// How many orders to fetch at once, so that large ones do not come in large numbers.
    fn chunk(&self) -> i64 {
        let fit = match self.bytes.checked_div(self.rows) {
            None => CHUNK_FIRST,
            Some(mean) => PIECE_BYTES / 2 / mean.max(1),
        };
        i64::try_from(fit.clamp(1, self.chunk_max)).unwrap_or(1)
    }
}
