//! Drawings of a workflow: Mermaid for pages, DOT for graph tools, SVG as a picture.
//!
//! All three show states with their statuses, the default first, and transitions between
//! them, and mark where an order stands and has been, or how many orders stand where. States from
//! which orders may be put on hold have a mark; holding and releasing are no arrows, which would
//! cross the picture from almost everywhere.

mod boxes;
mod description;
mod dot;
mod drawing;
mod layers;
mod mermaid;
mod page;
mod svg;
mod text;

pub use drawing::Marks;
pub use page::TooLarge;

use super::Workflow;

/// The language of a diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A `stateDiagram-v2` of Mermaid.
    Mermaid,
    /// The language of Graphviz.
    Dot,
    /// A picture that needs no other tool.
    Svg,
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
