//! The answers to units, put together from the outcomes of their pieces.

use waymark_domain::order::Order;

use super::{
    CommitError, Committed, Refusal, StepError, Unit, UnitOutcome, UnitProgress, UnitState,
    batch::{Piece, PieceOutcome},
};

/// The bytes that the orders of a unit's answers may take together, as reckoned here. It is several times
/// what an answer to a call may, and what does not fit into that is not shown.
pub(super) const ORDERS_BYTES_MAX: usize = 8 << 20;
/// The bytes of a line of an order, or a hold on it, with its texts.
const ITEM_BYTES: usize = 512;
/// The bytes of an attribute beside its texts.
const ATTRIBUTE_BYTES: usize = 64;

/// The order as an answer has it: none where there is no room for it, of which it takes its part.
pub(super) fn shown(order: &Order, room: &mut usize) -> Option<Order> {
    *room = room.checked_sub(reckoned_bytes(order))?;
    Some(order.clone())
}

/// The bytes of an order in memory. It decides how many are kept, so it need not be exact.
fn reckoned_bytes(order: &Order) -> usize {
    let attributes = order.attributes.as_map().iter();
    let attributes = attributes.map(|(key, value)| key.len() + value.len() + ATTRIBUTE_BYTES);
    let items = (order.lines.len() + order.holds.len()) * ITEM_BYTES;
    size_of::<Order>() + items + attributes.sum::<usize>()
}

/// Drops the orders that came later than there was room for.
fn fit_orders(answers: &mut [StepAnswer]) {
    let mut room = ORDERS_BYTES_MAX;
    for committed in answers.iter_mut().flatten() {
        if let Some(order) = &committed.order {
            match room.checked_sub(reckoned_bytes(order)) {
                Some(left) => room = left,
                None => committed.order = None,
            }
        }
    }
}

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
                    fit_orders(answers);
                }
                (Err((index, refusal)), answer) => *answer = Answer::Refused { index, refusal },
                (Ok(_), Answer::Refused { .. }) => {}
            }
        }
    }

    pub(super) fn fail(&mut self, failed: &[(Piece, CommitError)]) {
        for (piece, error) in failed {
            if let Some(Answer::Steps(answers)) = self.0.get_mut(piece.unit) {
                answers.extend(piece.steps.clone().map(|_| Err(StepError::Failed(*error))));
            }
        }
    }

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
