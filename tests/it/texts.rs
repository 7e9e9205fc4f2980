//! Texts of actions that would take more than there is: refused by name when they come, and
//! harmless where an older version stored them. Characters that texts do not take.

use waymark_proto::v1::{self, LintSeverity, WorkflowFormat};
use waymark_testkit::execute_at;
use waymark_tests::{
    Backend, Server, Watcher, World,
    refusal::invalid,
    shop::{line, standing},
    world::{apply, fresh_code},
};

on_each_database!(
    what_multiplies_is_refused_by_name,
    what_was_stored_before_is_noted_and_can_be_mended,
    the_character_that_is_refused_is_named,
    names_that_read_as_others_are_refused,
);

/// Texts that took a server down, or held up everybody, and what they are refused for.
fn bad_texts() -> Vec<(String, &'static str)> {
    let doubled = |step: &str, times: usize| {
        format!(
            "{{% set x = 'aaaaaaaa' %}}{}{{{{ x|length }}}}",
            step.repeat(times)
        )
    };
    let folded = format!("{{{{ {} }}}}", vec!["'a'*99000000"; 20].join("~"));
    vec![
        (
            "{{ ('x' * 100000) | replace('x', 'y' * 100000) | length }}".to_owned(),
            "the filter replace",
        ),
        (
            "{{ order.lines | map(attribute='sku') | join('y' * 50000000) }}".to_owned(),
            "multiplies with *",
        ),
        (doubled("{% set x = x ~ x %}", 36), "joins with ~"),
        (
            doubled("{% set x = x + x %}", 36),
            "calculates without a number",
        ),
        (
            doubled("{% set x = x|replace('a', x) %}", 4),
            "the filter replace",
        ),
        (
            doubled("{% set x = x|slice(100000000) %}", 1),
            "the filter slice",
        ),
        (doubled("{% set x = [x, x] %}", 30), "builds a list"),
        (folded, "joins with ~"),
        ("{{ 'a' * 100000000 }}".to_owned(), "multiplies with *"),
        (
            "{{ (['a'] * 100000000)|join }}".to_owned(),
            "multiplies with *",
        ),
        (
            "{{ range(100000000)|list|length }}".to_owned(),
            "the filter list",
        ),
        (
            format!("{{{{ {}1 }}}}", "- ".repeat(1_900)),
            "names and signs",
        ),
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
            "the tag macro",
        ),
    ]
}

/// A workflow with actions at its only transition.
fn workflow(actions: &str) -> String {
    format!(
        "label: Shop
initial_state: new
statuses: {{waiting: {{label: Waiting}}, gone: {{label: Gone}}, spare: {{label: Spare}}}}
states:
  new: {{label: New, category: initial, can_start: true, statuses: [waiting]}}
  gone: {{label: Gone, category: canceled, terminal: true, statuses: [gone]}}
transitions:
  expire:
    label: Expire
    from_statuses: [waiting]
    to_state: gone
    trigger: {{after: 1s}}
    actions: {actions}
"
    )
}

async fn what_multiplies_is_refused_by_name(backend: Backend) {
    let world = World::on(backend).await;
    let shop = apply(&world.server().clients(), &fresh_code(), &workflow("{}")).await;
    let before = shop.definition().await;
    let process = world.server().process();
    let memory = process.memory_kib("VmRSS:");
    for (text, named) in bad_texts() {
        let said = serde_json::to_string(&text).unwrap();
        let path = "transitions.expire.actions.note";
        for (action, place) in [
            (
                format!("{{note: {{comment: {{text: {said}}}}}}}"),
                "comment.text",
            ),
            (
                format!("{{note: {{set_attributes: {{box: {said}}}}}}}"),
                "set_attributes.box",
            ),
            (
                format!("{{note: {{publish: {{subject: {said}}}}}}}"),
                "publish.subject",
            ),
        ] {
            let apply = shop.document(&workflow(&action), WorkflowFormat::Yaml);
            let only_validated = v1::ApplyWorkflowRequest {
                validate_only: true,
                ..apply.clone()
            };
            let lint = v1::LintWorkflowRequest {
                document: apply.document.clone(),
                ..Default::default()
            };
            for refusal in [
                invalid(shop.workflows().apply_workflow(apply).await, "document"),
                invalid(
                    shop.workflows().apply_workflow(only_validated).await,
                    "document",
                ),
            ] {
                let said = format!("{} {:?}", refusal.message, refusal.violations);
                for part in [named, path, place] {
                    assert!(said.contains(part), "{text}: {part}: {said}");
                }
            }
            let linted = shop.workflows().lint_workflow(lint).await.unwrap();
            let mut findings = linted.into_inner().findings;
            findings.retain(|finding| finding.severity() == LintSeverity::Error);
            let [finding] = findings.as_slice() else {
                panic!("{text}: {findings:?}");
            };
            assert_eq!((finding.rule.as_str(), finding.line), ("document", 13));
            assert_eq!(finding.subject, format!("{path}.{place}"));
            assert!(finding.message.contains(named), "{text}: {finding:?}");
        }
        let comment = v1::CommentWork {
            text: text.clone(),
            ..Default::default()
        };
        let transition = v1::Transition {
            actions: vec![v1::StepAction {
                code: "note".into(),
                work: Some(v1::step_action::Work::Comment(comment)),
                ..Default::default()
            }],
            ..waymark_tests::shop::transition("more", &["new"], "gone")
        };
        let refusal = invalid(
            shop.create_transition(transition).await,
            "transition.actions[0].comment.text",
        );
        assert!(
            format!("{:?}", refusal.violations).contains(named),
            "{refusal:?}"
        );
    }
    assert_eq!(shop.definition().await, before);
    let grown = process.memory_kib("VmRSS:").saturating_sub(memory);
    assert!(grown < 128 * 1024, "{grown} KiB stay");
}

/// Puts a text where a mark stands, as an older version would have stored it.
async fn store(server: &Server, mark: &str, text: &str) {
    let text = serde_json::to_string(text).unwrap().replace('\'', "''");
    let mark = serde_json::to_string(mark).unwrap();
    let sql = format!("UPDATE transitions SET actions = REPLACE(actions, '{mark}', '{text}')");
    execute_at(server.database().url(), &sql).await;
}

async fn what_was_stored_before_is_noted_and_can_be_mended(backend: Backend) {
    let mut server = Server::start(backend).await;
    let actions = "{note: {comment: {text: mark}}, box: {set_attributes: {box: mark}}, fine: {comment: {text: fine}}}";
    let shop = apply(&server.clients(), &fresh_code(), &workflow(actions)).await;
    server.kill();
    server.ended(std::time::Duration::from_secs(10)).await;
    let text = format!(
        "{{% set x = \"aaaaaaaa\" %}}{}{{{{ x|length }}}}",
        "{% set x = x ~ x %}".repeat(36)
    );
    store(&server, "mark", &text).await;
    server.restart().await;
    let shop = shop.over(server.clients());

    // A timer takes its transition, and says what its actions could not do.
    let mut watcher = Watcher::of(&shop).await;
    shop.place("1", &[]).await;
    watcher.until_sequence("1", 3).await;
    assert_eq!(standing(&shop.get("1").await), ("gone", "gone"));
    let entries = shop.entries("1").await;
    let failed = &entries[1].metadata["waymark.action_failed"];
    for part in [
        "transition.expire.note",
        "transition.expire.box",
        "joins with ~",
    ] {
        assert!(failed.contains(part), "{failed}");
    }
    assert_eq!(entries[2].comment, "fine");

    let tried = v1::TestActionRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        action: "transition.expire.note".into(),
        ..Default::default()
    };
    let tried = shop
        .workflows()
        .test_action(tried)
        .await
        .unwrap()
        .into_inner();
    assert!(tried.problem.contains("joins with ~"), "{}", tried.problem);

    let lint = async || {
        let request = v1::LintWorkflowRequest {
            workflow: shop.workflow(),
            ..Default::default()
        };
        let answer = shop.workflows().lint_workflow(request).await.unwrap();
        answer.into_inner().findings
    };
    let findings = lint().await;
    for place in [
        "transition.expire.note, text",
        "transition.expire.box, attribute box",
    ] {
        let finding = findings
            .iter()
            .find(|finding| finding.message.contains(place));
        let finding = finding.unwrap_or_else(|| panic!("{place}: {findings:?}"));
        assert_eq!(finding.rule, "invalid_template");
        assert_eq!(finding.severity(), LintSeverity::Error);
        assert!(finding.message.contains("joins with ~"), "{finding:?}");
    }

    // Other changes are possible; what brings the text anew is refused; what mends it is taken.
    shop.assign("new", "spare", None).await.unwrap();
    let exported = shop.export(WorkflowFormat::Yaml).await;
    let again = shop.document(&exported, WorkflowFormat::Yaml);
    let refusal = invalid(shop.workflows().apply_workflow(again).await, "document");
    assert!(
        format!("{refusal:?}").contains("transitions.expire.actions."),
        "{refusal:?}"
    );
    let mended = actions.replace("mark", "\"{{ order.id }}\"");
    let mended = shop.document(&workflow(&mended), WorkflowFormat::Yaml);
    shop.workflows().apply_workflow(mended).await.unwrap();
    assert!(
        lint()
            .await
            .iter()
            .all(|finding| finding.rule != "invalid_template")
    );
    shop.place("2", &[]).await;
    watcher.until_sequence("2", 5).await;
    let entries = shop.entries("2").await;
    assert!(!entries[1].metadata.contains_key("waymark.action_failed"));
    assert_eq!(shop.get("2").await.attributes["box"], "2");
}

async fn the_character_that_is_refused_is_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = apply(&world.server().clients(), &fresh_code(), &workflow("{}")).await;
    shop.place("1", &[]).await;
    let told = "U+000B at character 8 is a control character, which is refused";
    let refusal = invalid(shop.comment("1", "comment\u{b}", "").await, "comment");
    assert_eq!(refusal.message, format!("comment: {told}"));
    assert_eq!(
        refusal.violations,
        [("comment".to_owned(), told.to_owned())]
    );
    let step = v1::Step {
        command: Some(v1::step::Command::AddComment(
            shop.remark("1", "comment\u{b}"),
        )),
    };
    let batch = v1::ExecuteStepsRequest {
        steps: vec![step],
        ..Default::default()
    };
    let results = shop.orders().execute_steps(batch).await.unwrap();
    let error = results.into_inner().results[0].error.clone().unwrap();
    assert_eq!(
        error.message,
        format!("steps[0].add_comment.comment: {told}")
    );
    let noted = v1::AddCommentRequest {
        metadata: [("note".into(), "a\u{1b}".into())].into(),
        ..shop.remark("1", "x")
    };
    let refusal = invalid(shop.orders().add_comment(noted).await, "metadata");
    assert!(
        refusal.message.contains("`note`") && refusal.message.contains("U+001B at character 2"),
        "{refusal:?}"
    );
    // What nobody would see is no comment; beside something else it is the customer's business.
    invalid(shop.comment("1", "\u{200b}\u{feff} ", "").await, "comment");
    let seen = "Zero\u{200b}width, \u{202e}turned, 👩\u{200d}🔧";
    let commented = shop.comment("1", seen, "").await.unwrap();
    assert_eq!(commented.entries[0].comment, seen);
}

async fn names_that_read_as_others_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = apply(&world.server().clients(), &fresh_code(), &workflow("{}")).await;
    let before = shop.definition().await;
    for hidden in ["\u{202e}", "\u{2066}", "\u{200b}", "\u{2060}", "\u{feff}"] {
        let name = format!("pay{hidden}exe");
        let sku = v1::OrderLine {
            sku: name.clone(),
            ..line("a", "1")
        };
        let named = v1::OrderLine {
            name: name.clone(),
            ..line("a", "1")
        };
        for (wrong, field) in [(sku, "order.lines[0].sku"), (named, "order.lines[0].name")] {
            let order = v1::Order {
                lines: vec![wrong],
                ..shop.draft("1", &[])
            };
            let refusal = invalid(shop.create(order).await, field);
            assert!(refusal.message.contains("at character 4"), "{refusal:?}");
        }
        let label = v1::OrderStatus {
            code: "s".into(),
            label: name.clone(),
            ..Default::default()
        };
        invalid(shop.create_status(label).await, "status.label");
        let described = v1::OrderStatus {
            code: "s".into(),
            label: "S".into(),
            description: name.clone(),
            ..Default::default()
        };
        invalid(shop.create_status(described).await, "status.description");
        let code = u32::from(hidden.chars().next().unwrap());
        let said = format!("\"pay\\u{code:04X}exe\"");
        let yaml = format!("statuses: {{waiting: {{label: {said}}}}}");
        let json = format!("{{\"statuses\": {{\"waiting\": {{\"label\": {said}}}}}}}");
        for (document, format) in [(yaml, WorkflowFormat::Yaml), (json, WorkflowFormat::Json)] {
            let merged = v1::ApplyWorkflowRequest {
                mode: v1::ApplyMode::Merge.into(),
                ..shop.document(&document, format)
            };
            let refusal = invalid(shop.workflows().apply_workflow(merged).await, "document");
            let character = format!("U+{code:04X} at character 4");
            assert!(refusal.message.contains(&character), "{refusal:?}");
        }
    }
    assert_eq!(shop.definition().await, before);
    // Joiners and marks belong to some scripts.
    let joined = v1::OrderStatus {
        code: "s".into(),
        label: "می\u{200c}خواهم".into(),
        ..Default::default()
    };
    shop.create_status(joined).await.unwrap();
}
