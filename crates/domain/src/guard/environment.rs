//! The environment in which expressions are evaluated: the functions of CEL and what is bound.

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, common::value::Val};

/// The functions of CEL, built once: it takes some 20 µs.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Variables with their values, as the evaluator takes them.
pub(crate) type Variables<'v> = Vec<(&'static str, Box<dyn Val + 'v>)>;

/// An environment with these variables.
pub(crate) fn context(variables: Variables<'_>) -> Context<'_, '_> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for (name, value) in variables {
        context.add_variable_as_val(name, value);
    }
    context
}
