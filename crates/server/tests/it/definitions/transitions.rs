//! Transitions.

use tonic::Code;
use tonic_types::StatusExt;
use waymark_proto::v1;

use super::{Clients, server};
use crate::running::reason;

#[tokio::test]
async fn a_transition_lives_from_creation_to_deletion() {
    let (
        _directory,
        server,
        Clients {
            mut transitions, ..
        },
    ) = server().await;
    let transition = |guard: &str| v1::Transition {
        code: "express".to_owned(),
        label: "Express".to_owned(),
        from_statuses: vec!["pending".to_owned()],
        to_state: "processing".to_owned(),
        guard: guard.to_owned(),
        ..v1::Transition::default()
    };
    let create = |guard| v1::CreateTransitionRequest {
        transition: Some(transition(guard)),
        ..Default::default()
    };
    let refused = transitions
        .create_transition(create("order.grand_total >"))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "FIELD_INVALID")
    );
    assert_eq!(
        refused.get_details_bad_request().unwrap().field_violations[0].field,
        "transition.guard"
    );
    let made = transitions
        .create_transition(create("order.grand_total > 0"))
        .await
        .unwrap()
        .into_inner()
        .transition
        .unwrap();
    let refused = transitions.create_transition(create("")).await.unwrap_err();
    assert_eq!(reason(&refused), "TRANSITION_EXISTS");

    let from = |status: &str| v1::ListTransitionsRequest {
        from_status: status.to_owned(),
        ..Default::default()
    };
    let codes = |listed: v1::ListTransitionsResponse| {
        listed
            .transitions
            .into_iter()
            .map(|t| t.code)
            .collect::<Vec<_>>()
    };
    let listed = codes(
        transitions
            .list_transitions(from("pending"))
            .await
            .unwrap()
            .into_inner(),
    );
    assert!(listed.contains(&"express".to_owned()));
    let listed = codes(
        transitions
            .list_transitions(from("complete"))
            .await
            .unwrap()
            .into_inner(),
    );
    assert!(!listed.contains(&"express".to_owned()));

    let stranger = v1::Transition {
        to_state: "nowhere".to_owned(),
        ..transition("")
    };
    let update = v1::UpdateTransitionRequest {
        transition: Some(stranger),
        ..Default::default()
    };
    assert_eq!(
        reason(&transitions.update_transition(update).await.unwrap_err()),
        "STATE_NOT_FOUND"
    );
    let renamed = v1::Transition {
        label: "Fast".to_owned(),
        etag: made.etag,
        ..transition("")
    };
    let update = v1::UpdateTransitionRequest {
        transition: Some(renamed),
        ..Default::default()
    };
    let updated = transitions
        .update_transition(update)
        .await
        .unwrap()
        .into_inner()
        .transition
        .unwrap();
    assert_eq!(
        (updated.label.as_str(), updated.guard.as_str()),
        ("Fast", "order.grand_total > 0")
    );
    let delete = v1::DeleteTransitionRequest {
        code: "express".to_owned(),
        ..Default::default()
    };
    transitions.delete_transition(delete).await.unwrap();
    let get = v1::GetTransitionRequest {
        code: "express".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        reason(&transitions.get_transition(get).await.unwrap_err()),
        "TRANSITION_NOT_FOUND"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_transition_may_take_back_what_was_recorded() {
    let (
        _directory,
        server,
        Clients {
            mut transitions, ..
        },
    ) = server().await;
    let reopen = |operation: &str| v1::Transition {
        code: "reopen".to_owned(),
        label: "Re-open".to_owned(),
        from_statuses: vec!["pending".to_owned()],
        to_state: "processing".to_owned(),
        operation: operation.to_owned(),
        reverse: true,
        ..v1::Transition::default()
    };
    // Without an operation, and with one that moves nothing, there is nothing to take back.
    for operation in ["", "edit"] {
        let create = v1::CreateTransitionRequest {
            transition: Some(reopen(operation)),
            ..Default::default()
        };
        let refused = transitions.create_transition(create).await.unwrap_err();
        assert_eq!(reason(&refused), "WORKFLOW_INVALID", "{operation}");
    }
    let create = v1::CreateTransitionRequest {
        transition: Some(reopen("cancel")),
        ..Default::default()
    };
    let made = transitions.create_transition(create).await.unwrap();
    let made = made.into_inner().transition.unwrap();
    assert_eq!((made.operation.as_str(), made.reverse), ("cancel", true));
    let update = v1::UpdateTransitionRequest {
        transition: Some(v1::Transition {
            notify_customer: true,
            ..reopen("")
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["notify_customer".to_owned()],
        }),
        ..Default::default()
    };
    let updated = transitions.update_transition(update).await.unwrap();
    let updated = updated.into_inner().transition.unwrap();
    assert!(updated.notify_customer && updated.reverse && !updated.visible_to_customer);
    server.stop().await;
}
