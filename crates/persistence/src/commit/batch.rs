//! Parts of a batch that several of its stages share.

use std::{ops::Range, time::Duration};

use waymark_domain::{history::Logged, partition::Partition, value::RequestId};

use super::{Committed, Refusal, Step, Unit, UnitMode};
use crate::rows::{
    delivery::NewDeliveryRow,
    entry::NewEntryRow,
    entry_index::IndexPageRow,
    order::{CustomerRow, NewOrderRow},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its entries are written and its request ids count. Its locks are waited for so long, where
    /// that is less than usual.
    Commit(Option<Duration>),
    /// A dry run: nothing is written. Request ids are looked up, and remembered for the steps that follow.
    DryRun,
}

/// Steps of one unit that are tried together. An atomic unit is always one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) unit: usize,
    pub(super) steps: Range<usize>,
}

impl Piece {
    pub(super) fn of<'u>(&self, units: &'u [Unit]) -> (&'u [Step], UnitMode) {
        let unit = units.get(self.unit);
        let steps = unit
            .and_then(|unit| unit.steps.get(self.steps.clone()))
            .unwrap_or_default();
        (steps, unit.map_or(UnitMode::Separate, |unit| unit.mode))
    }
}

/// The outcome of a piece: each step, or the index of the step that refused them all.
pub(super) type PieceOutcome = Result<Vec<Result<Committed, Refusal>>, (usize, Refusal)>;

pub(crate) type OrderKey<'k> = (&'k str, &'k str);

/// A step under a request id.
pub(super) enum Remembered {
    /// As the database has it, or as a dry run would have written it.
    Stored {
        fingerprint: Vec<u8>,
        entries: Vec<Logged>,
    },
    /// Among the entries that wait to be written.
    Fresh {
        fingerprint: [u8; 16],
        entries: Range<usize>,
    },
}

/// The partition and key of an order, and a request id.
pub(super) type RequestRef = (Partition, i64, RequestId);

#[derive(Debug, Default)]
pub(super) struct BatchRows<'d> {
    pub(super) entries: Vec<NewEntryRow<'d>>,
    pub(super) created: Vec<NewOrderRow<'d>>,
    pub(super) changed: Vec<NewOrderRow<'d>>,
    pub(super) deliveries: Vec<NewDeliveryRow<'d>>,
    pub(super) pages: Vec<IndexPageRow<'d>>,
    /// The orders that customers lose, and those that they gain.
    pub(super) lost: Vec<CustomerRow<'d>>,
    pub(super) gained: Vec<CustomerRow<'d>>,
}
