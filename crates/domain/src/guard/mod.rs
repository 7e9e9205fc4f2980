//! Guards: conditions on an order in the Common Expression Language (CEL).
//!
//! A guard runs while a partition is locked, so its cost is bounded: it has at most 1,000
//! characters, comprehensions go over `order.lines` only and do not nest, functions come from
//! a short list, and what they do to lists and texts is counted with the largest lengths when
//! it is compiled, with the real ones before it runs, and over all guards of a step by a
//! [`CostBudget`]. It sees `order`, `actor`, `now` and `request`, and only the fields that it
//! names are bound. The condition of an action is a guard that sees the `entry` as well. An
//! [`Instant`] is an expression under the same bounds that sees the order alone.

mod atoms;
mod budget;
mod check;
mod cost;
mod expression;
mod facts;
mod instant;
mod literals;
mod names;
mod operators;
mod outcomes;
mod samples;
mod trial;
mod values;
mod vocabulary;
mod walk;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, ExecutionError, ParseErrors, Program, Value, common::value::Val};

pub use budget::CostBudget;
pub use expression::Expression;
pub use facts::Facts;
pub use instant::Instant;

pub(crate) use check::{Scope, Uses};
pub(crate) use expression::stored;
pub(crate) use facts::bind;
pub(crate) use names::Names;
pub(crate) use outcomes::Outcomes;
pub(crate) use trial::Trial;

use crate::value::Invalid;
use walk::Reading;

/// The functions of CEL, built once: it takes some 20 µs.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A guard that is ready to be asked, or was stored once and can no longer be used.
pub struct Guard {
    expression: Expression,
    ready: Result<Ready, GuardError>,
}

/// An expression that was compiled and read.
struct Ready {
    program: Program,
    reading: Reading,
}

/// Why an expression cannot be a guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It is too long, or not a text.
    #[error("{0}")]
    Text(#[from] Invalid),
    /// It is not CEL.
    #[error("is not a CEL expression: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// It names something that does not exist.
    #[error("knows no {name}; {}", advice(*meant, hint))]
    Unknown {
        /// What it names.
        name: String,
        /// What was probably meant.
        meant: Option<&'static str>,
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
        cost: u64,
        /// The limit.
        max: u64,
    },
    /// It mixes types, or does not answer what is asked: yes or no, or an instant.
    #[error("{message}")]
    Type {
        /// What the evaluator says.
        message: String,
    },
}

impl GuardError {
    /// Whether the expression does not compile, rather than being longer, costlier or richer than is
    /// allowed.
    pub fn is_uncompilable(&self) -> bool {
        match self {
            Self::Syntax { .. } | Self::Unknown { .. } | Self::Type { .. } => true,
            Self::Text(_) | Self::NotAllowed(_) | Self::TooCostly { .. } => false,
        }
    }
}

/// Why a guard could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// What the evaluator says.
    pub message: String,
}

impl EvaluationError {
    /// Whether it is that an attribute, or a piece of metadata, is not there.
    pub(crate) fn is_of_missing_key(&self) -> bool {
        self.message.starts_with("No such key")
    }
}

impl Guard {
    /// Compiles an expression and reckons its cost on the largest order.
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

    /// A guard that was stored: one that cannot be used any more refuses with what is wrong.
    pub(crate) fn of_stored(expression: &Expression, scope: Scope) -> Self {
        Self {
            ready: Ready::new(expression, scope),
            expression: expression.clone(),
        }
    }

    fn compile_in(expression: &Expression, scope: Scope) -> Result<Self, GuardError> {
        Ok(Self {
            ready: Ok(Ready::written(expression, scope)?),
            expression: expression.clone(),
        })
    }

    /// The expression that it was compiled from.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// What keeps a stored guard from being used.
    pub(crate) fn problem(&self) -> Option<&GuardError> {
        self.ready.as_ref().err()
    }

    /// Asks the guard, and takes its cost for these facts off the budget.
    ///
    /// # Errors
    /// Returns [`EvaluationError`] when the expression cannot be evaluated for these
    /// facts, such as an attribute that the order does not have, when it would take too long
    /// or the budget does not suffice, and when it can no longer be used.
    pub fn holds(&self, facts: &Facts<'_>, budget: &CostBudget) -> Result<bool, EvaluationError> {
        match answer(&self.ready, facts, budget)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(EvaluationError {
                message: wrong_type(NOT_BOOL, &other),
            }),
        }
    }
}

const NOT_BOOL: &str = "must answer true or false";
const NOT_INSTANT: &str = "must answer a timestamp";

/// What an expression comes to for these facts, whose cost is taken off the budget.
fn answer(
    ready: &Result<Ready, GuardError>,
    facts: &Facts<'_>,
    budget: &CostBudget,
) -> Result<Value, EvaluationError> {
    let ready = ready.as_ref().map_err(|problem| EvaluationError {
        message: format!("it cannot be used any more: it {problem}"),
    })?;
    let cost = ready.cost(facts);
    if cost > cost::STEPS_MAX {
        return Err(EvaluationError {
            message: format!(
                "it takes {cost} steps on this order, at most {} are allowed",
                cost::STEPS_MAX
            ),
        });
    }
    budget.spend(cost)?;
    let answer = ready.evaluate(facts::variables(facts, &ready.reading.uses));
    answer.map_err(|error| EvaluationError {
        message: first_line(&error.to_string()),
    })
}

impl Ready {
    fn new(expression: &Expression, scope: Scope) -> Result<Self, GuardError> {
        Expression::new(expression.as_str())?;
        let program = Program::compile(expression.as_str())
            .map_err(|errors| syntax(&errors, expression.as_str()))?;
        let reading = walk::read(program.expression(), scope)?;
        if scope == Scope::OrderAlone && !reading.kind.may_be_instant() {
            return Err(GuardError::Type {
                message: NOT_INSTANT.to_owned(),
            });
        }
        let ready = Self { program, reading };
        let types = ready.try_types(scope);
        if types.is_err() {
            // What it says of dates is in better words.
            literals::check(ready.program.expression())?;
        }
        types.map(|()| ready)
    }

    /// One that somebody writes now: it has nothing that can be read on no order either.
    fn written(expression: &Expression, scope: Scope) -> Result<Self, GuardError> {
        let ready = Self::new(expression, scope)?;
        literals::check(ready.program.expression())?;
        Ok(ready)
    }

    /// The steps that it takes for these facts.
    fn cost(&self, facts: &Facts<'_>) -> u64 {
        let cost = &self.reading.cost;
        cost.steps(facts.order.lines.len(), |length| {
            facts::length(facts, length)
        })
    }

    fn evaluate(
        &self,
        variables: Vec<(&'static str, Box<dyn Val + '_>)>,
    ) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for (name, value) in variables {
            context.add_variable_as_val(name, value);
        }
        self.program.execute(&context)
    }

    /// Evaluates against an invented order, to find mixed types before an order
    /// meets them. What depends on data, such as a missing attribute, passes.
    fn try_types(&self, scope: Scope) -> Result<(), GuardError> {
        let sample = facts::sample(&self.reading.uses).into_iter();
        let sample = sample.map(|(name, value)| (name, facts::evaluated(value)));
        match self.evaluate(sample.collect()) {
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

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.expression, f)
    }
}

fn advice(meant: Option<&str>, hint: &str) -> String {
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => hint.to_owned(),
    }
}

fn wrong_type(wanted: &str, value: &Value) -> String {
    format!("{wanted}, its answer is of type {}", value.type_of())
}

/// What the parser stumbled over first. It reports its own limit of nesting as a fault of its
/// insides, in words that are not for readers.
fn syntax(errors: &ParseErrors, text: &str) -> GuardError {
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
        message: format!(
            "line {line}, column {column}: {}{}",
            first_line(message),
            slip(text)
        ),
    }
}

/// What is written otherwise in other languages, where a text that cannot be parsed has it.
fn slip(text: &str) -> String {
    let code = outside_quotes(text);
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
    let signs: Vec<&str> = code.split(|c: char| !"=!<>".contains(c)).collect();
    let found = if signs.contains(&"=") {
        Some(("=", "=="))
    } else if signs.contains(&"===") {
        Some(("===", "=="))
    } else if signs.contains(&"<>") {
        Some(("<>", "!="))
    } else {
        let known = [("and", "&&"), ("or", "||"), ("not", "!")];
        words.find_map(|word| {
            let mut pairs = known.into_iter();
            pairs.find(|(written, _)| word.eq_ignore_ascii_case(written))
        })
    };
    found.map_or_else(String::new, |(written, right)| {
        format!("; {written} is written {right}")
    })
}

/// A text without what stands in quotes.
fn outside_quotes(text: &str) -> String {
    let mut quote = None;
    let mut code = String::new();
    for letter in text.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, _) => code.push(letter),
        }
    }
    code
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
mod cost_tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trial_tests;
