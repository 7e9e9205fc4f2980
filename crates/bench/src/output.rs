//! Lines to the person at the terminal.

use std::io::{Write, stderr, stdout};

use crate::failure::Failure;

/// Writes a line to standard output.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    writeln!(stdout(), "{line}").map_err(Failure::io("the output cannot be written"))
}

/// Writes a line to standard error; there is nobody to tell when that fails.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
