//! Guards and dates: expressions that are ready to be asked, or were stored once and can no longer
//! be used.

use std::fmt;

use super::{
    check::Scope,
    error::{EvaluationError, GuardError},
    expression::Expression,
    ready::Ready,
};

/// A guard that is ready to be asked, or was stored once and can no longer be used.
#[derive(Debug)]
pub struct Guard(Compiled);

/// An expression of type timestamp over an order alone that is ready to be reckoned, or was stored
/// once and can no longer be used.
#[derive(Debug)]
pub struct Instant(Compiled);

struct Compiled {
    expression: Expression,
    ready: Result<Ready, GuardError>,
}

impl Compiled {
    fn written(expression: &Expression, scope: Scope) -> Result<Self, GuardError> {
        Ok(Self {
            ready: Ok(Ready::written(expression, scope)?),
            expression: expression.clone(),
        })
    }

    fn of_stored(expression: &Expression, scope: Scope) -> Self {
        Self {
            ready: Ready::new(expression, scope),
            expression: expression.clone(),
        }
    }

    fn ready(&self) -> Result<&Ready, EvaluationError> {
        self.ready.as_ref().map_err(|problem| EvaluationError {
            message: format!("it cannot be used any more: it {problem}"),
        })
    }
}

impl Guard {
    /// Compiles an expression and reckons its cost on the largest order.
    ///
    /// # Errors
    /// Returns [`GuardError`] for an expression that is not CEL, names what does not
    /// exist, uses what guards may not use, might take too long, or mixes types.
    pub fn compile(expression: &Expression) -> Result<Self, GuardError> {
        Compiled::written(expression, Scope::Order).map(Self)
    }

    /// Compiles the condition of an action, which sees the `entry` that sets it off as well.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_condition(expression: &Expression) -> Result<Self, GuardError> {
        Compiled::written(expression, Scope::OrderAndEntry).map(Self)
    }

    /// A guard that was stored: one that cannot be used any more refuses with its fault.
    pub(crate) fn of_stored(expression: &Expression, scope: Scope) -> Self {
        Self(Compiled::of_stored(expression, scope))
    }

    /// The expression that it was compiled from.
    pub fn expression(&self) -> &Expression {
        &self.0.expression
    }

    /// The fault that keeps a stored guard from being used.
    pub(crate) fn problem(&self) -> Option<&GuardError> {
        self.0.ready.as_ref().err()
    }

    /// The compiled expression.
    ///
    /// # Errors
    /// Returns [`EvaluationError`] where it can no longer be used.
    pub(crate) fn ready(&self) -> Result<&Ready, EvaluationError> {
        self.0.ready()
    }
}

impl Instant {
    /// Compiles an expression and reckons its cost on the largest order.
    ///
    /// # Errors
    /// Returns [`GuardError`] for one that cannot be a guard either, that speaks of anything but
    /// the order, or that does not answer a timestamp.
    pub fn compile(expression: &Expression) -> Result<Self, GuardError> {
        Compiled::written(expression, Scope::OrderAlone).map(Self)
    }

    /// A date that was stored: it never comes where it cannot be used any more.
    pub(crate) fn of_stored(expression: &Expression) -> Self {
        Self(Compiled::of_stored(expression, Scope::OrderAlone))
    }

    /// The fault that keeps a stored date from being used.
    pub(crate) fn problem(&self) -> Option<&GuardError> {
        self.0.ready.as_ref().err()
    }

    /// The compiled expression.
    ///
    /// # Errors
    /// Returns [`EvaluationError`] where it can no longer be used.
    pub(crate) fn ready(&self) -> Result<&Ready, EvaluationError> {
        self.0.ready()
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.expression, f)
    }
}
