//! What `tests/budgets.toml` allows.

use std::{env, fs};

use crate::{
    lines,
    sources::{read, root},
};

/// What a budget allows.
fn allowed(name: &str) -> u64 {
    let budgets: toml::Table = toml::from_str(&read("tests/budgets.toml")).unwrap();
    let value = budgets.get(name).and_then(toml::Value::as_integer);
    let value = value.unwrap_or_else(|| panic!("tests/budgets.toml has no {name}"));
    u64::try_from(value).expect("a budget is not negative")
}

fn within(name: &str, found: usize) {
    let allowed = allowed(name);
    assert!(found as u64 <= allowed, "{name}: {found}, not {allowed}");
}

#[test]
fn the_readme_is_short() {
    within("readme_lines_max", read("README.md").lines().count());
}

#[test]
fn the_product_is_not_longer_than_allowed() {
    let crates = [
        "cli",
        "domain",
        "persistence",
        "proto",
        "server",
        "transports",
    ];
    let lines = crates.map(|name| lines::of(&format!("crates/{name}/src")));
    within("product_lines_max", lines.iter().sum());
}

#[test]
fn reading_requests_and_answering_takes_no_more_lines_than_allowed() {
    let lines = ["crates/proto/src/convert", "crates/server/src/services"].map(lines::of);
    within("convert_and_services_lines_max", lines.iter().sum());
}

#[test]
fn the_release_binary_is_small() {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let binary = root().join(target).join("release/waymark");
    if let Ok(binary) = fs::metadata(binary) {
        let bytes = usize::try_from(binary.len()).unwrap();
        within("release_binary_bytes_max", bytes);
    }
}
