//! What happens when the database refuses. A passing refusal is tried again as a
//! whole; another one is put down to a single step, found by splitting; a commit
//! that was not answered is looked up.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use waymark_domain::partition::Partition;

use super::{
    BatchOutcome, CommitError, Refusal, StepError, Unit, UnitMode, UnitOutcome,
    attempt::{
        Batch, Group, Latecomers, Piece, PieceOutcome, attempt, partitions, pieces, rehearse,
    },
};
use crate::{Batched, Error, Store, tx::WriteFailure};

const ATTEMPTS_MAX: u32 = 100;
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(400);

impl Store {
    /// Commits all steps that are not refused, in one transaction, and says what became of
    /// each unit and what is in the log now.
    ///
    /// The future may only be dropped where nobody needs the answer: what it was about to
    /// commit may be committed all the same. So run it in a task of its own.
    pub async fn commit(&self, units: Vec<Unit>) -> BatchOutcome {
        self.commit_joined(units, &[], |_| Vec::new()).await
    }

    /// Commits as [`Store::commit`] does, with the locks of more partitions. Once all locks are
    /// held it asks once for more units, those that came meanwhile; it gives a test that tells
    /// whether a unit lies in the locked partitions and may join. The answers to these follow
    /// those to the first ones.
    pub async fn commit_joined(
        &self,
        mut units: Vec<Unit>,
        locks: &[Partition],
        mut latecomers: impl FnMut(&dyn Fn(&Unit) -> bool) -> Vec<Unit> + Send,
    ) -> BatchOutcome {
        let mut latecomers: Option<&mut Latecomers<'_>> = Some(&mut latecomers);
        let mut answers = Answers::default();
        let mut written: Vec<Batched> = Vec::new();
        let mut waiting = vec![pieces(&units, 0)];
        while let Some(pieces) = waiting.pop().filter(|pieces| !pieces.is_empty()) {
            let mut group = Group {
                units: &mut units,
                pieces,
            };
            let done = self.commit_group(&mut group, locks, &mut latecomers).await;
            let pieces = group.pieces;
            answers.await_all(&units);
            match done {
                Ok(batch) => {
                    answers.put(&pieces, batch.outcomes);
                    written.extend(batch.entries);
                }
                Err(Trouble::GivenUp(errors)) => answers.fail(&pieces, &errors),
                Err(Trouble::Refused(error)) => {
                    if let Some((first, second)) = split(&units, &pieces) {
                        waiting.extend([second, first]);
                    } else {
                        report(&error, "the database refused a step");
                        answers.fail(&pieces, &[CommitError::Database]);
                    }
                }
            }
        }
        answers.await_all(&units);
        BatchOutcome {
            units: answers.finish(&units),
            written,
        }
    }

    /// Says what a commit of this unit would answer now, and writes nothing. Request ids are
    /// neither looked up nor remembered, and the entries have offset 0.
    ///
    /// # Errors
    /// Returns [`CommitError`] when the database cannot be read.
    pub async fn rehearse(&self, unit: Unit) -> Result<UnitOutcome, CommitError> {
        let units = [unit];
        let group = pieces(&units, 0);
        let outcomes = self
            .database()
            .snapshot(async |tx| rehearse(self, tx, &units, &group).await);
        match outcomes.await {
            Ok(outcomes) => {
                let mut answers = Answers::default();
                answers.await_all(&units);
                answers.put(&group, outcomes);
                answers
                    .finish(&units)
                    .pop()
                    .unwrap_or(Err(CommitError::Database))
            }
            Err(error) => {
                report(&error, "a rehearsal failed");
                Err(CommitError::from(&error))
            }
        }
    }

    async fn commit_group(
        &self,
        group: &mut Group<'_>,
        more: &[Partition],
        latecomers: &mut Option<&mut Latecomers<'_>>,
    ) -> Result<Batch, Trouble> {
        let mut patience = Patience::new(self.settings().commit_patience);
        let mut doubtful: Option<Batch> = None;
        let mut refused_alone = false;
        let mut locks = partitions(self, group.units, &group.pieces);
        if latecomers.is_some() {
            locks.extend_from_slice(more);
            locks.sort_unstable();
            locks.dedup();
        }
        loop {
            let latecomers = latecomers.take();
            let written = self.database().batch(async |tx| {
                attempt(self, tx, &locks, group, latecomers, &mut doubtful).await
            });
            let error = match written.await {
                Ok(batch) => {
                    batch.committed();
                    self.note_written(&batch.entries);
                    return Ok(batch);
                }
                Err(WriteFailure::AtCommit { outcome, error }) => {
                    doubtful = Some(outcome);
                    error
                }
                Err(WriteFailure::Before(error)) if error.is_of_storage() => error,
                Err(WriteFailure::Before(error)) if error.is_passing() || doubtful.is_some() => {
                    error
                }
                // A refusal whose words are not known may have been a passing one.
                Err(WriteFailure::Before(error))
                    if !refused_alone && split(group.units, &group.pieces).is_none() =>
                {
                    refused_alone = true;
                    error
                }
                Err(WriteFailure::Before(error)) => return Err(Trouble::Refused(error)),
            };
            tracing::debug!(error = %Chain(&error), attempt = patience.attempts, "a commit is tried again");
            if error.is_of_storage() || !patience.wait().await {
                report(&error, "a commit was given up");
                let errors = given_up(&group.pieces, doubtful.as_ref(), &error);
                return Err(Trouble::GivenUp(errors));
            }
        }
    }
}

enum Trouble {
    /// The database refuses something in the group.
    Refused(Error),
    /// Patience is at an end; one answer for each piece.
    GivenUp(Vec<CommitError>),
}

/// What was refused by a rule was not written whatever became of the commit, but the rule
/// judged by what its neighbours did, so only what the database lacks is true of it. What was written
/// before by the same call was seen, but whether it lasts is not known either.
fn given_up(group: &[Piece], doubtful: Option<&Batch>, error: &Error) -> Vec<CommitError> {
    let lacking = match CommitError::from(error) {
        // A refusal that was put down to no step, while a commit was not answered.
        CommitError::Database => CommitError::Unavailable,
        lacking => lacking,
    };
    let Some(batch) = doubtful else {
        return vec![lacking; group.len()];
    };
    let wrote = |outcome: &PieceOutcome| {
        outcome
            .as_ref()
            .is_ok_and(|steps| steps.iter().any(Result::is_ok))
    };
    let errors = batch.outcomes.iter().map(|outcome| {
        if wrote(outcome) {
            CommitError::OutcomeUnknown
        } else {
            lacking
        }
    });
    errors.collect()
}

pub(crate) struct Patience {
    until: Instant,
    pause: Duration,
    attempts: u32,
}

impl Patience {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            until: Instant::now() + patience,
            pause: PAUSE_MIN,
            attempts: 1,
        }
    }

    /// Waits a random part of a growing pause; false when patience is at an end.
    pub(crate) async fn wait(&mut self) -> bool {
        let share = u32::from(
            Uuid::new_v4()
                .as_bytes()
                .first()
                .copied()
                .unwrap_or(u8::MAX),
        );
        let pause = self.pause.saturating_mul(64 + share) / 256;
        if self.attempts >= ATTEMPTS_MAX || Instant::now() + pause >= self.until {
            return false;
        }
        tokio::time::sleep(pause).await;
        self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
        self.attempts += 1;
        true
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

type StepAnswer = Result<super::Committed, StepError>;

enum Answer {
    Steps(Vec<StepAnswer>),
    Refused { index: usize, refusal: Refusal },
}

/// The answers of all units as they come in, each unit's pieces in turn.
#[derive(Default)]
struct Answers(Vec<Answer>);

impl Answers {
    /// Makes room for the units that it does not know yet.
    fn await_all(&mut self, units: &[Unit]) {
        let new = units.iter().skip(self.0.len());
        self.0
            .extend(new.map(|unit| Answer::Steps(Vec::with_capacity(unit.steps.len()))));
    }

    fn put(&mut self, group: &[Piece], outcomes: Vec<PieceOutcome>) {
        for (piece, outcome) in group.iter().zip(outcomes) {
            let Some(answer) = self.0.get_mut(piece.unit) else {
                continue;
            };
            match (outcome, answer) {
                (Ok(steps), Answer::Steps(answers)) => {
                    answers.extend(
                        steps
                            .into_iter()
                            .map(|step| step.map_err(StepError::Refused)),
                    );
                }
                (Err((index, refusal)), answer) => *answer = Answer::Refused { index, refusal },
                (Ok(_), Answer::Refused { .. }) => {}
            }
        }
    }

    /// Fails the pieces of a group, each with its own error or all with the only one.
    fn fail(&mut self, group: &[Piece], errors: &[CommitError]) {
        for (piece, error) in group.iter().zip(errors.iter().cycle()) {
            if let Some(Answer::Steps(answers)) = self.0.get_mut(piece.unit) {
                answers.extend(piece.steps.clone().map(|_| Err(StepError::Failed(*error))));
            }
        }
    }

    fn finish(self, units: &[Unit]) -> Vec<Result<UnitOutcome, CommitError>> {
        let answers = self
            .0
            .into_iter()
            .zip(units)
            .map(|(answer, unit)| match answer {
                Answer::Refused { index, refusal } => Ok(UnitOutcome::Refused { index, refusal }),
                Answer::Steps(steps) => match failure(&steps) {
                    Some(error) => Err(error),
                    None if steps.len() == unit.steps.len() => Ok(UnitOutcome::Done(steps)),
                    None => Err(CommitError::Database),
                },
            });
        answers.collect()
    }
}

/// The error of a unit whose steps all failed.
fn failure(steps: &[StepAnswer]) -> Option<CommitError> {
    let mut worst = None;
    for step in steps {
        match step {
            Err(StepError::Failed(error)) => {
                worst = worst
                    .filter(|e| *e == CommitError::OutcomeUnknown)
                    .or(Some(*error));
            }
            Ok(_) | Err(StepError::Refused(_)) => return None,
        }
    }
    worst
}

pub(crate) fn report(error: &Error, message: &'static str) {
    if error.is_of_storage() {
        // Said once, by `storage`, and true of every call.
        tracing::debug!(error = %Chain(error), "{message}");
        return;
    }
    tracing::error!(error = %Chain(error), "{message}");
}

/// An error with its causes, for the log alone.
pub(crate) struct Chain<'e>(pub(crate) &'e Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
