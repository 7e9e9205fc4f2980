//! Figures: what was measured, against what, and whether it is what was to be
//! reached.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Its name; a latency is named after its row, a slash, and its quantile.
    pub(crate) row: String,
    /// The unit that it counts.
    pub(crate) unit: String,
    /// The median of the rounds.
    pub(crate) value: f64,
    /// The median of the rounds of what it is measured against.
    pub(crate) baseline: Option<f64>,
    /// The median of the rounds' ratios.
    pub(crate) ratio: Option<f64>,
    /// The target, as text.
    pub(crate) target: Option<String>,
    /// Whether the target is reached.
    pub(crate) met: Option<bool>,
}

/// A target of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtLeast(f64),
    AtMost(f64),
    Exactly(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtLeast(bound) => write!(f, "≥ {bound} ×"),
            Self::RatioAtMost(bound) => write!(f, "≤ {bound} ×"),
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
            Self::Exactly(bound) => write!(f, "{bound}"),
        }
    }
}

/// The results of one row's rounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    values: Vec<f64>,
    baselines: Vec<f64>,
}

impl Rounds {
    /// Adds a round with what it is measured against.
    pub(crate) fn pair(&mut self, baseline: f64, value: f64) {
        self.baselines.push(baseline);
        self.values.push(value);
    }

    /// Adds a round that is measured against nothing.
    pub(crate) fn alone(&mut self, value: f64) {
        self.values.push(value);
    }

    /// The figure of these rounds.
    pub(crate) fn figure(&self, row: &str, unit: &str, target: Option<Target>) -> Figure {
        let value = median(&self.values).unwrap_or(f64::NAN);
        let ratios = self.values.iter().zip(&self.baselines);
        let ratios = ratios.map(|(value, baseline)| value / baseline);
        let ratio = median(&ratios.collect::<Vec<_>>());
        let met = target.map(|target| match target {
            Target::RatioAtLeast(bound) => ratio.is_some_and(|ratio| ratio >= bound),
            Target::RatioAtMost(bound) => ratio.is_some_and(|ratio| ratio <= bound),
            Target::AtLeast(bound) => value >= bound,
            Target::AtMost(bound) => value <= bound,
            Target::Exactly(bound) => (value - bound).abs() < f64::EPSILON,
        });
        Figure {
            row: row.to_owned(),
            unit: unit.to_owned(),
            value,
            baseline: median(&self.baselines),
            ratio,
            target: target.map(|target| target.to_string()),
            met,
        }
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted.get(middle.checked_sub(1)?).copied()?;
    Some(f64::midpoint(lower, upper))
}

/// Writes figures as JSON.
pub(crate) fn write(figures: &[Figure], path: &Path) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(figures)?;
    std::fs::write(path, text + "\n").map_err(Failure::io("the figures cannot be written"))
}

/// Reads figures that were written.
pub(crate) fn read(path: &Path) -> Result<Vec<Figure>, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::io("the figures cannot be read"))?;
    Ok(serde_json::from_str(&text)?)
}

/// The figures as a table in Markdown, aligned so that it reads well on a terminal too.
pub(crate) fn table(figures: &[Figure]) -> String {
    let heading = ["row", "unit", "value", "baseline", "ratio", "target", "met"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(figures.iter().map(cells));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut lines = rows.iter().map(|row| line(row, widths)).collect::<Vec<_>>();
    let rule = widths.map(|width| "-".repeat(width));
    lines.insert(1, line(&rule, widths));
    lines.join("\n")
}

fn line(cells: &[String; 7], widths: [usize; 7]) -> String {
    let cells = cells.iter().zip(widths);
    let cells = cells.map(|(cell, width)| format!(" {cell:width$} |"));
    format!("|{}", cells.collect::<String>())
}

fn cells(figure: &Figure) -> [String; 7] {
    let met = figure.met.map(|met| if met { "yes" } else { "no" });
    [
        figure.row.clone(),
        figure.unit.clone(),
        digits(figure.value),
        figure.baseline.map(digits).unwrap_or_default(),
        figure
            .ratio
            .map(|ratio| format!("{ratio:.2}"))
            .unwrap_or_default(),
        figure.target.clone().unwrap_or_default(),
        met.unwrap_or_default().to_owned(),
    ]
}

/// About four digits, and thousands apart.
fn digits(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let whole = format!("{value:.0}");
    let mut apart = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(pairs: &[(f64, f64)]) -> Rounds {
        let mut rounds = Rounds::default();
        for (baseline, value) in pairs {
            rounds.pair(*baseline, *value);
        }
        rounds
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_medians() {
        let rounds = rounds(&[(100.0, 300.0), (200.0, 200.0), (10.0, 500.0)]);
        let figure = rounds.figure("a", "steps/s", Some(Target::RatioAtLeast(3.0)));
        assert_eq!((figure.value, figure.baseline), (300.0, Some(100.0)));
        assert_eq!((figure.ratio, figure.met), (Some(3.0), Some(true)));
        assert_eq!(figure.target.as_deref(), Some("≥ 3 ×"));
    }

    #[test]
    fn targets_bind_on_their_side() {
        let rounds = rounds(&[(100.0, 150.0)]);
        let met = |target| rounds.figure("a", "ms", Some(target)).met;
        assert_eq!(met(Target::RatioAtMost(1.5)), Some(true));
        assert_eq!(met(Target::RatioAtMost(1.4)), Some(false));
        assert_eq!(met(Target::AtMost(150.0)), Some(true));
        assert_eq!(met(Target::AtLeast(150.5)), Some(false));
        assert_eq!(rounds.figure("a", "ms", None).met, None);
    }

    #[test]
    fn without_rounds_nothing_is_met() {
        let figure = Rounds::default().figure("a", "ms", Some(Target::AtMost(1.0)));
        assert_eq!(figure.met, Some(false));
    }

    #[test]
    fn the_table_is_aligned() {
        let table = table(&[rounds(&[(1_000.0, 12_345.6)]).figure("a-row", "steps/s", None)]);
        let expected = "\
            | row   | unit    | value  | baseline | ratio | target | met |\n\
            | ----- | ------- | ------ | -------- | ----- | ------ | --- |\n\
            | a-row | steps/s | 12,346 | 1,000    | 12.35 |        |     |";
        assert_eq!(table, expected);
    }
}
