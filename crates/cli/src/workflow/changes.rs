//! Differences as they are printed: with whole values, each on a line or below its part.

use waymark_proto::v1::ChangeKind;

/// The most characters of a change that is printed on one line.
const LINE_CHARACTERS_MAX: usize = 120;

/// A part that came, differs or went.
pub(super) fn shown(kind: ChangeKind, subject: &str, before: &str, after: &str) -> String {
    match kind {
        ChangeKind::Added => added(subject, after),
        ChangeKind::Removed => removed(subject, before),
        ChangeKind::Changed | ChangeKind::Unspecified => changed(subject, before, after),
    }
}

fn added(subject: &str, after: &str) -> String {
    format!("+ {subject}: {after}\n")
}

fn removed(subject: &str, before: &str) -> String {
    format!("- {subject}: {before}\n")
}

/// Where the line is long, both sides begin at the same column.
fn changed(subject: &str, before: &str, after: &str) -> String {
    let line = format!("~ {subject}: {before} -> {after}\n");
    if line.chars().count() <= LINE_CHARACTERS_MAX {
        return line;
    }
    format!("~ {subject}:\n    {before}\n -> {after}\n")
}

/// A number of parts.
pub(super) fn parts(count: usize) -> String {
    match count {
        1 => "1 part".to_owned(),
        count => format!("{count} parts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_line_or_a_block() {
        assert_eq!(
            changed("workflow", "label: A", "label: B"),
            "~ workflow: label: A -> label: B\n"
        );
        let long = "x".repeat(100);
        assert_eq!(
            changed("workflow", &long, "y"),
            format!("~ workflow: {long} -> y\n")
        );
        assert_eq!(
            changed("workflow", &long, "a longer one"),
            format!("~ workflow:\n    {long}\n -> a longer one\n")
        );
        assert_eq!(added("status a", "label: A"), "+ status a: label: A\n");
        assert_eq!(removed("status a", "label: A"), "- status a: label: A\n");
        assert_eq!(
            [parts(0), parts(1), parts(2)],
            ["0 parts", "1 part", "2 parts"]
        );
    }
}
