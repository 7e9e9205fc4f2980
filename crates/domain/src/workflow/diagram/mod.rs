//! Drawings of a workflow: Mermaid for pages, DOT for graph tools, SVG to look at.
//!
//! All three show states with their statuses, the default first, and transitions between
//! them, and mark where an order stands and has been, or how many orders stand where.

mod dot;
mod drawing;
mod layers;
mod mermaid;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

use super::Workflow;
use crate::order::Standing;

/// How a diagram is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Draws a workflow.
pub fn render(workflow: &Workflow, format: Format, marks: &Marks) -> String {
    let drawing = drawing::Drawing::new(workflow, marks);
    match format {
        Format::Mermaid => mermaid::write(&drawing),
        Format::Dot => dot::write(&drawing),
        Format::Svg => svg::write(&drawing),
    }
}

#[cfg(test)]
mod tests;
