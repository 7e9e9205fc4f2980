//! Texts with placeholders filled in with facts.

use super::facts::{Facts, bind};
use crate::template::{Template, TemplateError, TextBudget};

impl Template {
    /// Fills in the placeholders.
    ///
    /// # Errors
    /// Returns [`TemplateError`] for what these facts do not have, such as an attribute of
    /// another order, for a template that takes too long or comes to too much, and for one
    /// that is [wrong](Self::problem).
    pub fn fill_in(&self, facts: &Facts<'_>) -> Result<String, TemplateError> {
        self.fill_in_within(facts, &mut TextBudget::default())
    }

    /// Fills in the placeholders as part of a step, whose texts together are bounded.
    ///
    /// # Errors
    /// As [`Self::fill_in`], and when the step has no budget left.
    pub fn fill_in_within(
        &self,
        facts: &Facts<'_>,
        budget: &mut TextBudget,
    ) -> Result<String, TemplateError> {
        self.fill_in_with(|uses| bind(facts, uses), budget)
    }
}
