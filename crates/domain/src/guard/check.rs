//! What an expression names and what it may cost, read off its syntax tree.

use std::collections::BTreeSet;

use cel::common::ast::{ComprehensionExpr, Expr, SelectExpr};

use super::{
    GuardError,
    vocabulary::{ACTOR, ENTRY, FUNCTIONS, LINE, ORDER, REQUEST},
};
use crate::order::LINES_MAX;

/// Nodes evaluated in the worst case: some milliseconds.
const COST_MAX: usize = 25_000;

/// The fields that an expression or a template names, so that only these are bound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    pub(super) order: BTreeSet<&'static str>,
    pub(super) line: BTreeSet<&'static str>,
    pub(super) actor: BTreeSet<&'static str>,
    pub(super) request: BTreeSet<&'static str>,
    pub(super) entry: BTreeSet<&'static str>,
    pub(super) now: bool,
}

/// What an expression may speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The order, the actor, the request and the instant.
    Order,
    /// Also the entry that was written.
    OrderAndEntry,
}

impl Uses {
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
            self.line.extend(LINE);
        }
        insert(uses, vocabulary, field, of)
    }

    /// A variable that stands alone.
    fn variable(&mut self, name: &str, scope: Scope) -> Result<(), GuardError> {
        match name {
            "now" => {
                self.now = true;
                Ok(())
            }
            "order" | "actor" | "request" | "entry" => Err(GuardError::NotAllowed(
                "must name a field of order, actor, request or entry, such as order.state",
            )),
            _ => Err(GuardError::Unknown {
                name: format!("variable {name}"),
                hint: match scope {
                    Scope::Order => "there are order, actor, now and request",
                    Scope::OrderAndEntry => "there are order, actor, now, request and entry",
                },
            }),
        }
    }
}

/// Reads an expression.
pub(super) fn check(expression: &cel::IdedExpr, scope: Scope) -> Result<Uses, GuardError> {
    let mut walk = Walk {
        uses: Uses::default(),
        scope,
        cost: 0,
        per_line: None,
    };
    walk.expr(&expression.expr)?;
    if walk.cost > COST_MAX {
        return Err(GuardError::TooCostly {
            cost: walk.cost,
            max: COST_MAX,
        });
    }
    Ok(walk.uses)
}

struct Walk<'e> {
    uses: Uses,
    scope: Scope,
    cost: usize,
    /// The comprehension that surrounds the present node.
    per_line: Option<&'e ComprehensionExpr>,
}

impl<'e> Walk<'e> {
    fn expr(&mut self, expr: &'e Expr) -> Result<(), GuardError> {
        self.cost += if self.per_line.is_some() {
            LINES_MAX
        } else {
            1
        };
        match expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => {
                if !FUNCTIONS.contains(&call.func_name.as_str()) {
                    return Err(GuardError::Unknown {
                        name: format!("function {}", call.func_name),
                        hint: "there are size, contains, startsWith, endsWith, int, double, string, bool, duration, timestamp and getFullYear to getSeconds",
                    });
                }
                if let Some(target) = &call.target {
                    self.expr(&target.expr)?;
                }
                call.args.iter().try_for_each(|arg| self.expr(&arg.expr))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|e| self.expr(&e.expr)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(_) | Expr::Struct(_) => {
                Err(GuardError::NotAllowed("must not build maps or messages"))
            }
            Expr::Unspecified => Err(GuardError::NotAllowed("has an empty part")),
        }
    }

    fn ident(&mut self, name: &str) -> Result<(), GuardError> {
        let is_local = self
            .per_line
            .is_some_and(|c| c.iter_var == name || c.accu_var == name);
        if is_local {
            return Ok(());
        }
        self.uses.variable(name, self.scope)
    }

    fn select(&mut self, select: &'e SelectExpr) -> Result<(), GuardError> {
        let field = select.field.as_str();
        if let Some(line_field) = LINE.iter().find(|known| **known == field) {
            self.uses.line.insert(line_field);
        }
        match &select.operand.expr {
            Expr::Ident(name) if name == "order" => {
                insert(&mut self.uses.order, ORDER, field, "order")
            }
            Expr::Ident(name) if name == "actor" => {
                insert(&mut self.uses.actor, ACTOR, field, "actor")
            }
            Expr::Ident(name) if name == "request" => {
                insert(&mut self.uses.request, REQUEST, field, "request")
            }
            Expr::Ident(name) if name == "entry" && self.scope == Scope::OrderAndEntry => {
                insert(&mut self.uses.entry, ENTRY, field, "entry")
            }
            Expr::Ident(name) if self.per_line.is_some_and(|c| c.iter_var == *name) => {
                known(LINE, field, "line").map(|_| ())
            }
            operand => self.expr(operand),
        }
    }

    fn comprehension(&mut self, comprehension: &'e ComprehensionExpr) -> Result<(), GuardError> {
        if self.per_line.is_some() {
            return Err(GuardError::NotAllowed(
                "must not nest all, exists, exists_one or filter",
            ));
        }
        if !is_order_lines(&comprehension.iter_range.expr) || comprehension.iter_var2.is_some() {
            return Err(GuardError::NotAllowed(
                "may use all, exists, exists_one and filter on order.lines only",
            ));
        }
        if builds_new_values(comprehension) {
            return Err(GuardError::NotAllowed("must not use map"));
        }
        self.expr(&comprehension.iter_range.expr)?;
        self.per_line = Some(comprehension);
        for part in [
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ] {
            self.expr(&part.expr)?;
        }
        self.per_line = None;
        Ok(())
    }
}

fn insert(
    uses: &mut BTreeSet<&'static str>,
    vocabulary: &'static [&'static str],
    field: &str,
    of: &'static str,
) -> Result<(), GuardError> {
    uses.insert(known(vocabulary, field, of)?);
    Ok(())
}

fn known(
    vocabulary: &'static [&'static str],
    field: &str,
    of: &'static str,
) -> Result<&'static str, GuardError> {
    let found = vocabulary.iter().find(|known| **known == field).copied();
    found.ok_or_else(|| GuardError::Unknown {
        name: format!("field {of}.{field}"),
        hint: "the documentation of guards lists the fields",
    })
}

fn is_order_lines(range: &Expr) -> bool {
    let Expr::Select(select) = range else {
        return false;
    };
    let of_order = matches!(&select.operand.expr, Expr::Ident(name) if name == "order");
    of_order && select.field == "lines" && !select.test
}

/// `map` appends what it computes; `filter` appends the line itself.
fn builds_new_values(comprehension: &ComprehensionExpr) -> bool {
    fn appended<'e>(expr: &'e Expr, found: &mut Vec<&'e Expr>) {
        if let Expr::Call(call) = expr {
            for arg in &call.args {
                match &arg.expr {
                    Expr::List(list) if call.func_name == "_+_" => {
                        found.extend(list.elements.iter().map(|element| &element.expr));
                    }
                    other => appended(other, found),
                }
            }
        }
    }
    if !matches!(comprehension.accu_init.expr, Expr::List(_)) {
        return false;
    }
    let mut found = Vec::new();
    appended(&comprehension.loop_step.expr, &mut found);
    found
        .iter()
        .any(|expr| !matches!(expr, Expr::Ident(name) if *name == comprehension.iter_var))
}
