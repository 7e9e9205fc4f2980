//! Guards: conditions on an order in the Common Expression Language (CEL).
//!
//! A guard runs while a partition is locked, so its worst cost is reckoned when
//! it is compiled: at most 1,000 characters, comprehensions over `order.lines`
//! only and not nested, functions from a short list. It sees `order`, `actor`,
//! `now` and `request`, and only the fields that it names are bound. The condition
//! of an action is a guard that sees the `entry` as well.

mod check;
mod expression;
mod facts;
mod vocabulary;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, ExecutionError, ParseErrors, Program, Value};

pub use expression::Expression;
pub use facts::Facts;

pub(crate) use check::{Scope, Uses};
pub(crate) use facts::bind;

/// The functions of CEL, built once: it takes some 20 µs.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A guard that is ready to be asked.
pub struct Guard {
    expression: Expression,
    program: Program,
    uses: Uses,
}

/// Why an expression cannot be a guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It is not CEL.
    #[error("is not a CEL expression: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// It names something that does not exist.
    #[error("knows no {name}; {hint}")]
    Unknown {
        /// What it names.
        name: String,
        /// What there is.
        hint: &'static str,
    },
    /// It uses a part of CEL that guards may not use.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// It might take too long.
    #[error("might take {cost} steps on an order of 500 lines, at most {max} are allowed")]
    TooCostly {
        /// Steps in the worst case.
        cost: usize,
        /// The limit.
        max: usize,
    },
    /// It mixes types, or does not answer yes or no.
    #[error("{message}")]
    Type {
        /// What the evaluator says.
        message: String,
    },
}

/// Why a guard could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// What the evaluator says.
    pub message: String,
}

impl Guard {
    /// Compiles an expression and reckons its worst cost.
    ///
    /// # Errors
    /// Returns [`GuardError`] for an expression that is not CEL, names what does not
    /// exist, uses what guards may not use, might take too long, or mixes types.
    pub fn compile(expression: &Expression) -> Result<Self, GuardError> {
        Self::compile_in(expression, Scope::Order)
    }

    /// Compiles the condition of an action, which sees the `entry` that sets it off as well.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_condition(expression: &Expression) -> Result<Self, GuardError> {
        Self::compile_in(expression, Scope::OrderAndEntry)
    }

    fn compile_in(expression: &Expression, scope: Scope) -> Result<Self, GuardError> {
        let program = Program::compile(expression.as_str()).map_err(|errors| syntax(&errors))?;
        let uses = check::check(program.expression(), scope)?;
        let guard = Self {
            expression: expression.clone(),
            program,
            uses,
        };
        guard.try_types()?;
        Ok(guard)
    }

    /// The expression that it was compiled from.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Asks the guard.
    ///
    /// # Errors
    /// Returns [`EvaluationError`] when the expression cannot be evaluated for these
    /// facts, such as an attribute that the order does not have.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, EvaluationError> {
        let answer = self.evaluate(facts::bind(facts, &self.uses));
        match answer {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(EvaluationError {
                message: not_bool(&other),
            }),
            Err(error) => Err(EvaluationError {
                message: first_line(&error.to_string()),
            }),
        }
    }

    fn evaluate(&self, variables: Vec<(&'static str, Value)>) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for (name, value) in variables {
            context.add_variable_from_value(name, value);
        }
        self.program.execute(&context)
    }

    /// Evaluates against an invented order, to find mixed types before an order
    /// meets them. What depends on data, such as a missing attribute, passes.
    fn try_types(&self) -> Result<(), GuardError> {
        match self.evaluate(facts::sample(&self.uses)) {
            Ok(Value::Bool(_)) => Ok(()),
            Ok(other) => Err(GuardError::Type {
                message: not_bool(&other),
            }),
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

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.expression, f)
    }
}

fn not_bool(value: &Value) -> String {
    format!(
        "must answer true or false, its answer is of type {}",
        value.type_of()
    )
}

/// What the parser stumbled over first. It reports its own limit of nesting as a fault of its
/// insides, in words that are not for readers.
fn syntax(errors: &ParseErrors) -> GuardError {
    let Some(error) = errors.errors.first() else {
        return GuardError::Syntax {
            message: String::from("it cannot be parsed"),
        };
    };
    if error.msg.contains("Recursion limit") {
        return GuardError::NotAllowed("must not be nested that deeply");
    }
    let (line, column) = error.pos;
    let message = error.msg.trim_start_matches("Syntax error: ");
    GuardError::Syntax {
        message: format!("line {line}, column {column}: {}", first_line(message)),
    }
}

/// The first line says enough.
fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests;
