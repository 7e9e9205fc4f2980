//! Dry runs of commits. Nothing is locked meanwhile, orders are read a few at a time, and the
//! connection is given back before anything is decided; what takes long lets other tasks of its
//! thread have their turn in between. An order is forgotten as soon as no later step is about it.

use std::time::Duration;

use super::{
    Unit, UnitMode, UnitOutcome, UnitProgress, UnitState,
    answers::Answers,
    attempt::{partitions, pieces},
    batch::{PieceOutcome, Purpose},
    budget::{Budget, RunTimer},
    turns::{Decided, Turns, read_ahead, turns_of},
    working::Working,
};
use crate::{Error, Refusal, Store};

const DRY_RUN_MAX: Duration = Duration::from_secs(1);

/// How many steps are read ahead: many dry runs may be under way.
const READ_AHEAD: usize = 16;

/// Says what a commit of a unit would answer.
pub(super) async fn dry_run(store: &Store, unit: Unit) -> Result<UnitOutcome, Error> {
    let (units, mut answers) = Answers::of(vec![UnitProgress::new(unit)]);
    let pieces = pieces(&units, |_| 0, 0);
    let mut waiting = turns_of(&pieces);
    let first = read_ahead(&units, &mut waiting, READ_AHEAD);
    let all: Vec<_> = units.iter().flat_map(|unit| &unit.steps).collect();
    let partitions = partitions(store, &units, &pieces);
    let loaded = store.database().snapshot(async |tx| {
        let mut working = Working::load(store, tx, &partitions, &first, Purpose::DryRun).await?;
        working.find_workflows(tx, &all).await?;
        Ok(working)
    });
    let mut working = loaded.await?;
    let of_batch = Budget::of(store.settings());
    let budget = Budget {
        batch: of_batch.slice,
        read_ahead: READ_AHEAD,
        ..of_batch
    };
    let turns = Turns::new(&units, waiting, budget);
    let (decided, refusal) = decide(store, &mut working, turns, budget).await?;
    answers.put(decided.outcomes);
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

/// Decides what time and memory suffice for, and says with what the rest is refused.
async fn decide(
    store: &Store,
    working: &mut Working,
    mut turns: Turns<'_>,
    budget: Budget,
) -> Result<(Decided, Refusal), Error> {
    let mut refusal = Refusal::TooCostly {
        budget: DRY_RUN_MAX,
    };
    let mut spent = Duration::ZERO;
    while turns.go_on() && spent < DRY_RUN_MAX {
        let timer = RunTimer::begin();
        let unread = turns.run(working);
        working.keep_only(turns.undecided());
        spent += timer.spent();
        if let Some(unread) = unread {
            if working.is_full() {
                refusal = budget.refusal_of_size();
                break;
            }
            let read = store
                .database()
                .snapshot(async |tx| working.join(tx, &unread).await);
            read.await?;
        }
        tokio::task::yield_now().await;
    }
    Ok((turns.finish(), refusal))
}
