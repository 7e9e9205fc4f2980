//! Workflows and their parts: documents, statuses, assignments and transitions.

use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;
use waymark_proto::v1::{
    self, state_service_client::StateServiceClient, status_service_client::StatusServiceClient,
    transition_service_client::TransitionServiceClient,
    workflow_service_client::WorkflowServiceClient,
};

use crate::running::{Running, create, reason, start};

const SMALL: &str = "
workflow: small
label: Small
initial_state: open
statuses:
  fresh: {label: Fresh}
  seen: {label: Seen}
states:
  open: {label: Open, category: initial, can_start: true, statuses: [fresh, seen]}
  done: {label: Done, category: completed, terminal: true}
transitions:
  look: {label: Look, from_statuses: [fresh], to_state: open, to_status: seen}
";

const CONFIG: &str = "<config><global><sales><order><statuses>
    <seen_twice><label>Seen twice</label></seen_twice>
</statuses></order></sales></global></config>";

struct Clients {
    workflows: WorkflowServiceClient<Channel>,
    statuses: StatusServiceClient<Channel>,
    states: StateServiceClient<Channel>,
    transitions: TransitionServiceClient<Channel>,
}

async fn server() -> (tempfile::TempDir, Running, Clients) {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let channel = server.channel().await;
    let clients = Clients {
        workflows: WorkflowServiceClient::new(channel.clone()),
        statuses: StatusServiceClient::new(channel.clone()),
        states: StateServiceClient::new(channel.clone()),
        transitions: TransitionServiceClient::new(channel),
    };
    (directory, server, clients)
}

fn apply(document: &str) -> v1::ApplyWorkflowRequest {
    v1::ApplyWorkflowRequest {
        document: document.to_owned(),
        ..v1::ApplyWorkflowRequest::default()
    }
}

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
async fn a_document_is_applied_exported_and_taken_away() {
    let (_directory, server, Clients { mut workflows, .. }) = server().await;
    let first = workflows
        .apply_workflow(apply(SMALL))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.workflow.as_ref().unwrap().code, "small");
    assert!(!first.changes.is_empty());
    let rules: Vec<_> = first
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    assert!(rules.contains(&"state_without_status"), "{rules:?}");
    let again = workflows
        .apply_workflow(apply(SMALL))
        .await
        .unwrap()
        .into_inner();
    assert!(again.changes.is_empty());
    assert_eq!(again.workflow, first.workflow);

    let replaced = v1::ApplyWorkflowRequest {
        workflow: "small".to_owned(),
        format: v1::WorkflowFormat::MagentoConfigXml.into(),
        mode: v1::ApplyMode::Replace.into(),
        ..apply(CONFIG)
    };
    let refused = workflows.apply_workflow(replaced).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "MODE_REFUSED")
    );

    let renamed = SMALL.replace("label: Seen", "label: Looked at");
    let stale = v1::ApplyWorkflowRequest {
        etag: "v9".to_owned(),
        ..apply(&renamed)
    };
    let refused = workflows.apply_workflow(stale).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::Aborted, "VERSION_MISMATCH")
    );
    workflows.apply_workflow(apply(&renamed)).await.unwrap();
    let export = |version, format: v1::WorkflowFormat| v1::ExportWorkflowRequest {
        workflow: "small".to_owned(),
        version,
        format: format.into(),
    };
    let current = workflows
        .export_workflow(export(0, v1::WorkflowFormat::Yaml))
        .await
        .unwrap()
        .into_inner()
        .document;
    assert!(current.contains("Looked at"));
    let old = workflows
        .export_workflow(export(1, v1::WorkflowFormat::Json))
        .await
        .unwrap()
        .into_inner()
        .document;
    assert!(old.starts_with('{') && old.contains("Seen"));
    let refused = workflows
        .export_workflow(export(7, v1::WorkflowFormat::Yaml))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "WORKFLOW_VERSION_NOT_FOUND");

    let list = v1::ListWorkflowVersionsRequest {
        workflow: "small".to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let page = workflows
        .list_workflow_versions(list.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.versions[0].version, 2);
    let list = v1::ListWorkflowVersionsRequest {
        page_token: page.next_page_token,
        ..list
    };
    let page = workflows
        .list_workflow_versions(list)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (page.versions[0].version, page.next_page_token.as_str()),
        (1, "")
    );

    let delete = v1::DeleteWorkflowRequest {
        workflow: "small".to_owned(),
        request_id: "gone".to_owned(),
        ..Default::default()
    };
    let deleted = workflows
        .delete_workflow(delete.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(deleted.workflow.unwrap().version, 2);
    let again = workflows
        .delete_workflow(delete)
        .await
        .unwrap()
        .into_inner();
    assert!(again.replayed && again.workflow.is_some());
    let listed = workflows
        .list_workflows(v1::ListWorkflowsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        listed
            .workflows
            .iter()
            .map(|workflow| workflow.code.as_str())
            .collect::<Vec<_>>(),
        ["order"]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_document_is_refused_and_named() {
    let (_directory, server, Clients { mut workflows, .. }) = server().await;
    for (document, expected) in [
        ("workflow: [", "FIELD_INVALID"),
        (
            "workflow: x\nlabel: X\ninitial_state: a\nsurprise: 1\n",
            "FIELD_INVALID",
        ),
        (
            "workflow: x\nlabel: X\ninitial_state: nowhere\n",
            "WORKFLOW_INVALID",
        ),
    ] {
        let refused = workflows.apply_workflow(apply(document)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, expected),
            "{document}"
        );
        assert_eq!(
            refused.get_details_bad_request().unwrap().field_violations[0].field,
            "document"
        );
    }
    let rehearsal = v1::ApplyWorkflowRequest {
        validate_only: true,
        ..apply(SMALL)
    };
    let rehearsed = workflows
        .apply_workflow(rehearsal)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(rehearsed.workflow.unwrap().code, "small");
    let get = v1::GetWorkflowRequest {
        workflow: "small".to_owned(),
    };
    assert_eq!(
        reason(&workflows.get_workflow(get).await.unwrap_err()),
        "WORKFLOW_NOT_FOUND"
    );

    let lint = v1::LintWorkflowRequest {
        document: "workflow: x\nlabel: X\ninitial_state: nowhere\n".to_owned(),
        ..Default::default()
    };
    let findings = workflows
        .lint_workflow(lint)
        .await
        .unwrap()
        .into_inner()
        .findings;
    assert_eq!(findings[0].severity(), v1::LintSeverity::Error);
    let stored = workflows
        .lint_workflow(v1::LintWorkflowRequest::default())
        .await
        .unwrap()
        .into_inner()
        .findings;
    assert!(
        stored
            .iter()
            .all(|finding| finding.severity() != v1::LintSeverity::Error),
        "{stored:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_workflow_is_drawn_with_an_order_in_it() {
    let (_directory, server, Clients { mut workflows, .. }) = server().await;
    create(&mut server.orders().await, "1").await;
    for (format, beginning) in [
        (v1::DiagramFormat::Mermaid, "stateDiagram-v2"),
        (v1::DiagramFormat::Dot, "digraph"),
        (v1::DiagramFormat::Svg, "<svg"),
    ] {
        let plain = v1::DiagramWorkflowRequest {
            format: format.into(),
            ..Default::default()
        };
        let marked = v1::DiagramWorkflowRequest {
            order_id: "1".to_owned(),
            counts: true,
            ..plain.clone()
        };
        let plain = workflows
            .diagram_workflow(plain)
            .await
            .unwrap()
            .into_inner()
            .document;
        let marked = workflows
            .diagram_workflow(marked)
            .await
            .unwrap()
            .into_inner()
            .document;
        assert!(plain.contains(beginning), "{plain}");
        assert_ne!(plain, marked);
    }
    let nobody = v1::DiagramWorkflowRequest {
        order_id: "2".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        reason(&workflows.diagram_workflow(nobody).await.unwrap_err()),
        "ORDER_NOT_FOUND"
    );
    server.stop().await;
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
