//! Mermaid's `stateDiagram-v2`: one node for each state, one arrow for each transition.

use std::fmt::Write as _;

use super::drawing::{Drawing, Mark, StateBox, Way};

/// Writes the diagram.
pub(super) fn write(drawing: &Drawing<'_>) -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned(), "    direction TB".to_owned()];
    for drawn in &drawing.boxes {
        lines.push(format!(
            "    state \"{}\" as {}",
            node_text(drawn),
            id(drawn)
        ));
    }
    lines.extend(
        drawing
            .boxes
            .iter()
            .filter(|drawn| drawn.state.can_start)
            .map(|drawn| format!("    [*] --> {}", id(drawn))),
    );
    lines.extend(drawing.ways.iter().flat_map(|way| arrows(drawing, way)));
    if let Some(held) = drawing.held().and_then(|held| drawing.boxes.get(held)) {
        for drawn in drawing.boxes.iter().filter(|drawn| drawn.state.holdable) {
            lines.push(format!("    {} --> {}: hold", id(drawn), id(held)));
            lines.push(format!("    {} --> {}: release", id(held), id(drawn)));
        }
    }
    lines.extend(
        drawing
            .boxes
            .iter()
            .filter(|drawn| drawn.state.terminal)
            .map(|drawn| format!("    {} --> [*]", id(drawn))),
    );
    lines.extend(classes(drawing));
    lines.push(String::new());
    lines.join("\n")
}

/// A prefix keeps codes apart from the words of the language, such as `state` or `end`.
fn id(drawn: &StateBox<'_>) -> String {
    format!("s_{}", drawn.state.code)
}

fn node_text(drawn: &StateBox<'_>) -> String {
    let mut text = format!("<b>{}</b>", escape(drawn.state.label.as_str()));
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

fn arrows(drawing: &Drawing<'_>, way: &Way<'_>) -> Vec<String> {
    let Some(to) = drawing.boxes.get(way.to) else {
        return Vec::new();
    };
    let text = match way.statuses_text(drawing) {
        Some(statuses) => format!("{}<br/>{}", escape(&way.text), escape(&statuses)),
        None => escape(&way.text),
    };
    if way.from_anywhere {
        let anywhere = format!("s0_{}", way.transition.code);
        return vec![
            format!("    state \"<i>from anywhere</i>\" as {anywhere}"),
            format!("    {anywhere} --> {}: {text}", id(to)),
        ];
    }
    let from = way
        .from
        .iter()
        .filter_map(|index| drawing.boxes.get(*index));
    from.map(|from| format!("    {} --> {}: {text}", id(from), id(to)))
        .collect()
}

fn classes(drawing: &Drawing<'_>) -> Vec<String> {
    let marked = |mark: Mark| {
        let states = drawing
            .boxes
            .iter()
            .filter(move |drawn| drawn.rows.iter().any(|row| row.mark == mark));
        states.map(id).collect::<Vec<_>>()
    };
    let current = marked(Mark::Current);
    let visited: Vec<_> = marked(Mark::Visited)
        .into_iter()
        .filter(|drawn| !current.contains(drawn))
        .collect();
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

/// Everything that Mermaid, or the HTML that it makes, could take for more than text.
fn escape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '"' | '<' | '>' | '&' | '#' | ';' | ':' | '\\' | '`' | '{' | '}' | '[' | ']' | '*'
            | '_' | '%' | '-' | '~' => {
                format!("#{};", u32::from(character))
            }
            other if other.is_control() => " ".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
