//! Magento 1's `config.xml`, and what lint has to say about documents.

use std::{collections::BTreeSet, fs};

use tonic::Code;
use waymark_proto::v1::{self, ApplyMode, WorkflowFormat};
use waymark_tests::{Backend, Refusal, Shop, World, binary, refused, shop::standing, world};

use crate::{
    applying::{apply, subjects},
    bench,
};

on_each_database!(
    a_magento_config_adds_statuses,
    a_tag_that_is_there_and_not_0_makes_a_state_visible,
    states_that_are_not_known_are_named_at_once_or_made,
    what_is_odd_in_a_magento_config_is_found,
    apply_names_every_reason_that_it_gives,
    files_are_read_by_the_encoding_that_they_declare,
    lint_finds_what_is_odd,
);

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

/// A configuration with this below `order`.
fn order(inner: &str) -> String {
    format!("<config><global><sales><order>{inner}</order></sales></global></config>")
}

fn xml(shop: &Shop, inner: &str) -> v1::ApplyWorkflowRequest {
    shop.document(&order(inner), WorkflowFormat::MagentoConfigXml)
}

async fn a_tag_that_is_there_and_not_0_makes_a_state_visible(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let hide = "<visible_on_front>0</visible_on_front>";
    for (tag, is_visible) in [
        ("<visible_on_front/>", true),
        (hide, false),
        ("<visible_on_front></visible_on_front>", true),
        ("", true),
        (hide, false),
        ("", false),
        ("<visible_on_front> 1 </visible_on_front>", true),
        (hide, false),
        ("<visible_on_front>true</visible_on_front>", true),
    ] {
        let states = format!("<states><new>{tag}<statuses><pending/></statuses></new></states>");
        apply(&shop, xml(&shop, &states)).await.unwrap();
        for assignment in shop.state("new").await.assignments {
            assert_eq!(assignment.visible_on_storefront, is_visible, "{tag}");
        }
        let again = apply(&shop, xml(&shop, &states)).await.unwrap();
        assert!(again.changes.is_empty(), "{tag}: {:?}", again.changes);
    }
}

async fn states_that_are_not_known_are_named_at_once_or_made(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await;
    let three = ["assembly", "inspection", "pickup"];
    let state = |code: &str| {
        format!(
            "<{code}><label>In {code}</label><visible_on_front/><statuses><{code}/></statuses></{code}>"
        )
    };
    let states = format!("<states>{}</states>", three.map(state).concat());
    let refusal = refused(
        apply(&shop, xml(&shop, &states)).await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    assert_eq!(refusal.list("states"), three);
    assert_eq!(refusal.list("statuses"), three);
    for word in three.into_iter().chain(["create_states", "a label below"]) {
        assert!(refusal.message.contains(word), "{refusal:?}");
    }
    let lint = v1::LintWorkflowRequest {
        workflow: shop.workflow(),
        document: order(&states),
        format: WorkflowFormat::MagentoConfigXml.into(),
        ..Default::default()
    };
    let answer = shop.workflows().lint_workflow(lint.clone()).await;
    let linted = refused(answer, Code::NotFound, "STATE_NOT_FOUND");
    assert_eq!(linted.metadata, refusal.metadata);
    assert_eq!(shop.definition().await, before);

    let creating = v1::ApplyWorkflowRequest {
        create_states: true,
        ..xml(&shop, &states)
    };
    let made = apply(&shop, creating.clone()).await.unwrap();
    let added = subjects(&made.changes);
    for code in three {
        for part in [
            format!("+state {code}"),
            format!("+assignment {code}/{code}"),
        ] {
            assert!(added.contains(&part), "{added:?}");
        }
        let state = shop.state(code).await;
        assert_eq!(state.label, format!("In {code}"));
        assert_eq!(state.category(), v1::StateCategory::Active);
        assert_eq!(
            (state.holdable, state.terminal, state.can_start),
            (true, false, false)
        );
        assert_eq!(state.operations, shop.state("processing").await.operations);
        assert!(
            state
                .assignments
                .iter()
                .all(|pair| pair.visible_on_storefront)
        );
        let unreachable = |finding: &v1::LintFinding| {
            (finding.rule.as_str(), finding.subject.as_str())
                == ("unreachable_state", format!("state {code}").as_str())
        };
        assert!(
            made.findings.iter().any(unreachable),
            "nothing leads there yet"
        );
    }
    assert!(apply(&shop, creating).await.unwrap().changes.is_empty());
    let lint = v1::LintWorkflowRequest {
        create_states: true,
        ..lint
    };
    shop.workflows().lint_workflow(lint).await.unwrap();
    let unknown = "<states><new><statuses><gone/></statuses></new></states>";
    let refusal = refused(
        apply(&shop, xml(&shop, unknown)).await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    assert_eq!(refusal.list("statuses"), ["gone"]);
}

async fn what_is_odd_in_a_magento_config_is_found(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let document = "\n<statues><x/></statues>\
        <statuses><one><label>Same</label></one><two><label>Same</label></two></statuses>\
        <states><new><statuses><one default=\"1\"/><two default=\"0\"/></statuses></new></states>";
    let applied = apply(&shop, xml(&shop, document)).await.unwrap();
    let lint = v1::LintWorkflowRequest {
        workflow: shop.workflow(),
        document: order(document),
        format: WorkflowFormat::MagentoConfigXml.into(),
        ..Default::default()
    };
    let linted = shop
        .workflows()
        .lint_workflow(lint)
        .await
        .unwrap()
        .into_inner();
    for findings in [&applied.findings, &linted.findings] {
        let of = |rule: &str| {
            findings
                .iter()
                .find(|finding| finding.rule == rule)
                .unwrap()
        };
        let unknown = of("unknown_element");
        assert!(
            unknown.message.contains("<statues> in line 2"),
            "{unknown:?}"
        );
        let several = of("several_marked_defaults");
        assert_eq!(several.subject, "state new");
        assert!(
            several.message.contains("two, the last one, is taken"),
            "{several:?}"
        );
        assert!(findings.is_sorted_by_key(|finding| finding.severity));
    }
    assert_eq!(shop.state("new").await.default_status, "two");

    // One status in three states: the first of them has it, and nothing is written.
    let before = shop.definition().await;
    let holder = |state: &str| format!("<{state}><statuses><three/></statuses></{state}>");
    let links = ["new", "processing", "complete"].map(holder).concat();
    let thrice =
        format!("<statuses><three><label>Three</label></three></statuses><states>{links}</states>");
    let refusal = refused(
        apply(&shop, xml(&shop, &thrice)).await,
        Code::FailedPrecondition,
        "STATUS_ASSIGNED_ELSEWHERE",
    );
    assert_eq!(
        (refusal.particular("status"), refusal.particular("state")),
        ("three", "new")
    );
    assert_eq!(shop.definition().await, before);
    let answer = apply(
        &shop,
        shop.document("\n<conf/>", WorkflowFormat::MagentoConfigXml),
    )
    .await;
    let refusal = refused(answer, Code::InvalidArgument, "FIELD_INVALID");
    assert!(
        refusal.message.contains("<conf>, but <config> is expected"),
        "{refusal:?}"
    );
}

async fn apply_names_every_reason_that_it_gives(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let yaml = |document: &str| shop.document(document, WorkflowFormat::Yaml);
    let link = |state: &str, status: &str| {
        xml(
            &shop,
            &format!("<states><{state}><statuses><{status}/></statuses></{state}></states>"),
        )
    };
    let retired = v1::OrderStatus {
        code: "retired".into(),
        label: "Retired".into(),
        retired: true,
        ..Default::default()
    };
    shop.create_status(retired).await.unwrap();
    shop.place("1", &[("shirt", "1")]).await;
    let first = v1::ApplyWorkflowRequest {
        request_id: "once".into(),
        ..link("new", "pending")
    };
    apply(&shop, first.clone()).await.unwrap();
    let broken = binary::preset("magento").replace("initial_state: new", "initial_state: nowhere");
    let bare = "label: Bare\ninitial_state: start\nstatuses: {fresh: {label: Fresh}}\nstates: {start: {label: Start, category: initial, can_start: true, statuses: [fresh]}}\n";
    let requests = [
        yaml("{"),
        yaml(&broken),
        v1::ApplyWorkflowRequest {
            mode: ApplyMode::Replace.into(),
            ..link("new", "pending")
        },
        v1::ApplyWorkflowRequest {
            workflow: world::fresh_code(),
            ..link("new", "pending")
        },
        link("nowhere", "pending"),
        link("new", "gone"),
        v1::ApplyWorkflowRequest {
            etag: "stale".into(),
            ..link("new", "pending")
        },
        link("processing", "pending"),
        link("new", "retired"),
        yaml(bare),
        v1::ApplyWorkflowRequest {
            request_id: "once".into(),
            ..link("new", "received")
        },
    ];
    // Only a database that was changed by hand gives this one; see `unusable_workflows`.
    let mut given = BTreeSet::from(["WORKFLOW_UNUSABLE".to_owned()]);
    for request in requests {
        let status = apply(&shop, request).await.unwrap_err();
        given.insert(Refusal::of(&status).reason);
    }
    assert_eq!(given, reasons_in_the_contract("ApplyWorkflow"));
}

/// The reasons that the comment of an RPC names.
fn reasons_in_the_contract(rpc: &str) -> BTreeSet<String> {
    let path = binary::workspace().join("proto/waymark/v1/workflow_service.proto");
    let contract = fs::read_to_string(path).unwrap();
    let (before, _) = contract.split_once(&format!("  rpc {rpc}(")).unwrap();
    let comment = before.trim_end().lines().rev();
    let comment = comment.take_while(|line| line.starts_with("  //"));
    let codes = [
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "ALREADY_EXISTS",
    ];
    let is_reason = |word: &&str| {
        let is_plain = word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        is_plain && word.contains('_') && !codes.contains(word)
    };
    let words = comment.flat_map(|line| line.split('`'));
    words.filter(is_reason).map(str::to_owned).collect()
}

async fn files_are_read_by_the_encoding_that_they_declare(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.xml");
    let server = format!("http://{}", world.server().address());
    let run = |bytes: &[u8], more: &[&str]| {
        fs::write(&path, bytes).unwrap();
        let workflow = shop.workflow();
        let file = path.to_str().unwrap();
        let call = [
            "workflow",
            "apply",
            file,
            "--workflow",
            &workflow,
            "--server",
            &server,
        ];
        binary::run(&[&call[..], more].concat())
    };
    let own = order(
        "<statuses><own><label>F\u{fc}r sp\u{e4}ter</label></own></statuses>\
         <states><own><statuses><own/></statuses></own></states>",
    );
    let declared = format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n{own}");
    let bytes: Vec<u8> = declared.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let refused = run(&bytes, &[]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        told.contains("STATE_NOT_FOUND") && told.contains("--create-states"),
        "{told}"
    );
    let done = run(&bytes, &["--create-states"]);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(shop.status("own").await.unwrap().label, "Für später");
    let again = run(format!("\u{feff}{own}").as_bytes(), &[]);
    let told = String::from_utf8_lossy(&again.stdout);
    assert!(told.contains("is so already"), "{told}");

    // What comes over the wire is text already, whatever it declares.
    for (document, format) in [
        (
            format!("\u{feff}{declared}"),
            WorkflowFormat::MagentoConfigXml,
        ),
        (declared, WorkflowFormat::MagentoConfigXml),
        (
            format!("\u{feff}{}", shop.export(WorkflowFormat::Json).await),
            WorkflowFormat::Json,
        ),
        (
            format!("\u{feff}{}", shop.export(WorkflowFormat::Yaml).await),
            WorkflowFormat::Yaml,
        ),
    ] {
        let again = apply(&shop, shop.document(&document, format))
            .await
            .unwrap();
        assert!(again.changes.is_empty(), "{:?}", again.changes);
    }
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
    let alone = lint("", island).await.unwrap();
    let parts_only = "must be given; a document that names only some parts is applied with mode MERGE (--mode merge)";
    let missing: Vec<_> = alone
        .iter()
        .filter(|finding| finding.rule == "document")
        .map(|finding| (finding.subject.as_str(), finding.message.as_str()))
        .collect();
    assert_eq!(
        missing,
        [("initial_state", parts_only), ("label", parts_only)]
    );
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
