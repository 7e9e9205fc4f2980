//! A document is read as a whole: everything that is wrong is told at once, with its place; a fragment is judged as it
//! would stand; and what a fragment does not name is kept, down to the leaves.

use tonic::Code;
use waymark_proto::v1::{self, ApplyMode, LintSeverity, WorkflowFormat};
use waymark_tests::{Backend, Shop, World, refused};

use crate::{
    applying::{apply, subjects},
    bad_documents::errors,
    bench,
};

on_each_database!(
    all_mistakes_are_told_at_once,
    what_cannot_be_read_is_answered_with_findings,
    a_fragment_is_checked_as_it_would_stand,
    findings_of_an_apply_have_their_places,
    a_document_of_another_workflow_is_a_finding,
    a_merge_goes_down_to_the_leaves,
    an_export_merged_into_its_workflow_changes_nothing,
);

/// A document with thirteen mistakes of as many kinds.
const MISTAKEN: &str = "\
label: Shop
initial_state: opne
comment_status: any
status_sharing: Exclusive
colour: red
operations:
  pay: {label: Pay, effect: payed}
  ship: {label: Ship, effect: ship}
statuses:
  on-hold: {label: On hold}
  fresh: {label: [Fresh]}
  done: {label: Done}
states:
  open: {label: Open, category: initial, can_start: true, statuses: [fresh, on_hold]}
  closed: {category: closed, statuses: [done]}
transitions:
  close: {label: Close, from_state: [open], to_state: closed, guard: order.grand_totl > 1}
  expire: {label: Expire, from_states: [open], to_state: closed, trigger: {after: 3 fortnights}}
  paid: {label: Paid, from_states: [open], to_state: clsed, trigger: {on_operations: pay}}
";

/// The line of each mistake, what it is about, and a part of what is said.
const MISTAKES: &[(i32, &str, &str)] = &[
    (2, "workflow", "starts in state opne"),
    (3, "comment_status", "did you mean any_in_state?"),
    (4, "status_sharing", "did you mean exclusive?"),
    (5, "colour", "is not known here"),
    (7, "operations.pay.effect", "did you mean pay?"),
    (10, "statuses.on-hold", "did you mean on_hold?"),
    (11, "statuses.fresh.label", "must be a text, not a list"),
    (15, "states.closed.label", "must be given"),
    (
        17,
        "transitions.close.from_state",
        "did you mean from_states?",
    ),
    (17, "transition close", "did you mean grand_total?"),
    (18, "transitions.expire.trigger.after", "must be a period"),
    (19, "transition paid", "enters state clsed"),
    (
        19,
        "transitions.paid.trigger.on_operations",
        "must be a list, such as [pay]",
    ),
];

fn yaml(shop: &Shop, document: &str, mode: ApplyMode) -> v1::ApplyWorkflowRequest {
    v1::ApplyWorkflowRequest {
        mode: mode.into(),
        ..shop.document(document, WorkflowFormat::Yaml)
    }
}

fn lint(shop: &Shop, document: &str, mode: ApplyMode) -> v1::LintWorkflowRequest {
    v1::LintWorkflowRequest {
        workflow: shop.workflow(),
        document: document.into(),
        mode: mode.into(),
        ..Default::default()
    }
}

async fn all_mistakes_are_told_at_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let before = shop.definition().await;
    let findings = errors(&shop, lint(&shop, MISTAKEN, ApplyMode::Replace)).await;
    assert_eq!(findings.len(), MISTAKES.len(), "{findings:#?}");
    for (finding, (line, subject, said)) in findings.iter().zip(MISTAKES) {
        assert_eq!((finding.line, finding.subject.as_str()), (*line, *subject));
        assert!(finding.message.contains(said), "{said}: {finding:?}");
        assert!(finding.column > 0, "{finding:?}");
    }
    let refusal = refused(
        apply(&shop, yaml(&shop, MISTAKEN, ApplyMode::Replace)).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert_eq!(refusal.particular("findings"), MISTAKES.len().to_string());
    assert!(refusal.violations.len() >= 8, "{refusal:?}");
    for ((field, told), (line, _, said)) in refusal.violations.iter().zip(MISTAKES) {
        assert_eq!(field, "document");
        assert!(told.starts_with(&format!("line {line}, column ")), "{told}");
        assert!(told.contains(said), "{told}");
    }
    assert_eq!(shop.definition().await, before);

    // Without what cannot be read, what is missing and what lint says are told as one, and lint's alone by its reason.
    let readable = bench::DOCUMENT
        .replacen("{label: Flagged}", "{}", 1)
        .replacen("to_state: paused}", "to_state: pausd}", 1);
    let refusal = refused(
        apply(&shop, yaml(&shop, &readable, ApplyMode::Replace)).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert_eq!(refusal.particular("findings"), "2", "{refusal:?}");
    let complete = readable.replacen("flagged: {}", "flagged: {label: Flagged}", 1);
    let refusal = refused(
        apply(&shop, yaml(&shop, &complete, ApplyMode::Replace)).await,
        Code::InvalidArgument,
        "WORKFLOW_INVALID",
    );
    let (_, told) = &refusal.violations[0];
    assert!(told.starts_with("line "), "{refusal:?}");
    assert!(told.contains("enters state pausd"), "{refusal:?}");
}

async fn what_cannot_be_read_is_answered_with_findings(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for (document, format, subject, line, said) in [
        ("label: [", WorkflowFormat::Yaml, "label", 1, "bracket"),
        (
            "{\"label\": \"x\",\n \"states\": {\"a\": {\"label\": 1}}",
            WorkflowFormat::Json,
            "states.a.label",
            2,
            "must be a text, such as \"1\"",
        ),
        (
            "label: !!binary aGVsbG8=",
            WorkflowFormat::Yaml,
            "label",
            1,
            "tags such as !!binary are not allowed",
        ),
        (
            "\n<conf/>",
            WorkflowFormat::MagentoConfigXml,
            "document",
            2,
            "<config> is expected",
        ),
    ] {
        let request = v1::LintWorkflowRequest {
            format: format.into(),
            ..lint(&shop, document, ApplyMode::Unspecified)
        };
        let findings = errors(&shop, request).await;
        let found = findings.iter().find(|finding| {
            (finding.rule.as_str(), finding.line) == ("document", line)
                && finding.message.contains(said)
        });
        let found = found.unwrap_or_else(|| panic!("{said}: {findings:?}"));
        if format != WorkflowFormat::Yaml {
            assert_eq!(found.subject, subject, "{found:?}");
        }
    }
    // A byte-order mark is no mistake, and moves no place.
    for format in [WorkflowFormat::Yaml, WorkflowFormat::Json] {
        let document = format!("\u{feff}{}", shop.export(format).await);
        let request = v1::LintWorkflowRequest {
            format: format.into(),
            ..lint(&shop, &document, ApplyMode::Replace)
        };
        assert_eq!(errors(&shop, request).await, []);
        let applied = apply(&shop, shop.document(&document, format)).await;
        assert!(applied.unwrap().changes.is_empty());
    }
    let marked = lint(&shop, "\u{feff}colour: red", ApplyMode::Merge);
    let findings = errors(&shop, marked).await;
    assert_eq!((findings[0].line, findings[0].column), (1, 1));
}

async fn a_fragment_is_checked_as_it_would_stand(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let fragment = "transitions:\n  lose: {label: Lose, from_states: [work], to_state: a}\n";
    let merged = lint(&shop, fragment, ApplyMode::Merge);
    assert_eq!(errors(&shop, merged.clone()).await, []);
    // By itself it is no workflow, which is what would be made of it otherwise.
    let alone = lint(&shop, fragment, ApplyMode::Unspecified);
    let findings = errors(&shop, alone).await;
    assert!(findings.iter().any(|f| f.subject == "initial_state"));
    // The code may stand in the document.
    let named = v1::LintWorkflowRequest {
        workflow: String::new(),
        document: format!("workflow: {}\n{fragment}", shop.workflow()),
        ..merged.clone()
    };
    assert_eq!(errors(&shop, named).await, []);
    // There must be something to merge it into.
    let nowhere = v1::LintWorkflowRequest {
        workflow: "nowhere".to_owned(),
        ..merged.clone()
    };
    let refusal = shop.workflows().lint_workflow(nowhere).await;
    refused(refusal, Code::NotFound, "WORKFLOW_NOT_FOUND");
    let nowhere = v1::ApplyWorkflowRequest {
        workflow: "nowhere".to_owned(),
        ..yaml(&shop, fragment, ApplyMode::Merge)
    };
    let refusal = shop.workflows().apply_workflow(nowhere).await;
    refused(refusal, Code::NotFound, "WORKFLOW_NOT_FOUND");
    let wrong = v1::LintWorkflowRequest {
        document: fragment.replace("[work]", "[wrok]"),
        ..merged
    };
    let findings = errors(&shop, wrong).await;
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}");
    };
    assert_eq!(
        (finding.rule.as_str(), finding.line, finding.column),
        ("unknown_reference", 2, 37)
    );
    assert_eq!(shop.definition().await.version, 1, "nothing is written");
}

async fn findings_of_an_apply_have_their_places(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let fragment = "transitions:\n  lapse: {label: Lapse, from_states: [work], to_state: a, trigger: {after: 1M}}\n";
    let applied = apply(&shop, yaml(&shop, fragment, ApplyMode::Merge)).await;
    let findings = applied.unwrap().findings;
    let months = findings.iter().find(|finding| finding.rule == "months");
    let months = months.unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(months.severity(), LintSeverity::Warning);
    assert_eq!(
        (months.subject.as_str(), months.line, months.column),
        ("transition lapse", 2, 76)
    );
    // What the document does not speak of has no place in it.
    let cycle = findings
        .iter()
        .find(|finding| finding.subject == "transition a_to_b");
    assert_eq!(cycle.map(|finding| finding.line), Some(0));
    let minutes = fragment.replace("1M", "1m");
    let applied = apply(&shop, yaml(&shop, &minutes, ApplyMode::Merge)).await;
    let findings = applied.unwrap().findings;
    assert!(findings.iter().all(|finding| finding.rule != "months"));
}

async fn a_document_of_another_workflow_is_a_finding(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    // The document calls itself bench, and the shop has a code of its own.
    let of_other = |findings: &[v1::LintFinding]| {
        let found = findings.iter().find(|f| f.rule == "other_workflow");
        found.map(|finding| (finding.severity(), finding.line))
    };
    let expected = Some((LintSeverity::Warning, 2));
    let applied = apply(&shop, yaml(&shop, bench::DOCUMENT, ApplyMode::Replace)).await;
    let applied = applied.unwrap();
    assert_eq!(of_other(&applied.findings), expected);
    assert_eq!(applied.workflow.unwrap().code, shop.workflow());
    let request = lint(&shop, bench::DOCUMENT, ApplyMode::Replace);
    let linted = shop.workflows().lint_workflow(request).await.unwrap();
    assert_eq!(of_other(&linted.into_inner().findings), expected);
    let own = shop.export(WorkflowFormat::Yaml).await;
    let applied = apply(&shop, yaml(&shop, &own, ApplyMode::Replace)).await;
    assert_eq!(of_other(&applied.unwrap().findings), None);
}

async fn a_merge_goes_down_to_the_leaves(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let merge = async |document: &str| {
        let merged = apply(&shop, yaml(&shop, document, ApplyMode::Merge)).await;
        merged.unwrap()
    };
    let actions = "\
on_comment:
  mail: {email: {template: update, guest_template: update_guest, customer: always, copy_to: [a@example.com]}, description: Tells, active: false}
  note: {comment: {text: Seen, visible_to_customer: true}}
  mark: {set_attributes: {seen: first, by: \"{{ actor.id }}\"}}
";
    merge(actions).await;
    let before = shop.export(WorkflowFormat::Yaml).await;
    assert!(merge(actions).await.changes.is_empty());
    let changed = merge(
        "\
on_comment:
  mail: {email: {template: news}}
  note: {comment: {text: Read}}
  mark: {set_attributes: {seen: second}}
statuses:
  fresh: {store_view_labels: {german: Frisch}}
",
    )
    .await;
    assert_eq!(
        subjects(&changed.changes)
            .iter()
            .filter(|subject| subject.starts_with("~status"))
            .count(),
        1,
        "{:?}",
        changed.changes
    );
    let expected = before
        .replacen("template: update\n", "template: news\n", 1)
        .replacen("text: Seen\n", "text: Read\n", 1)
        .replacen("seen: first\n", "seen: second\n", 1)
        .replacen("german: Neu\n", "german: Frisch\n", 1);
    assert_eq!(shop.export(WorkflowFormat::Yaml).await, expected);
}

async fn an_export_merged_into_its_workflow_changes_nothing(backend: Backend) {
    let world = World::on(backend).await;
    for preset in ["magento", "magento_2_4", "modmore"] {
        let shop = world.shop(preset).await;
        for format in [WorkflowFormat::Yaml, WorkflowFormat::Json] {
            let request = v1::ApplyWorkflowRequest {
                mode: ApplyMode::Merge.into(),
                ..shop.document(&shop.export(format).await, format)
            };
            let merged = apply(&shop, request).await.unwrap();
            assert!(merged.changes.is_empty(), "{preset}: {:?}", merged.changes);
        }
    }
}
