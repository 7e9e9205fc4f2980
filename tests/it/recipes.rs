//! The recipes of the documentation, and the first workflow that it shows, run as a reader would type them.

use std::fs;

use waymark_tests::{Backend, Server, page, recipes, script};

on_each_database!(every_recipe_does_what_it_says, the_first_workflow_runs);

/// What the page has to tell about, by words of its headings.
const TOLD: [&str; 12] = [
    "bundles",
    "exchange",
    "after a cancellation",
    "gift card",
    "fee",
    "mistaken shipment",
    "overpayment",
    "checkpoints",
    "paid order",
    "re-opening",
    "rule has changed",
    "config.xml",
];

/// One after the other on one server, as the page says; each checks with `grep` what came of it.
async fn every_recipe_does_what_it_says(backend: Backend) {
    let server = Server::start(backend).await;
    let recipes = recipes::all();
    let titles: Vec<_> = recipes
        .iter()
        .map(|recipe| recipe.title.to_lowercase())
        .collect();
    for words in TOLD {
        assert!(
            titles.iter().any(|title| title.contains(words)),
            "no recipe tells of {words}: {titles:?}"
        );
    }
    for recipe in recipes {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in &recipe.files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        assert!(
            recipe.commands.contains("| grep ") || recipe.commands.contains("grep -c"),
            "{} checks nothing",
            recipe.title
        );
        let printed = script::run(&server, directory.path(), &recipe.commands);
        assert!(!printed.is_empty(), "{backend:?} {}", recipe.title);
    }
}

/// What `docs/workflows.md` begins with.
async fn the_first_workflow_runs(backend: Backend) {
    let server = Server::start(backend).await;
    let directory = tempfile::tempdir().unwrap();
    let mut commands = String::new();
    for fence in page::read("docs/workflows.md") {
        if fence.heading != "A first workflow in a few lines" {
            continue;
        }
        if let Some(name) = fence.info.strip_prefix("yaml ") {
            fs::write(directory.path().join(name), &fence.text).unwrap();
        } else if fence.info == "sh" {
            commands.push_str(&fence.text);
            commands.push('\n');
        }
    }
    assert!(!commands.is_empty());
    let printed = script::run(&server, directory.path(), &commands);
    assert!(
        printed.contains("\"status\": \"pending\""),
        "{backend:?} {printed}"
    );
}
