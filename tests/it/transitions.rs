//! Creating, reading, changing and deleting transitions. Which guards they may have is in `guards`.

use tonic::Code;
use waymark_proto::v1::{self, step_action::Work, trigger::Kind};
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    shop::{mask, standing, transition},
};

use crate::bench;

on_each_database!(
    a_transition_is_created_changed_and_deleted,
    transitions_are_listed,
    unknown_parts_are_named,
    actions_and_timers_are_kept,
    a_new_transition_works_at_once,
    wrong_fields_are_named,
);

fn delete(shop: &Shop, code: &str) -> v1::DeleteTransitionRequest {
    v1::DeleteTransitionRequest {
        workflow: shop.workflow(),
        code: code.into(),
        ..Default::default()
    }
}

async fn find(shop: &Shop, code: &str) -> Result<v1::Transition, tonic::Status> {
    let request = v1::GetTransitionRequest {
        workflow: shop.workflow(),
        code: code.into(),
    };
    shop.transitions()
        .get_transition(request)
        .await
        .map(|answer| answer.into_inner().transition.unwrap())
}

fn on_operations(operations: &[&str]) -> v1::Trigger {
    let operations = operations.iter().map(ToString::to_string).collect();
    v1::Trigger {
        kind: Some(Kind::OnOperations(v1::OperationTrigger { operations })),
    }
}

async fn a_transition_is_created_changed_and_deleted(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await.version;
    let wanted = v1::Transition {
        description: "Back to the start.".into(),
        from_statuses: vec!["processing".into()],
        to_status: "received".into(),
        guard: "order.total_due > 0".into(),
        operation: "pay".into(),
        roles: vec!["boss".into()],
        position: 3,
        trigger: Some(v1::Trigger {
            kind: Some(Kind::Manual(v1::ManualTrigger {})),
        }),
        ..transition("reopen", &["processing"], "new")
    };
    let created = shop.create_transition(wanted.clone()).await.unwrap();
    assert_eq!(
        v1::Transition {
            etag: String::new(),
            ..created.clone()
        },
        wanted
    );
    assert_eq!(find(&shop, "reopen").await.unwrap(), created);
    assert_eq!(shop.definition().await.version, before + 1);
    refused(
        shop.create_transition(wanted).await,
        Code::AlreadyExists,
        "TRANSITION_EXISTS",
    );

    let changed = v1::Transition {
        guard: String::new(),
        label: "Reopened".into(),
        position: 99,
        ..created.clone()
    };
    let changed = shop
        .change_transition(changed, &["guard", "label"])
        .await
        .unwrap();
    assert_eq!(
        (
            changed.guard.as_str(),
            changed.label.as_str(),
            changed.position
        ),
        ("", "Reopened", 3)
    );
    refused(
        shop.change_transition(created.clone(), &["label"]).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    let unset = v1::Transition {
        code: "reopen".into(),
        description: "Only this.".into(),
        ..Default::default()
    };
    let request = v1::UpdateTransitionRequest {
        workflow: shop.workflow(),
        transition: Some(unset),
        ..Default::default()
    };
    let merged = shop
        .transitions()
        .update_transition(request)
        .await
        .unwrap()
        .into_inner()
        .transition
        .unwrap();
    assert_eq!(
        (merged.description.as_str(), merged.label.as_str()),
        ("Only this.", "Reopened")
    );
    let any = v1::Transition {
        etag: String::new(),
        ..merged.clone()
    };
    invalid(
        shop.change_transition(any.clone(), &["code"]).await,
        "update_mask",
    );
    invalid(shop.change_transition(any, &["from"]).await, "update_mask");

    let stale = v1::DeleteTransitionRequest {
        etag: created.etag,
        ..delete(&shop, "reopen")
    };
    refused(
        shop.transitions().delete_transition(stale).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    let dry = v1::DeleteTransitionRequest {
        validate_only: true,
        ..delete(&shop, "reopen")
    };
    shop.transitions().delete_transition(dry).await.unwrap();
    let deleted = shop
        .transitions()
        .delete_transition(delete(&shop, "reopen"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(deleted.transition.unwrap(), merged);
    refused(
        shop.transitions()
            .delete_transition(delete(&shop, "reopen"))
            .await,
        Code::NotFound,
        "TRANSITION_NOT_FOUND",
    );
    refused(
        find(&shop, "reopen").await,
        Code::NotFound,
        "TRANSITION_NOT_FOUND",
    );
}

async fn transitions_are_listed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let list = async |from_status: &str, page_size, token: &str| {
        let request = v1::ListTransitionsRequest {
            workflow: shop.workflow(),
            from_status: from_status.into(),
            page_size,
            page_token: token.into(),
        };
        let answer = shop
            .transitions()
            .list_transitions(request)
            .await
            .map(tonic::Response::into_inner);
        answer.map(|page| {
            (
                page.transitions
                    .into_iter()
                    .map(|t| t.code)
                    .collect::<Vec<_>>(),
                page.next_page_token,
            )
        })
    };
    let all = [
        "all_canceled",
        "start_processing",
        "take_back",
        "close",
        "complete",
        "expire",
        "cancel",
        "accept_payment",
        "deny_payment",
        "flag_fraud",
    ];
    assert_eq!(list("", 0, "").await.unwrap().0, all);
    assert_eq!(
        list("fraud", 0, "").await.unwrap().0,
        ["accept_payment", "deny_payment", "flag_fraud"]
    );
    let (first, token) = list("", 5, "").await.unwrap();
    let (second, end) = list("", 5, &token).await.unwrap();
    assert_eq!([first, second].concat(), all);
    assert!(end.is_empty());
    refused(
        list("fraud", 5, &token).await,
        Code::InvalidArgument,
        "PAGE_TOKEN_INVALID",
    );
    refused(
        list("nothing", 0, "").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    // One that starts from anywhere starts from every status.
    shop.create_transition(transition("anywhere", &[], "canceled"))
        .await
        .unwrap();
    assert!(
        list("fraud", 0, "")
            .await
            .unwrap()
            .0
            .contains(&"anywhere".to_owned())
    );
}

async fn unknown_parts_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let create = async |wrong: v1::Transition| shop.create_transition(wrong).await;
    let good = || transition("t", &["new"], "complete");
    refused(
        create(transition("t", &["new"], "nowhere")).await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    refused(
        create(transition("t", &["nowhere"], "new")).await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    let status = v1::Transition {
        from_statuses: vec!["nothing".into()],
        ..good()
    };
    refused(create(status).await, Code::NotFound, "STATUS_NOT_FOUND");
    let status = v1::Transition {
        to_status: "nothing".into(),
        ..good()
    };
    refused(create(status).await, Code::NotFound, "STATUS_NOT_FOUND");
    let elsewhere = v1::Transition {
        to_status: "pending".into(),
        ..good()
    };
    let refusal = refused(
        create(elsewhere).await,
        Code::FailedPrecondition,
        "STATUS_NOT_IN_STATE",
    );
    assert_eq!(
        (refusal.particular("state"), refusal.particular("status")),
        ("complete", "pending")
    );
    let operation = v1::Transition {
        operation: "paint".into(),
        ..good()
    };
    refused(
        create(operation).await,
        Code::NotFound,
        "OPERATION_NOT_FOUND",
    );
    let trigger = v1::Transition {
        trigger: Some(on_operations(&["paint"])),
        ..good()
    };
    refused(create(trigger).await, Code::NotFound, "OPERATION_NOT_FOUND");
    // The held state is entered by holds and left by releases alone.
    for held in [
        transition("t", &["new"], "holded"),
        transition("t", &["holded"], "new"),
    ] {
        let refusal = refused(
            create(held).await,
            Code::InvalidArgument,
            "WORKFLOW_INVALID",
        );
        assert!(refusal.message.contains('t'), "{refusal:?}");
    }
    refused(
        find(&shop, "t").await,
        Code::NotFound,
        "TRANSITION_NOT_FOUND",
    );
}

async fn actions_and_timers_are_kept(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let duration = Some(prost_types::Duration {
        seconds: 60,
        nanos: 0,
    });
    let webhook = v1::StepAction {
        code: "tell".into(),
        work: Some(Work::Webhook(v1::WebhookWork {
            endpoint: "erp".into(),
        })),
        condition: "entry.status_changed".into(),
        ..Default::default()
    };
    let given = v1::Transition {
        trigger: Some(v1::Trigger {
            kind: Some(Kind::After(v1::AfterTrigger { duration })),
        }),
        actions: vec![webhook.clone()],
        ..transition("t", &["new"], "canceled")
    };
    shop.create_transition(given.clone()).await.unwrap();
    let kept = find(&shop, "t").await.unwrap();
    assert_eq!(kept.trigger, given.trigger);
    let kept = kept.actions.first().unwrap();
    assert_eq!((&kept.work, kept.active), (&webhook.work, Some(true)));
    let policy = kept.policy.as_ref().unwrap();
    assert_eq!((policy.attempts, policy.backoff.unwrap().seconds), (10, 5));
    let change = |action: v1::StepAction| v1::Transition {
        code: "t".into(),
        actions: vec![action],
        ..Default::default()
    };
    let unknown = v1::StepAction {
        work: Some(Work::Transition(v1::TransitionWork {
            transition: "nowhere".into(),
        })),
        ..webhook.clone()
    };
    let condition = v1::StepAction {
        condition: "entry.nothing == 1".into(),
        ..webhook.clone()
    };
    refused(
        shop.change_transition(change(unknown), &["actions"]).await,
        Code::NotFound,
        "TRANSITION_NOT_FOUND",
    );
    invalid(
        shop.change_transition(change(condition), &["actions"])
            .await,
        "transition.actions",
    );
    let wrong = v1::StepAction {
        work: None,
        ..webhook
    };
    invalid(
        shop.change_transition(change(wrong), &["actions"]).await,
        "transition.actions[0].work",
    );
}

async fn a_new_transition_works_at_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("a", "2")]).await;
    refused(
        shop.take("1", "shortcut").await,
        Code::NotFound,
        "TRANSITION_NOT_FOUND",
    );
    shop.create_transition(transition("shortcut", &["start"], "paused"))
        .await
        .unwrap();
    let moved = shop.take("1", "shortcut").await.unwrap();
    assert_eq!(
        standing(moved.order.as_ref().unwrap()),
        ("paused", "waiting")
    );
    assert_eq!(
        moved.entries[0].workflow_version,
        shop.definition().await.version
    );
    // The entry keeps its name when the transition goes.
    shop.transitions()
        .delete_transition(delete(&shop, "shortcut"))
        .await
        .unwrap();
    assert_eq!(shop.entries("1").await[1].transition, "shortcut");
    // An operation sets off the first by position, then code.
    let noted = |code: &str, position, to: &str| v1::Transition {
        trigger: Some(on_operations(&["note"])),
        position,
        ..transition(code, &["start"], to)
    };
    shop.create_transition(noted("b_first", 1, "work"))
        .await
        .unwrap();
    shop.create_transition(noted("a_second", 2, "paused"))
        .await
        .unwrap();
    shop.create_transition(noted("c_first", 1, "paused"))
        .await
        .unwrap();
    shop.place("2", &[]).await;
    let noted = shop.record("2", "note", &[]).await.unwrap();
    assert_eq!(noted.entries[1].transition, "b_first");
    assert_eq!(standing(&noted.order.unwrap()), ("work", "busy"));
    refused(
        shop.take("2", "c_first").await,
        Code::FailedPrecondition,
        "TRANSITION_NOT_ALLOWED",
    );
}

async fn wrong_fields_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let good = || transition("t", &["new"], "complete");
    for (wrong, field) in [
        (
            v1::Transition {
                code: "T".into(),
                ..good()
            },
            "transition.code",
        ),
        (
            v1::Transition {
                code: String::new(),
                ..good()
            },
            "transition.code",
        ),
        (
            v1::Transition {
                label: String::new(),
                ..good()
            },
            "transition.label",
        ),
        (
            v1::Transition {
                label: "l".repeat(129),
                ..good()
            },
            "transition.label",
        ),
        (
            v1::Transition {
                to_state: String::new(),
                ..good()
            },
            "transition.to_state",
        ),
        (
            v1::Transition {
                to_status: "Ä".into(),
                ..good()
            },
            "transition.to_status",
        ),
        (
            v1::Transition {
                from_states: vec!["new".into(), "a b".into()],
                ..good()
            },
            "transition.from_states[1]",
        ),
        (
            v1::Transition {
                from_statuses: vec![String::new()],
                ..good()
            },
            "transition.from_statuses[0]",
        ),
        (
            v1::Transition {
                roles: vec!["r".repeat(65)],
                ..good()
            },
            "transition.roles[0]",
        ),
        (
            v1::Transition {
                description: "d".repeat(4_097),
                ..good()
            },
            "transition.description",
        ),
        (
            v1::Transition {
                trigger: Some(on_operations(&[])),
                ..good()
            },
            "transition.trigger.on_operations.operations",
        ),
    ] {
        invalid(shop.create_transition(wrong).await, field);
    }
    let none = v1::CreateTransitionRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    invalid(
        shop.transitions().create_transition(none).await,
        "transition",
    );
    let mask_only = v1::UpdateTransitionRequest {
        workflow: shop.workflow(),
        update_mask: Some(mask(&["label"])),
        ..Default::default()
    };
    invalid(
        shop.transitions().update_transition(mask_only).await,
        "transition",
    );
}
