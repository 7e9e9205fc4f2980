//! Expressions that were compiled, read and tried with values of the right types.

use cel::{ExecutionError, IdedExpr, Program, Value};

use super::{
    check::{Scope, Uses},
    cost::Length,
    environment::{Variables, context},
    error::{GuardError, NOT_BOOL, NOT_INSTANT, first_line, syntax, wrong_type},
    expression::Expression,
    literals,
    sample::sample,
    walk::{self, Properties},
};

/// An expression that was compiled and read.
pub(crate) struct Ready {
    program: Program,
    properties: Properties,
}

impl Ready {
    /// Compiles an expression and reckons its cost on the largest order.
    pub(super) fn new(expression: &Expression, scope: Scope) -> Result<Self, GuardError> {
        Expression::new(expression.as_str())?;
        let program = Program::compile(expression.as_str())
            .map_err(|errors| syntax(&errors, expression.as_str()))?;
        let properties = walk::read(program.expression(), scope)?;
        if scope == Scope::OrderAlone && !properties.kind.may_be_instant() {
            return Err(GuardError::Type {
                message: NOT_INSTANT.to_owned(),
            });
        }
        let ready = Self {
            program,
            properties,
        };
        let types = ready.try_types(scope);
        if types.is_err() {
            // What it says of dates is in better words.
            literals::check(ready.tree())?;
        }
        types.map(|()| ready)
    }

    /// Compiles an expression that somebody writes now: it has nothing that can be read on no
    /// order either.
    pub(super) fn written(expression: &Expression, scope: Scope) -> Result<Self, GuardError> {
        let ready = Self::new(expression, scope)?;
        literals::check(ready.tree())?;
        Ok(ready)
    }

    /// The tree of the expression.
    pub(crate) fn tree(&self) -> &IdedExpr {
        self.program.expression()
    }

    /// The fields that the expression names.
    pub(crate) fn uses(&self) -> &Uses {
        &self.properties.uses
    }

    /// The steps that it takes for an order with so many lines and these lengths.
    pub(crate) fn steps(&self, lines: usize, lengths: impl Fn(Length) -> u64 + Copy) -> u64 {
        self.properties.cost.steps(lines, lengths)
    }

    /// The steps that it takes for the largest order.
    #[cfg(test)]
    pub(super) fn steps_at_most(&self) -> u64 {
        self.properties.cost.steps_at_most()
    }

    /// Evaluates it with these variables.
    pub(crate) fn evaluate(&self, variables: Variables<'_>) -> Result<Value, ExecutionError> {
        self.program.execute(&context(variables))
    }

    /// Evaluates against an invented order, to find mixed types before an order
    /// meets them. What depends on data, such as a missing attribute, passes.
    fn try_types(&self, scope: Scope) -> Result<(), GuardError> {
        match self.evaluate(sample(self.uses())) {
            Ok(answer) => answers(scope, &answer),
            Err(
                error @ (ExecutionError::NoSuchOverload(_)
                | ExecutionError::UnsupportedTargetType { .. }
                | ExecutionError::NotSupportedAsMethod { .. }
                | ExecutionError::UnexpectedType { .. }
                | ExecutionError::ValuesNotComparable(..)
                | ExecutionError::UnsupportedBinaryOperator(..)
                | ExecutionError::InvalidArgumentCount { .. }),
            ) => Err(GuardError::Type {
                message: first_line(&error.to_string()),
            }),
            Err(_) => Ok(()),
        }
    }
}

/// Refuses an answer that is not of the type that is asked for.
fn answers(scope: Scope, answer: &Value) -> Result<(), GuardError> {
    let (is_right, wanted) = match scope {
        Scope::Order | Scope::OrderAndEntry => (matches!(answer, Value::Bool(_)), NOT_BOOL),
        Scope::OrderAlone => (matches!(answer, Value::Timestamp(_)), NOT_INSTANT),
    };
    if is_right {
        return Ok(());
    }
    Err(GuardError::Type {
        message: wrong_type(wanted, answer),
    })
}
