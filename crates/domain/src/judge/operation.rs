//! Recording operations: what moves, and how much of it is left.

use super::{draft::Draft, rights};
use crate::{
    history::{Detail, Recorded},
    order::{Line, LineQuantity, OperationLines, Order, Progress, Rejection, given_back, reckoned},
    value::{Money, OperationCode, Quantity},
    workflow::{Effect, Operation, Transition, Workflow},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct OperationRequest<'a> {
    pub(super) lines: &'a OperationLines,
    pub(super) amount: Option<Money>,
    /// Whether it is taken back.
    pub(super) reverse: bool,
    /// Whether a transition records it with its step, for which nobody named lines.
    pub(super) with_step: bool,
}

#[derive(Debug, Default)]
struct Moved {
    lines: Vec<LineQuantity>,
    /// Whether an order without lines moves as one whole.
    whole: bool,
}

/// Records an operation on an order, or takes back what was recorded of it.
pub(super) fn record(
    draft: &mut Draft<'_>,
    code: &OperationCode,
    asked: OperationRequest<'_>,
) -> Result<(), Rejection> {
    listed(draft, code)?;
    let operation = known(draft.workflow(), code)?;
    rights::operation_role(draft, operation)?;
    stated_rightly(operation.effect, asked)?;
    let recorded = Recording::new(draft, operation, asked).recorded()?;
    if moves_nothing(&recorded) && operation.effect != Effect::None {
        return Err(Rejection::NothingToDo {
            operation: code.clone(),
            transition: None,
        });
    }
    rights::operation_guard(draft, operation, &recorded)?;
    let standing = draft.order.standing.clone();
    draft.write(standing, None, Detail::Recorded(recorded));
    Ok(())
}

pub(super) fn known<'w>(
    workflow: &'w Workflow,
    code: &OperationCode,
) -> Result<&'w Operation, Rejection> {
    let found = workflow.operation(code);
    found.ok_or_else(|| Rejection::OperationNotFound {
        operation: code.clone(),
    })
}

/// Refuses an operation that the present state does not list: the held one and terminal ones say
/// what may be recorded all the same.
pub(super) fn listed(draft: &Draft<'_>, code: &OperationCode) -> Result<(), Rejection> {
    let progress = Progress::new(draft.workflow(), &draft.order);
    if progress.lists(code) {
        return Ok(());
    }
    draft.movable()?;
    Err(Rejection::OperationNotAllowed {
        operation: code.clone(),
        state: draft.order.standing.state.clone(),
        allowed: progress.allowed_operations(),
    })
}

/// The operation that a transition records with its step: all that is left for an operation, or
/// taken back all that was recorded of it; none where that is nothing.
///
/// # Errors
/// Returns [`Rejection::NothingToDo`] for a cancellation that finds nothing to cancel on an order
/// with lines, of which not all is cancelled already.
pub(super) fn with_step(
    draft: &Draft<'_>,
    operation: &Operation,
    transition: &Transition,
) -> Result<Option<Recorded>, Rejection> {
    let reverse = transition.reverse;
    let effect = operation.effect;
    if reverse && effect == Effect::None {
        return Ok(None);
    }
    let progress = Progress::new(draft.workflow(), &draft.order);
    let amount = match effect {
        Effect::Refund if !reverse => Some(progress.total_refundable()),
        Effect::None
        | Effect::Invoice
        | Effect::Ship
        | Effect::Refund
        | Effect::Cancel
        | Effect::Pay => reverse.then(|| draft.order.money_reversible(effect)),
    };
    let asked = OperationRequest {
        lines: &OperationLines::AllLeft,
        amount,
        reverse,
        with_step: true,
    };
    let recorded = Recording::new(draft, operation, asked).recorded()?;
    if effect == Effect::None || !moves_nothing(&recorded) {
        return Ok(Some(recorded));
    }
    let has_lines = !draft.order.lines.is_empty();
    if effect == Effect::Cancel && !reverse && has_lines && !progress.fully_canceled() {
        return Err(Rejection::NothingToDo {
            operation: operation.code.clone(),
            transition: Some(transition.code.clone()),
        });
    }
    Ok(None)
}

fn moves_nothing(recorded: &Recorded) -> bool {
    recorded.lines.is_empty() && !recorded.whole && recorded.amount.is_zero()
}

/// Refuses what makes no sense for an operation with this effect, whatever order it is.
fn stated_rightly(effect: Effect, asked: OperationRequest<'_>) -> Result<(), Rejection> {
    let refuse = |field, expected| Err(Rejection::malformed(field, expected));
    let given: &[LineQuantity] = match asked.lines {
        OperationLines::Given(given) => given.as_slice(),
        OperationLines::AllLeft | OperationLines::AmountOnly => &[],
    };
    if effect == Effect::None && asked.reverse {
        return refuse(
            "reverse",
            "false: an operation without effect moves nothing that could be taken back",
        );
    }
    if effect == Effect::Pay && !given.is_empty() {
        return refuse("lines", "empty: a payment moves money only");
    }
    if effect != Effect::Refund && given.iter().any(|line| !line.returned.is_zero()) {
        return refuse(
            "lines",
            "without returned: only a refund has units come back",
        );
    }
    if effect == Effect::Ship && asked.amount.is_some_and(|amount| !amount.is_zero()) {
        return refuse("amount", "absent: a shipment moves no money");
    }
    Ok(())
}

struct Recording<'a> {
    order: &'a Order,
    progress: Progress<'a>,
    operation: &'a Operation,
    asked: OperationRequest<'a>,
}

impl<'a> Recording<'a> {
    fn new(draft: &'a Draft<'_>, operation: &'a Operation, asked: OperationRequest<'a>) -> Self {
        Self {
            order: &draft.order,
            progress: Progress::new(draft.workflow(), &draft.order),
            operation,
            asked,
        }
    }

    fn recorded(&self) -> Result<Recorded, Rejection> {
        let moved = self.moved()?;
        let amount = self.amount(&moved)?;
        Ok(Recorded {
            operation: self.operation.code.clone(),
            effect: self.operation.effect,
            reverse: self.asked.reverse,
            counted: self.counted(&moved, amount),
            whole: moved.whole,
            lines: moved.lines,
            amount,
        })
    }

    fn moved(&self) -> Result<Moved, Rejection> {
        match self.asked.lines {
            OperationLines::AmountOnly => Ok(Moved::default()),
            OperationLines::AllLeft => Ok(Moved {
                lines: self.every_line(),
                whole: self.order.lines.is_empty() && self.moves_the_whole(),
            }),
            OperationLines::Given(given) => {
                let lines = given.iter().map(|asked| self.fitting(asked));
                Ok(Moved {
                    lines: lines.collect::<Result<_, _>>()?,
                    whole: false,
                })
            }
        }
    }

    fn every_line(&self) -> Vec<LineQuantity> {
        let takes_refunds_back = self.asked.reverse && self.operation.effect == Effect::Refund;
        let lines = self.order.lines.iter().map(|line| LineQuantity {
            line_id: line.id.clone(),
            quantity: self.movable(line),
            returned: if takes_refunds_back {
                line.returned
            } else {
                Quantity::ZERO
            },
        });
        let moves = |it: &LineQuantity| !it.quantity.is_zero() || !it.returned.is_zero();
        lines.filter(moves).collect()
    }

    fn moves_the_whole(&self) -> bool {
        let (effect, reverse) = (self.operation.effect, self.asked.reverse);
        let units = self.order.whole_units();
        !self.progress.movable(&units, effect, reverse).is_zero()
    }

    fn movable(&self, line: &Line) -> Quantity {
        let (effect, reverse) = (self.operation.effect, self.asked.reverse);
        self.progress.movable(&line.units(), effect, reverse)
    }

    /// The quantity that is asked of a line, where that much is left. Where a refund is taken back,
    /// units that came back with it go too, as far as no others were refunded.
    fn fitting(&self, asked: &LineQuantity) -> Result<LineQuantity, Rejection> {
        let mut lines = self.order.lines.iter();
        let Some(line) = lines.find(|line| line.id == asked.line_id) else {
            return Err(Rejection::LineNotFound {
                line: asked.line_id.clone(),
            });
        };
        let within = |asked: Quantity, left: Quantity| {
            if asked > left {
                return Err(Rejection::QuantityExceeded {
                    line: line.id.clone(),
                    left,
                    asked,
                });
            }
            Ok(())
        };
        let left = match self.operation.effect {
            // The quantities of an operation without effect are a note.
            Effect::None => line.ordered,
            Effect::Invoice | Effect::Ship | Effect::Refund | Effect::Cancel | Effect::Pay => {
                self.movable(line)
            }
        };
        self.is_about_units()?;
        within(asked.quantity, left)?;
        let may_return = if self.asked.reverse {
            line.returned
        } else {
            line.shipped.minus(line.returned)
        };
        within(asked.returned, may_return.min(asked.quantity))?;
        let mut fitting = asked.clone();
        if self.asked.reverse && self.operation.effect == Effect::Refund {
            let never_back = line.refunded.minus(line.returned);
            fitting.returned = asked.returned.max(asked.quantity.minus(never_back));
        }
        Ok(fitting)
    }

    /// Refuses a refund of units where none can be refunded, but money can.
    fn is_about_units(&self) -> Result<(), Rejection> {
        let left = self.order.total_refundable();
        let is_refund = self.operation.effect == Effect::Refund && !self.asked.reverse;
        if is_refund && !left.is_zero() && !self.progress.has_left(Effect::Refund) {
            return Err(self.unclear(left));
        }
        Ok(())
    }

    fn amount(&self, moved: &Moved) -> Result<Money, Rejection> {
        let effect = self.operation.effect;
        let left = if self.asked.reverse {
            Some(self.order.money_reversible(effect))
        } else {
            self.progress.money_left(effect)
        };
        let Some(left) = left else {
            return Ok(self.asked.amount.unwrap_or_default());
        };
        let amount = match self.asked.amount {
            Some(asked) if asked > left => return Err(Rejection::AmountExceeded { left, asked }),
            Some(asked) => asked,
            None => self.absent_amount(moved, left)?,
        };
        if effect == Effect::Refund && !self.asked.reverse {
            self.is_clear(moved, amount, left)?;
        }
        Ok(amount)
    }

    /// The amount where the call names none, of so much that is left.
    ///
    /// # Errors
    /// Returns [`Rejection::AmountExceeded`] where all that is due is more than can still be paid.
    fn absent_amount(&self, moved: &Moved, left: Money) -> Result<Money, Rejection> {
        if self.asked.reverse {
            return Ok(self.given_back(moved, left));
        }
        match self.operation.effect {
            Effect::None | Effect::Invoice | Effect::Ship => Ok(Money::ZERO),
            Effect::Pay => {
                let asked = self.order.total_due();
                if asked > left {
                    return Err(Rejection::AmountExceeded { left, asked });
                }
                Ok(asked)
            }
            Effect::Refund | Effect::Cancel => Ok(self.reckoned(moved, left)),
        }
    }

    /// The amount of a cancellation or refund, at most what is left; nothing where the total of a
    /// line is not known.
    fn reckoned(&self, moved: &Moved, left: Money) -> Money {
        let effect = self.operation.effect;
        let has_lines = !self.order.lines.is_empty();
        match self.asked.lines {
            OperationLines::AmountOnly => Money::ZERO,
            // All of a whole, and all that is left of its money where it was cancelled.
            OperationLines::AllLeft if !has_lines && effect == Effect::Refund => left,
            OperationLines::AllLeft if moved.whole => self.order.total_due().min(left),
            OperationLines::AllLeft if !has_lines => Money::ZERO,
            OperationLines::AllLeft | OperationLines::Given(_) => {
                let reckoned = reckoned(self.order, effect, &moved.lines, false);
                reckoned.unwrap_or_default().min(left)
            }
        }
    }

    /// The amount that a reversal gives back where the call names no amount, of so much that can
    /// be.
    fn given_back(&self, moved: &Moved, left: Money) -> Money {
        let effect = self.operation.effect;
        match self.asked.lines {
            OperationLines::AmountOnly => match effect {
                Effect::Pay | Effect::Invoice => left,
                Effect::None | Effect::Ship | Effect::Refund | Effect::Cancel => Money::ZERO,
            },
            // Money that was moved without units.
            OperationLines::AllLeft if moved.lines.is_empty() && !moved.whole => left,
            OperationLines::AllLeft | OperationLines::Given(_) => {
                given_back(self.order, effect, &moved.lines, moved.whole)
            }
        }
    }

    /// Refuses a refund of which it cannot be told what it is for: it would close an order of
    /// which money is still owed to the customer.
    fn is_clear(&self, moved: &Moved, amount: Money, left: Money) -> Result<(), Rejection> {
        let is_clear = match self.asked.lines {
            OperationLines::Given(_) => true,
            OperationLines::AllLeft => amount == left && !self.leaves_units_behind(moved, left),
            OperationLines::AmountOnly => self.asked.amount.is_some() || left.is_zero(),
        };
        if is_clear {
            return Ok(());
        }
        Err(self.unclear(left))
    }

    /// Whether all money would go back of lines of which none goes with it, so that the order would
    /// never be fully refunded.
    fn leaves_units_behind(&self, moved: &Moved, left: Money) -> bool {
        let is_kept = |line: &Line| line.refunded.plus(line.canceled) < line.ordered;
        let is_money_alone = moved.lines.is_empty() && !left.is_zero();
        is_money_alone && !self.asked.with_step && self.order.lines.iter().any(is_kept)
    }

    /// Why it cannot be told what a refund is for: naming lines helps where units can be refunded.
    fn unclear(&self, left: Money) -> Rejection {
        if self.order.lines.is_empty() || self.progress.has_left(Effect::Refund) {
            return Rejection::RefundUnclear { left };
        }
        Rejection::NoUnitsToRefund {
            left,
            invoice: self.progress.awaited_invoice(),
        }
    }

    /// How much of the amount moves what is cancelled, invoiced or credited.
    fn counted(&self, moved: &Moved, amount: Money) -> Money {
        let has_units = moved.whole || !moved.lines.is_empty();
        let order = self.order;
        match self.operation.effect {
            Effect::None | Effect::Ship | Effect::Pay => Money::ZERO,
            Effect::Invoice | Effect::Cancel => amount,
            Effect::Refund if self.asked.reverse => {
                let credited = if has_units {
                    amount
                } else {
                    order.credits.credited(amount)
                };
                credited.min(order.credited)
            }
            Effect::Refund if has_units => amount,
            Effect::Refund => amount.minus(order.total_overpaid()),
        }
    }
}
