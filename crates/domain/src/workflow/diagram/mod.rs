//! Drawings of a workflow: Mermaid for pages, DOT for graph tools, SVG to look at.
//!
//! All three show states with their statuses, the default first, and transitions between
//! them, and mark where an order stands and has been, or how many orders stand where.

mod dot;
mod drawing;
mod layers;
mod mermaid;
mod page;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

use super::Workflow;
use crate::order::Standing;

/// How a diagram is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A `stateDiagram-v2` of Mermaid.
    Mermaid,
    /// The language of Graphviz.
    Dot,
    /// A picture that needs no other tool.
    Svg,
}

/// What a diagram shows besides the workflow; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Where an order stands.
    pub standing: Option<Standing>,
    /// Where it has been.
    pub visited: BTreeSet<Standing>,
    /// How many orders stand where; places without orders may be left out.
    pub counts: BTreeMap<Standing, u64>,
}

/// A diagram is larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the diagram has more than {max} bytes")]
pub struct TooLarge {
    /// The limit, in bytes.
    pub max: usize,
}

/// Draws a workflow, however large that is.
pub fn render(workflow: &Workflow, format: Format, marks: &Marks) -> String {
    // Without a limit nothing is too large.
    render_within(usize::MAX, workflow, format, marks).unwrap_or_default()
}

/// Draws a workflow, if that takes no more than `bytes_max` bytes.
///
/// # Errors
/// Returns [`TooLarge`] when it would take more. No more than these are written, and a picture that
/// is certain to have more is not laid out.
pub fn render_within(
    bytes_max: usize,
    workflow: &Workflow,
    format: Format,
    marks: &Marks,
) -> Result<String, TooLarge> {
    let drawing = drawing::Drawing::new(workflow, marks);
    let mut page = page::Page::new(bytes_max);
    match format {
        Format::Mermaid => mermaid::write(&drawing, &mut page)?,
        Format::Dot => dot::write(&drawing, &mut page)?,
        Format::Svg => svg::write(&drawing, &mut page)?,
    }
    Ok(page.into_text())
}

#[cfg(test)]
mod tests;
