//! Dependencies that nothing uses.

use std::collections::BTreeSet;

use crate::sources::{crates, read, rust_files};

/// Dependencies that no source names, and what they are for.
const UNNAMED: [(&str, &str, &str); 1] = [(
    "crates/persistence",
    "libsqlite3-sys",
    "its feature compiles SQLite in",
)];

/// The dependencies of a crate, of whatever kind.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest: toml::Table = toml::from_str(&read(&format!("{folder}/Cargo.toml"))).unwrap();
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = kinds.iter().filter_map(|kind| manifest.get(*kind));
    let tables = tables.filter_map(toml::Value::as_table);
    tables.flat_map(toml::Table::keys).cloned().collect()
}

/// Whether a text has a name as a word.
fn names(text: &str, name: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| word == name)
}

#[test]
fn every_dependency_is_used() {
    let mut unused = BTreeSet::new();
    let others = ["examples/place-and-watch", "tests"].map(str::to_owned);
    for folder in crates().into_iter().chain(others) {
        let files = rust_files(&folder);
        let missing = dependencies(&folder).into_iter().filter(|dependency| {
            let name = dependency.replace('-', "_");
            !files.iter().any(|(_, text)| names(text, &name))
        });
        unused.extend(missing.map(|dependency| (folder.clone(), dependency)));
    }
    let expected = UNNAMED.map(|(folder, dependency, _)| (folder.into(), dependency.into()));
    assert_eq!(unused, BTreeSet::from(expected));
}
