//! The page of errors has the codes, reasons and keys that clients get.

use std::collections::BTreeSet;

use tonic::Code;

use crate::error::Reason;

/// A row of the page as code, reason and keys.
type Row = (String, String, Vec<String>);

fn documented() -> Vec<Row> {
    let page = include_str!("../../../../../docs/errors.md");
    let quoted = |text: &str| {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (mut code, mut rows) = (String::new(), Vec::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            code = quoted(heading).concat();
        } else if line.starts_with("| `") {
            let cells: Vec<&str> = line.split('|').collect();
            rows.push((code.clone(), quoted(cells[1]).concat(), quoted(cells[2])));
        }
    }
    rows
}

#[test]
fn the_page_of_errors_says_what_the_code_does() {
    let code = |code: Code| {
        format!("{code:?}")
            .chars()
            .enumerate()
            .fold(String::new(), |mut name, (at, letter)| {
                if at > 0 && letter.is_uppercase() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
                name
            })
    };
    let keys = |reason: &Reason| {
        reason
            .metadata_keys()
            .iter()
            .map(|key| (*key).to_owned())
            .collect()
    };
    let coded = Reason::ALL.iter().map(|reason| {
        (
            code(reason.code()),
            reason.as_str().to_owned(),
            keys(reason),
        )
    });
    let (coded, documented): (BTreeSet<Row>, BTreeSet<Row>) =
        (coded.collect(), documented().into_iter().collect());
    let missing: Vec<_> = coded.difference(&documented).collect();
    let surplus: Vec<_> = documented.difference(&coded).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing: {missing:#?}\nsurplus: {surplus:#?}"
    );
}
