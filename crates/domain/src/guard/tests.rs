use super::*;
use crate::{
    actor::Actor,
    history::Recorded,
    judge::Facts,
    order::LineQuantity,
    value::{Comment, Metadata, Money, Quantity, Timestamp},
    workflow::{Effect, sample},
};

fn compile(text: &str) -> Result<Guard, GuardError> {
    Guard::compile(&Expression::new(text).unwrap())
}

fn holds(text: &str) -> Result<bool, EvaluationError> {
    holds_for(text, None)
}

/// Asks a guard while this is recorded.
fn holds_for(text: &str, recorded: Option<&Recorded>) -> Result<bool, EvaluationError> {
    let (graph, mut order) = sample::graph_and_order();
    order.lines[0].total = Some(Money::new(900).unwrap());
    let guard = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let facts = Facts {
        workflow: graph.workflow(),
        order: &order,
        actor: &Actor::system(),
        comment: &Comment::new("please").unwrap(),
        metadata: &Metadata::default(),
        now: Timestamp::from_micros(86_400_000_000),
        recorded,
        entry: None,
    };
    guard.holds(&facts, &CostBudget::new())
}

#[test]
fn sees_order_actor_now_and_request() {
    for (text, expected) in [
        ("true", true),
        ("order.state == 'new'", true),
        ("order.status in ['pending', 'received']", true),
        (
            "order.grand_total >= 1000 && order.total_due == order.grand_total",
            true,
        ),
        ("order.lines.all(l, l.quantity_ordered >= 1.0)", true),
        ("order.lines.all(l, l.quantity_ordered >= 1)", true),
        ("order.lines.exists(l, l.sku == 'nothing')", false),
        ("order.lines.filter(l, l.is_virtual).size() == 0", true),
        ("order.lines.exists_one(l, l.id == '1')", true),
        ("size(order.lines) == 2", true),
        ("order.lines[0].id == '1'", true),
        (
            "order.can_invoice && !order.fully_invoiced && !order.is_virtual",
            true,
        ),
        ("has(order.attributes.channel)", false),
        ("'channel' in order.attributes", false),
        ("order.customer.guest", false),
        ("actor.kind == 'system' && size(actor.roles) == 0", true),
        ("request.comment.contains('ease')", true),
        ("now - order.create_time > duration('1h')", true),
        ("order.return_state == ''", true),
        ("order.allowed_operations.size() > 0", true),
        (
            "order.total_canceled + order.total_invoiced + order.total_overpaid == 0",
            true,
        ),
        (
            "order.fully_paid || order.overpaid || order.fully_canceled",
            false,
        ),
        ("order.units_ordered == 3.5", true),
        (
            "order.units_invoiced + order.units_shipped + order.units_refunded == 0.0",
            true,
        ),
        ("order.units_canceled + order.units_returned == 0.0", true),
        (
            "order.lines.exists(l, has(l.total) && l.total == 900)",
            true,
        ),
        ("order.lines.all(l, has(l.total))", false),
        ("order.lines.all(l, l.quantity_returned == 0.0)", true),
        ("order.units_open == 3.5", true),
        ("order.lines.all(l, l.quantity_moving == 0.0)", true),
        (
            "request.operation == '' && request.amount == 0 && !request.reverse",
            true,
        ),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn sees_what_an_operation_moves() {
    let recorded = Recorded {
        operation: "refund".parse().unwrap(),
        effect: Effect::Refund,
        lines: vec![LineQuantity {
            line_id: "2".parse().unwrap(),
            quantity: "0.5".parse().unwrap(),
            returned: Quantity::ZERO,
        }],
        amount: Money::new(700).unwrap(),
        reverse: true,
        whole: false,
        counted: Money::ZERO,
    };
    for (text, expected) in [
        (
            "request.operation == 'refund' && request.amount == 700 && request.reverse",
            true,
        ),
        (
            "order.lines.all(l, l.quantity_moving == 0.0 || l.sku.startsWith('sku-2'))",
            true,
        ),
        (
            "order.lines.all(l, l.quantity_moving == 0.0 || l.sku.startsWith('sku-1'))",
            false,
        ),
        ("order.lines[1].quantity_moving == 0.5", true),
        ("order.lines[1]['quantity_moving'] == 0.5", true),
    ] {
        assert_eq!(holds_for(text, Some(&recorded)), Ok(expected), "{text}");
    }
}

#[test]
fn every_word_of_the_vocabulary_is_bound() {
    let names = |fields: &'static [vocabulary::Field]| fields.iter().map(|field| field.name);
    for field in names(vocabulary::ORDER) {
        assert_eq!(
            holds(&format!("order.{field} != null")),
            Ok(true),
            "{field}"
        );
    }
    for field in names(vocabulary::LINE) {
        assert_eq!(
            holds(&format!("order.lines.exists(l, l.{field} != null)")),
            Ok(true),
            "{field}"
        );
    }
    for field in names(vocabulary::ACTOR) {
        assert_eq!(
            holds(&format!("actor.{field} != null")),
            Ok(true),
            "{field}"
        );
    }
    for field in names(vocabulary::REQUEST) {
        assert_eq!(
            holds(&format!("request.{field} != null")),
            Ok(true),
            "{field}"
        );
    }
}

#[test]
fn what_depends_on_data_fails_at_run_time() {
    assert!(holds("order.attributes.channel == 'web'").is_err());
    assert!(holds("order.lines[7].id == '1'").is_err());
    assert!(holds("1 / order.total_paid > 0").is_err());
}

#[test]
fn refuses_what_is_wrong_or_dear() {
    let deep = "(".repeat(400) + "true" + &")".repeat(400);
    let not = "!".repeat(999) + "true";
    let list = "[".repeat(480) + &"]".repeat(480);
    let wide = format!(
        "order.lines.all(l, {})",
        vec!["l.id == 'x'"; 60].join(" || ")
    );
    for text in [
        "order.",
        "order.foo == 1",
        "ordre.state == 'new'",
        "order == order",
        "order['state'] == 'new'",
        "order.lines.map(l, l.id) == []",
        "order.lines.all(l, order.lines.all(m, l.id == m.id))",
        "[1, 2, 3].all(x, x > 0)",
        "order.holds.all(h, h.reason != '')",
        "order.attributes.all(k, k != '')",
        "order.state.matches('(a+)+$')",
        "order.state",
        "1",
        "order.state + 1 == ''",
        "order.grand_total == 'x' + 1",
        "{'a': 1}.a == 1",
        "order.lines.all(l, l.foo == 1)",
        "frobnicate(order.state)",
        &deep,
        &not[..1000],
        &list,
        &wide,
        "\u{0}",
    ] {
        if let Ok(expression) = Expression::new(text) {
            assert!(Guard::compile(&expression).is_err(), "{text}");
        }
    }
    assert!(Expression::new(&"x".repeat(1001)).is_err());
}

#[test]
fn says_what_is_wrong_in_words_for_readers() {
    let deep = "(".repeat(400) + "true" + &")".repeat(400);
    for (text, expected) in [
        (
            "order.((",
            "is not a CEL expression: line 1, column 7: no viable alternative at input '.('",
        ),
        (deep.as_str(), "must not be nested that deeply"),
        (
            "order.grand_totl > 1",
            "knows no field order.grand_totl; did you mean grand_total?",
        ),
        (
            "ordre.state == 'new'",
            "knows no variable ordre; did you mean order?",
        ),
        (
            "order.state.startWith('n')",
            "knows no function startWith; did you mean startsWith?",
        ),
        (
            "order.frobnicated",
            "knows no field order.frobnicated; the documentation of guards lists the fields",
        ),
        (
            "1 + 1",
            "must answer true or false, its answer is of type int",
        ),
    ] {
        let said = compile(text).unwrap_err().to_string();
        assert_eq!(said, expected, "{text}");
    }
}

#[test]
fn the_page_of_documents_lists_every_field() {
    use super::vocabulary::{ACTOR, CUSTOMER, ENTRY, HOLD, LINE, ORDER, REQUEST};
    const PAGE: &str = include_str!("../../../../docs/workflows.md");
    for (variable, fields) in [
        ("order", ORDER),
        ("order.lines", LINE),
        ("order.customer", CUSTOMER),
        ("order.holds", HOLD),
        ("actor", ACTOR),
        ("request", REQUEST),
        ("entry", ENTRY),
    ] {
        let begin = format!("| `{variable}`");
        let rows = PAGE.lines().filter(|line| line.starts_with(&begin));
        let rows: Vec<_> = rows.collect();
        for field in fields {
            let name = format!("`{}`", field.name);
            let is_told = rows.iter().any(|row| row.contains(&name));
            assert!(is_told, "{variable}.{}", field.name);
        }
    }
}

#[test]
fn says_what_other_languages_write_otherwise() {
    for (text, hint) in [
        ("order.state = 'new'", "; = is written =="),
        ("order.state === 'new'", "; === is written =="),
        ("order.state <> 'new'", "; <> is written !="),
        (
            "order.fully_paid and order.fully_shipped",
            "; and is written &&",
        ),
        ("order.fully_paid OR order.overpaid", "; or is written ||"),
        ("not order.fully_paid", "; not is written !"),
    ] {
        let said = compile(text).unwrap_err().to_string();
        assert!(said.starts_with("is not a CEL expression"), "{said}");
        assert!(said.ends_with(hint), "{text}: {said}");
    }
    for text in ["order.state == 'a = b and c' (", "order.state >= ("] {
        let said = compile(text).unwrap_err().to_string();
        assert!(!said.contains("is written"), "{text}: {said}");
    }
}
