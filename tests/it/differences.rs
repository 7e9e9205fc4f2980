//! What a change of a workflow tells: where values differ, one change for each action, all of it for who applies.

use waymark_proto::v1::{self, ChangeKind};
use waymark_tests::{
    Backend, Shop, World, binary, turning,
    world::{self, fresh_code},
};

use crate::applying::{apply, subjects};

on_each_database!(
    a_long_guard_is_told_where_it_differs,
    each_action_is_told_by_itself,
    the_command_line_prints_whole_differences,
);

/// A guard of nine terms, whose last one is given.
fn guard(last: &str) -> String {
    let terms: Vec<_> = (1..9)
        .map(|number| format!("order.attributes[\"key_{number}\"] != \"refused by {number}\""))
        .collect();
    format!("{} && {last}", terms.join(" && "))
}

fn document(guard: &str) -> String {
    format!(
        "label: Shop
initial_state: new
statuses: {{new: {{label: New}}}}
states: {{new: {{label: New, category: initial, can_start: true, statuses: [new]}}}}
transitions:
  back:
    label: Back
    from_statuses: [new]
    to_state: new
    to_status: new
    guard: '{guard}'
"
    )
}

fn yaml(shop: &Shop, document: &str) -> v1::ApplyWorkflowRequest {
    shop.document(document, v1::WorkflowFormat::Yaml)
}

/// The changes of the newest version, as they are kept.
async fn kept(shop: &Shop) -> Vec<v1::WorkflowChange> {
    let request = v1::ListWorkflowVersionsRequest {
        workflow: shop.workflow(),
        page_size: 1,
        ..Default::default()
    };
    let versions = shop.workflows().list_workflow_versions(request).await;
    let version = versions.unwrap().into_inner().versions.remove(0);
    assert!(!version.truncated);
    version.changes
}

async fn a_long_guard_is_told_where_it_differs(backend: Backend) {
    let world = World::on(backend).await;
    let (old, new) = (
        guard("order.grand_total > 1"),
        guard("order.grand_total > 100000"),
    );
    let shop = world::apply(&world, &fresh_code(), &document(&old)).await;
    let applied = apply(&shop, yaml(&shop, &document(&new))).await.unwrap();
    let [change] = applied.changes.as_slice() else {
        panic!("{:?}", applied.changes)
    };
    assert_eq!(change.subject, "transition back");
    assert_eq!(
        (change.before.as_str(), change.after.as_str()),
        (
            format!("guard: {old}").as_str(),
            format!("guard: {new}").as_str()
        ),
        "who applies sees all"
    );
    let kept = kept(&shop).await;
    let [change] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert_ne!(change.before, change.after);
    for (shown, end) in [
        (&change.before, "order.grand_total > 1"),
        (&change.after, "order.grand_total > 100000"),
    ] {
        assert!(
            shown.starts_with("guard: …") && shown.ends_with(end),
            "{shown}"
        );
        assert!(shown.len() < 100, "{shown}");
    }
}

async fn each_action_is_told_by_itself(backend: Backend) {
    let world = World::on(backend).await;
    let with = |actions: &str| {
        let workflow = turning::document([("turn", "{}")]);
        format!("on_create: {actions}\n{workflow}")
    };
    let books = "books: {webhook: {endpoint: books}}";
    let told = |endpoint: &str| {
        with(&format!(
            "{{{books}, erp: {{webhook: {{endpoint: {endpoint}}}}}}}"
        ))
    };
    let shop = world::apply(&world, &fresh_code(), &told("erp")).await;
    let applied = apply(&shop, yaml(&shop, &told("evil"))).await.unwrap();
    assert_eq!(subjects(&applied.changes), ["~action create.erp"]);
    let change = &applied.changes[0];
    assert_eq!(
        (change.before.as_str(), change.after.as_str()),
        ("webhook.endpoint: erp", "webhook.endpoint: evil")
    );
    assert_eq!(kept(&shop).await, applied.changes);

    let fewer = with(&format!("{{{books}}}"));
    let applied = apply(&shop, yaml(&shop, &fewer)).await.unwrap();
    assert_eq!(subjects(&applied.changes), ["-action create.erp"]);
    let change = &applied.changes[0];
    assert_eq!(change.kind(), ChangeKind::Removed);
    assert!(
        change.before.starts_with("webhook.endpoint: evil; "),
        "{change:?}"
    );
    assert_eq!(change.after, "");
}

async fn the_command_line_prints_whole_differences(backend: Backend) {
    let world = World::on(backend).await;
    let (old, new) = (
        guard("order.grand_total > 1"),
        guard("order.grand_total > 100000"),
    );
    let shop = world::apply(&world, &fresh_code(), &document(&old)).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("new.yaml");
    std::fs::write(&file, document(&new)).unwrap();
    let file = file.to_str().unwrap();
    let (workflow, address) = (shop.workflow(), world.server().address());
    let server = format!("http://{address}");
    let run = |arguments: &[&str]| {
        let output = binary::run(&[arguments, &["--server", server.as_str()][..]].concat());
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let block = format!("~ transition back:\n    guard: {old}\n -> guard: {new}\n");
    let stored = format!("workflow:{workflow}");
    assert_eq!(
        run(&["workflow", "diff", stored.as_str(), file]),
        (Some(1), block.clone())
    );
    let apply = |more: &[&str]| {
        let call = ["workflow", "apply", file, "--workflow", workflow.as_str()];
        let (code, printed) = run(&[&call[..], more].concat());
        assert_eq!(code, Some(0), "{printed}");
        assert!(printed.starts_with(&block), "{printed}");
        printed
    };
    let dry = apply(&["--dry-run"]);
    assert!(dry.contains("would change in 1 part, version"), "{dry}");
    let done = apply(&[]);
    assert!(done.contains("changed in 1 part, version 2"), "{done}");
}
