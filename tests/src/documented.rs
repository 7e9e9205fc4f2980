//! What `docs/errors.md` says of reasons, so that every error that a test sees is held against the page.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    sync::OnceLock,
};

use crate::binary::workspace;

/// Keys that may come with any reason.
const ANYWHERE: [&str; 2] = ["step_index", "details_truncated"];

/// The code and the metadata keys of one reason.
type Row = (String, BTreeSet<String>);

/// Asserts that the page has a reason under a code such as `NOT_FOUND`, with at least these metadata keys.
///
/// # Panics
/// Panics where it does not.
pub fn check<'a>(code: &str, reason: &str, keys: impl Iterator<Item = &'a String>) {
    static PAGE: OnceLock<HashMap<String, Row>> = OnceLock::new();
    let page = PAGE.get_or_init(|| {
        rows(
            &fs::read_to_string(workspace().join("docs/errors.md"))
                .expect("there is a page about errors"),
        )
    });
    let (documented, documented_keys) = page
        .get(reason)
        .unwrap_or_else(|| panic!("{reason} is not in docs/errors.md"));
    assert_eq!(documented, code, "the code of {reason} in docs/errors.md");
    for key in keys.filter(|key| !ANYWHERE.contains(&key.as_str())) {
        assert!(
            documented_keys.contains(key),
            "docs/errors.md does not say that {reason} has {key}"
        );
    }
}

/// Reads tables of reasons below headings that are codes.
fn rows(page: &str) -> HashMap<String, Row> {
    let mut code = String::new();
    let mut rows = HashMap::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.trim().trim_matches('`').clone_into(&mut code);
        } else if let Some(row) = line.strip_prefix("| `") {
            let mut cells = row.split('|');
            let reason = cells.next().unwrap_or_default().trim().trim_matches('`');
            let keys = cells.next().unwrap_or_default().split(',');
            let keys = keys
                .map(|key| key.trim().trim_matches('`').to_owned())
                .filter(|key| !key.is_empty());
            rows.insert(reason.to_owned(), (code.clone(), keys.collect()));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_code_and_keys() {
        let page = "# Errors\n## `ABORTED`\n| Reason | Metadata |\n|---|---|\n| `A_B` | `x`, `y` | when |\n| `C` | | when |\n";
        let rows = rows(page);
        assert_eq!(
            rows["A_B"],
            ("ABORTED".to_owned(), ["x", "y"].map(str::to_owned).into())
        );
        assert_eq!(rows["C"], ("ABORTED".to_owned(), BTreeSet::new()));
        assert_eq!(rows.len(), 2);
    }
}
