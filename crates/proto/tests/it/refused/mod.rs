//! One case for every field that a request may get wrong, with the text that a caller reads.

mod definitions;
mod ledger;
mod reading;
mod steps;

use std::fmt::Debug;

use waymark_proto::invalid::InvalidRequest;

pub(crate) const CODE: &str = "must be a code: first a letter a-z, then a-z, 0-9 or _";
const VISIBLE: &str = "must be visible ASCII characters without spaces";
pub(crate) const STORE_VIEW: &str = "must be a store view: 1 to 32 of A-Z, a-z, 0-9, _ and -";
const QUANTITY: &str = "must be a decimal number, not negative, with up to 12 digits and 4 decimals, such as 2 or 0.25";
const MONEY: &str = "must lie between 0 and 1000000000000000";
const NUL: &str = "U+0000 at character 1 is a control character, which is refused";
pub(crate) const LINE_BREAK: &str =
    "U+000A at character 1 is a control character, which is refused";
pub(crate) const INSTANT: &str =
    "must be an instant between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z";

#[track_caller]
pub(crate) fn check<T: Debug>(result: Result<T, InvalidRequest>, expected: &[(&str, &str)]) {
    let invalid = result.expect_err("the request is refused");
    let violations = invalid.violations().iter();
    let found: Vec<_> = violations
        .map(|violation| (violation.field.clone(), violation.problem.to_string()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(field, text)| ((*field).to_owned(), (*text).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

pub(crate) fn text(text: &str) -> String {
    text.to_owned()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
