//! Several sorted streams as one, each of which is read a part at a time: what lists of several
//! partitions, states or workflows are put together from.

use std::collections::{BTreeSet, VecDeque};

use crate::Direction;

/// How many rows one page may look at where only they tell whether they are asked for.
pub(crate) const SCAN_MAX: usize = 5_000;

/// How far a page is, of which a piece was read.
pub(crate) enum Progress {
    /// It is the turn of others, then it goes on.
    Paused,
    /// It is there.
    Ended,
}

/// The next row of a list.
pub(crate) enum Next<T> {
    Row(T),
    /// It is not known before more is read.
    Unknown,
    End,
}

/// Streams of rows, all of which are sorted by one key.
pub(crate) struct Merge<K, T> {
    direction: Direction,
    key: fn(&T) -> K,
    streams: Vec<Stream<T>>,
    /// The next row of each stream that has one at hand, by its key, and which stream that is.
    heads: BTreeSet<(K, usize)>,
    /// The streams of which the next row is not known.
    dry: Vec<usize>,
}

struct Stream<T> {
    buffer: VecDeque<T>,
    ended: bool,
}

impl<K: Ord, T> Merge<K, T> {
    pub(crate) fn new(streams: usize, direction: Direction, key: fn(&T) -> K) -> Self {
        let empty = || Stream {
            buffer: VecDeque::new(),
            ended: false,
        };
        Self {
            direction,
            key,
            streams: std::iter::repeat_with(empty).take(streams).collect(),
            heads: BTreeSet::new(),
            dry: (0..streams).collect(),
        }
    }

    /// Takes the row that comes first of all streams.
    pub(crate) fn next(&mut self) -> Next<T> {
        if !self.dry.is_empty() {
            return Next::Unknown;
        }
        let first = match self.direction {
            Direction::Ascending => self.heads.pop_first(),
            Direction::Descending => self.heads.pop_last(),
        };
        let row = first.and_then(|(_, index)| {
            let row = self.streams.get_mut(index)?.buffer.pop_front();
            self.line_up(index);
            row
        });
        row.map_or(Next::End, Next::Row)
    }

    /// Takes some of the streams that have to be read, which are then [filled](Self::fill).
    pub(crate) fn take_dry(&mut self, most: usize) -> Vec<usize> {
        self.dry.split_off(self.dry.len().saturating_sub(most))
    }

    /// Gives a stream its next rows, and says whether these are its last.
    pub(crate) fn fill(&mut self, index: usize, rows: Vec<T>, ended: bool) {
        if let Some(stream) = self.streams.get_mut(index) {
            stream.buffer = rows.into();
            stream.ended = ended;
        }
        self.line_up(index);
    }

    /// Records the next row of a stream, or that it is not known.
    fn line_up(&mut self, index: usize) {
        let Some(stream) = self.streams.get(index) else {
            return;
        };
        if let Some(row) = stream.buffer.front() {
            self.heads.insert(((self.key)(row), index));
        } else if !stream.ended {
            self.dry.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_all_comes_when_all_are_known() {
        let mut merge = Merge::new(2, Direction::Descending, |row: &i32| *row);
        assert!(matches!(merge.next(), Next::Unknown));
        assert_eq!(merge.take_dry(1), [1]);
        assert_eq!(merge.take_dry(1), [0]);
        merge.fill(0, vec![7, 3], true);
        merge.fill(1, vec![5], false);
        let mut taken = Vec::new();
        while let Next::Row(row) = merge.next() {
            taken.push(row);
        }
        assert_eq!(taken, [7, 5]);
        assert_eq!(merge.take_dry(2), [1]);
        merge.fill(1, Vec::new(), true);
        assert!(matches!(merge.next(), Next::Row(3)));
        assert!(matches!(merge.next(), Next::End));
    }
}
