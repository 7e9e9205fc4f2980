//! Changes of a workflow that reach orders and deliveries which are there already.

use tonic::Code;
use waymark_proto::v1::{self, DeliveryState};
use waymark_tests::{
    Backend, Shop, World, ledger,
    receiver::Receiver,
    refused,
    shop::standing,
    turning,
    world::{self, fresh_code},
};

use crate::{applying::apply, deliveries};

on_each_database!(
    orders_that_would_move_are_counted,
    what_moves_nobody_is_not_told,
    orders_in_what_becomes_terminal_are_counted,
    deliveries_that_wait_for_an_action_are_counted,
    a_state_with_orders_cannot_become_held,
    a_held_state_may_become_another,
);

/// How often a call is repeated whose counts were left out.
const TRIES_MAX: usize = 50;

/// A shop whose dear orders go on by themselves.
pub(crate) const DOCUMENT: &str = "\
label: Reach
initial_state: new
operations: {note: {label: Note, effect: none}}
statuses:
  fresh: {label: Fresh}
  moved: {label: Moved}
  done: {label: Done}
  parked: {label: Parked}
states:
  new: {label: New, category: initial, can_start: true, holdable: true, operations: [note], statuses: [fresh]}
  mid: {label: Mid, category: active, holdable: true, statuses: [moved]}
  end: {label: End, category: completed, terminal: true, statuses: [done]}
  held: {label: Held, category: held, statuses: [parked]}
transitions:
  go: {label: Go, from_states: [new], to_state: mid, trigger: automatic, guard: order.grand_total > 100000}
  push: {label: Push, from_states: [new], to_state: mid}
  finish: {label: Finish, from_states: [mid], to_state: end}
";

/// The same with another guard of the automatic transition.
pub(crate) fn with_guard(guard: &str) -> String {
    DOCUMENT.replace("order.grand_total > 100000", guard)
}

/// The findings of a rule, as subject and message.
fn found<'f>(findings: &'f [v1::LintFinding], rule: &str) -> Vec<(&'f str, &'f str)> {
    let found = findings.iter().filter(|finding| finding.rule == rule);
    found
        .inspect(|finding| assert_eq!(finding.severity(), v1::LintSeverity::Warning))
        .map(|finding| (finding.subject.as_str(), finding.message.as_str()))
        .collect()
}

/// Whether a finding says only that not all was counted, as where a machine is busy.
fn is_uncounted(message: &str) -> bool {
    message.contains("in time") || message.contains("others were not")
}

/// Whether a rule has found something, and all of it was counted.
fn is_counted(findings: &[v1::LintFinding], rule: &str) -> bool {
    let found = found(findings, rule);
    let mut messages = found.iter().map(|(_, message)| *message);
    !found.is_empty() && !messages.any(is_uncounted)
}

fn yaml(shop: &Shop, document: &str) -> v1::ApplyWorkflowRequest {
    shop.document(document, v1::WorkflowFormat::Yaml)
}

/// Places an order that costs so much.
pub(crate) async fn place(shop: &Shop, id: &str, grand_total: i64) {
    let order = v1::Order {
        grand_total,
        ..shop.draft(id, &[])
    };
    shop.create(order).await.unwrap();
}

/// Asks what a change would mean until that is counted: where a machine is busy, it is not in time.
async fn rehearsed(
    shop: &Shop,
    request: v1::ApplyWorkflowRequest,
    rule: &str,
) -> v1::ApplyWorkflowResponse {
    let dry = v1::ApplyWorkflowRequest {
        validate_only: true,
        ..request
    };
    for _ in 0..TRIES_MAX {
        let answer = apply(shop, dry.clone()).await.unwrap();
        if is_counted(&answer.findings, rule) {
            return answer;
        }
    }
    panic!("no finding of {rule} in {TRIES_MAX} calls");
}

async fn orders_that_would_move_are_counted(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), DOCUMENT).await;
    for (id, grand_total) in [("1", 10_000), ("2", 20_000), ("3", 5), ("4", 10_000)] {
        place(&shop, id, grand_total).await;
    }
    shop.hold("4", "").await.unwrap();
    let expected = [(
        "transition go",
        "would be taken by 2 orders now (1, 2); nothing moves them until something happens to them: \
         SettleOrders asks all of them (waymark workflow settle)",
    )];
    let rule = "orders_would_move";
    let changed = yaml(&shop, &with_guard("order.grand_total > 1000"));
    let dry = rehearsed(&shop, changed.clone(), rule).await;
    assert_eq!(found(&dry.findings, rule), expected);
    let mut tries = 0;
    let (request, meant) = loop {
        let request = v1::ApplyWorkflowRequest {
            request_id: format!("apply-{tries}"),
            ..changed.clone()
        };
        let answer = apply(&shop, request.clone()).await.unwrap();
        if is_counted(&answer.findings, rule) {
            break (request, answer);
        }
        apply(&shop, yaml(&shop, DOCUMENT)).await.unwrap();
        tries += 1;
        assert!(tries < TRIES_MAX);
    };
    assert_eq!(meant.findings, dry.findings);
    for id in ["1", "2"] {
        assert_eq!(shop.get(id).await.state, "new", "a change moves nobody");
    }
    // What was counted is remembered with the answer.
    shop.take("1", "push").await.unwrap();
    let again = apply(&shop, request).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.findings, meant.findings);
}

async fn what_moves_nobody_is_not_told(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), DOCUMENT).await;
    place(&shop, "1", 10_000).await;
    for document in [
        DOCUMENT.replace("label: Go,", "label: Go on,"),
        with_guard("order.grand_total > 90000"),
        with_guard("order.grand_total > 90000")
            .replace("[mid], to_state: end", "[new], to_state: end"),
    ] {
        let answer = apply(&shop, yaml(&shop, &document)).await.unwrap();
        assert!(!answer.changes.is_empty());
        for rule in [
            "orders_would_move",
            "orders_become_terminal",
            "deliveries_wait",
        ] {
            let found = found(&answer.findings, rule);
            let mut messages = found.iter().map(|(_, message)| *message);
            assert!(messages.all(is_uncounted), "{:?}", answer.findings);
        }
    }
}

async fn orders_in_what_becomes_terminal_are_counted(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), DOCUMENT).await;
    for id in ["1", "2", "3"] {
        place(&shop, id, 10).await;
    }
    shop.take("1", "push").await.unwrap();
    shop.take("2", "push").await.unwrap();
    shop.hold("2", "").await.unwrap();
    let ends = DOCUMENT
        .replace(
            "label: Mid, category: active,",
            "label: Mid, category: completed, terminal: true,",
        )
        .replace(
            "  finish: {label: Finish, from_states: [mid], to_state: end}\n",
            "",
        );
    let rule = "orders_become_terminal";
    let answer = rehearsed(&shop, yaml(&shop, &ends), rule).await;
    let message = "becomes terminal, and 2 orders stand in it or will return to it (1, 2): no step leaves it any more";
    assert_eq!(found(&answer.findings, rule), [("state mid", message)]);
    // It is said and done all the same.
    apply(&shop, yaml(&shop, &ends)).await.unwrap();
    assert!(shop.state("mid").await.terminal);
}

async fn deliveries_that_wait_for_an_action_are_counted(backend: Backend) {
    let server = deliveries::server(backend).await;
    let receiver = Receiver::start(|_, _| 503).await;
    let endpoint = deliveries::endpoint(server, receiver.url("erp")).await;
    let document = |action: String| turning::document([("turn", action)]);
    let webhook = format!("webhook: {{endpoint: {endpoint}}}");
    let told = document(format!("{{tell: {{{webhook}, backoff: 1h}}}}"));
    let clients = server.clients();
    let shop = world::apply(&clients, &fresh_code(), &told).await;
    for id in ["1", "2"] {
        shop.place(id, &[]).await;
        let turned = shop.take(id, "turn").await.unwrap();
        let delivery = &turned.entries[0].set_off[0].delivery_id;
        let waiting = ledger::until_attempts(&clients, delivery, 1).await;
        assert_eq!(waiting.state(), DeliveryState::Pending);
    }
    let given_up = "and 2 deliveries wait for it: they will be given up";
    let gone = format!("is removed or renamed, {given_up}");
    let other = format!("does something else, {given_up}");
    let off = "is switched off, and 2 deliveries wait for it: they wait until it is switched on";
    for (action, message) in [
        (format!("{{tell_erp: {{{webhook}}}}}"), Some(gone.as_str())),
        ("{}".to_owned(), Some(gone.as_str())),
        (
            "{tell: {publish: {subject: orders}}}".to_owned(),
            Some(other.as_str()),
        ),
        (
            "{tell: {comment: {text: told}}}".to_owned(),
            Some(other.as_str()),
        ),
        (format!("{{tell: {{{webhook}, active: false}}}}"), Some(off)),
        (format!("{{tell: {{{webhook}, attempts: 7}}}}"), None),
    ] {
        let (request, rule) = (yaml(&shop, &document(action)), "deliveries_wait");
        let Some(message) = message else {
            let answer = apply(&shop, request).await.unwrap();
            assert!(found(&answer.findings, rule).is_empty());
            continue;
        };
        let answer = rehearsed(&shop, request, rule).await;
        assert_eq!(
            found(&answer.findings, rule),
            [("action transition.turn.tell", message)]
        );
    }
}

/// Two states on the way, and the held one.
const LADDER: &str = "\
label: Ladder
initial_state: a
statuses:
  in_a: {label: In A}
  in_b: {label: In B}
  parked: {label: Parked}
states:
  a: {label: A, category: initial, can_start: true, holdable: true, statuses: [in_a]}
  b: {label: B, category: active, holdable: true, statuses: [in_b]}
  holded: {label: Holded, category: held, statuses: [parked]}
transitions:
  up: {label: Up, from_states: [a], to_state: b}
  down: {label: Down, from_states: [b], to_state: a}
";

async fn a_state_with_orders_cannot_become_held(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), LADDER).await;
    for id in ["1", "2", "3"] {
        shop.place(id, &[]).await;
        shop.take(id, "up").await.unwrap();
    }
    // One that will return there would be stuck as well.
    shop.hold("2", "").await.unwrap();
    shop.take("3", "down").await.unwrap();
    let turned = LADDER
        .replace(
            "{label: B, category: active, holdable: true,",
            "{label: B, category: held,",
        )
        .replace(
            "{label: Holded, category: held,",
            "{label: Holded, category: active,",
        )
        .split("transitions:")
        .next()
        .unwrap()
        .to_owned();
    let before = shop.definition().await;
    for validate_only in [true, false] {
        let request = v1::ApplyWorkflowRequest {
            validate_only,
            ..yaml(&shop, &turned)
        };
        let refusal = refused(
            apply(&shop, request).await,
            Code::FailedPrecondition,
            "STATUS_IN_USE",
        );
        assert_eq!(
            (refusal.particular("state"), refusal.particular("status")),
            ("b", "in_b")
        );
        assert_eq!(
            (refusal.particular("count"), refusal.list("orders")),
            ("2", vec!["1", "2"])
        );
        assert!(refusal.message.contains("becomes held"), "{refusal:?}");
    }
    assert_eq!(shop.definition().await, before);
    shop.release("2", "").await.unwrap();
    for id in ["1", "2"] {
        shop.take(id, "down").await.unwrap();
    }
    apply(&shop, yaml(&shop, &turned)).await.unwrap();
    let held = shop.hold("1", "").await.unwrap().order.unwrap();
    assert_eq!(standing(&held), ("b", "in_b"));
}

async fn a_held_state_may_become_another(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), LADDER).await;
    shop.place("1", &[]).await;
    shop.hold("1", "").await.unwrap();
    let turned = LADDER
        .replace(
            "  parked: {label: Parked}\n",
            "  parked: {label: Parked}\n  resting: {label: Resting}\n",
        )
        .replace(
            "  holded: {label: Holded, category: held, statuses: [parked]}\n",
            "  holded: {label: Holded, category: active, statuses: [parked]}\n  \
             rest: {label: Rest, category: held, statuses: [resting]}\n",
        );
    apply(&shop, yaml(&shop, &turned)).await.unwrap();
    let released = shop.release("1", "").await.unwrap().order.unwrap();
    assert_eq!(standing(&released), ("a", "in_a"));
}
