//! Magento 1's `config.xml`, and what lint has to say about documents.

use tonic::Code;
use waymark_proto::v1::{self, ApplyMode, WorkflowFormat};
use waymark_tests::{Backend, World, binary, refused, shop::standing, world};

use crate::{
    applying::{apply, subjects},
    bench,
};

on_each_database!(a_magento_config_adds_statuses, lint_finds_what_is_odd);

/// As a module of Magento 1 declares a status and links it to a state.
const CONFIG: &str = r#"<?xml version="1.0"?>
<config>
    <modules><My_Module><version>1.0.0</version></My_Module></modules>
    <global>
        <models><mine><class>My_Module_Model</class></mine></models>
        <sales>
            <order>
                <!-- Statuses declaration -->
                <statuses>
                    <my_processing_status translate="label"><label>My Processing Status</label></my_processing_status>
                </statuses>
                <!-- Linking Status to a state -->
                <states>
                    <processing>
                        <statuses>
                            <my_processing_status />
                        </statuses>
                    </processing>
                </states>
            </order>
        </sales>
    </global>
</config>"#;

async fn a_magento_config_adds_statuses(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let xml = || shop.document(CONFIG, WorkflowFormat::MagentoConfigXml);
    let replace = v1::ApplyWorkflowRequest {
        mode: ApplyMode::Replace.into(),
        ..xml()
    };
    refused(
        apply(&shop, replace).await,
        Code::InvalidArgument,
        "MODE_REFUSED",
    )
    .names("mode");
    let applied = apply(&shop, xml()).await.unwrap();
    assert_eq!(
        subjects(&applied.changes),
        [
            "+status my_processing_status",
            "+assignment processing/my_processing_status"
        ]
    );
    assert_eq!(
        shop.status("my_processing_status").await.unwrap().label,
        "My Processing Status"
    );
    let state = shop.state("processing").await;
    assert_eq!(
        (state.default_status.as_str(), state.assignments.len()),
        ("processing", 2)
    );
    assert!(apply(&shop, xml()).await.unwrap().changes.is_empty());
    // The status is worn like any other.
    shop.place("100000001", &[("shirt", "2")]).await;
    shop.record("100000001", "invoice", &[("shirt", "1")])
        .await
        .unwrap();
    let moved = shop
        .comment(
            "100000001",
            "Changing state to Processing",
            "my_processing_status",
        )
        .await
        .unwrap();
    assert_eq!(
        standing(&moved.order.unwrap()),
        ("processing", "my_processing_status")
    );
    let order = shop
        .record("100000001", "ship", &[("shirt", "1")])
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(
        order.status, "my_processing_status",
        "automatic rules never touch the status inside a state"
    );
    // It is merged into a workflow that is there, and makes none.
    let nowhere = v1::ApplyWorkflowRequest {
        workflow: world::fresh_code(),
        ..xml()
    };
    refused(
        apply(&shop, nowhere).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
}

async fn lint_finds_what_is_odd(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let lint = async |workflow: &str, document: &str| {
        let request = v1::LintWorkflowRequest {
            workflow: workflow.into(),
            document: document.into(),
            ..Default::default()
        };
        shop.workflows()
            .lint_workflow(request)
            .await
            .map(|answer| answer.into_inner().findings)
    };
    let stored = lint(&shop.workflow(), "").await.unwrap();
    let rules: Vec<_> = stored
        .iter()
        .map(|finding| (finding.rule.as_str(), finding.subject.as_str()))
        .collect();
    assert!(
        rules.contains(&("guarded_automatic_cycle", "transition a_to_b")),
        "{rules:?}"
    );
    assert!(
        rules
            .iter()
            .any(|(rule, subject)| *rule == "ambiguous_target"
                && subject.starts_with("transition resume")),
        "{rules:?}"
    );
    assert!(stored.iter().all(
        |finding| finding.severity() != v1::LintSeverity::Error && !finding.message.is_empty()
    ));
    assert!(
        stored.is_sorted_by_key(|finding| finding.severity),
        "gravest first"
    );
    // A document alone, and as it would be on top of a stored workflow.
    let island = "states: {island: {label: Island, category: active, statuses: [stranded]}}\nstatuses: {stranded: {label: Stranded}}\n";
    refused(
        lint("", island).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    )
    .names("document");
    let broken = bench::DOCUMENT.replace("  parked: {label: Parked}\n", "");
    let errors = lint("", &broken).await.unwrap();
    assert_eq!(
        (errors[0].severity(), errors[0].rule.as_str()),
        (v1::LintSeverity::Error, "unknown_reference")
    );
    let unreachable = bench::DOCUMENT.replace(
        "  pause: {label: Pause, from_states: [work], to_state: paused}\n",
        "",
    );
    let found = lint(&shop.workflow(), &unreachable).await.unwrap();
    assert!(
        found
            .iter()
            .any(|f| f.rule == "unreachable_state" && f.subject == "state paused"),
        "{found:?}"
    );
    refused(
        lint("no_such_workflow", "").await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    assert_eq!(shop.definition().await.version, 1, "nothing is written");
    for preset in ["magento", "magento_2_4", "modmore"] {
        let findings = lint("", &binary::preset(preset)).await.unwrap();
        let grave: Vec<_> = findings
            .iter()
            .filter(|f| f.severity() == v1::LintSeverity::Error)
            .collect();
        assert!(grave.is_empty(), "{preset}: {grave:?}");
    }
}
