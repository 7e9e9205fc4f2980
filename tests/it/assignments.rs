//! The table of the contract about assigning statuses to states, row by row.

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{Backend, Shop, World, refused, shop::standing, world};

use crate::bench;

on_each_database!(
    unknown_parts_are_named,
    retired_statuses_are_not_assigned,
    exclusive_statuses_sit_in_one_state,
    shared_statuses_sit_in_several,
    flags_that_are_not_given_stay,
    the_first_status_becomes_the_default,
    a_new_default_replaces_the_old_one,
    a_default_is_not_given_up,
    pairs_that_do_not_exist_are_not_unassigned,
    the_last_status_stays,
    pairs_that_orders_use_stay,
    the_next_status_is_promoted,
    assignments_are_listed,
    nothing_is_written_when_it_is_only_checked,
);

const FAILED: Code = Code::FailedPrecondition;

/// The statuses of a state, the default marked.
async fn statuses(shop: &Shop, state: &str) -> Vec<String> {
    let state = shop.state(state).await;
    let defaults: Vec<_> = state
        .assignments
        .iter()
        .filter(|a| a.is_default)
        .map(|a| a.status.clone())
        .collect();
    assert_eq!(
        defaults,
        [state.default_status],
        "one default, and the state names it"
    );
    let mark =
        |a: &v1::StatusAssignment| format!("{}{}", a.status, if a.is_default { "*" } else { "" });
    state.assignments.iter().map(mark).collect()
}

async fn unknown_parts_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let refusal = refused(
        shop.assign("nowhere", "pending", None).await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    assert_eq!(refusal.particular("state"), "nowhere");
    let refusal = refused(
        shop.assign("new", "nothing", None).await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    assert_eq!(refusal.particular("status"), "nothing");
    refused(
        shop.unassign("nowhere", "pending").await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    refused(
        shop.unassign("new", "nothing").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    for (state, status, reason, message) in [
        (
            "procesing",
            "pending",
            "STATE_NOT_FOUND",
            "there is no state procesing; did you mean processing?",
        ),
        (
            "pending",
            "pending",
            "STATE_NOT_FOUND",
            "there is no state pending; pending is a status",
        ),
        (
            "new",
            "pendnig",
            "STATUS_NOT_FOUND",
            "there is no status pendnig; did you mean pending?",
        ),
        (
            "new",
            "new",
            "STATUS_NOT_FOUND",
            "there is no status new; new is a state",
        ),
    ] {
        let answer = shop.assign(state, status, None).await;
        assert_eq!(refused(answer, Code::NotFound, reason).message, message);
    }
    let misspelled = Shop::new((*world).clone(), &format!("{}x", shop.workflow()));
    for refusal in [
        refused(
            misspelled.assign("new", "pending", None).await.map(|_| ()),
            Code::NotFound,
            "WORKFLOW_NOT_FOUND",
        ),
        refused(
            misspelled.find("1").await.map(|_| ()),
            Code::NotFound,
            "WORKFLOW_NOT_FOUND",
        ),
        refused(
            misspelled.record("1", "ship", &[]).await.map(|_| ()),
            Code::NotFound,
            "WORKFLOW_NOT_FOUND",
        ),
    ] {
        assert!(refusal.message.contains("; did you mean "), "{refusal:?}");
    }
    let elsewhere = Shop::new((*world).clone(), "no_such_workflow");
    refused(
        elsewhere.assign("new", "pending", None).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
}

async fn retired_statuses_are_not_assigned(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let status = v1::OrderStatus {
        code: "gone".into(),
        label: "Gone".into(),
        retired: true,
        ..Default::default()
    };
    shop.create_status(status).await.unwrap();
    let refusal = refused(
        shop.assign("new", "gone", None).await,
        FAILED,
        "STATUS_RETIRED",
    );
    assert_eq!(refusal.particular("status"), "gone");
    assert_eq!(statuses(&shop, "new").await, ["pending*", "received"]);
}

async fn exclusive_statuses_sit_in_one_state(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let refusal = refused(
        shop.assign("processing", "pending", None).await,
        FAILED,
        "STATUS_ASSIGNED_ELSEWHERE",
    );
    assert_eq!(refusal.particular("state"), "new");
}

async fn shared_statuses_sit_in_several(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento_2_4").await;
    let assigned = shop.assign("new", "fraud", None).await.unwrap();
    assert_eq!(
        (assigned.state.as_str(), assigned.is_default),
        ("new", false)
    );
    assert_eq!(
        statuses(&shop, "payment_review").await,
        ["fraud", "payment_review*"]
    );
}

async fn flags_that_are_not_given_stay(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await.version;
    let new = shop
        .assign("complete", "paypal_reversed", None)
        .await
        .unwrap();
    assert!(
        !new.is_default && !new.visible_on_storefront,
        "flags of a new assignment are false"
    );
    let flags = |is_default, visible_on_storefront| v1::AssignStatusRequest {
        workflow: shop.workflow(),
        state: "complete".into(),
        status: "paypal_reversed".into(),
        is_default,
        visible_on_storefront,
        ..Default::default()
    };
    let assign = async |request| {
        shop.states()
            .assign_status(request)
            .await
            .unwrap()
            .into_inner()
            .assignment
            .unwrap()
    };
    let seen = assign(flags(None, Some(true))).await;
    assert!(!seen.is_default && seen.visible_on_storefront);
    let default = assign(flags(Some(true), None)).await;
    assert!(
        default.is_default && default.visible_on_storefront,
        "the flag that was not given is kept"
    );
    let hidden = assign(flags(None, Some(false))).await;
    assert!(hidden.is_default && !hidden.visible_on_storefront);
    let after = shop.definition().await.version;
    assert_eq!(after, before + 4, "each change is a version");
    assign(flags(None, None)).await;
    assert_eq!(
        shop.definition().await.version,
        after,
        "no change is no version"
    );
}

async fn the_first_status_becomes_the_default(backend: Backend) {
    let world = World::on(backend).await;
    let bare = "workflow: bare\nlabel: Bare\ninitial_state: new\nstates:\n  new: {label: New, category: initial, can_start: true, statuses: [zero]}\n  old: {label: Old, category: active}\nstatuses:\n  zero: {label: Zero}\n  one: {label: One}\n  two: {label: Two}\ntransitions:\n  age: {label: Age, from_states: [new], to_state: old}\n";
    let shop = world::apply(&world, &world::fresh_code(), bare).await;
    assert_eq!(shop.state("old").await.default_status, "");
    shop.place("1", &[]).await;
    refused(shop.take("1", "age").await, FAILED, "STATUS_NOT_IN_STATE");
    assert!(
        shop.assign("old", "two", Some(false))
            .await
            .unwrap()
            .is_default,
        "whatever the flag says"
    );
    assert!(!shop.assign("old", "one", None).await.unwrap().is_default);
    assert_eq!(
        standing(&shop.take("1", "age").await.unwrap().order.unwrap()),
        ("old", "two")
    );
    assert_eq!(shop.state("old").await.display_label, "Two");
}

async fn a_new_default_replaces_the_old_one(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("before", &[]).await;
    assert!(
        shop.assign("new", "received", Some(true))
            .await
            .unwrap()
            .is_default
    );
    assert_eq!(statuses(&shop, "new").await, ["pending", "received*"]);
    assert_eq!(
        standing(&shop.get("before").await),
        ("new", "pending"),
        "orders stay where they are"
    );
    assert_eq!(
        standing(&shop.place("after", &[]).await),
        ("new", "received")
    );
    assert_eq!(shop.state("new").await.display_label, "Received");
}

async fn a_default_is_not_given_up(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let refusal = refused(
        shop.assign("new", "pending", Some(false)).await,
        FAILED,
        "DEFAULT_REQUIRED",
    );
    assert_eq!(refusal.particular("status"), "pending");
    assert_eq!(statuses(&shop, "new").await, ["pending*", "received"]);
    assert!(
        !shop
            .assign("new", "received", Some(false))
            .await
            .unwrap()
            .is_default,
        "it was none"
    );
}

async fn pairs_that_do_not_exist_are_not_unassigned(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let refusal = refused(
        shop.unassign("complete", "pending").await,
        Code::NotFound,
        "ASSIGNMENT_NOT_FOUND",
    );
    assert_eq!(
        (refusal.particular("state"), refusal.particular("status")),
        ("complete", "pending")
    );
}

async fn the_last_status_stays(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let refusal = refused(
        shop.unassign("complete", "complete").await,
        FAILED,
        "LAST_STATUS_OF_STATE",
    );
    assert_eq!(
        (refusal.particular("state"), refusal.particular("status")),
        ("complete", "complete")
    );
    assert_eq!(statuses(&shop, "complete").await, ["complete*"]);
}

async fn pairs_that_orders_use_stay(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    for number in 0..12 {
        shop.place(&format!("o{number:02}"), &[]).await;
    }
    shop.assign("new", "received", Some(true)).await.unwrap();
    let refusal = refused(
        shop.unassign("new", "pending").await,
        FAILED,
        "STATUS_IN_USE",
    );
    assert_eq!(refusal.particular("count"), "12");
    let named = refusal.list("orders");
    assert_eq!(named.len(), 10);
    assert!(named.iter().all(|id| id.starts_with('o')), "{named:?}");

    // An order that will return to the pair counts as well.
    let order = v1::Order {
        status: "received".into(),
        ..shop.draft("held", &[])
    };
    shop.create(order).await.unwrap();
    shop.hold("held", "").await.unwrap();
    shop.assign("new", "pending", Some(true)).await.unwrap();
    let refusal = refused(
        shop.unassign("new", "received").await,
        FAILED,
        "STATUS_IN_USE",
    );
    assert_eq!(
        (refusal.particular("count"), refusal.list("orders")),
        ("1", vec!["held"])
    );
    shop.release("held", "").await.unwrap();
    shop.comment("held", "go on", "pending").await.unwrap();
    assert_eq!(
        shop.unassign("new", "received").await.unwrap(),
        "",
        "the default did not change"
    );
    assert_eq!(statuses(&shop, "new").await, ["pending*"]);
}

async fn the_next_status_is_promoted(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let status = |code: &str, position| v1::OrderStatus {
        code: code.into(),
        label: "Same".into(),
        position,
        ..Default::default()
    };
    for (code, position) in [("late", 900), ("early_b", 5), ("early_a", 5)] {
        shop.create_status(status(code, position)).await.unwrap();
        shop.assign("new", code, None).await.unwrap();
    }
    assert_eq!(
        shop.unassign("new", "pending").await.unwrap(),
        "early_a",
        "by position, then code"
    );
    assert_eq!(
        statuses(&shop, "new").await,
        ["early_a*", "early_b", "received", "late"]
    );
    assert_eq!(shop.unassign("new", "late").await.unwrap(), "");
    assert_eq!(shop.unassign("new", "early_a").await.unwrap(), "early_b");
}

async fn assignments_are_listed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let list = async |state: &str, status: &str| {
        let request = v1::ListAssignmentsRequest {
            workflow: shop.workflow(),
            state: state.into(),
            status: status.into(),
            ..Default::default()
        };
        let answer = shop.states().list_assignments(request).await;
        answer.map(|answer| {
            answer
                .into_inner()
                .assignments
                .into_iter()
                .map(|a| format!("{}/{}", a.state, a.status))
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        list("work", "").await.unwrap(),
        ["work/flagged", "work/busy", "work/waiting"]
    );
    assert_eq!(
        list("", "flagged").await.unwrap(),
        ["start/flagged", "work/flagged"]
    );
    assert_eq!(list("work", "flagged").await.unwrap(), ["work/flagged"]);
    assert_eq!(list("", "").await.unwrap().len(), 12);
    refused(list("nowhere", "").await, Code::NotFound, "STATE_NOT_FOUND");
    refused(
        list("", "nothing").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
}

async fn nothing_is_written_when_it_is_only_checked(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await;
    let unassign = v1::UnassignStatusRequest {
        workflow: shop.workflow(),
        state: "new".into(),
        status: "pending".into(),
        validate_only: true,
        ..Default::default()
    };
    let answer = shop
        .states()
        .unassign_status(unassign.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.promoted_default, "received");
    let assign = v1::AssignStatusRequest {
        workflow: shop.workflow(),
        state: "new".into(),
        status: "received".into(),
        is_default: Some(true),
        validate_only: true,
        ..Default::default()
    };
    assert!(
        shop.states()
            .assign_status(assign)
            .await
            .unwrap()
            .into_inner()
            .assignment
            .unwrap()
            .is_default
    );
    assert_eq!(shop.definition().await, before);
    assert_eq!(statuses(&shop, "new").await, ["pending*", "received"]);
    let last = v1::UnassignStatusRequest {
        state: "closed".into(),
        status: "closed".into(),
        ..unassign
    };
    refused(
        shop.states().unassign_status(last).await,
        FAILED,
        "LAST_STATUS_OF_STATE",
    );

    let stale = v1::AssignStatusRequest {
        workflow: shop.workflow(),
        state: "new".into(),
        status: "received".into(),
        etag: "stale".into(),
        ..Default::default()
    };
    let refusal = refused(
        shop.states().assign_status(stale).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    assert_eq!(refusal.particular("current"), before.etag);
}
