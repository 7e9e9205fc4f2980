use super::*;
use crate::{
    history::evolve,
    judge::{Graph, create, decide},
    order::{Action, Command, LineQuantity, NewOrder, OperationLines, Order, Target},
    value::{
        Currency, LineId, Money, OperationCode, Quantity, Reason, StateCode, Timestamp,
        TransitionCode,
    },
    workflow::{Rule, lint, sample},
};

const NOW: Timestamp = Timestamp::from_micros(2_000_000);

#[test]
fn every_preset_loads_and_lint_finds_nothing_but_unassigned_statuses() {
    for preset in all() {
        let workflow = preset.workflow().unwrap();
        assert_eq!(workflow.code.as_str(), preset.name);
        let findings = lint(&workflow);
        let told: Vec<_> = findings
            .iter()
            .filter(|f| f.rule != Rule::UnassignedStatus)
            .collect();
        assert!(told.is_empty(), "{}: {told:#?}", preset.name);
        assert!(findings.len() <= 3, "{}: {findings:#?}", preset.name);
    }
}

#[test]
fn finds_presets_by_name() {
    assert_eq!(find("modmore").map(|preset| preset.name), Some("modmore"));
    assert_eq!(find("shopify"), None);
}

/// Walks an order of a preset: each step is written as a person would say it, and what it
/// comes to follows as `state/status`, with the automatic steps in between, or a reason.
fn walk(
    preset: &str,
    grand_total: i64,
    lines: &[(&str, &str)],
    start: &str,
    steps: &[(&str, &str)],
) {
    let graph = Graph::new(find(preset).unwrap().workflow().unwrap(), 1).unwrap();
    let lines_of = lines
        .iter()
        .map(|(id, quantity)| sample::line(id.trim_end_matches('~'), quantity));
    let mut new = NewOrder {
        state: Some(StateCode::new(start).unwrap()),
        grand_total: Money::new(grand_total).unwrap(),
        currency: Some(Currency::new("EUR").unwrap()),
        ..sample::new_order(&graph, lines_of.collect())
    };
    for (line, (id, _)) in new.lines.iter_mut().zip(lines) {
        line.is_virtual = id.ends_with('~');
    }
    let entries = create(&graph, &new, &sample::context(), NOW).unwrap();
    let mut order: Order = crate::history::replay(&entries).unwrap();
    for (step, expected) in steps {
        let outcome = match decide(&graph, &order, &command(step), NOW) {
            Ok(entries) => {
                let before = order.standing.clone();
                order = entries.iter().fold(order, evolve);
                let moves = entries
                    .iter()
                    .filter(|entry| entry.from.as_ref() != Some(&entry.to));
                let places: Vec<_> = moves
                    .map(|entry| format!("{}/{}", entry.to.state, entry.to.status))
                    .collect();
                if places.is_empty() {
                    format!("stays {}/{}", before.state, before.status)
                } else {
                    places.join(", ")
                }
            }
            Err(rejection) => rejection.reason().to_owned(),
        };
        assert_eq!(&outcome, expected, "{preset}: {step}");
    }
}

/// `ship`, `ship a 1`, `pay 500`, `hold`, `release`, `go cancel`.
fn command(step: &str) -> Command {
    let words: Vec<&str> = step.split(' ').collect();
    let record = |code: &str, lines, amount| Action::RecordOperation {
        operation: OperationCode::new(code).unwrap(),
        lines,
        amount,
        reverse: false,
    };
    let action = match words.as_slice() {
        ["hold"] => Action::Hold {
            reason: Reason::default(),
            status: None,
            expire_time: None,
        },
        ["release"] => Action::Release { hold: None },
        ["go", code] => Action::Transition(Target::Transition {
            code: TransitionCode::new(code).unwrap(),
            land_on: None,
        }),
        ["to", state] => Action::Transition(Target::State(StateCode::new(state).unwrap())),
        [code] => record(code, OperationLines::AllLeft, None),
        [code, amount] => {
            let amount = Money::new(amount.parse().unwrap()).unwrap();
            record(code, OperationLines::AmountOnly, Some(amount))
        }
        [code, line, quantity] => {
            let line_id = LineId::new(line).unwrap();
            let lines = vec![LineQuantity {
                line_id,
                quantity: quantity.parse().unwrap(),
                returned: Quantity::ZERO,
            }];
            record(code, OperationLines::Given(lines), None)
        }
        other => panic!("no such step: {other:?}"),
    };
    Command {
        context: sample::context(),
        expected_version: None,
        action,
    }
}

#[test]
fn magento_completes_when_all_is_invoiced_and_shipped_and_closes_when_all_is_refunded() {
    walk(
        "magento",
        5000,
        &[("a", "2"), ("b", "1")],
        "new",
        &[
            ("invoice a 2", "processing/processing"),
            ("ship", "stays processing/processing"),
            ("to complete", "TRANSITION_NOT_ALLOWED"),
            ("invoice", "complete/complete"),
            ("refund", "closed/closed"),
            ("hold", "holded/holded"),
            ("ship", "ORDER_HELD"),
            ("release", "closed/closed"),
            ("go cancel", "ORDER_TERMINAL"),
        ],
    );
}

#[test]
fn magento_ships_refunded_units_and_never_virtual_ones() {
    walk(
        "magento",
        0,
        &[("a", "2"), ("v~", "1")],
        "new",
        &[
            ("invoice", "processing/processing"),
            ("refund a 1", "stays processing/processing"),
            ("ship a 1", "stays processing/processing"),
            ("ship a 1", "complete/complete"),
        ],
    );
    walk(
        "magento",
        0,
        &[("v~", "1")],
        "pending_payment",
        &[
            ("ship", "NOTHING_TO_DO"),
            ("invoice", "processing/processing, complete/complete"),
        ],
    );
}

#[test]
fn magento_cancels_while_something_is_left_to_invoice() {
    walk(
        "magento",
        0,
        &[("a", "2")],
        "new",
        &[
            ("go cancel", "canceled/canceled"),
            ("release", "ORDER_NOT_HELD"),
        ],
    );
    walk(
        "magento",
        0,
        &[],
        "new",
        &[("go cancel", "canceled/canceled")],
    );
    walk(
        "magento",
        0,
        &[("a", "2")],
        "new",
        &[
            ("cancel a 1", "stays new/pending"),
            ("cancel", "canceled/canceled"),
        ],
    );
    walk(
        "magento",
        0,
        &[("a", "2")],
        "new",
        &[
            ("invoice", "processing/processing"),
            ("go cancel", "GUARD_REFUSED"),
            ("go flag_fraud", "GUARD_REFUSED"),
        ],
    );
}

#[test]
fn magento_reviews_payments() {
    walk(
        "magento",
        500,
        &[("a", "1")],
        "payment_review",
        &[
            ("go flag_fraud", "payment_review/fraud"),
            ("hold", "holded/holded"),
            ("release", "payment_review/fraud"),
            ("go accept_payment", "processing/processing"),
            ("pay", "stays processing/processing"),
        ],
    );
    walk(
        "magento",
        500,
        &[("a", "1")],
        "payment_review",
        &[("go deny_payment", "canceled/canceled")],
    );
    walk(
        "magento",
        500,
        &[("a", "1")],
        "pending_payment",
        &[("pay 100", "processing/processing")],
    );
}

#[test]
fn magento_2_4_counts_refunded_units_as_fulfilled() {
    for paid in [true, false] {
        let pay = if paid {
            ("pay", "processing/processing")
        } else {
            ("invoice a 1", "processing/processing")
        };
        walk(
            "magento_2_4",
            3000,
            &[("a", "2"), ("b", "1")],
            "new",
            &[
                pay,
                ("invoice", "stays processing/processing"),
                ("refund a 1", "stays processing/processing"),
                ("ship a 1", "stays processing/processing"),
                ("ship b 1", "complete/complete"),
                ("hold", "STATE_NOT_HOLDABLE"),
            ],
        );
    }
}

#[test]
fn magento_2_4_completes_and_closes_as_the_code_does() {
    // Unpaid, all shipped: it waits for the money, cents not counted.
    walk(
        "magento_2_4",
        3000,
        &[("a", "1")],
        "new",
        &[
            ("invoice", "processing/processing"),
            ("ship", "stays processing/processing"),
            ("pay 2900", "stays processing/processing"),
            ("pay 1", "complete/complete"),
            ("refund 2000", "stays complete/complete"),
            ("refund 901", "closed/closed"),
        ],
    );
    // Refunded in full before anything was shipped.
    walk(
        "magento_2_4",
        0,
        &[("a", "1")],
        "new",
        &[
            ("invoice", "processing/processing"),
            ("refund", "closed/closed"),
            ("hold", "STATE_NOT_HOLDABLE"),
        ],
    );
    // A virtual order stays complete until somebody closes it.
    walk(
        "magento_2_4",
        500,
        &[("v~", "1")],
        "new",
        &[
            ("pay", "processing/processing"),
            ("invoice", "complete/complete"),
            ("go close_virtual", "GUARD_REFUSED"),
            ("refund 500", "stays complete/complete"),
            ("go close_virtual", "closed/closed"),
        ],
    );
    // Half a unit that is open holds the order up.
    walk(
        "magento_2_4",
        0,
        &[("a", "2.5")],
        "processing",
        &[
            ("invoice", "stays processing/processing"),
            ("ship a 2", "stays processing/processing"),
            ("ship a 0.5", "complete/complete"),
        ],
    );
}

#[test]
fn magento_2_4_cancels_what_is_not_invoiced() {
    walk(
        "magento_2_4",
        0,
        &[("a", "2")],
        "new",
        &[
            ("invoice a 1", "processing/processing"),
            ("go cancel", "GUARD_REFUSED"),
            ("ship a 1", "stays processing/processing"),
            ("cancel", "complete/complete"),
        ],
    );
    walk(
        "magento_2_4",
        0,
        &[("a", "2")],
        "pending_payment",
        &[("go cancel", "canceled/canceled")],
    );
    walk(
        "magento_2_4",
        0,
        &[("a", "2")],
        "new",
        &[
            ("cancel", "canceled/canceled"),
            ("hold", "STATE_NOT_HOLDABLE"),
        ],
    );
}

#[test]
fn magento_2_4_reviews_payments() {
    walk(
        "magento_2_4",
        500,
        &[("a", "1")],
        "processing",
        &[
            ("go review_payment", "payment_review/payment_review"),
            ("hold", "STATE_NOT_HOLDABLE"),
            ("invoice", "OPERATION_NOT_ALLOWED"),
            ("go flag_fraud", "payment_review/fraud"),
            ("go flag_fraud", "TRANSITION_NOT_ALLOWED"),
            ("go accept_payment", "processing/processing"),
            ("go review_payment", "payment_review/payment_review"),
            ("pay", "processing/processing"),
            ("go flag_fraud", "payment_review/fraud"),
            ("go deny_payment", "canceled/canceled"),
        ],
    );
}

#[test]
fn modmore_moves_by_declared_changes_only() {
    let mut steps = vec![
        ("to completed", "TRANSITION_NOT_ALLOWED"),
        ("go payment_received", "processing/received"),
    ];
    for _ in 0..10 {
        steps.push(("go put_in_backorder", "processing/in_backorder"));
        steps.push(("go ready_for_pickup", "TRANSITION_NOT_ALLOWED"));
        steps.push(("go back_in_stock", "processing/received"));
    }
    steps.extend([
        ("go ready_for_pickup", "processing/awaiting_pickup"),
        ("hold", "STATE_NOT_HOLDABLE"),
        ("go delivery_confirmed", "completed/shipped"),
        ("go cancel", "ORDER_TERMINAL"),
    ]);
    walk("modmore", 900, &[("a", "2"), ("v~", "1")], "draft", &steps);
    walk(
        "modmore",
        900,
        &[("a", "2")],
        "draft",
        &[
            ("pay", "processing/received"),
            ("go cancel", "cancelled/cancelled"),
        ],
    );
    walk(
        "modmore",
        900,
        &[("a", "2")],
        "draft",
        &[
            ("pay 500", "processing/received"),
            ("go ready_for_pickup", "processing/awaiting_pickup"),
            ("go delivery_confirmed", "ENTRY_GUARD_REFUSED"),
        ],
    );
}
