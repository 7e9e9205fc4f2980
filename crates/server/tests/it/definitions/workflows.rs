//! Whole workflows: their documents, their versions and their drawings.

use tonic::Code;
use tonic_types::StatusExt;
use waymark_proto::v1;

use super::{Clients, server};
use crate::running::{create, reason};

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

fn apply(document: &str) -> v1::ApplyWorkflowRequest {
    v1::ApplyWorkflowRequest {
        document: document.to_owned(),
        ..v1::ApplyWorkflowRequest::default()
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
