//! Mermaid's `stateDiagram-v2`: one node for each state, one arrow for each transition.

use std::fmt::Write as _;

use super::{
    drawing::{Drawing, DrawnTransition, Mark, StateBox},
    page::{Page, TooLarge},
};

/// Writes the diagram.
pub(super) fn write(drawing: &Drawing<'_>, page: &mut Page) -> Result<(), TooLarge> {
    page.line("stateDiagram-v2")?;
    page.line("    direction TB")?;
    for drawn in &drawing.boxes {
        let (text, id) = (node_text(drawn), id(drawn));
        page.line(&format!("    state \"{text}\" as {id}"))?;
    }
    for drawn in drawing.boxes.iter().filter(|drawn| drawn.state.can_start) {
        page.line(&format!("    [*] --> {}", id(drawn)))?;
    }
    for way in &drawing.ways {
        arrows(drawing, way, page)?;
    }
    for drawn in drawing.boxes.iter().filter(|drawn| drawn.state.terminal) {
        page.line(&format!("    {} --> [*]", id(drawn)))?;
    }
    for line in classes(drawing) {
        page.line(&line)?;
    }
    Ok(())
}

/// A prefix keeps codes apart from the words of the language, such as `state` or `end`.
fn id(drawn: &StateBox<'_>) -> String {
    format!("s_{}", drawn.state.code)
}

fn node_text(drawn: &StateBox<'_>) -> String {
    let label = escape(drawn.state.label.as_str());
    let mut text = format!("<b>{label}</b>{}", drawn.mark());
    for row in &drawn.rows {
        let (before, after) = match row.mark {
            Mark::None => ("", ""),
            Mark::Visited => ("✓ ", ""),
            Mark::Current => ("➤ <b>", "</b>"),
        };
        let _ = write!(text, "<br/>{before}{}{after}", escape(&row.text));
    }
    text
}

fn arrows(
    drawing: &Drawing<'_>,
    way: &DrawnTransition<'_>,
    page: &mut Page,
) -> Result<(), TooLarge> {
    let Some(to) = drawing.boxes.get(way.to) else {
        return Ok(());
    };
    let text = match way.statuses_text(drawing) {
        Some(statuses) => format!("{}<br/>{}", escape(&way.text), escape(&statuses)),
        None => escape(&way.text),
    };
    if way.from_anywhere {
        let anywhere = format!("s0_{}", way.transition.code);
        page.line(&format!("    state \"<i>from anywhere</i>\" as {anywhere}"))?;
        return page.line(&format!("    {anywhere} --> {}: {text}", id(to)));
    }
    for from in &way.from {
        if let Some(from) = drawing.boxes.get(*from) {
            page.line(&format!("    {} --> {}: {text}", id(from), id(to)))?;
        }
    }
    Ok(())
}

fn classes(drawing: &Drawing<'_>) -> Vec<String> {
    let marked = |mark: Mark| {
        let is_marked = |drawn: &&StateBox<'_>| drawn.rows.iter().any(|row| row.mark == mark);
        let states = drawing.boxes.iter().filter(is_marked);
        states.map(id).collect::<Vec<_>>()
    };
    let current = marked(Mark::Current);
    let mut visited = marked(Mark::Visited);
    visited.retain(|drawn| !current.contains(drawn));
    let mut lines = Vec::new();
    for (name, style, states) in [
        (
            "current",
            "fill:#fff3bf,stroke:#e67700,stroke-width:3px",
            current,
        ),
        ("visited", "fill:#e6fcf5,stroke:#099268", visited),
    ] {
        if !states.is_empty() {
            lines.push(format!("    classDef {name} {style}"));
            lines.push(format!("    class {} {name}", states.join(",")));
        }
    }
    lines
}

/// Escapes everything that Mermaid, or the HTML that it makes, could take for more than text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '<' | '>' | '&' | '#' | ';' | ':' | '\\' | '`' | '{' | '}' | '[' | ']' | '*'
            | '_' | '%' | '-' | '~' => {
                let _ = write!(escaped, "#{};", u32::from(character));
            }
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
