//! The text of a guard.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::{Invalid, characters_at_most, no_controls_in_lines, text_type};

const EXPRESSION_CHARACTERS_MAX: usize = 1_000;

/// The text of a guard: 1 to 1,000 characters. Whether it compiles is another
/// question, which [`super::Guard::compile`] answers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression(Arc<str>);

impl Expression {
    /// Checks the length of an expression.
    ///
    /// # Errors
    /// Returns [`Invalid`] for an empty or too long text, or control characters.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::Empty);
        }
        no_controls_in_lines(text)?;
        characters_at_most(EXPRESSION_CHARACTERS_MAX, text.chars().count())?;
        Ok(Self(Arc::from(text)))
    }

    /// An expression that was stored, by whatever rule: [`super::Guard`] says what is wrong.
    pub fn of_stored(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

text_type!(impl[] Expression);

/// Reads an expression that was stored, for serde.
pub(crate) fn stored<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Expression>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().map(Expression::of_stored))
}
