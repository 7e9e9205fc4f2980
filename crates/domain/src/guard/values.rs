//! Values of CEL, made of those of the domain, and the environment in which they are bound.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, Value,
    common::{types::CelNull, value::Val},
};
use chrono::{DateTime, FixedOffset, Utc};

use crate::{
    actor::{Actor, ActorKind},
    value::{Money, Timestamp},
};

/// The functions of CEL, built once: it takes some 20 µs.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Variables with their values, as the evaluator takes them.
pub(crate) type Variables<'v> = Vec<(&'static str, Box<dyn Val + 'v>)>;

pub(crate) fn context(variables: Variables<'_>) -> Context<'_, '_> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for (name, value) in variables {
        context.add_variable_as_val(name, value);
    }
    context
}

/// A small value for the evaluator.
pub(crate) fn evaluated(value: Value) -> Box<dyn Val> {
    let value: Result<Box<dyn Val>, _> = value.try_into();
    // No fact is of a type that the evaluator does not have.
    value.unwrap_or_else(|_| Box::new(CelNull))
}

pub(crate) fn actor(actor: &Actor, field: &str) -> Value {
    match field {
        "kind" => text(match actor.kind {
            ActorKind::User => "user",
            ActorKind::Integration => "integration",
            ActorKind::Customer => "customer",
            ActorKind::System => "system",
        }),
        "id" => text(actor.id.as_str()),
        "on_behalf_of" => text(actor.on_behalf_of.as_str()),
        "roles" => list(&actor.roles, |role| text(role.as_str())),
        // The check has refused every other name.
        _ => Value::Null,
    }
}

pub(crate) fn map(fields: &BTreeSet<&'static str>, value: impl Fn(&str) -> Value) -> Value {
    Value::from(
        fields
            .iter()
            .map(|field| (*field, value(field)))
            .collect::<HashMap<_, _>>(),
    )
}

pub(crate) fn list<T>(items: &[T], value: impl Fn(&T) -> Value) -> Value {
    Value::List(Arc::new(items.iter().map(value).collect()))
}

pub(crate) fn texts(map: &BTreeMap<String, String>) -> Value {
    Value::from(
        map.iter()
            .map(|(key, value)| (key.as_str(), text(value)))
            .collect::<HashMap<_, _>>(),
    )
}

pub(crate) fn text(text: &str) -> Value {
    Value::from(text)
}

pub(crate) fn money(money: Money) -> Value {
    Value::Int(money.minor_units())
}

pub(crate) fn instant(timestamp: Timestamp) -> Value {
    let instant = DateTime::<Utc>::from_timestamp_micros(timestamp.micros()).unwrap_or_default();
    Value::Timestamp(DateTime::<FixedOffset>::from(instant))
}
