//! Pages of the documentation: their text, their fenced blocks, and those that a test generates.

use std::{env, fs};

use crate::binary::workspace;

/// A fenced block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The heading above it, without its signs; empty before the first one.
    pub heading: String,
    /// What stands behind the opening fence, such as `sh`.
    pub info: String,
    /// The lines within.
    pub text: String,
}

/// The text of a page of the workspace, such as `docs/recipes.md`.
///
/// # Panics
/// Panics where there is no such page.
pub fn text(path: &str) -> String {
    let page = fs::read_to_string(workspace().join(path));
    page.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The fenced blocks of a page.
///
/// # Panics
/// Panics where there is no such page.
pub fn read(path: &str) -> Vec<Fence> {
    fences(&text(path))
}

/// Holds a generated page against the text that it should have, or writes it where `UPDATE` is set.
///
/// # Panics
/// Panics where the page is another one.
pub fn check_generated(path: &str, expected: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::write(workspace().join(path), expected).expect("the page is written");
    }
    assert!(
        text(path) == expected,
        "{path} is out of date: run this test with UPDATE=1"
    );
}

fn fences(page: &str) -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut heading = String::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in page.lines() {
        if let Some((info, lines)) = &mut open {
            if line.trim_end() == "```" {
                fences.push(Fence {
                    heading: heading.clone(),
                    info: (*info).to_owned(),
                    text: lines.join("\n"),
                });
                open = None;
            } else {
                lines.push(line);
            }
        } else if let Some(info) = line.strip_prefix("```") {
            open = Some((info.trim(), Vec::new()));
        } else if line.starts_with('#') {
            line.trim_start_matches('#').trim().clone_into(&mut heading);
        }
    }
    fences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_know_their_heading_and_what_they_are() {
        let page = "```sh\nrm x\n```\n## The Tour\n```sh\n# a\na \\\n  b\n```\n```yaml a.yaml\n{}\n```\n## B\n```sh\nc\n```\n";
        let found: Vec<_> = fences(page)
            .into_iter()
            .map(|fence| [fence.heading, fence.info, fence.text].join("|"))
            .collect();
        assert_eq!(
            found,
            [
                "|sh|rm x",
                "The Tour|sh|# a\na \\\n  b",
                "The Tour|yaml a.yaml|{}",
                "B|sh|c"
            ]
        );
    }
}
