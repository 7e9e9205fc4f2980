//! What a commit would answer. Nothing is locked meanwhile, and the connection is
//! given back before anything is decided, which may be done elsewhere; what takes long
//! lets other tasks of its thread have their turn in between.

use std::time::Duration;

use super::{
    CommitError, Unit, UnitMode, UnitOutcome, UnitProgress, UnitState,
    answers::Answers,
    attempt::{Piece, PieceOutcome, partitions, pieces},
    budget::{Budget, Stretch},
    retry::report,
    turns::{Turns, all_read},
    working::{Purpose, Working},
};
use crate::{Error, Refusal, Store};

/// How long deciding a rehearsal may take.
const REHEARSAL_MAX: Duration = Duration::from_secs(1);

/// A unit that was not decided yet, with what the database has for it now.
pub struct Rehearsal {
    units: Vec<Unit>,
    pieces: Vec<Piece>,
    answers: Answers,
    working: Working,
    budget: Budget,
}

impl Rehearsal {
    pub(super) async fn load(store: &Store, unit: Unit) -> Result<Self, Error> {
        let (units, answers) = Answers::of(vec![UnitProgress::new(unit)]);
        let pieces = pieces(&units, |_| 0, 0);
        let (_, steps) = all_read(&units, &pieces);
        let partitions = partitions(store, &units, &pieces);
        let loaded = store.database().snapshot(async |tx| {
            Working::load(store, tx, &partitions, &steps, Purpose::Rehearse).await
        });
        let working = loaded.await?;
        let of_batch = Budget::of(store.settings());
        let budget = Budget {
            batch: of_batch.slice,
            ..of_batch
        };
        Ok(Self {
            units,
            pieces,
            answers,
            working,
            budget,
        })
    }

    /// Says what a commit would answer. It takes up to a second of a processor, and no database.
    ///
    /// # Errors
    /// Returns [`CommitError`] when something that was read is not in order.
    pub async fn decide(self) -> Result<UnitOutcome, CommitError> {
        self.decided().await.map_err(|error| {
            report(&error, "a rehearsal failed");
            CommitError::from(&error)
        })
    }

    async fn decided(self) -> Result<UnitOutcome, Error> {
        let Self {
            units,
            pieces,
            mut answers,
            mut working,
            budget,
        } = self;
        let (turns, _) = all_read(&units, &pieces);
        let mut turns = Turns::new(&units, turns, budget);
        let mut spent = Duration::ZERO;
        while turns.go_on() && spent < REHEARSAL_MAX {
            let stretch = Stretch::begin();
            turns.run(&mut working)?;
            spent += stretch.spent();
            tokio::task::yield_now().await;
        }
        let decided = turns.finish();
        answers.put(decided.outcomes);
        let refusal = Refusal::TooCostly {
            budget: REHEARSAL_MAX,
        };
        for piece in decided.rest {
            let mode = units.get(piece.unit).map(|unit| unit.mode);
            let outcome: PieceOutcome = match mode {
                Some(UnitMode::Atomic) => Err((piece.steps.start, refusal.clone())),
                Some(UnitMode::Separate) | None => {
                    Ok(piece.steps.clone().map(|_| Err(refusal.clone())).collect())
                }
            };
            answers.put(vec![(piece, outcome)]);
        }
        Ok(match answers.finish(units).pop() {
            Some(UnitState::Ended(Ok(outcome))) => outcome,
            Some(UnitState::Ended(Err(_)) | UnitState::Unfinished(_)) | None => {
                UnitOutcome::Done(Vec::new())
            }
        })
    }
}
