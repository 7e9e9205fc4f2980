//! Recording operations: what moves, and how much of it is left.

use super::{
    Line, LineQuantity, OperationLines, Progress, Rejection, draft::Draft, transition::movable,
};
use crate::{
    history::{Detail, Recorded},
    value::{Invalid, Money, OperationCode, Quantity},
    workflow::{Effect, Operation},
};

/// Records an operation on an order.
pub(super) fn record(
    draft: &mut Draft<'_>,
    code: &OperationCode,
    lines: &OperationLines,
    amount: Option<Money>,
) -> Result<(), Rejection> {
    movable(draft)?;
    let operation = allowed(draft, code)?;
    let recorded = Recorded {
        operation: operation.code.clone(),
        effect: operation.effect,
        lines: moved(draft, operation.effect, lines)?,
        amount: moved_amount(draft, operation.effect, amount)?,
    };
    let moves_nothing = recorded.lines.is_empty() && recorded.amount == Money::ZERO;
    if moves_nothing && operation.effect != Effect::None {
        return Err(Rejection::NothingToDo {
            operation: code.clone(),
        });
    }
    draft.write(
        draft.order.standing.clone(),
        None,
        Detail::Recorded(recorded),
    );
    Ok(())
}

/// Refuses an operation that the workflow does not have.
pub(super) fn known(draft: &Draft<'_>, code: &OperationCode) -> Result<(), Rejection> {
    match draft.workflow().operation(code) {
        Some(_) => Ok(()),
        None => Err(Rejection::OperationNotFound {
            operation: code.clone(),
        }),
    }
}

/// All that is left for an operation.
pub(super) fn all_left(draft: &Draft<'_>, operation: &Operation) -> Recorded {
    let progress = Progress::new(draft.workflow(), &draft.order);
    Recorded {
        operation: operation.code.clone(),
        effect: operation.effect,
        lines: every_line(draft, operation.effect),
        amount: match operation.effect {
            Effect::Pay => progress.total_due(),
            Effect::None | Effect::Invoice | Effect::Ship | Effect::Refund | Effect::Cancel => {
                Money::ZERO
            }
        },
    }
}

fn allowed<'a>(draft: &Draft<'a>, code: &OperationCode) -> Result<&'a Operation, Rejection> {
    let state = draft
        .state()
        .filter(|state| state.operations.contains(code));
    match draft.workflow().operation(code) {
        Some(operation) if state.is_some() => Ok(operation),
        _ => Err(Rejection::OperationNotAllowed {
            operation: code.clone(),
            state: draft.order.standing.state.clone(),
            allowed: Progress::new(draft.workflow(), &draft.order).allowed_operations(),
        }),
    }
}

fn moved(
    draft: &Draft<'_>,
    effect: Effect,
    lines: &OperationLines,
) -> Result<Vec<LineQuantity>, Rejection> {
    match lines {
        OperationLines::AmountOnly => Ok(Vec::new()),
        OperationLines::AllLeft => Ok(every_line(draft, effect)),
        OperationLines::Given(_) if effect == Effect::Pay => Err(Rejection::Field {
            field: "lines",
            problem: Invalid::Malformed {
                expected: "empty: a payment moves money only",
            },
        }),
        OperationLines::Given(given) => {
            given
                .iter()
                .try_for_each(|asked| fits(draft, effect, asked))?;
            Ok(given.clone())
        }
    }
}

fn every_line(draft: &Draft<'_>, effect: Effect) -> Vec<LineQuantity> {
    let lines = draft.order.lines.iter().map(|line| LineQuantity {
        line_id: line.id.clone(),
        quantity: left(draft, line, effect),
    });
    lines.filter(|moved| !moved.quantity.is_zero()).collect()
}

/// What is left of a line when all shall be moved: nothing for operations without effect.
fn left(draft: &Draft<'_>, line: &Line, effect: Effect) -> Quantity {
    line.left(effect, draft.workflow().refunded_units)
}

fn fits(draft: &Draft<'_>, effect: Effect, asked: &LineQuantity) -> Result<(), Rejection> {
    let Some(line) = draft
        .order
        .lines
        .iter()
        .find(|line| line.id == asked.line_id)
    else {
        return Err(Rejection::LineNotFound {
            line: asked.line_id.clone(),
        });
    };
    let left = match effect {
        // The quantities of an operation without effect are a note.
        Effect::None => line.ordered,
        Effect::Invoice | Effect::Ship | Effect::Refund | Effect::Cancel | Effect::Pay => {
            left(draft, line, effect)
        }
    };
    if asked.quantity > left {
        return Err(Rejection::QuantityExceeded {
            line: line.id.clone(),
            left,
            asked: asked.quantity,
        });
    }
    Ok(())
}

fn moved_amount(
    draft: &Draft<'_>,
    effect: Effect,
    amount: Option<Money>,
) -> Result<Money, Rejection> {
    let progress = Progress::new(draft.workflow(), &draft.order);
    let (asked, left) = match effect {
        Effect::Pay => (amount.unwrap_or(progress.total_due()), progress.total_due()),
        Effect::Refund => (amount.unwrap_or_default(), progress.total_refundable()),
        // The amount of any other operation is a note.
        Effect::None | Effect::Invoice | Effect::Ship | Effect::Cancel => {
            return Ok(amount.unwrap_or_default());
        }
    };
    if asked > left {
        return Err(Rejection::AmountExceeded { left, asked });
    }
    Ok(asked)
}
