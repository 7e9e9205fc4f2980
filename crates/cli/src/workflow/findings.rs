//! Findings as they are shown: where they stand, what they say, and the line of the document below.

use std::fmt::Write;

use waymark_proto::v1::{LintFinding, LintSeverity};

/// The most of a line that is shown, in characters, and the most before the place.
const SHOWN_MAX: usize = 160;
const BEFORE_MAX: usize = 80;

/// A document that findings are about.
pub(super) struct Text<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Text<'a> {
    /// The document with this name.
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            name,
            lines: text.lines().collect(),
        }
    }

    /// All findings, one after the other.
    pub(super) fn all<'f>(&self, findings: impl IntoIterator<Item = &'f LintFinding>) -> String {
        let findings = findings.into_iter();
        findings.map(|finding| self.one(finding)).collect()
    }

    fn one(&self, finding: &LintFinding) -> String {
        let LintFinding {
            severity: _,
            rule,
            subject,
            message,
            line,
            column,
        } = finding;
        let severity = match finding.severity() {
            LintSeverity::Error => "error",
            LintSeverity::Warning => "warning",
            LintSeverity::Info | LintSeverity::Unspecified => "info",
        };
        let said = match (rule.as_str(), subject.as_str()) {
            ("document", "document") => message.clone(),
            ("document", path) => format!("{path}: {message}"),
            (_, subject) => format!("{subject} {message}"),
        };
        let mut shown = self.name.to_owned();
        // Writing to a string cannot fail.
        if *line > 0 {
            let _ = write!(shown, ":{line}:{column}");
        }
        let said: String = said.chars().map(plain).collect();
        let _ = writeln!(shown, ": {severity}: {said} ({rule})");
        if let Some((text, caret)) = self.excerpt(*line, *column) {
            let _ = writeln!(shown, "    {text}\n    {:>caret$}", '^');
        }
        shown
    }

    /// The text around a place, and the column of the place in it, from 1.
    fn excerpt(&self, line: i32, column: i32) -> Option<(String, usize)> {
        let before = |number: i32| usize::try_from(number).ok()?.checked_sub(1);
        let (line, column) = (before(line)?, before(column)?);
        let line = self.lines.get(line)?;
        let begin = column.saturating_sub(BEFORE_MAX);
        let shown = line.chars().skip(begin).take(SHOWN_MAX);
        let text: String = shown.map(plain).collect();
        Some((text.trim_end().to_owned(), column - begin + 1))
    }
}

/// The character as a terminal may show it: a document may have what would steer it.
fn plain(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: &str, subject: &str, line: i32, column: i32) -> LintFinding {
        LintFinding {
            severity: LintSeverity::Error.into(),
            rule: rule.to_owned(),
            subject: subject.to_owned(),
            message: "is wrong".to_owned(),
            line,
            column,
        }
    }

    #[test]
    fn a_finding_is_shown_with_its_line() {
        let text = Text::new("a.yaml", "\u{feff}label: a\n\tstate: ü!\r\n");
        let shown = |rule, subject, line, column| text.one(&finding(rule, subject, line, column));
        assert_eq!(
            shown("document", "states.new", 2, 9),
            "a.yaml:2:9: error: states.new: is wrong (document)\n     state: ü!\n            ^\n"
        );
        assert_eq!(
            shown("dead_end", "state new", 1, 1),
            "a.yaml:1:1: error: state new is wrong (dead_end)\n    label: a\n    ^\n"
        );
        assert_eq!(
            shown("document", "document", 0, 0),
            "a.yaml: error: is wrong (document)\n"
        );
        assert_eq!(
            shown("document", "states.\u{1b}[31mred", 0, 0),
            "a.yaml: error: states. [31mred: is wrong (document)\n"
        );
        // A place that the document does not have.
        assert_eq!(
            shown("dead_end", "state new", 7, 1),
            "a.yaml:7:1: error: state new is wrong (dead_end)\n"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let line = format!("{}!{}", "a".repeat(1_000), "b".repeat(1_000));
        let text = Text::new("-", &line);
        let (shown, caret) = text.excerpt(1, 1_001).unwrap();
        assert_eq!(shown.chars().count(), SHOWN_MAX);
        assert_eq!(shown.chars().nth(caret - 1), Some('!'));
    }
}
