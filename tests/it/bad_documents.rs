//! Documents that are none: garbage, bombs, unknown keys, wrong types, workflows that cannot work.

use std::time::{Duration, Instant};

use tonic::Code;
use waymark_proto::v1::{self, WorkflowFormat};
use waymark_tests::{Backend, Refusal, Shop, World, refusal::invalid, refused};

use crate::bench;

on_each_database!(
    garbage_is_refused,
    unknown_keys_are_named,
    wrong_values_are_named,
    wrong_actions_and_timers_are_named,
    workflows_that_cannot_work_are_refused,
    xml_reads_no_files_and_expands_no_entities,
);

/// How long a document may keep the server busy, on a machine that compiles as well.
const QUICK: Duration = Duration::from_secs(10);

async fn garbage_is_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let before = shop.definition().await;
    let deep_flow = format!("label: {}", "[".repeat(100_000));
    let deep_block = (0..2_000)
        .map(|level| " ".repeat(level) + "a:\n")
        .collect::<String>();
    let deep_json = format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\ng: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]\nlabel: *g\n";
    let itself = "label: &a [*a]\n";
    let large = format!("{}\n# {}", bench::DOCUMENT, "x".repeat(1024 * 1024));
    let json = WorkflowFormat::Json;
    let yaml = WorkflowFormat::Yaml;
    let xml = WorkflowFormat::MagentoConfigXml;
    for (document, format) in [
        ("", yaml),
        ("   \n", yaml),
        ("[]", yaml),
        ("42", yaml),
        ("null", yaml),
        ("~", yaml),
        ("text", yaml),
        ("{", yaml),
        ("a: b: c", yaml),
        ("\tlabel: x", yaml),
        ("label: x\nlabel: y\n", yaml),
        ("---\nlabel: a\n---\nlabel: b\n", yaml),
        ("%YAML 9.9\n---\n", yaml),
        ("!!python/object/apply:os.system ['id']", yaml),
        ("\u{0}", yaml),
        ("<a/>", yaml),
        ("label: &a [*b]", yaml),
        (itself, yaml),
        (bomb, yaml),
        (&deep_flow, yaml),
        (&deep_block, yaml),
        (&large, yaml),
        ("{}", json),
        ("[]", json),
        ("null", json),
        ("{\"label\":", json),
        ("{\"label\": 1e999}", json),
        (&deep_json, json),
        ("label: x", json),
        ("{\"label\": \"\\ud800\"}", json),
        ("", xml),
        ("text", xml),
        ("<config>", xml),
        ("<config/>", xml),
        ("<html></html>", xml),
        ("{}", xml),
    ] {
        let begun = Instant::now();
        let answer = shop
            .workflows()
            .apply_workflow(shop.document(document, format))
            .await;
        let refusal = invalid(answer, "document");
        assert!(
            refusal.message.len() < 2_000,
            "{document:.40}: {}",
            refusal.message.len()
        );
        // XML only adds to a workflow, so it is checked on top of one.
        let workflow = if format == xml {
            shop.workflow()
        } else {
            String::new()
        };
        let lint = v1::LintWorkflowRequest {
            workflow,
            document: document.into(),
            format: format.into(),
            ..Default::default()
        };
        if !document.is_empty() {
            let findings = errors(&shop, lint).await;
            let of_document = findings.iter().all(|finding| finding.rule == "document");
            assert!(!findings.is_empty() && of_document, "{findings:?}");
            assert_eq!(
                refusal.particular("findings"),
                findings.len().to_string(),
                "{document:.40}"
            );
        }
        assert!(
            begun.elapsed() < QUICK,
            "{document:.40} took {:?}",
            begun.elapsed()
        );
    }
    assert_eq!(shop.definition().await, before);
}

/// What lint says that stands in the way.
pub(crate) async fn errors(shop: &Shop, request: v1::LintWorkflowRequest) -> Vec<v1::LintFinding> {
    let answer = shop.workflows().lint_workflow(request).await;
    let mut findings = answer.unwrap().into_inner().findings;
    findings.retain(|finding| finding.severity() == v1::LintSeverity::Error);
    findings
}

/// A document with one line put in after another one.
fn with(after: &str, line: &str) -> String {
    assert!(bench::DOCUMENT.contains(after), "{after}");
    bench::DOCUMENT.replacen(after, &format!("{after}\n{line}"), 1)
}

async fn unknown_keys_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let inline = |from: &str, to: &str| bench::DOCUMENT.replacen(from, to, 1);
    for document in [
        with("workflow: bench", "colour: red"),
        with("    category: initial", "    colour: red"),
        inline(
            "{label: Note, effect: none}",
            "{label: Note, effect: none, colour: red}",
        ),
        inline("{label: Flagged}", "{label: Flagged, colour: red}"),
        inline("{status: waiting,", "{colour: red, status: waiting,"),
        inline("{label: Pause,", "{label: Pause, colour: red,"),
    ] {
        let refusal = invalid(
            shop.workflows()
                .apply_workflow(shop.document(&document, WorkflowFormat::Yaml))
                .await,
            "document",
        );
        assert!(refusal.message.contains("colour"), "{refusal:?}");
    }
    let json = shop
        .export(WorkflowFormat::Json)
        .await
        .replacen('{', "{\"colour\": 1,", 1);
    let refusal = invalid(
        shop.workflows()
            .apply_workflow(shop.document(&json, WorkflowFormat::Json))
            .await,
        "document",
    );
    assert!(refusal.message.contains("colour"), "{refusal:?}");
}

async fn wrong_values_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for (from, to, word) in [
        ("workflow: bench", "workflow: Bench!", "workflow"),
        ("label: Bench", "label: [a]", "label"),
        (
            "label: Bench",
            &format!("label: {}", "l".repeat(129)),
            "label",
        ),
        ("max_cascade: 4", "max_cascade: four", "max_cascade"),
        ("max_cascade: 4", "max_cascade: 0", "max_cascade"),
        ("max_cascade: 4", "max_cascade: 101", "max_cascade"),
        (
            "max_cascade: 4",
            "max_cascade: 99999999999999999999",
            "max_cascade",
        ),
        (
            "comment_status: any_in_state",
            "comment_status: sometimes",
            "any_in_state or never",
        ),
        ("category: initial", "category: beginning", "category"),
        ("can_start: true", "can_start: perhaps", "can_start"),
        ("effect: invoice", "effect: explode", "effect"),
        ("{label: Flagged}", "{label: Flagged, color: blue}", "color"),
        ("{label: Flagged}", "{}", "flagged"),
        ("to_state: paused", "to_state: [paused]", "to_state"),
    ] {
        assert!(bench::DOCUMENT.contains(from), "{from}");
        let document = bench::DOCUMENT.replacen(from, to, 1);
        let answer = shop
            .workflows()
            .apply_workflow(shop.document(&document, WorkflowFormat::Yaml))
            .await;
        let status = answer.map(|_| ()).expect_err(to);
        let refusal = Refusal::of(&status);
        assert_eq!(refusal.code, Code::InvalidArgument, "{to}: {refusal:?}");
        refusal.names("document");
        let told = format!("{} {:?}", refusal.message, refusal.violations).to_lowercase();
        assert!(told.contains(word), "{to}: {refusal:?}");
    }
}

async fn wrong_actions_and_timers_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for (value, told) in [
        ("trigger: {after: soon}", "must be a period such as 8h"),
        (
            "actions: [{webhook: x}]",
            "must be a map of keys and values, not a list",
        ),
        ("actions: {a: {kind: webhook}}", "kind: is not known here"),
        (
            "actions: {a: {condition: \"true\"}}",
            "transitions.pause.actions.a: must say what is done: webhook, email, publish",
        ),
        (
            "actions: {a: {transition: finish, webhook: {endpoint: erp}}}",
            "transitions.pause.actions.a: must say one thing only",
        ),
        (
            "actions: {a: {comment: {text: \"{{ order.nothing }}\"}}}",
            "it knows no field order.nothing",
        ),
    ] {
        let document =
            bench::DOCUMENT.replacen("{label: Pause,", &format!("{{label: Pause, {value},"), 1);
        let refusal = invalid(
            shop.workflows()
                .apply_workflow(shop.document(&document, WorkflowFormat::Yaml))
                .await,
            "document",
        );
        let said = format!("{} {:?}", refusal.message, refusal.violations);
        assert!(said.contains(told), "{value}: {refusal:?}");
    }
}

async fn workflows_that_cannot_work_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let before = shop.definition().await;
    for (from, to, rule) in [
        (
            "initial_state: start",
            "initial_state: nowhere",
            "unknown_reference",
        ),
        (
            "initial_state: start",
            "initial_state: work",
            "initial_state",
        ),
        (
            "to_state: paused}",
            "to_state: nowhere}",
            "unknown_reference",
        ),
        (
            "guard: request.comment",
            "guard: request.colour",
            "invalid_guard",
        ),
        (
            "entry_guard: order.total_due == 0",
            "entry_guard: order.",
            "invalid_guard",
        ),
        (
            "[lost]}\n  b:",
            "[lost, nothing]}\n  b:",
            "unknown_reference",
        ),
        (
            "{label: Paused, category: active,",
            "{label: Paused, category: held,",
            "several_held_states",
        ),
        (
            "to_state: paused}",
            "to_state: held}",
            "held_state_transition",
        ),
        (
            "to_state: work, to_status: waiting",
            "to_state: work, to_status: done",
            "target_not_assigned",
        ),
        (
            "{status: waiting, visible",
            "{status: waiting, default: true, visible",
            "",
        ),
    ] {
        assert!(bench::DOCUMENT.contains(from), "{from}");
        let document = bench::DOCUMENT.replacen(from, to, 1);
        let lint = v1::LintWorkflowRequest {
            document: document.clone(),
            ..Default::default()
        };
        let findings = shop
            .workflows()
            .lint_workflow(lint)
            .await
            .unwrap()
            .into_inner()
            .findings;
        let errors: Vec<_> = findings
            .iter()
            .filter(|f| f.severity() == v1::LintSeverity::Error)
            .map(|f| f.rule.as_str())
            .collect();
        let answer = shop
            .workflows()
            .apply_workflow(v1::ApplyWorkflowRequest {
                validate_only: rule.is_empty(),
                ..shop.document(&document, WorkflowFormat::Yaml)
            })
            .await;
        if rule.is_empty() {
            assert!(errors.is_empty(), "{errors:?}");
            answer.expect("another default is no error");
            continue;
        }
        assert!(errors.contains(&rule), "{to}: {findings:?}");
        refused(answer, Code::InvalidArgument, "WORKFLOW_INVALID").names("document");
    }
    assert_eq!(shop.definition().await, before);
    // No workflow at all, and one that comes to be by a broken document.
    let nothing = v1::ApplyWorkflowRequest {
        document: "label: Only\ninitial_state: a\n".into(),
        workflow: "only_a_label".into(),
        ..Default::default()
    };
    refused(
        shop.workflows().apply_workflow(nothing).await,
        Code::InvalidArgument,
        "WORKFLOW_INVALID",
    );
    let unknown = v1::GetWorkflowRequest {
        workflow: "only_a_label".into(),
    };
    refused(
        shop.workflows().get_workflow(unknown).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
}

async fn xml_reads_no_files_and_expands_no_entities(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let config = |label: &str| {
        format!(
            "<config><global><sales><order><statuses><mine><label>{label}</label></mine></statuses></order></sales></global></config>"
        )
    };
    let laughs = (1..10).map(|level| {
        let below = format!("&l{};", level - 1);
        format!("<!ENTITY l{level} \"{}\">", vec![below; 10].join(""))
    });
    let bomb = format!(
        "<!DOCTYPE config [<!ENTITY l0 \"ha\">{}]>{}",
        laughs.collect::<String>(),
        config("&l9;")
    );
    let file = format!(
        "<!DOCTYPE config [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>{}",
        config("&f;")
    );
    let deep = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    for document in [
        bomb,
        file,
        deep,
        config("&nope;"),
        config(""),
        config("a").replace("mine", "Not-A-Code"),
    ] {
        let begun = Instant::now();
        let answer = shop
            .workflows()
            .apply_workflow(shop.document(&document, WorkflowFormat::MagentoConfigXml))
            .await;
        let refusal = invalid(answer, "document");
        assert!(!refusal.message.contains("root:"), "{refusal:?}");
        assert!(begun.elapsed() < QUICK);
    }
    let unknown = config("a").replace(
        "</statuses>",
        "</statuses><states><nowhere><statuses><mine/></statuses></nowhere></states>",
    );
    refused(
        shop.workflows()
            .apply_workflow(shop.document(&unknown, WorkflowFormat::MagentoConfigXml))
            .await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
}
