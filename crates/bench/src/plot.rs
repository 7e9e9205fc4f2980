//! The plot of the figures: for each row with a target, how far it got, the
//! target being one. Right of the line it is met.

use std::path::Path;

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{failure::Failure, report::Figure};

const WIDTH: u32 = 900;
const BAR: u32 = 26;
const MARGIN: u32 = 90;
const NAMES: u32 = 210;
/// The end of the scale: what goes beyond is drawn up to here.
const REACHED_MAX: f64 = 3.0;

/// Draws figures.
pub(crate) fn draw(figures: &[Figure], path: &Path) -> Result<(), Failure> {
    let bars = figures.iter().filter_map(bar).collect::<Vec<_>>();
    let height = MARGIN + BAR * u32::try_from(bars.len()).unwrap_or(u32::MAX / BAR);
    chart(&bars, path, height).map_err(|error| Failure::Plot {
        said: error.to_string(),
    })
}

/// A figure beside its target.
struct Bar<'f> {
    figure: &'f Figure,
    /// 1 is the target, more is better.
    reached: f64,
}

fn bar(figure: &Figure) -> Option<Bar<'_>> {
    let target = figure.target.as_deref()?;
    // What must be nothing is so or not; there is no part of it.
    if !target.starts_with(['≥', '≤']) {
        return None;
    }
    let bound = target
        .trim_start_matches(['≥', '≤', ' '])
        .trim_end_matches([' ', '×'])
        .parse::<f64>()
        .ok()?;
    let found = if target.ends_with('×') {
        figure.ratio?
    } else {
        figure.value
    };
    let reached = if target.starts_with('≥') {
        found / bound
    } else {
        bound / found
    };
    Some(Bar { figure, reached })
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn chart(bars: &[Bar<'_>], path: &Path, height: u32) -> Drawn {
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let rows = u32::try_from(bars.len())?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Reached, the target being 1", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(
            0.0..REACHED_MAX,
            (0..rows.saturating_sub(1)).into_segmented(),
        )?;
    let name = |segment: &SegmentValue<u32>| match segment {
        SegmentValue::CenterOf(row) => row_of(bars, rows, *row)
            .map(|bar| bar.figure.row.clone())
            .unwrap_or_default(),
        SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .max_light_lines(1)
        .y_labels(bars.len())
        .y_label_formatter(&name)
        .label_style(("sans-serif", 13))
        .draw()?;
    for row in 0..rows {
        let Some(bar) = row_of(bars, rows, row) else {
            continue;
        };
        let color = if bar.figure.met == Some(true) {
            RGBColor(0x2e, 0x7d, 0x32)
        } else {
            RGBColor(0xc6, 0x28, 0x28)
        };
        let length = bar.reached.clamp(0.0, REACHED_MAX);
        let corners = [
            (0.0, SegmentValue::Exact(row)),
            (length, SegmentValue::Exact(row + 1)),
        ];
        let mut rectangle = Rectangle::new(corners, color.filled());
        rectangle.set_margin(4, 4, 0, 0);
        chart.draw_series([rectangle])?;
        let label = format!("{:.2}", bar.reached);
        // Beside a short bar, inside a long one.
        let (at, ink) = if length > REACHED_MAX - 0.3 {
            (length - 0.2, WHITE)
        } else {
            (length + 0.03, BLACK)
        };
        let style = ("sans-serif", 13)
            .into_font()
            .color(&ink)
            .pos(Pos::new(HPos::Left, VPos::Center));
        let place = (at, SegmentValue::CenterOf(row));
        chart.draw_series([Text::new(label, place, style)])?;
    }
    let line = [
        (1.0, SegmentValue::Exact(0)),
        (1.0, SegmentValue::Exact(rows)),
    ];
    chart.draw_series([PathElement::new(line, BLACK.stroke_width(2))])?;
    root.present()?;
    Ok(())
}

/// The first figure is at the top.
fn row_of<'b, 'f>(bars: &'b [Bar<'f>], rows: u32, row: u32) -> Option<&'b Bar<'f>> {
    let from_top = usize::try_from(rows.checked_sub(row + 1)?).ok()?;
    bars.get(from_top)
}
