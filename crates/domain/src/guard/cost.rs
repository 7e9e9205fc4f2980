//! The cost of an expression, as a formula over the lengths of what it reads: worked out once
//! with the largest lengths, when it is stored, and with the real ones before it runs.

use std::ops::Add;

use crate::value::LINES_MAX;

/// Work is counted in bytes: what a function does to one byte of a text.
/// A step, the evaluation of one node, is worth so many.
const STEP: u64 = 64;

/// The most steps that one guard may take: some 5 ms.
pub(crate) const STEPS_MAX: u64 = 100_000;

/// A length that is only known once there is an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Bytes of the comment of the call.
    Comment,
    /// Bytes of the keys and values of the metadata of the call.
    Metadata,
    /// Bytes of the keys and values of the attributes of the order.
    Attributes,
    /// Bytes of the comment of the entry.
    EntryComment,
    /// Bytes of the keys and values of the metadata of the entry.
    EntryMetadata,
    /// Roles of the actor.
    Roles,
    /// Operations of the workflow.
    Operations,
    /// Statuses and assignments of the workflow.
    Statuses,
}

impl Length {
    const ALL: [Self; 8] = [
        Self::Comment,
        Self::Metadata,
        Self::Attributes,
        Self::EntryComment,
        Self::EntryMetadata,
        Self::Roles,
        Self::Operations,
        Self::Statuses,
    ];

    /// The largest that the contract allows. An entry has the notes of Waymark itself beside
    /// the metadata of the call: some keys with 1,024 characters each.
    fn largest(self) -> u64 {
        match self {
            Self::Comment | Self::Metadata | Self::Attributes | Self::EntryComment => 4_096,
            Self::EntryMetadata => 5 * 4_096,
            Self::Roles => 64,
            Self::Operations => 100,
            Self::Statuses => 6_000,
        }
    }
}

/// A sum of a number and multiples of lengths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    fixed: u64,
    multiples: [u64; Length::ALL.len()],
}

impl Amount {
    pub(super) const fn bytes(bytes: u64) -> Self {
        Self {
            fixed: bytes,
            multiples: [0; Length::ALL.len()],
        }
    }

    pub(super) const fn steps(steps: u64) -> Self {
        Self::bytes(steps * STEP)
    }

    pub(super) const fn of(length: Length) -> Self {
        let mut amount = Self::bytes(0);
        amount.multiples[length as usize] = 1;
        amount
    }

    pub(super) const fn times(mut self, factor: u64) -> Self {
        self.fixed = self.fixed.saturating_mul(factor);
        let mut index = 0;
        while index < self.multiples.len() {
            self.multiples[index] = self.multiples[index].saturating_mul(factor);
            index += 1;
        }
        self
    }

    /// The smaller of two amounts as far as that is known beforehand, else their sum.
    pub(super) fn smaller(self, other: Self) -> Self {
        let fixed = |amount: &Self| amount.multiples.iter().all(|times| *times == 0);
        match (fixed(&self), fixed(&other)) {
            (true, true) if self.fixed <= other.fixed => self,
            (true, false) => self,
            (true | false, true) => other,
            (false, false) => self + other,
        }
    }

    fn at(&self, lengths: impl Fn(Length) -> u64) -> u64 {
        let asked = Length::ALL.iter().zip(self.multiples);
        // Most lengths do not matter, and some take a while to find out.
        let asked = asked.filter(|(_, times)| *times > 0);
        asked.fold(self.fixed, |sum, (length, times)| {
            sum.saturating_add(times.saturating_mul(lengths(*length)))
        })
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.fixed = self.fixed.saturating_add(other.fixed);
        for (times, more) in self.multiples.iter_mut().zip(other.multiples) {
            *times = times.saturating_add(more);
        }
        self
    }
}

/// The work of an expression: once, and again for each line of the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Formula {
    pub(super) once: Amount,
    pub(super) per_line: Amount,
}

impl Formula {
    /// The steps that an order with so many lines and these lengths takes.
    pub(super) fn steps(&self, lines: usize, lengths: impl Fn(Length) -> u64 + Copy) -> u64 {
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        let per_line = self.per_line.at(lengths).saturating_mul(lines);
        self.once.at(lengths).saturating_add(per_line) / STEP
    }

    pub(super) fn steps_at_most(&self) -> u64 {
        self.steps(LINES_MAX, Length::largest)
    }
}

impl Add for Formula {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            once: self.once + other.once,
            per_line: self.per_line + other.per_line,
        }
    }
}
