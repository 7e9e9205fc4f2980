//! Expressions that were compiled, read and tried with values of the right types.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cel::{ExecutionError, IdedExpr, Program, Value};

use super::{
    check::{Scope, Uses},
    cost::Length,
    error::{GuardError, NOT_BOOL, NOT_INSTANT, first_line, syntax, wrong_type},
    expression::Expression,
    literals,
    values::{Variables, actor, context, evaluated, instant, map, text, texts},
    walk::{self, Properties},
};
use crate::{actor::Actor, value::Timestamp};

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

    pub(crate) fn tree(&self) -> &IdedExpr {
        self.program.expression()
    }

    pub(crate) fn uses(&self) -> &Uses {
        &self.properties.uses
    }

    /// The steps that it takes for an order with so many lines and these lengths.
    pub(crate) fn steps(&self, lines: usize, lengths: impl Fn(Length) -> u64 + Copy) -> u64 {
        self.properties.cost.steps(lines, lengths)
    }

    #[cfg(test)]
    pub(super) fn steps_at_most(&self) -> u64 {
        self.properties.cost.steps_at_most()
    }

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

/// Values of the right types for the fields that an expression names.
fn sample(uses: &Uses) -> Variables<'static> {
    let instant = instant(Timestamp::default());
    let line = map(&uses.line, |field| match field {
        "is_virtual" => Value::Bool(false),
        "id" | "sku" | "name" => text("sample"),
        "total" => Value::Int(1),
        _ => Value::Float(1.0),
    });
    let customer = Value::from(HashMap::from([
        ("id", text("")),
        ("email", text("")),
        ("name", text("")),
        ("guest", Value::Bool(false)),
    ]));
    let order = map(&uses.order, |field| match field {
        "lines" => Value::List(Arc::new(vec![line.clone()])),
        "holds" => Value::List(Arc::new(Vec::new())),
        "allowed_operations" => Value::List(Arc::new(vec![text("sample")])),
        "version" | "grand_total" | "total_paid" | "total_refunded" | "total_canceled"
        | "total_invoiced" | "total_due" | "total_overpaid" => Value::Int(1),
        "units_ordered" | "units_invoiced" | "units_shipped" | "units_refunded"
        | "units_canceled" | "units_returned" | "units_open" => Value::Float(1.0),
        "customer" => customer.clone(),
        "attributes" => texts(&BTreeMap::new()),
        "create_time" | "update_time" | "status_time" => instant.clone(),
        "workflow" | "id" | "state" | "status" | "status_label" | "currency" | "store_view"
        | "return_state" | "return_status" => text("sample"),
        _ => Value::Bool(true),
    });
    let actor = map(&uses.actor, |field| actor(&Actor::system(), field));
    let request = map(&uses.request, |field| match field {
        "metadata" => texts(&BTreeMap::new()),
        "amount" => Value::Int(1),
        "reverse" => Value::Bool(false),
        _ => text("sample"),
    });
    let entry = map(&uses.entry, |field| match field {
        "sequence" | "amount" | "caused_by" => Value::Int(1),
        "status_changed" | "notify_customer" | "visible_to_customer" => Value::Bool(true),
        "metadata" => texts(&BTreeMap::new()),
        "create_time" => instant.clone(),
        _ => text("sample"),
    });
    let sample = [
        ("entry", entry),
        ("order", order),
        ("actor", actor),
        ("request", request),
        ("now", instant),
    ];
    let sample = sample.map(|(name, value)| (name, evaluated(value)));
    Vec::from(sample)
}
