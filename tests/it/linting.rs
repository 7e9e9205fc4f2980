//! Lint over gRPC: the warnings that `ApplyWorkflow` answers, what this server alone can say, and roles that nobody can be
//! asked for. What each rule finds is in the tests of the domain.

use std::fs;

use tonic::{Code, Response};
use waymark_proto::v1::{
    self, ApplyMode, LintFinding, LintSeverity, WorkflowFormat, trigger::Kind,
};
use waymark_tests::{
    Backend, Server, Shop, World, ledger, refused,
    shop::transition,
    world::{apply, fresh_code},
};

use crate::deliveries::server;

on_each_database!(
    an_apply_answers_what_is_probably_not_meant,
    roles_without_a_caller_are_refused,
    inside_a_state_a_guard_is_asked_for,
    what_the_server_lacks_is_told_as_it_is_now,
    templates_are_those_of_the_settings,
);

/// Orders never rest in `new`, `finish` asks for a status that does not exist, and nobody can record a gift.
const SILENT: &str = r#"
label: Shop
initial_state: new
operations: {pay: {label: Pay, effect: pay}, gift: {label: Gift, effect: none}}
statuses: {new: {label: New}, done: {label: Done}}
states:
  new: {label: New, category: initial, can_start: true, operations: [pay], statuses: [new]}
  done: {label: Done, category: completed, terminal: true, statuses: [done]}
transitions:
  finish: {label: Finish, from_states: [new], to_state: done, guard: 'order.status == "nwe"'}
  go: {label: Go, from_states: [new], to_state: done, trigger: automatic}
"#;

/// Rule, subject and message of findings, sorted: their places and their order are those of the document.
fn said(findings: &[LintFinding]) -> Vec<[String; 3]> {
    let said = findings.iter().cloned();
    let mut said: Vec<_> = said
        .map(|finding| [finding.rule, finding.subject, finding.message])
        .collect();
    said.sort();
    said
}

/// What is said of a document for a workflow, or of the workflow itself where there is none.
async fn linted(shop: &Shop, document: &str, is_alone: bool) -> Vec<LintFinding> {
    let request = v1::LintWorkflowRequest {
        workflow: if is_alone {
            String::new()
        } else {
            shop.workflow()
        },
        document: document.to_owned(),
        ..Default::default()
    };
    let answer = shop.workflows().lint_workflow(request).await;
    answer.unwrap().into_inner().findings
}

async fn applied(shop: &Shop, document: &str, validate_only: bool) -> Vec<LintFinding> {
    let request = v1::ApplyWorkflowRequest {
        validate_only,
        ..shop.document(document, WorkflowFormat::Yaml)
    };
    let answer = shop.workflows().apply_workflow(request).await;
    answer.unwrap().into_inner().findings
}

async fn an_apply_answers_what_is_probably_not_meant(backend: Backend) {
    let world = World::on(backend).await;
    let shop = Shop::new((*world).clone(), &fresh_code());
    let alone = linted(&shop, SILENT, true).await;
    for finding in &alone {
        assert_eq!(finding.severity(), LintSeverity::Warning, "{finding:?}");
    }
    let [leaves, never, unknown] = said(&alone).try_into().unwrap();
    assert_eq!(leaves[..2], ["leaves_start_at_once", "transition go"]);
    assert_eq!(never[..2], ["operation_never_allowed", "operation gift"]);
    assert_eq!(unknown[..2], ["unknown_code", "transition finish"]);
    assert!(unknown[2].ends_with("did you mean new?"), "{unknown:?}");
    for validate_only in [true, false, false] {
        let applied = applied(&shop, SILENT, validate_only).await;
        assert_eq!(said(&applied), said(&alone));
    }
    for document in ["", SILENT] {
        let linted = linted(&shop, document, false).await;
        assert_eq!(said(&linted), said(&alone));
    }
}

fn triggered(kind: Kind) -> v1::Transition {
    v1::Transition {
        trigger: Some(v1::Trigger { kind: Some(kind) }),
        roles: vec!["clerk".into()],
        guard: "order.total_paid > 0".into(),
        ..transition("by_itself", &["new"], "processing")
    }
}

async fn roles_without_a_caller_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await;
    let document = v1::ApplyWorkflowRequest {
        mode: ApplyMode::Merge.into(),
        ..shop.document(
            "transitions: {start_processing: {roles: [clerk]}}",
            WorkflowFormat::Yaml,
        )
    };
    let answer = shop.workflows().apply_workflow(document).await;
    let refusal = refused(answer, Code::InvalidArgument, "WORKFLOW_INVALID");
    refusal.names("document");
    assert!(
        refusal.message.contains("start_processing has roles"),
        "{refusal:?}"
    );

    let by_itself = || Kind::Automatic(v1::AutomaticTrigger {});
    let hour = prost_types::Duration {
        seconds: 3_600,
        nanos: 0,
    };
    let at = v1::AtTrigger {
        expression: "order.create_time".into(),
    };
    let after = v1::AfterTrigger {
        duration: Some(hour),
    };
    for kind in [by_itself(), Kind::After(after), Kind::At(at)] {
        let created = shop.create_transition(triggered(kind)).await;
        let refusal = refused(created, Code::InvalidArgument, "WORKFLOW_INVALID");
        assert!(
            refusal.message.contains("by_itself has roles (clerk)"),
            "{refusal:?}"
        );
    }
    let roles = v1::Transition {
        code: "start_processing".into(),
        roles: vec!["clerk".into()],
        ..Default::default()
    };
    let changed = shop.change_transition(roles, &["roles"]).await;
    refused(changed, Code::InvalidArgument, "WORKFLOW_INVALID");
    assert_eq!(shop.definition().await, before);

    // An operation is somebody's.
    let operations = vec!["pay".into()];
    let on_pay = Kind::OnOperations(v1::OperationTrigger { operations });
    let created = shop.create_transition(triggered(on_pay)).await.unwrap();
    assert_eq!(created.roles, ["clerk"]);
    let trigger = v1::Transition {
        code: "by_itself".into(),
        trigger: Some(v1::Trigger {
            kind: Some(by_itself()),
        }),
        ..Default::default()
    };
    let changed = shop.change_transition(trigger, &["trigger"]).await;
    refused(changed, Code::InvalidArgument, "WORKFLOW_INVALID");
}

async fn inside_a_state_a_guard_is_asked_for(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.add_status("part_shipped").await;
    shop.assign("processing", "part_shipped", None)
        .await
        .unwrap();
    let part = |guard: &str| v1::Transition {
        to_status: "part_shipped".into(),
        guard: guard.into(),
        trigger: Some(v1::Trigger {
            kind: Some(Kind::Automatic(v1::AutomaticTrigger {})),
        }),
        ..transition("ship_part", &["processing"], "processing")
    };
    let refusal = refused(
        shop.create_transition(part("")).await,
        Code::InvalidArgument,
        "WORKFLOW_INVALID",
    );
    assert!(
        refusal.message.contains("give it a guard") && !refusal.message.contains("never be taken"),
        "{refusal:?}"
    );
    let guard = "order.units_shipped > 0.0 && !order.fully_shipped";
    shop.create_transition(part(guard)).await.unwrap();
    let findings = linted(&shop, "", false).await;
    let about = findings
        .iter()
        .filter(|finding| finding.subject == "transition ship_part");
    assert_eq!(about.count(), 0, "{findings:?}");
}

/// Actions of a transition from `new` to `done`.
fn with_actions(actions: &str) -> String {
    format!(
        "label: Shop\ninitial_state: new\nstatuses: {{new: {{label: New}}, done: {{label: Done}}}}\nstates:\n  \
         new: {{label: New, category: initial, can_start: true, statuses: [new]}}\n  \
         done: {{label: Done, category: completed, terminal: true, statuses: [done]}}\ntransitions:\n  \
         finish: {{label: Finish, from_states: [new], to_state: done, actions: {{{actions}}}}}\n"
    )
}

async fn what_the_server_lacks_is_told_as_it_is_now(backend: Backend) {
    let server = server(backend).await;
    let clients = server.clients();
    let endpoint = fresh_code();
    let document = with_actions(&format!(
        "erp: {{webhook: {{endpoint: {endpoint}}}}}, \
         off: {{webhook: {{endpoint: {endpoint}}}, active: false}}, \
         mail: {{email: {{template: new_order, customer: always}}}}, \
         news: {{email: {{template: nowhere, customer: always}}}}, \
         bus: {{publish: {{subject: 'orders.{{{{ order.id }}}}.* >'}}}}"
    ));
    let shop = Shop::new(clients.clone(), &fresh_code());
    let findings = applied(&shop, &document, false).await;
    assert_eq!(said(&linted(&shop, "", false).await), said(&findings));
    assert_eq!(said(&linted(&shop, &document, true).await), said(&findings));
    for finding in &findings {
        assert_eq!(finding.severity(), LintSeverity::Info, "{finding:?}");
    }
    let all = said(&findings);
    for ([rule, subject, message], (expected, part)) in all.iter().zip([
        ("unknown_endpoint", endpoint.as_str()),
        ("unknown_template", "no mail server in the settings"),
        ("unknown_template", "of template nowhere"),
        ("unknown_template", "no mail server in the settings"),
        ("unmatched_subject", "no NATS server in the settings"),
        ("unmatched_subject", "no * and >"),
    ]) {
        assert_eq!(
            (rule.as_str(), subject.as_str()),
            (expected, "transition finish")
        );
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(all.len(), 6, "{all:?}");

    // The command asks the server, for what is merged into a workflow too.
    let of_server = format!("workflow:{}", shop.workflow());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    fs::write(&file, &document).unwrap();
    let file = file.to_str().unwrap();
    let url = format!("http://{}", server.address());
    for source in [
        vec![of_server.as_str()],
        vec![file, "--onto", of_server.as_str()],
    ] {
        let call = [
            &["workflow", "lint", "--server", url.as_str()][..],
            &source[..],
        ]
        .concat();
        let output = waymark_tests::binary::run(&call);
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        for part in [
            "(unknown_endpoint)",
            "(unknown_template)",
            "of template nowhere",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }

    // The workflow stays as it is, and the endpoint is there.
    let url = "http://127.0.0.1:9/erp";
    let created = ledger::create_endpoint(&clients, &endpoint, url).await;
    created.unwrap();
    let left = &all[1..];
    assert_eq!(said(&linted(&shop, "", false).await), left);
    assert_eq!(said(&applied(&shop, &document, false).await), left);
}

async fn templates_are_those_of_the_settings(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let put = |file: &str| fs::write(folder.path().join(file), "text").unwrap();
    for file in ["own.subject.txt", "own.txt", "half.txt"] {
        put(file);
    }
    let templates = format!("mail_templates={}", folder.path().display());
    let settings = [
        "smtp_host=127.0.0.1",
        "smtp_port=1",
        "smtp_security=none",
        "mail_general=Shop <shop@shop.example>",
        templates.as_str(),
    ];
    let arguments: Vec<&str> = settings.iter().flat_map(|it| ["--set", it]).collect();
    let server = Server::start_with(backend, &arguments).await;
    let document = with_actions(
        "a: {email: {template: new_order, guest_template: own, customer: always}}, \
         b: {email: {template: own, guest_template: half, customer: always}}, \
         c: {email: {template: nowhere, customer: always}}",
    );
    let shop = apply(&server.clients(), &fresh_code(), &document).await;
    let messages = async || -> Vec<String> {
        let all = said(&linted(&shop, "", false).await).into_iter();
        all.map(|[_, _, message]| message).collect()
    };
    let unknown = messages().await;
    let [half, nowhere] = unknown.as_slice() else {
        panic!("{unknown:?}");
    };
    assert!(half.contains("the action b that sends a mail of template half"));
    assert!(nowhere.contains("the action c that sends a mail of template nowhere"));
    // It is looked for each time.
    put("half.subject.txt");
    assert_eq!(messages().await, std::slice::from_ref(nowhere));

    let request = v1::LintWorkflowRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    let answer = shop.workflows().lint_workflow(request).await;
    let answer = answer.map(Response::into_inner).unwrap();
    assert_eq!(answer.total, 1);
}
