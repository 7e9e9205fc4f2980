//! The language of Graphviz: one cluster for each state with a node for each status, so
//! that arrows between statuses can be drawn.

use std::fmt::Write as _;

use super::{
    drawing::{Drawing, DrawnTransition, Mark, Row, StateBox},
    page::{Page, TooLarge},
};
use crate::workflow::Category;

/// Writes the diagram.
pub(super) fn write(drawing: &Drawing<'_>, page: &mut Page) -> Result<(), TooLarge> {
    page.line("digraph workflow {")?;
    let label = escape(drawing.workflow.label.as_str());
    page.line(&format!("    label=\"{label}\""))?;
    page.line("    compound=true")?;
    page.line("    fontname=\"Helvetica\"")?;
    page.line("    node [shape=box, style=\"rounded,filled\", fillcolor=\"white\", fontname=\"Helvetica\"]")?;
    page.line("    edge [fontname=\"Helvetica\", fontsize=10]")?;
    for drawn in &drawing.boxes {
        for line in cluster(drawn) {
            page.line(&line)?;
        }
    }
    for line in starts(drawing) {
        page.line(&line)?;
    }
    for way in &drawing.ways {
        arrows(drawing, way, page)?;
    }
    page.line("}")
}

fn cluster(drawn: &StateBox<'_>) -> Vec<String> {
    let fill = match drawn.state.category {
        Category::Initial => "#e7f5ff",
        Category::Active => "#fff9db",
        Category::Held => "#f3f0ff",
        Category::Completed => "#ebfbee",
        Category::Closed => "#f1f3f5",
        Category::Canceled => "#fff0f0",
    };
    let pen = if drawn.state.terminal { 3 } else { 1 };
    let mut lines = vec![
        format!("    subgraph \"cluster_{}\" {{", drawn.state.code),
        format!(
            "        label=\"{}{}\"; style=\"rounded,filled\"; fillcolor=\"{fill}\"; penwidth={pen}",
            escape(drawn.state.label.as_str()),
            drawn.mark(),
        ),
    ];
    for row in &drawn.rows {
        lines.push(format!(
            "        {} [{}]",
            node(drawn, row),
            attributes(row)
        ));
    }
    if drawn.rows.is_empty() {
        let node = empty(drawn);
        lines.push(format!(
            "        {node} [label=\"no status\", style=\"dashed\"]"
        ));
    }
    lines.push("    }".to_owned());
    lines
}

fn node(drawn: &StateBox<'_>, row: &Row<'_>) -> String {
    format!("\"{}/{}\"", drawn.state.code, row.code)
}

fn empty(drawn: &StateBox<'_>) -> String {
    format!("\"{}/\"", drawn.state.code)
}

fn attributes(row: &Row<'_>) -> String {
    let mut text = format!("label=\"{}\"", escape(&row.text));
    if let Some(color) = row.color {
        let _ = write!(text, ", color=\"{color}\", penwidth=2");
    }
    match row.mark {
        Mark::None => {}
        Mark::Visited => text.push_str(", fillcolor=\"#c3fae8\""),
        Mark::Current => text.push_str(", fillcolor=\"#ffd43b\", penwidth=3"),
    }
    text
}

fn starts(drawing: &Drawing<'_>) -> Vec<String> {
    let mut lines =
        vec!["    start [shape=circle, label=\"\", width=0.2, fillcolor=\"black\"]".to_owned()];
    for drawn in drawing.boxes.iter().filter(|drawn| drawn.state.can_start) {
        let style = if drawn.is_initial { "bold" } else { "solid" };
        let (node, state) = (anchor(drawn), &drawn.state.code);
        lines.push(format!(
            "    start -> {node} [lhead=\"cluster_{state}\", style={style}]"
        ));
    }
    lines
}

/// The node that stands for the whole state: its default.
fn anchor(drawn: &StateBox<'_>) -> String {
    let first = drawn.rows.first();
    first.map_or_else(|| empty(drawn), |row| node(drawn, row))
}

fn arrows(
    drawing: &Drawing<'_>,
    way: &DrawnTransition<'_>,
    page: &mut Page,
) -> Result<(), TooLarge> {
    let Some(to) = drawing.boxes.get(way.to) else {
        return Ok(());
    };
    let style = if way.is_automatic {
        ", style=dashed"
    } else {
        ""
    };
    let landing = way.transition.to_status.as_ref();
    let landing = landing.and_then(|status| to.rows.iter().find(|row| row.code == status));
    let (head, lhead) = match landing {
        Some(row) => (node(to, row), String::new()),
        None => (anchor(to), format!(", lhead=\"cluster_{}\"", to.state.code)),
    };
    let text = escape(&way.text);
    let mut arrow = |tail: &str, ltail: &str, inside: bool| {
        // Graphviz cannot end an arrow at the border of the cluster that it starts in.
        let lhead = if inside { "" } else { lhead.as_str() };
        page.line(&format!(
            "    {tail} -> {head} [label=\"{text}\"{ltail}{lhead}{style}]"
        ))
    };
    if way.from_anywhere {
        let tail = format!("\"any/{}\"", way.transition.code);
        arrow(&tail, "", false)?;
        return page.line(&format!(
            "    {tail} [label=\"anywhere\", shape=plaintext, style=\"\"]"
        ));
    }
    for index in &way.from {
        let Some(from) = drawing.boxes.get(*index) else {
            continue;
        };
        let inside = *index == way.to;
        let mut named = from.rows.iter().filter(|row| way.names(row)).peekable();
        if named.peek().is_none() {
            let ltail = if inside {
                String::new()
            } else {
                format!(", ltail=\"cluster_{}\"", from.state.code)
            };
            arrow(&anchor(from), &ltail, inside)?;
        }
        for row in named {
            arrow(&node(from, row), "", inside)?;
        }
    }
    Ok(())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '&' => escaped.push_str("&amp;"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
