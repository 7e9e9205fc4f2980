//! What is owed after cancellations, refunds and payments, and what is refused of them.

use super::{
    Graph, create, decide,
    scenario::{NOW, Shop, balance, command, line, money, still, units, without_invoices},
};
use crate::{
    order::{Action, Command, Patch, Progress, Rejection},
    value::{Currency, Money},
    workflow::{Category, Overpayment, Standing, sample},
};

#[test]
fn a_canceled_unit_is_not_owed() {
    Shop::new(still(), 2000, "a*2").check(
        &[
            (
                "pay =1000",
                "paid 1000, refunded 0, canceled 0; due 1000, overpaid 0",
            ),
            (
                "cancel a",
                "paid 1000, refunded 0, canceled 1000; due 0, overpaid 0",
            ),
            (
                "cancel only =1",
                "paid 1000, refunded 0, canceled 1001; due 0, overpaid 1",
            ),
            ("cancel only =1000", "AMOUNT_EXCEEDED"),
            ("cancel only", "NOTHING_TO_DO"),
        ],
        balance,
    );
}

#[test]
fn shares_add_up_to_the_minor_unit_over_any_steps() {
    Shop::new(still(), 1000, "a*3=100 b=200").check(
        &[
            (
                "cancel a",
                "paid 0, refunded 0, canceled 33; due 967, overpaid 0",
            ),
            (
                "cancel a",
                "paid 0, refunded 0, canceled 67; due 933, overpaid 0",
            ),
            (
                "cancel a*0.5",
                "paid 0, refunded 0, canceled 83; due 917, overpaid 0",
            ),
            (
                "cancel a*0.5",
                "paid 0, refunded 0, canceled 100; due 900, overpaid 0",
            ),
            // The last of it cancels the shipping too.
            (
                "cancel",
                "paid 0, refunded 0, canceled 1000; due 0, overpaid 0",
            ),
        ],
        balance,
    );
    Shop::new(still(), 1000, "a*3=100 b=200").check(
        &[
            (
                "pay",
                "paid 1000, refunded 0, canceled 0; due 0, overpaid 0",
            ),
            (
                "invoice",
                "paid 1000, refunded 0, canceled 0; due 0, overpaid 0",
            ),
            (
                "refund a",
                "paid 1000, refunded 33, canceled 0; due 0, overpaid 0",
            ),
            (
                "refund a*2 b",
                "paid 1000, refunded 300, canceled 0; due 0, overpaid 0",
            ),
        ],
        balance,
    );
}

#[test]
fn a_given_amount_counts_as_it_is() {
    Shop::new(still(), 1000, "a*2=900").check(
        &[
            (
                "cancel a =100",
                "paid 0, refunded 0, canceled 100; due 900, overpaid 0",
            ),
            ("cancel a =901", "AMOUNT_EXCEEDED"),
            (
                "cancel a =300",
                "paid 0, refunded 0, canceled 400; due 600, overpaid 0",
            ),
        ],
        balance,
    );
}

#[test]
fn where_a_total_is_not_known_nothing_is_reckoned_and_the_entry_says_so() {
    let mut shop = Shop::new(still(), 1000, "a*2=500 b");
    let entries = shop.done("cancel a b");
    assert_eq!(shop.order.total_canceled, Money::ZERO);
    let note = entries[0].metadata.as_map().get("waymark.not_reckoned");
    assert_eq!(note.map(String::as_str), Some("line b has no total"));
    let entries = shop.done("cancel");
    assert_eq!(shop.order.total_canceled, money(1000), "all is canceled");
    assert!(entries[0].metadata.as_map().is_empty());
}

#[test]
fn what_is_credited_is_owed_no_more() {
    // Refunds for lines lower what is owed; one without lines gives an overpayment back first.
    Shop::new(still(), 1700, "a b").check(
        &[
            (
                "pay =1750",
                "paid 1750, refunded 0, canceled 0; due 0, overpaid 50",
            ),
            (
                "invoice",
                "paid 1750, refunded 0, canceled 0; due 0, overpaid 50",
            ),
            (
                "refund a =700",
                "paid 1750, refunded 700, canceled 0; due 0, overpaid 50",
            ),
            (
                "refund only =80",
                "paid 1750, refunded 780, canceled 0; due 0, overpaid 0",
            ),
            (
                "refund b =900",
                "paid 1750, refunded 1680, canceled 0; due 0, overpaid 0",
            ),
            ("refund only =71", "AMOUNT_EXCEEDED"),
            (
                "refund only =70",
                "paid 1750, refunded 1750, canceled 0; due 0, overpaid 0",
            ),
        ],
        balance,
    );
}

#[test]
fn money_that_arrived_is_recorded_unless_the_workflow_refuses_it() {
    Shop::new(still(), 1700, "a").check(
        &[
            (
                "pay =1701",
                "paid 1701, refunded 0, canceled 0; due 0, overpaid 1",
            ),
            ("pay", "NOTHING_TO_DO"),
            (
                "pay =1",
                "paid 1702, refunded 0, canceled 0; due 0, overpaid 2",
            ),
            ("pay =1000000000000000", "AMOUNT_EXCEEDED"),
        ],
        balance,
    );
    let mut refuses = still();
    refuses.overpayment = Overpayment::Refuse;
    let mut shop = Shop::new(refuses, 1700, "a");
    let refusal = shop.refused("pay =1701");
    let (left, asked) = (money(1700), money(1701));
    assert_eq!(refusal, Rejection::AmountExceeded { left, asked });
    assert!(shop.allowed().contains(&"pay".to_owned()));
    shop.done("pay");
    assert!(!shop.allowed().contains(&"pay".to_owned()));
}

#[test]
fn a_refund_that_may_mean_two_things_is_refused_with_what_is_left() {
    let mut shop = Shop::new(still(), 1700, "a b");
    shop.done("pay");
    // No unit was invoiced, so only money can be refunded.
    let unclear = |left| Rejection::RefundUnclear { left: money(left) };
    let uninvoiced = Rejection::NoUnitsToRefund {
        left: money(1700),
        invoice: Some("invoice".parse().unwrap()),
    };
    for text in [
        "refund",
        "refund only",
        "refund =500",
        "refund a",
        "refund =1700",
    ] {
        assert_eq!(shop.refused(text), uninvoiced, "{text}");
    }
    assert_eq!(uninvoiced.reason(), "FIELD_INVALID");
    assert_eq!(
        uninvoiced.to_string(),
        "no unit can be refunded before it is invoiced: record operation invoice first; money alone is refunded with amount_only and an amount of at most 1700"
    );
    shop.done("invoice");
    assert_eq!(shop.refused("refund =1200"), unclear(1700));
    assert_eq!(shop.refused("refund"), unclear(1700), "no line has a total");
    assert_eq!(unclear(1700).reason(), "FIELD_INVALID");
    shop.done("refund only =500");
    assert_eq!(shop.refused("refund =500"), unclear(1200));
    shop.done("refund =1200");
    assert_eq!(units(&shop.order), "1 0 1 0 0, 1 0 1 0 0");
    assert_eq!(shop.refused("refund").reason(), "NOTHING_TO_DO");
    assert!(!shop.allowed().contains(&"refund".to_owned()));

    // All units went back already, but not all money: naming lines would lead nowhere.
    let mut kept = Shop::new(still(), 1700, "a b");
    for text in ["pay", "invoice", "refund a =700", "refund b =900"] {
        kept.done(text);
    }
    let gone = Rejection::NoUnitsToRefund {
        left: money(100),
        invoice: None,
    };
    assert_eq!(kept.refused("refund =50"), gone);
    assert_eq!(kept.refused("refund a"), gone);
    kept.done("refund =100");

    let mut known = Shop::new(still(), 1700, "a=800 b=900");
    known.done("pay");
    known.done("invoice");
    known.done("refund");
    assert_eq!(known.order.total_refunded, money(1700));
}

#[test]
fn invoices_add_up_to_what_the_order_costs() {
    Shop::new(still(), 1000, "a*2").check(
        &[
            ("cancel a", "500 0"),
            ("invoice a =501", "AMOUNT_EXCEEDED"),
            ("invoice only =300", "500 300"),
            ("invoice a =200", "500 500"),
            ("invoice only =1", "AMOUNT_EXCEEDED"),
        ],
        |order| format!("{} {}", order.total_canceled, order.total_invoiced),
    );
}

#[test]
fn what_an_operation_cannot_move_is_refused_by_name() {
    let mut shop = Shop::new(still(), 1000, "a*2");
    for (text, field) in [
        ("ship a =1", "amount"),
        ("pay a", "lines"),
        ("ship a*1<1", "lines"),
        ("back edit", "reverse"),
    ] {
        let refusal = shop.refused(text);
        let named = matches!(&refusal, Rejection::Field { field: named, .. } if *named == field);
        assert!(named, "{text}: {refusal}");
    }
    shop.done("ship a =0");
    shop.done("edit =9999999");
}

#[test]
fn units_that_came_back_are_told_apart() {
    let mut workflow = still();
    workflow.refunded_units = crate::workflow::RefundedUnits::Fulfilled;
    Shop::new(workflow, 0, "a*3").check(
        &[
            ("invoice", "3 0 0 0 0"),
            ("ship a*2", "3 2 0 0 0"),
            ("refund a*1<2", "QUANTITY_EXCEEDED"),
            ("refund a*1<1", "3 2 1 1 0"),
            // The third was never sent, and still can be.
            ("ship a", "3 3 1 1 0"),
            ("ship", "NOTHING_TO_DO"),
            ("refund a*2<2", "3 3 3 3 0"),
        ],
        units,
    );
    let mut shop = Shop::new(still(), 0, "a*2");
    shop.done("invoice");
    shop.done("ship a");
    assert_eq!(shop.refused("refund a*2<2").reason(), "QUANTITY_EXCEEDED");
}

#[test]
fn without_invoices_units_that_were_paid_or_shipped_can_be_refunded() {
    Shop::new(without_invoices(), 100, "a*2").check(
        &[
            ("ship a", "0 1 0 0 0"),
            ("refund a*2", "QUANTITY_EXCEEDED"),
            ("pay", "0 1 0 0 0"),
            ("refund a*2 =100", "0 1 2 0 0"),
            ("cancel", "NOTHING_TO_DO"),
        ],
        units,
    );
    Shop::new(without_invoices(), 100, "a").check(
        &[
            ("pay", "0 0 0 0 0"),
            ("ship", "0 1 0 0 0"),
            ("refund", "0 1 1 0 0"),
        ],
        units,
    );
}

#[test]
fn an_order_without_lines_is_one_whole() {
    let mut shop = Shop::new(still(), 1700, "");
    shop.check(
        &[
            ("pay", "0 0 0 0 0"),
            ("invoice", "1 0 0 0 0"),
            ("invoice", "NOTHING_TO_DO"),
            ("ship", "1 1 0 0 0"),
            ("ship a", "LINE_NOT_FOUND"),
            ("cancel", "NOTHING_TO_DO"),
            ("refund =100", "FIELD_INVALID"),
            ("refund only =100", "1 1 0 0 0"),
            ("refund", "1 1 1 0 0"),
            ("refund", "NOTHING_TO_DO"),
        ],
        units,
    );
    assert_eq!(shop.order.total_refunded, money(1700));
    let wholes = shop.entries.iter().filter_map(|e| e.detail.recorded());
    let wholes = wholes.filter(|recorded| recorded.whole).count();
    assert_eq!(wholes, 3);

    Shop::new(still(), 1700, "").check(
        &[
            (
                "pay =700",
                "paid 700, refunded 0, canceled 0; due 1000, overpaid 0",
            ),
            (
                "cancel",
                "paid 700, refunded 0, canceled 1000; due 0, overpaid 0",
            ),
        ],
        balance,
    );
}

#[test]
fn lines_cost_no_more_than_their_order() {
    let mut shop = Shop::new(still(), 1000, "a=400");
    let mut edit = |patch: Patch| {
        let action = Action::Update(patch);
        let command = Command {
            action,
            ..command("pay")
        };
        match shop.try_command(&command) {
            Ok(_) => String::new(),
            Err(Rejection::Field { field, .. }) => field.to_owned(),
            Err(other) => other.to_string(),
        }
    };
    let lines = |texts: &[&str]| Patch {
        lines: Some(texts.iter().map(|text| line(text)).collect()),
        ..Patch::default()
    };
    let costs = |minor_units| Patch {
        grand_total: Some(money(minor_units)),
        ..Patch::default()
    };
    assert_eq!(edit(lines(&["a=400", "b=601", "c"])), "order.lines");
    assert_eq!(edit(lines(&["a=400", "b=600", "c"])), "");
    assert_eq!(edit(costs(999)), "order.grand_total");
    assert_eq!(edit(costs(1001)), "");

    let graph = sample::graph();
    let new = sample::new_order(&graph, vec![line("a=10001")]);
    let refusal = create(&graph, &new, &sample::context(), NOW).unwrap_err();
    assert_eq!(refusal.reason(), "FIELD_INVALID");
}

#[test]
fn a_whole_that_was_begun_gets_no_lines() {
    let mut shop = Shop::new(still(), 1000, "");
    let add = Command {
        action: Action::Update(Patch {
            lines: Some(vec![line("a")]),
            ..Patch::default()
        }),
        ..command("pay")
    };
    shop.done("ship");
    assert_eq!(
        shop.try_command(&add).unwrap_err().reason(),
        "FIELD_INVALID"
    );
    shop.done("back ship");
    shop.try_command(&add).unwrap();
}

#[test]
fn an_order_is_paid_by_the_digits_of_its_currency() {
    for (currency, due, expected) in [
        (Some("EUR"), 99, true),
        (Some("EUR"), 100, false),
        (Some("JPY"), 1, false),
        (Some("KWD"), 999, true),
        (Some("KWD"), 1000, false),
        (Some("XAU"), 1, false),
        (Some("QQQ"), 1, false),
        (None, 1, false),
        (None, 0, true),
    ] {
        let mut shop = Shop::new(still(), 5000, "a");
        shop.order.currency = currency.map(|code| Currency::new(code).unwrap());
        shop.order.total_paid = money(5000 - due);
        let progress = Progress::new(shop.workflow(), &shop.order);
        assert_eq!(progress.fully_paid(), expected, "{currency:?} {due}");
    }
}

#[test]
fn terminal_states_and_holds_let_through_what_they_list() {
    let mut workflow = still();
    for state in &mut workflow.states {
        if matches!(state.category, Category::Held | Category::Closed) {
            state.operations = vec!["pay".parse().unwrap()];
        }
    }
    let mut shop = Shop::new(workflow, 1000, "a");
    let hold = Command {
        action: Action::Hold {
            reason: crate::value::Reason::default(),
            status: None,
            expire_time: None,
        },
        ..command("pay")
    };
    shop.try_command(&hold).unwrap();
    assert_eq!(shop.allowed(), ["pay"]);
    shop.done("pay =400");
    assert_eq!(shop.refused("ship").reason(), "ORDER_HELD");
    let release = Command {
        action: Action::Release { hold: None },
        ..command("pay")
    };
    shop.try_command(&release).unwrap();

    shop.order.standing = Standing {
        state: sample::state("closed"),
        status: sample::status("closed"),
    };
    let step = decide(
        &Graph::new(shop.workflow().clone(), 1).unwrap(),
        &shop.order,
        &command("pay =700"),
        NOW,
    );
    let step = step.unwrap();
    assert_eq!(step.len(), 1, "it leaves the state alone");
    let reason = |text: &str| {
        let graph = Graph::new(shop.workflow().clone(), 1).unwrap();
        let refused = decide(&graph, &shop.order, &command(text), NOW);
        refused.unwrap_err().reason()
    };
    assert_eq!(reason("ship"), "ORDER_TERMINAL");
    assert_eq!(reason("go close"), "ORDER_TERMINAL");
}
