//! One transaction of a batch, from its locks to what it wants to commit.

use std::{collections::BTreeSet, ops::Range};

use uuid::Uuid;
use waymark_domain::{history::LogPosition, partition::Partition};

use super::{
    Committed, Refusal, Step, Unit, UnitMode,
    working::{Purpose, Working},
    write::{self, Mark, Written},
};
use crate::{
    BatchId, Batched, Error, Store,
    catalog::Cached,
    history,
    tx::{Ending, Tx},
};

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

/// What became of a piece: each step, or the index of the step that refused them all.
pub(super) type PieceOutcome = Result<Vec<Result<Committed, Refusal>>, (usize, Refusal)>;

/// A batch that was decided and, but for the commit itself, written.
pub(super) struct Batch {
    pub(super) outcomes: Vec<PieceOutcome>,
    /// Its entries.
    pub(super) entries: Vec<Batched>,
    marks: Vec<(Cached, Mark)>,
}

impl Batch {
    /// Where its first entry stands, and the id that only this transaction wrote there; none
    /// when there was nothing to write.
    fn proof(&self) -> Option<(LogPosition, BatchId)> {
        let first = self.entries.first()?;
        Some((first.logged.position, first.batch))
    }

    /// Remembers in memory what the commit made true.
    pub(super) fn committed(&self) {
        for (cached, (_, status)) in &self.marks {
            cached.set_used(status.clone());
        }
    }
}

/// Units on their way to the database.
pub(super) struct Group<'u> {
    pub(super) units: &'u mut Vec<Unit>,
    pub(super) pieces: Vec<Piece>,
}

/// Gives units that may join a batch, as far as a test admits them: those whose partitions are
/// locked.
pub(super) type Latecomers<'l> = dyn FnMut(&dyn Fn(&Unit) -> bool) -> Vec<Unit> + Send + 'l;

/// Runs a batch with the locks of its partitions. Once they are held, others may join it.
///
/// `doubtful` is the same batch of an earlier transaction whose commit was not answered. It
/// is settled first, under the locks: with them held, that transaction has ended one way or
/// the other, and the entry at its first offset says which.
///
/// What is only read, the proof or what a call did before, is committed too: a restart of the
/// server makes visible what no standby has, and the locks were written down, so their commit
/// waits until the standby has everything before it.
pub(super) async fn attempt(
    store: &Store,
    tx: &mut Tx,
    locked: &[Partition],
    group: &mut Group<'_>,
    latecomers: Option<&mut Latecomers<'_>>,
    doubtful: &mut Option<Batch>,
) -> Result<Ending<Batch>, Error> {
    let known = steps(group.units, &group.pieces);
    let mut working = Working::load(store, tx, locked, &known, Purpose::Commit).await?;
    if let Some((position, id)) = doubtful.as_ref().and_then(Batch::proof) {
        let found = history::batch(tx, position).await?;
        if let Some(batch) = doubtful.take().filter(|_| found == Some(id)) {
            return Ok(Ending::Commit(batch));
        }
    }
    if let Some(latecomers) = latecomers {
        let came = group.join(latecomers(&|unit| is_covered(store, locked, unit)));
        if !came.is_empty() {
            working.join(store, tx, &steps(group.units, &came)).await?;
        }
    }
    let outcomes = decide(&mut working, group.units, &group.pieces);
    if working.pending.is_empty() {
        return Ok(Ending::Commit(Batch {
            outcomes,
            entries: Vec::new(),
            marks: Vec::new(),
        }));
    }
    if let Some((partition, ahead_micros)) = working.ahead() {
        store.warn_ahead(partition, ahead_micros);
    }
    let id = BatchId(Uuid::new_v4().into_bytes());
    let Written { entries, marks } = write::all(tx, &mut working, id).await?;
    let marks = marks
        .into_iter()
        .filter_map(|mark| Some((working.graphs.get(&mark.0)?.clone(), mark)))
        .collect();
    Ok(Ending::Commit(Batch {
        outcomes,
        entries,
        marks,
    }))
}

impl Group<'_> {
    /// Adds units, and returns their pieces.
    fn join(&mut self, units: Vec<Unit>) -> Vec<Piece> {
        let first = self.units.len();
        self.units.extend(units);
        let came = pieces(self.units, first);
        self.pieces.extend_from_slice(&came);
        came
    }
}

/// The pieces of all units from the one at `first` on.
pub(super) fn pieces(units: &[Unit], first: usize) -> Vec<Piece> {
    let pieces = units
        .iter()
        .enumerate()
        .skip(first)
        .map(|(index, unit)| Piece {
            unit: index,
            steps: 0..unit.steps.len(),
        });
    pieces.filter(|piece| !piece.steps.is_empty()).collect()
}

fn is_covered(store: &Store, locked: &[Partition], unit: &Unit) -> bool {
    unit.steps.iter().all(|step| {
        let partition = store.partition_of(&step.workflow, &step.order_id);
        locked.binary_search(&partition).is_ok()
    })
}

/// Runs a batch that shall not be written, in an open snapshot.
pub(super) async fn rehearse(
    store: &Store,
    tx: &mut Tx,
    units: &[Unit],
    pieces: &[Piece],
) -> Result<Vec<PieceOutcome>, Error> {
    let steps = steps(units, pieces);
    let partitions = partitions(store, units, pieces);
    let mut working = Working::load(store, tx, &partitions, &steps, Purpose::Rehearse).await?;
    Ok(decide(&mut working, units, pieces))
}

fn decide(working: &mut Working, units: &[Unit], pieces: &[Piece]) -> Vec<PieceOutcome> {
    let outcomes = pieces.iter().map(|piece| {
        let (steps, mode) = piece.of(units);
        working.unit(steps, mode)
    });
    outcomes.collect()
}

fn steps<'u>(units: &'u [Unit], pieces: &[Piece]) -> Vec<&'u Step> {
    let steps = pieces.iter().flat_map(|piece| piece.of(units).0);
    steps.collect()
}

/// The partitions of a batch, in ascending order.
pub(super) fn partitions(store: &Store, units: &[Unit], pieces: &[Piece]) -> Vec<Partition> {
    let steps = pieces.iter().flat_map(|piece| piece.of(units).0);
    let partitions = steps.map(|step| store.partition_of(&step.workflow, &step.order_id));
    let partitions: BTreeSet<_> = partitions.collect();
    partitions.into_iter().collect()
}
