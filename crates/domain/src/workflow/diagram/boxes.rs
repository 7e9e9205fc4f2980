//! The boxes of a picture: states with their statuses, and the labels of transitions.

use std::fmt::Write as _;

use super::{
    drawing::{Drawing, DrawnTransition, Mark, Row, SOURCES_MAX, StateBox},
    layers::{Point, Size},
    text::{cut, escape, is_leftward, width},
};
use crate::workflow::Category;

const HEADER: f64 = 30.0;
const ROW: f64 = 22.0;
const LINE: f64 = 14.0;

/// The size of the box of a state.
pub(super) fn state_size(drawn: &StateBox<'_>) -> Size {
    let label = cut(drawn.state.label.as_str());
    let header = width(&label, 8.2) + 12.0 + width(notes(drawn), 6.2);
    let rows = drawn.rows.iter();
    let rows = rows.map(|row| width(&cut(&row.text), 7.4) + 22.0);
    let rows_height: f64 = drawn.rows.iter().map(|_| ROW).sum();
    Size {
        width: rows.fold(header, f64::max).max(110.0) + 20.0,
        height: HEADER + rows_height + 8.0,
    }
}

/// The size of the label of a transition.
pub(super) fn label_size(drawing: &Drawing<'_>, way: &DrawnTransition<'_>) -> Size {
    let lines = lines(drawing, way);
    let widths = lines.iter().map(|line| width(&cut(line), 6.5));
    let height: f64 = lines.iter().map(|_| LINE).sum();
    Size {
        width: widths.fold(0.0, f64::max) + 16.0,
        height: height + 8.0,
    }
}

fn notes(drawn: &StateBox<'_>) -> &'static str {
    match (drawn.state.terminal, drawn.state.holdable) {
        (true, true) => "terminal, holdable",
        (true, false) => "terminal",
        (false, true) => "holdable",
        (false, false) => "",
    }
}

/// The lines of the label of a transition: its name, the statuses it moves between, its guard.
fn lines(drawing: &Drawing<'_>, way: &DrawnTransition<'_>) -> Vec<String> {
    let mut lines = vec![way.text.clone()];
    lines.extend(way.statuses_text(drawing));
    if way.from_anywhere {
        lines.push("from anywhere".to_owned());
    } else if way.from.len() > SOURCES_MAX {
        lines.push(format!("from {} states", way.from.len()));
    }
    if let Some(guard) = &way.transition.guard {
        let words: Vec<_> = guard.as_str().split_whitespace().collect();
        lines.push(format!("if {}", words.join(" ")));
    }
    lines
}

/// Draws a state with its statuses, from its upper left corner.
pub(super) fn state_box(drawn: &StateBox<'_>, corner: Point, size: Size) -> String {
    let category = match drawn.state.category {
        Category::Initial => "initial",
        Category::Active => "active",
        Category::Held => "held",
        Category::Completed => "completed",
        Category::Closed => "closed",
        Category::Canceled => "canceled",
    };
    let Point { x, y } = corner;
    let Size { width, height } = size;
    let terminal = if drawn.state.terminal {
        " terminal"
    } else {
        ""
    };
    let first = if drawn.is_initial { " first" } else { "" };
    let label = drawn.state.label.as_str();
    let begin = inside(label, corner, size, 10.0);
    let direction = direction(label);
    let mut svg = format!(
        "  <g><title>{}</title>\n\
         <rect class=\"box {category}{terminal}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"7\"/>\n\
         <text class=\"state{first}\" x=\"{begin:.1}\" y=\"{:.1}\"{direction}>{}</text>\n",
        escape(&format!("{}: {label}", drawn.state.code)),
        y + 20.0,
        escape(&cut(label)),
    );
    let notes = notes(drawn);
    if !notes.is_empty() {
        let (end, anchor) = if is_leftward(label) {
            (x + 8.0, "start")
        } else {
            (x + width - 8.0, "end")
        };
        let _ = writeln!(
            svg,
            "<text class=\"note\" x=\"{end:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{notes}</text>",
            y + 20.0,
        );
    }
    let mut top = y + HEADER;
    for row in &drawn.rows {
        svg.push_str(&status_row(row, Point { x, y: top }, size));
        top += ROW;
    }
    svg.push_str("</g>\n");
    svg
}

/// Draws a status of a state, from the left border of the state.
fn status_row(row: &Row<'_>, corner: Point, size: Size) -> String {
    let Point { x, y } = corner;
    let (mark, word) = match row.mark {
        Mark::None => ("row", ""),
        Mark::Visited => ("visited", ""),
        Mark::Current => ("current", " class=\"here\""),
    };
    let dot = match row.color {
        Some(color) => format!("class=\"dot\" fill=\"{color}\""),
        None => "class=\"dot row\"".to_owned(),
    };
    let middle = inside(&row.text, corner, size, 17.0);
    let begin = inside(&row.text, corner, size, 28.0);
    let direction = direction(&row.text);
    format!(
        "<g><title>{}</title><rect class=\"{mark}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\"/>\
         <circle {dot} cx=\"{middle:.1}\" cy=\"{:.1}\" r=\"5\"/>\
         <text{word} x=\"{begin:.1}\" y=\"{:.1}\"{direction}>{}</text></g>\n",
        escape(&format!("{}: {}", row.code, row.text)),
        x + 6.0,
        size.width - 12.0,
        ROW - 2.0,
        y + 10.0,
        y + 14.5,
        escape(&cut(&row.text)),
    )
}

/// Draws the label of a transition, from its upper left corner.
pub(super) fn label(
    drawing: &Drawing<'_>,
    way: &DrawnTransition<'_>,
    corner: Point,
    size: Size,
) -> String {
    let Point { x, y } = corner;
    let Size { width, height } = size;
    let lines = lines(drawing, way);
    let mut svg = format!(
        "  <g class=\"label\"><title>{}</title>\
         <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"9\"/>\n",
        escape(&format!("{}: {}", way.transition.code, lines.join("; "))),
    );
    let mut baseline = y + 15.0;
    // The name has its own direction, what is said of it reads from left to right.
    let first = [("way", direction(&way.text))];
    let styles = first.into_iter().chain(std::iter::repeat(("note", "")));
    for (line, (class, direction)) in lines.iter().zip(styles) {
        let _ = write!(
            svg,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{baseline:.1}\"{direction}>{}</text>",
            x + width / 2.0,
            escape(&cut(line)),
        );
        baseline += LINE;
    }
    svg.push_str("</g>\n");
    svg
}

/// The attribute for the direction of a text.
fn direction(text: &str) -> &'static str {
    if is_leftward(text) {
        " direction=\"rtl\""
    } else {
        ""
    }
}

/// The place so far from the border of a box at which its text begins.
fn inside(text: &str, corner: Point, size: Size, inset: f64) -> f64 {
    if is_leftward(text) {
        corner.x + size.width - inset
    } else {
        corner.x + inset
    }
}
