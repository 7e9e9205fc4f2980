//! The bounds of what one step may add by itself.

use crate::{order::Rejection, template::TextBudget, value::TransitionCode};

/// How many entries a step may still add by itself, and the transitions it has taken so far.
pub(super) struct CascadeBudget {
    limit: u32,
    spent: u32,
    taken: Vec<TransitionCode>,
    /// The budget of the texts of its actions.
    pub(super) texts: TextBudget,
}

impl CascadeBudget {
    /// The budget of one step, nothing spent.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            spent: 0,
            taken: Vec::new(),
            texts: TextBudget::default(),
        }
    }

    /// Takes one entry off.
    ///
    /// # Errors
    /// Returns [`Rejection::CascadeLimit`] when there are more than the workflow allows.
    pub(super) fn spend(&mut self, transition: Option<&TransitionCode>) -> Result<(), Rejection> {
        self.taken.extend(transition.cloned());
        self.spent += 1;
        if self.spent > self.limit {
            return Err(Rejection::CascadeLimit {
                limit: self.limit,
                transitions: std::mem::take(&mut self.taken),
            });
        }
        Ok(())
    }
}
