//! Lines on the terminal.

use std::io::{Write, stderr, stdout};

use crate::failure::Failure;

/// Writes a line to standard output.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    writeln!(stdout(), "{line}").map_err(Failure::io("the output cannot be written"))
}

/// Writes a line to standard error. A failure is ignored: there is nowhere to report it.
pub(crate) fn print_error(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
