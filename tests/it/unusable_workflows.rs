//! Workflows that are stored in a way by which no step can be judged, as another release or a hand
//! left them: the server starts, tells them by name, and serves all others.

use std::time::Duration;

use tonic::Code;
use waymark_proto::v1::{self, LintSeverity, WorkflowFormat, step::Command};
use waymark_testkit::execute_at;
use waymark_tests::{
    Backend, Refusal, Server, Shop, binary, refused,
    shop::standing,
    world::{apply, fresh_code},
};

on_each_database!(
    a_part_that_cannot_be_read_stops_its_workflow_alone,
    a_guard_that_does_not_compile_stops_its_workflow_alone,
    a_part_that_is_not_there_stops_its_workflow_alone,
);

/// A server whose default workflow was spoilt while it was stopped, a shop of that workflow with the
/// order `1` in it, and another shop.
async fn spoilt(backend: Backend, sql: &str) -> (Server, Shop, Shop) {
    let mut server = Server::start(backend).await;
    let (shop, other) = (
        Shop::new(server.clients(), "order"),
        apply(&server.clients(), &fresh_code(), &binary::preset("magento")).await,
    );
    create(&shop, "1").await.unwrap();
    server.kill();
    server.ended(Duration::from_secs(10)).await;
    execute_at(server.database().url(), sql).await;
    server.restart().await;
    let (shop, other) = (shop.over(server.clients()), other.over(server.clients()));
    (server, shop, other)
}

/// Creates an order under a request id that is its own.
async fn create(shop: &Shop, id: &str) -> Result<v1::CreateOrderResponse, tonic::Status> {
    let request = v1::CreateOrderRequest {
        order: Some(shop.draft(id, &[("a", "1")])),
        request_id: format!("create-{id}"),
        ..Default::default()
    };
    let created = shop.orders().create_order(request).await;
    created.map(tonic::Response::into_inner)
}

#[track_caller]
fn unusable<T: std::fmt::Debug>(answer: Result<T, tonic::Status>, said: &str) -> Refusal {
    let refusal = refused(answer, Code::FailedPrecondition, "WORKFLOW_UNUSABLE");
    assert_eq!(refusal.particular("workflow"), "order");
    let finding = refusal.particular("finding");
    assert!(finding.contains(said), "{finding}");
    assert!(refusal.message.contains("ApplyWorkflow"), "{refusal:?}");
    refusal
}

fn comment(shop: &Shop, id: &str) -> v1::Step {
    v1::Step {
        command: Some(Command::AddComment(shop.remark(id, "said"))),
    }
}

/// What is refused of the spoilt workflow, and that nothing else is.
async fn is_told_and_alone(shop: &Shop, other: &Shop, said: &str) {
    unusable(create(shop, "2").await, said);
    unusable(shop.comment("1", "said", "").await, said);
    unusable(shop.take("1", "cancel").await, said);
    unusable(shop.hold("1", "said").await, said);
    let rehearsed = v1::AddCommentRequest {
        validate_only: true,
        ..shop.remark("1", "said")
    };
    unusable(shop.orders().add_comment(rehearsed).await, said);
    let settle = v1::SettleOrdersRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    unusable(shop.workflows().settle_orders(settle).await, said);
    // A call that was carried out before is answered as it was.
    assert!(create(shop, "1").await.unwrap().replayed);

    other.place("1", &[("a", "1")]).await;
    let steps = v1::ExecuteStepsRequest {
        steps: vec![comment(shop, "1"), comment(other, "1")],
        ..Default::default()
    };
    let results = other.orders().execute_steps(steps.clone()).await.unwrap();
    let results = results.into_inner().results;
    let error = results[0].error.as_ref().unwrap();
    assert_eq!(error.reason, "WORKFLOW_UNUSABLE");
    assert_eq!(error.code, i32::from(Code::FailedPrecondition));
    assert!(error.metadata["finding"].contains(said), "{error:?}");
    assert!(results[1].error.is_none(), "{:?}", results[1]);
    let atomic = v1::ExecuteStepsRequest {
        atomic: true,
        ..steps
    };
    let refusal = unusable(other.orders().execute_steps(atomic).await, said);
    assert_eq!(refusal.particular("step_index"), "0");
}

/// What is read of the spoilt workflow, and of its order `1`.
async fn is_read(shop: &Shop, said: &str) {
    let order = shop.get("1").await;
    assert_eq!(standing(&order), ("new", "pending"));
    assert_eq!(order.status_label, "Pending");
    assert_eq!(shop.entries("1").await.len(), 1);
    let list = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::OrderFilter {
            // The second one may not be readable, and orders may stand there all the same.
            states: vec!["new".into(), "complete".into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let listed = shop.orders().list_orders(list).await.unwrap().into_inner();
    let listed: Vec<_> = listed.orders.iter().map(|listed| &listed.id).collect();
    assert_eq!(listed, [&order.id]);
    let all = v1::ListOrdersRequest::default();
    let all = shop.orders().list_orders(all).await.unwrap().into_inner();
    assert!(all.orders.len() >= 2);

    assert!(shop.available("1").await.is_empty());
    let blocked = v1::ListAvailableTransitionsRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        include_blocked: true,
        ..Default::default()
    };
    let blocked = shop.orders().list_available_transitions(blocked).await;
    let blocked = blocked.unwrap().into_inner().transitions;
    let cancel = blocked.iter().find(|blocked| {
        let transition = blocked.transition.as_ref();
        transition.is_some_and(|transition| transition.code == "cancel")
    });
    let cancel = cancel.unwrap();
    assert!(!cancel.allowed);
    assert_eq!(cancel.reasons[0].reason, "WORKFLOW_UNUSABLE");
    assert!(cancel.reasons[0].message.contains(said), "{cancel:?}");

    assert_eq!(shop.definition().await.code, "order");
    let workflows = v1::ListWorkflowsRequest::default();
    let workflows = shop.workflows().list_workflows(workflows).await.unwrap();
    assert_eq!(workflows.into_inner().workflows.len(), 2);
}

async fn lint(shop: &Shop) -> Vec<v1::LintFinding> {
    let request = v1::LintWorkflowRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    let answer = shop.workflows().lint_workflow(request).await.unwrap();
    answer.into_inner().findings
}

/// What a command about the workflow `order` prints, which ends with this code.
fn printed(server: &Server, command: &[&str], code: i32) -> String {
    let url = format!("http://{}", server.address());
    let arguments = [
        &["workflow"][..],
        command,
        &["workflow:order", "--server", &url],
    ]
    .concat();
    let output = binary::run(&arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The workflow works again after a change, also in a process that starts then.
async fn is_mended(mut server: Server, shop: &Shop) {
    shop.comment("1", "goes on", "").await.unwrap();
    server.kill();
    server.ended(Duration::from_secs(10)).await;
    server.restart().await;
    let shop = shop.over(server.clients());
    create(&shop, "2").await.unwrap();
    shop.take("1", "cancel").await.unwrap();
    let errors = lint(&shop).await.into_iter();
    let mut errors = errors.filter(|finding| finding.severity() == LintSeverity::Error);
    assert_eq!(errors.next(), None);
}

async fn a_part_that_cannot_be_read_stops_its_workflow_alone(backend: Backend) {
    let sql = "UPDATE states SET category = 'gone' WHERE workflow = 'order' AND code = 'complete'";
    let (server, shop, other) = spoilt(backend, sql).await;
    let said = "state complete cannot be read, for its `category`: unknown variant `gone`";
    is_told_and_alone(&shop, &other, said).await;
    is_read(&shop, said).await;

    let findings = lint(&shop).await;
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (finding.rule.as_str(), finding.subject.as_str()),
        ("unreadable", "state complete")
    );
    assert_eq!(finding.severity(), LintSeverity::Error);

    // The commands tell and draw it too.
    let told = printed(&server, &["lint"], 1);
    assert!(
        told.contains("error: state complete cannot be read"),
        "{told}"
    );
    let drawn = printed(&server, &["diagram"], 0);
    assert!(
        drawn.contains("Processing") && drawn.starts_with("stateDiagram"),
        "{drawn}"
    );

    // Nothing of it can be changed or exported by itself, all of it can be replaced.
    let status = v1::OrderStatus {
        code: "more".into(),
        label: "More".into(),
        ..Default::default()
    };
    unusable(shop.create_status(status).await, said);
    let merge = v1::ApplyWorkflowRequest {
        mode: v1::ApplyMode::Merge.into(),
        ..shop.document("label: Other", WorkflowFormat::Yaml)
    };
    unusable(shop.workflows().apply_workflow(merge).await, said);
    let export = |version| v1::ExportWorkflowRequest {
        workflow: shop.workflow(),
        version,
        ..Default::default()
    };
    let whole = shop.workflows().export_workflow(export(0)).await;
    unusable(whole, said);
    let kept = shop.workflows().export_workflow(export(1)).await.unwrap();
    let kept = kept.into_inner().document;
    let before = shop.definition().await;
    let stale = v1::ApplyWorkflowRequest {
        etag: "v1".into(),
        ..shop.document(&kept, WorkflowFormat::Yaml)
    };
    let stale = shop.workflows().apply_workflow(stale).await;
    refused(stale, Code::Aborted, "VERSION_MISMATCH");
    let replace = v1::ApplyWorkflowRequest {
        etag: before.etag.clone(),
        ..shop.document(&kept, WorkflowFormat::Yaml)
    };
    let replaced = shop.workflows().apply_workflow(replace).await.unwrap();
    let replaced = replaced.into_inner().workflow.unwrap();
    assert_eq!(replaced.version, before.version + 1);
    assert_ne!(replaced.etag, before.etag);
    is_mended(server, &shop).await;
}

/// A change beside what is wrong is taken, and told that the workflow cannot be used all the same.
async fn stays_unusable(shop: &Shop, rule: &str) {
    let merge = v1::ApplyWorkflowRequest {
        mode: v1::ApplyMode::Merge.into(),
        ..shop.document("label: Other", WorkflowFormat::Yaml)
    };
    let applied = shop.workflows().apply_workflow(merge).await.unwrap();
    let applied = applied.into_inner();
    assert_eq!(applied.workflow.unwrap().label, "Other");
    let first = &applied.findings[0];
    assert_eq!(
        (first.rule.as_str(), first.subject.as_str()),
        (rule, "transition cancel")
    );
    assert_eq!(first.severity(), LintSeverity::Error);
    unusable(shop.comment("1", "said", "").await, "transition cancel");
}

/// How often a server has said that a workflow cannot be used, up to when it says that it can be again.
async fn told_until_mended(server: &Server) -> usize {
    let again = |line: &str| line.contains("workflow usable again").then_some(());
    let found = server.log().find(0, Duration::from_secs(10), again).await;
    assert!(found.is_some(), "it is told when a workflow is mended");
    let lines = server.log().after(0).into_iter();
    lines
        .filter(|line| line.contains("stored workflow unusable"))
        .count()
}

async fn a_part_that_is_not_there_stops_its_workflow_alone(backend: Backend) {
    let sql =
        "UPDATE transitions SET to_status = 'nope' WHERE workflow = 'order' AND code = 'cancel'";
    let (server, shop, other) = spoilt(backend, sql).await;
    let said = "transition cancel enters status nope, which does not exist";
    is_told_and_alone(&shop, &other, said).await;
    is_read(&shop, said).await;
    let findings = lint(&shop).await;
    let unknown = findings.iter().find(|it| it.rule == "unknown_reference");
    assert_eq!(unknown.unwrap().subject, "transition cancel");
    stays_unusable(&shop, "unknown_reference").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("part.yaml");
    std::fs::write(&file, "label: Another").unwrap();
    let url = format!("http://{}", server.address());
    let apply = [
        "workflow",
        "apply",
        "--mode",
        "merge",
        "--workflow",
        "order",
        "--server",
        &url,
    ];
    let output = binary::run(&[&apply[..], &[file.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("(unknown_reference)") && told.contains("may take no step"),
        "{told}"
    );

    let mended = v1::Transition {
        code: "cancel".into(),
        ..Default::default()
    };
    shop.change_transition(mended, &["to_status"])
        .await
        .unwrap();
    // It was told once, although there were three versions.
    assert_eq!(told_until_mended(&server).await, 1);
    is_mended(server, &shop).await;
}

async fn a_guard_that_does_not_compile_stops_its_workflow_alone(backend: Backend) {
    let sql =
        "UPDATE transitions SET guard = 'order.((' WHERE workflow = 'order' AND code = 'cancel'";
    let (server, shop, other) = spoilt(backend, sql).await;
    let said = "the guard of transition cancel is not a CEL expression";
    is_told_and_alone(&shop, &other, said).await;
    is_read(&shop, said).await;
    let findings = lint(&shop).await;
    let invalid = findings.iter().find(|it| it.rule == "invalid_guard");
    assert_eq!(invalid.unwrap().subject, "transition cancel");

    // All of it is known, so parts of it can be changed.
    shop.add_status("more").await;
    stays_unusable(&shop, "invalid_guard").await;
    let mended = v1::Transition {
        code: "cancel".into(),
        guard: "true".into(),
        ..Default::default()
    };
    shop.change_transition(mended, &["guard"]).await.unwrap();
    is_mended(server, &shop).await;
}
