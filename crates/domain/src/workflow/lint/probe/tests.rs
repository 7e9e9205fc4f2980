use super::*;
use crate::{
    guard::{Expression, Guard},
    value::{StateCode, StatusCode},
    workflow::{Standing, sample},
};

fn place(state: &str, status: &str) -> Standing {
    Standing {
        state: StateCode::new(state).unwrap(),
        status: StatusCode::new(status).unwrap(),
    }
}

/// What may come of a guard that is asked at these places: `holds`, `refuses`, `fails`.
fn outcomes(text: &str, places: &[Standing]) -> String {
    let workflow = sample::workflow();
    let guard = Guard::compile(&Expression::new(text).unwrap());
    let guard = guard.unwrap_or_else(|error| panic!("{text}: {error}"));
    let probe = Probe::new(&workflow).unwrap();
    let outcomes = probe.outcomes(&guard, places).unwrap();
    let words = [
        ("holds", outcomes.holds),
        ("refuses", outcomes.refuses),
        ("fails", outcomes.fails),
    ];
    let words = words.into_iter().filter(|(_, is)| *is);
    words.map(|(word, _)| word).collect::<Vec<_>>().join(" ")
}

#[test]
fn tells_what_comes_to_the_same_on_every_order() {
    let new = [place("new", "pending"), place("new", "received")];
    for (text, expected) in [
        ("true", "holds"),
        ("false", "refuses"),
        ("1 / 0 == 1", "fails"),
        ("9223372036854775807 + 1 > 0", "fails"),
        ("'a' == 'b' || 2 < 1", "refuses"),
        ("order.grand_total < 0", "refuses"),
        ("order.grand_total >= 0", "holds"),
        ("-order.total_paid > 0", "refuses"),
        ("order.grand_total / 0 > 1", "fails"),
        ("order.units_shipped > order.units_ordered", "refuses"),
        ("order.state == 'processing'", "refuses"),
        ("order.state == 'new'", "holds"),
        ("order.status in ['packing', 'complete']", "refuses"),
        (
            "order.lines.exists(l, l.quantity_invoiced > l.quantity_ordered)",
            "refuses",
        ),
        ("order.lines.all(l, l.quantity_shipped >= 0.0)", "holds"),
        // One half decides, whatever the other one asks.
        ("order.grand_total < 0 && actor.id == 'ada'", "refuses"),
        ("actor.id == 'ada' || order.state == 'new'", "holds"),
        (
            "!(order.state == 'new') && order.attributes.x == 'y'",
            "refuses",
        ),
        (
            "order.is_virtual ? false : order.grand_total < 0",
            "refuses",
        ),
    ] {
        assert_eq!(outcomes(text, &new), expected, "{text}");
    }
}

#[test]
fn says_nothing_where_orders_differ() {
    let places = [place("new", "pending"), place("processing", "packing")];
    for text in [
        "order.grand_total > 100000000",
        "order.grand_total == 4711",
        "order.total_due == 4711 || order.total_overpaid == 4711",
        "order.total_refunded < order.total_paid",
        "order.grand_total - order.total_paid > 5000",
        "order.total_paid > 0 || order.units_invoiced > 0.0 || order.units_shipped > 0.0",
        "order.units_shipped > 0.0 && !order.fully_shipped",
        "order.units_ordered == 3.5",
        "order.units_ordered >= 1.0",
        "order.units_ordered > 5000000.0",
        "order.units_returned >= order.units_refunded && order.units_refunded > 0.0",
        "order.fully_invoiced && !order.can_refund",
        "order.fully_refunded",
        "order.fully_canceled",
        "order.fully_paid && !order.overpaid",
        "order.is_virtual",
        "order.can_ship && order.can_invoice && 'refund' in order.allowed_operations",
        "order.state == 'new'",
        "order.status == 'packing'",
        "order.lines.all(l, l.quantity_ordered >= 1)",
        "order.lines.all(l, l.quantity_shipped <= l.quantity_refunded)",
        "order.lines.exists(l, has(l.total) && l.total == 900)",
        "order.lines.exists(l, l.quantity_invoiced > 0.0 && l.quantity_shipped == 0.0 && l.quantity_canceled > 0.0)",
    ] {
        let outcomes = outcomes(text, &places);
        assert!(outcomes.starts_with("holds refuses"), "{text}: {outcomes}");
    }
}

#[test]
fn what_samples_do_not_vary_may_come_to_anything() {
    for text in [
        "order.grand_total % 1000 == 999",
        "order.grand_total / 100 == 55",
        "order.total_paid * 2 >= order.grand_total",
        "order.grand_total + 100 == 5000",
        "order.units_shipped + order.units_canceled == order.units_ordered",
        "size(order.lines) == 17",
        "order.lines.filter(l, l.is_virtual).size() > 3",
        "order.lines.exists_one(l, l.quantity_shipped > 0.0)",
        "order.lines.exists(l, l.sku.startsWith('a-'))",
        "order.lines[0].quantity_shipped > 0.0",
        "order.attributes.x == '1'",
        "has(order.attributes.x)",
        "order.customer.guest",
        "order.currency == 'EUR'",
        "order.version < 1000",
        "order.id == 'x'",
        "'boss' in actor.roles",
        "request.comment.contains('please')",
        "request.reverse",
        "now > timestamp('2030-01-01T00:00:00Z')",
        "order.create_time + duration('1h') < now",
    ] {
        assert_eq!(outcomes(text, &[]), "holds refuses fails", "{text}");
    }
}

/// Of an order that may stand anywhere, what depends on its place may come to anything.
#[test]
fn places_may_be_unknown() {
    for (text, expected) in [
        ("order.state == 'nowhere'", "holds refuses fails"),
        ("order.can_ship", "holds refuses fails"),
        ("order.grand_total < 0", "refuses"),
    ] {
        assert_eq!(outcomes(text, &[]), expected, "{text}");
    }
}

/// What one expression may cost is bounded, and so are all of them together.
#[test]
fn trying_ends() {
    let workflow = sample::workflow();
    let probe = Probe::new(&workflow).unwrap();
    let dear = ["l.quantity_shipped <= l.quantity_ordered"; 8].join(" && ");
    let guard = Expression::new(&format!("order.lines.all(l, {dear})")).unwrap();
    let guard = Guard::compile(&guard).unwrap();
    let tried = (0..10_000).take_while(|_| probe.outcomes(&guard, &[]).is_some());
    assert!((1..1_000).contains(&tried.count()));
}

#[test]
fn knows_what_an_expression_names_and_compares() {
    let text = "order.state in ['a', 'b'] && 'c' == order.attributes['box'] && has(actor.roles) \
                && order.lines.exists(l, l.sku != 'd') && 'e' in order.allowed_operations";
    let names = Guard::compile(&Expression::new(text).unwrap())
        .unwrap()
        .names();
    for path in [
        "order.state",
        "order.attributes",
        "order.attributes.box",
        "actor",
        "actor.roles",
        "line.sku",
    ] {
        assert!(names.has(path), "{path}");
    }
    for path in ["order.status", "order.attributes.bo", "now", "request"] {
        assert!(!names.has(path), "{path}");
    }
    for (path, expected) in [
        ("order.state", vec!["a", "b"]),
        ("order.attributes.box", vec!["c"]),
        ("line.sku", vec!["d"]),
        ("order.allowed_operations", vec!["e"]),
        ("actor.roles", vec![]),
    ] {
        let compared: Vec<_> = names.compared_with(path).collect();
        assert_eq!(compared, expected, "{path}");
    }
}
