//! Rules of the repository that no other tool checks.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

const SOURCE_LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 800;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the crate lies in the workspace").to_owned()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "tests"] {
        rust_files(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50, "the sources were not found");
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    found
        .iter()
        .map(|path| (name(path), fs::read_to_string(path).unwrap()))
        .collect()
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/")
        || name.contains("/tests/")
        || name.ends_with("tests.rs")
        || name.contains("testkit")
}

#[test]
fn files_stay_short() {
    let limit = |name: &str| {
        if is_test(name) {
            TEST_LINES_MAX
        } else {
            SOURCE_LINES_MAX
        }
    };
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(name, text)| (text.lines().count(), name))
        .filter(|(lines, name)| *lines > limit(name))
        .collect();
    assert!(long.is_empty(), "split these: {long:#?}");
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(name, text)| !text.starts_with("//!") && !name.ends_with("tests.rs"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "these have no header: {silent:#?}");
}

#[test]
fn no_test_is_switched_off() {
    let marks = [concat!("#[ig", "nore"), concat!("```ig", "nore")];
    let off: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(name, _)| name)
        .collect();
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| {
        let entries = fs::read_dir(root().join("migrations").join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}
