//! Refusals of the database. A transient one is tried again as a whole; another one is put down to a single step, found by splitting; a commit
//! that was not answered is looked up.

use std::{collections::BTreeSet, time::Duration};

use waymark_domain::partition::Partition;

use super::{
    BatchOutcome, CommitError, CommitRound, Unit, UnitMode, UnitOutcome, UnitProgress, UnitState,
    answers::Answers,
    attempt::{Batch, Group, Latecomers, attempt, partitions, pieces},
    batch::{Piece, PieceOutcome},
    dry_run::dry_run,
    panics,
};
use crate::{
    Error, Store, error::ErrorChain, logging::report, patience::Patience, tx::WriteFailure,
};

/// How much longer than patience a stage of an attempt may last: the end of waiting for a lock is
/// reported by the database.
const BEYOND: Duration = Duration::from_secs(1);

impl Store {
    /// Commits all steps that are not refused, in as many transactions as that takes, and says
    /// what became of each unit and what is in the log now.
    ///
    /// The future may only be dropped where nobody needs the answer: what it was about to
    /// commit may be committed all the same. So run it in a task of its own.
    pub async fn commit(&self, units: Vec<Unit>) -> BatchOutcome {
        let mut ended: Vec<_> = units.iter().map(|_| None).collect();
        let mut written = Vec::new();
        let (mut places, mut waiting): (Vec<_>, Vec<_>) =
            units.into_iter().map(UnitProgress::new).enumerate().unzip();
        while !waiting.is_empty() {
            let patience = self.commit_patience();
            let round = self.commit_round(waiting, &[], patience, |_| Vec::new());
            let round = round.await;
            written.extend(round.written);
            let cannot_load = if round.unloaded.is_empty() {
                None
            } else {
                self.load_workflows(&round.unloaded).await.err()
            };
            waiting = Vec::new();
            let mut still = Vec::new();
            for (place, state) in places.into_iter().zip(round.units) {
                let outcome = match (state, &cannot_load) {
                    (UnitState::Ended(outcome), _) => outcome,
                    (UnitState::Unfinished(progress), _) if round.is_unavailable => {
                        progress.give_up(CommitError::Unavailable)
                    }
                    (UnitState::Unfinished(progress), Some(error)) => {
                        report(error, "workflows not loadable");
                        progress.give_up(CommitError::from(error))
                    }
                    (UnitState::Unfinished(progress), None) => {
                        waiting.push(progress);
                        still.push(place);
                        continue;
                    }
                };
                if let Some(ended) = ended.get_mut(place) {
                    *ended = Some(outcome);
                }
            }
            places = still;
        }
        let units = ended
            .into_iter()
            .map(|ended| ended.unwrap_or(Err(CommitError::Database)));
        BatchOutcome {
            units: units.collect(),
            written,
        }
    }

    /// Commits what the time of a transaction suffices for, with the locks of more partitions, and
    /// says how far each unit has come. What the database does not take is tried again as long as
    /// patience lasts. Once all locks are held it asks once for more units, those that came
    /// meanwhile; it gives a test whether a unit lies in the locked partitions and may
    /// join. The answers to these follow those to the first ones.
    pub async fn commit_round(
        &self,
        units: Vec<UnitProgress>,
        locks: &[Partition],
        patience: Duration,
        mut latecomers: impl FnMut(&dyn Fn(&Unit) -> bool) -> Vec<Unit> + Send,
    ) -> CommitRound {
        let mut latecomers: Option<&mut Latecomers<'_>> = Some(&mut latecomers);
        let (mut units, mut answers) = Answers::of(units);
        let (mut written, mut unloaded) = (Vec::new(), BTreeSet::new());
        let mut is_unavailable = false;
        let mut waiting = vec![pieces(&units, |unit| answers.done(unit), 0)];
        while let Some(pieces) = waiting.pop().filter(|pieces| !pieces.is_empty()) {
            let mut group = Group {
                units: &mut units,
                pieces,
            };
            let mut patience = Patience::new(patience);
            let done = self.commit_group(&mut group, locks, &mut patience, &mut latecomers);
            let done = done.await;
            let pieces = group.pieces;
            answers.await_all(&units);
            match done {
                Ok(batch) => {
                    answers.put(batch.outcomes);
                    written.extend(batch.entries);
                    unloaded.extend(batch.unloaded);
                    if !batch.rest.is_empty() {
                        // What waits may come behind what was left.
                        break;
                    }
                }
                Err(Trouble::Unavailable) => {
                    is_unavailable = true;
                    break;
                }
                Err(Trouble::GivenUp(failed)) => answers.fail(&failed),
                Err(Trouble::Refused(error)) => {
                    if let Some((first, second)) = split(&units, &pieces) {
                        waiting.extend([second, first]);
                    } else {
                        report_refused(&units, &pieces, &error);
                        let failed = pieces
                            .into_iter()
                            .map(|piece| (piece, CommitError::Database));
                        answers.fail(&failed.collect::<Vec<_>>());
                    }
                }
            }
        }
        answers.await_all(&units);
        CommitRound {
            units: answers.finish(units),
            written,
            is_unavailable,
            unloaded,
        }
    }

    /// Says what a commit of this unit would answer now, and writes nothing. A request id that was
    /// used is answered with what was remembered; all other entries have offset 0. What cannot be
    /// decided in a second, or keeps too much of the orders in memory, is refused.
    ///
    /// It may read many bodies and take up to a second of a processor, so it belongs onto threads
    /// that give way, and to a store [for such reads](Self::for_bulk).
    ///
    /// # Errors
    /// Returns [`CommitError`] when the database cannot be read, or what was read is not in order.
    pub async fn dry_run(&self, unit: Unit) -> Result<UnitOutcome, CommitError> {
        dry_run(self, unit).await.map_err(|error| {
            report(&error, "dry run failed");
            CommitError::from(&error)
        })
    }

    async fn commit_group(
        &self,
        group: &mut Group<'_>,
        more: &[Partition],
        patience: &mut Patience,
        latecomers: &mut Option<&mut Latecomers<'_>>,
    ) -> Result<Batch, Trouble> {
        let mut in_doubt: Option<Batch> = None;
        let mut refused_alone = false;
        let mut locks = partitions(self, group.units, &group.pieces);
        if latecomers.is_some() {
            locks.extend_from_slice(more);
            locks.sort_unstable();
            locks.dedup();
        }
        loop {
            let latecomers = latecomers.take();
            let timeline = self.timelines().number();
            let left = patience.left();
            let locks = (
                locks.as_slice(),
                Some(left).filter(|left| *left < self.settings().lock_timeout),
            );
            let limit = left.saturating_add(BEYOND);
            let written = self.database().batch(limit, async |tx| {
                let work = attempt(self, tx, locks, group, latecomers, &mut in_doubt);
                panics::writing(work).await
            });
            let error = match written.await {
                Ok(batch) => {
                    batch.committed();
                    self.note_written(timeline, &batch.entries);
                    return Ok(batch);
                }
                Err(WriteFailure::AtCommit { outcome, error }) => {
                    in_doubt = Some(outcome);
                    error
                }
                Err(WriteFailure::Before(error)) if error.is_of_storage() => error,
                Err(WriteFailure::Before(error)) if error.is_transient() || in_doubt.is_some() => {
                    error
                }
                // A refusal whose words are not known may have been a transient one.
                Err(WriteFailure::Before(error))
                    if !refused_alone && split(group.units, &group.pieces).is_none() =>
                {
                    refused_alone = true;
                    error
                }
                Err(WriteFailure::Before(error)) => return Err(Trouble::Refused(error)),
            };
            tracing::debug!(error = %ErrorChain(&error), attempt = patience.attempt(), "commit retried");
            if error.is_lasting() || !patience.wait().await {
                report(&error, "commit given up");
                if in_doubt.is_none()
                    && lacking(&error) == CommitError::Unavailable
                    && !error.is_lasting()
                {
                    return Err(Trouble::Unavailable);
                }
                let failed = given_up(&group.pieces, in_doubt, &error);
                return Err(Trouble::GivenUp(failed));
            }
        }
    }
}

enum Trouble {
    /// The database refuses something in the group.
    Refused(Error),
    /// Patience is at an end, and nothing was written.
    Unavailable,
    /// Patience is at an end, or would not help; what is true of each piece, those of a unit in turn.
    GivenUp(Vec<(Piece, CommitError)>),
}

/// What was refused by a rule was not written whatever became of the commit, but the rule
/// judged by what its neighbours did, so only what the database lacks is true of it. What was
/// written before by the same call was seen, but whether it lasts is not known either.
fn given_up(group: &[Piece], in_doubt: Option<Batch>, error: &Error) -> Vec<(Piece, CommitError)> {
    let lacking = lacking(error);
    let Some(batch) = in_doubt else {
        return group
            .iter()
            .cloned()
            .map(|piece| (piece, lacking))
            .collect();
    };
    let wrote = |outcome: &PieceOutcome| {
        outcome
            .as_ref()
            .is_ok_and(|steps| steps.iter().any(Result::is_ok))
    };
    let decided = batch.outcomes.into_iter().map(|(piece, outcome)| {
        let error = if wrote(&outcome) {
            CommitError::OutcomeUnknown
        } else {
            lacking
        };
        (piece, error)
    });
    let rest = batch.rest.into_iter().map(|piece| (piece, lacking));
    decided.chain(rest).collect()
}

/// The reason why pieces were not written.
fn lacking(error: &Error) -> CommitError {
    match CommitError::from(error) {
        // A refusal that was put down to no step, while a commit was not answered.
        CommitError::Database => CommitError::Unavailable,
        other => other,
    }
}

/// Halves a group: its pieces, or the steps of its only piece where they are separate.
fn split(units: &[Unit], group: &[Piece]) -> Option<(Vec<Piece>, Vec<Piece>)> {
    match group {
        [] => None,
        [piece] => {
            let (steps, mode) = piece.of(units);
            if steps.len() < 2 || mode == UnitMode::Atomic {
                return None;
            }
            let middle = piece.steps.start + steps.len() / 2;
            let first = Piece {
                unit: piece.unit,
                steps: piece.steps.start..middle,
            };
            let second = Piece {
                unit: piece.unit,
                steps: middle..piece.steps.end,
            };
            Some((vec![first], vec![second]))
        }
        pieces => {
            let (first, second) = pieces.split_at(pieces.len() / 2);
            Some((first.to_vec(), second.to_vec()))
        }
    }
}

/// Logs which step the database refused; of an atomic unit, the first one.
fn report_refused(units: &[Unit], pieces: &[Piece], error: &Error) {
    const MESSAGE: &str = "step refused by the database";
    let first = pieces.first();
    let step = first.and_then(|piece| piece.of(units).0.first());
    let Some(step) = step.filter(|_| !error.is_of_storage()) else {
        report(error, MESSAGE);
        return;
    };
    tracing::error!(
        order.id = step.order_id.as_str(),
        workflow = step.workflow.as_str(),
        error = %ErrorChain(error),
        "{MESSAGE}"
    );
}
