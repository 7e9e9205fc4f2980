//! A picture: states as boxes with their statuses, transitions as labels on the arrows
//! between them.

use std::fmt::Write as _;

use super::{
    TooLarge,
    drawing::{Drawing, Mark, StateBox, Way},
    layers::{Layout, Point, Size, place},
    page::Page,
};
use crate::workflow::Category;

const MARGIN: f64 = 24.0;
const HEADER: f64 = 30.0;
const ROW: f64 = 22.0;
const LINE: f64 = 14.0;
const LEGEND: f64 = 44.0;
/// Longer texts are cut; the whole is shown when the mouse rests on it.
const CHARACTERS_MAX: usize = 56;
/// A transition that leaves more states than this says so instead of drawing every arrow.
const SOURCES_MAX: usize = 12;

const STYLE: &str = "
    text { font-family: Helvetica, Arial, sans-serif; font-size: 13px; fill: #212529 }
    .title { font-size: 16px; font-weight: bold }
    .state { font-weight: bold }
    .note { font-size: 11px; fill: #495057 }
    .way { font-size: 11.5px }
    .arrow { fill: none; stroke: #495057; stroke-width: 1.3 }
    .automatic { stroke-dasharray: 5 3 }
";

/// What stands in one place of the picture.
enum Item {
    Start,
    State(usize),
    Way(usize),
}

/// The least that an arrow, the label of a transition, a state and a status take, in bytes.
const ARROW_BYTES: usize = 80;
const LABEL_BYTES: usize = 180;
const STATE_BYTES: usize = 300;
const ROW_BYTES: usize = 150;

/// Writes the picture.
pub(super) fn write(drawing: &Drawing<'_>, page: &mut Page) -> Result<(), TooLarge> {
    let items = items(drawing);
    let arrows = arrows(drawing);
    page.fits(least_bytes(drawing, arrows.len()))?;
    let sizes: Vec<Size> = items.iter().map(|item| size(drawing, item)).collect();
    let pairs: Vec<(usize, usize)> = arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect();
    let layout = place(&sizes, &pairs);
    page.push(&opening(drawing, &layout))?;
    for (arrow, route) in arrows.iter().zip(&layout.routes) {
        page.push(&path(arrow, route))?;
    }
    for ((item, size), middle) in items.iter().zip(&sizes).zip(&layout.middles) {
        let corner = Point {
            x: middle.x - size.width / 2.0,
            y: middle.y - size.height / 2.0,
        };
        let part = match item {
            Item::Start => start(*middle),
            Item::State(index) => drawing
                .boxes
                .get(*index)
                .map(|drawn| state_box(drawn, corner, *size))
                .unwrap_or_default(),
            Item::Way(index) => drawing
                .ways
                .get(*index)
                .map(|way| label(drawing, way, corner, *size))
                .unwrap_or_default(),
        };
        page.push(&part)?;
    }
    page.line("</g>")?;
    page.push(&legend(layout.size.height))?;
    page.line("</svg>")
}

/// What the picture takes at least, however it is laid out and whatever its texts are.
fn least_bytes(drawing: &Drawing<'_>, arrows: usize) -> usize {
    let rows: usize = drawing.boxes.iter().map(|drawn| drawn.rows.len()).sum();
    arrows * ARROW_BYTES
        + drawing.ways.len() * LABEL_BYTES
        + drawing.boxes.len() * STATE_BYTES
        + rows * ROW_BYTES
}

fn items(drawing: &Drawing<'_>) -> Vec<Item> {
    let states = (0..drawing.boxes.len()).map(Item::State);
    let ways = (0..drawing.ways.len()).map(Item::Way);
    [Item::Start]
        .into_iter()
        .chain(states)
        .chain(ways)
        .collect()
}

struct Arrow {
    from: usize,
    to: usize,
    is_automatic: bool,
}

/// Item 0 is the start, the states follow, then the ways.
fn arrows(drawing: &Drawing<'_>) -> Vec<Arrow> {
    let first_way = 1 + drawing.boxes.len();
    let starts = drawing
        .boxes
        .iter()
        .enumerate()
        .filter(|(_, drawn)| drawn.state.can_start);
    let mut arrows: Vec<Arrow> = starts
        .map(|(index, _)| Arrow {
            from: 0,
            to: 1 + index,
            is_automatic: false,
        })
        .collect();
    for (index, way) in drawing.ways.iter().enumerate() {
        let is_automatic = way.is_automatic;
        if way.from.len() <= SOURCES_MAX {
            arrows.extend(way.from.iter().map(|from| Arrow {
                from: 1 + from,
                to: first_way + index,
                is_automatic,
            }));
        }
        arrows.push(Arrow {
            from: first_way + index,
            to: 1 + way.to,
            is_automatic,
        });
    }
    arrows
}

fn size(drawing: &Drawing<'_>, item: &Item) -> Size {
    match item {
        Item::Start => Size {
            width: 16.0,
            height: 16.0,
        },
        Item::State(index) => drawing.boxes.get(*index).map_or(
            Size {
                width: 0.0,
                height: 0.0,
            },
            |drawn| {
                let header =
                    width(drawn.state.label.as_str(), 8.2) + 12.0 + width(notes(drawn), 6.2);
                let rows = drawn
                    .rows
                    .iter()
                    .map(|row| width(&cut(&row.text), 7.4) + 22.0);
                let rows_height: f64 = drawn.rows.iter().map(|_| ROW).sum();
                Size {
                    width: rows.fold(header, f64::max).max(110.0) + 20.0,
                    height: HEADER + rows_height + 8.0,
                }
            },
        ),
        Item::Way(index) => drawing.ways.get(*index).map_or(
            Size {
                width: 0.0,
                height: 0.0,
            },
            |way| {
                let lines = lines(drawing, way);
                let widest = lines
                    .iter()
                    .map(|line| width(line, 6.5))
                    .fold(0.0, f64::max);
                let height: f64 = lines.iter().map(|_| LINE).sum();
                Size {
                    width: widest + 16.0,
                    height: height + 8.0,
                }
            },
        ),
    }
}

/// Letters of other scripts are about twice as wide.
fn width(text: &str, letter: f64) -> f64 {
    text.chars()
        .map(|character| {
            if u32::from(character) < 0x1100 {
                letter
            } else {
                letter * 1.9
            }
        })
        .sum()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
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

/// What the label of a transition says: its name, the statuses it moves between, its guard.
fn lines(drawing: &Drawing<'_>, way: &Way<'_>) -> Vec<String> {
    let mut lines = vec![way.text.clone()];
    lines.extend(way.statuses_text(drawing));
    if way.from_anywhere {
        lines.push("from anywhere".to_owned());
    } else if way.from.len() > SOURCES_MAX {
        lines.push(format!("from {} states", way.from.len()));
    }
    if let Some(guard) = &way.transition.guard {
        lines.push(format!(
            "if {}",
            guard
                .as_str()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    lines.iter().map(|line| cut(line)).collect()
}

fn opening(drawing: &Drawing<'_>, layout: &Layout) -> String {
    let title = escape(drawing.workflow.label.as_str());
    let width = (layout.size.width + 2.0 * MARGIN).max(640.0);
    let height = layout.size.height + 2.0 * MARGIN + LEGEND + 20.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M 0 0 L 10 5 L 0 10 z\" fill=\"#495057\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"26\">{title}</text>\n\
         <g transform=\"translate({MARGIN} {:.0})\">\n",
        MARGIN + 20.0,
    )
}

/// Straight inside a layer, a curve between layers.
fn path(arrow: &Arrow, route: &[Point]) -> String {
    let mut d = String::new();
    for (index, point) in route.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| route.get(before));
        let _ = match before {
            None => write!(d, "M {:.1} {:.1}", point.x, point.y),
            Some(_) if index % 2 == 1 => write!(d, " L {:.1} {:.1}", point.x, point.y),
            Some(before) => {
                let middle = f64::midpoint(before.y, point.y);
                write!(
                    d,
                    " C {:.1} {middle:.1}, {:.1} {middle:.1}, {:.1} {:.1}",
                    before.x, point.x, point.x, point.y
                )
            }
        };
    }
    let class = if arrow.is_automatic {
        "arrow automatic"
    } else {
        "arrow"
    };
    format!("  <path class=\"{class}\" d=\"{d}\" marker-end=\"url(#head)\"/>\n")
}

fn start(middle: Point) -> String {
    format!(
        "  <circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"8\" fill=\"#212529\"/>\n",
        middle.x, middle.y
    )
}

fn state_box(drawn: &StateBox<'_>, corner: Point, size: Size) -> String {
    let (fill, line) = match drawn.state.category {
        Category::Initial => ("#d0ebff", "#1971c2"),
        Category::Active => ("#fff3bf", "#e67700"),
        Category::Held => ("#e5dbff", "#6741d9"),
        Category::Completed => ("#d3f9d8", "#2f9e44"),
        Category::Closed => ("#e9ecef", "#495057"),
        Category::Canceled => ("#ffe3e3", "#c92a2a"),
    };
    let Point { x, y } = corner;
    let Size { width, height } = size;
    let stroke = if drawn.state.terminal { 3.0 } else { 1.5 };
    let weight = if drawn.is_initial {
        "underline"
    } else {
        "none"
    };
    let mut svg = format!(
        "  <g><title>{}</title>\n\
         <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"7\" fill=\"{fill}\" stroke=\"{line}\" stroke-width=\"{stroke}\"/>\n\
         <text class=\"state\" x=\"{:.1}\" y=\"{:.1}\" text-decoration=\"{weight}\">{}</text>\n\
         <text class=\"note\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
        escape(drawn.state.code.as_str()),
        x + 10.0,
        y + 20.0,
        escape(&cut(drawn.state.label.as_str())),
        x + width - 8.0,
        y + 20.0,
        notes(drawn),
    );
    let mut top = y + HEADER;
    for row in &drawn.rows {
        let background = match row.mark {
            Mark::None => "#ffffff",
            Mark::Visited => "#c3fae8",
            Mark::Current => "#ffd43b",
        };
        let word = if row.mark == Mark::Current {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let _ = writeln!(
            svg,
            "<g><title>{}</title><rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" fill=\"{background}\"/>\
             <circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"{}\" stroke=\"#868e96\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\"{word}>{}</text></g>",
            escape(&format!("{}: {}", row.code, row.text)),
            x + 6.0,
            width - 12.0,
            ROW - 2.0,
            x + 17.0,
            top + 10.0,
            row.color.unwrap_or("#ffffff"),
            x + 28.0,
            top + 14.5,
            escape(&cut(&row.text)),
        );
        top += ROW;
    }
    svg.push_str("</g>\n");
    svg
}

fn label(drawing: &Drawing<'_>, way: &Way<'_>, corner: Point, size: Size) -> String {
    let Point { x, y } = corner;
    let Size { width, height } = size;
    let transition = way.transition;
    let guard = transition
        .guard
        .as_ref()
        .map(|guard| format!("\nif {guard}"))
        .unwrap_or_default();
    let mut svg = format!(
        "  <g><title>{}</title>\
         <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"9\" fill=\"#f8f9fa\" stroke=\"#adb5bd\"/>\n",
        escape(&format!("{}: {}{guard}", transition.code, way.text)),
    );
    let mut baseline = y + 15.0;
    for (line, class) in lines(drawing, way)
        .iter()
        .zip(["way"].into_iter().chain(std::iter::repeat("note")))
    {
        let _ = write!(
            svg,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"middle\">{}</text>",
            x + width / 2.0,
            escape(line),
        );
        baseline += LINE;
    }
    svg.push_str("</g>\n");
    svg
}

fn legend(height: f64) -> String {
    let y = height + MARGIN * 2.0 + 34.0;
    format!(
        "<g class=\"legend\"><path class=\"arrow\" d=\"M {MARGIN} {y} h 28\" marker-end=\"url(#head)\"/>\
         <text class=\"note\" x=\"58\" y=\"{t}\">asked for by a call</text>\
         <path class=\"arrow automatic\" d=\"M 172 {y} h 28\" marker-end=\"url(#head)\"/>\
         <text class=\"note\" x=\"206\" y=\"{t}\">taken by Waymark itself</text>\
         <text class=\"note\" x=\"372\" y=\"{t}\">the first status of a state is its default</text></g>\n",
        t = y + 4.0,
    )
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            '\n' | '\r' | '\t' => " ".to_owned(),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {
                " ".to_owned()
            }
            other => other.to_string(),
        })
        .collect()
}
