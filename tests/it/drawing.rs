//! Diagrams of workflows in three languages.

use tonic::Code;
use waymark_proto::v1::{self, DiagramFormat};
use waymark_tests::{Backend, Shop, World, refused};

on_each_database!(
    every_language_draws_every_state,
    orders_are_marked_and_counted,
    a_drawing_and_findings_follow_their_workflow,
);

/// Draws the workflow of a shop, perhaps with where an order stands, or how many stand where.
pub(crate) async fn draw(
    shop: &Shop,
    format: DiagramFormat,
    order_id: &str,
    counts: bool,
) -> Result<String, tonic::Status> {
    let request = v1::DiagramWorkflowRequest {
        workflow: shop.workflow(),
        format: format.into(),
        order_id: order_id.into(),
        counts,
    };
    shop.workflows()
        .diagram_workflow(request)
        .await
        .map(|answer| answer.into_inner().document)
}

async fn every_language_draws_every_state(backend: Backend) {
    let world = World::on(backend).await;
    for (preset, states) in [
        (
            "magento",
            ["new", "pending_payment", "processing", "closed"],
        ),
        ("modmore", ["draft", "processing", "completed", "cancelled"]),
    ] {
        let shop = world.shop(preset).await;
        let mermaid = draw(&shop, DiagramFormat::Unspecified, "", false)
            .await
            .unwrap();
        assert_eq!(
            mermaid,
            draw(&shop, DiagramFormat::Mermaid, "", false)
                .await
                .unwrap()
        );
        assert!(
            mermaid.contains("stateDiagram") || mermaid.contains("flowchart"),
            "{mermaid:.200}"
        );
        let dot = draw(&shop, DiagramFormat::Dot, "", false).await.unwrap();
        assert!(dot.contains("digraph") && dot.trim_end().ends_with('}'));
        let svg = draw(&shop, DiagramFormat::Svg, "", false).await.unwrap();
        assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"));
        for state in states {
            for document in [&mermaid, &dot] {
                assert!(document.contains(state), "{state} in {document}");
            }
            let label = shop.state(state).await.label;
            assert!(svg.contains(&label), "{label}");
        }
    }
    // Whatever a label says, it stays a label.
    let shop = world.shop("magento").await;
    let sly = v1::OrderStatus {
        code: "sly".into(),
        label: "</text><script>alert(1)</script>\"; --> [*]".into(),
        ..Default::default()
    };
    shop.create_status(sly).await.unwrap();
    shop.assign("new", "sly", None).await.unwrap();
    let svg = draw(&shop, DiagramFormat::Svg, "", false).await.unwrap();
    assert!(!svg.contains("<script>"));
}

async fn orders_are_marked_and_counted(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    for id in ["1", "2", "3"] {
        shop.place(id, &[("shirt", "1")]).await;
    }
    shop.record("1", "invoice", &[]).await.unwrap();
    for format in [
        DiagramFormat::Mermaid,
        DiagramFormat::Dot,
        DiagramFormat::Svg,
    ] {
        let plain = draw(&shop, format, "", false).await.unwrap();
        let (new, moved) = (
            draw(&shop, format, "2", false).await.unwrap(),
            draw(&shop, format, "1", false).await.unwrap(),
        );
        assert!(
            plain != new && new != moved,
            "{format:?} marks where an order stands"
        );
        let counted = draw(&shop, format, "", true).await.unwrap();
        assert_ne!(counted, plain);
        shop.place(&format!("more-{format:?}"), &[]).await;
        assert_ne!(
            draw(&shop, format, "", true).await.unwrap(),
            counted,
            "{format:?} counts orders"
        );
        refused(
            draw(&shop, format, "4", false).await,
            Code::NotFound,
            "ORDER_NOT_FOUND",
        );
    }
    let nowhere = Shop::new((*world).clone(), "no_such_workflow");
    refused(
        draw(&nowhere, DiagramFormat::Svg, "", false).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
}

/// Drawings and findings are kept, but only for the version that they are of.
async fn a_drawing_and_findings_follow_their_workflow(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let lint = async || {
        let request = v1::LintWorkflowRequest {
            workflow: shop.workflow(),
            ..Default::default()
        };
        let linted = shop.workflows().lint_workflow(request).await;
        linted.unwrap().into_inner().findings
    };
    let drawn = async || draw(&shop, DiagramFormat::Svg, "", false).await.unwrap();
    let (before, findings) = (drawn().await, lint().await);
    assert_eq!(
        (drawn().await, lint().await),
        (before.clone(), findings.clone())
    );
    let status = v1::OrderStatus {
        code: "fresh_one".into(),
        label: "A fresh one".into(),
        ..Default::default()
    };
    shop.create_status(status).await.unwrap();
    let after = lint().await;
    let is_new = |finding: &&v1::LintFinding| finding.subject.contains("fresh_one");
    assert!(after.iter().any(|finding| is_new(&finding)), "{after:?}");
    shop.assign("new", "fresh_one", None).await.unwrap();
    let changed = drawn().await;
    assert!(changed.contains("A fresh one") && !before.contains("A fresh one"));
    // Made again, it begins with the same number.
    let request = v1::DeleteWorkflowRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    shop.workflows().delete_workflow(request).await.unwrap();
    refused(
        draw(&shop, DiagramFormat::Svg, "", false).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    let document = waymark_tests::binary::preset("modmore");
    waymark_tests::world::apply(&world, &shop.workflow(), &document).await;
    let other = drawn().await;
    assert!(other != before && other != changed);
}
