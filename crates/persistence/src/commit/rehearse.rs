//! What a commit would answer. Nothing is locked meanwhile, and the connection is
//! given back before anything is decided; what takes long lets other tasks of its
//! thread have their turn in between.

use std::time::Duration;

use super::{
    Unit, UnitMode, UnitOutcome, UnitProgress, UnitState,
    answers::Answers,
    attempt::{PieceOutcome, partitions, pieces},
    budget::{Budget, Stretch},
    turns::{Turns, all_read},
    working::{Purpose, Working},
};
use crate::{Error, Refusal, Store};

/// How long deciding a rehearsal may take.
const REHEARSAL_MAX: Duration = Duration::from_secs(1);

/// Decides a unit on what the database has now, and writes nothing.
pub(super) async fn rehearse(store: &Store, unit: Unit) -> Result<UnitOutcome, Error> {
    let (units, mut answers) = Answers::of(vec![UnitProgress::new(unit)]);
    let group = pieces(&units, |_| 0, 0);
    let (turns, steps) = all_read(&units, &group);
    let partitions = partitions(store, &units, &group);
    let loaded = store.database().snapshot(async |tx| {
        Working::load(store, tx, &partitions, &steps, Purpose::Rehearse).await
    });
    let mut working = loaded.await?;
    let of_batch = Budget::of(store.settings());
    let budget = Budget {
        batch: of_batch.slice,
        ..of_batch
    };
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
