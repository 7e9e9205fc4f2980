//! Lines of the product, tests left out.

use crate::sources::{is_test, rust_files};

/// The lines of code of a folder: without blank lines, comments and tests.
pub(crate) fn of(folder: &str) -> usize {
    let files = rust_files(folder).into_iter();
    let product = files.filter(|(name, _)| !is_test(name));
    product.map(|(_, text)| count(&text)).sum()
}

/// The lines of code of a text. A module of tests ends at a bracket as far from the margin as it begins.
fn count(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let code = line.trim();
        if code == "#[cfg(test)]" {
            while lines
                .next_if(|line| line.trim().starts_with("#["))
                .is_some()
            {}
            let Some(item) = lines.next() else { break };
            if item.ends_with('{') {
                let margin = item.len() - item.trim_start().len();
                let end = format!("{:margin$}}}", "");
                let is_within = |line: &&str| line.trim_end_matches(';') != end;
                while lines.next_if(is_within).is_some() {}
                lines.next();
            }
        } else if !code.is_empty() && !code.starts_with("//") {
            count += 1;
        }
    }
    count
}

#[test]
fn code_alone_counts() {
    let text = "\
//! Header.

/// Doc.
fn one() {
    // Why.
    two();
}

#[cfg(test)]
#[path = \"one_tests.rs\"]
mod tests;

#[cfg(test)]
mod more {
    #[test]
    fn three() {
    }
}
const FOUR: u8 = 4;
";
    assert_eq!(count(text), 4);
}
