//! The second check of a template: its tree, before the engine compiles it. What may stand
//! where is listed; everything else is refused by name.
//!
//! What is left cannot grow: values are what the facts hold, what filters make (which is
//! counted) and numbers; there are no lists but those written out, and none of these but
//! where they are asked or walked through.

use minijinja::{
    machinery::{
        ast::{BinOp, BinOpKind, CallArg, Expr, Filter, ForLoop, Stmt, UnaryOpKind},
        parse,
    },
    syntax::SyntaxConfig,
    value::ValueKind,
};

use super::{
    language::{INDEX_MAX, Language, Problem, TESTS},
    outline,
};

/// The longest line: the engine counts columns in 16 bits.
const LINE_BYTES_MAX: usize = 60_000;

/// Checks a template before the engine sees it. Returns how many tokens it has.
///
/// # Errors
/// Returns the first [`Problem`]: what is not Jinja, what this language does not have, and
/// what is nested too deep or too long.
pub fn check(source: &str, syntax: &SyntaxConfig, language: Language) -> Result<usize, Problem> {
    if let Some(long) = source.lines().position(|line| line.len() > LINE_BYTES_MAX) {
        let message = format!("it has a line of more than {LINE_BYTES_MAX} bytes");
        return Err(Problem::new(long + 1, message));
    }
    let tokens = outline::check(source, syntax, language)?;
    let tree = parse(source, "", syntax.clone()).map_err(|error| Problem::from(&error))?;
    let mut walk = TemplateWalk {
        language,
        depth: 0,
        in_block: false,
    };
    walk.statement(&tree)?;
    Ok(tokens)
}

/// Goes through the tree; `outline` has bounded how deep it is.
struct TemplateWalk {
    language: Language,
    /// The number of tags around the present one.
    depth: usize,
    in_block: bool,
}

impl TemplateWalk {
    fn statements(&mut self, statements: &[Stmt<'_>]) -> Result<(), Problem> {
        self.depth += 1;
        let checked = statements.iter().try_for_each(|s| self.statement(s));
        self.depth -= 1;
        checked
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Result<(), Problem> {
        match statement {
            Stmt::Template(template) => {
                template.children.iter().try_for_each(|s| self.statement(s))
            }
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::EmitExpr(emitted) => self.emitted(&emitted.expr),
            Stmt::IfCond(condition) => {
                self.expr(&condition.expr)?;
                self.statements(&condition.true_body)?;
                self.statements(&condition.false_body)
            }
            Stmt::ForLoop(each) => self.for_loop(each, each.span().start_line),
            Stmt::Set(set) => {
                if !matches!(set.target, Expr::Var(_)) {
                    return Err(self.refused(&set.target, "sets more than one name", ""));
                }
                self.expr(&set.expr)
            }
            Stmt::Block(block) => {
                let outer = std::mem::replace(&mut self.in_block, true);
                let checked = self.statements(&block.body);
                self.in_block = outer;
                checked
            }
            Stmt::Extends(extends) if self.depth == 0 => Self::file(&extends.name),
            Stmt::Include(include) => Self::file(&include.name),
            Stmt::Extends(other) => Err(Problem::new(
                other.span().start_line,
                "it extends another file inside of a tag",
            )),
            Stmt::SetBlock(other) => Err(self.tag(other.span().start_line, "set with a body")),
            Stmt::WithBlock(other) => Err(self.tag(other.span().start_line, "with")),
            Stmt::AutoEscape(other) => Err(self.tag(other.span().start_line, "autoescape")),
            Stmt::FilterBlock(other) => Err(self.tag(other.span().start_line, "filter")),
            Stmt::Import(other) => Err(self.tag(other.span().start_line, "import")),
            Stmt::FromImport(other) => Err(self.tag(other.span().start_line, "from")),
            Stmt::Macro(other) => Err(self.tag(other.span().start_line, "macro")),
            Stmt::CallBlock(other) => Err(self.tag(other.span().start_line, "call")),
            Stmt::Do(other) => Err(self.tag(other.span().start_line, "do")),
        }
    }

    /// The expression of a placeholder; `super()` may stand alone there, since it is written at
    /// once.
    fn emitted(&mut self, expr: &Expr<'_>) -> Result<(), Problem> {
        if let Expr::Call(call) = expr
            && self.in_block
            && call.args.is_empty()
            && matches!(&call.expr, Expr::Var(name) if name.id == "super")
        {
            return Ok(());
        }
        self.expr(expr)
    }

    fn for_loop(&mut self, each: &ForLoop<'_>, line: u16) -> Result<(), Problem> {
        if each.recursive {
            return Err(self.tag(line, "for … recursive"));
        }
        let is_name = |expr: &Expr<'_>| matches!(expr, Expr::Var(_));
        let is_plain = match &each.target {
            Expr::List(names) => names.items.iter().all(is_name),
            target => is_name(target),
        };
        if !is_plain {
            return Err(self.refused(&each.target, "takes nested lists apart", ""));
        }
        match written_list(&each.iter) {
            Some(items) => self.constants(items)?,
            None => self.expr(&each.iter)?,
        }
        if let Some(condition) = &each.filter_expr {
            self.expr(condition)?;
        }
        self.statements(&each.body)?;
        self.statements(&each.else_body)
    }

    /// The name of a file, which must be written out.
    fn file(name: &Expr<'_>) -> Result<(), Problem> {
        match name {
            Expr::Const(name) if name.value.as_str().is_some() => Ok(()),
            _ => Err(Problem::new(
                name.span().start_line,
                "it names a file by a value; write the name out, as in {% include \"file.txt\" %}",
            )),
        }
    }

    fn expr(&mut self, expr: &Expr<'_>) -> Result<(), Problem> {
        match expr {
            Expr::Var(_) | Expr::Const(_) => Ok(()),
            Expr::GetAttr(field) => self.expr(&field.expr),
            Expr::GetItem(item) => {
                self.subscript(&item.subscript_expr)?;
                self.expr(&item.expr)
            }
            Expr::UnaryOp(operation) => self.expr(&operation.expr),
            Expr::BinOp(operation) => self.operation(operation, expr),
            Expr::Compare(comparison) => {
                use minijinja::machinery::ast::CompareOpKind::{In, NotIn};
                let has_in = comparison.ops.iter().any(|op| matches!(op.op, In | NotIn));
                if has_in {
                    return Err(self.refused(expr, "joins in with other comparisons", "use and"));
                }
                self.expr(&comparison.expr)?;
                comparison.ops.iter().try_for_each(|op| self.expr(&op.expr))
            }
            Expr::IfExpr(choice) => {
                self.expr(&choice.test_expr)?;
                self.expr(&choice.true_expr)?;
                choice.false_expr.iter().try_for_each(|e| self.expr(e))
            }
            Expr::Filter(filter) => self.filter(filter, filter.span().start_line),
            Expr::Test(test) => {
                let line = test.span().start_line;
                if !TESTS.contains(&test.name) {
                    let tests = TESTS.iter().copied();
                    return Err(Problem::unknown(line, "the test is", test.name, tests));
                }
                if !test.args.is_empty() {
                    let message = format!("it gives the test is {} arguments", test.name);
                    return Err(Problem::new(line, message));
                }
                self.expr(&test.expr)
            }
            Expr::Slice(_) => Err(self.refused(expr, "cuts out a part with [a:b]", "")),
            Expr::Call(call) => Err(self.call(&call.expr)),
            Expr::List(_) | Expr::Tuple(_) => Err(self.refused(
                expr,
                "builds a list",
                "one may stand after in alone, as in x in ['a', 'b']",
            )),
            Expr::Map(_) => Err(self.refused(expr, "builds a map", "")),
        }
    }

    fn operation(&mut self, operation: &BinOp<'_>, expr: &Expr<'_>) -> Result<(), Problem> {
        let (left, right) = (&operation.left, &operation.right);
        match operation.op {
            BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte
            | BinOpKind::ScAnd
            | BinOpKind::ScOr => {}
            BinOpKind::In => {
                let Some(items) = written_list(right) else {
                    let instead = "write a list out, as in x in ['a', 'b']";
                    return Err(self.refused(expr, "looks in a value with in", instead));
                };
                self.constants(items)?;
                return self.expr(left);
            }
            // One number written out makes sure that numbers are meant and no texts or lists.
            BinOpKind::Add
            | BinOpKind::Sub
            | BinOpKind::Div
            | BinOpKind::FloorDiv
            | BinOpKind::Rem => {
                if !is_number(left) && !is_number(right) {
                    let what = "calculates without a number written out";
                    let instead = "write one, as in order.grand_total / 100";
                    return Err(self.refused(expr, what, instead));
                }
            }
            BinOpKind::Mul => return Err(self.refused(expr, "multiplies with *", "")),
            BinOpKind::Pow => return Err(self.refused(expr, "calculates with **", "")),
            BinOpKind::Concat => {
                let instead = "write one placeholder after the other, as in {{ a }}{{ b }}";
                return Err(self.refused(expr, "joins with ~", instead));
            }
        }
        self.expr(left)?;
        self.expr(right)
    }

    fn filter(&mut self, filter: &Filter<'_>, line: u16) -> Result<(), Problem> {
        let filters = self.language.filters();
        let Some((name, most)) = filters.iter().find(|(name, _)| *name == filter.name) else {
            let names = filters.iter().map(|(name, _)| *name);
            return Err(Problem::unknown(line, "the filter", filter.name, names));
        };
        let given = filter.args.len();
        if given > *most {
            let message = format!(
                "it gives the filter {name} {given} arguments, at most {most} are possible"
            );
            return Err(Problem::new(line, message));
        }
        for argument in &filter.args {
            match argument {
                CallArg::Pos(value) => self.expr(value)?,
                CallArg::Kwarg(..) | CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
                    let message = format!("it gives the filter {name} arguments by name or *");
                    return Err(Problem::new(line, message));
                }
            }
        }
        filter.expr.iter().try_for_each(|e| self.expr(e))
    }

    /// A field by its name, or an element by its number from the front.
    fn subscript(&self, subscript: &Expr<'_>) -> Result<(), Problem> {
        let is_plain = match subscript {
            Expr::Const(written) => {
                let index = written.value.as_usize();
                written.value.as_str().is_some() || index.is_some_and(|i| i <= INDEX_MAX)
            }
            _ => false,
        };
        if is_plain {
            return Ok(());
        }
        let instead = format!("write a name or a number from 0 to {INDEX_MAX}");
        Err(self.refused(subscript, "looks up a value with [ ]", &instead))
    }

    /// The elements of a list that is written out: texts, numbers, true, false and none.
    fn constants(&self, items: &[Expr<'_>]) -> Result<(), Problem> {
        for item in items {
            if !matches!(item, Expr::Const(_)) && !is_number(item) {
                let what = "puts values into a list";
                return Err(self.refused(item, what, "write its elements out"));
            }
        }
        Ok(())
    }

    fn call(&self, called: &Expr<'_>) -> Problem {
        let line = called.span().start_line;
        let name = match called {
            Expr::Var(name) => name.id,
            Expr::GetAttr(field) => field.name,
            _ => "",
        };
        let name: String = name.chars().take(40).collect();
        let message = match name.as_str() {
            "super" => "it uses super() in other places than {{ super() }} in a block".to_owned(),
            _ => format!(
                "it calls {name}(); {} have no functions",
                self.language.of()
            ),
        };
        Problem::new(line, message)
    }

    fn tag(&self, line: u16, name: &str) -> Problem {
        let tags = self.language.tags().iter().copied();
        Problem::unknown(line, "the tag", name, tags)
    }

    fn refused(&self, expr: &Expr<'_>, what: &str, instead: &str) -> Problem {
        let of = self.language.of();
        let colon = if instead.is_empty() { "" } else { ": " };
        let message = format!("it {what}, which {of} cannot{colon}{instead}");
        Problem::new(expr.span().start_line, message)
    }
}

/// The elements of a list or tuple that is written out.
fn written_list<'e, 's>(expr: &'e Expr<'s>) -> Option<&'e [Expr<'s>]> {
    match expr {
        Expr::List(list) => Some(&list.items),
        Expr::Tuple(tuple) => Some(&tuple.items),
        _ => None,
    }
}

/// Whether it is a number that is written out.
fn is_number(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(written) => written.value.kind() == ValueKind::Number,
        Expr::UnaryOp(operation) => {
            matches!(operation.op, UnaryOpKind::Neg)
                && matches!(&operation.expr, Expr::Const(written) if written.value.kind() == ValueKind::Number)
        }
        _ => false,
    }
}
