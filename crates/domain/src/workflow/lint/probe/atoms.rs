//! The parts of an expression that are joined by `&&`, `||` and `!`: of each, whether sample orders
//! can tell what may come of it, and what has to vary for that.

use std::collections::BTreeSet;

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, SelectExpr},
};

use crate::value::{Money, Quantity};

/// A part of orders that has to vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Where the order stands.
    Place,
    /// Its amounts.
    Amounts,
    /// How far its units have come.
    Units,
    /// Its lines, one by one.
    Lines,
}

/// A number that is written out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Fraction(f64),
}

/// A part of an expression.
#[derive(Debug, Default)]
pub(super) struct Atom {
    /// The parts of orders that have to vary; none for a constant.
    pub(super) topics: BTreeSet<Topic>,
    /// The numbers in it, near which something may change.
    pub(super) numbers: Vec<Number>,
    signs: BTreeSet<Sign>,
}

/// A feature that makes an atom harder to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// It names what samples do not vary.
    Free,
    /// It calls a function.
    Function,
    /// It adds or subtracts.
    Sum,
    /// It multiplies or divides.
    Product,
    /// It asks whether things are equal.
    Equality,
    /// It goes over lines.
    Loop,
}

/// How many numbers of an atom samples are made for.
const NUMBERS_MAX: usize = 4;

impl Number {
    /// The amount of so many minor units.
    pub(super) fn amount(self) -> Option<Money> {
        let units = match self {
            Self::Whole(units) => units,
            Self::Fraction(units) => format!("{units:.0}").parse::<i64>().ok()?,
        };
        Money::new(units).ok()
    }

    /// So many units.
    pub(super) fn quantity(self) -> Option<Quantity> {
        let text = match self {
            Self::Whole(units) => units.to_string(),
            Self::Fraction(units) => format!("{units:.4}"),
        };
        text.parse().ok()
    }
}

impl Atom {
    /// Reads a part of an expression that was compiled.
    pub(super) fn read(expr: &IdedExpr) -> Self {
        let mut walk = AtomWalk {
            atom: Self::default(),
            line: None,
        };
        match &expr.expr {
            Expr::Comprehension(loops) => {
                walk.sign(Sign::Loop);
                walk.atom.topics.insert(Topic::Lines);
                walk.line = Some(&loops.iter_var);
                walk.expr(&loops.accu_init.expr);
                walk.expr(&loops.loop_step.expr);
                walk.expr(&loops.result.expr);
            }
            whole => walk.expr(whole),
        }
        walk.atom
    }

    /// Whether samples cannot tell what may come of it.
    pub(super) fn is_free(&self) -> bool {
        let names_nothing = self.topics.is_empty();
        let is_mixed = self.has(Sign::Loop) && self.topics.iter().any(|t| *t != Topic::Lines);
        self.has(Sign::Free) || self.has(Sign::Function) && !names_nothing || is_mixed
    }

    /// Whether samples only tell that it always fails: what it reckons may come to more than they
    /// show.
    pub(super) fn is_reckoned(&self) -> bool {
        let is_sum = self.has(Sign::Sum) && self.has(Sign::Equality);
        (self.has(Sign::Product) || is_sum) && !self.topics.is_empty()
    }

    fn has(&self, sign: Sign) -> bool {
        self.signs.contains(&sign)
    }
}

struct AtomWalk<'e> {
    atom: Atom,
    /// The name that a comprehension has for the line of the present turn.
    line: Option<&'e str>,
}

impl<'e> AtomWalk<'e> {
    fn sign(&mut self, sign: Sign) {
        self.atom.signs.insert(sign);
    }

    fn expr(&mut self, expr: &'e Expr) {
        match expr {
            Expr::Literal(literal) => self.literal(literal),
            // What a comprehension gathers begins with @.
            Expr::Ident(name) if name.starts_with('@') => {}
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                for element in &list.elements {
                    self.expr(&element.expr);
                }
            }
            Expr::Ident(_)
            | Expr::Comprehension(_)
            | Expr::Map(_)
            | Expr::Struct(_)
            | Expr::Unspecified => self.sign(Sign::Free),
        }
    }

    fn literal(&mut self, literal: &LiteralValue) {
        let number = match literal {
            LiteralValue::Int(number) => Some(Number::Whole(*number.inner())),
            LiteralValue::UInt(number) => i64::try_from(*number.inner()).ok().map(Number::Whole),
            LiteralValue::Double(number) => Some(Number::Fraction(*number.inner())),
            LiteralValue::Boolean(_)
            | LiteralValue::Bytes(_)
            | LiteralValue::Null
            | LiteralValue::String(_) => None,
        };
        let numbers = &mut self.atom.numbers;
        if let Some(number) = number
            && numbers.len() < NUMBERS_MAX
            && !numbers.contains(&number)
        {
            numbers.push(number);
        }
    }

    fn select(&mut self, select: &'e SelectExpr) {
        let Expr::Ident(of) = &select.operand.expr else {
            return self.sign(Sign::Free);
        };
        let topics: &[Topic] = if self.line == Some(of.as_str()) {
            of_line(&select.field)
        } else if of == "order" {
            of_order(&select.field)
        } else {
            &[]
        };
        if topics.is_empty() {
            self.sign(Sign::Free);
        }
        self.atom.topics.extend(topics);
    }

    fn call(&mut self, call: &'e CallExpr) {
        match call.func_name.as_str() {
            "_&&_"
            | "_||_"
            | "!_"
            | "_?_:_"
            | "@not_strictly_false"
            | "-_"
            | "_<_"
            | "_<=_"
            | "_>_"
            | "_>=_" => {}
            "_==_" | "_!=_" | "@in" => self.sign(Sign::Equality),
            "_+_" | "_-_" => self.sign(Sign::Sum),
            "_*_" | "_/_" | "_%_" => self.sign(Sign::Product),
            _ => self.sign(Sign::Function),
        }
        for operand in call.target.as_deref().into_iter().chain(&call.args) {
            self.expr(&operand.expr);
        }
    }
}

/// The parts that have to vary for a field of an order; none for one that samples do not vary.
fn of_order(field: &str) -> &'static [Topic] {
    match field {
        "state" | "status" | "visible_on_storefront" | "workflow" => &[Topic::Place],
        "grand_total" | "total_paid" | "total_refunded" | "total_canceled" | "total_invoiced"
        | "total_due" | "total_overpaid" | "fully_paid" | "overpaid" => &[Topic::Amounts],
        "units_ordered" | "units_invoiced" | "units_shipped" | "units_refunded"
        | "units_canceled" | "units_returned" | "units_open" | "fully_invoiced"
        | "fully_shipped" | "fully_refunded" | "fully_canceled" | "is_virtual" => &[Topic::Units],
        "can_invoice" | "can_ship" | "can_refund" | "allowed_operations" => {
            &[Topic::Place, Topic::Amounts, Topic::Units]
        }
        _ => &[],
    }
}

/// The same of a line.
fn of_line(field: &str) -> &'static [Topic] {
    match field {
        "quantity_ordered" | "quantity_invoiced" | "quantity_shipped" | "quantity_refunded"
        | "quantity_canceled" | "quantity_returned" | "total" | "is_virtual" => &[Topic::Lines],
        _ => &[],
    }
}
