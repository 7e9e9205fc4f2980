//! Random guards over the whole grammar: each is refused, or evaluated within its bounds.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    cost_tests::{Largest, ask},
    *,
};

/// What sort of expression is wanted.
#[derive(Clone, Copy)]
enum Sort {
    Bool,
    Number,
    Text,
    Time,
    List,
    Any,
}

/// Writes an expression, led by random bytes: mostly of fitting types, sometimes not.
struct Writer<'a> {
    choices: std::iter::Copied<std::slice::Iter<'a, u8>>,
    in_loop: bool,
}

impl Writer<'_> {
    fn choice(&mut self) -> usize {
        usize::from(self.choices.next().unwrap_or(0))
    }

    /// One of these; the line only where there is one.
    fn pick(&mut self, from: &[&str]) -> String {
        let is_line = |word: &&&str| **word == "l" || word.starts_with("l.");
        let from: Vec<_> = from
            .iter()
            .filter(|w| self.in_loop || !is_line(w))
            .collect();
        let index = self.choice() % from.len();
        (*from[index]).to_owned()
    }

    fn expr(&mut self, sort: Sort, depth: usize) -> String {
        // One in thirty is of another sort.
        let sort = match self.choice() {
            0..=5 => Sort::Any,
            6..=8 => Sort::List,
            _ => sort,
        };
        match sort {
            Sort::Bool => self.boolean(depth),
            Sort::Number => self.number(depth),
            Sort::Text => self.text(depth),
            Sort::Time => self.time(depth),
            Sort::List => self.list(depth),
            Sort::Any => match self.choice() % 5 {
                0 => self.boolean(depth),
                1 => self.number(depth),
                2 => self.text(depth),
                3 => self.time(depth),
                _ => self.list(depth),
            },
        }
    }

    fn pair(&mut self, sort: Sort, depth: usize, operators: &[&str]) -> String {
        let left = self.expr(sort, depth - 1);
        let operator = self.pick(operators);
        let right = self.expr(sort, depth - 1);
        format!("({left} {operator} {right})")
    }

    fn boolean(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "true",
                "false",
                "order.can_ship",
                "order.is_virtual",
                "order.customer.guest",
                "has(order.attributes.x)",
                "l.is_virtual",
            ]);
        }
        match self.choice() % 12 {
            0 | 1 => self.pair(Sort::Bool, depth, &["&&", "||", "==", "!="]),
            2 => self.pair(Sort::Number, depth, &["<", "<=", ">", ">=", "==", "!="]),
            3 => self.pair(Sort::Text, depth, &["<", "==", "!="]),
            4 => self.pair(Sort::Time, depth, &["<", ">=", "=="]),
            5 => {
                let text = self.expr(Sort::Text, depth - 1);
                let function = self.pick(&["contains", "startsWith", "endsWith", "matches"]);
                let other = self.expr(Sort::Text, depth - 1);
                format!("{text}.{function}({other})")
            }
            6 => {
                let wanted = self.expr(Sort::Text, depth - 1);
                let list = self.expr(Sort::List, depth - 1);
                format!("({wanted} in {list})")
            }
            7 => format!("!{}", self.expr(Sort::Bool, depth - 1)),
            8 => {
                let condition = self.expr(Sort::Bool, depth - 1);
                let yes = self.expr(Sort::Bool, depth - 1);
                let no = self.expr(Sort::Bool, depth - 1);
                format!("({condition} ? {yes} : {no})")
            }
            _ => self.comprehension(&["all", "exists", "exists_one", "map"], depth),
        }
    }

    fn comprehension(&mut self, macros: &[&str], depth: usize) -> String {
        // Seldom in each other: that is refused.
        if self.in_loop && self.choice() > 20 {
            return self.boolean(0);
        }
        let range = match self.choice() {
            0..=9 => self.expr(Sort::List, depth - 1),
            _ => "order.lines".to_owned(),
        };
        let name = self.pick(macros);
        let was = std::mem::replace(&mut self.in_loop, true);
        let body = self.expr(Sort::Bool, depth - 1);
        self.in_loop = was;
        format!("{range}.{name}(l, {body})")
    }

    fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "0",
                "9223372036854775807",
                "1.5",
                "2u",
                "order.grand_total",
                "order.version",
                "l.quantity_ordered",
                "l.quantity_moving",
                "request.amount",
                "order.units_open",
                "size(order.lines)",
            ]);
        }
        match self.choice() % 5 {
            0 | 1 => self.pair(Sort::Number, depth, &["+", "-", "*", "/", "%"]),
            2 => format!("size({})", self.expr(Sort::List, depth - 1)),
            3 => {
                let function = self.pick(&["int", "double", "size", "-"]);
                format!("{function}({})", self.expr(Sort::Text, depth - 1))
            }
            _ => {
                let zone = self.expr(Sort::Text, depth - 1);
                format!("{}.getHours({zone})", self.expr(Sort::Time, depth - 1))
            }
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "''",
                "'aaaaaaaaaaaaaaaaaaaaaaab'",
                "request.comment",
                "request.operation",
                "order.id",
                "order.status_label",
                "order.attributes.k0001",
                "request.metadata['k0001']",
                "order.customer.email",
                "order.holds[0].reason",
                "order.lines[3].name",
                "actor.roles[0]",
                "l.name",
                "l.sku",
            ]);
        }
        match self.choice() % 4 {
            0 | 1 => self.pair(Sort::Text, depth, &["+"]),
            2 => format!("string({})", self.expr(Sort::Any, depth - 1)),
            _ => {
                let map = self.pick(&["order.attributes", "request.metadata", "l", "order"]);
                format!("{map}[{}]", self.expr(Sort::Text, depth - 1))
            }
        }
    }

    fn time(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "now",
                "order.create_time",
                "duration('1h')",
                "timestamp('9999-12-31T00:00:00Z')",
                "duration('-9223372036s')",
            ]);
        }
        match self.choice() % 3 {
            0 => self.pair(Sort::Time, depth, &["+", "-"]),
            1 => format!("duration({})", self.expr(Sort::Text, depth - 1)),
            _ => format!("timestamp({})", self.expr(Sort::Text, depth - 1)),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "order.lines",
                "actor.roles",
                "order.allowed_operations",
                "order.attributes",
                "request.metadata",
                "order.holds",
                "order.customer",
                "[]",
                "l",
            ]);
        }
        match self.choice() % 4 {
            0 => self.pair(Sort::List, depth, &["+"]),
            1 => self.comprehension(&["filter", "map"], depth),
            _ => {
                let entries = self.choice() % 8;
                let entries = (0..entries).map(|_| self.expr(Sort::Text, depth - 1));
                format!("[{}]", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn written(choices: &[u8], depth: usize) -> String {
    let mut writer = Writer {
        choices: choices.iter().copied(),
        in_loop: false,
    };
    writer.boolean(depth)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_guards_are_refused_or_quick(
        choices in proptest::collection::vec(any::<u8>(), 0..300),
        depth in 1_usize..7,
    ) {
        thread_local! {
            static LARGEST: Largest = Largest::new();
        }
        let text = written(&choices, depth);
        let Ok(expression) = Expression::new(&text) else {
            return Ok(());
        };
        let Ok(guard) = Guard::compile(&expression) else {
            return Ok(());
        };
        let most = guard.ready().map_or(0, Ready::steps_at_most);
        let (cost, took) = LARGEST.with(|largest| ask(&guard, largest));
        prop_assert!(cost <= most, "{cost} of at most {most} steps: {text}");
        prop_assert!(took < Duration::from_millis(250), "{took:?} for {cost} steps: {text}");
    }
}

/// The writer reaches what it is for: otherwise nothing would be shown.
#[test]
fn random_guards_are_not_all_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let choices = proptest::collection::vec(any::<u8>(), 0..300);
    let mut accepted = 0;
    let mut loops = 0;
    for _ in 0..600 {
        let tree = choices.new_tree(&mut runner);
        let text = written(&proptest::strategy::ValueTree::current(&tree.unwrap()), 4);
        let Ok(expression) = Expression::new(&text) else {
            continue;
        };
        if Guard::compile(&expression).is_ok() {
            accepted += 1;
            loops += usize::from(text.contains("order.lines."));
        }
    }
    assert!(
        accepted > 40 && loops > 10,
        "{accepted}, {loops} with loops"
    );
}
