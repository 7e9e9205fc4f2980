//! The tour of the README: its commands, taken out of the page as a reader would copy them.

use crate::page;

/// The heading under which the tour stands.
const HEADING: &str = "tour";

/// Every `sh` block of the section whose heading speaks of a tour.
///
/// # Panics
/// Panics where the README has no such section.
pub fn tour() -> Vec<String> {
    let blocks: Vec<_> = page::read("README.md")
        .into_iter()
        .filter(|fence| fence.info == "sh" && fence.heading.to_lowercase().contains(HEADING))
        .map(|fence| fence.text)
        .collect();
    assert!(!blocks.is_empty(), "the README has a tour with sh blocks");
    blocks
}
