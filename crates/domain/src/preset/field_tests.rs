//! What shops met in the field, on the presets.

use super::find;
use crate::{
    judge::scenario::{Shop, balance, command, line, units},
    order::{Action, Command, Order, Patch, Rejection},
    value::{Comment, Currency, OperationCode, Reason},
};

const MAGENTO: [&str; 2] = ["magento", "magento_2_4"];
const ALL: [&str; 3] = ["magento", "magento_2_4", "modmore"];

fn shop(preset: &str, grand_total: i64, lines: &str) -> Shop {
    Shop::new(
        find(preset).unwrap().workflow().unwrap(),
        grand_total,
        lines,
    )
}

fn state(order: &Order) -> String {
    order.standing.state.to_string()
}

fn action(action: Action) -> Command {
    Command {
        action,
        ..command("pay")
    }
}

fn hold() -> Command {
    action(Action::Hold {
        reason: Reason::default(),
        status: None,
        expire_time: None,
    })
}

fn release() -> Command {
    action(Action::Release { hold: None })
}

fn edit(lines: &[&str]) -> Command {
    action(Action::Update(Patch {
        lines: Some(lines.iter().map(|text| line(text)).collect()),
        ..Patch::default()
    }))
}

/// F1: a cancelled unit is not owed.
#[test]
fn a_canceled_unit_does_not_keep_an_order_from_completing() {
    shop("magento_2_4", 2000, "a*2").check(
        &[
            ("pay =1000", "processing"),
            ("invoice a", "processing"),
            ("ship a", "processing"),
            ("cancel a", "complete"),
        ],
        state,
    );
}

/// F2: less than one whole unit of the currency, by its own digits.
#[test]
fn how_much_may_be_missing_depends_on_the_currency() {
    for (currency, total, paid, expected) in [
        (Some("JPY"), 90, 0, "processing"),
        (Some("JPY"), 5000, 4950, "processing"),
        (Some("EUR"), 5000, 4950, "complete"),
        (Some("KWD"), 5000, 4001, "complete"),
        (Some("KWD"), 5000, 4000, "processing"),
        (None, 5000, 4999, "processing"),
        (None, 5000, 5000, "complete"),
    ] {
        let mut shop = shop("magento_2_4", total, "a");
        shop.set_currency(currency.map(|code| Currency::new(code).unwrap()));
        if paid > 0 {
            shop.done(&format!("pay ={paid}"));
        }
        shop.done("invoice");
        shop.done("ship");
        assert_eq!(
            state(&shop.order),
            expected,
            "{currency:?} {paid} of {total}"
        );
    }
}

/// Each currency through pay, partial cancel, refund and close.
#[test]
fn every_currency_comes_to_its_end() {
    for currency in [Some("JPY"), Some("KWD"), Some("EUR"), None] {
        let mut shop = shop("magento_2_4", 3001, "a*3");
        shop.set_currency(currency.map(|code| Currency::new(code).unwrap()));
        shop.check(
            &[
                (
                    "pay =2001",
                    "paid 2001, refunded 0, canceled 0; due 1000, overpaid 0",
                ),
                (
                    "cancel a",
                    "paid 2001, refunded 0, canceled 1000; due 0, overpaid 0",
                ),
                (
                    "invoice",
                    "paid 2001, refunded 0, canceled 1000; due 0, overpaid 0",
                ),
                (
                    "refund a",
                    "paid 2001, refunded 1000, canceled 1000; due 0, overpaid 0",
                ),
                (
                    "refund a =1001",
                    "paid 2001, refunded 2001, canceled 1000; due 0, overpaid 0",
                ),
            ],
            balance,
        );
        assert_eq!(state(&shop.order), "closed", "{currency:?}");
    }
}

/// F3, and the same for invoices and for the end of a review.
#[test]
fn nothing_that_was_sent_or_invoiced_is_canceled_with_the_order() {
    for preset in ALL {
        let mut shop = shop(preset, 0, "a*2");
        if preset == "modmore" {
            shop.done("go payment_received");
        }
        shop.done("ship a*2");
        let before = shop.order.standing.clone();
        let refusal = shop.refused("go cancel");
        let Rejection::GuardRefused { description, .. } = &refusal else {
            panic!("{preset}: {refusal}");
        };
        assert!(description.contains("operation cancel (RecordOperation)"));
        assert_eq!(shop.order.standing, before);
    }
    for preset in MAGENTO {
        let mut shop = shop(preset, 0, "a*2");
        shop.done("invoice a");
        assert_eq!(shop.refused("go cancel").reason(), "GUARD_REFUSED");
        shop.done("ship a");
        shop.done("cancel");
        assert_eq!(
            state(&shop.order),
            "complete",
            "{preset}: the rest is canceled"
        );
    }
    let mut review = shop("magento_2_4", 0, "a*2");
    review.check(
        &[
            ("ship a", "processing"),
            ("go review_payment", "payment_review"),
            ("go deny_payment", "GUARD_REFUSED"),
            ("go accept_payment", "processing"),
        ],
        state,
    );
}

/// F4: money is never left that cannot be given back on record.
#[test]
fn what_was_paid_for_a_canceled_order_is_given_back() {
    for preset in ALL {
        for lines in ["a", ""] {
            let mut shop = shop(preset, 1700, lines);
            shop.done("pay");
            shop.done("go cancel");
            shop.done("refund only =1700");
            assert_eq!(shop.order.total_due(), shop.order.total_overpaid());
        }
    }
}

/// F5 and F6: what a refund leaves unclear, and what is refunded late.
#[test]
fn refunds_are_clear_and_late_ones_are_recorded() {
    let mut shop = shop("magento", 1700, "a b");
    shop.check(
        &[
            ("pay", "processing"),
            ("invoice", "processing"),
            ("refund =1200", "FIELD_INVALID"),
            ("refund only =500", "processing"),
            ("back refund only =500", "processing"),
            ("refund a =700", "processing"),
            ("refund b =900", "closed"),
            ("refund only =100", "closed"),
            ("ship", "ORDER_TERMINAL"),
        ],
        state,
    );
    assert_eq!(shop.order.total_refunded, shop.order.grand_total);
}

/// F7 and F8: money that comes late, and too much of it.
#[test]
fn money_leaves_a_trace_whenever_it_comes() {
    for preset in ALL {
        let mut shop = shop(preset, 1700, "a");
        shop.done("go cancel");
        let ended = state(&shop.order);
        shop.done("pay =1700");
        let mut comment = action(Action::Comment { status: None });
        comment.context.comment = Comment::new("late").unwrap();
        shop.try_command(&comment).unwrap();
        assert_eq!(state(&shop.order), ended);
        assert_eq!(shop.order.total_overpaid(), shop.order.total_paid);
    }
    shop("magento", 1700, "a").check(
        &[
            (
                "pay =1701",
                "paid 1701, refunded 0, canceled 0; due 0, overpaid 1",
            ),
            (
                "pay =1",
                "paid 1702, refunded 0, canceled 0; due 0, overpaid 2",
            ),
        ],
        balance,
    );
}

/// F9: an order without lines.
#[test]
fn an_order_without_lines_completes_and_closes() {
    for preset in MAGENTO {
        shop(preset, 1700, "").check(
            &[
                ("pay", "processing"),
                ("invoice", "processing"),
                ("ship", "complete"),
                ("refund", "closed"),
            ],
            state,
        );
        shop(preset, 1700, "").check(&[("cancel", "canceled")], state);
    }
    shop("modmore", 1700, "").check(
        &[
            ("pay", "processing"),
            ("go ready_for_pickup", "processing"),
            ("go delivery_confirmed", "completed"),
            ("refund", "completed"),
        ],
        state,
    );
}

/// F10: nothing is due.
#[test]
fn an_order_that_costs_nothing_is_received() {
    shop("modmore", 0, "a").check(&[("go payment_received", "processing")], state);
}

/// F11: a mistaken shipment.
#[test]
fn a_mistaken_shipment_is_taken_back() {
    let mut shop = shop("magento", 0, "a*2");
    shop.check(
        &[
            ("ship a", "processing"),
            ("back ship a", "processing"),
            ("ship a*2", "processing"),
            ("invoice", "complete"),
            ("back ship a", "processing"),
            ("ship a", "complete"),
            ("back invoice a", "processing"),
        ],
        state,
    );
    let recorded = shop
        .entries
        .iter()
        .filter(|e| e.detail.recorded().is_some());
    assert_eq!(recorded.count(), 7, "the log shows all of them");
}

/// F12, and half a kilo that was not shipped.
#[test]
fn quantities_below_one_count_exactly() {
    shop("magento_2_4", 4400, "a*4.4").check(
        &[
            ("pay", "processing"),
            ("invoice a*0.4", "processing"),
            ("refund a*0.4 =400", "processing"),
            ("invoice a*4", "processing"),
            ("ship a*4", "complete"),
        ],
        state,
    );
    for preset in MAGENTO {
        shop(preset, 0, "a*2.5").check(
            &[
                ("invoice", "processing"),
                ("ship a*2", "processing"),
                ("ship a*0.5", "complete"),
            ],
            state,
        );
    }
    shop("modmore", 0, "a*2.5").check(
        &[
            ("go payment_received", "processing"),
            ("ship a*2", "processing"),
            ("cancel a*0.5", "processing"),
            ("go cancel", "GUARD_REFUSED"),
            ("go ready_for_pickup", "processing"),
            ("go delivery_confirmed", "completed"),
        ],
        state,
    );
}

/// A1: the edit is the change that ends the order.
#[test]
fn an_edit_may_end_an_order() {
    for (preset, ended) in [
        ("magento", "canceled"),
        ("magento_2_4", "canceled"),
        ("modmore", "cancelled"),
    ] {
        let mut fewer = shop(preset, 3000, "a*3");
        fewer.done("cancel a*2");
        fewer.try_command(&edit(&["a*2"])).unwrap();
        assert_eq!(state(&fewer.order), ended);

        let mut one_less = shop(preset, 3000, "a b");
        one_less.done("cancel b");
        one_less.try_command(&edit(&["b"])).unwrap();
        assert_eq!(state(&one_less.order), ended);
    }
}

/// A2 and A3: money that can be refunded, but not by lines.
#[test]
fn what_can_be_refunded_is_told_with_its_amount() {
    let mut shop = shop("magento", 1500, "a");
    shop.done("pay");
    assert!(shop.allowed().contains(&"refund".to_owned()));
    let Rejection::NoUnitsToRefund { left, .. } = shop.refused("refund") else {
        panic!("it is unclear");
    };
    assert_eq!(left, shop.order.total_paid);
}

/// A4 and A29: money that arrives while an order is held, reviewed or over.
#[test]
fn money_is_let_through_everywhere() {
    for preset in MAGENTO {
        let mut held = shop(preset, 1700, "a");
        held.try_command(&hold()).unwrap();
        held.done("pay =700");
        assert_eq!(state(&held.order), "holded");
        assert_eq!(held.refused("invoice").reason(), "ORDER_HELD");
        held.try_command(&release()).unwrap();
        assert_eq!(
            state(&held.order),
            "processing",
            "{preset}: it was begun meanwhile"
        );
    }
    shop("magento", 1700, "a").check(
        &[
            ("go flag_fraud", "payment_review"),
            ("pay", "payment_review"),
            ("go accept_payment", "processing"),
        ],
        state,
    );
    for preset in ALL {
        let workflow = find(preset).unwrap().workflow().unwrap();
        for ended in workflow.states.iter().filter(|state| state.terminal) {
            let listed: Vec<_> = ended.operations.iter().map(OperationCode::as_str).collect();
            assert_eq!(listed, ["pay", "refund"], "{preset}: {}", ended.code);
        }
    }
}

/// A28: what came back, and what was never sent.
#[test]
fn what_was_never_sent_can_still_be_shipped() {
    let mut returned = shop("magento_2_4", 0, "a*2");
    returned.check(
        &[
            ("invoice", "0"),
            ("ship a", "1"),
            ("refund a*1<1", "1"),
            ("ship a", "2"),
        ],
        |order| order.lines[0].shipped.to_string(),
    );
    assert_eq!(units(&returned.order), "2 2 1 1 0");
    // Where nothing is said, a refunded unit need not be shipped any more.
    shop("magento_2_4", 0, "a*2").check(
        &[
            ("invoice", "processing"),
            ("ship a", "processing"),
            ("refund a", "complete"),
        ],
        state,
    );
}

/// A9: a canceled order is opened again in a workflow of one's own.
#[test]
fn a_canceled_order_can_be_opened_again() {
    let mut workflow = find("magento").unwrap().workflow().unwrap();
    for canceled in &mut workflow.states {
        canceled.terminal &= canceled.code.as_str() != "canceled";
    }
    let mut reopen = workflow
        .transitions
        .iter()
        .find(|transition| transition.code.as_str() == "cancel")
        .cloned()
        .unwrap();
    reopen.code = "reopen".parse().unwrap();
    reopen.from_states = vec!["canceled".parse().unwrap()];
    reopen.to_state = "new".parse().unwrap();
    reopen.guard = None;
    reopen.reverse = true;
    workflow.transitions.push(reopen);
    let mut shop = Shop::new(workflow, 1700, "a=700 b");
    shop.check(
        &[
            ("cancel a", "new"),
            ("go cancel", "canceled"),
            ("go reopen", "new"),
            ("pay", "processing"),
            ("invoice", "processing"),
            ("ship", "complete"),
        ],
        state,
    );
}

/// Reversals leave the order where what is left of it belongs.
#[test]
fn a_reversal_takes_a_complete_order_back() {
    shop("magento_2_4", 1700, "a").check(
        &[
            ("pay", "processing"),
            ("invoice", "processing"),
            ("ship", "complete"),
            ("back pay", "complete"),
            ("back invoice", "processing"),
            ("back ship", "processing"),
            ("go cancel", "canceled"),
        ],
        state,
    );
    // A refund counts as a shipment there, until it is taken back.
    shop("magento_2_4", 0, "a*2").check(
        &[
            ("invoice", "processing"),
            ("refund a", "processing"),
            ("ship a", "complete"),
            ("back refund a", "processing"),
            ("ship a", "complete"),
        ],
        state,
    );
}
