//! Output of the program: results to the standard output, errors to the standard error output.

use std::{
    io::{Write, stderr, stdout},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::failure::Failure;

/// Prints a result and sees that it is gone.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Time that a line for people may wait for whoever reads it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints a line for people. Nobody is left to hear that this failed, nor waits for a reader who
/// stands still.
pub(crate) fn print_error(line: &str) {
    let line = line.to_owned();
    let (done, written) = mpsc::channel();
    let writing = thread::Builder::new().spawn(move || {
        let _ = writeln!(stderr().lock(), "{line}");
        let _ = done.send(());
    });
    if writing.is_ok() {
        let _ = written.recv_timeout(PATIENCE);
    }
}
