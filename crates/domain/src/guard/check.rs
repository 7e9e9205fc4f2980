//! The names that an expression or a template may use, and those that it does.

use std::collections::BTreeSet;

use super::{
    error::GuardError,
    vocabulary::{ACTOR, ENTRY, Field, LINE, ORDER, REQUEST},
};
use crate::value::nearest;

/// The fields that an expression or a template names, so that only these are bound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    pub(crate) order: BTreeSet<&'static str>,
    pub(crate) line: BTreeSet<&'static str>,
    pub(crate) actor: BTreeSet<&'static str>,
    pub(crate) request: BTreeSet<&'static str>,
    pub(crate) entry: BTreeSet<&'static str>,
    pub(crate) now: bool,
}

/// The variables that an expression may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The order, the actor, the request and the instant.
    Order,
    /// Also the entry that was written.
    OrderAndEntry,
    /// The order alone: what it comes to must not depend on who asks, nor on when.
    OrderAlone,
}

impl Scope {
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Order => &["order", "actor", "now", "request"],
            Self::OrderAndEntry => &["order", "actor", "now", "request", "entry"],
            Self::OrderAlone => &["order"],
        }
    }
}

/// The fault of an expression about the order alone that names something else.
pub(super) const ORDER_ALONE: GuardError = GuardError::NotAllowed(
    "may use order only: when it is due must not depend on the call or on now",
);

impl Uses {
    pub(crate) fn heap_bytes(&self) -> usize {
        let Self {
            order,
            line,
            actor,
            request,
            entry,
            now: _,
        } = self;
        let sets = [order, line, actor, request, entry].into_iter();
        let bytes = sets.map(|set| match set.len() {
            0 => 0,
            // A leaf has room for eleven names.
            1..=11 => 200,
            more => 400 + 40 * more,
        });
        bytes.sum()
    }

    /// Adds what a path such as `order.customer.name` names.
    pub(crate) fn add_path(&mut self, path: &str) -> Result<(), GuardError> {
        let mut parts = path.split('.');
        let (variable, field) = (parts.next().unwrap_or_default(), parts.next());
        let Some(field) = field else {
            return self.variable(variable, Scope::OrderAndEntry);
        };
        let (uses, vocabulary, of): (_, _, &'static str) = match variable {
            "order" => (&mut self.order, ORDER, "order"),
            "actor" => (&mut self.actor, ACTOR, "actor"),
            "request" => (&mut self.request, REQUEST, "request"),
            "entry" => (&mut self.entry, ENTRY, "entry"),
            _ => return self.variable(variable, Scope::OrderAndEntry),
        };
        if (of, field) == ("order", "lines") {
            self.line.extend(LINE.iter().map(|field| field.name));
        }
        insert(uses, vocabulary, field, of).map(|_| ())
    }

    pub(super) fn variable(&mut self, name: &str, scope: Scope) -> Result<(), GuardError> {
        match name {
            "now" | "actor" | "request" | "entry" if scope == Scope::OrderAlone => Err(ORDER_ALONE),
            "now" => {
                self.now = true;
                Ok(())
            }
            "order" | "actor" | "request" | "entry" => Err(GuardError::NotAllowed(
                "must name a field of order, actor, request or entry, such as order.state",
            )),
            _ => Err(GuardError::Unknown {
                name: format!("variable {name}"),
                meant: nearest(name, scope.variables().iter().copied()),
                hint: match scope {
                    Scope::Order => "there are order, actor, now and request",
                    Scope::OrderAndEntry => "there are order, actor, now, request and entry",
                    Scope::OrderAlone => "there is order alone",
                },
            }),
        }
    }
}

pub(super) fn insert(
    uses: &mut BTreeSet<&'static str>,
    vocabulary: &'static [Field],
    field: &str,
    of: &'static str,
) -> Result<&'static Field, GuardError> {
    let field = known(vocabulary, field, of)?;
    uses.insert(field.name);
    Ok(field)
}

pub(super) fn known(
    vocabulary: &'static [Field],
    field: &str,
    of: &'static str,
) -> Result<&'static Field, GuardError> {
    let found = vocabulary.iter().find(|known| known.name == field);
    found.ok_or_else(|| GuardError::Unknown {
        name: format!("field {of}.{field}"),
        meant: nearest(field, vocabulary.iter().map(|known| known.name)),
        hint: "the documentation of guards lists the fields",
    })
}
