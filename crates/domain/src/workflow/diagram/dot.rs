//! The language of Graphviz: one cluster for each state with a node for each status, so
//! that arrows between statuses can be drawn.

use std::fmt::Write as _;

use super::drawing::{Drawing, Mark, Row, StateBox, Way};
use crate::workflow::Category;

/// Writes the diagram.
pub(super) fn write(drawing: &Drawing<'_>) -> String {
    let mut lines = vec![
        "digraph workflow {".to_owned(),
        format!("    label=\"{}\"", escape(drawing.workflow.label.as_str())),
        "    compound=true".to_owned(),
        "    fontname=\"Helvetica\"".to_owned(),
        "    node [shape=box, style=\"rounded,filled\", fillcolor=\"white\", fontname=\"Helvetica\"]".to_owned(),
        "    edge [fontname=\"Helvetica\", fontsize=10]".to_owned(),
    ];
    for drawn in &drawing.boxes {
        lines.extend(cluster(drawn));
    }
    lines.extend(starts(drawing));
    lines.extend(drawing.ways.iter().flat_map(|way| arrows(drawing, way)));
    lines.extend(holds(drawing));
    lines.push("}".to_owned());
    lines.push(String::new());
    lines.join("\n")
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
            "        label=\"{}\"; style=\"rounded,filled\"; fillcolor=\"{fill}\"; penwidth={pen}",
            escape(drawn.state.label.as_str())
        ),
    ];
    lines.extend(
        drawn
            .rows
            .iter()
            .map(|row| format!("        {} [{}]", node(drawn, row), attributes(row))),
    );
    if drawn.rows.is_empty() {
        lines.push(format!(
            "        {} [label=\"no status\", style=\"dashed\"]",
            empty(drawn)
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
        lines.push(format!(
            "    start -> {} [lhead=\"cluster_{}\", style={style}]",
            anchor(drawn),
            drawn.state.code
        ));
    }
    lines
}

/// The node that stands for the whole state: its default.
fn anchor(drawn: &StateBox<'_>) -> String {
    drawn
        .rows
        .first()
        .map_or_else(|| empty(drawn), |row| node(drawn, row))
}

fn arrows(drawing: &Drawing<'_>, way: &Way<'_>) -> Vec<String> {
    let Some(to) = drawing.boxes.get(way.to) else {
        return Vec::new();
    };
    let style = if way.is_automatic {
        ", style=dashed"
    } else {
        ""
    };
    let landing = way
        .transition
        .to_status
        .as_ref()
        .and_then(|status| to.rows.iter().find(|row| row.code == status));
    let (head, lhead) = match landing {
        Some(row) => (node(to, row), String::new()),
        None => (anchor(to), format!(", lhead=\"cluster_{}\"", to.state.code)),
    };
    let mut lines = Vec::new();
    let mut arrow = |tail: &str, ltail: &str, inside: bool| {
        // Graphviz cannot end an arrow at the border of the cluster that it starts in.
        let lhead = if inside { "" } else { lhead.as_str() };
        lines.push(format!(
            "    {tail} -> {head} [label=\"{}\"{ltail}{lhead}{style}]",
            escape(&way.text)
        ));
    };
    if way.from_anywhere {
        let tail = format!("\"any/{}\"", way.transition.code);
        arrow(&tail, "", false);
        lines.push(format!(
            "    {tail} [label=\"anywhere\", shape=plaintext, style=\"\"]"
        ));
        return lines;
    }
    for (index, from) in way
        .from
        .iter()
        .filter_map(|index| Some((*index, drawing.boxes.get(*index)?)))
    {
        let inside = index == way.to;
        let named: Vec<_> = from
            .rows
            .iter()
            .filter(|row| way.transition.from_statuses.contains(row.code))
            .collect();
        if named.is_empty() {
            let ltail = if inside {
                String::new()
            } else {
                format!(", ltail=\"cluster_{}\"", from.state.code)
            };
            arrow(&anchor(from), &ltail, inside);
        }
        for row in named {
            arrow(&node(from, row), "", inside);
        }
    }
    lines
}

fn holds(drawing: &Drawing<'_>) -> Vec<String> {
    let Some(held) = drawing.held().and_then(|held| drawing.boxes.get(held)) else {
        return Vec::new();
    };
    let holdable = drawing.boxes.iter().filter(|drawn| drawn.state.holdable);
    holdable.map(|drawn| {
        format!(
            "    {} -> {} [label=\"hold, release\", ltail=\"cluster_{}\", lhead=\"cluster_{}\", dir=both, style=dotted, constraint=false]",
            anchor(drawn), anchor(held), drawn.state.code, held.state.code,
        )
    }).collect()
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '&' => "&amp;".to_owned(),
            other if other.is_control() => " ".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
