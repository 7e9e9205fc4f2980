//! The budget of the guards and conditions of one step.

use std::cell::Cell;

use super::error::EvaluationError;

/// The budget of the guards and conditions of one step, and what is spent of it.
///
/// A step may ask thousands of them. Each of them is bounded, all of them are bounded by this:
/// beyond it none is evaluated any more, and what was to be decided is refused.
#[derive(Debug)]
pub struct CostBudget {
    max: u64,
    spent: Cell<u64>,
    exhausted: Cell<bool>,
}

impl Default for CostBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl CostBudget {
    /// The most steps of evaluation: some 50 ms.
    pub const STEPS_MAX: u64 = 1_000_000;

    /// The budget of one step, nothing spent.
    pub fn new() -> Self {
        Self::of(Self::STEPS_MAX)
    }

    /// A budget of so many steps of evaluation, to find out whether they suffice.
    pub fn of(max: u64) -> Self {
        Self {
            max,
            spent: Cell::new(0),
            exhausted: Cell::new(false),
        }
    }

    /// The steps of evaluation that were spent, of some 50 ns each.
    pub fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Whether more was asked for than there is.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Takes off what is about to be spent. Once it does not suffice, nothing is had any more.
    pub(crate) fn spend(&self, steps: u64) -> Result<(), EvaluationError> {
        let spent = self.spent.get().saturating_add(steps);
        if self.is_exhausted() || spent > self.max {
            self.exhausted.set(true);
            return Err(EvaluationError {
                message: format!(
                    "the guards of one step take more than {} steps together",
                    self.max
                ),
            });
        }
        self.spent.set(spent);
        Ok(())
    }
}
