//! The tour of the README: its commands, taken out of the page as a reader would copy them.

use std::{fs, path::PathBuf, process::Command};

use crate::binary::workspace;

/// The heading under which the tour stands.
const HEADING: &str = "tour";

/// Every `sh` block of the section whose heading speaks of a tour.
///
/// # Panics
/// Panics where the README has no such section.
pub fn tour() -> Vec<String> {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("there is a README");
    let blocks = blocks(&readme);
    assert!(!blocks.is_empty(), "the README has a tour with sh blocks");
    blocks
}

fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut is_tour = false;
    let mut block: Option<Vec<&str>> = None;
    for line in page.lines() {
        if let Some(lines) = &mut block {
            if line.trim_end() == "```" {
                blocks.push(lines.join("\n"));
                block = None;
            } else {
                lines.push(line);
            }
        } else if line.starts_with('#') {
            is_tour = line.to_lowercase().contains(HEADING);
        } else if is_tour && line.trim_end() == "```sh" {
            block = Some(Vec::new());
        }
    }
    blocks
}

/// Where grpcurl is, after it was installed if it had to be.
///
/// # Panics
/// Panics with the line to run where it neither exists nor can be installed.
pub fn grpcurl() -> PathBuf {
    let found = find("grpcurl");
    found.unwrap_or_else(|| {
        let install = "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";
        let installed = Command::new("sh").args(["-c", install]).status();
        assert!(
            installed.is_ok_and(|status| status.success()),
            "install grpcurl first: {install}"
        );
        find("grpcurl").expect("go install puts it where it is looked for")
    })
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin"));
    let mut places = std::env::split_paths(&path).chain(home);
    places
        .find(|place| place.join(name).is_file())
        .map(|place| place.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_other_sections_and_languages_are_left_out() {
        let page = "# A\n```sh\nrm x\n```\n## The Tour\n```sh\na \\\n  b\n```\n```json\n{}\n```\n## B\n```sh\nc\n```\n";
        assert_eq!(blocks(page), ["a \\\n  b"]);
    }
}
