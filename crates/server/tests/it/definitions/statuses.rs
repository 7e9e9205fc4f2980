//! Statuses, and the states that they are assigned to.

use tonic::Code;
use tonic_types::StatusExt;
use waymark_proto::v1;

use super::{Clients, server};
use crate::running::{create, reason};

fn status(code: &str) -> v1::OrderStatus {
    v1::OrderStatus {
        code: code.to_owned(),
        label: "A label".to_owned(),
        ..v1::OrderStatus::default()
    }
}

fn create_status(code: &str, request_id: &str) -> v1::CreateStatusRequest {
    v1::CreateStatusRequest {
        status: Some(status(code)),
        request_id: request_id.to_owned(),
        ..v1::CreateStatusRequest::default()
    }
}

fn assign(state: &str, status: &str) -> v1::AssignStatusRequest {
    v1::AssignStatusRequest {
        state: state.to_owned(),
        status: status.to_owned(),
        ..Default::default()
    }
}

fn unassign(state: &str, status: &str) -> v1::UnassignStatusRequest {
    v1::UnassignStatusRequest {
        state: state.to_owned(),
        status: status.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_status_lives_from_creation_to_deletion() {
    let (_directory, server, Clients { mut statuses, .. }) = server().await;
    let made = statuses
        .create_status(create_status("packing", "r"))
        .await
        .unwrap()
        .into_inner();
    let again = statuses
        .create_status(create_status("packing", "r"))
        .await
        .unwrap()
        .into_inner();
    assert!(!made.replayed && again.replayed);
    assert_eq!(made.status, again.status);
    let refused = statuses
        .create_status(create_status("other", "r"))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    let refused = statuses
        .create_status(create_status("packing", ""))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::AlreadyExists, "STATUS_EXISTS")
    );

    let etag = made.status.unwrap().etag;
    let change = v1::OrderStatus {
        label: "Packing".to_owned(),
        etag: etag.clone(),
        ..status("packing")
    };
    let update = v1::UpdateStatusRequest {
        status: Some(change),
        ..Default::default()
    };
    let updated = statuses
        .update_status(update.clone())
        .await
        .unwrap()
        .into_inner()
        .status
        .unwrap();
    assert_eq!(updated.label, "Packing");
    assert_ne!(updated.etag, etag);
    let refused = statuses.update_status(update).await.unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), &info.metadata["current"]),
        ("VERSION_MISMATCH", &updated.etag)
    );

    let delete = v1::DeleteStatusRequest {
        code: "packing".to_owned(),
        ..Default::default()
    };
    let deleted = statuses
        .delete_status(delete.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(deleted.status.unwrap(), updated);
    assert_eq!(
        reason(&statuses.delete_status(delete).await.unwrap_err()),
        "STATUS_NOT_FOUND"
    );
    server.stop().await;
}

#[tokio::test]
async fn statuses_are_assigned_and_unassigned_by_the_rules() {
    let (
        _directory,
        server,
        Clients {
            mut statuses,
            mut states,
            ..
        },
    ) = server().await;
    create(&mut server.orders().await, "1").await;
    statuses
        .create_status(create_status("packing", ""))
        .await
        .unwrap();
    let assigned = states
        .assign_status(assign("processing", "packing"))
        .await
        .unwrap()
        .into_inner();
    assert!(!assigned.assignment.unwrap().is_default);
    let refused = states
        .assign_status(assign("new", "packing"))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "STATUS_ASSIGNED_ELSEWHERE")
    );
    assert_eq!(
        refused.get_details_error_info().unwrap().metadata["state"],
        "processing"
    );
    let first = v1::AssignStatusRequest {
        is_default: Some(true),
        ..assign("processing", "packing")
    };
    assert!(
        states
            .assign_status(first)
            .await
            .unwrap()
            .into_inner()
            .assignment
            .unwrap()
            .is_default
    );
    let no_default = v1::AssignStatusRequest {
        is_default: Some(false),
        ..assign("processing", "packing")
    };
    assert_eq!(
        reason(&states.assign_status(no_default).await.unwrap_err()),
        "DEFAULT_REQUIRED"
    );
    let retired = v1::OrderStatus {
        retired: true,
        ..status("packing")
    };
    let retire = v1::UpdateStatusRequest {
        status: Some(retired),
        ..Default::default()
    };
    assert_eq!(
        reason(&statuses.update_status(retire).await.unwrap_err()),
        "DEFAULT_REQUIRED"
    );

    let promoted = states
        .unassign_status(unassign("processing", "packing"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(promoted.promoted_default, "processing");
    let refused = states
        .unassign_status(unassign("processing", "packing"))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::NotFound, "ASSIGNMENT_NOT_FOUND")
    );
    let refused = states
        .unassign_status(unassign("processing", "processing"))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "LAST_STATUS_OF_STATE");
    let refused = states
        .unassign_status(unassign("new", "pending"))
        .await
        .unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "STATUS_IN_USE");
    assert_eq!(
        (
            info.metadata["count"].as_str(),
            info.metadata["orders"].as_str()
        ),
        ("1", "1")
    );
    server.stop().await;
}

#[tokio::test]
async fn states_and_assignments_are_listed_page_by_page() {
    let (
        _directory,
        server,
        Clients {
            mut states,
            mut statuses,
            ..
        },
    ) = server().await;
    let all = states
        .list_states(v1::ListStatesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .states;
    let mut request = v1::ListStatesRequest {
        page_size: 2,
        ..Default::default()
    };
    let mut paged = Vec::new();
    loop {
        let page = states
            .list_states(request.clone())
            .await
            .unwrap()
            .into_inner();
        paged.extend(page.states);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(paged, all);
    let new = all.iter().find(|state| state.code == "new").unwrap();
    let of_new = v1::ListAssignmentsRequest {
        state: "new".to_owned(),
        ..Default::default()
    };
    let of_new = states
        .list_assignments(of_new)
        .await
        .unwrap()
        .into_inner()
        .assignments;
    assert_eq!(of_new.len(), new.assignments.len());
    let in_new = v1::ListStatusesRequest {
        state: "new".to_owned(),
        ..Default::default()
    };
    let in_new = statuses
        .list_statuses(in_new)
        .await
        .unwrap()
        .into_inner()
        .statuses;
    assert_eq!(in_new.len(), of_new.len());
    let nowhere = v1::ListStatusesRequest {
        state: "nowhere".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        reason(&statuses.list_statuses(nowhere).await.unwrap_err()),
        "STATE_NOT_FOUND"
    );
    server.stop().await;
}
