//! How a step finds its way: four kinds of targets, roles, guards, loops, cascades.

use tonic::Code;
use waymark_proto::v1::{self, transition_order_request::Target};
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    shop::{person, standing, to},
};

use crate::bench;

on_each_database!(
    every_kind_of_target_finds_its_way,
    an_open_status_is_chosen_by_the_call,
    several_ways_are_never_chosen_silently,
    a_kept_status_must_be_assigned_in_the_target,
    a_loop_is_taken_only_where_it_is_declared,
    roles_are_asked_of_the_caller,
    guards_see_the_request,
    entry_guards_are_asked_on_every_way_in,
    a_cascade_ends_at_its_limit,
    checks_come_in_their_order,
    a_step_that_is_only_checked_writes_nothing,
);

const FAILED: Code = Code::FailedPrecondition;

fn status(code: &str) -> Target {
    Target::ToStatus(code.into())
}

fn keep(state: &str) -> Target {
    Target::To(v1::TransitionTarget {
        state: state.into(),
        keep_status: true,
        ..Default::default()
    })
}

async fn go(shop: &Shop, id: &str, target: Target) -> (String, String) {
    let order = shop.go(id, target).await.unwrap().order.unwrap();
    (order.state, order.status)
}

async fn every_kind_of_target_finds_its_way(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let at = |state: &str, status: &str| (state.to_owned(), status.to_owned());
    for (id, target, landed) in [
        (
            "code",
            Target::Transition("begin".into()),
            at("work", "busy"),
        ),
        ("status", status("waiting"), at("work", "waiting")),
        ("state", to("work", ""), at("work", "busy")),
        ("both", to("work", "flagged"), at("work", "flagged")),
    ] {
        shop.place(id, &[]).await;
        assert_eq!(go(&shop, id, target).await, landed, "{id}");
        assert_eq!(shop.entries(id).await[1].transition, "begin", "{id}");
    }
    shop.place("1", &[]).await;
    refused(
        shop.go("1", to("nowhere", "")).await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    refused(
        shop.go("1", to("work", "nothing")).await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    refused(
        shop.go("1", status("nothing")).await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    refused(
        shop.go("1", to("work", "fresh")).await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
    let refusal = refused(
        shop.go("1", to("paused", "")).await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
    assert_eq!(
        refusal.list("allowed"),
        ["begin"],
        "finish is guarded, and spin would cascade without end"
    );
    let refusal = refused(
        shop.take("1", "pause").await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
    assert_eq!(
        refusal.message,
        "transition pause starts from work, the order stands in start/fresh; allowed now: begin"
    );
    assert_eq!(
        (
            refusal.particular("transition"),
            refusal.list("from_states")
        ),
        ("pause", vec!["work"])
    );
    let refusal = refused(
        shop.take("1", "a_to_b").await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
    assert_eq!(
        refusal.message,
        "transition a_to_b is taken automatically and not by calls, \
         the order stands in start/fresh; allowed now: begin"
    );
    let none = v1::TransitionOrderRequest {
        target: None,
        ..shop.step("1", status("busy"))
    };
    invalid(shop.orders().transition_order(none).await, "target");
    invalid(shop.go("1", to("", "busy")).await, "to.state");
}

async fn an_open_status_is_chosen_by_the_call(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let land = async |id: &str, transition: &str, land_on_status: &str| {
        let step = shop.step(id, Target::Transition(transition.into()));
        let step = v1::TransitionOrderRequest {
            land_on_status: land_on_status.into(),
            ..step
        };
        shop.orders()
            .transition_order(step)
            .await
            .map(|answer| answer.into_inner().order.unwrap())
    };
    shop.place("1", &[]).await;
    refused(
        land("1", "begin", "nothing").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    refused(
        land("1", "begin", "fresh").await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
    assert_eq!(
        standing(&land("1", "begin", "waiting").await.unwrap()),
        ("work", "waiting")
    );
    shop.take("1", "pause").await.unwrap();
    invalid(land("1", "resume", "flagged").await, "land_on_status");
    let by_status = v1::TransitionOrderRequest {
        land_on_status: "busy".into(),
        ..shop.step("1", status("busy"))
    };
    invalid(
        shop.orders().transition_order(by_status).await,
        "land_on_status",
    );
}

async fn several_ways_are_never_chosen_silently(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    shop.take("1", "pause").await.unwrap();
    for target in [to("work", ""), to("work", "busy"), status("busy")] {
        let refusal = refused(shop.go("1", target).await, FAILED, "TRANSITION_AMBIGUOUS");
        assert_eq!(refusal.list("candidates"), ["resume", "resume_later"]);
    }
    assert_eq!(standing(&shop.get("1").await), ("paused", "waiting"));
    assert_eq!(
        go(&shop, "1", Target::Transition("resume_later".into()))
            .await
            .1,
        "busy"
    );
}

async fn a_kept_status_must_be_assigned_in_the_target(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let order = v1::Order {
        status: "flagged".into(),
        ..shop.draft("1", &[])
    };
    shop.create(order).await.unwrap();
    assert_eq!(
        go(&shop, "1", keep("work")).await,
        ("work".into(), "flagged".into())
    );
    refused(
        shop.go("1", keep("paused")).await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
    shop.comment("1", "for parts", "waiting").await.unwrap();
    assert_eq!(
        go(&shop, "1", keep("paused")).await,
        ("paused".into(), "waiting".into())
    );
    let both = v1::TransitionTarget {
        state: "work".into(),
        status: "busy".into(),
        keep_status: true,
    };
    invalid(shop.go("1", Target::To(both)).await, "to.keep_status");
    // Where statuses are not shared, no other state has the present one.
    let shop = world.shop("magento").await;
    shop.place("1", &[]).await;
    refused(
        shop.go("1", keep("processing")).await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
}

async fn a_loop_is_taken_only_where_it_is_declared(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    for _ in 0..3 {
        let looped = shop.take("1", "loop").await.unwrap();
        assert_eq!(standing(looped.order.as_ref().unwrap()), ("work", "busy"));
        assert!(!looped.entries[0].status_changed);
    }
    assert_eq!(shop.get("1").await.version, 5);
    let boss = v1::TransitionOrderRequest {
        actor: Some(person("eve", &["boss"])),
        ..shop.step("1", Target::Transition("approve".into()))
    };
    shop.orders().transition_order(boss.clone()).await.unwrap();
    refused(
        shop.orders().transition_order(boss).await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
}

async fn roles_are_asked_of_the_caller(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    let approve = |roles: &[&str]| v1::TransitionOrderRequest {
        actor: Some(v1::Actor {
            on_behalf_of: "ann".into(),
            ..person("eve", roles)
        }),
        ..shop.step("1", Target::Transition("approve".into()))
    };
    let refusal = refused(
        shop.orders().transition_order(approve(&["clerk"])).await,
        Code::PermissionDenied,
        "ROLE_REQUIRED",
    );
    assert_eq!(
        (refusal.particular("transition"), refusal.list("roles")),
        ("approve", vec!["auditor", "boss"])
    );
    refused(
        shop.take("1", "approve").await,
        Code::PermissionDenied,
        "ROLE_REQUIRED",
    );
    let approved = shop
        .orders()
        .transition_order(approve(&["clerk", "auditor"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        approved.entries[0].actor,
        approve(&["clerk", "auditor"]).actor
    );
}

async fn guards_see_the_request(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    let refusal = refused(shop.take("1", "wait").await, FAILED, "GUARD_REFUSED");
    assert_eq!(
        (
            refusal.particular("transition"),
            refusal.particular("guard")
        ),
        ("wait", "request.comment != \"\"")
    );
    let commented = v1::TransitionOrderRequest {
        comment: "for parts".into(),
        ..shop.step("1", to("work", "waiting"))
    };
    let waiting = shop
        .orders()
        .transition_order(commented)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            waiting.entries[0].comment.as_str(),
            waiting.entries[0].to_status.as_str()
        ),
        ("for parts", "waiting")
    );
    // A guard that cannot be evaluated refuses as well, and says why.
    let missing = v1::Transition {
        guard: "order.attributes['colour'] == 'red'".into(),
        ..waymark_tests::shop::transition("colour", &["work"], "paused")
    };
    shop.create_transition(missing).await.unwrap();
    let refusal = refused(shop.take("1", "colour").await, FAILED, "GUARD_REFUSED");
    assert!(!refusal.particular("failure").is_empty());
    shop.change_transition(
        v1::Transition {
            code: "colour".into(),
            guard: "request.metadata['key'] == 'value'".into(),
            ..Default::default()
        },
        &["guard"],
    )
    .await
    .unwrap();
    let step = shop.step("1", Target::Transition("colour".into()));
    let step = v1::TransitionOrderRequest {
        metadata: [("key".into(), "value".into())].into(),
        ..step
    };
    let taken = shop
        .orders()
        .transition_order(step)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(taken.entries[0].metadata["key"], "value");
}

async fn entry_guards_are_asked_on_every_way_in(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    for target in [
        Target::Transition("finish".into()),
        to("finish", ""),
        status("done"),
    ] {
        let refusal = refused(shop.go("1", target).await, FAILED, "ENTRY_GUARD_REFUSED");
        assert_eq!(refusal.particular("state"), "finish");
    }
    shop.record("1", "pay", &[]).await.unwrap();
    assert_eq!(
        standing(&shop.take("1", "finish").await.unwrap().order.unwrap()),
        ("finish", "done")
    );
    refused(shop.take("1", "finish").await, FAILED, "ORDER_TERMINAL");
}

async fn a_cascade_ends_at_its_limit(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let placed = shop.place("1", &[]).await;
    let refusal = refused(shop.take("1", "spin").await, FAILED, "CASCADE_LIMIT");
    assert_eq!(refusal.particular("limit"), "4");
    assert_eq!(shop.get("1").await, placed);
    assert_eq!(shop.entries("1").await.len(), 1);
}

async fn checks_come_in_their_order(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let step = |id: &str, expected_version| v1::TransitionOrderRequest {
        expected_version,
        ..shop.step(id, Target::Transition("pause".into()))
    };
    let go = async |id: &str, expected_version| {
        shop.orders()
            .transition_order(step(id, expected_version))
            .await
    };
    refused(go("1", 7).await, Code::NotFound, "ORDER_NOT_FOUND");
    shop.place("1", &[]).await;
    shop.hold("1", "").await.unwrap();
    let refusal = refused(go("1", 7).await, Code::Aborted, "VERSION_MISMATCH");
    assert_eq!(
        (
            refusal.particular("current"),
            refusal.particular("expected")
        ),
        ("2", "7")
    );
    let refusal = refused(go("1", 2).await, FAILED, "ORDER_HELD");
    assert_eq!(
        refusal.list("holds"),
        [shop.get("1").await.holds[0].id.as_str()]
    );
    shop.release("1", "").await.unwrap();
    refused(go("1", 3).await, FAILED, "TRANSITION_NOT_ALLOWED");
    invalid(go("1", -1).await, "expected_version");
}

async fn a_step_that_is_only_checked_writes_nothing(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let placed = shop.place("1", &[("a", "1")]).await;
    let begin = v1::TransitionOrderRequest {
        validate_only: true,
        request_id: "dry".into(),
        ..shop.step("1", Target::Transition("begin".into()))
    };
    let answer = shop
        .orders()
        .transition_order(begin.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(standing(answer.order.as_ref().unwrap()), ("work", "busy"));
    assert_eq!(
        (
            answer.entries.len(),
            answer.entries[0].sequence,
            answer.replayed
        ),
        (1, 2, false)
    );
    let again = shop
        .orders()
        .transition_order(begin.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(!again.replayed, "a check is not remembered");
    let shipment = v1::RecordOperationRequest {
        validate_only: true,
        ..shop.operation("1", "ship", &[])
    };
    assert_eq!(
        shop.orders()
            .record_operation(shipment)
            .await
            .unwrap()
            .into_inner()
            .order
            .unwrap()
            .lines[0]
            .quantity_shipped,
        "1"
    );
    let dry = v1::CreateOrderRequest {
        order: Some(shop.draft("2", &[])),
        validate_only: true,
        ..Default::default()
    };
    assert_eq!(
        shop.orders()
            .create_order(dry.clone())
            .await
            .unwrap()
            .into_inner()
            .order
            .unwrap()
            .version,
        1
    );
    refused(shop.find("2").await, Code::NotFound, "ORDER_NOT_FOUND");
    let taken = v1::CreateOrderRequest {
        order: Some(shop.draft("1", &[])),
        ..dry
    };
    refused(
        shop.orders().create_order(taken).await,
        Code::AlreadyExists,
        "ORDER_EXISTS",
    );
    assert_eq!(shop.get("1").await, placed);
    assert_eq!(shop.entries("1").await.len(), 1);
    // The id is still free for the real step, and a check answers what is remembered of it.
    let real = v1::TransitionOrderRequest {
        validate_only: false,
        ..begin.clone()
    };
    assert!(
        !shop
            .orders()
            .transition_order(real)
            .await
            .unwrap()
            .into_inner()
            .replayed
    );
    let replayed = shop.orders().transition_order(begin.clone()).await;
    assert!(replayed.unwrap().into_inner().replayed);
    let anew = v1::TransitionOrderRequest {
        request_id: String::new(),
        ..begin
    };
    refused(
        shop.orders().transition_order(anew).await,
        FAILED,
        "TRANSITION_NOT_ALLOWED",
    );
}
