//! What the program prints: results to the standard output, complaints to the
//! standard error output.

use std::io::{Write, stderr, stdout};

use crate::failure::Failure;

/// Prints a result and sees that it is gone.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Prints a line for people. Nobody is left to hear that this failed.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}
