//! Workflows as documents: apply, export, lint, versions, delete, and Magento 1's `config.xml`.

use tonic::Code;
use waymark_proto::v1::{self, ApplyMode, ChangeKind, WorkflowFormat};
use waymark_tests::{Backend, Shop, World, binary, refused, world};

use crate::bench;

on_each_database!(
    a_second_apply_changes_nothing,
    an_export_is_applied_elsewhere_without_loss,
    changes_are_told_and_kept_as_versions,
    parts_that_are_not_named_go_or_stay,
    what_orders_use_is_not_removed,
    an_apply_is_checked_only_and_bound_to_an_etag,
    a_workflow_without_orders_is_deleted,
    the_code_comes_from_the_request_or_the_document,
);

/// Applies a document.
pub(crate) async fn apply(
    shop: &Shop,
    request: v1::ApplyWorkflowRequest,
) -> Result<v1::ApplyWorkflowResponse, tonic::Status> {
    shop.workflows()
        .apply_workflow(request)
        .await
        .map(tonic::Response::into_inner)
}

fn yaml(shop: &Shop, document: &str) -> v1::ApplyWorkflowRequest {
    shop.document(document, WorkflowFormat::Yaml)
}

/// What changed, in short: `+` added, `~` changed, `-` removed, and what.
pub(crate) fn subjects(changes: &[v1::WorkflowChange]) -> Vec<String> {
    let kind = |change: &v1::WorkflowChange| match change.kind() {
        ChangeKind::Added => '+',
        ChangeKind::Changed => '~',
        ChangeKind::Removed => '-',
        ChangeKind::Unspecified => '?',
    };
    changes
        .iter()
        .map(|change| format!("{}{}", kind(change), change.subject))
        .collect()
}

async fn a_second_apply_changes_nothing(backend: Backend) {
    let world = World::on(backend).await;
    for preset in ["magento", "magento_2_4", "modmore"] {
        let shop = world.shop(preset).await;
        let before = shop.definition().await;
        assert_eq!(before.version, 1, "{preset}");
        let again = apply(&shop, yaml(&shop, &binary::preset(preset)))
            .await
            .unwrap();
        assert!(again.changes.is_empty(), "{preset}: {:?}", again.changes);
        assert_eq!(again.workflow, Some(before.clone()));
        for format in [WorkflowFormat::Yaml, WorkflowFormat::Json] {
            let own = shop.export(format).await;
            let again = apply(&shop, shop.document(&own, format)).await.unwrap();
            assert!(again.changes.is_empty(), "{preset}: {:?}", again.changes);
        }
        assert_eq!(shop.definition().await, before);
    }
}

async fn an_export_is_applied_elsewhere_without_loss(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let odd = v1::OrderStatus {
        code: "odd".into(),
        label: "Yes: \"no\" # - {null}\u{1F642}".into(),
        description: "First line\n  second, indented\n\nlast".into(),
        color: "#00ff00".into(),
        retired: true,
        position: -5,
        store_view_labels: [
            ("view_1".to_owned(), "~".to_owned()),
            ("0".to_owned(), "on".to_owned()),
        ]
        .into(),
        ..Default::default()
    };
    shop.create_status(odd).await.unwrap();
    shop.assign("start", "flagged", Some(true)).await.unwrap();
    let by_operation = v1::Transition {
        trigger: Some(v1::Trigger {
            kind: Some(v1::trigger::Kind::OnOperations(v1::OperationTrigger {
                operations: vec!["pay".into(), "ship".into()],
            })),
        }),
        operation: "note".into(),
        visible_to_customer: true,
        notify_customer: true,
        roles: vec!["a-b:c".into()],
        guard: "order.id == 'x' ||\n  order.attributes['y'] == \"z\"".into(),
        description: "d".into(),
        position: i32::MAX,
        ..waymark_tests::shop::transition("odd", &["start", "work"], "paused")
    };
    shop.create_transition(by_operation).await.unwrap();
    for format in [WorkflowFormat::Yaml, WorkflowFormat::Json] {
        let document = shop.export(format).await;
        let other = Shop::new((*world).clone(), &world::fresh_code());
        apply(&other, other.document(&document, format))
            .await
            .unwrap();
        for again in [WorkflowFormat::Yaml, WorkflowFormat::Json] {
            let (ours, theirs) = (shop.export(again).await, other.export(again).await);
            assert_eq!(
                ours.replacen(&shop.workflow(), "X", 1),
                theirs.replacen(&other.workflow(), "X", 1)
            );
        }
        let strip = |status: v1::OrderStatus| v1::OrderStatus {
            etag: String::new(),
            create_time: None,
            update_time: None,
            ..status
        };
        assert_eq!(
            strip(shop.status("odd").await.unwrap()),
            strip(other.status("odd").await.unwrap())
        );
        assert_eq!(shop.state("start").await, other.state("start").await);
    }
}

async fn changes_are_told_and_kept_as_versions(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let first = shop.export(WorkflowFormat::Yaml).await;
    let changed = bench::DOCUMENT
        .replace("label: Bench", "label: Workbench")
        .replace(
            "  loop: {label: Loop, from_statuses: [busy], to_state: work, to_status: busy}\n",
            "",
        )
        .replace(
            "  lost: {label: Lost}",
            "  lost: {label: Lost and found}\n  found: {label: Found}",
        );
    let request = v1::ApplyWorkflowRequest {
        actor: Some(waymark_tests::shop::person("ann", &[])),
        ..yaml(&shop, &changed)
    };
    let applied = apply(&shop, request).await.unwrap();
    let mut told = subjects(&applied.changes);
    told.sort();
    let expected = [
        "+status found",
        "-transition loop",
        "~status lost",
        "~workflow",
    ];
    assert!(
        expected
            .iter()
            .all(|subject| told.contains(&(*subject).to_owned())),
        "{told:?}"
    );
    let lost = applied
        .changes
        .iter()
        .find(|change| change.subject == "status lost")
        .unwrap();
    assert!(
        lost.before.contains("Lost") && lost.after.contains("Lost and found"),
        "{lost:?}"
    );
    assert_eq!(applied.workflow.unwrap().version, 2);

    let request = v1::ListWorkflowVersionsRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    let versions = shop
        .workflows()
        .list_workflow_versions(request.clone())
        .await
        .unwrap()
        .into_inner()
        .versions;
    assert_eq!(
        versions
            .iter()
            .map(|version| version.version)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(versions[0].changes, applied.changes);
    assert_eq!(versions[0].actor.as_ref().unwrap().id, "ann");
    assert!(
        versions[1]
            .changes
            .iter()
            .all(|change| change.kind() == ChangeKind::Added)
    );
    let one = v1::ListWorkflowVersionsRequest {
        page_size: 1,
        ..request
    };
    let page = shop
        .workflows()
        .list_workflow_versions(one.clone())
        .await
        .unwrap()
        .into_inner();
    let next = v1::ListWorkflowVersionsRequest {
        page_token: page.next_page_token,
        ..one
    };
    let next = shop
        .workflows()
        .list_workflow_versions(next)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (next.versions[0].version, next.next_page_token.as_str()),
        (1, "")
    );

    let old = v1::ExportWorkflowRequest {
        workflow: shop.workflow(),
        version: 1,
        ..Default::default()
    };
    assert_eq!(
        shop.workflows()
            .export_workflow(old.clone())
            .await
            .unwrap()
            .into_inner()
            .document,
        first
    );
    let never = v1::ExportWorkflowRequest { version: 3, ..old };
    refused(
        shop.workflows().export_workflow(never).await,
        Code::NotFound,
        "WORKFLOW_VERSION_NOT_FOUND",
    );
}

async fn parts_that_are_not_named_go_or_stay(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let part = "statuses:\n  busy: {label: Very busy}\n  new_one: {label: New one}\n";
    let merge = v1::ApplyWorkflowRequest {
        mode: ApplyMode::Merge.into(),
        ..yaml(&shop, part)
    };
    let merged = apply(&shop, merge.clone()).await.unwrap();
    assert_eq!(
        subjects(&merged.changes),
        ["~status busy", "+status new_one"]
    );
    assert_eq!(
        shop.status("busy").await.unwrap().store_view_labels["german"],
        "In Arbeit",
        "fields that are not given stay"
    );
    assert!(apply(&shop, merge).await.unwrap().changes.is_empty());
    let replaced = apply(&shop, yaml(&shop, bench::DOCUMENT)).await.unwrap();
    assert!(
        subjects(&replaced.changes).contains(&"-status new_one".to_owned()),
        "{:?}",
        replaced.changes
    );
    refused(
        shop.status("new_one").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
}

async fn what_orders_use_is_not_removed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    shop.comment("1", "for parts", "waiting").await.unwrap();
    shop.hold("1", "").await.unwrap();
    let before = shop.definition().await;
    let unassigned = bench::DOCUMENT.replace("flagged, {status: waiting, visible_on_storefront: false}]", "flagged]").replace("  wait: {label: Wait, from_states: [work], to_state: work, to_status: waiting, guard: request.comment != \"\"}\n", "");
    let refusal = refused(
        apply(&shop, yaml(&shop, &unassigned)).await,
        Code::FailedPrecondition,
        "STATUS_IN_USE",
    );
    assert_eq!(
        (refusal.particular("state"), refusal.particular("status")),
        ("work", "waiting")
    );
    assert_eq!(
        (refusal.particular("count"), refusal.list("orders")),
        ("1", vec!["1"]),
        "an order that will return counts"
    );
    let advice = "the document leaves it out (name it, or use mode MERGE)";
    assert!(refusal.message.contains(advice), "{refusal:?}");
    let bare = "label: Bare\ninitial_state: start\nstatuses: {fresh: {label: Fresh}}\nstates: {start: {label: Start, category: initial, can_start: true, statuses: [fresh]}}\n";
    let refusal = refused(
        apply(&shop, yaml(&shop, bare)).await,
        Code::FailedPrecondition,
        "STATUS_IN_USE",
    );
    assert!(
        ["held", "work"].contains(&refusal.particular("state")),
        "{refusal:?}"
    );
    assert_eq!(shop.definition().await, before);

    shop.release("1", "").await.unwrap();
    shop.comment("1", "", "busy").await.unwrap();
    let refusal = refused(
        apply(&shop, yaml(&shop, bare)).await,
        Code::FailedPrecondition,
        "STATUS_IN_USE",
    );
    assert_eq!(
        (refusal.particular("state"), refusal.particular("status")),
        ("work", "busy")
    );
    apply(&shop, yaml(&shop, &unassigned)).await.unwrap();
}

async fn an_apply_is_checked_only_and_bound_to_an_etag(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let before = shop.definition().await;
    let changed = bench::DOCUMENT.replace("label: Bench", "label: Workbench");
    let dry = v1::ApplyWorkflowRequest {
        validate_only: true,
        ..yaml(&shop, &changed)
    };
    let told = apply(&shop, dry).await.unwrap();
    assert_eq!(
        (subjects(&told.changes), told.workflow.unwrap().version),
        (vec!["~workflow".to_owned()], 2)
    );
    assert_eq!(shop.definition().await, before);
    let stale = v1::ApplyWorkflowRequest {
        etag: "stale".into(),
        ..yaml(&shop, &changed)
    };
    let refusal = refused(apply(&shop, stale).await, Code::Aborted, "VERSION_MISMATCH");
    assert_eq!(refusal.particular("current"), before.etag);
    let current = v1::ApplyWorkflowRequest {
        etag: before.etag.clone(),
        ..yaml(&shop, &changed)
    };
    let after = apply(&shop, current).await.unwrap().workflow.unwrap();
    assert_ne!(after.etag, before.etag);
    assert_eq!(
        (after.create_time, after.label.as_str()),
        (before.create_time, "Workbench")
    );
}

async fn a_workflow_without_orders_is_deleted(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let delete = || v1::DeleteWorkflowRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    let remove = async |request| {
        shop.workflows()
            .delete_workflow(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let before = shop.definition().await;
    remove(v1::DeleteWorkflowRequest {
        validate_only: true,
        ..delete()
    })
    .await
    .unwrap();
    refused(
        remove(v1::DeleteWorkflowRequest {
            etag: "stale".into(),
            ..delete()
        })
        .await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    let once = v1::DeleteWorkflowRequest {
        request_id: "once".into(),
        ..delete()
    };
    assert_eq!(remove(once.clone()).await.unwrap().workflow, Some(before));
    assert!(remove(once).await.unwrap().replayed);
    refused(remove(delete()).await, Code::NotFound, "WORKFLOW_NOT_FOUND");
    refused(
        shop.create(shop.draft("1", &[])).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    // The code is free again; with an order it stays.
    apply(&shop, yaml(&shop, bench::DOCUMENT)).await.unwrap();
    shop.place("1", &[]).await;
    let refusal = refused(
        remove(delete()).await,
        Code::FailedPrecondition,
        "WORKFLOW_IN_USE",
    );
    assert_eq!(
        (refusal.particular("count"), refusal.list("orders")),
        ("1", vec!["1"])
    );
}

async fn the_code_comes_from_the_request_or_the_document(backend: Backend) {
    let world = World::on(backend).await;
    let code = world::fresh_code();
    let named = bench::DOCUMENT.replace("workflow: bench", &format!("workflow: {code}"));
    let from_document = Shop::new((*world).clone(), "");
    let applied = apply(&from_document, yaml(&from_document, &named))
        .await
        .unwrap()
        .workflow
        .unwrap();
    assert_eq!((applied.code, applied.version), (code.clone(), 1));
    let other = Shop::new((*world).clone(), &world::fresh_code());
    assert_eq!(
        apply(&other, yaml(&other, &named))
            .await
            .unwrap()
            .workflow
            .unwrap()
            .code,
        other.workflow()
    );
    assert_eq!(
        Shop::new((*world).clone(), &code)
            .definition()
            .await
            .version,
        1,
        "the other one is not touched"
    );
}
