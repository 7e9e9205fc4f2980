//! Texts, masks and documents: what is wrong with them is named.

use tonic::Code;
use waymark_proto::v1::{self, LintSeverity, WorkflowFormat};
use waymark_tests::{
    Backend, Refusal, World,
    refusal::invalid,
    refused,
    shop::{mask, standing},
};

use crate::{applying::apply, bench};

on_each_database!(
    a_control_character_is_named_with_its_place,
    a_way_from_anywhere_is_told,
    a_mask_in_camel_case_is_told_its_spelling,
    unknown_states_are_named_together,
    of_several_defaults_one_is_taken_and_told,
    a_status_in_three_states_is_refused,
);

/// F14.
async fn a_control_character_is_named_with_its_place(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    let text = "It came\u{b}late";
    let step = v1::RecordOperationRequest {
        comment: text.into(),
        ..shop.operation("1", "ship", &[])
    };
    for refusal in [
        invalid(shop.comment("1", text, "").await, "comment"),
        invalid(shop.send(step).await, "comment"),
    ] {
        let said = format!("{} {:?}", refusal.message, refusal.violations);
        assert!(said.contains("U+000B at character 8"), "{said}");
    }
    assert_eq!(shop.get("1").await.version, 1);
}

/// M1.
async fn a_way_from_anywhere_is_told(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let anywhere = "  lose: {label: Lose, to_state: a}\n";
    let request = v1::LintWorkflowRequest {
        document: format!("{}{anywhere}", bench::DOCUMENT),
        ..Default::default()
    };
    let answer = shop.workflows().lint_workflow(request).await.unwrap();
    let findings = answer.into_inner().findings;
    let told = findings.iter().any(|finding| {
        finding.severity() == LintSeverity::Info
            && finding.subject == "transition lose"
            && finding.message.contains("from anywhere")
    });
    assert!(told, "{findings:?}");
}

/// M2.
async fn a_mask_in_camel_case_is_told_its_spelling(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    for (path, meant) in [("storeView", "store_view"), ("grandTotal", "grand_total")] {
        let request = v1::UpdateOrderRequest {
            order: Some(shop.draft("1", &[])),
            update_mask: Some(mask(&[path])),
            ..Default::default()
        };
        let refusal = invalid(shop.orders().update_order(request).await, "update_mask");
        let said = format!("{} {:?}", refusal.message, refusal.violations);
        assert!(said.contains(meant), "{said}");
    }
}

/// A configuration of Magento 1 with these elements below `order`.
fn config(statuses: &str, states: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>
<config><global><sales><order>
<statuses>{statuses}</statuses>
<states>{states}</states>
</order></sales></global></config>"
    )
}

/// X2.
async fn unknown_states_are_named_together(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let codes = ["picking", "packing", "customs"];
    let status = |code| format!("<{code}><label>The {code}</label></{code}>");
    let state =
        |code| format!("<{code}><label>In {code}</label><statuses><{code}/></statuses></{code}>");
    let declared = codes.map(status).concat();
    let linked = codes.map(state).concat();
    let request = shop.document(
        &config(&declared, &linked),
        WorkflowFormat::MagentoConfigXml,
    );
    let before = shop.definition().await;
    let refusal = Refusal::of(&apply(&shop, request.clone()).await.unwrap_err());
    let said = format!(
        "{} {:?} {:?}",
        refusal.message, refusal.metadata, refusal.violations
    );
    for word in codes.iter().chain(&["create_states"]) {
        assert!(said.contains(*word), "{word}: {said}");
    }
    assert_eq!(shop.definition().await, before);

    let create = v1::ApplyWorkflowRequest {
        create_states: true,
        ..request
    };
    apply(&shop, create).await.unwrap();
    let processing = shop.state("processing").await;
    for code in codes {
        let state = shop.state(code).await;
        assert_eq!(
            (state.category(), state.holdable, state.terminal),
            (v1::StateCategory::Active, true, false),
            "{code}"
        );
        assert_eq!(
            (&state.operations, state.default_status.as_str()),
            (&processing.operations, code)
        );
    }
    // They are there for transitions that a shop declares.
    let pick = waymark_tests::shop::transition("pick", &["processing"], "picking");
    shop.create_transition(pick).await.unwrap();
    shop.place("1", &[("a", "1")]).await;
    shop.record("1", "invoice", &[]).await.unwrap();
    let picked = shop.take("1", "pick").await.unwrap().order.unwrap();
    assert_eq!(standing(&picked), ("picking", "picking"));
}

/// X3.
async fn of_several_defaults_one_is_taken_and_told(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let document = config(
        "<first_one><label>First</label></first_one><second_one><label>Second</label></second_one>",
        "<processing><statuses><first_one default=\"1\"/><second_one default=\"1\"/></statuses></processing>",
    );
    let request = shop.document(&document, WorkflowFormat::MagentoConfigXml);
    let applied = apply(&shop, request).await.unwrap();
    let told = applied
        .findings
        .iter()
        .any(|finding| finding.message.contains("second_one"));
    assert!(told, "{:?}", applied.findings);
    let state = shop.state("processing").await;
    let defaults: Vec<_> = state
        .assignments
        .iter()
        .filter(|assignment| assignment.is_default)
        .map(|assignment| assignment.status.as_str())
        .collect();
    assert_eq!(defaults, ["second_one"], "the last one counts");
    assert_eq!(state.default_status, "second_one");
}

/// X4.
async fn a_status_in_three_states_is_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await;
    let link = |state: &str| format!("<{state}><statuses><checked/></statuses></{state}>");
    let states: String = ["new", "processing", "complete"]
        .iter()
        .map(|state| link(state))
        .collect();
    let document = config("<checked><label>Checked</label></checked>", &states);
    let request = shop.document(&document, WorkflowFormat::MagentoConfigXml);
    let refusal = refused(
        apply(&shop, request).await,
        Code::FailedPrecondition,
        "STATUS_ASSIGNED_ELSEWHERE",
    );
    assert_eq!(refusal.particular("status"), "checked");
    assert!(
        ["new", "processing", "complete"].contains(&refusal.particular("state")),
        "{refusal:?}"
    );
    assert_eq!(shop.definition().await, before, "nothing is written");
    refused(
        shop.status("checked").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
}
