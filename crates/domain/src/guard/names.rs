//! The names in an expression, and what they are compared with, read off its tree.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, LiteralValue};

use super::compiled::Guard;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Paths such as `order.state`, `order.attributes.box`, `line.sku` and `now`.
    paths: BTreeSet<String>,
    /// Paths with the texts that they are compared with.
    compared: BTreeSet<(String, String)>,
    misread: BTreeSet<Misread>,
}

/// An attribute or a piece of metadata, which is a text, that is compared with something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Misread {
    /// The text as an expression names it.
    pub(crate) text: String,
    /// The sign between them, where the text stands on its left.
    pub(crate) sign: &'static str,
    /// The other side.
    with: String,
    /// The function that makes a number of the text; none where it is compared with true or false.
    number: Option<&'static str>,
}

impl Misread {
    pub(crate) fn kind(&self) -> &'static str {
        match self.number {
            Some(_) => "a number",
            None => "true or false",
        }
    }

    pub(crate) fn right(&self) -> String {
        let Self {
            text, sign, with, ..
        } = self;
        match self.number {
            Some(function) => format!("{function}({text}) {sign} {with}"),
            None => format!("{text} {sign} \"{with}\""),
        }
    }
}

impl Guard {
    /// The names in the expression; none of one that cannot be used.
    pub(crate) fn names(&self) -> Names {
        let mut walk = NameWalk::default();
        if let Ok(ready) = self.ready() {
            walk.expr(&ready.tree().expr);
        }
        walk.names
    }
}

impl Names {
    /// Whether the expression names this, or a part of it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let is_part = |named: &String| {
            let rest = named.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.paths.iter().any(is_part)
    }

    /// The texts that the expression compares this with, or seeks in it.
    pub(crate) fn compared_with<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.compared.iter().filter(move |(of, _)| of == path);
        pairs.map(|(_, text)| text.as_str())
    }

    /// The texts that the expression compares with numbers, true or false.
    pub(crate) fn misread(&self) -> impl Iterator<Item = &Misread> {
        self.misread.iter()
    }
}

/// Goes through a tree whose depth was bounded when it was compiled.
#[derive(Default)]
struct NameWalk<'e> {
    names: Names,
    /// The name that a comprehension has for the line of the present turn.
    line: Option<&'e str>,
}

impl<'e> NameWalk<'e> {
    fn expr(&mut self, expr: &'e Expr) {
        if let Some(path) = self.path(expr) {
            self.names.paths.insert(path);
            return;
        }
        match expr {
            Expr::Select(select) => self.expr(&select.operand.expr),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                for element in &list.elements {
                    self.expr(&element.expr);
                }
            }
            Expr::Comprehension(loops) => {
                self.expr(&loops.iter_range.expr);
                self.line = Some(&loops.iter_var);
                self.expr(&loops.loop_step.expr);
                self.line = None;
            }
            // What is compiled neither builds maps and messages nor has empty parts.
            Expr::Ident(_)
            | Expr::Literal(_)
            | Expr::Map(_)
            | Expr::Struct(_)
            | Expr::Unspecified => {}
        }
    }

    fn call(&mut self, call: &'e CallExpr) {
        if let (Some((sign, mirrored)), [left, right]) =
            (comparison(&call.func_name), call.args.as_slice())
        {
            self.misread(&left.expr, sign, &right.expr);
            self.misread(&right.expr, mirrored, &left.expr);
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("_==_" | "_!=_", [left, right]) => {
                self.compare(&left.expr, &right.expr);
                self.compare(&right.expr, &left.expr);
            }
            ("@in", [wanted, list]) => {
                self.compare(&list.expr, &wanted.expr);
                if let Expr::List(list) = &list.expr {
                    for element in &list.elements {
                        self.compare(&wanted.expr, &element.expr);
                    }
                }
            }
            _ => {}
        }
        for operand in call.target.as_deref().into_iter().chain(&call.args) {
            self.expr(&operand.expr);
        }
    }

    fn compare(&mut self, path: &'e Expr, text: &'e Expr) {
        if let (Some(path), Some(text)) = (self.path(path), text_of(text)) {
            self.names.compared.insert((path, text.to_owned()));
        }
    }

    /// Notes an attribute that is compared with what is no text.
    fn misread(&mut self, of: &'e Expr, sign: &'static str, with: &'e Expr) {
        let Expr::Literal(literal) = with else {
            return;
        };
        let (with, number) = match literal {
            LiteralValue::Int(number) => (number.inner().to_string(), Some("int")),
            LiteralValue::Double(number) => (format!("{:?}", number.inner()), Some("double")),
            LiteralValue::Boolean(is) => (is.inner().to_string(), None),
            LiteralValue::UInt(_)
            | LiteralValue::Bytes(_)
            | LiteralValue::Null
            | LiteralValue::String(_) => return,
        };
        // Whether there is one is no text.
        if matches!(of, Expr::Select(select) if select.test) {
            return;
        }
        let Some(path) = self.path(of) else { return };
        let maps = ["order.attributes", "request.metadata", "entry.metadata"];
        let keys = maps.into_iter().find_map(|map| {
            let key = path.strip_prefix(map)?.strip_prefix('.')?;
            Some((map, key))
        });
        if let Some((map, key)) = keys {
            self.names.misread.insert(Misread {
                text: format!("{map}[\"{key}\"]"),
                sign,
                with,
                number,
            });
        }
    }

    fn path(&self, expr: &'e Expr) -> Option<String> {
        match expr {
            Expr::Ident(name) if self.line == Some(name.as_str()) => Some("line".to_owned()),
            // What a comprehension gathers begins with @.
            Expr::Ident(name) => (!name.starts_with('@')).then(|| name.clone()),
            Expr::Select(select) => {
                let of = self.path(&select.operand.expr)?;
                Some(format!("{of}.{}", select.field))
            }
            Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                ("_[_]", [of, key]) => {
                    let (of, key) = (self.path(&of.expr)?, text_of(&key.expr)?);
                    Some(format!("{of}.{key}"))
                }
                _ => None,
            },
            Expr::Comprehension(_)
            | Expr::List(_)
            | Expr::Literal(_)
            | Expr::Map(_)
            | Expr::Struct(_)
            | Expr::Unspecified => None,
        }
    }
}

/// The sign of a comparison, and the one that says the same with the sides changed.
fn comparison(function: &str) -> Option<(&'static str, &'static str)> {
    Some(match function {
        "_==_" => ("==", "=="),
        "_!=_" => ("!=", "!="),
        "_<_" => ("<", ">"),
        "_<=_" => ("<=", ">="),
        "_>_" => (">", "<"),
        "_>=_" => (">=", "<="),
        _ => return None,
    })
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
