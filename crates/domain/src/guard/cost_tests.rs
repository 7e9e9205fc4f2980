//! What expressions cost: counted with the largest lengths, with real ones, and in time.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    actor::Actor,
    history::Recorded,
    judge::Facts,
    order::{Hold, Line, LineQuantity, Order},
    value::{
        Attributes, Comment, HoldId, LINES_MAX, LineId, Metadata, Money, ProductName, Quantity,
        Reason, Role, Sku, Timestamp,
    },
    workflow::{Effect, Workflow, sample},
};

/// An order as large as one may be, with a call that is.
pub(super) struct Largest {
    workflow: Workflow,
    pub(super) order: Order,
    actor: Actor,
    comment: Comment,
    metadata: Metadata,
    recorded: Recorded,
}

impl Largest {
    pub(super) fn new() -> Self {
        let (graph, mut order) = sample::graph_and_order();
        let long = |bytes: usize, number: usize| format!("{}{number:04}", "a".repeat(bytes - 4));
        order.lines = (0..LINES_MAX)
            .map(|number| Line {
                id: LineId::new(&long(128, number)).unwrap(),
                sku: Sku::new(&long(128, number)).unwrap(),
                name: ProductName::new(&long(256, number)).unwrap(),
                ordered: "7.5".parse::<Quantity>().unwrap(),
                ..order.lines[0].clone()
            })
            .collect();
        let map = |entries: usize, bytes: usize| -> std::collections::BTreeMap<_, _> {
            let entries = (0..entries).map(|number| {
                let key = format!("k{number:04}");
                let value = "a".repeat(bytes - key.len());
                (key, value)
            });
            entries.collect()
        };
        order.attributes = Attributes::new(map(64, 64)).unwrap();
        order.holds = (0..16)
            .map(|number| Hold {
                id: HoldId::of_entry(number),
                reason: Reason::new(&"a".repeat(512)).unwrap(),
                placed_by: Actor::system(),
                place_time: Timestamp::default(),
                expire_time: None,
                status: None,
                visible_to_customer: false,
                notify_customer: false,
            })
            .collect();
        let roles = (0..64).map(|number| Role::new(&long(64, number)).unwrap());
        let moved = order.lines.iter().map(|line| LineQuantity {
            line_id: line.id.clone(),
            quantity: line.ordered,
            returned: Quantity::ZERO,
        });
        let recorded = Recorded {
            operation: "ship".parse().unwrap(),
            effect: Effect::Ship,
            lines: moved.collect(),
            amount: Money::ZERO,
            reverse: false,
            whole: false,
            counted: Money::ZERO,
        };
        Self {
            workflow: graph.workflow().clone(),
            order,
            actor: Actor {
                roles: roles.collect(),
                ..Actor::system()
            },
            comment: Comment::new(&"a".repeat(4_096)).unwrap(),
            metadata: Metadata::new(map(800, 5)).unwrap(),
            recorded,
        }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            workflow: &self.workflow,
            order: &self.order,
            actor: &self.actor,
            comment: &self.comment,
            metadata: &self.metadata,
            now: Timestamp::from_micros(86_400_000_000),
            recorded: Some(&self.recorded),
            entry: None,
        }
    }
}

/// Asks a guard about the largest order: what it cost of the budget, and how long it took.
pub(super) fn ask(guard: &Guard, largest: &Largest) -> (u64, Duration) {
    let budget = CostBudget::new();
    let begun = Instant::now();
    // Whatever it answers, also that an attribute is missing.
    let _ = guard.holds(&largest.facts(), &budget);
    (budget.spent(), begun.elapsed())
}

fn compile(text: &str) -> Result<Guard, GuardError> {
    Guard::compile_condition(&Expression::new(text).unwrap())
}

/// So many times the same, joined.
fn chain(part: &str, times: usize, by: &str) -> String {
    vec![part; times].join(by)
}

/// What guards are for, each with the most that it may be counted as.
const HONEST: &[(&str, u64)] = &[
    ("true", 20),
    ("order.can_ship", 3_000),
    (
        "order.grand_total < 100000 || 'manager' in actor.roles",
        600,
    ),
    ("request.comment.contains('please')", 300),
    ("order.attributes['channel'] == 'web'", 200),
    ("request.metadata.key == 'x'", 200),
    ("order.customer.email.endsWith('@example.com')", 100),
    ("order.holds[0].reason == 'fraud'", 2_000),
    ("now - order.create_time > duration('24h')", 100),
    (
        "order.lines.all(l, l.quantity_shipped == l.quantity_ordered)",
        10_000,
    ),
    ("order.lines.exists(l, l.sku in ['a', 'b', 'c'])", 12_000),
    ("order.lines.exists(l, l.name.contains('gift'))", 15_000),
    ("order.lines.exists(l, l.sku in actor.roles)", 60_000),
    (
        "order.lines.exists(l, request.comment.contains(l.sku))",
        80_000,
    ),
    (
        "order.lines.filter(l, l.is_virtual).size() < order.lines.size()",
        10_000,
    ),
    (
        "order.lines.all(l, l.quantity_moving == 0.0 || l.sku.startsWith('a-'))",
        25_000,
    ),
    (
        "request.operation == 'refund' && request.amount < 5000",
        100,
    ),
];

/// What moves is found once for all lines, and that is counted for each.
#[test]
fn asking_what_moves_costs_more_for_each_line() {
    let largest = Largest::new();
    let cost = |field: &str| {
        let guard = compile(&format!("order.lines.all(l, l.{field} > 0.0)")).unwrap();
        ask(&guard, &largest).0
    };
    let (moving, ordered) = (cost("quantity_moving"), cost("quantity_ordered"));
    let lines = u64::try_from(LINES_MAX).unwrap();
    assert!(moving >= ordered + 5 * lines, "{moving}, {ordered}");
    assert!(moving <= ordered + 20 * lines, "{moving}, {ordered}");
}

#[test]
fn what_guards_are_for_is_accepted() {
    for (text, at_most) in HONEST {
        let guard = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let cost = guard.ready().unwrap().steps_at_most();
        assert!(cost <= *at_most, "{text}: {cost}");
    }
}

#[test]
fn eleven_comparisons_for_each_line_are_accepted() {
    let guard = format!(
        "order.lines.all(l, {})",
        chain("l.quantity_ordered > 0.0", 11, " && ")
    );
    compile(&guard).unwrap();
}

/// What cannot be counted, and the words that name it.
const NOT_ALLOWED: &[(&str, &str)] = &[
    ("size(order.lines + order.lines) > 0", "join lists"),
    ("size(actor.roles + ['a']) > 0", "join lists"),
    ("'a' in (order.allowed_operations + [])", "join lists"),
    (
        "order.lines.all(l, size(order.lines + order.lines) > 0)",
        "join lists",
    ),
    ("order.lines == order.lines", "compare lists"),
    ("order.lines != []", "compare lists"),
    ("order.attributes == order.attributes", "compare lists"),
    ("order.customer == order.customer", "compare lists"),
    ("order.lines[0] == order.lines[1]", "compare lists"),
    ("[1] == [1]", "compare lists"),
    ("order.lines < order.lines", "compare lists"),
    ("order.lines.all(l, l == l)", "compare lists"),
    (
        "order.lines.filter(l, true) == order.lines",
        "compare lists",
    ),
    ("order.lines[0] in order.lines", "seek a list or a map"),
    ("actor.roles in [actor.roles]", "lists or maps into a list"),
    ("'a' in order.lines", "in on lists and maps"),
    ("'id' in order.lines[0]", "in on lists and maps"),
    (
        "size([order.lines, order.lines]) > 0",
        "lists or maps into a list",
    ),
    (
        "order.lines.exists(l, size([l]) > 0)",
        "lists or maps into a list",
    ),
    ("size([[]]) > 0", "lists or maps into a list"),
    ("string(order.lines) == ''", "must not give a list"),
    ("string(order.attributes) == ''", "must not give a list"),
    ("order.attributes.contains('a')", "must not give a list"),
    ("order.lines.size(order.lines) == 1", "must not give a list"),
    ("!order.lines", "must not give a list"),
    ("-order.lines == 1", "must not give a list"),
    ("order.lines - order.lines == 1", "must not give a list"),
    ("order.lines && true", "must not give a list"),
    ("order.lines[0.5].id == ''", "whole number"),
    ("order.lines['0'].id == ''", "whole number"),
    ("actor.roles[order.lines] == ''", "whole number"),
    (
        "order.lines.all(l, order.lines[l.quantity_ordered].id == '')",
        "whole number",
    ),
    ("order.attributes[1] == ''", "by a text"),
    ("order.lines[0][actor.id] == ''", "as they are"),
    ("size(order.lines[0]) > 0", "size of a line"),
    ("(true ? order.lines : 1) == 1", "choose between"),
    (
        "size(true ? order.lines : actor.roles) > 0",
        "choose between",
    ),
    ("(order.lines ? 1 : 2) == 1", "condition must be"),
    (
        "order.lines.filter(l, true).all(l, true)",
        "on order.lines only",
    ),
    ("actor.roles.exists(r, r == 'a')", "on order.lines only"),
    (
        "order.lines.all(l, order.lines.all(m, l.id == m.id))",
        "must not nest",
    ),
    (
        "order.lines.filter(l, order.lines.exists(m, true)).size() > 0",
        "must not nest",
    ),
    ("order.lines.map(l, l.sku).size() > 0", "must not use map"),
    ("order.lines.map(l, [l]).size() > 0", "must not use map"),
    (
        "order.lines.map(l, true, l.sku).size() > 0",
        "must not use map",
    ),
    ("size([?order.state]) > 0", "unsupported syntax"),
    ("{'a': 1}.a == 1", "build maps"),
    ("order.?state == optional.of('x')", "unsupported syntax"),
    (
        "order.attributes[?'x'] == optional.none()",
        "is not a CEL expression",
    ),
    ("order.lines.transformList(i, l, i).size() > 0", "knows no"),
    ("cel.bind(x, order.lines, size(x) > 0)", "knows no"),
    ("order.state.matches('(a+)+$')", "knows no function matches"),
    ("type(order.lines) == list", "knows no"),
    ("dyn(order.lines) == 1", "knows no function dyn"),
    ("order.customer.phone == ''", "knows no field"),
    ("order.holds[0].by == ''", "knows no field"),
    ("order.state.size == 1", "no map"),
];

#[test]
fn what_cannot_be_counted_is_refused_by_name() {
    for (text, named) in NOT_ALLOWED {
        let problem = compile(text).expect_err(text).to_string();
        assert!(problem.contains(named), "{text}: {problem}");
    }
}

#[test]
fn what_takes_too_long_is_refused_with_its_cost() {
    let joined = format!("({}).contains('b')", chain("request.comment", 50, " + "));
    let hashed = format!(
        "order.lines.all(l, ({}) in order.attributes)",
        chain("request.comment", 8, " + ")
    );
    let listed = format!("order.lines.all(l, l.id in [{}])", chain("'a'", 200, ","));
    for text in [
        "order.lines.all(l, request.comment.contains(l.sku) || request.comment.contains(l.name) || request.comment.contains(l.id))",
        "order.lines.all(l, duration(request.comment) > duration('1s'))",
        "order.lines.all(l, size(request.comment + request.metadata.x + order.attributes.y) > l.quantity_ordered)",
        &joined,
        &hashed,
        &listed,
    ] {
        let problem = compile(text).expect_err(text);
        let GuardError::TooCostly { cost, max } = problem else {
            panic!("{text}: {problem}");
        };
        assert!(cost > max, "{text}: {cost}");
    }
}

#[test]
fn real_lengths_count_before_it_runs() {
    let guard = compile("order.lines.exists(l, request.comment.contains('x'))");
    let guard = guard.unwrap_or_else(|error| panic!("{error}"));
    let mut largest = Largest::new();
    let (most, _) = ask(&guard, &largest);
    largest.comment = Comment::default();
    let (without_comment, _) = ask(&guard, &largest);
    largest.order.lines.truncate(2);
    let (of_two_lines, _) = ask(&guard, &largest);
    assert!(most > 2 * without_comment, "{most}, {without_comment}");
    assert!(without_comment > 50 * of_two_lines, "{of_two_lines}");

    // An order that is larger than any may be, as if it came from another release.
    let more = largest.order.lines.iter().cycle().take(20_000).cloned();
    largest.order.lines = more.collect();
    let refused = guard.holds(&largest.facts(), &CostBudget::new());
    let message = refused.unwrap_err().message;
    assert!(
        message.contains("steps on this order, at most 100000"),
        "{message}"
    );
}

#[test]
fn a_stored_guard_that_no_longer_passes_refuses_with_what_is_wrong() {
    let largest = Largest::new();
    for (text, named) in [
        ("size(order.lines + order.lines) > 0", "must not join lists"),
        ("order.nothing == 1", "knows no field order.nothing"),
        ("\u{1}", "U+0001 at character 1 is a control character"),
        (&"x".repeat(2_000), "at most 1000 characters"),
    ] {
        let guard = Guard::of_stored(&Expression::of_stored(text), Scope::Order);
        let budget = CostBudget::new();
        let message = guard.holds(&largest.facts(), &budget).unwrap_err().message;
        assert!(message.contains(named), "{text}: {message}");
        assert!(guard.problem().is_some(), "{text}");
        assert_eq!(budget.spent(), 0);
    }
}

#[test]
fn a_budget_that_is_used_up_stays_so() {
    let largest = Largest::new();
    let costly = compile("order.lines.all(l, l.quantity_ordered > 0.0)").unwrap();
    let cheap = compile("true").unwrap();
    let budget = CostBudget::new();
    let mut asked = 0;
    while costly.holds(&largest.facts(), &budget).is_ok() {
        asked += 1;
        assert!(asked < 1_000, "{} spent", budget.spent());
    }
    assert!(budget.is_exhausted() && budget.spent() <= CostBudget::STEPS_MAX);
    let refused = cheap.holds(&largest.facts(), &budget);
    assert!(refused.unwrap_err().message.contains("together"));
}

/// Long chains and deep trees.
fn extremes() -> Vec<String> {
    let deep = |open: &str, core: &str, close: &str, times: usize| {
        format!("{}{core}{}", open.repeat(times), close.repeat(times))
    };
    vec![
        chain("1", 400, "+") + " > 0",
        chain("true", 120, " && "),
        chain("true", 120, " == "),
        chain("order.state", 60, " + ") + " == ''",
        chain("request.comment", 50, " + ") + " == ''",
        format!("order.lines.all(l, {})", chain("l.is_virtual", 60, " || ")),
        format!("order.lines.all(l, {} == '')", chain("l.name", 100, " + ")),
        format!("order.lines.all(l, l.id in [{}])", chain("l.id", 150, ",")),
        format!("'a' in [{}]", chain("''", 300, ",")),
        chain("order.lines.exists(l, false)", 33, "||"),
        deep("(", "true", ")", 90),
        deep("!", "true", "", 900),
        deep("-", "1", "", 900) + " == 1",
        deep("[", "", "]", 90) + " == []",
        deep("size(string(", "1", "))", 60) + " == 1",
        deep("true ? ", "true", " : false", 60),
        deep("false ? true : ", "true", "", 60),
        format!("order{}", ".a".repeat(480)),
        format!("order.attributes.x{} == ''", "[0]".repeat(300)),
        format!("double('{}') > 0.0", "9".repeat(900)),
        format!("duration('{}') > duration('1s')", "1s".repeat(450)),
        String::from("duration('--9999999999999h') < duration('1s')"),
        String::from("timestamp(request.comment) < now"),
        String::from("int(request.comment) < 1 || double(request.comment) < 1.0"),
        String::from("now.getHours(request.comment) == 1"),
        String::from("(request.comment + request.comment).contains(request.comment + 'b')"),
        String::from(
            "order.lines.all(l, l.name.contains(l.sku) && string(l.quantity_ordered) != '')",
        ),
    ]
}

/// They are refused, or evaluated in time with the stack of a thread.
#[test]
fn the_extremes_of_the_grammar_are_refused_or_quick() {
    let largest = Largest::new();
    for text in extremes() {
        let expression = Expression::new(&text);
        let expression = expression.unwrap_or_else(|error| panic!("{text}: {error}"));
        if let Ok(guard) = Guard::compile_condition(&expression) {
            let (_, took) = ask(&guard, &largest);
            assert!(took < Duration::from_millis(250), "{took:?}: {text}");
        }
    }
}
