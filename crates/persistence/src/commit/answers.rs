//! What units are answered, put together from what became of their pieces.

use super::{
    CommitError, Committed, Refusal, StepError, Unit, UnitOutcome, UnitProgress, UnitState,
    attempt::{Piece, PieceOutcome},
};

type StepAnswer = Result<Committed, StepError>;

enum Answer {
    Steps(Vec<StepAnswer>),
    Refused { index: usize, refusal: Refusal },
}

/// The answers of all units as they come in, each unit's pieces in turn.
#[derive(Default)]
pub(super) struct Answers(Vec<Answer>);

impl Answers {
    /// Takes apart units and what was answered of them before.
    pub(super) fn of(units: Vec<UnitProgress>) -> (Vec<Unit>, Self) {
        let taken_apart = units
            .into_iter()
            .map(|UnitProgress { unit, done }| (unit, Answer::Steps(done)));
        let (units, answers) = taken_apart.unzip();
        (units, Self(answers))
    }

    /// How many steps of a unit are answered.
    pub(super) fn done(&self, unit: usize) -> usize {
        match self.0.get(unit) {
            Some(Answer::Steps(answers)) => answers.len(),
            Some(Answer::Refused { .. }) | None => 0,
        }
    }

    /// Makes room for the units that it does not know yet.
    pub(super) fn await_all(&mut self, units: &[Unit]) {
        let new = units.iter().skip(self.0.len());
        self.0
            .extend(new.map(|unit| Answer::Steps(Vec::with_capacity(unit.steps.len()))));
    }

    pub(super) fn put(&mut self, outcomes: Vec<(Piece, PieceOutcome)>) {
        for (piece, outcome) in outcomes {
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

    /// Fails pieces, each with its own error.
    pub(super) fn fail(&mut self, failed: &[(Piece, CommitError)]) {
        for (piece, error) in failed {
            if let Some(Answer::Steps(answers)) = self.0.get_mut(piece.unit) {
                answers.extend(piece.steps.clone().map(|_| Err(StepError::Failed(*error))));
            }
        }
    }

    /// How far each unit has come.
    pub(super) fn finish(self, units: Vec<Unit>) -> Vec<UnitState> {
        let states = self.0.into_iter().zip(units).map(|(answer, unit)| {
            let done = match answer {
                Answer::Refused { index, refusal } => {
                    return UnitState::Ended(Ok(UnitOutcome::Refused { index, refusal }));
                }
                Answer::Steps(done) => done,
            };
            if done.len() < unit.steps.len() {
                return UnitState::Unfinished(UnitProgress { unit, done });
            }
            UnitState::Ended(match failure(&done) {
                Some(error) => Err(error),
                None => Ok(UnitOutcome::Done(done)),
            })
        });
        states.collect()
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
