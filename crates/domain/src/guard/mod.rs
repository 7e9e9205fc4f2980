//! Guards: conditions on an order in the Common Expression Language (CEL).
//!
//! A guard runs while a partition is locked, so its cost is bounded: it has at most 1,000
//! characters, comprehensions go over `order.lines` only and do not nest, functions come from
//! a short list, and what they do to lists and texts is counted with the largest lengths when
//! it is compiled, with the real ones before it runs, and over all guards of a step by a
//! [`CostBudget`]. It sees `order`, `actor`, `now` and `request`, and only the fields that it
//! names are bound. The condition of an action is a guard that sees the `entry` as well. An
//! [`Instant`] is an expression under the same bounds that sees the order alone.
//!
//! Here is the language; [`crate::judge`] asks guards about orders.

mod budget;
mod check;
mod compiled;
mod cost;
mod error;
mod expression;
mod literals;
mod names;
mod operators;
mod ready;
pub(crate) mod values;
mod vocabulary;
mod walk;

pub use budget::CostBudget;
pub use compiled::{Guard, Instant};
pub use error::{EvaluationError, GuardError};
pub use expression::Expression;

pub(crate) use check::{Scope, Uses};
pub(crate) use cost::{Length, STEPS_MAX};
pub(crate) use error::{NOT_BOOL, NOT_INSTANT, first_line, wrong_type};
pub(crate) use expression::stored;
pub(crate) use names::Names;
pub(crate) use ready::Ready;
pub(crate) use values::{Variables, context};
pub(crate) use vocabulary::{LINE_FIELDS, QUANTITY_MOVING};

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
