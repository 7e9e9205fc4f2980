//! Taking back what was recorded by mistake, and transitions that record or take back.

use super::scenario::{Shop, balance, command, money, still, units};
use crate::{
    history::record,
    order::Rejection,
    value::{OperationCode, TransitionCode},
    workflow::{RefundedUnits, Transition, Trigger, Workflow, sample},
};

#[test]
fn what_nothing_builds_on_is_taken_back() {
    Shop::new(still(), 0, "a*3").check(
        &[
            ("ship a*2", "0 2 0 0 0"),
            ("back ship a*3", "QUANTITY_EXCEEDED"),
            ("back ship a", "0 1 0 0 0"),
            ("back ship", "0 0 0 0 0"),
            ("back ship", "NOTHING_TO_DO"),
            ("invoice a*2", "2 0 0 0 0"),
            ("ship a*2", "2 2 0 0 0"),
            ("refund a*1<1", "2 2 1 1 0"),
            ("back invoice a*2", "QUANTITY_EXCEEDED"),
            ("back invoice", "1 2 1 1 0"),
            ("back ship a*2", "QUANTITY_EXCEEDED"),
            ("back ship", "1 1 1 1 0"),
            ("back refund a*1<1", "1 1 0 0 0"),
            ("refund a*1<1", "1 1 1 1 0"),
            ("back refund a*1", "1 1 0 0 0"),
            ("cancel a", "1 1 0 0 1"),
            ("back cancel", "1 1 0 0 0"),
        ],
        units,
    );
}

#[test]
fn money_is_taken_back_down_to_what_was_refunded() {
    Shop::new(still(), 1000, "a*2").check(
        &[
            (
                "pay =600",
                "paid 600, refunded 0, canceled 0; due 400, overpaid 0",
            ),
            ("back pay =601", "AMOUNT_EXCEEDED"),
            (
                "back pay =100",
                "paid 500, refunded 0, canceled 0; due 500, overpaid 0",
            ),
            (
                "invoice",
                "paid 500, refunded 0, canceled 0; due 500, overpaid 0",
            ),
            (
                "refund a =200",
                "paid 500, refunded 200, canceled 0; due 500, overpaid 0",
            ),
            ("back pay =301", "AMOUNT_EXCEEDED"),
            (
                "back pay",
                "paid 200, refunded 200, canceled 0; due 800, overpaid 0",
            ),
            ("back pay", "NOTHING_TO_DO"),
            ("back refund a =201", "AMOUNT_EXCEEDED"),
            (
                "back refund a =200",
                "paid 200, refunded 0, canceled 0; due 800, overpaid 0",
            ),
        ],
        balance,
    );
}

#[test]
fn taking_a_cancellation_back_gives_the_same_again() {
    Shop::new(still(), 1000, "a*3=100 b=200").check(
        &[
            (
                "cancel a*2",
                "paid 0, refunded 0, canceled 67; due 933, overpaid 0",
            ),
            (
                "back cancel a",
                "paid 0, refunded 0, canceled 33; due 967, overpaid 0",
            ),
            (
                "cancel",
                "paid 0, refunded 0, canceled 1000; due 0, overpaid 0",
            ),
            (
                "back cancel a*2 b",
                "paid 0, refunded 0, canceled 33; due 967, overpaid 0",
            ),
            (
                "back cancel",
                "paid 0, refunded 0, canceled 0; due 1000, overpaid 0",
            ),
        ],
        balance,
    );
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
            (
                "back cancel",
                "paid 700, refunded 0, canceled 0; due 1000, overpaid 0",
            ),
        ],
        balance,
    );
}

#[test]
fn refunds_without_lines_are_taken_back_newest_first() {
    Shop::new(still(), 1000, "a").check(
        &[
            (
                "pay =1100",
                "paid 1100, refunded 0, canceled 0; due 0, overpaid 100",
            ),
            (
                "refund only =40",
                "paid 1100, refunded 40, canceled 0; due 0, overpaid 60",
            ),
            (
                "refund only =160",
                "paid 1100, refunded 200, canceled 0; due 0, overpaid 0",
            ),
            (
                "back refund only =160",
                "paid 1100, refunded 40, canceled 0; due 0, overpaid 60",
            ),
            (
                "refund only =60",
                "paid 1100, refunded 100, canceled 0; due 0, overpaid 0",
            ),
            (
                "refund only =50",
                "paid 1100, refunded 150, canceled 0; due 0, overpaid 0",
            ),
            (
                "back refund only =50",
                "paid 1100, refunded 100, canceled 0; due 0, overpaid 0",
            ),
            (
                "back refund",
                "paid 1100, refunded 0, canceled 0; due 0, overpaid 100",
            ),
        ],
        balance,
    );
}

#[test]
fn entries_say_what_was_taken_back() {
    let mut shop = Shop::new(still(), 1000, "a*2");
    shop.done("cancel a");
    let entries = shop.done("back cancel a");
    let recorded = entries[0].detail.recorded().unwrap();
    assert!(recorded.reverse && !recorded.whole);
    assert_eq!(
        (recorded.amount, recorded.counted),
        (money(500), money(500))
    );
    assert_eq!(shop.entries.len(), 3, "nothing is rewritten");
}

fn with(change: impl FnOnce(&mut Vec<Transition>)) -> Workflow {
    let mut workflow = still();
    change(&mut workflow.transitions);
    workflow
}

fn operation(code: &str) -> OperationCode {
    OperationCode::new(code).unwrap()
}

#[test]
fn a_reversal_sets_no_operation_off_but_automatic_steps() {
    let on_ship = Trigger::OnOperations(vec![operation("ship")]);
    let mut shop = Shop::new(
        with(|ways| {
            ways.push(sample::transition("on_ship", &["complete"], "new", on_ship));
            let mut back =
                sample::transition("back", &["complete"], "processing", Trigger::Automatic);
            back.guard = Some(sample::expression(
                "request.reverse && !order.fully_shipped",
            ));
            ways.push(back);
            ways.push(sample::transition(
                "finish",
                &["new"],
                "complete",
                Trigger::Manual,
            ));
        }),
        0,
        "a*2",
    );
    shop.done("ship");
    shop.done("go finish");
    let entries = shop.done("back ship a");
    let taken: Vec<_> = entries
        .iter()
        .filter_map(|e| e.transition.as_ref())
        .collect();
    assert_eq!(
        taken.iter().map(|c| c.as_str()).collect::<Vec<_>>(),
        ["back"]
    );
    assert_eq!(shop.order.standing.state, sample::state("processing"));
}

#[test]
fn a_transition_may_take_back_what_another_recorded() {
    let mut shop = Shop::new(
        with(|ways| {
            let mut cancel = sample::transition("cancel", &["new"], "complete", Trigger::Manual);
            cancel.operation = Some(operation("cancel"));
            let mut reopen = sample::transition("reopen", &["complete"], "new", Trigger::Manual);
            reopen.operation = Some(operation("cancel"));
            reopen.reverse = true;
            ways.extend([cancel, reopen]);
        }),
        1000,
        "a*2 b",
    );
    let before = shop.order.clone();
    shop.done("cancel a =100");
    shop.done("go cancel");
    assert_eq!(units(&shop.order), "0 0 0 0 2, 0 0 0 0 1");
    assert_eq!(shop.order.total_canceled, money(1000));
    shop.done("go reopen");
    assert_eq!(units(&shop.order), units(&before));
    assert_eq!(balance(&shop.order), balance(&before));
    // Shipped units are not canceled, and nothing else is left.
    shop.done("ship");
    assert_eq!(shop.refused("go cancel").reason(), "NOTHING_TO_DO");
}

#[test]
fn a_transition_that_finds_nothing_to_do_is_taken_unless_it_cancels() {
    let step = |code: &str, of: &str| {
        let mut step = sample::transition(code, &["new"], "processing", Trigger::Manual);
        step.operation = Some(operation(of));
        step
    };
    for (of, taken) in [
        ("pay", true),
        ("ship", true),
        ("refund", true),
        ("cancel", false),
    ] {
        let mut shop = Shop::new(with(|ways| ways.push(step("go", of))), 0, "a");
        shop.done("ship");
        match shop.try_command(&command("go go")) {
            Ok(entries) => {
                assert!(taken, "{of}");
                assert!(entries[0].detail.recorded().is_none(), "{of}");
            }
            Err(refusal) => {
                assert!(!taken, "{of}");
                let expected = Rejection::NothingToDo {
                    operation: operation(of),
                    transition: Some(TransitionCode::new("go").unwrap()),
                };
                assert_eq!(refusal, expected);
            }
        }
    }
    // Where all is canceled already, there is nothing that the step would leave open.
    let mut shop = Shop::new(with(|ways| ways.push(step("go", "cancel"))), 0, "a");
    shop.done("cancel");
    shop.done("go go");
    // All that is left of a refund is all money too.
    let mut shop = Shop::new(with(|ways| ways.push(step("go", "refund"))), 900, "a b");
    shop.done("pay");
    shop.done("invoice a");
    shop.done("go go");
    assert_eq!(shop.order.total_refunded, money(900));
}

#[test]
fn a_guard_that_refuses_says_what_its_transition_is_for() {
    let mut shop = Shop::new(
        with(|ways| {
            let mut step = sample::transition("pack", &["new"], "processing", Trigger::Manual);
            step.guard = Some(sample::expression("order.overpaid"));
            step.description = "Record a payment first.".parse().unwrap();
            ways.push(step);
        }),
        0,
        "a",
    );
    let told = shop.refused("go pack").to_string();
    let expected = "the guard of transition pack says no: order.overpaid (Record a payment first.)";
    assert_eq!(told, expected);
}

#[test]
fn a_refund_that_is_taken_back_leaves_units_to_ship() {
    let mut workflow = still();
    workflow.refunded_units = RefundedUnits::Fulfilled;
    let mut shop = Shop::new(workflow, 0, "a");
    shop.done("invoice");
    shop.done("refund");
    assert_eq!(shop.refused("ship").reason(), "NOTHING_TO_DO");
    shop.done("back refund");
    shop.done("ship");
}

#[test]
fn amounts_of_old_entries_stay_notes() {
    let shop = Shop::new(still(), 1000, "a*2");
    let mut order = shop.order.clone();
    for old in [
        r#"{"operation":"pay","effect":"pay","amount":1000}"#,
        r#"{"operation":"invoice","effect":"invoice","lines":[{"line_id":"a","quantity":"1"}],"amount":900}"#,
        r#"{"operation":"cancel","effect":"cancel","lines":[{"line_id":"a","quantity":"1"}],"amount":700}"#,
        r#"{"operation":"refund","effect":"refund","amount":300}"#,
    ] {
        record(&mut order, &serde_json::from_str(old).unwrap());
    }
    assert_eq!(
        (order.total_paid, order.total_refunded),
        (money(1000), money(300))
    );
    assert_eq!(units(&order), "1 0 0 0 1");
    let kept = [order.total_canceled, order.total_invoiced, order.credited];
    assert_eq!(kept, [money(0); 3]);
    let stored = serde_json::to_string(&order).unwrap();
    for word in ["credits", "whole", "returned", "total_canceled"] {
        assert!(!stored.contains(word), "{word}: {stored}");
    }
}

#[test]
fn the_newest_units_give_back_what_they_moved() {
    let mut shop = Shop::new(still(), 2000, "a*2");
    for done in ["pay =1200", "invoice", "refund only =300"] {
        shop.done(done);
    }
    let before = balance(&shop.order);
    // 1,000 are cut to the 900 that can be refunded, and 1,000 would be reckoned to come back.
    shop.done("refund a");
    shop.done("back refund a");
    assert_eq!(balance(&shop.order), before);
    // Given amounts as well, and those of lines whose total is not known.
    let mut shop = Shop::new(still(), 3000, "a b");
    let before = balance(&shop.order);
    for (done, back) in [
        ("cancel a =2500", "back cancel a"),
        ("invoice a =90", "back invoice a"),
    ] {
        shop.done(done);
        shop.done(back);
        assert_eq!(balance(&shop.order), before, "{done}");
    }
    shop.done("cancel a");
    let before = balance(&shop.order);
    shop.done("cancel b");
    shop.done("back cancel b");
    assert_eq!(
        balance(&shop.order),
        before,
        "what is not known of a stays with b"
    );
}
