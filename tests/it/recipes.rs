//! The recipes of the documentation, each run as a reader would type it.

use std::fs;

use waymark_tests::{Backend, Server, recipes, script};

on_each_database!(every_recipe_does_what_it_says);

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
