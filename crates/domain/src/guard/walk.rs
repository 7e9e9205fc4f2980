//! Reads the syntax tree of an expression once: what it names, what kind of value each part
//! of it is, and the work that it takes. What is not counted here is refused.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, SelectExpr};

use super::{
    check::{ORDER_ALONE, Scope, Uses, insert, known},
    cost::{Amount, Formula, STEPS_MAX},
    error::GuardError,
    operators,
    vocabulary::{
        self, ACTOR, CUSTOMER, ENTRY, FUNCTIONS, Field, HOLD, MOVING, ORDER, QUANTITY_MOVING,
        REQUEST, Shape, Type,
    },
};
use crate::value::nearest;

/// How deep an expression may be nested: the evaluator needs stack for each level.
const DEPTH_MAX: usize = 100;

/// Binding a line.
const LINE: Amount = Amount::bytes(32);
/// A turn of a loop, which binds the line and what came of the turn.
const TURN: Amount = Amount::steps(3);
/// The copies that `filter` makes of a line.
const APPEND: Amount = Amount::steps(2);

/// The properties of an expression that are known without evaluating it.
#[derive(Debug)]
pub(super) struct Properties {
    pub(super) uses: Uses,
    pub(super) cost: Formula,
    /// The kind of what it comes to, as far as that is known.
    pub(super) kind: Type,
}

/// Reads an expression.
///
/// # Errors
/// Returns [`GuardError`] for one that names what does not exist, does what guards may not
/// do, or takes too long on the largest order.
pub(super) fn read(expression: &cel::IdedExpr, scope: Scope) -> Result<Properties, GuardError> {
    let mut walk = Walk {
        uses: Uses::default(),
        scope,
        cost: Formula::default(),
        turn: None,
        depth: 0,
    };
    let shape = walk.expr(&expression.expr)?;
    let properties = walk.finish(shape.kind);
    let cost = properties.cost.steps_at_most();
    if cost > STEPS_MAX {
        return Err(GuardError::TooCostly {
            cost,
            max: STEPS_MAX,
        });
    }
    Ok(properties)
}

struct Walk<'e> {
    uses: Uses,
    scope: Scope,
    cost: Formula,
    /// The comprehension that surrounds the present node.
    turn: Option<Turn<'e>>,
    depth: usize,
}

/// The variable of a comprehension, bound in each turn.
struct Turn<'e> {
    line: &'e str,
    result: &'e str,
    result_is: Shape,
}

impl<'e> Walk<'e> {
    /// Adds the work of binding what is named, now that it is known.
    fn finish(mut self, kind: Type) -> Properties {
        self.spend(Amount::steps(8));
        let facts = [
            (ORDER, &self.uses.order),
            (ACTOR, &self.uses.actor),
            (REQUEST, &self.uses.request),
            (ENTRY, &self.uses.entry),
        ];
        let named = facts.into_iter().flat_map(|(vocabulary, names)| {
            let is_named = |field: &&Field| names.contains(field.name);
            vocabulary.iter().filter(is_named)
        });
        let mut cost = self.cost;
        for field in named {
            cost = cost + field.binding;
            cost.once = cost.once + field.shape.bytes;
        }
        if self.uses.order.contains("lines") {
            cost.per_line = cost.per_line + LINE;
        }
        if self.uses.line.contains(QUANTITY_MOVING) {
            cost.per_line = cost.per_line + MOVING;
        }
        Properties {
            uses: self.uses,
            cost,
            kind,
        }
    }

    /// Counts work where the present node stands.
    fn spend(&mut self, work: Amount) {
        if self.turn.is_some() {
            self.cost.per_line = self.cost.per_line + work;
        } else {
            self.cost.once = self.cost.once + work;
        }
    }

    fn expr(&mut self, expr: &'e Expr) -> Result<Shape, GuardError> {
        self.spend(Amount::steps(1));
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(GuardError::NotAllowed("must not be nested that deeply"));
        }
        let shape = match expr {
            Expr::Literal(literal) => Ok(constant(literal)),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(_) | Expr::Struct(_) => {
                Err(GuardError::NotAllowed("must not build maps or messages"))
            }
            Expr::Unspecified => Err(GuardError::NotAllowed("has an empty part")),
        };
        self.depth -= 1;
        shape
    }

    /// The variable that the surrounding comprehension binds to a name.
    fn local(&self, name: &str) -> Option<Shape> {
        let turn = self.turn.as_ref()?;
        if turn.line == name {
            return Some(Shape::of(Type::Line));
        }
        (turn.result == name).then_some(turn.result_is)
    }

    fn ident(&mut self, name: &str) -> Result<Shape, GuardError> {
        if let Some(local) = self.local(name) {
            return Ok(local);
        }
        self.uses.variable(name, self.scope)?;
        Ok(Shape::of(Type::Instant))
    }

    fn select(&mut self, select: &'e SelectExpr) -> Result<Shape, GuardError> {
        let field = select.field.as_str();
        self.spend(Amount::bytes(length(field)));
        let selected = match &select.operand.expr {
            Expr::Ident(name) if self.local(name).is_none() => {
                // The evaluator looks the whole path up, segment by segment.
                self.spend(Amount::steps(1));
                self.fact(name, field)?
            }
            operand => {
                let of = self.expr(operand)?;
                self.part(of, field)?
            }
        };
        Ok(if select.test {
            Shape::of(Type::Bool)
        } else {
            selected
        })
    }

    fn fact(&mut self, name: &str, field: &str) -> Result<Shape, GuardError> {
        let uses = &mut self.uses;
        match name {
            "actor" | "request" | "entry" if self.scope == Scope::OrderAlone => {
                return Err(ORDER_ALONE);
            }
            "order" => insert(&mut uses.order, ORDER, field, "order"),
            "actor" => insert(&mut uses.actor, ACTOR, field, "actor"),
            "request" => insert(&mut uses.request, REQUEST, field, "request"),
            "entry" if self.scope == Scope::OrderAndEntry => {
                insert(&mut uses.entry, ENTRY, field, "entry")
            }
            _ => {
                let of = self.ident(name)?;
                return self.part(of, field);
            }
        }
        .map(|field| field.shape)
    }

    fn part(&mut self, of: Shape, field: &str) -> Result<Shape, GuardError> {
        match of.kind {
            Type::Line if field == QUANTITY_MOVING && self.scope == Scope::OrderAlone => {
                Err(ORDER_ALONE)
            }
            Type::Line => {
                insert(&mut self.uses.line, vocabulary::LINE, field, "line").map(|f| f.shape)
            }
            Type::Customer => known(CUSTOMER, field, "order.customer").map(|f| f.shape),
            Type::Hold => known(HOLD, field, "hold").map(|f| f.shape),
            Type::Texts => Ok(Shape::text(of.bytes)),
            _ => Err(GuardError::Unknown {
                name: format!("field {field} of what is no map"),
                meant: None,
                hint: "the documentation of guards lists the fields",
            }),
        }
    }

    fn call(&mut self, call: &'e CallExpr) -> Result<Shape, GuardError> {
        let name = call.func_name.as_str();
        if !FUNCTIONS.contains(&name) {
            return Err(GuardError::Unknown {
                name: format!("function {name}"),
                meant: nearest(name, named(FUNCTIONS)),
                hint: "there are size, contains, startsWith, endsWith, int, double, string, bool, duration, timestamp and getFullYear to getSeconds",
            });
        }
        let mut operands = Vec::with_capacity(call.args.len() + 1);
        for operand in call.target.as_deref().into_iter().chain(&call.args) {
            operands.push(self.expr(&operand.expr)?);
        }
        // `line['sku']` is `line.sku`.
        if let ("_[_]", [of, _], [_, key]) = (name, operands.as_slice(), call.args.as_slice())
            && let Expr::Literal(LiteralValue::String(field)) = &key.expr
            && matches!(of.kind, Type::Line | Type::Customer | Type::Hold)
        {
            return self.part(*of, field.inner());
        }
        let (shape, work) = operators::apply(name, &operands)?;
        self.spend(work);
        Ok(shape)
    }

    fn list(&mut self, list: &'e ListExpr) -> Result<Shape, GuardError> {
        if !list.optional_indices.is_empty() {
            return Err(GuardError::NotAllowed(
                "must not have optional entries in a list",
            ));
        }
        let mut bytes = Amount::default();
        for element in &list.elements {
            let element = self.expr(&element.expr)?;
            if element.kind.is_container() {
                return Err(GuardError::NotAllowed(
                    "must not put lists or maps into a list",
                ));
            }
            bytes = bytes + element.bytes;
        }
        // Each entry is copied into the list.
        self.spend(bytes);
        let entries = u64::try_from(list.elements.len()).unwrap_or(u64::MAX);
        Ok(Shape {
            bytes,
            entries: Amount::bytes(entries),
            ..Shape::of(Type::Scalars)
        })
    }

    fn comprehension(&mut self, comprehension: &'e ComprehensionExpr) -> Result<Shape, GuardError> {
        if self.turn.is_some() {
            return Err(GuardError::NotAllowed(
                "must not nest all, exists, exists_one or filter",
            ));
        }
        if !is_order_lines(&comprehension.iter_range.expr) || comprehension.iter_var2.is_some() {
            return Err(GuardError::NotAllowed(
                "may use all, exists, exists_one and filter on order.lines only",
            ));
        }
        self.expr(&comprehension.iter_range.expr)?;
        let is_filter = matches!(comprehension.accu_init.expr, Expr::List(_));
        let result_is = if is_filter {
            Shape::of(Type::Lines)
        } else {
            self.expr(&comprehension.accu_init.expr)?
        };
        self.turn = Some(Turn {
            line: &comprehension.iter_var,
            result: &comprehension.accu_var,
            result_is,
        });
        self.spend(TURN);
        if is_filter {
            self.filter(comprehension)?;
        } else {
            self.expr(&comprehension.loop_step.expr)?;
        }
        self.expr(&comprehension.loop_cond.expr)?;
        let shape = self.expr(&comprehension.result.expr);
        self.turn = None;
        shape
    }

    /// The step of `filter`, which the evaluator recognises and carries out in one list:
    /// `condition ? result + [line] : result`.
    fn filter(&mut self, comprehension: &'e ComprehensionExpr) -> Result<(), GuardError> {
        let is = |expr: &Expr, wanted: &str| matches!(expr, Expr::Ident(name) if name == wanted);
        let appends_line = |expr: &Expr| {
            let Expr::Call(call) = expr else { return false };
            let [to, appended] = call.args.as_slice() else {
                return false;
            };
            let Expr::List(appended) = &appended.expr else {
                return false;
            };
            let is_line = |e: &cel::IdedExpr| is(&e.expr, &comprehension.iter_var);
            call.func_name == "_+_"
                && is(&to.expr, &comprehension.accu_var)
                && matches!(appended.elements.as_slice(), [element] if is_line(element))
        };
        let Expr::Call(step) = &comprehension.loop_step.expr else {
            return Err(GuardError::NotAllowed("must not use map"));
        };
        match (step.func_name.as_str(), step.args.as_slice()) {
            ("_?_:_", [condition, append, keep])
                if appends_line(&append.expr) && is(&keep.expr, &comprehension.accu_var) =>
            {
                self.spend(APPEND);
                self.expr(&condition.expr)?;
                Ok(())
            }
            _ => Err(GuardError::NotAllowed("must not use map")),
        }
    }
}

/// The functions that are called by a name, and not by a sign.
fn named(functions: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    let is_name = |name: &&str| name.starts_with(|c: char| c.is_ascii_alphabetic());
    functions.iter().copied().filter(is_name)
}

fn constant(literal: &LiteralValue) -> Shape {
    match literal {
        LiteralValue::Boolean(_) => Shape::of(Type::Bool),
        LiteralValue::Double(_) => Shape::of(Type::Double),
        LiteralValue::Int(_) => Shape::of(Type::Int),
        LiteralValue::UInt(_) => Shape::of(Type::Uint),
        LiteralValue::Null => Shape::of(Type::Null),
        LiteralValue::String(text) => Shape::text(Amount::bytes(length(text.inner()))),
        LiteralValue::Bytes(bytes) => Shape {
            kind: Type::Bytes,
            ..Shape::text(Amount::bytes(
                u64::try_from(bytes.inner().len()).unwrap_or(u64::MAX),
            ))
        },
    }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

fn is_order_lines(range: &Expr) -> bool {
    let Expr::Select(select) = range else {
        return false;
    };
    let of_order = matches!(&select.operand.expr, Expr::Ident(name) if name == "order");
    of_order && select.field == "lines" && !select.test
}
