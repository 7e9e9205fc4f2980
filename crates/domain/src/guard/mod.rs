//! Guards: conditions on an order in the Common Expression Language (CEL).
//!
//! A guard runs while a partition is locked, so its worst cost is reckoned when
//! it is compiled: at most 1,000 characters, comprehensions over `order.lines`
//! only and not nested, functions from a short list. It sees `order`, `actor`,
//! `now` and `request`.

mod expression;

pub use expression::Expression;

/// Why a guard could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// What the evaluator says.
    pub message: String,
}
