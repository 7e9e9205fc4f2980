//! What every file keeps to.

use std::fs;

use crate::sources::{is_test, root, sources};

const SOURCE_LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 800;

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
    let marks = [concat!("#[", "ignore"), concat!("```", "ignore")];
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
