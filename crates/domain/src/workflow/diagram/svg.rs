//! A picture: states as boxes with their statuses, transitions as labels on the arrows
//! between them.

use std::fmt::Write as _;

use super::{
    boxes::{label, label_size, state_box, state_size},
    description::description,
    drawing::{Drawing, DrawnTransition, SOURCES_MAX, StateBox},
    layers::{Layout, Point, Size, place},
    page::{Page, TooLarge},
    text::{escape, width},
};

const MARGIN: f64 = 24.0;
const LEGEND: f64 = 44.0;

/// The colours and fonts, light and dark.
const STYLE: &str = include_str!("picture.css");

/// A box of the picture.
enum Shape<'d> {
    Start,
    State(&'d StateBox<'d>),
    Transition(&'d DrawnTransition<'d>),
}

/// The least that an arrow, the label of a transition, a state and a status take, in bytes.
const ARROW_BYTES: usize = 80;
const LABEL_BYTES: usize = 130;
const STATE_BYTES: usize = 140;
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
            Shape::Start => start(*middle),
            Shape::State(drawn) => state_box(drawn, corner, *size),
            Shape::Transition(way) => label(drawing, way, corner, *size),
        };
        page.push(&part)?;
    }
    page.line("</g>")?;
    page.push(&legend(layout.size.height))?;
    page.line("</svg>")
}

/// The least that the picture takes, however it is laid out and whatever its texts are.
fn least_bytes(drawing: &Drawing<'_>, arrows: usize) -> usize {
    let rows: usize = drawing.boxes.iter().map(|drawn| drawn.rows.len()).sum();
    arrows * ARROW_BYTES
        + drawing.ways.len() * LABEL_BYTES
        + drawing.boxes.len() * STATE_BYTES
        + rows * ROW_BYTES
}

fn items<'d>(drawing: &'d Drawing<'d>) -> Vec<Shape<'d>> {
    let states = drawing.boxes.iter().map(Shape::State);
    let ways = drawing.ways.iter().map(Shape::Transition);
    let start = std::iter::once(Shape::Start);
    start.chain(states).chain(ways).collect()
}

struct Arrow {
    from: usize,
    to: usize,
    is_automatic: bool,
}

/// Box 0 is the start, the states follow, then the ways.
fn arrows(drawing: &Drawing<'_>) -> Vec<Arrow> {
    let first_way = 1 + drawing.boxes.len();
    let boxes = drawing.boxes.iter().enumerate();
    let starts = boxes.filter(|(_, drawn)| drawn.state.can_start);
    let starts = starts.map(|(index, _)| Arrow {
        from: 0,
        to: 1 + index,
        is_automatic: false,
    });
    let mut arrows: Vec<Arrow> = starts.collect();
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

fn size(drawing: &Drawing<'_>, item: &Shape<'_>) -> Size {
    match item {
        Shape::Start => Size {
            width: 16.0,
            height: 16.0,
        },
        Shape::State(drawn) => state_size(drawn),
        Shape::Transition(way) => label_size(drawing, way),
    }
}

fn opening(drawing: &Drawing<'_>, layout: &Layout) -> String {
    let code = &drawing.workflow.code;
    let label = drawing.workflow.label.as_str();
    let title = escape(label);
    let widest = layout.size.width.max(width(label, 9.5));
    let width = (widest + 2.0 * MARGIN).max(640.0);
    let height = layout.size.height + 2.0 * MARGIN + LEGEND + 20.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-labelledby=\"{code}-title {code}-desc\">\n\
         <title id=\"{code}-title\">{title}</title>\n\
         <desc id=\"{code}-desc\">{}</desc>\n\
         <style>\n{STYLE}</style>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path class=\"head\" d=\"M 0 0 L 10 5 L 0 10 z\"/></marker></defs>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"26\">{title}</text>\n\
         <g transform=\"translate({MARGIN} {:.0})\">\n",
        escape(&description(drawing)),
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
    let automatic = if arrow.is_automatic { " automatic" } else { "" };
    format!("  <path class=\"arrow{automatic}\" d=\"{d}\" marker-end=\"url(#head)\"/>\n")
}

fn start(middle: Point) -> String {
    let Point { x, y } = middle;
    format!("  <circle class=\"start\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\"/>\n")
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
