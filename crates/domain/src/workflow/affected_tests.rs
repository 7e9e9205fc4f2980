//! What of a change is counted, and how that is told.

use super::{
    Action, ActionPath, Affected, Channel, Count, Email, Fate, Policy, RefundedUnits, Standing,
    Transition, Trigger, Webhook, Work, Workflow, Writing, automatic_places, sample,
};
use crate::{
    guard::Expression,
    value::{EndpointCode, OrderId, TransitionCode},
};

type Change = fn(&mut Workflow);

fn transition_mut<'w>(workflow: &'w mut Workflow, code: &str) -> &'w mut Transition {
    let mut transitions = workflow.transitions.iter_mut();
    transitions.find(|t| t.code.as_str() == code).unwrap()
}

fn changed(change: Change) -> Affected {
    let before = sample::workflow();
    let mut after = before.clone();
    change(&mut after);
    Affected::between(&before, &after)
}

fn written(places: &[Standing]) -> Vec<String> {
    let places = places.iter();
    places
        .map(|place| format!("{}/{}", place.state, place.status))
        .collect()
}

#[test]
fn automatic_transitions_that_ask_for_something_else_are_looked_at() {
    let rows: &[(Change, &[&str], &[&str])] = &[
        (|_| {}, &[], &[]),
        (|w| w.label = "Orders".parse().unwrap(), &[], &[]),
        (
            |w| transition_mut(w, "complete").label = "Done".parse().unwrap(),
            &[],
            &[],
        ),
        (
            |w| transition_mut(w, "complete").guard = None,
            &["complete"],
            &["processing/processing", "processing/packing"],
        ),
        (
            |w| transition_mut(w, "complete").from_statuses = vec![sample::status("packing")],
            &["complete"],
            &["processing/packing"],
        ),
        (
            |w| transition_mut(w, "close").trigger = Trigger::Automatic,
            &["close"],
            &["complete/complete"],
        ),
        (
            |w| {
                w.states[1].entry_guard = Some(Expression::new("order.total_due == 0").unwrap());
            },
            &["complete"],
            &["processing/processing", "processing/packing"],
        ),
        (
            |w| w.refunded_units = RefundedUnits::Fulfilled,
            &["complete"],
            &["processing/processing", "processing/packing"],
        ),
        // Manual ones move nobody by themselves.
        (
            |w| transition_mut(w, "close").guard = Some(sample::expression("true")),
            &[],
            &[],
        ),
        // Nothing leaves the held state and terminal ones.
        (
            |w| transition_mut(w, "complete").from_states.clear(),
            &["complete"],
            &[
                "complete/complete",
                "new/pending",
                "new/received",
                "processing/processing",
                "processing/packing",
            ],
        ),
    ];
    for (change, automatic, sources) in rows {
        let affected = changed(*change);
        let codes = affected.automatic.iter().map(TransitionCode::as_str);
        assert_eq!(codes.collect::<Vec<_>>(), *automatic);
        assert_eq!(written(&affected.sources), *sources);
        assert_eq!(affected.is_empty(), automatic.is_empty());
    }
    assert_eq!(
        written(&automatic_places(&sample::workflow())),
        ["processing/processing", "processing/packing"]
    );
}

#[test]
fn what_opens_a_way_is_looked_at() {
    let complete = ["complete"];
    let rows: &[(Change, &[&str])] = &[
        (|_| {}, &[]),
        // Its places were left by nothing before.
        (|w| w.states[4].terminal = true, &complete),
        // One that starts anywhere is none from there alone.
        (
            |w| {
                w.states[3].terminal = true;
                transition_mut(w, "complete").from_states.clear();
            },
            &complete,
        ),
        (
            |w| {
                w.states[4].terminal = true;
                let complete = transition_mut(w, "complete");
                complete.from_states.clear();
                complete.from_statuses = vec![sample::status("packing")];
            },
            &complete,
        ),
        (|w| w.states[3].terminal = true, &[]),
        // Nobody entered its target.
        (
            |w| {
                let mut statuses = w.statuses.iter_mut();
                let target = statuses.find(|status| status.code.as_str() == "complete");
                target.unwrap().retired = true;
            },
            &complete,
        ),
    ];
    for (number, (change, expected)) in rows.iter().enumerate() {
        let mut before = sample::workflow();
        change(&mut before);
        // Only what was closed is opened.
        let mut after = before.clone();
        for (state, is) in after.states.iter_mut().zip(sample::workflow().states) {
            state.terminal = is.terminal;
        }
        for status in &mut after.statuses {
            status.retired = false;
        }
        let affected = Affected::between(&before, &after);
        let codes = affected.automatic.iter().map(TransitionCode::as_str);
        assert_eq!(codes.collect::<Vec<_>>(), *expected, "row {number}");
    }
}

#[test]
fn what_was_not_counted_in_time_is_told() {
    let unknown = Count {
        may_be_more: true,
        ..Count::default()
    };
    let complete = TransitionCode::new("complete").unwrap();
    let settle = "SettleOrders with validate_only tells of all (waymark workflow settle --dry-run)";
    for (finding, expected) in [
        (
            unknown.in_terminal(&sample::state("processing")),
            "state processing becomes terminal, and the orders in it were not counted in time: \
             no step leaves it any more"
                .to_owned(),
        ),
        (
            unknown.wait_for(&"create.tell".parse().unwrap(), Fate::Gone),
            "action create.tell is removed or renamed, and the deliveries that wait for it \
             were not counted in time: they will be given up"
                .to_owned(),
        ),
        (
            Count::left_unasked(&complete, 0),
            format!(
                "transition complete may be taken by orders that were not looked at in time: {settle}"
            ),
        ),
        (
            Count::left_unasked(&complete, 1),
            format!(
                "transition complete would not be taken by the 1 order that was looked at; others \
                 were not: {settle}"
            ),
        ),
        (
            Count::left_unasked(&complete, 1_000),
            format!(
                "transition complete would be taken by none of the 1000 orders that were looked at; \
                 others were not: {settle}"
            ),
        ),
    ] {
        assert_eq!(finding.to_string(), expected);
    }
}

#[test]
fn states_that_become_terminal_are_looked_at() {
    let affected = changed(|w| w.states[4].terminal = true);
    let [(state, places)] = affected.terminal.iter().collect::<Vec<_>>()[..] else {
        panic!("{affected:?}")
    };
    assert_eq!(state.as_str(), "processing");
    assert_eq!(
        written(places),
        ["processing/processing", "processing/packing"]
    );
    // One that ceases to be terminal keeps nobody.
    assert!(changed(|w| w.states[0].terminal = false).is_empty());
}

fn webhook(endpoint: &str) -> Work {
    let endpoint = EndpointCode::new(endpoint).unwrap();
    Work::Send(Channel::Webhook(Webhook { endpoint }), Policy::default())
}

#[test]
fn deliveries_wait_for_what_becomes_of_their_action() {
    let mail = || {
        let email = Email {
            identity: crate::workflow::Identity::Sales,
            template: "new_order".parse().unwrap(),
            guest_template: None,
            customer: crate::workflow::Notify::Always,
            copy_to: Vec::new(),
            copy_method: crate::workflow::CopyMethod::Bcc,
        };
        Work::Send(Channel::Email(email), Policy::default())
    };
    let step = Work::Write(Writing::Transition("close".parse().unwrap()));
    let action = sample::action;
    let off = |mut action: Action| {
        action.active = false;
        action
    };
    let erp = || action("tell", webhook("erp"));
    let rows = [
        (erp(), vec![erp()], None),
        (erp(), vec![action("tell", webhook("books"))], None),
        (erp(), vec![], Some(Fate::Gone)),
        (off(erp()), vec![], Some(Fate::Gone)),
        (
            erp(),
            vec![action("tell_erp", webhook("erp"))],
            Some(Fate::Gone),
        ),
        (erp(), vec![action("tell", mail())], Some(Fate::OtherKind)),
        (
            erp(),
            vec![action("tell", step.clone())],
            Some(Fate::OtherKind),
        ),
        (erp(), vec![off(erp())], Some(Fate::Off)),
        (off(erp()), vec![off(erp())], None),
        (action("tell", step), vec![], None),
    ];
    for (old, new, fate) in rows {
        let with = |actions: Vec<Action>| Workflow {
            on_create: actions,
            ..sample::workflow()
        };
        let affected = Affected::between(&with(vec![old]), &with(new));
        let told = affected.actions.iter();
        let told: Vec<_> = told.map(|(path, fate)| (path.to_string(), *fate)).collect();
        let expected: Vec<_> = fate
            .map(|fate| ("create.tell".to_owned(), fate))
            .into_iter()
            .collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn counts_are_told_with_the_orders() {
    let mut count = Count::default();
    count.add(&OrderId::new("7").unwrap());
    let state = sample::state("processing");
    assert_eq!(
        count.in_terminal(&state).to_string(),
        "state processing becomes terminal, and 1 order stands in it or will return to it (7): \
         no step leaves it any more"
    );
    for number in 10..30 {
        count.add(&OrderId::new(&number.to_string()).unwrap());
    }
    count.may_be_more = true;
    let transition = TransitionCode::new("complete").unwrap();
    assert_eq!(
        count.would_move(&transition).to_string(),
        "transition complete would be taken by at least 21 orders now (7, 10, 11, 12, 13, 14, 15, \
         16, 17, 18); nothing moves them until something happens to them: SettleOrders asks all of \
         them (waymark workflow settle)"
    );
    let action: ActionPath = "transition.go.tell".parse().unwrap();
    let deliveries = |count| Count {
        count,
        ..Count::default()
    };
    for (count, fate, expected) in [
        (
            1,
            Fate::Gone,
            "is removed or renamed, and 1 delivery waits for it: it will be given up",
        ),
        (
            3,
            Fate::OtherKind,
            "does something else, and 3 deliveries wait for it: they will be given up",
        ),
        (
            2,
            Fate::Off,
            "is switched off, and 2 deliveries wait for it: they wait until it is switched on",
        ),
    ] {
        assert_eq!(
            deliveries(count).wait_for(&action, fate).to_string(),
            format!("action transition.go.tell {expected}")
        );
    }
}
