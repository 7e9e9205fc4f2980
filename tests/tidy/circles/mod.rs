//! Circles between the files of a crate: files that need each other, whether directly or over others.
//!
//! `tree` reads the modules of a crate and what each of them uses, `resolve` finds the file that defines a name, and
//! `find` puts files together that lie on a circle. A file that only hands names on has no part in one.

mod find;
mod read;
mod resolve;
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{crates, read as text, rust_files};

/// The files of a circle, from the crate's `src`, in order.
type Files = Vec<String>;

/// The circles that `circles.toml` allows, each with the name of its crate.
fn allowed() -> BTreeSet<(String, Files)> {
    let list: toml::Table = toml::from_str(&text("tests/tidy/circles.toml")).unwrap();
    let circles = list.get("circle").and_then(toml::Value::as_array);
    let circles = circles.into_iter().flatten();
    circles
        .map(|circle| {
            let field = |name: &str| circle.get(name).unwrap_or_else(|| panic!("no {name}"));
            let word = |value: &toml::Value| value.as_str().expect("a string").to_owned();
            assert_ne!(word(field("reason")), "", "a circle has a reason");
            let files = field("files").as_array().expect("a list");
            let mut files: Files = files.iter().map(word).collect();
            files.sort();
            (word(field("crate")), files)
        })
        .collect()
}

/// The files of a crate by their path from its `src`.
fn files(folder: &str) -> BTreeMap<String, String> {
    let src = format!("{folder}/src");
    let files = rust_files(&src).into_iter();
    files
        .map(|(name, text)| (name[src.len() + 1..].to_owned(), text))
        .collect()
}

#[test]
fn files_do_not_need_each_other() {
    let allowed = allowed();
    let mut seen = BTreeSet::new();
    let mut told = Vec::new();
    for folder in crates() {
        let name = folder.trim_start_matches("crates/").to_owned();
        for circle in find::circles(&tree::Tree::read(&files(&folder)).uses()) {
            let found = (name.clone(), circle.files.clone());
            if !allowed.contains(&found) {
                told.push(format!("in {name}:\n{circle}"));
            }
            seen.insert(found);
        }
    }
    assert!(
        told.is_empty(),
        "these files need each other; move what ties them, or name the circle with a reason in \
         tests/tidy/circles.toml:\n{}",
        told.join("\n")
    );
    let gone: Vec<_> = allowed.difference(&seen).collect();
    assert!(gone.is_empty(), "no circles any more: {gone:#?}");
}
