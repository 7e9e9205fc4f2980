//! One transaction of a batch, from its locks to what it wants to commit.

use std::{collections::BTreeSet, time::Duration};

use uuid::Uuid;
use waymark_domain::{history::LogPosition, partition::Partition, value::WorkflowCode};

use super::{
    Unit,
    batch::{Piece, PieceOutcome, Purpose},
    budget::{Budget, READ_AHEAD},
    turns::{Decided, Turn, Turns, read_ahead, turns_of},
    working::Working,
    write::{self, Mark, Written},
};
use crate::{
    BatchId, Batched, Error, Store,
    catalog::Cached,
    history,
    tx::{Ending, Tx},
};

/// A batch that was decided and, but for the commit itself, written.
pub(super) struct Batch {
    /// The decided pieces, each with the steps that were decided.
    pub(super) outcomes: Vec<(Piece, PieceOutcome)>,
    /// The pieces that were left undecided, in the order of units, and the workflows that they wait
    /// for.
    pub(super) rest: Vec<Piece>,
    pub(super) unloaded: BTreeSet<WorkflowCode>,
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

pub(super) struct Group<'u> {
    pub(super) units: &'u mut Vec<Unit>,
    pub(super) pieces: Vec<Piece>,
}

/// Gives units of which nothing was done and that may join a batch, as far as a test admits them: those whose partitions are
/// locked.
pub(super) type Latecomers<'l> = dyn FnMut(&dyn Fn(&Unit) -> bool) -> Vec<Unit> + Send + 'l;

/// Runs a batch with the locks of its partitions, waiting for them so long, where that is less than
/// usual. Once they are held, others may join it.
///
/// `in_doubt` is the same batch of an earlier transaction whose commit was not answered. It
/// is settled first, under the locks: with them held, that transaction has ended one way or
/// the other, and the entry at its first offset says which.
///
/// What is only read, the proof or what a call did before, is committed too: a restart of the
/// server makes visible what no standby has, and the locks were written down, so their commit
/// waits until the standby has everything before it.
pub(super) async fn attempt(
    store: &Store,
    tx: &mut Tx,
    (locked, wait): (&[Partition], Option<Duration>),
    group: &mut Group<'_>,
    latecomers: Option<&mut Latecomers<'_>>,
    in_doubt: &mut Option<Batch>,
) -> Result<Ending<Batch>, Error> {
    let mut turns = turns_of(&group.pieces);
    let first = read_ahead(group.units, &mut turns, READ_AHEAD);
    let mut working = Working::load(store, tx, locked, &first, Purpose::Commit(wait)).await?;
    if let Some((position, id)) = in_doubt.as_ref().and_then(Batch::proof) {
        let found = history::batch(tx, position).await?;
        if let Some(batch) = in_doubt.take().filter(|_| found == Some(id)) {
            return Ok(Ending::Commit(batch));
        }
    }
    if let Some(latecomers) = latecomers {
        let came = group.join(latecomers(&|unit| is_covered(store, locked, unit)));
        if !came.is_empty() {
            turns.extend(turns_of(&came));
            if !working.is_full() {
                let more = read_ahead(group.units, &mut turns, READ_AHEAD);
                working.join(tx, &more).await?;
            }
        }
    }
    let decided = decide(store, tx, &mut working, (group.units.as_slice(), turns)).await?;
    let batch = Batch {
        outcomes: decided.outcomes,
        rest: decided.rest,
        unloaded: decided.unloaded,
        entries: Vec::new(),
        marks: Vec::new(),
    };
    if working.pending.is_empty() {
        // Where nothing was decided, nobody relies on what was read.
        let is_empty = batch.outcomes.is_empty();
        return Ok(if is_empty {
            Ending::RollBack(batch)
        } else {
            Ending::Commit(batch)
        });
    }
    if let Some((partition, ahead_micros)) = working.ahead() {
        store.warn_ahead(partition, ahead_micros);
    }
    let id = BatchId(Uuid::new_v4().into_bytes());
    let Written { entries, marks } = write::all(tx, &mut working, id).await?;
    let marks = marks
        .into_iter()
        .filter_map(|mark| Some((working.cached(&mark.0)?.clone(), mark)));
    Ok(Ending::Commit(Batch {
        entries,
        marks: marks.collect(),
        ..batch
    }))
}

/// Decides what the time suffices for, and reads what that needs.
async fn decide(
    store: &Store,
    tx: &mut Tx,
    working: &mut Working,
    (units, turns): (&[Unit], Vec<Turn>),
) -> Result<Decided, Error> {
    let mut turns = Turns::new(units, turns, Budget::of(store.settings()));
    while let Some(unread) = turns.run(working) {
        working.join(tx, &unread).await?;
    }
    Ok(turns.finish())
}

impl Group<'_> {
    /// Adds units, and returns their pieces.
    fn join(&mut self, units: Vec<Unit>) -> Vec<Piece> {
        let first = self.units.len();
        self.units.extend(units);
        let came = pieces(self.units, |_| 0, first);
        self.pieces.extend_from_slice(&came);
        came
    }
}

/// The pieces of all units from the one at `first` on, as far as they are not done.
pub(super) fn pieces(units: &[Unit], done: impl Fn(usize) -> usize, first: usize) -> Vec<Piece> {
    let pieces = units
        .iter()
        .enumerate()
        .skip(first)
        .map(|(index, unit)| Piece {
            unit: index,
            steps: done(index)..unit.steps.len(),
        });
    pieces.filter(|piece| !piece.steps.is_empty()).collect()
}

fn is_covered(store: &Store, locked: &[Partition], unit: &Unit) -> bool {
    unit.steps.iter().all(|step| {
        let partition = store.partition_of(&step.workflow, &step.order_id);
        locked.binary_search(&partition).is_ok()
    })
}

/// The partitions of a batch, in ascending order.
pub(super) fn partitions(store: &Store, units: &[Unit], pieces: &[Piece]) -> Vec<Partition> {
    let steps = pieces.iter().flat_map(|piece| piece.of(units).0);
    let partitions = steps.map(|step| store.partition_of(&step.workflow, &step.order_id));
    let partitions: BTreeSet<_> = partitions.collect();
    partitions.into_iter().collect()
}
