//! Python with one of the libraries with which tests look at Waymark from outside.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Held while a library is looked for and perhaps installed: one test must not replace what
/// another has just found.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A Python that has this library, one of those that `tests/python.sh` knows. `make test` installed
/// it; else it is installed now.
pub fn with(library: &str) -> PathBuf {
    let _turn = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python.sh");
    let made = Command::new("sh")
        .arg(script)
        .arg(library)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(made.status.success(), "{library} cannot be installed");
    let path = String::from_utf8(made.stdout).unwrap();
    PathBuf::from(path.trim_end())
}
