//! Who may do what: roles and guards of transitions and operations hold whatever sets a step off, and nothing goes round
//! a declared transition.

use tonic::{Code, Response, Status};
use waymark_proto::v1::{self, transition_order_request::Target};
use waymark_tests::{
    Backend, Refusal, Shop, World, refused,
    shop::{person, standing, to},
    world::{apply, fresh_code},
};

on_each_database!(
    a_step_that_a_call_sets_off_needs_the_role_of_its_caller,
    a_step_that_a_call_asks_for_needs_the_role,
    an_operation_needs_its_role_and_its_guard,
    a_transition_needs_the_role_of_the_operation_that_it_records,
    what_a_comment_may_set_is_listed,
    the_caller_is_the_actor_of_all_guards,
);

const FAILED: Code = Code::FailedPrecondition;
const DENIED: Code = Code::PermissionDenied;

/// `x` leads to `mid` and is the boss's; other ways to come to do it are filled in.
const DOCUMENT: &str = r"
label: Shop
initial_state: new
statuses: {fresh: {label: Fresh}, seen: {label: Seen{on_seen}}, mid: {label: Mid}, late: {label: Late}}
operations:
  note: {label: Note, effect: none{on_note}}
  pay: {label: Pay, effect: pay}
states:
  new: {label: New, category: initial, can_start: true, operations: [note, pay], statuses: [fresh, seen]}
  mid: {label: Mid, category: active, can_start: true, operations: [note, pay], statuses: [mid, late]}
{on_comment}
transitions:
  x: {label: X, from_states: [new], to_state: mid, to_status: late, roles: [boss]{x}}
  look: {label: Look, from_statuses: [fresh], to_state: new, to_status: seen{on_look}}
  open: {label: Open, from_states: [new, mid], to_state: mid}
  y: {label: Y, from_states: [mid], to_state: mid, to_status: late, roles: [boss]}
  {more}
";

fn document(filled: &[(&str, &str)]) -> String {
    let mut document = DOCUMENT.to_owned();
    for (place, text) in filled {
        document = document.replace(&format!("{{{place}}}"), text);
    }
    for place in ["x", "more", "on_seen", "on_note", "on_comment", "on_look"] {
        document = document.replace(&format!("{{{place}}}"), "");
    }
    document
}

async fn shop(world: &World, document: &str) -> Shop {
    apply(&world.server().clients(), &fresh_code(), document).await
}

/// A call by somebody.
#[derive(Debug, Clone, Copy)]
enum Call {
    Record(&'static str),
    Take(&'static str),
    Land(&'static str, &'static str),
    ToStatus(&'static str),
    ToPair(&'static str, &'static str),
    Comment(&'static str),
}

/// What a call came to: the order, and what was written.
type Done = (v1::Order, Vec<v1::HistoryEntry>);

async fn send(shop: &Shop, id: &str, roles: &[&str], call: Call) -> Result<Done, Status> {
    let actor = Some(person("ann", roles));
    let step = async |target: Target, land_on_status: &str| {
        let request = v1::TransitionOrderRequest {
            actor: actor.clone(),
            land_on_status: land_on_status.into(),
            ..shop.step(id, target)
        };
        let answer = shop.orders().transition_order(request).await;
        answer.map(|answer| {
            let answer = answer.into_inner();
            (answer.order.unwrap(), answer.entries)
        })
    };
    match call {
        Call::Take(code) => step(Target::Transition(code.into()), "").await,
        Call::Land(code, status) => step(Target::Transition(code.into()), status).await,
        Call::ToStatus(status) => step(Target::ToStatus(status.into()), "").await,
        Call::ToPair(state, status) => step(to(state, status), "").await,
        Call::Record(operation) => {
            let request = v1::RecordOperationRequest {
                actor,
                ..shop.operation(id, operation, &[])
            };
            let answer = shop.send(request).await?;
            Ok((answer.order.unwrap(), answer.entries))
        }
        Call::Comment(status) => {
            let request = v1::AddCommentRequest {
                actor,
                status: status.into(),
                ..shop.remark(id, "said")
            };
            let answer = shop.orders().add_comment(request).await?.into_inner();
            Ok((answer.order.unwrap(), answer.entries))
        }
    }
}

/// All that entries note under a key.
fn notes(entries: &[v1::HistoryEntry], key: &str) -> String {
    let notes = entries.iter().filter_map(|entry| entry.metadata.get(key));
    notes.cloned().collect::<Vec<_>>().join(" | ")
}

async fn a_step_that_a_call_sets_off_needs_the_role_of_its_caller(backend: Backend) {
    let world = World::on(backend).await;
    let (role, action) = ("waymark.role_refused", "waymark.action_failed");
    let go = ", actions: {go: {transition: x}}";
    let hung = ", on_enter: {go: {transition: x}}";
    let on_comment = "on_comment: {go: {transition: x}}";
    let by_note = ", trigger: {on_operations: [note]}";
    for (filled, call, key) in [
        (("x", by_note), Call::Record("note"), role),
        (("on_note", go), Call::Record("note"), action),
        (("on_comment", on_comment), Call::Comment(""), action),
        (("on_look", go), Call::Take("look"), action),
        (("on_seen", hung), Call::Take("look"), action),
        (("on_seen", hung), Call::Comment("seen"), action),
    ] {
        let shop = shop(&world, &document(&[filled])).await;
        for (id, roles, state) in [("clerk", ["clerk"], "new"), ("boss", ["boss"], "mid")] {
            shop.place(id, &[]).await;
            let (order, entries) = send(&shop, id, &roles, call).await.unwrap();
            assert_eq!(order.state, state, "{filled:?}, {call:?} by {id}");
            let noted = notes(&entries, key);
            let is_noted = noted.ends_with("x needs one of the roles: boss");
            assert_eq!(
                is_noted,
                state == "new",
                "{filled:?}, {call:?} by {id}: {noted}"
            );
            assert_eq!(shop.entries(id).await[1..], entries, "as it is stored");
        }
    }
    // What time does needs no role.
    let timed = document(&[(
        "more",
        "late: {label: Late, from_states: [new], to_state: mid, trigger: {after: 1ms}, actions: {go: {transition: y}}}",
    )]);
    let shop = shop(&world, &timed).await;
    let mut watcher = waymark_tests::Watcher::of(&shop).await;
    shop.place("1", &[]).await;
    watcher.until_sequence("1", 2).await;
    let order = shop.get("1").await;
    assert_eq!(standing(&order), ("mid", "mid"), "but its actions do");
    let entries = shop.entries("1").await;
    assert!(notes(&entries, action).contains("y needs one of the roles: boss"));
}

async fn a_step_that_a_call_asks_for_needs_the_role(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, &document(&[])).await;
    for (number, call) in [
        Call::Take("x"),
        Call::Land("open", "late"),
        Call::ToStatus("late"),
        Call::ToPair("mid", "late"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("new-{number}");
        shop.place(&id, &[]).await;
        let refusal = refused(
            send(&shop, &id, &["clerk"], call).await,
            DENIED,
            "ROLE_REQUIRED",
        );
        assert_eq!(
            (refusal.particular("transition"), refusal.list("roles")),
            ("x", vec!["boss"]),
            "{call:?}"
        );
        assert_eq!(shop.get(&id).await.version, 1);
        let (order, entries) = send(&shop, &id, &["boss"], call).await.unwrap();
        assert_eq!(standing(&order), ("mid", "late"));
        assert_eq!(entries[0].transition, "x", "{call:?}");
    }
    // Inside the state, a comment takes the way that leads there.
    for (number, call) in [Call::Comment("late"), Call::Land("open", "late")]
        .into_iter()
        .enumerate()
    {
        let id = format!("mid-{number}");
        shop.place(&id, &[]).await;
        shop.take(&id, "open").await.unwrap();
        let refusal = refused(
            send(&shop, &id, &["clerk"], call).await,
            DENIED,
            "ROLE_REQUIRED",
        );
        assert_eq!(refusal.particular("transition"), "y");
        let (_, entries) = send(&shop, &id, &["boss"], call).await.unwrap();
        assert_eq!(
            (entries[0].kind(), entries[0].transition.as_str()),
            (v1::EntryKind::Transitioned, "y")
        );
    }
    // Nor is an order created there.
    let create = async |id: &str, status: &str, roles: &[&str]| {
        let order = v1::Order {
            state: "mid".into(),
            status: status.into(),
            ..shop.draft(id, &[])
        };
        let request = v1::CreateOrderRequest {
            order: Some(order),
            actor: Some(person("ann", roles)),
            ..Default::default()
        };
        let answer = shop.orders().create_order(request).await;
        answer.map(Response::into_inner)
    };
    let refusal = refused(
        create("late", "late", &["clerk"]).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(
        (refusal.particular("transition"), refusal.list("roles")),
        ("x", vec!["boss"])
    );
    create("late", "late", &["boss"]).await.unwrap();
    // Where one of the ways asks for no role, nobody is asked.
    create("mid", "mid", &["clerk"]).await.unwrap();
    shop.place("new", &[]).await;
}

/// Refunds are for finance, sellers ship their own lines, and only so much may be paid at once.
const OPERATIONS: &str = r#"
label: Shop
initial_state: new
statuses: {fresh: {label: Fresh}, back: {label: Back}}
operations:
  pay: {label: Pay, effect: pay, guard: request.amount <= 5000 && !request.reverse}
  ship: {label: Ship, effect: ship, guard: 'order.lines.all(l, l.quantity_moving == 0.0 || l.sku.startsWith("a-"))'}
  refund: {label: Refund, effect: refund, roles: [finance]}
  edit: {label: Edit, effect: none, roles: [editor]}
states:
  new: {label: New, category: initial, can_start: true, operations: [edit, pay, ship, refund], statuses: [fresh]}
  back: {label: Back, category: closed, operations: [refund], statuses: [back]}
transitions:
  return: {label: Return, from_states: [new], to_state: back, operation: refund}
"#;

async fn an_operation_needs_its_role_and_its_guard(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, OPERATIONS).await;
    let line = |id: &str, sku: &str| v1::OrderLine {
        sku: sku.into(),
        ..waymark_tests::shop::line(id, "2")
    };
    let order = v1::Order {
        lines: vec![line("1", "a-mug"), line("2", "b-cup")],
        ..shop.draft("1", &[])
    };
    shop.create(order.clone()).await.unwrap();
    let pay = |amount, reverse| v1::RecordOperationRequest {
        amount_only: true,
        amount: Some(amount),
        reverse,
        ..shop.operation("1", "pay", &[])
    };
    let refusal = refused(shop.send(pay(5_001, false)).await, FAILED, "GUARD_REFUSED");
    assert_eq!(
        (refusal.particular("operation"), refusal.particular("guard")),
        ("pay", "request.amount <= 5000 && !request.reverse")
    );
    assert!(!refusal.metadata.contains_key("transition"));
    assert!(
        refusal
            .message
            .starts_with("the guard of operation pay says no")
    );
    shop.send(pay(5_000, false)).await.unwrap();
    refused(shop.send(pay(1, true)).await, FAILED, "GUARD_REFUSED");

    let send = async |lines: &[(&str, &str)]| shop.record("1", "ship", lines).await;
    refused(send(&[]).await, FAILED, "GUARD_REFUSED");
    refused(
        send(&[("1", "1"), ("2", "0.5")]).await,
        FAILED,
        "GUARD_REFUSED",
    );
    send(&[("1", "1")]).await.unwrap();

    let refund = |roles: &[&str], reverse| v1::RecordOperationRequest {
        amount_only: true,
        amount: Some(700),
        reverse,
        actor: Some(person("ann", roles)),
        ..shop.operation("1", "refund", &[])
    };
    for reverse in [false, true] {
        let answer = shop.send(refund(&["clerk"], reverse)).await;
        let refusal = refused(answer, DENIED, "ROLE_REQUIRED");
        assert_eq!(
            (refusal.particular("operation"), refusal.list("roles")),
            ("refund", vec!["finance"])
        );
        assert!(!refusal.metadata.contains_key("transition"));
        shop.send(refund(&["finance"], reverse)).await.unwrap();
    }
    // Lines change by the operation `edit`, attributes by nobody's leave.
    let update = |roles: &[&str], paths: &[&str]| v1::UpdateOrderRequest {
        order: Some(v1::Order {
            grand_total: 12_000,
            attributes: [("box".into(), "1".into())].into(),
            ..order.clone()
        }),
        update_mask: Some(waymark_tests::shop::mask(paths)),
        actor: Some(person("ann", roles)),
        ..Default::default()
    };
    let edit = async |roles: &[&str], paths: &[&str]| {
        let answer = shop.orders().update_order(update(roles, paths)).await;
        answer.map(Response::into_inner)
    };
    let refusal = refused(
        edit(&["clerk"], &["grand_total"]).await,
        DENIED,
        "ROLE_REQUIRED",
    );
    assert_eq!(refusal.particular("operation"), "edit");
    edit(&["clerk"], &["attributes"]).await.unwrap();
    edit(&["editor"], &["grand_total"]).await.unwrap();
}

async fn a_transition_needs_the_role_of_the_operation_that_it_records(backend: Backend) {
    let world = World::on(backend).await;
    let shop = shop(&world, OPERATIONS).await;
    for call in [
        Call::Take("return"),
        Call::ToStatus("back"),
        Call::ToPair("back", "back"),
    ] {
        let id = fresh_code();
        shop.place(&id, &[]).await;
        shop.record_amount(&id, "pay", 500).await.unwrap();
        let refusal = refused(
            send(&shop, &id, &["boss"], call).await,
            DENIED,
            "ROLE_REQUIRED",
        );
        assert_eq!(refusal.particular("operation"), "refund");
        let (order, _) = send(&shop, &id, &["finance"], call).await.unwrap();
        assert_eq!((order.state.as_str(), order.total_refunded), ("back", 500));
    }
    // By itself it is not taken, and the entry says why.
    let by_itself = OPERATIONS.replace(
        "operation: refund}",
        "operation: refund, trigger: automatic, guard: order.total_paid > 400}",
    );
    let shop = self::shop(&world, &by_itself).await;
    shop.place("1", &[]).await;
    let paid = shop.record_amount("1", "pay", 500).await.unwrap();
    assert_eq!(paid.order.unwrap().state, "new");
    assert_eq!(
        notes(&paid.entries, "waymark.role_refused"),
        "return: operation refund needs one of the roles: finance"
    );
    let (order, _) = send(&shop, "1", &["finance"], Call::Comment(""))
        .await
        .unwrap();
    assert_eq!((order.state.as_str(), order.total_refunded), ("back", 500));
}

/// The statuses that a comment may set, sorted: by which transition, or why not.
async fn settable(shop: &Shop, id: &str, roles: &[&str], include_blocked: bool) -> Vec<String> {
    let request = v1::ListAvailableTransitionsRequest {
        workflow: shop.workflow(),
        order_id: id.into(),
        actor: Some(person("ann", roles)),
        include_blocked,
    };
    let answer = shop.orders().list_available_transitions(request).await;
    let listed = answer.unwrap().into_inner().comment_statuses.into_iter();
    let mut told = Vec::new();
    for available in listed {
        let reasons = available.reasons.iter();
        let reasons: Vec<_> = reasons.map(|it| it.reason.as_str()).collect();
        assert_eq!(available.allowed, reasons.is_empty());
        // What is listed is what happens.
        let comment = v1::AddCommentRequest {
            status: available.status.clone(),
            actor: Some(person("ann", roles)),
            validate_only: true,
            ..shop.remark(id, "")
        };
        match shop.orders().add_comment(comment).await {
            Ok(done) => {
                let entry = done.into_inner().entries.remove(0);
                assert_eq!(entry.transition, available.transition);
                assert_eq!(entry.to_status, available.status);
            }
            Err(status) => assert_eq!(reasons, [Refusal::of(&status).reason]),
        }
        let mut words = vec![available.status.as_str(), &available.transition];
        words.extend(reasons);
        told.push(words.join(" ").trim().to_owned());
    }
    told.sort();
    told
}

/// The preset, with a status inside a state that a boss approves.
async fn what_a_comment_may_set_is_listed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    for status in ["approved", "asked"] {
        shop.add_status(status).await;
        shop.assign("payment_review", status, None).await.unwrap();
    }
    let approve = v1::Transition {
        from_states: Vec::new(),
        from_statuses: vec!["payment_review".into(), "fraud".into()],
        to_status: "approved".into(),
        roles: vec!["boss".into()],
        guard: "order.grand_total < 20000".into(),
        ..waymark_tests::shop::transition("approve", &[], "payment_review")
    };
    shop.create_transition(approve).await.unwrap();
    let place = async |id: &str, grand_total: i64| {
        let order = v1::Order {
            state: "payment_review".into(),
            grand_total,
            ..shop.draft(id, &[])
        };
        shop.create(order).await.unwrap();
    };
    place("cheap", 5_000).await;
    place("dear", 50_000).await;
    let listed = settable(&shop, "cheap", &["boss"], false).await;
    assert_eq!(listed, ["approved approve", "asked", "fraud flag_fraud"]);
    let listed = settable(&shop, "cheap", &[], false).await;
    assert_eq!(listed, ["asked", "fraud flag_fraud"]);
    let listed = settable(&shop, "cheap", &[], true).await;
    assert_eq!(
        listed,
        ["approved  ROLE_REQUIRED", "asked", "fraud flag_fraud"]
    );
    let listed = settable(&shop, "dear", &["boss"], true).await;
    assert_eq!(
        listed,
        ["approved  GUARD_REFUSED", "asked", "fraud flag_fraud"]
    );
    // On hold, comments go on, and there is nothing else to set here.
    shop.hold("dear", "").await.unwrap();
    assert_eq!(settable(&shop, "dear", &[], true).await, [""; 0]);
    // Where comments set nothing, only what is declared is listed.
    let shop = world.shop("modmore").await;
    shop.place("1", &[]).await;
    shop.take("1", "payment_received").await.unwrap();
    let listed = settable(&shop, "1", &[], true).await;
    assert_eq!(
        listed,
        [
            "awaiting_pickup ready_for_pickup",
            "in_backorder put_in_backorder"
        ]
    );
}

async fn the_caller_is_the_actor_of_all_guards(backend: Backend) {
    let world = World::on(backend).await;
    let more = r#"auto:
    label: Auto
    from_states: [new]
    to_state: mid
    trigger: automatic
    guard: '"boss" in actor.roles && request.comment == "said"'
    actions: {note: {comment: {text: "{{ actor.kind }} {{ actor.id }}"}, condition: 'actor.kind == "user"'}}"#;
    let shop = shop(&world, &document(&[("more", more)])).await;
    shop.place("1", &[]).await;
    let (order, _) = send(&shop, "1", &["clerk"], Call::Comment(""))
        .await
        .unwrap();
    assert_eq!(order.state, "new");
    let (order, entries) = send(&shop, "1", &["boss"], Call::Comment(""))
        .await
        .unwrap();
    assert_eq!(order.state, "mid");
    let automatic = &entries[1];
    let actor = automatic.actor.as_ref().unwrap();
    assert_eq!(
        (automatic.transition.as_str(), actor.kind()),
        ("auto", v1::ActorKind::System),
        "the entry itself is the system's"
    );
    assert_eq!(entries[2].comment, "user ann");
}
